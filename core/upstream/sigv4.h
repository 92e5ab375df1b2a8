/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4, as "Create a signed AWS API request" of AWS's documentation of IAM says.
 * Not libcurl's: that signs no body which it reads piece by piece, no session token in its older
 * versions and no path that needs encoding, and the plain lane has none. */
#pragma once

#include "upstream/origin.h"

enum {
	SIGV4_FIELDS = 3, /* x-amz-date, authorization, x-amz-security-token */
	SIGV4_FIELD_BYTES_MAX = 1024,
};

/* Fields that a signature brings; the slices point into `date` and `authorization`, and at the
 * request's session token. */
struct sigv4 {
	struct upstream_header fields[SIGV4_FIELDS];
	size_t count;
	char date[17];
	char authorization[SIGV4_FIELD_BYTES_MAX];
};

/* A request's own field of such a name would contradict the signature: it is left out. */
bool sigv4_is_ours(struct slice name);
/* Signs method, path, host, content-type, all x-amz- fields and the body. 0 or -EINVAL: a path with
 * empty or dot segments, which servers may read in two ways; a field twice; a region, service or
 * key that is empty; too much of anything.
 * `request->sigv4` is set. [any] */
int sigv4_sign(const struct upstream_origin *origin, const struct upstream_request *request,
	       uint64_t now_s, struct sigv4 *ret);
