/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide part: the snapshot in force and its publication, the loop threads, start and
 * stop, sums. */
#include "gateway/policed.h"

#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/drain.h"
#include "gateway/ending.h"
#include "gateway/limits.h"
#include "gateway/listen.h"
#include "gateway/prices.h"

enum {
	CONSOLE_CONNECTIONS = 8, /* of a loop to the page's server, which has few threads */
	LOOP_STACK_BYTES = 256 * 1024,
	SWAP_WAIT_S = 2,
	LOOK_MS = 5,
	OUTLIVE_LOOK_MS = 50, /* which may go on for hours */
};

/* ---- snapshots ---- */

/* [loop] */
static void swap(struct loop_task *task)
{
	struct gateway_loop *loop = container_of(task, struct gateway_loop, swap_task);
	struct gateway *gateway = loop->gateway;
	struct loop_snapshot *next = calloc(1, sizeof(*next)), *before = loop->current;

	pthread_mutex_lock(&gateway->lock);
	loop->swap_posted = false;
	if (next) {
		next->snapshot = gateway->newest;
		atomic_fetch_add(&next->snapshot->refs, 1);
		next->users = 1;
		arena_init(&next->arena, NULL);
		loop->current = next;
		loop->swapped = gateway->published;
		pthread_cond_broadcast(&gateway->swapped);
	}
	pthread_mutex_unlock(&gateway->lock);
	if (!next) {
		log_error("loop %u: out of memory; it keeps the configuration before the reload",
			  loop->index);
		return;
	}
	probe_follow(loop, before ? before->snapshot : NULL, next->snapshot);
	issuer_follow(loop, before ? before->snapshot : NULL, next->snapshot);
	if (before)
		counter_add(&loop->counters.outdated, before->users);
	loop_snapshot_drop(loop, before);
	limits_set(loop, &next->snapshot->conf->limits);
	certificates_serve(loop);
}

/* Until every loop works by the newest snapshot, so that whoever revoked a key may say that it is
 * gone. A loop that is out of memory or stalled is not waited for longer than SWAP_WAIT_S. */
static void wait_for_swaps(struct gateway *gateway)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SWAP_WAIT_S;
	pthread_mutex_lock(&gateway->lock);
	for (uint32_t i = 0; i < gateway->options.loops; i++) {
		struct gateway_loop *loop = &gateway->loops[i];
		while (loop->started && loop->swapped != gateway->published) {
			if (pthread_cond_timedwait(&gateway->swapped, &gateway->lock, &until) ==
			    ETIMEDOUT) {
				log_warning("loop %u has not taken the new configuration yet", i);
				break;
			}
		}
	}
	pthread_mutex_unlock(&gateway->lock);
}

/* With the lock held. A loop that is yet to start finds the task when it does. */
static void post_swap(struct gateway_loop *loop)
{
	if (loop->swap_posted || !loop->current)
		return;
	loop->swap_posted = true;
	loop_post(loop->loop, &loop->swap_task);
}

int gateway_publish(struct gateway *gateway, struct conf *conf, struct error *error)
{
	struct gateway_snapshot *snapshot, *before;
	struct ledger_books books = { 0 };
	int r;

	/* [admin] alone changes `newest`. */
	r = prices_load(conf, gateway->newest ? &gateway->newest->books : NULL, &books, error);
	if (r < 0)
		return r;
	r = gateway_snapshot_new(gateway, conf, &books, &snapshot, error);
	prices_release(&books);
	if (r < 0)
		return r;
	pthread_mutex_lock(&gateway->lock);
	before = gateway->newest;
	gateway->newest = snapshot;
	gateway->published++;
	certificates_note(gateway, snapshot);
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		post_swap(&gateway->loops[i]);
	pthread_mutex_unlock(&gateway->lock);
	gateway_snapshot_unref(gateway, before);
	limits_tell(gateway, &conf->limits);
	wait_for_swaps(gateway);
	gateway_reap(gateway);
	return 0;
}

void gateway_reap(struct gateway *gateway)
{
	struct gateway_snapshot *dead, *next;

	pthread_mutex_lock(&gateway->lock);
	dead = gateway->graveyard;
	gateway->graveyard = NULL;
	pthread_mutex_unlock(&gateway->lock);
	for (; dead; dead = next) {
		next = dead->next;
		gateway_snapshot_destroy(dead);
	}
}

struct ledger_books gateway_books(struct gateway *gateway)
{
	struct ledger_books books = { 0 };

	pthread_mutex_lock(&gateway->lock);
	if (gateway->newest) {
		books.public = ledger_book_ref(gateway->newest->books.public);
		books.override = ledger_book_ref(gateway->newest->books.override);
	}
	pthread_mutex_unlock(&gateway->lock);
	return books;
}

struct conf *gateway_conf(struct gateway *gateway)
{
	struct conf *conf;

	pthread_mutex_lock(&gateway->lock);
	conf = conf_ref(gateway->newest->conf);
	pthread_mutex_unlock(&gateway->lock);
	return conf;
}

/* ---- loops ---- */

/* [loop] */
static void drain(struct loop_task *task)
{
	struct gateway_loop *loop = container_of(task, struct gateway_loop, drain_task);

	http_server_drain(loop->server);
	atomic_store(&loop->drained, true);
}

static int loop_init(struct gateway *gateway, struct gateway_loop *loop, uint32_t index,
		     struct error *error)
{
	static const struct http_limits unlimited_until_swap = { 0 };
	struct upstream_origin_options console = {
		.base_url = "http://page",
		.socket_path = gateway->options.console_socket,
		.allow_private = true,
		.connect_ms = 2000,
		.connections_max = CONSOLE_CONNECTIONS,
	};
	int r;

	loop->gateway = gateway;
	loop->index = index;
	loop->swap_task.fn = swap;
	loop->drain_task.fn = drain;
	loop->release_task.fn = listen_release;
	loop->open_task.fn = listen_open_console;
	loop->close_task.fn = listen_close_console;
	loop->end_task.fn = ending_all;
	loop->end_key_task.fn = ending_key;
	list_init(&loop->exchanges);
	list_init(&loop->over);
	outgoing_loop_init(loop);
	r = policies_loop_init(loop);
	if (r >= 0)
		r = loop_new(&loop->loop);
	if (r >= 0)
		r = http_server_new(loop->loop, &unlimited_until_swap, &loop->server);
	if (r >= 0)
		http_server_set_budget(loop->server, gateway->common, index);
	if (r >= 0)
		r = upstream_new(loop->loop, &loop->upstream);
	if (r >= 0 && index == 0)
		r = upstream_new(loop->loop, &loop->probes);
	if (r < 0)
		return error_set(error, r, "loop %u could not be made: %s", index, strerror(-r));
	if (!gateway->options.console_socket)
		return 0;
	return upstream_origin_new(&console, &loop->console_origin, error);
}

static void end_drains(struct gateway_loop *loop)
{
	loop->ending = true;
	list_foreach (node, &loop->exchanges) {
		struct exchange *exchange = list_entry(node, struct exchange, node);
		if (exchange->http)
			continue;
		attempt_stop(&exchange->call);
		drain_over(exchange);
	}
}

static void loop_fini(struct gateway_loop *loop)
{
	if (loop->server)
		end_drains(loop);
	if (loop->current) {
		probe_follow(loop, loop->current->snapshot, NULL);
		issuer_follow(loop, loop->current->snapshot, NULL);
	}
	outgoing_loop_end(loop);
	issuer_forget(&loop->tokens);
	http_server_free(loop->server);
	upstream_free(loop->upstream);
	upstream_free(loop->probes);
	upstream_origin_unref(loop->console_origin);
	if (loop->current)
		loop_snapshot_drop(loop, loop->current);
	policies_loop_fini(loop);
	loop_free(loop->loop);
}

int gateway_new(const struct gateway_options *options, struct gateway **ret, struct error *error)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));
	pthread_condattr_t attributes;
	int r = 0;

	if (gateway)
		gateway->loops =
		    aligned_alloc(64, options->loops * ((sizeof(*gateway->loops) + 63) / 64 * 64));
	if (!gateway || !gateway->loops) {
		free(gateway);
		return error_set(error, -ENOMEM, "out of memory");
	}
	memset(gateway->loops, 0, options->loops * sizeof(*gateway->loops));
	gateway->options = *options;
	snprintf(gateway->console_secret, sizeof(gateway->console_secret), "%s",
		 options->console_secret ? options->console_secret : "");
	pthread_mutex_init(&gateway->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gateway->swapped, &attributes);
	pthread_condattr_destroy(&attributes);
	services_init(&gateway->services);
	gateway->plugin_services =
	    (struct plugin_services){ &gateway->services, services_alloc, &policed_services,
				      &outgoing_services };
	if (http_tls_tickets_new(&gateway->certificates.tickets) < 0 ||
	    http_budget_new(options->loops, &gateway->budget) < 0 ||
	    http_share_new(gateway->budget, &gateway->common) < 0)
		r = error_set(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < options->loops && r >= 0; i++)
		r = loop_init(gateway, &gateway->loops[i], i, error);
	if (r < 0) {
		gateway_free(gateway);
		return r;
	}
	*ret = gateway;
	return 0;
}

struct gateway *gateway_free(struct gateway *gateway)
{
	if (!gateway)
		return NULL;
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		loop_fini(&gateway->loops[i]);
	gateway_snapshot_unref(gateway, gateway->newest);
	gateway_reap(gateway);
	registry_fini(&gateway->registry);
	http_share_free(gateway->common);
	http_budget_free(gateway->budget);
	http_tls_tickets_free(gateway->certificates.tickets);
	pthread_cond_destroy(&gateway->swapped);
	pthread_mutex_destroy(&gateway->lock);
	buffer_fini(&gateway->sockets);
	free(gateway->loops);
	free(gateway);
	return NULL;
}

struct http_tls_tickets *gateway_tickets(struct gateway *gateway)
{
	return gateway->certificates.tickets;
}

static void *loop_main(void *data)
{
	struct gateway_loop *loop = data;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "loop-%u", loop->index);
	pthread_setname_np(pthread_self(), name);
	r = loop_run(loop->loop);
	if (r < 0)
		log_error("%s ended: %s", name, strerror(-r));
	return NULL;
}

static int start_thread(struct gateway_loop *loop, struct error *error)
{
	pthread_attr_t attributes;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, LOOP_STACK_BYTES);
	r = pthread_create(&loop->thread, &attributes, loop_main, loop);
	pthread_attr_destroy(&attributes);
	if (r)
		return error_set(error, -r, "loop %u cannot start: %s", loop->index, strerror(r));
	pthread_mutex_lock(&loop->gateway->lock);
	loop->started = true;
	pthread_mutex_unlock(&loop->gateway->lock);
	return 0;
}

int gateway_listen(struct gateway *gateway, struct gateway_socket *inherited, size_t count,
		   bool console_later, struct error *error)
{
	int r = 0;

	for (uint32_t i = 0; i < gateway->options.loops && r >= 0; i++) {
		struct gateway_loop *loop = &gateway->loops[i];
		swap(&loop->swap_task);
		if (!loop->current)
			r = error_set(error, -ENOMEM, "out of memory");
	}
	if (r >= 0)
		r = listen_doors(gateway, inherited, count, console_later, error);
	for (uint32_t i = 0; i < gateway->options.loops && r >= 0; i++)
		certificates_serve(&gateway->loops[i]);
	return r;
}

int gateway_start(struct gateway *gateway, struct error *error)
{
	int r = stalls_start(&gateway->stalls, error);

	for (uint32_t i = 0; i < gateway->options.loops && r >= 0; i++)
		r = start_thread(&gateway->loops[i], error);
	return r;
}

static bool is_busy(struct gateway_loop *loop)
{
	const struct http_stats *stats = http_server_stats(loop->server);

	/* In this order: a loop that has drained opens no connection. */
	return loop->started &&
	       (!atomic_load(&loop->drained) ||
		atomic_load_explicit(&stats->connections_open, memory_order_relaxed) > 0 ||
		atomic_load_explicit(&loop->counters.drains, memory_order_relaxed) > 0);
}

static bool wait_idle(struct gateway *gateway, uint64_t until_ns, uint32_t look_ms,
		      bool (*enough)(void *data), void *data)
{
	const struct timespec pause = { .tv_nsec = look_ms * 1000 * 1000 };

	for (;;) {
		bool busy = false;
		for (uint32_t i = 0; i < gateway->options.loops; i++)
			busy = busy || is_busy(&gateway->loops[i]);
		if (!busy)
			return true;
		if (clock_now_ns() >= until_ns || (enough && enough(data)))
			return false;
		nanosleep(&pause, NULL);
	}
}

static void stop_thread(struct gateway_loop *loop)
{
	if (!loop->started)
		return;
	loop_stop(loop->loop);
	pthread_join(loop->thread, NULL);
	pthread_mutex_lock(&loop->gateway->lock);
	loop->started = false;
	pthread_cond_broadcast(&loop->gateway->swapped);
	pthread_mutex_unlock(&loop->gateway->lock);
}

void gateway_stop(struct gateway *gateway, uint32_t drain_ms, bool (*enough)(void *data),
		  void *data)
{
	atomic_store(&gateway->draining, true);
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		loop_post(gateway->loops[i].loop, &gateway->loops[i].drain_task);
	if (!wait_idle(gateway, clock_now_ns() + drain_ms * NS_PER_MS, LOOK_MS, enough, data)) {
		for (uint32_t i = 0; i < gateway->options.loops; i++)
			loop_post(gateway->loops[i].loop, &gateway->loops[i].end_task);
		wait_idle(gateway, clock_now_ns() + NS_PER_S, LOOK_MS, enough, data);
	}
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		stop_thread(&gateway->loops[i]);
	stalls_stop(&gateway->stalls);
}

bool gateway_outlive(struct gateway *gateway, uint32_t most_ms, bool (*enough)(void *data),
		     void *data)
{
	return wait_idle(gateway, clock_now_ns() + most_ms * NS_PER_MS, OUTLIVE_LOOK_MS, enough,
			 data);
}

bool gateway_ready(struct gateway *gateway, char *out, size_t size)
{
	struct ledger_state state;
	char why[GATEWAY_STATE_SIZE - 16];

	if (atomic_load_explicit(&gateway->draining, memory_order_relaxed)) {
		snprintf(out, size, "draining");
		return false;
	}
	ledger_state_read(gateway->options.ledger, &state);
	if (state.degraded)
		snprintf(out, size, "degraded: %s", state.degraded_reason);
	else if (plugin_set_tell_off(gateway->options.plugins, why, sizeof(why)))
		snprintf(out, size, "degraded: %s", why);
	else if (certificates_near_end(gateway, why, sizeof(why)))
		snprintf(out, size, "degraded: %s", why);
	else
		snprintf(out, size, "ready");
	return true;
}
