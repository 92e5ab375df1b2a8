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
	struct slice encoded = query_find(slice_of(call->request->query_string ?: ""), name);
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
	static const char *const names[] = { "by",   "period", "tenant", "feature", "key",
					     "user", "route",  "model",  "provider" };
	json_t *arguments = json_object();
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(names); i++)
		r = from_query(call, arguments, names[i], error);
	if (r >= 0)
		r = act(call, "costs", arguments, ret, error);
	json_decref(arguments);
	return r;
}

static int get_corrections(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *arguments = json_object();
	int r = from_query(call, arguments, "period", error);

	if (r >= 0)
		r = act(call, "corrections", arguments, ret, error);
	json_decref(arguments);
	return r;
}

static int post_corrections(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "correct", body, ret, error);
}

static int post_reconcile(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "reconcile", body, ret, error);
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

static int get_request(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *arguments = json_pack("{s:s}", "id", call->rest);
	int r = arguments ? act(call, "requests.get", arguments, ret, error)
			  : error_set(error, -EINVAL, "the id of the request is not valid UTF-8");

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

static int post_rotate(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "keys.rotate", body, ret, error);
}

static int post_import(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "keys.import", body, ret, error);
}

static int delete_key(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	struct slice now = query_find(slice_of(call->request->query_string ?: ""), "now");
	json_t *arguments =
	    json_pack("{s:s, s:b}", "name", call->rest, "now", slice_eq_str(now, "true"));
	int r;

	if (now.ptr && !slice_eq_str(now, "true") && !slice_eq_str(now, "false")) {
		json_decref(arguments);
		return error_set(error, -EINVAL, "\"now\" must be true or false");
	}
	r = arguments ? act(call, "keys.revoke", arguments, ret, error)
		      : error_set(error, -EINVAL, "the name of the key is not valid UTF-8");

	json_decref(arguments);
	return r;
}

static int get_prices(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "prices.list", NULL, ret, error);
}

static int post_prices_import(struct api_call *call, json_t *body, json_t **ret,
			      struct error *error)
{
	return act(call, "prices.import", body, ret, error);
}

static int post_prices_use(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "prices.use", body, ret, error);
}

static int post_prices_diff(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "prices.diff", body, ret, error);
}

static int post_prices_explain(struct api_call *call, json_t *body, json_t **ret,
			       struct error *error)
{
	return act(call, "prices.explain", body, ret, error);
}

static int post_prices_set(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "prices.set", body, ret, error);
}

static int post_prices_unset(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "prices.unset", body, ret, error);
}

static int post_prices_override(struct api_call *call, json_t *body, json_t **ret,
				struct error *error)
{
	return act(call, "prices.override", body, ret, error);
}

static int get_plugins(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	return act(call, "plugins.list", NULL, ret, error);
}

static int post_plugins_enable(struct api_call *call, json_t *body, json_t **ret,
			       struct error *error)
{
	return act(call, "plugins.enable", body, ret, error);
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
	{ "POST", "/api/v1/login", "", session_login, true },
	{ "POST", "/api/v1/logout", "", session_logout, false },
	{ "GET", "/api/v1/status", "", get_status, false },
	{ "GET", "/api/v1/costs", "by period tenant feature key user route model provider",
	  get_costs, false },
	{ "GET", "/api/v1/corrections", "period", get_corrections, false },
	{ "POST", "/api/v1/corrections", "", post_corrections, false },
	{ "POST", "/api/v1/reconcile", "", post_reconcile, false, API_PRICES_BYTES },
	{ "GET", "/api/v1/logs", "after cursor limit", get_logs, false },
	{ "GET", "/api/v1/requests/*", "", get_request, false },
	{ "GET", "/api/v1/keys", "", get_keys, false },
	{ "POST", "/api/v1/keys", "", post_keys, false },
	{ "POST", "/api/v1/keys/rotate", "", post_rotate, false },
	{ "POST", "/api/v1/keys/import", "", post_import, false, API_IMPORT_BYTES },
	{ "DELETE", "/api/v1/keys/*", "now", delete_key, false },
	{ "GET", "/api/v1/prices", "", get_prices, false },
	{ "POST", "/api/v1/prices/import", "", post_prices_import, false, API_PRICES_BYTES },
	{ "POST", "/api/v1/prices/diff", "", post_prices_diff, false, API_PRICES_BYTES },
	{ "POST", "/api/v1/prices/override", "", post_prices_override, false, API_PRICES_BYTES },
	{ "POST", "/api/v1/prices/explain", "", post_prices_explain, false },
	{ "POST", "/api/v1/prices/set", "", post_prices_set, false },
	{ "POST", "/api/v1/prices/unset", "", post_prices_unset, false },
	{ "POST", "/api/v1/prices/use", "", post_prices_use, false },
	{ "GET", "/api/v1/plugins", "", get_plugins, false },
	{ "POST", "/api/v1/plugins/enable", "", post_plugins_enable, false },
	{ "POST", "/api/v1/reload", "", post_reload, false },
	{ "POST", "/api/v1/check", "", post_check, false },
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

static bool has_word(const char *words, const char *word)
{
	struct slice rest = slice_of(words);

	while (rest.len) {
		if (slice_eq_str(slice_cut(rest, ' ', &rest), word))
			return true;
	}
	return false;
}

static void add_word(char *text, size_t size, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", len ? ", " : "", word);
}

bool api_route_methods(const char *path, char ret[static API_METHODS_SIZE])
{
	*ret = '\0';
	if (page_has(path))
		add_word(ret, API_METHODS_SIZE, "GET, HEAD");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!matches(routes[i].path, path))
			continue;
		add_word(ret, API_METHODS_SIZE, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			add_word(ret, API_METHODS_SIZE, "HEAD");
	}
	if (!*ret)
		return false;
	add_word(ret, API_METHODS_SIZE, "OPTIONS");
	return true;
}

void api_route_list(char ret[static API_LIST_SIZE])
{
	*ret = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		const char *path = routes[i].path;
		if (i == 0 || (strcmp(path, routes[i - 1].path) != 0 && !strchr(path, '*')))
			add_word(ret, API_LIST_SIZE, path);
	}
}

/* What is given twice is as wrong as what nobody reads: either way something else was meant. */
int api_route_check_query(const struct api_route *route, const char *query, struct error *error)
{
	struct slice rest = slice_of(query ? query : ""), before;
	const char *begin = rest.ptr;
	char name[64];

	while (rest.len) {
		struct slice value, pair = slice_cut(rest, '&', &rest);
		struct slice word = slice_cut(pair, '=', &value);
		if (pair.len == 0)
			continue;
		if (path_decode(word, true, name, sizeof(name)) < 0)
			return error_set(error, -EINVAL,
					 "the parameter \"%.*s\" is too long, no percent-encoded "
					 "UTF-8, or holds a NUL",
					 SLICE_ARGS(word));
		if (!*route->parameters)
			return error_set(error, -EINVAL,
					 "nothing here takes parameters; leave \"%s\" out", name);
		if (!has_word(route->parameters, name))
			return error_set(error, -EINVAL,
					 "\"%s\" is none of the parameters here, which are: %s",
					 name, route->parameters);
		before = slice_span(begin, pair.ptr);
		if (query_find(before, name).ptr)
			return error_set(error, -EINVAL, "the parameter \"%s\" is given twice",
					 name);
	}
	return 0;
}
