/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, and real time as text without glibc's time zone lock. */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

#include "base/civil.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

static char *put_digits(char *at, uint64_t value, int count, char after)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	at[count] = after;
	return at + count + 1;
}

/* "2026-12-31T18:00:00" and `after`. */
static char *put_seconds(char *at, uint64_t seconds, char after)
{
	struct civil date = civil_from_days((int64_t)(seconds / 86400)); /* 2554 at most */

	at = put_digits(at, (uint64_t)date.year, 4, '-');
	at = put_digits(at, (uint64_t)date.month, 2, '-');
	at = put_digits(at, (uint64_t)date.day, 2, 'T');
	at = put_digits(at, seconds / 3600 % 24, 2, ':');
	at = put_digits(at, seconds / 60 % 60, 2, ':');
	return put_digits(at, seconds % 60, 2, after);
}

size_t clock_format(uint64_t real_ns, char out[static CLOCK_TEXT_SIZE])
{
	char *at = put_seconds(out, real_ns / NS_PER_S, '.');

	at = put_digits(at, real_ns % NS_PER_S / NS_PER_MS, 3, 'Z');
	*at = '\0';
	return (size_t)(at - out);
}

size_t clock_format_s(int64_t real_s, char out[static CLOCK_TEXT_SIZE])
{
	char *at = put_seconds(out, (uint64_t)real_s, 'Z');

	*at = '\0';
	return (size_t)(at - out);
}

/* ---- and back ---- */

/* `count` digits and `after` behind them; '\0': nothing need be there. -1 for anything else. */
static int take_digits(struct slice *text, size_t count, char after)
{
	int value = 0;

	if (text->len < count + (after != '\0') || (after && text->ptr[count] != after))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (text->ptr[i] < '0' || text->ptr[i] > '9')
			return -1;
		value = value * 10 + (text->ptr[i] - '0');
	}
	*text = slice_skip(*text, count + (after != '\0'));
	return value;
}

static bool take_date(struct slice *text, int64_t *ret_days)
{
	struct civil date, back;

	date.year = take_digits(text, 4, '-');
	date.month = take_digits(text, 2, '-');
	date.day = take_digits(text, 2, '\0');
	if (date.year < 1970 || date.month < 1 || date.month > 12 || date.day < 1)
		return false;
	*ret_days = civil_to_days(date);
	back = civil_from_days(*ret_days);
	return back.month == date.month && back.day == date.day;
}

/* Of a day; 60 is a leap second, which Unix time does not know. */
static bool take_time(struct slice *text, int64_t *ret_s)
{
	int hour = take_digits(text, 2, ':'), minute = take_digits(text, 2, ':'),
	    second = take_digits(text, 2, '\0');

	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*ret_s = hour * 3600 + minute * 60 + second;
	if (text->len > 0 && text->ptr[0] == '.') {
		*text = slice_skip(*text, 1);
		if (take_digits(text, 1, '\0') < 0)
			return false;
		while (take_digits(text, 1, '\0') >= 0)
			;
	}
	return true;
}

static bool take_offset(struct slice *text, int64_t *ret_s)
{
	char sign = text->len > 0 ? text->ptr[0] : '\0';
	int hours, minutes;

	if (sign != '\0')
		*text = slice_skip(*text, 1);
	*ret_s = 0;
	if (sign == 'Z' || sign == 'z')
		return text->len == 0;
	if (sign != '+' && sign != '-')
		return false;
	hours = take_digits(text, 2, ':');
	minutes = take_digits(text, 2, '\0');
	*ret_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59 && text->len == 0;
}

int clock_parse(struct slice text, int64_t *ret_s)
{
	int64_t days, second, offset;

	if (!take_date(&text, &days))
		return -EINVAL;
	if (text.len == 0) {
		*ret_s = (days + 1) * 86400;
		return 0;
	}
	if (text.ptr[0] != 'T' && text.ptr[0] != 't' && text.ptr[0] != ' ')
		return -EINVAL;
	text = slice_skip(text, 1);
	if (!take_time(&text, &second) || !take_offset(&text, &offset) ||
	    days * 86400 + second < offset)
		return -EINVAL;
	*ret_s = days * 86400 + second - offset;
	return 0;
}
