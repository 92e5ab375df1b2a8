/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a price book. The file is written by packaging/fetch, which says its shape: the data of
 * npm's
 * @pydantic/genai-prices (MIT). It is scanned, not parsed into a tree, and prices are read from
 * their decimal text. Prices of units that are no text tokens (audio, images, searches, pages) are
 * left out: the text of such a model is priced. */
#include "ledger/price-book.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/price.h"

enum {
	FILE_MAX_BYTES = 64 << 20,
	RULE_DEPTH_MAX = 16,
	SHIFT_MTOK = 9,    /* dollars a million units in femto-dollars a unit */
	SHIFT_KCOUNT = 12, /* dollars a thousand */
};

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
	if (text[4] != '-' || text[7] != '-' || !book_is_date(digits))
		return -EINVAL;
	date.tm_year = (int)(book_two_digits(digits) * 100 + book_two_digits(digits + 2)) - 1900;
	date.tm_mon = (int)book_two_digits(digits + 4) - 1;
	date.tm_mday = (int)book_two_digits(digits + 6);
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
	*ret_s = (*ret_s + BOOK_DAY_S) % BOOK_DAY_S;
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
		.provider_rule = BOOK_NONE,
		.model_rule = BOOK_NONE,
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
	const struct rule *rules = BOOK_ROWS(book, PART_RULES, struct rule);
	struct index_row *rows = (struct index_row *)BOOK_ROWS(book, PART_INDEX, struct index_row);
	struct slice name = { book_text(book, rule->at), rule->len };

	if (rule->kind == RULE_OR || rule->kind == RULE_AND)
		for (uint32_t i = 0; i < rule->len; i++)
			index_rule(book, provider, &rules[rule->at + i]);
	if (rule->kind != RULE_EQUALS)
		return;
	rows[book_index_slot(book, provider, name)] =
	    (struct index_row){ rule->at, rule->len, provider,
				book_scan_models(book, provider, name) };
}

static void index_models(struct ledger_book *book)
{
	const struct provider_row *providers = BOOK_ROWS(book, PART_PROVIDERS, struct provider_row);
	const struct model_row *models = BOOK_ROWS(book, PART_MODELS, struct model_row);
	const struct rule *rules = BOOK_ROWS(book, PART_RULES, struct rule);

	for (uint32_t p = 0; p < BOOK_COUNT(book, PART_PROVIDERS, struct provider_row); p++)
		for (uint32_t m = 0; m < providers[p].model_count; m++)
			index_rule(book, p, &rules[models[providers[p].first_model + m].rule]);
}

/* An index twice as large as the rules that may fill it. */
static int reserve_index(struct loader *loader, uint32_t *ret_cap)
{
	const struct rule *rules = (const void *)loader->part[PART_RULES].data;
	struct index_row empty = { .model = BOOK_NONE };
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

static struct book_source source_of(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return (struct book_source){ 0 };
	return (struct book_source){ info.st_dev, info.st_ino, info.st_size, info.st_mtim };
}

static bool same_source(const struct book_source *a, const struct book_source *b)
{
	return a->inode != 0 && a->inode == b->inode && a->device == b->device &&
	       a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

/* The source is looked at first: of a file that changes meanwhile the next load sees it. */
int ledger_book_load(const char *path, struct ledger_book *before, struct ledger_book **ret,
		     struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct loader loader = { .path = path, .error = error };
	struct book_source source = source_of(path);
	int r;

	if (before && same_source(&before->source, &source)) {
		*ret = ledger_book_ref(before);
		return 0;
	}
	r = file_read(path, FILE_MAX_BYTES, &text, error);
	if (r == 0)
		r = load(&loader, buffer_slice(&text), ret);
	if (r == 0)
		(*ret)->source = source;
	if (r == -ENOMEM)
		error_set_at(error, r, path, 0, 0, "out of memory");
	book_free_patterns(loader.part[PART_PATTERNS].data, loader.part[PART_PATTERNS].len);
	for (int i = 0; i < PARTS; i++)
		buffer_fini(&loader.part[i]);
	buffer_fini(&text);
	malloc_trim(0); /* the file is ten times the book: give it back */
	return r;
}
