/* SPDX-License-Identifier: Apache-2.0 */
/* Whose request it is: the key that it bears, or, without one, that of the client's certificate, as
 * far as it may be used now and from there. What it says is decided before the body is read. */
#include "gateway/identify.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/forwarded.h"
#include "gateway/rights.h"

static const struct slice key_headers[] = {
	{ "authorization", 13 },
	{ "x-api-key", 9 },
	{ "x-goog-api-key", 14 },
};

static size_t key_header(struct slice name)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(key_headers) && !slice_case_eq(name, key_headers[i]))
		i++;
	return i;
}

static struct slice bearer_key(struct slice value)
{
	static const struct slice bearer = { "Bearer ", 7 };
	struct slice head = { value.ptr, bearer.len };

	if (value.len <= bearer.len || !slice_case_eq(head, bearer))
		return (struct slice){ 0 };
	return slice_trim(slice_skip(value, bearer.len));
}

/* Two that may differ would leave it to chance, and to each program on the way, whose call it was.
 */
bool identify_presented_key(const struct http_request *request, struct slice *ret)
{
	bool seen[ARRAY_SIZE(key_headers)] = { false }, one = true;

	*ret = (struct slice){ 0 };
	for (size_t i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];
		size_t which = key_header(header->name);
		struct slice key;

		if (which == ARRAY_SIZE(key_headers))
			continue;
		key = which == 0 ? bearer_key(header->value) : header->value;
		if (seen[which] || (key.ptr && ret->ptr && !slice_eq(key, *ret)))
			one = false;
		seen[which] = true;
		*ret = ret->ptr ? *ret : key;
	}
	return one;
}

/* The one key of a certificate's names: false when they are those of several. */
static bool certified_key(const struct keys_table *keys, const char *names,
			  const struct keys_entry **ret)
{
	const struct keys_entry *found = NULL;

	for (; *names; names += strlen(names) + 1) {
		const struct keys_entry *key = keys_find_identity(keys, slice_of(names));
		if (found && key && key != found)
			return false;
		found = key ? key : found;
	}
	*ret = found;
	return true;
}

/* ---- what is said of it ---- */

static const char unknown_name[] =
    "No key was sent, and no name in the client's certificate is a key here. Send a key, or ask "
    "the people who run this appliance to add the name.";
static const char several_names[] =
    "No key was sent, and the client's certificate has the names of more than one key. Send the "
    "key that is meant.";
static const char several_keys[] =
    "More than one key was sent: Authorization, x-api-key or x-goog-api-key twice, or two of them "
    "with different keys. Send one.";
static const char unknown_key[] = "This key is not known here or was revoked. Ask the people who "
				  "run this appliance for a key.";
static const char no_key[] = "No key was sent. Send one as `Authorization: Bearer KEY` or "
			     "`x-api-key: KEY`, or `x-goog-api-key: KEY`.";

static struct wire_error refuse_unknown(const char *message)
{
	return (struct wire_error){ 401, "invalid_api_key", NULL, message };
}

static struct wire_error refuse_ended(struct http_exchange *http, const char *code,
				      const char *what, int64_t since_s)
{
	char since[CLOCK_TEXT_SIZE];

	clock_format_s(since_s, since);
	return (struct wire_error){
		401, code, NULL,
		arena_printf(http_exchange_arena(http),
			     "%s ended at %s. Ask the people who run this appliance for a new "
			     "one.",
			     what, since)
		    .ptr
	};
}

static struct wire_error refuse_verdict(struct http_exchange *http, const struct keys_entry *key,
					enum keys_verdict verdict)
{
	switch (verdict) {
	case KEYS_EXPIRED:
		return refuse_ended(http, "key_expired", "This key", key->expires_s);
	case KEYS_ROTATED:
		return refuse_ended(http, "key_rotated",
				    "This key was replaced by another; what you sent",
				    key->previous_until_s);
	default:
		return (struct wire_error){
			401, "key_disabled", NULL,
			"This key is disabled. Ask the people who run this appliance."
		};
	}
}

static struct wire_error refuse_place(struct http_exchange *http,
				      const struct network_address *client)
{
	char text[NETWORK_TEXT_SIZE];

	network_address_text(client, text);
	return (struct wire_error){
		403, "network_not_allowed", NULL,
		arena_printf(http_exchange_arena(http),
			     "This key may not be used from %s. Ask the people who run this "
			     "appliance to add the address to its networks.",
			     text)
		    .ptr
	};
}

/* ---- and decided ---- */

static void judge(const struct gateway_snapshot *snapshot, struct http_exchange *http,
		  enum keys_verdict verdict, struct identity *ret)
{
	struct network_address client;

	if (verdict != KEYS_GOOD) {
		ret->refusal = refuse_verdict(http, ret->key, verdict);
		return;
	}
	if (ret->key->network_count > 0) {
		client = forwarded_client(snapshot, http);
		if (!rights_allow_client(ret->key, &client)) {
			ret->refusal = refuse_place(http, &client);
			return;
		}
	}
	ret->good = true;
}

void identify(const struct gateway_snapshot *snapshot, struct http_exchange *http,
	      struct identity *ret)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	const char *names = http_exchange_names(http);
	enum keys_verdict verdict;
	struct slice presented;

	ret->key = NULL;
	ret->good = false;
	ret->presented = (struct slice){ 0 };
	if (!identify_presented_key(http_exchange_request(http), &presented)) {
		ret->refusal = refuse_unknown(several_keys);
		return;
	}
	if (!presented.ptr && names) {
		if (!certified_key(snapshot->keys, names, &ret->key)) {
			ret->refusal = refuse_unknown(several_names);
			return;
		}
		verdict = ret->key ? keys_judge(ret->key, now_s) : KEYS_UNKNOWN;
	} else {
		verdict = keys_find(snapshot->keys, presented, now_s, &ret->key);
	}
	ret->presented = ret->key ? (struct slice){ 0 } : presented;
	if (ret->key)
		judge(snapshot, http, verdict, ret);
	else
		ret->refusal = refuse_unknown(presented.ptr ? unknown_key
					      : names       ? unknown_name
							    : no_key);
}
