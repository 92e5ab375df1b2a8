/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON into a buffer and puts the commas. Text that is called escaped is copied as it is.
 * Out of memory shows as the buffer's `failed`, at the end. [any] */
#pragma once

#include "base/buffer.h"

struct writer {
	struct buffer *out;
	bool comma; /* the next value or key follows another one */
};

void writer_open(struct writer *writer, char bracket); /* '{' or '[' */
void writer_close(struct writer *writer, char bracket);
void writer_name(struct writer *writer, struct slice key); /* a word without escapes */
static inline void writer_key(struct writer *writer, const char *key)
{
	writer_name(writer, slice_of(key));
}

void writer_escaped(struct writer *writer, struct slice escaped); /* a string */
void writer_text(struct writer *writer, struct slice text);       /* a string, escaped here */
/* A value as it is, but on one line, since that may be a line of an event stream. */
void writer_json(struct writer *writer, struct slice json);
void writer_i64(struct writer *writer, int64_t value);
void writer_bool(struct writer *writer, bool value);
void writer_null(struct writer *writer);

/* A key and its value. */
static inline void writer_key_escaped(struct writer *writer, const char *key, struct slice escaped)
{
	writer_key(writer, key);
	writer_escaped(writer, escaped);
}

static inline void writer_key_word(struct writer *writer, const char *key, const char *word)
{
	writer_key(writer, key);
	writer_escaped(writer, slice_of(word));
}

static inline void writer_key_json(struct writer *writer, const char *key, struct slice json)
{
	writer_key(writer, key);
	writer_json(writer, json);
}

static inline void writer_key_i64(struct writer *writer, const char *key, int64_t value)
{
	writer_key(writer, key);
	writer_i64(writer, value);
}

static inline void writer_key_bool(struct writer *writer, const char *key, bool value)
{
	writer_key(writer, key);
	writer_bool(writer, value);
}

/* A string that is put together of parts: between begin and end, escaped pieces are appended to
 * `out` as they are. */
void writer_begin_string(struct writer *writer);
void writer_end_string(struct writer *writer);
