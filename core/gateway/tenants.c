/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's instance lives as long as a snapshot names it; what the tenant holds counts on over a
 * reload. */
#include "gateway/tenants.h"

#include <errno.h>

#include "base/cleanup.h"

static void tenant_destroy(struct registry_object *object)
{
	struct gateway_tenant *tenant = container_of(object, struct gateway_tenant, object);

	http_share_free(tenant->share);
	free(tenant);
}

static int tenant_new(struct gateway *gateway, const char *name, struct gateway_tenant **ret)
{
	_cleanup_free_ struct gateway_tenant *tenant = calloc(1, sizeof(*tenant));

	if (!tenant || http_share_new(gateway->budget, &tenant->share) < 0)
		return -ENOMEM;
	if (registry_add(&gateway->registry, &tenant->object, REGISTRY_TENANT, name, "",
			 tenant_destroy) < 0) {
		http_share_free(tenant->share);
		return -ENOMEM;
	}
	*ret = steal(tenant);
	return 0;
}

int tenants_add(struct gateway *gateway, struct gateway_snapshot *snapshot, struct error *error)
{
	for (size_t i = 0; i < snapshot->conf->tenant_count; i++) {
		const char *name = snapshot->conf->tenants[i].name;
		struct registry_object *object =
		    registry_take(&gateway->registry, REGISTRY_TENANT, name, "");
		struct gateway_tenant *tenant = NULL;

		if (object)
			tenant = container_of(object, struct gateway_tenant, object);
		else if (tenant_new(gateway, name, &tenant) < 0)
			return error_set(error, -ENOMEM, "out of memory");
		if (map_put(&snapshot->tenants, slice_of(name), tenant, NULL) < 0) {
			registry_release(&tenant->object);
			return error_set(error, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

void tenants_release(struct gateway_snapshot *snapshot)
{
	map_foreach (entry, &snapshot->tenants) {
		struct gateway_tenant *tenant = entry->value;
		registry_release(&tenant->object);
	}
	map_fini(&snapshot->tenants);
}
