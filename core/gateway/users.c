/* SPDX-License-Identifier: Apache-2.0 */
/* A key's object says that its application knows its users, and how it says them; of other keys the
 * same words count for nothing, for any client can write them. */
#include "gateway/users.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/utf8.h"

enum {
	LONG_DIGITS = 32, /* of a digest in the place of a long name */
};

static const struct {
	const char *name;
	struct user_source sources[2];
	size_t count;
} words[] = {
	{ "certificate", { { .kind = USER_CERTIFICATE } }, 1 },
	{ "body:user", { { .kind = USER_BODY, .member = WIRE_USER } }, 1 },
	{ "body:safety_identifier",
	  { { .kind = USER_BODY, .member = WIRE_SAFETY_IDENTIFIER } },
	  1 },
	{ "body:metadata.user_id", { { .kind = USER_BODY, .member = WIRE_METADATA_USER_ID } }, 1 },
	{ "jwt", { { .kind = USER_TOKEN, .header = SLICE("x-user-token") } }, 1 },
	{ "openwebui",
	  { { .kind = USER_HEADER, .header = SLICE("x-openwebui-user-id") },
	    { .kind = USER_HEADER, .header = SLICE("x-openwebui-user-email") } },
	  2 },
	{ "librechat",
	  { { .kind = USER_BODY, .member = WIRE_USER },
	    { .kind = USER_BODY, .member = WIRE_METADATA_USER_ID } },
	  2 },
};

static size_t add(const char *text, struct user_source *out)
{
	struct slice rest, scheme = slice_cut(slice_of(text), ':', &rest);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].name, text) != 0)
			continue;
		memcpy(out, words[i].sources, sizeof(words[i].sources));
		return words[i].count;
	}
	*out = (struct user_source){
		.kind = slice_eq_str(scheme, "jwt") ? USER_TOKEN : USER_HEADER,
		.header = rest,
	};
	return 1;
}

const struct user_sources *users_new(struct arena *arena, const struct conf_key *key)
{
	struct user_sources *sources = arena_zalloc(arena, sizeof(*sources));
	struct user_source *items;
	size_t count = 0;

	while (key->user_from[count])
		count++;
	items = arena_zalloc(arena, (count + 1) * ARRAY_SIZE(words[0].sources) * sizeof(*items));
	if (!sources || !items)
		return NULL;
	sources->items = items;
	for (size_t i = 0; i < count; i++)
		sources->count += add(key->user_from[i], items + sources->count);
	sources->required = key->user_required;
	sources->pseudonym = key->user_pseudonym;
	return sources;
}

/* ---- what is said ---- */

static bool is_name(struct slice text)
{
	uint32_t point;
	size_t len = text.len;

	if (len == 0 || slice_has_control(text))
		return false;
	for (; text.len > 0 && len > 0; text = slice_skip(text, len))
		len = utf8_decode(text.ptr, text.len, &point);
	return len > 0;
}

static struct slice unescaped(struct arena *arena, struct slice string)
{
	char *copy = string.ptr ? arena_alloc(arena, string.len) : NULL;
	int len = copy ? json_to_text(string, copy, string.len) : -1;

	return (struct slice){ copy, len > 0 ? (size_t)len : 0 };
}

static struct slice text_of(struct arena *arena, struct slice object, const char *name)
{
	struct json_member member;

	if (!json_find(object, name, &member) || member.type != JSON_SCAN_STRING)
		return (struct slice){ 0 };
	return unescaped(arena, member.value);
}

/* Claude Code writes "user_…_account_…_session_…", or an object as text: who it is, and behind it a
 * session, which is another each time. */
static struct slice without_session(struct arena *arena, struct slice text)
{
	static const char session[] = "_session_";
	struct json_member members[16];
	const char *at =
	    text.len > 0 ? memmem(text.ptr, text.len, session, sizeof(session) - 1) : NULL;
	struct slice found;

	if (slice_starts(text, SLICE("user_")) && at)
		return slice_span(text.ptr, at);
	if (text.len == 0 || text.ptr[0] != '{' ||
	    json_scan_object(text, members, ARRAY_SIZE(members), NULL) < 0)
		return text;
	found = text_of(arena, text, "account_uuid");
	if (found.len == 0)
		found = text_of(arena, text, "device_id");
	return found.len > 0 ? found : text;
}

/* A token that is no good ends the search: a weaker word must not take its place. */
static bool ask_token(struct exchange *exchange, struct slice header, struct slice *ret,
		      struct wire_error *ret_error)
{
	static const struct slice bearer = { "Bearer ", 7 };
	const struct gateway_snapshot *snapshot = exchange->held->snapshot;
	struct arena *arena = http_exchange_arena(exchange->http);
	struct slice token = http_request_header(http_exchange_request(exchange->http), header);
	const char *why = NULL;

	if (token.len == 0)
		return true;
	if (token.len > bearer.len &&
	    slice_case_eq((struct slice){ token.ptr, bearer.len }, bearer))
		token = slice_trim(slice_skip(token, bearer.len));
	switch (issuer_ask(exchange->loop, snapshot->issuer, &snapshot->conf->jwt, token, arena,
			   ret, &why)) {
	case ISSUER_GOOD:
		return true;
	case ISSUER_PENDING:
		*ret_error = (struct wire_error){
			503, "issuer_keys_pending", NULL,
			"The keys by which the user's token is checked are being fetched; try "
			"again."
		};
		return false;
	default:
		*ret_error =
		    (struct wire_error){ 401, "invalid_user_token", NULL,
					 arena_printf(arena, "The user's token in %.*s %s.",
						      SLICE_ARGS(header), why)
					     .ptr };
		return false;
	}
}

/* False where the search ends without one. */
static bool ask(struct exchange *exchange, const struct user_source *source, struct slice *ret,
		struct wire_error *ret_error)
{
	struct arena *arena = http_exchange_arena(exchange->http);

	switch (source->kind) {
	case USER_HEADER:
		*ret = http_request_header(http_exchange_request(exchange->http), source->header);
		return true;
	case USER_BODY:
		*ret = unescaped(arena, exchange->request.users[source->member]);
		if (source->member == WIRE_METADATA_USER_ID)
			*ret = without_session(arena, *ret);
		return true;
	case USER_CERTIFICATE:
		*ret = slice_of(http_exchange_names(exchange->http));
		return true;
	case USER_TOKEN:
		return ask_token(exchange, source->header, ret, ret_error);
	}
	return true;
}

/* What rows and log are told. */
static struct slice told(struct exchange *exchange, bool pseudonym, struct slice text)
{
	struct arena *arena = http_exchange_arena(exchange->http);
	char name[KEYS_PSEUDONYM_SIZE], hex[SHA256_HEX_SIZE];
	uint8_t sum[SHA256_BYTES];

	if (pseudonym) {
		keys_pseudonym(exchange->loop->gateway->options.pseudonyms, text, name);
		return arena_dup(arena, slice_of(name));
	}
	if (text.len <= LEDGER_NAME_MAX)
		return text;
	hash_sha256(text, sum);
	hash_hex(sum, sizeof(sum), hex);
	return arena_printf(arena, "sha256:%.*s", LONG_DIGITS, hex);
}

bool users_find(struct exchange *exchange, struct wire_error *ret)
{
	const struct user_sources *sources = exchange->key->users;
	struct slice text = { 0 };

	bool goes_on = true;

	if (!sources)
		return true;
	*ret = (struct wire_error){
		401, "end_user_required", NULL,
		"This key asks on behalf of users, and the request names none, where the key's "
		"end_user wants it."
	};
	for (size_t i = 0; goes_on && i < sources->count && !is_name(text); i++)
		goes_on = ask(exchange, &sources->items[i], &text, ret);
	if (goes_on && is_name(text)) {
		exchange->user = told(exchange, sources->pseudonym, text);
		return true;
	}
	/* A request without a body of its own cannot say it there. */
	return !sources->required || (goes_on && endpoint_is_by_id(exchange->endpoint));
}
