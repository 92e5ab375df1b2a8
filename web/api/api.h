/* SPDX-License-Identifier: Apache-2.0 */
/* The page and the REST API by civetweb, on a Unix socket that only the front door opens. It holds
 * no logic: every answer is a node or a verb of admin. web/openapi.yaml is the contract. Only this
 * folder knows civetweb. */
#pragma once

#include "admin/admin.h"

struct api;

struct api_options {
	const char *boot_secret; /* every request must carry it in x-tidegate-boot */
	const char *folder;      /* of the socket, which is the daemon's user's alone */
};

/* Nobody listens before api_listen; requests before api_attach are a 503. */
int api_new(const struct api_options *options, struct api **ret, struct error *error);
int api_listen(struct api *api, struct error *error);
/* Ends the server, so that another daemon listens in its place: who then connects by api_socket
 * reaches that one. While verbs are refused. It may listen again later. */
void api_leave(struct api *api);
/* Path of the socket, which no other process can use; lives as long as `api`. */
const char *api_socket(const struct api *api);
void api_attach(struct api *api, struct admin *admin);
struct api *api_free(struct api *api);
