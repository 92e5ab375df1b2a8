/* SPDX-License-Identifier: Apache-2.0 */
/* From accept to TLS or HTTP on a connection of a trusted proxy. The bytes behind the header are
 * another's to read, OpenSSL's too: so never one more than the header's is taken. */
#include <errno.h>
#include <stdlib.h>

#include "http/server.h"

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

void proxied_read_step(struct connection *connection, uint32_t events)
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
