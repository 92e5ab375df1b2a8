/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight file: a header page, then entries of one size, mapped shared, so that what a thread
 * has stored survives the process. Entries go free → open → closed → free; loops hand closed ones
 * to the writer and get free ones back through rings of entry numbers, without locks or system
 * calls. */
#pragma once

#include "base/ring.h"
#include "ledger/ledger.h"

enum {
	INFLIGHT_LOOPS_MAX = 64, /* six bits of an id */
	INFLIGHT_TURNS = 8,      /* of daemons that write one ledger at a time; three bits */
	INFLIGHT_ATTEMPT_BITS =
	    3, /* an attempt's id is its request's with its number in the lowest bits */
};

enum inflight_state {
	INFLIGHT_FREE,
	INFLIGHT_OPEN,
	INFLIGHT_CLOSED,
};

struct inflight_loop {
	uint32_t
	    *free; /* [loop] a stack: what was used last is used next, while it is in the caches */
	uint32_t free_count;
	uint64_t last_id;
	struct ring closed;                /* loop → writer */
	struct ring freed;                 /* writer → loop */
	_Atomic uint64_t opened, released; /* written by [loop] and [writer] alone */
	_Atomic int64_t reserved_nano;     /* written by [loop] alone */
} __attribute__((aligned(64)));

struct inflight {
	int fd;
	struct inflight_header *header;
	size_t size;
	uint32_t entries, loops;
	uint32_t turn; /* a part of all its ids */
	struct inflight_loop *loop;
	bool may_rest;        /* the kernel has the barrier it takes */
	_Atomic bool resting; /* the writer waits to be woken */
};

/* What lay in the file at start. */
struct inflight_found {
	uint32_t *slots; /* closed, and open ones finished as crashed; the caller frees the array */
	size_t count;
	uint32_t crashed, damaged;
	char aside[256]; /* where a file that could not be read, or not whole, was kept; else empty
			  */
};

/* Maps the file, makes it if missing, and takes it for this process alone (-EBUSY). A file of
 * another layout is renamed aside; damaged entries are kept in a copy aside. All disk space is
 * taken now: a full disk must not stop a store. */
int inflight_open(struct inflight *inflight, const char *path, uint32_t entries, uint32_t loops,
		  struct inflight_found *ret_found, struct error *error);
void inflight_close(struct inflight *inflight);
/* Maps what a dead daemon left and finds what lies in it, for a writer alone: no loop is served.
 * -EBUSY while its daemon lives; -ESTALE where it was of another layout, and renamed aside. */
int inflight_open_left(struct inflight *inflight, const char *path,
		       struct inflight_found *ret_found, struct error *error);
/* An entry of such a file is in the ledger. */
void inflight_forget(struct inflight *inflight, uint32_t slot);
/* Whether a living daemon has the file, and the turn of its ids then. */
bool inflight_is_held(const char *path, uint32_t *ret_turn);
/* So that no other daemon that writes the ledger gives the same ids. Before loops run. */
void inflight_set_turn(struct inflight *inflight, uint32_t turn);

/* Said by who opened the file, as nobody above sees it: what was put aside must not be overlooked.
 */
void inflight_tell_found(const char *path, const struct inflight_found *found);
/* Ids are never below `id` from now on. Before loops run. */
void inflight_raise_ids(struct inflight *inflight, uint64_t id);
struct ledger_entry *inflight_entry(const struct inflight *inflight, uint32_t slot);
uint32_t inflight_slot(const struct inflight *inflight, const struct ledger_entry *entry);
/* Entries that are not free, and what open ones hold in reserve. [any] */
void inflight_count(const struct inflight *inflight, uint64_t *ret_entries,
		    int64_t *ret_reserved_nano);
/* When the oldest request that is not free began; UINT64_MAX where there is none. [any] */
uint64_t inflight_oldest_ns(const struct inflight *inflight);
/* [loop] */
struct ledger_entry *inflight_take(struct inflight *inflight, uint32_t loop);
uint64_t inflight_next_id(struct inflight *inflight, uint32_t loop, uint64_t real_ns);
void inflight_publish(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry);
/* Another upper bound of an open entry. */
void inflight_reserve(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry,
		      int64_t reserved_nano);
/* True when the writer rests and the caller is the one to wake it. */
bool inflight_hand_over(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry);
/* [writer] Closed entries of all loops into `out`; returns how many. */
size_t inflight_collect(struct inflight *inflight, uint32_t *out, size_t max);
/* [writer] From now on somebody wakes it; false when there is work, or this machine cannot. */
bool inflight_rest(struct inflight *inflight);
bool inflight_end_rest(struct inflight *inflight); /* [any] whether it rested */
/* [writer] After its rows are committed. */
void inflight_release(struct inflight *inflight, uint32_t slot);
