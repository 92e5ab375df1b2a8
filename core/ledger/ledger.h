/* SPDX-License-Identifier: Apache-2.0 */
/* Whose call was it and what did it cost: prices, the in-flight file, rows, rollups, totals, the
 * request log.
 *
 * A loop opens an entry in the memory-mapped in-flight file when a request is admitted, keeps it
 * current, prices it, and closes it: no lock and no system call. The writer thread turns closed
 * entries into rows, and frees an entry only after the commit that holds them; at start what was
 * left is replayed, idempotent by request id. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/network.h"
#include "base/zone.h"
#include "ledger/figures.h"
#include "ledger/money.h"

enum {
	LEDGER_NAME_MAX = 128,
	LEDGER_ATTEMPTS_MAX = 8,
	LEDGER_ANSWER_ID_MAX = 96,
	LEDGER_USERS_MAX = 20000, /* that are totalled; later ones count as "other" */
	LEDGER_NEAR_TEXT = 336,   /* an entry is a kilobyte, four to a page */
	LEDGER_SOURCE_MAX = 71,
	LEDGER_FAR_TEXT = (4 + 2 * LEDGER_ATTEMPTS_MAX) * (LEDGER_NAME_MAX + 1) +
			  LEDGER_ATTEMPTS_MAX *
			      (LEDGER_SOURCE_MAX + 1), /* every name fits, here or in the entry */
};

/* ---- entries of the in-flight file ---- */

enum ledger_outcome {
	LEDGER_OK,
	LEDGER_ERROR,      /* an error answer reached the client */
	LEDGER_INCOMPLETE, /* the upstream died or failed inside its answer */
	LEDGER_DEPARTED,   /* the client left first */
	LEDGER_REFUSED,    /* we refused; no upstream was asked */
	LEDGER_CRASHED,    /* found in the in-flight file at start */
};

enum ledger_usage_source {
	LEDGER_USAGE_NONE, /* nothing was billed: no answer, or an error that carries no usage */
	LEDGER_USAGE_PROVIDER,  /* the provider said it at the end of its answer */
	LEDGER_USAGE_PARTIAL,   /* the provider said some of it */
	LEDGER_USAGE_ESTIMATED, /* from bytes: the answer was cut before usage came */
};

/* What money was spent for. */
enum ledger_spend {
	LEDGER_LIVE,   /* a client asked */
	LEDGER_SHADOW, /* a second answer, to compare */
	LEDGER_PROBE,
	LEDGER_POLICY, /* a call of a policy's own */
	LEDGER_SPENDS,
};

struct ledger_attempt {
	uint16_t provider, model; /* names; see ledger_text() */
	uint16_t upstream_key;    /* with which of the provider's keys */
	uint16_t served, version; /* what the answer says: model, and what it was made by */
	uint8_t spend;            /* ledger_spend */
	uint16_t status;          /* HTTP status of the upstream; 0 none */
	uint8_t usage_source;     /* ledger_usage_source */
	uint8_t outcome;          /* ledger_outcome */
	uint8_t priced;           /* the ledger's: cost_nano is final */
	uint8_t rare;             /* the ledger's: usage has something from LEDGER_RARE on */
	uint16_t price_source;    /* where its price is from, see ledger_text() */
	uint32_t start_us, first_content_us, end_us; /* since the entry's start; 0 none */
	uint32_t content_bytes;                      /* of the answer so far, for estimates */
	int64_t cost_nano;
	int64_t stated_nano; /* what the provider says that it has cost; -1: it does not */
	struct ledger_usage usage;
	char provider_request_id[64];
	struct ledger_price price; /* of `femto` what it needs is written */
};

struct ledger_entry {
	_Atomic uint32_t state; /* the ledger's */
	uint32_t slot;          /* the ledger's */
	uint64_t id;            /* time-ordered, unique over restarts; printed as 16 hex digits */
	uint64_t start_real_ns, start_ns;
	int64_t reserved_nano;                /* upper bound held while open */
	int64_t input_estimate;               /* tokens, for estimates */
	int64_t saved_nano;                   /* what a cached answer would have cost */
	uint16_t tenant, feature, key, route; /* see ledger_text() */
	uint16_t status;                      /* HTTP status sent to the client; 0 none */
	uint8_t outcome; /* CRASHED until the loop says otherwise: what a crash leaves is kept */
	uint8_t stream, attempt_count, attempts_failed_over;
	uint8_t spend;            /* ledger_spend */
	uint8_t degraded, cached; /* the answer is less than was asked for; it came from a cache */
	uint16_t answer;          /* the ledger's */
	uint32_t first_content_us, end_us;
	uint16_t near_used, far_used;
	struct network_address client;
	uint16_t run, user;     /* see ledger_text() */
	uint16_t decisions;     /* likewise: what policies did */
	struct ledger_far *far; /* the ledger's */
	struct ledger_attempt first;
	char near[LEDGER_NEAR_TEXT]; /* offset 0 is the empty name */
};

/* What most requests never need, so that those in flight take little memory: further attempts, and
 * names that found no room in the entry. */
struct ledger_far {
	struct ledger_attempt attempts[LEDGER_ATTEMPTS_MAX - 1];
	char text[LEDGER_FAR_TEXT];
};

/* The n-th attempt, from 0, whether begun or not. */
static inline struct ledger_attempt *ledger_attempt_of(const struct ledger_entry *entry, int n)
{
	return n == 0 ? (struct ledger_attempt *)&entry->first : &entry->far->attempts[n - 1];
}

struct ledger_options {
	const char *folder; /* STATE/ledger, made if missing */
	const char *inflight_path, *log_folder;
	bool shares; /* another daemon serves; until ledger_take_place() the main file is its own */
	struct zone *zone;
	uint32_t loops;   /* entries are divided among them */
	uint32_t entries; /* in all; default 16384 */
	uint32_t commit_ms;
	uint32_t features_max; /* distinct names totalled; later ones count as "other" */
	uint32_t keep_days, keep_rollup_days;    /* of rows and log; of sums. 0: for ever */
	uint64_t keep_bytes;                     /* of all together; 0: however much it is */
	uint32_t answers_max, answers_keep_days; /* default 100000, 30; the oldest are forgotten */
};

struct ledger;

/* Opens, replays what a crash left, restores totals, starts the writer thread (named "writer"). */
int ledger_new(const struct ledger_options *options, struct ledger **ret, struct error *error);
/* The daemon that shared the ledger with us drains, or died: ours is the main in-flight file now,
 * and what that one still writes, or leaves, is looked after until there is nothing more. [main] */
int ledger_take_place(struct ledger *ledger, struct error *error);
/* Another daemon, that shares the ledger with us, makes its in-flight file the main one. [main] */
void ledger_give_place(struct ledger *ledger);
/* Whether daemons beside us are looked after: not while another one opens the ledger, nor when it
 * has taken our place. [main] */
void ledger_look_beside(struct ledger *ledger, bool look);
/* Commits everything closed, if it can, and ends the writer: how many requests are left in the
 * in-flight file for the next start. Nothing may be opened or closed afterwards. */
uint64_t ledger_stop(struct ledger *ledger);
/* Stops too. A database that was overwritten by another program is put aside. */
struct ledger *ledger_free(struct ledger *ledger);

struct ledger_names {
	struct slice tenant, feature, key, route; /* cut at LEDGER_NAME_MAX */
	struct slice run;  /* what it is a part of, in its client's words; likewise */
	struct slice user; /* on whose behalf the client asks; empty where nobody vouches for it */
	struct network_address client; /* whose request it is */
};

/* [loop] NULL when all entries of this loop are in use. The entry is this loop's until
 * ledger_close. `now_ns`, here and below, is clock_now_ns() or the loop's, which costs nothing. */
struct ledger_entry *ledger_open(struct ledger *ledger, uint32_t loop,
				 const struct ledger_names *names, bool stream,
				 int64_t input_estimate, int64_t reserved_nano, uint64_t now_ns);
/* [loop] Another upper bound than it was opened with. */
void ledger_reserve(struct ledger *ledger, uint32_t loop, struct ledger_entry *entry,
		    int64_t reserved_nano);
/* [loop] What policies did about it, for its row: "NAME=VERDICT", with "; " between them. Once. */
void ledger_decided(struct ledger_entry *entry, struct slice decisions);
/* [loop] NULL when LEDGER_ATTEMPTS_MAX are used. */
struct ledger_attempt *ledger_attempt_begin(struct ledger *ledger, struct ledger_entry *entry,
					    struct slice provider, struct slice model,
					    const struct ledger_price *price, uint64_t now_ns);
/* [loop] With which of the provider's keys, by the key's name; at its begin. */
void ledger_attempt_key(struct ledger_entry *entry, struct ledger_attempt *attempt,
			struct slice key);
/* [loop] What the answer says of who made it: the model, and its version or fingerprint; empty
 * where it says nothing. May be told again until it is closed: what was said stays. */
void ledger_attempt_served(struct ledger_entry *entry, struct ledger_attempt *attempt,
			   struct slice model, struct slice version);
/* Since its start, at least 1. */
uint32_t ledger_elapsed_us(const struct ledger_entry *entry, uint64_t now_ns);
/* [loop] Another price than the one it began with, which the answer told (its service tier). */
void ledger_attempt_reprice(struct ledger_entry *entry, struct ledger_attempt *attempt,
			    const struct ledger_price *price);
/* [loop] What the provider says that it has cost, or -1. Where the price is not the operator's own,
 * the attempt's price is this. */
void ledger_attempt_state(struct ledger_entry *entry, struct ledger_attempt *attempt,
			  int64_t stated_nano);
/* [loop] When it began, in seconds of UTC. */
int64_t ledger_attempt_real_s(const struct ledger_entry *entry,
			      const struct ledger_attempt *attempt);
/* [loop] Makes cost_nano final by usage_source: NONE costs nothing; PROVIDER is taken as it is; of
 * PARTIAL what is missing (no input, less output than came) and of ESTIMATED all is filled in from
 * input_estimate and content_bytes (4 bytes a token). What a provider says of the cost is above a
 * price that is not the operator's own. From here a crash keeps exactly this cost. */
void ledger_price_attempt(struct ledger_entry *entry, struct ledger_attempt *attempt);
/* [loop] The request is settled: hands the entry to the writer; the loop must not touch it again.
 */
void ledger_close(struct ledger *ledger, uint32_t loop, struct ledger_entry *entry);
static inline const char *ledger_text(const struct ledger_entry *entry, uint16_t offset)
{
	return offset < LEDGER_NEAR_TEXT ? entry->near + offset
					 : entry->far->text + (offset - LEDGER_NEAR_TEXT);
}
enum {
	LEDGER_ID_SIZE = 17,
};
void ledger_id_text(uint64_t id, char out[static LEDGER_ID_SIZE]);

/* ---- answers that providers keep, for clients who ask for them by their ids. [any]; each holds a
 * lock for a look-up, which nobody holds while he waits ---- */

struct ledger_answer {
	struct slice tenant, id;             /* as it was asked for */
	struct slice provider, model, route; /* who issued it, and what it had been asked for */
	uint64_t request;                    /* by which it was made */
	bool pending;                        /* its usage was not known when that was settled */
};

/* The entry's last attempt was answered under this id; durable once the entry is closed. */
void ledger_answer_note(struct ledger *ledger, struct ledger_entry *entry, struct slice id,
			bool pending);
/* Its usage is known after all, and billed by the entry itself. */
void ledger_answer_known(struct ledger *ledger, struct ledger_entry *entry);
/* -ENOENT where that tenant has none, or none any more; texts are copied into the arena. -ENOMEM */
int ledger_answer_find(struct ledger *ledger, struct slice tenant, struct slice id,
		       struct arena *arena, struct ledger_answer *ret);
/* True for the first who learns its usage: the entry is to bill it. */
bool ledger_answer_settle(struct ledger *ledger, struct ledger_entry *entry,
			  const struct ledger_answer *answer);
void ledger_answer_forget(struct ledger *ledger, struct ledger_entry *entry,
			  const struct ledger_answer *answer);

/* [ticker] Now and then: a writer without work seals the request log when its hour is over. */
void ledger_tick(struct ledger *ledger);
