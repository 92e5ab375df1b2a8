/* SPDX-License-Identifier: Apache-2.0 */
/* The one operator surface. Named nodes can be read; verbs can be done. REST, page, command line
 * and mount are projections of these two tables and hold no logic of their own.
 *
 * Threads: "admin" is the single mutator and runs the verbs; "ticker" renders the nodes at most
 * every 100 ms, when what they show has changed. Rendered values are immutable and shared. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/period.h"
#include "gateway/gateway.h"

struct admin;

struct admin_options {
	const char *main_file;
	struct conf_overrides overrides;
	struct gateway *gateway; /* has its first configuration published */
	struct ledger *ledger;
	struct plugin_set *plugins;
	struct keys_console *console;
	struct zone *zone;
	/* These keys, by their names, NULL at the end, were published to be good no more, wholly
	 * or in one of their texts; `now`: what runs by them ends. NULL: nobody is told. [admin] */
	void (*keys_gone)(void *data, const char *const *names, bool now);
	void *keys_gone_data;
};

int admin_new(const struct admin_options *options, struct admin **ret, struct error *error);
enum admin_gate {
	ADMIN_OPEN,
	ADMIN_HELD, /* verbs wait */
	ADMIN_SHUT, /* they are refused, those too that have waited */
};

/* Unless it is open no verb runs, and whoever has read the files meanwhile knows all that was done:
 * returns when the one that runs has ended. What waits at admin_stop is refused. [main] */
void admin_set_gate(struct admin *admin, enum admin_gate gate);
/* Ends the threads: verbs are refused and watchers not called from here on. Values can still be
 * read. */
void admin_stop(struct admin *admin);
struct admin *admin_free(struct admin *admin);

/* ---- nodes ---- */

enum admin_shape {
	ADMIN_VALUE,    /* one plain value and a newline; the unit is in the name */
	ADMIN_TABLE,    /* TSV with one header line */
	ADMIN_DOCUMENT, /* JSON */
	ADMIN_TEXT,
};

struct admin_node {
	const char *path; /* below the mount: "now/cost/today_usd" */
	enum admin_shape shape;
	const char *columns; /* of a table, tab-separated; NULL otherwise */
	const char *doc;     /* one sentence: meaning and unit */
};

size_t admin_node_count(void);
const struct admin_node *admin_node_at(size_t index);
/* Index of a path, or -ENOENT. */
int admin_node_find(const char *path);

struct admin_value {
	_Atomic uint32_t refs;
	uint64_t generation;      /* grows by one with each change of this node */
	uint64_t changed_real_ns; /* when the content last changed */
	size_t len;
	char data[];
};

/* The newest value of a node, as a new reference; never NULL. Takes a short lock of its own, never
 * one that a slow operation holds. [any] */
struct admin_value *admin_value_get(struct admin *admin, size_t node);
struct admin_value *admin_value_unref(struct admin_value *value);
/* `fn` is called on the ticker thread, holding no lock, after a node's value changed. At most four
 * watchers; set before admin_start. */
int admin_watch(struct admin *admin, void (*fn)(void *data, size_t node, uint64_t generation),
		void *data);
int admin_start(struct admin *admin, struct error *error);

/* A file that stands for many, with the part of its path that differs in capitals. */
size_t admin_pattern_count(void);
const struct admin_node *admin_pattern_at(size_t index);

/* ---- costs of days and months, as tables ---- */

struct admin_costs {
	enum period_span span;
	int64_t number; /* of the period, in the appliance's zone */
	int table;      /* enum ledger_group: by that; or ADMIN_COSTS_CORRECTIONS */
};

struct admin_costs_table {
	struct admin_value *value;
	uint64_t totals; /* admin_costs_totals() before the ledger was asked */
	bool closed;     /* the period ended ADMIN_COSTS_SETTLE_S ago: it stays as it is */
};

enum {
	ADMIN_COSTS_CORRECTIONS = LEDGER_GROUPS,
	ADMIN_COSTS_SETTLE_S = 86400,   /* what began in a period is settled so long after it */
	ADMIN_COSTS_WAITING_MAX = 1024, /* questions that wait for the ledger */
};

/* [costs] 0 and the table, whose value is the callee's; or a negative errno. */
typedef void (*admin_costs_fn)(void *data, int r, const struct admin_costs_table *table);

/* Numbers of the first and the last period: from the ledger's first request until now. From memory.
 * [any] */
void admin_costs_range(struct admin *admin, enum period_span span, int64_t *ret_first,
		       int64_t *ret_last);
/* Asks the ledger on the thread "costs", which calls `fn` once, at admin_stop at the latest. Never
 * waits. -EBUSY, and no call, above ADMIN_COSTS_WAITING_MAX; -ESHUTDOWN; -ENOMEM. [any] */
int admin_costs_ask(struct admin *admin, const struct admin_costs *what, admin_costs_fn fn,
		    void *data);
/* Changes, at most every 100 ms, when more was spent: a table that is not closed may then be
 * another. [any] */
uint64_t admin_costs_totals(struct admin *admin);
/* Whether it ended ADMIN_COSTS_SETTLE_S ago. [any] */
bool admin_costs_closed(struct admin *admin, const struct admin_costs *what);
struct zone *admin_zone(struct admin *admin);

/* ---- verbs ---- */

struct admin_caller {
	char who[64];  /* "console", "uid 0", … */
	char from[64]; /* address */
};

/* Runs a verb of the table in verbs.c on the admin thread and waits for it. `arguments` is an
 * object (borrowed). 0 and a new reference in `ret`, or a negative errno and what to tell the
 * person: -EINVAL bad arguments or configuration, -ENOENT, -EEXIST, -EROFS owned by files, -EBUSY
 * referenced, -EPERM. Every write is logged with its caller. [any but loops] */
int admin_act(struct admin *admin, const char *verb, json_t *arguments,
	      const struct admin_caller *caller, json_t **ret, struct error *error);

/* Reload without waiting, for SIGHUP. [any] */
void admin_reload_soon(struct admin *admin);
/* The newest /metrics text, for gateway_options.metrics. [any] */
void admin_metrics(void *admin, struct buffer *out);
/* Log-in of the console, for web/api. */
struct keys_console *admin_console(struct admin *admin);
