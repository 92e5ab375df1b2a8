/* SPDX-License-Identifier: Apache-2.0 */
/* Money: the vectors that others have paid for, ties, tiers, bounds, and decimal text to
 * femto-dollars. */
#include "ledger/price.h"

#include <errno.h>

#include "ledger/ledger.h"
#include "test.h"

static int64_t mtok(const char *dollars)
{
	int64_t femto = -1;

	CHECK_INT(price_parse(slice_of(dollars), 9, &femto), 0);
	return femto;
}

static struct ledger_price price_of(const char *input, const char *read, const char *write,
				    const char *output)
{
	const int64_t femto[LEDGER_RARE] = { mtok(input), mtok(read), mtok(write), mtok(write),
					     mtok(output) };
	struct ledger_price price;

	ledger_price_plain(femto, &price);
	return price;
}

/* bifrost#3451: the cache write is one class, not input as well. */
static void test_cache_write_vector(void)
{
	struct ledger_price price = price_of("5", "0.5", "6.25", "25");
	struct ledger_usage usage = { .tokens = { 6, 0, 159217, 0, 2745 } };

	CHECK_INT(ledger_cost_nano(&price, &usage), 1063761250);
}

/* langwatch#7021: 4,814 tokens of which 4,736 cached. */
static void test_cache_read_vector(void)
{
	struct ledger_price price = price_of("1.25", "0.125", "1.25", "10");
	struct ledger_usage usage = { .tokens = { 4814 - 4736, 4736, 0, 0, 10 } };

	CHECK_INT(ledger_cost_nano(&price, &usage), 789500);
}

/* llmgateway#3435 and experiential#743: reasoning is part of output, or the wire has added it;
 * never counted again. */
static void test_reasoning_vectors(void)
{
	struct ledger_price price = price_of("3", "0.3", "3.75", "15");
	struct ledger_usage subset = { .tokens = { 51, 0, 0, 0, 136 }, .reasoning = 31 };
	struct ledger_usage additive = { .tokens = { 36, 0, 0, 0, 700 }, .reasoning = 690 };

	CHECK_INT(ledger_cost_nano(&price, &subset), 51 * 3000 + 136 * 15000);
	CHECK_INT(ledger_cost_nano(&price, &additive), 36 * 3000 + 700 * 15000);
}

/* Half a nano-dollar goes to the even neighbour, anything more or less to the nearer one. */
static void test_half_even(void)
{
	static const int64_t cases[][2] = {
		{ 500000, 0 }, { 1500000, 2 }, { 2500000, 2 }, { 3500000, 4 }, { 500001, 1 },
		{ 499999, 0 }, { 1499999, 1 }, { 2500001, 3 }, { 1000000, 1 }, { 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger_price price = price_of("0", "0", "0", "0");
		struct ledger_usage usage = { .tokens = { 1 } };

		price.femto[LEDGER_INPUT] = cases[i][0];
		CHECK_INT(ledger_cost_nano(&price, &usage), cases[i][1]);
	}
}

/* Rounded once, over all classes: three times 0.4 nano-dollars is 1.2, not 0. */
static void test_rounded_once(void)
{
	struct ledger_price price = price_of("0", "0", "0", "0");
	struct ledger_usage usage = { .tokens = { 1, 0, 0, 0, 1 } };

	price.femto[LEDGER_INPUT] = price.femto[LEDGER_OUTPUT] = 400000;
	price.rate_of[LEDGER_REQUEST] = LEDGER_OUTPUT;
	CHECK_INT(ledger_cost_nano(&price, &usage), 1);
}

static void test_tiers(void)
{
	struct ledger_price price = price_of("0", "0", "0", "0");
	struct ledger_usage usage = { 0 };
	static const int64_t cases[][2] = {
		{ 1, 1 }, { 100, 1 }, { 101, 2 }, { 1000, 2 }, { 1001, 3 }
	};

	price.tier_count = 3;
	for (uint32_t i = 0; i < 3; i++)
		price.femto[i * LEDGER_RARE + LEDGER_OUTPUT] = (i + 1) * 1000000;
	price.above[1] = 100;
	price.above[2] = 1000;
	usage.tokens[LEDGER_OUTPUT] = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int class = 0; class < LEDGER_OUTPUT_AUDIO; class ++) {
			struct ledger_usage one = usage;

			if (class == LEDGER_OUTPUT)
				continue; /* all classes of input count, and no other */
			one.tokens[class] = cases[i][0];
			CHECK_INT(ledger_cost_nano(&price, &one), cases[i][1]);
		}
	}
}

static void test_bounds(void)
{
	struct ledger_price price = price_of("0", "0", "0", "0");
	struct ledger_usage usage = { .reasoning = INT64_MAX };
	struct ledger_usage negative = { .tokens = { -5, -1, 0, 0, 2 } };

	for (int class = 0; class < LEDGER_CLASSES; class ++)
		usage.tokens[class] = INT64_MAX;
	for (int rate = 0; rate < LEDGER_RATES; rate++)
		price.rate_of[rate] = LEDGER_INPUT;
	price.femto[LEDGER_INPUT] = INT64_MAX;
	CHECK_INT(ledger_cost_nano(&price, &usage), INT64_MAX);
	price = price_of("1", "1", "1", "1");
	for (int class = 0; class < LEDGER_RARE; class ++)
		price.femto[class] = 1000000;
	CHECK_INT(ledger_cost_nano(&price, &negative), 2);
	price.known = false;
	CHECK_INT(ledger_cost_nano(&price, &usage), 0);
}

/* What is priced by the hour is divided once, and its rest decides what else were a tie. */
static void test_hours(void)
{
	struct ledger_price price = price_of("0", "0", "0", "0");
	struct ledger_usage usage = { .tokens = { [LEDGER_AUDIO_MS] = 1000 } };

	price.rate_of[LEDGER_AUDIO_MS] = LEDGER_INPUT;
	price.rate_of[LEDGER_INPUT_AUDIO_MS] = LEDGER_OUTPUT;
	price.femto[LEDGER_INPUT] = INT64_C(111000000000000); /* 0.111 dollars an hour */
	CHECK_INT(ledger_cost_nano(&price, &usage), 30833);
	usage.tokens[LEDGER_AUDIO_MS] = 3600000;
	CHECK_INT(ledger_cost_nano(&price, &usage), 111000000);
	price.femto[LEDGER_INPUT] = INT64_C(1800000000000); /* half a nano-dollar a millisecond */
	usage.tokens[LEDGER_AUDIO_MS] = 1;
	CHECK_INT(ledger_cost_nano(&price, &usage), 0);
	usage.tokens[LEDGER_AUDIO_MS] = 3;
	CHECK_INT(ledger_cost_nano(&price, &usage), 2);
	usage.tokens[LEDGER_AUDIO_MS] = 1;
	usage.tokens[LEDGER_INPUT_AUDIO_MS] = 1;
	price.femto[LEDGER_OUTPUT] = 1; /* femto-dollars an hour */
	CHECK_INT(ledger_cost_nano(&price, &usage), 1);
}

/* Reasoning that has a price of its own is a part of the output all the same. */
static void test_reasoning_price(void)
{
	struct ledger_price price = price_of("0", "3", "0", "15");
	struct ledger_usage usage = { .tokens = { [LEDGER_OUTPUT] = 100 }, .reasoning = 40 };

	price.rate_of[LEDGER_REASONING] = LEDGER_CACHE_READ;
	CHECK_INT(ledger_cost_nano(&price, &usage), 60 * 15000 + 40 * 3000);
	usage.reasoning = 200; /* more than there is */
	CHECK_INT(ledger_cost_nano(&price, &usage), 100 * 3000);
}

static void test_stated(void)
{
	int64_t nano = 77;

	CHECK_INT(ledger_stated_nano(SLICE("0.00014"), 0, &nano), 0);
	CHECK_INT(nano, 140000);
	CHECK_INT(ledger_stated_nano(SLICE("1.2345678905e-3"), 0, &nano), 0);
	CHECK_INT(nano, 1234568);
	CHECK_INT(ledger_stated_nano(SLICE("0.0000000025"), 0, &nano), 0);
	CHECK_INT(nano, 2);
	CHECK_INT(ledger_stated_nano(SLICE("37756000"), -10, &nano), 0); /* xAI's ticks */
	CHECK_INT(nano, 3775600);
	CHECK_INT(ledger_stated_nano(SLICE("0"), 0, &nano), 0);
	CHECK_INT(nano, 0);
	CHECK_INT(ledger_stated_nano(SLICE("-1"), 0, &nano), -EINVAL);
	CHECK_INT(ledger_stated_nano(SLICE("1e30"), 0, &nano), -ERANGE);
	CHECK_INT(nano, 0);
}

static void check_parse(const char *text, int shift, int64_t femto)
{
	int64_t parsed = -1;

	CHECK_INT(price_parse(slice_of(text), shift, &parsed), 0);
	CHECK_INT(parsed, femto);
}

static void test_parse(void)
{
	int64_t femto = 77;

	check_parse("0.15", 9, 150000000);
	check_parse("1.5e-1", 9, 150000000);
	check_parse("15E-2", 9, 150000000);
	check_parse("0", 9, 0);
	check_parse("0.000", 9, 0);
	check_parse("600", 9, INT64_C(600000000000));
	check_parse("0.08333333333333334", 9, 83333333);
	check_parse("0.18000000000000002", 9, 180000000);
	check_parse("0.0000000005", 9, 0); /* ties to even */
	check_parse("0.0000000015", 9, 2);
	check_parse("0.0000000025", 9, 2);
	check_parse("0.00000000050000000000000000001", 9, 1);
	check_parse("1e-400", 9, 0);
	check_parse("5", 12, INT64_C(5000000000000));
	CHECK_INT(price_parse(SLICE("1e30"), 9, &femto), -ERANGE);
	CHECK_INT(price_parse(SLICE("9999999999999999999999999999999999999"), 9, &femto), -ERANGE);
	CHECK_INT(price_parse(SLICE("-1"), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE(""), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("."), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("1.2.3"), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("1e"), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("1e+"), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("1 "), 9, &femto), -EINVAL);
	CHECK_INT(price_parse(SLICE("nan"), 9, &femto), -EINVAL);
	CHECK_INT(femto, 77);
}

int main(void)
{
	test_run("cache write vector", test_cache_write_vector);
	test_run("cache read vector", test_cache_read_vector);
	test_run("reasoning vectors", test_reasoning_vectors);
	test_run("half to even", test_half_even);
	test_run("rounded once", test_rounded_once);
	test_run("tiers", test_tiers);
	test_run("bounds", test_bounds);
	test_run("hours", test_hours);
	test_run("a price of reasoning", test_reasoning_price);
	test_run("what a provider says", test_stated);
	test_run("decimal text", test_parse);
	return 0;
}
