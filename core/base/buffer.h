/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow. A zeroed struct is an empty buffer. Appending sets `failed` when memory runs out
 * and does nothing from then on, so that a chain of appends is checked once, at its end. */
#pragma once

#include <stdarg.h>

#include "base/slice.h"

struct buffer {
	char *data;
	size_t len, cap;
	bool failed;
};

void buffer_fini(struct buffer *buffer);
/* Empties it and keeps its memory. */
void buffer_clear(struct buffer *buffer);
/* Room for `more` bytes behind len; false when out of memory. */
bool buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice text);
void buffer_append_str(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_u64(struct buffer *buffer, uint64_t value);
void buffer_append_i64(struct buffer *buffer, int64_t value);
/* Nano-dollars as decimal dollars with nine digits after the point: -1 is "-0.000000001". */
void buffer_append_usd(struct buffer *buffer, int64_t cost_nano);
/* A JSON string with its quotes; `text` is UTF-8 (bad bytes become U+FFFD). */
void buffer_append_json(struct buffer *buffer, struct slice text);
/* RFC 3339 UTC with milliseconds: 2026-11-24T07:15:00.123Z. */
void buffer_append_time(struct buffer *buffer, uint64_t real_ns);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first `count` bytes. */
void buffer_consume(struct buffer *buffer, size_t count);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){ buffer->data, buffer->len };
}
