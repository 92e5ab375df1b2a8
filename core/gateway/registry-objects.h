/* SPDX-License-Identifier: Apache-2.0 */
/* Long-lived state, by kind, name and the bytes it was made from: whoever asks for the same again
 * gets the same instance, so that a reload resets nothing that did not change. Objects live while a
 * snapshot holds them. [admin thread; main before it starts and after it ended] */
#pragma once

#include "base/map.h"

enum registry_kind {
	REGISTRY_PROVIDER,
	REGISTRY_TENANT,
	REGISTRY_ISSUER,
	REGISTRY_POLICY,
};

enum {
	GATEWAY_STAMP_SIZE = 96, /* a digest, and whose code made it */
};

struct registry {
	struct map objects; /* "KIND/NAME/DIGEST" → registry_object */
};

struct registry_object;
typedef void (*registry_destroy_fn)(struct registry_object *object);

/* The first member of what is kept. */
struct registry_object {
	struct registry *registry;
	char *key;
	uint32_t refs;
	registry_destroy_fn destroy; /* frees what it is part of */
};

/* Another reference to the instance made from these bytes, or NULL. */
struct registry_object *registry_take(struct registry *registry, enum registry_kind kind,
				      const char *name, const char *digest);
/* Keeps a new object with one reference, the caller's. -ENOMEM: it was not kept. */
int registry_add(struct registry *registry, struct registry_object *object, enum registry_kind kind,
		 const char *name, const char *digest, registry_destroy_fn destroy);
/* The last release destroys. */
struct registry_object *registry_release(struct registry_object *object);
void registry_fini(struct registry *registry); /* when everything has been released */
