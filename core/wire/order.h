/* SPDX-License-Identifier: Apache-2.0 */
/* Puts an answer's blocks in order: each is begun, told and ended before the next one begins. A
 * call ends as soon as its arguments are whole, so that a client can act on it; only where an
 * upstream mixes the pieces of several, the later ones wait for their turn. [one thread] */
#pragma once

#include "wire/answer.h"

struct order_waiting {
	struct order_waiting *next;
	uint32_t block;
	enum answer_kind kind;
	bool ended, redacted, opaque_told;
	struct slice id, name, opaque, opaque_id;
	struct buffer text;
};

/* How far the JSON of a call's arguments has come, which arrives as a string's contents. */
struct order_json {
	uint32_t depth;
	bool begun, odd, in_string, escaped, whole;
};

struct order {
	struct arena *arena; /* for what waits */
	answer_sink_fn sink;
	void *user;
	int64_t open; /* block; -1 none */
	enum answer_kind kind;
	struct order_json json;
	struct order_waiting *waiting, **last;
	size_t waiting_bytes;
	struct answer_event stop; /* the last one told */
	int failed;               /* -ENOMEM, or -E2BIG: more than TRANSLATION_AHEAD_BYTES wait */
};

void order_init(struct order *order, struct arena *arena, answer_sink_fn sink, void *user);
void order_fini(struct order *order);
/* An answer_sink_fn. */
void order_take(void *order, const struct answer_event *event);
