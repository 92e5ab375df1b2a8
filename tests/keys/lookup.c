/* SPDX-License-Identifier: Apache-2.0 */
/* `keys-lookup LIKENESS COUNT` looks up that many texts that are no keys, in a table of many keys:
 * `last` are keys but for their last byte, `bit` but for one bit of any byte, `none` have no byte
 * of a key in its place. Who counts the instructions of keys_find() sees what likeness costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/keys.h"

enum {
	KEYS = 1000,
};

static char texts[KEYS][KEYS_TEXT_SIZE];
static struct keys_entry entries[KEYS];

static void change_last(char *text, size_t len, unsigned turn)
{
	text[len - 1] ^= (char)(1 + turn / KEYS);
}

static void change_bit(char *text, size_t len, unsigned turn)
{
	text[turn % len] ^= (char)(1u << turn / len % 7);
}

static void change_all(char *text, size_t len, unsigned turn)
{
	for (size_t i = 0; i < len; i++)
		text[i] ^= (char)(1 + turn / KEYS);
}

static const struct {
	const char *name;
	void (*change)(char *text, size_t len, unsigned turn);
} likenesses[] = {
	{ "last", change_last },
	{ "bit", change_bit },
	{ "none", change_all },
};

static void look_up(const struct keys_table *table, size_t likeness, unsigned count)
{
	const struct keys_entry *found;

	for (unsigned i = 0; i < count; i++) {
		char text[KEYS_TEXT_SIZE];
		struct slice presented = { text, KEYS_TEXT_SIZE - 1 };

		memcpy(text, texts[i % KEYS], sizeof(text));
		likenesses[likeness].change(text, presented.len, i);
		if (keys_find(table, presented, 0, &found) != KEYS_UNKNOWN)
			abort();
	}
}

int main(int argc, char **argv)
{
	struct keys_table *table;
	struct error error = { 0 };

	if (argc != 3)
		return 2;
	for (size_t i = 0; i < KEYS; i++) {
		entries[i].name = texts[i];
		keys_generate(texts[i], (uint8_t *)entries[i].sha256);
	}
	if (keys_table_new(entries, KEYS, &table, &error) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(likenesses) / sizeof(likenesses[0]); i++) {
		if (strcmp(argv[1], likenesses[i].name) == 0) {
			look_up(table, i, (unsigned)strtoul(argv[2], NULL, 10));
			keys_table_free(table);
			return 0;
		}
	}
	return 2;
}
