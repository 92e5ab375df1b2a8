/* SPDX-License-Identifier: Apache-2.0 */
/* Random answers with misleading members everywhere: the watch must read the same usage, content
 * and end as a parser that builds a tree, whatever way the text is written and cut. The seed is
 * fixed; an argument sets another. */
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "test.h"
#include "wire/wire.h"

enum {
	ROUNDS = 4000,
	DEPTH_MAX = 5,
};

static uint64_t state = 20261124;

static uint32_t below(uint32_t bound)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % bound;
}

static void space(struct buffer *out)
{
	static const char *const spaces[] = { "", "", "", " ", "\t", "  " };

	buffer_append_str(out, spaces[below(ARRAY_SIZE(spaces))]);
}

/* Pieces of strings as they are written, each a trap for whoever counts quotes or brackets. */
static void string(struct buffer *out)
{
	static const char *const pieces[] = { "a",   "\\\"",  "\\\\",   "{",        "}]",
					      "\\n", "é",     "世",     "\\u00e9",  ":",
					      ", ",  "usage", "[DONE]", "\\\\\\\"", "data: " };

	buffer_append_char(out, '"');
	for (uint32_t i = below(6); i > 0; i--)
		buffer_append_str(out, pieces[below(ARRAY_SIZE(pieces))]);
	buffer_append_char(out, '"');
}

static void comma(struct buffer *out, bool first)
{
	if (!first)
		buffer_append_char(out, ',');
	space(out);
}

static void key(struct buffer *out, const char *name)
{
	buffer_printf(out, "\"%s\"", name);
	space(out);
	buffer_append_char(out, ':');
	space(out);
}

static void junk(struct buffer *out, int depth);

static void junk_members(struct buffer *out, int depth, uint32_t count)
{
	static const char *const names[] = {
		"usage",   "prompt_tokens", "choices",      "error", "content", "delta",
		"message", "type",          "input_tokens", "x",     "",        "finish_reason"
	};

	for (uint32_t i = 0; i < count; i++) {
		comma(out, i == 0);
		key(out, names[below(ARRAY_SIZE(names))]);
		junk(out, depth);
	}
}

static void junk(struct buffer *out, int depth)
{
	static const char *const scalars[] = { "null", "true", "-1.5e3", "0", "77" };
	uint32_t kind = depth >= DEPTH_MAX ? below(2) : below(4);

	if (kind == 0)
		buffer_append_str(out, scalars[below(ARRAY_SIZE(scalars))]);
	else if (kind == 1)
		string(out);
	else if (kind == 2) {
		buffer_append_char(out, '{');
		junk_members(out, depth + 1, below(4));
		buffer_append_char(out, '}');
	} else {
		buffer_append_char(out, '[');
		for (uint32_t i = 0, n = below(4); i < n; i++) {
			comma(out, i == 0);
			junk(out, depth + 1);
		}
		buffer_append_char(out, ']');
	}
	space(out);
}

static void number_or_null(struct buffer *out)
{
	if (below(8) == 0)
		buffer_append_str(out, "null");
	else
		buffer_append_u64(out, below(100000));
}

static void usage(struct buffer *out)
{
	key(out, "usage");
	buffer_append_str(out, "{");
	key(out, "prompt_tokens");
	number_or_null(out);
	buffer_append_str(out, ",\"zz\":");
	junk(out, 2);
	buffer_append_str(out, ",\"completion_tokens\":");
	number_or_null(out);
	buffer_append_char(out, '}');
}

static void choices(struct buffer *out)
{
	key(out, "choices");
	buffer_append_str(out, "[{\"zz\":");
	junk(out, 3);
	buffer_append_str(out, ",\"message\":{\"content\":");
	if (below(4) == 0)
		buffer_append_str(out, "null");
	else
		string(out);
	buffer_append_str(out, "},\"logprobs\":");
	junk(out, 3);
	buffer_append_str(out, "}]");
}

/* Members in any order, with junk between them under keys that nobody reads. */
static void document(struct buffer *out)
{
	bool usage_first = below(2);

	buffer_append_char(out, '{');
	for (int part = 0; part < 5; part++) {
		comma(out, part == 0);
		if (part == 1 || part == 3) {
			if ((part == 1) == usage_first)
				usage(out);
			else
				choices(out);
			continue;
		}
		buffer_printf(out, "\"zz%d\":", part);
		junk(out, 1);
	}
	buffer_append_char(out, '}');
}

static int64_t count_of(json_t *usage_object, const char *name)
{
	json_t *value = json_object_get(usage_object, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void check(struct slice text, bool stream)
{
	json_t *tree = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL), *told;
	struct wire_watch watch;
	uint32_t step = 1 + below(40);

	if (!tree)
		test_fail(__FILE__, __LINE__, "no JSON was made: %.*s", SLICE_ARGS(text));
	told = json_object_get(tree, "usage");
	wire_watch_init(&watch, WIRE_OPENAI_CHAT, stream);
	if (stream)
		wire_watch_feed(&watch, SLICE("data: "));
	for (size_t at = 0; at < text.len; at += step)
		wire_watch_feed(
		    &watch,
		    (struct slice){ text.ptr + at, text.len - at < step ? text.len - at : step });
	if (watch.usage.input != count_of(told, "prompt_tokens") ||
	    watch.usage.output != count_of(told, "completion_tokens"))
		test_fail(__FILE__, __LINE__, "%ld and %ld are read from %.*s",
			  (long)watch.usage.input, (long)watch.usage.output, SLICE_ARGS(text));
	CHECK(watch.terminal == !stream);
	CHECK_INT(watch.error, WIRE_ERROR_NONE);
	if (stream) {
		json_t *message =
		    json_object_get(json_array_get(json_object_get(tree, "choices"), 0), "message");

		CHECK_INT(watch.content,
			  json_string_length(json_object_get(message, "content")) > 0);
	}
	json_decref(tree);
}

static void random_answers(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		buffer_clear(&text);
		document(&text);
		check(buffer_slice(&text), false);
		check(buffer_slice(&text), true);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		state = strtoull(argv[1], NULL, 10);
	test_run("random-answers", random_answers);
	return 0;
}
