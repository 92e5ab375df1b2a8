/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as text and back. Vectors are RFC 3339's own (5.8) and the edges of the calendar. */
#include "base/clock.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static const struct {
	const char *text;
	int64_t s; /* -1: refused */
} rows[] = {
	{ "1985-04-12T23:20:50.52Z", 482196050 },
	{ "1996-12-19T16:39:57-08:00", 851042397 },
	{ "1990-12-31T23:59:60Z", 662688000 },
	{ "1970-01-01T00:00:00Z", 0 },
	{ "1970-01-01T01:00:00+01:00", 0 },
	{ "2026-12-31t18:00:00z", 1798740000 },
	{ "2026-12-31 18:00:00Z", 1798740000 },
	{ "2026-12-31", 1798761600 }, /* its end */
	{ "2024-02-29", 1709251200 },
	{ "2023-02-29", -1 },
	{ "2026-02-30T00:00:00Z", -1 },
	{ "1969-12-31T23:59:59Z", -1 },
	{ "1970-01-01T00:00:00+01:00", -1 },
	{ "2026-13-01", -1 },
	{ "2026-00-01", -1 },
	{ "2026-01-00", -1 },
	{ "2026-1-1", -1 },
	{ "2026-01-01T", -1 },
	{ "2026-01-01T00:00:00", -1 },
	{ "2026-01-01T00:00Z", -1 },
	{ "2026-01-01T24:00:00Z", -1 },
	{ "2026-01-01T00:60:00Z", -1 },
	{ "2026-01-01T00:00:00.Z", -1 },
	{ "2026-01-01T00:00:00Zx", -1 },
	{ "2026-01-01T00:00:00+0100", -1 },
	{ "2026-01-01T00:00:00+24:00", -1 },
	{ "2026-01-01x", -1 },
	{ "tomorrow", -1 },
	{ "", -1 },
};

static void parse(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t s = -1;
		int r = clock_parse(slice_of(rows[i].text), &s);

		if (s != rows[i].s || r != (rows[i].s < 0 ? -EINVAL : 0))
			test_fail(__FILE__, __LINE__, "%s: %d, %lld", rows[i].text, r,
				  (long long)s);
	}
}

static void back(void)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t again;

	for (int64_t s = 0; s < 4000000000; s += 86399 * 7) {
		CHECK_INT(clock_format_s(s, text), 20);
		CHECK_INT(clock_parse(slice_of(text), &again), 0);
		CHECK_INT(again, s);
	}
}

int main(void)
{
	test_run("parse", parse);
	test_run("back", back);
	return 0;
}
