/* SPDX-License-Identifier: Apache-2.0 */
/* now/status.json: one consistent moment, flat so that jq and people find things; money as strings,
 * exact. */
#include "admin/private.h"

#include "base/clock.h"

static void key(struct buffer *out, const char *name)
{
	buffer_append_str(out, ",\n\"");
	buffer_append_str(out, name);
	buffer_append_str(out, "\": ");
}

static void number(struct buffer *out, const char *name, uint64_t value)
{
	key(out, name);
	buffer_append_u64(out, value);
}

static void text(struct buffer *out, const char *name, const char *value)
{
	key(out, name);
	buffer_append_json(out, slice_of(value));
}

static void usd(struct buffer *out, const char *name, int64_t cost_nano)
{
	key(out, name);
	buffer_append_char(out, '"');
	buffer_append_usd(out, cost_nano);
	buffer_append_char(out, '"');
}

/* Microseconds as milliseconds with three digits after the point. */
static void milliseconds(struct buffer *out, const char *name, uint64_t us)
{
	key(out, name);
	buffer_printf(out, "%llu.%03llu", (unsigned long long)(us / 1000),
		      (unsigned long long)(us % 1000));
}

struct rows {
	struct buffer *out;
	bool first;
};

static void add_row(const struct ledger_total *total, void *data)
{
	struct rows *rows = data;

	buffer_append_str(rows->out, rows->first ? "\n  {\"name\": " : ",\n  {\"name\": ");
	rows->first = false;
	buffer_append_json(rows->out, slice_of(total->name));
	buffer_append_str(rows->out, ", \"cost_usd\": \"");
	buffer_append_usd(rows->out, total->cost_nano);
	buffer_printf(
	    rows->out,
	    "\", \"requests\": %llu, \"errors\": %llu, \"tokens_in\": %lld, \"tokens_out\": %lld}",
	    (unsigned long long)total->requests, (unsigned long long)total->errors,
	    (long long)total->tokens_in, (long long)total->tokens_out);
}

static void table(struct admin *admin, struct buffer *out, const char *name,
		  enum ledger_group group)
{
	struct rows rows = { out, true };

	key(out, name);
	buffer_append_char(out, '[');
	ledger_totals_each(admin->options.ledger, group, LEDGER_TODAY, add_row, &rows);
	buffer_append_char(out, ']');
}

static void add_unpriced(const char *provider, const char *model, void *data)
{
	struct rows *rows = data;

	buffer_append_str(rows->out, rows->first ? "\n  {\"provider\": " : ",\n  {\"provider\": ");
	rows->first = false;
	buffer_append_json(rows->out, slice_of(provider));
	buffer_append_str(rows->out, ", \"model\": ");
	buffer_append_json(rows->out, slice_of(model));
	buffer_append_char(rows->out, '}');
}

static void unpriced(struct admin *admin, const char *name, bool in_part, struct buffer *out)
{
	struct rows rows = { out, true };

	key(out, name);
	buffer_append_char(out, '[');
	ledger_unpriced_each(admin->options.ledger, in_part, add_unpriced, &rows);
	buffer_append_char(out, ']');
}

/* Of each listener that speaks TLS: when its certificate ends. */
static void certificates(struct admin *admin, const struct admin_moment *moment, struct buffer *out)
{
	bool first = true;

	key(out, "tls");
	buffer_append_char(out, '[');
	for (int i = 0; i < GATEWAY_LISTENERS; i++) {
		enum gateway_listener listener = (enum gateway_listener)i;
		int64_t until_s = gateway_certificate_until_s(admin->options.gateway, listener);
		int64_t left_s = until_s - (int64_t)(moment->real_ns / NS_PER_S);
		if (until_s == 0)
			continue;
		buffer_printf(out, "%s\n  {\"listener\": \"%s\", \"not_after\": \"",
			      first ? "" : ",", gateway_listener_name(listener));
		buffer_append_time(out, (uint64_t)until_s * NS_PER_S);
		buffer_printf(out, "\", \"days_left\": %lld}",
			      (long long)(left_s > 0 ? left_s / 86400 : 0));
		first = false;
	}
	buffer_append_char(out, ']');
}

static void traffic(const struct admin_moment *moment, struct buffer *out)
{
	const struct gateway_counters *counters = &moment->counters;
	uint64_t errors = counters->requests_total - counters->requests_by_outcome[LEDGER_OK];

	number(out, "requests_total", counters->requests_total);
	number(out, "errors_total", errors);
	number(out, "departed_total", counters->requests_by_outcome[LEDGER_DEPARTED]);
	number(out, "refused_keys_total", counters->refused_keys_total);
	number(out, "attempts_total", counters->attempts_total);
	number(out, "failovers_total", counters->failovers_total);
	number(out, "streams_total", counters->streams_total);
	number(out, "inflight", counters->inflight);
	number(out, "draining", counters->drains);
	number(out, "tokens_in_total", counters->tokens_in_total);
	number(out, "tokens_out_total", counters->tokens_out_total);
	milliseconds(out, "latency_p50_ms", moment->latency_p50_us);
	milliseconds(out, "latency_p99_ms", moment->latency_p99_us);
	milliseconds(out, "ttft_p50_ms", moment->ttft_p50_us);
	milliseconds(out, "ttft_p99_ms", moment->ttft_p99_us);
	number(out, "connections_open", counters->connections_open);
	number(out, "upstream_connections_open", counters->upstream_connections_open);
	number(out, "bad_requests_total", counters->bad_requests_total);
	number(out, "body_bytes_held", counters->body_bytes_held);
	number(out, "tls_handshakes_total", counters->tls_handshakes_total);
	number(out, "tls_failures_total", counters->tls_failures_total);
}

void render_status(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out)
{
	const struct ledger_state *ledger = &moment->ledger;

	buffer_append_str(out, "{\"version\": \"" TIDEGATE_VERSION "\"");
	key(out, "ts");
	buffer_append_char(out, '"');
	buffer_append_time(out, moment->real_ns);
	buffer_append_char(out, '"');
	number(out, "uptime_s", moment->uptime_s);
	text(out, "state", moment->state);
	number(out, "generation", moment->conf->generation);
	text(out, "zone", zone_name(admin->options.zone));
	usd(out, "today_usd", moment->sums[LEDGER_TODAY].cost_nano);
	usd(out, "month_usd", moment->sums[LEDGER_MONTH].cost_nano);
	usd(out, "total_usd", moment->sums[LEDGER_TOTAL].cost_nano);
	usd(out, "reserved_usd", ledger->reserved_nano);
	traffic(moment, out);
	number(out, "rows_committed_total", ledger->rows_committed);
	number(out, "rows_waiting", ledger->inflight);
	number(out, "rows_replayed_total", ledger->replayed);
	number(out, "commit_failures_total", ledger->commit_failures);
	number(out, "prices_unknown_total", ledger->prices_unknown);
	unpriced(admin, "prices_unknown", false, out);
	number(out, "prices_partial_total", ledger->prices_partial);
	unpriced(admin, "prices_partial", true, out);
	certificates(admin, moment, out);
	key(out, "providers");
	providers_json(admin, out);
	table(admin, out, "by_tenant", LEDGER_BY_TENANT);
	table(admin, out, "by_feature", LEDGER_BY_FEATURE);
	table(admin, out, "by_model", LEDGER_BY_MODEL);
	table(admin, out, "by_provider", LEDGER_BY_PROVIDER);
	buffer_append_str(out, "}\n");
}
