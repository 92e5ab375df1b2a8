/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual keys by hash. What was presented is hashed first, and what decides is compared in
 * constant time. The place in the table is by a hash of that hash under a seed of this process, so
 * that how long a search takes tells nothing of a key that holds longer than the process. */
#include "keys/keys.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/map.h"

struct slot {
	const struct keys_entry *key; /* the caller's; NULL: free */
	const uint8_t *sha256;        /* of its texts, the one that is found here */
};

struct keys_table {
	struct map identities; /* → keys_entry of the caller's */
	size_t cap;            /* power of two, at least twice the texts */
	struct slot slots[];
};

CLEANUP_DEFINE(struct keys_table, keys_table_free);

static size_t place_of(const struct keys_table *table, const uint8_t sha256[static SHA256_BYTES])
{
	return hash_fast((struct slice){ (const char *)sha256, SHA256_BYTES }) & (table->cap - 1);
}

/* The slot of that hash, or the free one where it would be. */
static struct slot *find_slot(const struct keys_table *table,
			      const uint8_t sha256[static SHA256_BYTES])
{
	size_t at = place_of(table, sha256);

	while (table->slots[at].key && !hash_equal(table->slots[at].sha256, sha256, SHA256_BYTES))
		at = (at + 1) & (table->cap - 1);
	return (struct slot *)&table->slots[at];
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

static int insert_text(struct keys_table *table, const struct keys_entry *entry,
		       const uint8_t sha256[static SHA256_BYTES], struct error *error)
{
	static const uint8_t none[SHA256_BYTES];
	struct slot *slot = find_slot(table, sha256);

	if (memcmp(sha256, none, sizeof(none)) == 0)
		return 0;
	if (slot->key)
		return error_set(error, -EEXIST, "keys %s and %s are the same key", slot->key->name,
				 entry->name);
	*slot = (struct slot){ entry, sha256 };
	return 0;
}

int keys_table_new(const struct keys_entry *entries, size_t count, struct keys_table **ret,
		   struct error *error)
{
	_cleanup_(cleanup_keys_table_free) struct keys_table *table = NULL;
	size_t cap = 16;

	while (cap < count * 4) /* each has two texts at most */
		cap *= 2;
	table = calloc(1, sizeof(*table) + cap * sizeof(table->slots[0]));
	if (!table)
		return error_set(error, -ENOMEM, "out of memory");
	table->cap = cap;
	for (size_t i = 0; i < count; i++) {
		int r = insert_text(table, &entries[i], entries[i].sha256, error);

		if (r >= 0)
			r = insert_text(table, &entries[i], entries[i].previous_sha256, error);
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

enum keys_verdict keys_judge(const struct keys_entry *key, int64_t now_s)
{
	if (key->disabled)
		return KEYS_DISABLED;
	return key->expires_s != 0 && now_s >= key->expires_s ? KEYS_EXPIRED : KEYS_GOOD;
}

enum keys_verdict keys_find(const struct keys_table *table, struct slice presented, int64_t now_s,
			    const struct keys_entry **ret)
{
	uint8_t sha256[SHA256_BYTES];
	const struct slot *slot;
	enum keys_verdict verdict;

	hash_sha256(presented, sha256);
	slot = find_slot(table, sha256);
	*ret = slot->key;
	if (!slot->key)
		return KEYS_UNKNOWN;
	verdict = keys_judge(slot->key, now_s);
	if (verdict == KEYS_GOOD && slot->sha256 == slot->key->previous_sha256 &&
	    now_s >= slot->key->previous_until_s)
		return KEYS_ROTATED;
	return verdict;
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
