/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: what a scan finds and refuses, and that an edited body is the client's bytes but for
 * the spans that were edited. */
#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

#define MESSAGES_ONE "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static struct arena arena;
static struct error error;

static int scan(enum wire_dialect dialect, const char *body, struct wire_request *ret)
{
	error = (struct error){ 0 };
	return wire_request_scan(dialect, slice_of(body), &arena, ret, &error);
}

static struct wire_request scanned(enum wire_dialect dialect, const char *body)
{
	struct wire_request request;

	if (scan(dialect, body, &request) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", body, error.message);
	return request;
}

static void members(void)
{
	struct wire_request request;

	request =
	    scanned(WIRE_OPENAI_CHAT,
		    "{ \"model\" : \"gpt-4o\" ," MESSAGES_ONE ",\"stream\":true,\"n\":2,"
		    "\"max_tokens\":1e2,\"stream_options\":{\"include_usage\":true}, \"zz\":{}}");
	CHECK_SLICE(request.model, "gpt-4o");
	CHECK_SLICE(request.model_value, "\"gpt-4o\"");
	CHECK_SLICE(request.stream_options, "{\"include_usage\":true}");
	CHECK(request.stream && request.include_usage && !request.object_empty);
	CHECK_INT(request.max_output, 100);
	CHECK_INT(request.choices, 2);
	CHECK_INT(request.input_estimate, 32 / 4);
	request =
	    scanned(WIRE_OPENAI_CHAT,
		    "{\"max_completion_tokens\":7,\"stream\":null,\"n\":null,"
		    "\"stream_options\":null,\"mod\\u0065l\":\"a\\/\\u00e9\"," MESSAGES_ONE "}\n");
	CHECK_SLICE(request.model, "a/\xc3\xa9");
	CHECK_SLICE(request.model_value, "\"a\\/\\u00e9\"");
	CHECK(!request.stream && !request.include_usage);
	CHECK_INT(request.max_output, 7);
	CHECK_INT(request.choices, 1);
	request = scanned(WIRE_ANTHROPIC_MESSAGES,
			  "{\"model\":\"c\",\"max_tokens\":9,\"system\":\"12345678\","
			  "\"n\":\"whatever\",\"stream_options\":1," MESSAGES_ONE "}");
	CHECK_INT(request.max_output, 9);
	/* Whether none at all makes sense is the provider's to judge. */
	CHECK_INT(
	    scanned(WIRE_ANTHROPIC_MESSAGES, "{\"model\":\"c\",\"max_tokens\":0," MESSAGES_ONE "}")
		.max_output,
	    0);
	CHECK_INT(request.input_estimate, (32 + 10) / 4);
}

static void members_of_responses(void)
{
	struct wire_request request =
	    scanned(WIRE_OPENAI_RESPONSES,
		    "{\"model\":\"gpt\",\"input\":\"12345678\",\"instructions\":\"1234\","
		    "\"max_output_tokens\":5,\"stream\":true,\"n\":\"any\",\"messages\":0,"
		    "\"max_tokens\":\"any\",\"stream_options\":{\"include_obfuscation\":false}}");

	CHECK_SLICE(request.model, "gpt");
	CHECK_INT(request.max_output, 5);
	CHECK_INT(request.choices, 1);
	CHECK_INT(request.input_estimate, (10 + 6) / 4);
	CHECK(request.stream && !request.previous.ptr && !request.unstored && !request.background &&
	      !request.conversation);
	request = scanned(WIRE_OPENAI_RESPONSES,
			  "{\"model\":\"gpt\",\"previous_response_id\":\"resp_\\u0031\","
			  "\"store\":false,\"background\":true,\"conversation\":\"conv_1\"}");
	CHECK_SLICE(request.previous, "resp_1");
	CHECK(request.unstored && request.background && request.conversation);
	request = scanned(WIRE_OPENAI_RESPONSES,
			  "{\"model\":\"gpt\",\"previous_response_id\":null,\"store\":null,"
			  "\"background\":null,\"conversation\":null,\"max_output_tokens\":null}");
	CHECK(!request.previous.ptr && !request.unstored && !request.background &&
	      !request.conversation);
}

/* Its path says model and stream; the body goes on as it is, or is refused. */
static void gemini(void)
{
	static const char body[] =
	    "{\"contents\":[{\"parts\":[]}],\"system_instruction\":\"1234\",\"model\":7,"
	    "\"generationConfig\":{\"maxOutputTokens\":9,\"candidate_count\":2}}";
	static const char *const bodies[] = {
		"{}",
		"{\"contents\":[]}",
		"{\"contents\":{}}",
		"{\"contents\":\"x\"}",
		"{\"contents\":[1],\"generationConfig\":[]}",
		"{\"contents\":[1],\"generation_config\":{\"max_output_tokens\":-1}}",
		"{\"contents\":[1],\"generationConfig\":{\"candidateCount\":\"2\"}}",
	};
	struct wire_request request = scanned(WIRE_GEMINI, body);
	struct slice parts[WIRE_PARTS_MAX];
	bool forced;

	CHECK(!request.model.ptr && !request.model_value.ptr && !request.stream);
	CHECK_INT(request.max_output, 9);
	CHECK_INT(request.choices, 2);
	CHECK_INT(request.input_estimate, (14 + 6 + 41) / 4);
	CHECK_INT(wire_request_edit(WIRE_GEMINI, slice_of(body), &request, SLICE("gemini-3-pro"),
				    &arena, parts, &forced),
		  1);
	CHECK_SLICE(parts[0], body);
	CHECK(!forced);
	scanned(WIRE_GEMINI, "{\"contents\":{\"parts\":{}},\"generationConfig\":null}");
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		CHECK_INT(scan(WIRE_GEMINI, bodies[i], &request), -EINVAL);
		CHECK(error.message[0]);
	}
}

static void refusals_of_responses(void)
{
	static const char *const bodies[] = {
		"{\"input\":\"x\"}",
		"{\"model\":\"a\",\"store\":\"no\"}",
		"{\"model\":\"a\",\"background\":1}",
		"{\"model\":\"a\",\"previous_response_id\":7}",
		"{\"model\":\"a\",\"previous_response_id\":\"\"}",
		"{\"model\":\"a\",\"previous_response_id\":\"a\\n\"}",
		"{\"model\":\"a\",\"max_output_tokens\":-1}",
	};
	struct wire_request request;

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		CHECK_INT(scan(WIRE_OPENAI_RESPONSES, bodies[i], &request), -EINVAL);
		CHECK(error.message[0]);
	}
}

static void refusals(void)
{
	static const struct {
		const char *body, *message;
	} cases[] = {
		{ "", "The body is not a JSON object" },
		{ "[]", "The body is not a JSON object" },
		{ "{\"model\":\"a\",}", "The body is not a JSON object" },
		{ "{\"model\":\"a\",\"mod\\u0065l\":\"b\"," MESSAGES_ONE "}", "repeated" },
		{ "{\"model\":\"a\xff\"," MESSAGES_ONE "}", "UTF-8" },
		{ "{" MESSAGES_ONE "}", "model is missing" },
		{ "{\"model\":7," MESSAGES_ONE "}", "model must be a string" },
		{ "{\"model\":\"\"," MESSAGES_ONE "}", "model must have 1 to 256 bytes" },
		{ "{\"model\":\"a\\r\\nx: y\"," MESSAGES_ONE "}", "control characters" },
		{ "{\"model\":\"a\"}", "messages is missing" },
		{ "{\"model\":\"a\",\"messages\":{}}", "messages must be an array" },
		{ "{\"model\":\"a\",\"messages\":[ \n]}", "messages must not be empty" },
		{ "{\"model\":\"a\",\"stream\":1," MESSAGES_ONE "}", "stream must be true" },
		{ "{\"model\":\"a\",\"n\":0," MESSAGES_ONE "}", "n must be a whole number" },
		{ "{\"model\":\"a\",\"n\":1.5," MESSAGES_ONE "}", "n must be a whole number" },
		{ "{\"model\":\"a\",\"max_tokens\":\"9\"," MESSAGES_ONE "}", "max_tokens must" },
		{ "{\"model\":\"a\",\"max_completion_tokens\":-1," MESSAGES_ONE "}",
		  "max_completion_tokens must" },
		{ "{\"model\":\"a\",\"stream_options\":[]," MESSAGES_ONE "}",
		  "stream_options must be an object" },
		{ "{\"model\":\"a\",\"stream_options\":{\"include_usage\":1}," MESSAGES_ONE "}",
		  "stream_options.include_usage must be" },
	};
	struct wire_request request;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_INT(scan(WIRE_OPENAI_CHAT, cases[i].body, &request), -EINVAL);
		if (!strstr(error.message, cases[i].message))
			test_fail(__FILE__, __LINE__, "%s: %s", cases[i].body, error.message);
	}
}

/* Texts are counted by their bytes, tokens one by one. */
static void embeddings(void)
{
	static const struct {
		const char *input;
		int64_t estimate;
	} rows[] = {
		{ "\"12345678901234\"", 4 },
		{ "[\"1234567\", \"1234567\"]", 5 },
		{ "[ 1,2 , 100257 ]", 3 },
		{ "[[1, 2],\n[3],[4,5,6]]", 6 },
		{ "[]", 1 },
	};
	struct wire_request request;
	char body[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(body, sizeof(body),
			 "{\"input\":%s,\"model\":\"e\",\"stream\":true,\"n\":\"x\"}",
			 rows[i].input);
		request = scanned(WIRE_OPENAI_EMBEDDINGS, body);
		CHECK_SLICE(request.model, "e");
		CHECK(!request.stream);
		CHECK_INT(request.input_estimate, rows[i].estimate);
	}
	CHECK_INT(scan(WIRE_OPENAI_EMBEDDINGS, "{\"model\":\"e\"," MESSAGES_ONE "}", &request),
		  -EINVAL);
	CHECK_STR(error.message, "input is missing");
	CHECK_INT(scan(WIRE_OPENAI_EMBEDDINGS, "{\"model\":\"e\",\"input\":{}}", &request),
		  -EINVAL);
	CHECK_STR(error.message, "input must be a string or an array");
}

/* What a picture's bytes would be as text is no guess at what it costs. */
static void counts(void)
{
	_cleanup_(buffer_fini) struct buffer body = { 0 };
	struct wire_request request;

	request = scanned(WIRE_ANTHROPIC_COUNT_TOKENS,
			  "{\"model\":\"c\",\"system\":\"123456\"," MESSAGES_ONE "}");
	CHECK_INT(request.input_estimate, (8 + 32) / 4);
	buffer_append_str(&body,
			  "{\"model\":\"c\",\"messages\":[{\"content\":[{\"source\":{\"data\":\"");
	for (int i = 0; i < 100000; i++)
		buffer_append_char(&body, 'A');
	buffer_append_str(&body, "\"}},{\"text\":\"");
	for (int i = 0; i < 1000; i++)
		buffer_append_str(&body, "a \\\" ");
	buffer_append_str(&body, "\"}]}]}");
	buffer_append_char(&body, '\0');
	request = scanned(WIRE_ANTHROPIC_COUNT_TOKENS, body.data);
	CHECK(request.input_estimate > 1600 + 1250 && request.input_estimate < 1600 + 1250 + 30);
	request = scanned(WIRE_ANTHROPIC_MESSAGES, body.data);
	CHECK(request.input_estimate > 25000);
}

/* Google's counts are of contents, or of a whole request. */
static void gemini_counts(void)
{
	struct wire_request request;

	request = scanned(WIRE_GEMINI_COUNT_TOKENS, "{\"contents\":[{\"parts\":[]}]}");
	CHECK_INT(request.input_estimate, 14 / 4);
	request = scanned(WIRE_GEMINI_COUNT_TOKENS,
			  "{\"generateContentRequest\":{\"model\":\"models/m\",\"contents\":[]}}");
	CHECK_INT(request.input_estimate, 34 / 4);
	CHECK_INT(scan(WIRE_GEMINI_COUNT_TOKENS, "{\"generateContentRequest\":[]}", &request),
		  -EINVAL);
	CHECK_STR(error.message, "generateContentRequest must be an object");
	CHECK_INT(scan(WIRE_GEMINI_COUNT_TOKENS, "{\"generateContentRequest\":null}", &request),
		  -EINVAL);
	CHECK_STR(error.message, "contents is missing");
	CHECK_INT(scan(WIRE_GEMINI, "{\"generateContentRequest\":{}}", &request), -EINVAL);
}

/* Of names that are no member of a body, whose text nobody has looked at. */
static void model_names(void)
{
	char longest[258];

	CHECK(wire_is_model_name(SLICE("a/b:c \xc3\xa9")));
	CHECK(!wire_is_model_name((struct slice){ 0 }));
	CHECK(!wire_is_model_name(SLICE("a\nb")));
	CHECK(!wire_is_model_name(SLICE("a\xc3")));
	CHECK(!wire_is_model_name(SLICE("\xff")));
	memset(longest, 'a', sizeof(longest));
	CHECK(wire_is_model_name((struct slice){ longest, 256 }));
	CHECK(!wire_is_model_name((struct slice){ longest, 257 }));
}

static void too_deep(void)
{
	_cleanup_(buffer_fini) struct buffer body = { 0 };
	struct wire_request request;

	buffer_append_str(&body, "{\"model\":\"a\",\"messages\":[");
	for (int i = 0; i < 200; i++)
		buffer_append_char(&body, '[');
	for (int i = 0; i < 200; i++)
		buffer_append_char(&body, ']');
	buffer_append_str(&body, "]}");
	buffer_append_char(&body, '\0');
	CHECK_INT(scan(WIRE_OPENAI_CHAT, body.data, &request), -EINVAL);
	CHECK(strstr(error.message, "nested too deeply"));
}

/* The body as it would go upstream. */
static const char *edited(enum wire_dialect dialect, const char *body, const char *model,
			  bool *ret_forced)
{
	static struct buffer out;
	struct wire_request request = scanned(dialect, body);
	struct slice parts[WIRE_PARTS_MAX];
	int count = wire_request_edit(dialect, slice_of(body), &request, slice_of(model), &arena,
				      parts, ret_forced);

	CHECK(count > 0 && count <= WIRE_PARTS_MAX);
	buffer_clear(&out);
	for (int i = 0; i < count; i++) {
		CHECK(parts[i].len > 0);
		buffer_append_slice(&out, parts[i]);
	}
	buffer_append_char(&out, '\0');
	return out.data;
}

static void edits(void)
{
#define TAIL "," MESSAGES_ONE " , \"zz\" : [1.50, 1e3, -0]\r\n}\n"
	static const struct {
		const char *body, *model, *edited;
		bool forced;
	} cases[] = {
		/* nothing to edit, whatever way the name is spelt */
		{ "{\"model\":\"a\"" TAIL, "a", "{\"model\":\"a\"" TAIL, false },
		{ "{\"model\":\"\\u0061\"" TAIL, "a", "{\"model\":\"\\u0061\"" TAIL, false },
		{ "{\"stream\":true,\"model\":\"a\",\"stream_options\":{\"include_usage\":"
		  "true}" TAIL,
		  "a",
		  "{\"stream\":true,\"model\":\"a\",\"stream_options\":{\"include_usage\":"
		  "true}" TAIL,
		  false },
		/* the model */
		{ "{ \"model\" : \"a\" " TAIL, "org/b", "{ \"model\" : \"org/b\" " TAIL, false },
		{ "{\"model\":\"a\"" TAIL, "q\"\\\xc3\xa9", "{\"model\":\"q\\\"\\\\\xc3\xa9\"" TAIL,
		  false },
		/* include_usage */
		{ "{\"model\":\"a\",\"stream\":true," MESSAGES_ONE " }\n", "a",
		  "{\"model\":\"a\",\"stream\":true," MESSAGES_ONE
		  " ,\"stream_options\":{\"include_usage\":true}}\n",
		  true },
		{ "{\"stream_options\": null ,\"model\":\"a\",\"stream\":true" TAIL, "b",
		  "{\"stream_options\": {\"include_usage\":true} "
		  ",\"model\":\"b\",\"stream\":true" TAIL,
		  true },
		{ "{\"stream\":true,\"model\":\"a\",\"stream_options\":{ }" TAIL, "b",
		  "{\"stream\":true,\"model\":\"b\",\"stream_options\":{\"include_usage\":true "
		  "}" TAIL,
		  true },
		{ "{\"stream\":true,\"model\":\"a\",\"stream_options\":{ \"x\" : 1}" TAIL, "a",
		  "{\"stream\":true,\"model\":\"a\",\"stream_options\":{\"include_usage\":true, "
		  "\"x\" : "
		  "1}" TAIL,
		  true },
		{ "{\"stream_options\":{\"x\":1,\"include_usage\" : "
		  "false},\"stream\":true,\"model\":"
		  "\"a\"" TAIL,
		  "b",
		  "{\"stream_options\":{\"x\":1,\"include_usage\" : "
		  "true},\"stream\":true,\"model\":"
		  "\"b\"" TAIL,
		  true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool forced = !cases[i].forced;

		CHECK_STR(edited(WIRE_OPENAI_CHAT, cases[i].body, cases[i].model, &forced),
			  cases[i].edited);
		CHECK_INT(forced, cases[i].forced);
	}
}

/* Responses has its usage in every stream: of the body only the model's name changes. */
static void edits_of_responses(void)
{
	bool forced = true;

	CHECK_STR(edited(WIRE_OPENAI_RESPONSES,
			 "{ \"stream\":true, \"input\" : [1.50, 1e3, -0], \"model\":\"a\" }\n", "b",
			 &forced),
		  "{ \"stream\":true, \"input\" : [1.50, 1e3, -0], \"model\":\"b\" }\n");
	CHECK(!forced);
}

/* Messages has its usage in every stream. */
static void edits_of_messages(void)
{
	bool forced = true;

	CHECK_STR(
	    edited(WIRE_ANTHROPIC_MESSAGES, "{\"stream\":true,\"model\":\"a\"" TAIL, "b", &forced),
	    "{\"stream\":true,\"model\":\"b\"" TAIL);
	CHECK(!forced);
}

/* Every edited body is a request again, with the model and the usage asked for. */
static void edits_scan_again(void)
{
	static const char *const options[] = {
		"",
		",\"stream_options\":null",
		",\"stream_options\":{}",
		",\"stream_options\":{\"include_usage\":null}",
		",\"stream_options\":{\"include_\\u0075sage\":false,\"a\":[{}]}",
	};
	char body[512];
	bool forced;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct wire_request request;

		snprintf(body, sizeof(body), "{\"model\":\"a\",\"stream\":true%s" TAIL, options[i]);
		request =
		    scanned(WIRE_OPENAI_CHAT, edited(WIRE_OPENAI_CHAT, body, "other", &forced));
		CHECK(forced && request.include_usage && request.stream);
		CHECK_SLICE(request.model, "other");
	}
}

int main(void)
{
	arena_init(&arena, NULL);
	test_run("members", members);
	test_run("members-of-responses", members_of_responses);
	test_run("refusals", refusals);
	test_run("refusals-of-responses", refusals_of_responses);
	test_run("gemini", gemini);
	test_run("embeddings", embeddings);
	test_run("counts", counts);
	test_run("gemini-counts", gemini_counts);
	test_run("model-names", model_names);
	test_run("too-deep", too_deep);
	test_run("edits", edits);
	test_run("edits-of-messages", edits_of_messages);
	test_run("edits-of-responses", edits_of_responses);
	test_run("edits-scan-again", edits_scan_again);
	arena_fini(&arena);
	return 0;
}
