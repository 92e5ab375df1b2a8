/* SPDX-License-Identifier: Apache-2.0 */
/* The price book. Without arguments: what is refused and what a small book says. With a book's path
 * it answers lines "PROVIDER\tMODEL\tUTC_S\tCOUNT\t..." (a count for each class, and the reasoning
 * among the output) with the cost in nano-dollars or "unknown"; by that, test-ledger-book.py and
 * test-ledger-calcprice.mjs compare it with arithmetic that is not ours. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ledger/ledger.h"
#include "test.h"

static char path[400];

static int load(const char *text, struct ledger_book **ret, struct error *error)
{
	snprintf(path, sizeof(path), "%s/prices.json", test_folder());
	CHECK_INT(file_write_atomic(path, slice_of(text), 0600, NULL), 0);
	return ledger_book_load(path, LEDGER_BOOK_PUBLIC, NULL, ret, error);
}

static void test_refusals(void)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"providers\":[{}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"}}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":[]}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{},\"prices\":{}}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"regex\":\"(\"},\"prices\":"
		"{}}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":{\"input_mtok\":-1}}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":{\"input_mtok\":\"1\"}}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":1},\"prices\":{}}"
		"]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"or\":1},\"prices\":{}}]}]"
		"}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[7]}]}",
		"{\"providers\":[7]}",
		"{\"providers\":{}}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":{\"input_mtok\":{\"base\":1,\"tiers\":[{\"start\":-1,\"price\":1}]}}}]}"
		"]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":"
		"[{\"constraint\":{\"start_date\":\"2025-02-29\"},\"prices\":{}}]}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":[{\"constraint\":{\"start_time\":\"24:00:00Z\",\"end_time\":\"01:00:"
		"00Z\"},"
		"\"prices\":{}}]}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":[{\"constraint\":{\"start_time\":\"01:00:00\",\"end_time\":\"02:00:"
		"00Z\"},"
		"\"prices\":{}}]}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"fallback_model_providers\":[\"b\"],\"models\":[]}]"
		"}",
	};
	struct ledger_book *book = NULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error error = { 0 };

		if (load(texts[i], &book, &error) != -EINVAL)
			test_fail(__FILE__, __LINE__, "%s is taken", texts[i]);
		CHECK_STR(error.file, path);
		CHECK(error.message[0]);
		CHECK(!book);
	}
	CHECK_INT(ledger_book_load("/proc/none/prices.json", LEDGER_BOOK_PUBLIC, NULL, &book, NULL),
		  -ENOENT);
}

static const char small_book[] =
    "{\"providers\":[{\"id\":\"one\",\"provider_match\":{\"contains\":\"uno\"},\"model_match\":{"
    "\"starts_with\":\"o-\"},"
    "\"fallback_model_providers\":[\"two\"],\"models\":["
    "{\"match\":{\"and\":[{\"starts_with\":\"O-\"},{\"ends_with\":\"-x\"},{\"regex\":\"^o-[0-9]+-"
    "\"}]},"
    "\"prices\":{\"input_mtok\":1}},"
    "{\"match\":{\"or\":[{\"equals\":\"o-plain\"},{\"contains\":\"2025-08-05\"}]},\"prices\":["
    "{\"prices\":{\"input_mtok\":2,\"output_mtok\":3}},"
    "{\"constraint\":{\"start_date\":\"2026-01-01\"},\"prices\":{\"input_mtok\":4,\"cache_read_"
    "mtok\":0.5}},"
    "{\"constraint\":{\"start_time\":\"22:00:00Z\",\"end_time\":\"02:00:00+01:00\"},\"prices\":{"
    "\"input_mtok\":5}}]},"
    "{\"match\":{\"equals\":\"audio\"},\"prices\":{\"audio_hours\":1}},"
    "{\"match\":{\"equals\":\"nothing\"},\"prices\":{}},"
    "{\"match\":{\"new_kind\":\"o-new\"},\"prices\":{\"input_mtok\":9}}]},"
    "{\"id\":\"two\",\"models\":[{\"match\":{\"equals\":\"theirs\"},\"prices\":{\"input_mtok\":"
    "{\"base\":1,\"tiers\":[{\"start\":20,\"price\":3},{\"start\":10,\"price\":2}]},"
    "\"cache_write_mtok\":{\"base\":7,\"tiers\":[{\"start\":15,\"price\":8}]},\"requests_kcount\":"
    "6}}]}]}";

static void find(const struct ledger_book *book, const char *provider, const char *model,
		 int64_t utc_s, struct ledger_price *ret)
{
	ledger_price_find(&(struct ledger_books){ .public = (struct ledger_book *)book },
			  &(struct ledger_wanted){ .provider = slice_of(provider),
						   .model = slice_of(model),
						   .utc_s = utc_s },
			  ret, NULL);
}

static int64_t femto_of(const struct ledger_price *price, int tier, enum ledger_class rate)
{
	uint8_t at = price->rate_of[rate];

	return at == LEDGER_NO_RATE ? 0 : price->femto[tier * price->rate_count + at];
}

static void expect(const struct ledger_book *book, const char *provider, const char *model,
		   int64_t utc_s, int64_t input_femto)
{
	struct ledger_price price;

	find(book, provider, model, utc_s, &price);
	if (price.known != (input_femto >= 0) ||
	    (price.known && femto_of(&price, 0, LEDGER_INPUT) != input_femto))
		test_fail(__FILE__, __LINE__, "%s/%s: known %d, %" PRId64 " instead of %" PRId64,
			  provider, model, price.known, femto_of(&price, 0, LEDGER_INPUT),
			  input_femto);
}

static void test_matching(void)
{
	const int64_t unit = 1000000000, noon_2025 = 1750000000 / 86400 * 86400 + 43200;
	char longest[400];
	struct ledger_book *book;

	CHECK_INT(load(small_book, &book, NULL), 0);
	expect(book, "one", "o-12-x", noon_2025, unit);
	expect(book, " ONE ", "O-12-X ", noon_2025, unit);
	expect(book, "my-uno-provider", "o-12-x", noon_2025, unit);
	expect(book, "", "o-12-x", noon_2025, unit); /* by the model alone */
	expect(book, "", "x-12-x", noon_2025, -1);
	expect(book, "three", "o-12-x", noon_2025, -1);
	expect(book, "one", "o-1a-x", noon_2025, -1);
	expect(book, "one", "o-new", noon_2025, -1);
	expect(book, "one", "", noon_2025, -1);
	expect(book, "one", "theirs", noon_2025, unit);
	expect(book, "two", "o-plain", noon_2025, -1);
	expect(book, "one", "audio", noon_2025, 0);
	expect(book, "one", "nothing", noon_2025, -1);
	expect(book, "one", "m-20250805", noon_2025, 2 * unit);
	expect(book, "one", "m-20250805:free", noon_2025, 2 * unit);
	expect(book, "one", "m-202508059", noon_2025, -1);
	expect(book, "one", "m-20250231", noon_2025, -1);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	expect(book, "one", longest, noon_2025, -1);
	expect(book, longest, "o-plain", noon_2025, -1);
	CHECK(ledger_book_ref(book) == book);
	CHECK(ledger_book_unref(book) == NULL);
	expect(book, "one", "o-plain", noon_2025, 2 * unit);
	ledger_book_unref(book);
}

static void test_times(void)
{
	const int64_t unit = 1000000000, year_2026 = 1767225600;
	struct ledger_book *book;

	CHECK_INT(load(small_book, &book, NULL), 0);
	expect(book, "one", "o-plain", year_2026 - 7201, 2 * unit);
	expect(book, "one", "o-plain", year_2026 - 7200, 5 * unit); /* 22:00 */
	expect(book, "one", "o-plain", year_2026 + 3599, 5 * unit);
	expect(book, "one", "o-plain", year_2026 + 3600, 4 * unit); /* 02:00+01:00 */
	expect(book, "one", "o-plain", -7200, 5 * unit);
	expect(book, "one", "o-plain", -7201, 2 * unit);
	ledger_book_unref(book);
}

static void test_tiers(void)
{
	static const int64_t above[] = { 0, 10, 15, 20 }, input[] = { 1, 2, 2, 3 },
			     write[] = { 7, 7, 8, 8 };
	struct ledger_book *book;
	struct ledger_price price;

	CHECK_INT(load(small_book, &book, NULL), 0);
	find(book, "two", "theirs", 0, &price);
	CHECK(price.known);
	CHECK_INT(femto_of(&price, 0, LEDGER_REQUEST), INT64_C(6000000000000));
	CHECK_INT(price.tier_count, 4);
	for (int i = 0; i < 4; i++) {
		CHECK_INT(price.above[i], above[i]);
		CHECK_INT(femto_of(&price, i, LEDGER_INPUT), input[i] * 1000000000);
		CHECK_INT(femto_of(&price, i, LEDGER_CACHE_READ), input[i] * 1000000000);
		CHECK_INT(femto_of(&price, i, LEDGER_CACHE_WRITE), write[i] * 1000000000);
		CHECK_INT(femto_of(&price, i, LEDGER_CACHE_WRITE_1H), write[i] * 1000000000);
		CHECK_INT(femto_of(&price, i, LEDGER_OUTPUT), 0);
	}
	ledger_book_unref(book);
}

static void answer_line(const struct ledger_book *book, char *line)
{
	struct ledger_usage usage = { 0 };
	struct ledger_price price;
	char *field[3 + LEDGER_CLASSES + 1];

	for (int i = 0; i < 3 + LEDGER_CLASSES + 1; i++)
		CHECK((field[i] = strsep(&line, "\t")));
	for (int class = 0; class < LEDGER_CLASSES; class ++)
		usage.tokens[class] = strtoll(field[3 + class], NULL, 10);
	usage.reasoning = strtoll(field[3 + LEDGER_CLASSES], NULL, 10);
	find(book, field[0], field[1], strtoll(field[2], NULL, 10), &price);
	if (price.known)
		printf("%" PRId64 "\n", ledger_cost_nano(&price, &usage));
	else
		printf("unknown\n");
}

/* A book is read again when its file is another, and only then. */
static void test_reuse(void)
{
	struct ledger_book *book = NULL, *same = NULL, *other = NULL;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };

	CHECK_INT(load(small_book, &book, NULL), 0);
	CHECK_INT(ledger_book_load(path, LEDGER_BOOK_PUBLIC, book, &same, NULL), 0);
	CHECK(same == book);
	ledger_book_unref(same);
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
	CHECK_INT(ledger_book_load(path, LEDGER_BOOK_PUBLIC, book, &other, NULL), 0);
	CHECK(other != book);
	ledger_book_unref(book);
	CHECK_INT(truncate(path, 5), 0);
	CHECK(ledger_book_load(path, LEDGER_BOOK_PUBLIC, other, &same, NULL) < 0);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(ledger_book_load(path, LEDGER_BOOK_PUBLIC, other, &same, NULL), -ENOENT);
	ledger_book_unref(other);
}

static struct ledger_book *read_book(const char *text, enum ledger_book_kind kind)
{
	struct ledger_book *book = NULL;
	struct error error = { 0 };

	if (ledger_book_read(slice_of(text), "book.json", kind, &book, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	return book;
}

/* A unit of a newer list is named, and what else the list says of the model holds. */
static void test_unknown_units(void)
{
	static const char text[] = "{\"source\":\"s\",\"version\":\"9\",\"providers\":[{\"id\":"
				   "\"a\",\"models\":[{\"id\":\"m\","
				   "\"match\":{\"equals\":\"m\"},\"prices\":{\"input_mtok\":1,"
				   "\"smells_kcount\":2}},{\"id\":\"n\","
				   "\"match\":{\"equals\":\"n\"},\"prices\":{\"cache_read_mtok\":1}"
				   "},{\"id\":\"o\",\"match\":{"
				   "\"equals\":\"o\"},\"prices\":{\"input_mtok\":1,\"cache_read_"
				   "mtok\":1,\"input_audio_mtok\":1}}"
				   "]}]}";
	struct ledger_book *book = read_book(text, LEDGER_BOOK_PUBLIC), *none = NULL;
	struct ledger_book_facts facts;
	struct ledger_price price;
	struct error error = { 0 };

	ledger_book_facts(book, &facts);
	CHECK_STR(facts.source, "s");
	CHECK_STR(facts.version, "9");
	CHECK_INT(strlen(facts.digest), LEDGER_DIGEST_SIZE - 1);
	CHECK_INT(facts.providers, 1);
	CHECK_INT(facts.models, 3);
	CHECK_INT(facts.partial, 1);
	CHECK_STR(facts.notes,
		  "a/m: smells_kcount is a unit that this release does not count\n"
		  "a/n: cache_read_mtok needs input_mtok beside it, whose part it is\n"
		  "a/o: cache_read_mtok and input_audio_mtok need cache_audio_read_mtok beside "
		  "them, for what is both\n");
	find(book, "a", "m", 0, &price);
	CHECK(price.known && price.partial && !price.own);
	CHECK_INT(femto_of(&price, 0, LEDGER_INPUT), 1000000000);
	find(book, "a", "n", 0, &price); /* calcPrice throws */
	CHECK(!price.known);
	find(book, "a", "o", 0, &price);
	CHECK(!price.known);
	ledger_book_unref(book);
	CHECK_INT(
	    ledger_book_read(slice_of(text), "mine.json", LEDGER_BOOK_OVERRIDE, &none, &error),
	    -EINVAL);
	CHECK_STR(error.file, "mine.json");
	CHECK_STR(error.message, "a/m: smells_kcount is a unit that this release does not count");
}

static const char override_text[] =
    "[{\"id\":\"one\",\"models\":[{\"id\":\"tiered\",\"match\":{\"equals\":\"o-plain\"},\"prices\":"
    "["
    "{\"prices\":{\"input_mtok\":20}},"
    "{\"service_tier\":\"flex\",\"prices\":{\"input_mtok\":10}},"
    "{\"constraint\":{\"start_date\":\"2026-06-01\"},\"service_tier\":\"Flex\",\"prices\":{"
    "\"input_mtok\":8}}]},{\"id\":\"free\",\"match\":{\"equals\":\"o-12-x\"},\"prices\":{\"input_"
    "mtok\":"
    "0}}]}]";

static void check_tier(const struct ledger_books *books, const char *provider, const char *tier,
		       int64_t utc_s, int64_t dollars, bool partial, const char *source)
{
	struct ledger_price price;
	struct ledger_found found;

	ledger_price_find(
	    books,
	    &(struct ledger_wanted){ slice_of(provider), SLICE("o-plain"), slice_of(tier), utc_s },
	    &price, &found);
	CHECK(price.known && found.book);
	CHECK_INT(femto_of(&price, 0, LEDGER_INPUT), dollars * 1000000000);
	CHECK_INT(price.partial, partial);
	CHECK(strstr(price.source, source));
}

/* An override is above the public book, by any name of its provider; the tier is the answer's, and
 * one that has no price is priced as the standard one and said to be known in part. */
static void test_override(void)
{
	const int64_t may = 1777593600, july = 1782864000;
	struct ledger_books books = { read_book(override_text, LEDGER_BOOK_OVERRIDE),
				      read_book(small_book, LEDGER_BOOK_PUBLIC) };
	struct ledger_price price;
	struct ledger_found found;

	check_tier(&books, "one", "", may, 20, false, "override ");
	check_tier(&books, "my-uno-provider", "default", may, 20, false, "override ");
	check_tier(&books, "one", "flex", may, 10, false, " tier flex");
	check_tier(&books, "one", "FLEX", july, 8, false, " from 2026-06-01 tier Flex");
	check_tier(&books, "one", "priority", july, 20, true, "override ");
	ledger_price_find(
	    &books, &(struct ledger_wanted){ .provider = SLICE("one"), .model = SLICE("o-12-x") },
	    &price, NULL);
	CHECK(price.known && price.own);
	CHECK_INT(femto_of(&price, 0, LEDGER_INPUT), 0);
	ledger_price_find(
	    &books, &(struct ledger_wanted){ .provider = SLICE("two"), .model = SLICE("theirs") },
	    &price, &found);
	CHECK(price.known && !price.own && found.book == books.public);
	CHECK_STR(found.provider, "two");
	CHECK(slice_eq_str(found.rule, "{\"equals\":\"theirs\"}"));
	ledger_book_unref(books.override);
	ledger_book_unref(books.public);
}

static void collect_price(const char *key, struct slice units, void *data)
{
	buffer_printf(data, "%s: %.*s\n", key, SLICE_ARGS(units));
}

static void test_each(void)
{
	struct ledger_book *book = read_book(override_text, LEDGER_BOOK_OVERRIDE);
	struct buffer text = { 0 };

	ledger_book_each(book, collect_price, &text);
	CHECK(slice_eq_str(buffer_slice(&text),
			   "one/tiered: input_mtok=20\none/tiered tier flex: input_mtok=10\n"
			   "one/tiered from 2026-06-01 tier Flex: input_mtok=8\n"
			   "one/free: input_mtok=0\n"));
	buffer_fini(&text);
	ledger_book_unref(book);
}

/* Nothing of the list that is shipped is beyond us. */
static void test_all_known(const char *book_path)
{
	struct ledger_book *book = NULL;
	struct ledger_book_facts facts;

	if (ledger_book_load(book_path, LEDGER_BOOK_PUBLIC, NULL, &book, NULL) == -ENOENT) {
		printf("# no %s: packaging/fetch has not run\n", book_path);
		return;
	}
	ledger_book_facts(book, &facts);
	CHECK_STR(facts.notes, "");
	CHECK_INT(facts.partial, 0);
	ledger_book_unref(book);
}

static int answer(const char *book_path)
{
	struct ledger_book *book;
	struct error error = { 0 };
	char line[1024];

	if (ledger_book_load(book_path, LEDGER_BOOK_PUBLIC, NULL, &book, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", error.file, error.message);
	while (fgets(line, sizeof(line), stdin))
		answer_line(book, line);
	ledger_book_unref(book);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return answer(argv[1]);
	test_run("refusals", test_refusals);
	test_run("reuse", test_reuse);
	test_run("matching", test_matching);
	test_run("times", test_times);
	test_run("tiers", test_tiers);
	test_run("unknown units", test_unknown_units);
	test_run("override and service tiers", test_override);
	test_run("every price", test_each);
	if (getenv("TIDEGATE_SRC")) {
		snprintf(path, sizeof(path), "%s/packaging/fetched/prices.json",
			 getenv("TIDEGATE_SRC"));
		test_all_known(path);
	}
	return 0;
}
