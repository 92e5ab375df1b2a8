/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl status`: what who is on call looks at first, on 80 columns. Exact and whole is --json.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/print.h"

enum {
	WIDTH = 80,
	ROWS = 8,
};

static long long number(json_t *value, const char *field)
{
	return (long long)json_integer_value(json_object_get(value, field));
}

static void print_uptime(long long seconds)
{
	if (seconds < 120)
		printf("up %lld s", seconds);
	else if (seconds < 2 * 3600)
		printf("up %lld min", seconds / 60);
	else if (seconds < 2 * 86400)
		printf("up %lld h %lld min", seconds / 3600, seconds / 60 % 60);
	else
		printf("up %lld days %lld h", seconds / 86400, seconds / 3600 % 24);
}

static void print_head(json_t *value)
{
	char state[PRINT_CELL_MAX], version[PRINT_CELL_MAX], zone[PRINT_CELL_MAX];
	char today[PRINT_CELL_MAX], month[PRINT_CELL_MAX], reserved[PRINT_CELL_MAX];

	print_field(value, "state", state);
	print_field(value, "version", version);
	print_field(value, "zone", zone);
	print_field(value, "today_usd", today);
	print_field(value, "month_usd", month);
	print_field(value, "reserved_usd", reserved);
	printf("state          %s\n", state);
	printf("tidegated      %s, configuration %lld, ", version, number(value, "generation"));
	print_uptime(number(value, "uptime_s"));
	printf("\nspend today    %s USD (%s)\n", today, zone);
	printf("this month     %s USD; %s reserved\n", month, reserved);
}

static void print_traffic(json_t *value)
{
	long long requests = number(value, "requests_total"),
		  errors = number(value, "errors_total");

	printf("requests       %lld: %lld errors (%.1f %%), of them %lld departed\n", requests,
	       errors, requests > 0 ? 100.0 * (double)errors / (double)requests : 0.0,
	       number(value, "departed_total"));
	printf("refused        %lld keys, %lld bad requests\n", number(value, "refused_keys_total"),
	       number(value, "bad_requests_total"));
	printf("in flight      %lld; connections: %lld of clients, %lld to upstreams\n",
	       number(value, "inflight"), number(value, "connections_open"),
	       number(value, "upstream_connections_open"));
	printf("attempts       %lld at providers, %lld failovers\n",
	       number(value, "attempts_total"), number(value, "failovers_total"));
}

static void print_quantiles(json_t *value, const char *title, const char *p50, const char *p99)
{
	char half[PRINT_CELL_MAX], most[PRINT_CELL_MAX];

	print_field(value, p50, half);
	print_field(value, p99, most);
	printf("%-14s p50 %s ms, p99 %s ms\n", title, half, most);
}

/* More digits, or the same and later in the order of bytes: both have nine after the point. */
static int dearer_first(const void *a, const void *b)
{
	const char *one = json_string_value(json_object_get(*(json_t *const *)a, "cost_usd")) ?: "";
	const char *two = json_string_value(json_object_get(*(json_t *const *)b, "cost_usd")) ?: "";
	size_t one_len = strlen(one), two_len = strlen(two);

	return one_len == two_len ? strcmp(two, one) : (one_len < two_len) - (one_len > two_len);
}

static void print_group(json_t *value, const char *title, const char *field)
{
	json_t *all = json_object_get(value, field), *shown = json_array();
	size_t count = json_array_size(all);
	_cleanup_free_ json_t **rows = calloc(count + 1, sizeof(json_t *));

	for (size_t i = 0; rows && i < count; i++)
		rows[i] = json_array_get(all, i);
	if (rows)
		qsort(rows, count, sizeof(json_t *), dearer_first);
	for (size_t i = 0; rows && i < count && i < ROWS; i++)
		json_array_append(shown, rows[i]);
	if (json_array_size(shown) > 0) {
		printf("\n%s\n", title);
		print_costs_table(shown, WIDTH);
	}
	if (count > ROWS)
		printf("and %zu more: tidectl costs --by %s\n", count - ROWS,
		       field + strlen("by_"));
	json_decref(shown);
}

static void print_unpriced(json_t *value, const char *name, const char *title)
{
	static const struct print_column columns[] = {
		{ "PROVIDER", "provider", false },
		{ "MODEL", "model", false },
	};
	json_t *rows = json_object_get(value, name);

	if (json_array_size(rows) == 0)
		return;
	printf("\n%s\n", title);
	print_table(rows, columns, ARRAY_SIZE(columns), WIDTH);
}

static void print_providers(json_t *value)
{
	static const struct print_column columns[] = {
		{ "PROVIDER", "name", false },
		{ "HEALTH", "health", false },
		{ "SINCE", "since", false },
		{ "FAILED IN A ROW", "failures_in_a_row", true },
	};
	json_t *row, *rows = json_object_get(value, "providers");
	size_t index;

	if (json_array_size(rows) == 0)
		return;
	printf("\nHow providers are\n");
	print_table(rows, columns, ARRAY_SIZE(columns), WIDTH);
	json_array_foreach (rows, index, row) {
		char name[PRINT_CELL_MAX], why[PRINT_CELL_MAX];

		if (!json_is_string(json_object_get(row, "why")))
			continue;
		print_field(row, "name", name);
		print_field(row, "why", why);
		printf("%s: %s\n", name, why);
	}
}

static void print_certificates(json_t *value)
{
	size_t index;
	json_t *row;

	json_array_foreach (json_object_get(value, "tls"), index, row) {
		char listener[PRINT_CELL_MAX], not_after[PRINT_CELL_MAX];

		print_field(row, "listener", listener);
		print_field(row, "not_after", not_after);
		printf("%-14s certificate until %s, %lld days left\n", listener, not_after,
		       number(row, "days_left"));
	}
}

void print_status(json_t *value)
{
	print_head(value);
	print_traffic(value);
	print_quantiles(value, "whole answer", "latency_p50_ms", "latency_p99_ms");
	print_quantiles(value, "first content", "ttft_p50_ms", "ttft_p99_ms");
	printf("ledger         %lld rows committed, %lld waiting, %lld failed commits\n",
	       number(value, "rows_committed_total"), number(value, "rows_waiting"),
	       number(value, "commit_failures_total"));
	if (number(value, "prices_unknown_total") > 0)
		printf("prices         %lld attempts without a known price count as free\n",
		       number(value, "prices_unknown_total"));
	if (number(value, "prices_partial_total") > 0)
		printf("prices         %lld attempts have a price that is known in part\n",
		       number(value, "prices_partial_total"));
	print_certificates(value);
	print_unpriced(value, "prices_unknown", "Used without a known price");
	print_unpriced(value, "prices_partial", "Used with a price that is known in part");
	print_providers(value);
	print_group(value, "Providers today", "by_provider");
	print_group(value, "Tenants today", "by_tenant");
	print_group(value, "Features today", "by_feature");
}
