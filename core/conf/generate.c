/* SPDX-License-Identifier: Apache-2.0 */
/* Run by the build: `conf-generate manual` writes tidegate.conf(5), `conf-generate sample` a
 * configuration in which every option is explained. Both come from the option table, and thus are
 * never out of date. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/conf.h"

static const char head[] =
    ".TH TIDEGATE.CONF 5 \"\" \"Tidegate " TIDEGATE_VERSION "\"\n"
    ".SH NAME\ntidegate.conf \\- configuration of tidegated\n"
    ".SH DESCRIPTION\n"
    "The main file is the one named by\n.BR \"tidegated \\-\\-config\" .\n"
    "It holds settings,\n.IR \"NAME = VALUE\" \";\",\n"
    "groups,\n.IR NAME \": { ... };\",\n"
    "and comments from # or // to the end of the line, or between /* and */.\n"
    "Text stands in double quotes and in UTF\\-8; a backslash in it is written twice.\n"
    "An integer beyond 32 bits ends in L: 5000000000L.\n"
    "Money is text, \"0.15\", so that no digit is lost.\n"
    "Relative paths begin at the folder of the main file.\n"
    "There is no @include.\n"
    ".PP\nAn unknown name, a value of the wrong type or out of range, or a reference to nothing is "
    "an "
    "error with file, line and column, and the whole configuration is refused.\n"
    ".B tidegated \\-\\-check\nlists all errors.\n"
    ".PP\nAn object in a file of its own,\n.IR KIND \": { ... };\",\n"
    "has the file's name, in which bytes other than A\\-Z a\\-z 0\\-9 . _ @ : + \\- are written as "
    "%XX. "
    "Files named .*, *~, *.swp and *.tmp are passed over.\n";

static const char tail[] =
    ".SH FILES\n"
    ".TP\n.I conf.d/KIND/NAME.conf\nObjects owned by files, beside the main file.\n"
    ".TP\n.I STATE/conf/KIND/NAME.conf\nObjects owned by live.\n"
    ".TP\n.I secrets/\nBeside the main file or in STATE: the one place where live objects may name "
    "secrets.\n"
    ".SH SEE ALSO\n.BR tidegated (8),\n.BR tidectl (1)\n";

int main(int argc, char **argv)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "manual") == 0) {
		buffer_append_str(&out, head);
		conf_write_manual(&out);
		buffer_append_str(&out, tail);
	} else if (strcmp(what, "sample") == 0) {
		conf_write_sample(&out);
	} else {
		fputs("usage: conf-generate manual|sample\n", stderr);
		return 2;
	}
	if (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
		fputs("conf-generate: cannot write\n", stderr);
		return 1;
	}
	return 0;
}
