/* SPDX-License-Identifier: Apache-2.0 */
/* Growing bytes: capacity doubles, and `failed` sticks until the buffer is cleared. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
	CAP_MIN = 64,
};

void buffer_fini(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

void buffer_clear(struct buffer *buffer)
{
	buffer->len = 0;
	buffer->failed = false;
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t need, cap;
	char *data;

	if (buffer->failed)
		return false;
	if (more <= buffer->cap - buffer->len)
		return true;
	if (__builtin_add_overflow(buffer->len, more, &need) || need > SIZE_MAX / 4) {
		buffer->failed = true;
		return false;
	}
	cap = buffer->cap * 2 > CAP_MIN ? buffer->cap * 2 : CAP_MIN;
	cap = cap > need ? cap : need;
	data = realloc(buffer->data, cap);
	if (!data) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->cap = cap;
	return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
	if (len == 0 || !buffer_reserve(buffer, len))
		return;
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

void buffer_append_slice(struct buffer *buffer, struct slice text)
{
	buffer_append(buffer, text.ptr, text.len);
}

void buffer_append_str(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
	buffer_append(buffer, &c, 1);
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
	char digits[SLICE_U64_BYTES];

	buffer_append(buffer, digits, (size_t)(slice_put_u64(digits, value) - digits));
}

/* The sign is written; INT64_MIN has no positive counterpart in int64_t. */
static uint64_t append_sign(struct buffer *buffer, int64_t value)
{
	if (value >= 0)
		return (uint64_t)value;
	buffer_append_char(buffer, '-');
	return -(uint64_t)value;
}

void buffer_append_i64(struct buffer *buffer, int64_t value)
{
	buffer_append_u64(buffer, append_sign(buffer, value));
}

void buffer_append_usd(struct buffer *buffer, int64_t cost_nano)
{
	uint64_t nano = append_sign(buffer, cost_nano);
	uint64_t rest = nano % UINT64_C(1000000000);
	char point[10] = ".";

	buffer_append_u64(buffer, nano / UINT64_C(1000000000));
	for (size_t i = sizeof(point) - 1; i > 0; i--, rest /= 10)
		point[i] = (char)('0' + rest % 10);
	buffer_append(buffer, point, sizeof(point));
}

static void append_escaped(struct buffer *buffer, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: byte, letter */
	char unicode[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	for (const char *pair = letters; *pair; pair += 2) {
		if ((unsigned char)pair[0] != c)
			continue;
		buffer_append(buffer, (char[]){ '\\', pair[1] }, 2);
		return;
	}
	buffer_append(buffer, unicode, sizeof(unicode));
}

static bool json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void buffer_append_json(struct buffer *buffer, struct slice text)
{
	uint32_t point;

	buffer_append_char(buffer, '"');
	while (text.len > 0) {
		unsigned char c = (unsigned char)text.ptr[0];
		size_t run = 0;

		while (run < text.len && json_plain((unsigned char)text.ptr[run]))
			run++;
		if (run == 0 && c >= 0x80)
			run = utf8_decode(text.ptr, text.len, &point);
		if (run > 0) {
			buffer_append(buffer, text.ptr, run);
			text = slice_skip(text, run);
			continue;
		}
		if (c >= 0x80)
			buffer_append_str(buffer, "\xef\xbf\xbd");
		else
			append_escaped(buffer, c);
		text = slice_skip(text, 1);
	}
	buffer_append_char(buffer, '"');
}

void buffer_append_time(struct buffer *buffer, uint64_t real_ns)
{
	char text[CLOCK_TEXT_SIZE];

	buffer_append(buffer, text, clock_format(real_ns, text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		buffer->failed = true;
		return;
	}
	if (!buffer_reserve(buffer, (size_t)len + 1))
		return;
	va_start(args, format);
	vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, args);
	va_end(args);
	buffer->len += (size_t)len;
}

void buffer_consume(struct buffer *buffer, size_t count)
{
	if (count >= buffer->len) {
		buffer->len = 0;
		return;
	}
	buffer->len -= count;
	memmove(buffer->data, buffer->data + count, buffer->len);
}
