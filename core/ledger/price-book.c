/* SPDX-License-Identifier: Apache-2.0 */
/* Looking prices up, as calcPrice of npm's @pydantic/genai-prices does: a provider by id, else by
 * its `provider_match` (without an id by `model_match`); in it the first model whose rule matches,
 * else one of its fallback providers, else the same with a date written -20250805 as -2025-08-05;
 * of its prices the last one whose time has come.
 *
 * Invariant: a loaded book is one block of memory and never changes. */
#include "ledger/price-book.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"

enum {
	NAME_MAX_BYTES = 256,
};

static bool rule_matches(const struct ledger_book *book, uint32_t at, struct slice name)
{
	const struct rule *rule = &BOOK_ROWS(book, PART_RULES, struct rule)[at];
	const char *text = book_text(book, rule->at);
	uint32_t i;

	switch ((enum rule_kind)rule->kind) {
	case RULE_EQUALS:
		return slice_eq(name, (struct slice){ text, rule->len });
	case RULE_STARTS_WITH:
		return slice_starts(name, (struct slice){ text, rule->len });
	case RULE_ENDS_WITH:
		return name.len >= rule->len &&
		       memcmp(name.ptr + name.len - rule->len, text, rule->len) == 0;
	case RULE_CONTAINS:
		return memmem(name.ptr, name.len, text, rule->len) != NULL;
	case RULE_REGEX:
		return pattern_matches(BOOK_ROWS(book, PART_PATTERNS, struct pattern *)[rule->at],
				       name);
	case RULE_OR:
		for (i = 0; i < rule->len && !rule_matches(book, rule->at + i, name); i++)
			;
		return i < rule->len;
	case RULE_AND:
		for (i = 0; i < rule->len && rule_matches(book, rule->at + i, name); i++)
			;
		return i == rule->len;
	case RULE_NEVER:
		break;
	}
	return false;
}

uint32_t book_scan_models(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct provider_row *row =
	    &BOOK_ROWS(book, PART_PROVIDERS, struct provider_row)[provider];
	const struct model_row *models = BOOK_ROWS(book, PART_MODELS, struct model_row);

	for (uint32_t i = row->first_model; i < row->first_model + row->model_count; i++)
		if (rule_matches(book, models[i].rule, name))
			return i;
	return BOOK_NONE;
}

size_t book_index_slot(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct index_row *rows = BOOK_ROWS(book, PART_INDEX, struct index_row);
	size_t at = (hash_fast(name) + provider) & (book->index_cap - 1);

	while (rows[at].model != BOOK_NONE &&
	       (rows[at].provider != provider ||
		!slice_eq((struct slice){ book_text(book, rows[at].text), rows[at].len }, name)))
		at = (at + 1) & (book->index_cap - 1);
	return at;
}

static uint32_t find_in_provider(const struct ledger_book *book, uint32_t provider,
				 struct slice name)
{
	uint32_t model =
	    BOOK_ROWS(book, PART_INDEX, struct index_row)[book_index_slot(book, provider, name)]
		.model;

	return model != BOOK_NONE ? model : book_scan_models(book, provider, name);
}

static uint32_t find_model(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct provider_row *row =
	    &BOOK_ROWS(book, PART_PROVIDERS, struct provider_row)[provider];
	const uint32_t *fallbacks = BOOK_ROWS(book, PART_FALLBACKS, uint32_t);
	uint32_t model = find_in_provider(book, provider, name);

	for (uint32_t i = 0; i < row->fallback_count && model == BOOK_NONE; i++)
		model = find_in_provider(book, fallbacks[row->first_fallback + i], name);
	return model;
}

static uint32_t find_provider(const struct ledger_book *book, struct slice id, struct slice model)
{
	const struct provider_row *rows = BOOK_ROWS(book, PART_PROVIDERS, struct provider_row);
	uint32_t count = (uint32_t)BOOK_COUNT(book, PART_PROVIDERS, struct provider_row);

	for (uint32_t i = 0; i < count; i++)
		if (slice_eq(id, (struct slice){ book_text(book, rows[i].id), rows[i].id_len }))
			return i;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t rule = id.len > 0 ? rows[i].provider_rule : rows[i].model_rule;

		if (rule != BOOK_NONE && rule_matches(book, rule, id.len > 0 ? id : model))
			return i;
	}
	return BOOK_NONE;
}

bool book_is_date(const char *at)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint32_t year, month, day;

	for (int i = 0; i < 8; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	year = book_two_digits(at) * 100 + book_two_digits(at + 2);
	month = book_two_digits(at + 4);
	day = book_two_digits(at + 6);
	if (year / 100 != 20 || month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] || (month == 2 && day == 29 && year % 4 == 0);
}

/* -20250805 before '-', ':' or the end becomes -2025-08-05; returns the new length, 0 when nothing
 * changed. */
static size_t write_dates_apart(struct slice name, char out[static NAME_MAX_BYTES])
{
	size_t len = 0, changes = 0;

	for (size_t i = 0; i < name.len; i++) {
		const char *at = name.ptr + i;
		size_t left = name.len - i;

		if (len + 11 > NAME_MAX_BYTES)
			return 0;
		if (*at != '-' || left < 9 || (left > 9 && at[9] != '-' && at[9] != ':') ||
		    !book_is_date(at + 1)) {
			out[len++] = *at;
			continue;
		}
		len += (size_t)snprintf(out + len, NAME_MAX_BYTES - len, "-%.4s-%.2s-%.2s", at + 1,
					at + 5, at + 7);
		i += 8;
		changes++;
	}
	return changes > 0 ? len : 0;
}

static bool lower(struct slice text, char out[static NAME_MAX_BYTES], struct slice *ret)
{
	while (text.len > 0 && isspace((unsigned char)text.ptr[0]))
		text = slice_skip(text, 1);
	while (text.len > 0 && isspace((unsigned char)text.ptr[text.len - 1]))
		text.len--;
	if (text.len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++)
		out[i] = (char)tolower((unsigned char)text.ptr[i]);
	*ret = (struct slice){ out, text.len };
	return true;
}

static bool row_applies(const struct price_row *row, int64_t utc_s)
{
	int64_t second = ((utc_s % BOOK_DAY_S) + BOOK_DAY_S) % BOOK_DAY_S;

	if (row->when == WHEN_FROM)
		return utc_s >= row->from_s;
	if (row->when != WHEN_BETWEEN)
		return true;
	if (row->until_s < row->from_s)
		return second >= row->from_s || second < row->until_s;
	return second >= row->from_s && second < row->until_s;
}

/* The first second after `utc_s` at which the row begins or ends to apply. */
static int64_t row_turns(const struct price_row *row, int64_t utc_s)
{
	int64_t day_s = utc_s - ((utc_s % BOOK_DAY_S) + BOOK_DAY_S) % BOOK_DAY_S;
	int64_t begins = day_s + row->from_s, ends = day_s + row->until_s;

	if (row->when == WHEN_FROM)
		return row->from_s > utc_s ? row->from_s : INT64_MAX;
	if (row->when != WHEN_BETWEEN)
		return INT64_MAX;
	begins += begins > utc_s ? 0 : BOOK_DAY_S;
	ends += ends > utc_s ? 0 : BOOK_DAY_S;
	return begins < ends ? begins : ends;
}

static void fill_price(const struct ledger_book *book, const struct price_row *row,
		       struct ledger_price *ret)
{
	ret->known = row->known;
	ret->partial = row->partial;
	ret->own = book->kind == LEDGER_BOOK_OVERRIDE;
	ret->source = book_text(book, row->source);
	ret->tier_count = row->tier_count;
	ret->rate_count = row->rate_count;
	ret->minimum_ms = row->minimum_ms;
	memcpy(ret->rate_of, row->rate_of, sizeof(ret->rate_of));
	memcpy(ret->above, row->above, sizeof(ret->above));
	memcpy(ret->femto, BOOK_ROWS(book, PART_FEMTO, int64_t) + row->first_femto,
	       (size_t)row->tier_count * row->rate_count * sizeof(ret->femto[0]));
}

/* Among the rows of one service tier the last one that applies, else the first; NULL without any.
 */
static const struct price_row *pick_row(const struct ledger_book *book,
					const struct model_row *model, struct slice tier,
					int64_t utc_s)
{
	const struct price_row *rows =
	    BOOK_ROWS(book, PART_PRICES, struct price_row) + model->first_price;
	const struct price_row *first = NULL, *last = NULL;

	for (uint32_t i = 0; i < model->price_count; i++) {
		if (!slice_eq_str(tier, book_text(book, rows[i].service_tier)))
			continue;
		if (!first)
			first = &rows[i];
		if (row_applies(&rows[i], utc_s))
			last = &rows[i];
	}
	return last ? last : first;
}

/* In one book, by a provider and a model in lower case. */
static uint32_t find_named(const struct ledger_book *book, struct slice id, struct slice name,
			   uint32_t *ret_provider)
{
	char text[NAME_MAX_BYTES];
	struct slice dated = { text, 0 };
	uint32_t provider = find_provider(book, id, name), model;

	*ret_provider = provider;
	if (provider == BOOK_NONE)
		return BOOK_NONE;
	model = find_model(book, provider, name);
	if (model != BOOK_NONE)
		return model;
	dated.len = write_dates_apart(name, text);
	return dated.len > 0 ? find_model(book, provider, dated) : BOOK_NONE;
}

/* LiteLLM's names of models have the provider before them. */
static void part_litellm(const struct ledger_book *book, struct slice *id, struct slice *name)
{
	struct slice model, provider = slice_cut(*name, '/', &model);

	if (slice_eq_str(*id, "litellm") && provider.len > 0 && model.len > 0 &&
	    find_provider(book, provider, SLICE("")) != BOOK_NONE) {
		*id = provider;
		*name = model;
	}
}

static uint32_t find_in_book(const struct ledger_book *book, struct slice id, struct slice name,
			     uint32_t *ret_provider)
{
	part_litellm(book, &id, &name);
	if (slice_eq_str(id, "litellm") && find_provider(book, id, SLICE("")) == BOOK_NONE)
		id = SLICE("");
	return find_named(book, id, name, ret_provider);
}

static void tell_found(const struct ledger_book *book, uint32_t provider,
		       const struct model_row *model, const struct price_row *row,
		       struct ledger_found *ret)
{
	const struct provider_row *providers = BOOK_ROWS(book, PART_PROVIDERS, struct provider_row);

	*ret = (struct ledger_found){
		.book = book,
		.provider = book_text(book, providers[provider].id),
		.model = book_text(book, model->id),
		.rule = slice_of(book_text(book, model->match)),
		.service_tier = book_text(book, row->service_tier),
		.since_s = row->when == WHEN_FROM ? row->from_s : INT64_MIN,
		.by_time_of_day = row->when == WHEN_BETWEEN,
	};
}

static void price_of(const struct ledger_book *book, uint32_t provider, uint32_t at,
		     const struct ledger_wanted *wanted, struct slice tier,
		     struct ledger_price *ret, struct ledger_found *found)
{
	const struct model_row *model = &BOOK_ROWS(book, PART_MODELS, struct model_row)[at];
	const struct price_row *rows =
	    BOOK_ROWS(book, PART_PRICES, struct price_row) + model->first_price;
	const struct price_row *row = pick_row(book, model, tier, wanted->utc_s);
	bool other_tier = !row;

	if (!row)
		row = pick_row(book, model, SLICE(""), wanted->utc_s);
	if (!row)
		return;
	fill_price(book, row, ret);
	ret->partial = ret->partial || other_tier;
	for (uint32_t i = 0; i < model->price_count; i++) {
		int64_t turn = row_turns(&rows[i], wanted->utc_s);

		if (model->price_count > 1 && turn < ret->until_s)
			ret->until_s = turn;
	}
	if (found)
		tell_found(book, provider, model, row, found);
}

/* The override's names of providers are those of the public book too: what that one takes for
 * OpenAI is OpenAI. */
static bool find_override(const struct ledger_books *books, struct slice id, struct slice name,
			  uint32_t *ret_provider, uint32_t *ret_model)
{
	const struct ledger_book *public = books->public;
	uint32_t provider;

	*ret_model = find_in_book(books->override, id, name, ret_provider);
	if (*ret_model != BOOK_NONE || !public)
		return *ret_model != BOOK_NONE;
	part_litellm(public, &id, &name);
	provider = find_provider(public, id, name);
	if (provider == BOOK_NONE)
		return false;
	id = slice_of(
	    book_text(public, BOOK_ROWS(public, PART_PROVIDERS, struct provider_row)[provider].id));
	*ret_model = find_named(books->override, id, name, ret_provider);
	return *ret_model != BOOK_NONE;
}

void ledger_price_find(const struct ledger_books *books, const struct ledger_wanted *wanted,
		       struct ledger_price *ret, struct ledger_found *found)
{
	char id_text[NAME_MAX_BYTES], name_text[NAME_MAX_BYTES], tier_text[NAME_MAX_BYTES];
	struct slice id, name, tier = SLICE("");
	uint32_t provider, model;

	*ret = (struct ledger_price){ .until_s = INT64_MAX };
	if (found)
		*found = (struct ledger_found){ 0 };
	if (!lower(wanted->provider, id_text, &id) || !lower(wanted->model, name_text, &name))
		return;
	if (!ledger_is_standard_tier(wanted->service_tier) &&
	    !lower(wanted->service_tier, tier_text, &tier))
		return;
	if (books->override && find_override(books, id, name, &provider, &model)) {
		price_of(books->override, provider, model, wanted, tier, ret, found);
		if (ret->source)
			return;
	}
	if (!books->public)
		return;
	model = find_in_book(books->public, id, name, &provider);
	if (model != BOOK_NONE)
		price_of(books->public, provider, model, wanted, tier, ret, found);
}

bool ledger_is_standard_tier(struct slice service_tier)
{
	/* OpenAI, Anthropic, Gemini and Vertex, Bedrock, Groq */
	static const char *const names[] = { "default", "standard", "auto", "on_demand",
					     "unspecified" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == service_tier.len &&
		    strncasecmp(names[i], service_tier.ptr, service_tier.len) == 0)
			return true;
	return service_tier.len == 0;
}

void ledger_book_facts(const struct ledger_book *book, struct ledger_book_facts *ret)
{
	*ret = (struct ledger_book_facts){
		.digest = book->digest,
		.source = book_text(book, book->source_text),
		.version = book_text(book, book->version_text),
		.providers = (uint32_t)BOOK_COUNT(book, PART_PROVIDERS, struct provider_row),
		.models = (uint32_t)BOOK_COUNT(book, PART_MODELS, struct model_row),
		.partial = book->partial,
		.notes = book_text(book, book->notes_text),
	};
}

void ledger_book_each(const struct ledger_book *book,
		      void (*fn)(const char *key, struct slice units, void *data), void *data)
{
	const struct price_row *rows = BOOK_ROWS(book, PART_PRICES, struct price_row);

	for (uint32_t i = 0; i < BOOK_COUNT(book, PART_PRICES, struct price_row); i++)
		fn(book_text(book, rows[i].key), slice_of(book_text(book, rows[i].units)), data);
}

void book_free_patterns(const char *data, size_t len)
{
	struct pattern *const *patterns = (const void *)data;

	for (size_t i = 0; i < len / sizeof(patterns[0]); i++)
		pattern_free(patterns[i]);
}

struct ledger_book *ledger_book_ref(struct ledger_book *book)
{
	if (!book)
		return NULL;
	atomic_fetch_add_explicit(&book->references, 1, memory_order_relaxed);
	return book;
}

struct ledger_book *ledger_book_unref(struct ledger_book *book)
{
	if (!book || atomic_fetch_sub_explicit(&book->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	book_free_patterns(book->part[PART_PATTERNS], book->part_bytes[PART_PATTERNS]);
	free(book);
	return NULL;
}
