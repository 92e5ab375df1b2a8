/* SPDX-License-Identifier: Apache-2.0 */
/* The services that a policy sees of a request, as policy.h describes them. What it says is kept
 * until its operation returns, and counts with its verdict. */
#include "gateway/policed.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/drain.h"

enum {
	TIMER_MAX_MS = 86400000,
	HEADER_VALUE_BYTES = 1024,
	HASH_EXCEPT_MAX = 64,
};

static struct arena *arena_of(const struct tide_request *request)
{
	return exchange_arena(request->exchange);
}

static struct slice slice_from(struct tide_slice bytes)
{
	return (struct slice){ bytes.ptr, bytes.len };
}

static struct tide_slice slice_to(struct slice bytes)
{
	return (struct tide_slice){ bytes.ptr, bytes.len };
}

/* A table that the plugin made, as long as its header had it. */
static void take(void *to, size_t size, const void *from)
{
	uint32_t given;

	memcpy(&given, from, sizeof(given));
	memset(to, 0, size);
	memcpy(to, from, given < size ? given : size);
}

/* ---- what it may know ---- */

void policed_inform(struct tide_request *request)
{
	const struct exchange *exchange = request->exchange;
	struct arena *arena = arena_of(request);
	struct network_address address =
	    exchange->entry ? exchange->entry->client : (struct network_address){ 0 };
	char client[NETWORK_TEXT_SIZE];
	struct slice method = { 0 };

	if (request->informed)
		return;
	if (exchange->stored.rest.len > 0)
		method = http_exchange_request(exchange->http)->method_text;
	request->informed = true;
	request->info = (struct tide_request_info){
		.size = sizeof(request->info),
		.dialect = exchange->dialect,
		.stream = exchange->request.stream,
		.request_id = slice_to(slice_of(exchange->id)),
		.tenant = slice_to(slice_of(exchange->key->tenant)),
		.feature = slice_to(exchange->feature),
		.key = slice_to(slice_of(exchange->key->name)),
		.user = slice_to(exchange->user),
		.model = slice_to(arena_dup(arena, exchange->request.model)),
		.headers = exchange->client_headers,
		.header_count = exchange->client_header_count,
		.input_estimate = exchange->request.input_estimate,
		.max_output = exchange->request.max_output,
		.reserved_nano = exchange->entry ? exchange->entry->reserved_nano : 0,
		.method = slice_to(method),
		.rest = slice_to(exchange->stored.rest),
	};
	network_address_text(&address, client);
	request->info.client = slice_to(arena_dup(arena, slice_of(client)));
	if (exchange->entry)
		request->info.run = slice_to(
		    arena_dup(arena, slice_of(ledger_text(exchange->entry, exchange->entry->run))));
}

static const struct tide_request_info *service_info(struct tide_request *request)
{
	policed_inform(request);
	return &request->info;
}

static struct tide_slice service_body(struct tide_request *request)
{
	const struct exchange *exchange = request->exchange;

	return exchange->departed ? (struct tide_slice){ 0 } : slice_to(exchange->body);
}

static void *service_alloc(struct tide_request *request, uint64_t size)
{
	return arena_zalloc(arena_of(request), size);
}

/* ---- what it may say ---- */

static const char *copy_code(struct tide_request *request, struct slice code)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

	for (size_t i = 0; i < code.len; i++)
		if (!memchr(letters, code.ptr[i], sizeof(letters) - 1))
			return "policy_denied";
	return code.len > 0 && code.len <= 64 ? arena_dup(arena_of(request), code).ptr
					      : "policy_denied";
}

static void service_deny(struct tide_request *request, const struct tide_denial *given)
{
	struct tide_denial denial;

	if (!request->deciding)
		return;
	take(&denial, sizeof(denial), given);
	request->denied = true;
	request->retry_after_s = denial.retry_after_s;
	request->denial = (struct wire_error){
		.status = denial.status >= 400 && denial.status <= 599 ? (int)denial.status : 403,
		.code = copy_code(request, slice_from(denial.code)),
	};
	if (denial.message.len > 0)
		request->denial.message =
		    arena_dup(arena_of(request), slice_from(denial.message)).ptr;
}

static bool can_be_told(const struct exchange *exchange, const struct tide_answer *answer)
{
	enum wire_dialect from = answer->form == TIDE_ANSWER_TEXT
				     ? WIRE_OPENAI_CHAT
				     : (enum wire_dialect)answer->dialect;

	if (exchange->stored.rest.len > 0 || exchange->request.background || !exchange->entry)
		return false;
	if (answer->form != TIDE_ANSWER_TEXT && from == exchange->dialect &&
	    (answer->form == TIDE_ANSWER_STREAM) == exchange->request.stream)
		return true;
	return wire_translates(exchange->dialect, from);
}

static int32_t service_answer(struct tide_request *request, const struct tide_answer *given)
{
	struct tide_answer answer;
	struct slice body;

	if (!request->deciding)
		return -EALREADY;
	take(&answer, sizeof(answer), given);
	if (answer.form > TIDE_ANSWER_STREAM || !can_be_told(request->exchange, &answer))
		return -EOPNOTSUPP;
	body = arena_dup(arena_of(request), slice_from(answer.body));
	if (!body.ptr)
		return -ENOMEM;
	answer.body = slice_to(body);
	request->answer = answer;
	request->answered = true;
	return 0;
}

static int32_t service_splice(struct tide_request *request, uint64_t offset, uint64_t len,
			      struct tide_slice bytes)
{
	struct policed_edit **at = &request->edits, *edit;
	size_t size = request->exchange->body.len;

	if (!request->deciding)
		return -EALREADY;
	if (offset > size || len > size - offset)
		return -ERANGE;
	if (*at && request->edits_last->offset + request->edits_last->len <= offset)
		at = &request->edits_last->next;
	while (*at && (*at)->offset + (*at)->len <= offset)
		at = &(*at)->next;
	if (*at && (*at)->offset < offset + len)
		return -EEXIST;
	edit = arena_alloc(arena_of(request), sizeof(*edit));
	if (!edit)
		return -ENOMEM;
	*edit = (struct policed_edit){ *at, offset, len, SLICE("") };
	if (bytes.len > 0)
		edit->bytes = arena_dup(arena_of(request), slice_from(bytes));
	if (!edit->bytes.ptr)
		return -ENOMEM;
	*at = edit;
	if (!edit->next)
		request->edits_last = edit;
	return 0;
}

static int32_t service_retarget(struct tide_request *request, struct tide_slice model)
{
	const struct gateway_route *route;

	if (!request->deciding)
		return -EALREADY;
	if (endpoint_is_by_id(request->exchange->endpoint))
		return -EOPNOTSUPP;
	route = plan_find(request->exchange, slice_from(model));
	if (!route)
		return -ENOENT;
	request->route = route;
	return 0;
}

static bool is_header_name(struct slice name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	for (size_t i = 0; i < name.len; i++)
		if (!memchr(letters, name.ptr[i], sizeof(letters) - 1))
			return false;
	return name.len > 2 && name.len <= 64 &&
	       (slice_starts(name, SLICE("x-")) ||
		slice_starts(name, SLICE("anthropic-ratelimit-")));
}

static int32_t service_header(struct tide_request *request, struct tide_slice name,
			      struct tide_slice value)
{
	struct http_header *header = &request->headers[request->header_count];

	if (!request->deciding)
		return -EALREADY;
	if (!is_header_name(slice_from(name)) || value.len > HEADER_VALUE_BYTES ||
	    slice_has_control(slice_from(value)))
		return -EINVAL;
	if (request->header_count == POLICED_HEADERS_MAX)
		return -E2BIG;
	header->name = arena_dup(arena_of(request), slice_from(name));
	header->value = value.len ? arena_dup(arena_of(request), slice_from(value)) : SLICE("");
	if (!header->name.ptr || !header->value.ptr)
		return -ENOMEM;
	request->header_count++;
	return 0;
}

/* It stands in lines and lists: what parts those is not its own. */
static void service_note(struct tide_request *request, struct tide_slice reason)
{
	struct slice text = slice_from(reason);

	if (text.len > POLICED_NOTE_BYTES)
		for (text.len = POLICED_NOTE_BYTES;
		     text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80; text.len--)
			;
	slice_copy(text, request->note, sizeof(request->note));
	for (char *c = request->note; *c; c++)
		if ((unsigned char)*c < ' ' || *c == ';' || *c == 0x7f)
			*c = ' ';
}

/* ---- waiting ---- */

static uint64_t service_suspend(struct tide_request *request, uint64_t deadline_ms)
{
	uint64_t own_ns = request->list->items[request->at]->deadline_ns;

	if (!request->deciding || request->token)
		return 0;
	request->patience_ns =
	    deadline_ms && deadline_ms < own_ns / NS_PER_MS ? deadline_ms * NS_PER_MS : own_ns;
	request->token = policed_wait_begin(request);
	return request->token;
}

static void timer_fired(struct loop_timer *timer)
{
	struct tide_request *request = container_of(timer, struct tide_request, timer);
	struct gateway_loop *loop = request->exchange->loop;

	services_enter(loop, request->list->items[request->at]->plugin->code, "timer");
	request->timer_fn(request, request->timer_data);
	services_leave(loop);
}

static void service_timer(struct tide_request *request, uint64_t delay_ms,
			  void (*fn)(struct tide_request *request, void *data), void *data)
{
	struct loop *loop = request->exchange->loop->loop;
	uint64_t bounded_ms = delay_ms < TIMER_MAX_MS ? delay_ms : TIMER_MAX_MS;

	if (!request->token || !fn)
		return;
	request->timer.fn = timer_fired;
	request->timer_fn = fn;
	request->timer_data = data;
	/* Without memory for it the deadline ends the wait. */
	loop_timer_set(loop, &request->timer, loop_now_ns(loop) + bounded_ms * NS_PER_MS);
}

/* ---- what is no request's ---- */

static int32_t service_canonical_hash(struct tide_slice json, const struct tide_slice *except,
				      uint64_t except_count, uint8_t ret[WIRE_HASH_BYTES])
{
	struct slice names[HASH_EXCEPT_MAX];

	if (except_count > HASH_EXCEPT_MAX)
		return -E2BIG;
	for (uint64_t i = 0; i < except_count; i++)
		names[i] = slice_from(except[i]);
	return wire_canonical_hash(slice_from(json), names, except_count, ret, NULL);
}

const struct tide_request_services policed_services = {
	.size = sizeof(policed_services),
	.info = service_info,
	.body = service_body,
	.alloc = service_alloc,
	.deny = service_deny,
	.answer = service_answer,
	.splice = service_splice,
	.retarget = service_retarget,
	.header = service_header,
	.note = service_note,
	.suspend = service_suspend,
	.complete = policed_complete,
	.timer = service_timer,
	.canonical_hash = service_canonical_hash,
};
