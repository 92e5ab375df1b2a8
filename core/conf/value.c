/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single values. Text has passed the pre-scan: it is valid UTF-8 but for what escapes may
 * have put there. */
#include "conf/value.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/cleanup.h"
#include "base/network.h"
#include "base/token.h"
#include "base/utf8.h"

enum {
	FRACTION_DIGITS = 9,
	PORT_MAX = 65535,
};

const char *value_check_text(struct slice text)
{
	if (text.len == 0)
		return "must not be empty; remove the line to have the default";
	if (text.len > VALUE_TEXT_MAX)
		return "must not be longer than 4096 bytes";
	if (slice_has_control(text))
		return "must not contain control characters";
	return NULL;
}

/* Controls, line breaks, and the marks that turn the direction of text (UAX #9): with them a name
 * reads as another, or as nothing. */
static bool is_unseen(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
	       (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

const char *value_check_name(struct slice text)
{
	if (text.len == 0 || text.len > VALUE_NAME_MAX)
		return "must have 1 to 128 bytes";
	for (size_t i = 0, len; i < text.len; i += len) {
		uint32_t point;
		len = utf8_decode(text.ptr + i, text.len - i, &point);
		if (len == 0)
			return "must be UTF-8";
		if (is_unseen(point))
			return "must not contain control characters, or ones that turn the "
			       "direction of text";
	}
	if (text.ptr[0] == ' ' || text.ptr[text.len - 1] == ' ')
		return "must not begin or end with a blank";
	return NULL;
}

const char *value_check_feature(struct slice text)
{
	bool good = text.len > 0 && text.len <= VALUE_FEATURE_MAX;

	for (size_t i = 0; good && i < text.len; i++) {
		char c = text.ptr[i];
		good = isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
	}
	return good ? NULL : "must be 1 to 64 of A-Z a-z 0-9 . _ -";
}

const char *value_check_identity(struct slice text)
{
	static const struct slice types[] = {
		{ "URI:", 4 },
		{ "DNS:", 4 },
		{ "email:", 6 },
		{ "CN:", 3 },
	};
	const char *wrong = value_check_text(text);

	for (size_t i = 0; !wrong && i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_starts(text, types[i]) && text.len > types[i].len)
			return NULL;
	return wrong ? wrong
		     : "must be a name with its type before it, as in \"URI:spiffe://acme/app\", "
		       "\"DNS:app.acme.example\", \"email:app@acme.example\" or \"CN:app\"";
}

static bool is_port(struct slice text)
{
	uint64_t port;

	return text.len <= 5 && slice_to_u64(text, &port) == 0 && port <= PORT_MAX;
}

static bool is_address(int family, struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[sizeof(struct in6_addr)];

	return slice_copy(text, copy, sizeof(copy)) && inet_pton(family, copy, bytes) == 1;
}

static bool is_host(struct slice text)
{
	if (text.len == 0 || text.len > 253)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!isalnum((unsigned char)text.ptr[i]) && !strchr(".-_", text.ptr[i]))
			return false;
	}
	return true;
}

/* HOST[:PORT] or [IPV6][:PORT] */
static bool is_authority(struct slice text, bool port_required)
{
	struct slice host, rest;

	if (text.len > 0 && text.ptr[0] == '[') {
		const char *close = memchr(text.ptr, ']', text.len);
		if (!close || !is_address(AF_INET6, slice_span(text.ptr + 1, close)))
			return false;
		rest = slice_span(close + 1, text.ptr + text.len);
		if (rest.len == 0)
			return !port_required;
		return rest.ptr[0] == ':' && is_port(slice_skip(rest, 1));
	}
	host = slice_cut(text, ':', &rest);
	if (host.len == text.len)
		return !port_required && is_host(host);
	return is_host(host) && is_port(rest);
}

const char *value_check_url(struct slice text)
{
	struct slice rest, authority;
	const char *wrong = value_check_text(text);

	if (wrong)
		return wrong;
	if (slice_starts(text, SLICE("https://")))
		rest = slice_skip(text, 8);
	else if (slice_starts(text, SLICE("http://")))
		rest = slice_skip(text, 7);
	else
		return "must begin with http:// or https://";
	if (memchr(text.ptr, '@', text.len))
		return "must not contain a user; secrets go into \"secret\"";
	if (memchr(text.ptr, '?', text.len) || memchr(text.ptr, '#', text.len))
		return "must not contain a query or a fragment";
	if (memchr(text.ptr, ' ', text.len))
		return "must not contain a blank";
	authority = slice_cut(rest, '/', &rest);
	return is_authority(authority, false) ? NULL
					      : "must name a host, as in https://HOST:PORT/PATH";
}

const char *value_check_listen(struct slice text)
{
	struct slice port, host;

	if (!is_authority(text, true))
		return "must be HOST:PORT or [IPV6]:PORT";
	host = slice_cut(text, ':', &port);
	if (text.ptr[0] == '[' || is_address(AF_INET, host))
		return NULL;
	if (slice_eq_str(host, "localhost"))
		return "must begin with an address: for localhost write 127.0.0.1 or [::1]";
	return "must begin with an address of this machine, as in 127.0.0.1 or 0.0.0.0";
}

const char *value_check_network(struct slice text)
{
	struct network network;

	if (network_parse(text, &network) < 0)
		return "must hold addresses, as in \"192.0.2.7\", and networks, as in "
		       "\"10.0.0.0/8\" or \"fd00::/8\", with no bits set behind the prefix";
	return NULL;
}

const char *value_check_source(struct slice text)
{
	static const char *const whole[] = {
		"jwt",
		"openwebui",
		"librechat",
		"certificate",
		"body:user",
		"body:safety_identifier",
		"body:metadata.user_id",
	};
	struct slice rest, scheme = slice_cut(text, ':', &rest);

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (slice_eq_str(text, whole[i]))
			return NULL;
	}
	if ((slice_eq_str(scheme, "header") || slice_eq_str(scheme, "jwt")) && token_is(rest))
		return NULL;
	return "must hold \"header:NAME\", \"body:user\", \"body:safety_identifier\", "
	       "\"body:metadata.user_id\", \"certificate\", \"jwt\", \"jwt:HEADER\", \"openwebui\" "
	       "or \"librechat\"";
}

static bool is_header_of(const char *const *names, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_case_eq(name, slice_of(names[i])))
			return true;
	}
	return false;
}

const char *value_check_header(struct slice text)
{
	static const char *const framing[] = {
		"host",
		"connection",
		"content-length",
		"transfer-encoding",
		"te",
		"trailer",
		"upgrade",
		"expect",
		"keep-alive",
		"content-type",
		"proxy-authorization",
		"accept-encoding",
	};
	static const char *const keys[] = {
		"authorization",        "api-key", "x-api-key",
		"x-goog-api-key",       "cookie",  "x-amz-date",
		"x-amz-security-token",
	};
	struct slice value, name = slice_cut(text, ':', &value);

	if (value_check_text(text))
		return value_check_text(text);
	if (name.len == text.len || !token_is(name))
		return "must be headers, as in \"x-team: platform\"";
	if (slice_trim(value).len == 0)
		return "must not hold a header without a value";
	if (is_header_of(framing, ARRAY_SIZE(framing), name))
		return "must not hold headers that the appliance writes itself, as this one";
	if (is_header_of(keys, ARRAY_SIZE(keys), name))
		return "must not hold keys, which go into \"secret\"; the plugin's options say in "
		       "which header";
	return NULL;
}

struct listen_address {
	int family;
	uint64_t port;
	unsigned char bytes[sizeof(struct in6_addr)];
};

static struct listen_address listen_address(struct slice text)
{
	struct listen_address out = { .family = AF_INET };
	struct slice port, host = slice_cut(text, ':', &port);
	char copy[INET6_ADDRSTRLEN];

	if (text.ptr[0] == '[') {
		out.family = AF_INET6;
		host = slice_cut(slice_skip(text, 1), ']', &port);
		port = slice_skip(port, 1);
	}
	if (!slice_copy(host, copy, sizeof(copy)) || inet_pton(out.family, copy, out.bytes) != 1 ||
	    slice_to_u64(port, &out.port) < 0)
		out.port = 0;
	return out;
}

bool value_listen_overlap(struct slice first, struct slice second)
{
	static const unsigned char any[sizeof(struct in6_addr)];
	struct listen_address a = listen_address(first), b = listen_address(second);

	if (a.family != b.family || a.port != b.port || a.port == 0)
		return false;
	return memcmp(a.bytes, b.bytes, sizeof(any)) == 0 ||
	       memcmp(a.bytes, any, sizeof(any)) == 0 || memcmp(b.bytes, any, sizeof(any)) == 0;
}

const char *value_parse_money(struct slice text, int64_t *ret_femto)
{
	static const char form[] = "must be dollars as digits with at most nine after the point, "
				   "as in \"0.15\"";
	struct slice fraction, whole = slice_cut(text, '.', &fraction);
	bool point = whole.len < text.len;
	int64_t femto = 0;

	if (whole.len == 0 || (point && fraction.len == 0) || fraction.len > FRACTION_DIGITS)
		return form;
	for (size_t i = 0; i < whole.len + FRACTION_DIGITS; i++) {
		size_t behind = i - whole.len;
		char c = i < whole.len           ? whole.ptr[i]
			 : behind < fraction.len ? fraction.ptr[behind]
						 : '0';
		if (!isdigit((unsigned char)c))
			return form;
		if (__builtin_mul_overflow(femto, 10, &femto) ||
		    __builtin_add_overflow(femto, c - '0', &femto))
			return "is too much";
	}
	*ret_femto = femto;
	return NULL;
}
