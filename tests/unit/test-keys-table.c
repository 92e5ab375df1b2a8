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

enum {
	NOW_S = 1000,
};

/* The key of a text that may be used now. */
static const struct keys_entry *find(const struct keys_table *table, struct slice presented)
{
	const struct keys_entry *found;

	return keys_find(table, presented, NOW_S, &found) == KEYS_GOOD ? found : NULL;
}

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
		const struct keys_entry *found = find(table, slice_of(texts[i]));

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
		CHECK(!find(table, slice_of(samples[i])));
	CHECK(!find(table, (struct slice){ NULL, 0 }));
	for (int i = 0; i < KEYS_TEXT_SIZE - 1; i++) {
		snprintf(text, sizeof(text), "%s", texts[1]);
		CHECK(!find(table, (struct slice){ text, (size_t)i }));
		text[i] ^= 1;
		CHECK(!find(table, slice_of(text)));
	}
	snprintf(text, sizeof(text), "%s ", texts[1]);
	CHECK(!find(table, slice_of(text)));
	for (int i = 0; i < HOSTILE; i++) {
		uint16_t len;

		random_bytes(text, sizeof(text));
		memcpy(&len, text, sizeof(len));
		CHECK(!find(table, (struct slice){ text, len % sizeof(text) }));
	}
	CHECK(find(table, slice_of(texts[1])));
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
	CHECK(!find(table, slice_of(texts[0])));
	keys_table_free(table);
}

/* Each before its end, from it on, and with the text that it had before. */
static void test_times(void)
{
	struct keys_entry *key = &entries[1];
	const struct keys_entry *found;
	struct keys_table *table;

	make_keys();
	memcpy(key->previous_sha256, entries[2].sha256, sizeof(key->previous_sha256));
	key->previous_until_s = 500;
	key->expires_s = 900;
	CHECK_INT(keys_table_new(entries, 2, &table, NULL), 0);
	CHECK_INT(keys_find(table, slice_of(texts[1]), 899, &found), KEYS_GOOD);
	CHECK(found == key);
	CHECK_INT(keys_find(table, slice_of(texts[1]), 900, &found), KEYS_EXPIRED);
	CHECK(found == key);
	CHECK_INT(keys_find(table, slice_of(texts[2]), 499, &found), KEYS_GOOD);
	CHECK(found == key);
	CHECK_INT(keys_find(table, slice_of(texts[2]), 500, &found), KEYS_ROTATED);
	CHECK_INT(keys_find(table, slice_of(texts[2]), 900, &found), KEYS_EXPIRED);
	CHECK_INT(keys_find(table, slice_of(texts[3]), 0, &found), KEYS_UNKNOWN);
	CHECK(!found);
	CHECK_INT(keys_find(table, slice_of(texts[0]), 0, &found), KEYS_DISABLED);
	CHECK(found == &entries[0]);
	keys_table_free(table);
	key->previous_until_s = key->expires_s = 0;
	memset(key->previous_sha256, 0, sizeof(key->previous_sha256));
}

/* The text before is a text: of no other key, and found among many. */
static void test_previous(void)
{
	struct keys_table *table = NULL;
	struct error error = { 0 };

	make_keys();
	for (int i = 0; i < KEYS / 2; i++) {
		memcpy(entries[i].previous_sha256, entries[i + KEYS / 2].sha256, SHA256_BYTES);
		entries[i].previous_until_s = NOW_S + 1;
	}
	CHECK_INT(keys_table_new(entries, KEYS / 2 + 1, &table, &error), -EEXIST);
	CHECK(!table);
	CHECK_INT(keys_table_new(entries, KEYS / 2, &table, &error), 0);
	for (int i = 0; i < KEYS / 2; i++) {
		const struct keys_entry *wanted = entries[i].disabled ? NULL : &entries[i];
		CHECK(find(table, slice_of(texts[i])) == wanted);
		CHECK(find(table, slice_of(texts[i + KEYS / 2])) == wanted);
		memset(entries[i].previous_sha256, 0, SHA256_BYTES);
	}
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
	CHECK(!find(table, SLICE("URI:spiffe://t/a")));
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
	test_run("ends", test_times);
	test_run("texts before", test_previous);
	test_run("identities", test_identity);
	test_run("fingerprint", test_fingerprint);
	return 0;
}
