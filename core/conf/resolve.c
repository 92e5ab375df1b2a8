/* SPDX-License-Identifier: Apache-2.0 */
/* Cross references. Objects are sorted by kind and name first, so that look-ups work as soon as a
 * kind's array stands; kinds are resolved in the order of their references. */
#include "conf/resolve.h"

#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "conf/options.h"

enum {
	CERTIFICATE_BYTES_MAX = 1048576,
};

static int compare_names(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_objects(const void *first, const void *second)
{
	const struct object *a = first, *b = second;
	int order;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	order = compare_names(a->name, b->name);
	if (order == 0)
		order = strcmp(a->place.file, b->place.file);
	if (order == 0)
		order = (a->place.line > b->place.line) - (a->place.line < b->place.line);
	if (order == 0)
		order = (a->place.column > b->place.column) - (a->place.column < b->place.column);
	return order;
}

/* Reports all but the first of each name, and drops them. */
static void drop_duplicates(struct objects *objects, struct report *report)
{
	size_t kept = 0;

	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->items[i];
		const struct object *last = kept > 0 ? &objects->items[kept - 1] : NULL;

		if (!last || last->kind != object->kind || strcmp(last->name, object->name) != 0) {
			objects->items[kept++] = *object;
			continue;
		}
		report_at(report, &object->place,
			  "there is a %s \"%s\" already, at %s:%u; remove or rename one",
			  conf_kind_name(object->kind), object->name, last->place.file,
			  last->place.line);
	}
	objects->count = kept;
}

static void check_provider(const struct object *object, struct report *report)
{
	const struct conf_provider *provider = &object->provider;
	bool https = provider->base_url && strncmp(provider->base_url, "https:", 6) == 0;
	bool plain = provider->lane && strcmp(provider->lane, "plain") == 0;

	if (!provider->cert_file != !provider->key_file)
		report_at(report, &object->place,
			  "cert_file and key_file are given together or not at all");
	if (plain && https)
		report_at(report, &object->place,
			  "lane \"plain\" cannot reach an https:// address; use \"auto\"");
	if (plain && provider->proxy)
		report_at(report, &object->place, "lane \"plain\" knows no proxy; use \"auto\"");
}

static void digest_file(const char *path, struct buffer *canonical)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };

	if (path && file_read(path, CERTIFICATE_BYTES_MAX, &content, NULL) == 0)
		buffer_append_slice(canonical, buffer_slice(&content));
	buffer_append_char(canonical, '\n');
}

static void digest_rows(const struct object *object, struct buffer *canonical)
{
	const struct option_section *section = options_of_kind(object->kind);

	for (size_t i = 0; i < section->count; i++) {
		buffer_append_str(canonical, section->rows[i].name);
		buffer_append_char(canonical, '=');
		option_write_value(&section->rows[i], object, canonical);
		buffer_append_char(canonical, '\n');
	}
}

/* NULL when out of memory. */
static const char *digest_of(struct snapshot *snapshot, const struct buffer *canonical)
{
	uint8_t sum[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];

	if (canonical->failed)
		return NULL;
	hash_sha256(buffer_slice(canonical), sum);
	hash_hex(sum, sizeof(sum), hex);
	return snapshot_text(snapshot, slice_of(hex));
}

/* Certificates count by their content: one that was renewed in place asks for a new instance. */
static const char *provider_digest(struct snapshot *snapshot, const struct object *object)
{
	_cleanup_(buffer_fini) struct buffer canonical = { 0 };

	digest_rows(object, &canonical);
	digest_file(object->provider.ca_file, &canonical);
	digest_file(object->provider.cert_file, &canonical);
	digest_file(object->provider.key_file, &canonical);
	return digest_of(snapshot, &canonical);
}

static int resolve_provider(struct snapshot *snapshot, struct object *object, struct report *report)
{
	struct conf_provider *provider = &object->provider;

	provider->name = object->name;
	provider->place = object->place;
	provider->broken = object->broken;
	if (!provider->price_provider)
		provider->price_provider = provider->plugin;
	check_provider(object, report);
	provider->digest = provider_digest(snapshot, object);
	return provider->digest ? 0 : -ENOMEM;
}

static int resolve_policy(struct snapshot *snapshot, struct object *object, struct report *report)
{
	_cleanup_(buffer_fini) struct buffer canonical = { 0 };
	struct conf_policy *policy = &object->policy;

	policy->name = object->name;
	policy->place = object->place;
	policy->broken = object->broken;
	if (!policy->cert_file != !policy->key_file)
		report_at(report, &object->place,
			  "cert_file and key_file are given together or not at all");
	digest_rows(object, &canonical);
	digest_file(policy->ca_file, &canonical);
	digest_file(policy->cert_file, &canonical);
	digest_file(policy->key_file, &canonical);
	policy->digest = digest_of(snapshot, &canonical);
	return policy->digest ? 0 : -ENOMEM;
}

/* Each is there, and stands in the list once. */
static void check_policies(const struct conf *conf, const char *const *names,
			   const struct conf_place *place, struct report *report)
{
	for (size_t i = 0; names && names[i]; i++) {
		if (!conf_find_policy(conf, slice_of(names[i])))
			report_at(report, place, "there is no policy \"%s\"", names[i]);
		for (size_t k = 0; k < i; k++)
			if (strcmp(names[k], names[i]) == 0)
				report_at(report, place, "policy \"%s\" is listed twice", names[i]);
	}
}

static int resolve_tenant(struct snapshot *snapshot, struct object *object, struct report *report)
{
	object->tenant.name = object->name;
	object->tenant.place = object->place;
	return 0;
}

static int resolve_model(struct snapshot *snapshot, struct object *object, struct report *report)
{
	struct conf_model *model = &object->model;

	model->name = object->name;
	model->place = object->place;
	if (!object->refers)
		return 0;
	model->provider = conf_find_provider(&snapshot->conf, slice_of(object->refers));
	if (!model->provider)
		report_at(report, &object->refers_place, "there is no provider \"%s\"",
			  object->refers);
	return 0;
}

static void resolve_target(const struct conf *conf, const char *text,
			   const struct conf_place *place, struct conf_target *target,
			   struct report *report)
{
	struct slice upstream, name = slice_cut(slice_of(text), '/', &upstream);

	target->model = conf_find_model(conf, slice_of(text));
	if (target->model) {
		target->provider = target->model->provider;
		target->upstream_model = target->model->upstream_model;
		return;
	}
	if (upstream.len == 0) {
		report_at(report, place,
			  "there is no model \"%s\"; name a model, or PROVIDER/UPSTREAM_MODEL",
			  text);
		return;
	}
	target->provider = conf_find_provider(conf, name);
	target->upstream_model = upstream.ptr;
	if (!target->provider)
		report_at(report, place, "there is no provider \"%.*s\", and no model \"%s\"",
			  SLICE_ARGS(name), text);
}

static int resolve_route(struct snapshot *snapshot, struct object *object, struct report *report)
{
	struct conf_target *targets;
	size_t count = 0;

	object->route.name = object->name;
	object->route.place = object->place;
	while (object->targets && object->targets[count])
		count++;
	targets = snapshot_zalloc(snapshot, count, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		resolve_target(&snapshot->conf, object->targets[i], &object->target_places[i],
			       &targets[i], report);
	check_policies(&snapshot->conf, object->route.policies, &object->place, report);
	object->route.targets = targets;
	object->route.target_count = count;
	return 0;
}

static bool is_no_sha256(const uint8_t sha256[static SHA256_BYTES])
{
	static const uint8_t none[SHA256_BYTES];

	return memcmp(sha256, none, sizeof(none)) == 0;
}

static bool has_jwt(const char *const *sources)
{
	for (; sources && *sources; sources++) {
		struct slice rest;
		if (slice_eq_str(slice_cut(slice_of(*sources), ':', &rest), "jwt"))
			return true;
	}
	return false;
}

static int resolve_key(struct snapshot *snapshot, struct object *object, struct report *report)
{
	struct conf_key *key = &object->key;

	key->name = object->name;
	key->place = object->place;
	if (!key->identity && !object->broken && is_no_sha256(key->sha256))
		report_at(report, &object->place, "a key needs \"sha256\", \"identity\", or both");
	if (is_no_sha256(key->previous_sha256) != (key->previous_until_s == 0))
		report_at(report, &object->place,
			  "\"previous_sha256\" and \"previous_until\" are given together or not at "
			  "all");
	if (!snapshot->conf.jwt.given && has_jwt(key->user_from))
		report_at(report, &object->place,
			  "\"end_user\" takes tokens, and the main file has no \"jwt\" that says "
			  "whose");
	if (!object->refers)
		return 0;
	key->tenant = conf_find_tenant(&snapshot->conf, slice_of(object->refers));
	if (!key->tenant)
		report_at(report, &object->refers_place, "there is no tenant \"%s\"",
			  object->refers);
	return 0;
}

static int compare_identities(const void *first, const void *second)
{
	const struct conf_key *a = *(const struct conf_key *const *)first;
	const struct conf_key *b = *(const struct conf_key *const *)second;
	int order = strcmp(a->identity ? a->identity : "", b->identity ? b->identity : "");

	return order ? order : strcmp(a->name, b->name);
}

/* A text that is a key's now, or was before. */
struct text {
	const uint8_t *sha256;
	const struct conf_key *key;
};

static int compare_texts(const void *first, const void *second)
{
	const struct text *a = first, *b = second;
	int order = memcmp(a->sha256, b->sha256, SHA256_BYTES);

	return order ? order : strcmp(a->key->name, b->key->name);
}

static int check_texts(const struct conf *conf, struct report *report)
{
	_cleanup_free_ struct text *texts = calloc(2 * conf->key_count + 1, sizeof(*texts));
	size_t count = 0;

	if (!texts)
		return -ENOMEM;
	for (size_t i = 0; i < conf->key_count; i++) {
		const struct conf_key *key = &conf->keys[i];
		if (!is_no_sha256(key->sha256))
			texts[count++] = (struct text){ key->sha256, key };
		if (!is_no_sha256(key->previous_sha256))
			texts[count++] = (struct text){ key->previous_sha256, key };
	}
	qsort(texts, count, sizeof(*texts), compare_texts);
	for (size_t i = 1; i < count; i++) {
		const struct conf_key *a = texts[i - 1].key, *b = texts[i].key;
		if (memcmp(texts[i - 1].sha256, texts[i].sha256, SHA256_BYTES) == 0)
			report_at(
			    report, &b->place,
			    "the sha256 is that of key \"%s\", at %s:%u; each key is a secret "
			    "of its own",
			    a->name, a->place.file, a->place.line);
	}
	return 0;
}

static void check_identities(const struct conf_key **keys, size_t count, struct report *report)
{
	qsort(keys, count, sizeof(*keys), compare_identities);
	for (size_t i = 1; i < count; i++) {
		const struct conf_key *a = keys[i - 1], *b = keys[i];
		if (a->identity && b->identity && strcmp(a->identity, b->identity) == 0)
			report_at(report, &b->place,
				  "the identity is that of key \"%s\", at %s:%u; one name is one "
				  "key's",
				  a->name, a->place.file, a->place.line);
	}
}

static int check_keys(const struct conf *conf, struct report *report)
{
	_cleanup_free_ const struct conf_key **keys = calloc(conf->key_count + 1, sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < conf->key_count; i++)
		keys[i] = &conf->keys[i];
	check_identities(keys, conf->key_count, report);
	return check_texts(conf, report);
}

/* How the objects of a kind are resolved, and where its array and count stand in struct conf. */
static const struct kind_row {
	enum conf_kind kind;
	int (*resolve)(struct snapshot *snapshot, struct object *object, struct report *report);
	size_t source, size, items, count;
} kind_rows[] = {
#define KIND(value, name, names)                                                                  \
	{                                                                                         \
		value, resolve_##name, offsetof(struct object, name), sizeof(struct conf_##name), \
		    offsetof(struct conf, names), offsetof(struct conf, name##_count)             \
	}
	KIND(CONF_PROVIDER, provider, providers), KIND(CONF_POLICY, policy, policies),
	KIND(CONF_TENANT, tenant, tenants),       KIND(CONF_MODEL, model, models),
	KIND(CONF_ROUTE, route, routes),          KIND(CONF_KEY, key, keys),
#undef KIND
};

static int resolve_kind(struct snapshot *snapshot, const struct kind_row *row,
			struct objects *objects, struct report *report)
{
	size_t first = 0, count = 0;
	void *conf = &snapshot->conf, *array, *array_count;
	char *items;
	int r;

	while (first < objects->count && objects->items[first].kind != row->kind)
		first++;
	while (first + count < objects->count && objects->items[first + count].kind == row->kind)
		count++;
	items = snapshot_zalloc(snapshot, count, row->size);
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct object *object = &objects->items[first + i];
		r = row->resolve(snapshot, object, report);
		if (r < 0)
			return r;
		memcpy(items + i * row->size, (const char *)object + row->source, row->size);
	}
	array = (char *)conf + row->items;
	array_count = (char *)conf + row->count;
	*(const void **)array = items;
	*(size_t *)array_count = count;
	return 0;
}

int resolve(struct snapshot *snapshot, struct objects *objects, struct report *report)
{
	int r = 0;

	if (objects->count > 1)
		qsort(objects->items, objects->count, sizeof(*objects->items), compare_objects);
	drop_duplicates(objects, report);
	for (size_t i = 0; i < ARRAY_SIZE(kind_rows) && r == 0; i++)
		r = resolve_kind(snapshot, &kind_rows[i], objects, report);
	check_policies(&snapshot->conf, snapshot->conf.policies_everywhere,
		       &snapshot->conf.everywhere_place, report);
	if (r == 0)
		r = check_keys(&snapshot->conf, report);
	return r < 0 ? report_no_memory(report) : 0;
}
