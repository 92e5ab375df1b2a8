/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual keys: objects of the configuration like all others, of which only the hash is ever
 * written. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

CLEANUP_DEFINE(struct conf, conf_unref);

enum {
	KEY_FILE_BYTES_MAX = 1048576,
	KEY_TEXTS_MAX = 256,
	KEY_OVERLAP_S = 24 * 3600,
	KEY_OVERLAP_S_MAX = 366 * 24 * 3600,
};

/* ---- the list ---- */

static json_t *texts_json(const char *const *texts)
{
	json_t *array = texts ? json_array() : NULL;

	for (; texts && *texts; texts++)
		json_array_append_new(array, json_string(*texts));
	return array;
}

static json_t *end_user_json(const struct conf_key *key)
{
	if (!key->user_from)
		return NULL;
	return json_pack("{s:o, s:b, s:b}", "from", texts_json(key->user_from), "required",
			 key->user_required, "pseudonym", key->user_pseudonym);
}

static const char *state_of(const struct conf_key *key, int64_t now_s)
{
	if (key->disabled)
		return "disabled";
	return key->expires_s != 0 && now_s >= key->expires_s ? "expired" : "active";
}

/* Writer and rollups know it; the request's path does not. */
static void note_use(const struct ledger_total *total, void *data)
{
	map_put(data, slice_of(total->name), (void *)(intptr_t)total->last_s, NULL);
}

static json_t *key_json(const struct conf_key *key, const struct map *uses, int64_t now_s)
{
	int64_t used_s = (int64_t)(intptr_t)map_get(uses, slice_of(key->name));
	static const uint8_t none[SHA256_BYTES];
	bool has_text = memcmp(key->sha256, none, sizeof(none)) != 0;
	char fingerprint[9];

	hash_hex(key->sha256, 4, fingerprint);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?, s:s?, s:o?, s:o?, s:o?, s:o?, s:o?, "
			 "s:o?, s:o?}",
			 "name", key->name, "tenant", key->tenant->name, "feature", key->feature,
			 "state", state_of(key, now_s), "disabled", key->disabled, "fingerprint",
			 has_text ? fingerprint : NULL, "identity", key->identity, "models",
			 texts_json(key->models), "routes", texts_json(key->routes), "networks",
			 texts_json(key->networks), "expires", json_moment(key->expires_s),
			 "previous_until", json_moment(key->previous_until_s), "end_user",
			 end_user_json(key), "last_used", json_moment(used_s));
}

int verb_keys_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		   json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	json_t *rows = json_array();
	struct map uses = { 0 };

	ledger_totals_each(admin->options.ledger, LEDGER_BY_KEY, LEDGER_TOTAL, note_use, &uses);
	for (size_t i = 0; i < conf->key_count; i++)
		json_array_append_new(rows, key_json(&conf->keys[i], &uses, now_s));
	map_fini(&uses);
	*ret =
	    json_pack("{s:s, s:o}", "owner", conf_owner_name(conf->owners[CONF_KEY]), "keys", rows);
	return 0;
}

/* ---- what a caller says of a key; here, where what is wrong is an argument, and not a file that
 * the caller never wrote ---- */

static const char *check_pattern(struct slice text)
{
	if (text.len == 0 || text.len > LEDGER_NAME_MAX || slice_has_control(text))
		return "a text of 1 to 128 bytes without control characters";
	return NULL;
}

static const char *check_network(struct slice text)
{
	struct network network;

	return network_parse(text, &network) < 0
		   ? "an address, or a network as in 10.0.0.0/8, with no bits set behind the prefix"
		   : NULL;
}

/* A list of texts, if it is given, NULL-terminated in the arena; the texts are the arguments'. */
static int argument_texts(json_t *arguments, const char *name,
			  const char *(*check)(struct slice text), struct arena *arena,
			  const char ***ret, struct error *error)
{
	json_t *texts = json_object_get(arguments, name), *one;
	size_t index;

	if (!texts || json_is_null(texts))
		return 0;
	if (!json_is_array(texts) || json_array_size(texts) > KEY_TEXTS_MAX)
		return error_set(error, -EINVAL, "\"%s\" must be a list of %d texts at most", name,
				 KEY_TEXTS_MAX);
	*ret = arena_zalloc(arena, (json_array_size(texts) + 1) * sizeof(const char *));
	if (!*ret)
		return error_set(error, -ENOMEM, "out of memory");
	json_array_foreach (texts, index, one) {
		struct slice text = { json_string_value(one), json_string_length(one) };
		const char *wanted = check(text);

		if (wanted)
			return error_set(error, -EINVAL, "each of \"%s\" must be %s", name, wanted);
		(*ret)[index] = text.ptr;
	}
	return 0;
}

static int argument_time(json_t *arguments, const char *name, int64_t *ret, struct error *error)
{
	const char *text;
	int r = argument_text(arguments, name, false, &text, error);

	if (r < 0 || !text)
		return r;
	if (clock_parse(slice_of(text), ret) < 0)
		return error_set(error, -EINVAL,
				 "\"%s\" must be a date, \"2026-12-31\", or a moment, "
				 "\"2026-12-31T18:00:00Z\"",
				 name);
	return 0;
}

static int argument_flag(json_t *arguments, const char *name, bool *ret, struct error *error)
{
	json_t *value = json_object_get(arguments, name);

	*ret = json_is_true(value);
	if (value && !json_is_boolean(value) && !json_is_null(value))
		return error_set(error, -EINVAL, "\"%s\" must be true or false", name);
	return 0;
}

static const char *check_source(struct slice text)
{
	return conf_check_source(text) ? "a source, as in header:NAME, body:user, openwebui or "
					 "librechat: tidegate.conf(5) lists them"
				       : NULL;
}

static int argument_end_user(json_t *arguments, struct arena *arena, struct conf_key *key,
			     struct error *error)
{
	json_t *group = json_object_get(arguments, "end_user"), *value;
	const char *name;
	int r;

	if (!group || json_is_null(group))
		return 0;
	json_object_foreach (group, name, value) {
		if (strcmp(name, "from") != 0 && strcmp(name, "required") != 0 &&
		    strcmp(name, "pseudonym") != 0)
			return error_set(error, -EINVAL,
					 "\"end_user\" has from, required, pseudonym, and no "
					 "\"%s\"",
					 name);
	}
	r = argument_texts(group, "from", check_source, arena, &key->user_from, error);
	if (r >= 0)
		r = argument_flag(group, "required", &key->user_required, error);
	if (r >= 0)
		r = argument_flag(group, "pseudonym", &key->user_pseudonym, error);
	if (r >= 0 && (!key->user_from || !key->user_from[0]))
		return error_set(error, -EINVAL,
				 "\"end_user\" must be an object whose \"from\" lists sources");
	return r;
}

static int check_names(const char *name, const char *tenant, const char *feature,
		       struct error *error)
{
	const struct {
		const char *word, *complaint;
	} rows[] = {
		{ "name", conf_check_name(CONF_KEY, slice_of(name)) },
		{ "tenant", conf_check_name(CONF_TENANT, slice_of(tenant)) },
		{ "feature", feature ? conf_check_feature(slice_of(feature)) : NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].complaint)
			return error_set(error, -EINVAL, "\"%s\" %s", rows[i].word,
					 rows[i].complaint);
	}
	return 0;
}

int key_from_arguments(const struct conf *now, json_t *arguments, struct arena *arena,
		       struct conf_key *ret, struct error *error)
{
	const char *tenant = NULL;
	int r;

	*ret = (struct conf_key){ 0 };
	r = argument_text(arguments, "name", true, &ret->name, error);
	if (r >= 0)
		r = argument_text(arguments, "tenant", true, &tenant, error);
	if (r >= 0)
		r = argument_text(arguments, "feature", false, &ret->feature, error);
	if (r >= 0)
		r = check_names(ret->name, tenant, ret->feature, error);
	if (r >= 0)
		r = argument_texts(arguments, "models", check_pattern, arena, &ret->models, error);
	if (r >= 0)
		r = argument_texts(arguments, "routes", check_pattern, arena, &ret->routes, error);
	if (r >= 0)
		r = argument_texts(arguments, "networks", check_network, arena, &ret->networks,
				   error);
	if (r >= 0)
		r = argument_time(arguments, "expires", &ret->expires_s, error);
	if (r >= 0)
		r = argument_end_user(arguments, arena, ret, error);
	if (r < 0)
		return r;
	ret->tenant = conf_find_tenant(now, slice_of(tenant));
	if (!ret->tenant)
		return error_set(error, -ENOENT, "there is no tenant \"%s\" in the configuration",
				 tenant);
	return 0;
}

/* ---- changes ---- */

static bool has_text(const struct conf_key *key, const uint8_t sha256[static SHA256_BYTES],
		     int64_t now_s)
{
	static const uint8_t none[SHA256_BYTES];

	return memcmp(sha256, none, sizeof(none)) == 0 ||
	       hash_equal(key->sha256, sha256, SHA256_BYTES) ||
	       (now_s < key->previous_until_s &&
		hash_equal(key->previous_sha256, sha256, SHA256_BYTES));
}

/* Something that was taken for the key before is not any more. */
static bool is_gone(const struct conf_key *before, const struct conf *next, int64_t now_s)
{
	const struct conf_key *key = conf_find_key(next, slice_of(before->name));

	return !key || (key->disabled && !before->disabled) ||
	       (key->expires_s != before->expires_s && key->expires_s != 0 &&
		key->expires_s <= now_s) ||
	       !has_text(key, before->sha256, now_s) ||
	       (now_s < before->previous_until_s && !has_text(key, before->previous_sha256, now_s));
}

void keys_tell_gone(struct admin *admin, const struct conf *before, const struct conf *next)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	_cleanup_free_ const char **gone = NULL;
	size_t count = 0;

	if (!admin->options.keys_gone)
		return;
	gone = calloc(before->key_count + 1, sizeof(*gone));
	if (!gone) {
		log_error("out of memory: a daemon that drains is not told of keys that ended");
		return;
	}
	for (size_t i = 0; i < before->key_count; i++)
		if (is_gone(&before->keys[i], next, now_s))
			gone[count++] = before->keys[i].name;
	if (count > 0)
		admin->options.keys_gone(admin->options.keys_gone_data, gone, false);
}

/* What runs by it, here and in daemons that drain. */
static void end_all_of(struct admin *admin, const char *name)
{
	const char *const names[] = { name, NULL };

	gateway_end_key(admin->options.gateway, name);
	if (admin->options.keys_gone)
		admin->options.keys_gone(admin->options.keys_gone_data, names, true);
}

/* The configuration's own trouble, as a price book that is gone: the caller's words were right. */
int keys_publish(struct admin *admin, struct conf *next, struct error *error)
{
	int r = admin_publish(admin, next, error);

	return r < 0 && r != -ENOMEM ? -EIO : r;
}

static int write_object(const struct conf *now, const struct conf_key *key, struct conf **ret,
			struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	conf_write_key(key, &text);
	if (text.failed)
		return error_set(error, -ENOMEM, "out of memory");
	return conf_live_write(now, CONF_KEY, slice_of(key->name), buffer_slice(&text), ret, error);
}

static int write_key(struct admin *admin, const struct conf *now, const struct conf_key *key,
		     struct conf **ret, struct error *error)
{
	int r = write_object(now, key, ret, error);

	return r < 0 ? r : keys_publish(admin, *ret, error);
}

int verb_keys_create(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL, *back = NULL;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct error ignored = { 0 };
	struct conf_key key;
	char text[KEYS_TEXT_SIZE];
	int r;

	r = key_from_arguments(now, arguments, &arena, &key, error);
	if (r < 0)
		return r;
	if (conf_find_key(now, slice_of(key.name)))
		return error_set(
		    error, -EEXIST,
		    "a key named \"%s\" exists already; revoke it first or take another name",
		    key.name);
	keys_generate(text, key.sha256);
	r = write_key(admin, now, &key, &next, error);
	if (r < 0 && next)
		conf_live_remove(next, CONF_KEY, slice_of(key.name), &back, &ignored);
	if (r >= 0)
		*ret =
		    json_pack("{s:s, s:s, s:s, s:s}", "name", key.name, "tenant", key.tenant->name,
			      "feature", key.feature ? key.feature : "-", "key", text);
	explicit_bzero(text, sizeof(text));
	return r;
}

/* What does not come into force must not be on disk either: a key that still works would be gone
 * after a restart. */
static void restore_key(const struct conf *without, const char *name, struct slice text,
			struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *back = NULL;
	struct error cause = { 0 }, why = *error;

	if (conf_live_write(without, CONF_KEY, slice_of(name), text, &back, &cause) < 0)
		error_set(
		    error, 0,
		    "%s; and the key's file could not be written back (%s): the key works until "
		    "the next start",
		    why.message, cause.message);
}

static int remove_key(struct admin *admin, const struct conf *now, const struct conf_key *key,
		      struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL;
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	int r;

	/* Without the file it is revoked all the same: nothing is to be restored. */
	if (now->owners[CONF_KEY] == CONF_OWNER_LIVE)
		file_read(key->place.file, KEY_FILE_BYTES_MAX, &text, NULL);
	r = conf_live_remove(now, CONF_KEY, slice_of(key->name), &next, error);
	if (r < 0)
		return r;
	r = keys_publish(admin, next, error);
	if (r < 0 && text.len > 0)
		restore_key(next, key->name, buffer_slice(&text), error);
	return r;
}

int verb_keys_revoke(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	const struct conf_key *key;
	const char *name;
	bool at_once;
	int r = argument_text(arguments, "name", true, &name, error);

	if (r >= 0)
		r = argument_flag(arguments, "now", &at_once, error);
	if (r < 0)
		return r;
	key = conf_find_key(now, slice_of(name));
	if (!key)
		return error_set(error, -ENOENT, "there is no key named \"%s\"", name);
	r = remove_key(admin, now, key, error);
	if (r < 0)
		return r;
	if (at_once)
		end_all_of(admin, name);
	*ret = json_pack("{s:s, s:b}", "name", name, "revoked", 1);
	return 0;
}

/* ---- rotation ---- */

static int argument_overlap(json_t *arguments, int64_t *ret, struct error *error)
{
	json_t *value = json_object_get(arguments, "overlap_s");
	json_int_t seconds = value ? json_integer_value(value) : KEY_OVERLAP_S;

	if ((value && !json_is_integer(value)) || seconds < 0 || seconds > KEY_OVERLAP_S_MAX)
		return error_set(error, -EINVAL,
				 "\"overlap_s\" must be a number of seconds from 0 to %d",
				 KEY_OVERLAP_S_MAX);
	*ret = seconds;
	return 0;
}

/* A new text for a key. The one it has is good for a while longer; one from before that is not. */
static void rotate(struct conf_key *key, int64_t overlap_s, char text[static KEYS_TEXT_SIZE])
{
	static const uint8_t none[SHA256_BYTES];
	bool overlaps = overlap_s > 0 && memcmp(key->sha256, none, sizeof(none)) != 0;

	memcpy(key->previous_sha256, overlaps ? key->sha256 : none, sizeof(none));
	key->previous_until_s = overlaps ? (int64_t)(clock_real_ns() / NS_PER_S) + overlap_s : 0;
	keys_generate(text, key->sha256);
}

int verb_keys_rotate(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL, *back = NULL;
	struct error ignored = { 0 };
	const struct conf_key *before;
	char text[KEYS_TEXT_SIZE];
	struct conf_key key;
	const char *name;
	int64_t overlap_s;
	int r = argument_text(arguments, "name", true, &name, error);

	if (r >= 0)
		r = argument_overlap(arguments, &overlap_s, error);
	if (r < 0)
		return r;
	before = conf_find_key(now, slice_of(name));
	if (!before)
		return error_set(error, -ENOENT, "there is no key named \"%s\"", name);
	key = *before;
	rotate(&key, overlap_s, text);
	r = write_key(admin, now, &key, &next, error);
	if (r < 0 && next)
		write_object(next, before, &back, &ignored);
	if (r >= 0)
		*ret = json_pack("{s:s, s:s, s:o?}", "name", name, "key", text, "previous_until",
				 json_moment(key.previous_until_s));
	explicit_bzero(text, sizeof(text));
	return r;
}
