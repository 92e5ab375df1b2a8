/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of newer APIs: members that nobody knows, in every object but a call's arguments, and
 * events of no known type change nothing of what any client gets. */
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"
#include "wire/turn.h"
#include "wire/wire.h"

#define MEMBER "\"zz_new\":{\"type\":\"zz\",\"text\":\"no\",\"a\":[1,null,{\"b\":\"{\\\"}\"}]}"

static const enum wire_dialect clients[] = { WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
					     WIRE_OPENAI_RESPONSES, WIRE_GEMINI };

static const struct {
	enum wire_dialect dialect;
	const char *name, *event; /* of no type that is known */
} upstreams[] = {
	{ WIRE_OPENAI_CHAT, "chat", "data: {\"zz_new\":1}\n\n" },
	{ WIRE_ANTHROPIC_MESSAGES, "messages",
	  "event: zz_new\ndata: {\"type\":\"zz_new\",\"index\":0}\n\n" },
	{ WIRE_OPENAI_RESPONSES, "responses",
	  "event: response.zz.new\ndata: {\"type\":\"response.zz.new\",\"output_index\":0}\n\n" },
	{ WIRE_GEMINI, "gemini", "data: {\"zz_new\":1}\n\n" },
	{ WIRE_BEDROCK_CONVERSE, "converse", "event: zzNew\ndata: {\"a\":1}\n\n" },
};

static const char *const answers[] = { "text.json", "text.sse", "tools.json", "tools.sse" };

static struct slice quoted_at(struct slice rest)
{
	size_t len = 1;

	while (len < rest.len && rest.ptr[len] != '"')
		len += rest.ptr[len] == '\\' ? 2 : 1;
	return (struct slice){ rest.ptr, len + 1 };
}

/* The arguments of a call are the model's own. */
static bool is_arguments(struct slice key)
{
	return slice_eq_str(key, "\"input\"") || slice_eq_str(key, "\"args\"");
}

/* The whole of the container that `rest` begins with. */
static size_t container_len(struct slice rest)
{
	size_t at = 0, depth = 0;

	do {
		if (rest.ptr[at] == '"') {
			at += quoted_at(slice_skip(rest, at)).len;
			continue;
		}
		depth += strchr("{[", rest.ptr[at]) ? 1 : 0;
		depth -= strchr("}]", rest.ptr[at]) ? 1 : 0;
		at++;
	} while (depth > 0 && at < rest.len);
	return at;
}

static void sprinkle(struct slice json, struct buffer *out)
{
	struct slice key = { 0 };

	while (json.len > 0) {
		struct slice text = { json.ptr, 1 };
		bool opens = *json.ptr == '{';

		if (*json.ptr == '"')
			text = key = quoted_at(json);
		else if (opens && is_arguments(key))
			text.len = container_len(json);
		buffer_append_slice(out, text);
		json = slice_skip(json, text.len);
		if (opens && text.len == 1) {
			buffer_append_str(out, MEMBER);
			buffer_append_str(out, *slice_trim(json).ptr == '}' ? "" : ",");
		}
		if (opens || strchr("[,", *text.ptr))
			key = (struct slice){ 0 };
	}
}

static struct slice sprinkled(struct slice answer, bool stream, const char *event,
			      struct arena *arena)
{
	struct buffer out = { 0 };
	struct slice copy;

	while (stream && answer.len > 0) {
		struct slice line = slice_cut(answer, '\n', &answer);

		if (slice_starts(line, SLICE("data: {")))
			sprinkle(line, &out);
		else
			buffer_append_slice(&out, line);
		buffer_append_char(&out, '\n');
		if (line.len == 0)
			buffer_append_str(&out, event);
	}
	if (!stream)
		sprinkle(answer, &out);
	copy = arena_dup(arena, buffer_slice(&out));
	buffer_fini(&out);
	return copy;
}

static void translate(enum wire_dialect client, bool client_streams, enum wire_dialect upstream,
		      bool stream, struct slice answer, struct buffer *out)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct wire_usage usage = { .seen = true };
	const struct tree *body;
	struct wire_translation *translation;
	struct turn turn;
	int r;

	CHECK_INT(tree_parse(SLICE("{}"), &arena, &body, NULL), 0);
	turn_init(&turn, client, body, &arena);
	turn.stream = client_streams;
	translation =
	    wire_translation_new(&(struct wire_translation_options){ .client = client,
								     .upstream = upstream,
								     .turn = &turn,
								     .upstream_streams = stream,
								     .request_id = SLICE("r"),
								     .model = SLICE("m"),
								     .usage = &usage,
								     .arena = &arena });
	r = wire_translation_feed(translation, answer, out);
	if (r == 0)
		r = wire_translation_end(translation, out);
	if (r != 0)
		test_fail(__FILE__, __LINE__, "%d of %.*s", r, SLICE_ARGS(answer));
	wire_translation_free(translation);
}

static void check(size_t up, const char *name, struct slice answer)
{
	bool stream = strstr(name, ".sse");
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct slice newer = sprinkled(answer, stream, upstreams[up].event, &arena);

	CHECK(memmem(newer.ptr, newer.len, MEMBER, strlen(MEMBER)));
	for (size_t i = 0; i < 2 * ARRAY_SIZE(clients); i++) {
		_cleanup_(buffer_fini) struct buffer plain = { 0 }, out = { 0 };
		enum wire_dialect client = clients[i / 2], from = upstreams[up].dialect;

		if (client == from)
			continue;
		translate(client, i % 2, from, stream, answer, &plain);
		translate(client, i % 2, from, stream, newer, &out);
		if (!slice_eq(buffer_slice(&plain), buffer_slice(&out)))
			test_fail(__FILE__, __LINE__, "%s-%s for %d: %.*s\nis not %.*s",
				  upstreams[up].name, name, client, (int)out.len, out.data,
				  (int)plain.len, plain.data);
	}
}

static void unknown(void)
{
	const char *source = getenv("TIDEGATE_SRC");

	for (size_t i = 0; i < ARRAY_SIZE(upstreams) * ARRAY_SIZE(answers); i++) {
		_cleanup_(buffer_fini) struct buffer text = { 0 };
		const char *name = answers[i % ARRAY_SIZE(answers)];
		size_t up = i / ARRAY_SIZE(answers);
		char path[512];

		snprintf(path, sizeof(path), "%s/tests/unit/wire/%s-%s", source ? source : ".",
			 upstreams[up].name, name);
		CHECK_INT(file_read(path, 1 << 20, &text, NULL), 0);
		check(up, name, buffer_slice(&text));
	}
}

int main(void)
{
	test_run("unknown", unknown);
	return 0;
}
