/* SPDX-License-Identifier: Apache-2.0 */
/* What Gemini answers, as events of a stream and as documents. */
#include <errno.h>

#include "test-wire-told.h"

#define PARTS(parts) "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}"
#define FINISH(reason) "{\"candidates\":[{\"finishReason\":\"" reason "\",\"index\":0}]}"
#define CALL_F "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\": \"b\\n\"}}}"

static const struct {
	const char *name;
	const char *events[4];
	const char *told;
} streams[] = {
	{ "text",
	  { "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"He\\\"\"}]},"
	    "\"index\":0}],\"responseId\":\"x1\",\"modelVersion\":\"gemini-3-pro\"}",
	    PARTS("{\"text\":\"y\"},{\"text\":\"\"}"),
	    "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":"
	    "{\"promptTokenCount\":1}}" },
	  "begin x1 gemini-3-pro\nblock 0 text  \n0+He\\\"\n0+y\nstop done\n" },
	{ "thoughts",
	  { PARTS("{\"text\":\"hm\",\"thought\":true}"),
	    PARTS("{\"text\":\"so\"},{\"text\":\"\",\"thoughtSignature\":\"c2ln\"}"),
	    FINISH("MAX_TOKENS") },
	  "begin  \nblock 0 reasoning  \n0+hm\nblock 1 text  \n1+so\n"
	  "block 2 reasoning  \nopaque 2 c2ln\nend 2\nstop length\n" },
	{ "signed call after thoughts",
	  { PARTS("{\"text\":\"hm\",\"thought\":true}"),
	    PARTS("{\"functionCall\":{\"id\":\"i1\",\"name\":\"f\",\"args\":{}},"
		  "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"name\":\"g\"}}"),
	    FINISH("STOP") },
	  "begin  \nblock 0 reasoning  \n0+hm\nopaque 0 c2ln\nend 0\n"
	  "block 1 call i1 f\n1+{}\nend 1\nblock 2 call call_r7_1 g\n2+{}\nend 2\nstop calls\n" },
	{ "another server's word for calls",
	  { PARTS("{\"functionCall\":{\"id\":\"i1\",\"name\":\"f\",\"args\":{}}}"),
	    FINISH("FUNCTION_CALL") },
	  "begin  \nblock 0 call i1 f\n0+{}\nend 0\nstop calls\n" },
	{ "signed call alone",
	  { PARTS("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\": \"b\\n\"}},"
		  "\"thoughtSignature\":\"c2ln\"}"),
	    FINISH("STOP") },
	  "begin  \nblock 0 reasoning  \nopaque 0 c2ln\nend 0\nblock 1 call call_r7_0 f\n"
	  "1+{\\\"a\\\": \\\"b\\\\n\\\"}\nend 1\nstop calls\n" },
	{ "text between calls",
	  { PARTS(CALL_F ",{\"text\":\"x\"}," CALL_F), FINISH("STOP") },
	  "begin  \nblock 0 call call_r7_0 f\n0+{\\\"a\\\": \\\"b\\\\n\\\"}\nend 0\n"
	  "block 1 text  \n1+x\nblock 2 call call_r7_1 f\n2+{\\\"a\\\": \\\"b\\\\n\\\"}\nend 2\n"
	  "stop calls\n" },
	{ "refused", { FINISH("SAFETY") }, "begin  \nstop refused\n" },
	{ "prompt refused",
	  { "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"}}" },
	  "begin  \nstop refused\n" },
	{ "malformed call",
	  { "{\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":"
	    "\"bad \\\"f\\\"\"}]}",
	    PARTS("{\"text\":\"never\"}") },
	  "begin  \nerror 502 MALFORMED_FUNCTION_CALL: The model ended its answer with "
	  "MALFORMED_FUNCTION_CALL: bad \"f\"\n" },
	{ "unspecified and other choices",
	  { FINISH("FINISH_REASON_UNSPECIFIED"),
	    "{\"candidates\":[{\"index\":1,\"content\":{\"parts\":[{\"text\":\"n\"}]}}]}",
	    "{\"candidates\":null}", "{}" },
	  "begin  \n" },
	{ "nulls",
	  { "{\"candidates\":[{\"content\":null,\"finishReason\":null},{\"content\":{\"parts\":"
	    "null}}],\"promptFeedback\":null,\"error\":null,\"modelVersion\":null}" },
	  "begin  \n" },
	{ "error inside",
	  { PARTS("{\"text\":\"a\"}"),
	    "{\"error\":{\"code\":503,\"message\":\"Overloaded \\u2713\",\"status\":"
	    "\"UNAVAILABLE\"}}" },
	  "begin  \nblock 0 text  \n0+a\nerror 503 UNAVAILABLE: Overloaded \xe2\x9c\x93\n" },
	{ "error without words",
	  { "{\"error\":{}}" },
	  "error 502 : The upstream ended its answer with an error.\n" },
	{ "image",
	  { PARTS("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}") },
	  "begin  \nerror 502 : The model answered with inlineData, for which the client's "
	  "dialect has no words.\n" },
	{ "nameless call",
	  { PARTS("{\"functionCall\":{\"args\":{}}}") },
	  "begin  \nerror 502 : The model called a tool without a name.\n" },
};

/* A document is told as its stream is, but for how its text is cut. */
static void streams_told(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		struct told told;

		told_init(&told, WIRE_GEMINI);
		for (size_t k = 0; k < ARRAY_SIZE(streams[i].events) && streams[i].events[k]; k++)
			told_read(&told, "", streams[i].events[k], k % 2, gemini_read_event,
				  gemini_read_document);
		told_check(&told, streams[i].name, streams[i].told);
	}
}

static void errors(void)
{
	static const struct {
		const char *body;
		int status;
		const char *type, *param, *message;
	} rows[] = {
		{ "{\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_"
		  "EXHAUSTED\","
		  "\"details\":[{\"@type\":\"x\"}]}}",
		  429, "RESOURCE_EXHAUSTED", NULL, "Quota" },
		{ "[{\"error\":{\"code\":400,\"message\":\"Bad\",\"status\":\"INVALID_ARGUMENT\","
		  "\"details\":[{\"fieldViolations\":[{\"field\":\"contents[0]\"}]}]}}]",
		  400, "INVALID_ARGUMENT", "contents[0]", "Bad" },
		{ "{\"error\":\"text\"}", 500, "", NULL, NULL },
		{ "[]", 500, "", NULL, NULL },
		{ "{\"error\":{\"code\":7}}", 500, "", NULL, NULL },
	};
	struct arena arena;

	arena_init(&arena, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wire_error error = { .status = 500 };
		struct slice type = { 0 };
		const struct tree *tree;

		CHECK_INT(tree_parse(slice_of(rows[i].body), &arena, &tree, NULL), 0);
		gemini_read_error(tree, &arena, &error, &type);
		CHECK_INT(error.status, rows[i].status);
		CHECK_SLICE(type, rows[i].type);
		CHECK_STR(error.message ? error.message : "-",
			  rows[i].message ? rows[i].message : "-");
		CHECK_STR(error.param ? error.param : "-", rows[i].param ? rows[i].param : "-");
	}
	arena_fini(&arena);
}

/* ---- through to a client ---- */

static struct buffer lines;

/* How the document that a client of Chat gets ends; its error is printed into `lines`. */
static int translate(const char *document, struct arena *kept)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_usage usage = { 0 };
	struct turn turn;
	struct wire_translation_options options = { .client = WIRE_OPENAI_CHAT,
						    .upstream = WIRE_GEMINI,
						    .turn = &turn,
						    .request_id = SLICE("r7"),
						    .model = SLICE("m"),
						    .usage = &usage,
						    .arena = kept };
	struct wire_translation *translation;
	const struct wire_error *error;
	int r;

	turn_init(&turn, WIRE_OPENAI_CHAT, NULL, kept);
	translation = wire_translation_new(&options);
	CHECK(translation);
	CHECK_INT(wire_translation_feed(translation, slice_of(document), &out), 0);
	r = wire_translation_end(translation, &out);
	error = wire_translation_error(translation);
	buffer_clear(&lines);
	if (error)
		buffer_printf(&lines, "%d %s: %s", error->status, error->code, error->message);
	wire_translation_free(translation);
	return r;
}

/* An error inside a document is told as what it is. */
static void errors_of_documents(void)
{
	struct arena kept;

	arena_init(&kept, NULL);
	CHECK_INT(translate("{\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\","
			    "\"finishMessage\":\"bad \\\"f\\\"\"}]}",
			    &kept),
		  -EPROTO);
	CHECK_SLICE(buffer_slice(&lines),
		    "502 upstream_error: The model ended its answer with MALFORMED_FUNCTION_CALL: "
		    "bad \"f\"");
	CHECK_INT(translate("{\"error\":{\"code\":503,\"message\":\"Overloaded\"}}", &kept),
		  -EPROTO);
	CHECK_SLICE(buffer_slice(&lines), "503 upstream_error: Overloaded");
	CHECK_INT(translate("{\"candidates\":[]}", &kept), -EPROTO);
	CHECK_SLICE(buffer_slice(&lines), "");
	CHECK_INT(translate(FINISH("STOP"), &kept), 0);
	CHECK_SLICE(buffer_slice(&lines), "");
	buffer_fini(&lines);
	arena_fini(&kept);
}

int main(void)
{
	test_run("streams", streams_told);
	test_run("errors", errors);
	test_run("errors-of-documents", errors_of_documents);
	return 0;
}
