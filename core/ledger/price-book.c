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
	const struct ledger_tier *tiers =
	    BOOK_ROWS(book, PART_TIERS, struct ledger_tier) + row->first_tier;

	ret->known = row->tier_count > 0;
	ret->request_femto = row->request_femto;
	ret->tier_count = row->tier_count;
	for (uint32_t i = 0; i < row->tier_count; i++)
		ret->tiers[i] = tiers[i];
}

void ledger_book_find(const struct ledger_book *book, struct slice provider, struct slice model,
		      int64_t utc_s, struct ledger_price *ret)
{
	char id_text[NAME_MAX_BYTES], name_text[NAME_MAX_BYTES], dated_text[NAME_MAX_BYTES];
	const struct price_row *rows;
	const struct model_row *found;
	struct slice id, name, dated = { dated_text, 0 };
	uint32_t at_provider, at = BOOK_NONE, last;

	*ret = (struct ledger_price){ .until_s = INT64_MAX };
	if (!lower(provider, id_text, &id) || !lower(model, name_text, &name))
		return;
	at_provider = find_provider(book, id, name);
	if (at_provider == BOOK_NONE)
		return;
	at = find_model(book, at_provider, name);
	if (at == BOOK_NONE) {
		dated.len = write_dates_apart(name, dated_text);
		at = dated.len > 0 ? find_model(book, at_provider, dated) : BOOK_NONE;
	}
	if (at == BOOK_NONE)
		return;
	found = &BOOK_ROWS(book, PART_MODELS, struct model_row)[at];
	rows = BOOK_ROWS(book, PART_PRICES, struct price_row) + found->first_price;
	for (last = found->price_count; last > 1 && !row_applies(&rows[last - 1], utc_s); last--)
		;
	fill_price(book, &rows[last - 1], ret);
	for (uint32_t i = 1; i < found->price_count; i++) {
		int64_t turn = row_turns(&rows[i], utc_s);
		ret->until_s = turn < ret->until_s ? turn : ret->until_s;
	}
}

void book_free_patterns(const char *data, size_t len)
{
	struct pattern *const *patterns = (const void *)data;

	for (size_t i = 0; i < len / sizeof(patterns[0]); i++)
		pattern_free(patterns[i]);
}

struct ledger_book *ledger_book_ref(struct ledger_book *book)
{
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
