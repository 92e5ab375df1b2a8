/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: plugins that decide about requests. The host asks each policy of a request in turn,
 * after the key was checked and the body read, and before a provider is asked: by request(), which
 * answers with a verdict. What a verdict needs beside its number is said by a service before.
 *
 * A request lives on one loop thread, and so do all operations about it: never two at a time for
 * one request, many at a time for one instance. Operations must not block; what takes longer than
 * 1 ms goes elsewhere, while the request is suspended. */
#pragma once

#include <tidegate/calls.h>
#include <tidegate/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What request() and resumed() return. A negative errno: the policy failed, and the object's
 * on_error says what becomes of the request. */
enum tide_verdict {
	TIDE_CONTINUE = 0, /* the next policy, then a provider, with what was edited */
	TIDE_DENY = 1,     /* refused as deny() says; without deny() by status 403 */
	TIDE_ANSWER = 2,   /* answered by what answer() was given; no provider is asked */
	TIDE_SUSPEND = 3,  /* it waits for complete() of the token that suspend() gave */
};

struct tide_request; /* one request of a client */

/* Slices live until the request has ended. */
struct tide_request_info {
	uint32_t size;
	uint32_t dialect; /* enum tide_dialect of the body, and of the answer that is expected */
	uint32_t stream;  /* 1: the client asked for server-sent events */
	uint32_t reserved;
	struct tide_slice request_id;
	struct tide_slice tenant, feature, key; /* whose it is; "-" for no feature */
	struct tide_slice user;   /* on whose behalf, where somebody vouches for it; else empty */
	struct tide_slice run;    /* what it is a part of, in the client's words; else empty */
	struct tide_slice client; /* its address as text */
	struct tide_slice model;  /* as the client named it; retarget() does not change it */
	const struct tide_header *headers; /* of the client, those that may go upstream */
	uint64_t header_count;
	int64_t input_estimate; /* tokens */
	int64_t max_output;     /* tokens: the client's cap, 0 where it named none */
	int64_t reserved_nano;  /* nano-dollars: an upper bound of the cost over all targets */
	/* As of a call: {NULL, 0} for an answer that is to be made. */
	struct tide_slice method, rest;
};

struct tide_denial {
	uint32_t size;
	uint32_t status;           /* 400 to 599; else it counts as 403 */
	struct tide_slice code;    /* for programs: [a-z0-9_]{1,64}; {NULL, 0}: policy_denied */
	struct tide_slice message; /* for people: what, why, what to do */
	uint64_t retry_after_s;    /* 0: no such header */
};

enum tide_answer_form {
	TIDE_ANSWER_TEXT = 0,     /* UTF-8: what the model would have said */
	TIDE_ANSWER_DOCUMENT = 1, /* a whole answer of `dialect` */
	TIDE_ANSWER_STREAM = 2,   /* the events of one, up to its last */
};

#define TIDE_ANSWER_CACHED 1u /* it was made for a request before: the row says so */

struct tide_answer {
	uint32_t size;
	uint32_t form;    /* enum tide_answer_form */
	uint32_t dialect; /* of a document or stream: one that the client's can be told from */
	uint32_t flags;   /* TIDE_ANSWER_CACHED */
	struct tide_slice body;
	int64_t saved_nano; /* what it would have cost; 0 where nobody knows */
};

enum tide_request_outcome {
	TIDE_REQUEST_OK = 0,
	TIDE_REQUEST_ERROR = 1,      /* the client got an error of a provider */
	TIDE_REQUEST_INCOMPLETE = 2, /* the provider broke off inside its answer */
	TIDE_REQUEST_DEPARTED = 3,   /* the client left first */
	TIDE_REQUEST_REFUSED = 4,    /* we refused; no provider was asked */
};

/* How a request ended, and what it used: all its attempts together. */
struct tide_request_end {
	uint32_t size;
	uint32_t outcome; /* enum tide_request_outcome */
	uint32_t status;  /* that the client got; 0 none */
	uint32_t attempts;
	struct tide_slice provider, model;            /* of the last attempt; {NULL, 0} for none */
	int64_t cost_nano;                            /* nano-dollars */
	int64_t tokens_in, tokens_cached, tokens_out; /* cached are a part of in */
	uint64_t first_content_ns, duration_ns;       /* since the request began; 0: none came */
};

enum tide_event_type {
	TIDE_EVENT_ATTEMPT_ENDED = 1,   /* of a provider; told when its request is settled */
	TIDE_EVENT_REQUEST_SETTLED = 2, /* behind those of its attempts */
};

/* What became of a request whose key was known, or of one of its attempts, as the ledger has it.
 * Slices live until event() returns. Since 0.9. */
struct tide_event {
	uint32_t size;
	uint32_t type; /* enum tide_event_type */
	struct tide_slice request_id;
	struct tide_slice tenant, feature, key, user, run; /* as of tide_request_info */
	struct tide_slice route;           /* or the model, as the client named it */
	struct tide_slice provider, model; /* of the attempt, or of the last one; empty: none */
	uint32_t outcome;                  /* enum tide_request_outcome */
	uint32_t status;  /* HTTP: of the provider's answer, or that the client got; 0 none */
	uint32_t attempt; /* its number, from 1; of a request how many there were */
	uint32_t reserved;
	int64_t cost_nano;                            /* nano-dollars */
	int64_t tokens_in, tokens_cached, tokens_out; /* cached are a part of in */
	uint64_t first_content_ns, duration_ns;       /* since it began; 0: none came, no time */
};

/* All [request]: on the request's thread, within an operation or a timer about it; complete()
 * [any].
 */
struct tide_request_services {
	uint32_t size;
	uint32_t reserved;
	/* The same struct for the life of the request. */
	const struct tide_request_info *(*info)(struct tide_request *request);
	/* The body as it is now, with what policies before have edited; JSON that was checked.
	 * Lives until the operation returns. Empty where the request has none, and once its
	 * client has left. */
	struct tide_slice (*body)(struct tide_request *request);
	/* Zeroed memory that lives until the request has ended. NULL when out of memory. */
	void *(*alloc)(struct tide_request *request, uint64_t size);
	/* What TIDE_DENY is to say; texts are copied. The last one counts. */
	void (*deny)(struct tide_request *request, const struct tide_denial *denial);
	/* What TIDE_ANSWER is to say; copied. -EOPNOTSUPP where the client's dialect cannot be
	 * told from it, or it is no request for an answer; -ENOMEM. The last one counts. */
	int32_t (*answer)(struct tide_request *request, const struct tide_answer *answer);
	/* Replaces `len` bytes of the body from `offset` on, both of what body() gave, by a copy
	 * of `bytes`. Edits are made when the operation returns; two may not overlap. The body is
	 * checked anew then, and one that is no request any more fails the policy. -ERANGE outside
	 * of the body, -EEXIST where another edit is, -ENOMEM. */
	int32_t (*splice)(struct tide_request *request, uint64_t offset, uint64_t len,
			  struct tide_slice bytes);
	/* Another model: of a route, a model, or PROVIDER/MODEL, whatever the key may use, for it
	 * is the operator's policy that asks. The request's policies stay those it began with.
	 * -ENOENT: there is none of that name. */
	int32_t (*retarget)(struct tide_request *request, struct tide_slice model);
	/* A header for the client, whatever answers: "x-" or "anthropic-ratelimit-", and lower
	 * case. It comes in the place of a provider's own. Both are copied; 8 at most a request.
	 * -EINVAL, -E2BIG, -ENOMEM. */
	int32_t (*header)(struct tide_request *request, struct tide_slice name,
			  struct tide_slice value);
	/* Why, in few words without prompts or secrets, for row and `tidectl why`; up to 64 bytes
	 * of it are kept. */
	void (*note)(struct tide_request *request, struct tide_slice reason);
	/* A token for complete(), which must come within deadline_ms, or within the object's own
	 * where that is shorter, or 0: else the policy has failed. Return TIDE_SUSPEND then. 0 when
	 * out of memory, or there is one already. */
	uint64_t (*suspend)(struct tide_request *request, uint64_t deadline_ms);
	/* [any] Once: the request goes on. resumed() is called with verdict and data on its thread,
	 * and what that returns counts; an instance without resumed() has spoken by the verdict, of
	 * which TIDE_CONTINUE and TIDE_DENY are possible. A token whose request has ended, or that
	 * was completed, does nothing. -EINVAL: it is no token. */
	int32_t (*complete)(uint64_t token, int32_t verdict, void *data);
	/* Calls fn once after delay_ms while the request is suspended; one a request, setting it
	 * again replaces it. Gone when the request goes on or ends. */
	void (*timer)(struct tide_request *request, uint64_t delay_ms,
		      void (*fn)(struct tide_request *request, void *data), void *data);
	/* [any] The SHA-256 of a JSON value in one spelling, so that what means the same has the
	 * same one: members in order, of repeated ones the last, without blanks, numbers by their
	 * value (1 and 1.0 are one). `except` names members of the outermost object that do not
	 * count, as "stream". It is the same in every release of this major version. Some
	 * microseconds a KiB. -EINVAL: no JSON; -E2BIG: deeper than 128, more than 1048576 values,
	 * or 64 exceptions; -ENOMEM. Since 0.9. */
	int32_t (*canonical_hash)(struct tide_slice json, const struct tide_slice *except,
				  uint64_t except_count, uint8_t ret[32]);
};

struct tide_policy_operations {
	uint32_t size;
	uint32_t events; /* that event() is told: bit 1 << enum tide_event_type. Since 0.9 */
	/* [admin thread] As a provider's. */
	int32_t (*create)(const struct tide_host *host, struct tide_instance *instance,
			  void **ret_state, char *error, uint64_t error_size);
	/* [admin thread] No request that it decided about is left. */
	void (*destroy)(void *state);
	/* [request] Decides: enum tide_verdict, or a negative errno. `*ret_request_state` is passed
	 * to the operations below, this request's alone. */
	int32_t (*request)(void *state, struct tide_request *request, void **ret_request_state);
	/* [request] complete() was called; decides again. May be NULL. */
	int32_t (*resumed)(void *state, struct tide_request *request, void *request_state,
			   int32_t verdict, void *data);
	/* [request] Once for each request() that returned, whatever it said and however the request
	 * ended: it is settled, and its state can go. May be NULL. */
	void (*ended)(void *state, struct tide_request *request, void *request_state,
		      const struct tide_request_end *end);
	/* [loop] Something happened: of all requests, whether request() was called for them or not,
	 * also where no route names the object. Each once; of what a crash interrupted none. From
	 * any of the loops' threads, several at a time. May be NULL. Since 0.9. */
	void (*event)(void *state, const struct tide_event *event);
};

#ifdef __cplusplus
}
#endif
