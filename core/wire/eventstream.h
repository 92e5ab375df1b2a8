/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's event streams (application/vnd.amazon.eventstream) as server-sent events, so that all that
 * reads those reads these. Part of wire.h. The format: docs.aws.amazon.com/AmazonS3/latest/
 * API/RESTSelectObjectAppendix.html; its headers and types: smithy.io/2.0/aws/amazon-eventstream.
 * [one thread: the answer's] */
#pragma once

#include "base/buffer.h"

enum {
	WIRE_EVENTSTREAM_FRAME_BYTES = 16 << 20, /* the most that AWS sends as one */
};

struct wire_eventstream {
	struct buffer held; /* the beginning of a frame; empty between two */
	int failed;
};

void wire_eventstream_fini(struct wire_eventstream *stream);
/* Appends to `out` what became whole:
 *
 *   event: contentBlockDelta
 *   data: {…}
 *
 * An exception's event bears the exception's name; an error's is "error", with code and message.
 * 0; -EPROTO where a checksum or a length is wrong, -E2BIG for a frame beyond the limit, -ENOMEM.
 * Nothing can follow any of these. */
int wire_eventstream_feed(struct wire_eventstream *stream, struct slice data, struct buffer *out);
