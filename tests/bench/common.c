/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, sockets, histogram and response reader of the benchmark programs; contracts in common.h.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
	exit(1);
}

struct sockaddr_in address_parse(const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];

	errno = EINVAL;
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		die("address %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("address %s", text);
	uint64_t port = number_parse("port", colon + 1);
	if (port > UINT16_MAX)
		die("port %s", text);
	address.sin_port = htons((uint16_t)port);
	return address;
}

uint64_t number_parse(const char *option, const char *text)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-') {
		errno = EINVAL;
		die("%s %s", option, text);
	}
	return value;
}

uint64_t descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	return limit.rlim_cur;
}

int listen_on(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    listen(fd, 8192) < 0)
		die("listen");
	return fd;
}

int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	return fd;
}

static size_t bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_STEPS)
		return (size_t)value;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 7u;
	return (size_t)(shift + 1) * HISTOGRAM_STEPS + (size_t)((value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t bucket_floor(size_t bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	size_t shift = bucket / HISTOGRAM_STEPS - 1;
	return (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
}

void histogram_add(struct histogram *h, uint64_t value_ns)
{
	h->count++;
	h->buckets[bucket_of(value_ns)]++;
	if (value_ns > h->max_ns)
		h->max_ns = value_ns;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->count);
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > rank)
			return bucket_floor(i);
	}
	return h->max_ns;
}

void histogram_print(const struct histogram *h, const char *name)
{
	static const struct {
		const char *name;
		double share;
	} rows[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("\"%s_%s_us\":%.3f,", name, rows[i].name,
		       (double)histogram_quantile(h, rows[i].share) / 1e3);
	printf("\"%s_max_us\":%.3f", name, (double)h->max_ns / 1e3);
}

/* Collects one line without its CRLF. Returns bytes eaten; *ret_whole says whether it is complete.
 */
static size_t line_take(struct response *r, const char *data, size_t len, bool *ret_whole)
{
	const char *end = memchr(data, '\n', len);
	size_t eaten = end ? (size_t)(end - data) + 1 : len;
	size_t room = sizeof(r->line) - 1 - r->line_len;
	size_t kept = eaten < room ? eaten : room;

	memcpy(r->line + r->line_len, data, kept);
	r->line_len += kept;
	*ret_whole = end != NULL;
	if (!end)
		return eaten;
	while (r->line_len &&
	       (r->line[r->line_len - 1] == '\n' || r->line[r->line_len - 1] == '\r'))
		r->line_len--;
	r->line[r->line_len] = '\0';
	return eaten;
}

static int line_apply_head(struct response *r)
{
	if (!r->status) {
		if (r->line_len < 12 || strncmp(r->line, "HTTP/1.1 ", 9) != 0)
			return -EPROTO;
		r->status = atoi(r->line + 9);
	} else if (!r->line_len) {
		if (r->chunked)
			r->state = RESPONSE_CHUNK_SIZE;
		else
			r->state = r->left ? RESPONSE_BODY : RESPONSE_DONE;
	} else if (strncasecmp(r->line, "content-length:", 15) == 0) {
		r->left = strtoull(r->line + 15, NULL, 10);
	} else if (strncasecmp(r->line, "transfer-encoding:", 18) == 0) {
		r->chunked = strcasestr(r->line + 18, "chunked") != NULL;
	}
	return 0;
}

static int line_apply(struct response *r)
{
	char *end;

	switch (r->state) {
	case RESPONSE_HEAD:
		return line_apply_head(r);
	case RESPONSE_CHUNK_SIZE:
		r->left = strtoull(r->line, &end, 16);
		if (end == r->line)
			return -EPROTO;
		r->state = r->left ? RESPONSE_BODY : RESPONSE_TRAILER;
		return 0;
	case RESPONSE_CHUNK_END:
		r->state = RESPONSE_CHUNK_SIZE;
		return r->line_len ? -EPROTO : 0;
	case RESPONSE_TRAILER:
		if (!r->line_len)
			r->state = RESPONSE_DONE;
		return 0;
	default:
		return -EPROTO;
	}
}

int64_t response_feed(struct response *r, const char *data, size_t len, body_fn body, void *arg)
{
	size_t at = 0;

	while (at < len && r->state != RESPONSE_DONE) {
		if (r->state == RESPONSE_BODY) {
			size_t span = len - at < r->left ? len - at : (size_t)r->left;
			if (body)
				body(arg, data + at, span);
			at += span;
			r->left -= span;
			if (!r->left)
				r->state = r->chunked ? RESPONSE_CHUNK_END : RESPONSE_DONE;
			continue;
		}
		bool whole;
		at += line_take(r, data + at, len - at, &whole);
		if (!whole)
			break;
		int error = line_apply(r);
		if (error)
			return error;
		r->line_len = 0;
	}
	return (int64_t)at;
}
