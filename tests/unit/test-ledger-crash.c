/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 at random moments, again and again on one state folder: what the child had settled is in
 * the rows exactly once and for exactly its price, what it had open is there as crashed, and each
 * row has one line in the log. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "test-ledger.h"

enum {
	ROUNDS = 20,
	LOOPS = 2,
	OPEN_MAX = 16, /* requests a loop has open at once */
	RECORDS = 400000,
};

/* How far the child got with a request; it is told before the step it names is taken, or after. */
enum step {
	STEP_OPENED = 1, /* ledger_open has returned */
	STEP_PRICED,     /* the cost will not change any more */
	STEP_CLOSED,     /* ledger_close has returned */
};

struct record {
	uint64_t id;
	int64_t cost_nano;
	_Atomic uint32_t step;
};

struct shared {
	_Atomic uint32_t count;
	struct record records[RECORDS];
};

static struct shared *shared;
static struct fixture fixture;
static uint64_t seed = 20261124;

static void map_shared(void)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/shared", test_folder());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, sizeof(*shared)), 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED);
	close(fd);
}

struct worker {
	uint32_t loop;
	uint64_t random;
};

static struct record *open_one(struct worker *worker, struct ledger_entry **ret)
{
	char tenant[16];
	struct record *record;
	uint32_t number;

	snprintf(tenant, sizeof(tenant), "tenant-%u",
		 (unsigned)(fixture_random(&worker->random) % 5));
	*ret = fixture_begin(&fixture, worker->loop, tenant, "small",
			     1 + fixture_random(&worker->random) % 1000,
			     fixture_random(&worker->random) % 1000);
	if (!*ret)
		return NULL;
	number = atomic_fetch_add(&shared->count, 1);
	if (number >= RECORDS)
		_exit(0);
	record = &shared->records[number];
	record->id = (*ret)->id;
	atomic_store(&record->step, STEP_OPENED);
	return record;
}

static void close_one(struct worker *worker, struct record *record, struct ledger_entry *entry)
{
	ledger_price_attempt(entry, &entry->first);
	record->cost_nano = entry->first.cost_nano;
	atomic_store(&record->step, STEP_PRICED);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture.ledger, worker->loop, entry);
	atomic_store(&record->step, STEP_CLOSED);
}

static void *work(void *data)
{
	struct worker *worker = data;
	struct ledger_entry *entries[OPEN_MAX] = { 0 };
	struct record *records[OPEN_MAX];

	for (;;) {
		size_t at = fixture_random(&worker->random) % OPEN_MAX;

		if (entries[at]) {
			close_one(worker, records[at], entries[at]);
			entries[at] = NULL;
		} else {
			records[at] = open_one(worker, &entries[at]);
			if (!records[at])
				usleep(100); /* all in use: the writer is behind */
		}
	}
	return NULL;
}

/* A program of its own, as the sanitizers want no threads after a fork; by its name, as under
 * valgrind /proc/self/exe is valgrind. */
static int child(const char *folder, const char *random)
{
	static struct worker workers[LOOPS];
	pthread_t thread;

	snprintf(test_folder_path, sizeof(test_folder_path), "%s", folder);
	map_shared();
	fixture_prepare(&fixture, "kill");
	fixture_open(&fixture);
	for (uint32_t i = 0; i < LOOPS; i++) {
		workers[i] = (struct worker){ i, strtoull(random, NULL, 10) + i };
		CHECK_INT(pthread_create(&thread, NULL, work, &workers[i]), 0);
	}
	for (;;)
		pause();
}

/* At least some work, so that a round cannot pass for want of it. */
static void run_and_kill(void)
{
	uint32_t before = atomic_load(&shared->count), wanted = fixture_random(&seed) % 2000;
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;
	char random[32];
	int status;
	pid_t pid;

	snprintf(random, sizeof(random), "%" PRIu64, fixture_random(&seed));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		execl(program_invocation_name, "test-ledger-crash", test_folder(), random,
		      (char *)NULL);
		_exit(1);
	}
	while (atomic_load(&shared->count) <= before + wanted && clock_now_ns() < until_ns)
		usleep((useconds_t)(fixture_random(&seed) % 500));
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(atomic_load(&shared->count) > before + wanted);
}

static int compare_records(const void *a, const void *b)
{
	uint64_t left = ((const struct record *)a)->id, right = ((const struct record *)b)->id;

	return left < right ? -1 : left > right;
}

static struct record *record_of(struct record *records, uint32_t count, uint64_t id)
{
	struct record key = { .id = id };

	return bsearch(&key, records, count, sizeof(records[0]), compare_records);
}

/* Each row against what the child told; a request may have been opened without a word of it, once a
 * loop and round. */
static void check_rows(struct record *records, uint32_t count, int round)
{
	struct db_statement *statement;
	struct db *db;
	uint32_t known = 0, untold = 0;
	int r;

	CHECK_INT(
	    db_open(fixture.rows, true, schema_segment_steps, schema_segment_step_count, &db, NULL),
	    0);
	CHECK_INT(db_prepare(
		      db,
		      "SELECT r.id, r.cost_nano, r.outcome = 'crashed', a.cost_nano FROM request r "
		      "LEFT JOIN attempt a ON a.id = r.id",
		      &statement),
		  0);
	while ((r = db_step(statement)) == 1) {
		struct record *record =
		    record_of(records, count, (uint64_t)db_column_i64(statement, 0));
		bool crashed = db_column_i64(statement, 2);

		if (!record) {
			untold++;
			CHECK(crashed);
			continue;
		}
		known++;
		CHECK_INT(db_column_i64(statement, 1), db_column_i64(statement, 3));
		if (record->step >= STEP_PRICED)
			CHECK_INT(db_column_i64(statement, 1), record->cost_nano);
		if (record->step == STEP_CLOSED)
			CHECK(!crashed);
		if (record->step == STEP_OPENED)
			CHECK(crashed);
	}
	CHECK_INT(r, 0);
	CHECK_INT(known, count);
	CHECK(untold <= (uint32_t)(LOOPS * (round + 1)));
	db_statement_free(statement);
	db_close(db);
}

static size_t count_lines(const char *path, uint64_t *ids, size_t max)
{
	FILE *file = fopen(path, "re");
	char line[2048];
	size_t count = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		const char *id = strstr(line, "\"id\":\"");

		CHECK(id && count < max && strcmp(line + strlen(line) - 2, "}\n") == 0);
		ids[count++] = strtoull(id + 6, NULL, 16);
	}
	fclose(file);
	return count;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void check_lines(int64_t rows)
{
	static uint64_t ids[RECORDS + 1000];
	DIR *folder = opendir(fixture.logs);
	struct dirent *entry;
	size_t count = 0;

	CHECK(folder);
	while ((entry = readdir(folder))) {
		char path[600];

		if (!strstr(entry->d_name, ".jsonl"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", fixture.logs, entry->d_name);
		count += count_lines(path, ids + count, sizeof(ids) / sizeof(ids[0]) - count);
	}
	closedir(folder);
	CHECK_INT(count, rows);
	qsort(ids, count, sizeof(ids[0]), compare_ids);
	for (size_t i = 1; i < count; i++)
		CHECK(ids[i] != ids[i - 1]);
}

static void check_all(int round)
{
	uint32_t count = atomic_load(&shared->count);
	struct record *sorted = malloc(sizeof(sorted[0]) * (count + 1));
	struct ledger_state state;
	struct ledger_total total;

	CHECK(sorted);
	fixture_open(&fixture);
	fixture_wait(&fixture, 0);
	ledger_state_read(fixture.ledger, &state);
	CHECK_INT(state.reserved_nano, 0);
	total = ledger_totals_sum(fixture.ledger, LEDGER_TOTAL);
	fixture_close(&fixture);
	/* A record that was numbered but not filled in when the child died has no id. */
	for (uint32_t i = 0, from = 0; from < atomic_load(&shared->count); from++) {
		if (atomic_load(&shared->records[from].step) == 0) {
			count--;
			continue;
		}
		memcpy(&sorted[i++], &shared->records[from], sizeof(sorted[0]));
	}
	qsort(sorted, count, sizeof(sorted[0]), compare_records);
	check_rows(sorted, count, round);
	CHECK_INT(total.requests, fixture_ask(&fixture, "SELECT COUNT(*) FROM request"));
	CHECK_INT(total.cost_nano, fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM attempt"));
	CHECK_INT(total.cost_nano, fixture_ask(&fixture, "SELECT SUM(cost_nano) FROM rollup"));
	check_lines(fixture_ask(&fixture, "SELECT COUNT(*) FROM request"));
	free(sorted);
}

static void test_kill(void)
{
	map_shared();
	fixture_prepare(&fixture, "kill");
	for (int round = 0; round < ROUNDS; round++) {
		run_and_kill();
		check_all(round);
	}
	fixture_fini(&fixture);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return child(argv[1], argv[2]);
	test_run("kill -9", test_kill);
	return 0;
}
