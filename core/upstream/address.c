/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: literals, text, and the table of what is not the public internet. */
#include "upstream/address.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/cleanup.h"

struct range {
	uint8_t bytes[16];
	unsigned bits;
};

/* IANA IPv4 special-purpose registry, with multicast and class E. */
static const struct range v4_special[] = {
	{ { 0 }, 8 },             /* this network; 0.0.0.0 connects to loopback */
	{ { 10 }, 8 },            /* private */
	{ { 100, 64 }, 10 },      /* carrier-grade NAT; some clouds' metadata */
	{ { 127 }, 8 },           /* loopback */
	{ { 169, 254 }, 16 },     /* link-local, metadata services */
	{ { 172, 16 }, 12 },      /* private */
	{ { 192, 0, 0 }, 24 },    /* protocol assignments; some clouds' metadata */
	{ { 192, 0, 2 }, 24 },    /* documentation */
	{ { 192, 88, 99 }, 24 },  /* 6to4 relays */
	{ { 192, 168 }, 16 },     /* private */
	{ { 198, 18 }, 15 },      /* benchmarks */
	{ { 198, 51, 100 }, 24 }, /* documentation */
	{ { 203, 0, 113 }, 24 },  /* documentation */
	{ { 224 }, 3 },           /* multicast, reserved, broadcast */
};

/* Public IPv6 unicast is 2000::/3; these are the parts of it that are not. */
static const struct range v6_special[] = {
	{ { 0x20, 0x01, 0x00 }, 23 },       /* protocol assignments, Teredo, ORCHID */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 0x02 }, 16 },             /* 6to4: embeds an IPv4 address */
	{ { 0x3f, 0xff, 0x00 }, 20 },       /* documentation */
};

static const struct range v6_global = { { 0x20 }, 3 };

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00U >> rest);

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] & mask) == (b[whole] & mask);
}

static bool in_range(const uint8_t *address, const struct range *range)
{
	return same_prefix(address, range->bytes, range->bits);
}

static bool in_table(const uint8_t *address, const struct range *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (in_range(address, &table[i]))
			return true;
	return false;
}

bool address_is_public(const struct address *address)
{
	const uint8_t *bytes;

	if (address->any.sa_family == AF_INET) {
		bytes = (const uint8_t *)&address->v4.sin_addr;
		return !in_table(bytes, v4_special, ARRAY_SIZE(v4_special));
	}
	if (address->any.sa_family != AF_INET6)
		return false;
	bytes = address->v6.sin6_addr.s6_addr;
	return in_range(bytes, &v6_global) && !in_table(bytes, v6_special, ARRAY_SIZE(v6_special));
}

bool address_has_prefix(const struct address *address, const struct address *prefix, uint64_t bits)
{
	if (address->any.sa_family != prefix->any.sa_family)
		return false;
	if (address->any.sa_family == AF_INET6)
		return bits <= 128 && same_prefix(address->v6.sin6_addr.s6_addr,
						  prefix->v6.sin6_addr.s6_addr, (unsigned)bits);
	return address->any.sa_family == AF_INET && bits <= 32 &&
	       same_prefix((const uint8_t *)&address->v4.sin_addr,
			   (const uint8_t *)&prefix->v4.sin_addr, (unsigned)bits);
}

int address_parse(const char *text, struct address *ret)
{
	struct address address = { 0 };

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		address.v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
		address.v6.sin6_family = AF_INET6;
	else
		return -EINVAL;
	*ret = address;
	return 0;
}

bool address_from_sockaddr(const struct sockaddr *from, struct address *ret)
{
	struct address address = { 0 };

	if (from->sa_family == AF_INET)
		memcpy(&address.v4, from, sizeof(address.v4));
	else if (from->sa_family == AF_INET6)
		memcpy(&address.v6, from, sizeof(address.v6));
	else
		return false;
	*ret = address;
	return true;
}

int address_from_path(const char *path, struct address *ret)
{
	struct address address = { .local = { .sun_family = AF_UNIX } };

	if (!slice_copy(slice_of(path), address.local.sun_path, sizeof(address.local.sun_path)))
		return -ENAMETOOLONG;
	*ret = address;
	return 0;
}

void address_set_port(struct address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET)
		address->v4.sin_port = htons(port);
	else if (address->any.sa_family == AF_INET6)
		address->v6.sin6_port = htons(port);
}

socklen_t address_size(const struct address *address)
{
	if (address->any.sa_family == AF_UNIX)
		return sizeof(address->local);
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

const char *address_text(const struct address *address, char out[static ADDRESS_TEXT_SIZE])
{
	const void *bytes = &address->v6.sin6_addr;

	if (address->any.sa_family == AF_INET)
		bytes = &address->v4.sin_addr;
	if (!inet_ntop(address->any.sa_family, bytes, out, ADDRESS_TEXT_SIZE))
		memcpy(out, "?", 2);
	return out;
}
