/* SPDX-License-Identifier: Apache-2.0 */
/* Words are one table; dates are pure arithmetic until the zone says where they begin. */
#include "base/period.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/cleanup.h"

enum {
	MONTH_LEN = 7, /* "2026-11" */
	DAY_LEN = 10,  /* "2026-11-24" */
};

/* `count` digits at `at` as a number; -1 where something else stands. */
static int digits(struct slice text, size_t at, size_t count)
{
	int value = 0;

	for (size_t i = at; i < at + count; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -1;
		value = value * 10 + (text.ptr[i] - '0');
	}
	return value;
}

static int parse_month(struct slice text, struct civil *ret)
{
	if (text.len < MONTH_LEN || text.ptr[4] != '-')
		return -EINVAL;
	*ret = (struct civil){ digits(text, 0, 4), digits(text, 5, 2), 1 };
	return ret->year >= 1970 && ret->month >= 1 && ret->month <= 12 ? 0 : -EINVAL;
}

static int parse_day(struct slice text, struct civil *ret)
{
	struct civil again;

	if (text.len != DAY_LEN || text.ptr[7] != '-' || parse_month(text, ret) < 0)
		return -EINVAL;
	ret->day = digits(text, 8, 2);
	again = civil_from_days(civil_to_days(*ret));
	return ret->day >= 1 && again.day == ret->day && again.month == ret->month ? 0 : -EINVAL;
}

static struct period day_of(const struct zone *zone, int64_t utc_s)
{
	return (struct period){ zone_day_start(zone, utc_s), zone_day_end(zone, utc_s) };
}

static struct period month_of(const struct zone *zone, int64_t utc_s)
{
	return (struct period){ zone_month_start(zone, utc_s), zone_month_end(zone, utc_s) };
}

static struct period today(const struct zone *zone, int64_t now_s)
{
	return day_of(zone, now_s);
}

static struct period yesterday(const struct zone *zone, int64_t now_s)
{
	return day_of(zone, zone_day_start(zone, now_s) - 1);
}

static struct period this_month(const struct zone *zone, int64_t now_s)
{
	return month_of(zone, now_s);
}

static struct period last_month(const struct zone *zone, int64_t now_s)
{
	return month_of(zone, zone_month_start(zone, now_s) - 1);
}

static struct period total(const struct zone *zone, int64_t now_s)
{
	(void)zone, (void)now_s;
	return (struct period){ 0, INT64_MAX };
}

static const struct {
	const char *word;
	struct period (*of)(const struct zone *zone, int64_t now_s);
} words[] = {
	{ "today", today },           { "yesterday", yesterday }, { "month", this_month },
	{ "last-month", last_month }, { "total", total },
};

static int days_of_month(struct civil month)
{
	struct civil next = { month.year + month.month / 12, month.month % 12 + 1, 1 };

	return (int)(civil_to_days(next) - civil_to_days(month));
}

/* A day is written as it should be, and its month does not have it. */
static bool refuse_day(struct slice text, struct error *error)
{
	static const char *const names[] = { "January",   "February", "March",    "April",
					     "May",       "June",     "July",     "August",
					     "September", "October",  "November", "December" };
	struct civil month;

	if (text.len != DAY_LEN || text.ptr[7] != '-' || parse_month(text, &month) < 0 ||
	    digits(text, 8, 2) < 0 || parse_day(text, &(struct civil){ 0 }) == 0)
		return false;
	error_set(error, -EINVAL, "\"%.*s\" is no day: %s %d has %d days", SLICE_ARGS(text),
		  names[month.month - 1], (int)month.year, days_of_month(month));
	return true;
}

static int refuse(struct slice text, const char *dots, struct error *error)
{
	struct slice first = dots ? slice_span(text.ptr, dots) : text;
	struct slice last = dots ? slice_span(dots + 2, text.ptr + text.len) : text;

	if (refuse_day(first, error) || refuse_day(last, error))
		return -EINVAL;
	return error_set(error, -EINVAL,
			 "\"period\" is one of today, yesterday, month, last-month, total, a day "
			 "(2026-11-24), a month (2026-11) or days from..to "
			 "(2026-11-01..2026-11-24, both within), not \"%.*s\"",
			 SLICE_ARGS(text));
}

static int parse_range(const struct zone *zone, struct slice first, struct slice last,
		       struct period *ret)
{
	struct civil from, to;

	if (parse_day(first, &from) < 0 || parse_day(last, &to) < 0 ||
	    civil_to_days(from) > civil_to_days(to))
		return -EINVAL;
	*ret = (struct period){ zone_date_start(zone, civil_to_days(from)),
				zone_date_start(zone, civil_to_days(to) + 1) };
	return 0;
}

static int parse_dates(const struct zone *zone, struct slice text, const char *dots,
		       struct period *ret)
{
	struct civil month;

	if (dots)
		return parse_range(zone, slice_span(text.ptr, dots),
				   slice_span(dots + 2, text.ptr + text.len), ret);
	if (text.len != MONTH_LEN)
		return parse_range(zone, text, text, ret);
	if (parse_month(text, &month) < 0)
		return -EINVAL;
	ret->from_s = zone_date_start(zone, civil_to_days(month));
	ret->until_s = zone_month_end(zone, ret->from_s);
	return 0;
}

int period_parse(const struct zone *zone, struct slice text, int64_t now_s, struct period *ret,
		 struct error *error)
{
	const char *dots = text.len > 0 ? memmem(text.ptr, text.len, "..", 2) : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!slice_eq_str(text, words[i].word))
			continue;
		*ret = words[i].of(zone, now_s);
		return 0;
	}
	return parse_dates(zone, text, dots, ret) == 0 ? 0 : refuse(text, dots, error);
}

/* ---- by number ---- */

static struct civil first_of_month(int64_t number)
{
	int64_t years = civil_floor_div(number, 12);

	return (struct civil){ 1970 + years, (int)(number - years * 12) + 1, 1 };
}

static int64_t start_of(const struct zone *zone, enum period_span span, int64_t number)
{
	return zone_date_start(zone,
			       span == PERIOD_DAY ? number : civil_to_days(first_of_month(number)));
}

int64_t period_number(const struct zone *zone, enum period_span span, int64_t utc_s)
{
	int64_t day = zone_day_number(zone, utc_s);
	struct civil date = civil_from_days(day);

	return span == PERIOD_DAY ? day : (date.year - 1970) * 12 + date.month - 1;
}

struct period period_numbered(const struct zone *zone, enum period_span span, int64_t number)
{
	return (struct period){ start_of(zone, span, number), start_of(zone, span, number + 1) };
}

void period_name(enum period_span span, int64_t number, char out[static PERIOD_NAME_SIZE])
{
	struct civil date = span == PERIOD_DAY ? civil_from_days(number) : first_of_month(number);
	unsigned year = (unsigned)date.year % 10000, month = (unsigned)date.month % 100;

	if (span == PERIOD_DAY)
		snprintf(out, PERIOD_NAME_SIZE, "%04u-%02u-%02u", year, month,
			 (unsigned)date.day % 100);
	else
		snprintf(out, PERIOD_NAME_SIZE, "%04u-%02u", year, month);
}

int period_name_parse(enum period_span span, struct slice name, int64_t *ret_number)
{
	struct civil date;

	if (span == PERIOD_DAY ? parse_day(name, &date) < 0
			       : name.len != MONTH_LEN || parse_month(name, &date) < 0)
		return -EINVAL;
	*ret_number =
	    span == PERIOD_DAY ? civil_to_days(date) : (date.year - 1970) * 12 + date.month - 1;
	return 0;
}
