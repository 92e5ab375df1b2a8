/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events out of bytes that come in pieces of any size (WHATWG HTML, 9.2). What lies
 * whole within a piece is not copied. [one thread] */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"

/* Data without the line feed at its end; slices live as long as the call. False stops. */
typedef bool (*events_fn)(void *user, struct slice name, struct slice data);

struct events {
	size_t most;        /* bytes of one event */
	struct buffer line; /* the beginning of one */
	struct buffer data; /* lines before, where there are several */
	struct slice whole; /* the only data line so far, in the piece at hand */
	char name[64];
	size_t name_len;
	bool has_data, after_cr;
};

void events_fini(struct events *events);
/* 0; -E2BIG when an event is larger than `most`, -ENOMEM, -ECANCELED when `on` returned false. */
int events_feed(struct events *events, struct slice piece, events_fn on, void *user);
/* The stream is over: an event that lacks its empty line counts too, as many servers leave it out
 * behind the last one. */
int events_end(struct events *events, events_fn on, void *user);
