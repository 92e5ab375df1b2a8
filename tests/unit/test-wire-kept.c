/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of an answer until its end is bounded, whichever way it grows, and the client is
 * told why it ends there. */
#include "base/cleanup.h"
#include "wire/wire.h"

#include <errno.h>
#include <malloc.h>

#include "test.h"

enum {
	PIECE_BYTES = 1 << 20,
	PIECES_MAX = 100,
	PARTS = 10000,
};

#define CHAT(members) "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{" members "}}]}"

static const struct row {
	const char *name;
	enum wire_dialect client, upstream;
	const char *request, *first, *before, *behind, *error;
} rows[] = {
	{ "responses", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT,
	  "{\"model\":\"m\",\"input\":\"hi\",\"stream\":true}", CHAT(""),
	  "{\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}", "event: response.failed\n" },
	{ "document", WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT,
	  "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
	  "}",
	  CHAT(""), "{\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}", "" },
	{ "reasoning", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
	  "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	  "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"thinking\"}}",
	  "{\"type\":\"content_block_delta\",\"delta\":{\"thinking\":\"", "\"}}",
	  "data: {\"error\"" },
	{ "opaque", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
	  "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	  "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"thinking\"}}",
	  "{\"type\":\"content_block_delta\",\"delta\":{\"signature\":\"", "\"}}",
	  "data: {\"error\"" },
	{ "custom", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT,
	  "{\"model\":\"m\",\"input\":\"hi\",\"stream\":true,\"tools\":[{\"type\":\"custom\","
	  "\"name\":\"p\"}]}",
	  CHAT("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"p\","
	       "\"arguments\":\"{\"}}]"),
	  "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"",
	  "\"}}]}}]}", "event: response.failed\n" },
};

static void append_event(struct buffer *out, const char *before, size_t len, const char *behind)
{
	static char text[PIECE_BYTES];

	memset(text, 'x', sizeof(text));
	buffer_append_str(out, "data: ");
	buffer_append_str(out, before);
	buffer_append(out, text, len);
	buffer_append_str(out, behind);
	buffer_append_str(out, "\n\n");
}

/* Feeds pieces until one is refused; how many there were. */
static size_t feed(struct wire_translation *translation, const struct row *row, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer event = { 0 };
	size_t fed = 0;
	int r;

	append_event(&event, row->first, 0, "");
	CHECK_INT(wire_translation_feed(translation, buffer_slice(&event), out), 0);
	buffer_clear(&event);
	append_event(&event, row->before, PIECE_BYTES, row->behind);
	do {
		buffer_clear(out);
		r = wire_translation_feed(translation, buffer_slice(&event), out);
		fed++;
	} while (r == 0 && fed < PIECES_MAX);
	CHECK_INT(r, -E2BIG);
	return fed;
}

static void check_row(const struct row *row)
{
	static const struct wire_error why = { 502, "upstream_incomplete", NULL, "too long" };
	const struct turn_target target = { .dialect = row->upstream,
					    .model = SLICE("up"),
					    .max_output = 9,
					    .quirks = WIRE_QUIRK_NO_CUSTOM_TOOLS };
	_cleanup_(buffer_fini) struct buffer out = { 0 }, sent = { 0 };
	const struct wire_usage usage = { 0 };
	struct wire_translation_options options = { .client = row->client,
						    .upstream = row->upstream,
						    .upstream_streams = true,
						    .request_id = SLICE("r"),
						    .model = SLICE("up"),
						    .usage = &usage };
	struct wire_translation *translation;
	struct wire_error error;
	struct arena arena;
	struct turn *turn;
	size_t fed;

	arena_init(&arena, NULL);
	CHECK_INT(wire_translate_request(row->client, slice_of(row->request), &target, &arena,
					 &sent, &turn, &error),
		  0);
	options.turn = turn;
	options.arena = &arena;
	translation = wire_translation_new(&options);
	fed = feed(translation, row, &out);
	CHECK(fed >= TRANSLATION_EVENT_BYTES / PIECE_BYTES);
	CHECK(fed <= TRANSLATION_EVENT_BYTES / PIECE_BYTES + 1);
	buffer_clear(&out);
	wire_translation_fail(translation, &why, &out);
	buffer_append_char(&out, '\0');
	CHECK(strstr(out.data, row->error));
	wire_translation_free(translation);
	arena_fini(&arena);
}

static void bounded(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_name = rows[i].name;
		check_row(&rows[i]);
	}
}

/* While the answer comes, a request takes little more than its body. */
static void request(void)
{
	static const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
						   .model = SLICE("up") };
	_cleanup_(buffer_fini) struct buffer body = { 0 }, sent = { 0 };
	struct wire_error error;
	struct arena arena;
	struct turn *turn;
	size_t before;

	buffer_append_str(&body, "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
				 "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}");
	for (size_t i = 0; i < PARTS; i++)
		buffer_append_str(&body, ",{\"type\":\"text\",\"text\":\"x\"}");
	buffer_append_str(&body, "]}]}");
	arena_init(&arena, NULL);
	before = mallinfo2().uordblks;
	CHECK_INT(wire_translate_request(WIRE_ANTHROPIC_MESSAGES, buffer_slice(&body), &target,
					 &arena, &sent, &turn, &error),
		  0);
	CHECK(mallinfo2().uordblks <= before + sent.cap + 2 * ARENA_BLOCK_BYTES);
	CHECK(sent.cap < 3 * body.len);
	arena_fini(&arena);
}

int main(void)
{
	test_run("request", request);
	test_run("bounded", bounded);
	return 0;
}
