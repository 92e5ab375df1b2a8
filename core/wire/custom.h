/* SPDX-License-Identifier: Apache-2.0 */
/* Custom tools take text. At an upstream whose tools take JSON, each becomes a function of one
 * string, `input`; and what calls such a function becomes the call of a custom tool again. [one
 * thread] */
#pragma once

#include "wire/answer.h"

/* Those of the turn, and their calls in it. 0 or -ENOMEM. */
int custom_wrap(struct turn *turn);

/* Between the order of an answer's blocks and its writer. */
struct custom {
	const struct turn *turn;
	struct arena *arena;
	answer_sink_fn sink;
	void *user;
	bool open; /* a call of a wrapped tool is being told */
	enum { CUSTOM_HEAD, CUSTOM_TEXT, CUSTOM_OVER, CUSTOM_ODD } state;
	unsigned at;         /* how much of the head has come */
	struct buffer whole; /* the arguments, while they may be of any other form */
	struct buffer text;  /* what goes on next */
	char held[12];       /* an escape, or two of a pair, that is not whole */
	unsigned held_len;
	int failed; /* -ENOMEM, or -E2BIG: arguments of another form are larger than an event */
};

void custom_init(struct custom *custom, const struct turn *turn, struct arena *arena,
		 answer_sink_fn sink, void *user);
void custom_fini(struct custom *custom);
/* An answer_sink_fn. */
void custom_take(void *custom, const struct answer_event *event);
