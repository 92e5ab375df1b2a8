/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark's upstream and load generator share: clock, sockets, a latency histogram and a
 * reader of HTTP responses. Single-threaded programs; nothing here is used by the appliance. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Monotonic time; comparable between processes of one machine. */
uint64_t now_ns(void);

/* Prints the message and errno's text, then exits with 1: a benchmark that fails halfway is void.
 */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Parses "a.b.c.d:port"; dies on anything else. */
struct sockaddr_in address_parse(const char *text);

/* Parses an unsigned decimal option value; dies on anything else. */
uint64_t number_parse(const char *option, const char *text);

/* Sets the soft descriptor limit to the hard one and returns it. */
uint64_t descriptors_raise(void);

/* Non-blocking listener without SO_REUSEPORT; dies on failure. */
int listen_on(const struct sockaddr_in *address);

/* Starts a non-blocking connect with TCP_NODELAY; dies on failure other than EINPROGRESS. */
int connect_to(const struct sockaddr_in *address);

/* Log-linear histogram of nanoseconds: 128 steps per power of two, error under 1 %. */
enum { HISTOGRAM_STEPS = 128, HISTOGRAM_BUCKETS = 58 * HISTOGRAM_STEPS };

struct histogram {
	uint64_t count;
	uint64_t max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value_ns);

/* The value below which `share` (0..1) of the samples lie; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

/* Prints `"NAME_p50_us":…` and so on for p50, p90, p99, p99.9 and the maximum, comma-separated. */
void histogram_print(const struct histogram *h, const char *name);

/* An HTTP/1.1 response read as it comes. Zeroed is the state before the first byte. */
enum response_state {
	RESPONSE_HEAD,
	RESPONSE_BODY,
	RESPONSE_CHUNK_SIZE,
	RESPONSE_CHUNK_END,
	RESPONSE_TRAILER,
	RESPONSE_DONE
};

struct response {
	enum response_state state;
	int status;
	bool chunked;
	uint64_t left;
	size_t line_len;
	char line[512];
};

typedef void (*body_fn)(void *arg, const char *data, size_t len);

/* Feeds bytes and hands body spans to `body` (may be NULL). Returns the bytes consumed (fewer than
 * `len` only once r->state is RESPONSE_DONE) or -EPROTO. */
int64_t response_feed(struct response *r, const char *data, size_t len, body_fn body, void *arg);
