/* SPDX-License-Identifier: Apache-2.0 */
/* Admission, the one way in: the key is checked before the body is read; then the body is scanned,
 * a route found, an upper bound of the cost reserved, and an entry opened. Only then does anything
 * go upstream. */
#include "gateway/exchange.h"

#include <errno.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/drain.h"
#include "gateway/forwarded.h"
#include "gateway/google.h"
#include "gateway/health.h"
#include "gateway/identify.h"
#include "gateway/keepalive.h"
#include "gateway/models.h"
#include "gateway/refuse.h"
#include "gateway/relay.h"
#include "gateway/stored.h"
#include "gateway/tenants.h"
#include "gateway/translated.h"
#include "gateway/users.h"

enum {
	SMALL_BODY_BYTES = 64 << 10, /* of calls that need none */
};

static bool feature_valid(struct slice feature)
{
	if (feature.len == 0 || feature.len > 64)
		return false;
	for (size_t i = 0; i < feature.len; i++) {
		char c = feature.ptr[i];
		bool word =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!word && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

/* Client headers that mean something to a provider; never who the client is, never hop-by-hop. */
bool admit_passes_header(struct slice name)
{
	static const struct slice prefixes[] = { { "openai-", 7 }, { "anthropic-", 10 } };

	for (size_t i = 0; i < 2; i++) {
		struct slice head = { name.ptr, prefixes[i].len };
		if (name.len > prefixes[i].len && slice_case_eq(head, prefixes[i]))
			return true;
	}
	return slice_case_eq(name, SLICE("accept")) ||
	       slice_case_eq(name, SLICE("idempotency-key"));
}

static int collect_headers(struct exchange *exchange, const struct http_request *request)
{
	struct tide_header passed[HTTP_HEADERS_MAX], *out;
	size_t count = 0;

	for (size_t i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];
		if (admit_passes_header(header->name))
			passed[count++] = (struct tide_header){
				{ header->name.ptr, header->name.len },
				{ header->value.ptr, header->value.len },
			};
	}
	if (count == 0)
		return 0;
	out = arena_alloc(http_exchange_arena(exchange->http), count * sizeof(*out));
	if (!out)
		return -ENOMEM;
	memcpy(out, passed, count * sizeof(*out));
	exchange->client_headers = out;
	exchange->client_header_count = count;
	return 0;
}

static struct exchange *exchange_new(struct gateway_loop *loop, struct http_exchange *http)
{
	size_t zeroed = offsetof(struct exchange, call) + offsetof(struct tide_call, watch);
	struct exchange *exchange = arena_alloc(http_exchange_arena(http), sizeof(*exchange));

	if (!exchange)
		return NULL;
	memset(exchange, 0, zeroed);
	exchange->loop = loop;
	exchange->http = http;
	exchange->call.exchange = exchange;
	exchange->held = loop_snapshot_hold(loop);
	exchange->deadline.fn = attempt_deadline;
	exchange->keepalive.fn = keepalive_due;
	list_append(&loop->exchanges, &exchange->node);
	http_exchange_set_user(http, exchange);
	return exchange;
}

static void refuse_stranger(struct gateway_loop *loop, struct http_exchange *http,
			    enum wire_dialect dialect, const struct identity *who)
{
	counter_add(&loop->counters.refused_keys, 1);
	if (who->presented.ptr)
		strangers_key(loop, http, who->presented);
	reply_error(http, dialect, &who->refusal, NULL, 0);
}

static void admit_head(struct gateway_loop *loop, struct http_exchange *http,
		       const struct endpoint_row *row)
{
	const struct http_request *request = http_exchange_request(http);
	struct slice feature = http_request_header(request, SLICE("x-tidegate-feature"));
	struct exchange *exchange;
	struct identity who;

	identify(loop->current->snapshot, http, &who);
	if (!who.key) {
		refuse_stranger(loop, http, row->dialect, &who);
		return;
	}
	if (who.good && feature.ptr && !feature_valid(feature)) {
		struct wire_error error = {
			400, "invalid_feature", "x-tidegate-feature",
			"The header x-tidegate-feature takes 1 to 64 of [A-Za-z0-9._-]."
		};
		reply_error(http, row->dialect, &error, NULL, 0);
		return;
	}
	exchange = exchange_new(loop, http);
	if (!exchange || collect_headers(exchange, request) < 0) {
		http_abort(http);
		return;
	}
	exchange->key = who.key;
	exchange->endpoint = row->endpoint;
	exchange->dialect = row->dialect;
	if (wire_is_google(row->dialect))
		google_read_path(exchange, request->path);
	if (row->endpoint == ENDPOINT_RESPONSES_COMPACT)
		exchange->stored.rest = SLICE("/compact");
	exchange->query = request->query;
	if (!who.good) {
		exchange->feature = slice_of(who.key->feature);
		admit_refuse_unread(exchange, &who.refusal);
		return;
	}
	exchange->feature = feature.ptr ? feature : slice_of(who.key->feature);
	http_exchange_set_share(http, ((const struct gateway_tenant *)who.key->data)->share);
	http_want_body(http, endpoint_is_by_id(row->endpoint) ? SMALL_BODY_BYTES : 0);
}

static void refuse_key_in_url(struct gateway_loop *loop, struct http_exchange *http)
{
	static const struct wire_error error = {
		401, "key_in_url", NULL,
		"A key was sent in the URL, where logs on the way keep it. Send it as "
		"`x-goog-api-key: KEY`, and replace this one."
	};

	counter_add(&loop->counters.refused_keys, 1);
	reply_error(http, endpoint_dialect(http_exchange_request(http)), &error, NULL, 0);
}

static void on_request(struct http_exchange *http, void *data)
{
	struct gateway_loop *loop = data;
	const struct endpoint_row *other, *row = endpoint_find(http_exchange_request(http), &other);
	struct identity who;

	http_exchange_set_user(http, NULL);
	if (!row) {
		refuse_path(http, other);
		return;
	}
	if (health_reply(loop->gateway, http, row->endpoint, false))
		return;
	if (google_key_in_url(http_exchange_arena(http), http_exchange_request(http))) {
		refuse_key_in_url(loop, http);
		return;
	}
	if (row->reaches_provider) {
		admit_head(loop, http, row);
		return;
	}
	identify(loop->current->snapshot, http, &who);
	if (!who.good)
		refuse_stranger(loop, http, endpoint_dialect(http_exchange_request(http)), &who);
	else if (row->endpoint == ENDPOINT_MODEL)
		models_reply_one(loop, http, who.key);
	else if (row->endpoint == ENDPOINT_TUNED_MODELS)
		models_reply_tuned(http);
	else
		models_reply(loop, http, who.key);
}

/* A caller who is known gets a row even for what we refuse, read or not, so that nothing that was
 * tried is invisible. */
static bool open_entry(struct exchange *exchange)
{
	struct gateway_loop *loop = exchange->loop;
	struct ledger_names names = {
		.tenant = slice_of(exchange->key->tenant),
		.feature = exchange->feature,
		.key = slice_of(exchange->key->name),
		.route = exchange->request.model.ptr ? exchange->request.model : SLICE("-"),
		.run = runs_find(&exchange->held->snapshot->runs,
				 http_exchange_request(exchange->http)),
		.user = exchange->user,
		.client = forwarded_client(exchange->held->snapshot, exchange->http),
	};

	exchange->entry = ledger_open(
	    loop->gateway->options.ledger, loop->index, &names, exchange->request.stream,
	    stored_is_unestimated(exchange) ? 0 : exchange->request.input_estimate,
	    plan_reservation_nano(exchange), loop_now_ns(loop->loop));
	if (!exchange->entry)
		return false;
	ledger_id_text(exchange->entry->id, exchange->id);
	counter_add(&loop->counters.inflight, 1);
	if (exchange->request.stream)
		counter_add(&loop->counters.streams, 1);
	return true;
}

void admit_refuse_unread(struct exchange *exchange, const struct wire_error *error)
{
	open_entry(exchange); /* without a free entry there is an answer and no row */
	exchange_refuse(exchange, error);
}

/* Where the request may go. False, with what to tell the client. */
static bool plan(struct exchange *exchange, struct error *error, struct wire_error *ret)
{
	struct arena *arena = http_exchange_arena(exchange->http);

	if (endpoint_is_by_id(exchange->endpoint))
		return stored_plan(exchange, ret);
	*ret = (struct wire_error){ .status = 400, .code = "invalid_request" };
	ret->message = error->message;
	if (wire_is_google(exchange->dialect)) {
		if (!google_scan(exchange, error, ret))
			return false;
	} else if (wire_request_scan(exchange->dialect, exchange->body, arena, &exchange->request,
				     error) < 0) {
		return false;
	}
	exchange->route = plan_route(exchange);
	if (!exchange->route) {
		*ret = refuse_model(exchange->http, exchange->key, exchange->request.model);
		return false;
	}
	return exchange->dialect != WIRE_OPENAI_RESPONSES || stored_pin(exchange, ret);
}

static void on_body(struct http_exchange *http, struct slice body)
{
	struct exchange *exchange = http_exchange_user(http);
	struct wire_error refusal;
	struct error error; /* zeroing all of it costs more than most scans */
	bool planned;

	error.message[0] = '\0';
	exchange->body = body;
	planned = plan(exchange, &error, &refusal);
	if (planned)
		planned = users_find(exchange, &refusal);
	if (!open_entry(exchange)) {
		refusal = (struct wire_error){
			503, "too_many_requests_in_flight", NULL,
			"All entries for requests in flight are in use (limits.inflight). Try "
			"again in a few seconds."
		};
		planned = false;
	}
	if (planned)
		policies_begin(exchange);
	else
		exchange_refuse(exchange, &refusal);
}

static void on_drain(struct http_exchange *http)
{
	struct exchange *exchange = http_exchange_user(http);

	if (exchange && exchange->call.active && exchange->call.paused)
		attempt_resume(&exchange->call);
}

/* SDKs leave once they have read the terminal event: they had all of it. */
static enum ledger_outcome outcome_of_leaving(const struct tide_call *call)
{
	return relay_is_whole(call) && !call->paused ? relay_outcome(call) : LEDGER_DEPARTED;
}

void exchange_fini(struct exchange *exchange)
{
	loop_timer_cancel(exchange->loop->loop, &exchange->deadline);
	loop_timer_cancel(exchange->loop->loop, &exchange->keepalive);
	wire_strip_fini(&exchange->strip);
	buffer_fini(&exchange->kept);
	translated_free(&exchange->call);
	policies_end(exchange);
	list_remove(&exchange->node);
}

/* The last word about an exchange. Not settled means that the client left first. */
static void on_end(struct http_exchange *http, bool sent)
{
	struct exchange *exchange = http_exchange_user(http);
	enum ledger_outcome outcome = LEDGER_DEPARTED;

	if (!exchange)
		return;
	if (exchange->call.active) {
		if (!exchange->call.watch.terminal && drain_begin(exchange))
			return;
		outcome = outcome_of_leaving(&exchange->call);
		settle_attempt(&exchange->call, outcome);
		attempt_stop(&exchange->call);
	}
	settle(exchange, outcome, exchange->status);
	exchange_fini(exchange);
	http_drop_body(http); /* its share is the snapshot's */
	loop_snapshot_drop(exchange->loop, exchange->held);
}

/* What the front door refuses has the dialect's own shape too, as far as the head can be read. */
static void on_fault(struct http_exchange *http, int status, const char *code, const char *message,
		     void *data)
{
	const struct http_request *request = http_exchange_request(http);
	struct exchange *exchange = http_exchange_user(http);
	struct wire_error error = { .status = status, .code = code, .message = message };

	if (exchange && !exchange->entry) { /* its key is known, its body did not come */
		admit_refuse_unread(exchange, &error);
		return;
	}
	reply_error(http, request->method_text.ptr ? endpoint_dialect(request) : WIRE_OPENAI_CHAT,
		    &error, NULL, 0);
}

const struct http_handler gateway_api_handler = {
	.on_request = on_request,
	.on_body = on_body,
	.on_drain = on_drain,
	.on_end = on_end,
	.on_fault = on_fault,
	.on_stranger = strangers_log,
};
