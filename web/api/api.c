/* SPDX-License-Identifier: Apache-2.0 */
/* civetweb on a socket of its own: every request must carry the per-boot secret that only the front
 * door knows, then who asks is settled, then the table of routes decides. */
#include "api/private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"

/* ---- bodies ---- */

/* A form of another site cannot send this type without asking first. */
static bool is_json(const char *type)
{
	static const char wanted[] = "application/json";

	return type && strncasecmp(type, wanted, sizeof(wanted) - 1) == 0 &&
	       strchr("; \t", type[sizeof(wanted) - 1]);
}

/* No body here nests; a parser's recursion would overflow the small stacks of the page's server. */
static bool is_shallow(const char *text, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len && depth <= API_BODY_DEPTH; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
	}
	return depth <= API_BODY_DEPTH;
}

/* 0 and an object (or NULL without a body); an HTTP status otherwise. */
static int read_body(struct api_call *call, const struct api_route *route, json_t **ret,
		     const char **ret_message)
{
	long long length = call->request->content_length;
	const char *type = mg_get_header(call->connection, "Content-Type");
	_cleanup_free_ char *text = NULL;
	size_t at = 0;

	*ret = NULL;
	if (length <= 0)
		return 0;
	*ret_message = route->body_max == API_PRICES_BYTES   ? "the body is at most 8 MiB"
		       : route->body_max == API_IMPORT_BYTES ? "the body is at most 1 MiB"
							     : "bodies are at most 64 KiB";
	if (length > (route->body_max ? route->body_max : API_BODY_BYTES))
		return 413;
	*ret_message = "bodies are JSON: send content-type: application/json";
	if (!is_json(type))
		return 415;
	*ret_message = "out of memory; try again in a second";
	text = malloc((size_t)length);
	if (!text)
		return 500;
	*ret_message = "the body ended before its content-length; send it again";
	while (at < (size_t)length) {
		int n = mg_read(call->connection, text + at, (size_t)length - at);
		if (n <= 0)
			return 400;
		at += (size_t)n;
	}
	*ret_message =
	    "the body is no JSON object of one level; check its quotes, commas and braces";
	if (!is_shallow(text, at))
		return 400;
	*ret = json_loadb(text, at, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return 400;
	}
	return 0;
}

/* ---- one request ---- */

static void run_route(struct api_call *call, const struct api_route *route)
{
	const char *message = "";
	json_t *body, *result = NULL;
	struct error error = { 0 };
	int r = read_body(call, route, &body, &message);

	if (r) {
		answer_error(call, r, message);
		return;
	}
	r = api_route_check_query(route, call->request->query_string, &error);
	if (r >= 0)
		r = route->run(call, body, &result, &error);
	json_decref(body);
	if (r < 0) {
		char text[1024];
		answer_error(call, status_of(r), error_text(&error, text, sizeof(text)));
	} else if (result) {
		answer_json(call, 200, result, NULL);
		json_decref(result);
	}
}

static bool from_other_site(struct api_call *call)
{
	const char *site = mg_get_header(call->connection, "Sec-Fetch-Site");

	return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

/* A path without a route for this method: which methods it has, or that there is none such. */
static void answer_methods(struct api_call *call, const char *path)
{
	const char *method = call->request->request_method;
	char methods[API_METHODS_SIZE], message[API_PATH_BYTES + API_LIST_SIZE + 64];
	char list[API_LIST_SIZE];

	if (!api_route_methods(path, methods)) {
		api_route_list(list);
		snprintf(message, sizeof(message), "there is nothing at %s, but at %s", path, list);
		answer_error(call, 404, message);
		return;
	}
	snprintf(call->extra, sizeof(call->extra), "Allow: %s\r\n", methods);
	if (strcmp(method, "OPTIONS") == 0) {
		answer_bytes(call, 204, NULL, SLICE(""), call->extra);
		return;
	}
	snprintf(message, sizeof(message), "%s does not answer %s, but %s", path, method, methods);
	answer_error(call, 405, message);
}

static void refuse_stranger(struct api_call *call)
{
	char message[160];

	if (strncmp(call->caller.from, "unix:", 5) == 0)
		snprintf(message, sizeof(message),
			 "this socket answers root and the user that tidegated runs as, and you "
			 "are uid %s: use sudo",
			 call->caller.from + 5);
	else
		snprintf(message, sizeof(message),
			 "log in first, at the page or by POST /api/v1/login");
	answer_error(call, 401, message);
}

static void dispatch(struct api_call *call, const char *path)
{
	const char *method = call->request->request_method;
	bool known = session_identify(call), read = strcmp(method, "GET") == 0;
	const struct api_route *route = api_route_find(method, path);
	char rest[API_PATH_BYTES];

	if (read && page_serve(call, path))
		return;
	/* Without a log-in, nobody learns which paths exist. */
	if (!known && !(route && route->open) && !page_has(path)) {
		refuse_stranger(call);
		return;
	}
	if (!route) {
		answer_methods(call, path);
		return;
	}
	if (!read && from_other_site(call)) {
		answer_error(call, 403,
			     "changes are taken from the page itself, not from other sites");
		return;
	}
	if (path_decode(slice_of(path + strcspn(route->path, "*")), false, rest, sizeof(rest)) <
	    0) {
		answer_error(call, 400,
			     "the name at the end of the path is too long, no percent-encoded "
			     "UTF-8, or holds a NUL");
		return;
	}
	call->rest = rest;
	run_route(call, route);
}

static bool knows_secret(const struct api *api, struct mg_connection *connection)
{
	const char *secret = mg_get_header(connection, "x-tidegate-boot");
	size_t len = strlen(api->boot_secret);

	return secret && strlen(secret) == len && hash_equal(secret, api->boot_secret, len);
}

static int handle(struct mg_connection *connection, void *data)
{
	struct api *api = data;
	struct api_call call = { .connection = connection,
				 .request = mg_get_request_info(connection) };
	const char *path = call.request->request_uri;

	call.admin = atomic_load(&api->admin);
	if (!knows_secret(api, connection))
		answer_error(&call, 403,
			     "this socket belongs to the appliance; use the admin listener");
	else if (!call.admin)
		answer_error(&call, 503, "the appliance is starting; try again in a second");
	else if (!path || strlen(path) >= API_PATH_BYTES)
		answer_error(&call, 404, "there is nothing at a path as long as this");
	else
		dispatch(&call, path);
	return 1;
}

static int log_message(const struct mg_connection *connection, const char *message)
{
	log_debug("page server: %s", message);
	return 1;
}

/* ---- life ---- */

CLEANUP_DEFINE(struct api, api_free);

static struct mg_context *start_server(struct api *api)
{
	static const struct mg_callbacks callbacks = { .log_message = log_message };
	static const char *settings[] = {
		"listening_ports",
		"127.0.0.1:0",
		"num_threads",
		"3",
		"request_timeout_ms",
		"10000",
		"enable_keep_alive",
		"no",
		"enable_directory_listing",
		"no",
		"decode_url",
		"no",
		"max_request_size",
		"65536",
		NULL,
	};

	return mg_start(&callbacks, api, settings);
}

int api_new(const struct api_options *options, struct api **ret, struct error *error)
{
	_cleanup_(cleanup_api_free) struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return error_set(error, -ENOMEM, "out of memory");
	mg_init_library(0);
	snprintf(api->boot_secret, sizeof(api->boot_secret), "%s", options->boot_secret);
	r = socket_open(&api->socket, options->folder, error);
	if (r < 0)
		return r;
	*ret = steal(api);
	return 0;
}

int api_listen(struct api *api, struct error *error)
{
	int r = socket_listen(&api->socket, error);

	if (r < 0)
		return r;
	api->server = start_server(api);
	if (!api->server)
		return error_set(error, -EADDRNOTAVAIL, "the page's server cannot start");
	mg_set_request_handler(api->server, "/", handle, api);
	return socket_take_over(&api->socket, api->server, error);
}

const char *api_socket(const struct api *api)
{
	return api->socket.path;
}

void api_attach(struct api *api, struct admin *admin)
{
	atomic_store(&api->admin, admin);
}

struct stopping {
	struct api *api;
	atomic_bool done;
};

static void *stop_main(void *data)
{
	struct stopping *stopping = data;

	mg_stop(stopping->api->server);
	atomic_store(&stopping->done, true);
	return NULL;
}

/* The server looks whether it shall stop every two seconds, and whenever somebody connects. */
static void stop_server(struct api *api)
{
	static const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	struct stopping stopping = { .api = api };
	pthread_t thread;

	if (pthread_create(&thread, NULL, stop_main, &stopping)) {
		mg_stop(api->server);
		return;
	}
	while (!atomic_load(&stopping.done)) {
		socket_wake(&api->socket);
		nanosleep(&pause, NULL);
	}
	pthread_join(thread, NULL);
}

void api_leave(struct api *api)
{
	if (api->server)
		stop_server(api);
	api->server = NULL;
	socket_leave(&api->socket);
}

struct api *api_free(struct api *api)
{
	if (!api)
		return NULL;
	api_leave(api);
	mg_exit_library();
	socket_fini(&api->socket);
	free(api);
	return NULL;
}
