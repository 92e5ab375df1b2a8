/* SPDX-License-Identifier: Apache-2.0 */
/* Lifetime of a configuration and the look-ups in it. The arrays are sorted by name when they are
 * resolved; a look-up is a binary search and takes no memory of its own. */
#include "conf/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "conf/value.h"

struct secret {
	struct secret *next;
	size_t size;
	char text[];
};

struct snapshot *snapshot_new(void)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	arena_init(&snapshot->arena, NULL);
	atomic_init(&snapshot->refs, 1);
	return snapshot;
}

static void snapshot_free(struct snapshot *snapshot)
{
	for (struct secret *secret = snapshot->secrets; secret;) {
		struct secret *next = secret->next;
		explicit_bzero(secret->text, secret->size);
		free(secret);
		secret = next;
	}
	arena_fini(&snapshot->arena);
	free(snapshot);
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
	if (snapshot && atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
		snapshot_free(snapshot);
	return NULL;
}

static_assert(offsetof(struct snapshot, conf) == 0, "a conf is the head of its snapshot");
struct snapshot *snapshot_of(const struct conf *conf)
{
	return (struct snapshot *)conf;
}

struct conf *conf_ref(struct conf *conf)
{
	atomic_fetch_add_explicit(&snapshot_of(conf)->refs, 1, memory_order_relaxed);
	return conf;
}

struct conf *conf_unref(struct conf *conf)
{
	if (conf)
		snapshot_unref(snapshot_of(conf));
	return NULL;
}

const char *snapshot_text(struct snapshot *snapshot, struct slice text)
{
	return arena_dup(&snapshot->arena, text).ptr;
}

const char *snapshot_secret(struct snapshot *snapshot, struct slice secret)
{
	struct secret *copy = malloc(sizeof(*copy) + secret.len + 1);

	if (!copy)
		return NULL;
	copy->size = secret.len;
	memcpy(copy->text, secret.ptr, secret.len);
	copy->text[secret.len] = '\0';
	copy->next = snapshot->secrets;
	snapshot->secrets = copy;
	return copy->text;
}

void *snapshot_zalloc(struct snapshot *snapshot, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return arena_zalloc(&snapshot->arena, bytes > 0 ? bytes : 1);
}

const char *snapshot_path(struct snapshot *snapshot, const char *folder, struct slice path)
{
	if (path.len > 0 && path.ptr[0] == '/')
		return snapshot_text(snapshot, path);
	return arena_printf(&snapshot->arena, "%s/%.*s", folder, SLICE_ARGS(path)).ptr;
}

void objects_fini(struct objects *objects)
{
	free(objects->items);
	*objects = (struct objects){ 0 };
}

int objects_add(struct objects *objects, const struct object *object)
{
	if (objects->count == objects->cap) {
		size_t cap = objects->cap ? objects->cap * 2 : 16;
		struct object *items = reallocarray(objects->items, cap, sizeof(*items));
		if (!items)
			return -ENOMEM;
		objects->items = items;
		objects->cap = cap;
	}
	objects->items[objects->count++] = *object;
	return 0;
}

/* All kinds begin with their name: see the assertions. */
static const void *find(const void *items, size_t count, size_t size, struct slice name)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const void *item = (const char *)items + middle * size;
		struct slice seen = slice_of(*(const char *const *)item);
		size_t shared = seen.len < name.len ? seen.len : name.len;
		int order = shared > 0 ? memcmp(name.ptr, seen.ptr, shared) : 0;
		if (order == 0 && name.len == seen.len)
			return item;
		if (order < 0 || (order == 0 && name.len < seen.len))
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

#define FIND(kind, kinds)                                                                      \
	static_assert(offsetof(struct conf_##kind, name) == 0, "find() reads the name there"); \
	const struct conf_##kind *conf_find_##kind(const struct conf *conf, struct slice name) \
	{                                                                                      \
		return find(conf->kinds, conf->kind##_count, sizeof(*conf->kinds), name);      \
	}

FIND(provider, providers)
FIND(model, models)
FIND(route, routes)
FIND(tenant, tenants)
FIND(key, keys)
FIND(policy, policies)

static const char *const kind_names[CONF_KINDS] = {
	[CONF_PROVIDER] = "provider", [CONF_MODEL] = "model", [CONF_ROUTE] = "route",
	[CONF_TENANT] = "tenant",     [CONF_KEY] = "key",     [CONF_POLICY] = "policy",
};

const char *conf_kind_name(enum conf_kind kind)
{
	return kind_names[kind];
}

int conf_kind_parse(struct slice name, enum conf_kind *ret)
{
	for (int kind = 0; kind < CONF_KINDS; kind++) {
		if (slice_eq_str(name, kind_names[kind])) {
			*ret = kind;
			return 0;
		}
	}
	return -EINVAL;
}

const char *conf_check_name(enum conf_kind kind, struct slice name)
{
	const char *complaint = value_check_name(name);

	if (complaint || kind == CONF_MODEL || kind == CONF_ROUTE ||
	    !memchr(name.ptr, '/', name.len))
		return complaint;
	return kind == CONF_PROVIDER
		   ? "must not contain \"/\": it would make PROVIDER/UPSTREAM_MODEL ambiguous"
		   : "must not contain \"/\"";
}

const char *conf_check_feature(struct slice feature)
{
	return value_check_feature(feature);
}

const char *conf_check_source(struct slice source)
{
	return value_check_source(source);
}

const char *conf_owner_name(enum conf_owner owner)
{
	return owner == CONF_OWNER_FILES ? "files" : "live";
}
