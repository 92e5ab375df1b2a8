/* SPDX-License-Identifier: Apache-2.0 */
/* Periods by their words, days, months and ranges, in zones whose days are long, short or missing;
 * and that everything else is refused. */
#include "base/period.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "test.h"

enum {
	HOUR = 3600,
	DAY = 86400,
};

CLEANUP_DEFINE(struct zone, zone_unref);

static int64_t utc(int year, int month, int day, int hour)
{
	struct tm tm = {
		.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour
	};

	return timegm(&tm);
}

static void check(const char *name, const char *text, int64_t now_s, int64_t from_s,
		  int64_t until_s)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = NULL;
	struct period period;

	CHECK_INT(zone_new(name, &zone), 0);
	CHECK_INT(period_parse(zone, slice_of(text), now_s, &period, NULL), 0);
	if (period.from_s != from_s || period.until_s != until_s)
		test_fail(__FILE__, __LINE__, "%s in %s: [%" PRId64 ", %" PRId64 ")", text, name,
			  period.from_s, period.until_s);
}

static void test_words(void)
{
	const char *zone = "Europe/Berlin";
	int64_t now_s = utc(2026, 3, 30, 12); /* the day after a short one */

	check(zone, "today", now_s, utc(2026, 3, 29, 22), utc(2026, 3, 30, 22));
	check(zone, "yesterday", now_s, utc(2026, 3, 28, 23), utc(2026, 3, 29, 22));
	check(zone, "month", now_s, utc(2026, 2, 28, 23), utc(2026, 3, 31, 22));
	check(zone, "last-month", now_s, utc(2026, 1, 31, 23), utc(2026, 2, 28, 23));
	check(zone, "total", now_s, 0, INT64_MAX);
}

static void test_dates(void)
{
	check("Europe/Berlin", "2026-10-25", 0, utc(2026, 10, 24, 22), utc(2026, 10, 25, 23));
	check("Europe/Berlin", "2026-12", 0, utc(2026, 11, 30, 23), utc(2026, 12, 31, 23));
	check("UTC", "2024-02-28..2024-02-29", 0, utc(2024, 2, 28, 0), utc(2024, 3, 1, 0));
	check("UTC", "2026-11-24..2026-11-24", 0, utc(2026, 11, 24, 0), utc(2026, 11, 25, 0));
	check("Pacific/Kiritimati", "2026-01-01", 0, utc(2025, 12, 31, 10), utc(2026, 1, 1, 10));
	check("Pacific/Pago_Pago", "2026-01-01", 0, utc(2026, 1, 1, 11), utc(2026, 1, 2, 11));
	check("Pacific/Apia", "2011-12-30", 0, utc(2011, 12, 30, 10), utc(2011, 12, 30, 10));
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"",
		"Today",
		"week",
		"2026",
		"2026-13",
		"2026-00",
		"2026-1-1",
		"2026-02-29",
		"2026-11-31",
		"2026-11-00",
		"1969-12-31",
		"2026-11-24T00:00:00Z",
		"2026-11-24..",
		"..2026-11-24",
		"2026-11..2026-12",
		"2026-11-24..2026-11-23",
		"2026-11-24...2026-11-25",
		"-026-11-24",
		"2026-11-2x",
	};
	_cleanup_(cleanup_zone_unref) struct zone *zone = NULL;
	struct period period;

	CHECK_INT(zone_new("UTC", &zone), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (period_parse(zone, slice_of(texts[i]), 0, &period, NULL) != -EINVAL)
			test_fail(__FILE__, __LINE__, "\"%s\" was taken", texts[i]);
	}
}

static void check_reason(const char *text, const char *reason)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = NULL;
	struct error error = { 0 };
	struct period period;

	CHECK_INT(zone_new("UTC", &zone), 0);
	CHECK_INT(period_parse(zone, slice_of(text), 0, &period, &error), -EINVAL);
	if (!strstr(error.message, reason))
		test_fail(__FILE__, __LINE__, "%s: %s", text, error.message);
}

static void test_reasons(void)
{
	check_reason("2026-11-31", "\"2026-11-31\" is no day: November 2026 has 30 days");
	check_reason("2026-02-29", "\"2026-02-29\" is no day: February 2026 has 28 days");
	check_reason("2024-02-30", "February 2024 has 29 days");
	check_reason("2026-12-32", "December 2026 has 31 days");
	check_reason("2026-01-00", "January 2026 has 31 days");
	check_reason("2026-11-01..2026-11-31", "\"2026-11-31\" is no day");
	check_reason("2026-02-30..2026-11-01", "\"2026-02-30\" is no day");
	check_reason("2026-13-01", "\"period\" is one of today,");
	check_reason("2026-11-3x", "\"period\" is one of today,");
	check_reason("2026-11-24..2026-11-23", "not \"2026-11-24..2026-11-23\"");
	check_reason("", "not \"\"");
}

/* The days of a year are its months are the year. */
static void test_days_tile_months(void)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = NULL;
	struct period day, month;
	int64_t at_s = 0;
	char text[16];

	CHECK_INT(zone_new("America/Santiago", &zone), 0);
	for (int m = 1; m <= 12; m++) {
		snprintf(text, sizeof(text), "2026-%02d", m);
		CHECK_INT(period_parse(zone, slice_of(text), 0, &month, NULL), 0);
		CHECK(at_s == 0 || month.from_s == at_s);
		at_s = month.from_s;
		for (int d = 1; d <= 31; d++) {
			snprintf(text, sizeof(text), "2026-%02d-%02d", m, d);
			if (period_parse(zone, slice_of(text), 0, &day, NULL) < 0)
				continue;
			CHECK_INT(day.from_s, at_s);
			CHECK(day.until_s - day.from_s >= DAY - HOUR &&
			      day.until_s - day.from_s <= DAY + HOUR);
			at_s = day.until_s;
		}
		CHECK_INT(at_s, month.until_s);
	}
}

/* Names are numbers and back, and an instant's period is the one that holds it. */
static void test_numbers(void)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = NULL;

	CHECK_INT(zone_new("Europe/Berlin", &zone), 0);
	for (int64_t at_s = 0; at_s < INT64_C(4102444800); at_s += 86400 * 3 + 3601) {
		for (int span = 0; span < PERIOD_SPANS; span++) {
			int64_t number = period_number(zone, (enum period_span)span, at_s), again;
			struct period period =
			    period_numbered(zone, (enum period_span)span, number);
			char name[PERIOD_NAME_SIZE];

			CHECK(period.from_s <= at_s && at_s < period.until_s);
			period_name((enum period_span)span, number, name);
			CHECK_INT(period_name_parse((enum period_span)span, slice_of(name), &again),
				  0);
			CHECK_INT(again, number);
		}
	}
}

static void test_names_refused(void)
{
	static const char *const days[] = { "",           "2026-11", "2026-02-30",
					    "2026-1-01",  "today",   "2026-11-01..2026-11-02",
					    "2026-11-01x" };
	static const char *const months[] = { "",       "2026-13",    "2026-00",
					      "2026-1", "2026-11-01", "month" };
	int64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(days); i++)
		CHECK_INT(period_name_parse(PERIOD_DAY, slice_of(days[i]), &number), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(months); i++)
		CHECK_INT(period_name_parse(PERIOD_MONTH, slice_of(months[i]), &number), -EINVAL);
}

int main(void)
{
	struct stat info;

	test_run("refused", test_refused);
	test_run("reasons", test_reasons);
	test_run("names_refused", test_names_refused);
	if (stat("/usr/share/zoneinfo/Europe/Berlin", &info) < 0)
		test_skip("no zone database on this machine (tzdata)");
	test_run("words", test_words);
	test_run("dates", test_dates);
	test_run("days_tile_months", test_days_tile_months);
	test_run("numbers", test_numbers);
	return 0;
}
