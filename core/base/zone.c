/* SPDX-License-Identifier: Apache-2.0 */
/* Days and months of a zone. A day begins at the first instant whose local date is that date or a
 * later one; an instant belongs to the last day begun. So days follow each other without gap or
 * overlap even where clocks fall back over midnight or a date is left out. */
#include "base/zone.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "base/civil.h"
#include "base/cleanup.h"

enum {
	DAY_S = 86400,
	OFFSET_MAX_S =
	    16 * 3600, /* beyond every offset of the database, local mean times included */
};

struct zone {
	atomic_uint references;
	GTimeZone *rules; /* immutable; shared by GLib among zones of one name */
	char *name;
};

/* GLib also takes offsets and POSIX rules for names; only what the database holds is a zone here.
 */
static bool name_known(const char *name)
{
	_cleanup_free_ char *path = NULL;
	const char *folder = getenv("TZDIR");
	struct stat info;

	if (strcmp(name, "UTC") == 0)
		return true;
	if (!g_ascii_isalpha(name[0]) || strstr(name, "..") || strlen(name) > 100)
		return false;
	if (asprintf(&path, "%s/%s", folder ? folder : "/usr/share/zoneinfo", name) < 0)
		return false;
	return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

int zone_new(const char *name, struct zone **ret)
{
	struct zone *zone;

	if (!name_known(name))
		return -ENOENT;
	zone = calloc(1, sizeof(*zone));
	if (!zone)
		return -ENOMEM;
	atomic_init(&zone->references, 1);
	zone->name = strdup(name);
	zone->rules = g_time_zone_new_identifier(name);
	if (!zone->name || !zone->rules) {
		int r = zone->name ? -ENOENT : -ENOMEM;

		zone_unref(zone);
		return r;
	}
	*ret = zone;
	return 0;
}

struct zone *zone_ref(struct zone *zone)
{
	atomic_fetch_add_explicit(&zone->references, 1, memory_order_relaxed);
	return zone;
}

struct zone *zone_unref(struct zone *zone)
{
	if (!zone || atomic_fetch_sub_explicit(&zone->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	if (zone->rules)
		g_time_zone_unref(zone->rules);
	free(zone->name);
	free(zone);
	return NULL;
}

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

static int interval_at(const struct zone *zone, int64_t utc_s)
{
	return g_time_zone_find_interval(zone->rules, G_TIME_TYPE_UNIVERSAL, utc_s);
}

static int64_t local_at(const struct zone *zone, int64_t utc_s)
{
	return utc_s + g_time_zone_get_offset(zone->rules, interval_at(zone, utc_s));
}

/* The first second in (from, to] that lies in another interval than `from`, or to + 1. */
static int64_t interval_end(const struct zone *zone, int64_t from, int64_t to)
{
	int interval = interval_at(zone, from);

	if (interval_at(zone, to) == interval)
		return to + 1;
	while (to - from > 1) {
		int64_t middle = from + (to - from) / 2;

		if (interval_at(zone, middle) == interval)
			from = middle;
		else
			to = middle;
	}
	return to;
}

/* The first second whose local date is `day` (days since 1970-01-01) or later. */
static int64_t day_begin(const struct zone *zone, int64_t day)
{
	int64_t midnight = day * DAY_S; /* local */
	int64_t from = midnight - OFFSET_MAX_S, to = midnight + OFFSET_MAX_S;

	for (;;) {
		int64_t offset = g_time_zone_get_offset(zone->rules, interval_at(zone, from));
		int64_t begin = midnight - offset > from ? midnight - offset : from;
		int64_t end = interval_end(zone, from, to);

		if (begin < end)
			return begin;
		from = end;
	}
}

/* The day that `utc_s` belongs to: its local date, or a later one begun before clocks fell back
 * over midnight. */
static int64_t day_of(const struct zone *zone, int64_t utc_s)
{
	int64_t day = civil_floor_div(local_at(zone, utc_s), DAY_S);

	while (day_begin(zone, day + 1) <= utc_s)
		day++;
	return day;
}

int64_t zone_day_number(const struct zone *zone, int64_t utc_s)
{
	return day_of(zone, utc_s);
}

int64_t zone_date_start(const struct zone *zone, int64_t days)
{
	return day_begin(zone, days);
}

int64_t zone_day_start(const struct zone *zone, int64_t utc_s)
{
	return day_begin(zone, day_of(zone, utc_s));
}

int64_t zone_day_end(const struct zone *zone, int64_t utc_s)
{
	return day_begin(zone, day_of(zone, utc_s) + 1);
}

int64_t zone_month_start(const struct zone *zone, int64_t utc_s)
{
	struct civil date = civil_from_days(day_of(zone, utc_s));

	date.day = 1;
	return day_begin(zone, civil_to_days(date));
}

int64_t zone_month_end(const struct zone *zone, int64_t utc_s)
{
	struct civil date = civil_from_days(day_of(zone, utc_s));

	date.day = 1;
	date.year += date.month == 12;
	date.month = date.month % 12 + 1;
	return day_begin(zone, civil_to_days(date));
}
