/* SPDX-License-Identifier: Apache-2.0 */
/* The strict scanner. It never recurses: open containers are bits of a small stack. Reading
 * functions use the same scanner, so that they stay inside their span even where a caller forgot to
 * check it first. */
#include "base/json.h"

#include <errno.h>

#include "base/hash.h"
#include "base/json-scan.h"
#include "base/utf8.h"

/* Which of the open containers are objects; the innermost is `depth - 1`. */
struct nesting {
	uint64_t objects[JSON_DEPTH_MAX / 64];
	size_t depth, max;
};

static bool in_object(const struct nesting *nesting)
{
	size_t top = nesting->depth - 1;

	return nesting->objects[top / 64] >> (top % 64) & 1;
}

/* 1: the container is empty and closed; 0: at its first value. */
static int open_container(struct json_scan *scan, struct nesting *nesting)
{
	bool object = *scan->at == '{';
	uint64_t bit = UINT64_C(1) << (nesting->depth % 64);
	uint64_t *word = &nesting->objects[nesting->depth / 64];
	struct slice key;

	if (nesting->depth == nesting->max)
		return json_scan_fail_at(scan, scan->at, -E2BIG, "nested too deeply");
	*word = object ? *word | bit : *word & ~bit;
	nesting->depth++;
	scan->at++;
	json_scan_space(scan);
	if (json_scan_at(scan, object ? '}' : ']')) {
		scan->at++;
		nesting->depth--;
		return 1;
	}
	return object ? json_scan_key(scan, &key) : 0;
}

/* Behind a value: 1 when every container is closed, 0 at the next value. */
static int close_or_go_on(struct json_scan *scan, struct nesting *nesting)
{
	struct slice key;

	while (nesting->depth > 0) {
		bool object = in_object(nesting);

		json_scan_space(scan);
		if (json_scan_at(scan, ',')) {
			scan->at++;
			json_scan_space(scan);
			return object ? json_scan_key(scan, &key) : 0;
		}
		if (!json_scan_at(scan, object ? '}' : ']'))
			return json_scan_expected(scan, object ? "a comma or a closing brace"
							       : "a comma or a closing bracket");
		scan->at++;
		nesting->depth--;
	}
	return 1;
}

/* One value, no deeper than `depth_max`; `scan` moves behind it. */
static int scan_value(struct json_scan *scan, size_t depth_max)
{
	struct nesting nesting = { .max = depth_max };
	int r;

	do {
		if (json_scan_at(scan, '{') || json_scan_at(scan, '[')) {
			r = open_container(scan, &nesting);
			if (r == 0)
				continue;
		} else {
			r = json_scan_scalar(scan);
		}
		if (r < 0)
			return r;
		r = close_or_go_on(scan, &nesting);
	} while (r == 0);
	return r < 0 ? r : 0;
}

static int scan_member(struct json_scan *scan, bool object, size_t depth_max,
		       struct json_member *ret)
{
	struct json_member member = { .key = { scan->at, 0 } };
	const char *start;
	int r = object ? json_scan_key(scan, &member.key) : 0;

	if (r < 0)
		return r;
	start = scan->at;
	r = scan_value(scan, depth_max);
	if (r < 0)
		return r;
	member.value = slice_span(start, scan->at);
	member.type = json_scan_type(*start);
	*ret = member;
	return 0;
}

/* Of texts that may be escaped: mostly the first bytes that differ tell. */
static bool keys_equal(struct slice a, struct slice b)
{
	int32_t left, right;

	while (a.len > 0 && b.len > 0 && *a.ptr == *b.ptr && *a.ptr != '\\' &&
	       (unsigned char)*a.ptr < 0x80) {
		a = slice_skip(a, 1);
		b = slice_skip(b, 1);
	}
	if (a.len > 0 && b.len > 0 && *a.ptr != *b.ptr && *a.ptr != '\\' && *b.ptr != '\\')
		return false;
	do {
		left = json_next_point(&a);
		right = json_next_point(&b);
		if (left != right)
			return false;
	} while (left >= 0);
	return true;
}

/* A hash of a key's text, whether escaped or not, eight bytes at a time. Seeded per process: a
 * client that could choose colliding keys would make us compare all pairs of long keys. */
struct key_hash {
	uint64_t seed, state, word;
	unsigned filled; /* bytes of `word` */
};

static void hash_word(struct key_hash *hash, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)(hash->state ^ word) * hash->seed;

	hash->state = (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void hash_bytes(struct key_hash *hash, const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		hash->word = hash->word << 8 | (unsigned char)at[i];
		if (++hash->filled % sizeof(hash->word) == 0)
			hash_word(hash, hash->word);
	}
}

static uint64_t key_hash(struct slice key, uint64_t seed)
{
	struct key_hash hash = { .seed = seed, .state = seed };

	for (int32_t point; key.len > 0;) {
		char bytes[UTF8_MAX];
		const char *stop = memchr(key.ptr, '\\', key.len);
		size_t plain = stop ? (size_t)(stop - key.ptr) : key.len;

		hash_bytes(&hash, key.ptr, plain);
		key = slice_skip(key, plain);
		point = json_next_point(&key);
		if (point >= 0)
			hash_bytes(&hash, bytes, utf8_encode((uint32_t)point, bytes));
	}
	hash_word(&hash, hash.word);
	hash_word(&hash, hash.filled);
	return hash.state;
}

enum {
	KEYS_FEW = 8, /* so many are compared in less time than hashed */
};

struct key_set {
	uint64_t seed; /* 0 while there are no more than a few: those have no hashes yet */
	uint64_t hashes[JSON_MEMBERS_MAX];
};

/* Whether members[count] bears a key of those before it, each of which was asked about. */
static bool key_repeated(struct key_set *set, const struct json_member *members, size_t count)
{
	if (count == KEYS_FEW)
		set->seed = hash_fast(SLICE("json")) | 1;
	for (size_t i = count == KEYS_FEW ? 0 : count; set->seed && i <= count; i++)
		set->hashes[i] = key_hash(members[i].key, set->seed);
	for (size_t i = 0; i < count; i++) {
		if ((!set->seed || set->hashes[i] == set->hashes[count]) &&
		    keys_equal(members[i].key, members[count].key))
			return true;
	}
	return false;
}

/* Members of the object whose brace was just passed; returns their count. */
static int scan_members(struct json_scan *scan, struct json_member *members, size_t max)
{
	struct key_set set;
	size_t count = 0;
	int r;

	set.seed = 0;
	json_scan_space(scan);
	if (json_scan_at(scan, '}')) {
		scan->at++;
		return 0;
	}
	for (;;) {
		const char *start = scan->at;

		if (count == max)
			return json_scan_fail_at(scan, start, -E2BIG, "too many members");
		r = scan_member(scan, true, JSON_DEPTH_MAX - 1, &members[count]);
		if (r < 0)
			return r;
		if (key_repeated(&set, members, count))
			return json_scan_fail_at(scan, start, -EINVAL,
						 "a key of the object repeated");
		count++;
		json_scan_space(scan);
		if (json_scan_at(scan, '}'))
			break;
		if (!json_scan_at(scan, ','))
			return json_scan_expected(scan, "a comma or a closing brace");
		scan->at++;
		json_scan_space(scan);
	}
	scan->at++;
	return (int)count;
}

int json_scan_object(struct slice text, struct json_member *members, size_t max,
		     struct error *error)
{
	struct json_scan scan = { text.ptr, text.ptr, text.ptr + text.len, error };
	int count;

	json_scan_space(&scan);
	if (!json_scan_at(&scan, '{'))
		return json_scan_expected(&scan, "an object");
	scan.at++;
	count = scan_members(&scan, members, max < JSON_MEMBERS_MAX ? max : JSON_MEMBERS_MAX);
	if (count < 0)
		return count;
	json_scan_space(&scan);
	if (scan.at < scan.end)
		return json_scan_fail_at(&scan, scan.at, -EINVAL, "text behind the object");
	return count;
}

static struct slice trim_space(struct slice text)
{
	struct json_scan scan = { text.ptr, text.ptr, text.ptr + text.len, NULL };

	json_scan_space(&scan);
	while (scan.end > scan.at && memchr(" \n\t\r", scan.end[-1], 4))
		scan.end--;
	return slice_span(scan.at, scan.end);
}

/* Between calls `at` begins with the comma or the closing bracket behind the element before, and
 * always ends with the closing bracket, which tells arrays and objects apart. */
int json_next(struct slice *at, struct json_member *ret)
{
	struct slice rest = trim_space(*at);
	struct json_scan scan = { rest.ptr, rest.ptr, rest.ptr + rest.len, NULL };
	bool object;
	int r;

	*at = rest;
	if (rest.len < 2 || !memchr("{[,", *scan.at, 3) || !memchr("}]", scan.end[-1], 2))
		return 0;
	object = scan.end[-1] == '}';
	scan.at++;
	scan.end--;
	json_scan_space(&scan);
	r = scan.at < scan.end ? scan_member(&scan, object, JSON_DEPTH_MAX, ret) : -ENOENT;
	json_scan_space(&scan);
	*at = slice_span(scan.at, scan.end + 1);
	if (r < 0)
		*at = (struct slice){ scan.end, 0 };
	return r == 0;
}

/* The key sought is plain text, the keys of an object are escaped. */
static bool key_is(struct slice key, struct slice sought)
{
	for (;;) {
		int32_t point = json_next_point(&key);
		uint32_t wanted = 0;
		size_t taken = utf8_decode(sought.ptr, sought.len, &wanted);

		if (point < 0)
			return sought.len == 0;
		if (taken == 0 || (uint32_t)point != wanted)
			return false;
		sought = slice_skip(sought, taken);
	}
}

bool json_find(struct slice object, const char *key, struct json_member *ret)
{
	struct json_member member;
	bool found = false;

	while (json_next(&object, &member)) {
		if (!key_is(member.key, slice_of(key)))
			continue;
		*ret = member;
		found = true;
	}
	return found;
}

int json_to_text(struct slice string, char *out, size_t size)
{
	struct slice text = { string.ptr, 0 };
	size_t len = 0;

	if (string.len >= 2)
		text = slice_span(string.ptr + 1, string.ptr + string.len - 1);
	for (int32_t point = json_next_point(&text); point >= 0; point = json_next_point(&text)) {
		char bytes[UTF8_MAX];
		size_t count = utf8_encode((uint32_t)point, bytes);

		if (len >= size || size - len <= count)
			return -ENOBUFS;
		memcpy(out + len, bytes, count);
		len += count;
	}
	if (len >= size)
		return -ENOBUFS;
	out[len] = '\0';
	return (int)len;
}
