/* SPDX-License-Identifier: Apache-2.0 */
/* Which differences between two configurations a running daemon can follow: the rows say it. */
#include <errno.h>

#include "base/cleanup.h"
#include "conf/options.h"

static bool same(const struct option *option, const struct conf *now, const struct conf *next)
{
	_cleanup_(buffer_fini) struct buffer before = { 0 }, after = { 0 };

	option_write_value(option, now, &before);
	option_write_value(option, next, &after);
	return !before.failed && !after.failed &&
	       slice_eq(buffer_slice(&before), buffer_slice(&after));
}

static int check_rows(const struct option_section *section, const struct conf *now,
		      const struct conf *next, struct error *error)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		int r;

		if (option->type == OPTION_GROUP) {
			r = check_rows(option->section, now, next, error);
			if (r < 0)
				return r;
		}
		if ((option->flags & OPTION_RESTART) && !same(option, now, next))
			return error_set_at(
			    error, -EINVAL, next->main_file, 0, 0,
			    "%s%s%s cannot change while the daemon runs; restart it, "
			    "or change it back",
			    section->name, section->name[0] ? "." : "", option->name);
	}
	return 0;
}

int conf_check_reload(const struct conf *now, const struct conf *next, struct error *error)
{
	return check_rows(&options_main, now, next, error);
}
