/* SPDX-License-Identifier: Apache-2.0 */
/* A policy whose request() is missing. */
#include "broken.h"

#include <tidegate/policy.h>

static const struct tide_policy_operations operations = {
	.size = sizeof(struct tide_policy_operations),
	.create = create,
	.destroy = destroy,
};
PLUGIN(.kind = TIDE_KIND_POLICY);
