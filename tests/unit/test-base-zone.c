/* SPDX-License-Identifier: Apache-2.0 */
/* Days and months of zones: long and short days, midnights that do not exist or come twice, dates
 * left out, and that the days of every zone tested tile time. Vectors are from the published rules
 * of the zones. */
#include "base/zone.h"

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

static struct zone *zone_of(const char *name)
{
	struct zone *zone = NULL;

	if (zone_new(name, &zone) < 0)
		test_fail(__FILE__, __LINE__, "no zone %s", name);
	return zone;
}

/* A UTC instant. */
static int64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute };

	return timegm(&tm);
}

static void check_day(const char *name, int64_t at, int64_t start, int64_t end)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = zone_of(name);
	const int64_t inside[] = { start, at, end - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		if (zone_day_start(zone, inside[i]) != start ||
		    zone_day_end(zone, inside[i]) != end)
			test_fail(__FILE__, __LINE__,
				  "%s at %" PRId64 ": [%" PRId64 ", %" PRId64 ")", name, inside[i],
				  zone_day_start(zone, inside[i]), zone_day_end(zone, inside[i]));
	}
	CHECK_INT(zone_day_end(zone, start - 1), start);
	CHECK_INT(zone_day_start(zone, end), end);
}

static void test_utc_needs_no_database(void)
{
	_cleanup_(cleanup_zone_unref) struct zone *zone = zone_of("UTC");

	CHECK_STR(zone_name(zone), "UTC");
	CHECK_INT(zone_day_start(zone, utc(2026, 11, 24, 7, 15)), utc(2026, 11, 24, 0, 0));
	CHECK_INT(zone_day_start(zone, -1), -DAY);
	CHECK_INT(zone_day_end(zone, -1), 0);
	CHECK_INT(zone_month_start(zone, utc(2024, 2, 29, 23, 59)), utc(2024, 2, 1, 0, 0));
	CHECK_INT(zone_month_end(zone, utc(2024, 2, 29, 23, 59)), utc(2024, 3, 1, 0, 0));
	CHECK_INT(zone_month_end(zone, utc(2026, 12, 31, 23, 59)), utc(2027, 1, 1, 0, 0));
}

static void test_unknown_names(void)
{
	static const char *const names[] = {
		"",
		"Mars/Olympus",
		"+05:00",
		"CET-1CEST",
		"../../etc/passwd",
		"/etc/localtime",
		"Europe",
		"Z",
		":UTC",
	};
	struct zone *zone = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_INT(zone_new(names[i], &zone), -ENOENT);
	CHECK(zone == NULL);
}

static void test_references(void)
{
	struct zone *zone = zone_of("UTC");

	CHECK(zone_ref(zone) == zone);
	CHECK(zone_unref(zone) == NULL);
	CHECK_STR(zone_name(zone), "UTC");
	CHECK(zone_unref(zone) == NULL);
	CHECK(zone_unref(NULL) == NULL);
}

static void test_berlin(void)
{
	/* UTC+1, in summer UTC+2; 2026 changes on 29 March and 25 October, at 01:00 UTC. */
	check_day("Europe/Berlin", utc(2026, 1, 15, 12, 0), utc(2026, 1, 14, 23, 0),
		  utc(2026, 1, 15, 23, 0));
	check_day("Europe/Berlin", utc(2026, 7, 15, 12, 0), utc(2026, 7, 14, 22, 0),
		  utc(2026, 7, 15, 22, 0));
	check_day("Europe/Berlin", utc(2026, 3, 29, 0, 59), utc(2026, 3, 28, 23, 0),
		  utc(2026, 3, 29, 22, 0));
	check_day("Europe/Berlin", utc(2026, 10, 25, 1, 0), utc(2026, 10, 24, 22, 0),
		  utc(2026, 10, 25, 23, 0));
	/* Far beyond the table of old database files. */
	check_day("Europe/Berlin", utc(2060, 7, 1, 12, 0), utc(2060, 6, 30, 22, 0),
		  utc(2060, 7, 1, 22, 0));
}

static void test_sao_paulo(void)
{
	/* Until 2019 summer time began and ended at local midnight: 2018-11-04 begins at 01:00, and
	 * 2019-02-16 ends with its last hour twice. */
	check_day("America/Sao_Paulo", utc(2018, 11, 3, 12, 0), utc(2018, 11, 3, 3, 0),
		  utc(2018, 11, 4, 3, 0));
	check_day("America/Sao_Paulo", utc(2018, 11, 4, 12, 0), utc(2018, 11, 4, 3, 0),
		  utc(2018, 11, 5, 2, 0));
	check_day("America/Sao_Paulo", utc(2019, 2, 17, 2, 30), utc(2019, 2, 16, 2, 0),
		  utc(2019, 2, 17, 3, 0));
	check_day("America/Sao_Paulo", utc(2026, 11, 24, 7, 15), utc(2026, 11, 24, 3, 0),
		  utc(2026, 11, 25, 3, 0));
}

static void test_fixed_odd_offsets(void)
{
	check_day("Asia/Kolkata", utc(2026, 11, 24, 18, 29), utc(2026, 11, 23, 18, 30),
		  utc(2026, 11, 24, 18, 30));
	check_day("Pacific/Kiritimati", utc(2026, 6, 1, 0, 0), utc(2026, 5, 31, 10, 0),
		  utc(2026, 6, 1, 10, 0));
	/* Half an hour of summer time, at local 02:00. */
	check_day("Australia/Lord_Howe", utc(2026, 4, 4, 20, 0), utc(2026, 4, 4, 13, 0),
		  utc(2026, 4, 5, 13, 30));
}

static void test_date_left_out(void)
{
	/* Samoa went from 2011-12-29 to 2011-12-31. */
	check_day("Pacific/Apia", utc(2011, 12, 30, 0, 0), utc(2011, 12, 29, 10, 0),
		  utc(2011, 12, 30, 10, 0));
	check_day("Pacific/Apia", utc(2011, 12, 30, 12, 0), utc(2011, 12, 30, 10, 0),
		  utc(2011, 12, 31, 10, 0));
}

static void test_midnight_crossed_twice(void)
{
	/* St. John's fell back from 00:01 to 23:01 on 2010-11-07: the 7th had begun at 02:30 UTC,
	 * and holds what follows. */
	check_day("America/St_Johns", utc(2010, 11, 7, 3, 0), utc(2010, 11, 7, 2, 30),
		  utc(2010, 11, 8, 3, 30));
}

static void test_months(void)
{
	_cleanup_(cleanup_zone_unref) struct zone *berlin = zone_of("Europe/Berlin");
	_cleanup_(cleanup_zone_unref) struct zone *kolkata = zone_of("Asia/Kolkata");

	CHECK_INT(zone_month_start(berlin, utc(2026, 3, 31, 21, 59)), utc(2026, 2, 28, 23, 0));
	CHECK_INT(zone_month_end(berlin, utc(2026, 3, 31, 21, 59)), utc(2026, 3, 31, 22, 0));
	CHECK_INT(zone_month_start(berlin, utc(2026, 3, 31, 22, 0)), utc(2026, 3, 31, 22, 0));
	CHECK_INT(zone_month_end(kolkata, utc(2026, 12, 31, 18, 29)), utc(2026, 12, 31, 18, 30));
	CHECK_INT(zone_month_start(kolkata, utc(2026, 12, 31, 18, 30)), utc(2026, 12, 31, 18, 30));
}

/* From day to day through 80 years: no gap, no overlap, none empty and none over 27 hours. */
static void test_days_tile_time(void)
{
	static const char *const names[] = { "Europe/Berlin",    "America/Sao_Paulo",
					     "America/St_Johns", "Africa/Casablanca",
					     "Pacific/Apia",     "Asia/Gaza" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(cleanup_zone_unref) struct zone *zone = zone_of(names[i]);
		int64_t start = zone_day_start(zone, 0), end;

		for (int day = 0; day < 80 * 365; day++, start = end) {
			end = zone_day_end(zone, start);
			CHECK(end > start && end - start <= 27 * HOUR);
			CHECK_INT(zone_day_start(zone, end - 1), start);
			CHECK_INT(zone_day_start(zone, end), end);
		}
	}
}

int main(void)
{
	struct stat info;

	test_run("utc_needs_no_database", test_utc_needs_no_database);
	test_run("unknown_names", test_unknown_names);
	test_run("references", test_references);
	if (stat("/usr/share/zoneinfo/Europe/Berlin", &info) < 0)
		test_skip("no zone database on this machine (tzdata)");
	test_run("berlin", test_berlin);
	test_run("sao_paulo", test_sao_paulo);
	test_run("fixed_odd_offsets", test_fixed_odd_offsets);
	test_run("date_left_out", test_date_left_out);
	test_run("midnight_crossed_twice", test_midnight_crossed_twice);
	test_run("months", test_months);
	test_run("days_tile_time", test_days_tile_time);
	return 0;
}
