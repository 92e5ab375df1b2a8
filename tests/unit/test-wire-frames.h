/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of AWS's event streams, as a service writes them. */
#pragma once

#include "base/buffer.h"
#include "base/cleanup.h"
#include "test-crc32.h"

static void append_number(struct buffer *out, uint64_t number, int bytes)
{
	while (bytes-- > 0)
		buffer_append_char(out, (char)(number >> 8 * bytes));
}

static void append_header(struct buffer *out, const char *name, const char *value)
{
	append_number(out, strlen(name), 1);
	buffer_append_str(out, name);
	append_number(out, 7, 1);
	append_number(out, strlen(value), 2);
	buffer_append_str(out, value);
}

static void append_frame(struct buffer *out, struct slice headers, const char *payload)
{
	size_t at = out->len;

	append_number(out, 16 + headers.len + strlen(payload), 4);
	append_number(out, headers.len, 4);
	append_number(out, crc32_of(out->data + at, 8), 4);
	buffer_append_slice(out, headers);
	buffer_append_str(out, payload);
	append_number(out, crc32_of(out->data + at, out->len - at), 4);
}

/* `kind` is event or exception. */
static void append_event(struct buffer *out, const char *kind, const char *name,
			 const char *payload)
{
	_cleanup_(buffer_fini) struct buffer headers = { 0 };
	char type[32];

	snprintf(type, sizeof(type), ":%s-type", kind);
	append_header(&headers, type, name);
	append_header(&headers, ":content-type", "application/json");
	append_header(&headers, ":message-type", kind);
	append_frame(out, buffer_slice(&headers), payload);
}
