/* SPDX-License-Identifier: Apache-2.0 */
/* A batch goes through four steps, and each is repeated until it succeeds: collect, commit rows,
 * append log lines, free entries. A crash between commit and append leaves entries whose rows
 * exist; the replay finds by the log's last lines which of them still want theirs. */
#include "ledger/writer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	RETRY_MS_MAX = 5000,
	LOOKS_BEFORE_REST = 20, /* that found nothing: traffic that is only thin wakes nobody */
	LINES_SHARE = 16, /* of the room for lines, the least that a batch must need to leave it */
	LOOK_BESIDE_MS = 100,
	RESTORE_SHARE = 50, /* of the time, at most one part in so many, goes into totals */
};

int writer_init(struct writer *writer)
{
	pthread_condattr_t attributes;

	*writer = (struct writer){ 0 };
	if (pthread_condattr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_mutex_init(&writer->beside_lock, NULL);
	return 0;
}

void writer_fini(struct writer *writer)
{
	pthread_cond_destroy(&writer->wake);
	pthread_mutex_destroy(&writer->lock);
	pthread_mutex_destroy(&writer->beside_lock);
	buffer_fini(&writer->lines);
	free(writer->left_over);
	writer->left_over = NULL;
	if (writer->left_path)
		inflight_close(&writer->left);
	free(writer->left_path);
	writer->left_path = NULL;
}

void writer_replay_take(struct writer *writer, uint32_t *slots, size_t count)
{
	writer->left_over = slots;
	writer->left_count = count;
}

/* A file in which nothing is left is gone at once. */
static void left_remove(struct writer *writer)
{
	if (unlink(writer->left_path) < 0)
		log_warning("%s cannot be removed: %s", writer->left_path, strerror(errno));
	inflight_close(&writer->left);
	free(writer->left_path);
	writer->left_path = NULL;
	writer->outdated = true;
}

int writer_adopt(struct writer *writer)
{
	const char *own = writer->own_path ? writer->own_path : writer->inflight_path;
	struct inflight_found found;
	int r;

	if (writer->left_over)
		return 0;
	while ((r = beside_find(writer->inflight_path, own, &writer->left, &found,
				&writer->left_path, &writer->held)) == 1) {
		inflight_tell_found(writer->left_path, &found);
		if (found.count > 0) {
			writer_replay_take(writer, found.slots, found.count);
			return 1;
		}
		free(found.slots);
		left_remove(writer);
	}
	return r;
}

/* By days, each a file of its own, then by ids: ascending ones are appends to SQLite. */
static int compare_entries(const void *a, const void *b)
{
	const struct ledger_entry *left = *(struct ledger_entry *const *)a,
				  *right = *(struct ledger_entry *const *)b;
	int64_t left_day = rows_day(left), right_day = rows_day(right);

	if (left_day != right_day)
		return left_day < right_day ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

static size_t gather(struct writer *writer)
{
	size_t count;

	if (writer->left_count == 0)
		return inflight_collect(writer->inflight, writer->slots, ROWS_BATCH_MAX);
	count = writer->left_count < ROWS_BATCH_MAX ? writer->left_count : ROWS_BATCH_MAX;
	writer->left_count -= count;
	memcpy(writer->slots, writer->left_over + writer->left_count,
	       count * sizeof(writer->slots[0]));
	return count;
}

static void collect(struct writer *writer)
{
	if (writer->later == 0) {
		writer->later = gather(writer);
		for (size_t i = 0; i < writer->later; i++) {
			writer->entries[i] = inflight_entry(
			    writer->left_path ? &writer->left : writer->inflight, writer->slots[i]);
			__builtin_prefetch(&writer->entries[i]->id);
		}
		qsort(writer->entries, writer->later, sizeof(writer->entries[0]), compare_entries);
	}
	while (writer->later > 0 &&
	       rows_day(writer->entries[writer->count]) == rows_day(writer->entries[0])) {
		writer->count++;
		writer->later--;
	}
	writer->committed = false;
}

static int find_logged(struct writer *writer, bool **ret)
{
	_cleanup_free_ uint64_t *ids = calloc(writer->count, sizeof(ids[0]));
	_cleanup_free_ bool *logged = calloc(writer->count, sizeof(logged[0]));
	int r;

	if (!ids || !logged)
		return -ENOMEM;
	for (size_t i = 0; i < writer->count; i++)
		ids[i] = writer->entries[i]->id;
	r = request_log_find(writer->log, ids, writer->count, logged);
	if (r == 0)
		*ret = steal(logged);
	return r;
}

static int commit(struct writer *writer)
{
	_cleanup_free_ bool *logged = NULL;
	bool replay = writer->left_over != NULL;
	int r = replay ? find_logged(writer, &logged) : 0;

	if (r < 0)
		return r;
	buffer_clear(&writer->lines);
	r = rows_commit(writer->rows, writer->entries, writer->count, logged, &writer->lines);
	if (r < 0)
		return r;
	writer->committed = true;
	atomic_fetch_add_explicit(&writer->rows_committed, writer->count, memory_order_relaxed);
	atomic_fetch_add_explicit(&writer->commits, 1, memory_order_relaxed);
	if (replay)
		atomic_fetch_add_explicit(&writer->replayed, writer->count, memory_order_relaxed);
	atomic_store_explicit(&writer->prices_unknown, rows_unknown_prices(writer->rows, false),
			      memory_order_relaxed);
	atomic_store_explicit(&writer->prices_partial, rows_unknown_prices(writer->rows, true),
			      memory_order_relaxed);
	return 0;
}

static void release(struct writer *writer)
{
	for (size_t i = 0; i < writer->count; i++) {
		if (writer->left_path)
			inflight_forget(&writer->left, writer->entries[i]->slot);
		else
			inflight_release(writer->inflight, writer->entries[i]->slot);
	}
	memmove(writer->entries, writer->entries + writer->count,
		writer->later * sizeof(writer->entries[0]));
	writer->count = 0;
	if (writer->left_over && writer->left_count == 0 && writer->later == 0) {
		free(writer->left_over);
		writer->left_over = NULL;
		if (writer->left_path)
			left_remove(writer);
	}
	/* Else the next batch would copy its lines again and again as their room grows. */
	if (writer->lines.len < writer->lines.cap / LINES_SHARE)
		buffer_fini(&writer->lines);
}

/* What a person can do; nothing where the reason says it. */
static const char *advice(int code)
{
	switch (code) {
	case -ESTALE:
		return "";
	case -ENOSPC:
	case -EDQUOT:
		return "; make room on its disk";
	case -EROFS:
	case -EACCES:
	case -EPERM:
		return "; make it writable again";
	case -EBUSY:
		return "; end the program that keeps it locked";
	case -EUCLEAN:
		return "; stop the appliance and put a sound copy in its place";
	default:
		return "; look after its disk";
	}
}

/* The turns are said here, as nobody above sees each of them. */
static void set_degraded(struct writer *writer, const char *file, const char *what, const char *why,
			 int code)
{
	pthread_mutex_lock(&writer->lock);
	snprintf(writer->degraded_reason, sizeof(writer->degraded_reason), "%s: %s: %s", file, what,
		 why);
	pthread_mutex_unlock(&writer->lock);
	if (writer->failures == 0)
		log_error("degraded: %s: %s: %s%s; requests are served, and their rows wait in %s "
			  "(it has room for %u) until they can be written",
			  file, what, why, advice(code), writer->inflight_path,
			  writer->inflight->entries);
	atomic_fetch_add_explicit(&writer->commit_failures, 1, memory_order_relaxed);
	atomic_store_explicit(&writer->degraded, true, memory_order_release);
	writer->failures++;
}

static void set_healthy(struct writer *writer)
{
	if (writer->failures == 0)
		return;
	log_info("no longer degraded: rows are written to %s again, those that waited too",
		 rows_path(writer->rows));
	writer->failures = 0;
	pthread_mutex_lock(&writer->lock);
	writer->degraded_reason[0] = '\0';
	pthread_mutex_unlock(&writer->lock);
	atomic_store_explicit(&writer->degraded, false, memory_order_release);
}

int writer_work(struct writer *writer)
{
	bool full;
	int r;

	if (writer->count == 0)
		collect(writer);
	if (writer->count == 0) {
		buffer_fini(&writer->lines);
		return 0;
	}
	if (!writer->committed) {
		r = commit(writer);
		if (r < 0) {
			set_degraded(writer, rows_path(writer->rows), "cannot commit rows",
				     rows_message(writer->rows), r);
			return r;
		}
	}
	r = request_log_append(writer->log, buffer_slice(&writer->lines),
			       (int64_t)(clock_real_ns() / NS_PER_S));
	if (r < 0) {
		set_degraded(writer, writer->log->path, "cannot write the request log",
			     strerror(-r), r);
		return r;
	}
	set_healthy(writer);
	full = writer->count == ROWS_BATCH_MAX || writer->left_count > 0 || writer->later > 0;
	release(writer);
	return full;
}

/* Waits, unless it is to stop or was kicked. */
static bool sleep_ms(struct writer *writer, uint32_t ms)
{
	uint64_t until_ns = clock_now_ns() + ms * NS_PER_MS;
	struct timespec until = { (time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) };
	bool stop;

	pthread_mutex_lock(&writer->lock);
	while (!writer->stop && !writer->woken)
		if (pthread_cond_timedwait(&writer->wake, &writer->lock, &until) == ETIMEDOUT)
			break;
	writer->woken = false;
	stop = writer->stop;
	pthread_mutex_unlock(&writer->lock);
	return !stop;
}

/* The same, however long it takes. */
static bool rest(struct writer *writer)
{
	bool stop;

	pthread_mutex_lock(&writer->lock);
	while (!writer->stop && !writer->woken)
		pthread_cond_wait(&writer->wake, &writer->lock);
	writer->woken = false;
	stop = writer->stop;
	pthread_mutex_unlock(&writer->lock);
	inflight_end_rest(writer->inflight);
	return !stop;
}

static uint32_t retry_ms(const struct writer *writer)
{
	uint32_t shift = writer->failures < 16 ? writer->failures : 16;
	uint64_t ms = (uint64_t)writer->commit_ms << shift;

	return ms < RETRY_MS_MAX ? (uint32_t)ms : RETRY_MS_MAX;
}

/* Totals take what the others commit; all of it is summed anew, which a large ledger makes seldom.
 */
static void restore(struct writer *writer, uint64_t now_ns)
{
	int64_t version;
	int r = rows_version(writer->rows, &version);

	if (r == 0 && version == writer->version && !writer->outdated)
		return;
	if (r == 0)
		r = rows_restore(writer->rows);
	if (r == 0)
		r = answers_load(rows_answers(writer->rows));
	if (r < 0) {
		log_debug("what another daemon wrote cannot be read: %s",
			  rows_message(writer->rows));
		return;
	}
	writer->version = version;
	writer->outdated = false;
	writer->restore_next_ns =
	    clock_now_ns() + (clock_now_ns() - now_ns) * RESTORE_SHARE + LOOK_BESIDE_MS * NS_PER_MS;
}

static bool looks_beside(const struct writer *writer)
{
	return atomic_load(&writer->shared) || writer->outdated || atomic_load(&writer->corrected);
}

/* False while there is something to replay, or nothing could be read. */
static bool look(struct writer *writer)
{
	uint32_t held = writer->held;
	int r = 0;

	pthread_mutex_lock(&writer->beside_lock);
	if (atomic_load(&writer->shared))
		r = writer_adopt(writer);
	if (r == 0 && writer->held == 0)
		atomic_store(&writer->shared, false);
	pthread_mutex_unlock(&writer->beside_lock);
	if (atomic_exchange(&writer->corrected, false) || writer->held != held)
		writer->outdated = true;
	return r == 0;
}

/* Until nobody shares the ledger any more, and what they left is in it and in the totals. */
static void look_beside(struct writer *writer)
{
	uint64_t now_ns = clock_now_ns();

	if (!looks_beside(writer) || writer->left_over ||
	    (now_ns < writer->look_next_ns && !atomic_load(&writer->corrected)))
		return;
	writer->look_next_ns = now_ns + LOOK_BESIDE_MS * NS_PER_MS;
	if (look(writer) && (writer->outdated || now_ns >= writer->restore_next_ns))
		restore(writer, now_ns);
}

static void *run(void *data)
{
	struct writer *writer = data;
	uint32_t empty_looks = 0;
	int64_t now_s;
	bool go = true;

	while (go) {
		uint64_t before = atomic_load(&writer->rows_committed);
		int r;

		look_beside(writer);
		r = writer_work(writer);

		empty_looks =
		    r < 0 || atomic_load(&writer->rows_committed) != before ? 0 : empty_looks + 1;
		now_s = (int64_t)(clock_real_ns() / NS_PER_S);
		totals_tick(writer->totals, now_s);
		request_log_turn(writer->log, now_s); /* the next append says what hinders it */
		if (r > 0)
			continue;
		if (empty_looks >= LOOKS_BEFORE_REST && !looks_beside(writer) &&
		    inflight_rest(writer->inflight))
			go = rest(writer);
		else
			go = sleep_ms(writer, r < 0 ? retry_ms(writer) : writer->commit_ms);
	}
	while (writer_work(writer) > 0)
		;
	return NULL;
}

int writer_start(struct writer *writer)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&writer->thread, NULL, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	writer->running = true;
	pthread_setname_np(writer->thread, "writer");
	return 0;
}

void writer_stop(struct writer *writer)
{
	if (!writer->running)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stop = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	writer->running = false;
}

void writer_look_beside(struct writer *writer, bool look)
{
	pthread_mutex_lock(&writer->beside_lock);
	atomic_store(&writer->shared, look);
	pthread_mutex_unlock(&writer->beside_lock);
	if (look)
		writer_kick(writer);
}

void writer_restore(struct writer *writer)
{
	atomic_store(&writer->corrected, true);
	writer_kick(writer);
}

void writer_kick(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->woken = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}
