/* SPDX-License-Identifier: Apache-2.0 */
/* A list comes from outside: it is checked as JSON, bounded, and its names are. */
#include "gateway/model-list.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "ledger/ledger.h"

CLEANUP_DEFINE(struct model_list, model_list_unref);

/* Where lists stand, and what their elements are called by. */
static const struct shape {
	const char *array, *name;
	const char *prefix; /* of the name, and no part of it */
} shapes[] = {
	{ "data", "id", "" },
	{ "models", "name", "models/" },
};

static int compare(const void *first, const void *second)
{
	const struct slice *a = first, *b = second;
	int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int add(struct model_list *list, struct slice provider, struct slice model)
{
	struct slice name;

	if (model.len == 0 || model.len > LEDGER_NAME_MAX || slice_has_control(model))
		return 0;
	name = arena_printf(&list->arena, "%.*s/%.*s", SLICE_ARGS(provider), SLICE_ARGS(model));
	if (!name.ptr)
		return -ENOMEM;
	list->names[list->count++] = name;
	return 0;
}

static int add_all(struct model_list *list, struct slice provider, struct slice array,
		   const struct shape *shape)
{
	size_t prefix = strlen(shape->prefix);
	struct json_member element, name;
	char text[2 * LEDGER_NAME_MAX];
	int r = 0;

	while (r == 0 && list->count < MODEL_LIST_MAX && json_next(&array, &element)) {
		struct slice model = { text, 0 };
		int length;

		if (element.type != JSON_SCAN_OBJECT ||
		    !json_find(element.value, shape->name, &name) || name.type != JSON_SCAN_STRING)
			continue;
		length = json_to_text(name.value, text, sizeof(text));
		if (length < 0)
			continue;
		model.len = (size_t)length;
		if (slice_starts(model, slice_of(shape->prefix)))
			model = slice_skip(model, prefix);
		r = add(list, provider, model);
	}
	return r;
}

static void sort(struct model_list *list)
{
	size_t kept = 0;

	qsort(list->names, list->count, sizeof(*list->names), compare);
	for (size_t i = 0; i < list->count; i++) {
		if (kept == 0 || compare(&list->names[kept - 1], &list->names[i]) != 0)
			list->names[kept++] = list->names[i];
	}
	list->count = kept;
}

static int read_object(struct slice provider, struct slice object, struct model_list *list)
{
	struct json_member members[32], array;
	int r = json_scan_object(object, members, ARRAY_SIZE(members), NULL);

	if (r < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (json_find(object, shapes[i].array, &array) && array.type == JSON_SCAN_ARRAY)
			return add_all(list, provider, array.value, &shapes[i]);
	}
	return -EINVAL;
}

int model_list_read(struct slice provider, struct slice text, struct model_list **ret)
{
	_cleanup_(cleanup_model_list_unref) struct model_list *list = calloc(1, sizeof(*list));
	_cleanup_(buffer_fini) struct buffer wrapped = { 0 };
	struct slice object = slice_trim(text);
	int r;

	if (!list)
		return -ENOMEM;
	atomic_init(&list->refs, 1);
	arena_init(&list->arena, NULL);
	list->names = arena_alloc(&list->arena, MODEL_LIST_MAX * sizeof(*list->names));
	if (object.len > 0 && object.ptr[0] == '[') {
		buffer_append_str(&wrapped, "{\"data\":");
		buffer_append_slice(&wrapped, object);
		buffer_append_char(&wrapped, '}');
		object = buffer_slice(&wrapped);
	}
	if (!list->names || wrapped.failed)
		return -ENOMEM;
	r = read_object(provider, object, list);
	if (r < 0)
		return r;
	sort(list);
	*ret = steal(list);
	return 0;
}

struct model_list *model_list_ref(struct model_list *list)
{
	atomic_fetch_add(&list->refs, 1);
	return list;
}

struct model_list *model_list_unref(struct model_list *list)
{
	if (!list || atomic_fetch_sub(&list->refs, 1) > 1)
		return NULL;
	arena_fini(&list->arena);
	free(list);
	return NULL;
}

bool model_list_has(const struct model_list *list, struct slice name)
{
	return bsearch(&name, list->names, list->count, sizeof(*list->names), compare) != NULL;
}
