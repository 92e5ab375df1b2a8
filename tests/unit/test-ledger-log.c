/* SPDX-License-Identifier: Apache-2.0 */
/* The request log: its fields, hours sealed on the clock and never overwritten, files taken away,
 * and lines as read back from the rows. */
#include "ledger/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "test-ledger.h"

enum {
	HOUR_S = 3600,
	NOON_S = 1795521600, /* 2026-11-24T12:00:00Z */
};

static void check_content(const char *folder, const char *name, const char *content)
{
	struct buffer text = { 0 };
	char path[500];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	CHECK_INT(file_read(path, 1 << 20, &text, NULL), 0);
	CHECK_SLICE(buffer_slice(&text), content);
	buffer_fini(&text);
}

static void set_time(const char *folder, int64_t utc_s)
{
	struct timespec times[2] = { { .tv_sec = utc_s }, { .tv_sec = utc_s } };
	char path[500];

	snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
	CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_hours(void)
{
	struct request_log log;
	char folder[400], path[500];

	snprintf(folder, sizeof(folder), "%s/hours", test_folder());
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	CHECK_INT(request_log_append(&log, SLICE("a\n"), NOON_S), 0);
	CHECK_INT(request_log_append(&log, SLICE("b\n"), NOON_S + HOUR_S - 1), 0);
	CHECK_INT(request_log_append(&log, SLICE("c\n"), NOON_S + HOUR_S), 0);
	check_content(folder, "requests-20261124T12Z.jsonl", "a\nb\n");
	check_content(folder, "requests.jsonl", "c\n");
	/* The clock goes back, and comes again: nothing is lost. */
	CHECK_INT(request_log_append(&log, SLICE("d\n"), NOON_S), 0);
	CHECK_INT(request_log_append(&log, SLICE("e\n"), NOON_S + HOUR_S), 0);
	check_content(folder, "requests-20261124T13Z.jsonl", "c\n");
	check_content(folder, "requests-20261124T12Z-1.jsonl", "d\n");
	request_log_close(&log);
	/* The hour of what an earlier run left is known by its time. */
	set_time(folder, NOON_S + 2 * HOUR_S);
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	CHECK_INT(request_log_append(&log, SLICE("f\n"), NOON_S + 3 * HOUR_S), 0);
	check_content(folder, "requests-20261124T14Z.jsonl", "e\n");
	/* Somebody takes the live file away. */
	snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(request_log_append(&log, SLICE("g\n"), NOON_S + 3 * HOUR_S), 0);
	check_content(folder, "requests.jsonl", "g\n");
	/* An hour ends without a request; the next one, without anything to seal. */
	CHECK_INT(request_log_turn(&log, NOON_S + 4 * HOUR_S - 1), 0);
	check_content(folder, "requests.jsonl", "g\n");
	CHECK_INT(request_log_turn(&log, NOON_S + 4 * HOUR_S), 0);
	check_content(folder, "requests-20261124T15Z.jsonl", "g\n");
	check_content(folder, "requests.jsonl", "");
	CHECK_INT(request_log_turn(&log, NOON_S + 5 * HOUR_S), 0);
	CHECK_INT(request_log_append(&log, SLICE("h\n"), NOON_S + 5 * HOUR_S), 0);
	check_content(folder, "requests.jsonl", "h\n");
	snprintf(path, sizeof(path), "%s/requests-20261124T16Z.jsonl", folder);
	CHECK(access(path, F_OK) < 0);
	request_log_close(&log);
}

static void test_torn(void)
{
	struct request_log log;
	char folder[400], path[500], content[9002];

	snprintf(folder, sizeof(folder), "%s/torn", test_folder());
	snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
	CHECK_INT(file_make_folders(folder, 0700, NULL), 0);
	memset(content, 'x', sizeof(content)); /* a torn line longer than a block */
	content[1] = '\n';
	CHECK_INT(file_write_atomic(path, (struct slice){ content, sizeof(content) }, 0600, NULL),
		  0);
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	check_content(folder, "requests.jsonl", "x\n");
	request_log_close(&log);
	CHECK_INT(file_write_atomic(path, SLICE("torn"), 0600, NULL), 0);
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	check_content(folder, "requests.jsonl", "");
	request_log_close(&log);
}

/* Of two daemons: the hour is sealed once, and a line that one has cut off is not the other's. */
static void test_two_writers(void)
{
	struct request_log one, two;
	char folder[400], path[500];
	FILE *file;

	snprintf(folder, sizeof(folder), "%s/two", test_folder());
	CHECK_INT(request_log_open(&one, folder, NULL), 0);
	CHECK_INT(request_log_append(&one, SLICE("a\n"), NOON_S), 0);
	set_time(folder, NOON_S);
	CHECK_INT(request_log_open(&two, folder, NULL), 0);
	CHECK_INT(request_log_append(&two, SLICE("b\n"), NOON_S), 0);
	CHECK_INT(request_log_append(&one, SLICE("c\n"), NOON_S), 0);
	check_content(folder, "requests.jsonl", "a\nb\nc\n");
	CHECK_INT(request_log_append(&two, SLICE("d\n"), NOON_S + HOUR_S), 0);
	set_time(folder, NOON_S + HOUR_S);
	CHECK_INT(request_log_append(&one, SLICE("e\n"), NOON_S + HOUR_S), 0);
	check_content(folder, "requests-20261124T12Z.jsonl", "a\nb\nc\n");
	check_content(folder, "requests.jsonl", "d\ne\n");
	snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
	file = fopen(path, "a");
	CHECK(file && fputs("torn", file) >= 0 && fclose(file) == 0);
	CHECK_INT(request_log_append(&two, SLICE("f\n"), NOON_S + HOUR_S), 0);
	check_content(folder, "requests.jsonl", "d\ne\nf\n");
	request_log_close(&one);
	request_log_close(&two);
}

/* Found in the live file and the newest sealed one. */
static void test_find(void)
{
	static const uint64_t ids[] = { 1, 0x10, 0x20, UINT64_C(0x1a20dcb638f04010) };
	bool found[4] = { false };
	struct request_log log;
	char folder[400];

	snprintf(folder, sizeof(folder), "%s/find", test_folder());
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	CHECK_INT(request_log_append(&log, SLICE("{\"id\":\"0000000000000010\"}\n"), NOON_S), 0);
	CHECK_INT(
	    request_log_append(
		&log,
		SLICE("{\"id\":\"1a20dcb638f04010\"}\n{\"id\":\"zz\"}\n{\"id\":\"00000000000000"),
		NOON_S + HOUR_S),
	    0);
	CHECK_INT(request_log_find(&log, ids, 4, found), 0);
	CHECK(!found[0] && found[1] && !found[2] && found[3]);
	request_log_close(&log);
}

/* What was sealed last is known when the clock has gone back too. */
static void test_find_after_step_back(void)
{
	static const uint64_t ids[] = { 0x10, 0x20, 0x30, 0x40 };
	static const int64_t hours_s[] = { NOON_S, NOON_S + HOUR_S, NOON_S, NOON_S + HOUR_S };
	char folder[400], path[500], line[64];
	struct request_log log;

	snprintf(folder, sizeof(folder), "%s/back", test_folder());
	CHECK_INT(request_log_open(&log, folder, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(line, sizeof(line), "{\"id\":\"%016" PRIx64 "\"}\n", ids[i]);
		CHECK_INT(request_log_append(&log, slice_of(line), hours_s[i]), 0);
	}
	snprintf(path, sizeof(path), "%s/.newest", folder);
	for (int linked = 1; linked >= 0; linked--) {
		bool found[4] = { false };
		CHECK_INT(request_log_find(&log, ids, 4, found), 0);
		/* Without the link it is the last one by name. */
		CHECK(!found[0] && found[1] == !linked && found[2] == linked && found[3]);
		CHECK_INT(unlink(path), linked ? 0 : -1);
	}
	request_log_close(&log);
}

static void test_compare(void)
{
	static const char *const ascending[] = {
		"requests-20261124T12Z.jsonl",   "requests-20261124T12Z-1.jsonl",
		"requests-20261124T12Z-2.jsonl", "requests-20261124T12Z-10.jsonl",
		"requests-20261124T13Z.jsonl",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ascending); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(ascending); j++) {
			int order = request_log_compare(ascending[i], ascending[j]);
			CHECK((order < 0) == (i < j) && (order > 0) == (i > j));
		}
	}
}

static void check_text(json_t *line, const char *key, const char *expected)
{
	CHECK_STR(json_string_value(json_object_get(line, key)), expected);
}

static void check_number(json_t *line, const char *key, int64_t expected)
{
	CHECK(json_is_integer(json_object_get(line, key)));
	CHECK_INT(json_integer_value(json_object_get(line, key)), expected);
}

static void check_line(const char *text, size_t len, const char *tenant)
{
	char id[LEDGER_ID_SIZE];
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	CHECK(line);
	CHECK_INT(json_object_size(line), 29);
	check_text(line, "ts", json_string_value(json_object_get(line, "ts")));
	CHECK_INT(strlen(json_string_value(json_object_get(line, "ts"))), 24);
	snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(line, "id")));
	CHECK_INT(strlen(id), 16);
	check_text(line, "tenant", tenant);
	check_text(line, "feature", "chat");
	check_text(line, "key", "key");
	check_text(line, "route", "route");
	check_text(line, "model", "small");
	check_text(line, "provider", "alpha");
	check_number(line, "status", 200);
	check_text(line, "outcome", "ok");
	CHECK(json_is_true(json_object_get(line, "stream")));
	check_number(line, "attempts", 1);
	check_number(line, "tokens_in", 150);
	check_number(line, "tokens_cached", 50);
	check_number(line, "tokens_out", 10);
	CHECK(json_is_real(json_object_get(line, "ms")));
	CHECK(json_real_value(json_object_get(line, "ttft_ms")) == 1.5);
	check_text(line, "usage_source", "provider");
	check_text(line, "client", "2001:db8::7");
	check_text(line, "run", "run \"7\"");
	check_text(line, "user", "ann\n");
	check_text(line, "model_served", "small-2026");
	check_text(line, "version", "fp_1");
	check_text(line, "class", "live");
	CHECK(json_is_false(json_object_get(line, "degraded")));
	CHECK(json_is_true(json_object_get(line, "cached")));
	check_text(line, "saved_usd", "0.000000009");
	check_text(line, "cost_usd", "0.000130000");
	check_text(line, "policies", "limit=note: \"x\"");
	json_decref(line);
}

/* Names may hold anything; the same line comes from the file and from the rows. */
static void test_lines(void)
{
	static const char tenant[] = "a\"b\\c\n\x01 d\xc3\xa9";
	struct fixture fixture;
	struct buffer file = { 0 }, rows = { 0 };
	struct ledger_entry *entry;
	uint64_t first = 0;

	fixture_prepare(&fixture, "lines");
	fixture_open(&fixture);
	for (int i = 0; i < 3; i++) {
		entry = fixture_begin(&fixture, 0, tenant, "small", 100, 10);
		entry->first.usage.tokens[LEDGER_CACHE_READ] = 50;
		entry->first_content_us = 1500;
		entry->cached = 1;
		entry->saved_nano = 9;
		ledger_decided(entry, SLICE("limit=note: \"x\""));
		/* The version comes late, and what is said again changes nothing. */
		ledger_attempt_served(entry, &entry->first, SLICE("small-2026"), SLICE(""));
		ledger_attempt_served(entry, &entry->first, SLICE("other"), SLICE("fp_1"));
		ledger_attempt_served(entry, &entry->first, SLICE(""), SLICE("fp_2"));
		if (i == 0)
			first = entry->id;
		entry->outcome = LEDGER_OK;
		ledger_close(fixture.ledger, 0, entry);
	}
	fixture_wait(&fixture, 0);
	CHECK_INT(file_read(ledger_log_path(fixture.ledger), 1 << 20, &file, NULL), 0);
	check_line(file.data, (size_t)((char *)memchr(file.data, '\n', file.len) - file.data),
		   tenant);
	CHECK_INT(ledger_read_rows(fixture.ledger, 0, 100, false, &rows), 0);
	CHECK(slice_eq(buffer_slice(&file), buffer_slice(&rows)));
	buffer_clear(&rows);
	CHECK_INT(ledger_read_rows(fixture.ledger, 0, 100, true, &rows), 0);
	CHECK(slice_eq(buffer_slice(&file), buffer_slice(&rows)));
	/* The two newest are those behind the first, oldest first. */
	buffer_clear(&rows);
	CHECK_INT(ledger_read_rows(fixture.ledger, 0, 2, true, &rows), 0);
	buffer_consume(&file, (size_t)((char *)memchr(file.data, '\n', file.len) + 1 - file.data));
	CHECK(slice_eq(buffer_slice(&file), buffer_slice(&rows)));
	buffer_clear(&rows);
	CHECK_INT(ledger_read_rows(fixture.ledger, first, 2, false, &rows), 0);
	CHECK(slice_eq(buffer_slice(&file), buffer_slice(&rows)));
	buffer_clear(&rows);
	CHECK_INT(ledger_read_rows(fixture.ledger, UINT64_MAX, 2, false, &rows), 0);
	CHECK_INT(rows.len, 0);
	buffer_fini(&file);
	buffer_fini(&rows);
	fixture_fini(&fixture);
}

int main(void)
{
	test_run("hours", test_hours);
	test_run("torn lines", test_torn);
	test_run("two writers", test_two_writers);
	test_run("finding ids", test_find);
	test_run("finding ids after a step back", test_find_after_step_back);
	test_run("order of names", test_compare);
	test_run("lines", test_lines);
	return 0;
}
