/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of Gemini's gets of an answer in Anthropic's dialect, as a stream and whole. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/gemini-json.h"
#include "wire/translate.h"
#include "wire/turn.h"

#define START                                                                                 \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\"," \
	"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],"    \
	"\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define BLOCK(index, block)                                                                     \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" #index \
	",\"content_block\":" block "}\n\n"
#define DELTA(index, delta)                                                                     \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" #index \
	",\"delta\":" delta "}\n\n"
#define BLOCK_STOP(index)                                                                     \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" #index \
	"}\n\n"
#define STOP(reason)                                                          \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{" \
	"\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{"  \
	"\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

#define CHUNK(parts)                                             \
	"data: {\"candidates\":[{\"content\":{\"parts\":[" parts \
	"],\"role\":\"model\"},\"index\":0}],"                   \
	"\"modelVersion\":\"claude\",\"responseId\":\"r7\"}\n\n"
#define END(parts, finish)                                                                     \
	"{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"},"            \
	"\"finishReason\":" finish ",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":8," \
	"\"candidatesTokenCount\":7,\"totalTokenCount\":15,\"cachedContentTokenCount\":3},"    \
	"\"modelVersion\":\"claude\",\"responseId\":\"r7\"}"
#define LAST(finish) "data: " END("{\"text\":\"\"}", finish) "\n\n"

/* tidegate1.messages..c2ln and tidegate1.messages.redacted.AAAA, in base64 */
#define SIGNATURE "dGlkZWdhdGUxLm1lc3NhZ2VzLi5jMmxu"
#define REDACTED "dGlkZWdhdGUxLm1lc3NhZ2VzLnJlZGFjdGVkLkFBQUE="

static const struct {
	const char *name, *upstream, *stream, *document;
} rows[] = {
	{ "text",
	  START BLOCK(0, "{\"type\":\"text\",\"text\":\"\"}")
	      DELTA(0, "{\"type\":\"text_delta\",\"text\":\"He\\n\"}") DELTA(
		  0, "{\"type\":\"text_delta\",\"text\":\"y\"}") BLOCK_STOP(0) STOP("end_turn"),
	  CHUNK("{\"text\":\"He\\n\"}") CHUNK("{\"text\":\"y\"}") LAST("\"STOP\""),
	  END("{\"text\":\"He\\ny\"}", "\"STOP\"") },
	{ "thinking and calls",
	  START BLOCK(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}") DELTA(
	      0, "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}")
	      DELTA(0, "{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}") BLOCK_STOP(0) BLOCK(
		  1, "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}")
		  DELTA(1, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}")
		      DELTA(1,
			    "{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"\\\\n\\\"}\"}")
			  BLOCK_STOP(1) BLOCK(
			      2,
			      "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}")
			      BLOCK_STOP(2) STOP("tool_use"),
	  CHUNK("{\"text\":\"hm\",\"thought\":true}") CHUNK(
	      "{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"" SIGNATURE "\"}")
	      CHUNK("{\"functionCall\":{\"id\":\"t1\",\"name\":\"f\",\"args\":{\"a\":\"\\n\"}}}")
		  CHUNK("{\"functionCall\":{\"id\":\"t2\",\"name\":\"g\",\"args\":{}}}")
		      LAST("\"STOP\""),
	  END("{\"text\":\"hm\",\"thought\":true},{\"text\":\"\",\"thought\":true,"
	      "\"thoughtSignature\":\"" SIGNATURE "\"},{\"functionCall\":{\"id\":\"t1\",\"name\":"
	      "\"f\",\"args\":{\"a\":\"\\n\"}}},{\"functionCall\":{\"id\":\"t2\",\"name\":\"g\","
	      "\"args\":{}}}",
	      "\"STOP\"") },
	{ "arguments over some lines",
	  START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}") DELTA(
	      0, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\n\\\"a\\\":1\\r\\n}\"}")
	      BLOCK_STOP(0) STOP("tool_use"),
	  CHUNK("{\"functionCall\":{\"id\":\"t1\",\"name\":\"f\",\"args\":{ \"a\":1  }}}")
	      LAST("\"STOP\""),
	  END("{\"functionCall\":{\"id\":\"t1\",\"name\":\"f\",\"args\":{ \"a\":1  }}}",
	      "\"STOP\"") },
	{ "other ends of lines",
	  START BLOCK(0, "{\"type\":\"text\",\"text\":\"\"}")
	      DELTA(0, "{\"type\":\"text_delta\",\"text\":\"\xe2\x80\xa8"
		       "a\xc2\x85"
		       "b\xc2\xb0\"}") BLOCK_STOP(0)
		  BLOCK(1, "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{}}")
		      DELTA(1, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":"
			       "\\\"\xe2\x80\xa9\\\"}\"}") BLOCK_STOP(1) STOP("tool_use"),
	  CHUNK("{\"text\":\"\\u2028a\\u0085b\xc2\xb0\"}") CHUNK(
	      "{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"a\":\"\\u2029\"}}}")
	      LAST("\"STOP\""),
	  END("{\"text\":\"\\u2028a\\u0085b\xc2\xb0\"},{\"functionCall\":{\"id\":\"c1\",\"name\":"
	      "\"f\",\"args\":{\"a\":\"\\u2029\"}}}",
	      "\"STOP\"") },
	{ "redacted",
	  START BLOCK(0, "{\"type\":\"redacted_thinking\",\"data\":\"AAAA\"}") BLOCK_STOP(0)
	      STOP("max_tokens"),
	  CHUNK("{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"" REDACTED "\"}")
	      LAST("\"MAX_TOKENS\""),
	  END("{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"" REDACTED "\"}",
	      "\"MAX_TOKENS\"") },
	{ "nothing", START STOP("refusal"), LAST("\"SAFETY\""),
	  END("{\"text\":\"\"}", "\"SAFETY\"") },
	{ "a call that is none",
	  START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}")
	      DELTA(0, "{\"type\":\"input_json_delta\",\"partial_json\":\"{]}\"}") BLOCK_STOP(0)
		  STOP("tool_use"),
	  LAST("\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":\"The arguments of a call are no "
	       "JSON object.\""),
	  END("{\"text\":\"\"}",
	      "\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":\"The arguments of a call are no JSON "
	      "object.\"") },
	{ "an error inside",
	  START BLOCK(0, "{\"type\":\"text\",\"text\":\"a\"}") "event: error\ndata: "
							       "{\"type\":\"error\",\"error\":{"
							       "\"type\":\"overloaded_error\","
							       "\"message\":\"Busy\"}}\n\n",
	  CHUNK(
	      "{\"text\":\"a\"}") "data: {\"error\":{\"code\":529,\"message\":\"Busy\",\"status\":"
				  "\"UNAVAILABLE\"}}\n\n",
	  NULL },
};

static void check_row(size_t i, bool stream)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	const char *expected = stream ? rows[i].stream : rows[i].document;
	struct wire_translation_options options = { .client = WIRE_GEMINI,
						    .upstream = WIRE_ANTHROPIC_MESSAGES,
						    .upstream_streams = true,
						    .request_id = SLICE("r7"),
						    .model = SLICE("m") };
	struct wire_translation *translation;
	struct wire_watch watch;
	struct arena arena;
	struct turn turn;

	arena_init(&arena, NULL);
	turn_init(&turn, WIRE_GEMINI, NULL, &arena);
	turn.stream = stream;
	wire_watch_init(&watch, WIRE_ANTHROPIC_MESSAGES, true);
	wire_watch_feed(&watch, slice_of(rows[i].upstream));
	options.turn = &turn;
	options.usage = &watch.usage;
	options.arena = &arena;
	translation = wire_translation_new(&options);
	CHECK(translation);
	CHECK_INT(wire_translation_feed(translation, slice_of(rows[i].upstream), &out), 0);
	CHECK_INT(wire_translation_end(translation, &out), 0);
	if (!slice_eq_str(buffer_slice(&out), expected))
		test_fail(__FILE__, __LINE__, "%s is\n%.*snot\n%s", rows[i].name, (int)out.len,
			  out.data, expected);
	wire_translation_free(translation);
	arena_fini(&arena);
}

static void streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(i, true);
}

static void documents(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].document)
			check_row(i, false);
	}
}

/* What the client was told of thoughts comes back as what the upstream said of them. */
static void told_signatures_come_back(void)
{
	static const char body[] =
	    "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true},"
	    "{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"" SIGNATURE
	    "\"},{\"text\":\"\","
	    "\"thought\":true,\"thoughtSignature\":\"" REDACTED "\"},{\"text\":\"\"}]}]}";
	struct turn_refusal refusal;
	const struct turn_part *part;
	const struct tree *tree;
	struct arena arena;
	struct turn turn;

	arena_init(&arena, NULL);
	CHECK_INT(tree_parse(slice_of(body), &arena, &tree, NULL), 0);
	turn_init(&turn, WIRE_GEMINI, tree, &arena);
	CHECK_INT(gemini_read_turn(tree, &turn, &refusal), 0);
	part = turn.messages->parts;
	CHECK_INT(part->origin, WIRE_ANTHROPIC_MESSAGES);
	CHECK_SLICE(part->text, "hm");
	CHECK_SLICE(part->opaque, "c2ln");
	CHECK(!part->redacted);
	part = part->next;
	CHECK_INT(part->origin, WIRE_ANTHROPIC_MESSAGES);
	CHECK_SLICE(part->opaque, "AAAA");
	CHECK(part->redacted && !part->opaque_id.ptr && !part->next);
	arena_fini(&arena);
}

int main(void)
{
	test_run("streams", streams);
	test_run("documents", documents);
	test_run("told-signatures-come-back", told_signatures_come_back);
	return 0;
}
