/* SPDX-License-Identifier: Apache-2.0 */
/* One form for each address, so that no other way to write it escapes a comparison. */
#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	V4_BYTES = 4,
	V6_BYTES = 16,
	V4_BITS = 32,
	MAPPED_BITS = 96,
};

ssize_t network_receive(int fd, void *out, size_t size)
{
	long len;

	do
		len = syscall(SYS_recvfrom, fd, out, size, 0, NULL, NULL);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

ssize_t network_send(int fd, const void *data, size_t size)
{
	long len;

	do
		len = syscall(SYS_sendto, fd, data, size, MSG_NOSIGNAL, NULL, 0);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

ssize_t network_send_parts(int fd, struct iovec *parts, size_t count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	ssize_t len;

	do
		len = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

static const uint8_t mapped[V6_BYTES - V4_BYTES] = { [10] = 0xff, [11] = 0xff };

static struct network_address from_bytes(const void *bytes, uint8_t len)
{
	struct network_address address = { .len = len };

	if (len == V6_BYTES && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		address.len = V4_BYTES;
		bytes = (const uint8_t *)bytes + sizeof(mapped);
	}
	memcpy(address.bytes, bytes, address.len);
	return address;
}

int network_parse_address(struct slice text, struct network_address *ret)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t bytes[V6_BYTES];

	if (!slice_copy(text, copy, sizeof(copy)))
		return -EINVAL;
	if (inet_pton(AF_INET, copy, bytes) == 1)
		*ret = from_bytes(bytes, V4_BYTES);
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		*ret = from_bytes(bytes, V6_BYTES);
	else
		return -EINVAL;
	return 0;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00U >> rest);

	return memcmp(a, b, whole) == 0 && (rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool ends_in_zeros(const struct network *network)
{
	struct network_address cut = network->address;
	unsigned int whole = network->bits / 8;

	if (whole < cut.len) {
		cut.bytes[whole] &= (uint8_t)(0xff00U >> network->bits % 8);
		memset(cut.bytes + whole + 1, 0, cut.len - whole - 1);
	}
	return memcmp(cut.bytes, network->address.bytes, cut.len) == 0;
}

int network_parse(struct slice text, struct network *ret)
{
	struct network network = { 0 };
	struct slice prefix, literal = slice_cut(text, '/', &prefix);
	bool is_v6 = memchr(literal.ptr, ':', literal.len) != NULL;
	uint64_t bits, most;

	if (network_parse_address(literal, &network.address) < 0)
		return -EINVAL;
	most = is_v6 ? V6_BYTES * 8 : V4_BITS;
	bits = most;
	if (literal.len < text.len && (slice_to_u64(prefix, &bits) < 0 || bits > most))
		return -EINVAL;
	if (is_v6 && network.address.len == V4_BYTES) {
		if (bits < MAPPED_BITS)
			return -EINVAL;
		bits -= MAPPED_BITS;
	}
	network.bits = (uint8_t)bits;
	if (!ends_in_zeros(&network))
		return -EINVAL;
	*ret = network;
	return 0;
}

struct network_address network_address_of(const struct sockaddr *from)
{
	if (from->sa_family == AF_INET)
		return from_bytes(&((const struct sockaddr_in *)from)->sin_addr, V4_BYTES);
	if (from->sa_family == AF_INET6)
		return from_bytes(&((const struct sockaddr_in6 *)from)->sin6_addr, V6_BYTES);
	return (struct network_address){ 0 };
}

static char *put_byte(char *at, uint8_t byte)
{
	if (byte >= 100)
		*at++ = (char)('0' + byte / 100);
	if (byte >= 10)
		*at++ = (char)('0' + byte / 10 % 10);
	*at++ = (char)('0' + byte % 10);
	return at;
}

size_t network_address_text(const struct network_address *address,
			    char out[static NETWORK_TEXT_SIZE])
{
	char *at = out;

	*at = '\0';
	if (address->len == V6_BYTES && inet_ntop(AF_INET6, address->bytes, out, NETWORK_TEXT_SIZE))
		return strlen(out);
	if (address->len != V4_BYTES)
		return 0;
	/* By hand, since each row of the ledger has one. */
	for (int i = 0; i < V4_BYTES; i++) {
		at = put_byte(at, address->bytes[i]);
		*at++ = '.';
	}
	*--at = '\0';
	return (size_t)(at - out);
}

bool network_any_holds(const struct network *networks, size_t count,
		       const struct network_address *address)
{
	for (size_t i = 0; i < count; i++)
		if (networks[i].address.len == address->len &&
		    same_prefix(networks[i].address.bytes, address->bytes, networks[i].bits))
			return true;
	return false;
}
