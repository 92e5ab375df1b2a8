/* SPDX-License-Identifier: Apache-2.0 */
/* Usage to money, exactly once: attempts are priced before the bytes that end an answer leave, and
 * the request's entry is handed to the writer before the answer is finished. */
#include "gateway/exchange.h"

#include "base/cleanup.h"
#include "gateway/keepalive.h"
#include "gateway/events.h"
#include "gateway/stored.h"

enum {
	TICKS_EXPONENT = -10, /* of ten, in dollars */
};

static int64_t known(int64_t tokens)
{
	return tokens > 0 ? tokens : 0;
}

static void copy_usage(const struct wire_usage *from, struct ledger_usage *to)
{
	to->tokens[LEDGER_INPUT] = known(from->input);
	to->tokens[LEDGER_CACHE_READ] = known(from->cache_read);
	to->tokens[LEDGER_CACHE_WRITE] = known(from->cache_write);
	to->tokens[LEDGER_CACHE_WRITE_1H] = known(from->cache_write_1h);
	to->tokens[LEDGER_OUTPUT] = known(from->output);
	to->reasoning = known(from->reasoning);
}

/* So much of `whole` is of a kind of its own. */
static void part(int64_t *whole, int64_t most, int64_t *ret)
{
	int64_t count = known(most);

	*ret = count < *whole ? count : *whole;
	*whole -= *ret;
}

/* What is cached of a kind is a part of it too. */
static void part_input(int64_t *tokens, const int64_t *count, enum wire_kind kind,
		       enum wire_kind cached, enum ledger_class class,
		       enum ledger_class cached_class)
{
	part(&tokens[LEDGER_CACHE_READ], count[cached], &tokens[cached_class]);
	part(&tokens[LEDGER_INPUT], known(count[kind]) - tokens[cached_class], &tokens[class]);
}

static void copy_rare(const struct wire_told *told, struct ledger_usage *to)
{
	const int64_t *count = told->count;
	int64_t *tokens = to->tokens;

	part_input(tokens, count, WIRE_INPUT_AUDIO, WIRE_CACHE_READ_AUDIO, LEDGER_INPUT_AUDIO,
		   LEDGER_CACHE_READ_AUDIO);
	part_input(tokens, count, WIRE_INPUT_IMAGE, WIRE_CACHE_READ_IMAGE, LEDGER_INPUT_IMAGE,
		   LEDGER_CACHE_READ_IMAGE);
	part(&tokens[LEDGER_INPUT], count[WIRE_INPUT_VIDEO], &tokens[LEDGER_INPUT_VIDEO]);
	part(&tokens[LEDGER_OUTPUT], count[WIRE_OUTPUT_AUDIO], &tokens[LEDGER_OUTPUT_AUDIO]);
	part(&tokens[LEDGER_OUTPUT], count[WIRE_OUTPUT_IMAGE], &tokens[LEDGER_OUTPUT_IMAGE]);
	part(&tokens[LEDGER_OUTPUT], count[WIRE_OUTPUT_VIDEO], &tokens[LEDGER_OUTPUT_VIDEO]);
	tokens[LEDGER_OUTPUT_CITATION] = known(count[WIRE_OUTPUT_CITATION]);
	tokens[LEDGER_WEB_SEARCHES] = known(count[WIRE_WEB_SEARCHES]);
	tokens[LEDGER_FILE_SEARCHES] = known(count[WIRE_FILE_SEARCHES]);
}

/* What the provider says that the answer has cost; -1 where it says nothing that can be read. */
static int64_t stated_nano(const struct wire_told *told)
{
	int64_t nano = -1, upstream = 0;

	if (!told->cost[0] || ledger_stated_nano(slice_of(told->cost),
						 told->in_ticks ? TICKS_EXPONENT : 0, &nano) < 0)
		return -1;
	if (told->own_key && ledger_stated_nano(slice_of(told->upstream_cost), 0, &upstream) == 0 &&
	    __builtin_add_overflow(nano, upstream, &nano))
		return -1;
	return nano;
}

/* A price for the tier that the answer tells, where the book has one: of the moment at which the
 * attempt began, as the one before. */
static void reprice(struct tide_call *call)
{
	struct exchange *exchange = call->exchange;
	const struct gateway_target *target = call->target;
	const struct gateway_snapshot *snapshot = exchange->held->snapshot;
	const struct wire_told *told = &call->watch.told;
	struct ledger_price price;

	if (call->repriced || target->own_price || !wire_is_billed(exchange->dialect) ||
	    ledger_is_standard_tier(slice_of(told->service_tier)))
		return;
	call->repriced = true;
	gateway_snapshot_tier_price(snapshot,
				    conf_find_provider(snapshot->conf, target->provider->name),
				    target->upstream_model, slice_of(told->service_tier),
				    ledger_attempt_real_s(exchange->entry, call->attempt), &price);
	ledger_attempt_reprice(exchange->entry, call->attempt, &price);
}

/* Some name it behind the event that settles the attempt. */
static void tell_served(struct tide_call *call)
{
	const struct wire_told *served = &call->watch.told;

	ledger_attempt_served(call->exchange->entry, call->attempt, slice_of(served->model),
			      slice_of(served->version));
}

static enum ledger_usage_source usage_source(const struct tide_call *call)
{
	const struct wire_watch *watch = &call->watch;
	bool whole = watch->usage.input >= 0 && watch->usage.output >= 0;

	if (!wire_is_billed(call->exchange->dialect))
		return LEDGER_USAGE_NONE;
	/* What was said before an error event is not the last word, and a count that cannot be read
	 * is none. */
	if (whole && (watch->usage.final ||
		      (watch->usage.seen && watch->terminal && watch->error == WIRE_ERROR_NONE)))
		return LEDGER_USAGE_PROVIDER;
	if (watch->usage.seen)
		return LEDGER_USAGE_PARTIAL;
	if (!call->answering || call->attempt->status >= 300)
		return LEDGER_USAGE_NONE;
	return LEDGER_USAGE_ESTIMATED;
}

/* More tokens read from a cache than the prompt has are billed as what the prompt has. */
static void tell_odd(struct tide_call *call)
{
	struct gateway_loop *loop = call->exchange->loop;

	if (call->odd_told)
		return;
	call->odd_told = true;
	counter_add(&loop->counters.usage_anomalies, 1);
	trouble_log(call->target->provider, loop_now_ns(loop->loop), "odd usage",
		    "it says more cached tokens than the prompt has; they were cut");
}

/* May be called again when more is known, until the entry is closed. */
void settle_attempt(struct tide_call *call, enum ledger_outcome outcome)
{
	struct exchange *exchange = call->exchange;
	struct ledger_attempt *attempt = call->attempt;

	if (!attempt || exchange->settled)
		return;
	if (call->watch.usage.odd)
		tell_odd(call);
	tell_served(call);
	attempt->usage_source = (uint8_t)stored_bill(call, usage_source(call));
	attempt->usage = (struct ledger_usage){ 0 };
	if (attempt->usage_source != LEDGER_USAGE_NONE) {
		copy_usage(&call->watch.usage, &attempt->usage);
		copy_rare(&call->watch.told, &attempt->usage);
		reprice(call);
		ledger_attempt_state(exchange->entry, attempt, stated_nano(&call->watch.told));
	}
	attempt->content_bytes = call->watch.content_bytes > UINT32_MAX
				     ? UINT32_MAX
				     : (uint32_t)call->watch.content_bytes;
	attempt->outcome = (uint8_t)outcome;
	attempt->end_us = ledger_elapsed_us(exchange->entry, loop_now_ns(exchange->loop->loop));
	ledger_price_attempt(exchange->entry, attempt);
}

static void count(struct exchange *exchange)
{
	struct loop_counters *counters = &exchange->loop->counters;
	const struct ledger_entry *entry = exchange->entry;

	counter_add(&counters->requests_by_outcome[entry->outcome], 1);
	counter_add(&counters->inflight, (uint64_t)-1);
	for (size_t i = 0; i < entry->attempt_count; i++) {
		const struct ledger_usage *usage = &ledger_attempt_of(entry, (int)i)->usage;

		counter_add(&counters->tokens_in, (uint64_t)ledger_tokens_in(usage));
		counter_add(&counters->tokens_out, (uint64_t)ledger_tokens_out(usage));
	}
	counter_raise(&counters->latency_max_us, entry->end_us);
	counter_raise(&counters->first_content_max_us, entry->first_content_us);
	counter_add(&counters->latency[gateway_bucket_of(entry->end_us)], 1);
	counter_add(&counters->latency_us, entry->end_us);
	if (entry->first_content_us)
		counter_add(&counters->first_content[gateway_bucket_of(entry->first_content_us)],
			    1);
	counter_add(&counters->first_content_us, entry->first_content_us);
}

void settle(struct exchange *exchange, enum ledger_outcome outcome, int status)
{
	struct ledger_entry *entry = exchange->entry;

	if (exchange->settled || !entry)
		return;
	if (exchange->call.attempt)
		tell_served(&exchange->call);
	exchange->settled = true;
	entry->outcome = (uint8_t)outcome;
	entry->status = (uint16_t)status;
	if (!entry->end_us) /* else its terminal event was the end */
		entry->end_us = ledger_elapsed_us(entry, loop_now_ns(exchange->loop->loop));
	count(exchange);
	policies_settled(exchange);
	events_settled(exchange);
	ledger_close(exchange->loop->gateway->options.ledger, exchange->loop->index, entry);
	exchange->entry = NULL;
	exchange->call.attempt = NULL;
}

struct slice attempts_text(const struct exchange *exchange)
{
	return exchange->attempts == 1
		   ? SLICE("1")
		   : arena_printf(http_exchange_arena(exchange->http), "%u", exchange->attempts);
}

static bool says_when(const struct http_header *headers, size_t count)
{
	while (count > 0 && !slice_eq(headers[count - 1].name, SLICE("retry-after")))
		count--;
	return count > 0;
}

void reply_error(struct http_exchange *http, enum wire_dialect dialect,
		 const struct wire_error *error, const struct http_header *more, size_t count)
{
	struct http_header headers[16] = {
		{ SLICE("content-type"), SLICE("application/json") },
		{ SLICE("x-tidegate-error-source"), SLICE("gateway") },
	};
	size_t n = 2;
	struct buffer body = { 0 };

	for (size_t i = 0; i < count && n < ARRAY_SIZE(headers) - 1; i++)
		headers[n++] = more[i];
	if (error->status == 503 && !says_when(more, count))
		headers[n++] = (struct http_header){ SLICE("retry-after"), SLICE("2") };
	wire_error_body(dialect, error, &body);
	http_reply(http, error->status, headers, n, buffer_slice(&body));
	buffer_fini(&body);
}

/* To a client who has had the head of a stream, and nothing of it but signs of life. */
static void refuse_in_stream(struct exchange *exchange, const struct wire_error *error)
{
	struct buffer event = { 0 };

	settle(exchange, LEDGER_ERROR, exchange->status);
	exchange->committed = true;
	wire_error_event(exchange->dialect, error, false, &event);
	http_write(exchange->http, buffer_slice(&event));
	buffer_fini(&event);
	keepalive_trailer(exchange);
	http_finish(exchange->http);
}

/* Says no to an admitted caller; the exchange is not to be touched afterwards. */
void exchange_refuse(struct exchange *exchange, const struct wire_error *error)
{
	enum ledger_outcome outcome = exchange->attempts ? LEDGER_ERROR : LEDGER_REFUSED;
	struct http_header more[4 + POLICED_HEADERS_MAX];
	size_t count = 0;

	if (exchange->head_sent) {
		refuse_in_stream(exchange, error);
		return;
	}
	settle(exchange, outcome, error->status);
	exchange->head_sent = exchange->committed = true;
	exchange->status = error->status;
	if (exchange->id[0])
		more[count++] =
		    (struct http_header){ SLICE("x-tidegate-request-id"), slice_of(exchange->id) };
	if (exchange->attempts > 0) {
		more[count++] = (struct http_header){ SLICE("x-tidegate-provider"),
						      exchange->call.target->provider->name };
		more[count++] =
		    (struct http_header){ SLICE("x-tidegate-attempts"), attempts_text(exchange) };
	}
	count += policies_refusal_headers(exchange, more + count, ARRAY_SIZE(more) - count);
	reply_error(exchange->http, exchange->dialect, error, more, count);
}

/* Agents count before they ask, and stop without an answer: where nobody can count, a guess that
 * says that it is one serves them. */
void exchange_estimate(struct exchange *exchange)
{
	const struct http_header headers[] = {
		{ SLICE("content-type"), SLICE("application/json") },
		{ SLICE("x-tidegate-request-id"), slice_of(exchange->id) },
		{ SLICE("x-tidegate-estimated"), SLICE("true") },
	};
	struct buffer body = { 0 };

	wire_count_body(exchange->dialect, exchange->request.input_estimate, &body);
	settle(exchange, LEDGER_OK, 200);
	exchange->head_sent = exchange->committed = true;
	exchange->status = 200;
	http_reply(exchange->http, 200, headers, ARRAY_SIZE(headers), buffer_slice(&body));
	buffer_fini(&body);
}
