/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a price book. The file is written by packaging/fetch, which says its shape: the data of
 * npm's @pydantic/genai-prices (MIT); a list of providers alone is one too. It is scanned, not
 * parsed into a tree. */
#include "ledger/price-load.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	FILE_MAX_BYTES = 64 << 20,
	RULE_DEPTH_MAX = 16,
	NOTES_MAX = 16,
	NAME_TEXT_MAX = 100,
};

int loader_bad(struct loader *loader, struct slice where, const char *what)
{
	char whose[200] = "";

	if (loader->provider.len > 0)
		snprintf(whose, sizeof(whose), "%.*s%s%.*s: ",
			 (int)(loader->provider.len < 80 ? loader->provider.len : 80),
			 loader->provider.ptr, loader->model.len > 0 ? "/" : "",
			 (int)(loader->model.len < 80 ? loader->model.len : 80), loader->model.ptr);
	return error_set_at(loader->error, -EINVAL, loader->path, 0, 0, "%s%.*s%s%s", whose,
			    (int)(where.len < 80 ? where.len : 80), where.len > 0 ? where.ptr : "",
			    where.len > 0 ? " " : "", what);
}

int loader_note(struct loader *loader, struct slice key, const char *what)
{
	if (loader->kind == LEDGER_BOOK_OVERRIDE)
		return loader_bad(loader, key, what);
	if (loader->note_count++ < NOTES_MAX)
		buffer_printf(&loader->notes, "%.*s/%.*s: %.*s%s%s\n", (int)loader->provider.len,
			      loader->provider.ptr, (int)loader->model.len, loader->model.ptr,
			      (int)key.len, key.len > 0 ? key.ptr : "", key.len > 0 ? " " : "",
			      what);
	return 0;
}

int loader_add_text(struct loader *loader, struct slice json, bool keep_case, uint32_t *ret_at,
		    uint32_t *ret_len)
{
	char text[1024];
	int len;

	if (json.len < 2 || json.ptr[0] != '"')
		return loader_bad(loader, json, "is no text");
	len = json_to_text(json, text, sizeof(text));
	if (len < 0)
		return loader_bad(loader, json, "is too long");
	for (int i = 0; i < len && !keep_case; i++)
		text[i] = (char)tolower((unsigned char)text[i]);
	*ret_at = loader_text(loader);
	*ret_len = (uint32_t)len;
	buffer_append(&loader->part[PART_TEXT], text, (size_t)len + 1);
	return 0;
}

static int add_regex(struct loader *loader, struct slice json, struct rule *rule)
{
	struct pattern *pattern;
	uint32_t at, len;
	int r = loader_add_text(loader, json, true, &at, &len);

	if (r < 0)
		return r;
	if (loader->part[PART_TEXT].failed)
		return -ENOMEM;
	r = pattern_new(loader->part[PART_TEXT].data + at, &pattern);
	if (r < 0)
		return loader_bad(loader, json, "is no regular expression");
	rule->at = loader_count(loader, PART_PATTERNS, sizeof(pattern));
	buffer_append(&loader->part[PART_PATTERNS], &pattern, sizeof(pattern));
	return 0;
}

static enum rule_kind rule_kind_of(struct slice key)
{
	static const char *const kinds[] = { "equals", "starts_with", "ends_with", "contains",
					     "regex",  "or",          "and" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (slice_eq_str(key, kinds[i]))
			return (enum rule_kind)i;
	return RULE_NEVER;
}

static int read_rule(struct loader *loader, struct slice json, uint32_t at, int depth);

/* Children lie side by side: their places are taken first, then filled. */
static int read_children(struct loader *loader, struct slice array, struct rule *rule, int depth)
{
	struct json_member child;
	struct slice rest = array;
	struct rule empty = { .kind = RULE_NEVER };
	int r = 0;

	rule->at = loader_count(loader, PART_RULES, sizeof(*rule));
	for (uint32_t i = 0; json_next(&rest, &child); i++) {
		buffer_append(&loader->part[PART_RULES], &empty, sizeof(empty));
		rule->len = i + 1;
	}
	rest = array;
	for (uint32_t i = 0; r == 0 && json_next(&rest, &child); i++)
		r = read_rule(loader, child.value, rule->at + i, depth + 1);
	return r;
}

static int read_rule(struct loader *loader, struct slice json, uint32_t at, int depth)
{
	struct json_member member;
	struct slice rest = json;
	struct rule rule = { .kind = RULE_NEVER };
	uint32_t len = 0;
	int r = 0;

	if (depth > RULE_DEPTH_MAX || json.len == 0 || json.ptr[0] != '{' ||
	    !json_next(&rest, &member))
		return loader_bad(loader, json, "is no rule");
	rule.kind = rule_kind_of(member.key);
	if (rule.kind == RULE_OR || rule.kind == RULE_AND) {
		if (member.type != JSON_SCAN_ARRAY)
			return loader_bad(loader, json, "is no rule");
		r = read_children(loader, member.value, &rule, depth);
	} else if (rule.kind == RULE_REGEX) {
		r = add_regex(loader, member.value, &rule);
	} else if (rule.kind != RULE_NEVER) {
		r = loader_add_text(loader, member.value, false, &rule.at, &len);
		rule.len = len;
	}
	if (r < 0)
		return r;
	if (loader->part[PART_RULES].failed)
		return -ENOMEM;
	memcpy(loader->part[PART_RULES].data + at * sizeof(rule), &rule, sizeof(rule));
	return 0;
}

static int add_rule(struct loader *loader, struct slice json, uint32_t *ret_at)
{
	struct rule rule = { .kind = RULE_NEVER };

	*ret_at = loader_count(loader, PART_RULES, sizeof(rule));
	buffer_append(&loader->part[PART_RULES], &rule, sizeof(rule));
	return read_rule(loader, json, *ret_at, 0);
}

static struct slice unquoted(struct slice json)
{
	return json.len >= 2 ? (struct slice){ json.ptr + 1, json.len - 2 } : json;
}

/* A rule as it is written, without what is between its words. */
static uint32_t add_match(struct loader *loader, struct slice json)
{
	struct buffer *text = &loader->part[PART_TEXT];
	uint32_t at = loader_text(loader);
	bool inside = false;

	for (size_t i = 0; i < json.len; i++) {
		if (json.ptr[i] == '"')
			inside = !inside;
		else if (json.ptr[i] == '\\' && inside && i + 1 < json.len)
			buffer_append_char(text, json.ptr[i++]);
		if (inside || (unsigned char)json.ptr[i] > ' ')
			buffer_append_char(text, json.ptr[i]);
	}
	loader_end_text(loader);
	return at;
}

static int add_model(struct loader *loader, struct slice json)
{
	struct model_row row = { .first_price =
				     loader_count(loader, PART_PRICES, sizeof(struct price_row)) };
	struct json_member match, prices, id = { 0 };
	uint32_t len;
	int r;

	if (json.len == 0 || json.ptr[0] != '{' || !json_find(json, "match", &match) ||
	    !json_find(json, "prices", &prices))
		return loader_bad(loader, json, "is no model: match and prices are needed");
	loader->model = json_find(json, "id", &id) ? unquoted(id.value) : (struct slice){ 0 };
	r = add_rule(loader, match.value, &row.rule);
	row.match = add_match(loader, match.value);
	if (r == 0 && id.value.len > 0)
		r = loader_add_text(loader, id.value, true, &row.id, &len);
	if (r == 0)
		r = price_read_model(loader, prices.value, prices.type);
	if (r < 0)
		return r;
	row.price_count =
	    loader_count(loader, PART_PRICES, sizeof(struct price_row)) - row.first_price;
	if (row.price_count == 0)
		return loader_bad(loader, json, "has no prices");
	loader->partial += loader->model_partial;
	loader->model = (struct slice){ 0 };
	buffer_append(&loader->part[PART_MODELS], &row, sizeof(row));
	return 0;
}

static int add_fallbacks(struct loader *loader, struct slice array, struct provider_row *row)
{
	struct json_member id;
	uint32_t at, len;
	int r = 0;

	while (r == 0 && json_next(&array, &id)) {
		r = loader_add_text(loader, id.value, false, &at, &len);
		buffer_append(&loader->part[PART_FALLBACKS], &at, sizeof(at));
		row->fallback_count++;
	}
	return r;
}

static int add_provider(struct loader *loader, struct slice json)
{
	struct provider_row row = {
		.provider_rule = BOOK_NONE,
		.model_rule = BOOK_NONE,
		.first_model = loader_count(loader, PART_MODELS, sizeof(struct model_row)),
		.first_fallback = loader_count(loader, PART_FALLBACKS, sizeof(uint32_t)),
	};
	struct json_member id, models, member;
	int r;

	if (!json_find(json, "id", &id) || !json_find(json, "models", &models))
		return loader_bad(loader, json, "is no provider: id and models are needed");
	loader->provider = unquoted(id.value);
	r = loader_add_text(loader, id.value, false, &row.id, &row.id_len);
	if (r == 0 && json_find(json, "provider_match", &member))
		r = add_rule(loader, member.value, &row.provider_rule);
	if (r == 0 && json_find(json, "model_match", &member))
		r = add_rule(loader, member.value, &row.model_rule);
	if (r == 0 && json_find(json, "fallback_model_providers", &member))
		r = add_fallbacks(loader, member.value, &row);
	while (r == 0 && json_next(&models.value, &member))
		r = add_model(loader, member.value);
	if (r < 0)
		return r;
	row.model_count =
	    loader_count(loader, PART_MODELS, sizeof(struct model_row)) - row.first_model;
	loader->provider = (struct slice){ 0 };
	buffer_append(&loader->part[PART_PROVIDERS], &row, sizeof(row));
	return 0;
}

/* From ids to indexes. */
static int resolve_fallbacks(struct loader *loader)
{
	struct provider_row *providers = (void *)loader->part[PART_PROVIDERS].data;
	uint32_t *fallbacks = (void *)loader->part[PART_FALLBACKS].data;
	uint32_t count = loader_count(loader, PART_PROVIDERS, sizeof(*providers));
	const char *text = loader->part[PART_TEXT].data;

	for (uint32_t i = 0; i < loader_count(loader, PART_FALLBACKS, sizeof(*fallbacks)); i++) {
		uint32_t at = 0;

		while (at < count && strcmp(text + providers[at].id, text + fallbacks[i]) != 0)
			at++;
		if (at == count)
			return loader_bad(loader, slice_of(text + fallbacks[i]),
					  "is no provider to fall back on");
		fallbacks[i] = at;
	}
	return 0;
}

static void index_rule(struct ledger_book *book, uint32_t provider, const struct rule *rule)
{
	const struct rule *rules = BOOK_ROWS(book, PART_RULES, struct rule);
	struct index_row *rows = (struct index_row *)BOOK_ROWS(book, PART_INDEX, struct index_row);
	struct slice name = { book_text(book, rule->at), rule->len };

	if (rule->kind == RULE_OR || rule->kind == RULE_AND)
		for (uint32_t i = 0; i < rule->len; i++)
			index_rule(book, provider, &rules[rule->at + i]);
	if (rule->kind != RULE_EQUALS)
		return;
	rows[book_index_slot(book, provider, name)] =
	    (struct index_row){ rule->at, rule->len, provider,
				book_scan_models(book, provider, name) };
}

static void index_models(struct ledger_book *book)
{
	const struct provider_row *providers = BOOK_ROWS(book, PART_PROVIDERS, struct provider_row);
	const struct model_row *models = BOOK_ROWS(book, PART_MODELS, struct model_row);
	const struct rule *rules = BOOK_ROWS(book, PART_RULES, struct rule);

	for (uint32_t p = 0; p < BOOK_COUNT(book, PART_PROVIDERS, struct provider_row); p++)
		for (uint32_t m = 0; m < providers[p].model_count; m++)
			index_rule(book, p, &rules[models[providers[p].first_model + m].rule]);
}

/* An index twice as large as the rules that may fill it. */
static int reserve_index(struct loader *loader, uint32_t *ret_cap)
{
	const struct rule *rules = (const void *)loader->part[PART_RULES].data;
	struct index_row empty = { .model = BOOK_NONE };
	uint32_t equals = 0, cap = 16;

	for (uint32_t i = 0; i < loader_count(loader, PART_RULES, sizeof(*rules)); i++)
		equals += rules[i].kind == RULE_EQUALS;
	while (cap < equals * 3 / 2)
		cap *= 2;
	for (uint32_t i = 0; i < cap; i++)
		buffer_append(&loader->part[PART_INDEX], &empty, sizeof(empty));
	*ret_cap = cap;
	return loader->part[PART_INDEX].failed ? -ENOMEM : 0;
}

static int freeze(struct loader *loader, struct ledger_book **ret)
{
	struct ledger_book *book;
	size_t bytes = sizeof(*book);
	uint32_t cap;
	char *at;

	if (reserve_index(loader, &cap) < 0)
		return -ENOMEM;
	for (int i = 0; i < PARTS; i++) {
		if (loader->part[i].failed)
			return -ENOMEM;
		bytes += (loader->part[i].len + 7) & ~(size_t)7;
	}
	book = calloc(1, bytes);
	if (!book)
		return -ENOMEM;
	atomic_init(&book->references, 1);
	book->index_cap = cap;
	at = (char *)(book + 1);
	for (int i = 0; i < PARTS; i++) {
		if (loader->part[i].len > 0)
			memcpy(at, loader->part[i].data, loader->part[i].len);
		book->part[i] = at;
		book->part_bytes[i] = loader->part[i].len;
		at += (loader->part[i].len + 7) & ~(size_t)7;
	}
	buffer_clear(&loader->part[PART_PATTERNS]); /* they are the book's now */
	index_models(book);
	*ret = book;
	return 0;
}

/* A list of providers is scanned as what it would be as a member. */
static int find_providers(struct loader *loader, struct slice text, struct buffer *room,
			  struct slice *ret_all, struct json_member *ret)
{
	struct json_member members[JSON_MEMBERS_MAX];
	size_t at = 0;

	while (at < text.len && strchr(" \t\r\n", text.ptr[at]))
		at++;
	if (at < text.len && text.ptr[at] == '[') {
		buffer_append_str(room, "{\"providers\":");
		buffer_append_slice(room, text);
		buffer_append_char(room, '}');
		if (room->failed)
			return -ENOMEM;
		text = buffer_slice(room);
	}
	if (json_scan_object(text, members, ARRAY_SIZE(members), loader->error) < 0)
		return error_set_at(loader->error, -EINVAL, loader->path,
				    loader->error ? loader->error->line : 0,
				    loader->error ? loader->error->column : 0, "is no JSON object");
	if (!json_find(text, "providers", ret) || ret->type != JSON_SCAN_ARRAY)
		return loader_bad(loader, SLICE("providers"), "is missing");
	*ret_all = text;
	return 0;
}

static uint32_t add_member(struct loader *loader, struct slice all, const char *name)
{
	struct json_member member;
	uint32_t at = 0, len;

	if (json_find(all, name, &member) && member.type == JSON_SCAN_STRING &&
	    member.value.len < NAME_TEXT_MAX)
		loader_add_text(loader, member.value, true, &at, &len);
	return at;
}

static int add_providers(struct loader *loader, struct slice list)
{
	struct json_member provider;
	int r = 0;

	while (r == 0 && json_next(&list, &provider)) {
		if (provider.type != JSON_SCAN_OBJECT)
			return loader_bad(loader, provider.value, "is no provider");
		r = add_provider(loader, provider.value);
	}
	if (r == 0 && loader->kind == LEDGER_BOOK_PUBLIC && loader->part[PART_MODELS].len == 0)
		return loader_bad(loader, SLICE("providers"), "have no models");
	return r == 0 ? resolve_fallbacks(loader) : r;
}

static uint32_t add_notes(struct loader *loader)
{
	uint32_t at = loader_text(loader);

	if (loader->note_count > NOTES_MAX)
		buffer_printf(&loader->notes, "and %u more\n", loader->note_count - NOTES_MAX);
	buffer_append_slice(&loader->part[PART_TEXT], buffer_slice(&loader->notes));
	loader_end_text(loader);
	return at;
}

static int load(struct loader *loader, struct slice text, struct ledger_book **ret)
{
	_cleanup_(buffer_fini) struct buffer room = { 0 };
	uint32_t source, version, notes;
	struct json_member providers;
	uint8_t hash[SHA256_BYTES];
	struct slice all;
	int r;

	hash_sha256(text, hash);
	hash_hex(hash, (LEDGER_DIGEST_SIZE - 1) / 2, loader->digest);
	loader_end_text(loader); /* offset 0 is the empty text */
	r = find_providers(loader, text, &room, &all, &providers);
	if (r < 0)
		return r;
	source = add_member(loader, all, "source");
	version = add_member(loader, all, "version");
	r = add_providers(loader, providers.value);
	if (r < 0)
		return r;
	notes = add_notes(loader);
	r = freeze(loader, ret);
	if (r < 0)
		return r;
	(*ret)->kind = loader->kind;
	memcpy((*ret)->digest, loader->digest, sizeof(loader->digest));
	(*ret)->source_text = source;
	(*ret)->version_text = version;
	(*ret)->notes_text = notes;
	(*ret)->partial = loader->partial;
	return 0;
}

int ledger_book_read(struct slice text, const char *path, enum ledger_book_kind kind,
		     struct ledger_book **ret, struct error *error)
{
	struct loader loader = { .path = path, .kind = kind, .error = error };
	int r = load(&loader, text, ret);

	if (r == -ENOMEM)
		error_set_at(error, r, path, 0, 0, "out of memory");
	book_free_patterns(loader.part[PART_PATTERNS].data, loader.part[PART_PATTERNS].len);
	for (int i = 0; i < PARTS; i++)
		buffer_fini(&loader.part[i]);
	buffer_fini(&loader.notes);
	return r;
}

static struct book_source source_of(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return (struct book_source){ 0 };
	return (struct book_source){ info.st_dev, info.st_ino, info.st_size, info.st_mtim };
}

static bool same_source(const struct book_source *a, const struct book_source *b)
{
	return a->inode != 0 && a->inode == b->inode && a->device == b->device &&
	       a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec;
}

/* The source is looked at first: of a file that changes meanwhile the next load sees it. */
int ledger_book_load(const char *path, enum ledger_book_kind kind, struct ledger_book *before,
		     struct ledger_book **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct book_source source = source_of(path);
	int r;

	if (before && before->kind == kind && same_source(&before->source, &source)) {
		*ret = ledger_book_ref(before);
		return 0;
	}
	r = file_read(path, FILE_MAX_BYTES, &text, error);
	if (r == 0)
		r = ledger_book_read(buffer_slice(&text), path, kind, ret, error);
	if (r == 0)
		(*ret)->source = source;
	buffer_fini(&text);
	malloc_trim(0); /* the file is ten times the book: give it back */
	return r;
}
