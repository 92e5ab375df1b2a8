/* SPDX-License-Identifier: Apache-2.0 */
/* From entries to rows. All statements are prepared once a file; a batch allocates nothing but for
 * names not seen before. */
#include "ledger/rows-own.h"

#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/entry.h"
#include "ledger/schema.h"

/* An entry's names and sums. */
struct summary {
	struct combo *who, *what;
	bool as_before;
	struct rollup_cell *cell; /* where the request is counted */
	struct totals_sum sum;
	uint8_t usage_source;
	char client_text[NETWORK_TEXT_SIZE];
	struct slice client, run;
};

static bool is_error(uint8_t outcome)
{
	return outcome != LEDGER_OK && outcome != LEDGER_DEPARTED;
}

static void add_usage(struct totals_sum *sum, const struct ledger_attempt *attempt)
{
	sum->cost_nano += attempt->cost_nano;
	sum->tokens_in += ledger_tokens_in(&attempt->usage);
	sum->tokens_cached += ledger_tokens_cached(&attempt->usage);
	sum->tokens_out += ledger_tokens_out(&attempt->usage);
}

static int find_combo(struct segment *segment, const struct ledger_entry *entry,
		      struct combos *combos, const uint16_t texts[COMBO_NAMES], struct combo **ret)
{
	int place = combos->kind == COMBO_WHO ? 0 : COMBO_NAMES;
	struct name *names[COMBO_NAMES];

	for (int i = 0; i < combos_names(combos->kind); i++) {
		int r = names_get(&segment->names, place + i,
				  slice_of(ledger_text(entry, texts[i])), &names[i]);

		if (r < 0)
			return r;
	}
	return combos_get(combos, names, ret);
}

static int find_who(struct segment *segment, const struct ledger_entry *entry, struct combo **ret)
{
	const uint16_t texts[COMBO_NAMES] = {
		[WHO_TENANT] = entry->tenant, [WHO_FEATURE] = entry->feature,
		[WHO_KEY] = entry->key,       [WHO_ROUTE] = entry->route,
		[WHO_USER] = entry->user,
	};

	return find_combo(segment, entry, &segment->who, texts, ret);
}

/* Of an attempt, or of none. */
static int find_what(struct segment *segment, const struct ledger_entry *entry,
		     const struct ledger_attempt *attempt, struct combo **ret)
{
	const uint16_t texts[COMBO_NAMES] = {
		[WHAT_PROVIDER] = attempt->provider, [WHAT_UPSTREAM_KEY] = attempt->upstream_key,
		[WHAT_MODEL] = attempt->model,       [WHAT_SERVED] = attempt->served,
		[WHAT_VERSION] = attempt->version,   [WHAT_PRICE] = attempt->price_source,
	};

	return find_combo(segment, entry, &segment->what, texts, ret);
}

static int find_last(struct segment *segment, const struct ledger_entry *entry, struct combo **ret)
{
	static const struct ledger_attempt none;
	int r = 0;

	if (entry->attempt_count > 0)
		return find_what(segment, entry, ledger_attempt_of(entry, entry->attempt_count - 1),
				 ret);
	if (!segment->nothing)
		r = find_what(segment, entry, &none, &segment->nothing);
	*ret = segment->nothing;
	return r;
}

static uint64_t quarter_of(const struct ledger_entry *entry)
{
	return entry->start_real_ns / (ROLLUP_QUARTER_S * NS_PER_S);
}

static bool same_attempt_names(const struct ledger_attempt *a, const struct ledger_attempt *b)
{
	return a->provider == b->provider && a->model == b->model &&
	       a->upstream_key == b->upstream_key && a->served == b->served &&
	       a->version == b->version && a->price_source == b->price_source;
}

/* The same names at the same places, of one attempt at most, and the same quarter of an hour. */
static bool as_before(const struct ledger_entry *before, const struct ledger_entry *entry)
{
	return before && before->tenant == entry->tenant && before->feature == entry->feature &&
	       before->key == entry->key && before->route == entry->route &&
	       before->user == entry->user && before->attempt_count == 1 &&
	       entry->attempt_count == 1 && same_attempt_names(&before->first, &entry->first) &&
	       before->far_used == 0 && entry->far_used == 0 &&
	       before->near_used == entry->near_used &&
	       memcmp(before->near, entry->near, entry->near_used) == 0 &&
	       quarter_of(before) == quarter_of(entry);
}

static int summarize(struct rows *rows, struct segment *segment, const struct ledger_entry *entry,
		     struct summary *ret)
{
	int r = 0;

	ret->as_before = as_before(rows->before, entry);
	if (ret->as_before) {
		ret->who = rows->who;
		ret->what = rows->what;
	} else {
		r = find_who(segment, entry, &ret->who);
		if (r == 0)
			r = find_last(segment, entry, &ret->what);
	}
	ret->client.ptr = ret->client_text;
	ret->client.len = network_address_text(&entry->client, ret->client_text);
	ret->run = slice_of(ledger_text(entry, entry->run));
	ret->sum.requests = 1;
	ret->sum.errors = is_error(entry->outcome);
	ret->sum.saved_nano = entry->saved_nano;
	for (int i = 0; i < entry->attempt_count; i++) {
		const struct ledger_attempt *attempt = ledger_attempt_of(entry, i);

		add_usage(&ret->sum, attempt);
		if (attempt->usage_source > ret->usage_source)
			ret->usage_source = attempt->usage_source;
	}
	return r;
}

/* 1: the entry's row is there already. */
static int is_there(struct segment *segment, const struct ledger_entry *entry)
{
	int r;

	db_bind_i64(segment->find_request, 1, (int64_t)entry->id);
	r = db_step(segment->find_request);
	db_reset(segment->find_request);
	return r;
}

static int64_t status_bits(uint16_t status)
{
	return status < FACTS_STATUS_MAX ? status : FACTS_STATUS_MAX;
}

static int64_t times_of(uint32_t end_us, uint32_t first_content_us)
{
	return (int64_t)((uint64_t)end_us << 32 | first_content_us);
}

static int64_t request_facts(const struct ledger_entry *entry, const struct summary *summary)
{
	return entry->outcome | summary->usage_source << FACTS_SOURCE |
	       (entry->stream != 0) << REQUEST_STREAM | entry->attempt_count << REQUEST_ATTEMPTS |
	       status_bits(entry->status) << REQUEST_STATUS | entry->spend << REQUEST_CLASS |
	       (entry->degraded != 0) << REQUEST_DEGRADED | (entry->cached != 0) << REQUEST_CACHED;
}

/* BATCH_ATTEMPT_COLUMNS of them but for two. */
static void fill_attempt(const struct ledger_attempt *attempt, int64_t *cells)
{
	const int64_t *tokens = attempt->usage.tokens;

	cells[0] = attempt->outcome | attempt->usage_source << FACTS_SOURCE |
		   attempt->price.known << ATTEMPT_PRICED | attempt->spend << ATTEMPT_CLASS |
		   status_bits(attempt->status) << ATTEMPT_STATUS |
		   attempt->price.partial << ATTEMPT_PARTIAL |
		   (attempt->stated_nano > 0 && !attempt->price.own) << ATTEMPT_STATED;
	cells[1] = attempt->start_us;
	cells[2] = times_of(attempt->end_us, attempt->first_content_us);
	cells[3] = tokens[LEDGER_INPUT];
	cells[4] = tokens[LEDGER_CACHE_READ];
	cells[5] = tokens[LEDGER_CACHE_WRITE];
	cells[6] = tokens[LEDGER_CACHE_WRITE_1H];
	cells[7] = tokens[LEDGER_OUTPUT];
	cells[8] = attempt->usage.reasoning;
	cells[9] = attempt->cost_nano;
}

/* What of the sums is in no column: input, cached, output. */
static void add_rare(struct buffer *out, const struct ledger_usage *usage)
{
	int64_t in = ledger_tokens_in(usage), cached = ledger_tokens_cached(usage);

	for (int i = LEDGER_INPUT; i < LEDGER_OUTPUT; i++)
		in -= usage->tokens[i];
	buffer_printf(out, "\"rare\":[%" PRId64 ",%" PRId64 ",%" PRId64 "]", in,
		      cached - usage->tokens[LEDGER_CACHE_READ],
		      ledger_tokens_out(usage) - usage->tokens[LEDGER_OUTPUT]);
	for (int i = LEDGER_RARE; i < LEDGER_CLASSES; i++)
		if (usage->tokens[i] > 0)
			buffer_printf(out, ",\"%s\":%" PRId64,
				      ledger_rate_name((enum ledger_class)i), usage->tokens[i]);
}

/* What few rows have, as JSON; else nothing. */
static struct slice more_of(struct rows *rows, const struct ledger_attempt *attempt,
			    int64_t saved_nano, const char *decisions)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	if (!attempt->rare && saved_nano == 0 && !*decisions)
		return SLICE("");
	buffer_append_char(&text, '{');
	if (attempt->rare)
		add_rare(&text, &attempt->usage);
	if (saved_nano != 0)
		buffer_printf(&text, "%s\"saved_nano\":%" PRId64, text.len > 1 ? "," : "",
			      saved_nano);
	if (*decisions) {
		buffer_append_str(&text, text.len > 1 ? ",\"policies\":" : "\"policies\":");
		buffer_append_json(&text, slice_of(decisions));
	}
	buffer_append_char(&text, '}');
	return text.failed ? SLICE("") : arena_dup(&rows->mores, buffer_slice(&text));
}

void rows_clear_batch(struct rows *rows)
{
	batch_clear(&rows->batch);
	arena_fini(&rows->mores);
}

int rows_flush(struct rows *rows, struct segment *segment)
{
	int r = batch_flush(&rows->batch, &segment->statements);

	arena_fini(&rows->mores);
	return r;
}

/* With its last attempt. */
static void add_request(struct rows *rows, const struct ledger_entry *entry,
			const struct summary *summary)
{
	static const struct ledger_attempt none;
	const struct ledger_attempt *last =
	    entry->attempt_count > 0 ? ledger_attempt_of(entry, entry->attempt_count - 1) : &none;
	struct slice *texts;
	int64_t *cells = batch_request(&rows->batch, summary->client, &texts);

	cells[0] = (int64_t)entry->id;
	cells[1] = (int64_t)(entry->start_real_ns / NS_PER_MS);
	cells[2] = summary->who->id;
	cells[3] = summary->what->id;
	cells[4] = request_facts(entry, summary);
	cells[5] = times_of(entry->end_us, entry->first_content_us);
	fill_attempt(last, cells + 6);
	texts[0] = slice_of(last->provider_request_id);
	texts[1] = more_of(rows, last, entry->saved_nano, ledger_text(entry, entry->decisions));
	texts[3] = summary->run;
}

static void add_attempt(struct rows *rows, const struct ledger_entry *entry, int n,
			const struct combo *what)
{
	const struct ledger_attempt *attempt = ledger_attempt_of(entry, n);
	struct slice *texts;
	int64_t *cells = batch_attempt(&rows->batch, &texts);

	cells[0] = (int64_t)entry->id;
	cells[1] = n;
	cells[2] = what->id;
	fill_attempt(attempt, cells + 3);
	texts[0] = slice_of(attempt->provider_request_id);
	texts[1] = more_of(rows, attempt, 0, "");
}

static int cell_of(struct rows *rows, struct segment *segment, const struct ledger_entry *entry,
		   struct combo *who, struct combo *what, struct rollup_cell **ret)
{
	int r = combos_counted(&segment->who, &segment->names, who, &who);

	if (r == 0)
		r = combos_counted(&segment->what, &segment->names, what, &what);
	if (r < 0)
		return r;
	*ret = rollup_cell(&rows->rollup, (int64_t)(entry->start_real_ns / NS_PER_S), who, what);
	return *ret ? 0 : -ENOMEM;
}

/* The request is counted where its last attempt is. */
static int count_request(struct rows *rows, struct segment *segment,
			 const struct ledger_entry *entry, struct summary *summary)
{
	int r = 0;

	if (summary->as_before)
		summary->cell = &rows->rollup.cells[rows->cell];
	else
		r = cell_of(rows, segment, entry, summary->who, summary->what, &summary->cell);
	if (r < 0)
		return r;
	rows->before = entry;
	rows->who = summary->who;
	rows->what = summary->what;
	rows->cell = (size_t)(summary->cell - rows->rollup.cells);
	summary->cell->change.request.requests++;
	summary->cell->change.request.errors += summary->sum.errors;
	summary->cell->change.request.saved_nano += summary->sum.saved_nano;
	return 0;
}

static void count_attempt(struct rows *rows, const struct ledger_attempt *attempt,
			  const struct combo *what, struct rollup_cell *cell)
{
	add_usage(&cell->change.request, attempt);
	cell->change.attempts++;
	cell->change.attempt_errors += is_error(attempt->outcome);
	if (attempt->usage_source == LEDGER_USAGE_NONE ||
	    (attempt->price.known && !attempt->price.partial))
		return;
	rows->batch_unknown += !attempt->price.known;
	rows->batch_partial += attempt->price.known;
	unpriced_note(attempt->price.known ? &rows->half_priced : &rows->unpriced,
		      what->names[WHAT_PROVIDER]->text.ptr, what->names[WHAT_MODEL]->text.ptr);
}

static int write_earlier(struct rows *rows, struct segment *segment,
			 const struct ledger_entry *entry, const struct summary *summary, int n)
{
	const struct ledger_attempt *attempt = ledger_attempt_of(entry, n);
	struct rollup_cell *cell = NULL;
	struct combo *what;
	int r = find_what(segment, entry, attempt, &what);

	if (r == 0)
		r = cell_of(rows, segment, entry, summary->who, what, &cell);
	if (r < 0)
		return r;
	add_attempt(rows, entry, n, what);
	count_attempt(rows, attempt, what, cell);
	return 0;
}

static void write_line(struct buffer *lines, const struct ledger_entry *entry,
		       const struct summary *summary)
{
	struct name *const *who = summary->who->names, *const *what = summary->what->names;
	struct log_line line = {
		.id = entry->id,
		.start_real_ns = entry->start_real_ns,
		.tenant = who[WHO_TENANT]->json,
		.feature = who[WHO_FEATURE]->json,
		.key = who[WHO_KEY]->json,
		.route = who[WHO_ROUTE]->json,
		.user = who[WHO_USER]->json,
		.model = what[WHAT_MODEL]->json,
		.provider = what[WHAT_PROVIDER]->json,
		.model_served = what[WHAT_SERVED]->json,
		.version = what[WHAT_VERSION]->json,
		.status = entry->status,
		.stream = entry->stream,
		.degraded = entry->degraded,
		.cached = entry->cached,
		.attempts = entry->attempt_count,
		.outcome = rows_outcome_name(entry->outcome),
		.usage_source = rows_usage_name(summary->usage_source),
		.spend = rows_spend_name(entry->spend),
		.tokens_in = summary->sum.tokens_in,
		.tokens_cached = summary->sum.tokens_cached,
		.tokens_out = summary->sum.tokens_out,
		.cost_nano = summary->sum.cost_nano,
		.saved_nano = entry->saved_nano,
		.end_us = entry->end_us,
		.first_content_us = entry->first_content_us,
		.client = summary->client,
		.run = summary->run,
		.policies = slice_of(ledger_text(entry, entry->decisions)),
	};

	request_log_format(lines, &line);
}

int rows_write_entry(struct rows *rows, struct segment *segment, const struct ledger_entry *entry,
		     bool logged, struct buffer *lines)
{
	struct summary summary = { 0 };
	int r = summarize(rows, segment, entry, &summary);

	if (r < 0)
		return r;
	if (!logged)
		write_line(lines, entry, &summary);
	r = rows->doubtful ? is_there(segment, entry) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	add_request(rows, entry, &summary);
	for (int n = 0; r == 0 && n < entry->attempt_count - 1; n++)
		r = write_earlier(rows, segment, entry, &summary, n);
	/* Cells move when another is added, so the request's is asked for behind those. */
	if (r == 0)
		r = count_request(rows, segment, entry, &summary);
	if (r == 0 && entry->attempt_count > 0)
		count_attempt(rows, ledger_attempt_of(entry, entry->attempt_count - 1),
			      summary.what, summary.cell);
	return r == 0 && batch_is_full(&rows->batch) ? rows_flush(rows, segment) : r;
}

int rows_write_rollup(struct rows *rows, struct segment *segment)
{
	struct db_statement *add = segment->add_rollup;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rows->rollup.count; i++) {
		const struct rollup_cell *cell = &rows->rollup.cells[i];
		const struct totals_change *change = &cell->change;
		const int64_t cells[] = {
			change->start_s,
			cell->who->id,
			cell->what->id,
			(int64_t)change->request.requests,
			(int64_t)change->request.errors,
			(int64_t)change->attempts,
			(int64_t)change->attempt_errors,
			change->request.tokens_in,
			change->request.tokens_cached,
			change->request.tokens_out,
			change->request.cost_nano,
			change->request.saved_nano,
		};

		for (int n = 0; n < (int)ARRAY_SIZE(cells); n++)
			db_bind_i64(add, 1 + n, cells[n]);
		r = db_run(add);
	}
	return r;
}
