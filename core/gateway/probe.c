/* SPDX-License-Identifier: Apache-2.0 */
/* One timer a provider: it is the next probe's while none runs, and the end of the one that does.
 */
#include "gateway/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"

enum {
	PROBE_TIMEOUT_MS = 10000,
	PROBE_FIRST_MS = 1000,    /* the first one is within this time */
	PROBE_BODY_MAX = 4 << 20, /* a longer answer is not read on */
};

static struct gateway_provider *provider_of(struct probe *probe)
{
	return container_of(probe, struct gateway_provider, probe);
}

/* Spread, so that many providers, and many appliances, do not ask at the same moment. */
static uint64_t random_below(uint64_t limit)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = (uint32_t)clock_now_ns();
	return limit ? number % limit : 0;
}

static void set_timer(struct probe *probe, uint64_t after_ms)
{
	if (loop_timer_set(probe->loop->loop, &probe->timer,
			   clock_now_ns() + after_ms * NS_PER_MS) < 0)
		log_warning("provider %.*s: out of memory; it is not asked any more how it is",
			    SLICE_ARGS(provider_of(probe)->name));
}

static void set_next(struct probe *probe)
{
	uint64_t every_ms = provider_of(probe)->health_ms;

	set_timer(probe, every_ms - every_ms / 10 + random_below(every_ms / 5 + 1));
}

/* ---- what was found ---- */

static void tell(const struct gateway_provider *provider, enum gateway_health before,
		 enum gateway_health health, const char *why)
{
	if (health == before)
		return;
	if (health != GATEWAY_HEALTH_UP)
		log_warning("provider %.*s: %s: %s", SLICE_ARGS(provider->name),
			    health == GATEWAY_HEALTH_DOWN ? "down" : "key refused", why);
	else if (before != GATEWAY_HEALTH_UNKNOWN)
		log_info("provider %.*s: up again", SLICE_ARGS(provider->name));
}

static void conclude(struct probe *probe, enum gateway_health health, const char *why)
{
	struct gateway_provider *provider = provider_of(probe);
	enum gateway_health before =
	    standing_found(provider->standing, health, probe->latency_us, why);

	probe->call = NULL;
	buffer_fini(&probe->body);
	tell(provider, before, health, why);
	set_next(probe);
}

/* A server that lists no models is there all the same. */
static enum gateway_health health_of(int status)
{
	static const struct {
		int first, last;
		enum gateway_health health;
	} rows[] = {
		{ 200, 299, GATEWAY_HEALTH_UP },
		{ 401, 401, GATEWAY_HEALTH_KEY_REFUSED },
		{ 403, 403, GATEWAY_HEALTH_KEY_REFUSED },
		{ 407, 407, GATEWAY_HEALTH_DOWN }, /* of a proxy */
		{ 400, 499, GATEWAY_HEALTH_UP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (status >= rows[i].first && status <= rows[i].last)
			return rows[i].health;
	}
	return GATEWAY_HEALTH_DOWN;
}

static void take_models(struct probe *probe)
{
	struct gateway_provider *provider = provider_of(probe);
	struct model_list *models;

	if (probe->body.failed ||
	    model_list_read(provider->name, buffer_slice(&probe->body), &models) < 0) {
		log_debug("provider %.*s: its list of models cannot be read",
			  SLICE_ARGS(provider->name));
		return;
	}
	standing_offer(provider->standing, models);
}

static void conclude_by_status(struct probe *probe, bool whole)
{
	enum gateway_health health = health_of(probe->status);
	char why[64] = "";

	if (health != GATEWAY_HEALTH_UP)
		snprintf(why, sizeof(why), "%d %s", probe->status, http_status_text(probe->status));
	if (whole && probe->status == 200 && provider_of(probe)->discovers)
		take_models(probe);
	conclude(probe, health, why);
}

/* ---- the upstream's callbacks ---- */

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	struct probe *probe = user;

	probe->status = status;
	probe->latency_us = (clock_now_ns() - probe->begun_ns) / 1000;
}

static void on_data(void *user, struct slice data)
{
	struct probe *probe = user;

	probe->bytes += data.len;
	if (probe->bytes > PROBE_BODY_MAX) {
		upstream_cancel(probe->call);
		conclude_by_status(probe, false);
		return;
	}
	if (provider_of(probe)->discovers && probe->status == 200)
		buffer_append_slice(&probe->body, data);
}

static void on_end(void *user)
{
	conclude_by_status(user, true);
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	char why[GATEWAY_WHY_SIZE];

	snprintf(why, sizeof(why), "%s: %s", upstream_failure_name(failure), message);
	conclude(user, GATEWAY_HEALTH_DOWN, why);
}

static const struct upstream_callbacks callbacks = { on_head, on_data, on_end, on_failure };

/* ---- asking ---- */

static int ask(struct probe *probe)
{
	static const struct upstream_header accept = { SLICE("accept"), SLICE("application/json") };
	struct gateway_provider *provider = provider_of(probe);
	const struct tide_http_request *http = &provider->plugin->probe;
	struct upstream_sigv4 signer;
	struct upstream_request request = {
		.method = SLICE("GET"),
		.path = { http->path.ptr, http->path.len },
		.sigv4 = services_signer(http, &signer),
	};
	_cleanup_free_ struct upstream_header *headers =
	    calloc(http->header_count + provider->headers.count + 1, sizeof(*headers));

	if (!headers)
		return -ENOMEM;
	request.header_count =
	    own_headers_merge(&provider->headers, (const struct upstream_header *)http->headers,
			      http->header_count, headers);
	headers[request.header_count++] = accept;
	request.headers = headers;
	return upstream_start(probe->loop->probes, provider->origin, &request, &callbacks, probe,
			      &probe->call);
}

static void begin(struct probe *probe)
{
	int r;

	probe->begun_ns = clock_now_ns();
	probe->latency_us = 0;
	probe->status = 0;
	probe->bytes = 0;
	r = ask(probe);
	if (r < 0)
		conclude(probe, GATEWAY_HEALTH_DOWN, strerror(-r));
	else
		set_timer(probe, PROBE_TIMEOUT_MS);
}

/* Another daemon that has taken over, or an end that is near, has no use for it. */
static void fire(struct loop_timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	if (probe->call) {
		upstream_cancel(probe->call);
		conclude(probe, GATEWAY_HEALTH_DOWN, "it did not answer within 10 s");
	} else if (!atomic_load(&probe->loop->drained)) {
		begin(probe);
	}
}

static void start(struct probe *probe, struct gateway_loop *loop)
{
	struct gateway_provider *provider = provider_of(probe);
	uint64_t most_ms =
	    provider->health_ms < PROBE_FIRST_MS ? provider->health_ms : PROBE_FIRST_MS;

	if (probe->loop || !provider->health_ms || !provider->origin || !provider->plugin->probes)
		return;
	probe->loop = loop;
	probe->timer.fn = fire;
	set_timer(probe, random_below(most_ms));
}

static void stop(struct probe *probe)
{
	if (!probe->loop)
		return;
	loop_timer_cancel(probe->loop->loop, &probe->timer);
	if (probe->call)
		upstream_cancel(probe->call);
	buffer_fini(&probe->body);
	*probe = (struct probe){ 0 };
}

void probe_follow(struct gateway_loop *loop, const struct gateway_snapshot *before,
		  const struct gateway_snapshot *next)
{
	if (!loop->probes)
		return;
	if (before) {
		map_foreach (entry, &before->providers) {
			struct gateway_provider *provider = entry->value;
			if (!next || map_get(&next->providers, provider->name) != provider)
				stop(&provider->probe);
		}
	}
	if (next) {
		map_foreach (entry, &next->providers) {
			struct gateway_provider *provider = entry->value;
			start(&provider->probe, loop);
		}
	}
}
