/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual keys by hash. The hash of what was presented picks the place in the table; SHA-256 is not
 * to be steered, so where a search ends tells nothing about a key, and what decides is compared in
 * constant time. */
#include "keys/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/map.h"

struct keys_table {
	struct map identities;     /* → keys_entry of the caller's */
	size_t cap;                /* power of two, at least twice the keys */
	struct keys_entry slots[]; /* name NULL: free */
};

CLEANUP_DEFINE(struct keys_table, keys_table_free);

static size_t place_of(const struct keys_table *table, const uint8_t sha256[static SHA256_BYTES])
{
	uint64_t first;

	memcpy(&first, sha256, sizeof(first));
	return first & (table->cap - 1);
}

static int insert_identity(struct keys_table *table, const struct keys_entry *entry,
			   struct error *error)
{
	void *before = NULL;

	if (!entry->identity)
		return 0;
	if (map_put(&table->identities, slice_of(entry->identity), (void *)entry, &before) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (before)
		return error_set(error, -EEXIST, "keys %s and %s have the same identity",
				 ((const struct keys_entry *)before)->name, entry->name);
	return 0;
}

static int insert(struct keys_table *table, const struct keys_entry *entry, struct error *error)
{
	static const uint8_t none[SHA256_BYTES];
	size_t at = place_of(table, entry->sha256);

	if (memcmp(entry->sha256, none, sizeof(none)) == 0)
		return 0;
	for (; table->slots[at].name; at = (at + 1) & (table->cap - 1))
		if (hash_equal(table->slots[at].sha256, entry->sha256, SHA256_BYTES))
			return error_set(error, -EEXIST, "keys %s and %s are the same key",
					 table->slots[at].name, entry->name);
	table->slots[at] = *entry;
	return 0;
}

int keys_table_new(const struct keys_entry *entries, size_t count, struct keys_table **ret,
		   struct error *error)
{
	_cleanup_(cleanup_keys_table_free) struct keys_table *table = NULL;
	size_t cap = 16;

	while (cap < count * 2)
		cap *= 2;
	table = calloc(1, sizeof(*table) + cap * sizeof(table->slots[0]));
	if (!table)
		return error_set(error, -ENOMEM, "out of memory");
	table->cap = cap;
	for (size_t i = 0; i < count; i++) {
		int r = insert(table, &entries[i], error);

		if (r >= 0)
			r = insert_identity(table, &entries[i], error);
		if (r < 0)
			return r;
	}
	*ret = steal(table);
	return 0;
}

struct keys_table *keys_table_free(struct keys_table *table)
{
	if (table)
		map_fini(&table->identities);
	free(table);
	return NULL;
}

const struct keys_entry *keys_find(const struct keys_table *table, struct slice presented)
{
	uint8_t sha256[SHA256_BYTES];

	hash_sha256(presented, sha256);
	for (size_t at = place_of(table, sha256); table->slots[at].name;
	     at = (at + 1) & (table->cap - 1))
		if (hash_equal(table->slots[at].sha256, sha256, sizeof(sha256)))
			return table->slots[at].disabled ? NULL : &table->slots[at];
	return NULL;
}

const struct keys_entry *keys_find_identity(const struct keys_table *table, struct slice identity)
{
	return map_get(&table->identities, identity);
}

void keys_generate(char text[static KEYS_TEXT_SIZE], uint8_t sha256[static SHA256_BYTES])
{
	memcpy(text, "tg-", 3);
	random_text(text + 3, KEYS_TEXT_SIZE - 4);
	hash_sha256((struct slice){ text, KEYS_TEXT_SIZE - 1 }, sha256);
}

void keys_fingerprint(struct slice presented, char out[static 9])
{
	uint8_t sha256[SHA256_BYTES];

	hash_sha256(presented, sha256);
	hash_hex(sha256, 4, out);
}
