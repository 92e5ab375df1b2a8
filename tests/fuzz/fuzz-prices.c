/* SPDX-License-Identifier: Apache-2.0 */
/* Price lists of any shape. What is taken prices each of its own names, at any time, without
 * leaving the prices it holds; what is taken as an override still is when one model in it was set,
 * and that model has the price that was set. */
#include <errno.h>

#include "fuzz.h"
#include "ledger/price-book.h"

static void check_price(const struct ledger_price *price)
{
	struct ledger_usage usage = { .reasoning = 3 };
	int64_t nano;

	FUZZ_CHECK(price->tier_count <= LEDGER_TIERS_MAX);
	FUZZ_CHECK(price->tier_count * price->rate_count <= LEDGER_FEMTO_MAX);
	for (int i = 0; i < LEDGER_RATES && price->tier_count > 0; i++)
		FUZZ_CHECK(price->rate_of[i] == LEDGER_NO_RATE ||
			   price->rate_of[i] < price->rate_count);
	for (int i = 0; i < LEDGER_CLASSES; i++)
		usage.tokens[i] = 7 + 1000 * i;
	nano = ledger_cost_nano(price, &usage);
	FUZZ_CHECK(nano >= 0);
	FUZZ_CHECK(price->known || nano == 0);
}

static void ask(const struct ledger_books *books, const char *provider, const char *model,
		int64_t utc_s)
{
	const char *const tiers[] = { "", "flex" };

	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
		struct ledger_found found;
		struct ledger_price price;

		ledger_price_find(books,
				  &(struct ledger_wanted){ slice_of(provider), slice_of(model),
							   slice_of(tiers[i]), utc_s },
				  &price, &found);
		check_price(&price);
		FUZZ_CHECK(!price.known || (price.source && found.book));
		FUZZ_CHECK(price.until_s > utc_s);
	}
}

/* By its ids, at the edges of its prices. */
static void ask_all(struct ledger_book *book)
{
	const struct provider_row *providers = BOOK_ROWS(book, PART_PROVIDERS, struct provider_row);
	const struct model_row *models = BOOK_ROWS(book, PART_MODELS, struct model_row);
	const struct price_row *prices = BOOK_ROWS(book, PART_PRICES, struct price_row);
	struct ledger_books books = { .public = book };

	for (uint32_t p = 0; p < BOOK_COUNT(book, PART_PROVIDERS, struct provider_row); p++)
		for (uint32_t m = 0; m < BOOK_COUNT(book, PART_MODELS, struct model_row) && m < 8;
		     m++)
			for (uint32_t i = 0; i < models[m].price_count && i < 4; i++)
				ask(&books, book_text(book, providers[p].id),
				    book_text(book, models[m].id),
				    prices[models[m].first_price + i].from_s);
	ask(&books, "", "gpt-4o-20250805", 1700000000);
}

static void set_one(struct slice text)
{
	struct buffer edited = { 0 };
	struct ledger_books books = { 0 };
	struct error error = { 0 };
	struct ledger_price price;

	FUZZ_CHECK(ledger_prices_edit(text, SLICE("p"), SLICE("m"), SLICE("{\"input_mtok\":0.5}"),
				      &edited) == 0);
	FUZZ_CHECK(ledger_book_read(buffer_slice(&edited), "fuzz", LEDGER_BOOK_OVERRIDE,
				    &books.override, &error) == 0);
	ledger_price_find(&books,
			  &(struct ledger_wanted){ .provider = SLICE("p"), .model = SLICE("m") },
			  &price, NULL);
	FUZZ_CHECK(price.known && price.own && price.femto[0] == 500000000);
	ledger_book_unref(books.override);
	buffer_fini(&edited);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice text = { (const char *)bytes, size };

	for (int kind = LEDGER_BOOK_PUBLIC; kind <= LEDGER_BOOK_OVERRIDE; kind++) {
		struct ledger_book *book = NULL;
		struct error error = { 0 };
		int r = ledger_book_read(text, "fuzz", (enum ledger_book_kind)kind, &book, &error);

		if (r < 0) {
			FUZZ_CHECK(r == -EINVAL && error.message[0] && !book);
			continue;
		}
		ask_all(book);
		if (kind == LEDGER_BOOK_OVERRIDE)
			set_one(text);
		ledger_book_unref(book);
	}
	return 0;
}
