/* SPDX-License-Identifier: Apache-2.0 */
/* TLS between a connection and its socket. OpenSSL is seen by tls*.c alone; the rest of the folder
 * knows these functions, and asks for them only where a connection has one. */
#pragma once

#include <sys/uio.h>

#include "http/http.h"

enum {
	TLS_RECORD_BYTES = 16384,
};

/* One connection's. */
struct tls {
	struct ssl_st *ssl;
	struct http_tls *context;
	int fd;
	bool more;    /* input may be at hand that no event of the socket will tell of */
	bool drained; /* the socket gave less than was asked for: more of it comes as an event */
	bool read_waits_out, write_waits_in; /* reading waits for room, writing for input */
	bool broken;                         /* nothing can be said on it any more */
	unsigned char first;                 /* byte that ever came; 0 before */
	char *names;                         /* see http_exchange_names(), or NULL */
	int64_t names_until_s;
};

enum tls_step {
	TLS_DONE,
	TLS_WAITS,  /* for the socket: the flags say for what */
	TLS_PLAIN,  /* the peer spoke HTTP without TLS; nothing was sent */
	TLS_FAILED, /* and the peer was told why */
	TLS_LEFT,   /* the peer ended the connection */
};

/* tls.c. The descriptor stays the caller's. */
int tls_new(struct http_tls *context, int fd, struct tls **ret);
/* Says goodbye to the peer where `clean`, and frees. */
struct tls *tls_free(struct tls *tls, bool clean);
enum tls_step tls_handshake(struct tls *tls);
bool tls_resumed(const struct tls *tls);
/* Why the handshake failed, for a log; a constant text. */
const char *tls_failure(const struct tls *tls);
/* As recv and send, negative errno: -EAGAIN where the flags say what is waited for. */
ssize_t tls_receive(struct tls *tls, char *out, size_t size);
/* What was not taken must come again, first and unchanged, in memory that may be another. */
ssize_t tls_send(struct tls *tls, const struct iovec *parts, size_t count);
/* Nothing more will come: the peer said so, or broke the connection. Reads nothing. */
bool tls_ended(struct tls *tls);
/* Our side says nothing more. */
void tls_shutdown(struct tls *tls);

/* tls-context.c */
struct ssl_st *tls_context_session(struct http_tls *context, struct tls *tls);

/* tls-names.c: names of a certificate as http_exchange_names() gives them; NULL for none. */
struct x509_st;
char *tls_names(struct x509_st *certificate);
int64_t tls_until_s(const struct x509_st *certificate); /* end of its time, Unix seconds */

/* tls-tickets.c */
struct ssl_ctx_st;
void tls_tickets_use(struct http_tls_tickets *tickets, struct ssl_ctx_st *context);
