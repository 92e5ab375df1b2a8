/* SPDX-License-Identifier: Apache-2.0 */
/* What clients understand of random answers of Bedrock's Converse, which come as frames or as
 * documents. The seed is fixed; an argument sets another. */
#include "test-wire-frames.h"
#include "test-wire-heard.h"

/* What a model said, and what a client understands of it. */
struct said {
	bool stream;
	bool details;         /* the client gets reasoning_details at the end of its stream */
	struct buffer out;    /* frames, or the document's blocks */
	struct buffer expect; /* as hear() has it */
	struct buffer again;  /* of it, what those details repeat */
	struct arena *arena;
	uint32_t blocks;
};

static void frame(struct said *said, const char *name, struct slice payload)
{
	append_event(&said->out, "event", name, payload.ptr);
}

#define FRAME(said, name, ...) frame(said, name, arena_printf((said)->arena, __VA_ARGS__))

static void delta(struct said *said, const char *before, struct slice text, const char *after)
{
	FRAME(said, "contentBlockDelta",
	      "{\"contentBlockIndex\":%" PRIu32 ",\"delta\":%s\"%.*s\"%s,\"p\":\"abc\"}",
	      said->blocks, before, SLICE_ARGS(text), after);
}

static void begin_block(struct said *said, enum answer_kind kind, const char *id, const char *name)
{
	buffer_printf(&said->expect, "\nblock %d id=%s name=%s ", kind, id, name);
	if (!said->stream && said->blocks > 0)
		buffer_append_char(&said->out, ',');
}

static void end_block(struct said *said)
{
	if (said->stream)
		FRAME(said, "contentBlockStop", "{\"contentBlockIndex\":%" PRIu32 "}",
		      said->blocks);
	said->blocks++;
}

static void say_texts(struct said *said, enum answer_kind kind)
{
	bool reasons = kind == ANSWER_REASONING, vouched = reasons && below(2);
	const char *before = reasons ? "{\"reasoningContent\":{\"text\":" : "{\"text\":";
	_cleanup_(buffer_fini) struct buffer all = { 0 };
	size_t at;

	begin_block(said, kind, "", "");
	at = said->expect.len;
	for (uint32_t i = 1 + below(4); i > 0; i--) {
		struct slice text = random_text(said->arena);

		buffer_append_slice(&all, text);
		buffer_append_slice(&said->expect, tree_unescape(text, said->arena));
		if (said->stream)
			delta(said, before, text, reasons ? "}}" : "}");
	}
	if (!said->stream)
		buffer_printf(&said->out, "%s\"%.*s\"%s%s",
			      reasons ? "{\"reasoningContent\":{\"reasoningText\":{\"text\":"
				      : before,
			      (int)all.len, all.data, vouched ? ",\"signature\":\"c2ln\"" : "",
			      reasons ? "}}}" : "}");
	else if (vouched)
		delta(said, "{\"reasoningContent\":{\"signature\":", SLICE("c2ln"), "}}");
	if (vouched && said->details)
		buffer_append_slice(&said->again, slice_skip(buffer_slice(&said->expect), at));
	end_block(said);
}

/* A stream has the input as text, cut between any two characters. */
static void say_input(struct said *said, struct slice json)
{
	while (json.len > 0) {
		size_t len = 1 + below(12);

		while (len < json.len && ((uint8_t)json.ptr[len] & 0xc0) == 0x80)
			len++;
		if (len > json.len)
			len = json.len;
		delta(said, "{\"toolUse\":{\"input\":",
		      tree_escape((struct slice){ json.ptr, len }, said->arena), "}}");
		json = slice_skip(json, len);
	}
}

static void say_use(struct said *said)
{
	struct slice json = tree_unescape(random_arguments(said->arena), said->arena);
	struct slice id = arena_printf(said->arena, "tooluse_%" PRIu32, said->blocks);

	begin_block(said, ANSWER_CALL, id.ptr, "tool_1");
	say_text_as_json(&said->expect, json, said->arena);
	if (said->stream) {
		FRAME(said, "contentBlockStart",
		      "{\"contentBlockIndex\":%" PRIu32 ",\"start\":{\"toolUse\":{\"toolUseId\":"
		      "\"%s\",\"name\":\"tool_1\"}}}",
		      said->blocks, id.ptr);
		say_input(said, json);
	} else {
		buffer_printf(&said->out,
			      "{\"toolUse\":{\"toolUseId\":\"%s\",\"name\":\"tool_1\",\"input\":"
			      "%.*s}}",
			      id.ptr, SLICE_ARGS(json));
	}
	end_block(said);
}

/* Where a client's dialect has no word of its own for a reason, the nearest. */
static enum answer_stop stop_for(enum wire_dialect client, enum answer_stop stop)
{
	if (stop == ANSWER_STOP_SEQUENCE && client != WIRE_ANTHROPIC_MESSAGES)
		return ANSWER_STOP_DONE;
	if (stop == ANSWER_STOP_CONTEXT && client != WIRE_ANTHROPIC_MESSAGES)
		return ANSWER_STOP_LENGTH;
	return stop;
}

static const char *random_stop(struct said *said, enum wire_dialect client, bool calls)
{
	static const struct {
		const char *word;
		enum answer_stop stop;
	} stops[] = {
		{ "tool_use", ANSWER_STOP_CALLS },
		{ "end_turn", ANSWER_STOP_DONE },
		{ "max_tokens", ANSWER_STOP_LENGTH },
		{ "stop_sequence", ANSWER_STOP_SEQUENCE },
		{ "guardrail_intervened", ANSWER_STOP_REFUSED },
		{ "content_filtered", ANSWER_STOP_REFUSED },
		{ "model_context_window_exceeded", ANSWER_STOP_CONTEXT },
	};
	size_t i = calls ? 0 : 1 + below(ARRAY_SIZE(stops) - 1);

	if (said->again.len > 0 && said->blocks > 1) /* behind other blocks */
		buffer_printf(&said->expect, "\nblock %d id= name= ", ANSWER_REASONING);
	buffer_append_slice(&said->expect, buffer_slice(&said->again));
	buffer_printf(&said->expect, "\nstop %d", stop_for(client, stops[i].stop));
	return stops[i].word;
}

static struct slice random_usage(struct arena *arena, struct wire_usage *ret)
{
	*ret = (struct wire_usage){ .input = 1 + below(1000),
				    .cache_read = below(1000),
				    .cache_write = below(1000),
				    .output = 1 + below(1000) };
	return arena_printf(arena,
			    "\"usage\":{\"inputTokens\":%" PRId64 ",\"outputTokens\":%" PRId64
			    ",\"cacheReadInputTokens\":%" PRId64
			    ",\"cacheWriteInputTokens\":%" PRId64 ",\"totalTokens\":%" PRId64
			    "},\"metrics\":{\"latencyMs\":1}",
			    ret->input, ret->output, ret->cache_read, ret->cache_write,
			    ret->input + ret->cache_read + ret->cache_write + ret->output);
}

static bool say_blocks(struct said *said)
{
	uint32_t calls;

	if (below(3) == 0)
		say_texts(said, ANSWER_REASONING);
	if (below(4) > 0)
		say_texts(said, ANSWER_TEXT);
	calls = below(3) + (said->blocks == 0);
	for (uint32_t i = calls; i > 0; i--)
		say_use(said);
	return calls > 0;
}

static void random_answer(struct said *said, enum wire_dialect client, struct wire_usage *ret_usage)
{
	struct slice usage = random_usage(said->arena, ret_usage);
	const char *stop;

	if (said->stream)
		FRAME(said, "messageStart", "{\"role\":\"assistant\"}");
	else
		buffer_append_str(&said->out,
				  "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[");
	stop = random_stop(said, client, say_blocks(said));
	if (said->stream) {
		FRAME(said, "messageStop", "{\"stopReason\":\"%s\"}", stop);
		FRAME(said, "metadata", "{%.*s}", SLICE_ARGS(usage));
	} else {
		buffer_printf(&said->out, "]}},\"stopReason\":\"%s\",%.*s}", stop,
			      SLICE_ARGS(usage));
	}
}

/* Frames in pieces of random size, as server-sent events. */
static void unframe(struct buffer *frames)
{
	_cleanup_(wire_eventstream_fini) struct wire_eventstream stream = { 0 };
	struct slice rest = buffer_slice(frames);
	struct buffer out = { 0 };

	while (rest.len > 0) {
		size_t step = 1 + below(200);
		struct slice piece = { rest.ptr, step < rest.len ? step : rest.len };

		CHECK_INT(wire_eventstream_feed(&stream, piece, &out), 0);
		rest = slice_skip(rest, piece.len);
	}
	buffer_fini(frames);
	*frames = out;
}

static struct wire_watch watched(enum wire_dialect dialect, bool stream, struct slice answer)
{
	struct wire_watch watch;

	wire_watch_init(&watch, dialect, stream);
	wire_watch_feed(&watch, answer);
	CHECK(watch.terminal);
	CHECK_INT(watch.error, WIRE_ERROR_NONE);
	return watch;
}

/* Not all clients hear of what was written into a cache: it is input to them; nor of a 0. */
static void check_usage(const struct wire_usage *told, const struct wire_usage *heard)
{
	int64_t written = heard->cache_write < 0 ? 0 : heard->cache_write;

	CHECK_INT(heard->cache_read < 0 ? 0 : heard->cache_read, told->cache_read);
	CHECK_INT(heard->output, told->output);
	CHECK_INT(heard->input + written, told->input + told->cache_write);
}

static void one_answer(enum wire_dialect client, int round)
{
	struct turn turn;
	struct arena arena;
	struct said said = { .stream = round & 1, .arena = &arena };
	struct buffer out = { 0 };
	struct wire_watch above, below_it;
	struct wire_usage usage;
	struct slice heard;

	arena_init(&arena, NULL);
	random_turn(&turn, &arena, 0);
	turn.stream = round & 2;
	turn.include_usage = true;
	said.details = client == WIRE_OPENAI_CHAT && turn.stream;
	random_answer(&said, client, &usage);
	if (said.stream)
		unframe(&said.out);
	above = watched(WIRE_BEDROCK_CONVERSE, said.stream, buffer_slice(&said.out));
	check_usage(&usage, &above.usage);
	CHECK_INT(above.usage.cache_write, usage.cache_write);
	translate(&(struct wire_translation_options){ .client = client,
						      .upstream = WIRE_BEDROCK_CONVERSE,
						      .turn = &turn,
						      .upstream_streams = said.stream,
						      .request_id = SLICE("r1"),
						      .model = SLICE("m"),
						      .usage = &above.usage,
						      .arena = &arena },
		  buffer_slice(&said.out), &out);
	heard = understood(client, turn.stream, buffer_slice(&out), &arena);
	if (!slice_eq(buffer_slice(&said.expect), heard))
		test_fail(__FILE__, __LINE__, "%s: told%.*s\nbut heard%s\nof %.*s\nas %.*s", pair,
			  (int)said.expect.len, said.expect.data, heard.ptr, (int)said.out.len,
			  said.out.data, (int)out.len, out.data);
	below_it = watched(client, turn.stream, buffer_slice(&out));
	check_usage(&usage, &below_it.usage);
	buffer_fini(&said.out);
	buffer_fini(&said.expect);
	buffer_fini(&said.again);
	buffer_fini(&out);
	arena_fini(&arena);
}

static void answers(void)
{
	for_each_client(one_answer);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		state = strtoull(argv[1], NULL, 10);
	test_run("answers", answers);
	return 0;
}
