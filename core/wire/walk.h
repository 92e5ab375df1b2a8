/* SPDX-License-Identifier: Apache-2.0 */
/* A walk through JSON that comes in pieces of any size, split anywhere. A dialect says by a grammar
 * which members mean something; all else is passed over at the speed of memchr. It is lenient: it
 * watches texts that others will parse, and must only never lose its way. [one thread: the watch's]
 */
#pragma once

#include "wire/wire.h"

enum walk_flag {
	WALK_CAPTURE = 1, /* wants its value whole: strings and numbers up to WIRE_CAPTURE_BYTES */
	WALK_PIECES =
	    2, /* wants the bytes of its value as they come: a string's, else a container's */
};

enum walk_what {
	WALK_OPEN,   /* a container that the grammar knows begins */
	WALK_CLOSE,  /* and ends */
	WALK_TEXT,   /* a captured string, as it is written between its quotes */
	WALK_SCALAR, /* a captured number, true, false or null */
	WALK_PIECE,
};

enum {
	WALK_NONE = 0, /* the node of all that means nothing */
	WALK_ROOT = 1,
	WALK_TOO_LONG = UINT8_MAX,
};

struct walk_key {
	const char *name;
	uint8_t len, node;
};
#define WALK_KEY(name, node)                     \
	{                                        \
		(name), sizeof(name) - 1, (node) \
	}

struct walk_node {
	const struct walk_key *keys; /* of an object, up to one without a name */
	uint8_t element;             /* the node of an array's elements */
	uint8_t flags;
};

struct walk_grammar {
	const struct walk_node *nodes;
	void (*on)(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text);
};

/* Forgets a text that broke off; the next begins at its root. */
void walk_reset(struct wire_walk *walk);
void walk_feed(struct wire_watch *watch, const char *at, const char *end);
