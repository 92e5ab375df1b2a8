/* SPDX-License-Identifier: Apache-2.0 */
/* One line an event to stderr, with a journald priority prefix or readable for a terminal. Layers
 * 0–2 log at debug only. Never a secret, never prompt or answer text. [any] */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* The one mutable global of the house: the level, an atomic. */
void log_set_level(enum log_level level);
void log_set_journal(bool journal);                         /* before threads start */
int log_level_parse(const char *name, enum log_level *ret); /* error warn info debug; -EINVAL */
bool log_enabled(enum log_level level);
/* The same of a text as it is, printable and short; may be called in a signal's handler. */
void log_plain(enum log_level level, const char *text, size_t len);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                           \
	do {                                                     \
		if (log_enabled(LOG_LEVEL_DEBUG))                \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)
