/* SPDX-License-Identifier: Apache-2.0 */
/* An object on its way into a snapshot: read, named, not yet resolved. All it points at is the
 * snapshot's memory. */
#pragma once

#include "conf/conf.h"

struct object {
	enum conf_kind kind;
	enum conf_owner owner; /* by the place it was found */
	const char *name;
	struct conf_place place;
	bool broken; /* something is wrong in it */
	union {
		struct conf_provider provider;
		struct conf_model model;
		struct conf_route route;
		struct conf_tenant tenant;
		struct conf_key key;
		struct conf_policy policy;
	};
	const char *refers; /* a model's provider, a key's tenant */
	struct conf_place refers_place;
	const char **targets; /* a route's, NULL-terminated, and where each stands */
	struct conf_place *target_places;
};

struct objects {
	struct object *items;
	size_t count, cap;
};

void objects_fini(struct objects *objects);
/* 0 or -ENOMEM. */
int objects_add(struct objects *objects, const struct object *object);
