/* SPDX-License-Identifier: Apache-2.0 */
/* The list is that of the configuration's routes, then models, each by name. OpenAI's is whole;
 * Anthropic's is cut as its query says (docs.anthropic.com/en/api/models-list), but whole where it
 * says nothing, for who does not page would miss what is behind. */
#include "gateway/models.h"

#include "base/cleanup.h"
#include "gateway/refuse.h"
#include "gateway/rights.h"

enum {
	MODELS_LIMIT_MAX = 1000,
};

static const struct http_header type_json = { { "content-type", 12 }, { "application/json", 16 } };

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

/* Where it stands among those shown; `count` when nowhere. */
static size_t find_shown(const struct gateway_route *const *shown, size_t count, struct slice id)
{
	size_t i = 0;

	while (i < count && !slice_eq(shown[i]->name, id))
		i++;
	return i;
}

/* Cuts `*count` routes to the page: its first, and whether there are more in its direction. */
static size_t cut_page(const struct page *page, const struct gateway_route *const *shown,
		       size_t *count, bool *ret_more)
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

static void write_list(enum wire_dialect dialect, const struct gateway_route *const *shown,
		       size_t count, bool more, struct buffer *out)
{
	struct slice none = { 0 };

	wire_models_begin(dialect, out);
	for (size_t i = 0; i < count; i++)
		wire_models_add(dialect, shown[i]->name, shown[i]->targets[0].provider->name,
				i == 0, out);
	wire_models_end(dialect, count > 0 ? shown[0]->name : none,
			count > 0 ? shown[count - 1]->name : none, more, out);
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

void models_reply(struct gateway_loop *loop, struct http_exchange *http,
		  const struct keys_entry *key)
{
	const struct gateway_snapshot *snapshot = loop->current->snapshot;
	const struct http_request *request = http_exchange_request(http);
	enum wire_dialect dialect = endpoint_dialect(request);
	struct arena *arena = http_exchange_arena(http);
	const struct gateway_route **shown =
	    arena_alloc(arena, (snapshot->listed_count + 1) * sizeof(const struct gateway_route *));
	struct wire_error error = { .status = 400, .code = "invalid_request" };
	struct page page = { 0 };
	struct buffer body = { 0 };
	size_t count = 0, first = 0;
	bool more = false;

	if (!shown) {
		http_abort(http);
		return;
	}
	for (size_t i = 0; i < snapshot->listed_count; i++) {
		if (rights_allow_model(key, snapshot->listed[i]->name))
			shown[count++] = snapshot->listed[i];
	}
	if (wire_is_anthropic(dialect)) {
		error.message = read_page(arena, request->query, &page);
		if (error.message) {
			reply_error(http, dialect, &error, NULL, 0);
			return;
		}
		first = cut_page(&page, shown, &count, &more);
	}
	write_list(dialect, shown + first, count, more, &body);
	if (!wire_is_anthropic(dialect) && !body.failed &&
	    names_member(request->query, "client_version"))
		add_codex_member(&body);
	reply_buffer(http, &body);
}

void models_reply_one(struct gateway_loop *loop, struct http_exchange *http,
		      const struct keys_entry *key)
{
	const struct http_request *request = http_exchange_request(http);
	enum wire_dialect dialect = endpoint_dialect(request);
	struct slice id = endpoint_unescape(
	    http_exchange_arena(http), slice_skip(request->path, strlen("/v1/models/")), false);
	const struct gateway_route *route = map_get(&loop->current->snapshot->routes, id);
	struct buffer body = { 0 };

	if (!route || !rights_allow_model(key, id)) {
		const struct wire_error unknown = refuse_model(http, key, id);

		reply_error(http, dialect, &unknown, NULL, 0);
		return;
	}
	wire_models_add(dialect, route->name, route->targets[0].provider->name, true, &body);
	reply_buffer(http, &body);
}
