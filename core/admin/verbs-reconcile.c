/* SPDX-License-Identifier: Apache-2.0 */
/* A provider's export of usage beside the ledger's attempts, by UTC day and model. Read are the
 * exports of OpenAI (platform.openai.com/usage: completions, embeddings; and costs, which name no
 * model) and of Anthropic (console.anthropic.com: usage), and any CSV with the columns of the table
 * below; other columns are passed over. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/csv.h"
#include "base/map.h"
#include "base/period.h"

enum {
	DAY_S = 86400,
	COLUMNS_MAX = 256,
	LINES_MAX = 200000,
	DAYS_MAX = 400, /* from the first to the last */
};

#define SUM_MAX (INT64_MAX / 4) /* so that two may be held against each other */

enum figure {
	REQUESTS,
	INPUT, /* all of it, with what follows */
	FRESH, /* neither read from a cache nor written to one */
	CACHE_READ,
	CACHE_WRITE,
	CACHE_WRITE_1H,
	OUTPUT,
	COST, /* nano-dollars */
	FIGURES,
	DAY = FIGURES,
	DAY_EPOCH,
	MODEL,
	PASSED_OVER,
};

static const char *const figure_names[FIGURES] = {
	"requests", "input", "", "cache_read", "cache_write", "cache_write_1h", "output", "cost",
};

/* Of two names of one thing in a file the first here counts. */
static const struct column {
	const char *name;
	int what;
} columns[] = {
	{ "usage_date_utc", DAY },
	{ "date", DAY },
	{ "day", DAY },
	{ "start_time_iso", DAY },
	{ "start_time", DAY_EPOCH },
	{ "model_version", MODEL },
	{ "model", MODEL },
	{ "num_model_requests", REQUESTS },
	{ "requests", REQUESTS },
	{ "input_tokens", INPUT },
	{ "prompt_tokens", INPUT },
	{ "usage_input_tokens_no_cache", FRESH },
	{ "input_uncached_tokens", FRESH },
	{ "uncached_input_tokens", FRESH },
	{ "usage_input_tokens_cache_read", CACHE_READ },
	{ "input_cached_tokens", CACHE_READ },
	{ "cache_read_input_tokens", CACHE_READ },
	{ "cached_tokens", CACHE_READ },
	{ "usage_input_tokens_cache_write_5m", CACHE_WRITE },
	{ "cache_write_tokens", CACHE_WRITE },
	{ "usage_input_tokens_cache_write_1h", CACHE_WRITE_1H },
	{ "cache_write_1h_tokens", CACHE_WRITE_1H },
	{ "usage_output_tokens", OUTPUT },
	{ "output_tokens", OUTPUT },
	{ "completion_tokens", OUTPUT },
	{ "cost_usd", COST },
	{ "amount_value", COST },
};

struct figures {
	int64_t of[FIGURES];
};

/* A day and a model; model "" where the file names none. */
struct cell {
	int64_t day;
	struct slice model;
	struct figures theirs, ours;
};

struct reconciling {
	struct arena arena;
	struct map cells, models; /* of the file: their names */
	struct map providers;     /* of the attempts that were counted */
	int order[COLUMNS_MAX];
	size_t column_count, line;
	bool named[PASSED_OVER]; /* what the file has a column of */
	int64_t first_day, last_day, kept_day, tolerance_nano;
	int r;
};

static int fail(const struct reconciling *file, struct error *error, const char *what)
{
	return error_set(error, -EINVAL, "line %zu: %s", file->line, what);
}

/* ---- the file ---- */

static const struct column *find_column(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (slice_case_eq(name, slice_of(columns[i].name)))
			return &columns[i];
	return NULL;
}

/* The column of `what` that comes first in the table is the one that is read. */
static void choose(struct reconciling *file, const struct column **found)
{
	for (size_t i = 0; i < file->column_count; i++) {
		bool best = found[i];

		for (size_t k = 0; best && k < file->column_count; k++)
			best = !found[k] || found[k]->what != found[i]->what ||
			       found[i] < found[k] || (found[i] == found[k] && i <= k);
		file->order[i] = best ? found[i]->what : PASSED_OVER;
		if (best)
			file->named[found[i]->what] = true;
	}
}

static int take_names(struct reconciling *file, struct slice line, struct error *error)
{
	static const char mark[] = "\xef\xbb\xbf";
	const struct column *found[COLUMNS_MAX];
	struct slice field;
	bool more = true;

	if (slice_starts(line, slice_of(mark)))
		line = slice_skip(line, strlen(mark));
	while (more) {
		if (file->column_count == COLUMNS_MAX)
			return fail(file, error, "it has more than 256 columns");
		if (!csv_next(&file->arena, &line, &field, &more))
			return fail(file, error, "its quotes are no field's");
		found[file->column_count++] = find_column(field);
	}
	choose(file, found);
	if (!file->named[DAY] && !file->named[DAY_EPOCH])
		return fail(file, error,
			    "it names no column of days: date, usage_date_utc, start_time_iso or "
			    "start_time");
	for (int i = 0; i < FIGURES; i++)
		if (file->named[i])
			return 0;
	return fail(file, error,
		    "it names nothing that is counted, as requests, input_tokens, output_tokens "
		    "or cost_usd");
}

/* Its first ten bytes: what is behind them is a time of that day. */
static int parse_day(struct slice text, int64_t *ret)
{
	if (text.len < 10)
		return -EINVAL;
	return period_name_parse(PERIOD_DAY, (struct slice){ text.ptr, 10 }, ret);
}

/* "1234", and "1234.0" as some exports have it. */
static int parse_count(struct slice text, int64_t *ret)
{
	struct slice rest, whole = slice_cut(text, '.', &rest);
	uint64_t count = 0;

	for (size_t i = 0; i < rest.len; i++)
		if (rest.ptr[i] != '0')
			return -EINVAL;
	if (slice_to_u64(whole, &count) < 0 || count > SUM_MAX / 8)
		return -EINVAL;
	*ret = (int64_t)count;
	return 0;
}

/* Digits beyond the nano-dollar are cut: exports have what floats make of prices. */
static int parse_cost(struct slice text, int64_t *ret)
{
	struct slice rest, whole = slice_cut(text, '.', &rest);

	if (rest.len > 9) {
		for (size_t i = 9; i < rest.len; i++)
			if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
				return -EINVAL;
		text.len = whole.len + 1 + 9;
	}
	return slice_to_usd(text, ret);
}

static struct cell *cell_of(struct reconciling *file, int64_t day, struct slice model)
{
	struct slice key =
	    arena_printf(&file->arena, "%lld/%.*s", (long long)day, SLICE_ARGS(model));
	struct cell *cell = key.ptr ? map_get(&file->cells, key) : NULL;

	if (cell || !key.ptr)
		return cell;
	cell = arena_zalloc(&file->arena, sizeof(*cell));
	if (!cell)
		return NULL;
	cell->day = day;
	cell->model = arena_dup(&file->arena, model);
	if (!cell->model.ptr || map_put(&file->cells, key, cell, NULL) < 0 ||
	    map_put(&file->models, cell->model, cell, NULL) < 0)
		return NULL;
	return cell;
}

/* False with what is wrong. */
static const char *take_field(int what, struct slice field, struct figures *figures, int64_t *day,
			      struct slice *model)
{
	uint64_t seconds;

	switch (what) {
	case PASSED_OVER:
		return NULL;
	case MODEL:
		*model = field;
		return NULL;
	case DAY:
		return parse_day(field, day) < 0 ? "its day is none: YYYY-MM-DD" : NULL;
	case DAY_EPOCH:
		if (slice_to_u64(field, &seconds) < 0)
			return "its start_time is no Unix time";
		*day = (int64_t)(seconds / DAY_S);
		return NULL;
	case COST:
		return field.len > 0 && parse_cost(field, &figures->of[COST]) < 0
			   ? "its cost is no number of dollars"
			   : NULL;
	default:
		return field.len > 0 && parse_count(field, &figures->of[what]) < 0
			   ? "a count of it is no whole number"
			   : NULL;
	}
}

static int take_row(struct reconciling *file, struct slice line, struct error *error)
{
	struct figures figures = { 0 };
	struct slice field, model = SLICE("");
	struct cell *cell;
	int64_t day = -1;
	bool more = true;
	size_t i;

	for (i = 0; more && i < file->column_count; i++) {
		int what = file->order[i];
		const char *wrong;

		if (!csv_next(&file->arena, &line, &field, &more))
			return fail(file, error, "its quotes are no field's");
		if (what == DAY_EPOCH && file->named[DAY])
			continue;
		wrong = take_field(what, field, &figures, &day, &model);
		if (wrong)
			return fail(file, error, wrong);
	}
	if (more || i < file->column_count)
		return fail(file, error,
			    more ? "it has more fields than the first line"
				 : "it has fewer fields than the first line");
	if (day < 0)
		return fail(file, error, "it has no day");
	if (file->named[FRESH] && !file->named[INPUT])
		figures.of[INPUT] = figures.of[FRESH] + figures.of[CACHE_READ] +
				    figures.of[CACHE_WRITE] + figures.of[CACHE_WRITE_1H];
	cell = cell_of(file, day, model);
	if (!cell)
		return error_set(error, -ENOMEM, "out of memory");
	for (int figure = 0; figure < FIGURES; figure++) {
		int64_t *sum = &cell->theirs.of[figure];

		if (__builtin_add_overflow(*sum, figures.of[figure], sum) || *sum > SUM_MAX ||
		    *sum < -SUM_MAX)
			return fail(file, error, "its numbers are too large to be added");
	}
	file->first_day = day < file->first_day ? day : file->first_day;
	file->last_day = day > file->last_day ? day : file->last_day;
	return 0;
}

static int read_text(struct reconciling *file, struct slice rest, struct error *error)
{
	struct slice line;
	int r = 0;

	while (r == 0 && csv_line(&rest, &line)) {
		if (++file->line > LINES_MAX)
			return fail(file, error, "the file has more than 200000 lines");
		if (line.len == 0)
			continue;
		r = file->column_count == 0 ? take_names(file, line, error)
					    : take_row(file, line, error);
	}
	if (r == 0 && file->cells.count == 0)
		return error_set(error, -EINVAL, "the file has no line of usage");
	if (r == 0 && file->last_day - file->first_day >= DAYS_MAX)
		return error_set(error, -EINVAL, "the file is of more than %d days", DAYS_MAX);
	if (file->named[FRESH])
		file->named[INPUT] = true;
	return r;
}

/* ---- the ledger ---- */

static int note_provider(struct reconciling *file, struct slice provider)
{
	struct slice name;

	if (map_get(&file->providers, provider))
		return 0;
	name = arena_dup(&file->arena, provider);
	return name.ptr ? map_put(&file->providers, name, file, NULL) : -ENOMEM;
}

/* By the name that the answer gave the model where the file has that, or has not the one it was
 * asked for. */
static void add_ours(const struct ledger_day *day, void *data)
{
	struct reconciling *file = data;
	struct slice model = day->model;
	struct cell *cell;

	if (day->served.len > 0 &&
	    (map_get(&file->models, day->served) || !map_get(&file->models, day->model)))
		model = day->served;
	cell = cell_of(file, day->day, file->named[MODEL] ? model : SLICE(""));
	if (!cell || note_provider(file, day->provider) < 0) {
		file->r = -ENOMEM;
		return;
	}
	cell->ours.of[REQUESTS] += day->requests;
	cell->ours.of[INPUT] += day->input;
	cell->ours.of[CACHE_READ] += day->cache_read;
	cell->ours.of[CACHE_WRITE] += day->cache_write;
	cell->ours.of[CACHE_WRITE_1H] += day->cache_write_1h;
	cell->ours.of[OUTPUT] += day->output;
	cell->ours.of[COST] += day->cost_nano;
}

/* ---- the answer ---- */

static int by_day(const void *a, const void *b)
{
	const struct cell *left = *(const struct cell *const *)a;
	const struct cell *right = *(const struct cell *const *)b;

	if (left->day != right->day)
		return left->day < right->day ? -1 : 1;
	return strcmp(left->model.ptr, right->model.ptr);
}

static json_t *figure_json(enum figure figure, int64_t value)
{
	return figure == COST ? json_usd(value) : json_integer((json_int_t)value);
}

/* Of what the file tells; `differs` where it is not the same. */
static json_t *cell_json(const struct reconciling *file, const struct cell *cell, bool *differs)
{
	json_t *theirs = json_object(), *ours = json_object(), *delta = json_object();
	char day[PERIOD_NAME_SIZE];

	*differs = false;
	for (int i = 0; i < FIGURES; i++) {
		int64_t by = cell->theirs.of[i] - cell->ours.of[i];
		int64_t bound = i == COST ? file->tolerance_nano : 0;
		const char *name = i == COST ? "cost_usd" : figure_names[i];

		if (!file->named[i] || i == FRESH)
			continue;
		*differs = *differs || by > bound || by < -bound;
		json_object_set_new(theirs, name, figure_json(i, cell->theirs.of[i]));
		json_object_set_new(ours, name, figure_json(i, cell->ours.of[i]));
		json_object_set_new(delta, name, figure_json(i, by));
	}
	period_name(PERIOD_DAY, cell->day, day);
	return json_pack("{s:s, s:s%, s:b, s:o, s:o, s:o}", "day", day, "model", cell->model.ptr,
			 cell->model.len, "differs", *differs, "theirs", theirs, "ours", ours,
			 "delta", delta);
}

static json_t *answer_of(const struct reconciling *file)
{
	_cleanup_free_ const struct cell **cells = calloc(file->cells.count + 1, sizeof(cells[0]));
	size_t count = 0, differing = 0;
	json_t *rows = json_array(), *providers = json_array();
	char kept[PERIOD_NAME_SIZE] = "";

	if (!cells || !rows)
		return NULL;
	map_foreach (entry, &file->cells)
		cells[count++] = entry->value;
	qsort(cells, count, sizeof(cells[0]), by_day);
	for (size_t i = 0; i < count; i++) {
		bool differs;

		if (file->kept_day != INT64_MAX && cells[i]->day < file->kept_day)
			continue;
		json_array_append_new(rows, cell_json(file, cells[i], &differs));
		differing += differs;
	}
	if (file->kept_day > file->first_day && file->kept_day != INT64_MAX)
		period_name(PERIOD_DAY, file->kept_day, kept);
	map_foreach (entry, &file->providers)
		json_array_append_new(providers, json_stringn(entry->key.ptr, entry->key.len));
	return json_pack("{s:I, s:o, s:s*, s:o}", "differing", (json_int_t)differing, "providers",
			 providers, "rows_from", *kept ? kept : NULL, "rows", rows);
}

static int reconcile(struct admin *admin, struct reconciling *file, const char *provider,
		     struct slice text, json_t **ret, struct error *error)
{
	struct slice only = provider ? slice_of(provider) : (struct slice){ 0 };
	int r = read_text(file, text, error);

	if (r < 0)
		return r;
	r = ledger_days_each(admin->options.ledger, file->first_day, file->last_day, only, add_ours,
			     file, &file->kept_day);
	if (r == 0)
		r = file->r;
	if (r < 0)
		return error_set(error, r, "the ledger could not be read: %s", strerror(-r));
	*ret = answer_of(file);
	return *ret ? 0 : error_set(error, -ENOMEM, "out of memory");
}

int verb_reconcile(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		   json_t **ret, struct error *error)
{
	struct reconciling file = { .first_day = INT64_MAX, .last_day = INT64_MIN };
	json_t *text = json_object_get(arguments, "text");
	const char *provider, *tolerance;
	int r = argument_text(arguments, "provider", false, &provider, error);

	if (r >= 0)
		r = argument_text(arguments, "tolerance_usd", false, &tolerance, error);
	if (r < 0)
		return r;
	if (!json_is_string(text))
		return error_set(error, -EINVAL, "\"text\" must be the text of the CSV file");
	if (tolerance && (slice_to_usd(slice_of(tolerance), &file.tolerance_nano) < 0 ||
			  file.tolerance_nano < 0))
		return error_set(error, -EINVAL,
				 "\"tolerance_usd\" is dollars as a text, \"0.01\"");
	arena_init(&file.arena, NULL);
	r = reconcile(admin, &file, provider,
		      (struct slice){ json_string_value(text), json_string_length(text) }, ret,
		      error);
	map_fini(&file.cells);
	map_fini(&file.models);
	map_fini(&file.providers);
	arena_fini(&file.arena);
	return r;
}
