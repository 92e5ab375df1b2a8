/* SPDX-License-Identifier: Apache-2.0 */
/* Whom X-Forwarded-For names, from the right, past what is trusted, and never past what is not. */
#include "base/cleanup.h"
#include "gateway/forwarded.h"
#include "test.h"

static struct network trusted[3];

static void check(const char *first, const char *second, const char *expected)
{
	struct http_header headers[] = {
		{ SLICE("X-Forwarded-For"), slice_of(first) },
		{ SLICE("Forwarded"), SLICE("for=192.0.2.99") },
		{ SLICE("x-forwarded-for"), second ? slice_of(second) : SLICE("") },
	};
	struct http_request request = { .headers = headers, .header_count = second ? 3 : 2 };
	struct network_address client;
	char text[NETWORK_TEXT_SIZE];

	CHECK_INT(network_parse_address(SLICE("10.0.0.1"), &client), 0);
	forwarded_walk(trusted, ARRAY_SIZE(trusted), &request, &client);
	network_address_text(&client, text);
	if (strcmp(text, expected) != 0)
		test_fail(__FILE__, __LINE__, "\"%s\", \"%s\": %s, not %s", first,
			  second ? second : "none", text, expected);
}

int main(void)
{
	CHECK_INT(network_parse(SLICE("10.0.0.0/8"), &trusted[0]), 0);
	CHECK_INT(network_parse(SLICE("fd00::/8"), &trusted[1]), 0);
	CHECK_INT(network_parse(SLICE("192.0.2.7"), &trusted[2]), 0);

	check("203.0.113.7", NULL, "203.0.113.7");
	check("2001:db8::7", NULL, "2001:db8::7");
	/* what a client invents stands to the left */
	check("198.51.100.1, 203.0.113.7", NULL, "203.0.113.7");
	check("198.51.100.1,203.0.113.7 ,\t10.1.1.1,fd00::3 , 192.0.2.7", NULL, "203.0.113.7");
	check("10.9.9.9, 203.0.113.7", NULL, "203.0.113.7");
	check("203.0.113.7, ::ffff:10.0.0.9", NULL, "203.0.113.7");
	check("::ffff:203.0.113.7", NULL, "203.0.113.7");
	/* a field in two lines is one list */
	check("203.0.113.7", "10.1.1.1", "203.0.113.7");
	check("198.51.100.1", "203.0.113.7", "203.0.113.7");
	/* nobody but balancers */
	check("10.2.2.2, 10.3.3.3", "fd00::4", "10.0.0.1");
	/* what is no address ends it */
	check("203.0.113.7, unknown", NULL, "10.0.0.1");
	check("203.0.113.7, 10.1.1.1:443", NULL, "10.0.0.1");
	check("203.0.113.7, [fd00::1]", NULL, "10.0.0.1");
	check("203.0.113.7,", NULL, "10.0.0.1");
	check("203.0.113.7", "", "10.0.0.1");
	check("203.0.113.7", ", 10.1.1.1", "10.0.0.1");
	check("203.0.113.7 198.51.100.1", NULL, "10.0.0.1");
	check("", NULL, "10.0.0.1");
	return 0;
}
