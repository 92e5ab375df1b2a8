/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: the same bytes are the same instance, other bytes live beside it, and what nobody
 * holds is gone. */
#include "gateway/registry-objects.h"

#include "base/cleanup.h"
#include "test.h"

struct thing {
	struct registry_object object;
	bool *destroyed;
};

static void destroy(struct registry_object *object)
{
	struct thing *thing = container_of(object, struct thing, object);

	*thing->destroyed = true;
	free(thing);
}

static struct thing *add(struct registry *registry, const char *digest, bool *destroyed)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	CHECK(thing);
	thing->destroyed = destroyed;
	*destroyed = false;
	CHECK_INT(
	    registry_add(registry, &thing->object, REGISTRY_PROVIDER, "alpha", digest, destroy), 0);
	return thing;
}

static void test_same_bytes(void)
{
	struct registry registry = { 0 };
	bool destroyed;
	struct thing *thing = add(&registry, "aa", &destroyed);

	CHECK(registry_take(&registry, REGISTRY_PROVIDER, "alpha", "aa") == &thing->object);
	CHECK(!registry_take(&registry, REGISTRY_PROVIDER, "beta", "aa"));
	CHECK(!registry_release(&thing->object) && !destroyed);
	CHECK(!registry_release(&thing->object) && destroyed);
	CHECK(!registry_take(&registry, REGISTRY_PROVIDER, "alpha", "aa"));
	registry_fini(&registry);
}

/* A reload that fails halfway gives up the new instance and must find the old one again. */
static void test_other_bytes(void)
{
	struct registry registry = { 0 };
	bool old_destroyed, new_destroyed;
	struct thing *old = add(&registry, "aa", &old_destroyed);
	struct thing *new = add(&registry, "bb", &new_destroyed);

	CHECK(!registry_release(&new->object) && new_destroyed && !old_destroyed);
	CHECK(registry_take(&registry, REGISTRY_PROVIDER, "alpha", "aa") == &old->object);
	registry_release(&old->object);
	registry_release(&old->object);
	CHECK(old_destroyed);
	registry_fini(&registry);
}

int main(void)
{
	test_run("the same bytes", test_same_bytes);
	test_run("other bytes", test_other_bytes);
	return 0;
}
