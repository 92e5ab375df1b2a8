/* SPDX-License-Identifier: Apache-2.0 */
/* Telephone numbers: E.164 with its "+", or "00" and groups; North America's with groups; France's
 * pairs; any other that begins with 0 only behind a word that says so. Bare digits are no number.
 */
#include <string.h>

#include "find.h"

enum { DIGITS_MAX = 15, GROUPS_MAX = 8, LABEL_REACH = 20 };

struct reading {
	char digits[DIGITS_MAX + 1];
	uint8_t sizes[GROUPS_MAX];
	size_t ends[GROUPS_MAX]; /* of the groups, in the text */
	size_t count, groups;
};

/* One of " ", "-", ".", "/", or a parenthesis with a space. */
static size_t gap(const struct find_text *text, size_t at)
{
	size_t end = at;

	if (find_byte(text, end) == ')')
		end++;
	if (find_byte(text, end) == ' ' || find_byte(text, end) == '-' ||
	    find_byte(text, end) == '.' || find_byte(text, end) == '/')
		end++;
	if (find_byte(text, end) == '(')
		end++;
	return find_digit(find_byte(text, end)) ? end - at : 0;
}

/* As many whole groups as a number may have. */
static void read_groups(const struct find_text *text, size_t at, struct reading *reading)
{
	size_t step = 0, end = at;

	*reading = (struct reading){ 0 };
	do {
		size_t begin = end + step, size = 0;

		while (size <= DIGITS_MAX && find_digit(find_byte(text, begin + size)))
			size++;
		if (reading->count + size > DIGITS_MAX)
			return;
		memcpy(reading->digits + reading->count, text->ptr + begin, size);
		reading->count += size;
		end = begin + size;
		reading->sizes[reading->groups] = (uint8_t)size;
		reading->ends[reading->groups++] = end;
		step = gap(text, end);
	} while (step > 0 && reading->groups < GROUPS_MAX);
}

/* What follows makes another number, or word, of it. */
static bool goes_on(const struct find_text *text, size_t end)
{
	char after = find_byte(text, end);

	if (find_word(after) || after == '@')
		return true;
	return (after == '-' || after == '.' || after == '/') &&
	       find_digit(find_byte(text, end + 1));
}

static bool exchange(const char *digits)
{
	return digits[0] >= '2' && digits[3] >= '2';
}

/* NXX NXX XXXX, maybe behind a 1: how many groups of it that are; 0: it is none. */
static size_t north_american(const struct reading *reading)
{
	size_t one = reading->sizes[0] == 1 && reading->digits[0] == '1';
	const uint8_t *sizes = reading->sizes + one;
	const char *digits = reading->digits + one;

	if (reading->groups < 3 + one || sizes[0] != 3 || sizes[1] != 3 || sizes[2] != 4)
		return 0;
	return exchange(digits) ? 3 + one : 0;
}

static size_t french(const struct reading *reading)
{
	if (reading->groups < 5 || reading->digits[0] != '0' || reading->digits[1] < '1')
		return 0;
	for (size_t i = 0; i < 5; i++)
		if (reading->sizes[i] != 2)
			return 0;
	return 5;
}

static size_t national(const struct find_text *text, size_t at, const struct reading *reading)
{
	const char *digits = reading->digits;
	size_t groups = north_american(reading);

	if (groups == 0)
		groups = french(reading);
	if (groups > 0)
		return groups;
	if (digits[0] == '0' && digits[1] == '0' && reading->groups > 2 && reading->count >= 11 &&
	    digits[2] > '0')
		return reading->groups;
	return reading->count >= 8 && reading->count <= 12 &&
		       (digits[0] == '0' || reading->count == 10) &&
		       find_near(text->phone_word_end, at, LABEL_REACH)
		   ? reading->groups
		   : 0;
}

/* By its first group: a 1, an area, a national prefix, or all of it behind a word. */
static bool may_begin(const struct find_text *text, size_t at)
{
	size_t size = 0;

	while (size <= DIGITS_MAX && find_digit(find_byte(text, at + size)))
		size++;
	if (size == 1)
		return text->ptr[at] == '1' && gap(text, at + 1) > 0;
	return size == 3 || (text->ptr[at] == '0' && size <= 12) ||
	       find_near(text->phone_word_end, at, LABEL_REACH);
}

size_t find_phone(const struct find_text *text, size_t at)
{
	bool plus = find_byte(text, at) == '+', open = find_byte(text, at) == '(';
	size_t first = at + (plus || open), groups;
	struct reading reading;

	if (at > 1 && (text->ptr[at - 1] == '.' || text->ptr[at - 1] == '-') &&
	    find_word(text->ptr[at - 2]))
		return 0;
	if (plus && find_byte(text, first) == '(')
		first++;
	if (!find_digit(find_byte(text, first)))
		return 0;
	if (!plus && !may_begin(text, first))
		return 0;
	read_groups(text, first, &reading);
	if (plus)
		groups = reading.digits[0] == '0' || reading.count < 9 ? 0 : reading.groups;
	else
		groups = national(text, at, &reading);
	if (groups == 0 || goes_on(text, reading.ends[groups - 1]))
		return 0;
	return reading.ends[groups - 1] - at;
}
