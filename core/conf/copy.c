/* SPDX-License-Identifier: Apache-2.0 */
/* A second snapshot from a first, by the option table: a live write changes one object of what is
 * in force, and neither reads nor applies edits that lie in the files and were not reloaded. */
#include <errno.h>

#include "conf/options.h"
#include "conf/snapshot.h"

struct copy {
	struct snapshot *to;
	const char *file_from, *file_to; /* the file name copied last: neighbours share it */
	bool failed;
};

static const char *copy_text(struct copy *copy, const char *text)
{
	const char *copied;

	if (!text)
		return NULL;
	copied = snapshot_text(copy->to, slice_of(text));
	copy->failed = copy->failed || !copied;
	return copied;
}

static void copy_place(struct copy *copy, struct conf_place *place)
{
	if (place->file != copy->file_from) {
		copy->file_from = place->file;
		copy->file_to = copy_text(copy, place->file);
	}
	place->file = copy->file_to;
}

static const char **copy_texts(struct copy *copy, const char *const *texts)
{
	const char **copied;
	size_t count = 0;

	if (!texts)
		return NULL;
	while (texts[count])
		count++;
	copied = snapshot_zalloc(copy->to, count + 1, sizeof(*copied));
	copy->failed = copy->failed || !copied;
	for (size_t i = 0; copied && i < count; i++)
		copied[i] = copy_text(copy, texts[i]);
	return copied;
}

static void copy_plugin_options(struct copy *copy, struct conf_plugin_options *options)
{
	struct conf_plugin_option *copied;

	copied = snapshot_zalloc(copy->to, options->count, sizeof(*copied));
	copy->failed = copy->failed || !copied;
	for (size_t i = 0; copied && i < options->count; i++) {
		copied[i] = options->rows[i];
		copied[i].name = copy_text(copy, copied[i].name);
		copied[i].text = copy_text(copy, copied[i].text);
		copy_place(copy, &copied[i].place);
	}
	options->rows = copied;
}

static void copy_secret(struct copy *copy, const char **secret)
{
	if (!*secret)
		return;
	*secret = snapshot_secret(copy->to, slice_of(*secret));
	copy->failed = copy->failed || !*secret;
}

static void copy_extra(struct copy *copy, const char **text)
{
	*text = copy_text(copy, *text);
}

/* `base` is a shallow copy: what it points at is replaced by copies of it. */
static void copy_rows(struct copy *copy, const struct option_section *section, void *base)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		void *at = option_field(option, base);

		switch (option->type) {
		case OPTION_SECRET:
			copy_secret(copy, option_extra(option, base));
			*(const char **)at = copy_text(copy, *(const char **)at);
			break;
		case OPTION_TEXT:
		case OPTION_CHOICE:
		case OPTION_NAME:
		case OPTION_FEATURE:
		case OPTION_URL:
		case OPTION_PATH:
		case OPTION_IDENTITY:
			*(const char **)at = copy_text(copy, *(const char **)at);
			break;
		case OPTION_FILE:
			*(const char **)at = copy_text(copy, *(const char **)at);
			if (option->extra)
				copy_extra(copy, option_extra(option, base));
			break;
		case OPTION_TEXTS:
		case OPTION_LISTEN:
		case OPTION_NETWORKS:
		case OPTION_SOURCES:
		case OPTION_HEADERS:
			*(const char ***)at = copy_texts(copy, *(const char ***)at);
			break;
		case OPTION_GROUP:
			copy_rows(copy, option->section, base);
			break;
		case OPTION_PLUGIN:
			copy_plugin_options(copy, at);
			break;
		default: /* held in the struct itself */
			break;
		}
	}
}

static void copy_object(struct copy *copy, struct objects *objects, struct object *object)
{
	copy_rows(copy, options_of_kind(object->kind), object);
	copy_place(copy, &object->place);
	object->refers_place = object->place;
	if (objects_add(objects, object) < 0)
		copy->failed = true;
}

#define OBJECT_OF(kind_value, member, from)                                                \
	{                                                                                  \
		.kind = kind_value, .owner = now->owners[kind_value], .name = (from).name, \
		.place = (from).place, .member = (from)                                    \
	}

/* A route's targets as they would be written, and the place of the route for each. */
static void copy_route(struct copy *copy, struct objects *objects, const struct conf *now,
		       const struct conf_route *route)
{
	struct object object = OBJECT_OF(CONF_ROUTE, route, *route);
	size_t count = route->target_count;
	const char **texts = snapshot_zalloc(copy->to, count + 1, sizeof(*texts));
	struct conf_place *places = snapshot_zalloc(copy->to, count + 1, sizeof(*places));

	copy->failed = copy->failed || !texts || !places;
	for (size_t i = 0; !copy->failed && i < count; i++) {
		const struct conf_target *target = &route->targets[i];
		places[i] = route->place;
		copy_place(copy, &places[i]);
		texts[i] = target->model
			       ? target->model->name
			       : arena_printf(&copy->to->arena, "%s/%s", target->provider->name,
					      target->upstream_model)
				     .ptr;
		copy->failed = copy->failed || !texts[i];
	}
	if (copy->failed)
		return;
	object.targets = texts;
	object.target_places = places;
	copy_object(copy, objects, &object);
}

static void copy_objects(struct copy *copy, const struct conf *now, struct objects *objects)
{
	for (size_t i = 0; i < now->provider_count; i++) {
		struct object object = OBJECT_OF(CONF_PROVIDER, provider, now->providers[i]);
		copy_object(copy, objects, &object);
	}
	for (size_t i = 0; i < now->policy_count; i++) {
		struct object object = OBJECT_OF(CONF_POLICY, policy, now->policies[i]);
		copy_object(copy, objects, &object);
	}
	for (size_t i = 0; i < now->tenant_count; i++) {
		struct object object = OBJECT_OF(CONF_TENANT, tenant, now->tenants[i]);
		copy_object(copy, objects, &object);
	}
	for (size_t i = 0; i < now->model_count; i++) {
		struct object object = OBJECT_OF(CONF_MODEL, model, now->models[i]);
		object.refers = now->models[i].provider->name;
		copy_object(copy, objects, &object);
	}
	for (size_t i = 0; i < now->route_count; i++)
		copy_route(copy, objects, now, &now->routes[i]);
	for (size_t i = 0; i < now->key_count; i++) {
		struct object object = OBJECT_OF(CONF_KEY, key, now->keys[i]);
		object.refers = now->keys[i].tenant->name;
		copy_object(copy, objects, &object);
	}
}

static void copy_tls_places(struct copy *copy, struct conf_tls *tls)
{
	copy_place(copy, &tls->certificate_place);
	copy_place(copy, &tls->key_place);
	copy_place(copy, &tls->client_ca_place);
}

int snapshot_copy(const struct conf *now, struct snapshot **ret, struct objects *ret_objects)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = snapshot_new();
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct copy copy = { .to = snapshot };

	if (!snapshot)
		return -ENOMEM;
	snapshot->conf = *now;
	snapshot->conf.generation = 0;
	copy_rows(&copy, &options_main, &snapshot->conf);
	snapshot->conf.main_file = copy_text(&copy, now->main_file);
	snapshot->conf.objects_folder = copy_text(&copy, now->objects_folder);
	copy_place(&copy, &snapshot->conf.prices_place);
	copy_place(&copy, &snapshot->conf.override_place);
	copy_place(&copy, &snapshot->conf.plugins_place);
	copy_tls_places(&copy, &snapshot->conf.api_tls);
	copy_tls_places(&copy, &snapshot->conf.admin_tls);
	copy_place(&copy, &snapshot->conf.jwt.place);
	copy_place(&copy, &snapshot->conf.everywhere_place);
	snapshot->folder = copy_text(&copy, snapshot_of(now)->folder);
	copy_objects(&copy, now, &objects);
	if (copy.failed)
		return -ENOMEM;
	*ret = steal(snapshot);
	*ret_objects = objects;
	objects = (struct objects){ 0 };
	return 0;
}
