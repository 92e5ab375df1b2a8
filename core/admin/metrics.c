/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics in Prometheus' text format 0.0.4. Label values come from configuration and from the
 * bounded set of features, never from what a client may freely choose, so that the number of series
 * is bounded. */
#include "admin/private.h"

#include "base/cleanup.h"

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void plain(struct buffer *out, const char *name, const char *type, const char *help,
		  uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* Backslash, quote and newline are all that the format escapes. */
static void label(struct buffer *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buffer_append_char(out, '\\');
		if (*value == '\n')
			buffer_append_str(out, "\\n");
		else
			buffer_append_char(out, *value);
	}
}

struct series {
	struct buffer *out;
	const char *name, *label;
	enum { SERIES_COST, SERIES_REQUESTS, SERIES_IN, SERIES_OUT } field;
};

static void add_series(const struct ledger_total *total, void *data)
{
	const struct series *series = data;

	buffer_printf(series->out, "%s{%s=\"", series->name, series->label);
	label(series->out, total->name);
	buffer_append_str(series->out, "\"} ");
	if (series->field == SERIES_COST)
		buffer_append_usd(series->out, total->cost_nano);
	else if (series->field == SERIES_REQUESTS)
		buffer_append_u64(series->out, total->requests);
	else
		buffer_append_i64(series->out, series->field == SERIES_IN ? total->tokens_in
									  : total->tokens_out);
	buffer_append_char(series->out, '\n');
}

static void by_group(struct admin *admin, struct buffer *out, enum ledger_group group, int field,
		     const char *name, const char *help)
{
	struct series series = { out, name, ledger_group_name(group), field };

	head(out, name, "counter", help);
	ledger_totals_each(admin->options.ledger, group, LEDGER_TOTAL, add_series, &series);
}

/* Every fourth bucket, a power of two apart, is enough for a dashboard. */
static void histogram(struct buffer *out, const char *name, const char *help,
		      const uint64_t *buckets, uint64_t sum_us)
{
	uint64_t seen = 0;

	head(out, name, "histogram", help);
	for (size_t i = 0; i < GATEWAY_HISTOGRAM_BUCKETS; i++) {
		uint64_t us = gateway_bucket_us(i);
		seen += buckets[i];
		if (i % 4 == 0 && us <= UINT64_C(1100000000))
			buffer_printf(out, "%s_bucket{le=\"%llu.%06llu\"} %llu\n", name,
				      (unsigned long long)(us / 1000000),
				      (unsigned long long)(us % 1000000), (unsigned long long)seen);
	}
	buffer_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", name,
		      (unsigned long long)seen, name, (unsigned long long)(sum_us / 1000000),
		      (unsigned long long)(sum_us % 1000000), name, (unsigned long long)seen);
}

static void requests(const struct gateway_counters *counters, struct buffer *out)
{
	static const char *const outcomes[] = { "ok",       "error",   "incomplete",
						"departed", "refused", "crashed" };

	head(out, "tidegate_requests_total", "counter", "Requests of known keys, by outcome.");
	for (size_t i = 0; i <= LEDGER_CRASHED; i++)
		buffer_printf(out, "tidegate_requests_total{outcome=\"%s\"} %llu\n", outcomes[i],
			      (unsigned long long)counters->requests_by_outcome[i]);
	plain(out, "tidegate_refused_keys_total", "counter",
	      "Requests with no key or an unknown one.", counters->refused_keys_total);
	plain(out, "tidegate_bad_requests_total", "counter",
	      "Requests that were no valid HTTP or over a limit.", counters->bad_requests_total);
	plain(out, "tidegate_attempts_total", "counter", "Attempts at providers.",
	      counters->attempts_total);
	plain(out, "tidegate_failovers_total", "counter", "Attempts that followed a failed one.",
	      counters->failovers_total);
	plain(out, "tidegate_streams_total", "counter", "Requests for a stream.",
	      counters->streams_total);
	plain(out, "tidegate_usage_anomalies_total", "counter",
	      "Answers that said more cached tokens than their prompt has; they were cut.",
	      counters->usage_anomalies_total);
	plain(out, "tidegate_policy_failures_total", "counter",
	      "Times that a policy could not decide, and its on_error did.",
	      counters->policy_failures_total);
	plain(out, "tidegate_requests_inflight", "gauge", "Requests admitted and not settled.",
	      counters->inflight);
	plain(out, "tidegate_requests_draining", "gauge",
	      "Of these, answers that are read to their end though their client has left.",
	      counters->drains);
	histogram(out, "tidegate_request_seconds", "From the request's head to its end.",
		  counters->latency, counters->latency_us);
	histogram(out, "tidegate_first_content_seconds",
		  "From the request's head to the first content.", counters->first_content,
		  counters->first_content_us);
}

static void lanes(const struct gateway_counters *counters, struct buffer *out)
{
	plain(out, "tidegate_connections_open", "gauge", "Client connections.",
	      counters->connections_open);
	plain(out, "tidegate_connections_total", "counter", "Client connections accepted.",
	      counters->connections_total);
	plain(out, "tidegate_departures_total", "counter",
	      "Clients that left before their answer ended.", counters->departures_total);
	plain(out, "tidegate_received_bytes_total", "counter", "Bytes from clients.",
	      counters->bytes_in_total);
	plain(out, "tidegate_sent_bytes_total", "counter", "Bytes to clients.",
	      counters->bytes_out_total);
	plain(out, "tidegate_body_bytes", "gauge", "Request bodies in memory.",
	      counters->body_bytes_held);
	plain(out, "tidegate_upstream_connections_open", "gauge", "Connections to providers.",
	      counters->upstream_connections_open);
	plain(out, "tidegate_upstream_connects_total", "counter", "Connections made to providers.",
	      counters->upstream_connects_total);
	plain(out, "tidegate_upstream_reuses_total", "counter", "Attempts over a kept connection.",
	      counters->upstream_reuses_total);
	plain(out, "tidegate_upstream_failures_total", "counter",
	      "Attempts without a whole answer.", counters->upstream_failures_total);
	plain(out, "tidegate_upstream_stale_retries_total", "counter",
	      "Attempts sent again since the kept connection had been closed.",
	      counters->upstream_stale_retries_total);
}

static void tls(struct admin *admin, const struct gateway_counters *counters, struct buffer *out)
{
	static const char expires[] = "tidegate_tls_certificate_expires_seconds";

	plain(out, "tidegate_tls_handshakes_total", "counter", "TLS handshakes done.",
	      counters->tls_handshakes_total);
	plain(out, "tidegate_tls_resumed_total", "counter",
	      "TLS handshakes done by a session made before.", counters->tls_resumed_total);
	plain(out, "tidegate_tls_failures_total", "counter", "TLS handshakes that failed.",
	      counters->tls_failures_total);
	head(out, expires, "gauge", "When a listener's certificate expires, in Unix time.");
	for (int i = 0; i < GATEWAY_LISTENERS; i++) {
		enum gateway_listener listener = (enum gateway_listener)i;
		int64_t until_s = gateway_certificate_until_s(admin->options.gateway, listener);
		if (until_s != 0)
			buffer_printf(out, "%s{listener=\"%s\"} %lld\n", expires,
				      gateway_listener_name(listener), (long long)until_s);
	}
}

struct gauge {
	struct buffer *out;
	const char *name;
	enum { GAUGE_UP, GAUGE_LATENCY, GAUGE_SUCCESSES, GAUGE_FAILURES, GAUGE_IN_A_ROW } field;
};

/* What nobody knows has no series. */
static void add_gauge(const struct gateway_standing *standing, void *data)
{
	const struct gauge *gauge = data;
	unsigned long long values[] = {
		[GAUGE_UP] = standing->health == GATEWAY_HEALTH_UP,
		[GAUGE_LATENCY] = standing->latency_us,
		[GAUGE_SUCCESSES] = standing->successes_total,
		[GAUGE_FAILURES] = standing->failures_total,
		[GAUGE_IN_A_ROW] = standing->failures_in_a_row,
	};

	if ((gauge->field == GAUGE_UP && standing->health == GATEWAY_HEALTH_UNKNOWN) ||
	    (gauge->field == GAUGE_LATENCY && !standing->latency_us))
		return;
	buffer_printf(gauge->out, "%s{provider=\"", gauge->name);
	label(gauge->out, standing->name);
	buffer_append_str(gauge->out, "\"} ");
	if (gauge->field == GAUGE_LATENCY)
		buffer_printf(gauge->out, "%llu.%06llu\n", values[GAUGE_LATENCY] / 1000000,
			      values[GAUGE_LATENCY] % 1000000);
	else
		buffer_printf(gauge->out, "%llu\n", values[gauge->field]);
}

static void providers(struct admin *admin, struct buffer *out)
{
	static const struct {
		const char *name, *type, *help;
		int field;
	} gauges[] = {
		{ "tidegate_provider_up", "gauge",
		  "1 where the last request for its models was answered, 0 where it was not, or "
		  "not for our key.",
		  GAUGE_UP },
		{ "tidegate_provider_probe_seconds", "gauge",
		  "How long the head of that answer took.", GAUGE_LATENCY },
		{ "tidegate_provider_successes_total", "counter",
		  "Attempts that ended well, since its object is as it is.", GAUGE_SUCCESSES },
		{ "tidegate_provider_failures_total", "counter",
		  "Attempts that failed by its doing, since its object is as it is.",
		  GAUGE_FAILURES },
		{ "tidegate_provider_failures_in_a_row", "gauge",
		  "Attempts that failed since the last one that ended well.", GAUGE_IN_A_ROW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(gauges); i++) {
		struct gauge gauge = { out, gauges[i].name, gauges[i].field };
		head(out, gauges[i].name, gauges[i].type, gauges[i].help);
		gateway_standings_each(admin->options.gateway, add_gauge, &gauge);
	}
}

static void add_stalls(const struct plugin_facts *facts, void *out)
{
	if (facts->replaced) /* the one in its place has its name */
		return;
	buffer_append_str(out, "tidegate_plugin_stalls_total{plugin=\"");
	label(out, facts->name);
	buffer_printf(out, "\"} %llu\n", (unsigned long long)facts->stalls);
}

static void add_stall_seconds(const struct plugin_facts *facts, void *out)
{
	unsigned long long us = facts->stall_ns / 1000;

	if (facts->replaced)
		return;
	buffer_append_str(out, "tidegate_plugin_stall_seconds_total{plugin=\"");
	label(out, facts->name);
	buffer_printf(out, "\"} %llu.%06llu\n", us / 1000000, us % 1000000);
}

struct family {
	struct buffer *out;
	const char *name; /* the last one's */
};

static void add_metric(const struct plugin_metric_facts *facts, int64_t value, void *data)
{
	struct family *family = data;

	if (strcmp(facts->name, family->name) != 0)
		head(family->out, facts->name, facts->gauge ? "gauge" : "counter", facts->help);
	family->name = facts->name;
	buffer_printf(family->out, "%s{%s=\"", facts->name,
		      facts->kind == TIDE_KIND_POLICY ? "policy" : "provider");
	label(family->out, facts->object);
	buffer_printf(family->out, "\"} %lld\n", (long long)value);
}

static void plugins(struct admin *admin, struct buffer *out)
{
	struct family family = { out, "" };

	head(out, "tidegate_plugin_stalls_total", "counter",
	     "Operations of a plugin that held up a loop for 50 ms or more.");
	plugin_set_each(admin->options.plugins, add_stalls, out);
	head(out, "tidegate_plugin_stall_seconds_total", "counter",
	     "How long those that have returned did.");
	plugin_set_each(admin->options.plugins, add_stall_seconds, out);
	plugin_set_metrics_each(admin->options.plugins, add_metric, &family);
}

static void ledger(struct admin *admin, const struct ledger_state *state, struct buffer *out)
{
	by_group(admin, out, LEDGER_BY_TENANT, SERIES_COST, "tidegate_tenant_cost_usd_total",
		 "Spend by tenant.");
	by_group(admin, out, LEDGER_BY_TENANT, SERIES_REQUESTS, "tidegate_tenant_requests_total",
		 "Requests by tenant.");
	by_group(admin, out, LEDGER_BY_FEATURE, SERIES_COST, "tidegate_feature_cost_usd_total",
		 "Spend by feature.");
	by_group(admin, out, LEDGER_BY_PROVIDER, SERIES_COST, "tidegate_provider_cost_usd_total",
		 "Spend by provider.");
	by_group(admin, out, LEDGER_BY_PROVIDER, SERIES_IN, "tidegate_provider_input_tokens_total",
		 "Input tokens of all classes by provider.");
	by_group(admin, out, LEDGER_BY_PROVIDER, SERIES_OUT,
		 "tidegate_provider_output_tokens_total", "Output tokens by provider.");
	plain(out, "tidegate_ledger_rows_total", "counter", "Rows committed since start.",
	      state->rows_committed);
	plain(out, "tidegate_ledger_rows_waiting", "gauge",
	      "Requests whose rows are not committed.", state->inflight);
	plain(out, "tidegate_ledger_commit_failures_total", "counter",
	      "Commits that failed and were tried again.", state->commit_failures);
	plain(out, "tidegate_ledger_degraded", "gauge", "1 while rows cannot be committed.",
	      state->degraded);
	plain(out, "tidegate_prices_unknown_total", "counter",
	      "Attempts at models without a known price.", state->prices_unknown);
	plain(out, "tidegate_prices_partial_total", "counter",
	      "Attempts at models whose price is known in part.", state->prices_partial);
	head(out, "tidegate_reserved_usd", "gauge",
	     "Upper bound of what requests in flight may cost.");
	buffer_append_str(out, "tidegate_reserved_usd ");
	buffer_append_usd(out, state->reserved_nano);
	buffer_append_char(out, '\n');
}

void render_metrics(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out)
{
	head(out, "tidegate_info", "gauge", "Version of the appliance.");
	buffer_append_str(out, "tidegate_info{version=\"" TIDEGATE_VERSION "\"} 1\n");
	plain(out, "tidegate_configuration_generation", "gauge",
	      "Grows with each change of the configuration.", moment->conf->generation);
	plain(out, "tidegate_ready", "gauge", "1 while requests are taken.", moment->ready);
	requests(&moment->counters, out);
	lanes(&moment->counters, out);
	tls(admin, &moment->counters, out);
	providers(admin, out);
	plugins(admin, out);
	ledger(admin, &moment->ledger, out);
}
