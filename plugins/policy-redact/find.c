/* SPDX-License-Identifier: Apache-2.0 */
/* The pass over a text: what may begin where, by its first byte. */
#include <string.h>

#include "find.h"

enum starts {
	START_NONE,
	START_DIGIT,
	START_LETTER,
	START_UNDERSCORE, /* of nothing, but inside of words */
	START_OPEN,       /* of a telephone number */
	START_AT,
	START_DASH,
};

static const uint8_t starts[256] = {
	['0' ... '9'] = START_DIGIT,
	['A' ... 'Z'] = START_LETTER,
	['a' ... 'z'] = START_LETTER,
	['_'] = START_UNDERSCORE,
	['+'] = START_OPEN,
	['('] = START_OPEN,
	['@'] = START_AT,
	['-'] = START_DASH,
};

/* Words that say what the number behind them is. */
struct label {
	const char *word; /* lower case; more letters may follow where it ends in "*" */
	size_t end;       /* of the field in struct find_text */
};

static const struct label labels[] = {
	{ "phone*", offsetof(struct find_text, phone_word_end) },
	{ "telephone*", offsetof(struct find_text, phone_word_end) },
	{ "telefon*", offsetof(struct find_text, phone_word_end) },
	{ "tel", offsetof(struct find_text, phone_word_end) },
	{ "mobil*", offsetof(struct find_text, phone_word_end) },
	{ "cell*", offsetof(struct find_text, phone_word_end) },
	{ "fax", offsetof(struct find_text, phone_word_end) },
	{ "handy", offsetof(struct find_text, phone_word_end) },
	{ "whatsapp", offsetof(struct find_text, phone_word_end) },
	{ "routing*", offsetof(struct find_text, routing_word_end) },
	{ "rtn", offsetof(struct find_text, routing_word_end) },
	{ "aba", offsetof(struct find_text, routing_word_end) },
	{ "account*", offsetof(struct find_text, account_word_end) },
	{ "acct", offsetof(struct find_text, account_word_end) },
	{ "acc", offsetof(struct find_text, account_word_end) },
};

static void read_label(struct find_text *text, size_t at)
{
	char first = (char)(text->ptr[at] | 32);

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const char *word = labels[i].word;
		size_t len = 1;

		if (word[0] != first)
			continue;
		while (word[len] && word[len] != '*' &&
		       (find_byte(text, at + len) | 32) == word[len])
			len++;
		if (word[len] == '*' || (!word[len] && !find_letter(find_byte(text, at + len))))
			*(size_t *)((char *)text + labels[i].end) = at + len;
	}
}

static bool wants(const struct find_text *text, enum find_class class)
{
	return text->wanted >> class & 1;
}

static bool found(size_t len, enum find_class class, size_t at, struct find *ret)
{
	if (len == 0)
		return false;
	*ret = (struct find){ class, at, len };
	return true;
}

static bool at_digit(struct find_text *text, size_t at, struct find *ret)
{
	if (wants(text, FIND_CARD) && found(find_card(text, at), FIND_CARD, at, ret))
		return true;
	if (wants(text, FIND_BANK) && found(find_us_bank(text, at), FIND_BANK, at, ret))
		return true;
	if (wants(text, FIND_PHONE) && found(find_phone(text, at), FIND_PHONE, at, ret))
		return true;
	return wants(text, FIND_SECRET) && found(find_secret(text, at), FIND_SECRET, at, ret);
}

static bool at_letter(struct find_text *text, size_t at, struct find *ret)
{
	if (strchr("acfhmprtwACFHMPRTW", text->ptr[at]))
		read_label(text, at);
	if (wants(text, FIND_BANK) && found(find_iban(text, at), FIND_BANK, at, ret))
		return true;
	return wants(text, FIND_SECRET) && found(find_secret(text, at), FIND_SECRET, at, ret);
}

static bool look(struct find_text *text, size_t at, bool begins, struct find *ret)
{
	switch (starts[(uint8_t)text->ptr[at]]) {
	case START_DIGIT:
		return begins && at_digit(text, at, ret);
	case START_LETTER:
		return begins && at_letter(text, at, ret);
	case START_OPEN:
		return begins && wants(text, FIND_PHONE) &&
		       found(find_phone(text, at), FIND_PHONE, at, ret);
	case START_AT:
		return wants(text, FIND_EMAIL) && find_email(text, at, ret);
	case START_DASH:
		return wants(text, FIND_SECRET) && find_byte(text, at + 1) == '-' &&
		       (at == 0 || text->ptr[at - 1] != '-') &&
		       found(find_secret(text, at), FIND_SECRET, at, ret);
	default:
		return false;
	}
}

bool find_next(struct find_text *text, struct find *ret)
{
	bool inside = text->from > 0 && find_word(text->ptr[text->from - 1]);

	for (size_t at = text->from; at < text->len; at++) {
		uint8_t start = starts[(uint8_t)text->ptr[at]];
		bool word = start >= START_DIGIT && start <= START_UNDERSCORE;

		if (start != START_NONE && (!word || !inside) && look(text, at, !inside, ret)) {
			text->from = ret->at + ret->len;
			return true;
		}
		inside = word;
	}
	text->from = text->len;
	return false;
}

/* ---- e-mail ---- */

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253, LABEL_MAX = 63 };

/* Latin letters with accents are two bytes that begin with C3 to C9. */
static bool accented(const struct find_text *text, size_t at)
{
	uint8_t c = (uint8_t)text->ptr[at];

	if (c >= 0xC3 && c <= 0xC9)
		return true;
	return c >= 0x80 && c < 0xC0 && at > 0 && (uint8_t)text->ptr[at - 1] >= 0xC3 &&
	       (uint8_t)text->ptr[at - 1] <= 0xC9;
}

static bool in_local(const struct find_text *text, size_t at)
{
	char c = text->ptr[at];

	return find_word(c) || (c && strchr(".+-%'!#$&*=~", c)) || accented(text, at);
}

static size_t domain_len(const struct find_text *text, size_t from)
{
	size_t at = from, label = from, end = 0;

	while (at < text->len && at - from <= DOMAIN_MAX) {
		char c = text->ptr[at];

		if (c == '.' && at > label && at - label <= LABEL_MAX)
			label = at + 1;
		else if (!find_letter(c) && !find_digit(c) && c != '-' && !accented(text, at))
			break;
		at++;
		if (label > from && at - label >= 2 && find_letter(text->ptr[label]))
			end = at;
	}
	while (end > from && text->ptr[end - 1] == '-')
		end--;
	return end > from ? end - from : 0;
}

bool find_email(const struct find_text *text, size_t at, struct find *ret)
{
	size_t begin = at, len = domain_len(text, at + 1);

	if (len == 0)
		return false;
	while (begin > text->from && at - begin < LOCAL_MAX && in_local(text, begin - 1))
		begin--;
	while (begin < at && text->ptr[begin] != '_' && !find_word(text->ptr[begin]) &&
	       !accented(text, begin))
		begin++;
	if (begin == at)
		return false;
	*ret = (struct find){ FIND_EMAIL, begin, at + 1 + len - begin };
	return true;
}
