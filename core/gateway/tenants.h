/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a tenant over reloads: its share of the memory for bodies. */
#pragma once

#include "gateway/exchange.h"

struct gateway_tenant {
	struct registry_object object; /* first: it is kept in the registry */
	struct http_share *share;      /* of the memory for bodies */
};

/* Fills snapshot->tenants. [admin] */
int tenants_add(struct gateway *gateway, struct gateway_snapshot *snapshot, struct error *error);
void tenants_release(struct gateway_snapshot *snapshot);
