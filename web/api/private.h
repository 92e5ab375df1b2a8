/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include <civetweb.h>
#include <stdatomic.h>

#include "api/api.h"

enum {
	API_BODY_BYTES = 65536,
	API_IMPORT_BYTES = 1048576, /* of the front door, too */
	API_PRICES_BYTES = 8388608, /* likewise: a list, escaped */
	API_BODY_DEPTH = 8,
	API_PATH_BYTES = 512,
	API_METHODS_SIZE = 48,
	API_LIST_SIZE = 1024,
};

struct api_socket {
	int folder_fd, fd; /* fd: -1 once the server has it */
	ino_t inode;       /* of our socket in the folder; 0: none */
	char path[48];     /* good within this process alone */
};

struct api {
	struct mg_context *server;
	struct api_socket socket;
	char boot_secret[64];
	struct admin *_Atomic admin; /* NULL until attached */
};

/* One request, as the routes see it. */
struct api_call {
	struct mg_connection *connection;
	const struct mg_request_info *request;
	struct admin *admin;
	struct admin_caller caller;
	char session[KEYS_SESSION_SIZE]; /* the cookie's, or empty */
	char extra[64];                  /* a header line of the answer, or empty */
	const char *rest;                /* of the path behind the route's, percent-decoded */
};

/* The answer of a route: the HTTP status; `ret` a new reference, or NULL with `error` filled. */
typedef int (*api_route_fn)(struct api_call *call, json_t *body, json_t **ret, struct error *error);

struct api_route {
	const char *method, *path; /* a final '*' takes the rest */
	const char *parameters;    /* of the query: their names, blank-separated */
	api_route_fn run;
	bool open;          /* needs no log-in */
	long long body_max; /* of its body; 0: API_BODY_BYTES */
};

/* path.c: percent-decoding, once and strictly: -EINVAL for what is no encoding, for NUL and for
 * what is no UTF-8. -ENAMETOOLONG when it does not fit. With `form`, a + is a blank. */
int path_decode(struct slice text, bool form, char *ret, size_t size);
/* The value of a query's parameter, still encoded; NULL when it is not there. */
struct slice query_find(struct slice query, const char *name);

/* routes.c */
const struct api_route *api_route_find(const char *method, const char *path);
/* The methods that a path answers, as in an Allow header; false when there is nothing at it. */
bool api_route_methods(const char *path, char ret[static API_METHODS_SIZE]);
/* All paths, for who looks for one. */
void api_route_list(char ret[static API_LIST_SIZE]);
/* -EINVAL for a parameter that the route does not have, or has twice. */
int api_route_check_query(const struct api_route *route, const char *query, struct error *error);

/* socket.c: opens the folder; listens in it, mode 0600; then in place of the port of `server`.
 * leave removes the socket; fini also what failed half-way. wake makes the server look whether it
 * shall stop. */
int socket_open(struct api_socket *listener, const char *folder, struct error *error);
int socket_listen(struct api_socket *listener, struct error *error);
int socket_take_over(struct api_socket *listener, struct mg_context *server, struct error *error);
void socket_wake(const struct api_socket *listener);
void socket_leave(struct api_socket *listener);
void socket_fini(struct api_socket *listener);

/* answer.c */
void answer_json(struct api_call *call, int status, json_t *value, const char *extra_headers);
void answer_error(struct api_call *call, int status, const char *message);
void answer_bytes(struct api_call *call, int status, const char *type, struct slice body,
		  const char *extra_headers);
int status_of(int r);
/* A node's value with an ETag; 304 when the client has it. */
int answer_node(struct api_call *call, const char *path, const char *type);

/* page.c: true when the path is one of the page's files */
bool page_has(const char *path);
bool page_serve(struct api_call *call, const char *path);

/* session.c */
bool session_identify(struct api_call *call);
int session_login(struct api_call *call, json_t *body, json_t **ret, struct error *error);
int session_logout(struct api_call *call, json_t *body, json_t **ret, struct error *error);
