/* SPDX-License-Identifier: Apache-2.0 */
/* A call about a request is begun on that request's loop, at once; one that is not, on any: it is
 * queued, and the loop's task begins it. What ends a call unlinks it first, so that whatever its
 * done() does finds it gone. */
#include "gateway/outgoing.h"

#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/policed.h"

enum {
	LOOK_MS = 20, /* whether a loop stopped before it ended its calls */
};

struct outgoing {
	struct list node;       /* of the loop's running or queued */
	struct list of_request; /* else in no list */
	struct gateway_loop *loop;
	struct gateway_policy *policy;
	struct upstream_call *call;
	struct loop_timer deadline;
	tide_done_fn done;
	void *data;
	struct arena arena; /* what is sent, and the reply's head */
	struct upstream_request request;
	struct slice body;
	uint64_t bytes; /* counted by the account */
	uint64_t reply_max;
	struct buffer reply_body;
	struct tide_reply reply;
};

/* ---- accounts ---- */

void outgoing_account_init(struct outgoing_account *account, struct gateway *gateway)
{
	pthread_condattr_t attributes;

	account->gateway = gateway;
	pthread_mutex_init(&account->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&account->ended, &attributes);
	pthread_condattr_destroy(&attributes);
}

void outgoing_account_fini(struct outgoing_account *account)
{
	upstream_origin_unref(account->origin);
	pthread_cond_destroy(&account->ended);
	pthread_mutex_destroy(&account->lock);
}

static int enter(struct outgoing_account *account, uint64_t bytes)
{
	int r = 0;

	pthread_mutex_lock(&account->lock);
	if (account->closed)
		r = -ECANCELED;
	else if (account->calls == OUTGOING_CALLS_MAX ||
		 account->bytes + bytes > OUTGOING_BYTES_MAX)
		r = -EAGAIN;
	if (r == 0) {
		account->calls++;
		account->bytes += bytes;
	}
	pthread_mutex_unlock(&account->lock);
	return r;
}

/* The account may be gone when this returns. */
static void leave(struct outgoing_account *account, uint64_t bytes)
{
	pthread_mutex_lock(&account->lock);
	account->calls--;
	account->bytes -= bytes;
	if (account->calls == 0)
		pthread_cond_broadcast(&account->ended);
	pthread_mutex_unlock(&account->lock);
}

static bool is_closed(struct outgoing_account *account)
{
	bool closed;

	pthread_mutex_lock(&account->lock);
	closed = account->closed;
	pthread_mutex_unlock(&account->lock);
	return closed;
}

int outgoing_origin_new(const struct conf_policy *conf, struct upstream_origin **ret,
			struct error *error)
{
	const struct upstream_origin_options options = {
		.base_url = conf->base_url,
		.allow_private = conf->allow_private,
		.ca_file = conf->ca_file,
		.cert_file = conf->cert_file,
		.key_file = conf->key_file,
		.proxy = conf->proxy,
		.connect_ms = conf->connect_ms,
		.connections_max = OUTGOING_CALLS_MAX,
	};
	struct upstream_origin *origin = NULL;
	struct error cause = { 0 };
	int r;

	if (!conf->base_url)
		return 0;
	r = upstream_origin_new(&options, &origin, &cause);
	if (r >= 0)
		r = upstream_origin_check_reach(origin, &cause);
	if (r < 0) {
		upstream_origin_unref(origin);
		return error_set_at(error, r, conf->place.file, conf->place.line,
				    conf->place.column, "policy %s: %s", conf->name, cause.message);
	}
	*ret = origin;
	return 0;
}

/* ---- ends ---- */

static void forget(struct outgoing *call)
{
	struct outgoing_account *account = &call->policy->outgoing;
	uint64_t bytes = call->bytes;

	buffer_fini(&call->reply_body);
	arena_fini(&call->arena);
	free(call);
	leave(account, bytes);
}

static void finish(struct outgoing *call, int error, const char *message)
{
	struct gateway_loop *loop = call->loop;
	struct tide_reply *reply = &call->reply;

	loop_timer_cancel(loop->loop, &call->deadline);
	list_remove(&call->node);
	list_remove(&call->of_request);
	reply->size = sizeof(*reply);
	if (error) {
		*reply = (struct tide_reply){ .size = sizeof(*reply), .error = error };
		reply->message = (struct tide_slice){ message, strlen(message) };
	} else {
		reply->body = (struct tide_slice){ call->reply_body.data, call->reply_body.len };
	}
	services_enter(loop, call->policy->plugin->code, "done");
	call->done(call->data, reply);
	services_leave(loop);
	forget(call);
}

static void cancel(struct outgoing *call, int error, const char *message)
{
	if (call->call)
		upstream_cancel(call->call);
	call->call = NULL;
	finish(call, error, message);
}

void outgoing_end_of(struct list *calls)
{
	while (!list_empty(calls))
		cancel(list_entry(calls->next, struct outgoing, of_request), -ECANCELED,
		       "the request that it was about has ended");
}

/* done() may end others too, so it begins anew after each. */
static void end_running(struct gateway_loop *loop, const struct outgoing_account *account)
{
	struct list *running = &loop->outgoing.running;
	struct list *node = running->next;

	while (node != running) {
		struct outgoing *call = list_entry(node, struct outgoing, node);

		node = node->next;
		if (account && &call->policy->outgoing != account)
			continue;
		cancel(call, -ECANCELED, "the policy or the appliance ends");
		node = running->next;
	}
}

static void deadline_passed(struct loop_timer *timer)
{
	cancel(container_of(timer, struct outgoing, deadline), -ETIMEDOUT,
	       "there was no whole answer within its deadline");
}

/* ---- the upstream's callbacks ---- */

static bool take_head(struct outgoing *call, const struct upstream_header *headers, size_t count)
{
	struct tide_header *kept = arena_alloc(&call->arena, (count + 1) * sizeof(*kept));

	for (size_t i = 0; kept && i < count; i++) {
		struct slice name = arena_dup(&call->arena, headers[i].name);
		struct slice value = headers[i].value;

		value = value.len ? arena_dup(&call->arena, value) : SLICE("");
		if (!name.ptr || !value.ptr)
			return false;
		kept[i] = (struct tide_header){ { name.ptr, name.len }, { value.ptr, value.len } };
		if (slice_case_eq(name, SLICE("content-type")))
			call->reply.content_type = kept[i].value;
	}
	call->reply.headers = kept;
	call->reply.header_count = count;
	return kept;
}

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	struct outgoing *call = user;

	call->reply.status = (uint32_t)status;
	if (length > 0 && (uint64_t)length > call->reply_max)
		cancel(call, -EMSGSIZE, "the answer is longer than reply_max");
	else if (!take_head(call, headers, count))
		cancel(call, -ENOMEM, "out of memory");
}

static void on_data(void *user, struct slice data)
{
	struct outgoing *call = user;

	if (data.len > call->reply_max - call->reply_body.len) {
		cancel(call, -EMSGSIZE, "the answer is longer than reply_max");
		return;
	}
	buffer_append_slice(&call->reply_body, data);
	if (call->reply_body.failed)
		cancel(call, -ENOMEM, "out of memory");
}

static void on_end(void *user)
{
	struct outgoing *call = user;

	call->call = NULL;
	finish(call, 0, NULL);
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	static const int errors[] = {
		[UPSTREAM_FAILED_RESOLVE] = -EHOSTUNREACH,
		[UPSTREAM_FAILED_REFUSED_ADDRESS] = -EACCES,
		[UPSTREAM_FAILED_CONNECT] = -ECONNREFUSED,
		[UPSTREAM_FAILED_CONNECT_TIMEOUT] = -ETIMEDOUT,
		[UPSTREAM_FAILED_TLS] = -EPROTO,
		[UPSTREAM_FAILED_SEND] = -ECONNRESET,
		[UPSTREAM_FAILED_RESET] = -ECONNRESET,
		[UPSTREAM_FAILED_TRUNCATED] = -ECONNRESET,
		[UPSTREAM_FAILED_PROTOCOL] = -EPROTO,
		[UPSTREAM_FAILED_MEMORY] = -ENOMEM,
	};
	struct outgoing *call = user;

	call->call = NULL;
	finish(call, errors[failure], message);
}

static const struct upstream_callbacks callbacks = { on_head, on_data, on_end, on_failure };

/* ---- begins ---- */

/* It is in no list yet. Negative: it has not begun. [loop] */
static int begin(struct outgoing *call)
{
	struct gateway_loop *loop = call->loop;
	int r = loop_timer_set(loop->loop, &call->deadline, call->deadline.at_ns);

	if (r >= 0)
		r = upstream_start(loop->upstream, call->policy->outgoing.origin, &call->request,
				   &callbacks, call, &call->call);
	if (r < 0) {
		loop_timer_cancel(loop->loop, &call->deadline);
		return r;
	}
	list_append(&loop->outgoing.running, &call->node);
	return 0;
}

/* Of calls that were queued, those of an account that ends too. */
static void attend(struct gateway_loop *loop)
{
	struct outgoing_desk *desk = &loop->outgoing;
	struct outgoing_account *ends;
	struct list queued;

	pthread_mutex_lock(&desk->lock);
	list_take_all(&queued, &desk->queued);
	ends = steal(desk->ends);
	pthread_mutex_unlock(&desk->lock);
	while (!list_empty(&queued)) {
		struct outgoing *call = list_entry(queued.next, struct outgoing, node);
		int r = desk->closed || is_closed(&call->policy->outgoing) ? -ECANCELED : 0;

		list_remove(&call->node);
		if (r == 0)
			r = begin(call);
		if (r < 0)
			finish(call, r,
			       r == -ECANCELED ? "the policy or the appliance ends"
					       : "the request could not be sent");
	}
	if (ends)
		end_running(loop, ends);
}

static void task(struct loop_task *loop_task)
{
	struct gateway_loop *loop = container_of(loop_task, struct gateway_loop, outgoing.task);

	pthread_mutex_lock(&loop->outgoing.lock);
	loop->outgoing.posted = false;
	pthread_mutex_unlock(&loop->outgoing.lock);
	attend(loop);
}

/* With the desk's lock. */
static void post(struct gateway_loop *loop)
{
	if (!loop->outgoing.posted)
		loop_post(loop->loop, &loop->outgoing.task);
	loop->outgoing.posted = true;
}

static int queue(struct outgoing *call)
{
	struct outgoing_desk *desk = &call->loop->outgoing;
	int r = 0;

	pthread_mutex_lock(&desk->lock);
	if (desk->closed) {
		r = -ECANCELED;
	} else {
		list_append(&desk->queued, &call->node);
		post(call->loop);
	}
	pthread_mutex_unlock(&desk->lock);
	return r;
}

/* ---- the ends of instances and loops ---- */

static bool loop_runs(struct gateway_loop *loop)
{
	bool runs;

	pthread_mutex_lock(&loop->gateway->lock);
	runs = loop->started;
	pthread_mutex_unlock(&loop->gateway->lock);
	return runs;
}

static void tell_end(struct gateway_loop *loop, struct outgoing_account *account)
{
	bool runs = loop_runs(loop);

	pthread_mutex_lock(&loop->outgoing.lock);
	loop->outgoing.ends = account;
	if (runs && !loop->outgoing.closed)
		post(loop);
	pthread_mutex_unlock(&loop->outgoing.lock);
	if (!runs)
		attend(loop);
}

/* Who begins one at this moment may have counted it, and not queued it yet. */
static bool wait_for_last(struct outgoing_account *account)
{
	struct timespec until;
	bool none;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000 * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&account->lock);
	account->closed = true;
	if (account->calls > 0)
		pthread_cond_timedwait(&account->ended, &account->lock, &until);
	none = account->calls == 0;
	pthread_mutex_unlock(&account->lock);
	return none;
}

void outgoing_account_end(struct outgoing_account *account)
{
	struct gateway *gateway = account->gateway;
	bool none;

	pthread_mutex_lock(&account->lock);
	account->closed = true;
	none = account->calls == 0;
	pthread_mutex_unlock(&account->lock);
	while (!none) {
		for (uint32_t i = 0; i < gateway->options.loops; i++)
			tell_end(&gateway->loops[i], account);
		none = wait_for_last(account);
	}
	for (uint32_t i = 0; i < gateway->options.loops; i++) {
		struct outgoing_desk *desk = &gateway->loops[i].outgoing;

		pthread_mutex_lock(&desk->lock);
		if (desk->ends == account)
			desk->ends = NULL;
		pthread_mutex_unlock(&desk->lock);
	}
}

void outgoing_loop_init(struct gateway_loop *loop)
{
	struct outgoing_desk *desk = &loop->outgoing;

	pthread_mutex_init(&desk->lock, NULL);
	list_init(&desk->running);
	list_init(&desk->queued);
	desk->task.fn = task;
}

void outgoing_loop_end(struct gateway_loop *loop)
{
	struct outgoing_desk *desk = &loop->outgoing;

	if (!desk->task.fn) /* it was never made */
		return;
	pthread_mutex_lock(&desk->lock);
	desk->closed = true;
	pthread_mutex_unlock(&desk->lock);
	attend(loop);
	end_running(loop, NULL);
}

/* ---- the service ---- */

static struct slice slice_from(struct tide_slice bytes)
{
	return (struct slice){ bytes.ptr, bytes.len };
}

static bool keep(struct outgoing *call, struct tide_slice bytes, struct slice *ret)
{
	*ret = bytes.len ? arena_dup(&call->arena, slice_from(bytes)) : SLICE("");
	return ret->ptr;
}

static bool copy(struct outgoing *call, const struct tide_fetch *fetch)
{
	struct upstream_header *headers =
	    arena_alloc(&call->arena, (fetch->header_count + 1) * sizeof(*headers));

	if (!headers || !keep(call, fetch->method, &call->request.method) ||
	    !keep(call, fetch->path, &call->request.path) || !keep(call, fetch->body, &call->body))
		return false;
	for (uint64_t i = 0; i < fetch->header_count; i++)
		if (!keep(call, fetch->headers[i].name, &headers[i].name) ||
		    !keep(call, fetch->headers[i].value, &headers[i].value))
			return false;
	if (fetch->method.len == 0)
		call->request.method = fetch->body.len ? SLICE("POST") : SLICE("GET");
	call->request.headers = headers;
	call->request.header_count = fetch->header_count;
	call->request.body_parts = &call->body;
	call->request.body_part_count = call->body.len > 0;
	return true;
}

static int check(const struct tide_fetch *fetch)
{
	uint64_t bytes = fetch->method.len + fetch->path.len;

	if (fetch->path.len == 0 || fetch->path.ptr[0] != '/' ||
	    fetch->header_count > OUTGOING_HEADERS_MAX || fetch->body.len > OUTGOING_BYTES_MAX ||
	    fetch->reply_max > OUTGOING_REPLY_MAX || fetch->deadline_ms > OUTGOING_DEADLINE_MAX_MS)
		return -EINVAL;
	for (uint64_t i = 0; i < fetch->header_count; i++)
		bytes += fetch->headers[i].name.len + fetch->headers[i].value.len;
	return bytes > OUTGOING_HEADER_BYTES_MAX ? -EINVAL : 0;
}

static void tell_nowhere(struct gateway_policy *policy)
{
	struct outgoing_account *account = &policy->outgoing;
	bool told;

	pthread_mutex_lock(&account->lock);
	told = account->told;
	account->told = true;
	pthread_mutex_unlock(&account->lock);
	if (!told)
		log_warning("policy %.*s: its plugin wants to send requests, and its object has no "
			    "base_url to send them to: give it one",
			    SLICE_ARGS(policy->name));
}

static struct gateway_loop *next_loop(struct outgoing_account *account)
{
	uint32_t turn;

	pthread_mutex_lock(&account->lock);
	turn = account->turn++;
	pthread_mutex_unlock(&account->lock);
	return &account->gateway->loops[turn % account->gateway->options.loops];
}

static int start(struct outgoing *call, struct tide_request *request)
{
	int r;

	if (!request)
		return queue(call);
	r = begin(call);
	if (r >= 0)
		list_append(&request->outgoing, &call->of_request);
	return r;
}

static int32_t fetch_for(struct gateway_policy *policy, struct tide_request *request,
			 const struct tide_fetch *fetch, tide_done_fn done, void *data)
{
	uint64_t reply_max = fetch->reply_max ? fetch->reply_max : OUTGOING_REPLY_DEFAULT;
	uint64_t bytes = fetch->body.len + reply_max;
	uint64_t after_ns =
	    fetch->deadline_ms ? fetch->deadline_ms * NS_PER_MS : policy->deadline_ns;
	struct outgoing *call;
	int r = enter(&policy->outgoing, bytes);

	if (r < 0)
		return r;
	call = calloc(1, sizeof(*call));
	if (!call) {
		leave(&policy->outgoing, bytes);
		return -ENOMEM;
	}
	list_init(&call->node);
	list_init(&call->of_request);
	arena_init(&call->arena, NULL);
	call->policy = policy;
	call->loop = request ? request->exchange->loop : next_loop(&policy->outgoing);
	call->deadline.fn = deadline_passed;
	call->deadline.at_ns = clock_now_ns() + after_ns;
	call->done = done;
	call->data = data;
	call->bytes = bytes;
	call->reply_max = reply_max;
	r = copy(call, fetch) ? start(call, request) : -ENOMEM;
	if (r < 0)
		forget(call);
	return r;
}

static int32_t service_fetch(struct tide_instance *instance, struct tide_request *request,
			     const struct tide_fetch *given, tide_done_fn done, void *data)
{
	struct gateway_policy *policy = plugin_instance_owner(instance);
	struct tide_fetch fetch = { 0 };
	int r;

	if (!policy)
		return -EPERM;
	if (!policy->outgoing.origin) {
		tell_nowhere(policy);
		return -EPERM;
	}
	if (!given || !done)
		return -EINVAL;
	memcpy(&fetch, given, given->size < sizeof(fetch) ? given->size : sizeof(fetch));
	r = check(&fetch);
	if (r < 0)
		return r;
	if (request && (request->over || request->exchange->loop->outgoing.closed))
		return -ECANCELED;
	return fetch_for(policy, request, &fetch, done, data);
}

const struct tide_outgoing_services outgoing_services = {
	.size = sizeof(outgoing_services),
	.fetch = service_fetch,
};
