/* SPDX-License-Identifier: Apache-2.0 */
/* The admin thread: it alone changes configuration and keys, one verb after the other; whoever asks
 * waits. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	REPUBLISH_S = 3600, /* prices have start dates and are looked up when a snapshot is made;
			       certificates end */
};

struct work {
	struct list node;
	const char *verb;
	json_t *arguments;
	const struct admin_caller *caller;
	json_t *result;
	struct error *error;
	int r;
	bool done;
	bool detached; /* nobody waits; freed by the admin thread */
};

static int refuse(struct error *error)
{
	return error_set(error, -ESHUTDOWN,
			 "the appliance is starting or stopping; try again in a second");
}

static void run(struct admin *admin, struct work *work, bool open)
{
	struct error error = { 0 };

	if (!open)
		work->r = refuse(work->error);
	else
		work->r = verb_run(admin, work->verb, work->arguments, work->caller, &work->result,
				   work->error ? work->error : &error);
	gateway_reap(admin->options.gateway);
}

/* Called and returns with the lock held. */
static void take_one(struct admin *admin)
{
	struct work *work = list_entry(admin->work.next, struct work, node);
	bool open = admin->gate == ADMIN_OPEN;

	list_remove(&work->node);
	admin->busy = true;
	pthread_mutex_unlock(&admin->lock);
	run(admin, work, open);
	pthread_mutex_lock(&admin->lock);
	admin->busy = false;
	pthread_cond_broadcast(&admin->wake);
	if (work->detached) {
		json_decref(work->result);
		free(work);
		return;
	}
	work->done = true;
}

static void republish(struct admin *admin)
{
	struct conf *conf = gateway_conf(admin->options.gateway);
	struct error error = { 0 };
	char text[1024];

	if (gateway_publish(admin->options.gateway, conf, &error) < 0)
		log_error("prices could not be looked up again: %s",
			  error_text(&error, text, sizeof(text)));
	conf_unref(conf);
}

static void *mutator_main(void *data)
{
	struct admin *admin = data;
	uint64_t republish_ns = clock_now_ns() + REPUBLISH_S * NS_PER_S;

	pthread_setname_np(pthread_self(), "admin");
	pthread_mutex_lock(&admin->lock);
	for (;;) {
		struct timespec until;
		if (!list_empty(&admin->work) && (admin->gate != ADMIN_HELD || admin->stopping)) {
			take_one(admin);
			continue;
		}
		if (admin->stopping)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&admin->wake, &admin->lock, &until);
		pthread_mutex_unlock(&admin->lock);
		gateway_reap(admin->options.gateway);
		if (clock_now_ns() >= republish_ns) {
			republish(admin);
			gateway_certificates_tell(admin->options.gateway, false);
			republish_ns += REPUBLISH_S * NS_PER_S;
		}
		pthread_mutex_lock(&admin->lock);
	}
	pthread_mutex_unlock(&admin->lock);
	return NULL;
}

int admin_act(struct admin *admin, const char *verb, json_t *arguments,
	      const struct admin_caller *caller, json_t **ret, struct error *error)
{
	struct work work = {
		.verb = verb, .arguments = arguments, .caller = caller, .error = error
	};

	pthread_mutex_lock(&admin->lock);
	if (admin->stopping || !admin->started || admin->gate == ADMIN_SHUT) {
		pthread_mutex_unlock(&admin->lock);
		return refuse(error);
	}
	if (verb_runs_anywhere(verb)) {
		pthread_mutex_unlock(&admin->lock);
		return verb_run(admin, verb, arguments, caller, ret, error);
	}
	list_append(&admin->work, &work.node);
	pthread_cond_broadcast(&admin->wake);
	while (!work.done)
		pthread_cond_wait(&admin->wake, &admin->lock);
	pthread_mutex_unlock(&admin->lock);
	if (work.r < 0)
		json_decref(work.result);
	else
		*ret = work.result;
	return work.r;
}

void admin_reload_soon(struct admin *admin)
{
	static const struct admin_caller signal_caller = { "SIGHUP", "local" };
	struct work *work = calloc(1, sizeof(*work));

	if (!work) {
		log_error("out of memory: the configuration was not reloaded");
		return;
	}
	work->verb = "reload";
	work->caller = &signal_caller;
	work->detached = true;
	pthread_mutex_lock(&admin->lock);
	list_append(&admin->work, &work->node);
	pthread_cond_broadcast(&admin->wake);
	pthread_mutex_unlock(&admin->lock);
}

int admin_watch(struct admin *admin, void (*fn)(void *data, size_t node, uint64_t generation),
		void *data)
{
	if (admin->watcher_count == ADMIN_WATCHERS_MAX)
		return -ENOSPC;
	admin->watchers[admin->watcher_count].fn = fn;
	admin->watchers[admin->watcher_count++].data = data;
	return 0;
}

void admin_metrics(void *data, struct buffer *out)
{
	struct admin *admin = data;
	struct admin_value *value =
	    admin_value_get(admin, (size_t)admin_node_find("now/metrics/tidegate.prom"));

	buffer_append(out, value->data, value->len);
	admin_value_unref(value);
}

struct keys_console *admin_console(struct admin *admin)
{
	return admin->options.console;
}

CLEANUP_DEFINE(struct admin, admin_free);

int admin_new(const struct admin_options *options, struct admin **ret, struct error *error)
{
	_cleanup_(cleanup_admin_free) struct admin *admin = calloc(1, sizeof(*admin));
	pthread_condattr_t attributes;

	if (!admin)
		return error_set(error, -ENOMEM, "out of memory");
	admin->options = *options;
	admin->start_ns = clock_now_ns();
	list_init(&admin->work);
	costs_init(admin);
	pthread_mutex_init(&admin->lock, NULL);
	pthread_mutex_init(&admin->value_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&admin->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	admin->values = calloc(admin_node_count(), sizeof(struct admin_value *));
	admin->window = calloc(ADMIN_WINDOW_STEPS, sizeof(*admin->window));
	if (!admin->values || !admin->window || ticker_render_all(admin) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	*ret = steal(admin);
	return 0;
}

int admin_start(struct admin *admin, struct error *error)
{
	int r = costs_start(admin);

	if (r)
		return error_set(error, -r, "the costs thread cannot start: %s", strerror(r));
	r = pthread_create(&admin->mutator, NULL, mutator_main, admin);
	if (r)
		return error_set(error, -r, "the admin thread cannot start: %s", strerror(r));
	r = pthread_create(&admin->ticker, NULL, ticker_main, admin);
	if (r) {
		pthread_mutex_lock(&admin->lock);
		admin->stopping = true;
		pthread_cond_broadcast(&admin->wake);
		pthread_mutex_unlock(&admin->lock);
		pthread_join(admin->mutator, NULL);
		return error_set(error, -r, "the ticker thread cannot start: %s", strerror(r));
	}
	pthread_mutex_lock(&admin->lock);
	admin->started = true;
	pthread_mutex_unlock(&admin->lock);
	return 0;
}

void admin_set_gate(struct admin *admin, enum admin_gate gate)
{
	pthread_mutex_lock(&admin->lock);
	admin->gate = gate;
	pthread_cond_broadcast(&admin->wake);
	while (gate != ADMIN_OPEN && admin->busy)
		pthread_cond_wait(&admin->wake, &admin->lock);
	pthread_cond_broadcast(&admin->wake);
	pthread_mutex_unlock(&admin->lock);
}

void admin_stop(struct admin *admin)
{
	costs_stop(admin);
	if (!admin->started)
		return;
	pthread_mutex_lock(&admin->lock);
	admin->stopping = true;
	pthread_cond_broadcast(&admin->wake);
	pthread_mutex_unlock(&admin->lock);
	pthread_join(admin->ticker, NULL);
	pthread_join(admin->mutator, NULL);
	admin->started = false;
}

struct admin *admin_free(struct admin *admin)
{
	if (!admin)
		return NULL;
	admin_stop(admin);
	for (size_t i = 0; admin->values && i < admin_node_count(); i++)
		admin_value_unref(admin->values[i]);
	free(admin->values);
	free(admin->window);
	costs_fini(admin);
	pthread_cond_destroy(&admin->wake);
	pthread_mutex_destroy(&admin->value_lock);
	pthread_mutex_destroy(&admin->lock);
	free(admin);
	return NULL;
}
