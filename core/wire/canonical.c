/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of the text, written again: what it is told apart by is the same however it was told. */
#include "wire/canonical.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "wire/tree.h"

enum {
	EXPONENT_DIGITS = 17, /* of a longer one the number is as it is written */
};

struct member {
	struct slice key; /* unescaped */
	const struct tree *value;
	size_t index;
};

struct writer {
	struct arena *arena;
	struct buffer *out;
};

static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
	int r = len ? memcmp(x->key.ptr, y->key.ptr, len) : 0;

	if (r == 0)
		r = (x->key.len > y->key.len) - (x->key.len < y->key.len);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* ---- scalars ---- */

static int put_string(const struct writer *writer, struct slice escaped)
{
	struct slice plain = escaped.len ? tree_unescape(escaped, writer->arena) : SLICE("");

	if (!plain.ptr)
		return -ENOMEM;
	buffer_append_json(writer->out, plain);
	return 0;
}

/* Behind the digits: what the exponent says. False: too long to be added to. */
static bool read_exponent(struct slice text, int64_t *ret)
{
	bool minus = text.len > 0 && text.ptr[0] == '-';
	int64_t value = 0;

	if (text.len > 0 && (minus || text.ptr[0] == '+'))
		text = slice_skip(text, 1);
	while (text.len > 1 && text.ptr[0] == '0')
		text = slice_skip(text, 1);
	if (text.len > EXPONENT_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++)
		value = value * 10 + (text.ptr[i] - '0');
	*ret = minus ? -value : value;
	return true;
}

/* As an integer without zeros at its end, times a power of ten. */
static void put_number(const struct writer *writer, struct slice text)
{
	struct slice tail, mantissa = text;
	size_t begin = writer->out->len, first, last;
	int64_t exponent = 0;
	bool point = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != 'e' && text.ptr[i] != 'E')
			continue;
		mantissa.len = i;
		tail = slice_skip(text, i + 1);
		if (!read_exponent(tail, &exponent)) {
			buffer_append_slice(writer->out, text);
			return;
		}
		break;
	}
	if (mantissa.ptr[0] == '-')
		buffer_append_char(writer->out, '-');
	first = writer->out->len;
	for (size_t i = 0; i < mantissa.len; i++) {
		char c = mantissa.ptr[i];

		point |= c == '.';
		if (c < '0' || c > '9')
			continue;
		exponent -= point;
		if (c != '0' || writer->out->len > first)
			buffer_append_char(writer->out, c);
	}
	if (writer->out->failed)
		return;
	for (last = writer->out->len; last > first && writer->out->data[last - 1] == '0'; last--)
		exponent++;
	if (last == first) { /* zero has no sign, and no power */
		writer->out->len = begin;
		buffer_append_char(writer->out, '0');
		return;
	}
	writer->out->len = last;
	if (exponent)
		buffer_printf(writer->out, "e%lld", (long long)exponent);
}

/* ---- containers ---- */

static int put(const struct writer *writer, const struct tree *node, const struct slice *except,
	       size_t except_count);

static int put_array(const struct writer *writer, const struct tree *node)
{
	int r = 0;

	buffer_append_char(writer->out, '[');
	for (const struct tree *child = node->child; child && r == 0; child = child->next) {
		if (child != node->child)
			buffer_append_char(writer->out, ',');
		r = put(writer, child, NULL, 0);
	}
	buffer_append_char(writer->out, ']');
	return r;
}

static bool is_one_of(struct slice key, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(key, names[i]))
			return true;
	return false;
}

/* The members that count, in order. Their number; -ENOMEM. */
static int64_t sort(const struct writer *writer, const struct tree *node,
		    const struct slice *except, size_t except_count, struct member **ret)
{
	struct member *members = arena_alloc(writer->arena, node->count * sizeof(*members));
	size_t count = 0, kept = 0;

	if (!members)
		return -ENOMEM;
	for (const struct tree *child = node->child; child; child = child->next) {
		struct slice key =
		    child->key.len ? tree_unescape(child->key, writer->arena) : SLICE("");

		if (!key.ptr)
			return -ENOMEM;
		if (is_one_of(key, except, except_count))
			continue;
		members[count] = (struct member){ key, child, count };
		count++;
	}
	qsort(members, count, sizeof(*members), compare);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count || !slice_eq(members[i].key, members[i + 1].key))
			members[kept++] = members[i];
	*ret = members;
	return (int64_t)kept;
}

static int put_object(const struct writer *writer, const struct tree *node,
		      const struct slice *except, size_t except_count)
{
	struct member *members = NULL;
	int64_t count = node->count ? sort(writer, node, except, except_count, &members) : 0;
	int r = count < 0 ? (int)count : 0;

	buffer_append_char(writer->out, '{');
	for (int64_t i = 0; i < count && r == 0; i++) {
		if (i > 0)
			buffer_append_char(writer->out, ',');
		buffer_append_json(writer->out, members[i].key);
		buffer_append_char(writer->out, ':');
		r = put(writer, members[i].value, NULL, 0);
	}
	buffer_append_char(writer->out, '}');
	return r;
}

static int put(const struct writer *writer, const struct tree *node, const struct slice *except,
	       size_t except_count)
{
	switch (node->type) {
	case JSON_SCAN_OBJECT:
		return put_object(writer, node, except, except_count);
	case JSON_SCAN_ARRAY:
		return put_array(writer, node);
	case JSON_SCAN_STRING:
		return put_string(writer, node->text);
	case JSON_SCAN_NUMBER:
		put_number(writer, node->text);
		return 0;
	default:
		buffer_append_slice(writer->out, node->text);
		return 0;
	}
}

int wire_canonical(struct slice json, const struct slice *except, size_t except_count,
		   struct arena *arena, struct buffer *out, struct error *error)
{
	const struct writer writer = { arena, out };
	const struct tree *root;
	int r = tree_parse(json, arena, &root, error);

	if (r < 0)
		return r;
	r = put(&writer, root, except, except_count);
	if (r < 0 || out->failed)
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

int wire_canonical_hash(struct slice json, const struct slice *except, size_t except_count,
			uint8_t ret[static WIRE_HASH_BYTES], struct error *error)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct arena arena;
	int r;

	arena_init(&arena, NULL);
	r = wire_canonical(json, except, except_count, &arena, &out, error);
	arena_fini(&arena);
	if (r == 0)
		hash_sha256(buffer_slice(&out), ret);
	return r;
}
