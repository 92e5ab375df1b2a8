/* SPDX-License-Identifier: Apache-2.0 */
/* X-Forwarded-For is read from the right: each balancer adds whom it saw, and what stands left of
 * the first address that is not a balancer's may be anybody's invention. */
#include "gateway/forwarded.h"

#include "gateway/exchange.h"

/* Takes the last entry off `list`; ptr NULL behind the only one. */
static struct slice take_last(struct slice *list)
{
	const char *comma = list->len > 0 ? memrchr(list->ptr, ',', list->len) : NULL;
	struct slice last = *list;

	*list = (struct slice){ 0 };
	if (comma) {
		*list = slice_span(last.ptr, comma);
		last = slice_span(comma + 1, last.ptr + last.len);
	}
	return slice_trim(last);
}

void forwarded_walk(const struct network *trusted, size_t count, const struct http_request *request,
		    struct network_address *ret)
{
	for (size_t i = request->header_count; i-- > 0;) {
		struct slice list = request->headers[i].value;

		if (!slice_case_eq(request->headers[i].name, SLICE("x-forwarded-for")))
			continue;
		do {
			struct network_address address;

			if (network_parse_address(take_last(&list), &address) < 0)
				return;
			if (!network_any_holds(trusted, count, &address)) {
				*ret = address;
				return;
			}
		} while (list.ptr);
	}
}

struct network_address forwarded_client(const struct gateway_snapshot *snapshot,
					const struct http_exchange *http)
{
	struct network_address client = http_exchange_address(http);

	if (snapshot->trusted_count > 0 &&
	    network_any_holds(snapshot->trusted, snapshot->trusted_count, &client))
		forwarded_walk(snapshot->trusted, snapshot->trusted_count,
			       http_exchange_request(http), &client);
	return client;
}
