/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets from addresses as people write them. A socket file is taken over only when
 * nobody listens on it. */
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

enum {
	BACKLOG = 4096,
	SOCKET_MODE = 0660,
};

static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *error)
{
	struct stat status;
	_cleanup_fd_ int fd = -1;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "cannot look at %s: %s", path,
						   strerror(errno));
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, -EEXIST,
				 "cannot listen on %s: it exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return error_set(error, -EADDRINUSE, "cannot listen on %s: another process does",
				 path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(error, -errno, "cannot remove the stale socket %s: %s", path,
				 strerror(errno));
	return 0;
}

static int listen_unix(const char *path, int *ret_fd, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;
	int r;

	if (path[0] != '/' ||
	    !slice_copy(slice_of(path), address.sun_path, sizeof(address.sun_path)))
		return error_set(error, -EINVAL,
				 "cannot listen on unix:%s: the path is not absolute or too long",
				 path);
	r = remove_stale(path, &address, error);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The mode of the unbound socket is the file's from its first moment; the umask is made up
	 * for after. */
	if (fd < 0 || fchmod(fd, SOCKET_MODE) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, SOCKET_MODE) < 0 || listen(fd, BACKLOG) < 0)
		return error_set(error, -errno, "cannot listen on unix:%s: %s", path,
				 strerror(errno));
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* "[host]:port" or "host:port" into its parts. */
static bool split_address(const char *text, char *host, size_t host_size, char *port,
			  size_t port_size)
{
	const char *colon = strrchr(text, ':');
	struct slice name;
	uint64_t number;

	if (!colon)
		return false;
	name = slice_span(text, colon);
	if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = (struct slice){ name.ptr + 1, name.len - 2 };
	else if (memchr(name.ptr, ':', name.len))
		return false;
	/* getaddrinfo would take 99999 for 34463. */
	return name.len > 0 && slice_copy(name, host, host_size) &&
	       slice_to_u64(slice_of(colon + 1), &number) == 0 && number <= UINT16_MAX &&
	       slice_copy(slice_of(colon + 1), port, port_size);
}

static int find_internet(const char *text, struct addrinfo **ret, struct error *error)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	char host[64], port[8];

	if (!split_address(text, host, sizeof(host), port, sizeof(port)) ||
	    getaddrinfo(host, port, &hints, ret) != 0)
		return error_set(error, -EINVAL,
				 "cannot listen on %s: not ADDRESS:PORT with a numeric address, "
				 "[IPV6]:PORT or unix:/PATH",
				 text);
	return 0;
}

/* A bound socket; `shares` its port with others that do. */
static int bind_internet(const char *text, bool shares, int *ret_fd, struct error *error)
{
	_cleanup_fd_ int fd = -1;
	struct addrinfo *found;
	int one = 1, r = find_internet(text, &found, error);

	if (r < 0)
		return r;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -1 : 0;
	if (r == 0 && found->ai_family == AF_INET6)
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (r == 0)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (r == 0 && shares)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (r == 0)
		r = bind(fd, found->ai_addr, found->ai_addrlen);
	r = r < 0 ? -errno : 0;
	freeaddrinfo(found);
	if (r < 0)
		return error_set(error, r, "cannot listen on %s: %s", text, strerror(-r));
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int listen_internet(const char *text, int *ret_fd, struct error *error)
{
	_cleanup_fd_ int fd = -1;
	int r = bind_internet(text, true, &fd, error);

	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return error_set(error, -errno, "cannot listen on %s: %s", text, strerror(errno));
	*ret_fd = steal_fd(&fd);
	return 0;
}

int http_listen_open(const char *address, int *ret_fd, struct error *error)
{
	if (strncmp(address, "unix:", 5) == 0)
		return listen_unix(address + 5, ret_fd, error);
	return listen_internet(address, ret_fd, error);
}

int http_listen_check(const char *address, struct error *error)
{
	_cleanup_fd_ int fd = -1;

	if (strncmp(address, "unix:", 5) == 0)
		return 0;
	return bind_internet(address, false, &fd, error);
}

static bool same_internet(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr &&
		       (b4->sin_port == 0 || a4->sin_port == b4->sin_port);
	return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0 &&
	       (b6->sin6_port == 0 || a6->sin6_port == b6->sin6_port);
}

/* Whether `bound` is what would be bound for the text. */
static int is_at(const struct sockaddr_storage *bound, const char *text, bool *ret,
		 struct error *error)
{
	struct addrinfo *found;
	int r;

	if (strncmp(text, "unix:", 5) == 0) {
		*ret = bound->ss_family == AF_UNIX &&
		       strcmp(((const struct sockaddr_un *)bound)->sun_path, text + 5) == 0;
		return 0;
	}
	r = find_internet(text, &found, error);
	if (r < 0)
		return r;
	*ret = same_internet((const struct sockaddr *)bound, found->ai_addr);
	freeaddrinfo(found);
	return 0;
}

int http_listen_inherit(const char *address, int fd, bool *ret_shares, struct error *error)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t size = sizeof(bound), word = sizeof(int);
	int listens = 0, type = 0, shares = 0, r;
	bool same;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &word) < 0 || !listens ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &word) < 0 || type != SOCK_STREAM)
		return error_set(error, -EINVAL, "descriptor %d is no listening stream socket", fd);
	/* One byte stays, so that a path always ends. */
	size--;
	if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
		return error_set(error, -errno, "descriptor %d: %s", fd, strerror(errno));
	r = is_at(&bound, address, &same, error);
	if (r < 0)
		return r;
	if (!same)
		return error_set(error, -EINVAL, "descriptor %d does not listen on %s", fd,
				 address);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(error, -errno, "descriptor %d: %s", fd, strerror(errno));
	word = sizeof(shares);
	*ret_shares = bound.ss_family != AF_UNIX &&
		      getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &word) == 0 && shares;
	return 0;
}
