/* SPDX-License-Identifier: Apache-2.0 */
/* What the listeners' TLS adds to the gateway: certificates that come into force with a snapshot,
 * and a word about connections that never came to a request. Private to the gateway. */
#pragma once

#include <stdatomic.h>

#include "gateway/gateway.h"

struct gateway_loop;
struct gateway_snapshot;

struct certificates {
	struct http_tls_tickets *tickets;           /* of all snapshots */
	_Atomic int64_t until_s[GATEWAY_LISTENERS]; /* of those in force; 0: no TLS */
	uint64_t tell_again_ns[GATEWAY_LISTENERS];  /* [admin] */
};

/* Those of the snapshot's configuration; the ones before where they are the same. */
int certificates_load(struct gateway *gateway, struct gateway_snapshot *snapshot,
		      struct error *error);
void certificates_check(const struct conf *conf, struct report *report);
/* They are what is told of from now on. */
void certificates_note(struct gateway *gateway, const struct gateway_snapshot *snapshot);
/* The loop's listeners serve its snapshot's to who connects from now on, and take headers of its
 * proxies. [loop] */
void certificates_serve(struct gateway_loop *loop);
/* False while all are good for a while; else what is to be said of the one that ends first. */
bool certificates_near_end(const struct gateway *gateway, char *out, size_t size);

struct strangers {
	_Atomic uint64_t next_ns, untold;
};

/* One line a second, for http_handler's on_stranger; `data` is the loop. [loop] */
void strangers_log(const char *peer, const char *why, void *data);
/* The same of a key that is nobody's: its fingerprint. [loop] */
void strangers_key(struct gateway_loop *loop, struct http_exchange *http, struct slice key);
