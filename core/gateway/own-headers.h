/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that a provider's object adds to all that is sent to it. Private to the gateway. */
#pragma once

#include "upstream/upstream.h"

/* Of one provider; the texts are the object's own. */
struct own_headers {
	struct upstream_header *items;
	size_t count;
};

/* "NAME: VALUE", checked before, NULL-terminated or NULL. 0 or -ENOMEM. */
int own_headers_init(struct own_headers *own, const char *const *texts);
void own_headers_fini(struct own_headers *own);
/* Those of a request but the ones whose names are also here, and then these. `out` has room for
 * both; returns their count. [any] */
size_t own_headers_merge(const struct own_headers *own, const struct upstream_header *headers,
			 size_t count, struct upstream_header *out);
