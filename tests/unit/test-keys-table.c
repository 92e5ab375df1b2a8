/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual keys: found by their text alone, refused when disabled or unknown, whatever a client
 * sends. */
#include "keys/keys.h"

#include <errno.h>

#include "base/hash.h"
#include "test.h"

enum {
	KEYS = 5000,
	HOSTILE = 100000,
};

static char texts[KEYS][KEYS_TEXT_SIZE];
static char names[KEYS][16];
static struct keys_entry entries[KEYS];

static void make_keys(void)
{
	for (int i = 0; i < KEYS; i++) {
		keys_generate(texts[i], entries[i].sha256);
		snprintf(names[i], sizeof(names[i]), "key-%d", i);
		entries[i].name = names[i];
		entries[i].tenant = "acme";
		entries[i].feature = "";
		entries[i].disabled = i % 10 == 0;
	}
}

static void test_find(void)
{
	struct keys_table *table;

	make_keys();
	CHECK_INT(keys_table_new(entries, KEYS, &table, NULL), 0);
	for (int i = 0; i < KEYS; i++) {
		const struct keys_entry *found = keys_find(table, slice_of(texts[i]));

		if (entries[i].disabled) {
			CHECK(!found);
			continue;
		}
		CHECK(found);
		CHECK_STR(found->name, names[i]);
		CHECK_STR(found->tenant, "acme");
	}
	CHECK(keys_table_free(table) == NULL);
}

static void test_generated(void)
{
	uint8_t sha256[SHA256_BYTES];

	make_keys();
	for (int i = 0; i < KEYS; i++) {
		CHECK_INT(strlen(texts[i]), 46);
		CHECK(strncmp(texts[i], "tg-", 3) == 0);
		CHECK_INT(strspn(texts[i] + 3,
				 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
			  43);
		hash_sha256(slice_of(texts[i]), sha256);
		CHECK(memcmp(sha256, entries[i].sha256, sizeof(sha256)) == 0);
		CHECK(i == 0 || strcmp(texts[i], texts[i - 1]) != 0);
	}
}

/* Every neighbour of a right key, and noise of any length and byte. */
static void test_hostile(void)
{
	static const char *const samples[] = {
		"",
		" ",
		"' OR '1'='1",
		"tg-",
		"\"; DROP TABLE key; --",
		"%s%n",
		"../../etc/passwd",
		"null",
	};
	struct keys_table *table;
	char text[400];

	make_keys();
	CHECK_INT(keys_table_new(entries, KEYS, &table, NULL), 0);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		CHECK(!keys_find(table, slice_of(samples[i])));
	CHECK(!keys_find(table, (struct slice){ NULL, 0 }));
	for (int i = 0; i < KEYS_TEXT_SIZE - 1; i++) {
		snprintf(text, sizeof(text), "%s", texts[1]);
		CHECK(!keys_find(table, (struct slice){ text, (size_t)i }));
		text[i] ^= 1;
		CHECK(!keys_find(table, slice_of(text)));
	}
	snprintf(text, sizeof(text), "%s ", texts[1]);
	CHECK(!keys_find(table, slice_of(text)));
	for (int i = 0; i < HOSTILE; i++) {
		uint16_t len;

		random_bytes(text, sizeof(text));
		memcpy(&len, text, sizeof(len));
		CHECK(!keys_find(table, (struct slice){ text, len % sizeof(text) }));
	}
	CHECK(keys_find(table, slice_of(texts[1])));
	keys_table_free(table);
}

static void test_same_key(void)
{
	struct keys_table *table = NULL;
	struct error error = { 0 };
	struct keys_entry two[2];

	make_keys();
	two[0] = entries[1];
	two[1] = entries[2];
	memcpy(two[1].sha256, two[0].sha256, sizeof(two[0].sha256));
	CHECK_INT(keys_table_new(two, 2, &table, &error), -EEXIST);
	CHECK(!table);
	CHECK(strstr(error.message, "key-1") && strstr(error.message, "key-2"));
	CHECK_INT(keys_table_new(NULL, 0, &table, &error), 0);
	CHECK(!keys_find(table, slice_of(texts[0])));
	keys_table_free(table);
}

/* Keys whose places in the table are one and the same. */
static void test_collisions(void)
{
	struct keys_table *table;

	make_keys();
	for (int i = 0; i < 20; i++)
		memset(entries[i].sha256, 0, 8);
	CHECK_INT(keys_table_new(entries, 40, &table, NULL), 0);
	for (int i = 21; i < 40; i++)
		CHECK(entries[i].disabled || keys_find(table, slice_of(texts[i])) != NULL);
	CHECK(!keys_find(table, slice_of(texts[1]))); /* its hash is another now */
	keys_table_free(table);
}

static const struct keys_entry named[] = {
	{ .name = "a", .tenant = "t", .feature = "-", .identity = "URI:spiffe://t/a" },
	{ .name = "b", .tenant = "t", .feature = "-", .identity = "CN:b", .disabled = true },
	{ .name = "c", .tenant = "t", .feature = "-", .identity = "CN:b" },
};

static void test_identity(void)
{
	struct keys_table *table;
	struct error error = { 0 };

	CHECK_INT(keys_table_new(named, 2, &table, &error), 0);
	CHECK_STR(keys_find_identity(table, SLICE("URI:spiffe://t/a"))->name, "a");
	CHECK(keys_find_identity(table, SLICE("CN:b"))->disabled);
	CHECK(!keys_find_identity(table, SLICE("URI:spiffe://t/A")));
	CHECK(!keys_find_identity(table, SLICE("URI:spiffe://t/")));
	CHECK(!keys_find_identity(table, SLICE("")));
	CHECK(!keys_find(table, SLICE("URI:spiffe://t/a")));
	keys_table_free(table);
	CHECK_INT(keys_table_new(named, 3, &table, &error), -EEXIST);
	CHECK_STR(error.message, "keys b and c have the same identity");
}

static void test_fingerprint(void)
{
	char text[9];

	keys_fingerprint(SLICE("abc"), text);
	CHECK_STR(text, "ba7816bf");
	keys_fingerprint((struct slice){ NULL, 0 }, text);
	CHECK_STR(text, "e3b0c442");
}

int main(void)
{
	test_run("finding", test_find);
	test_run("generated keys", test_generated);
	test_run("hostile keys", test_hostile);
	test_run("the same key twice", test_same_key);
	test_run("collisions", test_collisions);
	test_run("identities", test_identity);
	test_run("fingerprint", test_fingerprint);
	return 0;
}
