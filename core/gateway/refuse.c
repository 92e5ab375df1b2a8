/* SPDX-License-Identifier: Apache-2.0 */
/* What a client is told that asked for what is not here: its own words, quoted up to a bound, and
 * what there is in their place. Escaping is left to the dialect's error body. */
#include "gateway/refuse.h"

#include "gateway/rights.h"

enum {
	REFUSE_QUOTE_BYTES = 80,
};

/* As much of `text` as a message bears, cut between characters. */
static struct slice quoted(struct arena *arena, struct slice text)
{
	size_t len = REFUSE_QUOTE_BYTES;

	if (text.len <= len)
		return text;
	while (len > 0 && (text.ptr[len] & 0xc0) == 0x80)
		len--;
	return arena_printf(arena, "%.*s…", (int)len, text.ptr);
}

static const char *method_name(enum http_method method)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET",
		[HTTP_POST] = "POST",
		[HTTP_DELETE] = "DELETE",
	};

	return names[method];
}

/* "GET, DELETE": all that the path answers. */
static struct slice methods_of(struct arena *arena, struct slice path)
{
	struct slice text = SLICE("");

	for (size_t i = 0; i < endpoint_count(); i++) {
		const struct endpoint_row *row = endpoint_at(i);
		bool head = row->method == HTTP_GET && !row->reaches_provider;

		if (endpoint_takes(row, path))
			text = arena_printf(arena, "%.*s%s%s%s", SLICE_ARGS(text),
					    text.len ? ", " : "", method_name(row->method),
					    head ? ", HEAD" : "");
	}
	return text;
}

/* Of Google's paths to providers the first stands for all. */
static bool is_more(const struct endpoint_row *row, const struct endpoint_row *before)
{
	return row->reaches_provider && wire_is_google(row->dialect) &&
	       wire_is_google(before->dialect);
}

/* "POST /v1/chat/completions, …": the paths that SDKs ask first, by the table. */
static struct slice served(struct arena *arena)
{
	struct slice text = SLICE("");

	for (size_t i = 0; i < endpoint_count(); i++) {
		const struct endpoint_row *row = endpoint_at(i);

		if ((!row->reaches_provider && row->endpoint != ENDPOINT_MODELS) ||
		    endpoint_is_by_id(row->endpoint) || (i > 0 && is_more(row, endpoint_at(i - 1))))
			continue;
		text = arena_printf(arena, "%.*s%s%s %s", SLICE_ARGS(text), text.len ? ", " : "",
				    method_name(row->method), row->path);
	}
	return text;
}

static const char *nothing_there(struct arena *arena, struct slice path)
{
	struct slice name = quoted(arena, path), list = served(arena);

	if (endpoint_is_providers(path))
		return arena_printf(arena,
				    "This appliance does not serve %.*s yet; it serves %.*s.",
				    SLICE_ARGS(name), SLICE_ARGS(list))
		    .ptr;
	return arena_printf(arena,
			    "There is nothing at %.*s; this appliance serves %.*s. The base URL of "
			    "an SDK ends in /v1 for OpenAI's, and has no path for Anthropic's and "
			    "Google's.",
			    SLICE_ARGS(name), SLICE_ARGS(list))
	    .ptr;
}

/* Clients that try a WebSocket first go on by plain requests at once where they are told so by this
 * status. */
static bool asks_websocket(const struct http_request *request)
{
	return slice_case_eq(http_request_header(request, SLICE("upgrade")), SLICE("websocket"));
}

static void refuse_method(struct http_exchange *http, struct wire_error *error,
			  struct http_header *allow)
{
	const struct http_request *request = http_exchange_request(http);
	struct arena *arena = http_exchange_arena(http);
	struct slice path = quoted(arena, request->path);
	struct slice method = quoted(arena, request->method_text);

	allow->value = methods_of(arena, request->path);
	if (asks_websocket(request)) {
		*error = (struct wire_error){ .status = 426, .code = "websocket_not_served" };
		error->message =
		    arena_printf(arena,
				 "%.*s is served by plain requests (%.*s), not by a WebSocket.",
				 SLICE_ARGS(path), SLICE_ARGS(allow->value))
			.ptr;
		return;
	}
	*error = (struct wire_error){ .status = 405, .code = "method_not_allowed" };
	error->message =
	    arena_printf(arena, "%.*s does not answer %.*s; it answers %.*s.", SLICE_ARGS(path),
			 SLICE_ARGS(method), SLICE_ARGS(allow->value))
		.ptr;
}

void refuse_path(struct http_exchange *http, const struct endpoint_row *other)
{
	const struct http_request *request = http_exchange_request(http);
	struct wire_error error = { .status = 404, .code = "unknown_path" };
	struct http_header more[2] = { { SLICE("allow"), { 0 } },
				       { SLICE("upgrade"), SLICE("HTTP/1.1") } };

	if (other)
		refuse_method(http, &error, &more[0]);
	else
		error.message = nothing_there(http_exchange_arena(http), request->path);
	reply_error(http, endpoint_dialect(request), &error, more,
		    other ? 1 + (error.status == 426) : 0);
}

struct wire_error refuse_answer(struct http_exchange *http, struct slice id, bool gone)
{
	struct arena *arena = http_exchange_arena(http);
	struct slice name = quoted(arena, id);

	return (struct wire_error){
		404, "response_not_found", NULL,
		gone ? "The provider that keeps this response is not configured here any more."
		     : arena_printf(arena, "Response with id '%.*s' not found.", SLICE_ARGS(name))
			   .ptr
	};
}

struct wire_error refuse_previous(struct http_exchange *http, struct slice id)
{
	struct arena *arena = http_exchange_arena(http);
	struct slice name = quoted(arena, id);

	return (struct wire_error){
		404, "previous_response_not_found", "previous_response_id",
		arena_printf(arena, "Previous response with id '%.*s' not found.", SLICE_ARGS(name))
		    .ptr
	};
}

struct wire_error refuse_model(struct http_exchange *http, const struct keys_entry *key,
			       struct slice model)
{
	struct arena *arena = http_exchange_arena(http);
	struct slice name = quoted(arena, model);

	if (rights_limited(key))
		return (struct wire_error){
			404, "model_not_found", "model",
			arena_printf(arena,
				     "The model \"%.*s\" does not exist, or this key may not use "
				     "it. GET /v1/models lists what it may.",
				     SLICE_ARGS(name))
			    .ptr
		};
	return (struct wire_error){
		404, "model_not_found", "model",
		arena_printf(
		    arena,
		    "The model \"%.*s\" is neither a route, a model, nor PROVIDER/MODEL of "
		    "a configured provider. GET /v1/models lists what is.",
		    SLICE_ARGS(name))
		    .ptr
	};
}
