/* SPDX-License-Identifier: Apache-2.0 */
/* What both lanes know of an origin. Immutable after upstream_origin_new, so [any] may read it. */
#pragma once

#include <stdatomic.h>

#include "upstream/address.h"
#include "upstream/upstream.h"

struct upstream_origin {
	atomic_uint refs;
	bool https;
	bool curl;  /* it makes the connections */
	bool whole; /* and speaks HTTP over them: HTTP/2, and by a proxy without a tunnel */
	bool allow_private, http2;
	bool literal; /* the host is an address: `address` with its port */
	struct address address;
	uint16_t port;
	uint32_t connect_ms, connections_max;
	char *host;        /* without brackets */
	char *url;         /* scheme://host:port/path, no slash at the end */
	struct slice path; /* the path in `url`, empty or from its slash */
	char *fields;      /* header lines that every request carries: host, accept-encoding */
	char *pool;        /* origins with equal text share connections */
	char *ca_file, *cert_file, *key_file;
	char *proxy; /* all connections go to it; NULL: none. May hold a password */
};
