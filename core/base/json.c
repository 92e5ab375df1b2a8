/* SPDX-License-Identifier: Apache-2.0 */
/* The strict scanner. It never recurses: open containers are bits of a small stack. Reading
 * functions use the same scanner, so that they stay inside their span even where a caller forgot to
 * check it first. */
#include "base/json.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/utf8.h"

struct scan {
	const char *begin, *at, *end;
	struct error *error;
};

static int fail_at(const struct scan *scan, const char *at, int code, const char *what)
{
	size_t column = (size_t)(at - scan->begin) + 1;

	return error_set_at(scan->error, code, NULL, 0, (uint32_t)column, "%s at byte %zu", what,
			    column);
}

/* What is wrong where the text goes on otherwise, or not at all. */
static int fail_expected(const struct scan *scan, const char *expected)
{
	size_t column = (size_t)(scan->at - scan->begin) + 1;

	return error_set_at(scan->error, -EINVAL, NULL, 0, (uint32_t)column,
			    scan->at == scan->end
				? "the text ends where %s was expected, at byte %zu"
				: "%s was expected at byte %zu",
			    expected, column);
}

static bool at_char(const struct scan *scan, char c)
{
	return scan->at < scan->end && *scan->at == c;
}

static bool at_digit(const struct scan *scan)
{
	return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static void skip_space(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The UTF-16 unit of \uXXXX at `at`, or -1. */
static int32_t unicode_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* The code point of the escape at *at, which moves behind it; -1 if it is none, or half a surrogate
 * pair. */
static int32_t decode_escape(const char **at, const char *end)
{
	static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: letter, meaning */
	int32_t high, low;

	if (end - *at < 2)
		return -1;
	for (const char *pair = letters; *pair; pair += 2) {
		if ((*at)[1] == pair[0]) {
			*at += 2;
			return pair[1];
		}
	}
	high = unicode_unit(*at, end);
	if (high < 0xd800 || high > 0xdfff) {
		*at += high < 0 ? 0 : 6;
		return high;
	}
	low = high < 0xdc00 ? unicode_unit(*at + 6, end) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*at += 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static int scan_string(struct scan *scan)
{
	const char *start = scan->at++;
	uint32_t point;

	for (;;) {
		size_t taken;

		scan->at = bytes_to_json_special(scan->at, scan->end);
		if (scan->at == scan->end)
			return fail_at(scan, start, -EINVAL, "a string without end begins");
		if (*scan->at == '"') {
			scan->at++;
			return 0;
		}
		if (*scan->at == '\\') {
			if (decode_escape(&scan->at, scan->end) < 0)
				return fail_at(scan, scan->at, -EINVAL, "bad escape sequence");
			continue;
		}
		if ((unsigned char)*scan->at < 0x20)
			return fail_at(scan, scan->at, -EINVAL, "unescaped control character");
		do {
			taken = utf8_decode(scan->at, (size_t)(scan->end - scan->at), &point);
			if (taken == 0)
				return fail_at(scan, scan->at, -EINVAL, "invalid UTF-8");
			scan->at += taken;
		} while (scan->at < scan->end && (unsigned char)*scan->at >= 0x80);
	}
}

static int scan_digits(struct scan *scan)
{
	if (!at_digit(scan))
		return fail_expected(scan, "a digit");
	while (at_digit(scan))
		scan->at++;
	return 0;
}

static int scan_number(struct scan *scan)
{
	int r;

	if (at_char(scan, '-'))
		scan->at++;
	if (at_char(scan, '0')) {
		scan->at++;
		if (at_digit(scan))
			return fail_at(scan, scan->at - 1, -EINVAL, "a number with a leading zero");
	} else {
		r = scan_digits(scan);
		if (r < 0)
			return r;
	}
	if (at_char(scan, '.')) {
		scan->at++;
		r = scan_digits(scan);
		if (r < 0)
			return r;
	}
	if (!at_char(scan, 'e') && !at_char(scan, 'E'))
		return 0;
	scan->at++;
	if (at_char(scan, '+') || at_char(scan, '-'))
		scan->at++;
	return scan_digits(scan);
}

static int scan_literal(struct scan *scan, const char *literal)
{
	size_t len = strlen(literal);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, literal, len) != 0)
		return fail_expected(scan, "a value");
	scan->at += len;
	return 0;
}

static int scan_scalar(struct scan *scan)
{
	switch (scan->at < scan->end ? *scan->at : '\0') {
	case '"':
		return scan_string(scan);
	case 't':
		return scan_literal(scan, "true");
	case 'f':
		return scan_literal(scan, "false");
	case 'n':
		return scan_literal(scan, "null");
	case '-':
		return scan_number(scan);
	default:
		return at_digit(scan) ? scan_number(scan) : fail_expected(scan, "a value");
	}
}

/* A key with its colon, up to the value; `ret_key` is without quotes. */
static int scan_key(struct scan *scan, struct slice *ret_key)
{
	const char *start = scan->at;
	int r;

	if (!at_char(scan, '"'))
		return fail_expected(scan, "a key in quotes");
	r = scan_string(scan);
	if (r < 0)
		return r;
	*ret_key = slice_span(start + 1, scan->at - 1);
	skip_space(scan);
	if (!at_char(scan, ':'))
		return fail_expected(scan, "a colon");
	scan->at++;
	skip_space(scan);
	return 0;
}

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
static int open_container(struct scan *scan, struct nesting *nesting)
{
	bool object = *scan->at == '{';
	uint64_t bit = UINT64_C(1) << (nesting->depth % 64);
	uint64_t *word = &nesting->objects[nesting->depth / 64];
	struct slice key;

	if (nesting->depth == nesting->max)
		return fail_at(scan, scan->at, -E2BIG, "nested too deeply");
	*word = object ? *word | bit : *word & ~bit;
	nesting->depth++;
	scan->at++;
	skip_space(scan);
	if (at_char(scan, object ? '}' : ']')) {
		scan->at++;
		nesting->depth--;
		return 1;
	}
	return object ? scan_key(scan, &key) : 0;
}

/* Behind a value: 1 when every container is closed, 0 at the next value. */
static int close_or_go_on(struct scan *scan, struct nesting *nesting)
{
	struct slice key;

	while (nesting->depth > 0) {
		bool object = in_object(nesting);

		skip_space(scan);
		if (at_char(scan, ',')) {
			scan->at++;
			skip_space(scan);
			return object ? scan_key(scan, &key) : 0;
		}
		if (!at_char(scan, object ? '}' : ']'))
			return fail_expected(scan, object ? "a comma or a closing brace"
							  : "a comma or a closing bracket");
		scan->at++;
		nesting->depth--;
	}
	return 1;
}

/* One value, no deeper than `depth_max`; `scan` moves behind it. */
static int scan_value(struct scan *scan, size_t depth_max)
{
	struct nesting nesting = { .max = depth_max };
	int r;

	do {
		if (at_char(scan, '{') || at_char(scan, '[')) {
			r = open_container(scan, &nesting);
			if (r == 0)
				continue;
		} else {
			r = scan_scalar(scan);
		}
		if (r < 0)
			return r;
		r = close_or_go_on(scan, &nesting);
	} while (r == 0);
	return r < 0 ? r : 0;
}

static enum json_type type_of(char c)
{
	switch (c) {
	case '{':
		return JSON_SCAN_OBJECT;
	case '[':
		return JSON_SCAN_ARRAY;
	case '"':
		return JSON_SCAN_STRING;
	case 't':
		return JSON_SCAN_TRUE;
	case 'f':
		return JSON_SCAN_FALSE;
	case 'n':
		return JSON_SCAN_NULL;
	default:
		return JSON_SCAN_NUMBER;
	}
}

static int scan_member(struct scan *scan, bool object, size_t depth_max, struct json_member *ret)
{
	struct json_member member = { .key = { scan->at, 0 } };
	const char *start;
	int r = object ? scan_key(scan, &member.key) : 0;

	if (r < 0)
		return r;
	start = scan->at;
	r = scan_value(scan, depth_max);
	if (r < 0)
		return r;
	member.value = slice_span(start, scan->at);
	member.type = type_of(*start);
	*ret = member;
	return 0;
}

/* The next code point of an escaped text, or -1 at its end. What no scan would pass reads as
 * U+FFFD. */
static int32_t next_point(struct slice *text)
{
	const char *at = text->ptr, *end = at + text->len;
	uint32_t raw = 0xfffd;
	int32_t point;

	if (text->len == 0)
		return -1;
	if (*at == '\\') {
		point = decode_escape(&at, end);
		if (point >= 0) {
			*text = slice_span(at, end);
			return point;
		}
	} else {
		size_t taken = utf8_decode(at, text->len, &raw);

		*text = slice_skip(*text, taken > 0 ? taken : 1);
		return (int32_t)raw;
	}
	*text = slice_skip(*text, 1);
	return 0xfffd;
}

static bool keys_equal(struct slice a, struct slice b)
{
	int32_t left, right;

	do {
		left = next_point(&a);
		right = next_point(&b);
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
		point = next_point(&key);
		if (point >= 0)
			hash_bytes(&hash, bytes, utf8_encode((uint32_t)point, bytes));
	}
	hash_word(&hash, hash.word);
	hash_word(&hash, hash.filled);
	return hash.state;
}

struct key_set {
	uint64_t seed;
	uint64_t hashes[JSON_MEMBERS_MAX];
};

/* Whether members[count] bears a key of those before it; notes its hash. */
static bool key_repeated(struct key_set *set, const struct json_member *members, size_t count)
{
	uint64_t hash = key_hash(members[count].key, set->seed);

	set->hashes[count] = hash;
	for (size_t i = 0; i < count; i++) {
		if (set->hashes[i] == hash && keys_equal(members[i].key, members[count].key))
			return true;
	}
	return false;
}

/* Members of the object whose brace was just passed; returns their count. */
static int scan_members(struct scan *scan, struct json_member *members, size_t max)
{
	struct key_set set;
	size_t count = 0;
	int r;

	set.seed = hash_fast(SLICE("json")) | 1;
	skip_space(scan);
	if (at_char(scan, '}')) {
		scan->at++;
		return 0;
	}
	for (;;) {
		const char *start = scan->at;

		if (count == max)
			return fail_at(scan, start, -E2BIG, "too many members");
		r = scan_member(scan, true, JSON_DEPTH_MAX - 1, &members[count]);
		if (r < 0)
			return r;
		if (key_repeated(&set, members, count))
			return fail_at(scan, start, -EINVAL, "a key of the object repeated");
		count++;
		skip_space(scan);
		if (at_char(scan, '}'))
			break;
		if (!at_char(scan, ','))
			return fail_expected(scan, "a comma or a closing brace");
		scan->at++;
		skip_space(scan);
	}
	scan->at++;
	return (int)count;
}

int json_scan_object(struct slice text, struct json_member *members, size_t max,
		     struct error *error)
{
	struct scan scan = { text.ptr, text.ptr, text.ptr + text.len, error };
	int count;

	skip_space(&scan);
	if (!at_char(&scan, '{'))
		return fail_expected(&scan, "an object");
	scan.at++;
	count = scan_members(&scan, members, max < JSON_MEMBERS_MAX ? max : JSON_MEMBERS_MAX);
	if (count < 0)
		return count;
	skip_space(&scan);
	if (scan.at < scan.end)
		return fail_at(&scan, scan.at, -EINVAL, "text behind the object");
	return count;
}

static struct slice trim_space(struct slice text)
{
	struct scan scan = { text.ptr, text.ptr, text.ptr + text.len, NULL };

	skip_space(&scan);
	while (scan.end > scan.at && memchr(" \n\t\r", scan.end[-1], 4))
		scan.end--;
	return slice_span(scan.at, scan.end);
}

/* Between calls `at` begins with the comma or the closing bracket behind the element before, and
 * always ends with the closing bracket, which tells arrays and objects apart. */
int json_next(struct slice *at, struct json_member *ret)
{
	struct slice rest = trim_space(*at);
	struct scan scan = { rest.ptr, rest.ptr, rest.ptr + rest.len, NULL };
	bool object;
	int r;

	*at = rest;
	if (rest.len < 2 || !memchr("{[,", *scan.at, 3) || !memchr("}]", scan.end[-1], 2))
		return 0;
	object = scan.end[-1] == '}';
	scan.at++;
	scan.end--;
	skip_space(&scan);
	r = scan.at < scan.end ? scan_member(&scan, object, JSON_DEPTH_MAX, ret) : -ENOENT;
	skip_space(&scan);
	*at = slice_span(scan.at, scan.end + 1);
	if (r < 0)
		*at = (struct slice){ scan.end, 0 };
	return r == 0;
}

/* The key sought is plain text, the keys of an object are escaped. */
static bool key_is(struct slice key, struct slice sought)
{
	for (;;) {
		int32_t point = next_point(&key);
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
	for (int32_t point = next_point(&text); point >= 0; point = next_point(&text)) {
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
