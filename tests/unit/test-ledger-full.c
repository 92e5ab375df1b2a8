/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is full, played by a limit on the size of files: nothing is lost, the state says so,
 * requests are refused only once the entries have run out, and all of it ends by itself when there
 * is room again. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test-ledger.h"

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void wait_degraded(struct fixture *fixture, struct ledger_state *state)
{
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;

	do {
		ledger_state_read(fixture->ledger, state);
		usleep(1000);
	} while (!state->degraded && clock_now_ns() < until_ns);
	CHECK(state->degraded);
	CHECK(state->degraded_reason[0]);
}

static void settle_until_refused(struct fixture *fixture, uint32_t *settled)
{
	struct ledger_entry *entry;

	while ((entry = fixture_begin(fixture, 0, "acme", "small", 100, 10))) {
		entry->outcome = LEDGER_OK;
		ledger_close(fixture->ledger, 0, entry);
		(*settled)++;
		CHECK(*settled < 100000);
	}
}

static rlim_t size_of(const char *path)
{
	struct stat info;

	CHECK_INT(stat(path, &info), 0);
	return (rlim_t)info.st_size;
}

static void check_recovery(struct fixture *fixture, uint32_t settled)
{
	struct ledger_state state;

	limit_files(RLIM_INFINITY);
	fixture_wait(fixture, 0);
	fixture_settle(fixture, 0, "acme", 100, 10);
	fixture_wait(fixture, 0);
	ledger_state_read(fixture->ledger, &state);
	CHECK(!state.degraded);
	CHECK_STR(state.degraded_reason, "");
	CHECK_INT(state.rows_committed, settled + 1);
	CHECK(state.commit_failures > 0);
	CHECK_INT(ledger_totals_sum(fixture->ledger, LEDGER_TODAY).requests, settled + 1);
	fixture_close(fixture);
	CHECK_INT(fixture_ask(fixture, "SELECT COUNT(*) FROM request"), settled + 1);
	CHECK_INT(fixture_ask(fixture, "SELECT SUM(requests) FROM rollup"), settled + 1);
	CHECK_INT(fixture_ask(fixture, "SELECT SUM(cost_nano) FROM request"),
		  (settled + 1) * INT64_C(125000));
}

static size_t count_lines(const struct fixture *fixture)
{
	char path[400];
	struct buffer content = { 0 };
	size_t lines = 0;

	snprintf(path, sizeof(path), "%s/requests.jsonl", fixture->logs);
	CHECK_INT(file_read(path, 1 << 24, &content, NULL), 0);
	for (size_t i = 0; i < content.len; i++)
		lines += content.data[i] == '\n';
	CHECK(content.len == 0 || content.data[content.len - 1] == '\n');
	buffer_fini(&content);
	return lines;
}

/* No row can be committed. */
static void test_rows(void)
{
	struct fixture fixture;
	struct ledger_state state;
	char wal[400];
	uint32_t settled = 0;

	fixture_prepare(&fixture, "rows");
	snprintf(wal, sizeof(wal), "%s-wal", fixture.rows);
	fixture_open(&fixture);
	limit_files(size_of(wal) + 1000);
	settle_until_refused(&fixture, &settled);
	CHECK(settled >= fixture.options.entries / fixture.options.loops);
	wait_degraded(&fixture, &state);
	CHECK(state.inflight > 0);
	check_recovery(&fixture, settled);
	CHECK_INT(count_lines(&fixture), settled + 1);
	fixture_fini(&fixture);
}

/* Rows are committed but the log cannot grow: the same lines are tried again, and no row is written
 * twice. */
static void test_log(void)
{
	struct fixture fixture;
	struct ledger_state state;
	struct buffer content = { 0 };
	char log[400];
	uint32_t settled = 0;

	fixture_prepare(&fixture, "log");
	snprintf(log, sizeof(log), "%s/requests.jsonl", fixture.logs);
	CHECK_INT(file_make_folders(fixture.logs, 0700, NULL), 0);
	while (content.len < 16 << 20) /* larger than all of SQLite's files will be */
		buffer_append_str(&content, "{\"id\":\"0000000000000000\"}\n");
	CHECK_INT(file_write_atomic(log, buffer_slice(&content), 0600, NULL), 0);
	fixture_open(&fixture);
	limit_files(content.len + 1000);
	settle_until_refused(&fixture, &settled);
	wait_degraded(&fixture, &state);
	CHECK(strstr(state.degraded_reason, "request log"));
	CHECK(fixture_ask(&fixture, "SELECT COUNT(*) FROM request") > 0);
	check_recovery(&fixture, settled);
	CHECK(size_of(log) > content.len);
	CHECK_INT(file_read(log, 1 << 26, &content, NULL), 0);
	CHECK(memcmp(content.data + content.len - 2, "}\n", 2) == 0);
	buffer_fini(&content);
	fixture_fini(&fixture);
}

/* What could not be committed before the end is there after it. */
static void test_restart(void)
{
	struct fixture fixture;
	struct ledger_state state;
	char wal[400];
	uint32_t settled = 0;

	fixture_prepare(&fixture, "restart");
	snprintf(wal, sizeof(wal), "%s-wal", fixture.rows);
	fixture_open(&fixture);
	limit_files(size_of(wal) + 1000);
	settle_until_refused(&fixture, &settled);
	wait_degraded(&fixture, &state);
	fixture_close(&fixture);
	limit_files(RLIM_INFINITY);
	fixture_open(&fixture);
	ledger_state_read(fixture.ledger, &state);
	CHECK_INT(state.inflight, 0);
	CHECK(state.replayed > 0);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request WHERE outcome = 'ok'"),
		  settled);
	CHECK_INT(count_lines(&fixture), settled);
	fixture_fini(&fixture);
}

/* The file is taken away while the appliance runs: rows wait where they are safe, and a restart
 * begins a new file with them. */
static void test_moved(void)
{
	struct ledger_state state;
	struct fixture fixture;

	fixture_prepare(&fixture, "moved");
	fixture_open(&fixture);
	fixture_settle(&fixture, 0, "acme", 1, 1);
	fixture_wait(&fixture, 0);
	CHECK_INT(unlink(fixture.rows), 0);
	for (int i = 0; i < 5; i++)
		fixture_settle(&fixture, 0, "acme", 1, 1);
	for (uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;;) {
		ledger_state_read(fixture.ledger, &state);
		if (state.degraded)
			break;
		CHECK(clock_now_ns() < until_ns);
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	CHECK(strstr(state.degraded_reason, "moved or deleted"));
	CHECK_INT(state.inflight, 5);
	fixture_close(&fixture);
	fixture_open(&fixture);
	fixture_wait(&fixture, 0);
	fixture_close(&fixture);
	CHECK_INT(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"), 5);
	fixture_fini(&fixture);
}

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	test_run("rows on a full disk", test_rows);
	test_run("log on a full disk", test_log);
	test_run("restart after a full disk", test_restart);
	test_run("a file taken away", test_moved);
	return 0;
}
