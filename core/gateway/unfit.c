/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that no model gives, told by their heads alone: what a proxy, a page or a wrong base_url
 * sends. They are failures of the provider and never reach a client as a success. Servers that send
 * no type, or an imprecise one, are taken at their word. */
#include "gateway/unfit.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static bool begins_with(struct slice text, struct slice head)
{
	return text.len >= head.len && slice_case_eq((struct slice){ text.ptr, head.len }, head);
}

/* Of an answer that is no stream of events. */
static bool type_is_fit(struct slice type)
{
	static const struct slice imprecise[] = {
		{ "text/plain", 10 },
		{ "application/octet-stream", 24 },
		{ "binary/octet-stream", 19 },
	};

	if (type.len == 0 || begins_with(type, SLICE("application/json")) ||
	    memmem(type.ptr, type.len, "json", 4))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(imprecise); i++) {
		if (begins_with(type, imprecise[i]))
			return true;
	}
	return false;
}

static bool is_redirect(int status)
{
	return status >= 300 && status < 400 && status != 304;
}

const struct wire_error unfit_empty = {
	502, "upstream_no_answer", NULL,
	"The upstream answered without a body, which no model does."
};

const struct wire_error *unfit_head(const struct unfit_facts *facts)
{
	static const struct wire_error redirect = {
		502, "upstream_redirect", NULL,
		"The upstream answered with a redirect, and none is followed: the base_url of its "
		"provider must say where it leads."
	};
	static const struct wire_error odd_status = {
		502, "upstream_no_answer", NULL,
		"The upstream answered with a status that no model's answer has."
	};
	static const struct wire_error odd_type = {
		502, "upstream_no_answer", NULL,
		"The upstream answered with a page or a file, which is no model's answer: the "
		"base_url of its provider may be wrong."
	};
	static const struct wire_error encoded = {
		502, "upstream_encoded", NULL,
		"The upstream encoded its answer (Content-Encoding) although `identity` was asked "
		"for, so that its usage cannot be read."
	};

	if (facts->status >= 400)
		return NULL;
	if (is_redirect(facts->status))
		return &redirect;
	if (facts->length == 0 || facts->status == 204 || facts->status == 304)
		return &unfit_empty;
	if (facts->status != 200 && facts->status != 201 && facts->status != 203)
		return &odd_status;
	if (facts->coding.len > 0)
		return &encoded;
	return facts->events || type_is_fit(facts->type) ? NULL : &odd_type;
}
