/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of days and months, as the ledger has them. A thread of its own asks the ledger, which may
 * be slow: whoever wants a table is told when it is there. No table is kept here. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

struct job {
	struct list node;
	struct admin_costs what;
	admin_costs_fn fn;
	void *data;
};

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_S);
}

/* ---- a table ---- */

struct line {
	struct ledger_total total;
	size_t name; /* where it begins in `names` */
};

struct lines {
	enum ledger_group group;
	struct buffer lines, names;
};

static void add_line(const struct ledger_sum *sum, void *data)
{
	struct lines *lines = data;
	struct line line = {
		.total = {
			.cost_nano = sum->cost_nano,
			.tokens_in = sum->tokens_in,
			.tokens_out = sum->tokens_out,
			.requests = sum->requests,
			.errors = sum->errors,
			.corrected_nano = sum->corrected_nano,
		},
		.name = lines->names.len,
	};

	buffer_append_slice(&lines->names, sum->names[lines->group]);
	buffer_append_char(&lines->names, '\0');
	buffer_append(&lines->lines, &line, sizeof(line));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->total.name, ((const struct line *)b)->total.name);
}

static int write_lines(struct lines *lines, struct buffer *out)
{
	struct line *all = (struct line *)lines->lines.data;
	size_t count = lines->lines.len / sizeof(all[0]);

	if (lines->lines.failed || lines->names.failed)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		all[i].total.name = lines->names.data + all[i].name;
	if (count > 0)
		qsort(all, count, sizeof(all[0]), by_name);
	render_costs_header(lines->group, out);
	for (size_t i = 0; i < count; i++)
		render_costs(&all[i].total, out);
	return out->failed ? -ENOMEM : 0;
}

static int ask(struct admin *admin, const struct admin_costs *what, const struct period *period,
	       struct buffer *out)
{
	struct lines lines = { .group = (enum ledger_group)what->table };
	struct ledger_question question = {
		.by = LEDGER_BIT(what->table),
		.from_s = period->from_s,
		.until_s = period->until_s,
	};
	int r = ledger_ask(admin->options.ledger, &question, add_line, &lines);

	if (r >= 0)
		r = write_lines(&lines, out);
	buffer_fini(&lines.lines);
	buffer_fini(&lines.names);
	return r;
}

static int ask_corrections(struct admin *admin, const struct period *period, struct buffer *out)
{
	int r;

	buffer_append_str(out, ADMIN_CORRECTIONS_COLUMNS "\n");
	r = ledger_corrections_each(admin->options.ledger, period->from_s, period->until_s, 0,
				    render_correction, out);
	return r == 0 && out->failed ? -ENOMEM : r;
}

static struct admin_value *value_of(const struct buffer *text, uint64_t changed_real_ns)
{
	struct admin_value *value = malloc(sizeof(*value) + text->len);

	if (!value)
		return NULL;
	*value = (struct admin_value){ .changed_real_ns = changed_real_ns, .len = text->len };
	atomic_init(&value->refs, 1);
	memcpy(value->data, text->data, text->len);
	return value;
}

bool admin_costs_closed(struct admin *admin, const struct admin_costs *what)
{
	struct period period = period_numbered(admin->options.zone, what->span, what->number);

	return period.until_s + ADMIN_COSTS_SETTLE_S <= now_s();
}

static int make_table(struct admin *admin, const struct admin_costs *what,
		      struct admin_costs_table *ret)
{
	struct period period = period_numbered(admin->options.zone, what->span, what->number);
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct admin_costs_table table = {
		.totals = atomic_load(&admin->costs.totals),
		.closed = admin_costs_closed(admin, what),
	};
	uint64_t real_ns = table.closed ? (uint64_t)period.until_s * NS_PER_S : clock_real_ns();
	int r = what->table == ADMIN_COSTS_CORRECTIONS ? ask_corrections(admin, &period, &text)
						       : ask(admin, what, &period, &text);

	if (r < 0)
		return r;
	table.value = value_of(&text, real_ns);
	if (!table.value)
		return -ENOMEM;
	*ret = table;
	return 0;
}

/* ---- the thread ---- */

/* A daemon that drains beside us, or a clock that was put back, may bring an earlier one. */
static void look_first(struct admin *admin)
{
	int64_t first_s;

	if (ledger_first(admin->options.ledger, &first_s) == 0)
		atomic_store(&admin->costs.first_s, first_s);
}

static void run(struct admin *admin, struct job *job)
{
	struct admin_costs_table table = { 0 };
	int r = make_table(admin, &job->what, &table);

	if (r < 0)
		log_warning("a table of costs could not be read from the ledger: %s", strerror(-r));
	job->fn(job->data, r, &table);
	if (r == 0 && !table.closed)
		look_first(admin);
	free(job);
}

static struct job *take(struct admin *admin)
{
	struct job *job;

	if (list_empty(&admin->costs.jobs))
		return NULL;
	job = list_entry(admin->costs.jobs.next, struct job, node);
	list_remove(&job->node);
	admin->costs.job_count--;
	return job;
}

static void *costs_main(void *data)
{
	struct admin *admin = data;
	struct job *job;

	pthread_setname_np(pthread_self(), "costs");
	pthread_mutex_lock(&admin->costs.lock);
	while (!admin->costs.stopping) {
		job = take(admin);
		if (!job) {
			pthread_cond_wait(&admin->costs.wake, &admin->costs.lock);
			continue;
		}
		pthread_mutex_unlock(&admin->costs.lock);
		run(admin, job);
		pthread_mutex_lock(&admin->costs.lock);
	}
	pthread_mutex_unlock(&admin->costs.lock);
	return NULL;
}

int admin_costs_ask(struct admin *admin, const struct admin_costs *what, admin_costs_fn fn,
		    void *data)
{
	struct job *job = malloc(sizeof(*job));
	int r = 0;

	if (!job)
		return -ENOMEM;
	*job = (struct job){ .what = *what, .fn = fn, .data = data };
	pthread_mutex_lock(&admin->costs.lock);
	if (admin->costs.stopping)
		r = -ESHUTDOWN;
	else if (admin->costs.job_count == ADMIN_COSTS_WAITING_MAX)
		r = -EBUSY;
	if (r == 0) {
		list_append(&admin->costs.jobs, &job->node);
		admin->costs.job_count++;
		pthread_cond_signal(&admin->costs.wake);
	}
	pthread_mutex_unlock(&admin->costs.lock);
	if (r < 0)
		free(job);
	return r;
}

/* ---- what needs no ledger ---- */

void admin_costs_range(struct admin *admin, enum period_span span, int64_t *ret_first,
		       int64_t *ret_last)
{
	int64_t now = now_s(), first_s = atomic_load(&admin->costs.first_s);

	*ret_last = period_number(admin->options.zone, span, now);
	*ret_first = first_s < now ? period_number(admin->options.zone, span, first_s) : *ret_last;
}

uint64_t admin_costs_totals(struct admin *admin)
{
	return atomic_load(&admin->costs.totals);
}

struct zone *admin_zone(struct admin *admin)
{
	return admin->options.zone;
}

/* ---- life ---- */

void costs_init(struct admin *admin)
{
	list_init(&admin->costs.jobs);
	pthread_mutex_init(&admin->costs.lock, NULL);
	pthread_cond_init(&admin->costs.wake, NULL);
	atomic_init(&admin->costs.first_s, INT64_MAX);
	look_first(admin);
}

int costs_start(struct admin *admin)
{
	int r = pthread_create(&admin->costs.thread, NULL, costs_main, admin);

	admin->costs.running = r == 0;
	return r;
}

void costs_stop(struct admin *admin)
{
	struct job *job;

	pthread_mutex_lock(&admin->costs.lock);
	admin->costs.stopping = true;
	pthread_cond_signal(&admin->costs.wake);
	pthread_mutex_unlock(&admin->costs.lock);
	if (admin->costs.running)
		pthread_join(admin->costs.thread, NULL);
	admin->costs.running = false;
	while ((job = take(admin))) {
		job->fn(job->data, -ESHUTDOWN, NULL);
		free(job);
	}
}

void costs_fini(struct admin *admin)
{
	pthread_cond_destroy(&admin->costs.wake);
	pthread_mutex_destroy(&admin->costs.lock);
}
