/* SPDX-License-Identifier: Apache-2.0 */
/* From an origin to a connected socket: resolve, check each address, try them in turn under one
 * deadline. A blackholed address gets its share of the time left, so that the ones behind it still
 * have theirs. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/plain.h"

struct dial {
	struct plain_connection *connection;
	struct loop_timer timer;
	struct resolver_wait wait;
	uint64_t deadline_ns;
	struct address_list list;
	unsigned next;
	bool refused; /* an address was skipped for not being public */
	int error;    /* of the last attempt */
};

void dial_stop(struct plain_connection *connection)
{
	struct dial *dial = connection->dial;

	if (!dial)
		return;
	loop_timer_cancel(connection->plain->loop, &dial->timer);
	resolver_forget(&dial->wait);
	free(dial);
	connection->dial = NULL;
}

static void fail(struct dial *dial, enum upstream_failure failure, int error, const char *reason)
{
	struct plain_connection *connection = dial->connection;

	dial_stop(connection);
	plain_dial_failed(connection, failure, error, reason);
}

static void fail_attempts(struct dial *dial)
{
	if (dial->error == ETIMEDOUT)
		fail(dial, UPSTREAM_FAILED_CONNECT_TIMEOUT, 0,
		     "connecting took longer than connect_ms");
	else if (dial->error == 0 && dial->refused)
		fail(dial, UPSTREAM_FAILED_REFUSED_ADDRESS, 0,
		     "the address is not public; see allow_private");
	else
		fail(dial, UPSTREAM_FAILED_CONNECT, dial->error, "cannot connect");
}

static void succeed(struct dial *dial)
{
	struct plain_connection *connection = dial->connection;

	dial_stop(connection);
	plain_dialed(connection);
}

static int open_socket(struct plain *plain, int family)
{
	int one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && plain_spare_descriptor(plain))
		fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return fd;
}

static void close_socket(struct plain_connection *connection)
{
	loop_remove(connection->plain->loop, &connection->io);
	close(connection->io.fd);
	connection->io.fd = -1;
}

/* 1 connected, 0 under way, or a negative errno. */
static int attempt(struct dial *dial, const struct address *address)
{
	struct plain_connection *connection = dial->connection;
	_cleanup_fd_ int fd = open_socket(connection->plain, address->any.sa_family);
	bool done;
	int r;

	if (fd < 0)
		return fd;
	done = connect(fd, &address->any, address_size(address)) == 0;
	if (!done && errno != EINPROGRESS)
		return -errno;
	connection->io.fd = fd;
	r = loop_add(connection->plain->loop, &connection->io, done ? PLAIN_EVENTS : EPOLLOUT);
	if (r < 0) {
		connection->io.fd = -1;
		return r;
	}
	steal_fd(&fd);
	return done;
}

static void next_attempt(struct dial *dial)
{
	struct loop *loop = dial->connection->plain->loop;
	const struct upstream_origin *origin = dial->connection->call->origin;

	while (dial->next < dial->list.count) {
		struct address *address = &dial->list.at[dial->next++];
		uint64_t now = clock_now_ns();
		int r;

		if (!origin->allow_private && !address_is_public(address)) {
			dial->refused = true;
			continue;
		}
		if (now >= dial->deadline_ns) {
			dial->error = ETIMEDOUT;
			break;
		}
		address_set_port(address, origin->port);
		r = attempt(dial, address);
		if (r > 0) {
			succeed(dial);
			return;
		}
		if (r == 0) {
			now += (dial->deadline_ns - now) / (dial->list.count - dial->next + 1);
			if (loop_timer_set(loop, &dial->timer, now) >= 0)
				return;
			close_socket(dial->connection);
			r = -ENOMEM;
		}
		dial->error = -r;
	}
	fail_attempts(dial);
}

static void on_timer(struct loop_timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, timer);

	dial->error = ETIMEDOUT;
	if (dial->connection->io.fd < 0) {
		fail(dial, UPSTREAM_FAILED_CONNECT_TIMEOUT, 0,
		     "resolving the name took longer than connect_ms");
		return;
	}
	close_socket(dial->connection);
	next_attempt(dial);
}

void dial_event(struct plain_connection *connection)
{
	struct dial *dial = connection->dial;
	socklen_t size = sizeof(dial->error);

	if (getsockopt(connection->io.fd, SOL_SOCKET, SO_ERROR, &dial->error, &size) < 0)
		dial->error = errno;
	if (dial->error == 0) {
		succeed(dial);
		return;
	}
	loop_timer_cancel(connection->plain->loop, &dial->timer);
	close_socket(connection);
	next_attempt(dial);
}

static void on_resolved(struct resolver_wait *wait, const struct address_list *list, int error)
{
	struct dial *dial = container_of(wait, struct dial, wait);

	loop_timer_cancel(dial->connection->plain->loop, &dial->timer);
	if (error != 0) {
		fail(dial, UPSTREAM_FAILED_RESOLVE, 0, "the name does not resolve");
		return;
	}
	dial->list = *list;
	next_attempt(dial);
}

static int resolve(struct dial *dial)
{
	struct upstream_call *call = dial->connection->call;
	struct resolver *resolver;
	int r = call_resolver(call, &resolver);

	if (r < 0)
		return r;
	dial->wait.fn = on_resolved;
	r = resolver_lookup(resolver, call->origin->host, &dial->wait, &dial->list);
	if (r != 0)
		return r;
	return loop_timer_set(dial->connection->plain->loop, &dial->timer, dial->deadline_ns);
}

int dial_start(struct plain_connection *connection)
{
	const struct upstream_origin *origin = connection->call->origin;
	struct dial *dial = calloc(1, sizeof(*dial));
	int r = 1;

	if (!dial)
		return -ENOMEM;
	connection->dial = dial;
	dial->connection = connection;
	dial->timer.fn = on_timer;
	dial->deadline_ns = clock_now_ns() + origin->connect_ms * NS_PER_MS;
	if (origin->literal) {
		dial->list.count = 1;
		dial->list.at[0] = origin->address;
	} else {
		r = resolve(dial);
	}
	if (r < 0)
		fail(dial, r == -ENOMEM ? UPSTREAM_FAILED_MEMORY : UPSTREAM_FAILED_RESOLVE, -r,
		     "cannot resolve the name");
	else if (r > 0)
		next_attempt(dial);
	return 0;
}
