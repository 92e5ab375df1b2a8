/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of bytes: every byte at every place of every length up to two steps and a half, beside the
 * definition byte by byte. Each text has exactly its size in memory, so that a sanitizer sees a
 * step beyond it. */
#include "base/bytes.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "test.h"

enum {
	LENGTH_MAX = 40,
};

static const struct {
	const char *name;
	const char *(*run)(const char *at, const char *end);
	bool (*stops)(uint8_t byte);
	char filler;
} classes[] = {
	{ "quote", bytes_to_quote, bytes_is_quote, 'a' },
	{ "json", bytes_to_json_special, bytes_is_json, ' ' },
	{ "control", bytes_to_control, bytes_is_control, '\t' },
	{ "blank", bytes_to_blank, bytes_is_blank, '\x80' },
	{ "name", bytes_to_name_end, bytes_is_not_name, '!' },
};

static void check_length(size_t class, size_t len)
{
	char *text = malloc(len > 0 ? len : 1);

	CHECK(text != NULL);
	for (size_t place = 0; place < len; place++) {
		for (int byte = 0; byte < 256; byte++) {
			const char *expected = text + len;

			memset(text, classes[class].filler, len);
			text[place] = (char)byte;
			text[len - 1] = place == len - 1 ? (char)byte : '"';
			for (size_t i = len; i > 0; i--)
				if (classes[class].stops((uint8_t)text[i - 1]))
					expected = text + i - 1;
			if (classes[class].run(text, text + len) != expected)
				test_fail(__FILE__, __LINE__, "%s: byte %d at %zu of %zu",
					  classes[class].name, byte, place, len);
		}
	}
	CHECK(classes[class].run(text, text) == text);
	free(text);
}

static void test_runs(void)
{
	for (size_t class = 0; class < ARRAY_SIZE(classes); class ++)
		for (size_t len = 0; len <= LENGTH_MAX; len++)
			check_length(class, len);
}

int main(void)
{
	test_run("runs", test_runs);
	return 0;
}
