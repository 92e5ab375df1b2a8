/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling of JSON: random values, told in random ways, come out the same; and what differs in
 * one scalar does not. */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/canonical.h"

enum {
	ROUNDS = 3000,
	NODES_MAX = 60,
};

static uint64_t state = 88172645463325252ull;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void check(const char *json, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct error error = { 0 };
	struct arena arena;

	arena_init(&arena, NULL);
	if (wire_canonical(slice_of(json), NULL, 0, &arena, &out, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", json, error.message);
	CHECK_SLICE(buffer_slice(&out), expected);
	arena_fini(&arena);
}

static void spellings(void)
{
	check(" { \"b\" : [ true , null , false ] , \"a\" : { } } ",
	      "{\"a\":{},\"b\":[true,null,false]}");
	check("\"\\u0041\\/\\u00e9\\ud83d\\ude00\\n\"", "\"A/\303\251\360\237\230\200\\n\"");
	check("{\"a\":1,\"\\u0061\":2}", "{\"a\":2}");
	check("{\"\":1,\"aa\":2,\"a\":3}", "{\"\":1,\"a\":3,\"aa\":2}");
	check("[]", "[]");
	check("\"\"", "\"\"");
}

static void numbers(void)
{
	static const struct {
		const char *json, *expected;
	} cases[] = {
		{ "0", "0" },
		{ "-0", "0" },
		{ "0.000", "0" },
		{ "-0.0e7", "0" },
		{ "1", "1" },
		{ "1.0", "1" },
		{ "10e-1", "1" },
		{ "0.1e1", "1" },
		{ "100", "1e2" },
		{ "1E+2", "1e2" },
		{ "-12.340", "-1234e-2" },
		{ "-1234e-2", "-1234e-2" },
		{ "0.5", "5e-1" },
		{ "1e0002", "1e2" },
		{ "9007199254740993", "9007199254740993" },
		{ "1e99999999999999999999", "1e99999999999999999999" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(cases[i].json, cases[i].expected);
}

/* ---- a random value, told twice ---- */

struct value {
	int kind; /* 0 object, 1 array, 2 text, 3 number, 4 word */
	uint64_t number;
	struct value *child[5];
	int count;
};

static struct value nodes[NODES_MAX];
static int used;

static struct value *make(int depth)
{
	struct value *value = &nodes[used++];

	*value = (struct value){ .kind = (int)draw(depth ? 5 : 2), .number = draw(1000) };
	while (value->kind < 2 && value->count < 5 && used < NODES_MAX - 10 && depth < 6 && draw(4))
		value->child[value->count++] = make(depth + 1);
	return value;
}

static void blanks(struct buffer *out)
{
	while (draw(3) == 0)
		buffer_append_char(out, " \n\t\r"[draw(4)]);
}

static void tell_text(struct buffer *out, const char *text)
{
	buffer_append_char(out, '"');
	for (; *text; text++) {
		if (draw(3) == 0)
			buffer_printf(out, draw(2) ? "\\u%04x" : "\\u%04X", *text);
		else
			buffer_append_char(out, *text);
	}
	buffer_append_char(out, '"');
}

static void tell_number(struct buffer *out, uint64_t number)
{
	switch (draw(4)) {
	case 0:
		buffer_printf(out, "%llu", (unsigned long long)number);
		break;
	case 1:
		buffer_printf(out, "%llu.00", (unsigned long long)number);
		break;
	case 2:
		buffer_printf(out, number ? "%llu000E-3" : "%llu", (unsigned long long)number);
		break;
	default:
		buffer_printf(out, "%llu.%llue+1", (unsigned long long)number / 10,
			      (unsigned long long)number % 10);
	}
}

static void tell(struct buffer *out, const struct value *value)
{
	static const char *const words[] = { "true", "false", "null" };
	int order[5] = { 0, 1, 2, 3, 4 };
	char text[32];

	blanks(out);
	switch (value->kind) {
	case 0:
		for (int i = value->count - 1; i > 0; i--) {
			int j = (int)draw((uint64_t)i + 1), kept = order[i];

			order[i] = order[j];
			order[j] = kept;
		}
		/* fall through */
	case 1:
		buffer_append_char(out, value->kind ? '[' : '{');
		for (int i = 0; i < value->count; i++) {
			if (i)
				buffer_append_char(out, ',');
			blanks(out);
			if (!value->kind) {
				snprintf(text, sizeof(text), "key%d", order[i]);
				tell_text(out, text);
				blanks(out);
				buffer_append_char(out, ':');
			}
			tell(out, value->child[order[i]]);
		}
		blanks(out);
		buffer_append_char(out, value->kind ? ']' : '}');
		break;
	case 2:
		snprintf(text, sizeof(text), "text %llu", (unsigned long long)value->number);
		tell_text(out, text);
		break;
	case 3:
		tell_number(out, value->number);
		break;
	default:
		buffer_append_str(out, words[value->number % 3]);
	}
	blanks(out);
}

static void hash_told(const struct value *value, uint8_t ret[static WIRE_HASH_BYTES])
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct error error = { 0 };

	tell(&out, value);
	if (wire_canonical_hash(buffer_slice(&out), NULL, 0, ret, &error) < 0)
		test_fail(__FILE__, __LINE__, "%.*s: %s", (int)out.len, out.data, error.message);
}

static void told_in_many_ways(void)
{
	uint8_t first[WIRE_HASH_BYTES], second[WIRE_HASH_BYTES];
	int changed = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct value *value;
		int at;

		used = 0;
		value = make(0);
		hash_told(value, first);
		hash_told(value, second);
		CHECK(memcmp(first, second, sizeof(first)) == 0);
		at = (int)draw((uint64_t)used);
		if (nodes[at].kind < 2)
			continue;
		nodes[at].number++;
		hash_told(value, second);
		CHECK(memcmp(first, second, sizeof(first)) != 0);
		changed++;
	}
	CHECK(changed > ROUNDS / 4);
}

static void exceptions(void)
{
	static const struct slice except[] = { SLICE("stream"), SLICE("user") };
	static const char *const same[] = {
		"{\"a\":{\"user\":1},\"stream\":true}",
		"{\"\\u0073tream\":false,\"user\":\"x\",\"a\":{\"user\":1}}",
		"{\"a\":{\"user\":1}}",
	};
	uint8_t first[WIRE_HASH_BYTES], other[WIRE_HASH_BYTES];

	CHECK_INT(wire_canonical_hash(slice_of(same[0]), except, 2, first, NULL), 0);
	for (size_t i = 1; i < ARRAY_SIZE(same); i++) {
		CHECK_INT(wire_canonical_hash(slice_of(same[i]), except, 2, other, NULL), 0);
		CHECK(memcmp(first, other, sizeof(first)) == 0);
	}
	CHECK_INT(wire_canonical_hash(SLICE("{\"a\":{}}"), except, 2, other, NULL), 0);
	CHECK(memcmp(first, other, sizeof(first)) != 0);
}

static void no_json(void)
{
	static const char *const cases[] = { "", "{", "[1,]", "{\"a\":01}", "nul", "\"\\ud800\"" };
	uint8_t hash[WIRE_HASH_BYTES];
	char deep[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(wire_canonical_hash(slice_of(cases[i]), NULL, 0, hash, NULL), -EINVAL);
	memset(deep, '[', 200);
	memset(deep + 200, ']', 200);
	CHECK_INT(wire_canonical_hash((struct slice){ deep, 400 }, NULL, 0, hash, NULL), -E2BIG);
}

int main(void)
{
	test_run("spellings", spellings);
	test_run("numbers", numbers);
	test_run("told in many ways", told_in_many_ways);
	test_run("exceptions", exceptions);
	test_run("no JSON", no_json);
	return 0;
}
