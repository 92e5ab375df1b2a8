/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as OpenAI's Embeddings writes them (platform.openai.com/docs/api-reference/embeddings):
 * vectors of length 1, made from a hash of the text. They go out one by one, for a batch of them is
 * long. */
#include "simulator.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
	DIMENSIONS = 1536,
	DIMENSIONS_MAX = 4096,
	INPUTS_MAX = 2048,
	BYTES_PER_TOKEN = 4,
};

static bool is_tokens(json_t *input)
{
	return json_is_array(input) && json_is_integer(json_array_get(input, 0));
}

/* A text, or a list of tokens; 0 when it is neither or empty. */
static uint64_t tokens_of(json_t *input)
{
	if (json_is_string(input))
		return (json_string_length(input) + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
	return is_tokens(input) ? json_array_size(input) : 0;
}

const char *embeddings_read(struct prompt *prompt, json_t *body)
{
	json_t *input = json_object_get(body, "input"), *one;
	json_t *dimensions = json_object_get(body, "dimensions");
	const char *format = json_string_value(json_object_get(body, "encoding_format"));
	json_int_t count = dimensions ? json_integer_value(dimensions) : DIMENSIONS;
	size_t index;

	if (format && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0)
		return "encoding_format must be float or base64";
	if (count < 1 || count > DIMENSIONS_MAX)
		return "dimensions must be a whole number from 1 to 4096";
	prompt->base64 = format && strcmp(format, "base64") == 0;
	prompt->dimensions = (uint64_t)count;
	prompt->stream = true;
	if (json_is_string(input) || is_tokens(input))
		prompt->inputs = json_pack("[O]", input);
	else
		prompt->inputs = json_incref(input);
	if (json_array_size(prompt->inputs) == 0 || json_array_size(prompt->inputs) > INPUTS_MAX)
		return "input must be a text, tokens, or a list of 1 to 2048 of them";
	json_array_foreach (prompt->inputs, index, one) {
		uint64_t tokens = tokens_of(one);

		if (tokens == 0)
			return "each input must be a text or a list of tokens, and not empty";
		prompt->tokens += tokens;
	}
	return NULL;
}

static uint64_t seed_of(json_t *input)
{
	uint64_t seed = hash_mix(0, 0);
	json_t *token;
	size_t index;

	if (json_is_string(input))
		return hash_bytes(seed, json_string_value(input), json_string_length(input));
	json_array_foreach (input, index, token) {
		seed = hash_mix(seed, (uint64_t)json_integer_value(token));
	}
	return seed;
}

static void make_vector(uint64_t seed, float *out, uint64_t count)
{
	double squares = 0;

	for (uint64_t i = 0; i < count; i++) {
		out[i] =
		    (float)((double)(hash_mix(seed, i) >> 11) / (double)(UINT64_C(1) << 52) - 1.0);
		squares += (double)out[i] * (double)out[i];
	}
	for (uint64_t i = 0; i < count; i++)
		out[i] = (float)((double)out[i] / sqrt(squares));
}

static void add_floats(struct text *out, const float *vector, uint64_t count)
{
	text_add(out, "[");
	for (uint64_t i = 0; i < count; i++)
		text_printf(out, "%s%.9g", i > 0 ? "," : "", (double)vector[i]);
	text_add(out, "]");
}

/* Of the numbers' bytes, the lowest first (RFC 4648). */
static void add_base64(struct text *out, const float *vector, uint64_t count)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits, held = 0;
	int held_bits = 0;
	char group[8];

	text_add(out, "\"");
	for (uint64_t i = 0; i < count; i++) {
		size_t len = 0;

		memcpy(&bits, &vector[i], sizeof(bits));
		for (int shift = 0; shift < 32; shift += 8) {
			held = held << 8 | (bits >> shift & 0xff);
			for (held_bits += 8; held_bits >= 6; held_bits -= 6)
				group[len++] = digits[held >> (held_bits - 6) & 63];
		}
		text_append(out, group, len);
	}
	if (held_bits > 0)
		text_append(out, &digits[held << (6 - held_bits) & 63], 1);
	text_append(out, "==", held_bits == 2 ? 2 : held_bits == 4 ? 1 : 0);
	text_add(out, "\"");
}

static void head(struct run *run)
{
	text_add(&run->out, "{\"object\":\"list\",\"data\":[");
}

static void piece(struct run *run)
{
	const struct prompt *prompt = &run->prompt;
	float vector[DIMENSIONS_MAX];

	make_vector(seed_of(json_array_get(prompt->inputs, run->sent)), vector, prompt->dimensions);
	text_printf(&run->out, "%s{\"object\":\"embedding\",\"index\":%" PRIu64 ",\"embedding\":",
		    run->sent > 0 ? "," : "", run->sent);
	(prompt->base64 ? add_base64 : add_floats)(&run->out, vector, prompt->dimensions);
	text_add(&run->out, "}");
}

static void tail(struct run *run)
{
	text_add(&run->out, "],\"model\":");
	text_append(&run->out, run->model.data, run->model.len);
	text_printf(&run->out,
		    ",\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"total_tokens\":%" PRIu64 "}}",
		    run->prompt.tokens, run->prompt.tokens);
}

static void error(struct run *run, uint32_t status, const char *message, const char *code,
		  const char *param)
{
	chat_dialect.error(run, status, message, code, param);
}

const struct dialect embeddings_dialect = {
	.head = head,
	.piece = piece,
	.tail = tail,
	.error = error,
	.in_pieces = true,
	.request_id_header = "x-request-id",
};
