/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger alone, without a network: `ledger write FOLDER REQUESTS RATE` settles requests of a
 * mixture of names, RATE a second (0: as fast as entries become free), and prints what the writer
 * took. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "ledger/ledger.h"

enum {
	TENANTS = 8,
	FEATURES = 5,
	MODELS = 4,
	ROUND_REQUESTS =
	    64, /* of one feature and model after another, as a loop's round has them */
	PATIENCE_S = 60,
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

static bool settle(struct ledger *ledger, uint64_t number)
{
	char tenant[32], feature[32], model[32];
	uint64_t round = number / ROUND_REQUESTS;
	struct ledger_names names = {
		.tenant = { tenant, (size_t)snprintf(tenant, sizeof(tenant), "tenant-%u",
						     (unsigned)(round % TENANTS)) },
		.feature = { feature, (size_t)snprintf(feature, sizeof(feature), "feature-%u",
						       (unsigned)(round % FEATURES)) },
		.key = SLICE("bench"),
		.route = { model, (size_t)snprintf(model, sizeof(model), "model-%u",
						   (unsigned)(round % MODELS)) },
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
	struct ledger *ledger = open_ledger(folder);
	uint64_t start_ns = now_ns(), waits = 0;
	double cpu_s, wall_s;

	for (uint64_t i = 0; i < count;) {
		if (rate > 0 && now_ns() < start_ns + i * NS_PER_S / rate) {
			pause_us(200);
		} else if (settle(ledger, i)) {
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

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "write") == 0) {
		write_requests(argv[2], number_parse("REQUESTS", argv[3]),
			       number_parse("RATE", argv[4]));
		return 0;
	}
	fprintf(stderr, "usage: ledger write FOLDER REQUESTS RATE\n");
	return 2;
}
