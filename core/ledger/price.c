/* SPDX-License-Identifier: Apache-2.0 */
/* Money: femto-dollars in 128 bits, rounded once, half to even. No float anywhere. */
#include "ledger/price.h"

#include <errno.h>

#include "ledger/ledger.h"

enum {
	FEMTO_PER_NANO = 1000000,
	EXPONENT_MAX = 400,
	DIGITS_MAX = 36, /* 10^36 fits 128 bits */
};

/* No answer has more tokens; with it, no sum of products leaves 128 bits. */
static const int64_t TOKENS_MAX = INT64_C(1000000000000000);

static int64_t bounded(int64_t tokens)
{
	return tokens < 0 ? 0 : tokens > TOKENS_MAX ? TOKENS_MAX : tokens;
}

static __int128 divide_half_even(__int128 value, __int128 by)
{
	__int128 whole = value / by, rest = value % by;

	if (rest * 2 > by || (rest * 2 == by && whole % 2 != 0))
		whole++;
	return whole;
}

static const struct ledger_tier *tier_of(const struct ledger_price *price,
					 const struct ledger_usage *usage)
{
	const struct ledger_tier *tier = &price->tiers[0];
	int64_t input = 0;

	for (int i = 0; i < LEDGER_OUTPUT; i++)
		input += bounded(usage->tokens[i]);
	for (uint32_t i = 1; i < price->tier_count && i < LEDGER_TIERS_MAX; i++)
		if (input > price->tiers[i].above_input_tokens)
			tier = &price->tiers[i];
	return tier;
}

int64_t ledger_cost_nano(const struct ledger_price *price, const struct ledger_usage *usage)
{
	const struct ledger_tier *tier;
	__int128 femto;

	if (!price->known)
		return 0;
	tier = tier_of(price, usage);
	femto = price->request_femto;
	for (int i = 0; i < LEDGER_CLASSES; i++)
		femto += (__int128)bounded(usage->tokens[i]) * tier->femto[i];
	femto = divide_half_even(femto, FEMTO_PER_NANO);
	return femto > INT64_MAX ? INT64_MAX : (int64_t)femto;
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
