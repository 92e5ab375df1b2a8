/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 as far as our own front door speaks it: one request, one answer with a length,
 * connection closed. */
#include "cli/client.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/cleanup.h"

enum {
	ANSWER_BYTES_MAX = 64 * 1024 * 1024,
};

/* The socket answers root and the user that owns it. */
static int not_permitted(const char *path, struct error *error)
{
	struct stat status;
	const struct passwd *owner = NULL;

	if (stat(path, &status) == 0 && status.st_uid != 0)
		owner = getpwuid(status.st_uid);
	return error_set(error, -EACCES,
			 "%s: permission denied: it is for root%s%s; run tidectl with sudo", path,
			 owner ? " and " : "", owner ? owner->pw_name : "");
}

static int connect_socket(const char *path, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG, "%s: the path of the socket is too long",
				 path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return steal_fd(&fd);
	if (errno == EACCES || errno == EPERM)
		return not_permitted(path, error);
	return error_set(error, -errno,
			 "%s: the appliance cannot be reached: %s (is tidegated running? --socket "
			 "names another)",
			 path, strerror(errno));
}

static int send_all(int fd, struct slice data)
{
	while (data.len) {
		ssize_t n = send(fd, data.ptr, data.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data = slice_skip(data, (size_t)n);
	}
	return 0;
}

static int receive_all(int fd, struct buffer *out)
{
	for (;;) {
		ssize_t n;
		if (out->len > ANSWER_BYTES_MAX || !buffer_reserve(out, 65536))
			return -EFBIG;
		n = recv(fd, out->data + out->len, 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->len += (size_t)n;
	}
}

/* False when the head announces more than came: the appliance went away while it answered. */
static bool whole(struct slice head, size_t body_len)
{
	static const struct slice name = { "content-length", 14 };
	uint64_t announced;

	while (head.len) {
		struct slice value, line = slice_cut(head, '\n', &head);
		if (slice_case_eq(slice_cut(slice_cut(line, '\r', &line), ':', &value), name))
			return slice_to_u64(slice_trim(value), &announced) == 0 &&
			       announced == body_len;
	}
	return false;
}

static int parse(const char *path, const struct buffer *answer, int *ret_status, json_t **ret,
		 struct error *error)
{
	const char *end = answer->len ? memmem(answer->data, answer->len, "\r\n\r\n", 4) : NULL;
	struct slice body;
	json_t *value;

	if (!end || answer->len < 12 || memcmp(answer->data, "HTTP/1.1 ", 9) != 0)
		return error_set(error, -EPROTO, "%s: what answers there is not a tidegated", path);
	body = slice_span(end + 4, answer->data + answer->len);
	if (!whole(slice_span(answer->data, end + 2), body.len))
		return error_set(error, -EPROTO, "%s: the answer was cut off; is it stopping?",
				 path);
	value = json_loadb(body.ptr, body.len, JSON_DECODE_ANY, NULL);
	if (!value)
		return error_set(error, -EPROTO, "%s: the answer is no JSON", path);
	*ret_status = atoi(answer->data + 9);
	*ret = value;
	return 0;
}

int client_call(const char *socket_path, const char *method, const char *path, json_t *body,
		int *ret_status, json_t **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer request = { 0 };
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	_cleanup_fd_ int fd = connect_socket(socket_path, error);
	int r;

	if (fd < 0)
		return fd;
	buffer_printf(&request, "%s %s HTTP/1.1\r\nhost: tidegate\r\nconnection: close\r\n", method,
		      path);
	if (text)
		buffer_printf(&request, "content-type: application/json\r\ncontent-length: %zu\r\n",
			      strlen(text));
	buffer_append_str(&request, "\r\n");
	buffer_append_str(&request, text ? text : "");
	r = send_all(fd, buffer_slice(&request));
	if (r >= 0)
		r = receive_all(fd, &answer);
	if (r < 0)
		return error_set(error, r, "%s: the connection broke: %s", socket_path,
				 strerror(-r));
	return parse(socket_path, &answer, ret_status, ret, error);
}
