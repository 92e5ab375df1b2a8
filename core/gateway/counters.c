/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of the loops' counters, and the histograms' scale: quarter powers of two from 16 µs, so that
 * a quantile is within a fifth of the true value over the whole range. */
#include "gateway/exchange.h"

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

uint64_t gateway_bucket_us(size_t bucket)
{
	static const uint32_t quarters[4] = { 16384, 19484, 23170, 27554 }; /* 2^14 × 2^(i/4) */

	return ((uint64_t)quarters[bucket % 4] << (bucket / 4)) >> 10;
}

size_t gateway_bucket_of(uint64_t us)
{
	size_t bucket;

	if (us <= 16)
		return 0;
	/* From the power of two below, which is no more than four buckets away. */
	bucket = 4 * (size_t)(63 - __builtin_clzll(us) - 4);
	while (bucket < GATEWAY_HISTOGRAM_BUCKETS - 1 && gateway_bucket_us(bucket) < us)
		bucket++;
	return bucket < GATEWAY_HISTOGRAM_BUCKETS ? bucket : GATEWAY_HISTOGRAM_BUCKETS - 1;
}

uint64_t gateway_histogram_quantile_us(const uint64_t *buckets, uint32_t per_10000, uint64_t max_us)
{
	uint64_t total = 0, seen = 0, wanted, bound;
	size_t bucket;

	for (size_t i = 0; i < GATEWAY_HISTOGRAM_BUCKETS; i++)
		total += buckets[i];
	if (total == 0)
		return 0;
	wanted = (total * per_10000 + 9999) / 10000;
	for (bucket = 0; bucket + 1 < GATEWAY_HISTOGRAM_BUCKETS; bucket++) {
		seen += buckets[bucket];
		if (seen >= wanted)
			break;
	}
	bound = gateway_bucket_us(bucket);
	return max_us > 0 && max_us < bound ? max_us : bound;
}

static void add_loop(const struct gateway_loop *loop, struct gateway_counters *sum)
{
	const struct loop_counters *counters = &loop->counters;

	for (size_t i = 0; i <= LEDGER_CRASHED; i++) {
		sum->requests_by_outcome[i] += load(&counters->requests_by_outcome[i]);
		sum->requests_total += load(&counters->requests_by_outcome[i]);
	}
	sum->refused_keys_total += load(&counters->refused_keys);
	sum->attempts_total += load(&counters->attempts);
	sum->failovers_total += load(&counters->failovers);
	sum->streams_total += load(&counters->streams);
	sum->inflight += load(&counters->inflight);
	sum->drains += load(&counters->drains);
	sum->outdated += load(&counters->outdated);
	sum->tokens_in_total += load(&counters->tokens_in);
	sum->tokens_out_total += load(&counters->tokens_out);
	sum->policy_failures_total += load(&counters->policy_failures);
	sum->usage_anomalies_total += load(&counters->usage_anomalies);
	for (size_t i = 0; i < GATEWAY_HISTOGRAM_BUCKETS; i++) {
		sum->latency[i] += load(&counters->latency[i]);
		sum->first_content[i] += load(&counters->first_content[i]);
	}
	sum->latency_us += load(&counters->latency_us);
	sum->first_content_us += load(&counters->first_content_us);
}

static void add_lanes(const struct gateway_loop *loop, struct gateway_counters *sum)
{
	const struct http_stats *http = http_server_stats(loop->server);
	const struct upstream_stats *upstream = upstream_stats(loop->upstream);

	sum->connections_open += load(&http->connections_open);
	sum->connections_total += load(&http->connections_total);
	sum->bad_requests_total += load(&http->bad_requests_total);
	sum->bytes_in_total += load(&http->bytes_in_total);
	sum->bytes_out_total += load(&http->bytes_out_total);
	sum->departures_total += load(&http->departures_total);
	sum->body_bytes_held += load(&http->body_bytes_held);
	sum->tls_handshakes_total += load(&http->tls_handshakes_total);
	sum->tls_resumed_total += load(&http->tls_resumed_total);
	sum->tls_failures_total += load(&http->tls_failures_total);
	sum->upstream_connections_open += load(&upstream->connections_open);
	sum->upstream_connects_total += load(&upstream->connects_total);
	sum->upstream_reuses_total += load(&upstream->reuses_total);
	sum->upstream_failures_total += load(&upstream->failures_total);
	sum->upstream_stale_retries_total += load(&upstream->stale_retries_total);
}

void gateway_counters_read(struct gateway *gateway, struct gateway_counters *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < gateway->options.loops; i++) {
		add_loop(&gateway->loops[i], ret);
		add_lanes(&gateway->loops[i], ret);
	}
}

static void take(_Atomic uint64_t *counter, uint64_t *max)
{
	uint64_t taken = atomic_exchange_explicit(counter, 0, memory_order_acquire);

	*max = taken > *max ? taken : *max;
}

void gateway_maxima_take(struct gateway *gateway, uint64_t *ret_latency_us,
			 uint64_t *ret_first_content_us)
{
	*ret_latency_us = *ret_first_content_us = 0;
	for (uint32_t i = 0; i < gateway->options.loops; i++) {
		struct loop_counters *counters = &gateway->loops[i].counters;

		take(&counters->latency_max_us, ret_latency_us);
		take(&counters->first_content_max_us, ret_first_content_us);
	}
}
