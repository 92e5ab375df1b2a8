/* SPDX-License-Identifier: Apache-2.0 */
/* The option table as text for people: a body for tidegate.conf(5), and a sample in which every
 * option stands commented out with its default. */
#include "base/cleanup.h"
#include "conf/options.h"

enum {
	SAMPLE_WIDTH = 90,
};

/* Text in man(7): backslashes, and a dot or quote where a line begins. */
static void manual_text(const char *text, struct buffer *out)
{
	if (*text == '.' || *text == '\'')
		buffer_append_str(out, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			buffer_append_str(out, "\\e");
		else if (*text == '-')
			buffer_append_str(out, "\\-");
		else
			buffer_append_char(out, *text);
	}
}

static void manual_default(const struct option *option, struct buffer *out)
{
	if (option->flags & OPTION_REQUIRED)
		buffer_append_str(out, " Required.");
	if (option->fallback) {
		buffer_append_str(out, " Default: ");
		manual_text(option->fallback, out);
		buffer_append_char(out, '.');
	}
	if (option->flags & OPTION_RESTART)
		buffer_append_str(out, " A change needs a restart.");
}

static void manual_value(const struct option *option, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer what = { 0 };

	option_describe(option, &what);
	buffer_append_char(&what, '\0');
	buffer_append_str(out, " Value: ");
	if (what.failed)
		out->failed = true;
	else
		manual_text(what.data, out);
	buffer_append_char(out, '.');
}

static void manual_row(const struct option *option, struct buffer *out)
{
	buffer_printf(out, ".TP\n.B %s\n", option->name);
	manual_text(option->doc, out);
	if (option->type != OPTION_OBJECTS) /* their sentences say it */
		manual_value(option, out);
	manual_default(option, out);
	buffer_append_char(out, '\n');
}

static void manual_section(const struct option_section *section, const char *title,
			   struct buffer *out)
{
	buffer_printf(out, ".SS %s\n", title);
	manual_text(section->doc, out);
	buffer_append_char(out, '\n');
	for (size_t i = 0; i < section->count; i++) {
		if (section->rows[i].type != OPTION_GROUP)
			manual_row(&section->rows[i], out);
	}
	for (size_t i = 0; i < section->count; i++) {
		if (section->rows[i].type == OPTION_GROUP)
			manual_section(section->rows[i].section, section->rows[i].name, out);
	}
}

void conf_write_manual(struct buffer *out)
{
	buffer_append_str(out, ".SH MAIN FILE\n");
	manual_section(&options_main, "Top of the file", out);
	buffer_append_str(out,
			  ".SH OBJECTS\n"
			  "Objects are groups in the lists of the main file, or files of their own "
			  "that hold\n.IR KIND \": { ... };\"\n");
	for (int kind = 0; kind < CONF_KINDS; kind++)
		manual_section(options_of_kind(kind), conf_kind_name(kind), out);
}

/* A line of the sample as it is once its first '#' is taken away. */
static void indent(int depth, struct buffer *out)
{
	buffer_append_char(out, '#');
	for (int i = 0; i < depth; i++)
		buffer_append_char(out, '\t');
}

/* A comment of as many lines as it takes, which stays one in a line that is put to use. */
static void sample_comment(const char *text, int depth, struct buffer *out)
{
	struct slice rest = slice_of(text);
	size_t used = 0;

	while (rest.len > 0) {
		struct slice word = slice_cut(rest, ' ', &rest);

		if (used == 0 || used + 1 + word.len > SAMPLE_WIDTH) {
			if (used > 0)
				buffer_append_char(out, '\n');
			if (depth > 0)
				indent(depth, out);
			buffer_append_char(out, '#');
			used = 0;
		}
		buffer_append_char(out, ' ');
		buffer_append_slice(out, word);
		used += 1 + word.len;
	}
	buffer_append_char(out, '\n');
}

static void sample_texts(const char *text, struct buffer *out)
{
	struct slice rest = slice_of(text);

	buffer_append_str(out, "[ ");
	while (rest.len > 0) {
		conf_append_string(out, slice_cut(rest, ' ', &rest));
		buffer_append_str(out, rest.len > 0 ? ", " : " ]");
	}
}

static void sample_value(const struct option *option, struct buffer *out)
{
	const char *text = option->fallback ? option->fallback : option->example;

	switch (option->type) {
	case OPTION_FLAG:
	case OPTION_COUNT:
	case OPTION_MS:
	case OPTION_DAYS:
	case OPTION_BYTES32:
	case OPTION_BYTES:
		buffer_append_str(out, text);
		break;
	case OPTION_TEXTS:
	case OPTION_LISTEN:
	case OPTION_NETWORKS:
	case OPTION_SOURCES:
	case OPTION_HEADERS:
		sample_texts(text, out);
		break;
	case OPTION_PLUGIN:
		buffer_append_str(out, "{ }");
		break;
	default:
		conf_append_string(out, slice_of(text));
	}
}

static void sample_rows(const struct option_section *section, int depth, struct buffer *out);

static void sample_row(const struct option *option, int depth, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer comment = { 0 };

	if (option->type == OPTION_GROUP) {
		sample_comment(option->section->doc, depth, out);
		indent(depth, out);
		buffer_printf(out, "%s: {\n", option->name);
		sample_rows(option->section, depth + 1, out);
		indent(depth, out);
		buffer_append_str(out, "};\n");
		return;
	}
	buffer_append_str(&comment, option->doc);
	if (option->values) {
		buffer_append_str(&comment, option->type == OPTION_TEXTS ? " Value: " : " One of ");
		option_describe(option, &comment);
		buffer_append_char(&comment, '.');
	}
	if (option->flags & OPTION_REQUIRED)
		buffer_append_str(&comment, " Required.");
	buffer_append_char(&comment, '\0');
	if (!comment.failed)
		sample_comment(comment.data, depth, out);
	indent(depth, out);
	buffer_printf(out, "%s = ", option->name);
	sample_value(option, out);
	buffer_append_str(out, ";\n");
}

static void sample_objects(const struct option *option, struct buffer *out)
{
	const struct option_section *section = options_of_kind(option->kind);

	sample_comment(section->doc, 0, out);
	buffer_printf(out, "#%s = ( {\n", option->name);
	sample_rows(section, 1, out);
	buffer_append_str(out, "#} );\n");
}

static void sample_rows(const struct option_section *section, int depth, struct buffer *out)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];

		if (depth == 0)
			buffer_append_char(out, '\n');
		if (option->type == OPTION_OBJECTS)
			sample_objects(option, out);
		else
			sample_row(option, depth, out);
	}
}

void conf_write_sample(struct buffer *out)
{
	sample_comment(
	    "Configuration of tidegated; tidegate.conf(5) describes it. Every option stands "
	    "here with its default, or with an example where it has none.",
	    0, out);
	sample_rows(&options_main, 0, out);
}
