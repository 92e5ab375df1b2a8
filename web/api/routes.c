/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of REST routes; each is a node or a verb of admin and nothing more. */
#include "api/private.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"

static int act(struct api_call *call, const char *verb, json_t *arguments, json_t **ret,
	       struct error *error)
{
	return admin_act(call->admin, verb, arguments, &call->caller, ret, error);
}

static int get_status(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return answer_node(call, "now/status.json", "application/json");
}

/* Query parameters that a verb takes as text. */
static int from_query(struct api_call *call, json_t *arguments, const char *name,
		      struct error *error)
{
	struct slice encoded = query_find(call->request->query_string, name);
	char value[256];

	if (!encoded.ptr)
		return 0;
	if (path_decode(encoded, true, value, sizeof(value)) < 0)
		return error_set(error, -EINVAL,
				 "the parameter \"%s\" is too long, no percent-encoded UTF-8, or "
				 "holds a NUL",
				 name);
	json_object_set_new(arguments, name, json_string(value));
	return 0;
}

static int get_costs(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *arguments = json_object();
	int r = from_query(call, arguments, "by", error);

	if (r >= 0)
		r = from_query(call, arguments, "period", error);
	if (r >= 0)
		r = act(call, "costs", arguments, ret, error);
	json_decref(arguments);
	return r;
}

static int get_logs(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *arguments = json_object(), *limit;
	int r = from_query(call, arguments, "after", error);
	uint64_t count = 0;

	if (r >= 0)
		r = from_query(call, arguments, "cursor", error);
	if (r >= 0)
		r = from_query(call, arguments, "limit", error);
	limit = json_object_get(arguments, "limit");
	/* What is no number becomes one that the verb refuses. */
	if (limit && slice_to_u64(slice_of(json_string_value(limit)), &count) < 0)
		count = 0;
	if (limit)
		json_object_set_new(arguments, "limit", json_integer((json_int_t)count));
	if (r >= 0)
		r = act(call, "logs", arguments, ret, error);
	json_decref(arguments);
	return r;
}

static int get_keys(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "keys.list", NULL, ret, error);
}

static int post_keys(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "keys.create", body, ret, error);
}

static int delete_key(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *arguments = json_pack("{s:s}", "name", call->rest);
	int r = arguments ? act(call, "keys.revoke", arguments, ret, error)
			  : error_set(error, -EINVAL, "the name of the key is not valid UTF-8");

	json_decref(arguments);
	return r;
}

static int post_reload(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "reload", NULL, ret, error);
}

static int post_check(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "check", NULL, ret, error);
}

static const struct api_route routes[] = {
	{ "POST", "/api/v1/login", session_login, true },
	{ "POST", "/api/v1/logout", session_logout, false },
	{ "GET", "/api/v1/status", get_status, false },
	{ "GET", "/api/v1/costs", get_costs, false },
	{ "GET", "/api/v1/logs", get_logs, false },
	{ "GET", "/api/v1/keys", get_keys, false },
	{ "POST", "/api/v1/keys", post_keys, false },
	{ "DELETE", "/api/v1/keys/*", delete_key, false },
	{ "POST", "/api/v1/reload", post_reload, false },
	{ "POST", "/api/v1/check", post_check, false },
};

static bool matches(const char *pattern, const char *path)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return strncmp(pattern, path, len - 1) == 0 && path[len - 1];
	return strcmp(pattern, path) == 0;
}

const struct api_route *api_route_find(const char *method, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (matches(routes[i].path, path) && strcmp(routes[i].method, method) == 0)
			return &routes[i];
	}
	return NULL;
}

bool api_route_methods(const char *path, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (matches(routes[i].path, path) && len < size)
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? ", " : "",
						routes[i].method);
	}
	return len > 0;
}
