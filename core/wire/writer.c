/* SPDX-License-Identifier: Apache-2.0 */
/* Commas stand before values, but for the first. */
#include "wire/writer.h"

static void begin_value(struct writer *writer)
{
	if (writer->comma)
		buffer_append_char(writer->out, ',');
	writer->comma = true;
}

void writer_open(struct writer *writer, char bracket)
{
	begin_value(writer);
	buffer_append_char(writer->out, bracket);
	writer->comma = false;
}

void writer_close(struct writer *writer, char bracket)
{
	buffer_append_char(writer->out, bracket);
	writer->comma = true;
}

void writer_key(struct writer *writer, const char *key)
{
	struct slice name = slice_of(key);
	char *at;

	if (!buffer_reserve(writer->out, name.len + 4))
		return;
	at = writer->out->data + writer->out->len;
	if (writer->comma)
		*at++ = ',';
	*at++ = '"';
	at = slice_put(at, name);
	*at++ = '"';
	*at++ = ':';
	writer->out->len = (size_t)(at - writer->out->data);
	writer->comma = false;
}

void writer_begin_string(struct writer *writer)
{
	begin_value(writer);
	buffer_append_char(writer->out, '"');
}

void writer_end_string(struct writer *writer)
{
	buffer_append_char(writer->out, '"');
}

void writer_escaped(struct writer *writer, struct slice escaped)
{
	char *at;

	if (!buffer_reserve(writer->out, escaped.len + 3))
		return;
	at = writer->out->data + writer->out->len;
	if (writer->comma)
		*at++ = ',';
	*at++ = '"';
	at = slice_put(at, escaped);
	*at++ = '"';
	writer->out->len = (size_t)(at - writer->out->data);
	writer->comma = true;
}

void writer_text(struct writer *writer, struct slice text)
{
	begin_value(writer);
	buffer_append_json(writer->out, text);
}

void writer_json(struct writer *writer, struct slice json)
{
	begin_value(writer);
	buffer_append_slice(writer->out, json);
}

void writer_i64(struct writer *writer, int64_t value)
{
	begin_value(writer);
	buffer_append_i64(writer->out, value);
}

void writer_bool(struct writer *writer, bool value)
{
	writer_json(writer, value ? SLICE("true") : SLICE("false"));
}

void writer_null(struct writer *writer)
{
	writer_json(writer, SLICE("null"));
}

void writer_key_escaped(struct writer *writer, const char *key, struct slice escaped)
{
	writer_key(writer, key);
	writer_escaped(writer, escaped);
}

void writer_key_word(struct writer *writer, const char *key, const char *word)
{
	writer_key(writer, key);
	writer_escaped(writer, slice_of(word));
}

void writer_key_json(struct writer *writer, const char *key, struct slice json)
{
	writer_key(writer, key);
	writer_json(writer, json);
}

void writer_key_i64(struct writer *writer, const char *key, int64_t value)
{
	writer_key(writer, key);
	writer_i64(writer, value);
}

void writer_key_bool(struct writer *writer, const char *key, bool value)
{
	writer_key(writer, key);
	writer_bool(writer, value);
}
