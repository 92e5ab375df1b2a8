/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl: a thin client of the REST API over the Unix socket. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/corrections.h"
#include "cli/costs.h"
#include "cli/keys.h"
#include "cli/plugins.h"
#include "cli/prices.h"
#include "cli/print.h"
#include "cli/reconcile.h"
#include "cli/why.h"

enum {
	FOLLOW_MS = 300,
};

static const char default_socket[] = "/run/tidegate/admin.sock";

static const char overview[] =
    "[--socket PATH] [--json] COMMAND\n"
    "\n"
    "  status                         state, traffic, spend and health now\n"
    "  costs [--by G,...]             spend by tenant, feature, user, model…, alone or together\n"
    "  logs [-n N] [-f]               the newest requests\n"
    "  correct REQUEST | --tenant T   what turned out later to have cost more or less\n"
    "  corrections                    what was corrected, when and why\n"
    "  reconcile FILE                 a provider's export of usage, beside the rows\n"
    "  why REQUEST                    what happened to one request, and what it cost\n"
    "  keys list | create | …         virtual keys\n"
    "  prices [import | explain | …]  the price book, and your own prices\n"
    "  plugins [enable NAME]          what is loaded, and what stays off\n"
    "  reload                         put the configuration files in force\n"
    "  check [FILE]                   validate them, or another main file\n"
    "\n"
    "`tidectl COMMAND --help` says more of each.\n";

static const char common_help[] =
    "\n"
    "The socket is --socket, else $TIDEGATE_SOCKET, else /run/tidegate/admin.sock.\n"
    "Exit: 0 done, 1 refused or not valid, 2 wrong usage, 3 the appliance cannot be reached.\n";

static int run_status(struct command *command)
{
	return call_show(command, "GET", "/api/v1/status", NULL, print_status);
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
	int r = call_appliance(command, "GET", follow->path, NULL, &value);

	if (r)
		return r;
	print_rows(command, follow, json_object_get(value, "rows"));
	cursor = json_string_value(json_object_get(value, "cursor"));
	snprintf(follow->path, sizeof(follow->path), "/api/v1/logs?cursor=%s&limit=%d",
		 cursor ? cursor : "", COMMAND_ROWS_MAX);
	json_decref(value);
	return call_end_output();
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
	command->rows = COMMAND_ROWS_MAX;
	while (r == 0 && command->follow) {
		if (follow.count < COMMAND_ROWS_MAX)
			nanosleep(&pause, NULL);
		r = print_answer(command, &follow);
	}
	json_decref(follow.printed);
	return r;
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

/* As installed in bin and sbin, or all in one folder, or as built. */
static const char *const beside[] = { "../sbin/tidegated", "tidegated", "../daemon/tidegated" };

/* Another file than the one in force is the daemon program's own offline check. The one beside this
 * program is of its version; what PATH has may be another. */
static int check_file(const char *file)
{
	char own[PATH_MAX], path[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own));

	while (len > 0 && own[len - 1] != '/')
		len--;
	for (size_t i = 0; i < ARRAY_SIZE(beside) && len > 0; i++) {
		snprintf(path, sizeof(path), "%.*s%s", (int)len, own, beside[i]);
		execl(path, "tidegated", "--check", "--config", file, (char *)NULL);
	}
	execlp("tidegated", "tidegated", "--check", "--config", file, (char *)NULL);
	fprintf(stderr,
		"tidectl: tidegated, which checks files, is neither beside tidectl nor in the "
		"PATH: %s\n",
		strerror(errno));
	return EXIT_UNREACHABLE;
}

static int run_check(struct command *command)
{
	json_t *value;
	bool valid;
	int r;

	if (command->argc == 2)
		return check_file(command->argv[1]);
	r = call_appliance(command, "POST", "/api/v1/check", NULL, &value);
	if (r)
		return r;
	valid = json_is_true(json_object_get(value, "valid"));
	if (command->json)
		print_json(value);
	else
		print_checked(value);
	json_decref(value);
	r = call_end_output();
	return r || valid ? r : EXIT_REFUSED;
}

static int run_reload(struct command *command)
{
	return call_show(command, "POST", "/api/v1/reload", NULL, print_reloaded);
}

/* ---- the command line ---- */

static const struct command_verb verbs[] = {
	{ "status", 1, 0, run_status,
	  "[--json] status\n"
	  "\n"
	  "State, spend, traffic, latency and ledger now; --json prints all that there is.\n" },
	{ "costs", 1, COSTS_OPTIONS, costs_run,
	  "[--json | --csv] costs [--by GROUP,...] [--period PERIOD]\n"
	  "       [--tenant NAME] [--feature NAME] [--key NAME] [--user NAME] [--route NAME]\n"
	  "       [--model NAME] [--provider NAME]\n"
	  "\n"
	  "Spend in dollars, the dearest first; with names, of theirs alone.\n"
	  "  --by GROUP,...   one or more of tenant (the default), feature, key, user, route,\n"
	  "                   model, provider; with the last two requests are attempts\n"
	  "  --period PERIOD  today (the default), yesterday, month, last-month, total, a day\n"
	  "                   (2026-11-24), a month (2026-11), or days\n"
	  "                   (2026-11-01..2026-11-24, both within)\n"
	  "  --csv            as a spreadsheet takes it\n" },
	{ "logs", 1, OPTION_FOLLOW | OPTION_LINES, run_logs,
	  "[--json] logs [-n N] [-f]\n"
	  "\n"
	  "The newest requests, oldest first: time, id, tenant, feature, route, provider,\n"
	  "outcome, status, tokens in, tokens out, dollars, milliseconds, client,\n"
	  "run.\n"
	  "  -n, --lines N  how many, up to 1000 (25)\n"
	  "  -f, --follow   goes on with new ones\n" },
	{ "why", 2, 0, why_run,
	  "[--json] why REQUEST\n"
	  "\n"
	  "The story of one request: who asked, each attempt at a provider in order, what came of\n"
	  "it, tokens and dollars. REQUEST is what x-tidegate-request-id of its answer says, or\n"
	  "the id of its row in the log.\n" },
	{ "correct", 2, CORRECT_OPTIONS, correct_run,
	  "[--json] correct REQUEST --amount USD|--to USD --reason TEXT\n"
	  "       tidectl [--json] correct --tenant NAME [--feature NAME] [--key NAME]\n"
	  "               [--user NAME] [--route NAME] [--model NAME] [--provider NAME]\n"
	  "               --amount USD --reason TEXT\n"
	  "       tidectl [--json] correct --undo ID --reason TEXT\n"
	  "               (each with [--for PERIOD] [--reference TEXT])\n"
	  "\n"
	  "Adds to what was spent, or takes off it with --amount -1.25, from now on: rows and\n"
	  "months that are over stay as they are. --to says what a request is to cost in all.\n"
	  "--for says what it mends, as 2026-10. A reference, as an invoice's number, is taken\n"
	  "once only, so that nothing is booked twice. --undo books the opposite.\n" },
	{ "corrections", 1, OPTION_PERIOD, corrections_run,
	  "[--json] corrections [--period PERIOD]\n"
	  "\n"
	  "Corrections by when they were made; periods as of costs, all by default.\n" },
	{ "reconcile", 2, RECONCILE_OPTIONS, reconcile_run,
	  "[--json] reconcile FILE [--provider NAME] [--tolerance USD]\n"
	  "\n"
	  "What a provider says was used, beside what the rows of attempts say: requests, each\n"
	  "class of tokens and dollars, by UTC day and model. FILE is the CSV that OpenAI's or\n"
	  "Anthropic's console exports, or any with a column of days (date) and some of model,\n"
	  "requests, input_tokens (all of them), cached_tokens, cache_write_tokens,\n"
	  "cache_write_1h_tokens, output_tokens, cost_usd.\n"
	  "  --provider NAME  only what was asked of this provider object\n"
	  "  --tolerance USD  a cost may differ by so much a line\n"
	  "Exit 1 when something differs.\n" },
	{ "keys", 3, KEYS_OPTIONS, keys_run,
	  "[--json] keys list\n"
	  "       tidectl [--json] keys create NAME --tenant TENANT [--feature FEATURE]\n"
	  "               [--models \"PATTERN...\"] [--routes \"PATTERN...\"]\n"
	  "               [--networks \"NETWORK...\"] [--expires TIME]\n"
	  "               [--end-user \"SOURCE...\" [--require-user] [--pseudonym]]\n"
	  "       tidectl [--json] keys rotate NAME [--overlap TIME]\n"
	  "       tidectl [--json] keys revoke NAME [--now]\n"
	  "       tidectl [--json] keys import FILE\n"
	  "\n"
	  "Virtual keys. A new key is printed, once; a revoked key's next request is refused,\n"
	  "and with --now what runs by it ends. A rotated key has a new text, and the old one is\n"
	  "good for TIME more: 90s, 30m, 24h (the default), 7d. FILE, or - for the input, has a\n"
	  "line for each key that another gateway gave out: name,tenant,sha256 under that line of\n"
	  "names, or JSON; all of them are made, or none. --expires takes a date, which is over\n"
	  "when it ends in UTC, or a moment: 2026-12-31T18:00:00Z.\n" },
	{ "prices", PRICES_WORDS_MAX, PRICES_OPTIONS, prices_run,
	  "[--json] prices [list]\n"
	  "       tidectl [--json] prices import FILE [--sha256 HEX]\n"
	  "               [--signature FILE [--key FILE]]\n"
	  "       tidectl [--json] prices use NAME|configuration\n"
	  "       tidectl [--json] prices diff FILE\n"
	  "       tidectl [--json] prices explain PROVIDER MODEL [--at TIME] [--tier TIER]\n"
	  "               [NAME=COUNT...]\n"
	  "       tidectl [--json] prices set PROVIDER MODEL NAME=USD...\n"
	  "       tidectl [--json] prices unset PROVIDER MODEL\n"
	  "       tidectl [--json] prices override FILE\n"
	  "\n"
	  "Where prices are from. An imported list holds for what is asked from then on; your own\n"
	  "prices are above it. NAME is input, output, cache_read, cache_write, input_audio,\n"
	  "output_audio, web_searches and so on; USD are dollars for a million tokens, a\n"
	  "thousand of what is no token, an hour of audio.\n" },
	{ "plugins", 3, 0, plugins_run,
	  "[--json] plugins [list]\n"
	  "       tidectl [--json] plugins enable NAME\n"
	  "\n"
	  "The plugins of plugins.load, and the objects that they make. One that crashed too "
	  "often\n"
	  "(plugins.crashes_max) stays off; enable loads it at once, and its count begins "
	  "anew.\n" },
	{ "reload", 1, 0, run_reload,
	  "[--json] reload\n"
	  "\n"
	  "Puts the configuration files in force, all or nothing.\n" },
	{ "check", 2, 0, run_check,
	  "[--json] check [FILE]\n"
	  "\n"
	  "Validates the configuration files, or another main file, and lists every error.\n" },
	{ 0 },
};

static void print_help(const struct command_verb *verb)
{
	printf("Usage: tidectl %s%s", verb ? verb->help : overview, common_help);
}

int main(int argc, char **argv)
{
	struct command command = { .socket = getenv("TIDEGATE_SOCKET"), .rows = 25 };
	int r = command_parse(argc, argv, verbs, &command);

	if (r)
		return r;
	if (!command.socket || !*command.socket)
		command.socket = default_socket;
	if (command.version)
		puts("tidectl " TIDEGATE_VERSION);
	else if (command.help)
		print_help(command.verb);
	else
		return command.verb->run(&command);
	return call_end_output();
}
