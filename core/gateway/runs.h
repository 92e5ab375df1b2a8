/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is a part of: the session of an agent, a job. Private to the gateway. */
#pragma once

#include "http/http.h"

/* In the order in which they are asked, headers before members of W3C baggage. Immutable. */
struct run_sources {
	const struct slice *headers, *baggage;
	size_t header_count, baggage_count;
};

/* The first that says anything, in the request's memory; ptr NULL when none does. What is not
 * printable ASCII says nothing. A member of baggage stays percent-encoded. [loop] */
struct slice runs_find(const struct run_sources *sources, const struct http_request *request);
