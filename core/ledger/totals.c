/* SPDX-License-Identifier: Apache-2.0 */
/* Totals in memory. Rows are never freed before the end, so that the writer may keep pointers to
 * them. */
#include "ledger/totals.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/own.h"

static const char *const group_names[LEDGER_GROUPS] = {
	[LEDGER_BY_TENANT] = "tenant", [LEDGER_BY_FEATURE] = "feature",
	[LEDGER_BY_KEY] = "key",       [LEDGER_BY_ROUTE] = "route",
	[LEDGER_BY_MODEL] = "model",   [LEDGER_BY_PROVIDER] = "provider",
	[LEDGER_BY_USER] = "user",
};

const char *ledger_group_name(enum ledger_group group)
{
	return group_names[group];
}

int ledger_group_parse(struct slice name, enum ledger_group *ret)
{
	for (int i = 0; i < LEDGER_GROUPS; i++) {
		if (!slice_eq_str(name, group_names[i]))
			continue;
		*ret = (enum ledger_group)i;
		return 0;
	}
	return -EINVAL;
}

static bool by_attempt(enum ledger_group group)
{
	return group == LEDGER_BY_MODEL || group == LEDGER_BY_PROVIDER;
}

static void set_periods(struct totals *totals, int64_t now_s)
{
	totals->day_start = zone_day_start(totals->zone, now_s);
	totals->day_end = zone_day_end(totals->zone, now_s);
	totals->month_start = zone_month_start(totals->zone, now_s);
	totals->month_end = zone_month_end(totals->zone, now_s);
}

int totals_init(struct totals *totals, struct zone *zone, uint32_t names_max, int64_t now_s)
{
	*totals = (struct totals){ .names_max = names_max };
	if (pthread_mutex_init(&totals->lock, NULL) != 0)
		return -ENOMEM;
	totals->zone = zone_ref(zone);
	totals->sum.name = "";
	set_periods(totals, now_s);
	return 0;
}

void totals_fini(struct totals *totals)
{
	if (!totals->zone)
		return;
	for (int group = 0; group < LEDGER_GROUPS; group++) {
		map_foreach (entry, &totals->groups[group])
			free(entry->value);
		map_fini(&totals->groups[group]);
	}
	totals->zone = zone_unref(totals->zone);
	pthread_mutex_destroy(&totals->lock);
}

static struct totals_row *row_add(struct map *map, struct slice name)
{
	struct totals_row *row = calloc(1, sizeof(*row) + name.len + 1);
	char *text;

	if (!row)
		return NULL;
	text = (char *)(row + 1);
	memcpy(text, name.ptr, name.len);
	row->name = text;
	if (map_put(map, name, row, NULL) < 0) {
		free(row);
		return NULL;
	}
	return row;
}

/* People are not made up by clients, and there are more of them than of anything else. */
static uint32_t names_max(const struct totals *totals, enum ledger_group group)
{
	return group == LEDGER_BY_USER && totals->names_max < LEDGER_USERS_MAX ? LEDGER_USERS_MAX
									       : totals->names_max;
}

struct totals_row *totals_row(struct totals *totals, enum ledger_group group, struct slice name)
{
	struct map *map = &totals->groups[group];
	struct totals_row *row;

	pthread_mutex_lock(&totals->lock);
	row = map_get(map, name);
	if (!row && map->count >= names_max(totals, group)) {
		name = SLICE("other");
		row = map_get(map, name);
	}
	if (!row)
		row = row_add(map, name);
	pthread_mutex_unlock(&totals->lock);
	return row;
}

static void add(struct totals_sum *sum, const struct totals_sum *more, uint64_t requests,
		uint64_t errors)
{
	sum->cost_nano += more->cost_nano;
	sum->saved_nano += more->saved_nano;
	sum->tokens_in += more->tokens_in;
	sum->tokens_out += more->tokens_out;
	sum->tokens_cached += more->tokens_cached;
	sum->corrected_nano += more->corrected_nano;
	sum->requests += requests;
	sum->errors += errors;
}

static void add_to_row(const struct totals *totals, struct totals_row *row,
		       const struct totals_change *change, uint64_t requests, uint64_t errors)
{
	if (change->last_s > row->last_s)
		row->last_s = change->last_s;
	if (change->start_s >= totals->day_start)
		add(&row->sums[LEDGER_TODAY], &change->request, requests, errors);
	if (change->start_s >= totals->month_start)
		add(&row->sums[LEDGER_MONTH], &change->request, requests, errors);
	add(&row->sums[LEDGER_TOTAL], &change->request, requests, errors);
}

static void clear_period(struct totals *totals, enum ledger_period period)
{
	for (int group = 0; group < LEDGER_GROUPS; group++)
		map_foreach (entry, &totals->groups[group])
			((struct totals_row *)entry->value)->sums[period] =
			    (struct totals_sum){ 0 };
	totals->sum.sums[period] = (struct totals_sum){ 0 };
}

static void tick(struct totals *totals, int64_t now_s)
{
	if (now_s < totals->day_end)
		return;
	clear_period(totals, LEDGER_TODAY);
	if (now_s >= totals->month_end)
		clear_period(totals, LEDGER_MONTH);
	set_periods(totals, now_s);
	totals->generation++;
}

void totals_tick(struct totals *totals, int64_t now_s)
{
	pthread_mutex_lock(&totals->lock);
	tick(totals, now_s);
	pthread_mutex_unlock(&totals->lock);
}

static void apply(struct totals *totals, const struct totals_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct totals_change *change = &changes[i];

		for (int group = 0; group < LEDGER_GROUPS; group++) {
			bool attempts = by_attempt((enum ledger_group)group);

			if (!change->rows[group])
				continue;
			add_to_row(totals, change->rows[group], change,
				   attempts ? change->attempts : change->request.requests,
				   attempts ? change->attempt_errors : change->request.errors);
		}
		add_to_row(totals, &totals->sum, change, change->request.requests,
			   change->request.errors);
	}
}

void totals_apply(struct totals *totals, const struct totals_change *changes, size_t count,
		  int64_t now_s)
{
	pthread_mutex_lock(&totals->lock);
	tick(totals, now_s);
	apply(totals, changes, count);
	totals->generation += count > 0;
	pthread_mutex_unlock(&totals->lock);
}

void totals_replace(struct totals *totals, const struct totals_change *changes, size_t count,
		    int64_t now_s)
{
	pthread_mutex_lock(&totals->lock);
	tick(totals, now_s);
	for (int period = 0; period < LEDGER_PERIODS; period++)
		clear_period(totals, (enum ledger_period)period);
	apply(totals, changes, count);
	totals->generation++;
	pthread_mutex_unlock(&totals->lock);
}

void totals_starts(struct totals *totals, int64_t *ret_day, int64_t *ret_month)
{
	pthread_mutex_lock(&totals->lock);
	*ret_day = totals->day_start;
	*ret_month = totals->month_start;
	pthread_mutex_unlock(&totals->lock);
}

uint64_t totals_generation(struct totals *totals)
{
	uint64_t generation;

	pthread_mutex_lock(&totals->lock);
	generation = totals->generation;
	pthread_mutex_unlock(&totals->lock);
	return generation;
}

static struct ledger_total total_of(const struct totals_row *row, enum ledger_period period)
{
	const struct totals_sum *sum = &row->sums[period];

	return (struct ledger_total){
		.name = row->name,
		.cost_nano = sum->cost_nano,
		.tokens_in = sum->tokens_in,
		.tokens_out = sum->tokens_out,
		.tokens_cached = sum->tokens_cached,
		.requests = sum->requests,
		.errors = sum->errors,
		.last_s = row->last_s,
		.corrected_nano = sum->corrected_nano,
	};
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct ledger_total *)a)->name,
		      ((const struct ledger_total *)b)->name);
}

static bool is_zero(const struct totals_sum *sum)
{
	return sum->requests == 0 && sum->cost_nano == 0 && sum->tokens_in == 0 &&
	       sum->tokens_out == 0 && sum->corrected_nano == 0;
}

/* A name without a request in the period is not of it. */
void ledger_totals_each(struct ledger *ledger, enum ledger_group group, enum ledger_period period,
			void (*fn)(const struct ledger_total *total, void *data), void *data)
{
	struct totals *totals = ledger_own_totals(ledger);
	_cleanup_free_ struct ledger_total *copy = NULL;
	size_t count = 0;

	pthread_mutex_lock(&totals->lock);
	tick(totals, (int64_t)(clock_real_ns() / NS_PER_S));
	copy = calloc(totals->groups[group].count + 1, sizeof(copy[0]));
	map_foreach (entry, &totals->groups[group]) {
		const struct totals_row *row = entry->value;

		if (copy && !is_zero(&row->sums[period]))
			copy[count++] = total_of(row, period);
	}
	pthread_mutex_unlock(&totals->lock);
	qsort(copy, count, sizeof(copy[0]), compare_names);
	for (size_t i = 0; i < count; i++)
		fn(&copy[i], data);
}

struct ledger_total ledger_totals_sum(struct ledger *ledger, enum ledger_period period)
{
	struct totals *totals = ledger_own_totals(ledger);
	struct ledger_total total;

	pthread_mutex_lock(&totals->lock);
	tick(totals, (int64_t)(clock_real_ns() / NS_PER_S));
	total = total_of(&totals->sum, period);
	pthread_mutex_unlock(&totals->lock);
	return total;
}
