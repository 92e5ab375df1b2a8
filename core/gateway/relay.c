/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes through as they come. Parsers only watch; while another target could still answer, bytes
 * before the first content are kept back. An answer that breaks off ends in the dialect's own error
 * event, never in a clean end. */
#include "gateway/relay.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "gateway/drain.h"
#include "gateway/keepalive.h"
#include "gateway/stored.h"
#include "gateway/translated.h"
#include "gateway/unfit.h"

enum {
	RELAY_KEEP_BYTES = 65536, /* before first content; more is committed as it is */
	RELAY_OWN_HEADERS_MAX = 8 + POLICED_HEADERS_MAX,
	RELAY_HEADERS_MAX = 32 + RELAY_OWN_HEADERS_MAX,
	RELAY_LINE_BYTES = 65536, /* the least of limits.line_bytes: shorter ones need no look */
};

/* Of an upstream's answer: what a client's SDK reads. */
bool relay_passes_header(struct slice name)
{
	static const struct slice names[] = {
		{ "content-type", 12 },   { "content-encoding", 16 }, { "x-request-id", 12 },
		{ "request-id", 10 },     { "retry-after", 11 },      { "retry-after-ms", 14 },
		{ "x-should-retry", 14 },
	};
	static const struct slice prefixes[] = { { "openai-", 7 },
						 { "anthropic-", 10 },
						 { "x-ratelimit-", 12 } };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct slice head = { name.ptr, prefixes[i].len };
		if (name.len > prefixes[i].len && slice_case_eq(head, prefixes[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_case_eq(name, names[i]))
			return true;
	}
	return false;
}

/* The request itself is not at fault, so another target may do better. 400, 422 and the like are
 * the client's. */
bool relay_status_switches(int status)
{
	switch (status) {
	case 401: /* our key, not the client's */
	case 402:
	case 403:
	case 404: /* the model is gone there */
	case 408:
	case 429:
		return true;
	default:
		return status >= 500;
	}
}

static void own_headers(struct exchange *exchange, int status, struct http_header *out,
			size_t *count)
{
	struct slice provider = exchange->call.target->provider->name;
	struct slice dropped = translated_dropped(&exchange->call);

	out[(*count)++] =
	    (struct http_header){ SLICE("x-tidegate-request-id"), slice_of(exchange->id) };
	out[(*count)++] = (struct http_header){ SLICE("x-tidegate-provider"), provider };
	out[(*count)++] = (struct http_header){ SLICE("x-tidegate-model"),
						exchange->call.target->upstream_model };
	out[(*count)++] =
	    (struct http_header){ SLICE("x-tidegate-attempts"), attempts_text(exchange) };
	if (dropped.len > 0)
		out[(*count)++] = (struct http_header){ SLICE("x-tidegate-dropped"), dropped };
	if (status >= 300)
		out[(*count)++] =
		    (struct http_header){ SLICE("x-tidegate-error-source"),
					  arena_printf(http_exchange_arena(exchange->http),
						       "provider:%.*s", SLICE_ARGS(provider)) };
	*count += policies_headers(exchange, out + *count, POLICED_HEADERS_MAX);
	if (exchange->call.translated ? exchange->request.stream : exchange->call.watch.stream) {
		out[(*count)++] = (struct http_header){ SLICE("cache-control"), SLICE("no-cache") };
		out[(*count)++] = (struct http_header){ SLICE("x-accel-buffering"), SLICE("no") };
	}
}

static void send_head(struct exchange *exchange, int status, const struct http_header *headers,
		      size_t count, int64_t length)
{
	if (exchange->head_sent)
		return;
	exchange->head_sent = true;
	exchange->status = status;
	exchange->passed_ns = loop_now_ns(exchange->loop->loop);
	http_respond(exchange->http, status, headers, count, length);
}

static void commit(struct exchange *exchange, int status, const struct http_header *headers,
		   size_t count, int64_t length)
{
	exchange->committed = true;
	send_head(exchange, status, headers, count, length);
}

/* Headers of an answer that is kept back must outlive the callback that brought them. */
static void keep_head(struct exchange *exchange, int status, const struct http_header *headers,
		      size_t count)
{
	struct arena *arena = http_exchange_arena(exchange->http);
	struct http_header *copy = arena_alloc(arena, count * sizeof(*copy));

	if (!copy) {
		commit(exchange, status, headers, count, HTTP_LENGTH_UNKNOWN);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		copy[i].name = arena_dup(arena, headers[i].name);
		copy[i].value = arena_dup(arena, headers[i].value);
	}
	exchange->holding = true;
	exchange->kept_status = status;
	exchange->kept_headers = copy;
	exchange->kept_header_count = count;
}

static bool is_type(struct slice value, struct slice type)
{
	return value.len >= type.len && slice_case_eq((struct slice){ value.ptr, type.len }, type);
}

static void note_type(struct tide_call *call, struct slice value, struct unfit_facts *facts)
{
	facts->type = value;
	facts->events = is_type(value, SLICE("text/event-stream"));
	if (call->translated && is_type(value, SLICE("application/vnd.amazon.eventstream")))
		facts->events = call->translated->framed = true;
}

static void note_head(struct tide_call *call, const struct upstream_header *headers, size_t count,
		      struct unfit_facts *facts)
{
	call->answering = true;
	call->attempt->status = (uint16_t)facts->status;
	for (size_t i = 0; i < count; i++) {
		if (slice_case_eq(headers[i].name, SLICE("content-type")))
			note_type(call, headers[i].value, facts);
		if (slice_case_eq(headers[i].name, SLICE("content-encoding")) &&
		    !slice_case_eq(headers[i].value, SLICE("identity")))
			facts->coding = headers[i].value;
		if ((slice_case_eq(headers[i].name, SLICE("x-request-id")) ||
		     slice_case_eq(headers[i].name, SLICE("request-id"))) &&
		    !hush_has(&call->target->provider->hush, headers[i].value))
			slice_copy(headers[i].value, call->attempt->provider_request_id,
				   sizeof(call->attempt->provider_request_id));
	}
	if (facts->events != call->watch.stream)
		wire_watch_init(&call->watch, call->watch.dialect, facts->events);
}

/* What was answered counts as nothing: it is neither relayed nor billed. */
static void fail_unfit(struct tide_call *call, const struct unfit_facts *facts,
		       const struct wire_error *error)
{
	struct exchange *exchange = call->exchange;
	struct slice type = { facts->type.ptr, facts->type.len < 80 ? facts->type.len : 80 };
	struct slice why =
	    arena_printf(exchange_arena(exchange), "%s; %s, type \"%.*s\"", error->message,
			 http_status_text(facts->status), SLICE_ARGS(type));

	trouble_failed(call->target->provider, loop_now_ns(exchange->loop->loop), "no answer",
		       why.ptr ? why.ptr : error->message);
	call->answering = false;
	attempt_switch(call, error);
}

/* The client has the head of a stream, so what is none can only be told in it. */
static bool no_stream(struct tide_call *call)
{
	static const struct wire_error late = {
		502, "upstream_error", NULL,
		"The upstream answered with a document, but a stream was asked for."
	};

	call->explains = call->attempt->status >= 400;
	if (call->explains || call->watch.stream || call->translated)
		return call->explains;
	attempt_switch(call, &late);
	return true;
}

/* Of an answer as the upstream wrote it. */
static bool tells_form(struct slice name)
{
	return slice_case_eq(name, SLICE("content-type")) ||
	       slice_case_eq(name, SLICE("content-encoding"));
}

/* An error is told when its document is whole. False: out of memory, and dealt with. */
static bool begin_translated(struct tide_call *call, struct http_header *out, size_t *count)
{
	bool stream = call->exchange->request.stream && call->attempt->status < 400;

	call->explains = call->attempt->status >= 400;
	if (!call->explains && translated_open(call) < 0) {
		attempt_break(call, &attempt_out_of_memory);
		return false;
	}
	out[(*count)++] =
	    (struct http_header){ SLICE("content-type"),
				  stream ? SLICE("text/event-stream") : SLICE("application/json") };
	return true;
}

static const struct wire_error no_compact = {
	404, "compact_not_served", NULL,
	"The provider of this model has nothing at /responses/compact, or not this model: it "
	"answered that there is none."
};

/* False: no other target can answer, so the client gets it. */
static bool switch_on_status(struct tide_call *call, int status)
{
	static const struct wire_error error = { 502, "upstream_error", NULL,
						 "The upstream answered with an error." };
	struct exchange *exchange = call->exchange;
	char why[64];

	snprintf(why, sizeof(why), "%d %s", status, http_status_text(status));
	trouble_failed(call->target->provider, loop_now_ns(exchange->loop->loop), "status", why);
	if (!attempt_may_switch(exchange))
		return false;
	attempt_switch(call, &error);
	return true;
}

static void pass_headers(const struct tide_call *call, const struct upstream_header *headers,
			 size_t count, struct http_header *out, size_t *n)
{
	for (size_t i = 0; i < count && *n < RELAY_HEADERS_MAX - RELAY_OWN_HEADERS_MAX; i++) {
		if (relay_passes_header(headers[i].name) &&
		    !policies_say(call->exchange, headers[i].name) &&
		    !hush_has(&call->target->provider->hush, headers[i].value) &&
		    !(call->translated && tells_form(headers[i].name)))
			out[(*n)++] = (struct http_header){ headers[i].name, headers[i].value };
	}
}

void relay_head(struct tide_call *call, int status, const struct upstream_header *headers,
		size_t count, int64_t length)
{
	struct exchange *exchange = call->exchange;
	struct http_header out[RELAY_HEADERS_MAX];
	struct unfit_facts facts = { .status = status, .length = length };
	const struct wire_error *unfit;
	size_t n = 0;

	note_head(call, headers, count, &facts);
	unfit = unfit_head(&facts);
	if (unfit && !(unfit == &unfit_empty && stored_may_be_empty(exchange))) {
		fail_unfit(call, &facts, unfit);
		return;
	}
	if (relay_status_switches(status) && switch_on_status(call, status))
		return;
	if (!exchange->http) {
		drain_head(call);
		return;
	}
	if (attempt_counts_nothing(exchange, status)) {
		static const struct wire_error error = { 502, "upstream_error", NULL,
							 "The upstream cannot count." };

		attempt_switch(call, &error);
		return;
	}
	if (exchange->endpoint == ENDPOINT_RESPONSES_COMPACT && (status == 404 || status == 405)) {
		attempt_switch(call, &no_compact);
		return;
	}
	if (exchange->head_sent && no_stream(call))
		return;
	if (call->translated && !begin_translated(call, out, &n))
		return;
	pass_headers(call, headers, count, out, &n);
	own_headers(exchange, status, out, &n);
	if (translated_is_document(call) || call->explains) {
		keep_head(exchange, status, out, n);
		return;
	}
	exchange->strip_usage = exchange->strip_usage && call->watch.stream;
	/* A document of unknown length may turn out to be empty. */
	if (status < 400 && (call->watch.stream ? attempt_may_switch(exchange) : length < 0))
		keep_head(exchange, status, out, n);
	else
		/* A stream may have to end in an event more than was promised. */
		commit(exchange, status, out, n, call->watch.stream ? HTTP_LENGTH_UNKNOWN : length);
}

struct forwarding {
	struct http_exchange *http;
	bool room;
};

static void forward_one(void *user, struct slice data)
{
	struct forwarding *forwarding = user;

	forwarding->room = http_write(forwarding->http, data) && forwarding->room;
}

const struct wire_error relay_not_readable = {
	502, "upstream_incomplete", NULL,
	"The upstream's answer breaks the rules of its dialect, so that it cannot be translated."
};

bool relay_write_translated(struct tide_call *call)
{
	struct buffer *out = &call->translated->out;
	bool room = out->len == 0 || http_write(call->exchange->http, buffer_slice(out));

	buffer_clear(out);
	return room;
}

/* What may be an error that quotes what we sent: a copy without our secrets, where there are some.
 * One that is cut between two reads is not seen, but in an error's own document. */
static struct slice hushed(struct tide_call *call, struct slice data)
{
	const struct hush *hush = &call->target->provider->hush;
	struct slice copy;

	if (!hush_has(hush, data))
		return data;
	copy = arena_dup(exchange_arena(call->exchange), data);
	if (!copy.ptr)
		return SLICE("");
	hush_mask(hush, (char *)copy.ptr, copy.len);
	return copy;
}

/* An error's document is kept until it is whole, or as much as an error may be. */
static bool forward_error(struct exchange *exchange, struct slice data)
{
	buffer_append_slice(&exchange->kept, data);
	return exchange->kept.len < RELAY_KEEP_BYTES || relay_flush(exchange, false);
}

bool relay_flush(struct exchange *exchange, bool whole)
{
	const struct hush *hush = &exchange->call.target->provider->hush;
	struct buffer *kept = &exchange->kept;
	size_t back = whole || hush->longest == 0 ? 0 : hush->longest - 1;
	size_t len = kept->len > back ? kept->len - back : 0;
	bool room = true;

	if (len == 0)
		return true;
	hush_mask(hush, kept->data, kept->len);
	room = http_write(exchange->http, (struct slice){ kept->data, len });
	buffer_consume(kept, len);
	return room;
}

static bool forward_translated(struct tide_call *call, struct slice data)
{
	data = hushed(call, data);
	if (translated_feed(call, data))
		return relay_write_translated(call);
	attempt_break(call, &relay_not_readable);
	return true;
}

static bool forward(struct exchange *exchange, struct slice data)
{
	struct forwarding forwarding = { exchange->http, true };
	int r;

	stored_note(exchange);
	exchange->passed_ns = loop_now_ns(exchange->loop->loop);
	if (exchange->call.translated)
		return forward_translated(&exchange->call, data);
	if (exchange->call.attempt && exchange->call.attempt->status >= 400)
		return forward_error(exchange, data);
	if (exchange->call.watch.error != WIRE_ERROR_NONE)
		data = hushed(&exchange->call, data);
	if (!exchange->strip_usage)
		return http_write(exchange->http, data);
	r = wire_strip_feed(&exchange->strip, data, forward_one, &forwarding);
	if (r < 0) /* out of memory: all of it went out as it is, and so does the rest */
		exchange->strip_usage = false;
	return forwarding.room;
}

void relay_commit_kept(struct exchange *exchange, int64_t length)
{
	exchange->holding = false;
	commit(exchange, exchange->kept_status, exchange->kept_headers, exchange->kept_header_count,
	       length);
}

bool relay_release_kept(struct exchange *exchange)
{
	struct slice kept = buffer_slice(&exchange->kept);

	relay_commit_kept(exchange, HTTP_LENGTH_UNKNOWN);
	return kept.len == 0 || forward(exchange, kept);
}

enum ledger_outcome relay_outcome(const struct tide_call *call)
{
	if (call->attempt->status >= 300)
		return LEDGER_ERROR;
	if (endpoint_is_by_id(
		call->exchange->endpoint)) /* of an answer that may have failed itself */
		return call->watch.stream && !call->watch.terminal ? LEDGER_INCOMPLETE : LEDGER_OK;
	if (call->watch.error != WIRE_ERROR_NONE || !call->watch.terminal)
		return LEDGER_INCOMPLETE;
	return LEDGER_OK;
}

/* What a crash from here on must find in the in-flight file. */
static void note_progress(struct tide_call *call, bool had_content, bool had_terminal)
{
	struct exchange *exchange = call->exchange;
	enum ledger_outcome outcome = exchange->http ? relay_outcome(call) : LEDGER_DEPARTED;

	if (call->watch.content && !had_content) {
		call->attempt->first_content_us =
		    ledger_elapsed_us(exchange->entry, loop_now_ns(exchange->loop->loop));
		exchange->entry->first_content_us = call->attempt->first_content_us;
		attempt_arm(exchange); /* moves a timer that is set: no memory is needed */
	}
	if (!stored_is_unestimated(exchange))
		call->attempt->content_bytes = call->watch.content_bytes > UINT32_MAX
						   ? UINT32_MAX
						   : (uint32_t)call->watch.content_bytes;
	if (!call->watch.terminal || had_terminal)
		return;
	settle_attempt(call, outcome);
	exchange->entry->outcome = (uint8_t)outcome;
	exchange->entry->status = call->attempt->status;
	exchange->entry->end_us = call->attempt->end_us;
}

static const struct wire_error *error_of_event(enum wire_error_class class)
{
	static const struct wire_error errors[] = {
		[WIRE_ERROR_OVERLOADED] = { 503, "upstream_overloaded", NULL,
					    "The upstream said that it is overloaded." },
		[WIRE_ERROR_RATE_LIMIT] = { 429, "upstream_rate_limited", NULL,
					    "The upstream's rate limit was met." },
		[WIRE_ERROR_QUOTA] = { 429, "upstream_quota", NULL,
				       "The upstream account's quota is used up." },
		[WIRE_ERROR_AUTHENTICATION] = { 502, "upstream_key", NULL,
						"The upstream refused our key." },
		[WIRE_ERROR_INTERNAL] = { 502, "upstream_error", NULL,
					  "The upstream failed inside its answer." },
	};

	return class < ARRAY_SIZE(errors) && errors[class].status ? &errors[class] : NULL;
}

/* An error event before any content is decided like the status it stands for. */
static bool switch_on_event(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	const struct wire_error *error =
	    call->watch.content ? NULL : error_of_event(call->watch.error);

	if (!exchange->holding || !error || !attempt_may_switch(exchange))
		return false;
	exchange->holding = false;
	call->attempt->status = (uint16_t)error->status;
	attempt_switch(call, error);
	return true;
}

/* No reader could take such a line, and most would keep it whole. */
static bool break_long_line(struct tide_call *call)
{
	static const struct wire_error error = {
		502, "upstream_incomplete", NULL,
		"The upstream sent a line that is longer than limits.line_bytes."
	};
	struct exchange *exchange = call->exchange;

	if (call->watch.line_bytes <= exchange->held->snapshot->conf->limits.line_bytes)
		return false;
	trouble_failed(call->target->provider, loop_now_ns(exchange->loop->loop), "line too long",
		       error.message);
	attempt_break(call, &error);
	return true;
}

static bool keep(struct tide_call *call, struct slice data)
{
	struct exchange *exchange = call->exchange;
	bool full = exchange->kept.len + data.len >= RELAY_KEEP_BYTES;

	if (!call->explains || !full)
		buffer_append_slice(&exchange->kept, data);
	if (exchange->kept.failed || (call->explains && full)) {
		attempt_break(call, &attempt_out_of_memory); /* explain() has words of its own */
		return true;
	}
	if (call->explains || (!call->watch.content && !call->watch.terminal && !full))
		return true;
	return relay_release_kept(exchange);
}

static bool collect(struct tide_call *call, struct slice data)
{
	if (!translated_feed(call, hushed(call, data)))
		attempt_break(call, &relay_not_readable);
	return true;
}

static bool relay_bytes(struct tide_call *call, struct slice data)
{
	struct exchange *exchange = call->exchange;
	bool had_content = call->watch.content, had_terminal = call->watch.terminal;
	uint64_t bytes_before = call->watch.content_bytes;

	if (exchange->holding && !call->watch.stream && !translated_is_document(call) &&
	    !call->explains)
		relay_release_kept(exchange);
	wire_watch_feed(&call->watch, data);
	if (call->watch.line_bytes > RELAY_LINE_BYTES && break_long_line(call))
		return true;
	if (switch_on_event(call))
		return true;
	/* Of a stream, pings and the like do not count. */
	if (call->watch.content_bytes != bytes_before || call->watch.terminal || !had_content ||
	    !call->watch.stream)
		call->content_ns = loop_now_ns(exchange->loop->loop);
	note_progress(call, had_content, had_terminal);
	if (!exchange->http) {
		drain_data(call, data.len);
		return true;
	}
	if (call->explains)
		return keep(call, data);
	if (translated_is_document(call))
		return collect(call, data);
	return exchange->holding ? keep(call, data) : forward(exchange, data);
}

/* False: the reader is behind; stop until it drains. */
bool relay_data(struct tide_call *call, struct slice data)
{
	_cleanup_(buffer_fini) struct buffer events = { 0 };
	uint32_t attempts = call->exchange->attempts;
	bool readable, room = true;

	if (!call->translated || !call->translated->framed)
		return relay_bytes(call, data);
	readable = translated_unframe(call, data, &events);
	if (events.len > 0)
		room = relay_bytes(call, buffer_slice(&events));
	if (!readable && call->active && call->exchange->attempts == attempts)
		attempt_break(call, &relay_not_readable);
	return room || !readable;
}

bool relay_is_whole(const struct tide_call *call)
{
	return call->exchange->committed && call->watch.stream && call->watch.terminal;
}

bool relay_inside_event(const struct tide_call *call)
{
	const struct exchange *exchange = call->exchange;

	return !call->translated && !wire_watch_at_boundary(&call->watch) &&
	       (!exchange->strip_usage || wire_strip_is_passing(&exchange->strip));
}
