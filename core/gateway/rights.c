/* SPDX-License-Identifier: Apache-2.0 */
/* Rights are the key's and its tenant's, both: each a list of patterns, or none for everything. */
#include "gateway/rights.h"

bool rights_pattern_matches(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			mark = t;
		} else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) { /* the last star takes one more */
			p = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

static bool any_matches(const char *const *patterns, struct slice model)
{
	if (!patterns)
		return true;
	for (; *patterns; patterns++) {
		if (rights_pattern_matches(slice_of(*patterns), model))
			return true;
	}
	return false;
}

bool rights_allow_model(const struct keys_entry *key, struct slice name, bool is_route)
{
	if (!any_matches(key->tenant_models, name))
		return false;
	if (!key->routes)
		return any_matches(key->models, name);
	return is_route ? any_matches(key->routes, name)
			: key->models && any_matches(key->models, name);
}

bool rights_allow_client(const struct keys_entry *key, const struct network_address *client)
{
	return key->network_count == 0 ||
	       network_any_holds(key->networks, key->network_count, client);
}

bool rights_limited(const struct keys_entry *key)
{
	return key->models || key->routes || key->tenant_models;
}
