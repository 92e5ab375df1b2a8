/* SPDX-License-Identifier: Apache-2.0 */
/* Card numbers: issuer's prefix, length and Luhn's check, written together or in the groups that
 * people write. Maestro's of fewer than 16 digits look like any order's, and are not taken. */
#include "find.h"

enum { DIGITS_MIN = 13, DIGITS_MAX = 19, GROUPS_MAX = 6, FIRST_MIN = 4 };

struct issuer {
	uint32_t first, last; /* of the first `digits` digits */
	uint8_t digits;
	uint32_t lengths; /* a bit for each */
};

#define LENGTH(n) (1u << (n))
#define LENGTHS_16_TO_19 (LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19))

static const struct issuer issuers[] = {
	{ 4, 4, 1, LENGTH(13) | LENGTH(16) | LENGTH(19) }, /* Visa */
	{ 51, 55, 2, LENGTH(16) },                         /* Mastercard */
	{ 2221, 2720, 4, LENGTH(16) },                     /* Mastercard */
	{ 34, 34, 2, LENGTH(15) },                         /* American Express */
	{ 37, 37, 2, LENGTH(15) },                         /* American Express */
	{ 300, 305, 3, LENGTH(14) | LENGTHS_16_TO_19 },    /* Diners Club */
	{ 3095, 3095, 4, LENGTH(14) | LENGTHS_16_TO_19 },  /* Diners Club */
	{ 36, 36, 2, LENGTH(14) | LENGTHS_16_TO_19 },      /* Diners Club */
	{ 38, 39, 2, LENGTH(14) | LENGTHS_16_TO_19 },      /* Diners Club */
	{ 3528, 3589, 4, LENGTHS_16_TO_19 },               /* JCB */
	{ 60, 60, 2, LENGTHS_16_TO_19 },                   /* Discover, RuPay, Hipercard */
	{ 644, 649, 3, LENGTHS_16_TO_19 },                 /* Discover */
	{ 65, 65, 2, LENGTHS_16_TO_19 },                   /* Discover, RuPay */
	{ 62, 62, 2, LENGTHS_16_TO_19 },                   /* UnionPay */
	{ 81, 82, 2, LENGTHS_16_TO_19 },                   /* UnionPay, RuPay */
	{ 50, 50, 2, LENGTHS_16_TO_19 },                   /* Maestro, Dankort, Verve, Elo */
	{ 56, 58, 2, LENGTHS_16_TO_19 },                   /* Maestro */
	{ 6304, 6304, 4, LENGTHS_16_TO_19 },               /* Maestro */
	{ 637, 639, 3, LENGTHS_16_TO_19 },                 /* Maestro, InstaPayment */
	{ 67, 67, 2, LENGTHS_16_TO_19 },                   /* Maestro */
	{ 2200, 2204, 4, LENGTHS_16_TO_19 },               /* Mir */
	{ 9792, 9792, 4, LENGTH(16) },                     /* Troy */
};

static bool issued(const uint8_t digits[static DIGITS_MAX], size_t count)
{
	for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]); i++) {
		uint32_t prefix = 0;

		for (size_t d = 0; d < issuers[i].digits; d++)
			prefix = prefix * 10 + digits[d];
		if (prefix >= issuers[i].first && prefix <= issuers[i].last)
			if (issuers[i].lengths >> count & 1)
				return true;
	}
	return false;
}

static bool luhn(const uint8_t digits[static DIGITS_MAX], size_t count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t d = digits[count - 1 - i];

		if (i % 2 == 1)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return sum % 10 == 0;
}

struct reading {
	uint8_t digits[DIGITS_MAX];
	uint8_t sizes[GROUPS_MAX];
	size_t count, groups;
};

/* As printed: groups of four, the last maybe of up to five; 4-6-5, 4-6-4, 6-13. */
static bool sound_groups(const struct reading *reading)
{
	const uint8_t *sizes = reading->sizes;
	size_t last = reading->groups - 1;

	if (last == 0)
		return true;
	if (last == 2 && sizes[0] == 4 && sizes[1] == 6)
		return true;
	if (last == 1 && sizes[0] == 6 && sizes[1] == 13)
		return true;
	for (size_t i = 1; i < last; i++)
		if (sizes[i] != sizes[0])
			return false;
	return sizes[0] == 4 && sizes[last] <= 5;
}

/* A number with a point is none of a card's. */
static bool bounded(const struct find_text *text, size_t at, size_t end)
{
	char before = at > 0 ? text->ptr[at - 1] : 0, after = find_byte(text, end);

	if (at > 1 && before == '.' && find_digit(text->ptr[at - 2]))
		return false;
	return !find_word(after) && after != '@' &&
	       !(after == '.' && find_digit(find_byte(text, end + 1)));
}

static bool separates(char c)
{
	return c == ' ' || c == '-' || c == '.';
}

size_t find_card(const struct find_text *text, size_t at)
{
	struct reading reading = { .groups = 1 };
	size_t end = at, best = 0;

	for (;;) {
		while (find_digit(find_byte(text, end)) && reading.count < DIGITS_MAX) {
			reading.digits[reading.count++] = (uint8_t)(text->ptr[end++] - '0');
			reading.sizes[reading.groups - 1]++;
		}
		if (find_digit(find_byte(text, end)))
			return best;
		if (reading.sizes[0] < FIRST_MIN)
			return 0;
		if (reading.count >= DIGITS_MIN && sound_groups(&reading) &&
		    bounded(text, at, end) && issued(reading.digits, reading.count) &&
		    luhn(reading.digits, reading.count))
			best = end - at;
		if (reading.count == DIGITS_MAX || reading.groups == GROUPS_MAX ||
		    !separates(find_byte(text, end)) || !find_digit(find_byte(text, end + 1)))
			return best;
		end++;
		reading.groups++;
	}
}
