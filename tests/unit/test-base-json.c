/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner's grammar: what RFC 8259 allows passes, everything else fails at the right byte,
 * every truncation fails, and jansson, another parser, agrees on random damage. */
#include "base/json.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"

static int scan(struct slice text, struct error *error)
{
	struct json_member members[JSON_MEMBERS_MAX];
	/* An exact copy on the heap, so that a sanitizer sees one byte too many. */
	_cleanup_free_ char *copy = malloc(text.len ? text.len : 1);

	memcpy(copy, text.ptr, text.len);
	return json_scan_object((struct slice){ copy, text.len }, members, ARRAY_SIZE(members),
				error);
}

/* Values that stand as {"v":VALUE} and [VALUE]. */
static const char *const valid_values[] = {
	"0",
	"-0",
	"10",
	"-1",
	"1.0",
	"0.000",
	"1e1",
	"1E+1",
	"1e-10",
	"-0.5E00",
	"123456789012345678901234567890",
	"1e99999",
	"true",
	"false",
	"null",
	"\"\"",
	"\" \"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\\u0000\"",
	"\"\\u00e9\\uABCD\\uabcd\"",
	"\"\\ud83c\\udf0a\"",
	"\"\\uD800\\uDC00\\uDBFF\\uDFFF\"",
	"\"\\ud7ff\\ue000\\uffff\"",
	"\"\x7f\"",
	"\"\xc2\x80\xdf\xbf\"",
	"\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
	"\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
	"\"plain text longer than a machine word, with \xc3\xbc in it and more behind it\"",
	"\"1234567\\\"12345678\\\\123456789\xc3\xbc\"",
	"[]",
	"[ ]",
	"{}",
	"{ \n\t\r}",
	"[1,2,3]",
	"[ 1 , \"a\" , [ ] , { } ]",
	"{\"a\":1,\"b\":{\"a\":[{\"c\":null}]}}",
	"{\"\":0}",
	"{\"a\":1,\"a\":2}", /* below the top level a repetition is no matter of ours */
	"\t\n\r 1 \t\n\r",
};

static const char *const invalid_values[] = {
	"",
	"+1",
	"01",
	"-01",
	"00",
	"-",
	"--1",
	".5",
	"1.",
	"1.e1",
	"1e",
	"1e+",
	"1e1.5",
	"1.5.5",
	"0x10",
	"1a",
	"1 2",
	"Infinity",
	"-Infinity",
	"NaN",
	"nul",
	"nulll",
	"True",
	"TRUE",
	"fals",
	"truefalse",
	"'a'",
	"\"",
	"\"a",
	"\"\\\"",
	"\"\\x41\"",
	"\"\\a\"",
	"\"\\'\"",
	"\"\\0\"",
	"\"\\U0041\"",
	"\"\\u\"",
	"\"\\u123\"",
	"\"\\u12g4\"",
	"\"\\u+123\"",
	"\"\\ud800\"",
	"\"\\ud800x\"",
	"\"\\ud800\\n\"",
	"\"\\ud800\\u0041\"",
	"\"\\ud800\\ud800\"",
	"\"\\udc00\"",
	"\"\\udc00\\ud800\"",
	"\"\\udfff\"",
	"\"tab\there\"",
	"\"line\nhere\"",
	"\"\x1f\"",
	"\"\x01\"",
	"\"\x80\"",
	"\"\xbf\"",
	"\"\xc0\x80\"",
	"\"\xc1\xbf\"",
	"\"\xc2\"",
	"\"\xc2\x41\"",
	"\"\xe0\x80\x80\"",
	"\"\xe0\x9f\xbf\"",
	"\"\xe2\x82\"",
	"\"\xed\xa0\x80\"",
	"\"\xed\xbf\xbf\"",
	"\"\xf0\x80\x80\x80\"",
	"\"\xf0\x8f\xbf\xbf\"",
	"\"\xf0\x9f\x8c\"",
	"\"\xf4\x90\x80\x80\"",
	"\"\xf5\x80\x80\x80\"",
	"\"\xf8\x88\x80\x80\x80\"",
	"\"\xff\"",
	"\"\xfe\xff\"",
	"\"12345678\xc3\"",
	"[",
	"]",
	"[1",
	"[1,",
	"[1,]",
	"[,1]",
	"[1,,2]",
	"[1 2]",
	"[1}",
	"[\"a\":1]",
	"{",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{,\"a\":1}",
	"{\"a\" 1}",
	"{\"a\"::1}",
	"{a:1}",
	"{'a':1}",
	"{1:1}",
	"{null:1}",
	"{\"a\":}",
	"{\"a\":1]",
	"{\"a\",1}",
	"{\"a\":1 \"b\":2}",
	"{\"\xff\":1}",
	"{\"\\x\":1}",
	"/**/1",
	"1//",
	"#",
	"\x0b"
	"1",
	"\x0c"
	"1",
	"\xc2\xa0"
	"1",
	"\xef\xbb\xbf"
	"1",
	"1,",
	"1;",
	"1]",
};

static int scan_wrapped(const char *before, const char *value, const char *behind)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct error error = { 0 };
	int r;

	buffer_append_str(&text, before);
	buffer_append_str(&text, value);
	buffer_append_str(&text, behind);
	r = scan(buffer_slice(&text), &error);
	if (r < 0)
		CHECK(error.message[0] && error.column > 0 && error.column <= text.len + 1);
	return r;
}

static void test_valid_values(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(valid_values); i++) {
		if (scan_wrapped("{\"v\":", valid_values[i], "}") != 1 ||
		    scan_wrapped(" \n{ \"v\" : [", valid_values[i], "] }\r\n ") != 1)
			test_fail(__FILE__, __LINE__, "refused: %s", valid_values[i]);
	}
}

static void test_invalid_values(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(invalid_values); i++) {
		bool in_array = invalid_values[i][0] == '\0'; /* [] is fine */

		if (scan_wrapped("{\"v\":", invalid_values[i], "}") != -EINVAL ||
		    (!in_array && scan_wrapped("{\"v\":[", invalid_values[i], "]}") != -EINVAL))
			test_fail(__FILE__, __LINE__, "passed: %s", invalid_values[i]);
	}
}

static void test_top_level(void)
{
	static const char *const bad[] = {
		"",    " ",     "[]",  "1",   "\"a\"",          "null",
		"{}}", "{} {}", "{},", "{}x", "\xef\xbb\xbf{}", "{\"a\":1}\"",
	};

	CHECK_INT(scan(SLICE("{}"), NULL), 0);
	CHECK_INT(scan(SLICE(" { } "), NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(scan(slice_of(bad[i]), NULL), -EINVAL);
	CHECK_INT(scan(SLICE("{}\0"), NULL), -EINVAL);
	CHECK_INT(scan(SLICE("{\"a\":\"\0\"}"), NULL), -EINVAL);
	CHECK_INT(scan((struct slice){ "", 0 }, NULL), -EINVAL);
}

static void test_columns(void)
{
	static const struct {
		const char *text;
		uint32_t column;
		const char *message;
	} cases[] = {
		{ "", 1, "the text ends where an object was expected, at byte 1" },
		{ "[]", 1, "an object was expected at byte 1" },
		{ "{\"a\":1", 7,
		  "the text ends where a comma or a closing brace was expected, at byte 7" },
		{ "{\"a\":1 x", 8, "a comma or a closing brace was expected at byte 8" },
		{ "{\"a\" 1}", 6, "a colon was expected at byte 6" },
		{ "{\"a\":01}", 6, "a number with a leading zero at byte 6" },
		{ "{\"a\":1.}", 8, "a digit was expected at byte 8" },
		{ "{\"a\":[1 2]}", 9, "a comma or a closing bracket was expected at byte 9" },
		{ "{\"a\":\"x\xff\"}", 8, "invalid UTF-8 at byte 8" },
		{ "{\"a\":\"12345678\x01\"}", 15, "unescaped control character at byte 15" },
		{ "{\"a\":\"\\q\"}", 7, "bad escape sequence at byte 7" },
		{ "{\"a\":1,\"\\u0061\":2}", 8, "a key of the object repeated at byte 8" },
		{ "{\"a\":1} x", 9, "text behind the object at byte 9" },
		{ "{\"a\":\"xyz", 6, "a string without end begins at byte 6" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error error = { 0 };

		CHECK_INT(scan(slice_of(cases[i].text), &error), -EINVAL);
		CHECK_STR(error.message, cases[i].message);
		CHECK_INT(error.column, cases[i].column);
		CHECK_STR(error.file, "");
	}
}

static const char document[] =
    "{\"model\":\"gr\xc3\xbc\xc3\x9f\",\"messages\":[{\"role\":\"user\",\"content\":\"Say "
    "\\\"hi\\\" \\ud83c\\udf0a\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"function\":{"
    "\"arguments\":\"{}\"}}]}],"
    "\"stream\":true,\"temperature\":-1.25e-3,\"n\":10,\"stop\":[],\"user\":{},\"logprobs\":false}";

static void test_every_truncation_fails(void)
{
	CHECK_INT(scan(SLICE(document), NULL), 8);
	for (size_t len = 0; len < sizeof(document) - 1; len++)
		CHECK(scan((struct slice){ document, len }, NULL) == -EINVAL);
}

/* What jansson refuses, or a repeated key, we refuse, and the other way round. Its own bounds are
 * not met here. */
static void test_agrees_with_jansson_on_damage(void)
{
	static const char spare[] =
	    "\"\\{}[]:,0123456789.eE+-truefalsn u\x01\x80\xc3\xed\xf0 \n\xff";
	char text[sizeof(document)];
	size_t len = sizeof(document) - 1;
	int passed = 0;

	srandom(815);
	for (int round = 0; round < 60000; round++) {
		json_t *tree;
		int r;

		memcpy(text, document, len);
		for (int hits = 1 + (int)(random() % 3); hits > 0; hits--)
			text[random() % (long)len] = spare[random() % (long)(sizeof(spare) - 1)];
		r = scan((struct slice){ text, len }, NULL);
		tree = json_loadb(text, len,
				  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				  NULL);
		if ((r >= 0) != json_is_object(tree))
			test_fail(__FILE__, __LINE__, "scan says %d: %.*s", r, (int)len, text);
		passed += r >= 0;
		json_decref(tree);
	}
	CHECK(passed > 1000 && passed < 59000);
}

static int scan_nested(size_t depth, bool object, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	buffer_append_str(&text, "{\"v\":");
	for (size_t i = 1; i < depth; i++)
		buffer_append_str(&text, object ? "{\"k\":" : "[");
	buffer_append_str(&text, "7");
	for (size_t i = 1; i < depth; i++)
		buffer_append_char(&text, object ? '}' : ']');
	buffer_append_char(&text, '}');
	return scan(buffer_slice(&text), error);
}

static void test_depth(void)
{
	struct error error = { 0 };

	for (int object = 0; object < 2; object++) {
		CHECK_INT(scan_nested(JSON_DEPTH_MAX, object, NULL), 1);
		CHECK_INT(scan_nested(JSON_DEPTH_MAX + 1, object, &error), -E2BIG);
		CHECK(strstr(error.message, "nested too deeply"));
		CHECK_INT(scan_nested(1000000, object, NULL), -E2BIG);
	}
}

/* Each special byte at each place of a machine word must be seen. */
static void test_special_bytes_at_every_offset(void)
{
	static const char special[] = "\x01\x1f\x80\xff";

	for (size_t i = 0; i < sizeof(special) - 1; i++) {
		for (size_t at = 0; at < 24; at++) {
			char text[40] = "{\"v\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"}";
			struct error error = { 0 };

			CHECK_INT(scan(slice_of(text), NULL), 1);
			text[6 + at] = special[i];
			CHECK_INT(scan(slice_of(text), &error), -EINVAL);
			CHECK_INT(error.column, 7 + at);
		}
	}
}

int main(void)
{
	test_run("valid_values", test_valid_values);
	test_run("invalid_values", test_invalid_values);
	test_run("top_level", test_top_level);
	test_run("columns", test_columns);
	test_run("every_truncation_fails", test_every_truncation_fails);
	test_run("agrees_with_jansson_on_damage", test_agrees_with_jansson_on_damage);
	test_run("depth", test_depth);
	test_run("special_bytes_at_every_offset", test_special_bytes_at_every_offset);
	return 0;
}
