/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks of the internet as bytes, for comparing: who is trusted, who asked. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/slice.h"

/* An IPv4 address written as IPv6 (::ffff:a.b.c.d) is the IPv4 address. */
struct network_address {
	uint8_t len; /* 4 or 16; 0: none */
	uint8_t bytes[16];
};

struct network {
	struct network_address address;
	uint8_t bits; /* the first so many are equal in all of its addresses */
};

/* A literal without brackets, port or zone; -EINVAL for anything else. */
int network_parse_address(struct slice text, struct network_address *ret);
/* "10.0.0.0/8", "fd00::/8", or an address alone. -EINVAL for anything else, and where bits behind
 * the prefix are set. */
int network_parse(struct slice text, struct network *ret);
/* recv() and send() but for being points of cancellation, which a process with threads pays for by
 * locked instructions each time. A count of bytes, or -errno; a signal does not end them. [any] */
ssize_t network_receive(int fd, void *out, size_t size);
ssize_t network_send(int fd, const void *data, size_t size);
/* sendmsg(), told likewise. */
ssize_t network_send_parts(int fd, struct iovec *parts, size_t count);
/* len is 0 for other families. */
struct network_address network_address_of(const struct sockaddr *from);
enum {
	NETWORK_TEXT_SIZE = 46,
};
/* Its usual text (RFC 5952), "" for none; returns its length. */
size_t network_address_text(const struct network_address *address,
			    char out[static NETWORK_TEXT_SIZE]);
bool network_any_holds(const struct network *networks, size_t count,
		       const struct network_address *address);
