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

void writer_name(struct writer *writer, struct slice key)
{
	char *at;

	if (!buffer_reserve(writer->out, key.len + 4))
		return;
	at = writer->out->data + writer->out->len;
	if (writer->comma)
		*at++ = ',';
	*at++ = '"';
	at = slice_put(at, key);
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

/* Between two tokens alone JSON has line ends, and any blank does there. */
void writer_json(struct writer *writer, struct slice json)
{
	struct buffer *out = writer->out;

	begin_value(writer);
	buffer_append_slice(out, json);
	for (size_t i = out->failed ? out->len : out->len - json.len; i < out->len; i++) {
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
	}
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
