/* SPDX-License-Identifier: Apache-2.0 */
/* Where a run of bytes of one class ends, sixteen bytes a step. The vectors are the compiler's own,
 * so that one source serves every machine. A class is a pair: of a vector, the lanes that stop the
 * run are all ones, the others zero; of a byte, true. [any] */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
	BYTES_STEP = 16,
};

typedef uint8_t bytes_vector __attribute__((vector_size(BYTES_STEP)));
typedef int8_t bytes_signed_vector __attribute__((vector_size(BYTES_STEP)));
typedef uint64_t bytes_halves __attribute__((vector_size(BYTES_STEP)));

/* The first lane that is all ones, or BYTES_STEP. */
#ifdef __SSE2__ /* one instruction gathers what takes two words and branches elsewhere */
static inline unsigned bytes_first_lane(bytes_vector lanes)
{
	unsigned bits = (unsigned)_mm_movemask_epi8((__m128i)lanes);

	return (unsigned)__builtin_ctz(bits | 1u << BYTES_STEP);
}
#else
static inline unsigned bytes_first_lane(bytes_vector lanes)
{
	uint64_t halves[2];

	memcpy(halves, &lanes, sizeof(halves));
	if (halves[0])
		return (unsigned)__builtin_ctzll(le64toh(halves[0])) / 8;
	if (halves[1])
		return 8 + (unsigned)__builtin_ctzll(le64toh(halves[1])) / 8;
	return BYTES_STEP;
}
#endif

/* Not by way of memory, from which a processor cannot load at once what two stores have just
 * written. */
static inline bytes_vector bytes_of_halves(uint64_t first, uint64_t second)
{
	return (bytes_vector)(bytes_halves){ first, second };
}

static inline uint64_t bytes_load64(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t bytes_load32(const char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* For fewer bytes than a step: two halves that overlap are as good as all of them. */
static inline __attribute__((always_inline)) const char *
bytes_run_short(const char *at, const char *end, bytes_vector (*lanes_stop)(bytes_vector),
		bool (*stops)(uint8_t))
{
	uint64_t first, second;
	unsigned lane, half = end - at < 8 ? 4 : 8;

	if (end - at < 4) {
		while (at < end && !stops((uint8_t)*at))
			at++;
		return at;
	}
	if (half == 8) {
		first = bytes_load64(at);
		second = bytes_load64(end - 8);
	} else {
		first = le64toh(bytes_load32(at) | bytes_load32(end - 4) << 32);
		second = first;
	}
	lane = bytes_first_lane(lanes_stop(bytes_of_halves(first, second)));
	if (lane < half)
		return at + lane;
	return lane < 2 * half ? end - 2 * half + lane : end;
}

/* The first byte from `at` that stops the run, or `end`. The last step looks again at bytes that
 * did not stop it, rather than at each byte alone. */
static inline __attribute__((always_inline)) const char *
bytes_run(const char *at, const char *end, bytes_vector (*lanes_stop)(bytes_vector),
	  bool (*stops)(uint8_t))
{
	if (end - at < BYTES_STEP)
		return bytes_run_short(at, end, lanes_stop, stops);
	for (;;) {
		bytes_vector bytes;
		unsigned lane;

		memcpy(&bytes, at, sizeof(bytes));
		lane = bytes_first_lane(lanes_stop(bytes));
		if (lane < BYTES_STEP)
			return at + lane;
		at += BYTES_STEP;
		if (at == end)
			return end;
		if (end - at < BYTES_STEP)
			at = end - BYTES_STEP;
	}
}

static inline bytes_vector bytes_lanes_quote(bytes_vector bytes)
{
	return (bytes_vector)((bytes == '"') | (bytes == '\\'));
}

static inline bool bytes_is_quote(uint8_t byte)
{
	return byte == '"' || byte == '\\';
}

/* Up to a quote or a backslash. */
static inline const char *bytes_to_quote(const char *at, const char *end)
{
	return bytes_run(at, end, bytes_lanes_quote, bytes_is_quote);
}

static inline bytes_vector bytes_lanes_json(bytes_vector bytes)
{
	/* Signed, what is not ASCII is less than a space too. */
	return (bytes_vector)((bytes == '"') | (bytes == '\\') |
			      ((bytes_signed_vector)bytes < 0x20));
}

static inline bool bytes_is_json(uint8_t byte)
{
	return byte == '"' || byte == '\\' || byte < 0x20 || byte >= 0x80;
}

/* Up to what a JSON string does not hold as it is, or what is not ASCII (RFC 8259, 7). */
static inline const char *bytes_to_json_special(const char *at, const char *end)
{
	return bytes_run(at, end, bytes_lanes_json, bytes_is_json);
}

static inline bytes_vector bytes_lanes_control(bytes_vector bytes)
{
	return (bytes_vector)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f));
}

static inline bool bytes_is_control(uint8_t byte)
{
	return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* Up to a byte that no field value has: a control character other than a tab (RFC 9110, 5.5). */
static inline const char *bytes_to_control(const char *at, const char *end)
{
	return bytes_run(at, end, bytes_lanes_control, bytes_is_control);
}

static inline bytes_vector bytes_lanes_blank(bytes_vector bytes)
{
	return (bytes_vector)((bytes <= ' ') | (bytes == 0x7f));
}

static inline bool bytes_is_blank(uint8_t byte)
{
	return byte <= ' ' || byte == 0x7f;
}

/* Up to a blank or a control character. */
static inline const char *bytes_to_blank(const char *at, const char *end)
{
	return bytes_run(at, end, bytes_lanes_blank, bytes_is_blank);
}

static inline bytes_vector bytes_lanes_not_name(bytes_vector bytes)
{
	return (bytes_vector)((bytes <= ' ') | (bytes == ':') | (bytes >= 0x7f));
}

static inline bool bytes_is_not_name(uint8_t byte)
{
	return byte <= ' ' || byte == ':' || byte >= 0x7f;
}

/* Up to what would end a field's name before its colon. Not all that is left is a token: this is a
 * gate for names that a parser has passed already. */
static inline const char *bytes_to_name_end(const char *at, const char *end)
{
	return bytes_run(at, end, bytes_lanes_not_name, bytes_is_not_name);
}
