/* SPDX-License-Identifier: Apache-2.0 */
/* Finds personal data and secrets in a text, in one pass from its start to its end. The text is as
 * plain.h makes it; the work is linear in its length, whatever it says, and takes no memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum find_class {
	FIND_CARD,
	FIND_BANK,
	FIND_EMAIL,
	FIND_PHONE,
	FIND_SECRET,
	FIND_CLASSES,
};

/* `wanted` has a bit for each class. `from` is where the last one ended: nothing before it is
 * looked at again but as a neighbour. */
struct find_text {
	const char *ptr;
	size_t len, from;
	uint32_t wanted;
	/* Behind the last word, or number, of its kind; 0: none yet. */
	size_t phone_word_end, routing_word_end, account_word_end, routing_end;
};

struct find {
	enum find_class class;
	size_t at, len;
};

/* The next one in order of place; those found do not overlap. Moves `from`. */
bool find_next(struct find_text *text, struct find *ret);

/* Each: what begins at `at`, its length, or 0. `at` begins a word. */
size_t find_card(const struct find_text *text, size_t at);
size_t find_iban(const struct find_text *text, size_t at);
size_t find_us_bank(struct find_text *text, size_t at);
size_t find_phone(const struct find_text *text, size_t at);
size_t find_secret(const struct find_text *text, size_t at);
/* The address around the "@" at `at`, none of it before `from`. */
bool find_email(const struct find_text *text, size_t at, struct find *ret);

static inline bool find_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool find_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool find_word(char c)
{
	return find_digit(c) || find_letter(c) || c == '_';
}

/* 0 beyond the text. */
static inline char find_byte(const struct find_text *text, size_t at)
{
	return at < text->len ? text->ptr[at] : 0;
}

/* Whether something that ended at `end` is near enough to be about what begins at `at`. */
static inline bool find_near(size_t end, size_t at, size_t reach)
{
	return end > 0 && at - end <= reach;
}
