/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong secrets slow down further tries from where they came: an IPv4 address, an IPv6 /64, a user
 * of the machine. A high bound holds for all together, but for those who once knew the secret.
 * The table is bounded; the caller locks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	THROTTLE_SOURCES_MAX = 1024,
	THROTTLE_FREE_FAILURES = 5,
	THROTTLE_WAIT_S_MAX = 64,
	THROTTLE_ALL_FAILURES = 600, /* of all sources together */
	THROTTLE_ALL_WINDOW_S = 60,
};

struct throttle_source {
	enum { THROTTLE_OTHER, THROTTLE_V4, THROTTLE_V6 } kind;
	uint64_t value;
};

struct throttle_entry {
	struct throttle_source source;
	bool trusted; /* the right secret came from there */
	uint32_t failures;
	uint64_t closed_until_ns;
	uint64_t used_ns; /* 0: free */
};

struct throttle {
	uint32_t all_failures;  /* in this window */
	uint64_t all_window_ns; /* when it ends */
	struct throttle_entry entries[THROTTLE_SOURCES_MAX];
};

/* Of a peer's text: "192.0.2.1:80", "[2001:db8::1]:80", "unix:UID". */
struct throttle_source throttle_source_of(const char *peer);
/* Seconds until a secret from there is looked at; 0: now. */
uint32_t throttle_wait_s(const struct throttle *throttle, struct throttle_source source,
			 uint64_t now_ns);
void throttle_failed(struct throttle *throttle, struct throttle_source source, uint64_t now_ns);
void throttle_succeeded(struct throttle *throttle, struct throttle_source source, uint64_t now_ns);
