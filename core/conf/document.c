/* SPDX-License-Identifier: Apache-2.0 */
/* Marries the pre-scan's marks to libconfig's settings: both are in document order, so one walk
 * pairs them, and each setting's hook is its mark. A pair that does not match would be two readings
 * of one text, and is refused. */
#include "conf/document.h"

#include <errno.h>

#include "base/file.h"

static bool pair(struct document *document, config_setting_t *setting, size_t *at)
{
	int count = config_setting_length(setting);

	if (!config_setting_is_aggregate(setting))
		return true;
	for (int i = 0; i < count; i++) {
		config_setting_t *child = config_setting_get_elem(setting, (unsigned int)i);
		struct prescan_mark *mark = &document->prescan.marks[*at];

		if (*at >= document->prescan.count ||
		    !slice_eq(mark->name, slice_of(config_setting_name(child))))
			return false;
		config_setting_set_hook(child, mark);
		(*at)++;
		if (!pair(document, child, at))
			return false;
	}
	return true;
}

static int build(struct document *document, bool single, struct report *report)
{
	struct slice text = buffer_slice(&document->text);
	struct error error = { 0 };
	struct conf_place place = { .file = document->file };
	enum prescan_verdict verdict;
	size_t paired = 0;

	verdict = single ? prescan_object(text, &document->prescan, &error)
			 : prescan_document(text, &document->prescan, &error);
	if (verdict != PRESCAN_COMPLETE) {
		place.line = error.line;
		place.column = error.column;
		return report_at(report, &place, "%s", error.message);
	}
	/* libconfig wants a NUL, and a line break behind a comment; nothing may move: marks point
	 * into the text. */
	if (!config_read_string(&document->config, document->text.data)) {
		place.line = (uint32_t)config_error_line(&document->config);
		return report_at(report, &place, "%s", config_error_text(&document->config));
	}
	if (!pair(document, config_root_setting(&document->config), &paired) ||
	    paired != document->prescan.count)
		return report_at(report, &place, "the text can be read in two ways; simplify it");
	return 0;
}

int document_parse(struct document *document, const char *file, struct slice text, bool single,
		   struct report *report)
{
	*document = (struct document){ .file = file };
	config_init(&document->config);
	buffer_append_slice(&document->text, text);
	buffer_append(&document->text, "\n", 2);
	if (document->text.failed)
		return report_no_memory(report);
	document->text.len = text.len;
	return build(document, single, report);
}

int document_read(struct document *document, const char *file, size_t max_bytes, bool single,
		  struct report *report)
{
	struct error error = { 0 };
	size_t len;
	int r;

	*document = (struct document){ .file = file };
	config_init(&document->config);
	r = file_read(file, max_bytes, &document->text, &error);
	if (r < 0)
		return report_error(report, r, &error);
	len = document->text.len;
	buffer_append(&document->text, "\n", 2);
	if (document->text.failed)
		return report_no_memory(report);
	document->text.len = len;
	return build(document, single, report);
}

void document_fini(struct document *document)
{
	config_destroy(&document->config);
	prescan_fini(&document->prescan);
	buffer_fini(&document->text);
}

struct conf_place document_place(const struct document *document, const config_setting_t *setting)
{
	const struct prescan_mark *mark = config_setting_get_hook(setting);

	if (!mark) /* the root */
		return (struct conf_place){ document->file, 1, 1 };
	return (struct conf_place){ document->file, mark->line, mark->column };
}

struct conf_place document_value_place(const struct document *document,
				       const config_setting_t *setting)
{
	const struct prescan_mark *mark = config_setting_get_hook(setting);

	if (!mark)
		return (struct conf_place){ document->file, 1, 1 };
	return (struct conf_place){ document->file, mark->value_line, mark->value_column };
}

struct slice document_value_text(const config_setting_t *setting)
{
	return ((const struct prescan_mark *)config_setting_get_hook(setting))->value;
}
