/* SPDX-License-Identifier: Apache-2.0 */
/* The ticker: ten times a second it looks whether what nodes show has changed, renders those anew,
 * and tells who watches. Values are immutable; readers keep the one they hold. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

/* ---- values ---- */

struct admin_value *admin_value_get(struct admin *admin, size_t node)
{
	struct admin_value *value;

	pthread_mutex_lock(&admin->value_lock);
	value = admin->values[node];
	atomic_fetch_add(&value->refs, 1);
	pthread_mutex_unlock(&admin->value_lock);
	return value;
}

struct admin_value *admin_value_unref(struct admin_value *value)
{
	if (value && atomic_fetch_sub(&value->refs, 1) == 1)
		free(value);
	return NULL;
}

/* True when the node's content is another than before. */
static bool put_value(struct admin *admin, size_t node, struct slice content, uint64_t real_ns)
{
	struct admin_value *before = admin->values[node], *value;

	if (before && slice_eq((struct slice){ before->data, before->len }, content))
		return false;
	value = malloc(sizeof(*value) + content.len);
	if (!value) {
		log_error("out of memory; %s is not up to date", admin_rows[node].node.path);
		return false;
	}
	atomic_init(&value->refs, 1);
	value->generation = before ? before->generation + 1 : 1;
	value->changed_real_ns = real_ns;
	value->len = content.len;
	memcpy(value->data, content.ptr, content.len);
	pthread_mutex_lock(&admin->value_lock);
	admin->values[node] = value;
	pthread_mutex_unlock(&admin->value_lock);
	admin_value_unref(before);
	return true;
}

/* ---- moments ---- */

static void subtract(uint64_t *from, const uint64_t *before)
{
	for (size_t i = 0; i < GATEWAY_HISTOGRAM_BUCKETS; i++)
		from[i] -= before[i];
}

static void raise(uint64_t *max, uint64_t value)
{
	*max = value > *max ? value : *max;
}

/* The longest durations go to the step that has just run; those of all steps kept into `now`. */
static void maxima(struct admin *admin, struct admin_window *now)
{
	size_t step = (admin->window_at + ADMIN_WINDOW_STEPS - 1) % ADMIN_WINDOW_STEPS;
	uint64_t latency_us, first_content_us;

	gateway_maxima_take(admin->options.gateway, &latency_us, &first_content_us);
	raise(&admin->window[step].latency_max_us, latency_us);
	raise(&admin->window[step].first_content_max_us, first_content_us);
	now->latency_max_us = now->first_content_max_us = 0;
	for (size_t i = 0; i < ADMIN_WINDOW_STEPS; i++) {
		raise(&now->latency_max_us, admin->window[i].latency_max_us);
		raise(&now->first_content_max_us, admin->window[i].first_content_max_us);
	}
}

/* Quantiles of the last five minutes: what was counted since the oldest mark kept. */
static void quantiles(struct admin *admin, struct admin_moment *moment)
{
	struct admin_window now;
	uint64_t clock = clock_now_ns();

	maxima(admin, &now);
	memcpy(now.latency, moment->counters.latency, sizeof(now.latency));
	memcpy(now.first_content, moment->counters.first_content, sizeof(now.first_content));
	if (clock >= admin->window_next_ns) {
		admin->window[admin->window_at] = now;
		admin->window[admin->window_at].latency_max_us = 0;
		admin->window[admin->window_at].first_content_max_us = 0;
		admin->window_at = (admin->window_at + 1) % ADMIN_WINDOW_STEPS;
		if (admin->window_count < ADMIN_WINDOW_STEPS)
			admin->window_count++;
		admin->window_next_ns = clock + ADMIN_WINDOW_STEP_S * NS_PER_S;
	}
	if (admin->window_count == ADMIN_WINDOW_STEPS) {
		const struct admin_window *oldest = &admin->window[admin->window_at];
		subtract(now.latency, oldest->latency);
		subtract(now.first_content, oldest->first_content);
	}
	moment->latency_p50_us =
	    gateway_histogram_quantile_us(now.latency, 5000, now.latency_max_us);
	moment->latency_p99_us =
	    gateway_histogram_quantile_us(now.latency, 9900, now.latency_max_us);
	moment->ttft_p50_us =
	    gateway_histogram_quantile_us(now.first_content, 5000, now.first_content_max_us);
	moment->ttft_p99_us =
	    gateway_histogram_quantile_us(now.first_content, 9900, now.first_content_max_us);
}

static void gather(struct admin *admin, struct admin_moment *moment)
{
	moment->real_ns = clock_real_ns();
	moment->uptime_s = (clock_now_ns() - admin->start_ns) / NS_PER_S;
	ledger_state_read(admin->options.ledger, &moment->ledger);
	for (int period = 0; period < LEDGER_PERIODS; period++)
		moment->sums[period] =
		    ledger_totals_sum(admin->options.ledger, (enum ledger_period)period);
	gateway_counters_read(admin->options.gateway, &moment->counters);
	quantiles(admin, moment);
	moment->ready = gateway_ready(admin->options.gateway, moment->state, sizeof(moment->state));
	moment->conf = gateway_conf(admin->options.gateway);
}

static void render(struct admin *admin, bool money, bool second)
{
	struct admin_moment moment;
	struct buffer text = { 0 };

	gather(admin, &moment);
	for (size_t i = 0; i < admin_node_count(); i++) {
		if (admin_rows[i].every_second ? !(second || money) : !money)
			continue;
		buffer_clear(&text);
		admin_rows[i].render(admin, &moment, admin_rows[i].argument, &text);
		if (text.failed || !put_value(admin, i, buffer_slice(&text), moment.real_ns))
			continue;
		for (size_t w = 0; w < admin->watcher_count; w++)
			admin->watchers[w].fn(admin->watchers[w].data, i,
					      admin->values[i]->generation);
	}
	buffer_fini(&text);
	conf_unref(moment.conf);
}

int ticker_render_all(struct admin *admin)
{
	render(admin, true, true);
	for (size_t i = 0; i < admin_node_count(); i++) {
		if (!admin->values[i])
			return -ENOMEM;
	}
	return 0;
}

static void tick(struct admin *admin)
{
	struct conf *conf = gateway_conf(admin->options.gateway);
	uint64_t second = clock_now_ns() / NS_PER_S, generation = conf->generation;
	struct ledger_state state;
	bool money, more;

	conf_unref(conf);
	ledger_tick(admin->options.ledger);
	ledger_state_read(admin->options.ledger, &state);
	money = state.totals_generation != admin->seen_totals;
	more = second != admin->seen_second || generation != admin->seen_generation;
	if (!money && !more)
		return;
	admin->seen_totals = state.totals_generation;
	atomic_store(&admin->costs.totals, state.totals_generation);
	admin->seen_generation = generation;
	admin->seen_second = second;
	render(admin, money, more);
}

void *ticker_main(void *data)
{
	struct admin *admin = data;
	const struct timespec pause = { .tv_nsec = ADMIN_TICK_MS * 1000 * 1000 };
	bool stopping = false;

	pthread_setname_np(pthread_self(), "ticker");
	while (!stopping) {
		nanosleep(&pause, NULL);
		tick(admin);
		pthread_mutex_lock(&admin->lock);
		stopping = admin->stopping;
		pthread_mutex_unlock(&admin->lock);
	}
	return NULL;
}
