/* SPDX-License-Identifier: Apache-2.0 */
/* The page and the REST API by civetweb, on a loopback port that only the front door knows the
 * secret of. It holds no logic: every answer is a node or a verb of admin. web/openapi.yaml is the
 * contract. Only this folder knows civetweb. */
#pragma once

#include "admin/admin.h"

struct api;

struct api_options {
	const char *boot_secret; /* every request must carry it in x-tidegate-boot */
};

/* Listens on 127.0.0.1 port 0; requests before api_attach are a 503. */
int api_new(const struct api_options *options, struct api **ret, uint16_t *ret_port,
	    struct error *error);
void api_attach(struct api *api, struct admin *admin);
struct api *api_free(struct api *api);
