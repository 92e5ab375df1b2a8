/* SPDX-License-Identifier: Apache-2.0 */
/* One write(2) a line, so that lines of threads never mix; whatever could forge a line or drive a
 * terminal is escaped. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"

enum {
	MESSAGE_BYTES = 2048,
	LINE_BYTES = 4 * MESSAGE_BYTES + 64, /* each byte may become four */
};

static _Atomic int current_level = LOG_LEVEL_INFO;
static bool to_journal; /* set once, before threads start */

static const struct {
	const char *name, *prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "<3>" },
	[LOG_LEVEL_WARNING] = { "warn", "<4>" },
	[LOG_LEVEL_INFO] = { "info", "<6>" },
	[LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

void log_set_journal(bool journal)
{
	to_journal = journal;
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static char *put_prefix(char *at, enum log_level level)
{
	if (to_journal)
		return stpcpy(at, levels[level].prefix);
	at += clock_format(clock_real_ns(), at);
	*at++ = ' ';
	at = stpcpy(at, levels[level].name);
	*at++ = ' ';
	return at;
}

/* Printable UTF-8 stays; controls (C0, DEL, C1) and bytes that are no UTF-8 become \n or \xNN. */
static char *put_escaped(char *at, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	while (len > 0) {
		uint32_t point = 0;
		size_t taken = utf8_decode(text, len, &point);
		bool plain = taken > 0 && point >= 0x20 && (point < 0x7f || point > 0x9f);

		if (plain) {
			at = mempcpy(at, text, taken);
		} else if (*text == '\n') {
			taken = 1;
			at = stpcpy(at, "\\n");
		} else {
			taken = 1;
			at = stpcpy(at, "\\x");
			*at++ = hex[(unsigned char)*text >> 4];
			*at++ = hex[*text & 15];
		}
		text += taken;
		len -= taken;
	}
	return at;
}

static void write_line(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t done = write(STDERR_FILENO, line, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* nowhere left to complain */
		line += done;
		len -= (size_t)done;
	}
}

void log_plain(enum log_level level, const char *text, size_t len)
{
	char line[LINE_BYTES];
	int saved_errno = errno;
	char *at;

	if (!log_enabled(level))
		return;
	at = put_prefix(line, level);
	at = put_escaped(at, text, len < MESSAGE_BYTES ? len : MESSAGE_BYTES - 1);
	*at++ = '\n';
	write_line(line, (size_t)(at - line));
	errno = saved_errno;
}

void log_write(enum log_level level, const char *format, ...)
{
	char message[MESSAGE_BYTES], line[LINE_BYTES];
	int saved_errno = errno;
	va_list args;
	char *at;
	int len;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	len = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	if ((size_t)len >= sizeof(message)) {
		len = (int)sizeof(message) - 1;
		memcpy(message + len - 3, "...", 3);
	}
	at = put_prefix(line, level);
	at = put_escaped(at, message, (size_t)len);
	*at++ = '\n';
	write_line(line, (size_t)(at - line));
	errno = saved_errno;
}
