/* SPDX-License-Identifier: Apache-2.0 */
/* From accept to TLS or HTTP on a connection of a trusted proxy. The bytes behind the header are
 * another's to read, OpenSSL's too: so never one more than the header's is taken. */
#include "http/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/server.h"

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

static void refuse(struct connection *connection, const char *why)
{
	if (why)
		handshake_tell(connection, why);
	connection->exchange.lost = true;
	connection_close(connection);
}

static void done(struct connection *connection, uint32_t events)
{
	struct http_server *server = connection->server;

	free(connection->proxied);
	connection->proxied = NULL;
	if (connection->tls) {
		connection->io.fn = handshake_event;
		handshake_step(connection, events);
		return;
	}
	connection_begin(connection, events);
	if (server->draining)
		connection_drain(connection);
}

/* One receive into what is kept, or, of the rest, into the scratch. Negative errno, 0 at the end.
 */
static ssize_t receive(struct connection *connection)
{
	struct proxied *proxied = connection->proxied;
	size_t wants = proxied_wants(proxied);
	void *at = connection->server->scratch;
	ssize_t len;

	if (proxied->len < PROXIED_KEPT_BYTES) {
		at = proxied->bytes + proxied->len;
		if (wants > PROXIED_KEPT_BYTES - proxied->len)
			wants = PROXIED_KEPT_BYTES - proxied->len;
	}
	do
		len = recv(connection->io.fd, at, wants, 0);
	while (len < 0 && errno == EINTR);
	if (len > 0) {
		proxied->len += (size_t)len;
		http_count(&connection->server->stats.bytes_in_total, (uint64_t)len);
	}
	return len < 0 ? -errno : len;
}

static void step(struct connection *connection, uint32_t events)
{
	static const char *const refusals[] = {
		[PROXIED_VERSION_1] = "it is trusted and sent version 1 of the PROXY protocol, and "
				      "version 2 alone is read",
		[PROXIED_ABSENT] = "it is trusted and sent no header of the PROXY protocol",
		[PROXIED_BAD] =
		    "its PROXY protocol header is not of version 2, or not for TCP over "
		    "IPv4 or IPv6, or too long",
	};

	for (;;) {
		ssize_t len = receive(connection);
		enum proxied_step found;

		if (len == -EAGAIN)
			return;
		if (len <= 0) {
			refuse(connection, connection->proxied->len > 0
					       ? "it left within its PROXY protocol header"
					       : NULL);
			return;
		}
		found = proxied_parse(connection->proxied, &connection->peer_address);
		if (found == PROXIED_NAMED || found == PROXIED_LOCAL) {
			done(connection, events);
			return;
		}
		if (found != PROXIED_WAITS) {
			refuse(connection, refusals[found]);
			return;
		}
	}
}

void proxied_event(struct loop_io *io, uint32_t events)
{
	struct connection *connection = container_of(io, struct connection, io);

	connection_pin(connection);
	if (events & EPOLLRDHUP) /* the end is still to be read behind what came with it */
		loop_rearm(connection->server->loop, io);
	step(connection, events);
	connection_unpin(connection);
}
