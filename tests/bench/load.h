/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's modes and what they share: one thread, one epoll instance, one request text.
 */
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "common.h"

struct load_options {
	struct sockaddr_in target;
	const char *key;
	const char *model;
	uint64_t connections; /* closed: connections; streams: streams; idle: idle connections */
	uint64_t requests;    /* closed: requests to complete */
	uint64_t
	    rate_per_s; /* closed: 0 is as fast as answers come; streams, idle: connects a second */
	uint64_t chunks;   /* streams: events each stream has, by the upstream's schedule */
	uint64_t chunk_ms; /* streams: their interval */
	uint64_t slow;     /* idle: clients whose request head never ends */
	uint64_t slow_ms;  /* idle: give up on slow clients that are still open after this */
	uint64_t tls;      /* closed: whether to speak TLS */
};

struct request {
	char text[4096];
	size_t len;
};

/* Each mode runs to its end, prints JSON lines and returns the exit status. */
int load_closed(const struct load_options *options);
int load_streams(const struct load_options *options);
int load_idle(const struct load_options *options);

/* The chat request every mode sends: four messages, about a kilobyte. */
void request_make(struct request *request, const struct load_options *options, bool stream);

/* Sends all of it (it fits an empty socket buffer); false when the peer is gone. */
bool request_send(int fd, const struct request *request);

/* load-tls.c: as the functions on plain sockets; a handshake returns 1 when it is done, 0 while it
 * waits for the socket, or a negative errno. */
struct ssl_st;
struct ssl_st *secure_open(int fd);
void secure_close(struct ssl_st *ssl);
int secure_handshake(struct ssl_st *ssl);
ssize_t secure_receive(struct ssl_st *ssl, char *out, size_t size);
bool secure_send(struct ssl_st *ssl, const struct request *request);

void epoll_add(int epoll, int fd, uint32_t events, void *data);
