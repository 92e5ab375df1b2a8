/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmark's upstream: an OpenAI-dialect server whose answers are ready before the request
 * comes, so that its CPU stays far below any proxy's. A model whose name contains "100k" gets a 100
 * KB answer; "stream":true gets --chunks events, one every --chunk-ms, each stamped with the
 * millisecond it was due (system_fingerprint "fp_" + 16 hex digits of nanoseconds + 6 of the
 * sequence number). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

enum { READ_BYTES = 1 << 20, EVENTS = 1024, LARGE_TEXT_BYTES = 100 * 1024 };

struct conn {
	int fd;
	bool wants_write;
	char *in; /* a request that has not come whole yet */
	size_t in_len;
	const char *out; /* rest of a static answer, or of `tail` */
	size_t out_len;
	char *tail; /* stream bytes that the socket did not take */
	size_t tail_len;
	bool streaming;
	uint32_t seq;
	uint64_t due_ms;
	struct conn *prev, *next; /* streams in order of due_ms */
};

struct answer {
	char *text;
	size_t len;
};

static struct upstream {
	int epoll;
	int listener;
	struct answer small, large;
	struct conn *first, *last;
	uint64_t chunk_ms, chunks;
	char buffer[READ_BYTES];
} up;

static void queue_remove(struct conn *c)
{
	*(c->prev ? &c->prev->next : &up.first) = c->next;
	*(c->next ? &c->next->prev : &up.last) = c->prev;
	c->prev = c->next = NULL;
}

/* All streams have one interval, so the place is nearly always the end. */
static void queue_insert(struct conn *c)
{
	struct conn *before = up.last;

	while (before && before->due_ms > c->due_ms)
		before = before->prev;
	c->prev = before;
	c->next = before ? before->next : up.first;
	*(c->prev ? &c->prev->next : &up.first) = c;
	*(c->next ? &c->next->prev : &up.last) = c;
}

static void conn_close(struct conn *c)
{
	if (c->streaming)
		queue_remove(c);
	close(c->fd);
	free(c->in);
	free(c->tail);
	free(c);
}

static void conn_watch(struct conn *c, bool write)
{
	struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c };

	if (c->wants_write == write)
		return;
	c->wants_write = write;
	if (epoll_ctl(up.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		die("epoll_ctl");
}

/* Writes what is pending. Returns 0 or -1 when the connection is gone. */
static int conn_flush(struct conn *c)
{
	while (c->out_len) {
		ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0)
			break;
		c->out += n;
		c->out_len -= (size_t)n;
	}
	if (!c->out_len) {
		free(c->tail);
		c->tail = NULL;
		c->tail_len = 0;
	}
	conn_watch(c, c->out_len > 0);
	return 0;
}

/* Sends bytes that live only now: what the socket does not take is copied. */
static int conn_send(struct conn *c, const char *data, size_t len)
{
	if (!c->out_len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		if (!len)
			return 0;
	}
	size_t sent = c->tail ? (size_t)(c->out - c->tail) : 0;
	char *tail = realloc(c->tail, c->tail_len + len);
	if (!tail)
		die("realloc");
	memcpy(tail + c->tail_len, data, len);
	c->tail = tail;
	c->tail_len += len;
	c->out = tail + sent;
	c->out_len += len;
	conn_watch(c, true);
	return 0;
}

static size_t chunk_format(char *buffer, size_t size, const struct conn *c, const char *rest)
{
	char event[512];
	int len = snprintf(event, sizeof(event),
			   "data: "
			   "{\"id\":\"chatcmpl-bench0001\",\"object\":\"chat.completion.chunk\","
			   "\"created\":1760000000,"
			   "\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_%"
			   "016llx%06x\",%s}\n\n",
			   (unsigned long long)(c->due_ms * NS_PER_MS), c->seq, rest);
	return (size_t)snprintf(buffer, size, "%x\r\n%s\r\n", (unsigned)len, event);
}

/* The next event of a stream; the last one brings finish reason, usage and [DONE]. */
static int stream_step(struct conn *c)
{
	char buffer[2048];
	char rest[256];
	size_t len = 0;
	bool last = c->seq + 1 == up.chunks;

	if (c->seq == 0)
		snprintf(
		    rest, sizeof(rest),
		    "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
		    "\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null");
	else
		snprintf(rest, sizeof(rest),
			 "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,"
			 "\"finish_reason\":%s}],\"usage\":null",
			 last ? "" : "\"content\":\" again\"", last ? "\"stop\"" : "null");
	len += chunk_format(buffer, sizeof(buffer), c, rest);
	if (last) {
		snprintf(rest, sizeof(rest),
			 "\"choices\":[],\"usage\":{\"prompt_tokens\":171,"
			 "\"completion_tokens\":%u,\"total_tokens\":%u}",
			 c->seq - 1, c->seq + 170);
		len += chunk_format(buffer + len, sizeof(buffer) - len, c, rest);
		len += (size_t)snprintf(buffer + len, sizeof(buffer) - len,
					"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
	}
	if (conn_send(c, buffer, len) < 0)
		return -1;
	queue_remove(c);
	c->seq++;
	c->due_ms += up.chunk_ms;
	c->streaming = !last;
	if (c->streaming)
		queue_insert(c);
	return 0;
}

static int stream_start(struct conn *c)
{
	static const char head[] =
	    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
	    "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

	if (conn_send(c, head, sizeof(head) - 1) < 0)
		return -1;
	c->streaming = true;
	c->seq = 0;
	c->due_ms = now_ns() / NS_PER_MS;
	queue_insert(c);
	return stream_step(c);
}

static int request_answer(struct conn *c, const char *body, size_t len)
{
	if (memmem(body, len, "\"stream\":true", 13))
		return stream_start(c);
	const char *model = memmem(body, len, "\"model\":\"", 9);
	const char *end = model ? memchr(model + 9, '"', (size_t)(body + len - model) - 9) : NULL;
	bool large = end && memmem(model, (size_t)(end - model), "100k", 4);
	c->out = large ? up.large.text : up.small.text;
	c->out_len = large ? up.large.len : up.small.len;
	return conn_flush(c);
}

/* Length of the body by its header; chunked requests are not spoken here and end the run. */
static size_t body_length(const char *head, size_t len)
{
	for (const char *line = head; line && line < head + len;) {
		if (strncasecmp(line, "\r\ncontent-length:", 17) == 0)
			return (size_t)strtoull(line + 17, NULL, 10);
		line = memmem(line + 2, (size_t)(head + len - line) - 2, "\r\n", 2);
	}
	return 0;
}

/* Answers the requests that lie whole in `data`; returns bytes eaten or -1 when the peer is gone.
 */
static ssize_t requests_take(struct conn *c, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !c->streaming && !c->out_len) {
		const char *end = memmem(data + at, len - at, "\r\n\r\n", 4);
		if (!end)
			break;
		const char *line = memmem(data + at, (size_t)(end - data) - at, "\r\n", 2);
		const char *body = end + 4;
		size_t body_len = line ? body_length(line, (size_t)(end - line)) : 0;
		if ((size_t)(data + len - body) < body_len)
			break;
		at = (size_t)(body - data) + body_len;
		if (request_answer(c, body, body_len) < 0)
			return -1;
	}
	return (ssize_t)at;
}

/* Returns 0 or -1 when the connection is over. */
static int conn_read(struct conn *c)
{
	memcpy(up.buffer, c->in ? c->in : "", c->in_len);
	ssize_t n = recv(c->fd, up.buffer + c->in_len, sizeof(up.buffer) - 1 - c->in_len, 0);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	size_t len = c->in_len + (size_t)n;
	up.buffer[len] = '\0';
	ssize_t eaten = requests_take(c, up.buffer, len);
	if (eaten < 0)
		return -1;
	free(c->in);
	c->in = NULL;
	c->in_len = len - (size_t)eaten;
	if (c->in_len) {
		c->in = malloc(c->in_len);
		if (!c->in)
			die("malloc");
		memcpy(c->in, up.buffer + eaten, c->in_len);
	}
	return 0;
}

static void accept_all(void)
{
	for (;;) {
		int fd = accept4(up.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		struct conn *c = calloc(1, sizeof(*c));
		if (fd < 0 || !c)
			die("accept");
		c->fd = fd;
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(up.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			die("epoll_ctl");
	}
}

static void streams_run(void)
{
	uint64_t now_ms = now_ns() / NS_PER_MS;

	while (up.first && up.first->due_ms <= now_ms) {
		struct conn *c = up.first;
		if (stream_step(c) < 0)
			conn_close(c);
	}
}

static int wait_ms(void)
{
	if (!up.first)
		return -1;
	uint64_t now_ms = now_ns() / NS_PER_MS;
	return up.first->due_ms > now_ms ? (int)(up.first->due_ms - now_ms) : 0;
}

static void loop(void)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(up.epoll, events, EVENTS, wait_ms());
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			int result = 0;
			if (!c) {
				accept_all();
				continue;
			}
			if (events[i].events & EPOLLOUT)
				result = conn_flush(c);
			if (result == 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				result = conn_read(c);
			if (result < 0)
				conn_close(c);
		}
		streams_run();
	}
}

static struct answer answer_make(size_t text_bytes)
{
	static const char word[] = "It depends on the region: orders ship within two days. ";
	struct answer a;
	char *text = malloc(text_bytes + 1);

	if (!text)
		die("malloc");
	for (size_t i = 0; i < text_bytes; i++)
		text[i] = word[i % (sizeof(word) - 1)];
	text[text_bytes] = '\0';
	char *body = NULL;
	int body_len = asprintf(
	    &body,
	    "{\"id\":\"chatcmpl-bench0001\",\"object\":\"chat.completion\",\"created\":1760000000,"
	    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
	    "\"assistant\","
	    "\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
	    "\"usage\":{\"prompt_tokens\":171,\"completion_tokens\":42,\"total_tokens\":213,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":"
	    "{\"reasoning_tokens\":0}},\"system_fingerprint\":\"fp_bench0001\"}\n",
	    text);
	if (body_len < 0)
		die("asprintf");
	int len = asprintf(&a.text,
			   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			   "Content-Length: %d\r\nx-request-id: req_bench0001\r\n\r\n%s",
			   body_len, body);
	if (len < 0)
		die("asprintf");
	a.len = (size_t)len;
	free(body);
	free(text);
	return a;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = address_parse("127.0.0.1:0");
	socklen_t address_len = sizeof(address);

	up.chunk_ms = 500;
	up.chunks = 20;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--listen") == 0)
			address = address_parse(argv[i + 1]);
		else if (strcmp(argv[i], "--chunk-ms") == 0)
			up.chunk_ms = number_parse(argv[i], argv[i + 1]);
		else if (strcmp(argv[i], "--chunks") == 0)
			up.chunks = number_parse(argv[i], argv[i + 1]);
		else
			argc = 0;
	}
	if (argc % 2 != 1 || up.chunk_ms < 1 || up.chunks < 2) {
		fprintf(stderr,
			"usage: upstream [--listen HOST:PORT] [--chunk-ms N] [--chunks N]\n");
		return 2;
	}
	descriptors_raise();
	up.small = answer_make(160);
	up.large = answer_make(LARGE_TEXT_BYTES);
	up.listener = listen_on(&address);
	up.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	if (up.epoll < 0 || epoll_ctl(up.epoll, EPOLL_CTL_ADD, up.listener, &event) < 0)
		die("epoll");
	if (getsockname(up.listener, (struct sockaddr *)&address, &address_len) < 0)
		die("getsockname");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	loop();
}
