/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, and real time as text without glibc's time zone lock. */
#include "base/clock.h"

#include <time.h>

#include "base/civil.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

static char *put_digits(char *at, uint64_t value, int count, char after)
{
	for (int i = count - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	at[count] = after;
	return at + count + 1;
}

size_t clock_format(uint64_t real_ns, char out[static CLOCK_TEXT_SIZE])
{
	uint64_t seconds = real_ns / NS_PER_S;
	struct civil date = civil_from_days((int64_t)(seconds / 86400)); /* 2554 at most */
	char *at = out;

	at = put_digits(at, (uint64_t)date.year, 4, '-');
	at = put_digits(at, (uint64_t)date.month, 2, '-');
	at = put_digits(at, (uint64_t)date.day, 2, 'T');
	at = put_digits(at, seconds / 3600 % 24, 2, ':');
	at = put_digits(at, seconds / 60 % 60, 2, ':');
	at = put_digits(at, seconds % 60, 2, '.');
	at = put_digits(at, real_ns % NS_PER_S / NS_PER_MS, 3, 'Z');
	*at = '\0';
	return (size_t)(at - out);
}
