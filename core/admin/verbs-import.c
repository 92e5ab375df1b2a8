/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that another gateway has given out: of each the SHA-256 of its text, by which it is known
 * here too. Lines of CSV under a line of names (RFC 4180, a quoted field within one line), or a
 * JSON object a line. All of them come into force, or none; who is there already, with the same
 * hash and tenant, is left as it is, so that an import may be done again. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/csv.h"
#include "base/hash.h"

CLEANUP_DEFINE(struct conf, conf_unref);

enum {
	IMPORT_LINES_MAX = 10000,
	COLUMNS_MAX = 16,
};

static const struct column {
	const char *name;
	bool list; /* blanks part its texts in CSV */
} columns[] = {
	{ "name", false },    { "tenant", false }, { "sha256", false }, { "feature", false },
	{ "expires", false }, { "models", true },  { "routes", true },  { "networks", true },
};

struct import {
	const struct conf *now;
	struct arena arena;
	const struct column *order[COLUMNS_MAX]; /* of CSV */
	size_t order_count;
	json_t *held;           /* objects whose texts the keys borrow */
	struct map names, sums; /* → conf_key, of the configuration and of lines before */
	struct conf_key *keys;
	size_t count, unchanged, line;
};

static void import_fini(struct import *import)
{
	map_fini(&import->names);
	map_fini(&import->sums);
	arena_fini(&import->arena);
	json_decref(import->held);
}

static int fail(const struct import *import, int code, struct error *error, const char *what)
{
	return error_set(error, code == -EEXIST || code == -ENOMEM ? code : -EINVAL, "line %zu: %s",
			 import->line, what);
}

static const struct column *find_column(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (slice_eq_str(name, columns[i].name))
			return &columns[i];
	}
	return NULL;
}

static int unknown_column(const struct import *import, struct slice name, struct error *error)
{
	char what[160];

	snprintf(what, sizeof(what),
		 "\"%.*s\" is none of name, tenant, sha256, feature, expires, models, routes, "
		 "networks",
		 name.len < 64 ? (int)name.len : 64, name.ptr);
	return fail(import, -EINVAL, error, what);
}

/* ---- a key ---- */

static int put_sum(struct import *import, const uint8_t *sha256, const struct conf_key *key,
		   const struct conf_key **ret_before)
{
	void *before = NULL;
	int r = map_put(&import->sums, (struct slice){ (const char *)sha256, SHA256_BYTES },
			(void *)key, &before);

	*ret_before = before;
	return r;
}

static int note_key(struct import *import, const struct conf_key *key, struct error *error)
{
	const struct conf_key *same;
	void *before = NULL;
	char what[LEDGER_NAME_MAX + 64];

	if (map_put(&import->names, slice_of(key->name), (void *)key, &before) < 0 ||
	    put_sum(import, key->sha256, key, &same) < 0)
		return fail(import, -ENOMEM, error, "out of memory");
	if (before)
		return fail(import, -EEXIST, error, "a line before has a key of that name");
	if (!same)
		return 0;
	snprintf(what, sizeof(what), "its sha256 is that of key \"%s\"", same->name);
	return fail(import, -EEXIST, error, what);
}

static bool is_same(const struct conf_key *there, const struct conf_key *key)
{
	return there->tenant == key->tenant &&
	       memcmp(there->sha256, key->sha256, sizeof(key->sha256)) == 0;
}

static int take_key(struct import *import, json_t *object, struct error *error)
{
	struct conf_key *key = &import->keys[import->count];
	const struct conf_key *there;
	struct error cause = { 0 };
	const char *sum;
	int r;

	r = key_from_arguments(import->now, object, &import->arena, key, &cause);
	if (r >= 0)
		r = argument_text(object, "sha256", true, &sum, &cause);
	if (r < 0)
		return fail(import, r, error, cause.message);
	if (hash_unhex(slice_of(sum), key->sha256, SHA256_BYTES) < 0)
		return fail(import, -EINVAL, error,
			    "\"sha256\" must be 64 hexadecimal digits: of the key's whole text");
	there = conf_find_key(import->now, slice_of(key->name));
	if (there && is_same(there, key)) {
		import->unchanged++;
		return 0;
	}
	if (there)
		return fail(import, -EEXIST, error, "another key of that name exists already");
	r = note_key(import, key, error);
	if (r == 0)
		import->count++;
	return r;
}

/* ---- a line ---- */

static int take_json(struct import *import, struct slice line, struct error *error)
{
	json_t *object = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL), *value;
	const char *name;

	if (!json_is_object(object)) {
		json_decref(object);
		return fail(import, -EINVAL, error, "it is no JSON object");
	}
	json_array_append_new(import->held, object);
	json_object_foreach (object, name, value) {
		if (!find_column(slice_of(name)))
			return unknown_column(import, slice_of(name), error);
	}
	return take_key(import, object, error);
}

static json_t *list_of(struct slice text)
{
	json_t *list = json_array();

	while (text.len > 0) {
		struct slice word = slice_cut(text, ' ', &text);
		if (word.len > 0)
			json_array_append_new(list, json_stringn(word.ptr, word.len));
	}
	return list;
}

static const char bad_quotes[] = "a quote within a field must be doubled, and the field quoted";

static int take_names(struct import *import, struct slice line, struct error *error)
{
	struct slice field;
	bool more = true;

	while (more) {
		const struct column *column;

		if (!csv_next(&import->arena, &line, &field, &more))
			return fail(import, -EINVAL, error, bad_quotes);
		column = find_column(field);
		if (!column)
			return unknown_column(import, field, error);
		for (size_t i = 0; i < import->order_count; i++) {
			if (import->order[i] == column)
				return fail(import, -EINVAL, error, "a column is named twice");
		}
		import->order[import->order_count++] = column;
	}
	return 0;
}

static int take_row(struct import *import, struct slice line, struct error *error)
{
	json_t *object = json_object();
	struct slice field;
	bool more = true;
	size_t i = 0;

	json_array_append_new(import->held, object);
	for (; more && i < import->order_count; i++) {
		const struct column *column = import->order[i];

		if (!csv_next(&import->arena, &line, &field, &more))
			return fail(import, -EINVAL, error, bad_quotes);
		if (field.len > 0)
			json_object_set_new(object, column->name,
					    column->list ? list_of(field)
							 : json_stringn(field.ptr, field.len));
	}
	if (more || i < import->order_count)
		return fail(import, -EINVAL, error,
			    more ? "it has more fields than the first line names"
				 : "it has fewer fields than the first line names");
	return take_key(import, object, error);
}

static int take_line(struct import *import, struct slice line, struct error *error)
{
	if (line.ptr[0] == '{')
		return take_json(import, line, error);
	if (import->order_count == 0)
		return take_names(import, line, error);
	return take_row(import, line, error);
}

static int take_lines(struct import *import, struct slice text, struct error *error)
{
	int r = 0;

	while (text.len > 0 && r == 0) {
		struct slice line = slice_cut(text, '\n', &text);

		import->line++;
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (slice_trim(line).len == 0)
			continue;
		r = take_line(import, slice_trim(line), error);
	}
	return r;
}

/* ---- all of them ---- */

static int note_known(struct import *import)
{
	static const uint8_t none[SHA256_BYTES];
	const struct conf_key *before;
	int r = 0;

	for (size_t i = 0; i < import->now->key_count && r == 0; i++) {
		const struct conf_key *key = &import->now->keys[i];

		if (memcmp(key->sha256, none, sizeof(none)) != 0)
			r = put_sum(import, key->sha256, key, &before);
		if (r == 0 && memcmp(key->previous_sha256, none, sizeof(none)) != 0)
			r = put_sum(import, key->previous_sha256, key, &before);
	}
	return r;
}

static int write_keys(struct admin *admin, struct import *import, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL;
	_cleanup_(buffer_fini) struct buffer all = { 0 };
	_cleanup_free_ struct conf_text *texts = calloc(import->count + 1, sizeof(*texts));
	_cleanup_free_ size_t *ends = calloc(import->count + 1, sizeof(*ends));
	int r;

	if (!texts || !ends)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < import->count; i++) {
		conf_write_key(&import->keys[i], &all);
		ends[i] = all.len;
	}
	if (all.failed)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0, begin = 0; i < import->count; begin = ends[i++])
		texts[i] = (struct conf_text){
			slice_of(import->keys[i].name),
			slice_span(all.data + begin, all.data + ends[i]),
		};
	r = conf_live_write_all(import->now, CONF_KEY, texts, import->count, &next, error);
	if (r < 0)
		return r;
	r = keys_publish(admin, next, error);
	if (r < 0)
		conf_live_take_back(next, CONF_KEY, texts, import->count);
	return r;
}

static size_t count_lines(struct slice text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '\n';
	return count;
}

int verb_keys_import(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(import_fini) struct import import = { .now = now, .held = json_array() };
	json_t *value = json_object_get(arguments, "text");
	struct slice text = { json_string_value(value), json_string_length(value) };
	_cleanup_free_ struct conf_key *keys = NULL;
	size_t lines = count_lines(text);
	int r;

	if (!json_is_string(value) || text.len == 0 || lines > IMPORT_LINES_MAX)
		return error_set(error, -EINVAL, "\"text\" must be a text of 1 to %d lines",
				 IMPORT_LINES_MAX);
	import.keys = keys = calloc(lines, sizeof(*keys));
	if (!keys || note_known(&import) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	r = take_lines(&import, text, error);
	if (r == 0)
		r = write_keys(admin, &import, error);
	if (r == 0)
		*ret = json_pack("{s:I, s:I}", "imported", (json_int_t)import.count, "unchanged",
				 (json_int_t)import.unchanged);
	return r;
}
