/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual keys: objects of the configuration like all others, of which only the hash is ever
 * written. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"

CLEANUP_DEFINE(struct conf, conf_unref);

enum {
	KEY_FILE_BYTES_MAX = 1048576,
	KEY_MODELS_MAX = 256,
};

static json_t *texts_json(const char *const *texts)
{
	json_t *array = texts ? json_array() : NULL;

	for (; texts && *texts; texts++)
		json_array_append_new(array, json_string(*texts));
	return array;
}

int verb_keys_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		   json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	static const uint8_t none[SHA256_BYTES];
	json_t *rows = json_array();

	for (size_t i = 0; i < conf->key_count; i++) {
		const struct conf_key *key = &conf->keys[i];
		char fingerprint[9];
		hash_hex(key->sha256, 4, fingerprint);
		json_array_append_new(
		    rows, json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s?, s:o?}", "name", key->name,
				    "tenant", key->tenant->name, "feature", key->feature,
				    "disabled", key->disabled, "fingerprint",
				    memcmp(key->sha256, none, sizeof(none)) ? fingerprint : NULL,
				    "identity", key->identity, "models", texts_json(key->models)));
	}
	*ret =
	    json_pack("{s:s, s:o}", "owner", conf_owner_name(conf->owners[CONF_KEY]), "keys", rows);
	return 0;
}

/* Here, where what is wrong is an argument, and not a file that the caller never wrote. */
static int check_arguments(const char *name, const char *tenant, const char *feature,
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

/* `models` as a line of the key's text, if it is given: a list of patterns. */
static int append_models(json_t *arguments, struct buffer *text, struct error *error)
{
	json_t *models = json_object_get(arguments, "models"), *one;
	size_t index;

	if (!models || json_is_null(models))
		return 0;
	if (!json_is_array(models) || json_array_size(models) > KEY_MODELS_MAX)
		return error_set(error, -EINVAL, "\"models\" must be a list of %d texts at most",
				 KEY_MODELS_MAX);
	buffer_append_str(text, ";\n\tmodels = [ ");
	json_array_foreach (models, index, one) {
		struct slice pattern = { json_string_value(one), json_string_length(one) };

		if (pattern.len == 0 || pattern.len > LEDGER_NAME_MAX || slice_has_control(pattern))
			return error_set(error, -EINVAL,
					 "each of \"models\" must be a text of 1 to %d bytes "
					 "without control characters",
					 LEDGER_NAME_MAX);
		buffer_append_str(text, index > 0 ? ", " : "");
		conf_append_string(text, pattern);
	}
	buffer_append_str(text, " ]");
	return 0;
}

/* The configuration's own trouble, as a price book that is gone: the caller's words were right. */
static int publish(struct admin *admin, struct conf *next, struct error *error)
{
	int r = admin_publish(admin, next, error);

	return r < 0 && r != -ENOMEM ? -EIO : r;
}

static int write_key(struct admin *admin, struct conf *now, const char *name, struct slice text,
		     struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL;
	_cleanup_(cleanup_conf_unref) struct conf *back = NULL;
	struct error ignored = { 0 };
	int r;

	r = conf_live_write(now, CONF_KEY, slice_of(name), text, &next, error);
	if (r < 0)
		return r;
	r = publish(admin, next, error);
	if (r < 0)
		conf_live_remove(next, CONF_KEY, slice_of(name), &back, &ignored);
	return r;
}

int verb_keys_create(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	const char *name, *tenant, *feature;
	char key[KEYS_TEXT_SIZE], hex[SHA256_HEX_SIZE];
	uint8_t hash[SHA256_BYTES];
	int r;

	r = argument_text(arguments, "name", true, &name, error);
	if (r >= 0)
		r = argument_text(arguments, "tenant", true, &tenant, error);
	if (r >= 0)
		r = argument_text(arguments, "feature", false, &feature, error);
	if (r >= 0)
		r = check_arguments(name, tenant, feature, error);
	if (r < 0)
		return r;
	if (conf_find_key(now, slice_of(name)))
		return error_set(
		    error, -EEXIST,
		    "a key named \"%s\" exists already; revoke it first or take another name",
		    name);
	if (!conf_find_tenant(now, slice_of(tenant)))
		return error_set(error, -ENOENT, "there is no tenant \"%s\" in the configuration",
				 tenant);
	keys_generate(key, hash);
	hash_hex(hash, sizeof(hash), hex);
	buffer_append_str(&text, "key: {\n\ttenant = ");
	conf_append_string(&text, slice_of(tenant));
	if (feature) {
		buffer_append_str(&text, ";\n\tfeature = ");
		conf_append_string(&text, slice_of(feature));
	}
	r = append_models(arguments, &text, error);
	if (r < 0) {
		explicit_bzero(key, sizeof(key));
		return r;
	}
	buffer_printf(&text, ";\n\tsha256 = \"%s\";\n};\n", hex);
	r = write_key(admin, now, name, buffer_slice(&text), error);
	if (r >= 0)
		*ret = json_pack("{s:s, s:s, s:s, s:s}", "name", name, "tenant", tenant, "feature",
				 feature ? feature : "-", "key", key);
	explicit_bzero(key, sizeof(key));
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
	r = publish(admin, next, error);
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
	int r = argument_text(arguments, "name", true, &name, error);

	if (r < 0)
		return r;
	key = conf_find_key(now, slice_of(name));
	if (!key)
		return error_set(error, -ENOENT, "there is no key named \"%s\"", name);
	r = remove_key(admin, now, key, error);
	if (r >= 0)
		*ret = json_pack("{s:s, s:b}", "name", name, "revoked", 1);
	return r;
}
