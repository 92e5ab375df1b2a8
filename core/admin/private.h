/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "admin/admin.h"
#include "base/list.h"

enum {
	ADMIN_TICK_MS = 100,
	ADMIN_WATCHERS_MAX = 4,
	ADMIN_WINDOW_STEPS = 30, /* of ten seconds: quantiles are of the last five minutes */
	ADMIN_WINDOW_STEP_S = 10,
	ADMIN_ROWS_MAX = 1000, /* log rows in one answer */
};

/* One moment of everything that nodes show; gathered and used by the ticker alone. */
struct admin_moment {
	uint64_t real_ns, uptime_s;
	struct ledger_total sums[LEDGER_PERIODS];
	struct ledger_state ledger;
	struct gateway_counters counters;
	uint64_t latency_p50_us, latency_p99_us, ttft_p50_us, ttft_p99_us;
	bool ready;
	char state[GATEWAY_STATE_SIZE];
	struct conf *conf;
};

struct admin_window {
	uint64_t latency[GATEWAY_HISTOGRAM_BUCKETS], first_content[GATEWAY_HISTOGRAM_BUCKETS];
	uint64_t latency_max_us, first_content_max_us; /* of the step that begins here */
};

struct admin {
	struct admin_options options;
	uint64_t start_ns;

	/* the single mutator */
	pthread_t mutator, ticker;
	bool started;
	pthread_mutex_t lock; /* guards work, busy, gate, stopping */
	pthread_cond_t wake;
	struct list work;
	bool busy, stopping;
	enum admin_gate gate;
	uint64_t generation; /* [admin thread] of the configuration in force */

	/* rendered values */
	pthread_mutex_t value_lock; /* guards values; held for a few instructions */
	struct admin_value **values;
	struct {
		void (*fn)(void *data, size_t node, uint64_t generation);
		void *data;
	} watchers[ADMIN_WATCHERS_MAX];
	size_t watcher_count;

	/* tables of days and months: costs.c */
	struct {
		pthread_t thread;
		bool running;
		pthread_mutex_t lock; /* guards jobs, job_count, stopping */
		pthread_cond_t wake;
		struct list jobs;
		size_t job_count;
		bool stopping;
		_Atomic int64_t first_s;
		_Atomic uint64_t totals;
	} costs;

	/* [ticker] */
	struct admin_window *window;
	size_t window_at, window_count;
	uint64_t window_next_ns;
	uint64_t seen_totals, seen_generation;
	uint64_t seen_second;
};

/* nodes.c */
typedef void (*admin_render_fn)(struct admin *admin, const struct admin_moment *moment,
				int argument, struct buffer *out);

struct admin_row {
	struct admin_node node;
	admin_render_fn render;
	int argument;
	bool every_second; /* shows more than money: rendered each second, money nodes when totals
			      changed */
};

extern const struct admin_row admin_rows[];

/* render.c */
void render_version(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out);
void render_readme(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out);
void render_sum(struct admin *admin, const struct admin_moment *moment, int period,
		struct buffer *out);
void render_table(struct admin *admin, const struct admin_moment *moment, int group,
		  struct buffer *out);
/* A line of a table of costs. */
void render_costs(const struct ledger_total *total, struct buffer *out);
void render_costs_header(enum ledger_group group, struct buffer *out);
#define ADMIN_CORRECTIONS_COLUMNS                                                             \
	"id\tmade\tamount_usd\ttenant\tfeature\tkey\tuser\troute\tmodel\tprovider\trequest\t" \
	"period\treference\tmade_by\tundoes\treason"
void render_correction(const struct ledger_correction *correction, void *buffer);
void render_zone(struct admin *admin, const struct admin_moment *moment, int argument,
		 struct buffer *out);
/* providers.c */
#define ADMIN_PROVIDERS_COLUMNS                                                   \
	"provider\thealth\tsince\tprobed\tlatency_ms\twhy\tsuccesses\tfailures\t" \
	"failures_in_a_row\tlast_success\tlast_failure\tlast_error\tmodels"
void render_providers(struct admin *admin, const struct admin_moment *moment, int argument,
		      struct buffer *out);
void providers_json(struct admin *admin, struct buffer *out); /* an array */
#define ADMIN_PRICES_COLUMNS "list\tdigest\tsource\tversion\tproviders\tmodels\tpartial"
void render_prices(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out);
/* plugins.c */
#define ADMIN_PLUGINS_COLUMNS                                                                      \
	"plugin\tstate\tkind\tversion\tabi\tfile\tsha256\tcrashes\tcrashed\tobjects\tstalls\tdrai" \
	"ning"
/* What `conf` says is to be loaded, as its files are now; then settled: kept, or not. `enable`:
 * with the one of that name, which is off. */
int plugins_renew(struct admin *admin, const struct conf *conf, const char *enable,
		  struct error *error);
int plugins_settle(struct admin *admin, bool keep, struct error *error);
void render_plugins(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out);
/* status.c */
void render_status(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out);
/* metrics.c */
void render_metrics(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out);

/* costs.c */
void costs_init(struct admin *admin);
int costs_start(struct admin *admin);
/* Refuses what still waits. */
void costs_stop(struct admin *admin);
void costs_fini(struct admin *admin);

/* ticker.c */
void *ticker_main(void *data);
int ticker_render_all(struct admin *admin);

/* verbs.c, verbs-keys.c, verbs-import.c */
struct admin_verb {
	const char *name;      /* "keys.create" */
	const char *arguments; /* "name tenant feature?" */
	const char *doc;
	bool writes;
	bool quotes;   /* its refusals may quote what was given, which is not for the log */
	bool anywhere; /* it reads the ledger alone, and long: on the thread of who asks */
};

typedef int (*admin_verb_fn)(struct admin *admin, json_t *arguments,
			     const struct admin_caller *caller, json_t **ret, struct error *error);
bool verb_runs_anywhere(const char *name);
int verb_run(struct admin *admin, const char *name, json_t *arguments,
	     const struct admin_caller *caller, json_t **ret, struct error *error);
int verb_reload(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		json_t **ret, struct error *error);
int verb_costs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
	       json_t **ret, struct error *error);
/* verbs-reconcile.c */
int verb_reconcile(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		   json_t **ret, struct error *error);
/* verbs-corrections.c */
int verb_correct(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		 json_t **ret, struct error *error);
int verb_corrections(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
/* Sets the request's `corrections`. */
int corrections_of_request(struct admin *admin, uint64_t id, json_t *request, struct error *error);
int verb_logs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
	      json_t **ret, struct error *error);
int verb_requests_get(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error);
int verb_plugins_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error);
int verb_plugins_enable(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			json_t **ret, struct error *error);
int verb_keys_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		   json_t **ret, struct error *error);
int verb_keys_create(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
int verb_keys_revoke(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
int verb_keys_rotate(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
int verb_keys_import(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
/* As admin_publish, for what a caller's words about keys brought about. */
int keys_publish(struct admin *admin, struct conf *next, struct error *error);
/* What the arguments say of a new key; texts are theirs, lists the arena's. Its hash is to be set.
 */
int key_from_arguments(const struct conf *now, json_t *arguments, struct arena *arena,
		       struct conf_key *ret, struct error *error);
/* verbs-prices.c, verbs-explain.c */
int verb_prices_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
int verb_prices_import(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		       json_t **ret, struct error *error);
int verb_prices_use(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		    json_t **ret, struct error *error);
int verb_prices_override(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			 json_t **ret, struct error *error);
int verb_prices_set(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		    json_t **ret, struct error *error);
int verb_prices_unset(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error);
int verb_prices_diff(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error);
int verb_prices_explain(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			json_t **ret, struct error *error);
/* Puts `next` in force; 0 or a negative errno. Takes no reference over. */
int admin_publish(struct admin *admin, struct conf *next, struct error *error);
/* Tells who still has them of keys that `next` refuses and `before` did not. */
void keys_tell_gone(struct admin *admin, const struct conf *before, const struct conf *next);
/* A string argument: NULL and -EINVAL with a message when it is missing or no string. */
int argument_text(json_t *arguments, const char *name, bool required, const char **ret,
		  struct error *error);
json_t *json_usd(int64_t cost_nano);
/* Unix time as text; null for what is before 1970 or never. */
json_t *json_moment(int64_t utc_s);
