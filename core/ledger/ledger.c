/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger put together: start and replay, what loops call, what others ask. */
#include "ledger/ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ledger/aside.h"
#include "ledger/entry.h"
#include "ledger/fold.h"
#include "ledger/own.h"
#include "ledger/sums.h"

enum {
	ENTRIES_DEFAULT = 16384,
	COMMIT_MS_DEFAULT = 50,
	FEATURES_DEFAULT = 1000,
	ANSWERS_DEFAULT = 100000,
	ANSWERS_DAYS_DEFAULT = 30,
};

CLEANUP_DEFINE(struct ledger, ledger_free);
CLEANUP_DEFINE(struct db, db_close);

static int check_options(const struct ledger_options *options, struct error *error)
{
	if (options->loops == 0 || options->loops > INFLIGHT_LOOPS_MAX)
		return error_set(error, -EINVAL, "a ledger serves 1 to %d loops, not %u",
				 INFLIGHT_LOOPS_MAX, options->loops);
	if (options->entries > 0 && options->entries < options->loops)
		return error_set(error, -EINVAL, "%u entries are too few for %u loops",
				 options->entries, options->loops);
	return 0;
}

static int open_inflight(struct ledger *ledger, const struct ledger_options *options,
			 struct error *error)
{
	struct inflight_found found;
	uint32_t entries = options->entries > 0 ? options->entries : ENTRIES_DEFAULT, turn;
	const char *path = options->inflight_path;
	int r = 0;

	ledger->inflight_path = strdup(path);
	if (options->shares)
		r = beside_next_path(path, &ledger->own_path);
	if (!ledger->inflight_path || r < 0)
		return error_set(error, -ENOMEM, "out of memory");
	r = beside_free_turn(path, &turn);
	if (r < 0)
		return error_set_at(error, r, path, 0, 0, "%s",
				    r == -EBUSY ? "too many daemons that were taken over still "
						  "drain; wait for one of them, or end it"
						: strerror(-r));
	if (ledger->own_path)
		path = ledger->own_path;
	r = inflight_open(&ledger->inflight, path, entries, options->loops, &found, error);
	if (r < 0)
		return r;
	inflight_set_turn(&ledger->inflight, turn);
	inflight_tell_found(path, &found);
	if (found.count > 0)
		writer_replay_take(&ledger->writer, found.slots, found.count);
	else
		free(found.slots);
	return 0;
}

/* A main file that was taken away, or was never put back. The log that it has left is its own. */
static int tell_missing(const char *folder, const char *main_path, struct error *error)
{
	_cleanup_free_ struct segment_file *files = NULL;
	char kept[PATH_MAX];
	size_t count, days = 0;
	int r = segments_names(folder, &files, &count);

	if (r < 0)
		return error_set_at(error, r, folder, 0, 0, "cannot be read: %s", strerror(-r));
	for (size_t i = 0; i < count; i++)
		days += strcmp(files[i].name, SEGMENT_BEFORE) != 0;
	if (days == 0 || access(main_path, F_OK) == 0)
		return 0;
	aside_move(main_path, "left", kept);
	log_warning("%s is missing: it begins anew. The sums of %zu days, whose files are there, "
		    "are theirs; those of days that were removed before, corrections, and answers "
		    "that providers keep are lost unless it is put back",
		    main_path, days);
	return 0;
}

static int open_rows(struct ledger *ledger, const struct ledger_options *options,
		     struct error *error)
{
	uint64_t newest;
	int r = file_make_folders(options->folder, 0750, error);

	if (r < 0)
		return r;
	ledger->folder = strdup(options->folder);
	if (!ledger->folder || asprintf(&ledger->main_path, "%s/ledger.db", options->folder) < 0) {
		ledger->main_path = NULL;
		return error_set(error, -ENOMEM, "out of memory");
	}
	r = totals_init(&ledger->totals, options->zone,
			options->features_max > 0 ? options->features_max : FEATURES_DEFAULT,
			(int64_t)(clock_real_ns() / NS_PER_S));
	if (r < 0)
		return error_set(error, r, "out of memory");
	r = options->shares ? 0 : tell_missing(ledger->folder, ledger->main_path, error);
	if (r == 0)
		r = fold_move_before(ledger->folder, ledger->main_path, options->shares, error);
	if (r == 0)
		r = rows_open(ledger->folder, ledger->main_path, &ledger->totals, options->shares,
			      &ledger->rows, error);
	if (r < 0)
		return r;
	r = rows_newest_id(ledger->rows, &newest);
	if (r == 0)
		r = rows_restore(ledger->rows);
	if (r < 0)
		return error_set_at(error, r, ledger->main_path, 0, 0, "cannot read the ledger: %s",
				    rows_message(ledger->rows));
	inflight_raise_ids(&ledger->inflight, newest);
	/* A full disk is no reason not to serve. */
	r = rows_open_day(ledger->rows, (int64_t)(clock_real_ns() / NS_PER_S / SEGMENT_DAY_S));
	if (r < 0 && r != -ENOSPC && r != -EDQUOT)
		return error_set_at(error, r, rows_path(ledger->rows), 0, 0, "%s",
				    rows_message(ledger->rows));
	ledger->answers = rows_answers(ledger->rows);
	answers_limit(
	    ledger->answers, options->answers_max > 0 ? options->answers_max : ANSWERS_DEFAULT,
	    options->answers_keep_days > 0 ? options->answers_keep_days : ANSWERS_DAYS_DEFAULT);
	return 0;
}

static void prepare_writer(struct ledger *ledger, const struct ledger_options *options)
{
	ledger->writer.inflight = &ledger->inflight;
	ledger->writer.rows = ledger->rows;
	ledger->writer.inflight_path = ledger->inflight_path;
	ledger->writer.own_path = ledger->own_path;
	ledger->writer.log = &ledger->log;
	ledger->writer.totals = &ledger->totals;
	ledger->writer.commit_ms = options->commit_ms > 0 ? options->commit_ms : COMMIT_MS_DEFAULT;
}

static void prepare_keeper(struct ledger *ledger, const struct ledger_options *options)
{
	ledger->keeper.rows = ledger->rows;
	ledger->keeper.writer = &ledger->writer;
	ledger->keeper.inflight = &ledger->inflight;
	ledger->keeper.folder = ledger->folder;
	ledger->keeper.main_path = ledger->main_path;
	ledger->keeper.log_folder = ledger->log.folder;
	ledger->keeper.keep_days = options->keep_days;
	ledger->keeper.keep_rollup_days = options->keep_rollup_days;
	ledger->keeper.keep_bytes = options->keep_bytes;
	ledger->keeper.held = options->shares;
}

int ledger_new(const struct ledger_options *options, struct ledger **ret, struct error *error)
{
	_cleanup_(cleanup_ledger_free) struct ledger *ledger = NULL;
	int r = check_options(options, error);

	if (r < 0)
		return r;
	ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return error_set(error, -ENOMEM, "out of memory");
	ledger->inflight.fd = ledger->log.fd = ledger->log.folder_fd = -1;
	r = writer_init(&ledger->writer);
	if (r == 0)
		r = keeper_init(&ledger->keeper);
	if (r < 0)
		return error_set(error, r, "out of memory");
	r = open_inflight(ledger, options, error);
	if (r == 0)
		r = open_rows(ledger, options, error);
	if (r == 0)
		r = request_log_open(&ledger->log, options->log_folder, error);
	if (r < 0)
		return r;
	prepare_writer(ledger, options);
	prepare_keeper(ledger, options);
	/* Before the first request, so that totals are right from the start; a full disk is no
	 * reason not to serve. */
	do {
		while (ledger->writer.left_over && writer_work(&ledger->writer) >= 0)
			;
	} while (writer_adopt(&ledger->writer) == 1);
	r = answers_load(ledger->answers);
	if (r < 0)
		return error_set_at(error, r, ledger->main_path, 0, 0, "cannot read the ledger: %s",
				    rows_message(ledger->rows));
	atomic_store(&ledger->writer.shared, ledger->writer.left_over || ledger->writer.held > 0);
	r = writer_start(&ledger->writer);
	if (r == 0)
		r = keeper_start(&ledger->keeper);
	if (r < 0)
		return error_set(error, r, "cannot start the writer thread: %s", strerror(-r));
	*ret = steal(ledger);
	return 0;
}

int ledger_take_place(struct ledger *ledger, struct error *error)
{
	int r = beside_take_place(ledger->inflight_path, ledger->own_path);

	if (r < 0)
		return error_set_at(error, r, ledger->inflight_path, 0, 0,
				    "cannot be made of %s: %s", ledger->own_path, strerror(-r));
	ledger->in_place = true;
	ledger_look_beside(ledger, true);
	return 0;
}

void ledger_give_place(struct ledger *ledger)
{
	int r = beside_give_place(ledger->inflight_path);

	if (r < 0)
		log_error("%s cannot make room: %s", ledger->inflight_path, strerror(-r));
}

void ledger_look_beside(struct ledger *ledger, bool look)
{
	keeper_hold(&ledger->keeper, !look);
	writer_look_beside(&ledger->writer, look);
}

uint64_t ledger_stop(struct ledger *ledger)
{
	uint64_t left;
	int64_t reserved_nano;

	keeper_stop(&ledger->keeper);
	writer_stop(&ledger->writer);
	inflight_count(&ledger->inflight, &left, &reserved_nano);
	return left;
}

static void put_aside(const char *path)
{
	char kept[PATH_MAX];

	aside_move(path, "overwritten", kept);
	log_warning("%s was overwritten by another program; it is kept, with its -wal, as %s, and "
		    "the next start begins a new one",
		    path, kept);
}

static void note_path(const char *path, void *data)
{
	struct buffer *paths = data;

	buffer_append(paths, path, strlen(path) + 1);
}

/* Files are looked at while they are open, and moved once they are not. */
static void close_rows(struct ledger *ledger)
{
	_cleanup_(buffer_fini) struct buffer overwritten = { 0 };
	size_t at = 0;

	if (!ledger->rows)
		return;
	rows_overwritten_each(ledger->rows, note_path, &overwritten);
	ledger->rows = rows_close(ledger->rows);
	while (at < overwritten.len) {
		put_aside(overwritten.data + at);
		at += strlen(overwritten.data + at) + 1;
	}
}

/* Of a takeover that failed nothing stays, unless it holds rows that could not be written. */
static void remove_next(const struct ledger *ledger)
{
	uint64_t left;
	int64_t reserved_nano;

	inflight_count(&ledger->inflight, &left, &reserved_nano);
	if (left == 0)
		unlink(ledger->own_path);
}

struct ledger *ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	keeper_stop(&ledger->keeper);
	writer_stop(&ledger->writer);
	writer_fini(&ledger->writer);
	keeper_fini(&ledger->keeper);
	close_rows(ledger);
	request_log_close(&ledger->log);
	totals_fini(&ledger->totals);
	if (ledger->own_path && !ledger->in_place && ledger->inflight.loop)
		remove_next(ledger);
	inflight_close(&ledger->inflight);
	free(ledger->folder);
	free(ledger->main_path);
	free(ledger->inflight_path);
	free(ledger->own_path);
	free(ledger);
	return NULL;
}

struct totals *ledger_own_totals(struct ledger *ledger)
{
	return &ledger->totals;
}

/* ---- what loops call ---- */

void ledger_reserve(struct ledger *ledger, uint32_t loop, struct ledger_entry *entry,
		    int64_t reserved_nano)
{
	inflight_reserve(&ledger->inflight, loop, entry, reserved_nano);
}

void ledger_decided(struct ledger_entry *entry, struct slice decisions)
{
	entry->decisions = entry_add_text(entry, decisions);
}

struct ledger_entry *ledger_open(struct ledger *ledger, uint32_t loop,
				 const struct ledger_names *names, bool stream,
				 int64_t input_estimate, int64_t reserved_nano, uint64_t now_ns)
{
	struct ledger_entry *entry = inflight_take(&ledger->inflight, loop);
	uint64_t real_ns = clock_real_ns();

	if (!entry) {
		writer_kick(&ledger->writer);
		return NULL;
	}
	entry->slot = inflight_slot(&ledger->inflight, entry);
	entry->id = inflight_next_id(&ledger->inflight, loop, real_ns);
	entry->start_real_ns = real_ns;
	entry->start_ns = now_ns;
	entry->reserved_nano = reserved_nano;
	entry->input_estimate = input_estimate;
	entry->status = 0;
	entry->outcome = LEDGER_CRASHED;
	entry->stream = stream;
	entry->attempt_count = 0;
	entry->attempts_failed_over = 0;
	entry->spend = LEDGER_LIVE;
	entry->degraded = entry->cached = 0;
	entry->saved_nano = 0;
	entry->decisions = 0;
	entry->answer = 0;
	entry->first_content_us = entry->end_us = 0;
	entry->client = names->client;
	entry->near[0] = '\0';
	entry->near_used = 1;
	entry->far_used = 0;
	entry->tenant = entry_add_text(entry, names->tenant);
	entry->feature = entry_add_text(entry, names->feature);
	entry->key = entry_add_text(entry, names->key);
	entry->route = entry_add_text(entry, names->route);
	entry->run = entry_add_text(entry, names->run);
	entry->user = entry_add_text(entry, names->user);
	inflight_publish(&ledger->inflight, loop, entry);
	return entry;
}

/* What is written here is read by the writer's processor: no more lines than it takes. */
void ledger_attempt_reprice(struct ledger_entry *entry, struct ledger_attempt *attempt,
			    const struct ledger_price *price)
{
	if (price->source)
		attempt->price_source = entry_add_text(entry, slice_of(price->source));
	memcpy(&attempt->price, price, ledger_price_bytes(price));
	attempt->price.source = NULL;
}

void ledger_attempt_state(struct ledger_entry *entry, struct ledger_attempt *attempt,
			  int64_t stated_nano)
{
	bool first = attempt->stated_nano < 0;

	attempt->stated_nano = stated_nano;
	if (stated_nano < 0 || attempt->price.own || !first)
		return;
	attempt->price_source = entry_add_text(entry, SLICE("provider"));
	attempt->price.known = true;
	attempt->price.partial = false;
}

int64_t ledger_attempt_real_s(const struct ledger_entry *entry,
			      const struct ledger_attempt *attempt)
{
	return (int64_t)((entry->start_real_ns + attempt->start_us * UINT64_C(1000)) / NS_PER_S);
}

/* Counted last, so that a crash finds whole attempts only. */
struct ledger_attempt *ledger_attempt_begin(struct ledger *ledger, struct ledger_entry *entry,
					    struct slice provider, struct slice model,
					    const struct ledger_price *price, uint64_t now_ns)
{
	struct ledger_attempt *attempt;

	(void)ledger;
	if (entry->attempt_count == LEDGER_ATTEMPTS_MAX)
		return NULL;
	attempt = ledger_attempt_of(entry, entry->attempt_count);
	memset(attempt, 0, offsetof(struct ledger_attempt, price));
	attempt->provider = entry_add_text(entry, provider);
	attempt->model = entry_add_text(entry, model);
	attempt->stated_nano = -1;
	ledger_attempt_reprice(entry, attempt, price);
	attempt->start_us = ledger_elapsed_us(entry, now_ns);
	__atomic_store_n(&entry->attempt_count, (uint8_t)(entry->attempt_count + 1),
			 __ATOMIC_RELEASE);
	return attempt;
}

void ledger_close(struct ledger *ledger, uint32_t loop, struct ledger_entry *entry)
{
	entry_finish(entry);
	if (entry->end_us == 0)
		entry->end_us = ledger_elapsed_us(entry, clock_now_ns());
	if (inflight_hand_over(&ledger->inflight, loop, entry))
		writer_kick(&ledger->writer);
}

void ledger_answer_note(struct ledger *ledger, struct ledger_entry *entry, struct slice id,
			bool pending)
{
	answers_note(ledger->answers, entry, id, pending);
}

void ledger_answer_known(struct ledger *ledger, struct ledger_entry *entry)
{
	answers_known(ledger->answers, entry);
}

int ledger_answer_find(struct ledger *ledger, struct slice tenant, struct slice id,
		       struct arena *arena, struct ledger_answer *ret)
{
	return answers_find(ledger->answers, tenant, id, arena, ret);
}

bool ledger_answer_settle(struct ledger *ledger, struct ledger_entry *entry,
			  const struct ledger_answer *answer)
{
	return answers_settle(ledger->answers, entry, answer);
}

void ledger_answer_forget(struct ledger *ledger, struct ledger_entry *entry,
			  const struct ledger_answer *answer)
{
	answers_forget(ledger->answers, entry, answer);
}

void ledger_id_text(uint64_t id, char out[static LEDGER_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = LEDGER_ID_SIZE - 1; i-- > 0; id >>= 4)
		out[i] = digits[id & 15];
	out[LEDGER_ID_SIZE - 1] = '\0';
}

/* ---- what others ask ---- */

void ledger_tick(struct ledger *ledger)
{
	int64_t hour = (int64_t)(clock_real_ns() / NS_PER_S / 3600);

	if (hour == ledger->ticked_hour)
		return;
	ledger->ticked_hour = hour;
	writer_kick(&ledger->writer);
}

void ledger_state_read(struct ledger *ledger, struct ledger_state *ret)
{
	struct writer *writer = &ledger->writer;
	uint64_t inflight;
	int64_t reserved_nano;

	inflight_count(&ledger->inflight, &inflight, &reserved_nano);
	*ret = (struct ledger_state){
		.inflight = inflight,
		.reserved_nano = reserved_nano,
		.rows_committed =
		    atomic_load_explicit(&writer->rows_committed, memory_order_relaxed),
		.commits = atomic_load_explicit(&writer->commits, memory_order_relaxed),
		.commit_failures =
		    atomic_load_explicit(&writer->commit_failures, memory_order_relaxed),
		.replayed = atomic_load_explicit(&writer->replayed, memory_order_relaxed),
		.prices_unknown =
		    atomic_load_explicit(&writer->prices_unknown, memory_order_relaxed),
		.prices_partial =
		    atomic_load_explicit(&writer->prices_partial, memory_order_relaxed),
		.degraded = atomic_load_explicit(&writer->degraded, memory_order_acquire),
		.totals_generation = totals_generation(&ledger->totals),
	};
	pthread_mutex_lock(&writer->lock);
	memcpy(ret->degraded_reason, writer->degraded_reason, sizeof(ret->degraded_reason));
	pthread_mutex_unlock(&writer->lock);
}

void ledger_unpriced_each(struct ledger *ledger, bool in_part,
			  void (*fn)(const char *provider, const char *model, void *data),
			  void *data)
{
	unpriced_each(rows_unpriced(ledger->rows, in_part), fn, data);
}

int ledger_read_rows(struct ledger *ledger, uint64_t after, uint32_t limit, bool newest,
		     struct buffer *out)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	int r = rows_open_main_reader(ledger->main_path, &main, NULL);

	return r < 0 ? r : rows_read(ledger->folder, main, after, limit, newest, out);
}

int ledger_read_request(struct ledger *ledger, uint64_t id, struct buffer *out)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	int r = rows_open_main_reader(ledger->main_path, &main, NULL);

	return r < 0 ? r : rows_read_one(ledger->folder, main, id, out);
}

int ledger_ask(struct ledger *ledger, const struct ledger_question *question,
	       void (*fn)(const struct ledger_sum *sum, void *data), void *data)
{
	return sums_ask(ledger->folder, ledger->main_path, question, fn, data);
}

int ledger_first(struct ledger *ledger, int64_t *ret_s)
{
	return sums_first(ledger->folder, ledger->main_path, ret_s);
}

const char *ledger_log_path(const struct ledger *ledger)
{
	return ledger->log.path;
}
