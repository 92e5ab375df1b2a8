/* SPDX-License-Identifier: Apache-2.0 */
/* How a price book lies in memory: one block of parts, whose rows name each other by number. */
#pragma once

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/pattern.h"
#include "ledger/ledger.h"

enum {
	BOOK_DAY_S = 86400,
};

/* No row of a part. */
#define BOOK_NONE UINT32_MAX

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
	uint8_t when, known, partial;
	uint8_t tier_count, rate_count;
	uint16_t minimum_ms;
	uint8_t rate_of[LEDGER_RATES];
	uint32_t first_femto;
	uint32_t service_tier; /* in text, lower case; 0, the empty text: the standard one */
	uint32_t source;       /* in text */
	uint32_t key, units;   /* in text, for people: whose price it is, and what is priced */
	int64_t above[LEDGER_TIERS_MAX];
	int64_t from_s, until_s;
};

struct model_row {
	uint32_t rule, first_price, price_count;
	uint32_t id, match; /* in text */
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
	PART_FEMTO,
	PART_PATTERNS,
	PART_PROVIDERS,
	PART_MODELS,
	PART_RULES,
	PART_FALLBACKS, /* offsets of ids in text while loading, then indexes of providers */
	PART_INDEX,
	PART_TEXT,
	PARTS,
};

/* Of a file, so that one that did not change is not read again. */
struct book_source {
	dev_t device;
	ino_t inode; /* 0: none */
	off_t size;
	struct timespec modified;
};

struct ledger_book {
	atomic_uint references;
	struct book_source source;
	uint32_t index_cap; /* power of two */
	const char *part[PARTS];
	size_t part_bytes[PARTS];
	enum ledger_book_kind kind;
	char digest[LEDGER_DIGEST_SIZE];
	uint32_t source_text, version_text, notes_text, partial; /* the last: models */
};

#define BOOK_ROWS(book, part_name, type) ((const type *)(const void *)(book)->part[part_name])
#define BOOK_COUNT(book, part_name, type) ((book)->part_bytes[part_name] / sizeof(type))

/* The first model of a provider whose rule matches, by trying them all; BOOK_NONE when there is
 * none. */
uint32_t book_scan_models(const struct ledger_book *book, uint32_t provider, struct slice name);
/* Where the index holds a provider's name, or would. */
size_t book_index_slot(const struct ledger_book *book, uint32_t provider, struct slice name);
/* Whether eight characters are a date of this century, as 20250805. */
bool book_is_date(const char *at);
void book_free_patterns(const char *data, size_t len); /* of PART_PATTERNS */
static inline uint32_t book_two_digits(const char *at)
{
	return (uint32_t)(at[0] - '0') * 10 + (uint32_t)(at[1] - '0');
}
static inline const char *book_text(const struct ledger_book *book, uint32_t at)
{
	return book->part[PART_TEXT] + at;
}
