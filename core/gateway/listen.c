/* SPDX-License-Identifier: Apache-2.0 */
/* The doors: which sockets each loop accepts on. Each has its own, so that the kernel shares out
 * connections; of those that another process opened every single one is accepted on, for in each
 * there may be connections that wait. */
#include "gateway/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static const struct http_handler *handler_of(enum gateway_door door)
{
	return door == GATEWAY_DOOR_API ? &gateway_api_handler : &gateway_console_handler;
}

/* One address of the configuration. */
struct place {
	struct gateway *gateway;
	enum gateway_door door;
	char address[GATEWAY_ADDRESS_SIZE];
	struct gateway_socket *inherited;
	size_t count;
	bool check, console_later;
};

static bool is_of(const struct place *place, const struct gateway_socket *socket)
{
	return socket->door == place->door && strcmp(socket->address, place->address) == 0;
}

/* Takes `fd`, on failure too. */
static int serve(const struct place *place, struct gateway_loop *loop, int fd, bool lent,
		 struct error *error)
{
	struct gateway_socket socket = { .door = place->door, .fd = fd, .lent = lent };
	int r = http_server_listen(loop->server, fd, lent, handler_of(place->door), loop);

	memcpy(socket.address, place->address, sizeof(socket.address));
	if (r < 0) {
		close(fd);
		return error_set(error, r, "%s: cannot listen: %s", place->address, strerror(-r));
	}
	if (place->console_later)
		http_server_hold(loop->server, &gateway_console_handler, true);
	buffer_append(&place->gateway->sockets, &socket, sizeof(socket));
	return place->gateway->sockets.failed ? error_set(error, -ENOMEM, "out of memory") : 0;
}

/* All that were inherited go to the loops in turn; how many there were. */
static int take_inherited(const struct place *place, bool *ret_shares, int *ret_any_fd,
			  struct error *error)
{
	uint32_t loops = place->door == GATEWAY_DOOR_SOCKET ? 1 : place->gateway->options.loops;
	int taken = 0;

	for (size_t i = 0; i < place->count; i++) {
		struct gateway_socket *socket = &place->inherited[i];
		int fd = socket->fd, r;
		if (fd < 0 || !is_of(place, socket))
			continue;
		r = http_listen_inherit(place->address, fd, ret_shares, error);
		if (r < 0)
			return r;
		socket->fd = -1;
		r = serve(place, &place->gateway->loops[(uint32_t)taken % loops], fd, socket->lent,
			  error);
		if (r < 0)
			return r;
		*ret_any_fd = fd;
		taken++;
	}
	return taken;
}

/* One for a loop that inherited none: beside the others, or where the port is not shared, the same
 * once more. */
static int open_more(const struct place *place, bool shares, int any_fd, int *ret_fd,
		     struct error *error)
{
	if (any_fd < 0 || shares)
		return http_listen_open(place->address, ret_fd, error);
	*ret_fd = fcntl(any_fd, F_DUPFD_CLOEXEC, 0);
	return *ret_fd < 0 ? error_set(error, -errno, "%s: cannot listen: %s", place->address,
				       strerror(errno))
			   : 0;
}

/* Sockets of ours share a port among the loops, and would with any other daemon: looked at before
 * the first one is opened. */
static int check_free(const struct place *place, struct error *error)
{
	for (size_t i = 0; i < place->count; i++)
		if (place->inherited[i].fd >= 0 && is_of(place, &place->inherited[i]))
			return 0;
	return http_listen_check(place->address, error);
}

static int listen_at(const struct place *place, struct error *error)
{
	uint32_t loops = place->door == GATEWAY_DOOR_SOCKET ? 1 : place->gateway->options.loops;
	bool shares = false;
	int any_fd = -1, fd, taken, r = 0;

	taken = take_inherited(place, &shares, &any_fd, error);
	if (taken < 0)
		return taken;
	for (uint32_t i = (uint32_t)taken; i < loops && r >= 0; i++) {
		r = open_more(place, shares, any_fd, &fd, error);
		if (r >= 0)
			r = serve(place, &place->gateway->loops[i], fd, false, error);
	}
	return r;
}

static int listen_door(struct place *place, enum gateway_door door, const char *prefix,
		       const char *address, struct error *error)
{
	place->door = door;
	if (snprintf(place->address, sizeof(place->address), "%s%s", prefix, address) >=
	    (int)sizeof(place->address))
		return error_set(error, -ENAMETOOLONG,
				 "cannot listen on %s%s: the path is not absolute or too long",
				 prefix, address);
	return place->check ? check_free(place, error) : listen_at(place, error);
}

static int listen_all(struct place *place, const struct conf *conf, struct error *error)
{
	int r = 0;

	for (size_t i = 0; conf->api_listen[i] && r >= 0; i++)
		r = listen_door(place, GATEWAY_DOOR_API, "", conf->api_listen[i], error);
	for (size_t i = 0; conf->admin_listen[i] && r >= 0; i++)
		r = listen_door(place, GATEWAY_DOOR_ADMIN, "", conf->admin_listen[i], error);
	if (conf->admin_socket && r >= 0)
		r = listen_door(place, GATEWAY_DOOR_SOCKET, "unix:", conf->admin_socket, error);
	return r;
}

int listen_doors(struct gateway *gateway, struct gateway_socket *inherited, size_t count,
		 bool console_later, struct error *error)
{
	struct place place = {
		.gateway = gateway,
		.inherited = inherited,
		.count = count,
		.check = true,
		.console_later = console_later,
	};
	const struct conf *conf = gateway->newest->conf;
	int r;

	r = listen_all(&place, conf, error);
	place.check = false;
	return r < 0 ? r : listen_all(&place, conf, error);
}

const struct gateway_socket *gateway_sockets(const struct gateway *gateway, size_t *ret_count)
{
	*ret_count = gateway->sockets.len / sizeof(struct gateway_socket);
	return (const struct gateway_socket *)gateway->sockets.data;
}

void listen_open_console(struct loop_task *task)
{
	struct gateway_loop *loop = container_of(task, struct gateway_loop, open_task);

	http_server_hold(loop->server, &gateway_console_handler, false);
}

void gateway_open_console(struct gateway *gateway)
{
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		loop_post(gateway->loops[i].loop, &gateway->loops[i].open_task);
}

void listen_close_console(struct loop_task *task)
{
	struct gateway_loop *loop = container_of(task, struct gateway_loop, close_task);

	http_server_hold(loop->server, &gateway_console_handler, true);
}

void gateway_close_console(struct gateway *gateway)
{
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		loop_post(gateway->loops[i].loop, &gateway->loops[i].close_task);
}

void listen_release(struct loop_task *task)
{
	struct gateway_loop *loop = container_of(task, struct gateway_loop, release_task);

	http_server_release(loop->server);
	atomic_store(&loop->drained, true);
}

void gateway_release(struct gateway *gateway)
{
	static const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	for (uint32_t i = 0; i < gateway->options.loops; i++)
		loop_post(gateway->loops[i].loop, &gateway->loops[i].release_task);
	for (uint32_t i = 0; i < gateway->options.loops; i++)
		while (!atomic_load(&gateway->loops[i].drained))
			nanosleep(&pause, NULL);
	buffer_fini(&gateway->sockets);
}
