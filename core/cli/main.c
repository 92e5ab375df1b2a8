/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl: a thin client of the REST API over the Unix socket. Exit codes are part of its
 * interface: 0 done, 1 the appliance said no, 2 wrong usage, 3 the appliance cannot be reached. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/print.h"

enum {
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	FOLLOW_MS = 300,
	FOLLOW_ROWS = 1000,
};

static const char default_socket[] = "/run/tidegate/admin.sock";

static const char usage[] =
    "Usage: tidectl [--socket PATH] [--json] COMMAND\n"
    "\n"
    "  status                                traffic, spend and health now\n"
    "  costs [--by GROUP] [--period PERIOD]  spend; GROUP: tenant feature key route model "
    "provider;\n"
    "                                        PERIOD: today month total\n"
    "  logs [-n N] [-f]                      the newest N requests (25); -f goes on with new ones\n"
    "  keys list                             virtual keys\n"
    "  keys create NAME --tenant TENANT [--feature FEATURE]\n"
    "                                        makes a key and prints it, once\n"
    "  keys revoke NAME                      its next request is refused\n"
    "  reload                                put the configuration files in force, all or nothing\n"
    "  check [FILE]                          validate them, or another main file, and list every "
    "error\n"
    "\n"
    "The socket is --socket, else $TIDEGATE_SOCKET, else /run/tidegate/admin.sock.\n"
    "Exit: 0 done, 1 refused or not valid, 2 wrong usage, 3 the appliance cannot be reached.\n";

enum option_bit {
	OPTION_BY = 1,
	OPTION_PERIOD = 2,
	OPTION_TENANT = 4,
	OPTION_FEATURE = 8,
	OPTION_FOLLOW = 16,
	OPTION_LINES = 32,
};

struct command {
	const char *socket;
	bool json, follow;
	const char *by, *period, *tenant, *feature;
	int rows;
	unsigned given; /* bits of enum option_bit */
	int argc;
	char **argv; /* the words that are no options */
};

static int fail(const struct error *error, int code)
{
	char text[1024];

	fprintf(stderr, "tidectl: %s\n", error_text(error, text, sizeof(text)));
	return code;
}

static int wrong_usage(const char *why)
{
	fprintf(stderr, "tidectl: %s\n%s", why, usage);
	return EXIT_USAGE;
}

/* 0 and the answer, or the exit code after having said why. */
static int call(const struct command *command, const char *method, const char *path, json_t *body,
		json_t **ret)
{
	struct error error = { 0 };
	int status, r = client_call(command->socket, method, path, body, &status, ret, &error);

	if (r < 0)
		return fail(&error, EXIT_UNREACHABLE);
	if (status < 400)
		return 0;
	if (command->json)
		print_json(*ret);
	error_set(&error, -EIO, "%s",
		  json_string_value(json_object_get(json_object_get(*ret, "error"), "message"))
		      ?: "the appliance refused");
	json_decref(*ret);
	return fail(&error, EXIT_REFUSED);
}

/* What could not be written was not done. */
static int end_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "tidectl: the output could not be written: %s\n", strerror(errno));
	return EXIT_REFUSED;
}

static int show(const struct command *command, const char *method, const char *path, json_t *body,
		void (*print)(json_t *value))
{
	json_t *value;
	int r = call(command, method, path, body, &value);

	if (r)
		return r;
	if (command->json)
		print_json(value);
	else
		print(value);
	json_decref(value);
	return end_output();
}

static int run_status(struct command *command)
{
	return show(command, "GET", "/api/v1/status", NULL, print_status);
}

static int run_costs(struct command *command)
{
	_cleanup_(buffer_fini) struct buffer path = { 0 };

	buffer_append_str(&path, "/api/v1/costs?by=");
	file_name_encode(slice_of(command->by ? command->by : "tenant"), &path);
	buffer_append_str(&path, "&period=");
	file_name_encode(slice_of(command->period ? command->period : "today"), &path);
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED : show(command, "GET", path.data, NULL, print_costs);
}

/* ---- logs ---- */

struct follow {
	json_t *printed; /* ids of the first answer, of which the second may bring some again */
	char path[256];  /* of the next answer */
	size_t count;    /* of rows in the last one */
};

static void print_row(const struct command *command, json_t *row)
{
	char *text;

	if (!command->json) {
		print_log_row(row);
		return;
	}
	text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(15));
	puts(text ? text : "null");
	free(text);
}

static void print_rows(const struct command *command, struct follow *follow, json_t *rows)
{
	json_t *row, *ids = json_object();
	size_t i;

	follow->count = json_array_size(rows);
	json_array_foreach (rows, i, row) {
		const char *id = json_string_value(json_object_get(row, "id")) ?: "";
		json_object_set_new(ids, id, json_true());
		if (command->rows > 0 && !json_object_get(follow->printed, id))
			print_row(command, row);
	}
	json_decref(follow->printed);
	follow->printed = ids;
}

static int print_answer(struct command *command, struct follow *follow)
{
	json_t *value;
	const char *cursor;
	int r = call(command, "GET", follow->path, NULL, &value);

	if (r)
		return r;
	print_rows(command, follow, json_object_get(value, "rows"));
	cursor = json_string_value(json_object_get(value, "cursor"));
	snprintf(follow->path, sizeof(follow->path), "/api/v1/logs?cursor=%s&limit=%d",
		 cursor ? cursor : "", FOLLOW_ROWS);
	json_decref(value);
	return end_output();
}

static int run_logs(struct command *command)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000 * 1000 };
	struct follow follow = { .printed = json_object() };
	int r;

	/* With no rows wanted one is asked for all the same: it tells which are old. */
	snprintf(follow.path, sizeof(follow.path), "/api/v1/logs?limit=%d",
		 command->rows > 0 ? command->rows : 1);
	r = print_answer(command, &follow);
	command->rows = FOLLOW_ROWS;
	while (r == 0 && command->follow) {
		if (follow.count < FOLLOW_ROWS)
			nanosleep(&pause, NULL);
		r = print_answer(command, &follow);
	}
	json_decref(follow.printed);
	return r;
}

/* ---- keys ---- */

static void print_revoked(json_t *value)
{
	printf("%s is revoked\n", json_string_value(json_object_get(value, "name")));
}

static int run_keys_create(const struct command *command, const char *name)
{
	json_t *body;
	int r;

	if (!command->tenant)
		return wrong_usage("keys create needs --tenant TENANT");
	body = json_pack("{s:s, s:s, s:s*}", "name", name, "tenant", command->tenant, "feature",
			 command->feature);
	if (!body)
		return wrong_usage("names must be valid UTF-8");
	r = show(command, "POST", "/api/v1/keys", body, print_key_made);
	json_decref(body);
	return r;
}

static int run_keys(struct command *command)
{
	_cleanup_(buffer_fini) struct buffer path = { 0 };
	const char *what = command->argc > 1 ? command->argv[1] : "";

	if (strcmp(what, "create") != 0 && command->given)
		return wrong_usage("--tenant and --feature belong to keys create");
	if (strcmp(what, "list") == 0 && command->argc == 2)
		return show(command, "GET", "/api/v1/keys", NULL, print_keys);
	if (strcmp(what, "create") == 0 && command->argc == 3)
		return run_keys_create(command, command->argv[2]);
	if (strcmp(what, "revoke") != 0 || command->argc != 3)
		return wrong_usage("keys takes list, create NAME or revoke NAME");
	buffer_append_str(&path, "/api/v1/keys/");
	file_name_encode(slice_of(command->argv[2]), &path);
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED : show(command, "DELETE", path.data, NULL, print_revoked);
}

/* ---- configuration ---- */

static void print_reloaded(json_t *value)
{
	printf("configuration %lld is in force\n",
	       (long long)json_integer_value(json_object_get(value, "generation")));
}

static void print_checked(json_t *value)
{
	json_t *errors = json_object_get(value, "errors"), *error;
	size_t i;

	json_array_foreach (errors, i, error)
		fprintf(stderr, "%s\n", json_string_value(error));
	if (json_array_size(errors) == 0)
		puts("valid");
}

static int run_check(struct command *command)
{
	json_t *value;
	bool valid;
	int r;

	if (command->argc == 2) {
		/* Another file than the one in force is the daemon program's own offline check. */
		execlp("tidegated", "tidegated", "--check", "--config", command->argv[1],
		       (char *)NULL);
		fprintf(stderr, "tidectl: tidegated is not in the PATH: %s\n", strerror(errno));
		return EXIT_UNREACHABLE;
	}
	r = call(command, "POST", "/api/v1/check", NULL, &value);
	if (r)
		return r;
	valid = json_is_true(json_object_get(value, "valid"));
	if (command->json)
		print_json(value);
	else
		print_checked(value);
	json_decref(value);
	r = end_output();
	return r || valid ? r : EXIT_REFUSED;
}

static int run_reload(struct command *command)
{
	return show(command, "POST", "/api/v1/reload", NULL, print_reloaded);
}

/* ---- the command line ---- */

static const struct {
	const char *name;
	int words_max;
	unsigned options; /* beside those of all commands */
	int (*run)(struct command *command);
} commands[] = {
	{ "status", 1, 0, run_status },
	{ "costs", 1, OPTION_BY | OPTION_PERIOD, run_costs },
	{ "logs", 1, OPTION_FOLLOW | OPTION_LINES, run_logs },
	{ "keys", 3, OPTION_TENANT | OPTION_FEATURE, run_keys },
	{ "reload", 1, 0, run_reload },
	{ "check", 2, 0, run_check },
};

static int parse_rows(struct command *command, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || end == text || value < 0 || value > FOLLOW_ROWS)
		return wrong_usage("-n takes a number from 0 to 1000");
	command->rows = (int)value;
	return 0;
}

static int parse(int argc, char **argv, struct command *command)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "by", required_argument, NULL, 'b' },
		{ "period", required_argument, NULL, 'p' },
		{ "tenant", required_argument, NULL, 't' },
		{ "feature", required_argument, NULL, 'e' },
		{ "follow", no_argument, NULL, 'f' },
		{ "lines", required_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "fn:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			command->socket = optarg;
			break;
		case 'j':
			command->json = true;
			break;
		case 'b':
			command->by = optarg;
			command->given |= OPTION_BY;
			break;
		case 'p':
			command->period = optarg;
			command->given |= OPTION_PERIOD;
			break;
		case 't':
			command->tenant = optarg;
			command->given |= OPTION_TENANT;
			break;
		case 'e':
			command->feature = optarg;
			command->given |= OPTION_FEATURE;
			break;
		case 'f':
			command->follow = true;
			command->given |= OPTION_FOLLOW;
			break;
		case 'n':
			r = parse_rows(command, optarg);
			command->given |= OPTION_LINES;
			break;
		case 'v':
			puts("tidectl " TIDEGATE_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return wrong_usage("unknown option");
		}
	}
	command->argc = argc - optind;
	command->argv = argv + optind;
	return r;
}

int main(int argc, char **argv)
{
	struct command command = { .socket = getenv("TIDEGATE_SOCKET"), .rows = 25 };
	int r;

	if (!command.socket || !*command.socket)
		command.socket = default_socket;
	r = parse(argc, argv, &command);
	if (r)
		return r;
	if (command.argc == 0)
		return wrong_usage("a command is needed");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, command.argv[0]) != 0)
			continue;
		if (command.argc > commands[i].words_max)
			return wrong_usage("too many words");
		if (command.given & ~commands[i].options)
			return wrong_usage("an option does not belong to this command");
		return commands[i].run(&command);
	}
	return wrong_usage("unknown command");
}
