/* SPDX-License-Identifier: Apache-2.0 */
/* The proleptic Gregorian calendar in pure arithmetic: glibc's gmtime_r takes a lock. Years are
 * counted from March, so that the leap day is a year's last. Private to base. */
#pragma once

#include <stdint.h>

struct civil {
	int64_t year;
	int month, day; /* from 1 */
};

static inline int64_t civil_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01. */
static inline int64_t civil_to_days(struct civil date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = civil_floor_div(year, 400);
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static inline struct civil civil_from_days(int64_t days)
{
	int64_t era = civil_floor_div(days + 719468, 146097);
	int64_t day = days + 719468 - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
	int month = (int)((5 * day_of_year + 2) / 153); /* from March, 0 to 11 */

	return (struct civil){
		.year = year + era * 400 + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
	};
}
