/* SPDX-License-Identifier: Apache-2.0 */
/* What happened so far: totals, sums of any time, rows, the log, the ledger's own state. A part of
 * ledger.h, by which it comes. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

struct ledger;

/* ---- what happened so far [any thread but loops] ---- */

enum ledger_group {
	LEDGER_BY_TENANT,
	LEDGER_BY_FEATURE,
	LEDGER_BY_KEY,
	LEDGER_BY_ROUTE,
	LEDGER_BY_MODEL, /* what the upstream was asked for */
	LEDGER_BY_PROVIDER,
	LEDGER_BY_USER, /* requests on behalf of nobody are counted nowhere */
	LEDGER_GROUPS,
};

enum ledger_period {
	LEDGER_TODAY, /* in the zone given */
	LEDGER_MONTH,
	LEDGER_TOTAL,
	LEDGER_PERIODS,
};

struct ledger_total {
	const char *name;
	int64_t cost_nano, tokens_in, tokens_out, tokens_cached;
	int64_t last_s; /* Unix time of its last request; after a start by rollups */
	uint64_t requests, errors;
	int64_t corrected_nano; /* a part of the cost */
};

/* Calls `fn` for each name in ascending order, of one consistent moment. By model and provider,
 * requests are attempts. */
void ledger_totals_each(struct ledger *ledger, enum ledger_group group, enum ledger_period period,
			void (*fn)(const struct ledger_total *total, void *data), void *data);
struct ledger_total ledger_totals_sum(struct ledger *ledger, enum ledger_period period);
const char *ledger_group_name(enum ledger_group group); /* "tenant" … */
int ledger_group_parse(struct slice name, enum ledger_group *ret);

/* ---- and in any stretch of time [any but loops] ---- */

#define LEDGER_BIT(group) (1u << (group))

struct ledger_question {
	unsigned by;                      /* LEDGER_BIT() of each group; 0: one sum of all */
	int64_t from_s, until_s;          /* UTC; by when requests began, in quarters of an hour */
	struct slice only[LEDGER_GROUPS]; /* of this name alone; ptr NULL: of all */
};

struct ledger_sum {
	struct slice names[LEDGER_GROUPS]; /* of the groups asked for; may be empty */
	int64_t cost_nano, saved_nano, tokens_in, tokens_cached, tokens_out;
	uint64_t requests, errors; /* by model or provider: attempts */
	int64_t corrected_nano;    /* a part of the cost */
};

/* Calls `fn` for each sum, the dearest first; its texts last until it returns. All that was
 * committed by one moment. */
int ledger_ask(struct ledger *ledger, const struct ledger_question *question,
	       void (*fn)(const struct ledger_sum *sum, void *data), void *data);
/* When the first quarter of an hour with a request begins, in UTC; -ENOENT where there is none. */
int ledger_first(struct ledger *ledger, int64_t *ret_s);

/* ---- corrections: what is found out later. Rows stay as they are; a correction is one more, that
 * counts when it is made, in each sum by the names it has. ---- */

struct ledger_correction {
	uint64_t id; /* 1, 2, … */
	int64_t made_s;
	int64_t amount_nano;               /* to be added to what was spent */
	uint64_t request;                  /* that it is about; 0: none */
	uint64_t undoes, undone_by;        /* corrections; 0: none */
	struct slice names[LEDGER_GROUPS]; /* whose; of a tenant at least, others may be empty */
	struct slice period;    /* that it mends, in the operator's words; may be empty */
	struct slice reference; /* as an invoice's number: each but once; may be empty */
	struct slice reason, made_by;
};

/* Durable when it returns, with id and made_s. -EEXIST: its reference was used before, or what it
 * undoes was undone; -ENOENT: that there is not. */
int ledger_correct(struct ledger *ledger, struct ledger_correction *correction,
		   struct error *error);
/* In the order of their ids; `request` 0: about whatever. */
int ledger_corrections_each(struct ledger *ledger, int64_t from_s, int64_t until_s,
			    uint64_t request,
			    void (*fn)(const struct ledger_correction *correction, void *data),
			    void *data);

/* ---- what providers bill by: attempts that used something, by UTC days and models ---- */

struct ledger_day {
	int64_t day;                          /* UTC, since the epoch */
	struct slice provider, model, served; /* served: as the answer names it; may be empty */
	int64_t requests, input, cache_read, cache_write, cache_write_1h, output, cost_nano;
};

/* Of the days from `from_day` up to and with `to_day`, all rows of which are read: it may take
 * seconds. `provider` ptr NULL: of all. Texts last until `fn` returns.
 * `ret_oldest`: the first day of which there are rows still; INT64_MAX for none. */
int ledger_days_each(struct ledger *ledger, int64_t from_day, int64_t to_day, struct slice provider,
		     void (*fn)(const struct ledger_day *day, void *data), void *data,
		     int64_t *ret_oldest);

enum {
	LEDGER_REASON_SIZE = 512,
};

struct ledger_state {
	uint64_t inflight;     /* entries open or closed but not committed */
	int64_t reserved_nano; /* of open ones */
	uint64_t rows_committed, commits, commit_failures, replayed, prices_unknown, prices_partial;
	uint64_t totals_generation; /* changes when totals did */
	bool degraded;              /* the last commit failed; rows wait in the in-flight file */
	char degraded_reason[LEDGER_REASON_SIZE]; /* names the file */
};
void ledger_state_read(struct ledger *ledger, struct ledger_state *ret);
/* The first 64 models that were used since the start without a known price, or with one that is
 * known in part. */
void ledger_unpriced_each(struct ledger *ledger, bool in_part,
			  void (*fn)(const char *provider, const char *model, void *data),
			  void *data);

/* Request rows as JSON lines (the log's own format), oldest first, with id > after; at most
 * `limit`. [any but loops] */
int ledger_read_rows(struct ledger *ledger, uint64_t after, uint32_t limit, bool newest,
		     struct buffer *out);
/* One request as such a line, with its attempts behind as "tried"; -ENOENT where there is no row of
 * it (yet). [any but loops] */
int ledger_read_request(struct ledger *ledger, uint64_t id, struct buffer *out);
enum {
	LEDGER_CURSOR_SIZE = 40,
};
/* Lines of the request log in the order of their commits: from `cursor` on, or with "" the last
 * `limit` ones; at most `limit`. Writes the cursor that goes on behind them. -EINVAL for a cursor
 * that is none; one whose file is gone goes on with the live file, where that is gone too once
 * it is there again. [any but loops] */
int ledger_log_follow(struct ledger *ledger, const char *cursor, uint32_t limit, struct buffer *out,
		      char ret_cursor[static LEDGER_CURSOR_SIZE]);
/* The request log's live file; sealed segments lie beside it as requests-YYYYMMDDTHHZ.jsonl. */
const char *ledger_log_path(const struct ledger *ledger);
