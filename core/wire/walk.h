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
	WALK_CUT = 4, /* captures the first bytes of a string that is longer */
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

/* What a node says in any dialect; watch_node() deals with it. */
enum walk_role {
	WALK_PLAIN,      /* nothing by itself */
	WALK_EVENT,      /* the root: an event of a stream, or the document */
	WALK_USAGE,      /* once it ends, the counts are read */
	WALK_COUNT,      /* of tokens */
	WALK_ANSWER,     /* where a document's content is */
	WALK_BEGUN,      /* content has begun, with or without a text */
	WALK_CONTENT,    /* whose pieces are content */
	WALK_ERROR,      /* an object, or a text */
	WALK_ERROR_TYPE, /* a name, or an HTTP status */
	WALK_ERROR_CODE, /* the same; says more than the type */
	WALK_KIND,       /* of what few answers count: node->count is a wire_kind */
	WALK_TIER,       /* the service tier */
	WALK_COST,       /* what the answer has cost, in dollars */
	WALK_COST_TICKS, /* likewise, in ticks */
	WALK_COST_UPSTREAM,
	WALK_OWN_KEY,
	WALK_MODEL,   /* who answered: its first word counts, as the next one's */
	WALK_VERSION, /* its version or fingerprint */
	WALK_OWN,     /* the dialect's own: `on` is told */
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
	uint8_t role;  /* enum walk_role */
	uint8_t count; /* WALK_COUNT: where in wire_watch.counts; WALK_KIND: which */
};
#define WALK_COUNT_NODE(number)                                              \
	{                                                                    \
		.flags = WALK_CAPTURE, .role = WALK_COUNT, .count = (number) \
	}

#define WALK_KIND_NODE(kind)                                              \
	{                                                                 \
		.flags = WALK_CAPTURE, .role = WALK_KIND, .count = (kind) \
	}
#define WALK_TOLD_NODE(what)                          \
	{                                             \
		.flags = WALK_CAPTURE, .role = (what) \
	}

#define WALK_SERVED_NODE(what)                                   \
	{                                                        \
		.flags = WALK_CAPTURE | WALK_CUT, .role = (what) \
	}

struct walk_grammar {
	const struct walk_node *nodes;
	void (*read_usage)(struct wire_watch *watch); /* counts become usage */
	void (*conclude)(struct wire_watch *watch);   /* an event, or the document, has ended */
	/* NULL where no node is WALK_OWN. */
	void (*on)(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text);
};

/* Forgets a text that broke off; the next begins at its root. */
void walk_reset(struct wire_walk *walk);
void walk_feed(struct wire_watch *watch, const char *at, const char *end);
