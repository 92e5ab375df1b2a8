/* SPDX-License-Identifier: Apache-2.0 */
/* The list is that of the configuration's routes, then models, each by name, then what providers
 * say they have, where their objects want that. OpenAI's is whole; Anthropic's and Google's are cut
 * as their queries say (docs.anthropic.com/en/api/models-list, ai.google.dev/api/models), but whole
 * where these say nothing, for who does not page would miss what is behind. */
#include "gateway/models.h"

#include "base/cleanup.h"
#include "gateway/refuse.h"
#include "gateway/rights.h"

enum {
	MODELS_LIMIT_MAX = 1000,
};

static const struct http_header type_json = { { "content-type", 12 }, { "application/json", 16 } };

/* ---- what a key sees ---- */

struct shown {
	struct slice name, provider;
};

/* `items` and the lists, which hold names, are the arena's and the caller's to release. */
struct sight {
	struct shown *items;
	size_t count;
	struct model_list **lists;
	size_t list_count;
};

static void sight_fini(struct sight *sight)
{
	for (size_t i = 0; i < sight->list_count; i++)
		model_list_unref(sight->lists[i]);
}

static void see(struct sight *sight, const struct keys_entry *key, struct slice name, bool is_route,
		struct slice provider)
{
	if (rights_allow_model(key, name, is_route))
		sight->items[sight->count++] = (struct shown){ name, provider };
}

/* Of providers that discover, in the order of their names. */
static size_t gather_lists(const struct gateway_snapshot *snapshot, struct sight *sight,
			   const struct gateway_provider **providers)
{
	size_t models = 0;

	for (size_t i = 0; i < snapshot->conf->provider_count; i++) {
		const struct gateway_provider *provider =
		    map_get(&snapshot->providers, slice_of(snapshot->conf->providers[i].name));
		struct model_list *list =
		    provider->discovers ? standing_models(provider->standing) : NULL;
		if (!list)
			continue;
		providers[sight->list_count] = provider;
		sight->lists[sight->list_count++] = list;
		models += list->count;
	}
	return models;
}

/* False when out of memory. */
static bool look(const struct gateway_snapshot *snapshot, const struct keys_entry *key,
		 struct arena *arena, struct sight *ret)
{
	size_t most = snapshot->conf->provider_count + 1;
	const struct gateway_provider **providers =
	    arena_alloc(arena, most * sizeof(const struct gateway_provider *));

	ret->lists = arena_alloc(arena, most * sizeof(struct model_list *));
	if (!providers || !ret->lists)
		return false;
	most = snapshot->listed_count + gather_lists(snapshot, ret, providers) + 1;
	ret->items = arena_alloc(arena, most * sizeof(*ret->items));
	if (!ret->items)
		return false;
	for (size_t i = 0; i < snapshot->listed_count; i++)
		see(ret, key, snapshot->listed[i]->name, !snapshot->listed[i]->is_model,
		    snapshot->listed[i]->targets[0].provider->name);
	for (size_t i = 0; i < ret->list_count; i++) {
		for (size_t j = 0; j < ret->lists[i]->count; j++) {
			struct slice name = ret->lists[i]->names[j];
			if (!map_get(&snapshot->routes, name))
				see(ret, key, name, false, providers[i]->name);
		}
	}
	return true;
}

/* ---- a page ---- */

struct page {
	uint64_t limit; /* 0: all */
	struct slice after, before;
};

/* What is wrong with it, or NULL. */
static const char *read_page(struct arena *arena, struct slice query, struct page *ret)
{
	while (query.len > 0) {
		struct slice value, pair = slice_cut(query, '&', &query);
		struct slice name = slice_cut(pair, '=', &value);

		if (slice_eq_str(name, "limit")) {
			if (slice_to_u64(value, &ret->limit) < 0 || ret->limit < 1 ||
			    ret->limit > MODELS_LIMIT_MAX)
				return "limit must be a whole number from 1 to 1000.";
		} else if (slice_eq_str(name, "after_id")) {
			ret->after = endpoint_unescape(arena, value, true);
		} else if (slice_eq_str(name, "before_id")) {
			ret->before = endpoint_unescape(arena, value, true);
		}
	}
	return ret->after.len > 0 && ret->before.len > 0
		   ? "after_id and before_id cannot be combined."
		   : NULL;
}

static const char *read_google_page(struct arena *arena, struct slice query, struct page *ret)
{
	while (query.len > 0) {
		struct slice value, pair = slice_cut(query, '&', &query);
		struct slice name = slice_cut(pair, '=', &value);

		if (slice_eq_str(name, "pageSize")) {
			if (slice_to_u64(value, &ret->limit) < 0)
				return "pageSize must be a whole number.";
			if (ret->limit > MODELS_LIMIT_MAX)
				ret->limit = MODELS_LIMIT_MAX;
		} else if (slice_eq_str(name, "pageToken")) {
			ret->after = endpoint_unescape(arena, value, true);
		}
	}
	return NULL;
}

/* Where it stands among those shown; `count` when nowhere. */
static size_t find_shown(const struct shown *shown, size_t count, struct slice id)
{
	size_t i = 0;

	while (i < count && !slice_eq(shown[i].name, id))
		i++;
	return i;
}

/* Cuts `*count` of them to the page: its first, and whether there are more in its direction. */
static size_t cut_page(const struct page *page, const struct shown *shown, size_t *count,
		       bool *ret_more)
{
	size_t first = 0, end = *count;

	if (page->before.len > 0) {
		end = find_shown(shown, end, page->before);
		first = page->limit && end > page->limit ? end - page->limit : 0;
		*ret_more = first > 0;
	} else {
		if (page->after.len > 0)
			first = find_shown(shown, end, page->after) + 1;
		first = first < end ? first : end;
		*ret_more = page->limit && end - first > page->limit;
		end = *ret_more ? first + page->limit : end;
	}
	*count = end - first;
	return first;
}

/* ---- answers ---- */

static void write_list(enum wire_dialect dialect, const struct shown *shown, size_t count,
		       bool more, struct buffer *out)
{
	struct slice none = { 0 };

	wire_models_begin(dialect, out);
	for (size_t i = 0; i < count; i++)
		wire_models_add(dialect, shown[i].name, shown[i].provider, i == 0, out);
	wire_models_end(dialect, count > 0 ? shown[0].name : none,
			count > 0 ? shown[count - 1].name : none, more, out);
}

static bool names_member(struct slice query, const char *name)
{
	struct slice value;

	while (query.len > 0) {
		struct slice member = slice_cut(query, '&', &query);

		if (slice_eq_str(slice_cut(member, '=', &value), name))
			return true;
	}
	return false;
}

/* Codex, which alone names its version, cannot read a list without a member of its own; when that
 * is empty it goes by what it knows itself. */
static void add_codex_member(struct buffer *body)
{
	struct buffer list = *body;

	*body = (struct buffer){ 0 };
	buffer_append_str(body, "{\"models\":[],");
	buffer_append_slice(body, slice_skip(buffer_slice(&list), 1));
	buffer_fini(&list);
}

static void reply_buffer(struct http_exchange *http, struct buffer *body)
{
	if (body->failed)
		http_abort(http);
	else
		http_reply(http, 200, &type_json, 1, buffer_slice(body));
	buffer_fini(body);
}

static void reply_sight(struct http_exchange *http, enum wire_dialect dialect, struct sight *sight)
{
	const struct http_request *request = http_exchange_request(http);
	struct arena *arena = http_exchange_arena(http);
	struct wire_error error = { .status = 400, .code = "invalid_request" };
	struct page page = { 0 };
	struct buffer body = { 0 };
	size_t first = 0;
	bool more = false;

	if (wire_is_anthropic(dialect) || wire_is_google(dialect)) {
		error.message = wire_is_google(dialect)
				    ? read_google_page(arena, request->query, &page)
				    : read_page(arena, request->query, &page);
		if (error.message) {
			reply_error(http, dialect, &error, NULL, 0);
			return;
		}
		first = cut_page(&page, sight->items, &sight->count, &more);
	}
	write_list(dialect, sight->items + first, sight->count, more, &body);
	if (dialect == WIRE_OPENAI_CHAT && !body.failed &&
	    names_member(request->query, "client_version"))
		add_codex_member(&body);
	reply_buffer(http, &body);
}

void models_reply(struct gateway_loop *loop, struct http_exchange *http,
		  const struct keys_entry *key)
{
	enum wire_dialect dialect = endpoint_dialect(http_exchange_request(http));
	struct sight sight = { 0 };

	if (look(loop->current->snapshot, key, http_exchange_arena(http), &sight))
		reply_sight(http, dialect, &sight);
	else
		http_abort(http);
	sight_fini(&sight);
}

/* Each is a model like any other here. */
void models_reply_tuned(struct http_exchange *http)
{
	http_reply(http, 200, &type_json, 1, SLICE("{\"tunedModels\":[]}"));
}

/* The provider of a configured model, or of one that it was discovered to have; ptr NULL: there is
 * none of that name. */
static struct slice find_provider(const struct gateway_snapshot *snapshot, struct slice id)
{
	const struct gateway_route *route = map_get(&snapshot->routes, id);
	struct slice model, name = slice_cut(id, '/', &model);
	const struct gateway_provider *provider;
	struct model_list *list;
	bool has;

	if (route)
		return route->targets[0].provider->name;
	provider = map_get(&snapshot->providers, name);
	list = provider && provider->discovers ? standing_models(provider->standing) : NULL;
	has = list && model_list_has(list, id);
	model_list_unref(list);
	return has ? provider->name : (struct slice){ 0 };
}

void models_reply_one(struct gateway_loop *loop, struct http_exchange *http,
		      const struct keys_entry *key)
{
	const struct http_request *request = http_exchange_request(http);
	enum wire_dialect dialect = endpoint_dialect(request);
	size_t prefix = slice_starts(request->path, SLICE("/v1/")) ? strlen("/v1/models/")
								   : strlen("/v1beta/models/");
	struct slice id =
	    endpoint_unescape(http_exchange_arena(http), slice_skip(request->path, prefix), false);
	const struct gateway_route *route = map_get(&loop->current->snapshot->routes, id);
	struct slice provider = find_provider(loop->current->snapshot, id);
	struct buffer body = { 0 };

	if (!provider.ptr || !rights_allow_model(key, id, route && !route->is_model)) {
		const struct wire_error unknown = refuse_model(http, key, id);

		reply_error(http, dialect, &unknown, NULL, 0);
		return;
	}
	wire_models_add(dialect, id, provider, true, &body);
	reply_buffer(http, &body);
}
