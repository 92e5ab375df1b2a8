/* SPDX-License-Identifier: Apache-2.0 */
/* Model names: NAME, or NAME@first_ms=N,between_ms=N,words=N. */
#include "simulator.h"

#include <string.h>

enum {
	DELAY_MAX_MS = 3600000,
	WORDS_MAX = 1000000,
};

static const struct {
	const char *name;
	enum kind kind;
	bool slow;
} rows[] = {
	{ "sim-embed", KIND_TEXT, false },
	{ "sim-echo", KIND_ECHO, false },
	{ "sim-text", KIND_TEXT, false },
	{ "sim-json", KIND_JSON, false },
	{ "sim-tools", KIND_TOOLS, false },
	{ "sim-slow", KIND_TEXT, true },
	{ "sim-cut", KIND_CUT, false },
	{ "sim-stall", KIND_STALL, false },
	{ "sim-error-in-stream", KIND_ERROR_IN_STREAM, false },
};

static bool equals(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

static bool read_number(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return value <= max;
}

static bool read_setting(const char *text, size_t len, struct script *script)
{
	const char *equal = memchr(text, '=', len);
	const char *value = equal + 1;
	size_t value_len;

	if (!equal)
		return false;
	value_len = (size_t)(text + len - value);
	len = (size_t)(equal - text);
	if (equals(text, len, "first_ms"))
		return read_number(value, value_len, DELAY_MAX_MS, &script->first_ms);
	if (equals(text, len, "between_ms"))
		return read_number(value, value_len, DELAY_MAX_MS, &script->between_ms);
	if (equals(text, len, "words"))
		return read_number(value, value_len, WORDS_MAX, &script->words) &&
		       script->words > 0;
	return false;
}

static bool read_settings(const char *text, size_t len, struct script *script)
{
	const char *end = text + len;

	while (text <= end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;

		if (!read_setting(text, (size_t)(stop - text), script))
			return false;
		text = stop + 1;
	}
	return true;
}

static bool read_name(const char *name, size_t len, uint64_t slow_first_ms,
		      uint64_t slow_between_ms, struct script *script)
{
	static const char error[] = "sim-error-";
	uint64_t status;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!equals(name, len, rows[i].name))
			continue;
		script->kind = rows[i].kind;
		if (rows[i].slow) {
			script->first_ms = slow_first_ms;
			script->between_ms = slow_between_ms;
		}
		return true;
	}
	if (len != strlen(error) + 3 || memcmp(name, error, strlen(error)) != 0 ||
	    !read_number(name + strlen(error), 3, 599, &status) || status < 400)
		return false;
	script->kind = KIND_ERROR;
	script->status = (uint32_t)status;
	return true;
}

bool script_read(struct tide_slice model, uint64_t slow_first_ms, uint64_t slow_between_ms,
		 struct script *ret)
{
	const char *at = memchr(model.ptr, '@', model.len);
	size_t name_len = at ? (size_t)(at - model.ptr) : model.len;
	struct script script = { 0 };

	if (!read_name(model.ptr, name_len, slow_first_ms, slow_between_ms, &script))
		return false;
	if (at && !read_settings(at + 1, model.len - name_len - 1, &script))
		return false;
	*ret = script;
	return true;
}
