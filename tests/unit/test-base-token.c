/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: every byte, beside the characters as RFC 9110 lists them. */
#include "base/token.h"

#include "test.h"

static const char listed[] = "!#$%&'*+-.^_`|~0123456789"
			     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static void test_chars(void)
{
	for (int byte = 0; byte < 256; byte++) {
		bool expected = byte != 0 && strchr(listed, byte);
		char text[] = { 'a', (char)byte, 'b' };

		if (token_is_char((char)byte) != expected)
			test_fail(__FILE__, __LINE__, "byte %d", byte);
		CHECK(token_end(text, text + 3) == text + (expected ? 3 : 1));
		CHECK(token_is((struct slice){ text, 3 }) == expected);
	}
	CHECK(!token_is((struct slice){ NULL, 0 }));
}

int main(void)
{
	test_run("characters", test_chars);
	return 0;
}
