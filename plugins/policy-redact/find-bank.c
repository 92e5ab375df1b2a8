/* SPDX-License-Identifier: Apache-2.0 */
/* Bank accounts: IBANs by country, length and check digits (ISO 13616), and those of the United
 * States where they are said to be such: a routing number, and the account's behind it. */
#include "find.h"

enum { IBAN_MAX = 34, ROUTING_DIGITS = 9, NEAR = 256, LABEL_REACH = 28 };

/* SWIFT's registry, release 99. */
static const char *const countries =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
    "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
    "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
    "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static size_t country_len(char a, char b)
{
	for (const char *row = countries; *row; row += 4)
		if (row[0] == a && row[1] == b)
			return (size_t)(row[2] - '0') * 10 + (size_t)(row[3] - '0');
	return 0;
}

/* ISO 7064's MOD 97-10 of the text with its first four at its end, letters from A = 10 on. */
static uint32_t mod97(const char iban[static IBAN_MAX], size_t len)
{
	uint32_t rest = 0;

	for (size_t i = 0; i < len; i++) {
		char c = iban[(i + 4) % len];
		uint32_t value = find_digit(c) ? (uint32_t)(c - '0') : (uint32_t)(c - 'A' + 10);

		rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
	}
	return rest;
}

size_t find_iban(const struct find_text *text, size_t at)
{
	char iban[IBAN_MAX];
	size_t wanted, count = 0, end = at;

	if (!find_digit(find_byte(text, at + 2)) || !find_digit(find_byte(text, at + 3)))
		return 0;
	wanted = country_len(upper(find_byte(text, at)), upper(find_byte(text, at + 1)));
	while (count < wanted) {
		char c = find_byte(text, end);

		if ((c == ' ' || c == '-') && count > 0)
			c = find_byte(text, ++end);
		if (!find_digit(c) && !find_letter(c))
			return 0;
		iban[count++] = upper(c);
		end++;
	}
	if (count == 0 || find_word(find_byte(text, end)) || !find_digit(iban[2]) ||
	    !find_digit(iban[3]))
		return 0;
	return mod97(iban, count) == 1 ? end - at : 0;
}

/* ---- United States ---- */

static size_t digits_at(const struct find_text *text, size_t at)
{
	size_t end = at;

	while (find_digit(find_byte(text, end)) && end - at < 20)
		end++;
	return find_word(find_byte(text, end)) ? 0 : end - at;
}

/* ABA: weights 3, 7, 1, and what the first two digits may be. */
static bool is_routing(const char *digits)
{
	static const uint8_t weights[] = { 3, 7, 1 };
	int district = (digits[0] - '0') * 10 + digits[1] - '0', sum = 0;

	for (int i = 0; i < ROUTING_DIGITS; i++)
		sum += (digits[i] - '0') * weights[i % 3];
	return sum % 10 == 0 && (district <= 12 || (district >= 21 && district <= 32) ||
				 (district >= 61 && district <= 72) || district == 80);
}

size_t find_us_bank(struct find_text *text, size_t at)
{
	bool routing = find_near(text->routing_word_end, at, LABEL_REACH);
	bool account = find_near(text->account_word_end, at, LABEL_REACH) &&
		       find_near(text->routing_end, at, NEAR);
	size_t len = routing || account ? digits_at(text, at) : 0;

	if (routing && len == ROUTING_DIGITS && is_routing(text->ptr + at)) {
		text->routing_end = at + len;
		return len;
	}
	return account && len >= 6 && len <= 17 ? len : 0;
}
