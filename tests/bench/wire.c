/* SPDX-License-Identifier: Apache-2.0 */
/* CPU of what is done with the bytes of one request of 2 KB and its answer, on one thread, without
 * any connection: bench-wire WHAT ROUNDS prints microseconds. WHAT is `same`: the scan of a chat
 * request, its edit and the watch over its answer; or CLIENT-UPSTREAM, as `chat-messages`: the
 * scan, both translations and the watch. With `-stream`, the answer is a stream of 32 events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "wire/wire.h"

enum {
	REQUEST_BYTES = 2048,
	STREAM_EVENTS = 32,
};

static const struct {
	const char *name;
	enum wire_dialect dialect;
} dialects[] = {
	{ "chat", WIRE_OPENAI_CHAT },
	{ "messages", WIRE_ANTHROPIC_MESSAGES },
	{ "responses", WIRE_OPENAI_RESPONSES },
};

struct subject {
	enum wire_dialect client, upstream;
	bool stream;
	struct buffer request, answer;
};

static void fail(const char *why)
{
	fprintf(stderr, "bench-wire: %s\n", why);
	exit(1);
}

static enum wire_dialect find_dialect(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		if (slice_eq_str(name, dialects[i].name))
			return dialects[i].dialect;
	}
	fail("the dialects are chat, messages and responses");
	return 0;
}

/* ---- what is said ---- */

/* Whoever the first message is of, the last is the user's. */
static void add_messages(struct buffer *out)
{
	static const char *const roles[] = { "assistant", "user" };

	for (size_t i = 0; out->len < REQUEST_BYTES - 96 || i % 2 > 0; i++)
		buffer_printf(out,
			      ",{\"role\":\"%s\",\"content\":\"The tide gate opened at %zu, and "
			      "\\\"all\\\" of the water went through it.\"}",
			      roles[i % 2], out->len);
}

static void make_request(struct subject *subject)
{
	static const char schema[] =
	    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}";
	struct buffer *out = &subject->request;

	buffer_printf(out, "{\"model\":\"m\",\"stream\":%s,", subject->stream ? "true" : "false");
	switch (subject->client) {
	case WIRE_ANTHROPIC_MESSAGES:
		buffer_printf(out,
			      "\"max_tokens\":512,\"system\":\"Be brief.\",\"tools\":[{\"name\":"
			      "\"weather\",\"input_schema\":%s}],\"messages\":[{\"role\":\"user\","
			      "\"content\":\"Well?\"}",
			      schema);
		break;
	case WIRE_OPENAI_RESPONSES:
		buffer_printf(out,
			      "\"instructions\":\"Be brief.\",\"tools\":[{\"type\":\"function\","
			      "\"name\":\"weather\",\"parameters\":%s}],\"input\":[{\"role\":"
			      "\"user\",\"content\":\"Well?\"}",
			      schema);
		break;
	default:
		buffer_printf(out,
			      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
			      "\"weather\",\"parameters\":%s}}],\"messages\":[{\"role\":\"system\","
			      "\"content\":\"Be brief.\"}",
			      schema);
	}
	add_messages(out);
	buffer_append_str(out, "]}");
}

static void chat_answer(struct buffer *out, bool stream)
{
	if (!stream) {
		buffer_append_str(out,
				  "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"m\","
				  "\"choices\":[{\"index\":0,\"message\":{\"role\":"
				  "\"assistant\",\"content\":\"");
		for (int i = 0; i < STREAM_EVENTS; i++)
			buffer_append_str(out, "and so it goes on ");
		buffer_append_str(out, "\"},\"finish_reason\":\"stop\"}],\"usage\":{"
				       "\"prompt_tokens\":500,\"completion_tokens\":128}}");
		return;
	}
	for (int i = 0; i < STREAM_EVENTS; i++)
		buffer_append_str(out, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\","
				       "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{"
				       "\"content\":\"and so it goes on \"}}]}\n\n");
	buffer_append_str(out, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
			       "\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":"
			       "500,\"completion_tokens\":128}}\n\ndata: [DONE]\n\n");
}

static void messages_answer(struct buffer *out, bool stream)
{
	if (!stream) {
		buffer_append_str(out,
				  "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\","
				  "\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"");
		for (int i = 0; i < STREAM_EVENTS; i++)
			buffer_append_str(out, "and so it goes on ");
		buffer_append_str(out, "\"}],\"stop_reason\":\"end_turn\",\"usage\":{"
				       "\"input_tokens\":500,\"output_tokens\":128}}");
		return;
	}
	buffer_append_str(out,
			  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
			  "\"id\":\"m\",\"model\":\"m\",\"usage\":{\"input_tokens\":500}}}\n\n"
			  "event: content_block_start\ndata: {\"type\":\"content_block_start\","
			  "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
	for (int i = 0; i < STREAM_EVENTS; i++)
		buffer_append_str(out, "event: content_block_delta\ndata: {\"type\":"
				       "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
				       "\"text_delta\",\"text\":\"and so it goes on \"}}\n\n");
	buffer_append_str(out,
			  "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
			  "\"index\":0}\n\nevent: message_delta\ndata: {\"type\":"
			  "\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
			  "\"output_tokens\":128}}\n\nevent: message_stop\ndata: {\"type\":"
			  "\"message_stop\"}\n\n");
}

static void make_answer(struct subject *subject)
{
	if (subject->upstream == WIRE_ANTHROPIC_MESSAGES)
		messages_answer(&subject->answer, subject->stream);
	else if (subject->upstream == WIRE_OPENAI_CHAT)
		chat_answer(&subject->answer, subject->stream);
	else
		fail("the upstreams are chat and messages");
}

/* ---- what is done ---- */

static void same(const struct subject *subject, struct arena *arena, struct wire_watch *watch)
{
	struct slice parts[WIRE_PARTS_MAX];
	struct wire_request request;
	bool forced;

	if (wire_request_scan(subject->client, buffer_slice(&subject->request), arena, &request,
			      NULL) < 0 ||
	    wire_request_edit(subject->client, buffer_slice(&subject->request), &request,
			      SLICE("upstream-model"), arena, parts, &forced) < 0)
		fail("the request is refused");
	wire_watch_init(watch, subject->upstream, subject->stream);
	wire_watch_feed(watch, buffer_slice(&subject->answer));
}

static void translate(const struct subject *subject, struct arena *arena, struct wire_watch *watch)
{
	const struct turn_target target = { subject->upstream, SLICE("upstream-model"), 4096, 0 };
	_cleanup_(buffer_fini) struct buffer body = { 0 }, out = { 0 };
	struct wire_translation_options options = { .client = subject->client,
						    .upstream = subject->upstream,
						    .upstream_streams = subject->stream,
						    .request_id = SLICE("0123456789abcdef"),
						    .model = SLICE("upstream-model"),
						    .usage = &watch->usage,
						    .arena = arena };
	struct wire_translation *translation;
	struct wire_request request;
	struct wire_error error = { 0 };
	struct turn *turn;

	if (wire_request_scan(subject->client, buffer_slice(&subject->request), arena, &request,
			      NULL) < 0 ||
	    wire_translate_request(subject->client, buffer_slice(&subject->request), &target, arena,
				   &body, &turn, &error) < 0)
		fail(error.message ? error.message : "the request is refused");
	wire_watch_init(watch, subject->upstream, subject->stream);
	wire_watch_feed(watch, buffer_slice(&subject->answer));
	options.turn = turn;
	translation = wire_translation_new(&options);
	if (wire_translation_feed(translation, buffer_slice(&subject->answer), &out) < 0 ||
	    wire_translation_end(translation, &out) < 0 || out.len == 0)
		fail("the answer cannot be translated");
	wire_translation_free(translation);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double measure(const struct subject *subject, unsigned long rounds)
{
	struct arena_pool pool = { 0 };
	struct wire_watch watch;
	uint64_t begun = cpu_ns();

	for (unsigned long i = 0; i < rounds; i++) {
		struct arena arena;

		arena_init(&arena, &pool);
		if (subject->client == subject->upstream)
			same(subject, &arena, &watch);
		else
			translate(subject, &arena, &watch);
		if (watch.usage.output != 128)
			fail("the usage is not what the answer says");
		arena_fini(&arena);
	}
	begun = cpu_ns() - begun;
	arena_pool_fini(&pool);
	return (double)begun / (double)rounds / 1000;
}

int main(int argc, char **argv)
{
	struct subject subject = { 0 };
	struct slice rest, client, upstream;
	unsigned long rounds = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (rounds == 0)
		fail("usage: bench-wire same|CLIENT-UPSTREAM[-stream] ROUNDS");
	client = slice_cut(slice_of(argv[1]), '-', &rest);
	if (slice_eq_str(client, "same")) {
		subject.client = subject.upstream = WIRE_OPENAI_CHAT;
		subject.stream = rest.len > 0;
	} else {
		upstream = slice_cut(rest, '-', &rest);
		subject.client = find_dialect(client);
		subject.upstream = find_dialect(upstream);
		subject.stream = rest.len > 0;
	}
	make_request(&subject);
	make_answer(&subject);
	measure(&subject, rounds / 10 + 1);
	printf("%.2f\n", measure(&subject, rounds));
	buffer_fini(&subject.request);
	buffer_fini(&subject.answer);
	return 0;
}
