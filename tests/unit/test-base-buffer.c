/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: growth, numbers and money at their extremes, JSON strings, times, and the sticky
 * failure. */
#include "base/buffer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "test.h"

static void test_growth(void)
{
	_cleanup_(buffer_fini) struct buffer buffer = { 0 };

	for (int i = 0; i < 100000; i++)
		buffer_append_char(&buffer, (char)('a' + i % 26));
	CHECK(!buffer.failed);
	CHECK_INT(buffer.len, 100000);
	for (int i = 0; i < 100000; i++)
		CHECK(buffer.data[i] == 'a' + i % 26);
	buffer_consume(&buffer, 99998);
	CHECK_INT(buffer.len, 2);
	CHECK(buffer.data[0] == 'a' + 99998 % 26);
	buffer_consume(&buffer, 5);
	CHECK_INT(buffer.len, 0);
	buffer_append(&buffer, NULL, 0);
	CHECK_INT(buffer.len, 0);
}

static void test_failure_sticks_until_cleared(void)
{
	_cleanup_(buffer_fini) struct buffer buffer = { 0 };

	buffer_append_str(&buffer, "kept");
	CHECK(!buffer_reserve(&buffer, SIZE_MAX));
	buffer_append_str(&buffer, "lost");
	CHECK(buffer.failed);
	CHECK_SLICE(buffer_slice(&buffer), "kept");
	buffer_clear(&buffer);
	buffer_append_str(&buffer, "new");
	CHECK(!buffer.failed);
	CHECK_SLICE(buffer_slice(&buffer), "new");
}

static void test_numbers(void)
{
	_cleanup_(buffer_fini) struct buffer buffer = { 0 };

	buffer_append_u64(&buffer, 0);
	buffer_append_char(&buffer, ' ');
	buffer_append_u64(&buffer, UINT64_MAX);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, INT64_MIN);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, INT64_MAX);
	buffer_append_char(&buffer, ' ');
	buffer_append_i64(&buffer, -7);
	CHECK_SLICE(buffer_slice(&buffer),
		    "0 18446744073709551615 -9223372036854775808 9223372036854775807 -7");
}

static void test_usd(void)
{
	static const struct {
		int64_t nano;
		const char *text;
	} cases[] = {
		{ 0, "0.000000000" },
		{ 1, "0.000000001" },
		{ -1, "-0.000000001" },
		{ 123450, "0.000123450" },
		{ 999999999, "0.999999999" },
		{ 1000000000, "1.000000000" },
		{ -1000000001, "-1.000000001" },
		{ INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buffer_fini) struct buffer buffer = { 0 };

		buffer_append_usd(&buffer, cases[i].nano);
		CHECK_SLICE(buffer_slice(&buffer), cases[i].text);
	}
}

static void test_json(void)
{
	static const struct {
		struct slice text;
		const char *json;
	} cases[] = {
		{ { "", 0 }, "\"\"" },
		{ { "plain", 5 }, "\"plain\"" },
		{ { "a\"b\\c/", 6 }, "\"a\\\"b\\\\c/\"" },
		{ { "\b\f\n\r\t\x01\x1f\0", 8 }, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000\"" },
		{ { "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a", 11 },
		  "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a\"" },
		{ { "x\xffy", 3 }, "\"x\xef\xbf\xbdy\"" },
		{ { "\xc3", 1 }, "\"\xef\xbf\xbd\"" },
		{ { "\xc0\xaf", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ { "\xed\xa0\x80", 3 }, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buffer_fini) struct buffer buffer = { 0 };

		buffer_append_json(&buffer, cases[i].text);
		CHECK_SLICE(buffer_slice(&buffer), cases[i].json);
	}
}

/* Whatever the bytes are, jansson, which is strict, must be able to read what comes out. */
static void test_json_of_all_bytes(void)
{
	for (int first = 0; first < 256; first++) {
		for (int second = 0; second < 256; second++) {
			_cleanup_(buffer_fini) struct buffer buffer = { 0 };
			char pair[] = { (char)first, (char)second };
			json_t *value;

			buffer_append_json(&buffer, (struct slice){ pair, 2 });
			value = json_loadb(buffer.data, buffer.len,
					   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
			CHECK(json_is_string(value));
			json_decref(value);
		}
	}
}

static void test_time(void)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.123Z" },
		{ 951782399, "2000-02-28T23:59:59.123Z" },
		{ 951782400, "2000-02-29T00:00:00.123Z" },
		{ 1709251199, "2024-02-29T23:59:59.123Z" },
		{ 4107542400, "2100-03-01T00:00:00.123Z" },
		{ 1795504500, "2026-11-24T07:15:00.123Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buffer_fini) struct buffer buffer = { 0 };
		char text[CLOCK_TEXT_SIZE];

		buffer_append_time(&buffer, cases[i].seconds * NS_PER_S + 123999999);
		CHECK_SLICE(buffer_slice(&buffer), cases[i].text);
		CHECK_INT(clock_format(cases[i].seconds * NS_PER_S, text), 24);
		CHECK_INT(strlen(text), 24);
	}
}

static void test_printf(void)
{
	_cleanup_(buffer_fini) struct buffer buffer = { 0 };

	buffer_printf(&buffer, "%s=%d", "a", 1);
	buffer_printf(&buffer, "&%0500d", 2);
	CHECK_INT(buffer.len, 504);
	CHECK(slice_starts(buffer_slice(&buffer), SLICE("a=1&000")));
	CHECK(buffer.data[503] == '2');
}

int main(void)
{
	test_run("growth", test_growth);
	test_run("failure_sticks_until_cleared", test_failure_sticks_until_cleared);
	test_run("numbers", test_numbers);
	test_run("usd", test_usd);
	test_run("json", test_json);
	test_run("json_of_all_bytes", test_json_of_all_bytes);
	test_run("time", test_time);
	test_run("printf", test_printf);
	return 0;
}
