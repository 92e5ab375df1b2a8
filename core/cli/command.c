/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table of options, whichever verb they belong to. */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const struct option options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "by", required_argument, NULL, 'b' },
	{ "period", required_argument, NULL, 'p' },
	{ "tenant", required_argument, NULL, 't' },
	{ "feature", required_argument, NULL, 'e' },
	{ "models", required_argument, NULL, 'm' },
	{ "follow", no_argument, NULL, 'f' },
	{ "lines", required_argument, NULL, 'n' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "routes", required_argument, NULL, 'r' },
	{ "networks", required_argument, NULL, 'w' },
	{ "expires", required_argument, NULL, 'x' },
	{ "overlap", required_argument, NULL, 'o' },
	{ "end-user", required_argument, NULL, 'u' },
	{ "require-user", no_argument, NULL, 'R' },
	{ "pseudonym", no_argument, NULL, 'P' },
	{ "now", no_argument, NULL, 'N' },
	{ "sha256", required_argument, NULL, 'S' },
	{ "signature", required_argument, NULL, 'G' },
	{ "key", required_argument, NULL, 'K' },
	{ "at", required_argument, NULL, 'A' },
	{ "tier", required_argument, NULL, 'T' },
	{ "user", required_argument, NULL, 'U' },
	{ "route", required_argument, NULL, 'O' },
	{ "model", required_argument, NULL, 'M' },
	{ "provider", required_argument, NULL, 'V' },
	{ "csv", no_argument, NULL, 'C' },
	{ "amount", required_argument, NULL, 'a' },
	{ "to", required_argument, NULL, 'q' },
	{ "for", required_argument, NULL, 'F' },
	{ "reason", required_argument, NULL, 'y' },
	{ "reference", required_argument, NULL, 'i' },
	{ "undo", required_argument, NULL, 'z' },
	{ "tolerance", required_argument, NULL, 'l' },
	{ 0 },
};

int wrong_usage(const struct command_verb *verb, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "tidectl: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "; try `tidectl %s%s--help`\n", verb ? verb->name : "", verb ? " " : "");
	return EXIT_USAGE;
}

static const struct command_verb *find_verb(const struct command_verb *verbs, const char *name)
{
	for (; verbs->name; verbs++) {
		if (strcmp(verbs->name, name) == 0)
			return verbs;
	}
	return NULL;
}

/* Whose help to name when the line cannot be taken apart: the first word that is a verb. */
static const struct command_verb *guess_verb(int argc, char **argv,
					     const struct command_verb *verbs)
{
	for (int i = 1; i < argc; i++) {
		const struct command_verb *verb = find_verb(verbs, argv[i]);
		if (verb)
			return verb;
	}
	return NULL;
}

static bool take_text(struct command *command, int option, const char *text)
{
	const struct {
		int option;
		const char **to;
		unsigned bit;
	} rows[] = {
		{ 's', &command->socket, 0 },
		{ 'b', &command->by, OPTION_BY },
		{ 'p', &command->period, OPTION_PERIOD },
		{ 't', &command->tenant, OPTION_TENANT },
		{ 'e', &command->feature, OPTION_FEATURE },
		{ 'm', &command->models, OPTION_MODELS },
		{ 'r', &command->routes, OPTION_ROUTES },
		{ 'w', &command->networks, OPTION_NETWORKS },
		{ 'x', &command->expires, OPTION_EXPIRES },
		{ 'o', &command->overlap, OPTION_OVERLAP },
		{ 'u', &command->end_user, OPTION_END_USER },
		{ 'S', &command->sha256, OPTION_SHA256 },
		{ 'G', &command->signature, OPTION_SIGNATURE },
		{ 'K', &command->key, OPTION_KEY },
		{ 'A', &command->at, OPTION_AT },
		{ 'T', &command->tier, OPTION_TIER },
		{ 'U', &command->user, OPTION_USER },
		{ 'O', &command->route, OPTION_ROUTE },
		{ 'M', &command->model, OPTION_MODEL },
		{ 'V', &command->provider, OPTION_PROVIDER },
		{ 'a', &command->amount, OPTION_AMOUNT },
		{ 'q', &command->to, OPTION_TO },
		{ 'F', &command->mends, OPTION_FOR },
		{ 'y', &command->reason, OPTION_REASON },
		{ 'i', &command->reference, OPTION_REFERENCE },
		{ 'z', &command->undo, OPTION_UNDO },
		{ 'l', &command->tolerance, OPTION_TOLERANCE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].option != option)
			continue;
		*rows[i].to = text;
		command->given |= rows[i].bit;
		return true;
	}
	return false;
}

static bool take_rows(struct command *command, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	command->rows = (int)value;
	command->given |= OPTION_LINES;
	return !*end && end != text && value >= 0 && value <= COMMAND_ROWS_MAX;
}

/* False for what is no option that stands alone. */
static bool take_word(struct command *command, int option)
{
	switch (option) {
	case 'j':
		command->json = true;
		return true;
	case 'f':
		command->follow = true;
		command->given |= OPTION_FOLLOW;
		return true;
	case 'N':
		command->now = true;
		command->given |= OPTION_NOW;
		return true;
	case 'R':
		command->require_user = true;
		command->given |= OPTION_REQUIRE_USER;
		return true;
	case 'P':
		command->pseudonym = true;
		command->given |= OPTION_PSEUDONYM;
		return true;
	case 'C':
		command->csv = true;
		command->given |= OPTION_CSV;
		return true;
	case 'v':
		command->version = true;
		return true;
	case 'h':
		command->help = true;
		return true;
	default:
		return false;
	}
}

static bool is_known(int option)
{
	for (size_t i = 0; options[i].name; i++) {
		if (options[i].val == option)
			return true;
	}
	return false;
}

/* `c` is what getopt_long said of argv[optind - 1]. */
static int refuse_option(const struct command_verb *verb, int c, char **argv)
{
	if (c == 'n')
		return wrong_usage(verb, "-n takes a number from 0 to %d, not \"%s\"",
				   COMMAND_ROWS_MAX, optarg);
	if (c == ':')
		return wrong_usage(verb, "%s needs a value", argv[optind - 1]);
	if (optopt && !is_known(optopt))
		return wrong_usage(verb, "unknown option -%c", optopt);
	if (optopt)
		return wrong_usage(verb, "no value belongs to %s", argv[optind - 1]);
	return wrong_usage(verb, "unknown option %s", argv[optind - 1]);
}

static int take_options(int argc, char **argv, const struct command_verb *verbs,
			struct command *command)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":fn:h", options, NULL)) != -1) {
		if (!take_word(command, c) && !take_text(command, c, optarg) &&
		    !(c == 'n' && take_rows(command, optarg)))
			return refuse_option(guess_verb(argc, argv, verbs), c, argv);
	}
	command->argc = argc - optind;
	command->argv = argv + optind;
	return 0;
}

static const struct {
	unsigned bit;
	const char *name;
} owned[] = {
	{ OPTION_BY, "--by" },
	{ OPTION_PERIOD, "--period" },
	{ OPTION_TENANT, "--tenant" },
	{ OPTION_FEATURE, "--feature" },
	{ OPTION_MODELS, "--models" },
	{ OPTION_FOLLOW, "--follow" },
	{ OPTION_LINES, "--lines" },
	{ OPTION_ROUTES, "--routes" },
	{ OPTION_NETWORKS, "--networks" },
	{ OPTION_EXPIRES, "--expires" },
	{ OPTION_OVERLAP, "--overlap" },
	{ OPTION_NOW, "--now" },
	{ OPTION_END_USER, "--end-user" },
	{ OPTION_REQUIRE_USER, "--require-user" },
	{ OPTION_PSEUDONYM, "--pseudonym" },
	{ OPTION_SHA256, "--sha256" },
	{ OPTION_SIGNATURE, "--signature" },
	{ OPTION_KEY, "--key" },
	{ OPTION_AT, "--at" },
	{ OPTION_TIER, "--tier" },
	{ OPTION_USER, "--user" },
	{ OPTION_ROUTE, "--route" },
	{ OPTION_MODEL, "--model" },
	{ OPTION_PROVIDER, "--provider" },
	{ OPTION_CSV, "--csv" },
};

int command_check_options(const struct command *command, unsigned allowed, const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++) {
		if (command->given & owned[i].bit & ~allowed)
			return wrong_usage(command->verb, "%s takes no %s", what, owned[i].name);
	}
	return 0;
}

static int refuse_action(const struct command *command, const char *word,
			 const struct command_action *actions, size_t count)
{
	char words[128] = "";

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(words);
		const char *between = i == 0 ? "" : i + 1 < count ? ", " : " or ";
		snprintf(words + len, sizeof(words) - len, "%s%s", between, actions[i].word);
	}
	return wrong_usage(command->verb, "%s takes %s, not \"%s\"", command->verb->name, words,
			   word);
}

int command_act(const struct command *command, const char *word,
		const struct command_action *actions, size_t count)
{
	int words = command->argc > 2 ? command->argc - 2 : 0;
	char name[32];
	size_t i = 0;

	while (i < count && strcmp(word, actions[i].word) != 0)
		i++;
	if (i == count)
		return refuse_action(command, word, actions, count);
	snprintf(name, sizeof(name), "%s %s", command->verb->name, word);
	if (command_check_options(command, actions[i].options, name))
		return EXIT_USAGE;
	if (words > actions[i].most)
		return wrong_usage(command->verb, "%s takes %s, not \"%s\"", name,
				   actions[i].operands, command->argv[2 + actions[i].most]);
	if (words < actions[i].least)
		return wrong_usage(command->verb, "%s takes %s", name, actions[i].operands);
	return actions[i].run(command);
}

static int check(const struct command *command)
{
	const struct command_verb *verb = command->verb;

	if (command->argc > verb->words_max)
		return wrong_usage(verb, "\"%s\" is one word too many",
				   command->argv[verb->words_max]);
	return command_check_options(command, verb->options, verb->name);
}

int command_parse(int argc, char **argv, const struct command_verb *verbs, struct command *command)
{
	int r = take_options(argc, argv, verbs, command);

	if (r)
		return r;
	if (command->argc > 0)
		command->verb = find_verb(verbs, command->argv[0]);
	if (command->argc > 0 && !command->verb)
		return wrong_usage(NULL, "there is no command \"%s\"", command->argv[0]);
	if (command->help || command->version)
		return 0;
	return command->verb ? check(command) : wrong_usage(NULL, "a command is needed");
}
