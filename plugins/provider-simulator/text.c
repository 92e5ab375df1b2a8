/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes, hashes and words: all that an answer is made of. */
#include "simulator.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_fini(struct text *text)
{
	free(text->data);
	*text = (struct text){ 0 };
}

void text_clear(struct text *text)
{
	text->len = 0;
	text->failed = false;
}

static bool text_room(struct text *text, size_t more)
{
	size_t cap = text->cap ? text->cap : 512;
	char *data;

	if (text->failed)
		return false;
	if (text->cap - text->len > more)
		return true;
	while (cap - text->len <= more)
		cap *= 2;
	data = realloc(text->data, cap);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->cap = cap;
	return true;
}

void text_append(struct text *text, const char *data, size_t len)
{
	if (len == 0 || !text_room(text, len))
		return;
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

void text_add(struct text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args, again;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	if (len >= 0 && text_room(text, (size_t)len)) {
		vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
		text->len += (size_t)len;
	}
	va_end(again);
	va_end(args);
}

void text_json(struct text *text, const char *data, size_t len)
{
	size_t plain = 0;

	text_append(text, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		text_append(text, data + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\')
			text_printf(text, "\\%c", c);
		else if (c == '\n')
			text_add(text, "\\n");
		else
			text_printf(text, "\\u%04x", c);
	}
	text_append(text, data + plain, len - plain);
	text_append(text, "\"", 1);
}

/* FNV-1a. */
uint64_t hash_bytes(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* The finaliser of splitmix64, by Sebastiano Vigna. */
uint64_t hash_mix(uint64_t hash, uint64_t number)
{
	uint64_t z = hash + (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

const char *word_at(uint64_t seed, uint64_t index)
{
	static const char *const words[] = {
		"tide",  "gate",   "harbour", "water", "level", "rises", "falls",  "slowly",
		"north", "wind",   "salt",    "marsh", "river", "mouth", "keeper", "opens",
		"shuts", "before", "after",   "noon",  "moon",  "quiet", "stone",  "bridge",
		"boats", "wait",   "while",   "the",   "a",     "small", "great",  "lantern",
	};

	return words[hash_mix(seed, index) % (sizeof(words) / sizeof(words[0]))];
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Behind the piece at `at`: spaces, then a word; spaces at the text's end belong to its last word.
 */
static size_t piece_end(const struct text *text, size_t at)
{
	size_t end;

	while (at < text->len && is_space(text->data[at]))
		at++;
	while (at < text->len && !is_space(text->data[at]))
		at++;
	end = at;
	while (end < text->len && is_space(text->data[end]))
		end++;
	return end == text->len ? end : at;
}

void source_count(struct source *source, uint64_t words)
{
	uint64_t count = 0;

	if (words > 0) {
		source->count = words;
		return;
	}
	for (size_t at = 0; at < source->text.len; at = piece_end(&source->text, at))
		count++;
	source->count = count;
}

void source_next(struct source *source, struct text *out)
{
	size_t end;

	if (source->text.len == 0) {
		if (source->index > 0)
			text_append(out, " ", 1);
		text_add(out, word_at(source->seed, source->index++));
		return;
	}
	if (source->at == source->text.len) {
		source->at = 0;
		text_append(out, " ", 1);
	}
	end = piece_end(&source->text, source->at);
	text_append(out, source->text.data + source->at, end - source->at);
	source->at = end;
	source->index++;
}
