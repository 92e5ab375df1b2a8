/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader with a stack: what it takes is JSON, so nothing between strings goes unseen. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "walk.h"

enum { NAME_MAX_BYTES = 24 };

/* Members whose object is what a model or a client made up. */
static const char *const open_keys[] = { "input", "arguments", "metadata", "variables" };

static char byte_at(const struct walk *walk)
{
	return walk->at < walk->len ? walk->ptr[walk->at] : 0;
}

static void skip_space(struct walk *walk)
{
	while (walk->at < walk->len && strchr(" \t\r\n", walk->ptr[walk->at]) &&
	       walk->ptr[walk->at])
		walk->at++;
}

static bool key_is(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

const char *walk_key(const struct walk *walk, size_t *ret_len)
{
	for (size_t d = walk->depth; d > 0; d--) {
		const struct walk_level *level = &walk->levels[d - 1];

		if (level->object) {
			*ret_len = level->key_len;
			return level->key;
		}
	}
	*ret_len = 0;
	return NULL;
}

static bool is_open(const struct walk *walk)
{
	return walk->open || (walk->depth > 0 && walk->levels[walk->depth - 1].open);
}

static bool opens(const struct walk *walk, bool object)
{
	size_t len;
	const char *key = walk_key(walk, &len);

	if (is_open(walk))
		return true;
	for (size_t i = 0; object && key && i < sizeof(open_keys) / sizeof(open_keys[0]); i++)
		if (key_is(key, len, open_keys[i]) && walk->levels[walk->depth - 1].object)
			return true;
	return false;
}

/* Behind the quote; leaves the walk behind the other one. */
static int read_string(struct walk *walk, size_t *ret_at, size_t *ret_len)
{
	size_t at = ++walk->at;

	while (walk->at < walk->len && walk->ptr[walk->at] != '"')
		walk->at += walk->ptr[walk->at] == '\\' ? 2 : 1;
	if (walk->at >= walk->len)
		return -EINVAL;
	*ret_at = at;
	*ret_len = walk->at++ - at;
	return 0;
}

static int show(struct walk *walk, size_t at, size_t len, bool number)
{
	return walk->show ? walk->show(walk, at, len, number) : 0;
}

static size_t digits(struct walk *walk)
{
	size_t from = walk->at;

	while (byte_at(walk) >= '0' && byte_at(walk) <= '9')
		walk->at++;
	return walk->at - from;
}

static int read_number(struct walk *walk)
{
	size_t from = walk->at;

	if (byte_at(walk) == '-')
		walk->at++;
	if (digits(walk) == 0)
		return -EINVAL;
	if (byte_at(walk) == '.') {
		walk->at++;
		if (digits(walk) == 0)
			return -EINVAL;
	}
	if (byte_at(walk) == 'e' || byte_at(walk) == 'E') {
		walk->at++;
		if (byte_at(walk) == '+' || byte_at(walk) == '-')
			walk->at++;
		if (digits(walk) == 0)
			return -EINVAL;
	}
	return is_open(walk) ? show(walk, from, walk->at - from, true) : 0;
}

static int read_word(struct walk *walk)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(words[i]);

		if (walk->len - walk->at >= len &&
		    memcmp(walk->ptr + walk->at, words[i], len) == 0) {
			walk->at += len;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_key(struct walk *walk)
{
	struct walk_level *level = &walk->levels[walk->depth - 1];
	size_t at, len;
	int r;

	skip_space(walk);
	if (byte_at(walk) != '"' || read_string(walk, &at, &len) < 0)
		return -EINVAL;
	level->key = walk->ptr + at;
	level->key_len = len;
	r = level->open ? show(walk, at, len, false) : 0;
	if (r < 0)
		return r;
	skip_space(walk);
	if (byte_at(walk) != ':')
		return -EINVAL;
	walk->at++;
	return 0;
}

/* 1: a value is to come. 0: it was empty, and is read. */
static int enter(struct walk *walk)
{
	bool object = byte_at(walk) == '{';
	struct walk_level level = { .object = object, .open = opens(walk, object) };

	if (walk->depth == WALK_DEPTH_MAX)
		return -EINVAL;
	walk->at++;
	skip_space(walk);
	if (byte_at(walk) == (object ? '}' : ']')) {
		walk->at++;
		return 0;
	}
	walk->levels[walk->depth++] = level;
	if (object) {
		int r = read_key(walk);

		return r < 0 ? r : 1;
	}
	return 1;
}

/* 1: another value is to come. 0: all is read. */
static int leave(struct walk *walk)
{
	while (walk->depth > 0) {
		struct walk_level *level = &walk->levels[walk->depth - 1];
		char c;
		int r;

		skip_space(walk);
		c = byte_at(walk);
		walk->at++;
		if (c == ',') {
			level->index++;
			r = level->object ? read_key(walk) : 0;
			return r < 0 ? r : 1;
		}
		if (c != (level->object ? '}' : ']'))
			return -EINVAL;
		walk->depth--;
	}
	skip_space(walk);
	return walk->at == walk->len ? 0 : -EINVAL;
}

/* As enter(). */
static int read_value(struct walk *walk)
{
	size_t at, len;
	char c;

	skip_space(walk);
	c = byte_at(walk);
	if (c == '{' || c == '[')
		return enter(walk);
	if (c == '"')
		return read_string(walk, &at, &len) < 0 ? -EINVAL : show(walk, at, len, false);
	return c == '-' || (c >= '0' && c <= '9') ? read_number(walk) : read_word(walk);
}

int walk_run(struct walk *walk)
{
	int r;

	walk->at = walk->depth = 0;
	do {
		r = read_value(walk);
		if (r == 0)
			r = leave(walk);
	} while (r > 0);
	return r;
}

/* A client's own names may be what nobody is to read; the API's are short, of letters. */
static bool speakable(const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (key[i] != '_' && (key[i] < 'a' || key[i] > 'z'))
			return false;
	return len > 0 && len <= NAME_MAX_BYTES;
}

void walk_path(const struct walk *walk, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = 0;
	for (size_t d = 0; d < walk->depth && len < size; d++) {
		const struct walk_level *level = &walk->levels[d];
		int wrote;

		if (level->open)
			return;
		if (!level->object)
			wrote = snprintf(ret + len, size - len, "[%u]", level->index);
		else if (speakable(level->key, level->key_len))
			wrote = snprintf(ret + len, size - len, "%s%.*s", len > 0 ? "." : "",
					 (int)level->key_len, level->key);
		else
			return;
		len += (size_t)wrote;
	}
}
