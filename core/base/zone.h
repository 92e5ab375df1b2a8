/* SPDX-License-Identifier: Apache-2.0 */
/* IANA time zones by GLib (glibc has no thread-safe ones): where a day or month begins, in UTC
 * seconds. [any] */
#pragma once

#include <stdint.h>

struct zone;

/* -ENOENT when the zone database does not know `name`. */
int zone_new(const char *name, struct zone **ret);
struct zone *zone_ref(struct zone *zone);
struct zone *zone_unref(struct zone *zone);
const char *zone_name(const struct zone *zone);
/* The first second of the local day / month that holds `utc_s`, exact across DST. */
int64_t zone_day_start(const struct zone *zone, int64_t utc_s);
int64_t zone_day_end(const struct zone *zone, int64_t utc_s); /* the first second of the next day */
int64_t zone_month_start(const struct zone *zone, int64_t utc_s);
int64_t zone_month_end(const struct zone *zone, int64_t utc_s);
/* The local day that holds `utc_s`, in days since 1970-01-01. */
int64_t zone_day_number(const struct zone *zone, int64_t utc_s);
/* Of a local date, in days since 1970-01-01; of one that the zone leaves out, of the next. */
int64_t zone_date_start(const struct zone *zone, int64_t days);
