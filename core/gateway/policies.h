/* SPDX-License-Identifier: Apache-2.0 */
/* The stage between admission and the first attempt: the policies of a request, asked in order.
 * Private to the gateway. */
#pragma once

#include <pthread.h>

#include "base/loop.h"
#include "gateway/outgoing.h"
#include "gateway/registry-objects.h"
#include "plugin/plugin.h"

struct exchange;
struct gateway;
struct gateway_loop;
struct gateway_route;
struct gateway_snapshot;
struct http_header;
struct wire_error;

/* How often it is told of (trouble.c). */
struct trouble {
	_Atomic uint64_t next_ns, untold;
};

/* Long-lived: one a policy object, kept by reloads that do not change the object. */
struct gateway_policy {
	struct registry_object object; /* first: it is kept in the registry */
	struct slice name;
	struct plugin_policy *plugin;
	bool skips; /* on_error */
	uint64_t deadline_ns;
	struct trouble trouble;
	struct outgoing_account outgoing;
};

enum {
	POLICED_HEADERS_MAX = 8, /* that the policies of a request add to its answer */
};

struct policy_list {
	const struct gateway_policy **items;
	size_t count;
};

/* Those that wait for complete(), by the slot that their token names. One loop's; `lock` is for
 * tokens that come from elsewhere. */
struct policy_waits {
	struct policy_wait {
		struct tide_request *request; /* NULL: free */
		uint32_t turn;                /* of the token that is good now */
		uint32_t next_free;
	} * slots;
	uint32_t count, free; /* free: 1 more than the slot; 0: none */
	pthread_mutex_t lock;
	struct policy_word { /* that came and was not dealt with yet */
		uint64_t token;
		int32_t verdict;
		void *data;
	} * words; /* guarded by the lock, as the next three */
	size_t word_count, word_room;
	bool posted;
	struct loop_task task;
};

/* [admin] The snapshot's policies and its list of those that are everywhere. */
int policies_add(struct gateway *gateway, struct gateway_snapshot *snapshot, struct error *error);
void policies_release(struct gateway_snapshot *snapshot);
/* A route's: those that are everywhere, then its own of `names`. */
int policies_of_route(struct gateway_snapshot *snapshot, const char *const *names,
		      struct policy_list *ret);
/* Reports what policies_add would refuse. [any] */
void policies_check(const struct plugin_set *plugins, const struct conf *conf,
		    struct report *report);

/* [loop] */
int policies_loop_init(struct gateway_loop *loop);
void policies_loop_fini(struct gateway_loop *loop);
/* An admitted request: asks its policies, then sends it on its way, or answers or refuses it. */
void policies_begin(struct exchange *exchange);
/* Its client leaves, and takes the connection and what was read from it. */
void policies_depart(struct exchange *exchange);
/* It waits for a policy, and may be refused meanwhile. */
bool policies_are_waiting(const struct exchange *exchange);
void policies_refuse_waiting(struct exchange *exchange, const struct wire_error *error);
/* It is settled, and its entry not yet closed: what ended() will be told. */
void policies_settled(struct exchange *exchange);
/* Of the ledger's. */
enum tide_request_outcome policies_outcome(uint8_t outcome);
/* The exchange goes: each policy that was asked is told. */
void policies_end(struct exchange *exchange);
/* Headers that policies want in the answer, into `out` with room for `most`; how many. */
size_t policies_headers(const struct exchange *exchange, struct http_header *out, size_t most);
/* One of them has this name. */
bool policies_say(const struct exchange *exchange, struct slice name);
/* The same of a refusal, with which policy it is of and when to ask again; two more. */
size_t policies_refusal_headers(const struct exchange *exchange, struct http_header *out,
				size_t most);
