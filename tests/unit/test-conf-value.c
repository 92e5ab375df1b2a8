/* SPDX-License-Identifier: Apache-2.0 */
/* Single values: money to the femto-dollar, addresses, names. */
#include "base/cleanup.h"
#include "conf/value.h"
#include "test.h"

static void test_money(void)
{
	static const struct {
		const char *text;
		int64_t femto;
	} good[] = {
		{ "0", 0 },
		{ "0.15", 150000000 },
		{ "0.075", 75000000 },
		{ "0.60", 600000000 },
		{ "15", 15000000000 },
		{ "0.000000001", 1 },
		{ "0.123456789", 123456789 },
		{ "007.5", 7500000000 },
		{ "9223372036.854775807", INT64_MAX },
	};
	static const char *const bad[] = {
		"",    ".5",    "5.",  "-1",   "+1",   "1e3",        "1,5", "0.1234567891",
		"$1",  "1.2.3", "abc", " 1",   "1 ",   "0x1",        ".",   "9223372036.854775808",
		"nan", "inf",   "1_0", "0.-1", "1.5e", "99999999999"
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int64_t femto = -7;
		CHECK(!value_parse_money(slice_of(good[i].text), &femto));
		CHECK_INT(femto, good[i].femto);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int64_t femto = -7;
		if (!value_parse_money(slice_of(bad[i]), &femto))
			test_fail(__FILE__, __LINE__, "\"%s\" was accepted", bad[i]);
		CHECK_INT(femto, -7);
	}
}

static void check_all(const char *(*check)(struct slice text), const char *const *texts, bool good)
{
	for (; *texts; texts++) {
		if (!check(slice_of(*texts)) != good)
			test_fail(__FILE__, __LINE__, "\"%s\" was %s", *texts,
				  good ? "refused" : "accepted");
	}
}

static void test_urls(void)
{
	static const char *const good[] = { "http://127.0.0.1:9001/v1",
					    "https://api.openai.com/v1/",
					    "https://h",
					    "http://[::1]:80/x",
					    "http://[fe80::1]",
					    "http://a_b.c-d:65535",
					    NULL };
	static const char *const bad[] = { "",
					   "h",
					   "ftp://h",
					   "http://",
					   "http:///x",
					   "http://h:65536",
					   "http://h:",
					   "http://h:x",
					   "http://u:p@h/",
					   "http://h/?q",
					   "http://h/#f",
					   "http://h /",
					   "http://[::1",
					   "http://[x]",
					   "http://[::1]x",
					   "HTTP://h",
					   "http://h\n",
					   NULL };

	check_all(value_check_url, good, true);
	check_all(value_check_url, bad, false);
}

static void test_listen(void)
{
	static const char *const good[] = { "127.0.0.1:8080", "0.0.0.0:0", "[::]:1", "[::1]:8080",
					    NULL };
	static const char *const bad[] = {
		"",        "8080",   ":8080", "127.0.0.1",      "127.0.0.1:", "127.0.0.1:65536",
		"1.2.3:1", "::1:80", "[::1]", "example.com:80", "a b:1",      "localhost:1",
		NULL
	};

	check_all(value_check_listen, good, true);
	check_all(value_check_listen, bad, false);
}

static void test_listen_overlap(void)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} pairs[] = {
		{ "127.0.0.1:80", "127.0.0.1:80", true },
		{ "127.0.0.1:80", "127.0.0.1:81", false },
		{ "127.0.0.1:80", "127.0.0.2:80", false },
		{ "127.0.0.1:80", "0.0.0.0:80", true },
		{ "127.0.0.1:80", "127.0.0.1:080", true },
		{ "0.0.0.0:0", "0.0.0.0:0", false },
		{ "[::1]:80", "[0::1]:80", true },
		{ "[::]:80", "[::1]:80", true },
		{ "[::]:80", "0.0.0.0:80", false },
		{ "[::1]:80", "[::2]:80", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct slice a = slice_of(pairs[i].a), b = slice_of(pairs[i].b);
		CHECK_INT(value_listen_overlap(a, b), pairs[i].overlap);
		CHECK_INT(value_listen_overlap(b, a), pairs[i].overlap);
	}
}

static void test_names(void)
{
	char longest[VALUE_NAME_MAX + 2];
	const char *const good[] = { "a", "Qwen/Qwen3-32B", "\xc3\xa4 b", "..", longest + 1, NULL };
	const char *const bad[] = { "", " a", "a ", "a\tb", "a\x7f", longest, NULL };
	static const char *const features[] = { "-", "chat", "A.b_c-9", NULL };
	static const char *const no_features[] = {
		"",
		"a b",
		"a/b",
		"\xc3\xa4",
		"12345678901234567890123456789012345678901234567890123456789012345",
		NULL
	};

	memset(longest, 'x', sizeof(longest));
	longest[VALUE_NAME_MAX + 1] = '\0';
	check_all(value_check_name, good, true);
	check_all(value_check_name, bad, false);
	check_all(value_check_feature, features, true);
	check_all(value_check_feature, no_features, false);
}

int main(void)
{
	test_run("money", test_money);
	test_run("urls", test_urls);
	test_run("listen", test_listen);
	test_run("listen_overlap", test_listen_overlap);
	test_run("names", test_names);
	return 0;
}
