/* SPDX-License-Identifier: Apache-2.0 */
/* The price book. The file is written by packaging/fetch, which says its shape: the data of npm's
 * @pydantic/genai-prices (MIT). Look-ups follow its calcPrice: a provider by id, else by its
 * `provider_match`; in it the first model whose rule matches, else one of its fallback providers,
 * else the same with a date written -20250805 as -2025-08-05. Prices of units that are no text
 * tokens (audio, images, searches, pages) are left out: the text of such a model is priced.
 *
 * Invariant: a loaded book is one block of memory without pointers between its parts, and never
 * changes. */
#include "ledger/ledger.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/pattern.h"
#include "ledger/price.h"

enum {
	FILE_MAX_BYTES = 64 << 20,
	NAME_MAX_BYTES = 256,
	RULE_DEPTH_MAX = 16,
	SHIFT_MTOK = 9,    /* dollars a million units in femto-dollars a unit */
	SHIFT_KCOUNT = 12, /* dollars a thousand */
	DAY_S = 86400,
};

static const uint32_t NONE = UINT32_MAX;

enum rule_kind {
	RULE_EQUALS,
	RULE_STARTS_WITH,
	RULE_ENDS_WITH,
	RULE_CONTAINS,
	RULE_REGEX,
	RULE_OR,
	RULE_AND,
	RULE_NEVER, /* a kind this release does not know */
};

struct rule {
	uint32_t kind : 3, len : 29; /* of the text, or count of children */
	uint32_t at;                 /* in text (NUL-terminated, lower case), rules or patterns */
};

enum when_kind {
	WHEN_ALWAYS,
	WHEN_FROM,    /* seconds since the epoch */
	WHEN_BETWEEN, /* seconds of the UTC day; may run over midnight */
};

struct price_row {
	uint32_t when, first_tier, tier_count;
	int64_t from_s, until_s;
	int64_t request_femto;
};

struct model_row {
	uint32_t rule, first_price, price_count;
};

struct provider_row {
	uint32_t id, id_len;
	uint32_t provider_rule, model_rule; /* or NONE */
	uint32_t first_model, model_count, first_fallback, fallback_count;
};

/* What `equals` rules name, resolved at load time: most look-ups end here. */
struct index_row {
	uint32_t text, len, provider, model; /* model NONE: free */
};

/* The parts of a book, in the order of the block. */
enum part {
	PART_PRICES,
	PART_TIERS,
	PART_PATTERNS,
	PART_PROVIDERS,
	PART_MODELS,
	PART_RULES,
	PART_FALLBACKS, /* offsets of ids in text while loading, then indexes of providers */
	PART_INDEX,
	PART_TEXT,
	PARTS,
};

struct ledger_book {
	atomic_uint references;
	uint32_t index_cap; /* power of two */
	const char *part[PARTS];
	size_t part_bytes[PARTS];
};

#define ROWS(book, part_name, type) ((const type *)(const void *)(book)->part[part_name])
#define ROW_COUNT(book, part_name, type) ((book)->part_bytes[part_name] / sizeof(type))

/* ---- looking up ---- */

static const char *text_at(const struct ledger_book *book, uint32_t at)
{
	return book->part[PART_TEXT] + at;
}

static bool rule_matches(const struct ledger_book *book, uint32_t at, struct slice name)
{
	const struct rule *rule = &ROWS(book, PART_RULES, struct rule)[at];
	const char *text = text_at(book, rule->at);
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
		return pattern_matches(ROWS(book, PART_PATTERNS, struct pattern *)[rule->at], name);
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

static uint32_t scan_models(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct provider_row *row = &ROWS(book, PART_PROVIDERS, struct provider_row)[provider];
	const struct model_row *models = ROWS(book, PART_MODELS, struct model_row);

	for (uint32_t i = row->first_model; i < row->first_model + row->model_count; i++)
		if (rule_matches(book, models[i].rule, name))
			return i;
	return NONE;
}

static size_t index_slot(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct index_row *rows = ROWS(book, PART_INDEX, struct index_row);
	size_t at = (hash_fast(name) + provider) & (book->index_cap - 1);

	while (rows[at].model != NONE &&
	       (rows[at].provider != provider ||
		!slice_eq((struct slice){ text_at(book, rows[at].text), rows[at].len }, name)))
		at = (at + 1) & (book->index_cap - 1);
	return at;
}

static uint32_t find_in_provider(const struct ledger_book *book, uint32_t provider,
				 struct slice name)
{
	uint32_t model =
	    ROWS(book, PART_INDEX, struct index_row)[index_slot(book, provider, name)].model;

	return model != NONE ? model : scan_models(book, provider, name);
}

static uint32_t find_model(const struct ledger_book *book, uint32_t provider, struct slice name)
{
	const struct provider_row *row = &ROWS(book, PART_PROVIDERS, struct provider_row)[provider];
	const uint32_t *fallbacks = ROWS(book, PART_FALLBACKS, uint32_t);
	uint32_t model = find_in_provider(book, provider, name);

	for (uint32_t i = 0; i < row->fallback_count && model == NONE; i++)
		model = find_in_provider(book, fallbacks[row->first_fallback + i], name);
	return model;
}

static uint32_t find_provider(const struct ledger_book *book, struct slice id, struct slice model)
{
	const struct provider_row *rows = ROWS(book, PART_PROVIDERS, struct provider_row);
	uint32_t count = (uint32_t)ROW_COUNT(book, PART_PROVIDERS, struct provider_row);

	for (uint32_t i = 0; i < count; i++)
		if (slice_eq(id, (struct slice){ text_at(book, rows[i].id), rows[i].id_len }))
			return i;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t rule = id.len > 0 ? rows[i].provider_rule : rows[i].model_rule;

		if (rule != NONE && rule_matches(book, rule, id.len > 0 ? id : model))
			return i;
	}
	return NONE;
}

static uint32_t two_digits(const char *at)
{
	return (uint32_t)(at[0] - '0') * 10 + (uint32_t)(at[1] - '0');
}

static bool is_date(const char *at)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint32_t year, month, day;

	for (int i = 0; i < 8; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	year = two_digits(at) * 100 + two_digits(at + 2);
	month = two_digits(at + 4);
	day = two_digits(at + 6);
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
		    !is_date(at + 1)) {
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
	int64_t second = ((utc_s % DAY_S) + DAY_S) % DAY_S;

	if (row->when == WHEN_FROM)
		return utc_s >= row->from_s;
	if (row->when != WHEN_BETWEEN)
		return true;
	if (row->until_s < row->from_s)
		return second >= row->from_s || second < row->until_s;
	return second >= row->from_s && second < row->until_s;
}

static void fill_price(const struct ledger_book *book, const struct price_row *row,
		       struct ledger_price *ret)
{
	const struct ledger_tier *tiers =
	    ROWS(book, PART_TIERS, struct ledger_tier) + row->first_tier;

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
	uint32_t at_provider, at = NONE, last;

	*ret = (struct ledger_price){ 0 };
	if (!lower(provider, id_text, &id) || !lower(model, name_text, &name))
		return;
	at_provider = find_provider(book, id, name);
	if (at_provider == NONE)
		return;
	at = find_model(book, at_provider, name);
	if (at == NONE) {
		dated.len = write_dates_apart(name, dated_text);
		at = dated.len > 0 ? find_model(book, at_provider, dated) : NONE;
	}
	if (at == NONE)
		return;
	found = &ROWS(book, PART_MODELS, struct model_row)[at];
	rows = ROWS(book, PART_PRICES, struct price_row) + found->first_price;
	for (last = found->price_count; last > 1 && !row_applies(&rows[last - 1], utc_s); last--)
		;
	fill_price(book, &rows[last - 1], ret);
}

/* ---- loading ---- */

struct loader {
	const char *path;
	struct buffer part[PARTS];
	struct error *error;
};

static int bad(struct loader *loader, struct slice where, const char *what)
{
	return error_set_at(loader->error, -EINVAL, loader->path, 0, 0, "%s: %.*s", what,
			    (int)(where.len < 80 ? where.len : 80), where.ptr);
}

static uint32_t count_of(const struct loader *loader, enum part part, size_t row_bytes)
{
	return (uint32_t)(loader->part[part].len / row_bytes);
}

/* Lower case, as names are compared without case; expressions keep theirs. */
static int add_text(struct loader *loader, struct slice json, bool keep_case, uint32_t *ret_at,
		    uint32_t *ret_len)
{
	char text[1024];
	int len = json_to_text(json, text, sizeof(text));

	if (len < 0)
		return bad(loader, json, "a text is too long");
	for (int i = 0; i < len && !keep_case; i++)
		text[i] = (char)tolower((unsigned char)text[i]);
	*ret_at = (uint32_t)loader->part[PART_TEXT].len;
	*ret_len = (uint32_t)len;
	buffer_append(&loader->part[PART_TEXT], text, (size_t)len + 1);
	return 0;
}

static int add_regex(struct loader *loader, struct slice json, struct rule *rule)
{
	struct pattern *pattern;
	uint32_t at, len;
	int r = add_text(loader, json, true, &at, &len);

	if (r < 0)
		return r;
	if (loader->part[PART_TEXT].failed)
		return -ENOMEM;
	r = pattern_new(loader->part[PART_TEXT].data + at, &pattern);
	if (r < 0)
		return bad(loader, json, "is no regular expression");
	rule->at = count_of(loader, PART_PATTERNS, sizeof(pattern));
	buffer_append(&loader->part[PART_PATTERNS], &pattern, sizeof(pattern));
	return 0;
}

static enum rule_kind rule_kind_of(struct slice key)
{
	static const char *const kinds[] = { "equals", "starts_with", "ends_with", "contains",
					     "regex",  "or",          "and" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (slice_eq_str(key, kinds[i]))
			return (enum rule_kind)i;
	return RULE_NEVER;
}

static int read_rule(struct loader *loader, struct slice json, uint32_t at, int depth);

/* Children lie side by side: their places are taken first, then filled. */
static int read_children(struct loader *loader, struct slice array, struct rule *rule, int depth)
{
	struct json_member child;
	struct slice rest = array;
	struct rule empty = { .kind = RULE_NEVER };
	int r = 0;

	rule->at = count_of(loader, PART_RULES, sizeof(*rule));
	for (uint32_t i = 0; json_next(&rest, &child); i++) {
		buffer_append(&loader->part[PART_RULES], &empty, sizeof(empty));
		rule->len = i + 1;
	}
	rest = array;
	for (uint32_t i = 0; r == 0 && json_next(&rest, &child); i++)
		r = read_rule(loader, child.value, rule->at + i, depth + 1);
	return r;
}

static int read_rule(struct loader *loader, struct slice json, uint32_t at, int depth)
{
	struct json_member member;
	struct slice rest = json;
	struct rule rule = { .kind = RULE_NEVER };
	uint32_t len = 0;
	int r = 0;

	if (depth > RULE_DEPTH_MAX || !json_next(&rest, &member))
		return bad(loader, json, "is no rule");
	rule.kind = rule_kind_of(member.key);
	if (rule.kind == RULE_OR || rule.kind == RULE_AND) {
		r = read_children(loader, member.value, &rule, depth);
	} else if (rule.kind == RULE_REGEX) {
		r = add_regex(loader, member.value, &rule);
	} else if (rule.kind != RULE_NEVER) {
		r = add_text(loader, member.value, false, &rule.at, &len);
		rule.len = len;
	}
	if (r < 0)
		return r;
	if (loader->part[PART_RULES].failed)
		return -ENOMEM;
	memcpy(loader->part[PART_RULES].data + at * sizeof(rule), &rule, sizeof(rule));
	return 0;
}

static int add_rule(struct loader *loader, struct slice json, uint32_t *ret_at)
{
	struct rule rule = { .kind = RULE_NEVER };

	*ret_at = count_of(loader, PART_RULES, sizeof(rule));
	buffer_append(&loader->part[PART_RULES], &rule, sizeof(rule));
	return read_rule(loader, json, *ret_at, 0);
}

/* One class of tokens: its price from `above` input tokens on. */
struct step {
	int64_t above, femto;
};

struct steps {
	uint32_t count; /* 0: not priced */
	struct step step[LEDGER_TIERS_MAX];
};

static int read_steps(struct loader *loader, struct json_member *price, struct steps *ret)
{
	struct json_member base, tiers, tier, start, amount;
	struct steps steps = { .count = 1 };

	if (price->type == JSON_SCAN_NUMBER) {
		base = *price;
		tiers.value = (struct slice){ NULL, 0 };
	} else if (!json_find(price->value, "base", &base) ||
		   !json_find(price->value, "tiers", &tiers)) {
		return bad(loader, price->value, "is no price");
	}
	if (price_parse(base.value, SHIFT_MTOK, &steps.step[0].femto) < 0)
		return bad(loader, price->value, "is no price");
	while (json_next(&tiers.value, &tier)) {
		struct step next;
		uint32_t at = steps.count;

		if (!json_find(tier.value, "start", &start) ||
		    !json_find(tier.value, "price", &amount) ||
		    json_to_i64(start.value, &next.above) < 0 || next.above < 0 ||
		    price_parse(amount.value, SHIFT_MTOK, &next.femto) < 0 ||
		    at == LEDGER_TIERS_MAX)
			return bad(loader, price->value, "is no price with tiers, or has too many");
		for (; at > 1 && steps.step[at - 1].above > next.above; at--)
			steps.step[at] = steps.step[at - 1];
		steps.step[at] = next;
		steps.count++;
	}
	*ret = steps;
	return 0;
}

static const char *const class_keys[LEDGER_CLASSES] = {
	[LEDGER_INPUT] = "input_mtok",
	[LEDGER_CACHE_READ] = "cache_read_mtok",
	[LEDGER_CACHE_WRITE] = "cache_write_mtok",
	[LEDGER_CACHE_WRITE_1H] = "cache_write_1h_mtok",
	[LEDGER_OUTPUT] = "output_mtok",
};

/* Where a class has no price of its own, it is counted in the class it is a part of; output is part
 * of nothing. */
static const enum ledger_class part_of[LEDGER_CLASSES] = {
	[LEDGER_INPUT] = LEDGER_INPUT,       [LEDGER_CACHE_READ] = LEDGER_INPUT,
	[LEDGER_CACHE_WRITE] = LEDGER_INPUT, [LEDGER_CACHE_WRITE_1H] = LEDGER_CACHE_WRITE,
	[LEDGER_OUTPUT] = LEDGER_OUTPUT,
};

static int64_t femto_above(const struct steps *classes, enum ledger_class class, int64_t above)
{
	const struct steps *steps;
	int64_t femto;

	while (classes[class].count == 0 && part_of[class] != class)
		class = part_of[class];
	steps = &classes[class];
	femto = steps->step[0].femto;
	for (uint32_t i = 1; i < steps->count; i++)
		if (above >= steps->step[i].above)
			femto = steps->step[i].femto;
	return femto;
}

/* Every bound at which the price of some class changes, ascending, from 0; count 0 when there are
 * too many. */
static uint32_t collect_bounds(const struct steps *classes, int64_t bounds[static LEDGER_TIERS_MAX])
{
	uint32_t count = 1;

	bounds[0] = 0;
	for (int class = 0; class < LEDGER_CLASSES; class ++) {
		for (uint32_t i = 1; i < classes[class].count; i++) {
			int64_t above = classes[class].step[i].above;
			uint32_t at = count;

			while (at > 0 && bounds[at - 1] > above)
				at--;
			if (at > 0 && bounds[at - 1] == above)
				continue;
			if (count == LEDGER_TIERS_MAX)
				return 0;
			memmove(&bounds[at + 1], &bounds[at], (count - at) * sizeof(bounds[0]));
			bounds[at] = above;
			count++;
		}
	}
	return count;
}

static void add_tiers(struct loader *loader, const struct steps *classes, struct price_row *row)
{
	int64_t bounds[LEDGER_TIERS_MAX];

	row->first_tier = count_of(loader, PART_TIERS, sizeof(struct ledger_tier));
	row->tier_count = collect_bounds(classes, bounds);
	for (uint32_t i = 0; i < row->tier_count; i++) {
		struct ledger_tier tier = { .above_input_tokens = bounds[i] };

		for (int class = 0; class < LEDGER_CLASSES; class ++)
			tier.femto[class] = femto_above(classes, class, i == 0 ? -1 : bounds[i]);
		buffer_append(&loader->part[PART_TIERS], &tier, sizeof(tier));
	}
}

static int add_price(struct loader *loader, struct slice json, struct price_row row)
{
	struct steps classes[LEDGER_CLASSES] = { 0 };
	struct json_member price;
	struct slice rest = json;
	bool any = false;
	int r = 0;

	while (r == 0 && json_next(&rest, &price)) {
		if (slice_eq_str(price.key, "requests_kcount")) {
			any = true;
			if (price_parse(price.value, SHIFT_KCOUNT, &row.request_femto) < 0)
				r = bad(loader, price.value, "is no price");
		}
		for (int class = 0; r == 0 && class < LEDGER_CLASSES; class ++) {
			if (!slice_eq_str(price.key, class_keys[class]))
				continue;
			any = true;
			r = read_steps(loader, &price, &classes[class]);
		}
	}
	if (r < 0)
		return r;
	if (any)
		add_tiers(loader, classes, &row);
	buffer_append(&loader->part[PART_PRICES], &row, sizeof(row));
	return 0;
}

/* "2025-08-05", at the start of the day in UTC. */
static int read_date(struct slice json, int64_t *ret_s)
{
	char text[16], digits[16];
	struct tm date = { 0 };

	if (json_to_text(json, text, sizeof(text)) != 10)
		return -EINVAL;
	snprintf(digits, sizeof(digits), "%.4s%.2s%.2s", text, text + 5, text + 8);
	if (text[4] != '-' || text[7] != '-' || !is_date(digits))
		return -EINVAL;
	date.tm_year = (int)(two_digits(digits) * 100 + two_digits(digits + 2)) - 1900;
	date.tm_mon = (int)two_digits(digits + 4) - 1;
	date.tm_mday = (int)two_digits(digits + 6);
	*ret_s = timegm(&date);
	return 0;
}

/* "16:30:00Z", with an offset in place of Z too: the second of the UTC day. */
static int read_time(struct slice json, int64_t *ret_s)
{
	int hour, minute, second, offset_hour = 0, offset_minute = 0, used = 0;
	char text[32], sign = 'Z';

	if (json_to_text(json, text, sizeof(text)) < 9 ||
	    sscanf(text, "%2d:%2d:%2d%c%n", &hour, &minute, &second, &sign, &used) != 4)
		return -EINVAL;
	if (sign != 'Z' && ((sign != '+' && sign != '-') ||
			    sscanf(text + used, "%2d:%2d", &offset_hour, &offset_minute) != 2))
		return -EINVAL;
	*ret_s = hour * 3600 + minute * 60 + second;
	*ret_s -= (sign == '-' ? -1 : 1) * (offset_hour * 3600 + offset_minute * 60);
	*ret_s = (*ret_s + DAY_S) % DAY_S;
	return 0;
}

static int add_conditional(struct loader *loader, struct slice json)
{
	struct json_member prices, constraint, from, until;
	struct price_row row = { .when = WHEN_ALWAYS };
	int r = 0;

	if (!json_find(json, "prices", &prices))
		return bad(loader, json, "has no prices");
	if (!json_find(json, "constraint", &constraint))
		return add_price(loader, prices.value, row);
	if (json_find(constraint.value, "start_date", &from)) {
		row.when = WHEN_FROM;
		r = read_date(from.value, &row.from_s);
	} else if (json_find(constraint.value, "start_time", &from) &&
		   json_find(constraint.value, "end_time", &until)) {
		row.when = WHEN_BETWEEN;
		r = read_time(from.value, &row.from_s);
		if (r == 0)
			r = read_time(until.value, &row.until_s);
	} else {
		r = -EINVAL;
	}
	if (r < 0)
		return bad(loader, constraint.value, "is no constraint");
	return add_price(loader, prices.value, row);
}

static int add_model(struct loader *loader, struct slice json)
{
	struct model_row row = { .first_price =
				     count_of(loader, PART_PRICES, sizeof(struct price_row)) };
	struct json_member match, prices, conditional;
	int r;

	if (!json_find(json, "match", &match) || !json_find(json, "prices", &prices))
		return bad(loader, json, "is no model: match and prices are needed");
	r = add_rule(loader, match.value, &row.rule);
	if (r == 0 && prices.type == JSON_SCAN_OBJECT)
		r = add_price(loader, prices.value, (struct price_row){ .when = WHEN_ALWAYS });
	else if (r == 0 && prices.type == JSON_SCAN_ARRAY)
		while (r == 0 && json_next(&prices.value, &conditional))
			r = add_conditional(loader, conditional.value);
	if (r < 0)
		return r;
	row.price_count = count_of(loader, PART_PRICES, sizeof(struct price_row)) - row.first_price;
	if (row.price_count == 0)
		return bad(loader, json, "has no prices");
	buffer_append(&loader->part[PART_MODELS], &row, sizeof(row));
	return 0;
}

static int add_fallbacks(struct loader *loader, struct slice array, struct provider_row *row)
{
	struct json_member id;
	uint32_t at, len;
	int r = 0;

	while (r == 0 && json_next(&array, &id)) {
		r = add_text(loader, id.value, false, &at, &len);
		buffer_append(&loader->part[PART_FALLBACKS], &at, sizeof(at));
		row->fallback_count++;
	}
	return r;
}

static int add_provider(struct loader *loader, struct slice json)
{
	struct provider_row row = {
		.provider_rule = NONE,
		.model_rule = NONE,
		.first_model = count_of(loader, PART_MODELS, sizeof(struct model_row)),
		.first_fallback = count_of(loader, PART_FALLBACKS, sizeof(uint32_t)),
	};
	struct json_member id, models, member;
	int r;

	if (!json_find(json, "id", &id) || !json_find(json, "models", &models))
		return bad(loader, json, "is no provider: id and models are needed");
	r = add_text(loader, id.value, false, &row.id, &row.id_len);
	if (r == 0 && json_find(json, "provider_match", &member))
		r = add_rule(loader, member.value, &row.provider_rule);
	if (r == 0 && json_find(json, "model_match", &member))
		r = add_rule(loader, member.value, &row.model_rule);
	if (r == 0 && json_find(json, "fallback_model_providers", &member))
		r = add_fallbacks(loader, member.value, &row);
	while (r == 0 && json_next(&models.value, &member))
		r = add_model(loader, member.value);
	if (r < 0)
		return r;
	row.model_count = count_of(loader, PART_MODELS, sizeof(struct model_row)) - row.first_model;
	buffer_append(&loader->part[PART_PROVIDERS], &row, sizeof(row));
	return 0;
}

/* From ids to indexes. */
static int resolve_fallbacks(struct loader *loader)
{
	struct provider_row *providers = (void *)loader->part[PART_PROVIDERS].data;
	uint32_t *fallbacks = (void *)loader->part[PART_FALLBACKS].data;
	uint32_t count = count_of(loader, PART_PROVIDERS, sizeof(*providers));
	const char *text = loader->part[PART_TEXT].data;

	for (uint32_t i = 0; i < count_of(loader, PART_FALLBACKS, sizeof(*fallbacks)); i++) {
		uint32_t at = 0;

		while (at < count && strcmp(text + providers[at].id, text + fallbacks[i]) != 0)
			at++;
		if (at == count)
			return bad(loader, slice_of(text + fallbacks[i]),
				   "is no provider to fall back on");
		fallbacks[i] = at;
	}
	return 0;
}

static void index_rule(struct ledger_book *book, uint32_t provider, const struct rule *rule)
{
	const struct rule *rules = ROWS(book, PART_RULES, struct rule);
	struct index_row *rows = (struct index_row *)ROWS(book, PART_INDEX, struct index_row);
	struct slice name = { text_at(book, rule->at), rule->len };

	if (rule->kind == RULE_OR || rule->kind == RULE_AND)
		for (uint32_t i = 0; i < rule->len; i++)
			index_rule(book, provider, &rules[rule->at + i]);
	if (rule->kind != RULE_EQUALS)
		return;
	rows[index_slot(book, provider, name)] =
	    (struct index_row){ rule->at, rule->len, provider, scan_models(book, provider, name) };
}

static void index_models(struct ledger_book *book)
{
	const struct provider_row *providers = ROWS(book, PART_PROVIDERS, struct provider_row);
	const struct model_row *models = ROWS(book, PART_MODELS, struct model_row);
	const struct rule *rules = ROWS(book, PART_RULES, struct rule);

	for (uint32_t p = 0; p < ROW_COUNT(book, PART_PROVIDERS, struct provider_row); p++)
		for (uint32_t m = 0; m < providers[p].model_count; m++)
			index_rule(book, p, &rules[models[providers[p].first_model + m].rule]);
}

/* An index twice as large as the rules that may fill it. */
static int reserve_index(struct loader *loader, uint32_t *ret_cap)
{
	const struct rule *rules = (const void *)loader->part[PART_RULES].data;
	struct index_row empty = { .model = NONE };
	uint32_t equals = 0, cap = 16;

	for (uint32_t i = 0; i < count_of(loader, PART_RULES, sizeof(*rules)); i++)
		equals += rules[i].kind == RULE_EQUALS;
	while (cap < equals * 3 / 2)
		cap *= 2;
	for (uint32_t i = 0; i < cap; i++)
		buffer_append(&loader->part[PART_INDEX], &empty, sizeof(empty));
	*ret_cap = cap;
	return loader->part[PART_INDEX].failed ? -ENOMEM : 0;
}

static int freeze(struct loader *loader, struct ledger_book **ret)
{
	struct ledger_book *book;
	size_t bytes = sizeof(*book);
	uint32_t cap;
	char *at;

	if (reserve_index(loader, &cap) < 0)
		return -ENOMEM;
	for (int i = 0; i < PARTS; i++) {
		if (loader->part[i].failed)
			return -ENOMEM;
		bytes += (loader->part[i].len + 7) & ~(size_t)7;
	}
	book = calloc(1, bytes);
	if (!book)
		return -ENOMEM;
	atomic_init(&book->references, 1);
	book->index_cap = cap;
	at = (char *)(book + 1);
	for (int i = 0; i < PARTS; i++) {
		if (loader->part[i].len > 0)
			memcpy(at, loader->part[i].data, loader->part[i].len);
		book->part[i] = at;
		book->part_bytes[i] = loader->part[i].len;
		at += (loader->part[i].len + 7) & ~(size_t)7;
	}
	buffer_clear(&loader->part[PART_PATTERNS]); /* they are the book's now */
	index_models(book);
	*ret = book;
	return 0;
}

static int load(struct loader *loader, struct slice text, struct ledger_book **ret)
{
	struct json_member members[JSON_MEMBERS_MAX], providers, provider;
	int r = json_scan_object(text, members, ARRAY_SIZE(members), loader->error);

	if (r < 0)
		return error_set_at(loader->error, r, loader->path, 0, 0, "is no JSON object");
	if (!json_find(text, "providers", &providers))
		return bad(loader, SLICE("providers"), "is missing");
	r = 0;
	while (r == 0 && json_next(&providers.value, &provider))
		r = add_provider(loader, provider.value);
	if (r == 0)
		r = resolve_fallbacks(loader);
	if (r == 0)
		r = freeze(loader, ret);
	return r;
}

static void free_patterns(const char *data, size_t len)
{
	struct pattern *const *patterns = (const void *)data;

	for (size_t i = 0; i < len / sizeof(patterns[0]); i++)
		pattern_free(patterns[i]);
}

int ledger_book_load(const char *path, struct ledger_book **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct loader loader = { .path = path, .error = error };
	int r = file_read(path, FILE_MAX_BYTES, &text, error);

	if (r == 0)
		r = load(&loader, buffer_slice(&text), ret);
	if (r == -ENOMEM)
		error_set_at(error, r, path, 0, 0, "out of memory");
	free_patterns(loader.part[PART_PATTERNS].data, loader.part[PART_PATTERNS].len);
	for (int i = 0; i < PARTS; i++)
		buffer_fini(&loader.part[i]);
	buffer_fini(&text);
	text = (struct buffer){ 0 };
	malloc_trim(0); /* the file is ten times the book: give it back */
	return r;
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
	free_patterns(book->part[PART_PATTERNS], book->part_bytes[PART_PATTERNS]);
	free(book);
	return NULL;
}
