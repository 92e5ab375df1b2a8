/* SPDX-License-Identifier: Apache-2.0 */
/* costs/: tables of days and months. Folders and names are known from memory; a table, whose exact
 * size a look-up needs, is asked for, and the look-up answered when it is there: this thread serves
 * others meanwhile. Tables that were asked for are kept, up to a sum of bytes. */
#include "fs/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	WHICH_FOLDER = 15, /* in the place of a table */
	KEY_BITS = 24,
	NUMBER_MAX = (1 << 19) - 2,
	TABLE_BYTES = 512, /* of a table, beside its content */
};

#define KEY_MASK ((UINT64_C(1) << KEY_BITS) - 1)
#define LINK_INO (FS_COSTS_BASE | KEY_MASK)

static const char link_target[] = "../now/cost", corrections_name[] = "corrections.tsv";

/* One content of one path: immutable, but for the time it shows once its period is closed. */
struct fs_table {
	struct list node;
	fuse_ino_t ino;
	uint64_t lookups;
	size_t opens;
	struct admin_costs_table table;
};

/* A look-up that waits. Owned by this thread until the ledger has been asked, and given up before
 * that where `req` is NULL. */
struct fs_waiter {
	struct list node, done;
	struct fs_session *session;
	fuse_req_t req;
	uint64_t key, deadline_ns;
	int r;
	struct admin_costs_table table;
};

/* ---- node ids: a path's number, and above it its generation ---- */

static uint64_t key_of(enum period_span span, int64_t number, int which)
{
	return (uint64_t)number << 5 | (uint64_t)span << 4 | (uint64_t)which;
}

static struct admin_costs what_of(uint64_t key)
{
	return (struct admin_costs){
		.span = (enum period_span)(key >> 4 & 1),
		.number = (int64_t)((key & KEY_MASK) >> 5),
		.table = (int)(key & WHICH_FOLDER),
	};
}

bool costs_is_ours(fuse_ino_t ino)
{
	return ino >= FS_COSTS_BASE && ino < FS_LOG_BASE;
}

static struct admin *admin_of(const struct fs_session *session)
{
	return session->fs->options.admin;
}

static bool is_folder(fuse_ino_t ino)
{
	return costs_is_ours(ino) && ino != LINK_INO && (ino & WHICH_FOLDER) == WHICH_FOLDER;
}

static bool is_listed(const struct fs_session *session, enum period_span span, int64_t number)
{
	int64_t first, last;

	admin_costs_range(admin_of(session), span, &first, &last);
	return number >= first && number <= last && number >= 0 && number <= NUMBER_MAX;
}

/* ---- tables ---- */

static struct slice slice_of_id(const uint64_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

static struct fs_table *find_table(const struct fs_session *session, fuse_ino_t ino)
{
	return map_get(&session->costs.by_ino, slice_of_id(&ino));
}

static struct fs_table *newest_of(const struct fs_session *session, uint64_t key)
{
	return map_get(&session->costs.by_key, slice_of_id(&key));
}

static void free_table(struct fs_session *session, struct fs_table *table)
{
	uint64_t key = table->ino & KEY_MASK;

	if (newest_of(session, key) == table)
		map_remove(&session->costs.by_key, slice_of_id(&key));
	map_remove(&session->costs.by_ino, slice_of_id(&table->ino));
	session->costs.bytes -= table->table.value->len + TABLE_BYTES;
	list_remove(&table->node);
	admin_value_unref(table->table.value);
	free(table);
}

/* What is open stays; of what the kernel still knows, it asks again. */
static void make_room(struct fs_session *session)
{
	list_foreach (node, &session->costs.tables) {
		struct fs_table *table = list_entry(node, struct fs_table, node);

		if (session->costs.bytes <= FS_COSTS_BYTES_MAX)
			break;
		if (table->opens == 0)
			free_table(session, table);
	}
}

/* Takes the value over, on failure too. */
static struct fs_table *add_table(struct fs_session *session, uint64_t key,
				  const struct admin_costs_table *from)
{
	struct fs_table *table = calloc(1, sizeof(*table));

	if (!table) {
		admin_value_unref(from->value);
		return NULL;
	}
	table->table = *from;
	table->ino = FS_COSTS_BASE | ++session->costs.generation << KEY_BITS | key;
	list_append(&session->costs.tables, &table->node);
	session->costs.bytes += from->value->len + TABLE_BYTES;
	if (map_put(&session->costs.by_ino, slice_of_id(&table->ino), table, NULL) < 0 ||
	    map_put(&session->costs.by_key, slice_of_id(&key), table, NULL) < 0) {
		free_table(session, table);
		return NULL;
	}
	return table;
}

/* The same content is the same inode, with the time that it is now known to have. */
static struct fs_table *take_table(struct fs_session *session, uint64_t key,
				   struct admin_costs_table *from)
{
	struct fs_table *table = newest_of(session, key);
	struct admin_value *old = table ? table->table.value : NULL;

	if (!old || old->len != from->value->len ||
	    memcmp(old->data, from->value->data, old->len) != 0)
		return add_table(session, key, from);
	if (from->closed)
		old->changed_real_ns = from->value->changed_real_ns;
	table->table.totals = from->totals;
	table->table.closed = from->closed;
	admin_value_unref(from->value);
	return table;
}

/* One that was read while its period was open is read once more when it is closed. */
static bool is_current(const struct fs_session *session, const struct fs_table *table)
{
	struct admin_costs what = what_of(table->ino);

	return table->table.closed ||
	       (table->table.totals == admin_costs_totals(admin_of(session)) &&
		!admin_costs_closed(admin_of(session), &what));
}

/* ---- attributes ---- */

static void set_time(struct stat *attr, uint64_t real_ns)
{
	attr->st_mtim = (struct timespec){ .tv_sec = (time_t)(real_ns / NS_PER_S),
					   .tv_nsec = (long)(real_ns % NS_PER_S) };
	attr->st_atim = attr->st_ctim = attr->st_mtim;
}

/* A folder shows when its period ended, or began. */
static void stat_folder(const struct fs_session *session, fuse_ino_t ino, struct stat *ret)
{
	struct admin_costs what = what_of(ino);
	struct period period =
	    period_numbered(admin_zone(admin_of(session)), what.span, what.number);
	bool ended = period.until_s <= (int64_t)(clock_real_ns() / NS_PER_S);

	*ret = (struct stat){ .st_ino = ino, .st_mode = S_IFDIR | 0555, .st_nlink = 2 };
	set_time(ret, (uint64_t)(ended ? period.until_s : period.from_s) * NS_PER_S);
}

static void stat_table(const struct fs_table *table, struct stat *ret)
{
	const struct admin_value *value = table->table.value;

	*ret = (struct stat){
		.st_ino = FS_COSTS_BASE | (table->ino & KEY_MASK),
		.st_mode = S_IFREG | 0444,
		.st_nlink = 1,
		.st_size = (off_t)value->len,
		.st_blocks = (blkcnt_t)(value->len + 511) / 512,
		.st_blksize = 4096,
	};
	set_time(ret, value->changed_real_ns);
}

static void stat_link(const struct fs_session *session, struct stat *ret)
{
	*ret = (struct stat){ .st_ino = LINK_INO,
			      .st_mode = S_IFLNK | 0777,
			      .st_nlink = 1,
			      .st_size = sizeof(link_target) - 1 };
	set_time(ret, session->start_real_ns);
}

/* ---- look-ups ---- */

static void reply_table(struct fs_session *session, fuse_req_t req, struct fs_table *table)
{
	struct fuse_entry_param entry = { .ino = table->ino, .attr_timeout = FS_FOREVER_S };

	/* One that may change is looked up each time. */
	entry.entry_timeout = table->table.closed ? FS_LEASE_S : 0;
	stat_table(table, &entry.attr);
	table->lookups++;
	list_remove(&table->node);
	list_append(&session->costs.tables, &table->node);
	if (fuse_reply_entry(req, &entry) < 0)
		table->lookups--;
	make_room(session);
}

/* [costs] */
static void table_came(void *data, int r, const struct admin_costs_table *table)
{
	struct fs_waiter *waiter = data;
	struct fs_costs *costs = &waiter->session->costs;

	waiter->r = r;
	if (r == 0)
		waiter->table = *table;
	pthread_mutex_lock(&costs->lock);
	list_append(&costs->done, &waiter->done);
	pthread_mutex_unlock(&costs->lock);
	eventfd_write(costs->done_fd, 1);
}

static void give_up(struct fs_waiter *waiter, int error)
{
	fuse_req_t req = waiter->req;

	waiter->req = NULL;
	list_remove(&waiter->node);
	fuse_reply_err(req, error);
}

/* Who waits was sent a signal. */
static void interrupted(fuse_req_t req, void *data)
{
	struct fs_waiter *waiter = data;

	if (waiter->req == req)
		give_up(waiter, EINTR);
}

static void wait_for_table(struct fs_session *session, fuse_req_t req, uint64_t key)
{
	struct fs_waiter *waiter = calloc(1, sizeof(*waiter));
	struct admin_costs what = what_of(key);
	int r = -ENOMEM;

	if (waiter) {
		*waiter = (struct fs_waiter){
			.session = session,
			.req = req,
			.key = key,
			.deadline_ns = clock_now_ns() + FS_COSTS_WAIT_S * NS_PER_S,
		};
		list_init(&waiter->done);
		list_append(&session->costs.waiting, &waiter->node);
		r = admin_costs_ask(admin_of(session), &what, table_came, waiter);
	}
	if (r == 0) {
		fuse_req_interrupt_func(req, interrupted, waiter);
		return;
	}
	if (waiter)
		list_remove(&waiter->node);
	free(waiter);
	fuse_reply_err(req, -r);
}

static void reply_folder(struct fs_session *session, fuse_req_t req, uint64_t key)
{
	struct fuse_entry_param entry = { .ino = FS_COSTS_BASE | key,
					  .attr_timeout = FS_LEASE_S,
					  .entry_timeout = FS_LEASE_S };

	stat_folder(session, entry.ino, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static int table_of(const char *name)
{
	struct slice text = slice_of(name);
	enum ledger_group group;

	if (strcmp(name, corrections_name) == 0)
		return ADMIN_COSTS_CORRECTIONS;
	if (text.len <= 7 || strncmp(name, "by_", 3) != 0 ||
	    strcmp(name + text.len - 4, ".tsv") != 0 ||
	    ledger_group_parse((struct slice){ name + 3, text.len - 7 }, &group) < 0)
		return -ENOENT;
	return (int)group;
}

static void look_up_table(struct fs_session *session, fuse_req_t req, fuse_ino_t parent,
			  const char *name)
{
	struct admin_costs what = what_of(parent);
	int which = table_of(name);
	struct fs_table *table;
	uint64_t key;

	if (which < 0 || !is_listed(session, what.span, what.number)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	key = key_of(what.span, what.number, which);
	table = newest_of(session, key);
	if (table && is_current(session, table))
		reply_table(session, req, table);
	else
		wait_for_table(session, req, key);
}

static void look_up_folder(struct fs_session *session, fuse_req_t req, enum period_span span,
			   const char *name)
{
	int64_t number;

	if (period_name_parse(span, slice_of(name), &number) < 0 ||
	    !is_listed(session, span, number))
		fuse_reply_err(req, ENOENT);
	else
		reply_folder(session, req, key_of(span, number, WHICH_FOLDER));
}

static void look_up_link(struct fs_session *session, fuse_req_t req)
{
	struct fuse_entry_param entry = { .ino = LINK_INO,
					  .attr_timeout = FS_FOREVER_S,
					  .entry_timeout = FS_FOREVER_S };

	stat_link(session, &entry.attr);
	fuse_reply_entry(req, &entry);
}

/* The kind of periods that a folder of the tree has; negative for none. */
static int span_of_dir(const struct fs_session *session, fuse_ino_t ino)
{
	for (int span = 0; span < PERIOD_SPANS; span++) {
		if (session->costs.dir > 0 && ino == session->costs.span_dirs[span] + FUSE_ROOT_ID)
			return span;
	}
	return -ENOENT;
}

static bool is_top(const struct fs_session *session, fuse_ino_t ino)
{
	return session->costs.dir > 0 && ino == session->costs.dir + FUSE_ROOT_ID;
}

bool costs_lookup(struct fs_session *session, fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int span = span_of_dir(session, parent);

	if (span >= 0)
		look_up_folder(session, req, (enum period_span)span, name);
	else if (is_folder(parent))
		look_up_table(session, req, parent, name);
	else if (is_top(session, parent) && strcmp(name, "now") == 0)
		look_up_link(session, req);
	else
		return false;
	return true;
}

static void finish(struct fs_waiter *waiter)
{
	struct fs_session *session = waiter->session;
	struct fs_table *table =
	    waiter->r == 0 ? take_table(session, waiter->key, &waiter->table) : NULL;
	fuse_req_t req = waiter->req;

	/* It may have been given up meanwhile. */
	waiter->req = NULL;
	list_remove(&waiter->node);
	if (req)
		fuse_req_interrupt_func(req, NULL, NULL);
	if (req && table)
		reply_table(session, req, table);
	else if (req)
		fuse_reply_err(req, waiter->r < 0 ? EIO : ENOMEM);
	free(waiter);
}

void costs_go_on(struct fs_session *session)
{
	struct list done;
	eventfd_t count;

	if (session->costs.done_fd < 0)
		return;
	eventfd_read(session->costs.done_fd, &count);
	pthread_mutex_lock(&session->costs.lock);
	list_take_all(&done, &session->costs.done);
	pthread_mutex_unlock(&session->costs.lock);
	list_foreach (node, &done) {
		list_remove(node);
		finish(list_entry(node, struct fs_waiter, done));
	}
	list_foreach (node, &session->costs.waiting) {
		struct fs_waiter *waiter = list_entry(node, struct fs_waiter, node);

		if (clock_now_ns() >= waiter->deadline_ns)
			give_up(waiter, ETIMEDOUT);
	}
}

int costs_wait_ms(const struct fs_session *session)
{
	return session->costs.done_fd < 0 || list_empty(&session->costs.waiting) ? -1 : 1000;
}

/* ---- what is asked of a node ---- */

int costs_stat(struct fs_session *session, fuse_ino_t ino, struct stat *ret)
{
	struct fs_table *table = find_table(session, ino);

	if (ino == LINK_INO)
		stat_link(session, ret);
	else if (is_folder(ino))
		stat_folder(session, ino, ret);
	else if (table)
		stat_table(table, ret);
	else
		return -ESTALE;
	return 0;
}

int costs_open(struct fs_session *session, fuse_ino_t ino)
{
	struct fs_table *table = find_table(session, ino);

	if (!table)
		return -ESTALE;
	table->opens++;
	return 0;
}

void costs_close(struct fs_session *session, fuse_ino_t ino)
{
	struct fs_table *table = find_table(session, ino);

	if (table && table->opens > 0)
		table->opens--;
}

int costs_read(struct fs_session *session, fuse_ino_t ino, struct slice *ret)
{
	struct fs_table *table = find_table(session, ino);

	if (!table)
		return -ESTALE;
	*ret = (struct slice){ table->table.value->data, table->table.value->len };
	return 0;
}

/* The newest of a path is kept for the next look-up. */
void costs_forget(struct fs_session *session, fuse_ino_t ino, uint64_t count)
{
	struct fs_table *table = find_table(session, ino);

	if (!table)
		return;
	table->lookups = table->lookups > count ? table->lookups - count : 0;
	if (table->lookups == 0 && newest_of(session, ino & KEY_MASK) != table)
		free_table(session, table);
}

const char *costs_readlink(fuse_ino_t ino)
{
	return ino == LINK_INO ? link_target : NULL;
}

/* ---- listings: places are numbers of periods, or of tables ---- */

static void list_periods(struct fs_session *session, enum period_span span, off_t after,
			 fs_entry_fn fn, void *data)
{
	int64_t first, last;

	admin_costs_range(admin_of(session), span, &first, &last);
	if (first < after - FS_COSTS_PLACE + 1)
		first = after - FS_COSTS_PLACE + 1;
	for (int64_t number = first < 0 ? 0 : first; number <= last && number <= NUMBER_MAX;
	     number++) {
		char name[PERIOD_NAME_SIZE];

		period_name(span, number, name);
		if (!fn(data, FS_COSTS_PLACE + number, name,
			FS_COSTS_BASE | key_of(span, number, WHICH_FOLDER), S_IFDIR))
			break;
	}
}

static void list_tables(fuse_ino_t folder, fs_entry_fn fn, void *data)
{
	const fuse_ino_t base = folder & ~(fuse_ino_t)WHICH_FOLDER;

	for (int group = 0; group < LEDGER_GROUPS; group++) {
		char name[FS_NAME_MAX];

		snprintf(name, sizeof(name), "by_%s.tsv",
			 ledger_group_name((enum ledger_group)group));
		fn(data, FS_COSTS_PLACE + group, name, base | (fuse_ino_t)group, S_IFREG);
	}
	fn(data, FS_COSTS_PLACE + LEDGER_GROUPS, corrections_name, base | ADMIN_COSTS_CORRECTIONS,
	   S_IFREG);
}

void costs_list(struct fs_session *session, fuse_ino_t ino, off_t after, fs_entry_fn fn, void *data)
{
	int span = span_of_dir(session, ino);

	if (span >= 0)
		list_periods(session, (enum period_span)span, after, fn, data);
	else if (is_folder(ino))
		list_tables(ino, fn, data);
	else if (is_top(session, ino))
		fn(data, FS_COSTS_PLACE, "now", LINK_INO, S_IFLNK);
}

bool costs_is_folder(const struct fs_session *session, fuse_ino_t ino, fuse_ino_t *ret_parent)
{
	struct admin_costs what = what_of(ino);

	if (!is_folder(ino))
		return false;
	*ret_parent = session->costs.span_dirs[what.span] + FUSE_ROOT_ID;
	return true;
}

/* ---- life ---- */

int costs_build(struct fs_session *session)
{
	struct fs_costs *costs = &session->costs;

	list_init(&costs->tables);
	list_init(&costs->waiting);
	list_init(&costs->done);
	pthread_mutex_init(&costs->lock, NULL);
	costs->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (costs->done_fd < 0)
		return -errno;
	costs->dir = tree_add_dir(session, 0, "costs");
	costs->span_dirs[PERIOD_DAY] = tree_add_dir(session, costs->dir, "day");
	costs->span_dirs[PERIOD_MONTH] = tree_add_dir(session, costs->dir, "month");
	return costs->span_dirs[PERIOD_MONTH] > 0 ? 0 : -ENOSPC;
}

void costs_free(struct fs_session *session)
{
	struct fs_costs *costs = &session->costs;

	if (costs->done_fd < 0)
		return;
	list_foreach (node, &costs->done) {
		struct fs_waiter *waiter = list_entry(node, struct fs_waiter, done);

		admin_value_unref(waiter->table.value);
		list_remove(&waiter->node);
		free(waiter);
	}
	list_foreach (node, &costs->tables)
		free_table(session, list_entry(node, struct fs_table, node));
	map_fini(&costs->by_ino);
	map_fini(&costs->by_key);
	pthread_mutex_destroy(&costs->lock);
	close(costs->done_fd);
	costs->done_fd = -1;
}
