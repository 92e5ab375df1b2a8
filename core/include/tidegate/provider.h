/* SPDX-License-Identifier: Apache-2.0 */
/* Providers: plugins that turn one attempt into an answer, by an HTTP request that the host
 * performs, or in process.
 *
 * A call lives on one loop thread. The host calls start() once; the plugin then either sends one
 * HTTP request, whose answer the host relays itself, or answers by respond / data / end. A call
 * ends by end(), fail(), or when the host calls cancel(); after that the plugin must not touch it.
 * While an operation or a timer of the plugin runs, the host cancels nothing: what it decides about
 * an answer in the meantime shows as services that do nothing, and as a cancel() afterwards.
 * Operations must not block. */
#pragma once

#include <tidegate/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Slices of a call live until the call ends. */
struct tide_call_info {
	uint32_t size;
	uint32_t dialect;        /* enum tide_dialect of body and expected answer */
	struct tide_slice model; /* what the upstream is asked for; already written into the body */
	uint32_t stream;         /* 1: the client asked for server-sent events */
	uint32_t attempt;        /* from 1, over all targets */
	const struct tide_slice *body; /* the request body as parts, in order */
	uint64_t body_count;
	const struct tide_header
	    *headers; /* of the client, those that may go upstream (no identity, no hop-by-hop) */
	uint64_t header_count;
	struct tide_slice request_id;
	/* Behind the '?' of the client's path, as it is written; {NULL, 0} for none, and where the
	 * client's dialect is another one. Since 0.3. */
	struct tide_slice query;
	/* {NULL, 0} for an answer that is to be made: by POST, at the dialect's own path. Else the
	 * HTTP method, and what follows that path: "/resp_1/cancel". Only
	 * TIDE_DIALECT_OPENAI_RESPONSES has such calls; body_count may be 0 then. Since 0.3. */
	struct tide_slice method, rest;
};

/* Who signs a request by AWS Signature Version 4. The credentials come from the object's secret or
 * another that create() read; the host keeps no copy of the secret key. */
struct tide_sigv4 {
	uint32_t size;
	uint32_t reserved;
	struct tide_slice region, service; /* "us-east-1", "bedrock" */
	struct tide_slice access_key, secret_key;
	struct tide_slice session_token; /* {NULL, 0} but for temporary credentials */
};

struct tide_http_request {
	uint32_t size;
	uint32_t reserved;
	struct tide_slice method; /* {NULL, 0}: POST */
	struct tide_slice path;   /* appended to the object's base_url */
	const struct tide_header
	    *headers; /* host, content-length and connection are the host's own */
	uint64_t header_count;
	const struct tide_slice *body; /* NULL: the call's body */
	uint64_t body_count;
	/* NULL, or the host signs the request: host, content-type, x-amz- headers, path and body.
	 * Then authorization, x-amz-date and x-amz-security-token are the host's own. A path with
	 * empty or dot segments cannot be signed: -EINVAL. Since 0.2. */
	const struct tide_sigv4 *sigv4;
};

enum tide_failure {
	TIDE_FAILURE_UNAVAILABLE = 1, /* nothing was answered; another target may be tried */
	TIDE_FAILURE_INCOMPLETE = 2,  /* broke off inside the answer */
	TIDE_FAILURE_INTERNAL = 3,    /* a defect of the plugin */
};

typedef void (*tide_timer_fn)(struct tide_call *call, void *data);

/* All [call]. */
struct tide_call_services {
	uint32_t size;
	uint32_t reserved;
	/* The same struct for the life of the call. */
	const struct tide_call_info *(*info)(struct tide_call *call);
	/* Performs one HTTP request against the object's base_url. Slices are used until the call
	 * ends (keep them in call_alloc memory). The host relays the answer; 0, or a negative errno
	 * when it could not be started: the plugin then returns that from start(). */
	int (*send)(struct tide_call *call, const struct tide_http_request *request);
	/* Starts an answer in the call's dialect; once. Status 200 to 599; content_type is copied,
	 * {NULL, 0} for none. What no model answers (204, a redirect, a page) fails the attempt. */
	void (*respond)(struct tide_call *call, uint32_t status, struct tide_slice content_type,
			const struct tide_header *headers, uint64_t header_count);
	/* Bytes of the answer, copied or sent before it returns. 0: stop producing until resume();
	 * more than 1 MiB all the same fails the call. */
	uint32_t (*data)(struct tide_call *call, struct tide_slice bytes);
	void (*end)(struct tide_call *call);
	void (*fail)(struct tide_call *call, uint32_t failure, struct tide_slice message);
	/* Calls fn once after delay_ms; one timer a call, setting it again replaces it. Gone when
	 * the call ends. */
	void (*timer)(struct tide_call *call, uint64_t delay_ms, tide_timer_fn fn, void *data);
};

struct tide_provider_operations {
	uint32_t size;
	uint32_t dialects; /* bit 1 << enum tide_dialect for each dialect it takes */
	/* [admin thread] Makes an instance from its options. 0, or a negative errno with a message
	 * (one sentence, no secret) in error, which has error_size bytes. */
	int32_t (*create)(const struct tide_host *host, struct tide_instance *instance,
			  void **ret_state, char *error, uint64_t error_size);
	/* [admin thread] No call is running any more. */
	void (*destroy)(void *state);
	/* [call] 0, or a negative errno: the attempt fails as TIDE_FAILURE_INTERNAL, and the call
	 * is not cancelled. `*ret_call_state` is passed to the operations below. May answer, end or
	 * fail the call before it returns. */
	int32_t (*start)(void *state, struct tide_call *call, void **ret_call_state);
	/* [call] The client left or a deadline passed while the call was answered in process. May
	 * be NULL when there is nothing to release. Calls that used send() are the host's alone and
	 * hear nothing more. */
	void (*cancel)(void *state, struct tide_call *call, void *call_state);
	/* [call] There is room again after data() returned 0. May be NULL for providers that only
	 * send. */
	void (*resume)(void *state, struct tide_call *call, void *call_state);
	/* [admin thread] Asked once, after create(): which of `dialects` this instance takes, by
	 * the same bits. May be NULL: all of them. Since 0.3. */
	uint32_t (*dialects_of)(void *state);
	/* [admin thread] Asked once, after create(): a request that costs nothing and tells whether
	 * the upstream is there and takes the key, as one for its models. Fills path, headers and
	 * sigv4 of `ret`, which live as long as the instance; it goes out as GET, now and then,
	 * without a call. 0, or a negative errno for none. May be NULL: none. Since 0.4. */
	int32_t (*probe)(void *state, struct tide_http_request *ret);
};

#ifdef __cplusplus
}
#endif
