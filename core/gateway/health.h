/* SPDX-License-Identifier: Apache-2.0 */
/* Health, as the loop answers it; private to the gateway. [loop] */
#pragma once

#include "gateway/gateway.h"
#include "gateway/routes.h"

/* False: the endpoint is another's. Without `detail` a reason is not told. */
bool health_reply(struct gateway *gateway, struct http_exchange *http, enum endpoint endpoint,
		  bool detail);
