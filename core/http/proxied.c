/* SPDX-License-Identifier: Apache-2.0 */
/* The header's grammar. Every length is checked before what it speaks of is read. */
#include "http/proxied.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

enum {
	SIGNATURE_BYTES = 12,
	VERSION_2_LOCAL = 0x20,
	VERSION_2_PROXY = 0x21,
	TCP_OVER_V4 = 0x11,
	TCP_OVER_V6 = 0x21,
	V4_ENDS_BYTES = 12, /* two addresses, two ports */
	V6_ENDS_BYTES = 36,
};

static const uint8_t signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t version_1[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };

static size_t body_bytes(const struct proxied *proxied)
{
	return (size_t)proxied->bytes[14] << 8 | proxied->bytes[15];
}

size_t proxied_wants(const struct proxied *proxied)
{
	if (proxied->len < PROXIED_HEAD_BYTES)
		return PROXIED_HEAD_BYTES - proxied->len;
	return PROXIED_HEAD_BYTES + body_bytes(proxied) - proxied->len;
}

static bool begins_as(const struct proxied *proxied, const uint8_t *text, size_t len)
{
	return memcmp(proxied->bytes, text, proxied->len < len ? proxied->len : len) == 0;
}

/* Of what a whole head announces. */
static bool is_head_good(const struct proxied *proxied)
{
	size_t len = body_bytes(proxied);

	if (len > PROXIED_BYTES_MAX - PROXIED_HEAD_BYTES)
		return false;
	if (proxied->bytes[12] == VERSION_2_LOCAL) /* its family says nothing */
		return true;
	return (proxied->bytes[13] == TCP_OVER_V4 && len >= V4_ENDS_BYTES) ||
	       (proxied->bytes[13] == TCP_OVER_V6 && len >= V6_ENDS_BYTES);
}

static void take_client(const struct proxied *proxied, struct sockaddr_in6 *ret)
{
	const uint8_t *ends = proxied->bytes + PROXIED_HEAD_BYTES;
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	*ret = v6;
	if (proxied->bytes[13] == TCP_OVER_V4) {
		memcpy(&v4.sin_addr, ends, sizeof(v4.sin_addr));
		memcpy(&v4.sin_port, ends + 8, sizeof(v4.sin_port));
		memcpy(ret, &v4, sizeof(v4));
		return;
	}
	memcpy(&ret->sin6_addr, ends, sizeof(ret->sin6_addr));
	memcpy(&ret->sin6_port, ends + 32, sizeof(ret->sin6_port));
}

enum proxied_step proxied_parse(const struct proxied *proxied, struct sockaddr_in6 *ret)
{
	if (!begins_as(proxied, signature, sizeof(signature))) {
		if (!begins_as(proxied, version_1, sizeof(version_1)))
			return PROXIED_ABSENT;
		return proxied->len < sizeof(version_1) ? PROXIED_WAITS : PROXIED_VERSION_1;
	}
	if (proxied->len > SIGNATURE_BYTES && proxied->bytes[12] != VERSION_2_LOCAL &&
	    proxied->bytes[12] != VERSION_2_PROXY)
		return PROXIED_BAD;
	if (proxied->len < PROXIED_HEAD_BYTES)
		return PROXIED_WAITS;
	if (!is_head_good(proxied))
		return PROXIED_BAD;
	if (proxied_wants(proxied) > 0)
		return PROXIED_WAITS;
	if (proxied->bytes[12] == VERSION_2_LOCAL)
		return PROXIED_LOCAL;
	take_client(proxied, ret);
	return PROXIED_NAMED;
}
