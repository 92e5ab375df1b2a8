/* SPDX-License-Identifier: Apache-2.0 */
/* How a daemon that starts takes over from one that serves the same state folder. They talk by
 * STATE/takeover.sock, whole packets of text, with a descriptor each where one is handed over:
 *
 *	new: hello PROTOCOL PID VERSION
 *	old: socket DOOR ADDRESS (with it), or lent DOOR ADDRESS (with it) where a service manager
 *	     keeps it, …, lock (with it), secret TEXT, tickets HEX, go; or refused WHY
 *	new: ready		it accepts on all of them
 *	old: session HEX, …, released	it does no verb any more, and has let go of the page
 *	new: serving		it has the page, and listens here
 *	old: gone		it does not accept any more, and has let go of mount and lock
 *
 * Until `serving` either may end, and the other goes on. When the old one dies after `go` the new
 * one is alone. In place of its next word the old one says that the new one shall end: `stopping`,
 * as it was told to end itself, or `late`. [main] */
#pragma once

#include "base/error.h"
#include "gateway/gateway.h"

enum {
	TAKEOVER_SECRET_SIZE = 64,
	TAKEOVER_VERSION_SIZE = 64,
};

/* The other daemon, as either of the two sees it. */
struct takeover_peer {
	int fd; /* -1: none */
	int pid;
	char version[TAKEOVER_VERSION_SIZE];
};

/* What goes from one to the other; of who receives it, all descriptors are his to close. */
struct takeover_goods {
	struct buffer sockets; /* gateway_socket each */
	int lock_fd;           /* of STATE/lock, with its lock; -1: none */
	char secret[TAKEOVER_SECRET_SIZE];
	bool has_tickets;
	uint8_t tickets[HTTP_TLS_TICKETS_BYTES];
};

/* Once they are handed on: wipes them. */
void takeover_forget_tickets(struct takeover_goods *goods);

/* The new one. Asks the daemon of this state folder; -ECONNREFUSED when it does not answer. */
int takeover_begin(const char *state, struct takeover_peer *peer, struct takeover_goods *goods,
		   struct error *error);
/* Say so, and wait for what the other does then. `sessions` is what it gave to takeover_release. 0;
 * 1: it died; -ECANCELED: it is being stopped; -ETIME: it waits no longer. But for 0 from the first
 * the talk is over then. */
int takeover_ready(struct takeover_peer *peer, struct buffer *sessions);
int takeover_serving(struct takeover_peer *peer);

/* The old one. Its socket, 0600, in the place of any that lies there. */
struct takeover_door {
	int fd; /* -1: none */
	ino_t inode;
};
int takeover_listen(const char *state, struct takeover_door *door, struct error *error);
void takeover_unlisten(const char *state, struct takeover_door *door); /* no other's is removed */
/* Accepts one that asks, and gives it all; -EAGAIN when it is none of us, or gave up. */
int takeover_accept(int listen_fd, const struct takeover_goods *goods, struct takeover_peer *peer);
/* After its descriptor has become readable: whether it says this word, or else has given up. */
bool takeover_hears(struct takeover_peer *peer, const char *word);
void takeover_say(struct takeover_peer *peer, const char *word);
void takeover_release(struct takeover_peer *peer, struct slice sessions); /* of the console */
/* A last word, which is heard whatever the other says meanwhile. Ends the talk. */
void takeover_dismiss(struct takeover_peer *peer, const char *word);
void takeover_end(struct takeover_peer *peer);
