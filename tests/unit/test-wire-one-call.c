/* SPDX-License-Identifier: Apache-2.0 */
/* A client that takes one call at a time is told the first one, whatever its upstream does. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/codecs.h"

#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":" text "}]}\n\n"
#define CALL(index, id)                                                                        \
	DELTA("{\"tool_calls\":[{\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\"," \
	      "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}")

static const char answer[] = DELTA("{\"content\":\"so\"}") CALL("0", "call_a")
    CALL("1", "call_b") "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"end\"},"
			"\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";

/* What a client of Messages is told. */
static void tell(bool stream, const char *choice, struct buffer *out)
{
	const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT, .model = SLICE("m") };
	_cleanup_(buffer_fini) struct buffer body = { 0 }, sent = { 0 };
	struct wire_error error = { 0 };
	const struct wire_usage usage = { false, false, false, -1, -1, -1, -1, -1, -1 };
	struct wire_translation *translation;
	struct arena arena;
	struct turn *turn;

	arena_init(&arena, NULL);
	buffer_printf(&body,
		      "{\"model\":\"m\",\"max_tokens\":9,\"stream\":%s,\"messages\":[{\"role\":"
		      "\"user\",\"content\":\"hi\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{"
		      "\"type\":\"object\"}}]%s}",
		      stream ? "true" : "false", choice);
	CHECK_INT(wire_translate_request(WIRE_ANTHROPIC_MESSAGES, buffer_slice(&body), &target,
					 &arena, &sent, &turn, &error),
		  0);
	translation = wire_translation_new(
	    &(struct wire_translation_options){ .client = WIRE_ANTHROPIC_MESSAGES,
						.upstream = WIRE_OPENAI_CHAT,
						.turn = turn,
						.upstream_streams = true,
						.request_id = SLICE("r"),
						.model = SLICE("m"),
						.usage = &usage,
						.arena = &arena });
	CHECK_INT(wire_translation_feed(translation, slice_of(answer), out), 0);
	CHECK_INT(wire_translation_end(translation, out), 0);
	buffer_append_char(out, '\0');
	wire_translation_free(translation);
	arena_fini(&arena);
}

static void check(bool stream)
{
	static const char *const several[] = {
		"", ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":false}"
	};

	for (size_t i = 0; i < ARRAY_SIZE(several); i++) {
		_cleanup_(buffer_fini) struct buffer out = { 0 };

		tell(stream, several[i], &out);
		CHECK(strstr(out.data, "call_a") && strstr(out.data, "call_b"));
	}
	_cleanup_(buffer_fini) struct buffer out = { 0 };

	tell(stream, ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}",
	     &out);
	CHECK(strstr(out.data, "\"so\"") && strstr(out.data, "call_a"));
	CHECK(!strstr(out.data, "call_b"));
	CHECK(strstr(out.data, "\"end\"")); /* what is no call is told */
	CHECK(strstr(out.data, "\"tool_use\""));
}

static void streams(void)
{
	check(true);
}

static void documents(void)
{
	check(false);
}

int main(void)
{
	test_run("streams", streams);
	test_run("documents", documents);
	return 0;
}
