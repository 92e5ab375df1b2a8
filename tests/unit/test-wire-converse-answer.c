/* SPDX-License-Identifier: Apache-2.0 */
/* What Bedrock's Converse answers, as events of a stream and as documents. */
#include "test-wire-told.h"

#define DELTA(index, delta)                                                               \
	{                                                                                 \
		"contentBlockDelta",                                                      \
		    "{\"contentBlockIndex\":" #index ",\"delta\":" delta ",\"p\":\"ab\"}" \
	}
#define BLOCK_STOP(index)                                                \
	{                                                                \
		"contentBlockStop", "{\"contentBlockIndex\":" #index "}" \
	}
#define STOP(reason)                                             \
	{                                                        \
		"messageStop", "{\"stopReason\":\"" reason "\"}" \
	}
#define START                                              \
	{                                                  \
		"messageStart", "{\"role\":\"assistant\"}" \
	}
#define METADATA                                                                            \
	{                                                                                   \
		"metadata", "{\"usage\":{\"inputTokens\":1},\"metrics\":{\"latencyMs\":1}}" \
	}
#define TOOL(index, id, name)                                                                    \
	{                                                                                        \
		"contentBlockStart",                                                             \
		    "{\"contentBlockIndex\":" #index                                             \
		    ",\"start\":{\"toolUse\":{\"toolUseId\":\"" id "\",\"name\":\"" name "\"}}}" \
	}

static const struct {
	const char *name;
	struct {
		const char *name, *data;
	} events[12];
	const char *told;
} streams[] = {
	{ "text",
	  { START, DELTA(0, "{\"text\":\"He\\n\"}"), DELTA(0, "{\"text\":\"y\"}"), BLOCK_STOP(0),
	    DELTA(1, "{\"text\":\"two\"}"), BLOCK_STOP(1), STOP("end_turn"), METADATA },
	  "begin  \nblock 0 text  \n0+He\\n\n0+y\nend 0\nblock 1 text  \n1+two\nend 1\nstop done\n"
	  "end\n" },
	{ "reasoning and calls",
	  { START, DELTA(0, "{\"reasoningContent\":{\"text\":\"hm\"}}"),
	    DELTA(0, "{\"reasoningContent\":{\"signature\":\"c2ln\"}}"), BLOCK_STOP(0),
	    TOOL(1, "t1", "f"), DELTA(1, "{\"toolUse\":{\"input\":\"\"}}"),
	    DELTA(1, "{\"toolUse\":{\"input\":\"{\\\"a\\\":1}\"}}"), BLOCK_STOP(1),
	    TOOL(2, "t2", "g"), BLOCK_STOP(2), STOP("tool_use"), METADATA },
	  "begin  \nblock 0 reasoning  \n0+hm\nopaque 0 c2ln\nend 0\nblock 1 call t1 f\n"
	  "1+{\\\"a\\\":1}\nend 1\nblock 2 call t2 g\n2+{}\nend 2\nstop calls\nend\n" },
	{ "redacted",
	  { START, DELTA(0, "{\"reasoningContent\":{\"redactedContent\":\"AAAA\"}}"), BLOCK_STOP(0),
	    STOP("max_tokens"), METADATA },
	  "begin  \nblock 0 reasoning redacted  \nopaque 0 AAAA\nend 0\nstop length\nend\n" },
	{ "guardrail", { START, STOP("guardrail_intervened") }, "begin  \nstop refused\n" },
	{ "sequence", { START, STOP("stop_sequence") }, "begin  \nstop sequence\n" },
	{ "context", { START, STOP("model_context_window_exceeded") }, "begin  \nstop context\n" },
	{ "malformed",
	  { START, STOP("malformed_tool_use") },
	  "begin  \nerror 502 malformed_tool_use: The model ended its answer with "
	  "malformed_tool_use\n" },
	{ "throttled",
	  { { "throttlingException", "{\"message\":\"Too many\"}" } },
	  "error 429 throttlingException: Too many\n" },
	{ "broken off",
	  { START,
	    DELTA(0, "{\"text\":\"a\"}"),
	    { "modelStreamErrorException", "{\"message\":\"x\",\"originalStatusCode\":500}" },
	    DELTA(0, "{\"text\":\"never\"}") },
	  "begin  \nblock 0 text  \n0+a\nerror 502 modelStreamErrorException: x\n" },
	{ "of the stream",
	  { { "error", "{\"code\":\"InternalServerException\",\"message\":\"y\"}" } },
	  "error 500 InternalServerException: y\n" },
	{ "exception without words",
	  { { "someNewException", "{}" } },
	  "error 502 someNewException: The upstream ended its answer with an error.\n" },
	{ "unknown things",
	  { { "initial-response", "{}" },
	    { "somethingNew", "{\"a\":1}" },
	    DELTA(0, "{\"citation\":{\"title\":\"t\"}}"),
	    { "contentBlockStart", "{}" },
	    DELTA(3, "{\"toolUse\":{\"input\":\"stray\"}}"),
	    DELTA(0, "null"),
	    BLOCK_STOP(7),
	    { "messageStop", "{}" },
	    METADATA },
	  "" },
	{ "image",
	  { START, { "contentBlockStart", "{\"start\":{\"image\":{\"format\":\"png\"}}}" } },
	  "begin  \nerror 502 : The model answered with a block for which the client's dialect "
	  "has no words.\n" },
};

static void streams_told(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		struct told told;

		told_init(&told, WIRE_BEDROCK_CONVERSE);
		for (size_t k = 0; k < ARRAY_SIZE(streams[i].events) && streams[i].events[k].name;
		     k++)
			told_read(&told, streams[i].events[k].name, streams[i].events[k].data,
				  false, converse_read_event, converse_read_document);
		told_check(&told, streams[i].name, streams[i].told);
	}
}

#define ANSWER(content, reason)                                                         \
	"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[" content "]}}," \
	"\"stopReason\":\"" reason "\",\"usage\":{},\"metrics\":{\"latencyMs\":1}}"

static void documents_told(void)
{
	static const struct {
		const char *name, *document, *told;
	} rows[] = {
		{ "text", ANSWER("{\"text\":\"a\"},{\"text\":\"b\"}", "end_turn"),
		  "begin  \nblock 0 text  \n0+a\nend 0\nblock 1 text  \n1+b\nend 1\nstop done\n" },
		{ "reasoning and calls",
		  ANSWER("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\",\"signature\":"
			 "\"c2ln\"}}},{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\",\"input\":"
			 "{\"a\":1}}},{\"toolUse\":{\"toolUseId\":\"t2\",\"name\":\"g\",\"input\":{"
			 "}}}",
			 "tool_use"),
		  "begin  \nblock 0 reasoning  \n0+hm\nopaque 0 c2ln\nend 0\nblock 1 call t1 f\n"
		  "1+{\\\"a\\\":1}\nend 1\nblock 2 call t2 g\n2+{}\nend 2\nstop calls\n" },
		{ "redacted",
		  ANSWER("{\"reasoningContent\":{\"redactedContent\":\"AAAA\"}}", "max_tokens"),
		  "begin  \nblock 0 reasoning redacted  \nopaque 0 AAAA\nend 0\nstop length\n" },
		{ "cited",
		  ANSWER("{\"citationsContent\":{\"content\":[{\"text\":\"a\"},{\"text\":\"b\"}],"
			 "\"citations\":[]}}",
			 "end_turn"),
		  "begin  \nblock 0 text  \n0+a\n0+b\nend 0\nstop done\n" },
		{ "nothing", ANSWER("", "content_filtered"), "begin  \nstop refused\n" },
		{ "an error", "{\"message\":\"Bad\",\"__type\":\"a.b#ValidationException\"}",
		  "error 400 ValidationException: Bad\n" },
		{ "nulls", "{\"output\":{\"message\":{\"content\":null}},\"stopReason\":null}",
		  "begin  \n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct told told;

		told_init(&told, WIRE_BEDROCK_CONVERSE);
		told_read(&told, "", rows[i].document, true, converse_read_event,
			  converse_read_document);
		told_check(&told, rows[i].name, rows[i].told);
	}
}

static void errors(void)
{
	static const struct {
		const char *body, *type, *message;
	} rows[] = {
		{ "{\"message\":\"a\\u0021\",\"__type\":\"com.amazon#AccessDeniedException\"}",
		  "AccessDeniedException", "a!" },
		{ "{\"Message\":\"b\"}", "", "b" },
		{ "{}", "", "-" },
		{ "[]", "", "-" },
	};
	struct arena arena;

	arena_init(&arena, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wire_error error = { .status = 403 };
		struct slice type = { 0 };
		const struct tree *tree;

		CHECK_INT(tree_parse(slice_of(rows[i].body), &arena, &tree, NULL), 0);
		converse_read_error(tree, &arena, &error, &type);
		CHECK_INT(error.status, 403);
		CHECK_SLICE(type, rows[i].type);
		CHECK_STR(error.message ? error.message : "-", rows[i].message);
	}
	arena_fini(&arena);
}

int main(void)
{
	test_run("streams", streams_told);
	test_run("documents", documents_told);
	test_run("errors", errors);
	return 0;
}
