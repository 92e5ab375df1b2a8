/* SPDX-License-Identifier: Apache-2.0 */
/* A map by tenant and id, in the order of age. What an entry changes is a text of it: a sign, and
 * the id that was issued or the number of the request that it was issued by. */
#include "ledger/answers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ledger/entry.h"

enum {
	KEY_BYTES = LEDGER_NAME_MAX + 1 + LEDGER_ANSWER_ID_MAX,
	ORIGIN_BYTES = 3 * (LEDGER_NAME_MAX + 1),
	TRIM_EVERY = 1000,
	DAY_S = 86400,
};

enum sign {
	SIGN_MADE = '+',
	SIGN_PENDING = '?', /* made, and its usage is not known yet */
	SIGN_SETTLED = '=', /* its usage is */
	SIGN_DELETED = '-',
};

/* What most answers share with many others. */
struct origin {
	struct slice provider, model, route, key;
	uint32_t refs;
};

struct answer {
	struct list node;
	struct origin *origin;
	uint64_t request;
	int64_t made_s;
	bool pending;
	uint32_t key_len;
	char key[];
};

static const char add_sql[] =
    "INSERT OR IGNORE INTO answer_row (id, text, made_s, pending, tenant, provider, model, route) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"; /* a replay takes back nothing that came later */
static const char settle_sql[] = "UPDATE answer_row SET pending = 0 WHERE id = ?1";
static const char drop_sql[] = "DELETE FROM answer_row WHERE id = ?1";
static const char trim_sql[] = "DELETE FROM answer_row WHERE made_s < ?1 OR id <= "
			       "(SELECT id FROM answer_row ORDER BY id DESC LIMIT 1 OFFSET ?2)";
static const char load_sql[] =
    "SELECT id, text, made_s, pending, tenant, provider, model, route FROM answer_row "
    "WHERE made_s >= ?1 ORDER BY id DESC LIMIT ?2";

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_S);
}

int answers_init(struct answers *answers, struct db *db)
{
	int r;

	*answers = (struct answers){ .max = UINT32_MAX, .keep_s = INT32_MAX, .db = db };
	pthread_mutex_init(&answers->lock, NULL);
	list_init(&answers->order);
	r = db_prepare(db, add_sql, &answers->add);
	if (r == 0)
		r = db_prepare(db, settle_sql, &answers->settle);
	if (r == 0)
		r = db_prepare(db, drop_sql, &answers->drop);
	if (r == 0)
		r = db_prepare(db, trim_sql, &answers->trim);
	return r;
}

void answers_limit(struct answers *answers, uint32_t max, uint32_t keep_days)
{
	answers->max = max;
	answers->keep_s = (int64_t)keep_days * DAY_S;
}

/* ---- memory, under the lock ---- */

static struct slice join(struct slice first, struct slice second, char *out)
{
	char *end = mempcpy(out, first.ptr, first.len);

	*end++ = '\0';
	if (second.len > 0)
		end = mempcpy(end, second.ptr, second.len);
	return slice_span(out, end);
}

/* ptr NULL when there can be none of that name. */
static struct slice key_of(struct slice tenant, struct slice id, char out[static KEY_BYTES])
{
	if (tenant.len > LEDGER_NAME_MAX || id.len == 0 || id.len > LEDGER_ANSWER_ID_MAX)
		return (struct slice){ 0 };
	return join(tenant, id, out);
}

static void origin_unref(struct answers *answers, struct origin *origin)
{
	if (--origin->refs > 0)
		return;
	map_remove(&answers->origins, origin->key);
	free(origin);
}

static struct origin *origin_get(struct answers *answers, struct slice provider, struct slice model,
				 struct slice route)
{
	char room[ORIGIN_BYTES], half[ORIGIN_BYTES];
	struct slice key = join(join(provider, model, half), route, room);
	struct origin *origin = map_get(&answers->origins, key);
	char *text;

	if (origin) {
		origin->refs++;
		return origin;
	}
	origin = malloc(sizeof(*origin) + key.len);
	if (!origin)
		return NULL;
	text = (char *)(origin + 1);
	memcpy(text, key.ptr, key.len);
	*origin = (struct origin){
		.provider = { text, provider.len },
		.model = { text + provider.len + 1, model.len },
		.route = { text + provider.len + model.len + 2, route.len },
		.key = { text, key.len },
		.refs = 1,
	};
	if (map_put(&answers->origins, key, origin, NULL) == 0)
		return origin;
	free(origin);
	return NULL;
}

static struct slice key_text(const struct answer *answer)
{
	return (struct slice){ answer->key, answer->key_len };
}

static void answer_drop(struct answers *answers, struct answer *answer)
{
	map_remove(&answers->map, key_text(answer));
	list_remove(&answer->node);
	origin_unref(answers, answer->origin);
	free(answer);
}

static struct answer *find(struct answers *answers, struct slice tenant, struct slice id)
{
	char room[KEY_BYTES];
	struct slice key = key_of(tenant, id, room);

	return key.ptr ? map_get(&answers->map, key) : NULL;
}

struct making {
	struct slice tenant, id, provider, model, route;
	uint64_t request;
	int64_t made_s;
	bool pending;
};

static struct answer *answer_new(struct answers *answers, const struct making *making)
{
	char room[KEY_BYTES];
	struct slice key = key_of(making->tenant, making->id, room);
	struct answer *answer = key.ptr ? malloc(sizeof(*answer) + key.len) : NULL;

	if (!answer)
		return NULL;
	*answer = (struct answer){ .request = making->request,
				   .made_s = making->made_s,
				   .pending = making->pending,
				   .key_len = (uint32_t)key.len };
	memcpy(answer->key, key.ptr, key.len);
	list_init(&answer->node);
	answer->origin = origin_get(answers, making->provider, making->model, making->route);
	if (answer->origin && map_put(&answers->map, key, answer, NULL) == 0)
		return answer;
	if (answer->origin)
		origin_unref(answers, answer->origin);
	free(answer);
	return NULL;
}

static void evict(struct answers *answers)
{
	while (answers->map.count > answers->max)
		answer_drop(answers, list_entry(answers->order.next, struct answer, node));
}

/* ---- what an entry changes ---- */

static void sign_entry(struct ledger_entry *entry, enum sign sign, struct slice text)
{
	char room[1 + LEDGER_ANSWER_ID_MAX];

	room[0] = (char)sign;
	memcpy(room + 1, text.ptr, text.len);
	entry->answer = entry_add_text(entry, (struct slice){ room, 1 + text.len });
}

static void sign_request(struct ledger_entry *entry, enum sign sign, uint64_t request)
{
	char text[LEDGER_ID_SIZE];

	ledger_id_text(request, text);
	sign_entry(entry, sign, slice_of(text));
}

static struct slice text_at(const struct ledger_entry *entry, uint16_t at)
{
	return slice_of(ledger_text(entry, at));
}

void answers_note(struct answers *answers, struct ledger_entry *entry, struct slice id,
		  bool pending)
{
	const struct ledger_attempt *last;
	struct answer *answer;

	if (entry->attempt_count == 0 || id.len == 0 || id.len > LEDGER_ANSWER_ID_MAX)
		return;
	last = ledger_attempt_of(entry, entry->attempt_count - 1);
	sign_entry(entry, pending ? SIGN_PENDING : SIGN_MADE, id);
	const struct making making = {
		.tenant = text_at(entry, entry->tenant),
		.id = id,
		.provider = text_at(entry, last->provider),
		.model = text_at(entry, last->model),
		.route = text_at(entry, entry->route),
		.request = entry->id,
		.made_s = now_s(),
		.pending = pending,
	};
	pthread_mutex_lock(&answers->lock);
	answer = find(answers, making.tenant, id);
	if (answer)
		answer_drop(answers, answer);
	answer = answer_new(answers, &making);
	if (answer)
		list_append(&answers->order, &answer->node);
	evict(answers);
	pthread_mutex_unlock(&answers->lock);
}

void answers_known(struct answers *answers, struct ledger_entry *entry)
{
	char *text = (char *)ledger_text(entry, entry->answer);
	struct answer *answer;

	if (!entry->answer || *text != SIGN_PENDING)
		return;
	*text = SIGN_MADE;
	pthread_mutex_lock(&answers->lock);
	answer = find(answers, text_at(entry, entry->tenant), slice_of(text + 1));
	if (answer && answer->request == entry->id)
		answer->pending = false;
	pthread_mutex_unlock(&answers->lock);
}

static bool copy(const struct answer *answer, struct arena *arena, struct ledger_answer *ret)
{
	const struct origin *origin = answer->origin;

	ret->provider = arena_dup(arena, origin->provider);
	ret->model = arena_dup(arena, origin->model);
	ret->route = arena_dup(arena, origin->route);
	ret->request = answer->request;
	ret->pending = answer->pending;
	return ret->provider.ptr && ret->model.ptr && ret->route.ptr;
}

int answers_find(struct answers *answers, struct slice tenant, struct slice id, struct arena *arena,
		 struct ledger_answer *ret)
{
	struct ledger_answer found = { .tenant = tenant, .id = id };
	struct answer *answer;
	int r = -ENOENT;

	pthread_mutex_lock(&answers->lock);
	answer = find(answers, tenant, id);
	if (answer && answer->made_s < now_s() - answers->keep_s) {
		answer_drop(answers, answer);
		answer = NULL;
	}
	if (answer)
		r = copy(answer, arena, &found) ? 0 : -ENOMEM;
	pthread_mutex_unlock(&answers->lock);
	if (r == 0)
		*ret = found;
	return r;
}

bool answers_settle(struct answers *answers, struct ledger_entry *entry,
		    const struct ledger_answer *answer)
{
	struct answer *kept;
	bool first;

	pthread_mutex_lock(&answers->lock);
	kept = find(answers, answer->tenant, answer->id);
	first = kept && kept->request == answer->request && kept->pending;
	if (first)
		kept->pending = false;
	pthread_mutex_unlock(&answers->lock);
	if (first)
		sign_request(entry, SIGN_SETTLED, answer->request);
	return first;
}

void answers_forget(struct answers *answers, struct ledger_entry *entry,
		    const struct ledger_answer *answer)
{
	struct answer *kept;

	pthread_mutex_lock(&answers->lock);
	kept = find(answers, answer->tenant, answer->id);
	if (kept && kept->request == answer->request)
		answer_drop(answers, kept);
	pthread_mutex_unlock(&answers->lock);
	sign_request(entry, SIGN_DELETED, answer->request);
}

void answers_fini(struct answers *answers)
{
	while (!list_empty(&answers->order))
		answer_drop(answers, list_entry(answers->order.next, struct answer, node));
	map_fini(&answers->map);
	map_fini(&answers->origins);
	answers->add = db_statement_free(answers->add);
	answers->settle = db_statement_free(answers->settle);
	answers->drop = db_statement_free(answers->drop);
	answers->trim = db_statement_free(answers->trim);
	pthread_mutex_destroy(&answers->lock);
}

/* ---- the database ---- */

static int write_made(struct answers *answers, const struct ledger_entry *entry, const char *text)
{
	const struct ledger_attempt *last = ledger_attempt_of(entry, entry->attempt_count - 1);
	int r;

	db_bind_i64(answers->add, 1, (int64_t)entry->id);
	db_bind_text(answers->add, 2, slice_of(text + 1));
	db_bind_i64(answers->add, 3, (int64_t)(entry->start_real_ns / NS_PER_S));
	db_bind_i64(answers->add, 4, *text == SIGN_PENDING);
	db_bind_text(answers->add, 5, text_at(entry, entry->tenant));
	db_bind_text(answers->add, 6, text_at(entry, last->provider));
	db_bind_text(answers->add, 7, text_at(entry, last->model));
	db_bind_text(answers->add, 8, text_at(entry, entry->route));
	r = db_run(answers->add);
	if (r < 0 || ++answers->added < TRIM_EVERY)
		return r;
	answers->added = 0;
	db_bind_i64(answers->trim, 1, now_s() - answers->keep_s);
	db_bind_i64(answers->trim, 2, answers->max);
	return db_run(answers->trim);
}

static int write_change(struct db_statement *statement, const char *request)
{
	db_bind_i64(statement, 1, (int64_t)strtoull(request, NULL, 16));
	return db_run(statement);
}

int answers_write(struct answers *answers, const struct ledger_entry *entry)
{
	const char *text = ledger_text(entry, entry->answer);

	switch (*text) {
	case SIGN_MADE:
	case SIGN_PENDING:
		return entry->attempt_count > 0 ? write_made(answers, entry, text) : 0;
	case SIGN_SETTLED:
		return write_change(answers->settle, text + 1);
	case SIGN_DELETED:
		return write_change(answers->drop, text + 1);
	default: /* none */
		return 0;
	}
}

/* Rows come newest first, and go before what is older. */
static void take_row(struct answers *answers, struct db_statement *row)
{
	const struct making making = {
		.request = (uint64_t)db_column_i64(row, 0),
		.id = db_column_text(row, 1),
		.made_s = db_column_i64(row, 2),
		.pending = db_column_i64(row, 3) != 0,
		.tenant = db_column_text(row, 4),
		.provider = db_column_text(row, 5),
		.model = db_column_text(row, 6),
		.route = db_column_text(row, 7),
	};
	struct answer *answer;

	pthread_mutex_lock(&answers->lock);
	answer = find(answers, making.tenant, making.id);
	if (answer) {
		answer->pending = answer->pending && making.pending;
	} else if (answers->map.count < answers->max) {
		answer = answer_new(answers, &making);
		if (answer)
			list_append(answers->order.next, &answer->node);
	}
	pthread_mutex_unlock(&answers->lock);
}

int answers_load(struct answers *answers)
{
	struct db_statement *rows;
	int r = db_prepare(answers->db, load_sql, &rows);

	if (r < 0)
		return r;
	db_bind_i64(rows, 1, now_s() - answers->keep_s);
	db_bind_i64(rows, 2, answers->max);
	while ((r = db_step(rows)) == 1)
		take_row(answers, rows);
	db_statement_free(rows);
	return r;
}
