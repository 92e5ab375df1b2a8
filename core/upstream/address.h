/* SPDX-License-Identifier: Apache-2.0 */
/* Where a connection may go, and how a name becomes addresses without blocking the loop. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/slice.h"

enum {
	ADDRESS_MAX = 8, /* of one name */
	ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN,
	ADDRESS_KEEP_S = 30, /* what a name has led to, on both lanes */
};

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

struct address_list {
	unsigned count;
	struct address at[ADDRESS_MAX];
};

/* An IPv4 or IPv6 literal (no brackets, no zone); -EINVAL for anything else, old numeric forms
 * included. */
int address_parse(const char *text, struct address *ret);
bool address_from_sockaddr(const struct sockaddr *from,
			   struct address *ret);              /* false: neither family */
int address_from_path(const char *path, struct address *ret); /* a Unix socket; -ENAMETOOLONG */
void address_set_port(struct address *address, uint16_t port);
socklen_t address_size(const struct address *address);
const char *address_text(const struct address *address, char out[static ADDRESS_TEXT_SIZE]);
/* Globally reachable unicast by the IANA special-purpose registries: not loopback, link-local
 * (metadata services), private, unspecified, multicast or reserved, nor an IPv6 form that embeds an
 * IPv4 address. */
bool address_is_public(const struct address *address);
/* The first `bits` are equal. False for two families, and for more bits than an address has. */
bool address_has_prefix(const struct address *address, const struct address *prefix, uint64_t bits);

/* Names to addresses, by a short-lived thread for each lookup, kept ADDRESS_KEEP_S. One resolver
 * belongs to one loop. */
struct resolver;

struct resolver_wait {
	struct list node;
	/* Later, from the loop. `error` is 0 or a getaddrinfo code; `list` lives during the call.
	 */
	void (*fn)(struct resolver_wait *wait, const struct address_list *list, int error);
};

int resolver_new(struct loop *loop, struct resolver **ret);
struct resolver *resolver_free(struct resolver *resolver);
/* 1 and the addresses when they are at hand, 0 when `wait` has been queued, or a negative errno. */
int resolver_lookup(struct resolver *resolver, const char *host, struct resolver_wait *wait,
		    struct address_list *ret);
void resolver_forget(struct resolver_wait *wait); /* safe on a zeroed one and on one already told */
