/* SPDX-License-Identifier: Apache-2.0 */
/* Agents name their session in headers of their own, and programs under OpenTelemetry in baggage
 * (www.w3.org/TR/baggage). It is in the row and the log, and decides nothing: it is the client's
 * word. */
#include "gateway/runs.h"

static bool is_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < ' ' || text.ptr[i] > '~')
			return false;
	}
	return text.len > 0;
}

static struct slice in_header(struct slice name, const struct http_request *request)
{
	struct slice value = http_request_header(request, name);

	return is_printable(value) ? value : (struct slice){ 0 };
}

/* Of `key=value;property, …`. */
static struct slice in_list(struct slice key, struct slice list)
{
	while (list.len > 0) {
		struct slice member = slice_cut(list, ',', &list), properties, value;
		struct slice pair = slice_cut(member, ';', &properties);

		if (!slice_eq(slice_trim(slice_cut(pair, '=', &value)), key))
			continue;
		value = slice_trim(value);
		if (is_printable(value))
			return value;
	}
	return (struct slice){ 0 };
}

static struct slice in_baggage(struct slice key, const struct http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		struct slice found = { 0 };

		if (slice_case_eq(request->headers[i].name, SLICE("baggage")))
			found = in_list(key, request->headers[i].value);
		if (found.ptr)
			return found;
	}
	return (struct slice){ 0 };
}

struct slice runs_find(const struct run_sources *sources, const struct http_request *request)
{
	struct slice run = { 0 };

	for (size_t i = 0; !run.ptr && i < sources->header_count; i++)
		run = in_header(sources->headers[i], request);
	for (size_t i = 0; !run.ptr && i < sources->baggage_count; i++)
		run = in_baggage(sources->baggage[i], request);
	return run;
}
