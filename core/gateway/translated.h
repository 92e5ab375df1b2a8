/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts at targets that speak another dialect than the client. A client's stream is translated
 * event by event; what it gets as one document is kept until it is whole, so that until then
 * another target can answer. [loop] */
#pragma once

#include "gateway/exchange.h"

/* The dialect that the target is asked in: the client's own where it speaks that, else one into
 * which it can be translated; 0 for none. */
enum wire_dialect translated_dialect(const struct exchange *exchange,
				     const struct gateway_target *target);
/* Makes the upstream's body. 0; -EINVAL with `ret`: this request cannot be said there, or
 * there is no memory left for its body; -ENOMEM. */
int translated_prepare(struct tide_call *call, struct wire_error *ret);
/* What of the client's request is not in the upstream's; ptr NULL for nothing. */
struct slice translated_dropped(const struct tide_call *call);
void translated_free(struct tide_call *call);

/* Before the first bytes of a good answer; -ENOMEM. */
int translated_open(struct tide_call *call);
/* The events of a framed answer. False when its frames are broken. */
bool translated_unframe(struct tide_call *call, struct slice data, struct buffer *events);
/* Whether the client is to get one document. */
bool translated_is_document(const struct tide_call *call);
/* Bytes of the answer, whose translation is appended to `call->translated->out`. False when they
 * cannot be read. */
bool translated_feed(struct tide_call *call, struct slice data);
bool translated_end(struct tide_call *call);
/* What an upstream said in place of the whole document; NULL when it said nothing. */
const struct wire_error *translated_error(const struct tide_call *call);
/* The stream ends in the client's error event. */
void translated_fail(struct tide_call *call, const struct wire_error *error);

struct translated {
	struct buffer body; /* that goes upstream */
	struct slice part;
	struct turn *turn;
	struct wire_translation *translation;
	struct buffer out; /* what goes to the client next */
	bool framed;       /* the answer comes in AWS's frames */
	struct wire_eventstream frames;
};
