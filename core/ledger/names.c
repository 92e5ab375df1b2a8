/* SPDX-License-Identifier: Apache-2.0 */
/* Interning of names. Clients may invent names without end, so the cache is emptied when it is
 * full; the table keeps them all, as the rows do that speak of them. */
#include "ledger/names.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"

enum {
	CACHE_MAX = 16384,
};

int names_init(struct names *names, struct db *db, struct totals *totals)
{
	int r = db_prepare(db, "SELECT id FROM name WHERE text = ?1", &names->find);

	if (r == 0)
		r = db_prepare(db, "INSERT INTO name (text) VALUES (?1)", &names->add);
	names->totals = totals;
	return r;
}

void names_fini(struct names *names)
{
	names_clear(names);
	names->find = db_statement_free(names->find);
	names->add = db_statement_free(names->add);
}

void names_clear(struct names *names)
{
	map_foreach (entry, &names->map)
		free(entry->value);
	map_fini(&names->map);
	names->map = (struct map){ 0 };
	memset(names->recent, 0, sizeof(names->recent));
}

bool names_too_many(const struct names *names)
{
	return names->map.count > CACHE_MAX;
}

static int look_up(struct names *names, struct slice text, int64_t *ret)
{
	int r;

	db_bind_text(names->find, 1, text);
	r = db_step(names->find);
	if (r == 1)
		*ret = db_column_i64(names->find, 0);
	db_reset(names->find);
	return r;
}

static int number_of(struct names *names, struct slice text, int64_t *ret)
{
	int r = look_up(names, text, ret);

	if (r != 0)
		return r < 0 ? r : 0;
	db_bind_text(names->add, 1, text);
	r = db_run(names->add);
	if (r < 0)
		return r;
	r = look_up(names, text, ret);
	return r == 0 ? -EIO : r < 0 ? r : 0;
}

static int add_name(struct names *names, struct slice text, struct name **ret)
{
	_cleanup_(buffer_fini) struct buffer json = { 0 };
	struct name *name;
	int64_t id = 0;
	char *room;
	int r = number_of(names, text, &id);

	if (r < 0)
		return r;
	buffer_append_json(&json, text);
	name = json.failed ? NULL : calloc(1, sizeof(*name) + text.len + 1 + json.len);
	if (!name)
		return -ENOMEM;
	name->id = id;
	room = (char *)(name + 1);
	if (text.len > 0)
		memcpy(room, text.ptr, text.len);
	name->text = (struct slice){ room, text.len };
	memcpy(room + text.len + 1, json.data, json.len);
	name->json = (struct slice){ room + text.len + 1, json.len };
	r = map_put(&names->map, text, name, NULL);
	if (r < 0) {
		free(name);
		return r;
	}
	*ret = name;
	return 0;
}

int names_get(struct names *names, int place, struct slice text, struct name **ret)
{
	struct name *name = names->recent[place];
	int r;

	if (!name || !slice_eq(name->text, text)) {
		name = map_get(&names->map, text);
		r = name ? 0 : add_name(names, text, &name);
		if (r < 0)
			return r;
		names->recent[place] = name;
	}
	*ret = name;
	return 0;
}

int names_counted(struct names *names, enum ledger_group group, struct name *name,
		  struct name **ret)
{
	struct totals_row *row;
	int r;

	if (!name->counted_as[group]) {
		row = totals_row(names->totals, group, name->text);
		if (!row)
			return -ENOMEM;
		r = names_get(names, NAMES_PLACES - 1, slice_of(row->name),
			      &name->counted_as[group]);
		if (r < 0)
			return r;
		name->counted_as[group]->row[group] = row;
		name->counted_as[group]->counted_as[group] = name->counted_as[group];
	}
	*ret = name->counted_as[group];
	return 0;
}
