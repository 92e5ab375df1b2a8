/* SPDX-License-Identifier: Apache-2.0 */
/* What a start makes of what it finds: entries once and once again, open ones by what they hold,
 * files of another shape, entries that make no sense, other numbers of loops and entries. A crash
 * is played by copying the file away. */
#include <dirent.h>
#include <errno.h>

#include "ledger/inflight.h"
#include "test-ledger.h"

static void copy_file(const char *from, const char *to)
{
	struct buffer content = { 0 };

	CHECK_INT(file_read(from, 1 << 30, &content, NULL), 0);
	CHECK_INT(file_write_atomic(to, buffer_slice(&content), 0600, NULL), 0);
	buffer_fini(&content);
}

/* One file beside the in-flight file whose name says why it is there; its path, or NULL. */
static const char *kept_aside(const struct fixture *fixture, const char *why)
{
	static char path[700];
	DIR *folder = opendir(fixture->folder);
	struct dirent *entry;
	bool found = false;

	CHECK(folder);
	while ((entry = readdir(folder))) {
		if (!strstr(entry->d_name, why))
			continue;
		CHECK(!found);
		found = true;
		snprintf(path, sizeof(path), "%s/%s", fixture->folder, entry->d_name);
	}
	closedir(folder);
	return found ? path : NULL;
}

static size_t count_lines(const char *path)
{
	struct buffer content = { 0 };
	size_t lines = 0;

	CHECK_INT(file_read(path, 1 << 20, &content, NULL), 0);
	for (size_t i = 0; i < content.len; i++)
		lines += content.data[i] == '\n';
	buffer_fini(&content);
	return lines;
}

static void test_twice(void)
{
	struct fixture fixture;
	char saved[400], log[400];
	struct ledger_entry *open;
	struct ledger_state state;
	int64_t cost;

	fixture_prepare(&fixture, "twice");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	snprintf(log, sizeof(log), "%s/requests.jsonl", fixture.logs);
	fixture_open(&fixture);
	fixture_settle(&fixture, 0, "acme", 100, 10);
	fixture_wait(&fixture, 0);
	open = fixture_begin(&fixture, 1, "acme", "small", 100, 10);
	CHECK(open);
	copy_file(fixture.inflight, saved);
	fixture_close(&fixture);
	for (int i = 0; i < 3; i++) {
		copy_file(saved, fixture.inflight);
		fixture_open(&fixture);
		ledger_state_read(fixture.ledger, &state);
		CHECK_INT(state.inflight, 0);
		CHECK_INT(state.reserved_nano, 0);
		CHECK_INT(state.replayed, 1);
		CHECK_INT(ledger_totals_sum(fixture.ledger, LEDGER_TODAY).requests, 2);
		cost = ledger_totals_sum(fixture.ledger, LEDGER_TODAY).cost_nano;
		CHECK_INT(cost, 2 * (100 * 1000 + 10 * 2500));
		fixture_close(&fixture);
		CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 2);
		CHECK_INT(fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM rollup"), cost);
		CHECK_INT(count_lines(log), 2);
	}
	fixture_fini(&fixture);
}

/* The rows were committed, but the process died before or within the write of their lines. */
static void test_line_missing(void)
{
	struct fixture fixture;
	char saved[400], log[400];
	struct buffer before = { 0 }, after = { 0 };

	fixture_prepare(&fixture, "line");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	snprintf(log, sizeof(log), "%s/requests.jsonl", fixture.logs);
	fixture_open(&fixture);
	for (int i = 0; i < 3; i++)
		CHECK(fixture_begin(&fixture, 0, "acme", "small", 100, 10));
	copy_file(fixture.inflight, saved);
	fixture_close(&fixture);
	copy_file(saved, fixture.inflight);
	fixture_open(&fixture);
	fixture_close(&fixture);
	CHECK_INT(file_read(log, 1 << 20, &before, NULL), 0);
	for (size_t cut = 0; cut < before.len; cut += 1 + before.len / 40) {
		CHECK_INT(truncate(log, (off_t)cut), 0);
		copy_file(saved, fixture.inflight);
		fixture_open(&fixture);
		fixture_close(&fixture);
		CHECK_INT(file_read(log, 1 << 20, &after, NULL), 0);
		CHECK(slice_eq(buffer_slice(&before), buffer_slice(&after)));
	}
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 3);
	buffer_fini(&before);
	buffer_fini(&after);
	fixture_fini(&fixture);
}

/* Closed, but the process died before the writer saw it: rows exactly as priced. */
static void test_closed(void)
{
	struct fixture fixture;
	char saved[400];
	struct ledger_entry *entry;
	uint32_t *state;

	fixture_prepare(&fixture, "closed");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	fixture_open(&fixture);
	entry = fixture_begin(&fixture, 0, "acme", "small", 100, 10);
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	entry->first.usage.tokens[LEDGER_OUTPUT] = 99; /* would cost more, were it priced again */
	state = (uint32_t *)&entry->state;
	__atomic_store_n(state, INFLIGHT_CLOSED, __ATOMIC_RELEASE);
	copy_file(fixture.inflight, saved);
	__atomic_store_n(state, INFLIGHT_OPEN, __ATOMIC_RELEASE);
	ledger_close(fixture.ledger, 0, entry);
	fixture_close(&fixture);
	CHECK_INT(unlink(fixture.rows), 0);
	copy_file(saved, fixture.inflight);
	fixture_open(&fixture);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT cost_nano FROM request WHERE outcome = 'ok'"),
		  125000);
	fixture_fini(&fixture);
}

/* Not closed, but its answer had ended and was priced: that is what it stays. */
static void test_ended(void)
{
	struct fixture fixture;
	struct ledger_entry *entry;

	fixture_prepare(&fixture, "ended");
	fixture_open(&fixture);
	entry = fixture_begin(&fixture, 0, "acme", "small", 100, 10);
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	fixture_close(&fixture); /* leaves what is open */
	fixture_open(&fixture);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT cost_nano FROM request WHERE outcome = 'ok'"),
		  125000);
	fixture_fini(&fixture);
}

struct crash_case {
	uint8_t source;
	int64_t in, out;
	uint32_t bytes;
	const char *source_text;
	int64_t cost_nano;
};

/* By what the attempt holds: the input was estimated at 7 tokens; four bytes of content are a
 * token. */
static void test_crashed(void)
{
	static const struct crash_case cases[] = {
		{ LEDGER_USAGE_NONE, 0, 0, 0, "estimated", 7 * 1000 },
		{ LEDGER_USAGE_NONE, 0, 0, 41, "estimated", 7 * 1000 + 11 * 2500 },
		{ LEDGER_USAGE_PARTIAL, 50, 1, 40, "partial", 50 * 1000 + 10 * 2500 },
		{ LEDGER_USAGE_PARTIAL, 50, 30, 40, "partial", 50 * 1000 + 30 * 2500 },
		{ LEDGER_USAGE_NONE, 50, 0, 40, "partial", 50 * 1000 + 10 * 2500 },
		{ LEDGER_USAGE_PROVIDER, 50, 3, 40, "provider", 50 * 1000 + 3 * 2500 },
	};
	char name[32], saved[400], sql[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;
		struct ledger_entry *entry;

		snprintf(name, sizeof(name), "crashed-%zu", i);
		fixture_prepare(&fixture, name);
		snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
		fixture_open(&fixture);
		entry = fixture_begin(&fixture, 0, "acme", "small", cases[i].in, cases[i].out);
		entry->first.usage_source = cases[i].source;
		entry->first.content_bytes = cases[i].bytes;
		copy_file(fixture.inflight, saved);
		fixture_close(&fixture);
		copy_file(saved, fixture.inflight);
		fixture_open(&fixture);
		fixture_close(&fixture);
		snprintf(
		    sql, sizeof(sql),
		    "SELECT r.cost_nano FROM request r JOIN attempt a ON a.id = r.id WHERE "
		    "r.outcome = 'crashed' AND a.outcome = 'crashed' AND a.usage_source = '%s'",
		    cases[i].source_text);
		CHECK_INT(fixture_ask(&fixture, sql), cases[i].cost_nano);
		fixture_fini(&fixture);
	}
}

/* A first attempt that had failed and was final stays as it was; only the second one crashed. */
static void test_crashed_after_failover(void)
{
	struct fixture fixture;
	char saved[400];
	struct ledger_entry *entry;

	fixture_prepare(&fixture, "failover");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	fixture_open(&fixture);
	entry = fixture_begin(&fixture, 0, "acme", "small", 0, 0);
	entry->first.outcome = LEDGER_ERROR;
	entry->first.usage_source = LEDGER_USAGE_NONE;
	ledger_price_attempt(entry, &entry->first);
	CHECK(ledger_attempt_begin(fixture.ledger, entry, SLICE("beta"), SLICE("large"),
				   &fixture_price, clock_now_ns()));
	copy_file(fixture.inflight, saved);
	fixture_close(&fixture);
	copy_file(saved, fixture.inflight);
	fixture_open(&fixture);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture,
			      "SELECT COUNT(*) FROM attempt WHERE n = 0 AND outcome = 'error' "
			      "AND usage_source = 'none' AND cost_nano = 0"),
		  1);
	CHECK_INT(fixture_ask(&fixture,
			      "SELECT COUNT(*) FROM attempt WHERE n = 1 AND outcome = 'crashed' "
			      "AND provider = 'beta' AND cost_nano = 7000"),
		  1);
	CHECK_INT(fixture_ask(&fixture, "SELECT cost_nano FROM request WHERE provider = 'beta'"),
		  7000);
	fixture_fini(&fixture);
}

static void test_foreign(void)
{
	static const char *const contents[] = { "not ours at all", "", "TGINFLT" };
	char name[32];

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct fixture fixture;
		struct buffer kept = { 0 };

		snprintf(name, sizeof(name), "foreign-%zu", i);
		fixture_prepare(&fixture, name);
		CHECK_INT(file_write_atomic(fixture.inflight, slice_of(contents[i]), 0600, NULL),
			  0);
		fixture_open(&fixture);
		fixture_settle(&fixture, 0, "acme", 1, 1);
		fixture_wait(&fixture, 0);
		CHECK(kept_aside(&fixture, "inflight.foreign-"));
		CHECK_INT(file_read(kept_aside(&fixture, "inflight.foreign-"), 100, &kept, NULL),
			  0);
		CHECK_SLICE(buffer_slice(&kept), contents[i]);
		buffer_fini(&kept);
		fixture_fini(&fixture);
	}
}

/* A file cut short and an entry with an offset beyond its text: both kept, and the good entry
 * beside is replayed. */
static void test_damaged(void)
{
	struct fixture fixture;
	char saved[400];
	struct ledger_entry *good, *bad;

	fixture_prepare(&fixture, "damaged");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	fixture_open(&fixture);
	good = fixture_begin(&fixture, 0, "acme", "small", 100, 10);
	bad = fixture_begin(&fixture, 0, "acme", "small", 100, 10);
	CHECK(good && bad);
	bad->tenant = 60000;
	copy_file(fixture.inflight, saved);
	fixture_close(&fixture);
	copy_file(saved, fixture.inflight);
	fixture_open(&fixture);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 1);
	CHECK(kept_aside(&fixture, "inflight.damaged-"));
	CHECK_INT(truncate(fixture.inflight, 5000), 0);
	fixture_open(&fixture);
	CHECK(kept_aside(&fixture, "inflight.foreign-"));
	fixture_fini(&fixture);
}

/* Fewer and more loops with entries left over; another number of entries once it is empty. */
static void test_other_shape(void)
{
	static const uint32_t loops[] = { 1, 5, 2 };
	struct fixture fixture;
	char saved[400];

	fixture_prepare(&fixture, "shape");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		fixture_open(&fixture);
		for (int j = 0; j < 7; j++)
			CHECK(fixture_begin(&fixture, (uint32_t)j % fixture.options.loops, "acme",
					    "small", 1, 1));
		copy_file(fixture.inflight, saved);
		fixture_close(&fixture);
		copy_file(saved, fixture.inflight);
		fixture.options.loops = loops[i];
		fixture.options.entries += 64;
		fixture_open(&fixture);
		for (uint32_t loop = 0; loop < loops[i]; loop++)
			fixture_settle(&fixture, loop, "acme", 1, 1);
		fixture_wait(&fixture, 0);
		fixture_close(&fixture);
		CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(DISTINCT id) FROM request"),
			  fixture_ask(&fixture, "SELECT COUNT(*) FROM request"));
	}
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 3 * 7 + 1 + 5 + 2);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request WHERE outcome = 'crashed'"),
		  3 * 7);
	fixture_fini(&fixture);
}

static void test_one_process(void)
{
	struct fixture fixture;
	struct ledger *second = NULL;
	struct error error = { 0 };

	fixture_prepare(&fixture, "one");
	fixture_open(&fixture);
	CHECK_INT(ledger_new(&fixture.options, &second, &error), -EBUSY);
	CHECK(strstr(error.message, "another tidegated"));
	fixture_fini(&fixture);
}

static void test_options(void)
{
	struct fixture fixture;
	struct error error = { 0 };

	fixture_prepare(&fixture, "options");
	fixture.options.loops = 0;
	CHECK_INT(ledger_new(&fixture.options, &fixture.ledger, &error), -EINVAL);
	fixture.options.loops = 65;
	CHECK_INT(ledger_new(&fixture.options, &fixture.ledger, &error), -EINVAL);
	fixture.options.loops = 4;
	fixture.options.entries = 3;
	CHECK_INT(ledger_new(&fixture.options, &fixture.ledger, &error), -EINVAL);
	fixture_fini(&fixture);
}

/* Ids rise in each loop, are unique, and stay above the old ones when the file was lost. */
static void test_ids(void)
{
	struct fixture fixture;
	struct ledger_entry *entry;
	uint64_t last[2] = { 0 };

	fixture_prepare(&fixture, "ids");
	for (int start = 0; start < 2; start++) {
		fixture_open(&fixture);
		for (int i = 0; i < 5000; i++) {
			do
				entry =
				    fixture_begin(&fixture, (uint32_t)i % 2, "acme", "small", 1, 1);
			while (!entry);
			CHECK(entry->id > last[i % 2]);
			CHECK_INT(entry->id & 7, 0);
			CHECK_INT(entry->id >> 14 & 63, i % 2);
			last[i % 2] = entry->id;
			entry->outcome = LEDGER_OK;
			ledger_close(fixture.ledger, (uint32_t)i % 2, entry);
		}
		fixture_close(&fixture);
		CHECK_INT(unlink(fixture.inflight), 0);
	}
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 10000);
	fixture_fini(&fixture);
}

/* Every name at its longest fits, cut where a character begins. */
static void test_long_names(void)
{
	struct fixture fixture;
	char name[301];
	struct ledger_names names;
	struct ledger_entry *entry;

	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	name[0] = 'x'; /* odd, so that byte 128 is within a character */
	name[1] = 'y';
	name[2] = 'z';
	memmove(name + 3, name + 4, sizeof(name) - 5);
	name[sizeof(name) - 2] = '\0';
	fixture_prepare(&fixture, "names");
	fixture_open(&fixture);
	names =
	    (struct ledger_names){ slice_of(name), slice_of(name), slice_of(name), slice_of(name) };
	entry = ledger_open(fixture.ledger, 0, &names, false, 1, 1, clock_now_ns());
	for (int i = 0; i < LEDGER_ATTEMPTS_MAX; i++)
		CHECK(ledger_attempt_begin(fixture.ledger, entry, slice_of(name), slice_of(name),
					   &fixture_price, clock_now_ns()));
	CHECK(!ledger_attempt_begin(fixture.ledger, entry, slice_of(name), slice_of(name),
				    &fixture_price, clock_now_ns()));
	CHECK_INT(strlen(ledger_text(entry, entry->tenant)), 127);
	CHECK_STR(ledger_text(entry, ledger_attempt_of(entry, LEDGER_ATTEMPTS_MAX - 1)->model),
		  ledger_text(entry, entry->tenant));
	entry->outcome = LEDGER_OK;
	ledger_close(fixture.ledger, 0, entry);
	fixture_wait(&fixture, 0);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM attempt"), LEDGER_ATTEMPTS_MAX);
	fixture_fini(&fixture);
}

int main(void)
{
	test_run("replayed twice", test_twice);
	test_run("a line is missing", test_line_missing);
	test_run("closed but not seen", test_closed);
	test_run("ended but not closed", test_ended);
	test_run("open at the crash", test_crashed);
	test_run("open after a failed attempt", test_crashed_after_failover);
	test_run("a foreign file", test_foreign);
	test_run("a damaged file", test_damaged);
	test_run("another shape", test_other_shape);
	test_run("one process", test_one_process);
	test_run("options", test_options);
	test_run("ids", test_ids);
	test_run("long names", test_long_names);
	return 0;
}
