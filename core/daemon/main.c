/* SPDX-License-Identifier: Apache-2.0 */
/* tidegated: the command line, and nothing else. */
#include "daemon/daemon.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/gateway.h"

enum {
	EXIT_USAGE = 2,
	OPTION_CONFIG = 256,
	OPTION_CHECK,
	OPTION_FOREGROUND,
	OPTION_STATE,
	OPTION_MOUNT,
	OPTION_INSPECT,
	OPTION_LOOPS,
	OPTION_NO_TAKEOVER,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "foreground", no_argument, NULL, OPTION_FOREGROUND },
	{ "state", required_argument, NULL, OPTION_STATE },
	{ "mount", required_argument, NULL, OPTION_MOUNT },
	{ "inspect", required_argument, NULL, OPTION_INSPECT },
	{ "loops", required_argument, NULL, OPTION_LOOPS },
	{ "no-takeover", no_argument, NULL, OPTION_NO_TAKEOVER },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

static const char usage[] =
    "Usage: tidegated --config FILE [--check] [--foreground] [--state DIR] [--mount DIR|none]\n"
    "                 [--loops N] [--no-takeover]\n"
    "       tidegated --inspect PLUGIN\n"
    "       tidegated --version\n"
    "\n"
    "  --config FILE     the main configuration file\n"
    "  --check           validate the configuration, print every error, and exit\n"
    "  --foreground      log for a terminal instead of for journald\n"
    "  --state DIR       ledger, logs and live objects (overrides `state`)\n"
    "  --mount DIR|none  where the file system is mounted (overrides `mount`)\n"
    "  --loops N         event loops (default: one for each CPU this process may use)\n"
    "  --no-takeover     fail where a daemon serves this state, instead of taking over from it\n"
    "  --inspect PLUGIN  describe a plugin file without trusting it\n";

static int parse_loops(const char *text, unsigned *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > 64) {
		fprintf(stderr, "tidegated: --loops takes a number from 1 to 64, not \"%s\"\n",
			text);
		return -1;
	}
	*ret = (unsigned)value;
	return 0;
}

/* 0 to go on, 1 when done, -1 for bad usage. */
static int parse(int argc, char **argv, struct daemon_options *options)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case OPTION_CONFIG:
			options->config = optarg;
			break;
		case OPTION_CHECK:
			options->check = true;
			break;
		case OPTION_FOREGROUND:
			options->foreground = true;
			break;
		case OPTION_STATE:
			options->overrides.state = optarg;
			break;
		case OPTION_MOUNT:
			options->overrides.mount = optarg;
			break;
		case OPTION_INSPECT:
			options->inspect = optarg;
			break;
		case OPTION_LOOPS:
			if (parse_loops(optarg, &options->loops) < 0)
				return -1;
			break;
		case OPTION_NO_TAKEOVER:
			options->no_takeover = true;
			break;
		case OPTION_VERSION:
			puts("tidegated " TIDEGATE_VERSION);
			return 1;
		case OPTION_HELP:
			fputs(usage, stdout);
			return 1;
		default:
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tidegated: unexpected argument \"%s\"\n", argv[optind]);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon_options options = { 0 };
	int r;

	if (argc == 2 &&
	    strcmp(argv[1], PLUGIN_TRIAL_OPTION) == 0) /* of ourselves, not of people */
		gateway_try_plugin();
	r = parse(argc, argv, &options);

	if (r > 0)
		return EXIT_SUCCESS;
	if (r == 0 && !options.config && !options.inspect) {
		fputs("tidegated: --config FILE is needed\n", stderr);
		r = -1;
	}
	if (r < 0) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (options.inspect)
		r = daemon_inspect(options.inspect);
	else if (options.check)
		r = daemon_check(&options);
	else
		r = daemon_run(&options);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
