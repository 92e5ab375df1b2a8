/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes inside a plugin's code: a line for people and a record for the next start, both written
 * by the dying thread. Then the signal takes its course as if nobody had looked.
 *
 * A record is a line of PLUGIN_CRASH_BYTES, appended by one write: time, signal, digest, plugin,
 * object, operation. Whoever lets a plugin try again appends one of signal 0. */
#include "plugin/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "plugin/mark.h"

enum {
	RECORDS_MAX = 1024, /* that are read, the newest */
	NAME_BYTES = 64,    /* longer ones are cut */
	SIGNAL_EXIT = 255,  /* it ended the process itself */
};

static const struct {
	int number;
	const char *name;
} fatal[] = {
	{ SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGABRT, "SIGABRT" },
	{ SIGILL, "SIGILL" },   { SIGFPE, "SIGFPE" }, { SIGNAL_EXIT, "exit()" },
};

/* Globals, for the handler is given nothing; set once, before threads start. */
static int records_fd = -1;
static struct sigaction before[ARRAY_SIZE(fatal)];

/* ---- in the handler: nothing but stores and write(2) ---- */

struct line {
	char text[PLUGIN_CRASH_BYTES + 256];
	size_t len;
};

static void add(struct line *line, const char *text, size_t most)
{
	for (size_t i = 0; text[i] && i < most && line->len < sizeof(line->text) - 1; i++)
		line->text[line->len++] = text[i];
	line->text[line->len] = '\0';
}

static void add_number(struct line *line, uint64_t number)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	add(line, digits + at, sizeof(digits));
}

/* Blanks part the fields of a record. */
static void add_name(struct line *line, const char *name)
{
	size_t from = line->len;

	add(line, " ", 1);
	add(line, *name ? name : "-", NAME_BYTES);
	for (size_t i = from + 1; i < line->len; i++)
		if (line->text[i] <= ' ')
			line->text[i] = '_';
}

static void record(int fd, int signal, const char *sha256, const char *plugin, const char *object,
		   const char *operation)
{
	struct line line = { .len = 0 };
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	add_number(&line, (uint64_t)now.tv_sec);
	add(&line, " ", 1);
	add_number(&line, (uint64_t)signal);
	add_name(&line, sha256);
	add_name(&line, plugin);
	add_name(&line, object);
	add_name(&line, operation);
	while (line.len < PLUGIN_CRASH_BYTES - 1)
		line.text[line.len++] = ' ';
	line.text[PLUGIN_CRASH_BYTES - 1] = '\n';
	while (write(fd, line.text, PLUGIN_CRASH_BYTES) < 0 && errno == EINTR)
		;
}

static void tell(const struct plugin_frame *frame, int signal, const char *name)
{
	struct line line = { .len = 0 };

	add(&line, "plugin ", 8);
	add(&line, frame->code->plugin, NAME_BYTES);
	add(&line, " crashed: object ", 32);
	add(&line, *frame->code->object ? frame->code->object : "-", 256);
	add(&line, ", in ", 8);
	add(&line, frame->operation, NAME_BYTES);
	add(&line, "(), by ", 8);
	add(&line, name, 16);
	if (signal != SIGNAL_EXIT) {
		add(&line, " (signal ", 16);
		add_number(&line, (uint64_t)signal);
		add(&line, ")", 2);
	}
	log_plain(LOG_LEVEL_ERROR, line.text, line.len);
}

static void note(size_t which)
{
	const struct plugin_frame *frame = plugin_entered();
	const struct plugin_code *code = frame ? frame->code : NULL;

	if (!code)
		return;
	if (records_fd >= 0)
		record(records_fd, fatal[which].number, code->sha256, code->plugin, code->object,
		       frame->operation);
	tell(frame, fatal[which].number, fatal[which].name);
}

/* What was faulted on is done again, and then ends the process as it would have; what was sent is
 * sent again. */
static void on_fatal(int signal, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	size_t which = 0;

	while (fatal[which].number != signal)
		which++;
	if (info->si_code != SI_USER && info->si_code != SI_QUEUE) /* not by another process */
		note(which);
	/* Of all: what ends the process now may be another one, and that is the same crash. */
	for (size_t i = 0; fatal[i].number != SIGNAL_EXIT; i++)
		sigaction(fatal[i].number, &before[i], NULL);
	if (info->si_code <= 0)
		raise(signal);
	errno = saved_errno;
}

/* exit() of a plugin, on the thread that it is in. */
static void on_exit_within(void)
{
	note(ARRAY_SIZE(fatal) - 1);
}

/* ---- before ---- */

static void watch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; fatal[i].number != SIGNAL_EXIT; i++)
		sigaction(fatal[i].number, &action, &before[i]);
	atexit(on_exit_within);
}

static int read_records(const char *path, struct buffer *out)
{
	struct error ignored;
	int r = file_read(path, 64 << 20, out, &ignored);

	if (r == -ENOENT)
		return 0;
	return r;
}

/* The newest half of what would be read. */
static int shorten(const char *path, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer records = { 0 };
	size_t keep = RECORDS_MAX / 2 * PLUGIN_CRASH_BYTES, whole;
	int r = read_records(path, &records);

	if (r < 0)
		return error_set(error, r, "%s: cannot be read: %s", path, strerror(-r));
	whole = records.len - records.len % PLUGIN_CRASH_BYTES;
	if (records.len <= 2 * keep)
		return 0;
	return file_write_atomic(path, (struct slice){ records.data + whole - keep, keep }, 0600,
				 error);
}

int plugin_crashes_watch(const char *path, bool alone, struct error *error)
{
	int r = alone ? shorten(path, error) : 0;
	int fd;

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	if (records_fd < 0) {
		records_fd = fd;
		watch_signals();
	} else {
		close(fd);
	}
	return 0;
}

/* ---- afterwards ---- */

static bool read_one(const char *line, struct plugin_crash *ret)
{
	char text[PLUGIN_CRASH_BYTES];
	long long time_s;

	memcpy(text, line, PLUGIN_CRASH_BYTES - 1);
	text[PLUGIN_CRASH_BYTES - 1] = '\0';
	_Static_assert(SHA256_HEX_SIZE == 65 && sizeof(ret->plugin) == 65, "the widths below");
	if (line[PLUGIN_CRASH_BYTES - 1] != '\n' ||
	    sscanf(text, "%lld %d %64s %64s %64s %64s", &time_s, &ret->signal, ret->sha256,
		   ret->plugin, ret->object, ret->operation) != 6)
		return false;
	ret->time_s = time_s;
	return true;
}

int plugin_crashes_each(const char *path, void (*fn)(const struct plugin_crash *crash, void *data),
			void *data)
{
	_cleanup_(buffer_fini) struct buffer records = { 0 };
	size_t count, first;
	int r = read_records(path, &records);

	if (r < 0)
		return r;
	count = records.len / PLUGIN_CRASH_BYTES;
	first = count > RECORDS_MAX ? count - RECORDS_MAX : 0;
	for (size_t i = first; i < count; i++) {
		struct plugin_crash crash;

		if (read_one(records.data + i * PLUGIN_CRASH_BYTES, &crash))
			fn(&crash, data);
	}
	return 0;
}

int plugin_crashes_forgive(const char *path, const char *sha256, const char *plugin,
			   struct error *error)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	record(fd, 0, sha256, plugin, "", "");
	return 0;
}

const char *plugin_crash_signal_name(int signal)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		if (fatal[i].number == signal)
			return fatal[i].name;
	return "?";
}
