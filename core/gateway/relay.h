/* SPDX-License-Identifier: Apache-2.0 */
/* An answer on its way to the client, and what relaying it shares with its end. [loop] */
#pragma once

#include "gateway/exchange.h"

void relay_head(struct tide_call *call, int status, const struct upstream_header *headers,
		size_t count, int64_t content_length);
bool relay_data(struct tide_call *call, struct slice data);
void relay_end(struct tide_call *call);
void relay_broken(struct tide_call *call, const struct wire_error *error);
bool relay_status_switches(int status);
bool relay_passes_header(struct slice name); /* of an upstream, to a client */
enum ledger_outcome relay_outcome(const struct tide_call *call);
/* Every event of the answer has come, its terminal one too. */
bool relay_is_whole(const struct tide_call *call);
bool relay_inside_event(const struct tide_call *call); /* the client has half an event */

/* ---- of relay.c and relay-end.c alone ---- */

extern const struct wire_error relay_not_readable;

/* The head that was kept back goes out. */
void relay_commit_kept(struct exchange *exchange, int64_t length);
/* And what came behind it. False: the reader is behind. */
bool relay_release_kept(struct exchange *exchange);
/* What was kept of an error's document, without our secrets: all, or what cannot be half of one. */
bool relay_flush(struct exchange *exchange, bool whole);
/* What a translation has made so far. */
bool relay_write_translated(struct tide_call *call);
