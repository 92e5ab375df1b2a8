/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of a body by a policy: all of one operation together, then the body is read as if its
 * client had sent it so. */
#include "gateway/policed.h"

#include "base/cleanup.h"

static struct slice edited(struct exchange *exchange, const struct policed_edit *edits)
{
	struct slice body = exchange->body;
	size_t len = body.len, at = 0, out = 0;
	char *copy;

	for (const struct policed_edit *edit = edits; edit; edit = edit->next)
		len += edit->bytes.len - edit->len;
	if (!http_hold_memory(exchange->http, len))
		return (struct slice){ 0 };
	copy = arena_alloc(http_exchange_arena(exchange->http), len + 1);
	if (!copy)
		return (struct slice){ 0 };
	for (const struct policed_edit *edit = edits; edit; edit = edit->next) {
		memcpy(copy + out, body.ptr + at, edit->offset - at);
		out += edit->offset - at;
		if (edit->bytes.len > 0)
			memcpy(copy + out, edit->bytes.ptr, edit->bytes.len);
		out += edit->bytes.len;
		at = edit->offset + edit->len;
	}
	memcpy(copy + out, body.ptr + at, body.len - at);
	return (struct slice){ copy, len };
}

/* Of dialects whose body says them, model and stream are read anew. */
static const char *read_again(struct exchange *exchange, struct slice body,
			      struct wire_request *ret)
{
	struct arena *arena = http_exchange_arena(exchange->http);
	const struct wire_request *before = &exchange->request;
	struct error error = { 0 };

	if (wire_request_scan(exchange->dialect, body, arena, ret, &error) < 0)
		return arena_dup(arena, slice_of(error.message)).ptr;
	if (wire_is_google(exchange->dialect)) {
		ret->model = before->model;
		ret->stream = before->stream;
	}
	return ret->stream == before->stream ? NULL : "it changed whether the client gets a stream";
}

static bool edit_body(struct tide_request *request, const char **why)
{
	struct exchange *exchange = request->exchange;
	struct wire_request read = { 0 };
	struct slice body = edited(exchange, request->edits);

	*why = "there is no memory for the edited body (limits.body_budget_bytes)";
	if (!body.ptr)
		return false;
	*why = read_again(exchange, body, &read);
	if (*why)
		return false;
	if (!request->route && !slice_eq(read.model, exchange->request.model)) {
		request->route = plan_find(exchange, read.model);
		*why = "it wrote a model into the body that there is not";
		if (!request->route)
			return false;
	}
	exchange->body = body;
	exchange->request = read;
	return true;
}

bool policed_apply(struct tide_request *request, const char **why)
{
	struct exchange *exchange = request->exchange;

	if (request->edits && !edit_body(request, why))
		return false;
	if (request->route)
		exchange->route = request->route;
	if (exchange->entry && (request->edits || request->route)) {
		exchange->entry->input_estimate = exchange->request.input_estimate;
		ledger_reserve(exchange->loop->gateway->options.ledger, exchange->loop->index,
			       exchange->entry, plan_reservation_nano(exchange));
	}
	return true;
}
