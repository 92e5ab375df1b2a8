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
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/talk.h"

enum {
	PROTOCOL = 2,
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

/* "DOOR ADDRESS", with its descriptor. */
static int take_socket(const char *text, int fd, bool lent, struct takeover_goods *goods)
{
	for (int door = 0; door < GATEWAY_DOOR_COUNT; door++) {
		const char *address = talk_after(text, door_names[door]);
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

	rest = talk_after(text, "refused");
	if (rest)
		return error_set(error, -ECONNREFUSED, "the tidegated that runs refuses: %s", rest);
	lent = talk_after(text, "lent");
	rest = lent ? lent : talk_after(text, "socket");
	if (rest && *fd >= 0) {
		r = take_socket(rest, *fd, lent != NULL, goods);
		if (r == 0)
			*fd = -1;
		return r;
	}
	rest = talk_after(text, "secret");
	if (rest)
		return slice_copy(slice_of(rest), goods->secret, sizeof(goods->secret)) ? 0
											: -EPROTO;
	rest = talk_after(text, "tickets");
	if (rest) {
		r = hash_unhex(slice_of(rest), goods->tickets, sizeof(goods->tickets));
		goods->has_tickets = r == 0;
		return r < 0 ? -EPROTO : 0;
	}
	if (talk_after(text, "lock") && *fd >= 0) {
		goods->lock_fd = steal_fd(fd);
		return 0;
	}
	return talk_after(text, "go") && goods->lock_fd >= 0 ? 1 : -EPROTO;
}

static int take_goods(int from, struct takeover_goods *goods, struct error *error)
{
	char text[TALK_PACKET_SIZE];
	int r = 0;

	while (r == 0) {
		_cleanup_fd_ int fd = -1;

		r = talk_receive(from, text, &fd);
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
	char text[TALK_PACKET_SIZE];
	int r = talk_dial(state, socket_name, ANSWER_S, &peer->fd);

	if (r < 0)
		return error_set(error, -ECONNREFUSED, "%s/%s: %s", state, socket_name,
				 strerror(-r));
	if (!talk_is_of_our_user(peer->fd, &peer->pid))
		return error_set(error, -EPERM, "the tidegated that runs is another user's");
	snprintf(text, sizeof(text), "hello %d %d %s", PROTOCOL, (int)getpid(), TIDEGATE_VERSION);
	r = talk_send(peer->fd, -1, text);
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
	const char *rest = talk_after(text, "session");
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
	char text[TALK_PACKET_SIZE];
	int fd = -1, r = talk_send(peer->fd, -1, word);

	do
		r = talk_receive(peer->fd, text, &fd);
	while (r == -EAGAIN || (r == 0 && take_session(text, sessions)));
	if (fd >= 0)
		close(fd);
	if (r == 0 && talk_after(text, answer))
		return 0;
	takeover_end(peer);
	if (r == 0)
		return talk_after(text, "late") ? -ETIME : -ECANCELED;
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
	_cleanup_fd_ int folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	int r = folder < 0 ? -errno : 0;

	if (r == 0) {
		unlinkat(folder, new_name, 0);
		r = talk_listen(state, new_name, &fd);
	}
	if (r == 0 && renameat(folder, new_name, folder, socket_name) < 0)
		r = -errno;
	if (r < 0)
		return error_set(error, r, "cannot listen at %s/%s: %s", state, socket_name,
				 strerror(-r));
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
	char text[TALK_PACKET_SIZE];
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		snprintf(text, sizeof(text), "%s %s %s", sockets[i].lent ? "lent" : "socket",
			 door_names[sockets[i].door], sockets[i].address);
		r = talk_send(to, sockets[i].fd, text);
	}
	if (r == 0)
		r = talk_send(to, goods->lock_fd, "lock");
	snprintf(text, sizeof(text), "secret %s", goods->secret);
	if (r == 0)
		r = talk_send(to, -1, text);
	memcpy(text, tickets, sizeof(tickets) - 1);
	hash_hex(goods->tickets, sizeof(goods->tickets), text + sizeof(tickets) - 1);
	if (r == 0)
		r = talk_send(to, -1, text);
	explicit_bzero(text, sizeof(text));
	return r == 0 ? talk_send(to, -1, "go") : r;
}

/* "PROTOCOL PID VERSION" */
static int hear_hello(struct takeover_peer *peer)
{
	char text[TALK_PACKET_SIZE];
	const char *rest;
	int fd = -1, protocol, at = 0, r = talk_receive(peer->fd, text, &fd);

	if (fd >= 0)
		close(fd);
	if (r < 0)
		return r;
	rest = talk_after(text, "hello");
	if (!rest || sscanf(rest, "%d %d %n", &protocol, &peer->pid, &at) != 2 || at == 0)
		return -EPROTO;
	snprintf(peer->version, sizeof(peer->version), "%.*s", (int)sizeof(peer->version) - 1,
		 rest + at);
	if (protocol == PROTOCOL)
		return 0;
	talk_send(peer->fd, -1, "refused it speaks another protocol; stop it, and start anew");
	return -EPROTO;
}

int takeover_accept(int listen_fd, const struct takeover_goods *goods, struct takeover_peer *peer)
{
	int r = 0;

	peer->fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (peer->fd < 0)
		return -EAGAIN;
	talk_set_patience(peer->fd, ANSWER_S);
	if (!talk_is_of_our_user(peer->fd, &peer->pid))
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
	char text[TALK_PACKET_SIZE];
	struct pollfd gone = { .fd = peer->fd, .events = POLLRDHUP };
	int fd = -1, r = talk_receive(peer->fd, text, &fd);

	if (fd >= 0)
		close(fd);
	/* It may have died since: nobody would serve. */
	return r == 0 && talk_after(text, word) && poll(&gone, 1, 0) == 0;
}

void takeover_say(struct takeover_peer *peer, const char *word)
{
	talk_send(peer->fd, -1, word);
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
		r = talk_send(peer->fd, -1, text);
		sessions = slice_skip(sessions, KEYS_SAVED_BYTES);
	}
	if (r == 0)
		takeover_say(peer, "released");
}

/* What is not read of the other's words when a socket is closed would break it, before the other
 * has read ours. */
void takeover_dismiss(struct takeover_peer *peer, const char *word)
{
	char text[TALK_PACKET_SIZE];
	int fd;

	takeover_say(peer, word);
	shutdown(peer->fd, SHUT_RD);
	while (talk_receive(peer->fd, text, &fd) == 0)
		if (fd >= 0)
			close(fd);
	takeover_end(peer);
}
