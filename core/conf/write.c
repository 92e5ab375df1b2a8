/* SPDX-License-Identifier: Apache-2.0 */
/* An object as the text of a file of its own, by the option table: what has its default, or was not
 * given, is left out. Read again it is the same object. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "conf/options.h"

static bool write_text(const char *text, struct buffer *out)
{
	if (text)
		conf_append_string(out, slice_of(text));
	return text;
}

static bool write_texts(const char *const *texts, struct buffer *out)
{
	if (!texts)
		return false;
	buffer_append_str(out, "[ ");
	for (const char *const *text = texts; *text; text++) {
		buffer_append_str(out, text > texts ? ", " : "");
		conf_append_string(out, slice_of(*text));
	}
	buffer_append_str(out, " ]");
	return true;
}

static bool write_sha256(const uint8_t *sha256, struct buffer *out)
{
	static const uint8_t none[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];

	if (memcmp(sha256, none, sizeof(none)) == 0)
		return false;
	hash_hex(sha256, SHA256_BYTES, hex);
	conf_append_string(out, slice_of(hex));
	return true;
}

static bool write_time(int64_t time_s, struct buffer *out)
{
	char text[CLOCK_TEXT_SIZE];

	if (time_s == 0)
		return false;
	clock_format_s(time_s, text);
	conf_append_string(out, slice_of(text));
	return true;
}

/* False, and nothing written, where the value was not given. */
static bool write_value(const struct option *option, const void *at, struct buffer *out)
{
	switch (option->type) {
	case OPTION_FLAG:
		buffer_append_str(out, *(const bool *)at ? "true" : "false");
		return true;
	case OPTION_SHA256:
		return write_sha256(at, out);
	case OPTION_TIME:
		return write_time(*(const int64_t *)at, out);
	case OPTION_TEXTS:
	case OPTION_NETWORKS:
	case OPTION_SOURCES:
		return write_texts(*(const char *const *const *)at, out);
	default:
		return write_text(*(const char *const *)at, out);
	}
}

static bool is_fallback(const struct option *option, const void *at)
{
	if (!option->fallback)
		return false;
	if (option->type == OPTION_FLAG)
		return *(const bool *)at == (strcmp(option->fallback, "true") == 0);
	return *(const char *const *)at && strcmp(*(const char *const *)at, option->fallback) == 0;
}

static void write_rows(const struct option_section *section, const void *base, int depth,
		       struct buffer *out)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		const void *at = (const char *)base + option->offset;
		_cleanup_(buffer_fini) struct buffer value = { 0 };

		if (option->type == OPTION_GROUP) {
			write_rows(option->section, base, depth + 1, &value);
			if (value.len == 0)
				continue;
			buffer_printf(out, "%.*s%s: {\n%.*s%.*s};\n", depth, "\t\t", option->name,
				      SLICE_ARGS(buffer_slice(&value)), depth, "\t\t");
		} else if (!is_fallback(option, at) && write_value(option, at, &value)) {
			buffer_printf(out, "%.*s%s = %.*s;\n", depth, "\t\t", option->name,
				      SLICE_ARGS(buffer_slice(&value)));
		}
		out->failed = out->failed || value.failed;
	}
}

void conf_write_key(const struct conf_key *key, struct buffer *out)
{
	struct object object = { .kind = CONF_KEY, .key = *key, .refers = key->tenant->name };

	buffer_append_str(out, "key: {\n");
	write_rows(options_of_kind(CONF_KEY), &object, 1, out);
	buffer_append_str(out, "};\n");
}
