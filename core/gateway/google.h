/* SPDX-License-Identifier: Apache-2.0 */
/* What Gemini's clients say in a path and its query, where others say it in a body. [loop] */
#pragma once

#include "gateway/exchange.h"

/* Its query bears a key, as Google's examples have it: such a request is refused, be it good or
 * not, for its URL is known to whoever writes logs on the way. */
bool google_key_in_url(struct arena *arena, const struct http_request *request);
/* The model, where its name can be read, and whether a stream is asked for. */
void google_read_path(struct exchange *exchange, struct slice path);
/* The body's scan, which keeps what the path says; false, with what to tell the client. */
bool google_scan(struct exchange *exchange, struct error *error, struct wire_error *ret);
