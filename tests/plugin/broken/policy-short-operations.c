/* SPDX-License-Identifier: Apache-2.0 */
/* A policy whose table ends before request(). */
#include "broken.h"

#include <tidegate/policy.h>

static const struct tide_policy_operations operations = {
	.size = offsetof(struct tide_policy_operations, request),
	.create = create,
	.destroy = destroy,
};
PLUGIN(.kind = TIDE_KIND_POLICY);
