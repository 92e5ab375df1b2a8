/* SPDX-License-Identifier: Apache-2.0 */
/* One character a step, for writing and for finding places alike. */
#include <stdint.h>
#include <string.h>

#include "plain.h"

struct step {
	size_t took, len;
	char bytes[4];
};

struct range {
	uint32_t first, last;
};

static const struct range nothing[] = {
	{ 0xAD, 0xAD },     { 0x34F, 0x34F },     { 0x61C, 0x61C },   { 0x180E, 0x180E },
	{ 0x200B, 0x200F }, { 0x202A, 0x202E },   { 0x2060, 0x2069 }, { 0xFE00, 0xFE0F },
	{ 0xFEFF, 0xFEFF }, { 0xE0000, 0xE007F },
};
static const struct range spaces[] = {
	{ 0xA0, 0xA0 },     { 0x2000, 0x200A }, { 0x202F, 0x202F },
	{ 0x205F, 0x205F }, { 0x3000, 0x3000 },
};
static const struct range hyphens[] = {
	{ 0x2010, 0x2015 },
	{ 0x2212, 0x2212 },
	{ 0xFE58, 0xFE58 },
	{ 0xFE63, 0xFE63 },
};
/* Digits of other scripts: ten from each `first`, those of mathematics five times ten. */
static const struct range digits[] = {
	{ 0x660, 0x669 }, { 0x6F0, 0x6F9 }, { 0x966, 0x96F },
	{ 0x9E6, 0x9EF }, { 0xE50, 0xE59 }, { 0x1D7CE, 0x1D7FF },
};

#define IN(table, code) in_ranges(table, sizeof(table) / sizeof((table)[0]), code)

static const struct range *in_ranges(const struct range *table, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++)
		if (code >= table[i].first && code <= table[i].last)
			return &table[i];
	return NULL;
}

/* 0: nothing is written. */
static uint32_t folded(uint32_t code)
{
	const struct range *digit;

	if (code < 0x80)
		return code;
	if (IN(nothing, code))
		return 0;
	if (code >= 0xFF01 && code <= 0xFF5E)
		return code - 0xFEE0;
	if (IN(spaces, code))
		return ' ';
	if (IN(hyphens, code))
		return '-';
	digit = IN(digits, code);
	return digit ? '0' + (code - digit->first) % 10 : code;
}

static size_t encode(uint32_t code, char ret[static 4])
{
	if (code < 0x80) {
		ret[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		ret[0] = (char)(0xC0 | code >> 6);
		ret[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		ret[0] = (char)(0xE0 | code >> 12);
		ret[1] = (char)(0x80 | (code >> 6 & 0x3F));
		ret[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	ret[0] = (char)(0xF0 | code >> 18);
	ret[1] = (char)(0x80 | (code >> 12 & 0x3F));
	ret[2] = (char)(0x80 | (code >> 6 & 0x3F));
	ret[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

/* -1: there are no four. */
static int32_t hex4(const char *at, size_t len)
{
	int32_t value = 0;

	if (len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = at[i];
		int32_t digit = c >= '0' && c <= '9'   ? c - '0'
				: c >= 'a' && c <= 'f' ? c - 'a' + 10
				: c >= 'A' && c <= 'F' ? c - 'A' + 10
						       : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static size_t read_escape(const char *raw, size_t len, uint32_t *ret)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *known;
	int32_t code, low;

	if (len < 2) {
		*ret = '\\';
		return 1;
	}
	known = raw[1] ? strchr(from, raw[1]) : NULL;
	code = raw[1] == 'u' ? hex4(raw + 2, len - 2) : -1;
	if (code < 0) {
		*ret = known ? (uint8_t)to[known - from] : (uint8_t)raw[1];
		return 2;
	}
	*ret = (uint32_t)code;
	if (code < 0xD800 || code > 0xDBFF || len < 12 || raw[6] != '\\' || raw[7] != 'u')
		return 6;
	low = hex4(raw + 8, len - 8);
	if (low < 0xDC00 || low > 0xDFFF)
		return 6;
	*ret = 0x10000 + (((uint32_t)code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
	return 12;
}

static size_t read_utf8(const char *raw, size_t len, uint32_t *ret)
{
	uint8_t lead = (uint8_t)raw[0];
	size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;

	if (size == 1 || size > len) {
		*ret = lead;
		return 1;
	}
	*ret = lead & (0x7Fu >> size);
	for (size_t i = 1; i < size; i++)
		*ret = *ret << 6 | ((uint8_t)raw[i] & 0x3F);
	return size;
}

static struct step step_of(const char *raw, size_t len, unsigned flags)
{
	struct step step = { .took = 1, .len = 1, .bytes = { raw[0] } };
	uint32_t code = 0;

	if (raw[0] == '\\')
		step.took = read_escape(raw, len, &code);
	else if ((uint8_t)raw[0] >= 0x80)
		step.took = read_utf8(raw, len, &code);
	else
		return step;
	if (step.took == 1 && raw[0] != '\\')
		return step; /* no valid UTF-8: as it is */
	if (flags & PLAIN_FOLD)
		code = folded(code);
	step.len = code == 0 && (flags & PLAIN_FOLD) ? 0 : encode(code, step.bytes);
	return step;
}

size_t plain_write(const char *raw, size_t len, unsigned flags, char *ret)
{
	size_t out = 0;

	for (size_t at = 0; at < len;) {
		struct step step = step_of(raw + at, len - at, flags);

		memcpy(ret + out, step.bytes, step.len);
		out += step.len;
		at += step.took;
	}
	return out;
}

bool plain_already(const char *raw, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (raw[i] == '\\' || (uint8_t)raw[i] >= 0x80)
			return false;
	return true;
}

size_t plain_begin(struct plain_map *map, size_t plain)
{
	while (map->raw_at < map->len) {
		struct step step =
		    step_of(map->raw + map->raw_at, map->len - map->raw_at, map->flags);

		if (map->plain_at + step.len > plain)
			break;
		map->plain_at += step.len;
		map->raw_at += step.took;
	}
	return map->raw_at;
}

size_t plain_end(struct plain_map *map, size_t plain)
{
	while (map->raw_at < map->len && map->plain_at < plain) {
		struct step step =
		    step_of(map->raw + map->raw_at, map->len - map->raw_at, map->flags);

		map->plain_at += step.len;
		map->raw_at += step.took;
	}
	return map->raw_at;
}
