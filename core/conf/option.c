/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of any row of the option table. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "conf/options.h"

enum {
	SUGGEST_NAME_MAX = 64,
};

const struct option *option_find(const struct option_section *section, struct slice name)
{
	for (size_t i = 0; i < section->count; i++) {
		if (slice_eq_str(name, section->rows[i].name))
			return &section->rows[i];
	}
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours between two short names. */
static size_t distance(struct slice a, struct slice b)
{
	size_t rows[3][SUGGEST_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *spare = before;
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t cost = a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1;
			now[j] = least(last[j - 1] + cost, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] &&
			    a.ptr[i - 2] == b.ptr[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b.len];
}

const struct option *option_suggest(const struct option_section *section, struct slice name)
{
	const struct option *best = NULL;
	size_t best_distance = SUGGEST_NAME_MAX;

	if (name.len == 0 || name.len > SUGGEST_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < section->count; i++) {
		struct slice candidate = slice_of(section->rows[i].name);
		size_t apart = distance(name, candidate);
		if (apart <= 1 + candidate.len / 4 && apart < best_distance) {
			best = &section->rows[i];
			best_distance = apart;
		}
	}
	return best;
}

static void describe_range(const struct option *option, const char *unit, struct buffer *out)
{
	buffer_printf(out, "an integer%s from %" PRIu64 " to %" PRIu64, unit, option->min,
		      option->max);
}

static void describe_values(const struct option *option, struct buffer *out)
{
	struct slice rest = slice_of(option->values);

	while (rest.len > 0) {
		struct slice value = slice_cut(rest, '|', &rest);
		buffer_printf(out, "\"%.*s\"%s", SLICE_ARGS(value), rest.len > 0 ? " or " : "");
	}
}

void option_describe(const struct option *option, struct buffer *out)
{
	static const char *const words[] = {
		[OPTION_TEXT] = "text in quotes",
		[OPTION_NAME] = "a name in quotes",
		[OPTION_FEATURE] = "1 to 64 of A-Z a-z 0-9 . _ - in quotes",
		[OPTION_URL] = "an http:// or https:// address in quotes",
		[OPTION_PATH] = "a path in quotes",
		[OPTION_FILE] = "the path of a file in quotes",
		[OPTION_SECRET] = "\"file:PATH\" or \"credential:NAME\"",
		[OPTION_TEXTS] = "a list of texts, [ \"a\", \"b\" ]",
		[OPTION_LISTEN] = "a list of addresses, [ \"127.0.0.1:8080\" ]",
		[OPTION_NETWORKS] = "a list of addresses and networks, [ \"10.0.0.0/8\" ]",
		[OPTION_SOURCES] = "a list of sources, [ \"openwebui\", \"body:user\" ]",
		[OPTION_HEADERS] = "a list of headers, [ \"name: value\" ]",
		[OPTION_FLAG] = "true or false",
		[OPTION_MONEY] = "dollars in quotes, \"0.15\"",
		[OPTION_SHA256] = "64 hexadecimal digits in quotes",
		[OPTION_TIME] = "a date, \"2026-12-31\", or a moment, "
				"\"2026-12-31T18:00:00Z\", in quotes",
		[OPTION_IDENTITY] = "\"URI:NAME\", \"DNS:NAME\", \"email:NAME\" or \"CN:NAME\"",
		[OPTION_GROUP] = "a group, { … }",
		[OPTION_PLUGIN] = "a group, { … }",
		[OPTION_OBJECTS] = "a list of groups, ( { … }, { … } )",
	};

	if (option->type == OPTION_TEXTS && option->values)
		buffer_append_str(out, "a list of ");
	if (option->values) {
		describe_values(option, out);
		return;
	}
	switch (option->type) {
	case OPTION_COUNT:
		describe_range(option, "", out);
		return;
	case OPTION_MS:
		describe_range(option, " (milliseconds)", out);
		return;
	case OPTION_DAYS:
		describe_range(option, " (days)", out);
		return;
	case OPTION_BYTES32:
	case OPTION_BYTES:
		describe_range(option, " (bytes)", out);
		return;
	default:
		buffer_append_str(out, words[option->type]);
	}
}

/* NULL and "" differ; lengths keep two texts from running into each other. */
static void write_text(const char *text, struct buffer *out)
{
	if (!text)
		buffer_append_str(out, "none");
	else
		buffer_printf(out, "%zu:%s", strlen(text), text);
}

/* By its digest: what is written here grows in a buffer, which leaves copies behind. */
static void write_secret(const char *secret, struct buffer *out)
{
	uint8_t sum[SHA256_BYTES] = { 0 };
	char hex[SHA256_HEX_SIZE];

	if (secret)
		hash_sha256(slice_of(secret), sum);
	hash_hex(sum, sizeof(sum), hex);
	buffer_append_str(out, hex);
}

static void write_plugin_options(const struct conf_plugin_options *options, struct buffer *out)
{
	for (size_t i = 0; i < options->count; i++) {
		const struct conf_plugin_option *option = &options->rows[i];
		write_text(option->name, out);
		buffer_printf(out, "=%d ", (int)option->type);
		write_text(option->text, out);
	}
}

/* ---- by type: `at` is where the value lies ---- */

static void write_text_at(const void *at, struct buffer *out)
{
	write_text(*(const char *const *)at, out);
}

static void write_texts_at(const void *at, struct buffer *out)
{
	for (const char *const *text = *(const char *const *const *)at; text && *text; text++)
		write_text(*text, out);
}

static void write_owner_at(const void *at, struct buffer *out)
{
	buffer_append_str(out, conf_owner_name(*(const enum conf_owner *)at));
}

static void write_flag_at(const void *at, struct buffer *out)
{
	buffer_append_str(out, *(const bool *)at ? "true" : "false");
}

static void write_u32_at(const void *at, struct buffer *out)
{
	buffer_append_u64(out, *(const uint32_t *)at);
}

static void write_u64_at(const void *at, struct buffer *out)
{
	buffer_append_u64(out, *(const uint64_t *)at);
}

static void write_i64_at(const void *at, struct buffer *out)
{
	buffer_append_i64(out, *(const int64_t *)at);
}

static void write_sum_at(const void *at, struct buffer *out)
{
	char hex[SHA256_HEX_SIZE];

	hash_hex(at, SHA256_BYTES, hex);
	buffer_append_str(out, hex);
}

static void (*const writers[])(const void *at, struct buffer *out) = {
	[OPTION_TEXT] = write_text_at,     [OPTION_CHOICE] = write_text_at,
	[OPTION_NAME] = write_text_at,     [OPTION_FEATURE] = write_text_at,
	[OPTION_URL] = write_text_at,      [OPTION_PATH] = write_text_at,
	[OPTION_FILE] = write_text_at,     [OPTION_IDENTITY] = write_text_at,
	[OPTION_SECRET] = write_text_at,   [OPTION_TEXTS] = write_texts_at,
	[OPTION_LISTEN] = write_texts_at,  [OPTION_NETWORKS] = write_texts_at,
	[OPTION_HEADERS] = write_texts_at, [OPTION_OWNER] = write_owner_at,
	[OPTION_FLAG] = write_flag_at,     [OPTION_COUNT] = write_u32_at,
	[OPTION_MS] = write_u32_at,        [OPTION_DAYS] = write_u32_at,
	[OPTION_BYTES32] = write_u32_at,   [OPTION_BYTES] = write_u64_at,
	[OPTION_MONEY] = write_i64_at,     [OPTION_SHA256] = write_sum_at,
	[OPTION_TIME] = write_i64_at,      [OPTION_SOURCES] = write_texts_at,
};

void option_write_value(const struct option *option, const void *base, struct buffer *out)
{
	const void *at = (const char *)base + option->offset;

	switch (option->type) {
	case OPTION_GROUP:
		for (size_t i = 0; i < option->section->count; i++) {
			option_write_value(&option->section->rows[i], base, out);
			buffer_append_char(out, '\n');
		}
		return;
	case OPTION_PLUGIN:
		write_plugin_options(at, out);
		return;
	case OPTION_OBJECTS: /* they are compared each by itself */
		return;
	case OPTION_SECRET:
		write_secret(*(const char *const *)((const char *)base + option->extra), out);
		break;
	default:
		break;
	}
	writers[option->type](at, out);
}
