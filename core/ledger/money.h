/* SPDX-License-Identifier: Apache-2.0 */
/* Money: what is counted, what a unit of it costs, and the price book. A part of ledger.h, which
 * includes it.
 *
 * Prices are femto-dollars a unit, summed in 128 bits and rounded once per attempt, half to even,
 * to nano-dollars. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

/* Disjoint: what is counted in one class is in no other. */
enum ledger_class {
	LEDGER_INPUT, /* tokens of the prompt of no other class: fresh text */
	LEDGER_CACHE_READ,
	LEDGER_CACHE_WRITE, /* 5 minutes, or the provider's only lifetime */
	LEDGER_CACHE_WRITE_1H,
	LEDGER_OUTPUT, /* tokens billed as output of no other class, reasoning included */
	LEDGER_RARE,   /* from here on: what few answers have */
	LEDGER_INPUT_AUDIO = LEDGER_RARE,
	LEDGER_CACHE_READ_AUDIO,
	LEDGER_INPUT_IMAGE,
	LEDGER_CACHE_READ_IMAGE,
	LEDGER_INPUT_VIDEO,
	LEDGER_OUTPUT_AUDIO,
	LEDGER_OUTPUT_IMAGE,
	LEDGER_OUTPUT_VIDEO,
	LEDGER_OUTPUT_CITATION,
	LEDGER_WEB_SEARCHES, /* from here on no tokens */
	LEDGER_FILE_SEARCHES,
	LEDGER_PAGES,
	LEDGER_ANNOTATED_PAGES,
	LEDGER_AUDIO_MS,       /* of no known direction; its price is for an hour */
	LEDGER_INPUT_AUDIO_MS, /* likewise */
	LEDGER_MESSAGES,
	LEDGER_CLASSES,
	/* Priced, and no class: */
	LEDGER_REASONING = LEDGER_CLASSES, /* a part of LEDGER_OUTPUT */
	LEDGER_REQUEST,                    /* one an answered call */
	LEDGER_RATES,
};

struct ledger_usage {
	int64_t tokens[LEDGER_CLASSES];
	int64_t reasoning; /* part of LEDGER_OUTPUT; rarely has a price of its own */
};

/* Tokens of the prompt, of all classes; those of them read from a cache; and of the answer. */
int64_t ledger_tokens_in(const struct ledger_usage *usage);
int64_t ledger_tokens_cached(const struct ledger_usage *usage);
int64_t ledger_tokens_out(const struct ledger_usage *usage);
/* "input", "cache_read", … "requests": the names that `tidectl prices explain` takes and tells. */
const char *ledger_rate_name(enum ledger_class rate);

/* The key in a price list by that key itself, or by the name of what it prices; NULL: none. */
const char *ledger_unit_key(struct slice name);

enum {
	LEDGER_TIERS_MAX = 4,
	LEDGER_FEMTO_MAX = 24, /* prices of a model: tiers times units */
	LEDGER_NO_RATE = 255,
};

/* Plain data: it is copied into entries, so that a crash can be priced without the book. */
struct ledger_price {
	bool known;
	bool partial; /* some of it is not: a unit that this release does not count, or a service
			 tier without a price */
	bool own;     /* the operator's: it is above what a provider says of the cost */
	uint8_t tier_count, rate_count;
	uint16_t minimum_ms;           /* of audio, for a call that has any */
	uint8_t rate_of[LEDGER_RATES]; /* which of a tier's prices; LEDGER_NO_RATE: it costs nothing
					*/
	int64_t until_s; /* UTC; from then on it has to be looked up again. INT64_MAX: never */
	int64_t above[LEDGER_TIERS_MAX]; /* all input tokens together exceed this; ascending from 0
					  */
	const char *source; /* where it is from and since when it holds; the book's, NULL in entries
			     */
	int64_t femto[LEDGER_FEMTO_MAX]; /* tier after tier, rate_count each */
};

static inline size_t ledger_price_bytes(const struct ledger_price *price)
{
	return offsetof(struct ledger_price, femto) +
	       (size_t)price->tier_count * price->rate_count * sizeof(price->femto[0]);
}

/* One tier, of prices for the classes before LEDGER_RARE; others cost what input and output do. */
void ledger_price_plain(const int64_t femto[static LEDGER_RARE], struct ledger_price *ret);
/* The tier that a usage falls in. */
uint32_t ledger_price_tier(const struct ledger_price *price, const struct ledger_usage *usage);
int64_t ledger_cost_nano(const struct ledger_price *price, const struct ledger_usage *usage);
/* A number times 10^exponent dollars, as a provider says what a call has cost, in nano-dollars,
 * half to even. -EINVAL, -ERANGE. */
int ledger_stated_nano(struct slice number, int exponent, int64_t *ret_nano);

/* ---- the price book: immutable, refcounted [any]. The file is the public data of genai-prices;
 * source and shape are said in packaging/fetch ---- */

struct ledger_book;

enum ledger_book_kind {
	LEDGER_BOOK_PUBLIC,   /* units that are not known make their model's price known in part */
	LEDGER_BOOK_OVERRIDE, /* the operator's own, of the same shape: they are errors */
};

/* Another reference to `before` (may be NULL) where the file is still the one it was made of: of
 * the same inode, size and time. */
int ledger_book_load(const char *path, enum ledger_book_kind kind, struct ledger_book *before,
		     struct ledger_book **ret, struct error *error);
/* From the file's text; `path` is for messages. */
int ledger_book_read(struct slice text, const char *path, enum ledger_book_kind kind,
		     struct ledger_book **ret, struct error *error);
struct ledger_book *ledger_book_ref(struct ledger_book *book); /* NULL of NULL, as unref */
struct ledger_book *ledger_book_unref(struct ledger_book *book);

enum {
	LEDGER_DIGEST_SIZE = 13, /* the first 12 hex digits of the file's SHA-256 */
};

struct ledger_book_facts {
	const char *digest, *source, *version; /* "" where the file does not say it */
	uint32_t providers, models, partial;   /* of the last: models that are known in part */
	const char *notes; /* what is not understood of it: a line each, the first few */
};
void ledger_book_facts(const struct ledger_book *book, struct ledger_book_facts *ret);

/* Both may be NULL. Where the override has a price it is the one. */
struct ledger_books {
	struct ledger_book *override, *public;
};

struct ledger_wanted {
	struct slice provider; /* empty: the model's name tells it */
	struct slice model;
	struct slice service_tier; /* as the answer says it; empty for the standard one */
	int64_t utc_s;
};

/* How it was found, for people; all of it lives in the books. */
struct ledger_found {
	const struct ledger_book *book; /* NULL: no model */
	const char *provider, *model;   /* the book's own ids */
	struct slice rule;              /* the model's `match`, as it is written */
	const char *service_tier;       /* of the price, "" for the standard one */
	int64_t since_s;                /* INT64_MIN: it does not say */
	bool by_time_of_day;
};

/* The price of a provider's model at a time; `ret->known` false when there is none. A name that a
 * book spells out is one hash look-up; others try a provider's rules one by one. `found` may be
 * NULL. */
void ledger_price_find(const struct ledger_books *books, const struct ledger_wanted *wanted,
		       struct ledger_price *ret, struct ledger_found *found);
/* Whether a tier is the one that prices without a tier are for: "default", "standard", … */
bool ledger_is_standard_tier(struct slice service_tier);
/* Calls `fn` for each price of a book, in its order. `key` tells provider, model, constraint and
 * tier; `units` its prices as the file writes them. For comparing two books. */
void ledger_book_each(const struct ledger_book *book,
		      void (*fn)(const char *key, struct slice units, void *data), void *data);

/* ---- the folder of lists that were imported, and of the live override: STATE/prices. [admin] ----
 */

enum {
	LEDGER_LIST_NAME_SIZE = 24, /* "0001-3f2a91c0d4e1": which one it is, and its digest */
	LEDGER_PRICES_BYTES_MAX = 4 << 20,
};

/* 1 and the path of the imported list that is in force; 0: the configuration's is. */
int ledger_prices_in_force(const char *folder, char *ret_path, size_t size);
/* Keeps a list beside those before it; one that is there already stays as it is. Puts nothing in
 * force. */
int ledger_prices_keep(const char *folder, const struct ledger_book *book, struct slice text,
		       char ret_name[static LEDGER_LIST_NAME_SIZE], struct error *error);
/* From the next load on. NULL: the configuration's. -ENOENT */
int ledger_prices_use(const char *folder, const char *name, struct error *error);
/* By their numbers, oldest first. */
int ledger_prices_each(const char *folder,
		       void (*fn)(const char *name, uint64_t bytes, int64_t imported_s,
				  bool in_force, void *data),
		       void *data);
/* Where the override lies that is not named by the configuration; it need not be there. */
void ledger_prices_override_path(const char *folder, char *ret_path, size_t size);
/* An override's text with a model's prices replaced by `units`, an object of the public form, or
 * without the model (units empty). `text` may be empty; it is one that ledger_book_read() takes. */
int ledger_prices_edit(struct slice text, struct slice provider, struct slice model,
		       struct slice units, struct buffer *out);
