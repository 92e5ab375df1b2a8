/* SPDX-License-Identifier: Apache-2.0 */
/* Gemini's requests, read and written. What Gemini itself can say comes out as it went in. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/gemini-json.h"
#include "wire/turn.h"

static struct arena arena;
static struct turn turn;
static struct turn_refusal refusal;

static int read_body(const char *body)
{
	const struct tree *tree;
	struct error error = { 0 };

	if (tree_parse(slice_of(body), &arena, &tree, &error) != 0)
		test_fail(__FILE__, __LINE__, "%s in %s", error.message, body);
	turn_init(&turn, WIRE_GEMINI, tree, &arena);
	refusal = (struct turn_refusal){ 0 };
	return gemini_read_turn(tree, &turn, &refusal);
}

static int write_body(const char *model, uint32_t quirks, struct buffer *out)
{
	const struct turn_target target = { .dialect = WIRE_GEMINI,
					    .model = slice_of(model),
					    .quirks = quirks };
	struct writer writer = { out, false };

	return gemini_write_turn(&turn, &target, &writer, &refusal);
}

#define CONTENT "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]"
#define CONFIG(config) "{" CONTENT ",\"generationConfig\":{" config "}}"
#define DECLARED(name) "{\"name\":\"" name "\"}"

/* `out` NULL: as `in`. */
static const struct {
	const char *in, *out;
} rows[] = {
	{ CONFIG(""), NULL },
	{ "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be\\n\"},{\"text\":\"brief\"}]}," CONTENT
	  ",\"generationConfig\":{}}",
	  NULL },
	{ "{\"system_instruction\":{\"role\":\"x\",\"parts\":{\"text\":\"a\"}},\"contents\":"
	  "{\"parts\":{\"text\":\"Hi\"}}}",
	  "{\"systemInstruction\":{\"parts\":[{\"text\":\"a\"}]}," CONTENT
	  ",\"generationConfig\":{}}" },
	{ CONFIG("\"temperature\":1.50,\"topP\":0.9,\"topK\":40,\"maxOutputTokens\":7,\"seed\":3,"
		 "\"presencePenalty\":-1,\"frequencyPenalty\":0.5,\"stopSequences\":[\"a\\n\"]"),
	  NULL },
	/* As Gemini's models have them, for all that Gemini CLI knows. */
	{ CONFIG("\"temperature\":1,\"topP\":0.95,\"topK\":64"), CONFIG("") },
	{ CONFIG("\"temperature\":0,\"topP\":0.95,\"top_k\":64"), CONFIG("\"temperature\":0") },
	{ CONFIG("\"temperature\":1,\"topP\":0.95"), NULL },
	{ CONFIG("\"responseMimeType\":\"application/json\""), NULL },
	{ CONFIG("\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\": "
		 "\"object\"}"),
	  NULL },
	{ CONFIG("\"response_schema\":{\"type\":\"OBJECT\",\"nullable\":true,\"properties\":"
		 "{\"type\":{\"type\":\"STRING\",\"enum\":[\"A\"]},\"b\":{\"type\":\"ARRAY\","
		 "\"min_items\":\"2\",\"items\":{\"anyOf\":[{\"type\":\"INTEGER\"}]}}},"
		 "\"propertyOrdering\":[\"b\"],\"required\":[\"type\"]}"),
	  CONFIG("\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\":"
		 "[\"object\",\"null\"],\"properties\":{\"type\":{\"type\":\"string\",\"enum\":"
		 "[\"A\"]},\"b\":{\"type\":\"array\",\"minItems\":2,\"items\":{\"anyOf\":"
		 "[{\"type\":\"integer\"}]}}},\"required\":[\"type\"]}") },
	{ CONFIG("\"responseSchema\":{\"type\":6,\"nullable\":true,\"properties\":{\"n\":{\"type\":"
		 "3}}}"),
	  CONFIG("\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\":"
		 "[\"object\",\"null\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}") },
	{ CONFIG("\"thinkingConfig\":{\"thinkingLevel\":\"LOW\"}"), NULL },
	{ CONFIG("\"thinkingConfig\":{\"thinkingBudget\":0}"), NULL },
	{ CONFIG("\"thinkingConfig\":{\"thinkingBudget\":512,\"includeThoughts\":true}"), NULL },
	{ CONFIG("\"candidateCount\":1,\"responseLogprobs\":false,\"stopSequences\":[],"
		 "\"responseModalities\":[\"TEXT\"],\"responseMimeType\":\"text/plain\",\"topK\":"
		 "null"),
	  CONFIG("") },
	{ "{" CONTENT ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":"
	  "\"d\",\"parametersJsonSchema\":{\"type\":\"object\"}}," DECLARED(
	      "g") "]}],"
		   "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		   "\"allowedFunctionNames\":"
		   "[\"g\"]}},\"generationConfig\":{}}",
	  NULL },
	{ "{" CONTENT
	  ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"response\":{\"type\":"
	  "\"STRING\"},\"response_json_schema\":{\"type\":\"string\"}}]}],\"generationConfig\":{}}",
	  "{" CONTENT
	  ",\"tools\":[{\"functionDeclarations\":[" DECLARED("f") "]}],\"generationConfig\":{}}" },
	{ "{" CONTENT ",\"tools\":[{\"functionDeclarations\":[" DECLARED(
	      "f") "]}],\"toolConfig\":"
		   "{\"functionCallingConfig\":{\"mode\":\"VALIDATED\"}},\"generationConfig\":{}}",
	  NULL },
	{ "{" CONTENT ",\"tools\":[{\"functionDeclarations\":[" DECLARED(
	      "f") "]}],\"toolConfig\":"
		   "{\"functionCallingConfig\":{\"mode\":\"NONE\"}},\"generationConfig\":{}}",
	  NULL },
	{ "{" CONTENT ",\"tools\":[{\"functionDeclarations\":[" DECLARED("f") "," DECLARED(
	      "g") "]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		   "\"allowedFunctionNames\":[\"f\",\"g\"]}}}",
	  "{" CONTENT ",\"tools\":[{\"functionDeclarations\":[" DECLARED("f") "," DECLARED(
	      "g") "]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\"}},"
		   "\"generationConfig\":{}}" },
	{ "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":\"image/"
	  "png\","
	  "\"data\":\"AAAA\"}},{\"fileData\":{\"mimeType\":\"application/pdf\",\"fileUri\":"
	  "\"gs://b/x\"}}]}],\"generationConfig\":{}}",
	  NULL },
	{ "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"file_data\":{\"file_uri\":"
	  "\"https:\\/\\/h\\/a.PNG?x=1\"}}]}]}",
	  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"fileData\":{\"mimeType\":\"image/png\","
	  "\"fileUri\":\"https://h/a.PNG?x=1\"}}]}],\"generationConfig\":{}}" },
	/* signatures and ids of its own */
	{ "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true},"
	  "{\"functionCall\":{\"id\":\"i1\",\"name\":\"f\",\"args\":{\"a\": 1}},"
	  "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"i2\",\"name\":\"g\",\"args\":"
	  "{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"i2\",\"name\":"
	  "\"g\","
	  "\"response\":{\"output\":\"x\"}}},{\"functionResponse\":{\"id\":\"i1\",\"name\":\"f\","
	  "\"response\":{\"error\":\"bad\"},\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\","
	  "\"data\":\"AAAA\"}}]}}]},{\"role\":\"model\",\"parts\":[{\"text\":\"so\"},{\"text\":"
	  "\"\","
	  "\"thoughtSignature\":\"c2lo\"}]}],\"generationConfig\":{}}",
	  NULL },
	/* without: ids by order, and the word for calls that nobody signed */
	{ "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\"}},"
	  "{\"functionCall\":{\"name\":\"f\"}}]},{\"parts\":[{\"functionResponse\":{\"name\":\"f\","
	  "\"response\":{\"a\":[1]}}}]},{\"parts\":[{\"functionResponse\":{\"name\":\"f\","
	  "\"response\":{\"output\":{\"b\":2}}}}]}]}",
	  "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"call_0\","
	  "\"name\":\"f\",\"args\":{}},\"thoughtSignature\":\"skip_thought_signature_validator\"},"
	  "{\"functionCall\":{\"id\":\"call_1\",\"name\":\"f\",\"args\":{}}}]},{\"role\":\"user\","
	  "\"parts\":[{\"functionResponse\":{\"id\":\"call_0\",\"name\":\"f\",\"response\":"
	  "{\"output\":\"{\\\"a\\\":[1]}\"}}},{\"functionResponse\":{\"id\":\"call_1\",\"name\":"
	  "\"f\",\"response\":{\"output\":\"{\\\"b\\\":2}\"}}}]}],\"generationConfig\":{}}" },
	/* what came as a stream is whole again; what a user says stays in its parts */
	{ "{\"contents\":[{\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]},{\"role\":\"model\","
	  "\"parts\":[{\"text\":\"He\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"\"},"
	  "{\"text\":\"l\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"lo\",\"thoughtSignature\":"
	  "\"c2ln\"},{\"text\":\"!\"}]}]}",
	  "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
	  "{\"role\":\"model\",\"parts\":[{\"text\":\"Hello\"},{\"text\":\"!\","
	  "\"thoughtSignature\":"
	  "\"c2ln\"}]}],\"generationConfig\":{}}" },
	{ "{" CONTENT ",\"safetySettings\":[{\"category\":\"c\",\"threshold\":\"BLOCK_NONE\"}],"
	  "\"labels\":{\"a\":\"b\"},\"model\":\"models/m\",\"cachedContent\":null}",
	  CONFIG("") },
};

static void translated(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buffer out = { 0 };
		const char *expected = rows[i].out ? rows[i].out : rows[i].in;

		arena_init(&arena, NULL);
		if (read_body(rows[i].in) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s in %s", refusal.param,
				  refusal.message, rows[i].in);
		if (write_body("gemini-3-pro", 0, &out) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
		CHECK_SLICE(buffer_slice(&out), expected);
		buffer_fini(&out);
		arena_fini(&arena);
	}
}

#define PART(part) "{\"contents\":[{\"parts\":[" part "]}]}"

static void refused(void)
{
	static const struct {
		const char *body, *param;
	} bodies[] = {
		{ "{}", NULL },
		{ "{\"contents\":[]}", "contents" },
		{ "{\"contents\":[7]}", "contents[0]" },
		{ "{" CONTENT ",\"cachedContent\":\"c\"}", "cachedContent" },
		{ "{" CONTENT ",\"tools\":[{\"googleSearch\":{}}]}", "tools[0].googleSearch" },
		{ "{" CONTENT ",\"tools\":[{\"function_declarations\":[{}]}]}",
		  "tools[0].function_declarations[0]" },
		{ "{" CONTENT ",\"toolConfig\":{\"retrievalConfig\":{}}}",
		  "toolConfig.retrievalConfig" },
		{ "{" CONTENT ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		  "\"allowedFunctionNames\":[\"f\"]}}}",
		  "toolConfig.functionCallingConfig.allowedFunctionNames[0]" },
		{ "{" CONTENT ",\"safetySettings\":[{\"threshold\":\"BLOCK_LOW_AND_ABOVE\"}]}",
		  "safetySettings[0].threshold" },
		{ CONFIG("\"speechConfig\":{}"), "generationConfig.speechConfig" },
		{ CONFIG("\"responseModalities\":[\"IMAGE\"]"),
		  "generationConfig.responseModalities" },
		{ CONFIG("\"responseMimeType\":\"text/x.enum\""),
		  "generationConfig.responseMimeType" },
		{ CONFIG("\"thinkingConfig\":{\"thinkingLevel\":\"VAST\"}"),
		  "generationConfig.thinkingConfig.thinkingLevel" },
		{ "{\"contents\":[{\"role\":\"tool\",\"parts\":[]}]}", "contents[0].role" },
		{ PART("{}"), "contents[0].parts[0]" },
		{ PART("{\"text\":7}"), "contents[0].parts[0].text" },
		{ PART("{\"videoMetadata\":{}}"), "contents[0].parts[0].videoMetadata" },
		{ PART("{\"inlineData\":{\"mimeType\":\"image/png\"}}"),
		  "contents[0].parts[0].inlineData" },
		{ PART("{\"functionCall\":{}}"), "contents[0].parts[0].functionCall" },
		{ PART("{\"functionCall\":{\"name\":\"f\",\"args\":[]}}"),
		  "contents[0].parts[0].functionCall.args" },
		{ PART("{\"functionResponse\":{\"name\":\"f\",\"response\":{}}}"),
		  "contents[0].parts[0].functionResponse" },
		{ "{\"systemInstruction\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\","
		  "\"data\":\"AA\"}}]}," CONTENT "}",
		  "systemInstruction.parts[0].inlineData" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		arena_init(&arena, NULL);
		if (read_body(bodies[i].body) != -EINVAL)
			test_fail(__FILE__, __LINE__, "%s is not refused", bodies[i].body);
		CHECK_STR(refusal.param ? refusal.param : "-",
			  bodies[i].param ? bodies[i].param : "-");
		CHECK(refusal.message[0]);
		arena_fini(&arena);
	}
}

/* What others' clients say, and Gemini cannot; the turn is made by hand. */
static struct turn_part *add(enum turn_role role, enum turn_part_kind kind)
{
	struct turn_part *part = turn_add_part(
	    &turn, turn_add_message(&turn, role, turn.body->child), kind, turn.body->child);

	CHECK(part);
	return part;
}

static void start(void)
{
	const struct tree *tree;

	arena_init(&arena, NULL);
	CHECK_INT(tree_parse(SLICE("{\"where\":[1,2,3,4,5,6]}"), &arena, &tree, NULL), 0);
	turn_init(&turn, WIRE_OPENAI_CHAT, tree, &arena);
	refusal = (struct turn_refusal){ 0 };
}

static void check_written(const char *model, uint32_t quirks, const char *expected)
{
	struct buffer out = { 0 };

	if (write_body(model, quirks, &out) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", refusal.param, refusal.message);
	CHECK_SLICE(buffer_slice(&out), expected);
	buffer_fini(&out);
	arena_fini(&arena);
}

static void check_refused(const char *word)
{
	struct buffer out = { 0 };

	CHECK_INT(write_body("gemini-3-pro", 0, &out), -EINVAL);
	CHECK_STR(refusal.param, "where");
	if (!strstr(refusal.message, word))
		test_fail(__FILE__, __LINE__, "\"%s\" says nothing of %s", refusal.message, word);
	buffer_fini(&out);
	arena_fini(&arena);
}

static void instructions_anywhere(void)
{
	start();
	add(TURN_USER, TURN_TEXT)->text = SLICE("a");
	add(TURN_DEVELOPER, TURN_TEXT)->text = SLICE("b");
	add(TURN_USER, TURN_TEXT)->text = SLICE("c");
	add(TURN_ASSISTANT, TURN_TEXT)->text = SLICE("");
	check_written(
	    "gemini-3-pro", 0,
	    "{\"systemInstruction\":{\"parts\":[{\"text\":\"b\"}]},\"contents\":[{\"role\":"
	    "\"user\",\"parts\":[{\"text\":\"a\"},{\"text\":\"c\"}]}],"
	    "\"generationConfig\":{}}");
}

static void foreign_calls(void)
{
	static const char *const models[] = { "gemini-3-pro", "gemini-2.5-flash" };
	static const char *const signatures[] = {
		",\"thoughtSignature\":\"skip_thought_signature_validator\"", ""
	};
	char expected[1024];

	for (int i = 0; i < 2; i++) {
		struct turn_part *part;

		start();
		part = add(TURN_ASSISTANT, TURN_REASONING);
		part->text = SLICE("hm");
		part->origin = WIRE_ANTHROPIC_MESSAGES;
		part->opaque = SLICE("s");
		part = add(TURN_ASSISTANT, TURN_CALL);
		part->id = SLICE("toolu_1");
		part->tool = SLICE("f");
		part->arguments = SLICE(" {\\\"a\\\":\\\"\\\\n\\\"} ");
		add(TURN_USER, TURN_RESULT)->id = SLICE("toolu_1");
		snprintf(expected, sizeof(expected),
			 "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":"
			 "\"toolu_1\",\"name\":\"f\",\"args\":{\"a\":\"\\n\"}}%s}]},{\"role\":"
			 "\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"toolu_1\",\"name\":"
			 "\"f\",\"response\":{\"output\":\"\"}}}]}],\"generationConfig\":{}}",
			 signatures[i]);
		check_written(models[i], 0, expected);
	}
}

/* As many as a body may have, in the order that is the worst for a search. */
static void many_results(void)
{
	const int count = 200000;
	struct turn_message *said, *told;
	struct buffer out = { 0 };
	struct turn_part *result;

	start();
	said = turn_add_message(&turn, TURN_ASSISTANT, turn.body);
	told = turn_add_message(&turn, TURN_USER, turn.body);
	CHECK(said && told);
	for (int i = 0; i < count; i++) {
		struct turn_part *part = turn_add_part(&turn, said, TURN_CALL, turn.body);

		part->id = arena_printf(&arena, "c%d", i);
		part->tool = arena_printf(&arena, "t%d", i);
		part = turn_add_part(&turn, told, TURN_RESULT, turn.body);
		part->id = arena_printf(&arena, "c%d", count - 1 - i);
	}
	result = told->parts;
	for (int i = 0; i < count; i++)
		turn_add_content(&turn, result, TURN_TEXT, turn.body)->text = SLICE("x");
	CHECK_INT(write_body("gemini-3-pro", 0, &out), 0);
	CHECK_SLICE(turn_tool_of_call(&turn, SLICE("c199999")), "t199999");
	CHECK_SLICE(turn_tool_of_call(&turn, SLICE("c0")), "t0");
	CHECK(!turn_tool_of_call(&turn, SLICE("c")).ptr);
	buffer_fini(&out);
	arena_fini(&arena);
}

static void efforts(void)
{
	static const struct {
		const char *model, *effort, *budget;
		uint32_t quirks;
		const char *thinking;
	} cases[] = {
		{ "gemini-3-pro", "\"high\"", NULL, 0, "\"thinkingLevel\":\"HIGH\"" },
		{ "gemini-3-pro", "\"max\"", "-1", 0,
		  "\"thinkingLevel\":\"XHIGH\",\"includeThoughts\":true" },
		{ "gemini-3-pro", "\"none\"", NULL, 0, "\"thinkingBudget\":0" },
		{ "gemini-3-pro", "\"low\"", NULL, WIRE_QUIRK_THINKING_BUDGET,
		  "\"thinkingBudget\":1024" },
		{ "gemini-2.5-pro", "\"medium\"", NULL, 0, "\"thinkingBudget\":8192" },
		{ "gemini-3-pro", NULL, "-1", 0, "\"thinkingBudget\":-1,\"includeThoughts\":true" },
		{ "gemini-3-pro", "\"low\"", "77", 0,
		  "\"thinkingBudget\":77,\"includeThoughts\":true" },
	};
	char expected[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start();
		if (cases[i].effort)
			turn_set_json(&turn, TURN_EFFORT, turn.body, slice_of(cases[i].effort));
		if (cases[i].budget)
			turn_set_json(&turn, TURN_THINKING_BUDGET, turn.body,
				      slice_of(cases[i].budget));
		snprintf(expected, sizeof(expected),
			 "{\"contents\":[],\"generationConfig\":{\"thinkingConfig\":{%s}}}",
			 cases[i].thinking);
		check_written(cases[i].model, cases[i].quirks, expected);
	}
}

static void not_said(void)
{
	start();
	add(TURN_ASSISTANT, TURN_CALL)->custom = true;
	check_refused("custom");
	start();
	add(TURN_USER, TURN_RESULT)->id = SLICE("nobody's");
	check_refused("no call before");
	start();
	add(TURN_USER, TURN_IMAGE)->url = SLICE("http://h/a.png");
	check_refused("https://");
	start();
	add(TURN_USER, TURN_FILE)->file_id = SLICE("file-1");
	check_refused("another provider's");
	start();
	add(TURN_USER, TURN_FILE)->data = SLICE("AAAA");
	check_refused("media type");
	start();
	add(TURN_SYSTEM, TURN_IMAGE)->data = SLICE("AAAA");
	check_refused("text");
	start();
	turn_add_tool(&turn, turn.body->child)->custom = true;
	check_refused("custom");
	start();
	turn_set(&turn, TURN_STOP, turn.body->child);
	check_refused("at most 5");
	start();
	turn_set(&turn, TURN_LOGIT_BIAS, turn.body->child);
	check_refused("Gemini");
}

/* What another dialect's model vouches for goes through a client of Gemini's, whose SDKs may take
 * signatures for bytes, and comes back; whatever else a client says of it stays text. */
static void foreign_signature(void)
{
	static const char *const opaques[] = { "Eq/+=", "a.b", "\"},{\"x\":\"" };
	char body[512];

	for (size_t i = 0; i < ARRAY_SIZE(opaques); i++) {
		struct slice told, wrapped;
		const struct turn_part *part;

		arena_init(&arena, NULL);
		told = turn_opaque_for_client(&arena, WIRE_GEMINI, WIRE_ANTHROPIC_MESSAGES,
					      slice_of(opaques[i]), SLICE(""));
		wrapped = gemini_to_base64(told, &arena);
		snprintf(
		    body, sizeof(body),
		    "{\"contents\":[{\"role\":\"model\",\"parts\":[{\"text\":\"h\",\"thought\":"
		    "true}]},{\"role\":\"model\",\"parts\":[{\"text\":\"m\",\"thought\":true},{"
		    "\"text\":\"!\",\"thought\":true},"
		    "{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"%.*s\"},{\"text\":"
		    "\"n\",\"thought\":true}]}]}",
		    SLICE_ARGS(wrapped));
		CHECK_INT(read_body(body), 0);
		part = turn.messages->parts;
		CHECK_INT(part->kind, TURN_REASONING);
		CHECK_SLICE(part->text, "hm!");
		CHECK_INT(part->origin, WIRE_ANTHROPIC_MESSAGES);
		CHECK(slice_eq(tree_unescape(part->opaque, &arena), slice_of(opaques[i])));
		CHECK(i < 2 || !slice_eq_str(part->opaque, opaques[i]));
		CHECK_INT(part->next->kind, TURN_REASONING);
		CHECK(!part->next->opaque.ptr && !part->next->next);
		arena_fini(&arena);
	}
}

static void base64(void)
{
	static const char *const pairs[][2] = {
		{ "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xfb\xff", "+/8=" }
	};

	arena_init(&arena, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		CHECK_SLICE(gemini_to_base64(slice_of(pairs[i][0]), &arena), pairs[i][1]);
		CHECK_SLICE(gemini_from_base64(slice_of(pairs[i][1]), &arena), pairs[i][0]);
	}
	CHECK_SLICE(gemini_from_base64(SLICE("-_8"), &arena), "\xfb\xff");
	CHECK(!gemini_from_base64(SLICE("a.b"), &arena).ptr);
	CHECK(!gemini_from_base64(SLICE("a\0b"), &arena).ptr);
	arena_fini(&arena);
}

/* Any number of calls may wait, up to a limit. */
static void open_calls(void)
{
	struct buffer body = { 0 };

	arena_init(&arena, NULL);
	buffer_append_str(&body, "{\"contents\":[{\"role\":\"model\",\"parts\":[");
	for (int i = 0; i <= 1024; i++)
		buffer_printf(&body, "%s{\"functionCall\":{\"name\":\"f\"}}", i ? "," : "");
	buffer_append(&body, "]}]}", 5);
	CHECK_INT(read_body(body.data), -EINVAL);
	CHECK_STR(refusal.param, "contents[0].parts[1024].functionCall");
	buffer_fini(&body);
	arena_fini(&arena);
}

/* That a stream is asked for is the path's to say. */
static void stream_by_path(void)
{
	for (int stream = 0; stream < 2; stream++) {
		const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
						    .model = SLICE("m"),
						    .stream = stream };
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct wire_error error;
		struct turn *made;

		CHECK_INT(wire_translate_request(WIRE_GEMINI, SLICE("{" CONTENT "}"), &target,
						 &arena, &out, &made, &error),
			  0);
		CHECK_INT(made->stream, stream);
		CHECK_INT(memmem(out.data, out.len, "\"stream\":true", 13) != NULL, stream);
		CHECK_INT(memmem(out.data, out.len, "\"include_usage\":true", 20) != NULL, stream);
		arena_fini(&arena);
	}
}

int main(void)
{
	test_run("stream-by-path", stream_by_path);
	test_run("translated", translated);
	test_run("refused", refused);
	test_run("instructions-anywhere", instructions_anywhere);
	test_run("foreign-calls", foreign_calls);
	test_run("many-results", many_results);
	test_run("efforts", efforts);
	test_run("not-said", not_said);
	test_run("foreign-signature", foreign_signature);
	test_run("base64", base64);
	test_run("open-calls", open_calls);
	return 0;
}
