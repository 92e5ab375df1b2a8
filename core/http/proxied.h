/* SPDX-License-Identifier: Apache-2.0 */
/* The header by which a proxy says whose connection it passes on: version 2 of the PROXY protocol
 * (haproxy.org, proxy-protocol.txt, section 2.2), and nothing else. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

enum {
	PROXIED_HEAD_BYTES = 16,
	PROXIED_KEPT_BYTES = PROXIED_HEAD_BYTES + 36, /* and the addresses of two IPv6 ends */
	PROXIED_BYTES_MAX = 4096,                     /* with whatever else the proxy tells */
};

enum proxied_step {
	PROXIED_WAITS,
	PROXIED_NAMED, /* the client's address */
	PROXIED_LOCAL, /* the proxy speaks for itself */
	PROXIED_VERSION_1,
	PROXIED_ABSENT,
	PROXIED_BAD, /* another version, command, family or protocol, or too long */
};

struct proxied {
	uint8_t bytes[PROXIED_KEPT_BYTES]; /* the first that came */
	size_t len;                        /* of all that came; none beyond the header is taken */
};

/* How many bytes may be read next, so that what follows the header stays in the socket. */
size_t proxied_wants(const struct proxied *proxied);
/* What has come so far. The first sign of an error is one. `ret` (a sockaddr_in in the place of
 * a sockaddr_in6 too) is written where a client was named. */
enum proxied_step proxied_parse(const struct proxied *proxied, struct sockaddr_in6 *ret);
