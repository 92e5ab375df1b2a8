/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a group and its rows: unknown and missing members, and nested groups. Values are
 * read-value.c's. */
#include "conf/read.h"

#include <errno.h>

#include "conf/read-value.h"

enum {
	ROWS_MAX = 64, /* bits of `seen` */
};

static int read_rows(const struct reader *reader, const config_setting_t *group,
		     const struct option_section *section, void *base);

/* The rows of all sections stand at compile time, so a fault in a default is a bug that the first
 * start shows. */
int read_defaults(const struct reader *reader, const struct option_section *section, void *base)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		int r = 0;

		if (option->type == OPTION_GROUP)
			r = read_defaults(reader, option->section, base);
		else if (option->type == OPTION_MONEY)
			*(int64_t *)option_field(option, base) = -1;
		else if (option->fallback)
			r = read_fallback(reader, option, base);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unknown(const struct reader *reader, const config_setting_t *setting,
		   const struct option_section *section)
{
	struct conf_place place = document_place(reader->document, setting);
	const char *name = config_setting_name(setting);
	const struct option *close = option_suggest(section, slice_of(name));
	const char *in = section->name[0] ? " in " : "";

	if (close)
		return report_at(reader->report, &place,
				 "unknown option \"%.64s\"%s%s; did you mean \"%s\"?", name, in,
				 section->name, close->name);
	return report_at(reader->report, &place, "unknown option \"%.64s\"%s%s; remove it", name,
			 in, section->name);
}

static int read_nested(const struct reader *reader, const config_setting_t *setting,
		       const struct option *option, void *base)
{
	if (!config_setting_is_group(setting))
		return read_wrong_type(reader, setting, option);
	if (option->extra)
		*(bool *)option_extra(option, base) = config_setting_length(setting) > 0;
	return read_rows(reader, setting, option->section, base);
}

static int read_member(const struct reader *reader, const config_setting_t *setting,
		       const struct option *option, void *base)
{
	switch (option->type) {
	case OPTION_OBJECTS:
		return 0;
	case OPTION_GROUP:
		return read_nested(reader, setting, option, base);
	default:
		return read_value(reader, setting, option, base);
	}
}

static int missing(const struct reader *reader, const config_setting_t *group,
		   const struct option *option)
{
	struct conf_place place = document_place(reader->document, group);
	_cleanup_(buffer_fini) struct buffer wanted = { 0 };

	option_describe(option, &wanted);
	return report_at(reader->report, &place, "\"%s\" is missing; it must be %.*s", option->name,
			 SLICE_ARGS(buffer_slice(&wanted)));
}

/* An object's name is known before it is read where its file gives it. */
static bool named_by_file(const struct option *option, void *base)
{
	return option->type == OPTION_NAME && *(const char **)option_field(option, base);
}

static int read_rows(const struct reader *reader, const config_setting_t *group,
		     const struct option_section *section, void *base)
{
	int count = config_setting_length(group), result = 0, r;
	uint64_t seen = 0;

	for (int i = 0; i < count; i++) {
		const config_setting_t *member = config_setting_get_elem(group, (unsigned int)i);
		const struct option *option =
		    option_find(section, slice_of(config_setting_name(member)));

		r = option ? read_member(reader, member, option, base)
			   : unknown(reader, member, section);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
		if (option)
			seen |= 1ull << (option - section->rows);
	}
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		if ((option->flags & OPTION_REQUIRED) && !(seen & 1ull << i) &&
		    !named_by_file(option, base))
			result = missing(reader, group, option);
	}
	return result;
}

int read_group(const struct reader *reader, const config_setting_t *group,
	       const struct option_section *section, void *base)
{
	int r = read_defaults(reader, section, base);

	return r < 0 ? r : read_rows(reader, group, section, base);
}
