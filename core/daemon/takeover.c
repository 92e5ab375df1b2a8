/* SPDX-License-Identifier: Apache-2.0 */
/* The talk of two daemons, of which one takes over from the other. */
#include "daemon/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"

enum {
	PROTOCOL = 2,
	PACKET_SIZE = 512,
	GONE_MS = 10000,
	ANSWER_S = 10,
};

static const char socket_name[] = "takeover.sock";
static const char new_name[] = "takeover.sock.new";

static const char *const door_names[GATEWAY_DOOR_COUNT] = {
	[GATEWAY_DOOR_API] = "api",
	[GATEWAY_DOOR_ADMIN] = "admin",
	[GATEWAY_DOOR_SOCKET] = "socket",
};

/* ---- packets ---- */

/* `fd` goes with it unless it is -1. */
static int send_packet(int to, int fd, const char *text)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head;

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* -ECONNRESET when the other has ended. */
static int receive_packet(int from, char text[static PACKET_SIZE], int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec part = { text, PACKET_SIZE - 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *head;
	ssize_t len;

	do
		len = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return len < 0 ? -errno : -ECONNRESET;
	text[len] = '\0';
	*ret_fd = -1;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(head), sizeof(*ret_fd));
	return 0;
}

/* What follows the word and a blank; NULL when the text is another. */
static const char *after(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(text, word, len) != 0 || (text[len] && text[len] != ' '))
		return NULL;
	return text[len] ? text + len + 1 : text + len;
}

static void set_patience(int fd)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static bool is_of_our_user(int fd, int *ret_pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid())
		return false;
	*ret_pid = (int)peer.pid;
	return true;
}

/* By way of the folder's descriptor, as the path of a socket is 107 bytes at most. */
static int address_in(const char *folder, const char *name, struct sockaddr_un *ret)
{
	int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (fd >= 0)
		snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", fd, name);
	return fd < 0 ? -errno : fd;
}

void takeover_forget_tickets(struct takeover_goods *goods)
{
	explicit_bzero(goods->tickets, sizeof(goods->tickets));
	goods->has_tickets = false;
}

void takeover_end(struct takeover_peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

/* ---- the new one ---- */

static int dial(const char *state, int *ret)
{
	struct sockaddr_un address;
	_cleanup_fd_ int folder = address_in(state, socket_name, &address);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (folder < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	set_patience(fd);
	*ret = steal_fd(&fd);
	return 0;
}

/* "DOOR ADDRESS", with its descriptor. */
static int take_socket(const char *text, int fd, bool lent, struct takeover_goods *goods)
{
	for (int door = 0; door < GATEWAY_DOOR_COUNT; door++) {
		const char *address = after(text, door_names[door]);
		struct gateway_socket socket = {
			.door = (enum gateway_door)door,
			.fd = fd,
			.lent = lent,
		};
		if (!address ||
		    !slice_copy(slice_of(address), socket.address, sizeof(socket.address)))
			continue;
		buffer_append(&goods->sockets, &socket, sizeof(socket));
		return goods->sockets.failed ? -ENOMEM : 0;
	}
	return -EPROTO;
}

/* 1: that was all. */
static int take_packet(const char *text, int *fd, struct takeover_goods *goods, struct error *error)
{
	const char *rest, *lent;
	int r;

	rest = after(text, "refused");
	if (rest)
		return error_set(error, -ECONNREFUSED, "the tidegated that runs refuses: %s", rest);
	lent = after(text, "lent");
	rest = lent ? lent : after(text, "socket");
	if (rest && *fd >= 0) {
		r = take_socket(rest, *fd, lent != NULL, goods);
		if (r == 0)
			*fd = -1;
		return r;
	}
	rest = after(text, "secret");
	if (rest)
		return slice_copy(slice_of(rest), goods->secret, sizeof(goods->secret)) ? 0
											: -EPROTO;
	rest = after(text, "tickets");
	if (rest) {
		r = hash_unhex(slice_of(rest), goods->tickets, sizeof(goods->tickets));
		goods->has_tickets = r == 0;
		return r < 0 ? -EPROTO : 0;
	}
	if (after(text, "lock") && *fd >= 0) {
		goods->lock_fd = steal_fd(fd);
		return 0;
	}
	return after(text, "go") && goods->lock_fd >= 0 ? 1 : -EPROTO;
}

static int take_goods(int from, struct takeover_goods *goods, struct error *error)
{
	char text[PACKET_SIZE];
	int r = 0;

	while (r == 0) {
		_cleanup_fd_ int fd = -1;

		r = receive_packet(from, text, &fd);
		if (r < 0)
			return error_set(error, r, "the tidegated that runs does not hand over: %s",
					 r == -EAGAIN ? "no answer" : strerror(-r));
		r = take_packet(text, &fd, goods, error);
		if (r < 0 && r != -ECONNREFUSED)
			error_set(error, r,
				  "the tidegated that runs hands over what is not "
				  "understood: \"%.*s\"",
				  (int)strcspn(text, " "), text); /* the rest may be secret */
	}
	explicit_bzero(text, sizeof(text));
	return r < 0 ? r : 0;
}

int takeover_begin(const char *state, struct takeover_peer *peer, struct takeover_goods *goods,
		   struct error *error)
{
	char text[PACKET_SIZE];
	int r = dial(state, &peer->fd);

	if (r < 0)
		return error_set(error, -ECONNREFUSED, "%s/%s: %s", state, socket_name,
				 strerror(-r));
	if (!is_of_our_user(peer->fd, &peer->pid))
		return error_set(error, -EPERM, "the tidegated that runs is another user's");
	snprintf(text, sizeof(text), "hello %d %d %s", PROTOCOL, (int)getpid(), TIDEGATE_VERSION);
	r = send_packet(peer->fd, -1, text);
	if (r < 0)
		return error_set(error, r, "the tidegated that runs does not hand over: %s",
				 strerror(-r));
	return take_goods(peer->fd, goods, error);
}

/* One that dies has closed our socket before it has closed its mount. */
static void wait_gone(int pid)
{
	struct pollfd wait = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

	if (wait.fd < 0)
		return;
	poll(&wait, 1, GONE_MS);
	close(wait.fd);
}

static bool take_session(const char *text, struct buffer *sessions)
{
	const char *rest = after(text, "session");
	uint8_t saved[KEYS_SAVED_BYTES];

	if (!rest || !sessions)
		return false;
	if (hash_unhex(slice_of(rest), saved, sizeof(saved)) == 0)
		buffer_append(sessions, saved, sizeof(saved));
	return true;
}

/* The other has to end a request of its page at most; it is waited for as long as it lives. */
static int say_and_wait(struct takeover_peer *peer, const char *word, const char *answer,
			struct buffer *sessions)
{
	char text[PACKET_SIZE];
	int fd = -1, r = send_packet(peer->fd, -1, word);

	do
		r = receive_packet(peer->fd, text, &fd);
	while (r == -EAGAIN || (r == 0 && take_session(text, sessions)));
	if (fd >= 0)
		close(fd);
	if (r == 0 && after(text, answer))
		return 0;
	takeover_end(peer);
	if (r == 0)
		return after(text, "late") ? -ETIME : -ECANCELED;
	wait_gone(peer->pid);
	return 1;
}

int takeover_ready(struct takeover_peer *peer, struct buffer *sessions)
{
	return say_and_wait(peer, "ready", "released", sessions);
}

int takeover_serving(struct takeover_peer *peer)
{
	int r = say_and_wait(peer, "serving", "gone", NULL);

	takeover_end(peer);
	return r;
}

/* ---- the old one ---- */

static ino_t inode_at(int folder)
{
	struct stat info;

	return fstatat(folder, socket_name, &info, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : info.st_ino;
}

int takeover_listen(const char *state, struct takeover_door *door, struct error *error)
{
	struct sockaddr_un address;
	_cleanup_fd_ int folder = address_in(state, new_name, &address);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (folder >= 0)
		unlinkat(folder, new_name, 0);
	/* The mode of the unbound socket is the file's from its first moment. */
	if (folder < 0 || fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ||
	    renameat(folder, new_name, folder, socket_name) < 0)
		return error_set(error, -errno, "cannot listen at %s/%s: %s", state, socket_name,
				 strerror(errno));
	door->inode = inode_at(folder);
	door->fd = steal_fd(&fd);
	return 0;
}

void takeover_unlisten(const char *state, struct takeover_door *door)
{
	_cleanup_fd_ int folder = -1;

	if (door->fd < 0)
		return;
	folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0 && inode_at(folder) == door->inode)
		unlinkat(folder, socket_name, 0);
	close(door->fd);
	door->fd = -1;
}

static int give_goods(int to, const struct takeover_goods *goods)
{
	const struct gateway_socket *sockets = (const void *)goods->sockets.data;
	size_t count = goods->sockets.len / sizeof(*sockets);
	static const char tickets[] = "tickets ";
	char text[PACKET_SIZE];
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		snprintf(text, sizeof(text), "%s %s %s", sockets[i].lent ? "lent" : "socket",
			 door_names[sockets[i].door], sockets[i].address);
		r = send_packet(to, sockets[i].fd, text);
	}
	if (r == 0)
		r = send_packet(to, goods->lock_fd, "lock");
	snprintf(text, sizeof(text), "secret %s", goods->secret);
	if (r == 0)
		r = send_packet(to, -1, text);
	memcpy(text, tickets, sizeof(tickets) - 1);
	hash_hex(goods->tickets, sizeof(goods->tickets), text + sizeof(tickets) - 1);
	if (r == 0)
		r = send_packet(to, -1, text);
	explicit_bzero(text, sizeof(text));
	return r == 0 ? send_packet(to, -1, "go") : r;
}

/* "PROTOCOL PID VERSION" */
static int hear_hello(struct takeover_peer *peer)
{
	char text[PACKET_SIZE];
	const char *rest;
	int fd = -1, protocol, at = 0, r = receive_packet(peer->fd, text, &fd);

	if (fd >= 0)
		close(fd);
	if (r < 0)
		return r;
	rest = after(text, "hello");
	if (!rest || sscanf(rest, "%d %d %n", &protocol, &peer->pid, &at) != 2 || at == 0)
		return -EPROTO;
	snprintf(peer->version, sizeof(peer->version), "%.*s", (int)sizeof(peer->version) - 1,
		 rest + at);
	if (protocol == PROTOCOL)
		return 0;
	send_packet(peer->fd, -1, "refused it speaks another protocol; stop it, and start anew");
	return -EPROTO;
}

int takeover_accept(int listen_fd, const struct takeover_goods *goods, struct takeover_peer *peer)
{
	int r = 0;

	peer->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer->fd < 0)
		return -EAGAIN;
	set_patience(peer->fd);
	if (!is_of_our_user(peer->fd, &peer->pid))
		r = -EPERM;
	if (r == 0)
		r = hear_hello(peer);
	if (r == 0)
		r = give_goods(peer->fd, goods);
	if (r == 0)
		return 0;
	log_warning("somebody at %s did not take over: %s", socket_name, strerror(-r));
	takeover_end(peer);
	return -EAGAIN;
}

bool takeover_hears(struct takeover_peer *peer, const char *word)
{
	char text[PACKET_SIZE];
	struct pollfd gone = { .fd = peer->fd, .events = POLLRDHUP };
	int fd = -1, r = receive_packet(peer->fd, text, &fd);

	if (fd >= 0)
		close(fd);
	/* It may have died since: nobody would serve. */
	return r == 0 && after(text, word) && poll(&gone, 1, 0) == 0;
}

void takeover_say(struct takeover_peer *peer, const char *word)
{
	send_packet(peer->fd, -1, word);
}

/* Whose session is not told logs in again. */
void takeover_release(struct takeover_peer *peer, struct slice sessions)
{
	static const char word[] = "session ";
	char text[sizeof(word) + 2 * KEYS_SAVED_BYTES];
	int r = 0;

	memcpy(text, word, sizeof(word));
	while (sessions.len >= KEYS_SAVED_BYTES && r == 0) {
		hash_hex((const uint8_t *)sessions.ptr, KEYS_SAVED_BYTES, text + sizeof(word) - 1);
		r = send_packet(peer->fd, -1, text);
		sessions = slice_skip(sessions, KEYS_SAVED_BYTES);
	}
	if (r == 0)
		takeover_say(peer, "released");
}

/* What is not read of the other's words when a socket is closed would break it, before the other
 * has read ours. */
void takeover_dismiss(struct takeover_peer *peer, const char *word)
{
	char text[PACKET_SIZE];
	int fd;

	takeover_say(peer, word);
	shutdown(peer->fd, SHUT_RD);
	while (receive_packet(peer->fd, text, &fd) == 0)
		if (fd >= 0)
			close(fd);
	takeover_end(peer);
}
