/* SPDX-License-Identifier: Apache-2.0 */
/* How bytes enter and leave a connection: the one place that knows what lies between us and the
 * socket. */
#include "http/server.h"

#include "base/network.h"

/* Reading may come to wait for room in the socket, and writing for input (a change of keys). */
static ssize_t through_tls(struct connection *connection, ssize_t len)
{
	if (connection->tls->read_waits_out || connection->tls->write_waits_in)
		connection_watch(connection);
	return len;
}

ssize_t io_receive(struct connection *connection, char *out, size_t size)
{
	ssize_t len;

	if (connection->tls) {
		len = through_tls(connection, tls_receive(connection->tls, out, size));
		if (len > 0)
			http_count(&connection->server->stats.bytes_in_total, (uint64_t)len);
		return len;
	}

	len = network_receive(connection->io.fd, out, size);
	if (len < 0)
		return len;
	/* Events come on edges, which spares epoll a second look at each: where more may be at
	 * hand than was asked for, it must look again. */
	if ((size_t)len == size)
		loop_rearm(connection->server->loop, &connection->io);
	http_count(&connection->server->stats.bytes_in_total, (uint64_t)len);
	return len;
}

ssize_t io_send(struct connection *connection, struct iovec *parts, size_t count)
{
	ssize_t len;

	if (connection->tls) {
		len = through_tls(connection, tls_send(connection->tls, parts, count));
		if (len > 0)
			http_count(&connection->server->stats.bytes_out_total, (uint64_t)len);
		return len;
	}

	/* One part is the common case, and the cheaper call. */
	len = count == 1 ? network_send(connection->io.fd, parts[0].iov_base, parts[0].iov_len)
			 : network_send_parts(connection->io.fd, parts, count);
	if (len < 0)
		return len;
	http_count(&connection->server->stats.bytes_out_total, (uint64_t)len);
	return len;
}
