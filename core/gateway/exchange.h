/* SPDX-License-Identifier: Apache-2.0 */
/* What the stages share: one loop's state, one request. Private to the gateway. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "gateway/certificates.h"
#include "gateway/gateway.h"
#include "gateway/issuer.h"
#include "gateway/policies.h"
#include "gateway/stored-state.h"
#include "gateway/registry-objects.h"
#include "gateway/routes.h"
#include "gateway/snapshot.h"
#include "gateway/stalls.h"
#include "upstream/upstream.h"
#include "wire/wire.h"

/* A loop's hold on a snapshot: one atomic reference for all its requests. */
struct loop_snapshot {
	struct gateway_snapshot *snapshot;
	uint32_t users;   /* the loop itself, while it is the current one, and its exchanges */
	struct map adhoc; /* PROVIDER/UPSTREAM_MODEL named by clients → gateway_route; bounded */
	struct arena arena;
};

/* ---- one loop ---- */

/* Written by the loop alone, read by others: relaxed loads and stores, no locked instruction. */
struct loop_counters {
	_Atomic uint64_t requests_by_outcome[LEDGER_CRASHED + 1];
	_Atomic uint64_t refused_keys, attempts, failovers, streams, inflight, tokens_in,
	    tokens_out, usage_anomalies, policy_failures;
	_Atomic uint64_t outdated; /* of which a snapshot before the current one is held */
	_Atomic uint64_t drains;   /* answers that are read without a client, now */
	_Atomic uint64_t latency[GATEWAY_HISTOGRAM_BUCKETS],
	    first_content[GATEWAY_HISTOGRAM_BUCKETS];
	_Atomic uint64_t latency_us, first_content_us;
	_Atomic uint64_t latency_max_us, first_content_max_us; /* set to 0 by who takes them */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static inline void counter_raise(_Atomic uint64_t *counter, uint64_t value)
{
	if (value > atomic_load_explicit(counter, memory_order_relaxed))
		atomic_store_explicit(counter, value, memory_order_release);
}

struct gateway_loop {
	struct gateway *gateway;
	uint32_t index;
	pthread_t thread;
	bool started;         /* guarded by the gateway's lock */
	bool swap_posted;     /* guarded by the gateway's lock: a task may be posted once */
	bool end_key_posted;  /* likewise */
	uint64_t ended;       /* guarded by the gateway's lock: of its endings, the last one done */
	_Atomic bool drained; /* it accepts no connection any more */
	struct loop *loop;
	struct http_server *server;
	struct upstream *upstream;
	struct upstream *probes; /* of the first loop: what no client asked for; else NULL */
	struct loop_snapshot *current;
	uint64_t swapped; /* guarded by the gateway's lock: the publication `current` is of */
	struct list exchanges;
	bool ending;           /* no answer is read on without a client any more */
	uint32_t plugin_depth; /* operations of plugins on the stack */
	struct list over;      /* calls whose end waits until that is none */
	struct loop_task swap_task, drain_task, release_task, open_task, close_task, end_task,
	    end_key_task;
	struct upstream_origin *console_origin;
	struct issuer_memory tokens;
	struct policy_waits waits;
	struct outgoing_desk outgoing;
	struct loop_counters counters;
};

struct gateway {
	struct registry registry;   /* [admin] */
	struct http_budget *budget; /* of the memory for bodies, over all loops */
	struct http_share *common;  /* what is no tenant's */
	struct gateway_options options;
	struct gateway_loop *loops;
	pthread_mutex_t lock;   /* guards newest, published, graveyard, and each loop's swapped */
	pthread_cond_t swapped; /* a loop took the newest snapshot */
	struct gateway_snapshot *newest;
	uint64_t published; /* counts publications */
	uint64_t endings;   /* likewise guarded, and the name: keys whose requests were ended */
	char ending_key[LEDGER_NAME_MAX + 1];
	struct gateway_snapshot
	    *graveyard; /* no longer referenced, to be destroyed by the admin thread */
	struct tide_call_services services;
	struct plugin_services plugin_services;
	_Atomic uint64_t key_sets; /* counts those of issuers, so that each has a number */
	struct certificates certificates;
	struct strangers strangers, unknown_keys;
	_Atomic bool draining;
	uint32_t connections_told; /* [admin] the limit that was last compared with what can be */
	char console_secret[64];
	struct stalls stalls;  /* [main] */
	struct buffer sockets; /* [main] gateway_socket of each listener */
};

void gateway_snapshot_unref(struct gateway *gateway, struct gateway_snapshot *snapshot);
struct loop_snapshot *loop_snapshot_hold(struct gateway_loop *loop);
void loop_snapshot_drop(struct gateway_loop *loop, struct loop_snapshot *held);

/* ---- one request ---- */

struct exchange;
struct translated;

enum call_ending {
	CALL_GOES_ON,
	CALL_ENDED,    /* end() */
	CALL_FAILED,   /* fail(), or start() returned an error, or the plugin broke its contract */
	CALL_SWITCHES, /* what it answered is for another target to better */
};

/* One attempt at one target; a plugin knows it by pointer only. */
struct tide_call {
	struct exchange *exchange;
	const struct gateway_target *target;
	struct ledger_attempt *attempt;
	struct upstream_call *upstream;
	struct translated *translated; /* NULL: the target speaks the client's dialect */
	void *plugin_state;
	bool active;             /* between start() and the call's end */
	bool released;           /* the plugin ended it itself: it is not told to cancel */
	enum call_ending ending; /* decided, and waiting in the loop's list `over` */
	struct list over;
	struct wire_error failure; /* why it ends; texts are constant or in the arena */
	bool sent; /* the host performs an HTTP request for it; the plugin has no part any more */
	bool answering;         /* a head was received or respond() was called */
	bool explains;          /* an error whose document is kept, to be told inside a stream */
	bool paused;            /* the reader is behind */
	bool repriced;          /* by the service tier that its answer told */
	bool odd_told;          /* that its usage contradicts itself */
	uint64_t overrun_bytes; /* that came while paused */
	struct tide_call_info info;
	struct slice parts[WIRE_PARTS_MAX];
	struct loop_timer plugin_timer;
	tide_timer_fn plugin_fn;
	void *plugin_data;
	uint64_t begun_ns, content_ns; /* start; last time content was seen */
	struct wire_watch watch;
};

struct departed;

struct exchange {
	struct list node; /* of the loop's exchanges */
	struct gateway_loop *loop;
	struct http_exchange *http; /* NULL: its client has left, and `departed` is set */
	struct departed *departed;
	struct loop_snapshot *held;
	const struct keys_entry *key;
	struct slice feature, query;
	struct slice user; /* on whose behalf; empty where nobody vouches for one */
	enum endpoint endpoint;
	enum wire_dialect dialect;
	struct slice body;
	struct wire_request request;
	struct stored_state stored;
	bool holds_translated; /* memory for the upstream's body, beside the client's */
	const struct gateway_route *route;
	struct tide_request *policed; /* NULL: no policy was asked */
	size_t target;                /* index of the target being tried */
	uint32_t attempts;
	struct ledger_entry *entry;
	char id[LEDGER_ID_SIZE];
	uint64_t deadline_ns;
	struct loop_timer deadline, keepalive;
	uint64_t passed_ns;         /* when the stream's last bytes or sign of life went out */
	bool head_sent, head_early; /* of an answer; before it was known whose */
	int status;                 /* its status */
	bool committed;             /* its bytes are on their way too: no other target can answer */
	bool settled;
	bool holding;     /* bytes before the first content are kept: a failure can still switch */
	bool strip_usage; /* include_usage was ours */
	struct wire_strip strip;
	struct buffer kept; /* while holding, or of an error's document */
	int kept_status;
	struct http_header *kept_headers;
	size_t kept_header_count;
	struct tide_header *client_headers; /* those that may go upstream */
	size_t client_header_count;
	struct tide_call call; /* last: its watch need not be zeroed */
};
/* Half of an arena's block, so that a common request has its own and one block is enough. */
_Static_assert(sizeof(struct exchange) <= ARENA_BLOCK_BYTES / 2,
	       "streams would take twice as much");

/* admit.c */
/* What an exchange holds besides its memory and its snapshot; it is settled. */
void exchange_fini(struct exchange *exchange);
extern const struct http_handler gateway_api_handler;
/* Says no to a caller whose key was checked and whose body has not come. */
void admit_refuse_unread(struct exchange *exchange, const struct wire_error *error);
bool admit_passes_header(struct slice name); /* of a client, to an upstream */
/* console.c */
extern const struct http_handler gateway_console_handler;
/* plan.c: the route of a client's model, or NULL; of any name, whatever the key may use */
const struct gateway_route *plan_route(struct exchange *exchange);
const struct gateway_route *plan_find(struct exchange *exchange, struct slice name);
const struct ledger_price *plan_price(const struct exchange *exchange,
				      const struct gateway_target *target,
				      struct ledger_price *room);
int64_t plan_reservation_nano(const struct exchange *exchange);
/* attempt.c */
void attempt_first(struct exchange *exchange);
/* The attempt failed before anything was committed: next target, or the error to the client. */
void attempt_failed(struct exchange *exchange, const struct wire_error *error);
/* Ends the attempt's work without telling the client anything; the plugin is told, unless it
 * ended the call itself. */
void attempt_stop(struct tide_call *call);
/* The same, where the plugin or the upstream has told us of the end. */
void attempt_over(struct tide_call *call);
/* What is answered is not to reach the client, and attempt_may_switch(). */
void attempt_switch(struct tide_call *call, const struct wire_error *error);
/* The attempt cannot go on. */
void attempt_break(struct tide_call *call, const struct wire_error *error);
void attempt_resume(struct tide_call *call);
/* It is a count, and the upstream's status says that it cannot count. */
bool attempt_counts_nothing(const struct exchange *exchange, int status);
/* Another target could still answer. */
bool attempt_may_switch(const struct exchange *exchange);
void attempt_deadline(struct loop_timer *timer);
int attempt_arm(struct exchange *exchange);
extern const struct upstream_callbacks attempt_callbacks;
extern const struct wire_error attempt_out_of_memory;
/* services.c: around every operation of a plugin */
void services_enter(struct gateway_loop *loop, const struct plugin_code *code,
		    const char *operation);
void services_leave(struct gateway_loop *loop);
/* The call ends when no plugin is on the stack any more; the first word counts. */
void services_end_later(struct tide_call *call, enum call_ending ending,
			const struct wire_error *error);
void services_init(struct tide_call_services *services);
void *services_alloc(struct tide_call *call, uint64_t size);
/* NULL where the plugin's header had no such member, or it asks for none. */
const struct upstream_sigv4 *services_signer(const struct tide_http_request *http,
					     struct upstream_sigv4 *signer);
/* trouble.c [loop] */
void trouble_log(struct gateway_provider *provider, uint64_t now_ns, const char *what,
		 const char *why);
/* The same of what fails an attempt, which counts. */
void trouble_failed(struct gateway_provider *provider, uint64_t now_ns, const char *what,
		    const char *why);
/* A policy could not decide. */
void trouble_policy(struct gateway_policy *policy, uint64_t now_ns, const char *why);
/* settle.c */
void settle_attempt(struct tide_call *call, enum ledger_outcome outcome);
void settle(struct exchange *exchange, enum ledger_outcome outcome, int status);
void exchange_refuse(struct exchange *exchange, const struct wire_error *error);
void exchange_estimate(struct exchange *exchange); /* a count of tokens, by a guess of ours */
struct slice attempts_text(const struct exchange *exchange);
/* An error of ours, with headers that say more of it. */
void reply_error(struct http_exchange *http, enum wire_dialect dialect,
		 const struct wire_error *error, const struct http_header *more, size_t count);
