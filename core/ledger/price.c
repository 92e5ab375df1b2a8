/* SPDX-License-Identifier: Apache-2.0 */
/* Money: femto-dollars in 128 bits, rounded once, half to even. No float anywhere. */
#include "ledger/price.h"

#include <errno.h>
#include <string.h>

#include "ledger/ledger.h"

enum {
	FEMTO_PER_NANO = 1000000,
	MS_PER_HOUR = 3600000,
	SHIFT_DOLLARS_NANO = 9,
	EXPONENT_MAX = 400,
	DIGITS_MAX = 36, /* 10^36 fits 128 bits */
};

/* No answer has more of anything; with it, no sum of products leaves 128 bits. */
static const int64_t COUNT_MAX = INT64_C(1000000000000000);

static int64_t bounded(int64_t count)
{
	return count < 0 ? 0 : count > COUNT_MAX ? COUNT_MAX : count;
}

static __int128 divide_half_even(__int128 value, __int128 by)
{
	__int128 whole = value / by, rest = value % by;

	if (rest * 2 > by || (rest * 2 == by && whole % 2 != 0))
		whole++;
	return whole;
}

int64_t ledger_tokens_in(const struct ledger_usage *usage)
{
	const int64_t *tokens = usage->tokens;
	int64_t sum = 0;

	for (int i = 0; i < LEDGER_OUTPUT; i++)
		sum += bounded(tokens[i]);
	for (int i = LEDGER_INPUT_AUDIO; i < LEDGER_OUTPUT_AUDIO; i++)
		sum += bounded(tokens[i]);
	return sum;
}

int64_t ledger_tokens_cached(const struct ledger_usage *usage)
{
	return usage->tokens[LEDGER_CACHE_READ] + usage->tokens[LEDGER_CACHE_READ_AUDIO] +
	       usage->tokens[LEDGER_CACHE_READ_IMAGE];
}

int64_t ledger_tokens_out(const struct ledger_usage *usage)
{
	int64_t sum = bounded(usage->tokens[LEDGER_OUTPUT]);

	for (int i = LEDGER_OUTPUT_AUDIO; i < LEDGER_WEB_SEARCHES; i++)
		sum += bounded(usage->tokens[i]);
	return sum;
}

uint32_t ledger_price_tier(const struct ledger_price *price, const struct ledger_usage *usage)
{
	uint32_t tier = 0;
	int64_t input;

	if (price->tier_count <= 1)
		return 0;
	input = ledger_tokens_in(usage);
	for (uint32_t i = 1; i < price->tier_count && i < LEDGER_TIERS_MAX; i++)
		if (input > price->above[i])
			tier = i;
	return tier;
}

static int64_t femto_of(const struct ledger_price *price, const int64_t *femto, int rate)
{
	uint8_t at = price->rate_of[rate];

	return at == LEDGER_NO_RATE ? 0 : femto[at];
}

/* What is priced by the hour: the one division before the last, so its rest is kept. */
static __int128 of_hours(const struct ledger_price *price, const int64_t *femto,
			 const struct ledger_usage *usage, __int128 *ret_rest)
{
	int64_t any = bounded(usage->tokens[LEDGER_AUDIO_MS]),
		input = bounded(usage->tokens[LEDGER_INPUT_AUDIO_MS]);
	__int128 sum;

	*ret_rest = 0;
	if (any + input == 0)
		return 0;
	if (any + input < price->minimum_ms)
		input = price->minimum_ms - any;
	sum = (__int128)any * femto_of(price, femto, LEDGER_AUDIO_MS) +
	      (__int128)input * femto_of(price, femto, LEDGER_INPUT_AUDIO_MS);
	*ret_rest = sum % MS_PER_HOUR;
	return sum / MS_PER_HOUR;
}

/* Reasoning is counted in the output: where it has a price of its own, the difference. */
static __int128 of_reasoning(const struct ledger_price *price, const int64_t *femto,
			     const struct ledger_usage *usage)
{
	int64_t count = bounded(usage->reasoning), most = bounded(usage->tokens[LEDGER_OUTPUT]);

	if (count > most)
		count = most;
	return (__int128)count * (femto_of(price, femto, LEDGER_REASONING) -
				  (__int128)femto_of(price, femto, LEDGER_OUTPUT));
}

int64_t ledger_cost_nano(const struct ledger_price *price, const struct ledger_usage *usage)
{
	const int64_t *femto;
	__int128 sum, rest, nano;

	if (!price->known || price->tier_count == 0)
		return 0;
	femto = price->femto + (size_t)ledger_price_tier(price, usage) * price->rate_count;
	sum = of_hours(price, femto, usage, &rest) + of_reasoning(price, femto, usage) +
	      femto_of(price, femto, LEDGER_REQUEST);
	for (int i = 0; i < LEDGER_CLASSES; i++)
		if (usage->tokens[i] > 0 && i != LEDGER_AUDIO_MS && i != LEDGER_INPUT_AUDIO_MS)
			sum += (__int128)bounded(usage->tokens[i]) * femto_of(price, femto, i);
	/* A rest makes what looks like half a nano-dollar more than half of one. */
	nano = sum / FEMTO_PER_NANO;
	sum %= FEMTO_PER_NANO;
	if (sum * 2 > FEMTO_PER_NANO || (sum * 2 == FEMTO_PER_NANO && (rest > 0 || nano % 2 != 0)))
		nano++;
	return nano > INT64_MAX ? INT64_MAX : (int64_t)nano;
}

void ledger_price_plain(const int64_t femto[static LEDGER_RARE], struct ledger_price *ret)
{
	*ret = (struct ledger_price){
		.known = true, .tier_count = 1, .rate_count = LEDGER_RARE, .until_s = INT64_MAX
	};
	memset(ret->rate_of, LEDGER_NO_RATE, sizeof(ret->rate_of));
	for (int i = 0; i < LEDGER_RARE; i++) {
		ret->rate_of[i] = (uint8_t)i;
		ret->femto[i] = femto[i];
	}
	ret->rate_of[LEDGER_INPUT_AUDIO] = ret->rate_of[LEDGER_INPUT_IMAGE] =
	    ret->rate_of[LEDGER_INPUT_VIDEO] = LEDGER_INPUT;
	ret->rate_of[LEDGER_CACHE_READ_AUDIO] = ret->rate_of[LEDGER_CACHE_READ_IMAGE] =
	    LEDGER_CACHE_READ;
	for (int i = LEDGER_OUTPUT_AUDIO; i <= LEDGER_OUTPUT_CITATION; i++)
		ret->rate_of[i] = LEDGER_OUTPUT;
	ret->rate_of[LEDGER_REASONING] = LEDGER_OUTPUT;
}

/* Digits without leading zeros in `digits`, and where the point stands behind them; -EINVAL for no
 * number. */
static int split_number(struct slice text, char digits[static DIGITS_MAX], size_t *ret_count,
			int *ret_exponent)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	bool point = false, any = false, negative = false;
	size_t count = 0;
	int exponent = 0, written = 0;

	for (; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
		if (*at == '.') {
			if (point)
				return -EINVAL;
			point = true;
			continue;
		}
		any = true;
		if (point)
			exponent--;
		if (count == 0 && *at == '0')
			continue;
		if (count == DIGITS_MAX)
			return -ERANGE;
		digits[count++] = *at;
	}
	if (!any)
		return -EINVAL;
	if (at < end && (*at | 0x20) == 'e') {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			negative = *at++ == '-';
		if (at == end)
			return -EINVAL;
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			written =
			    written < EXPONENT_MAX ? written * 10 + (*at - '0') : EXPONENT_MAX;
	}
	*ret_count = count;
	*ret_exponent = exponent + (negative ? -written : written);
	return at == end ? 0 : -EINVAL;
}

int price_parse(struct slice text, int shift, int64_t *ret_femto)
{
	char digits[DIGITS_MAX];
	size_t count;
	int exponent;
	__int128 value = 0, by = 1;
	int r = split_number(text, digits, &count, &exponent);

	if (r < 0)
		return r;
	exponent += shift;
	for (size_t i = 0; i < count; i++)
		value = value * 10 + (digits[i] - '0');
	for (; exponent > 0 && value <= INT64_MAX && value > 0; exponent--)
		value *= 10;
	if (exponent < -DIGITS_MAX)
		value = 0; /* fewer than DIGITS_MAX digits, all far behind the point */
	for (; exponent < 0 && value > 0; exponent++)
		by *= 10;
	value = divide_half_even(value, by);
	if (value > INT64_MAX)
		return -ERANGE;
	*ret_femto = (int64_t)value;
	return 0;
}

/* "0.15" dollars are so many nano-dollars: the shift is of what is wanted. */
int ledger_stated_nano(struct slice number, int exponent, int64_t *ret_nano)
{
	return price_parse(number, SHIFT_DOLLARS_NANO + exponent, ret_nano);
}
