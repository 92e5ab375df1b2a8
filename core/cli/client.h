/* SPDX-License-Identifier: Apache-2.0 */
/* One REST call over the appliance's Unix socket. */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* The answer's JSON as a new reference, whatever its status. -ECONNREFUSED and its like when the
 * appliance cannot be reached, -EPROTO when what answers is not the appliance. */
int client_call(const char *socket_path, const char *method, const char *path, json_t *body,
		int *ret_status, json_t **ret, struct error *error);
