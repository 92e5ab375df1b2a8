/* SPDX-License-Identifier: Apache-2.0 */
/* How providers are: a table for the mount, an array for status.json, gauges for metrics. */
#include "admin/private.h"

#include "base/file.h"

static void table_time(struct buffer *out, uint64_t real_ns)
{
	buffer_append_char(out, '\t');
	if (real_ns)
		buffer_append_time(out, real_ns);
	else
		buffer_append_char(out, '-');
}

static void table_text(struct buffer *out, const char *text)
{
	buffer_append_char(out, '\t');
	if (*text)
		file_name_encode(slice_of(text), out);
	else
		buffer_append_char(out, '-');
}

static void add_table_row(const struct gateway_standing *standing, void *data)
{
	struct buffer *out = data;

	file_name_encode(slice_of(standing->name), out);
	table_text(out, gateway_health_name(standing->health));
	table_time(out, standing->since_ns);
	table_time(out, standing->probed_ns);
	buffer_printf(out, "\t%llu.%03llu", (unsigned long long)(standing->latency_us / 1000),
		      (unsigned long long)(standing->latency_us % 1000));
	table_text(out, standing->why);
	buffer_printf(out, "\t%llu\t%llu\t%llu", (unsigned long long)standing->successes_total,
		      (unsigned long long)standing->failures_total,
		      (unsigned long long)standing->failures_in_a_row);
	table_time(out, standing->last_success_ns);
	table_time(out, standing->last_failure_ns);
	table_text(out, standing->last_error);
	buffer_printf(out, "\t%zu\n", standing->models);
}

void render_providers(struct admin *admin, const struct admin_moment *moment, int argument,
		      struct buffer *out)
{
	buffer_append_str(out, ADMIN_PROVIDERS_COLUMNS "\n");
	gateway_standings_each(admin->options.gateway, add_table_row, out);
}

/* ---- status.json ---- */

struct rows {
	struct buffer *out;
	bool first;
};

static void json_time(struct buffer *out, const char *name, uint64_t real_ns)
{
	buffer_printf(out, ", \"%s\": ", name);
	if (!real_ns) {
		buffer_append_str(out, "null");
		return;
	}
	buffer_append_char(out, '"');
	buffer_append_time(out, real_ns);
	buffer_append_char(out, '"');
}

static void json_text(struct buffer *out, const char *name, const char *text)
{
	buffer_printf(out, ", \"%s\": ", name);
	if (*text)
		buffer_append_json(out, slice_of(text));
	else
		buffer_append_str(out, "null");
}

static void add_json_row(const struct gateway_standing *standing, void *data)
{
	struct rows *rows = data;
	struct buffer *out = rows->out;

	buffer_append_str(out, rows->first ? "\n  {\"name\": " : ",\n  {\"name\": ");
	rows->first = false;
	buffer_append_json(out, slice_of(standing->name));
	json_text(out, "health", gateway_health_name(standing->health));
	json_time(out, "since", standing->since_ns);
	json_time(out, "probed", standing->probed_ns);
	buffer_printf(out, ", \"latency_ms\": %llu.%03llu",
		      (unsigned long long)(standing->latency_us / 1000),
		      (unsigned long long)(standing->latency_us % 1000));
	json_text(out, "why", standing->why);
	buffer_printf(out,
		      ", \"successes_total\": %llu, \"failures_total\": %llu, "
		      "\"failures_in_a_row\": %llu",
		      (unsigned long long)standing->successes_total,
		      (unsigned long long)standing->failures_total,
		      (unsigned long long)standing->failures_in_a_row);
	json_time(out, "last_success", standing->last_success_ns);
	json_time(out, "last_failure", standing->last_failure_ns);
	json_text(out, "last_error", standing->last_error);
	buffer_printf(out, ", \"models\": %zu}", standing->models);
}

void providers_json(struct admin *admin, struct buffer *out)
{
	struct rows rows = { out, true };

	buffer_append_char(out, '[');
	gateway_standings_each(admin->options.gateway, add_json_row, &rows);
	buffer_append_char(out, ']');
}
