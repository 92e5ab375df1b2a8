/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger alone, without a network. `ledger write FOLDER REQUESTS RATE` settles requests of a
 * mixture of names, RATE a second (0: as fast as entries become free), and prints what the writer
 * took. `ledger scale FOLDER REQUESTS` settles them over the last 30 days, closes these, and prints
 * what questions, a start and the expiry of a day take then. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "ledger/own.h"
#include "ledger/segment.h"

enum {
	TENANTS = 8,
	FEATURES = 5,
	MODELS = 4,
	ROUND_REQUESTS =
	    64, /* of one feature and model after another, as a loop's round has them */
	PATIENCE_S = 60,
	DAYS = 30,
	ASKED = 20,
	LOOKED_UP = 2000,
	LISTED = 200,
	PAGE_ROWS = 100,       /* as REST lists them where no limit is asked for */
	BUSY_REQUESTS = 20000, /* at 10,000 a second, while a day expires */
};

/* Of how many names a mixture is. */
struct mixture {
	unsigned tenants, features, models;
};

static const struct ledger_price price = {
	.known = true,
	.until_s = INT64_MAX,
	.tier_count = 1,
	.rate_count = LEDGER_RARE,
	.rate_of = { 0, 1, 2, 3, 4, [LEDGER_RARE... LEDGER_CLASSES - 1] = LEDGER_NO_RATE,
		     [LEDGER_REASONING] = LEDGER_OUTPUT, [LEDGER_REQUEST] = LEDGER_NO_RATE },
	.femto = { 150000000, 75000000, 150000000, 300000000, 600000000 },
};

static void pause_us(long us)
{
	nanosleep(&(struct timespec){ 0, us * 1000 }, NULL);
}

/* CPU of the thread that bears this name. */
static double thread_cpu_s(const char *wanted)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	double found = -1;

	while (tasks && (task = readdir(tasks))) {
		char path[300], name[32] = "";
		unsigned long long ns = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (!fgets(name, sizeof(name), file))
			name[0] = '\0';
		fclose(file);
		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", task->d_name);
		file = strcmp(name, wanted) == 0 ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		if (fscanf(file, "%llu", &ns) == 1)
			found = (double)ns / 1e9;
		fclose(file);
	}
	if (tasks)
		closedir(tasks);
	if (found < 0)
		die("no thread %s", wanted);
	return found;
}

static struct ledger *open_ledger(const char *folder)
{
	char state[512], inflight[512], logs[512];
	struct ledger_options options = {
		.folder = state, .inflight_path = inflight, .log_folder = logs, .loops = 1
	};
	struct error error = { 0 };
	struct ledger *ledger;

	snprintf(state, sizeof(state), "%s/ledger", folder);
	snprintf(inflight, sizeof(inflight), "%s/inflight", folder);
	snprintf(logs, sizeof(logs), "%s/logs", folder);
	if (zone_new("UTC", &options.zone) < 0)
		die("no zone");
	if (ledger_new(&options, &ledger, &error) < 0)
		die("%s: %s", error.file, error.message);
	zone_unref(options.zone);
	return ledger;
}

/* `at_ns`: when it began, as its id says too; 0: now. */
static bool settle(struct ledger *ledger, const struct mixture *mixture, uint64_t number,
		   uint64_t at_ns)
{
	char tenant[32], feature[32], model[32];
	uint64_t round = number / ROUND_REQUESTS, any = round * 0x9e3779b97f4a7c15u;
	struct ledger_names names = {
		.tenant = { tenant, (size_t)snprintf(tenant, sizeof(tenant), "tenant-%u",
						     (unsigned)((any >> 20) % mixture->tenants)) },
		.feature = { feature,
			     (size_t)snprintf(feature, sizeof(feature), "feature-%u",
					      (unsigned)((any >> 35) % mixture->features)) },
		.key = SLICE("bench"),
		.route = { model, (size_t)snprintf(model, sizeof(model), "model-%u",
						   (unsigned)((any >> 50) % mixture->models)) },
		.client = { 4, { 127, 0, 0, 1 } },
	};
	struct ledger_entry *entry = ledger_open(ledger, 0, &names, false, 100, 0, now_ns());
	struct ledger_attempt *attempt;

	if (!entry)
		return false;
	attempt = ledger_attempt_begin(ledger, entry, SLICE("up"), names.route, &price, now_ns());
	attempt->status = entry->status = 200;
	attempt->usage_source = LEDGER_USAGE_PROVIDER;
	attempt->usage.tokens[LEDGER_INPUT] = 100 + (int64_t)(number % 1000);
	attempt->usage.tokens[LEDGER_OUTPUT] = 200;
	attempt->first_content_us = 150000;
	attempt->end_us = entry->end_us = 900000 + (uint32_t)(number % 100000);
	entry->first_content_us = 150000;
	ledger_price_attempt(entry, attempt);
	entry->outcome = LEDGER_OK;
	if (at_ns > 0) {
		entry->start_real_ns = at_ns;
		entry->id = at_ns / NS_PER_MS << SEGMENT_ID_SHIFT | number % 1024 << 8;
	}
	ledger_close(ledger, 0, entry);
	return true;
}

static void wait_committed(struct ledger *ledger, uint64_t count)
{
	uint64_t until_ns = now_ns() + PATIENCE_S * NS_PER_S;
	struct ledger_state state;

	do {
		pause_us(1000);
		ledger_state_read(ledger, &state);
		if (now_ns() > until_ns)
			die("%llu rows of %llu: %s", (unsigned long long)state.rows_committed,
			    (unsigned long long)count, state.degraded_reason);
	} while (state.rows_committed < count);
}

static void write_requests(const char *folder, uint64_t count, uint64_t rate)
{
	static const struct mixture mixture = { TENANTS, FEATURES, MODELS };
	struct ledger *ledger = open_ledger(folder);
	uint64_t start_ns = now_ns(), waits = 0;
	double cpu_s, wall_s;

	for (uint64_t i = 0; i < count;) {
		if (rate > 0 && now_ns() < start_ns + i * NS_PER_S / rate) {
			pause_us(200);
		} else if (settle(ledger, &mixture, i, 0)) {
			i++;
		} else {
			waits++;
			pause_us(200);
		}
	}
	wait_committed(ledger, count);
	wall_s = (double)(now_ns() - start_ns) / 1e9;
	cpu_s = thread_cpu_s("writer");
	ledger_free(ledger);
	printf("{\"requests\":%llu,\"per_s\":%.0f,\"writer_us\":%.3f,\"waits\":%llu}\n",
	       (unsigned long long)count, (double)count / wall_s, cpu_s / (double)count * 1e6,
	       (unsigned long long)waits);
}

/* ---- at scale ---- */

static const struct mixture many = { 20, 10, 15 };

static uint64_t real_s(void)
{
	return (uint64_t)time(NULL);
}

/* When the number-th of `count` requests of the days before today began. */
static uint64_t moment_of(uint64_t number, uint64_t count)
{
	uint64_t today_s = real_s() / SEGMENT_DAY_S * SEGMENT_DAY_S;
	uint64_t span_ms = (uint64_t)DAYS * SEGMENT_DAY_S * 1000;

	return (today_s - (uint64_t)DAYS * SEGMENT_DAY_S) * NS_PER_S +
	       span_ms * number / count * NS_PER_MS;
}

static void fill(struct ledger *ledger, uint64_t count)
{
	for (uint64_t i = 0; i < count;) {
		if (settle(ledger, &many, i, moment_of(i, count)))
			i++;
		else
			pause_us(200);
	}
	wait_committed(ledger, count);
}

static void keep(struct ledger *ledger)
{
	struct error error = { 0 };

	if (keeper_work(&ledger->keeper, (int64_t)real_s(), &error) < 0)
		die("%s: %s", error.file, error.message);
}

static void count_sum(const struct ledger_sum *sum, void *data)
{
	*(uint64_t *)data += sum->requests;
}

/* All that was filled in, by the names of one question. */
static void ask(struct ledger *ledger, uint64_t count)
{
	const struct ledger_question question = {
		.by = LEDGER_BIT(LEDGER_BY_TENANT) | LEDGER_BIT(LEDGER_BY_FEATURE) |
		      LEDGER_BIT(LEDGER_BY_MODEL),
		.until_s = (int64_t)real_s(),
	};
	uint64_t seen = 0;

	if (ledger_ask(ledger, &question, count_sum, &seen) < 0 || seen != count)
		die("%llu requests in sums, not %llu", (unsigned long long)seen,
		    (unsigned long long)count);
}

static uint64_t id_of(uint64_t number, uint64_t count)
{
	return moment_of(number, count) / NS_PER_MS << SEGMENT_ID_SHIFT | number % 1024 << 8;
}

static void look_up(struct ledger *ledger, uint64_t number, uint64_t count)
{
	struct buffer text = { 0 };

	if (ledger_read_request(ledger, id_of(number, count), &text) < 0 || text.len == 0)
		die("no row of request %llu", (unsigned long long)number);
	buffer_fini(&text);
}

/* What follows that request. */
static void list(struct ledger *ledger, uint64_t number, uint64_t count)
{
	struct buffer text = { 0 };

	if (ledger_read_rows(ledger, id_of(number, count), PAGE_ROWS, false, &text) < 0 ||
	    text.len == 0)
		die("no rows behind request %llu", (unsigned long long)number);
	buffer_fini(&text);
}

static void *expire(void *data)
{
	uint64_t *took_ns = ((void **)data)[1], start_ns = now_ns();

	keep(((void **)data)[0]);
	*took_ns = now_ns() - start_ns;
	return NULL;
}

/* The oldest day goes while requests are settled; the longest time that no commit came. */
static void expire_busy(struct ledger *ledger, uint64_t *ret_took_ns, uint64_t *ret_stall_ns)
{
	void *data[] = { ledger, ret_took_ns };
	uint64_t start_ns = now_ns(), committed_ns = start_ns, committed = 0;
	struct ledger_state state;
	pthread_t thread;

	*ret_stall_ns = 0;
	if (pthread_create(&thread, NULL, expire, data) != 0)
		die("no thread");
	for (uint64_t i = 0; i < BUSY_REQUESTS;) {
		if (now_ns() < start_ns + i * NS_PER_S / 10000)
			pause_us(200);
		else if (settle(ledger, &many, i, 0))
			i++;
		ledger_state_read(ledger, &state);
		if (state.rows_committed != committed) {
			uint64_t gap_ns = now_ns() - committed_ns;

			if (committed > 0 && gap_ns > *ret_stall_ns)
				*ret_stall_ns = gap_ns;
			committed = state.rows_committed;
			committed_ns = now_ns();
		}
	}
	pthread_join(thread, NULL);
}

static void check_expired(struct ledger *ledger, uint64_t count)
{
	struct buffer text = { 0 };

	if (ledger_read_request(ledger, id_of(0, count), &text) != -ENOENT)
		die("the oldest day is there still");
	look_up(ledger, count / 2, count);
}

static double ms_since(uint64_t start_ns)
{
	return (double)(now_ns() - start_ns) / NS_PER_MS;
}

/* The p99 of what `fn` takes for requests at random. */
static double p99_ms(struct ledger *ledger, uint64_t count, int times,
		     void (*fn)(struct ledger *ledger, uint64_t number, uint64_t count))
{
	struct histogram took = { 0 };
	uint64_t seed = 1;

	for (int i = 0; i < times; i++) {
		uint64_t start_ns = now_ns();

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		fn(ledger, (seed >> 16) % (count - 1), count);
		histogram_add(&took, now_ns() - start_ns);
	}
	return (double)histogram_quantile(&took, 0.99) / NS_PER_MS;
}

static void print_times(struct ledger *ledger, uint64_t count)
{
	static struct histogram asked;
	uint64_t start_ns;

	for (int i = 0; i < ASKED; i++) {
		start_ns = now_ns();
		ask(ledger, count);
		histogram_add(&asked, now_ns() - start_ns);
	}
	printf(",\"month_ms\":%.2f,\"why_p99_ms\":%.3f,\"page_p99_ms\":%.3f",
	       (double)histogram_quantile(&asked, 0.5) / NS_PER_MS,
	       p99_ms(ledger, count, LOOKED_UP, look_up), p99_ms(ledger, count, LISTED, list));
}

static void scale(const char *folder, uint64_t count)
{
	struct ledger *ledger = open_ledger(folder);
	uint64_t start_ns = now_ns(), took_ns, stall_ns;
	double fill_s;

	keeper_hold(&ledger->keeper, true);
	fill(ledger, count);
	fill_s = ms_since(start_ns) / 1000;
	start_ns = now_ns();
	keep(ledger);
	printf("{\"requests\":%llu,\"fill_per_s\":%.0f,\"close_day_ms\":%.1f",
	       (unsigned long long)count, (double)count / fill_s, ms_since(start_ns) / DAYS);
	print_times(ledger, count);
	ledger_free(ledger);
	start_ns = now_ns();
	ledger = open_ledger(folder);
	printf(",\"start_ms\":%.1f", ms_since(start_ns));
	keeper_hold(&ledger->keeper, true);
	ledger->keeper.keep_days = DAYS - 1;
	ledger->keeper.keep_rollup_days = DAYS - 1;
	expire_busy(ledger, &took_ns, &stall_ns);
	check_expired(ledger, count);
	ledger_free(ledger);
	printf(",\"expiry_ms\":%.1f,\"stall_ms\":%.1f}\n", (double)took_ns / NS_PER_MS,
	       (double)stall_ns / NS_PER_MS);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "scale") == 0) {
		scale(argv[2], number_parse("REQUESTS", argv[3]));
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "write") == 0) {
		write_requests(argv[2], number_parse("REQUESTS", argv[3]),
			       number_parse("RATE", argv[4]));
		return 0;
	}
	fprintf(stderr, "usage: ledger write FOLDER REQUESTS RATE\n"
			"       ledger scale FOLDER REQUESTS\n");
	return 2;
}
