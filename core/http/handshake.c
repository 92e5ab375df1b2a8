/* SPDX-License-Identifier: Apache-2.0 */
/* From accept to HTTP on a listener with TLS or behind a proxy: what comes before has the deadline
 * of a head; and who turns out to speak something else. */
#include "http/server.h"

#include "base/log.h"

void handshake_tell(struct connection *connection, const char *why)
{
	const char *peer = http_exchange_peer(&connection->exchange);

	log_debug("%s: %s", peer, why);
	if (connection->handler->on_stranger)
		connection->handler->on_stranger(peer, why, connection->data);
}

void handshake_expire(struct connection *connection)
{
	if (connection->proxied) {
		handshake_tell(connection, "its PROXY protocol header took too long");
		return;
	}
	http_count(&connection->server->stats.tls_failures_total, 1);
	handshake_tell(connection, "its TLS handshake took too long");
}

static void done(struct connection *connection, uint32_t events)
{
	struct http_server *server = connection->server;

	http_count(&server->stats.tls_handshakes_total, 1);
	if (tls_resumed(connection->tls))
		http_count(&server->stats.tls_resumed_total, 1);
	connection_begin(connection, events);
	if (server->draining)
		connection_drain(connection);
}

/* Its first bytes are gone, and none are needed to say what is wrong with them. */
static void plain(struct connection *connection)
{
	handshake_tell(connection, "it spoke HTTP without TLS, and the port speaks TLS");
	connection->tls = tls_free(connection->tls, false);
	connection->state = CONNECTION_HEAD;
	connection->io.fn = connection_event;
	connection_refuse(connection, HTTP_FAULT_TLS_REQUIRED);
}

static void failed(struct connection *connection, bool left)
{
	http_count(&connection->server->stats.tls_failures_total, 1);
	handshake_tell(connection, tls_failure(connection->tls));
	connection->tls = tls_free(connection->tls, false);
	if (left) {
		connection->exchange.lost = true;
		connection_close(connection);
		return;
	}
	/* With TLS 1.3 its request may be on the way, and a reset would take the alert with it. */
	connection->io.fn = connection_event;
	connection_linger(connection);
}

void handshake_step(struct connection *connection, uint32_t events)
{
	switch (tls_handshake(connection->tls)) {
	case TLS_DONE:
		done(connection, events);
		break;
	case TLS_WAITS:
		connection_watch(connection);
		break;
	case TLS_PLAIN:
		plain(connection);
		break;
	case TLS_FAILED:
		failed(connection, false);
		break;
	case TLS_LEFT:
		failed(connection, true);
		break;
	}
}

void handshake_event(struct loop_io *io, uint32_t events)
{
	struct connection *connection = container_of(io, struct connection, io);

	connection_pin(connection);
	if (events & EPOLLRDHUP) /* the end is still to be read behind what came with it */
		loop_rearm(connection->server->loop, io);
	if (connection->proxied)
		proxied_read_step(connection, events);
	else
		handshake_step(connection, events);
	connection_unpin(connection);
}
