/* SPDX-License-Identifier: Apache-2.0 */
/* What the scanner hands out: members and their spans, repeated keys however they are escaped,
 * elements, integers and texts. */
#include "base/json.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"

static int scan(const char *text, struct json_member *members, size_t max)
{
	return json_scan_object(slice_of(text), members, max, NULL);
}

static void test_members(void)
{
	static const struct {
		const char *key, *value;
		enum json_type type;
	} expected[] = {
		{ "model", "\"gpt \\u0041\"", JSON_SCAN_STRING },
		{ "n\\u0061me", "-1.5e3", JSON_SCAN_NUMBER },
		{ "messages", "[ {\"role\": \"user\"}, [] ]", JSON_SCAN_ARRAY },
		{ "o", "{\"a\" : {}}", JSON_SCAN_OBJECT },
		{ "", "true", JSON_SCAN_TRUE },
		{ "f", "false", JSON_SCAN_FALSE },
		{ "z", "null", JSON_SCAN_NULL },
		{ "zero", "0", JSON_SCAN_NUMBER },
	};
	struct json_member members[8];

	CHECK_INT(scan(" {\"model\":\"gpt \\u0041\" , \"n\\u0061me\" : -1.5e3,\n\"messages\":"
		       "[ {\"role\": \"user\"}, [] ] ,\"o\":{\"a\" : "
		       "{}}\t,\"\":true,\"f\":false,\"z\":null ,"
		       "\"zero\":0 }",
		       members, 8),
		  8);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		CHECK_SLICE(members[i].key, expected[i].key);
		CHECK_SLICE(members[i].value, expected[i].value);
		CHECK_INT(members[i].type, expected[i].type);
	}
}

static void test_repeated_keys(void)
{
	static const char *const repeated[] = {
		"{\"a\":1,\"a\":1}",
		"{\"model\":1,\"stream\":2,\"mod\\u0065l\":3}",
		"{\"\\u006d\\u006f\":1,\"mo\":2}",
		"{\"\":1,\"\":2}",
		"{\"/\":1,\"\\/\":2}",
		"{\"\\n\":1,\"\\u000A\":2}",
		"{\"\\u000a\":1,\"\\u000A\":2}",
		"{\"\xc3\xbc\":1,\"\\u00fc\":2}",
		"{\"\xf0\x9f\x8c\x8a\":1,\"\\ud83c\\udf0a\":2}",
		"{\"a\\u0000b\":1,\"a\\u0000b\":2}",
	};
	static const char *const distinct[] = {
		"{\"a\":1,\"A\":2}",
		"{\"a\":1,\"a\\u0000\":2}",
		"{\"a\\u0000b\":1,\"a\\u0000c\":2}",
		"{\"\":1,\"\\u0000\":2}",
		"{\"\xc3\xbc\":1,\"u\xcc\x88\":2}",
		"{\"\\\\u0061\":1,\"a\":2}",
		"{\"v\":{\"a\":1,\"a\":2},\"a\":3}",
	};
	struct json_member members[4];

	for (size_t i = 0; i < ARRAY_SIZE(repeated); i++)
		CHECK_INT(scan(repeated[i], members, 4), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(distinct); i++)
		CHECK_INT(scan(distinct[i], members, 4), 2);
}

/* Few keys are compared otherwise than many: each pair, in objects of all small sizes. */
static void test_each_pair_of_keys(void)
{
	struct json_member members[20];

	for (size_t count = 2; count <= ARRAY_SIZE(members); count++) {
		for (size_t pair = 0; pair < count * count; pair++) {
			_cleanup_(buffer_fini) struct buffer text = { 0 };
			size_t first = pair / count, again = pair % count;

			for (size_t i = 0; i < count; i++) {
				bool repeats = i == again && first < again;
				size_t key = repeats ? first : i;

				buffer_append_slice(&text, i == 0 ? SLICE("{") : SLICE(","));
				buffer_append_slice(&text, repeats ? SLICE("\"ke\\u0079")
								   : SLICE("\"key"));
				buffer_append_u64(&text, key);
				buffer_append_slice(&text, SLICE("\":0"));
			}
			buffer_append_slice(&text, SLICE("}"));
			buffer_append(&text, "", 1);
			CHECK_INT(scan(text.data, members, count),
				  first < again ? -EINVAL : (int)count);
		}
	}
}

static void test_bounds_of_members(void)
{
	static struct json_member members[JSON_MEMBERS_MAX + 10];
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct error error = { 0 };

	CHECK_INT(scan("{\"a\":1,\"b\":2}", members, 2), 2);
	CHECK_INT(scan("{\"a\":1,\"b\":2}", members, 1), -E2BIG);
	CHECK_INT(scan("{}", members, 0), 0);
	CHECK_INT(scan("{\"a\":1}", members, 0), -E2BIG);
	for (int count = 1; count <= JSON_MEMBERS_MAX + 1; count++) {
		buffer_clear(&text);
		for (int i = 0; i < count; i++)
			buffer_printf(&text, "%c\"key%d\":%d", i == 0 ? '{' : ',', i, i);
		buffer_append_char(&text, '}');
		CHECK_INT(
		    json_scan_object(buffer_slice(&text), members, ARRAY_SIZE(members), &error),
		    count <= JSON_MEMBERS_MAX ? count : -E2BIG);
	}
	CHECK(strstr(error.message, "too many members"));
}

static void test_next(void)
{
	struct slice at = SLICE(" [1, \"a,]\" ,[2,3],{\"k\":[]} , null ] ");
	static const char *const elements[] = { "1", "\"a,]\"", "[2,3]", "{\"k\":[]}", "null" };
	struct json_member member;

	for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
		CHECK_INT(json_next(&at, &member), 1);
		CHECK_SLICE(member.value, elements[i]);
		CHECK_INT(member.key.len, 0);
	}
	CHECK_INT(json_next(&at, &member), 0);
	CHECK_INT(json_next(&at, &member), 0);

	at = SLICE("{ \"a\" : 1 , \"b}\":\"}\"}");
	CHECK_INT(json_next(&at, &member), 1);
	CHECK_SLICE(member.key, "a");
	CHECK_SLICE(member.value, "1");
	CHECK_INT(json_next(&at, &member), 1);
	CHECK_SLICE(member.key, "b}");
	CHECK_SLICE(member.value, "\"}\"");
	CHECK_INT(member.type, JSON_SCAN_STRING);
	CHECK_INT(json_next(&at, &member), 0);
}

static void test_next_of_empty_and_broken(void)
{
	static const char *const texts[] = { "[]",    "{}",    "[ ]", " { } ", "",    " ",
					     "7",     "\"a\"", "[",   "]",     "[,]", "{\"a\"}",
					     "{a:1}", "[\"]",  "[1",  ",]" };
	struct json_member member;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct slice at = slice_of(texts[i]);

		CHECK_INT(json_next(&at, &member), 0);
		CHECK_INT(json_next(&at, &member), 0);
	}
}

static void test_find(void)
{
	struct slice object = SLICE(
	    "{\"a\":1,\"u\\u0073age\":{\"x\":2},\"a\":3,\"a\\u0000\":4,\"\":5,\"gr\\u00fcn\":6}");
	struct json_member member = { .type = JSON_SCAN_NULL };

	CHECK(json_find(object, "usage", &member));
	CHECK_SLICE(member.value, "{\"x\":2}");
	CHECK(json_find(member.value, "x", &member));
	CHECK_SLICE(member.value, "2");
	CHECK(json_find(object, "a", &member));
	CHECK_SLICE(member.value, "3");
	CHECK(json_find(object, "", &member));
	CHECK_SLICE(member.value, "5");
	CHECK(json_find(object, "gr\xc3\xbcn", &member));
	CHECK_SLICE(member.value, "6");
	CHECK(!json_find(object, "usag", &member));
	CHECK(!json_find(object, "usages", &member));
	CHECK_SLICE(member.value, "6");
	CHECK(!json_find(SLICE("[1]"), "a", &member));
}

static void test_integers(void)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "0.000e5", true, 0 },
		{ "0e999999999999999999999", true, 0 },
		{ "42", true, 42 },
		{ "-42", true, -42 },
		{ "5.0", true, 5 },
		{ "1e3", true, 1000 },
		{ "1E+03", true, 1000 },
		{ "1.5e1", true, 15 },
		{ "1200e-2", true, 12 },
		{ "100.00e-2", true, 1 },
		{ "0.00012e5", true, 12 },
		{ "10.10e1", true, 101 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "922337203685477580.70e1", true, INT64_MAX },
		{ "1e18", true, 1000000000000000000 },
		{ "1000000000000000000000e-3", true, 1000000000000000000 },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "1e19", false, 0 },
		{ "10000000000000000000", false, 0 },
		{ "1e999999999999999999999", false, 0 },
		{ "1e-999999999999999999999", false, 0 },
		{ "0.5", false, 0 },
		{ "1.5", false, 0 },
		{ "1e-1", false, 0 },
		{ "15e-1", false, 0 },
		{ "9223372036854775807.5", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t value = 77;

		if (json_to_i64(slice_of(cases[i].text), &value) != (cases[i].ok ? 0 : -EINVAL) ||
		    value != (cases[i].ok ? cases[i].value : 77))
			test_fail(__FILE__, __LINE__, "%s read as %" PRId64, cases[i].text, value);
	}
}

static void test_text(void)
{
	char out[16];

	CHECK_INT(json_to_text(SLICE("\"plain\""), out, sizeof(out)), 5);
	CHECK_STR(out, "plain");
	CHECK_INT(json_to_text(SLICE("\"\""), out, 1), 0);
	CHECK_STR(out, "");
	CHECK_INT(json_to_text(SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), out, sizeof(out)), 8);
	CHECK_STR(out, "\"\\/\b\f\n\r\t");
	CHECK_INT(json_to_text(SLICE("\"\\u00fc\\u20ac\\ud83c\\udf0a\""), out, sizeof(out)), 9);
	CHECK_STR(out, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x8c\x8a");
	CHECK_INT(json_to_text(SLICE("\"a\\u0000b\""), out, sizeof(out)), 3);
	CHECK(memcmp(out, "a\0b", 4) == 0);
	CHECK_INT(json_to_text(SLICE("\"abc\""), out, 4), 3);
	CHECK_INT(json_to_text(SLICE("\"abcd\""), out, 4), -ENOBUFS);
	CHECK_INT(json_to_text(SLICE("\"\\u20ac\""), out, 3), -ENOBUFS);
	CHECK_INT(json_to_text(SLICE("\"\""), out, 0), -ENOBUFS);
}

int main(void)
{
	test_run("members", test_members);
	test_run("repeated_keys", test_repeated_keys);
	test_run("each_pair_of_keys", test_each_pair_of_keys);
	test_run("bounds_of_members", test_bounds_of_members);
	test_run("next", test_next);
	test_run("next_of_empty_and_broken", test_next_of_empty_and_broken);
	test_run("find", test_find);
	test_run("integers", test_integers);
	test_run("text", test_text);
	return 0;
}
