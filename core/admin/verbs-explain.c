/* SPDX-License-Identifier: Apache-2.0 */
/* A price, and what a usage costs by it, worked out line by line. Each line's amount is exact; the
 * sum is rounded once. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/prices.h"
#include "base/cleanup.h"
#include "base/clock.h"

CLEANUP_DEFINE(struct conf, conf_unref);

enum {
	TEXT_BYTES = 64,
	FEMTO_DIGITS = 15,
	MS_PER_HOUR = 3600000,
};

static const int64_t count_max = INT64_C(1000000000000);

static int parse_usage(json_t *arguments, struct ledger_usage *ret, struct error *error)
{
	json_t *usage = json_object_get(arguments, "usage"), *value;
	const char *name;

	if (!usage || json_is_null(usage))
		return 0;
	if (!json_is_object(usage))
		return error_set(error, -EINVAL, "\"usage\" must be an object of counts");
	json_object_foreach (usage, name, value) {
		int rate = 0;

		while (rate < LEDGER_RATES &&
		       strcmp(ledger_rate_name((enum ledger_class)rate), name) != 0)
			rate++;
		if (rate == LEDGER_RATES || rate == LEDGER_REQUEST)
			return error_set(error, -EINVAL, "\"%s\" is nothing that is counted", name);
		if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		    json_integer_value(value) > count_max)
			return error_set(error, -EINVAL, "\"%s\" must be a count from 0 on", name);
		if (rate == LEDGER_REASONING)
			ret->reasoning = json_integer_value(value);
		else
			ret->tokens[rate] = json_integer_value(value);
	}
	if (ret->reasoning > ret->tokens[LEDGER_OUTPUT])
		return error_set(error, -EINVAL, "\"reasoning\" is a part of \"output\"");
	return 0;
}

/* "2026-11-30T12:00:00Z", or the day alone, as it begins; without it now. */
static int parse_time(const char *text, int64_t *ret_s, struct error *error)
{
	const int64_t day_s = 86400;
	bool is_day = text && !strchr(text, 'T');

	*ret_s = (int64_t)(clock_real_ns() / NS_PER_S);
	if (text && clock_parse(slice_of(text), ret_s) < 0)
		return error_set(error, -EINVAL,
				 "\"at\" is a moment, as 2026-11-30T12:00:00Z, or a day in UTC");
	*ret_s -= is_day ? day_s : 0;
	return 0;
}

/* Dollars to the last femto-dollar, without zeros behind. */
static json_t *femto_text(__int128 femto)
{
	const __int128 dollar = INT64_C(1000000000000000);
	char text[TEXT_BYTES];
	bool minus = femto < 0;
	size_t len;

	if (minus)
		femto = -femto;
	len = (size_t)snprintf(text, sizeof(text), "%s%" PRId64 ".%0*" PRId64, minus ? "-" : "",
			       (int64_t)(femto / dollar), FEMTO_DIGITS, (int64_t)(femto % dollar));
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	return json_stringn(text, len);
}

static int64_t count_of(const struct ledger_usage *usage, int rate)
{
	return rate == LEDGER_REQUEST     ? 1
	       : rate == LEDGER_REASONING ? usage->reasoning
	       : rate == LEDGER_OUTPUT    ? usage->tokens[rate] - usage->reasoning
					  : usage->tokens[rate];
}

static bool is_hours(int rate)
{
	return rate == LEDGER_AUDIO_MS || rate == LEDGER_INPUT_AUDIO_MS;
}

/* Reasoning is a line of its own where it costs something else than the output it is a part of. */
static json_t *lines_of(const struct ledger_price *price, const struct ledger_usage *given)
{
	const int64_t *femto =
	    price->femto + (size_t)ledger_price_tier(price, given) * price->rate_count;
	struct ledger_usage usage = *given;
	json_t *lines = json_array();

	if (price->rate_of[LEDGER_REASONING] == price->rate_of[LEDGER_OUTPUT])
		usage.reasoning = 0;
	for (int rate = 0; rate < LEDGER_RATES; rate++) {
		uint8_t at = price->rate_of[rate];
		int64_t count = count_of(&usage, rate);
		__int128 amount = at == LEDGER_NO_RATE ? 0 : (__int128)count * femto[at];

		if (count == 0 || (rate == LEDGER_REQUEST && at == LEDGER_NO_RATE))
			continue;
		json_array_append_new(
		    lines,
		    json_pack("{s:s, s:I, s:o, s:s, s:o, s:b}", "name",
			      ledger_rate_name((enum ledger_class)rate), "count", (json_int_t)count,
			      "unit_usd", femto_text(at == LEDGER_NO_RATE ? 0 : femto[at]), "per",
			      is_hours(rate) ? "hour" : "one", "usd",
			      femto_text(is_hours(rate) ? amount / MS_PER_HOUR : amount), "exact",
			      !is_hours(rate) || amount % MS_PER_HOUR == 0));
	}
	return lines;
}

/* All prices of the tier that the usage falls in. */
static json_t *rates_of(const struct ledger_price *price, const struct ledger_usage *usage)
{
	const int64_t *femto =
	    price->femto + (size_t)ledger_price_tier(price, usage) * price->rate_count;
	json_t *rates = json_object();

	for (int rate = 0; rate < LEDGER_RATES; rate++)
		if (price->rate_of[rate] != LEDGER_NO_RATE)
			json_object_set_new(rates, ledger_rate_name((enum ledger_class)rate),
					    femto_text(femto[price->rate_of[rate]]));
	return rates;
}

static json_t *found_json(const struct ledger_books *books, const struct ledger_found *found,
			  const struct ledger_price *price)
{
	return json_pack("{s:s, s:s, s:s, s:s%, s:s, s:o, s:b, s:o, s:o}", "in",
			 found->book == books->override ? "override" : "book", "provider",
			 found->provider, "model", found->model, "rule", found->rule.ptr,
			 found->rule.len, "service_tier", found->service_tier, "since",
			 json_moment(found->since_s), "by_time_of_day", found->by_time_of_day,
			 "until", json_moment(price->until_s), "facts", prices_facts(found->book));
}

static void add_price(json_t *value, const struct ledger_price *price,
		      const struct ledger_usage *usage)
{
	json_object_set_new(value, "source", json_string(price->source));
	json_object_set_new(
	    value, "above_input_tokens",
	    json_integer((json_int_t)price->above[ledger_price_tier(price, usage)]));
	json_object_set_new(value, "usd_per_unit", rates_of(price, usage));
	json_object_set_new(value, "lines", lines_of(price, usage));
	json_object_set_new(value, "total_usd", json_usd(ledger_cost_nano(price, usage)));
}

/* The model object that the name is of, or, of a provider's own name of a model, the first one that
 * has a price; NULL for none. */
static const struct conf_model *model_of(const struct conf *conf, const char *provider,
					 const char *name)
{
	const struct conf_model *by_upstream = NULL;

	for (size_t i = 0; i < conf->model_count; i++) {
		const struct conf_model *model = &conf->models[i];

		if (strcmp(model->provider->name, provider) != 0)
			continue;
		if (strcmp(model->name, name) == 0)
			return model;
		if (!by_upstream && model->price.given && strcmp(model->upstream_model, name) == 0)
			by_upstream = model;
	}
	return by_upstream;
}

/* As requests are priced: those that name a model object by its own price, if it has one; all
 * others by the books. Where no book knows a name, the price that an object has for it is told. */
static json_t *answer(const struct ledger_books *books, const struct ledger_wanted *wanted,
		      const struct conf_model *model, bool named, const struct ledger_usage *usage)
{
	struct ledger_found found = { 0 };
	struct ledger_price price = { 0 };
	bool own = named && model->price.given;
	json_t *value;

	if (!own)
		ledger_price_find(books, wanted, &price, &found);
	if (!found.book && model && model->price.given) {
		own = true;
		gateway_own_price(&model->price, &price);
	}
	value =
	    json_pack("{s:s%, s:s%, s:o, s:b, s:b}", "provider", wanted->provider.ptr,
		      wanted->provider.len, "model", wanted->model.ptr, wanted->model.len, "at",
		      json_moment(wanted->utc_s), "known", price.known, "partial", price.partial);
	if (!value)
		return NULL;
	if (own)
		json_object_set_new(value, "object", json_string(model->name));
	else if (found.book)
		json_object_set_new(value, "found", found_json(books, &found, &price));
	if (price.known)
		add_price(value, &price, usage);
	return value;
}

int verb_prices_explain(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	struct ledger_books books;
	struct ledger_wanted wanted = { 0 };
	struct ledger_usage usage = { 0 };
	const char *provider, *model, *at, *tier;
	const struct conf_model *object;
	bool named;
	int r = argument_text(arguments, "provider", true, &provider, error);

	if (r >= 0)
		r = argument_text(arguments, "model", true, &model, error);
	if (r >= 0)
		r = argument_text(arguments, "at", false, &at, error);
	if (r >= 0)
		r = argument_text(arguments, "service_tier", false, &tier, error);
	if (r >= 0)
		r = parse_usage(arguments, &usage, error);
	if (r >= 0)
		r = parse_time(at, &wanted.utc_s, error);
	if (r < 0)
		return r;
	object = model_of(conf, provider, model);
	named = object && strcmp(object->name, model) == 0;
	wanted.provider = slice_of(prices_provider(conf, provider));
	wanted.model = slice_of(named ? object->upstream_model : model);
	wanted.service_tier = slice_of(tier ? tier : "");
	books = gateway_books(admin->options.gateway);
	*ret = answer(&books, &wanted, object, named, &usage);
	prices_books_release(&books);
	return *ret ? 0 : error_set(error, -ENOMEM, "out of memory");
}
