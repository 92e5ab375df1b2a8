/* SPDX-License-Identifier: Apache-2.0 */
/* One command line, taken apart. The exit codes are part of tidectl's interface, see tidectl(1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	COMMAND_ROWS_MAX = 1000,
};

enum option_bit {
	OPTION_BY = 1,
	OPTION_PERIOD = 2,
	OPTION_TENANT = 4,
	OPTION_FEATURE = 8,
	OPTION_FOLLOW = 16,
	OPTION_LINES = 32,
	OPTION_MODELS = 64,
	OPTION_ROUTES = 128,
	OPTION_NETWORKS = 256,
	OPTION_EXPIRES = 512,
	OPTION_OVERLAP = 1024,
	OPTION_NOW = 2048,
	OPTION_END_USER = 4096,
	OPTION_REQUIRE_USER = 8192,
	OPTION_PSEUDONYM = 16384,
	OPTION_SHA256 = 32768,
	OPTION_SIGNATURE = 65536,
	OPTION_KEY = 131072,
	OPTION_AT = 262144,
	OPTION_TIER = 524288,
	OPTION_USER = 1 << 20,
	OPTION_ROUTE = 1 << 21,
	OPTION_MODEL = 1 << 22,
	OPTION_PROVIDER = 1 << 23,
	OPTION_CSV = 1 << 24,
	OPTION_AMOUNT = 1 << 25,
	OPTION_TO = 1 << 26,
	OPTION_FOR = 1 << 27,
	OPTION_REASON = 1 << 28,
	OPTION_REFERENCE = 1 << 29,
	OPTION_UNDO = 1 << 30,
	OPTION_TOLERANCE = 1u << 31,
};

struct command_verb;

struct command {
	const struct command_verb *verb;
	const char *socket;
	bool json, help, version, follow, now, require_user, pseudonym, csv;
	const char *by, *period, *tenant, *feature, *models, *routes, *networks, *expires, *overlap,
	    *end_user, *sha256, *signature, *key, *at, *tier, *user, *route, *model, *provider,
	    *amount, *to, *mends, *reason, *reference, *undo, *tolerance;
	int rows;
	unsigned given; /* bits of enum option_bit */
	int argc;
	char **argv; /* the words that are no options, the verb first */
};

struct command_verb {
	const char *name;
	int words_max;
	unsigned options; /* beside those of all commands */
	int (*run)(struct command *command);
	const char *help; /* what comes behind "Usage: tidectl " */
};

/* One line on stderr: what was wrong, and where help is. Returns EXIT_USAGE. */
int wrong_usage(const struct command_verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* 0, or EXIT_USAGE after having said which option `what` does not take. */
int command_check_options(const struct command *command, unsigned allowed, const char *what);
/* What a verb does by the word behind it. */
struct command_action {
	const char *word;
	int least, most; /* words behind it */
	const char *operands;
	unsigned options;
	int (*run)(const struct command *command);
};

/* Runs the one called `word`; EXIT_USAGE after having said what there is, or what it takes. */
int command_act(const struct command *command, const char *word,
		const struct command_action *actions, size_t count);
/* `verbs` ends with one without a name. 0, and the verb of the table (NULL only when help or the
 * version is asked for), or EXIT_USAGE after having said why. */
int command_parse(int argc, char **argv, const struct command_verb *verbs, struct command *command);
