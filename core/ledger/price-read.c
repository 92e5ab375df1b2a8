/* SPDX-License-Identifier: Apache-2.0 */
/* The prices of one model, read from their decimal text: the units that are priced, their tiers,
 * and when they hold. */
#include "ledger/price-load.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "ledger/price-units.h"
#include "ledger/price.h"

/* The price of a unit from `above` input tokens on. */
struct step {
	int64_t above, femto;
};

struct steps {
	uint32_t count;
	struct step step[LEDGER_TIERS_MAX];
};

enum {
	TOO_MANY = 1,
};

/* One set of prices. */
struct prices {
	struct slice json;
	uint32_t priced; /* a bit for each unit */
	struct steps steps[UNITS];
};

static int bad_price(struct loader *loader, struct slice where)
{
	return loader_bad(loader, where, "is no price, or has too many tiers");
}

static int read_steps(struct loader *loader, const struct json_member *price, int shift,
		      struct steps *ret)
{
	struct json_member base = *price, tiers = { .value = SLICE("") }, tier, start, amount;
	struct steps steps = { .count = 1 };

	if (price->type != JSON_SCAN_NUMBER && price->type != JSON_SCAN_OBJECT)
		return bad_price(loader, price->value);
	if (price->type == JSON_SCAN_OBJECT &&
	    (!json_find(price->value, "base", &base) || !json_find(price->value, "tiers", &tiers)))
		return bad_price(loader, price->value);
	if (price_parse(base.value, shift, &steps.step[0].femto) < 0)
		return bad_price(loader, price->value);
	while (json_next(&tiers.value, &tier)) {
		struct step next;
		uint32_t at = steps.count;

		if (!json_find(tier.value, "start", &start) ||
		    !json_find(tier.value, "price", &amount) ||
		    json_to_i64(start.value, &next.above) < 0 || next.above < 0 ||
		    price_parse(amount.value, shift, &next.femto) < 0 || at == LEDGER_TIERS_MAX)
			return bad_price(loader, price->value);
		for (; at > 1 && steps.step[at - 1].above > next.above; at--)
			steps.step[at] = steps.step[at - 1];
		steps.step[at] = next;
		steps.count++;
	}
	*ret = steps;
	return 0;
}

static int64_t femto_above(const struct steps *steps, int64_t above)
{
	int64_t femto = steps->step[0].femto;

	for (uint32_t i = 1; i < steps->count; i++)
		if (above >= steps->step[i].above)
			femto = steps->step[i].femto;
	return femto;
}

/* Every bound at which a price changes, ascending, from 0; count 0 when there are too many. */
static uint32_t collect_bounds(const struct prices *prices, int64_t *bounds)
{
	uint32_t count = 1;

	bounds[0] = 0;
	for (int unit = 0; unit < UNITS; unit++) {
		for (uint32_t i = 1; i < prices->steps[unit].count; i++) {
			int64_t above = prices->steps[unit].step[i].above;
			uint32_t at = count;

			while (at > 1 && bounds[at - 1] > above)
				at--;
			if (at > 1 && bounds[at - 1] == above)
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

static bool has_key(const char *key, void *data)
{
	const struct prices *prices = data;
	struct json_member found;

	return json_find(prices->json, key, &found);
}

/* Each unit that is priced is one of a tier's prices, which classes share. 0, or TOO_MANY. */
static int add_rates(struct loader *loader, const struct prices *prices, struct price_row *row)
{
	uint8_t place[UNITS] = { 0 };

	row->tier_count = (uint8_t)collect_bounds(prices, row->above);
	for (int unit = 0; unit < UNITS; unit++)
		if (prices->priced & UINT32_C(1) << unit)
			place[unit] = row->rate_count++;
	if (row->tier_count == 0 || row->tier_count * row->rate_count > LEDGER_FEMTO_MAX)
		return TOO_MANY;
	for (int rate = 0; rate < LEDGER_RATES; rate++) {
		int unit = price_unit_of((enum ledger_class)rate, prices->priced);

		row->rate_of[rate] = unit < 0 ? LEDGER_NO_RATE : place[unit];
	}
	row->first_femto = loader_count(loader, PART_FEMTO, sizeof(int64_t));
	for (uint32_t tier = 0; tier < row->tier_count; tier++) {
		for (int unit = 0; unit < UNITS; unit++) {
			int64_t femto =
			    femto_above(&prices->steps[unit], tier == 0 ? -1 : row->above[tier]);

			if (prices->priced & UINT32_C(1) << unit)
				buffer_append(&loader->part[PART_FEMTO], &femto, sizeof(femto));
		}
	}
	return 0;
}

/* "input_mtok=2.5>200000:5", with a blank before each but the first. */
static void write_units(struct loader *loader, struct slice json, struct price_row *row)
{
	struct buffer *text = &loader->part[PART_TEXT];
	struct json_member price, base, tiers, tier, start, amount;

	row->units = loader_text(loader);
	while (json_next(&json, &price)) {
		bool tiered = price.type == JSON_SCAN_OBJECT &&
			      json_find(price.value, "base", &base) &&
			      json_find(price.value, "tiers", &tiers);

		if (text->len > row->units)
			buffer_append_char(text, ' ');
		buffer_append_slice(text, price.key);
		buffer_append_char(text, '=');
		buffer_append_slice(text, tiered ? base.value : price.value);
		while (tiered && json_next(&tiers.value, &tier)) {
			if (!json_find(tier.value, "start", &start) ||
			    !json_find(tier.value, "price", &amount))
				continue;
			buffer_append_char(text, '>');
			buffer_append_slice(text, start.value);
			buffer_append_char(text, ':');
			buffer_append_slice(text, amount.value);
		}
	}
	loader_end_text(loader);
}

static int read_units(struct loader *loader, struct slice json, struct prices *ret,
		      struct price_row *row)
{
	struct json_member price;
	int r = 0;

	ret->json = json;
	while (r == 0 && json_next(&json, &price)) {
		int unit = price_unit_find(price.key);

		if (price.type == JSON_SCAN_NULL)
			continue;
		if (unit < 0) {
			row->partial = loader->model_partial = true;
			r = loader_note(loader, price.key,
					"is a unit that this release does not count");
			continue;
		}
		r = read_steps(loader, &price, price_unit_shift((enum price_unit)unit),
			       &ret->steps[unit]);
		ret->priced |= UINT32_C(1) << unit;
	}
	return r;
}

/* No prices at all are no price of 0: whether such a model is free the list does not say. */
static int add_prices(struct loader *loader, struct slice json, struct price_row row)
{
	struct prices prices = { 0 };
	char text[160];
	const char *complaint;
	int r = read_units(loader, json, &prices, &row);

	if (r < 0)
		return r;
	write_units(loader, json, &row);
	complaint = price_units_complaint(prices.priced, has_key, &prices, text, sizeof(text));
	if (complaint) {
		prices.priced = 0;
		r = loader_note(loader, (struct slice){ NULL, 0 }, complaint);
	}
	row.known = prices.priced != 0;
	row.minimum_ms = loader->minimum_ms;
	if (r == 0 && row.known && add_rates(loader, &prices, &row) == TOO_MANY) {
		row.known = false;
		row.tier_count = row.rate_count = 0;
		r = loader_note(loader, (struct slice){ NULL, 0 },
				"has more tiers and units than there is room for");
	}
	buffer_append(&loader->part[PART_PRICES], &row, sizeof(row));
	return r;
}

/* ---- when they hold ---- */

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

/* Two digits below `most`, behind which `*at` moves; -1 for others. */
static int take_two(const char **at, int most)
{
	int value = -1;

	if ((*at)[0] >= '0' && (*at)[0] <= '9' && (*at)[1] >= '0' && (*at)[1] <= '9')
		value = (int)book_two_digits(*at);
	*at += value < 0 ? 0 : 2;
	return value < most ? value : -1;
}

static int take_char(const char **at, const char *among)
{
	return **at && strchr(among, **at) ? *(*at)++ : -1;
}

/* "16:30:00Z", with an offset in place of Z too: the second of the UTC day. */
static int read_time(struct slice json, int64_t *ret_s)
{
	char text[32];
	const char *at = text;
	int hour, minute, second, sign, offset = 0;

	if (json_to_text(json, text, sizeof(text)) < 0)
		return -EINVAL;
	hour = take_two(&at, 24);
	if (hour < 0 || take_char(&at, ":") < 0 || (minute = take_two(&at, 60)) < 0 ||
	    take_char(&at, ":") < 0 || (second = take_two(&at, 60)) < 0)
		return -EINVAL;
	sign = take_char(&at, "Z+-");
	if (sign == '+' || sign == '-') {
		int hours = take_two(&at, 24), minutes = -1;

		if (hours >= 0 && take_char(&at, ":") > 0)
			minutes = take_two(&at, 60);
		if (minutes < 0)
			return -EINVAL;
		offset = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
	}
	if (sign < 0 || *at)
		return -EINVAL;
	*ret_s = (hour * 3600 + minute * 60 + second - offset + BOOK_DAY_S) % BOOK_DAY_S;
	return 0;
}

static int read_constraint(struct slice json, struct price_row *row)
{
	struct json_member from, until;
	int r;

	if (json_find(json, "start_date", &from)) {
		row->when = WHEN_FROM;
		return from.type == JSON_SCAN_STRING ? read_date(from.value, &row->from_s)
						     : -EINVAL;
	}
	if (!json_find(json, "start_time", &from) || !json_find(json, "end_time", &until) ||
	    from.type != JSON_SCAN_STRING || until.type != JSON_SCAN_STRING)
		return -EINVAL;
	row->when = WHEN_BETWEEN;
	r = read_time(from.value, &row->from_s);
	return r < 0 ? r : read_time(until.value, &row->until_s);
}

/* Texts of a price: whose it is, and what rows say of where it is from. */
static void write_names(struct loader *loader, struct slice constraint, struct slice tier,
			struct price_row *row)
{
	struct buffer *text = &loader->part[PART_TEXT];
	struct buffer what = { 0 };
	struct json_member from, until;

	if (row->when == WHEN_FROM && json_find(constraint, "start_date", &from))
		buffer_printf(&what, " from %.*s", (int)from.value.len - 2, from.value.ptr + 1);
	else if (row->when == WHEN_BETWEEN && json_find(constraint, "start_time", &from) &&
		 json_find(constraint, "end_time", &until))
		buffer_printf(&what, " %.*s-%.*s", (int)from.value.len - 2, from.value.ptr + 1,
			      (int)until.value.len - 2, until.value.ptr + 1);
	if (tier.len > 0)
		buffer_printf(&what, " tier %.*s", (int)tier.len - 2, tier.ptr + 1);
	row->source = loader_text(loader);
	buffer_printf(text, "%s %s%.*s", loader->kind == LEDGER_BOOK_OVERRIDE ? "override" : "book",
		      loader->digest, (int)what.len, what.data ? what.data : "");
	loader_end_text(loader);
	row->key = loader_text(loader);
	buffer_printf(text, "%.*s/%.*s%.*s", (int)loader->provider.len, loader->provider.ptr,
		      (int)loader->model.len, loader->model.ptr, (int)what.len,
		      what.data ? what.data : "");
	loader_end_text(loader);
	buffer_fini(&what);
}

/* The public form and, beside its constraint, ours: `service_tier`. */
static int add_conditional(struct loader *loader, struct slice json)
{
	struct json_member prices, constraint = { 0 }, tier = { 0 };
	struct price_row row = { .when = WHEN_ALWAYS };
	uint32_t len;
	int r = 0;

	if (json.len == 0 || json.ptr[0] != '{' || !json_find(json, "prices", &prices) ||
	    prices.type != JSON_SCAN_OBJECT)
		return loader_bad(loader, json, "has no prices");
	if (json_find(json, "constraint", &constraint) && constraint.type != JSON_SCAN_NULL &&
	    read_constraint(constraint.value, &row) < 0)
		return loader_bad(loader, constraint.value, "is no constraint");
	if (json_find(json, "service_tier", &tier)) {
		if (tier.type != JSON_SCAN_STRING || tier.value.len < 3 || tier.value.len > 34)
			return loader_bad(loader, tier.value, "is no service tier");
		r = loader_add_text(loader, tier.value, false, &row.service_tier, &len);
	}
	write_names(loader, constraint.value, tier.value, &row);
	return r < 0 ? r : add_prices(loader, prices.value, row);
}

/* What no list says and calcPrice does: the seconds that Groq bills at least. */
static uint16_t minimum_of(struct slice provider, struct slice model)
{
	static const struct {
		const char *provider, *model;
		uint16_t minimum_ms;
	} minimums[] = {
		{ "groq", "whisper-large-v3", 10000 },
		{ "groq", "whisper-large-v3-turbo", 10000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(minimums); i++)
		if (slice_eq_str(provider, minimums[i].provider) &&
		    slice_eq_str(model, minimums[i].model))
			return minimums[i].minimum_ms;
	return 0;
}

int price_read_model(struct loader *loader, struct slice json, enum json_type type)
{
	struct price_row row = { .when = WHEN_ALWAYS };
	struct slice none = { NULL, 0 };
	struct json_member conditional;
	int r = 0;

	loader->model_partial = false;
	loader->minimum_ms = minimum_of(loader->provider, loader->model);
	if (type == JSON_SCAN_OBJECT) {
		write_names(loader, none, none, &row);
		return add_prices(loader, json, row);
	}
	if (type != JSON_SCAN_ARRAY)
		return loader_bad(loader, json, "are no prices");
	while (r == 0 && json_next(&json, &conditional))
		r = add_conditional(loader, conditional.value);
	return r;
}
