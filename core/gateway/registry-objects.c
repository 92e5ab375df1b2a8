/* SPDX-License-Identifier: Apache-2.0 */
/* The registry is a map; what it adds is that an object that nobody holds is gone. */
#include "gateway/registry-objects.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Names hold no slash, digests neither. */
static char *make_key(enum registry_kind kind, const char *name, const char *digest)
{
	char *key;

	return asprintf(&key, "%d/%s/%s", (int)kind, name, digest) < 0 ? NULL : key;
}

struct registry_object *registry_take(struct registry *registry, enum registry_kind kind,
				      const char *name, const char *digest)
{
	_cleanup_free_ char *key = make_key(kind, name, digest);
	struct registry_object *object = key ? map_get(&registry->objects, slice_of(key)) : NULL;

	if (object)
		object->refs++;
	return object;
}

int registry_add(struct registry *registry, struct registry_object *object, enum registry_kind kind,
		 const char *name, const char *digest, registry_destroy_fn destroy)
{
	_cleanup_free_ char *key = make_key(kind, name, digest);

	if (!key || map_put(&registry->objects, slice_of(key), object, NULL) < 0)
		return -ENOMEM;
	*object = (struct registry_object){ registry, steal(key), 1, destroy };
	return 0;
}

struct registry_object *registry_release(struct registry_object *object)
{
	if (!object || --object->refs > 0)
		return NULL;
	map_remove(&object->registry->objects, slice_of(object->key));
	free(object->key);
	object->destroy(object);
	return NULL;
}

void registry_fini(struct registry *registry)
{
	assert(registry->objects.count == 0);
	map_fini(&registry->objects);
}
