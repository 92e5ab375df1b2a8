/* SPDX-License-Identifier: Apache-2.0 */
/* A file's rows are added up by its own numbers first, and only these few sums are given names: a
 * month of quarters may be millions of rows. Whole UTC days of the main file come from its sums of
 * days, the ends of the stretch from quarters. */
#include "ledger/sums.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "ledger/corrections.h"
#include "ledger/rollup.h"
#include "ledger/rows.h"
#include "ledger/segment.h"

#define SUMS                                                                                \
	" who, what, requests, errors, attempts, attempt_errors, tokens_in, tokens_cached," \
	" tokens_out, cost_nano, saved_nano FROM "

static const char quarters_sql[] = "SELECT" SUMS "rollup_row WHERE start_s >= ?1 AND start_s < ?2";
static const char days_sql[] = "SELECT" SUMS "rollup_day_row WHERE day_s >= ?1 AND day_s < ?2";

static const char who_sql[] =
    "SELECT t.text, f.text, k.text, o.text, e.text FROM who_row w JOIN name t ON t.id = w.tenant "
    "JOIN name f ON f.id = w.feature JOIN name k ON k.id = w.key JOIN name o ON o.id = w.route "
    "JOIN name e ON e.id = w.user WHERE w.id = ?1";
static const char what_sql[] =
    "SELECT p.text, m.text FROM what_row h JOIN name p ON p.id = h.provider JOIN name m ON m.id = "
    "h.model WHERE h.id = ?1";

static const enum ledger_group who_groups[] = { LEDGER_BY_TENANT, LEDGER_BY_FEATURE, LEDGER_BY_KEY,
						LEDGER_BY_ROUTE, LEDGER_BY_USER };
static const enum ledger_group what_groups[] = { LEDGER_BY_PROVIDER, LEDGER_BY_MODEL };

struct figures {
	int64_t requests, errors, attempts, attempt_errors, tokens_in, tokens_cached, tokens_out,
	    cost_nano, saved_nano;
	int64_t corrected_nano; /* of no rollup */
};

enum {
	FIGURES = sizeof(struct figures) / sizeof(int64_t),
	COLUMNS = FIGURES - 1,
	KEY_BYTES = LEDGER_GROUPS * sizeof(const char *),
};

/* A sum by a file's own numbers. */
struct numbered {
	int64_t who, what;
	struct figures figures;
};

/* A sum by the names that were asked for, which are the texts of `names` of the answer. */
struct cell {
	struct slice names[LEDGER_GROUPS];
	struct figures figures;
};

struct sums {
	const struct ledger_question *question;
	struct arena arena; /* texts and cells of the answer */
	struct map names, cells;
};

static void add(struct figures *to, const struct figures *more)
{
	int64_t *sum = (int64_t *)to;
	const int64_t *value = (const int64_t *)more;

	for (int i = 0; i < FIGURES; i++)
		sum[i] += value[i];
}

/* ---- one file, by its numbers ---- */

struct numbers {
	struct map cells;
	struct arena arena;
};

static struct figures *cell_of_numbers(struct numbers *numbers, const int64_t pair[2])
{
	struct slice key = { (const char *)pair, 2 * sizeof(pair[0]) };
	struct numbered *cell = map_get(&numbers->cells, key);

	if (cell)
		return &cell->figures;
	cell = arena_zalloc(&numbers->arena, sizeof(*cell));
	if (!cell || map_put(&numbers->cells, key, cell, NULL) < 0)
		return NULL;
	cell->who = pair[0];
	cell->what = pair[1];
	return &cell->figures;
}

static int add_rows(struct db *db, const char *sql, int64_t from_s, int64_t until_s,
		    struct numbers *numbers)
{
	struct db_statement *row;
	int r;

	if (from_s >= until_s)
		return 0;
	r = db_prepare(db, sql, &row);
	if (r < 0)
		return r;
	db_bind_i64(row, 1, from_s);
	db_bind_i64(row, 2, until_s);
	while ((r = db_step(row)) == 1) {
		const int64_t pair[2] = { db_column_i64(row, 0), db_column_i64(row, 1) };
		struct figures *figures = cell_of_numbers(numbers, pair), more = { 0 };

		for (int i = 0; i < COLUMNS; i++)
			((int64_t *)&more)[i] = db_column_i64(row, 2 + i);
		if (!figures) {
			r = -ENOMEM;
			break;
		}
		add(figures, &more);
	}
	db_statement_free(row);
	return r;
}

/* ---- their names ---- */

/* The same text is the same pointer, so that a sum's key are pointers. */
static int intern(struct sums *sums, struct slice text, struct slice *ret)
{
	char *copy = map_get(&sums->names, text);

	if (!copy) {
		copy = (char *)arena_dup(&sums->arena, text).ptr;
		if (!copy || map_put(&sums->names, text, copy, NULL) < 0)
			return -ENOMEM;
	}
	*ret = (struct slice){ copy, text.len };
	return 0;
}

/* 1: they are asked for, 0: they are not. */
static int take_names(struct sums *sums, struct db_statement *row, const enum ledger_group *groups,
		      size_t count, struct slice *names)
{
	const struct ledger_question *question = sums->question;

	for (size_t i = 0; i < count; i++) {
		struct slice text = db_column_text(row, (int)i), only = question->only[groups[i]];

		if (only.ptr && !slice_eq(only, text))
			return 0;
		if (question->by & LEDGER_BIT(groups[i]) &&
		    intern(sums, text, &names[groups[i]]) < 0)
			return -ENOMEM;
	}
	return 1;
}

static int read_names(struct sums *sums, struct db_statement *statement, int64_t id,
		      const enum ledger_group *groups, size_t count, struct slice *names)
{
	int r;

	db_bind_i64(statement, 1, id);
	r = db_step(statement);
	if (r == 1)
		r = take_names(sums, statement, groups, count, names);
	else if (r == 0)
		r = -EIO; /* a sum of nobody's: the file is damaged */
	db_reset(statement);
	return r;
}

static int add_cell(struct sums *sums, const struct slice *names, const struct figures *figures)
{
	const char *pointers[LEDGER_GROUPS];
	struct slice key = { (const char *)pointers, KEY_BYTES };
	struct cell *cell;

	for (int i = 0; i < LEDGER_GROUPS; i++)
		pointers[i] = names[i].ptr;
	cell = map_get(&sums->cells, key);
	if (!cell) {
		cell = arena_zalloc(&sums->arena, sizeof(*cell));
		if (!cell || map_put(&sums->cells, key, cell, NULL) < 0)
			return -ENOMEM;
		memcpy(cell->names, names, sizeof(cell->names));
	}
	add(&cell->figures, figures);
	return 0;
}

static int give_names(struct sums *sums, struct db *db, const struct numbers *numbers)
{
	struct db_statement *who = NULL, *what = NULL;
	int r = db_prepare(db, who_sql, &who);

	if (r == 0)
		r = db_prepare(db, what_sql, &what);
	map_foreach (entry, &numbers->cells) {
		const struct numbered *cell = entry->value;
		struct slice names[LEDGER_GROUPS] = { 0 };

		if (r < 0)
			break;
		r = read_names(sums, who, cell->who, who_groups, ARRAY_SIZE(who_groups), names);
		if (r == 1)
			r = read_names(sums, what, cell->what, what_groups, ARRAY_SIZE(what_groups),
				       names);
		if (r == 1)
			r = add_cell(sums, names, &cell->figures);
	}
	db_statement_free(who);
	db_statement_free(what);
	return r < 0 ? r : 0;
}

/* ---- all files ---- */

static int64_t day_up(int64_t at_s)
{
	int64_t rest = at_s % SEGMENT_DAY_S;

	return rest == 0 || at_s > INT64_MAX - SEGMENT_DAY_S ? at_s : at_s - rest + SEGMENT_DAY_S;
}

static int add_main(struct db *db, const struct ledger_question *question, struct numbers *numbers)
{
	int64_t first = day_up(question->from_s);
	int64_t last = question->until_s - question->until_s % SEGMENT_DAY_S;
	int r;

	if (first >= last)
		return add_rows(db, quarters_sql, question->from_s, question->until_s, numbers);
	r = add_rows(db, quarters_sql, question->from_s, first, numbers);
	if (r == 0)
		r = add_rows(db, days_sql, first, last, numbers);
	if (r == 0)
		r = add_rows(db, quarters_sql, last, question->until_s, numbers);
	return r;
}

static int add_file(struct sums *sums, struct db *db, bool is_main)
{
	const struct ledger_question *question = sums->question;
	struct numbers numbers = { 0 };
	int r;

	arena_init(&numbers.arena, NULL);
	r = is_main ? add_main(db, question, &numbers)
		    : add_rows(db, quarters_sql, question->from_s, question->until_s, &numbers);
	if (r == 0)
		r = give_names(sums, db, &numbers);
	map_fini(&numbers.cells);
	arena_fini(&numbers.arena);
	return r;
}

/* ---- corrections ---- */

struct correcting {
	struct sums *sums;
	int r;
};

static void add_correction(const struct ledger_correction *correction, void *data)
{
	struct correcting *correcting = data;
	const struct ledger_question *question = correcting->sums->question;
	const struct figures figures = { .cost_nano = correction->amount_nano,
					 .corrected_nano = correction->amount_nano };
	struct slice names[LEDGER_GROUPS] = { 0 };

	for (int i = 0; i < LEDGER_GROUPS; i++) {
		struct slice only = question->only[i];

		if (only.ptr && !slice_eq(only, correction->names[i]))
			return;
		if (question->by & LEDGER_BIT(i) &&
		    intern(correcting->sums, correction->names[i], &names[i]) < 0)
			correcting->r = -ENOMEM;
	}
	if (correcting->r == 0)
		correcting->r = add_cell(correcting->sums, names, &figures);
}

static int add_corrections(struct sums *sums, struct db *main)
{
	struct correcting correcting = { sums, 0 };
	int r = corrections_each(main, sums->question->from_s, sums->question->until_s,
				 add_correction, &correcting);

	return r < 0 ? r : correcting.r;
}

CLEANUP_DEFINE(struct db, db_close);

static int add_segment(struct db *db, void *data)
{
	return add_file(data, db, false);
}

/* A segment that is closed after the main file's moment still counts by itself. */
static int add_files(struct sums *sums, const char *folder, struct db *main)
{
	int r = segments_each_open(folder, main, add_segment, sums);

	if (r == 0)
		r = add_file(sums, main, true);
	return r == 0 ? add_corrections(sums, main) : r;
}

/* ---- the answer ---- */

static int dearer_first(const void *a, const void *b)
{
	const struct cell *left = *(const struct cell *const *)a;
	const struct cell *right = *(const struct cell *const *)b;

	if (left->figures.cost_nano != right->figures.cost_nano)
		return left->figures.cost_nano > right->figures.cost_nano ? -1 : 1;
	for (int i = 0; i < LEDGER_GROUPS; i++) {
		int order =
		    left->names[i].ptr ? strcmp(left->names[i].ptr, right->names[i].ptr) : 0;
		if (order != 0)
			return order;
	}
	return 0;
}

static void give(const struct sums *sums, const struct cell *cell,
		 void (*fn)(const struct ledger_sum *sum, void *data), void *data)
{
	const unsigned by_attempt = LEDGER_BIT(LEDGER_BY_MODEL) | LEDGER_BIT(LEDGER_BY_PROVIDER);
	const struct figures *figures = &cell->figures;
	bool attempts = sums->question->by & by_attempt;
	struct ledger_sum sum = {
		.cost_nano = figures->cost_nano,
		.saved_nano = figures->saved_nano,
		.corrected_nano = figures->corrected_nano,
		.tokens_in = figures->tokens_in,
		.tokens_cached = figures->tokens_cached,
		.tokens_out = figures->tokens_out,
		.requests = (uint64_t)(attempts ? figures->attempts : figures->requests),
		.errors = (uint64_t)(attempts ? figures->attempt_errors : figures->errors),
	};

	memcpy(sum.names, cell->names, sizeof(sum.names));
	if (sum.requests > 0 || sum.cost_nano != 0 || sum.corrected_nano != 0)
		fn(&sum, data);
}

static int give_all(const struct sums *sums, void (*fn)(const struct ledger_sum *sum, void *data),
		    void *data)
{
	_cleanup_free_ const struct cell **cells = calloc(sums->cells.count + 1, sizeof(cells[0]));
	size_t count = 0;

	if (!cells)
		return -ENOMEM;
	map_foreach (entry, &sums->cells)
		cells[count++] = entry->value;
	qsort(cells, count, sizeof(cells[0]), dearer_first);
	for (size_t i = 0; i < count; i++)
		give(sums, cells[i], fn, data);
	return 0;
}

int sums_ask(const char *folder, const char *main_path, const struct ledger_question *question,
	     void (*fn)(const struct ledger_sum *sum, void *data), void *data)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	struct sums sums = { .question = question };
	int r = rows_open_main_reader(main_path, &main, NULL);

	if (r == 0)
		r = db_begin_read(main);
	if (r < 0)
		return r;
	arena_init(&sums.arena, NULL);
	r = add_files(&sums, folder, main);
	db_rollback(main);
	if (r == 0)
		r = give_all(&sums, fn, data);
	map_fini(&sums.cells);
	map_fini(&sums.names);
	arena_fini(&sums.arena);
	return r;
}

/* ---- the first quarter ---- */

static int look_earlier(struct db *db, void *data)
{
	int64_t start_s, *first_s = data;
	int r =
	    segment_ask(db, "SELECT start_s FROM rollup_row ORDER BY start_s LIMIT 1", &start_s);

	if (r == 0 && start_s > 0 && start_s < *first_s)
		*first_s = start_s;
	return r;
}

int sums_first(const char *folder, const char *main_path, int64_t *ret_s)
{
	_cleanup_(cleanup_db_close) struct db *main = NULL;
	int64_t first_s = INT64_MAX;
	int r = rows_open_main_reader(main_path, &main, NULL);

	if (r == 0)
		r = segments_each_open(folder, main, look_earlier, &first_s);
	if (r == 0)
		r = look_earlier(main, &first_s);
	if (r == 0 && first_s == INT64_MAX)
		r = -ENOENT;
	if (r == 0)
		*ret_s = first_s;
	return r;
}
