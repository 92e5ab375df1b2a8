/* SPDX-License-Identifier: Apache-2.0 */
/* The price book. Without arguments: what is refused and what a small book says. With a book's path
 * it answers lines "PROVIDER\tMODEL\tUTC_S\tINPUT\tREAD\tWRITE\tWRITE_1H\tOUTPUT" with the cost in
 * nano-dollars or "unknown"; by that, test-ledger-book.py and test-ledger-calcprice.mjs compare it
 * with arithmetic that is not ours. */
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
	return ledger_book_load(path, NULL, ret, error);
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
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":{\"input_mtok\":{\"base\":1,\"tiers\":[{\"start\":-1,\"price\":1}]}}}]}"
		"]}",
		"{\"providers\":[{\"id\":\"a\",\"models\":[{\"match\":{\"equals\":\"m\"},"
		"\"prices\":"
		"[{\"constraint\":{\"start_date\":\"2025-02-29\"},\"prices\":{}}]}]}]}",
		"{\"providers\":[{\"id\":\"a\",\"fallback_model_providers\":[\"b\"],\"models\":[]}]"
		"}",
	};
	struct ledger_book *book = NULL;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error error = { 0 };

		CHECK_INT(load(texts[i], &book, &error), -EINVAL);
		CHECK_STR(error.file, path);
		CHECK(error.message[0]);
		CHECK(!book);
	}
	CHECK_INT(ledger_book_load("/proc/none/prices.json", NULL, &book, NULL), -ENOENT);
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
    "{\"match\":{\"new_kind\":\"o-new\"},\"prices\":{\"input_mtok\":9}}]},"
    "{\"id\":\"two\",\"models\":[{\"match\":{\"equals\":\"theirs\"},\"prices\":{\"input_mtok\":"
    "{\"base\":1,\"tiers\":[{\"start\":20,\"price\":3},{\"start\":10,\"price\":2}]},"
    "\"cache_write_mtok\":{\"base\":7,\"tiers\":[{\"start\":15,\"price\":8}]},\"requests_kcount\":"
    "6}}]}]}";

static void expect(const struct ledger_book *book, const char *provider, const char *model,
		   int64_t utc_s, int64_t input_femto)
{
	struct ledger_price price;

	ledger_book_find(book, slice_of(provider), slice_of(model), utc_s, &price);
	if (price.known != (input_femto >= 0) ||
	    (price.known && price.tiers[0].femto[LEDGER_INPUT] != input_femto))
		test_fail(__FILE__, __LINE__, "%s/%s: known %d, %" PRId64 " instead of %" PRId64,
			  provider, model, price.known, price.tiers[0].femto[LEDGER_INPUT],
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
	expect(book, "one", "audio", noon_2025, -1);
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
	ledger_book_find(book, SLICE("two"), SLICE("theirs"), 0, &price);
	CHECK(price.known);
	CHECK_INT(price.request_femto, INT64_C(6000000000000));
	CHECK_INT(price.tier_count, 4);
	for (int i = 0; i < 4; i++) {
		CHECK_INT(price.tiers[i].above_input_tokens, above[i]);
		CHECK_INT(price.tiers[i].femto[LEDGER_INPUT], input[i] * 1000000000);
		CHECK_INT(price.tiers[i].femto[LEDGER_CACHE_READ], input[i] * 1000000000);
		CHECK_INT(price.tiers[i].femto[LEDGER_CACHE_WRITE], write[i] * 1000000000);
		CHECK_INT(price.tiers[i].femto[LEDGER_CACHE_WRITE_1H], write[i] * 1000000000);
		CHECK_INT(price.tiers[i].femto[LEDGER_OUTPUT], 0);
	}
	ledger_book_unref(book);
}

static void answer_line(const struct ledger_book *book, char *line)
{
	struct ledger_usage usage = { 0 };
	struct ledger_price price;
	char *field[8];

	for (int i = 0; i < 8; i++)
		CHECK((field[i] = strsep(&line, "\t")));
	for (int class = 0; class < LEDGER_CLASSES; class ++)
		usage.tokens[class] = strtoll(field[3 + class], NULL, 10);
	ledger_book_find(book, slice_of(field[0]), slice_of(field[1]), strtoll(field[2], NULL, 10),
			 &price);
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
	CHECK_INT(ledger_book_load(path, book, &same, NULL), 0);
	CHECK(same == book);
	ledger_book_unref(same);
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
	CHECK_INT(ledger_book_load(path, book, &other, NULL), 0);
	CHECK(other != book);
	ledger_book_unref(book);
	CHECK_INT(truncate(path, 5), 0);
	CHECK(ledger_book_load(path, other, &same, NULL) < 0);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(ledger_book_load(path, other, &same, NULL), -ENOENT);
	ledger_book_unref(other);
}

static int answer(const char *book_path)
{
	struct ledger_book *book;
	struct error error = { 0 };
	char line[1024];

	if (ledger_book_load(book_path, NULL, &book, &error) < 0)
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
	return 0;
}
