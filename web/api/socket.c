/* SPDX-License-Identifier: Apache-2.0 */
/* The page server's socket. civetweb as Debian builds it listens on TCP alone, where any user of
 * the machine could hold its few threads with requests that never end. So what it listens on is
 * exchanged, under the descriptor that it knows, for a Unix socket that only our user may open. */
#include "api/private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char socket_name[] = "page.sock";

static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static ino_t inode_there(const struct api_socket *listener)
{
	struct stat info;

	return fstatat(listener->folder_fd, socket_name, &info, AT_SYMLINK_NOFOLLOW) < 0
		   ? 0
		   : info.st_ino;
}

int socket_open(struct api_socket *listener, const char *folder, struct error *error)
{
	listener->fd = -1;
	listener->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (listener->folder_fd < 0)
		return error_set(error, -errno, "%s cannot be opened: %s", folder, strerror(errno));
	/* By way of the folder's descriptor, as the path of a socket is 107 bytes at most. */
	snprintf(listener->path, sizeof(listener->path), "/proc/self/fd/%d/%s", listener->folder_fd,
		 socket_name);
	return 0;
}

int socket_listen(struct api_socket *listener, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", listener->path);
	unlinkat(listener->folder_fd, socket_name, 0);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The mode of the unbound socket is the file's from its first moment. */
	if (listener->fd < 0 || fchmod(listener->fd, 0600) < 0 ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener->fd, SOMAXCONN) < 0)
		return error_set(error, -errno,
				 "the page's server cannot listen at %s in the state folder: %s; "
				 "is the folder writable, and /proc mounted?",
				 socket_name, strerror(errno));
	listener->inode = inode_there(listener);
	return 0;
}

/* Our descriptor of the TCP socket that listens on a port. */
static int find_listener(int port)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 0; (rlim_t)fd < limit.rlim_cur; fd++) {
		struct sockaddr_in address = { 0 };
		socklen_t size = sizeof(address), word = sizeof(int);
		int listens = 0;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &word) == 0 && listens &&
		    getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		    address.sin_family == AF_INET && ntohs(address.sin_port) == port)
			return fd;
	}
	return -EADDRNOTAVAIL;
}

/* The server sleeps in poll() on the socket that it had. When that ends it looks at the descriptor
 * once more, and must find a connection there: it would sleep on otherwise, up to two seconds. */
static int exchange(int fd, const struct api_socket *listener)
{
	_cleanup_fd_ int before = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int r;

	if (before < 0 || dup3(listener->fd, fd, O_CLOEXEC) < 0)
		return -errno;
	r = try_connect(listener->path);
	shutdown(before, SHUT_RDWR);
	return r;
}

int socket_take_over(struct api_socket *listener, struct mg_context *server, struct error *error)
{
	struct mg_server_port port = { 0 };
	int r = -EADDRNOTAVAIL;

	if (mg_get_server_ports(server, 1, &port) > 0)
		r = find_listener(port.port);
	if (r >= 0)
		r = exchange(r, listener);
	if (r < 0)
		return error_set(error, r, "the page's server cannot be put behind its socket: %s",
				 strerror(-r));
	close(listener->fd);
	listener->fd = -1;
	return 0;
}

void socket_wake(const struct api_socket *listener)
{
	(void)try_connect(listener->path);
}

void socket_leave(struct api_socket *listener)
{
	if (listener->inode && listener->inode == inode_there(listener))
		unlinkat(listener->folder_fd, socket_name, 0);
	listener->inode = 0;
}

void socket_fini(struct api_socket *listener)
{
	socket_leave(listener);
	if (listener->folder_fd >= 0)
		close(listener->folder_fd);
	if (listener->fd >= 0)
		close(listener->fd);
}
