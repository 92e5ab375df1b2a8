/* SPDX-License-Identifier: Apache-2.0 */
/* How bytes enter and leave a connection: the one place that knows what lies between us and the
 * socket. */
#include "http/server.h"

#include <errno.h>
#include <sys/socket.h>

ssize_t io_receive(struct connection *connection, char *out, size_t size)
{
	ssize_t len = recv(connection->io.fd, out, size, 0);

	if (len < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	http_count(&connection->server->stats.bytes_in_total, (uint64_t)len);
	return len;
}

ssize_t io_send(struct connection *connection, struct iovec *parts, size_t count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	/* One part is the common case, and the cheaper call. */
	ssize_t len =
	    count == 1 ? send(connection->io.fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
		       : sendmsg(connection->io.fd, &message, MSG_NOSIGNAL);

	if (len < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	http_count(&connection->server->stats.bytes_out_total, (uint64_t)len);
	return len;
}
