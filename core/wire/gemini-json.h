/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader of Gemini's requests and the writer of its answers share. */
#pragma once

#include "wire/tree.h"
#include "wire/writer.h"

/* ProtoJSON: inlineData and inline_data are one name. */
bool gemini_is_key(struct slice key, const char *camel);
/* A member by that rule; the last one; NULL where there is none. */
const struct tree *gemini_get(const struct tree *object, const char *camel);
/* A Schema of Gemini's as JSON Schema. */
void gemini_write_schema(struct writer *out, const struct tree *schema);

/* In the place of an id: the thoughts are not shown. */
#define GEMINI_REDACTED_ID SLICE("redacted")

/* Signatures are bytes to Gemini's clients, which some decode: what is no base64 of Gemini's own
 * travels within base64. ptr NULL when out of memory. */
struct slice gemini_to_base64(struct slice text, struct arena *arena);
/* Either alphabet; ptr NULL when it is none. */
struct slice gemini_from_base64(struct slice text, struct arena *arena);
