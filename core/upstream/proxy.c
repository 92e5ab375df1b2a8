/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies by the environment's rules. */
#include "upstream/proxy.h"

#include <errno.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "base/cleanup.h"
#include "upstream/address.h"

enum {
	ENTRY_BYTES_MAX = 255, /* no name of DNS is longer */
};

static const char *first_set(const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return value;
	}
	return NULL;
}

static struct slice without_dots(struct slice name)
{
	while (name.len > 0 && name.ptr[0] == '.')
		name = slice_skip(name, 1);
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool is_name_or_below(struct slice host, struct slice name)
{
	if (slice_starts(name, SLICE("*.")))
		name = slice_skip(name, 1);
	name = without_dots(name);
	host = without_dots(host);
	if (name.len == 0 || host.len < name.len)
		return false;
	if (!slice_case_eq(slice_skip(host, host.len - name.len), name))
		return false;
	return host.len == name.len || host.ptr[host.len - name.len - 1] == '.';
}

static int parse_address(struct slice text, struct address *ret)
{
	char copy[ADDRESS_TEXT_SIZE];

	if (!slice_copy(text, copy, sizeof(copy)))
		return -EINVAL;
	return address_parse(copy, ret);
}

static bool is_in_range(const struct address *host, struct slice entry)
{
	struct slice length, address = slice_cut(entry, '/', &length);
	struct address range;
	uint64_t bits;

	return parse_address(address, &range) == 0 && slice_to_u64(length, &bits) == 0 &&
	       address_has_prefix(host, &range, bits);
}

/* Takes the brackets and the port off an entry; false where it is for another port. */
static bool take_port(struct slice *entry, uint16_t port)
{
	struct slice rest, host = slice_cut(*entry, ':', &rest);
	uint64_t number = port;

	if (entry->len > 0 && entry->ptr[0] == '[') {
		host = slice_cut(slice_skip(*entry, 1), ']', &rest);
		rest = rest.len > 0 ? slice_skip(rest, 1) : rest;
	} else if (memchr(rest.ptr, ':', rest.len)) {
		return true; /* an IPv6 address without brackets has no port */
	}
	*entry = host;
	return rest.len == 0 || (slice_to_u64(rest, &number) == 0 && number == port);
}

static bool entry_excepts(struct slice entry, const char *host, uint16_t port)
{
	struct address address, other;
	bool literal = address_parse(host, &address) == 0;

	if (slice_eq(entry, SLICE("*")))
		return true;
	if (memchr(entry.ptr, '/', entry.len))
		return literal && is_in_range(&address, entry);
	if (!take_port(&entry, port))
		return false;
	if (!literal)
		return is_name_or_below(slice_of(host), entry);
	return parse_address(entry, &other) == 0 &&
	       address_has_prefix(&address, &other, address.any.sa_family == AF_INET ? 32 : 128);
}

bool proxy_excepts(const char *list, const char *host, uint16_t port)
{
	static const char separators[] = ", \t\r\n";

	for (list += strspn(list, separators); *list; list += strspn(list, separators)) {
		struct slice entry = { list, strcspn(list, separators) };

		list += entry.len;
		if (entry.len <= ENTRY_BYTES_MAX && entry_excepts(entry, host, port))
			return true;
	}
	return false;
}

const char *proxy_of_environment(bool https, const char *host, uint16_t port)
{
	static const char *const plain[] = { "http_proxy", "all_proxy", "ALL_PROXY" };
	static const char *const secure[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
					      "ALL_PROXY" };
	static const char *const excepted[] = { "no_proxy", "NO_PROXY" };
	const char *proxy =
	    https ? first_set(secure, ARRAY_SIZE(secure)) : first_set(plain, ARRAY_SIZE(plain));
	const char *list = first_set(excepted, ARRAY_SIZE(excepted));

	return proxy && list && proxy_excepts(list, host, port) ? NULL : proxy;
}

int proxy_check(const char *proxy, struct error *error)
{
	CURLU *url = curl_url();
	CURLUcode code;

	if (!url)
		return error_set(error, -ENOMEM, "out of memory");
	code =
	    curl_url_set(url, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
	curl_url_cleanup(url);
	if (code == CURLUE_OK)
		return 0;
	return error_set(error, -EINVAL,
			 "proxy: is no URL; without the option proxy, the environment's "
			 "https_proxy, http_proxy or all_proxy names it");
}
