/* SPDX-License-Identifier: Apache-2.0 */
/* LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES; NOTIFY_SOCKET. */
#include "daemon/activation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/gateway.h"

enum {
	FIRST_FD = 3,
};

static int add(const char *address, enum gateway_door door, int fd, struct buffer *sockets,
	       struct error *error)
{
	struct gateway_socket socket = { .door = door, .fd = fd, .lent = true };
	bool shares;

	if (!slice_copy(slice_of(address), socket.address, sizeof(socket.address)) ||
	    http_listen_inherit(address, fd, &shares, error) < 0)
		return 0;
	buffer_append(sockets, &socket, sizeof(socket));
	return sockets->failed ? -ENOMEM : 1;
}

static int add_first(const char **addresses, enum gateway_door door, int fd, struct buffer *sockets,
		     struct error *error)
{
	int r = 0;

	for (size_t i = 0; addresses[i] && r == 0; i++)
		r = add(addresses[i], door, fd, sockets, error);
	return r;
}

/* 1: taken; 0: no address of the configuration, which `error` says. */
static int take(const struct conf *conf, struct slice name, int fd, struct buffer *sockets,
		struct error *error)
{
	char path[GATEWAY_ADDRESS_SIZE];

	if (slice_eq_str(name, "api"))
		return add_first(conf->api_listen, GATEWAY_DOOR_API, fd, sockets, error);
	if (slice_eq_str(name, "admin"))
		return add_first(conf->admin_listen, GATEWAY_DOOR_ADMIN, fd, sockets, error);
	if (!slice_eq_str(name, "socket") || !conf->admin_socket)
		return 0;
	snprintf(path, sizeof(path), "unix:%s", conf->admin_socket);
	return add(path, GATEWAY_DOOR_SOCKET, fd, sockets, error);
}

static bool is_for_us(uint64_t *ret_count)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint64_t number;

	return pid && count && slice_to_u64(slice_of(pid), &number) == 0 &&
	       number == (uint64_t)getpid() && slice_to_u64(slice_of(count), ret_count) == 0;
}

int activation_sockets(const struct conf *conf, struct buffer *sockets, struct error *error)
{
	const char *variable = getenv("LISTEN_FDNAMES");
	struct slice names = variable ? slice_of(variable) : (struct slice){ 0 };
	uint64_t count = 0;
	int r = 1;

	if (!is_for_us(&count))
		return 0;
	for (int fd = FIRST_FD; (uint64_t)(fd - FIRST_FD) < count && r == 1; fd++) {
		struct error why = { .message = "there is no such listener" };
		struct slice name = slice_cut(names, ':', &names);
		r = take(conf, name, fd, sockets, &why);
		if (r == 0)
			error_set(error, -EINVAL,
				  "LISTEN_FDS: descriptor %d, \"%.*s\": %s; each is named api, "
				  "admin or socket, and listens where the configuration says",
				  fd, (int)name.len, name.ptr ? name.ptr : "", why.message);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return r == 1 ? 0 : r == 0 ? -EINVAL : r;
}

void activation_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;
	char text[64];
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@') /* an abstract name */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("NOTIFY_SOCKET %s cannot be told: %s", path, strerror(errno));
}
