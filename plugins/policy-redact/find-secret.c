/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and tokens that say by their beginning what they are, AWS's secrets by the name before them,
 * JSON Web Tokens, and private keys in PEM. */
#include <string.h>
#include <strings.h>

#include "find.h"

enum set {
	SET_UPPER = 1, /* upper-case letters */
	SET_LOWER = 2,
	SET_DIGIT = 4,
	SET_DASH = 8, /* "-" and "_" */
	SET_BASE64 = 16,
	SET_WORD = SET_UPPER | SET_LOWER | SET_DIGIT,
};

struct kind {
	const char *prefix;
	uint32_t min, max; /* characters behind the prefix */
	uint32_t set;
};

/* The longer prefix first where one begins with another. */
static const struct kind kinds[] = {
	{ "sk-ant-", 20, 512, SET_WORD | SET_DASH },     /* Anthropic */
	{ "sk-proj-", 20, 512, SET_WORD | SET_DASH },    /* OpenAI */
	{ "sk-svcacct-", 20, 512, SET_WORD | SET_DASH }, /* OpenAI */
	{ "sk-or-v1-", 20, 512, SET_WORD | SET_DASH },   /* OpenRouter */
	{ "sk-", 32, 512, SET_WORD },                    /* OpenAI, and who does as it */
	{ "AKIA", 16, 16, SET_UPPER | SET_DIGIT },       /* AWS */
	{ "ASIA", 16, 16, SET_UPPER | SET_DIGIT },       /* AWS */
	{ "ghp_", 36, 255, SET_WORD },                   /* GitHub */
	{ "gho_", 36, 255, SET_WORD },                   /* GitHub */
	{ "ghu_", 36, 255, SET_WORD },                   /* GitHub */
	{ "ghs_", 36, 512, SET_WORD | SET_DASH },        /* GitHub */
	{ "ghr_", 36, 255, SET_WORD },                   /* GitHub */
	{ "github_pat_", 22, 255, SET_WORD | SET_DASH }, /* GitHub */
	{ "glpat-", 20, 255, SET_WORD | SET_DASH },      /* GitLab */
	{ "xoxb-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "xoxp-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "xoxa-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "xoxr-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "xoxs-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "xapp-", 10, 255, SET_WORD | SET_DASH },       /* Slack */
	{ "AIza", 35, 35, SET_WORD | SET_DASH },         /* Google */
	{ "sk_live_", 16, 255, SET_WORD },               /* Stripe */
	{ "sk_test_", 16, 255, SET_WORD },               /* Stripe */
	{ "rk_live_", 16, 255, SET_WORD },               /* Stripe */
	{ "rk_test_", 16, 255, SET_WORD },               /* Stripe */
	{ "whsec_", 24, 255, SET_WORD | SET_BASE64 },    /* Stripe */
	{ "npm_", 36, 36, SET_WORD },                    /* npm */
	{ "hf_", 30, 64, SET_WORD },                     /* Hugging Face */
};

enum { JWT_PART_MIN = 8, JWT_MAX = 65536, AWS_SECRET = 40, AWS_GAP = 12 };

static const uint8_t sets[256] = {
	['A' ... 'Z'] = SET_UPPER, ['a' ... 'z'] = SET_LOWER, ['0' ... '9'] = SET_DIGIT,
	['-'] = SET_DASH,          ['_'] = SET_DASH,          ['+'] = SET_BASE64,
	['/'] = SET_BASE64,        ['='] = SET_BASE64,
};

static size_t span(const struct find_text *text, size_t at, uint32_t set, size_t max)
{
	size_t len = 0;

	while (len < max && sets[(uint8_t)find_byte(text, at + len)] & set)
		len++;
	return len;
}

static bool begins(const struct find_text *text, size_t at, const char *prefix)
{
	size_t len = strlen(prefix);

	return text->len - at >= len && memcmp(text->ptr + at, prefix, len) == 0;
}

/* Longer than it may be: of one that has a length it is another word; of the others all of it goes
 * but what is beyond any such key. */
static size_t prefixed(const struct find_text *text, size_t at)
{
	if (!strchr("sAghxrwn", text->ptr[at]))
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len, head;

		if (kinds[i].prefix[0] != text->ptr[at] || !begins(text, at, kinds[i].prefix))
			continue;
		head = strlen(kinds[i].prefix);
		len = span(text, at + head, kinds[i].set, kinds[i].max);
		if (len < kinds[i].min)
			continue;
		if (kinds[i].min == kinds[i].max && find_word(find_byte(text, at + head + len)))
			continue;
		return head + len;
	}
	return 0;
}

static size_t jwt(const struct find_text *text, size_t at)
{
	size_t end = at, len;

	for (int part = 0; part < 3; part++) {
		if (part > 0 && find_byte(text, end++) != '.')
			return 0;
		if (part < 2 && !begins(text, end < text->len ? end : text->len, "eyJ"))
			return 0;
		len = span(text, end, SET_WORD | SET_DASH, JWT_MAX);
		if (part < 2 && len < JWT_PART_MIN)
			return 0;
		end += len;
	}
	return end - at;
}

/* The words before the value stay: only the value is found, by the label that ends before it. */
static size_t aws_secret(const struct find_text *text, size_t at)
{
	static const char *const labels[] = { "secret_access_key", "secretaccesskey",
					      "secret access key", "secret key" };
	size_t len = span(text, at, SET_WORD | SET_BASE64, AWS_SECRET + 1);

	if (len != AWS_SECRET)
		return 0;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		size_t label = strlen(labels[i]);

		for (size_t gap = 1; gap <= AWS_GAP && at >= gap + label; gap++)
			if (strncasecmp(text->ptr + at - gap - label, labels[i], label) == 0)
				return len;
	}
	return 0;
}

/* Up to the end of the last line; of one that is cut off, all that follows. */
static size_t private_key(const struct find_text *text, size_t at)
{
	static const char end_mark[] = "PRIVATE KEY-----";
	size_t head = strlen("-----BEGIN ");
	const char *from, *mark;

	if (!begins(text, at, "-----BEGIN "))
		return 0;
	from =
	    memmem(text->ptr + at + head, text->len - at - head < 64 ? text->len - at - head : 64,
		   "PRIVATE KEY", strlen("PRIVATE KEY"));
	if (!from)
		return 0;
	from += strlen("PRIVATE KEY");
	mark =
	    memmem(from, text->len - (size_t)(from - text->ptr), "-----END ", strlen("-----END "));
	if (!mark)
		return text->len - at;
	from = memmem(mark,
		      text->len - (size_t)(mark - text->ptr) < 64
			  ? text->len - (size_t)(mark - text->ptr)
			  : 64,
		      end_mark, strlen(end_mark));
	mark = from ? from + strlen(end_mark) : mark + strlen("-----END ");
	return (size_t)(mark - text->ptr) - at;
}

size_t find_secret(const struct find_text *text, size_t at)
{
	size_t len = prefixed(text, at);

	if (len > 0)
		return len;
	if (text->ptr[at] == '-')
		return private_key(text, at);
	/* behind a "-" it would be a part of one that was looked at */
	if (text->ptr[at] == 'e' && (at == 0 || text->ptr[at - 1] != '-'))
		len = jwt(text, at);
	return len > 0 ? len : aws_secret(text, at);
}
