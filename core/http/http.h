/* SPDX-License-Identifier: Apache-2.0 */
/* The front door: listeners, a strict HTTP/1.1 server (RFC 9112, RFC 9110) and SSE framing on one
 * loop. Nothing behind it ever sees a malformed request; nothing before it can make it allocate
 * without a bound.
 *
 * One http_server belongs to one loop; all functions and callbacks run on that loop's thread. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/network.h"
#include "base/slice.h"

struct http_server;
struct http_listener;
struct http_exchange;

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_PATCH,
	HTTP_OTHER, /* a valid token that we do not serve */
};

struct http_header {
	struct slice name;  /* as sent; compare with slice_case_eq */
	struct slice value; /* trimmed */
};

enum {
	HTTP_HEADERS_MAX = 100,
};

/* A request head; slices live in the exchange's arena until the exchange ends. */
struct http_request {
	enum http_method method;
	struct slice method_text;
	struct slice target; /* origin-form as sent (absolute-form reduced to it) */
	struct slice path;   /* before '?', still percent-encoded */
	struct slice query;  /* after '?', may be empty */
	struct slice host;
	struct http_header *headers;
	size_t header_count;
	uint64_t content_length; /* of a body with a length; 0 for none or chunked */
	bool has_body, chunked;
};

/* Counters of one server, read by others with relaxed loads. */
struct http_stats {
	_Atomic uint64_t connections_open, connections_total, requests_total, bad_requests_total;
	_Atomic uint64_t bytes_in_total, bytes_out_total, departures_total, body_bytes_held;
	_Atomic uint64_t tls_handshakes_total, tls_resumed_total, tls_failures_total;
};

/* A zero takes the default. */
struct http_limits {
	uint32_t header_bytes;      /* default 32768, at most 65536; 431 above */
	uint64_t body_bytes;        /* default 33554432; 413 above */
	uint64_t body_budget_bytes; /* over all exchanges of the server's budget; 503 above */
	uint32_t connections;       /* per server, without reserved ones; accepting pauses above */
	uint32_t reserved;          /* of handlers that are so; default 16 */
	uint32_t descriptors;       /* accepting, but for reserved ones, pauses while the lowest
				       free descriptor is not below; 0: no matter */
	uint32_t header_ms, body_ms,
	    idle_ms;           /* 408 for a started request, a silent close when idle */
	uint32_t write_ms;     /* no progress of a reader while we have bytes for it: closed */
	uint32_t output_bytes; /* high watermark of unsent output of one exchange; default 65536 */
};

/* What the owner of an exchange is told. `on_request` comes when the head is parsed: it must answer
 * (http_respond and http_finish), or ask for the body (http_want_body), now or later. Exactly one
 * `on_end` follows every on_request, as the last call: sent = every byte of a finished answer
 * reached the kernel; !sent = the client left or broke a deadline or a limit, or the owner aborted.
 * On on_end the exchange is gone: cancel what was running for it. Callbacks come from the loop (and
 * on_end from http_server_free), never from inside a call below. */
struct http_handler {
	void (*on_request)(struct http_exchange *exchange, void *data);
	void (*on_body)(struct http_exchange *exchange,
			struct slice body); /* whole body; lives until on_end */
	void (*on_drain)(
	    struct http_exchange *exchange); /* unsent output fell below half the watermark */
	void (*on_end)(struct http_exchange *exchange, bool sent);
	/* Answers, by http_reply, an error that the server itself found (http/fault.c lists them).
	 * NULL: a line of text/plain. It comes without an on_request when the head could not be
	 * read: the request's method_text.ptr is NULL then. The connection closes behind it. */
	void (*on_fault)(struct http_exchange *exchange, int status, const char *code,
			 const char *message, void *data);
	/* A connection ended before it spoke the protocol of its port: for a log. May be NULL. */
	void (*on_stranger)(const char *peer, const char *why, void *data);
	bool reserved; /* its connections have places of their own, however many others there are */
};

int http_server_new(struct loop *loop, const struct http_limits *limits, struct http_server **ret);
struct http_server *http_server_free(struct http_server *server); /* ends all exchanges first */
void http_server_set_limits(struct http_server *server, const struct http_limits *limits);
const struct http_stats *http_server_stats(const struct http_server *server);

/* Opens a listening socket: "127.0.0.1:8080", "[::1]:8080" (SO_REUSEPORT, one for each loop) or
 * "unix:/path" (mode 0660). `ret_fd` is non-blocking and close-on-exec. */
int http_listen_open(const char *address, int *ret_fd, struct error *error);
/* -EADDRINUSE when somebody listens there, even one who would share it; "unix:" is not looked at.
 */
int http_listen_check(const char *address, struct error *error);
/* Serves connections of `fd` (taken; not closed on failure) by `handler`; `data` is passed to it.
 * One that is `lent` stays whoever's who opened it: its file is left when we stop. */
int http_server_listen(struct http_server *server, int fd, bool lent,
		       const struct http_handler *handler, void *data);
/* Whether `fd`, which another process opened, listens at this address (port 0: at any port), and
 * shares it with others; makes it non-blocking and close-on-exec. -EINVAL where it does not. */
int http_listen_inherit(const char *address, int fd, bool *ret_shares, struct error *error);

/* How a listener speaks TLS: immutable and counted. [any] */
struct http_tls;
/* The keys that sessions are resumed by; must outlive every http_tls made with them. [any] */
struct http_tls_tickets;

enum http_tls_client {
	HTTP_TLS_CLIENT_NONE,
	HTTP_TLS_CLIENT_OPTIONAL,
	HTTP_TLS_CLIENT_REQUIRED,
};

enum http_tls_part {
	HTTP_TLS_CERTIFICATE,
	HTTP_TLS_KEY,
	HTTP_TLS_CLIENT_CA,
};

struct http_tls_options {
	const char *name; /* sessions made under one are not resumed under another */
	const char *certificate_pem, *key_pem;
	const char *client_ca_pem; /* unless client is NONE */
	enum http_tls_client client;
	bool only_1_3;
	struct http_tls_tickets *tickets;
};

int http_tls_tickets_new(struct http_tls_tickets **ret);
struct http_tls_tickets *http_tls_tickets_free(struct http_tls_tickets *tickets);
/* The keys, for another process of this machine to open the same tickets. They are secrets: whoever
 * has the bytes wipes them. Before anybody is served by them. */
enum {
	HTTP_TLS_TICKETS_BYTES = 168,
};
void http_tls_tickets_save(struct http_tls_tickets *tickets,
			   uint8_t bytes[static HTTP_TLS_TICKETS_BYTES]);
void http_tls_tickets_restore(struct http_tls_tickets *tickets,
			      const uint8_t bytes[static HTTP_TLS_TICKETS_BYTES]);
/* A new reference: to `before` (may be NULL) where it was made from the same. -EINVAL, with what is
 * to blame in ret_part, for what cannot be served: an expired certificate too. */
int http_tls_new(const struct http_tls_options *options, struct http_tls *before,
		 struct http_tls **ret, enum http_tls_part *ret_part, struct error *error);
struct http_tls *http_tls_ref(struct http_tls *tls);
struct http_tls *http_tls_unref(struct http_tls *tls);
int64_t
http_tls_until_s(const struct http_tls *tls); /* Unix time; the listener's own certificate */
/* What TCP listeners of `handler` speak with those who connect from now on; NULL: plain HTTP. Takes
 * a reference of its own. */
void http_server_set_tls(struct http_server *server, const struct http_handler *handler,
			 struct http_tls *tls);

/* Whose connections to TCP listeners of `handler` must begin with a PROXY protocol header from now
 * on, before TLS: its client is the peer then. Borrowed until the next call; 0: nobody's. */
void http_server_set_proxies(struct http_server *server, const struct http_handler *handler,
			     const struct network *proxies, size_t count);

/* Accepts what is queued, closes the listeners and idle connections, and lets exchanges finish with
 * `connection: close`. */
void http_server_drain(struct http_server *server);
/* While they are held, listeners of this handler accept nothing, and their sockets' files are
 * another's: they stay. */
void http_server_hold(struct http_server *server, const struct http_handler *handler, bool hold);
/* Another process accepts on the same sockets: closes ours, but neither what is queued in them nor
 * a socket's file, and no connection. Each is served until it is idle for too long, or asks for
 * something more: that is answered, with `connection: close`. */
void http_server_release(struct http_server *server);
size_t http_server_exchange_count(const struct http_server *server);

const struct http_request *http_exchange_request(const struct http_exchange *exchange);
struct arena *http_exchange_arena(struct http_exchange *exchange);
void *http_exchange_user(const struct http_exchange *exchange);
void http_exchange_set_user(struct http_exchange *exchange, void *user);
void *http_exchange_data(const struct http_exchange *exchange); /* of http_server_listen */
/* Peer as text "127.0.0.1:5000" or "unix:UID", in the connection. */
const char *http_exchange_peer(struct http_exchange *exchange);
/* The same as an address; none for a Unix socket. */
struct network_address http_exchange_address(const struct http_exchange *exchange);
bool http_exchange_is_unix(const struct http_exchange *exchange,
			   uint32_t *ret_uid); /* SO_PEERCRED */
bool http_exchange_is_tls(const struct http_exchange *exchange);
/* The names of the client's verified certificate while its time lasts, "URI:…", "DNS:…", "email:…",
 * "CN:…", each with a NUL behind it, an empty one last; NULL for none. In the connection. */
const char *http_exchange_names(const struct http_exchange *exchange);
/* The first header of that name, or an empty slice with ptr NULL. */
struct slice http_request_header(const struct http_request *request, struct slice name);

/* Memory for bodies, over servers that may be on different loops, and fair among shares: one may
 * grow while it then holds no more than is left free, so that none keeps others out; and the only
 * body of a share up to all that is free. A server has a budget of its own until it is given one.
 * Shares are freed before their budget, and both hold nothing then. [main, admin] */
struct http_budget;
struct http_share;
int http_budget_new(uint32_t slots, struct http_budget **ret); /* one slot a server */
struct http_budget *http_budget_free(struct http_budget *budget);
int http_share_new(struct http_budget *budget, struct http_share **ret);
struct http_share *http_share_free(struct http_share *share);
/* Before it serves. `common` is the share of exchanges that are given none. */
void http_server_set_budget(struct http_server *server, struct http_share *common, uint32_t slot);
/* Before http_want_body: whose the body's memory is. The share outlives that memory, which lasts
 * until the exchange is gone, or, within on_end, until http_drop_body. */
void http_exchange_set_share(struct http_exchange *exchange, struct http_share *share);
void http_drop_body(struct http_exchange *exchange);
/* More memory, that the handler takes for what it makes of the body, counts like the body and as
 * long. False where there is none left of limits.body_budget_bytes. */
bool http_hold_memory(struct http_exchange *exchange, uint64_t bytes);

/* An exchange's memory that outlives it: its arena with all that lies there, and its body. Both
 * count as before until they are released, which must be before http_server_free. [loop] */
struct http_remains {
	struct http_server *server;
	struct http_share *share;
	struct arena arena;
	struct buffer body;
	uint64_t body_held;
};
/* Within on_end alone: the memory is the caller's from here on, where it is. */
void http_exchange_keep(struct http_exchange *exchange, struct http_remains *ret);
void http_remains_drop_body(
    struct http_remains *remains); /* of one that came in one piece: later */
void http_remains_fini(struct http_remains *remains);

/* Asks for the body (100-continue is answered then). `max_bytes` lowers limits.body_bytes where not
 * 0. Without a body, on_body comes with an empty slice. */
void http_want_body(struct http_exchange *exchange, uint64_t max_bytes);

enum {
	HTTP_LENGTH_UNKNOWN = -1, /* chunked for HTTP/1.1, until close for 1.0 */
};

/* Starts the answer. Nothing is sent before the first http_write or http_finish of the same round,
 * so that head and body leave in one system call. Headers are copied; content-length,
 * transfer-encoding, connection and date are the server's own; one that holds control characters
 * is left out. HEAD and 204/304 send no body whatever is written. Another number of bytes than
 * content_length ends as http_abort. */
void http_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
		  size_t count, int64_t content_length);
/* Sends or queues. Allocates nothing while the reader keeps up. Returns false when unsent output is
 * above the watermark: stop producing until on_drain (what was written is kept all the same). */
bool http_write(struct http_exchange *exchange, struct slice data);
bool http_writev(struct http_exchange *exchange, const struct slice *parts, size_t count);
/* The answer is complete. */
void http_finish(struct http_exchange *exchange);
/* The answer cannot be completed: the connection is closed so that the client sees a truncated
 * message. */
void http_abort(struct http_exchange *exchange);
/* A whole answer in one call. */
void http_reply(struct http_exchange *exchange, int status, const struct http_header *headers,
		size_t count, struct slice body);
bool http_responded(const struct http_exchange *exchange);
const char *http_status_text(int status);
