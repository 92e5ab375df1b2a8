/* SPDX-License-Identifier: Apache-2.0 */
/* One request as its policies see it: what the files of the stage share. [loop] */
#pragma once

#include "gateway/exchange.h"
#include "gateway/policies.h"

enum {
	POLICED_NOTE_BYTES = 64,
	POLICED_DECISIONS_BYTES = LEDGER_NAME_MAX,
};

/* Bytes of the body that are to be others. */
struct policed_edit {
	struct policed_edit *next; /* by offset */
	uint64_t offset, len;
	struct slice bytes;
};

struct tide_request {
	struct exchange *exchange;
	const struct policy_list *list;
	size_t at;    /* which decides */
	size_t asked; /* of how many request() has returned */
	void **states;
	bool deciding; /* its operation is on the stack */
	/* what it said beside its verdict, until that is dealt with */
	bool denied, answered;
	struct wire_error denial;
	uint64_t retry_after_s;
	struct tide_answer answer;
	struct policed_edit *edits, *edits_last;
	const struct gateway_route *route; /* to go to instead; NULL: none */
	struct slice route_name;
	char note[POLICED_NOTE_BYTES + 1];
	/* while it waits */
	uint64_t token; /* 0: none */
	uint64_t patience_ns;
	bool waiting;
	struct loop_timer deadline, timer;
	void (*timer_fn)(struct tide_request *request, void *data);
	void *timer_data;
	/* of all policies */
	struct http_header headers[POLICED_HEADERS_MAX];
	size_t header_count;
	char decisions[POLICED_DECISIONS_BYTES + 1];
	size_t decisions_len;
	struct slice decider; /* whose verdict is what the client got; empty: nobody's */
	bool informed;
	struct list outgoing; /* calls about it */
	bool over;            /* no more of them */
	struct tide_request_info info;
	struct tide_request_end end;
};

extern const struct tide_request_services policed_services;

/* policed-services.c */
/* Takes what info() tells, once. */
void policed_inform(struct tide_request *request);

/* policed-wait.c */
/* 0 when out of memory. */
uint64_t policed_wait_begin(struct tide_request *request);
void policed_wait_end(struct tide_request *request);
int32_t policed_complete(uint64_t token, int32_t verdict, void *data); /* [any] */
/* policies.c: its word came */
void policies_resume(struct tide_request *request, int32_t verdict, void *data);

/* policed-answer.c */
/* Answers the client by what the policy gave. False: it cannot, and nothing was sent. */
bool policed_answer(struct tide_request *request);

/* policed-edit.c */
/* Makes the body's edits, if there are any. False with why they are none: nothing is changed. */
bool policed_apply(struct tide_request *request, const char **why);
