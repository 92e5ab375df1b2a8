/* SPDX-License-Identifier: Apache-2.0 */
/* Google's paths end in :VERB behind the model; a query tells the form of the answer
 * (ai.google.dev/api/generate-content, cloud.google.com/apis/docs/system-parameters). */
#include "gateway/google.h"

#include "base/cleanup.h"

/* The next member of a query, unescaped; false when there is none left. */
static bool next_member(struct arena *arena, struct slice *query, struct slice *ret_name,
			struct slice *ret_value)
{
	struct slice value, pair;

	if (query->len == 0)
		return false;
	pair = slice_cut(*query, '&', query);
	*ret_name = endpoint_unescape(arena, slice_cut(pair, '=', &value), true);
	*ret_value = endpoint_unescape(arena, value, true);
	return true;
}

static bool is_key(struct slice name)
{
	static const char *const names[] = { "key", "$key", "access_token", "oauth_token" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_str(name, names[i]))
			return true;
	}
	return false;
}

bool google_key_in_url(struct arena *arena, const struct http_request *request)
{
	struct slice name, value, query = request->query;

	if (query.len == 0 || !wire_is_google(endpoint_dialect(request)))
		return false;
	while (next_member(arena, &query, &name, &value)) {
		if (is_key(name))
			return true;
	}
	return false;
}

void google_read_path(struct exchange *exchange, struct slice path)
{
	struct slice name =
	    endpoint_unescape(http_exchange_arena(exchange->http), endpoint_model(path), false);

	exchange->request.stream = exchange->endpoint == ENDPOINT_GENERATE_STREAM;
	if (wire_is_model_name(name))
		exchange->request.model = name;
}

/* What is wrong with the form that is asked for, or NULL. Without a word of it a stream would be an
 * array, which only Google's earlier SDKs ask for. A form may have parameters: those want numbers
 * for enums (json;enum-encoding=int), which Gemini heeds; where it is not Gemini who answers, they
 * get names, which ProtoJSON's readers take as well. */
static const char *check_form(const struct exchange *exchange)
{
	const char *form = exchange->request.stream ? "sse" : "json";
	struct slice name, value, parameters, query = exchange->query;
	bool said = !exchange->request.stream;

	while (next_member(http_exchange_arena(exchange->http), &query, &name, &value)) {
		if (!slice_eq_str(name, "alt") && !slice_eq_str(name, "$alt"))
			continue;
		if (!slice_eq_str(slice_cut(value, ';', &parameters), form))
			return exchange->request.stream
				   ? "A stream is served as server-sent events only: alt=sse."
				   : "An answer that is no stream is served as JSON only: "
				     "alt=json.";
		said = true;
	}
	return said ? NULL
		    : "A stream is served as server-sent events only: append ?alt=sse to the URL.";
}

bool google_scan(struct exchange *exchange, struct error *error, struct wire_error *ret)
{
	struct slice model = exchange->request.model;
	bool stream = exchange->request.stream;
	struct wire_error wrong = { .status = 400, .code = "invalid_request" };

	wrong.message = check_form(exchange);
	if (!wrong.message && !model.ptr)
		wrong.message = "The model's name in the path must be 1 to 256 bytes of UTF-8, "
				"percent-encoded, without control characters.";
	if (wrong.message) {
		*ret = wrong;
		return false;
	}
	if (wire_request_scan(exchange->dialect, exchange->body,
			      http_exchange_arena(exchange->http), &exchange->request, error) < 0)
		return false;
	exchange->request.model = model;
	exchange->request.stream = stream;
	return true;
}
