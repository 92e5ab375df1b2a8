/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's embeddings: the same numbers in both forms, of length 1, by the text alone; and
 * its counts of tokens. Argument: the folder of the plugins. */
#include <math.h>

#include <openssl/evp.h>

#include "base/json.h"
#include "test-plugin-host.h"

#define EMBEDDINGS TIDE_DIALECT_OPENAI_EMBEDDINGS
#define COUNTS TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS

enum {
	DIMENSIONS_MAX = 4096,
};

static struct plugin_set *set;
static struct plugin_provider *provider;
static struct tide_call call;

/* The answer; a new reference. */
static json_t *answer_to(uint32_t dialect, const char *model, const char *body, uint32_t status)
{
	json_t *answer;

	host_done(&call);
	host_ready(&call, provider, dialect, model, body);
	call.full_every = 1;
	host_run(&call);
	CHECK_INT(call.ending, ENDED);
	CHECK_INT(call.status, status);
	CHECK_STR(call.content_type, "application/json");
	answer = json_loadb(call.answer.data, call.answer.len, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(answer));
	return answer;
}

static size_t numbers(json_t *value, float *out)
{
	unsigned char bytes[DIMENSIONS_MAX * sizeof(*out) + 3];
	const char *text = json_string_value(value);
	size_t index, pad = 0;
	json_t *number;
	int len;

	json_array_foreach (value, index, number) {
		CHECK(json_is_number(number) && index < DIMENSIONS_MAX);
		out[index] = (float)json_number_value(number);
	}
	if (!text)
		return json_array_size(value);
	CHECK(strlen(text) % 4 == 0 && strlen(text) <= sizeof(bytes) / 3 * 4);
	len = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)strlen(text));
	while (pad < 2 && text[strlen(text) - 1 - pad] == '=')
		pad++;
	CHECK(len > 0 && ((size_t)len - pad) % sizeof(*out) == 0);
	memcpy(out, bytes, (size_t)len - pad);
	return ((size_t)len - pad) / sizeof(*out);
}

/* The n-th vector of an answer; its dimensions. */
static size_t vector(json_t *answer, size_t n, float *out)
{
	json_t *one = json_array_get(json_object_get(answer, "data"), n);

	CHECK_STR(json_string_value(json_object_get(one, "object")), "embedding");
	CHECK_INT(json_integer_value(json_object_get(one, "index")), (int64_t)n);
	return numbers(json_object_get(one, "embedding"), out);
}

static void both_forms(void)
{
	static const int dimensions[] = { 1, 2, 3, 256, 1536, 4096 };
	float floats[DIMENSIONS_MAX], decoded[DIMENSIONS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(dimensions); i++) {
		size_t count = (size_t)dimensions[i];
		double squares = 0;
		char body[128];
		json_t *plain, *coded;

		snprintf(body, sizeof(body), "{\"input\":\"a \\u00e9\",\"dimensions\":%zu}", count);
		plain = answer_to(EMBEDDINGS, "sim-embed", body, 200);
		snprintf(body, sizeof(body),
			 "{\"encoding_format\":\"base64\",\"input\":\"a \\u00e9\","
			 "\"dimensions\":%zu}",
			 count);
		coded = answer_to(EMBEDDINGS, "sim-embed", body, 200);
		CHECK_INT(vector(plain, 0, floats), count);
		CHECK_INT(vector(coded, 0, decoded), count);
		CHECK(memcmp(floats, decoded, count * sizeof(floats[0])) == 0);
		for (size_t k = 0; k < count; k++)
			squares += (double)floats[k] * (double)floats[k];
		CHECK(fabs(squares - 1) < 1e-6);
		json_decref(plain);
		json_decref(coded);
	}
}

/* Where a text stands, and what else is asked, does not change its vector. */
static void by_the_text_alone(void)
{
	float one[DIMENSIONS_MAX], other[DIMENSIONS_MAX];
	json_t *single = answer_to(EMBEDDINGS, "sim-embed", "{\"input\":\"tide\"}", 200);
	json_t *batch = answer_to(EMBEDDINGS, "sim-text",
				  "{\"input\":[\"gate\",\"tide\",[1,2,3],[1,3,2]]}", 200);

	CHECK_INT(vector(single, 0, one), 1536);
	CHECK_INT(vector(batch, 1, other), 1536);
	CHECK(memcmp(one, other, 1536 * sizeof(one[0])) == 0);
	vector(batch, 0, other);
	CHECK(memcmp(one, other, 1536 * sizeof(one[0])) != 0);
	vector(batch, 2, one);
	vector(batch, 3, other);
	CHECK(memcmp(one, other, 1536 * sizeof(one[0])) != 0);
	CHECK_INT(json_array_size(json_object_get(batch, "data")), 4);
	CHECK_STR(json_string_value(json_object_get(batch, "model")), "sim-text");
	CHECK_INT(
	    json_integer_value(json_object_get(json_object_get(batch, "usage"), "prompt_tokens")),
	    1 + 1 + 3 + 3);
	CHECK_INT(
	    json_integer_value(json_object_get(json_object_get(batch, "usage"), "total_tokens")),
	    8);
	json_decref(single);
	json_decref(batch);
}

static void refusals(void)
{
	static const struct {
		const char *model, *body;
		uint32_t status;
	} rows[] = {
		{ "sim-embed", "{}", 400 },
		{ "sim-embed", "{\"input\":\"\"}", 400 },
		{ "sim-embed", "{\"input\":[]}", 400 },
		{ "sim-embed", "{\"input\":[\"a\",\"\"]}", 400 },
		{ "sim-embed", "{\"input\":[[]]}", 400 },
		{ "sim-embed", "{\"input\":{}}", 400 },
		{ "sim-embed", "{\"input\":\"a\",\"dimensions\":0}", 400 },
		{ "sim-embed", "{\"input\":\"a\",\"dimensions\":4097}", 400 },
		{ "sim-embed", "{\"input\":\"a\",\"encoding_format\":\"hex\"}", 400 },
		{ "sim-nothing", "{\"input\":\"a\"}", 404 },
		{ "sim-error-429", "{\"input\":\"a\"}", 429 },
		{ "sim-error-in-stream", "{\"input\":\"a\"}", 500 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *answer = answer_to(EMBEDDINGS, rows[i].model, rows[i].body, rows[i].status);

		CHECK(json_object_get(json_object_get(answer, "error"), "message"));
		json_decref(answer);
	}
	host_done(&call);
	host_ready(&call, provider, EMBEDDINGS, "sim-cut", "{\"input\":[\"a\",\"b\",\"c\"]}");
	host_run(&call);
	CHECK_INT(call.ending, FAILED);
	CHECK_INT(call.failure, TIDE_FAILURE_INCOMPLETE);
}

static void counts(void)
{
	json_t *answer = answer_to(COUNTS, "sim-slow",
				   "{\"system\":\"12345678\",\"messages\":[{\"role\":\"user\","
				   "\"content\":[{\"type\":\"text\",\"text\":\"1234\"}]}]}",
				   200);

	CHECK_INT(json_object_size(answer), 1);
	CHECK_INT(json_integer_value(json_object_get(answer, "input_tokens")), 2 + 4 + 1 + 4);
	json_decref(answer);
	answer = answer_to(COUNTS, "sim-error-529", "{\"messages\":[{\"content\":\"a\"}]}", 529);
	CHECK_STR(json_string_value(json_object_get(json_object_get(answer, "error"), "type")),
		  "overloaded_error");
	json_decref(answer);
}

int main(int argc, char **argv)
{
	struct conf_provider conf = { .name = "sim", .plugin = "simulator" };

	CHECK_INT(argc, 2);
	set = host_load(argv[1], "provider-simulator");
	provider = host_provider(set, &conf);
	host_ready(&call, provider, EMBEDDINGS, "", "");
	call.ending = ENDED;
	test_run("both-forms", both_forms);
	test_run("by-the-text-alone", by_the_text_alone);
	test_run("refusals", refusals);
	test_run("counts", counts);
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
	return 0;
}
