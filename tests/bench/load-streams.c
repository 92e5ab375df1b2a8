/* SPDX-License-Identifier: Apache-2.0 */
/* Holds many event streams at once. Chunks carry the time they were due and their number, so that a
 * lost chunk, and how late one came, is known without trusting anything between. Prints
 * {"event":"steady"} once every stream has begun, {"event":"end"} before the first one ends:
 * between the two, all streams run. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENTS = 1024,
	READ_BYTES = 256 * 1024,
	STAMP_DIGITS = 16,
	SEQ_DIGITS = 6,
	BEGINNING_MAX = 256
};

struct stream {
	int fd;
	bool connecting;
	bool done_seen;
	bool usage_seen;
	bool out_of_order;
	uint32_t chunks;
	size_t line_len;
	char line[512];
	struct response response;
};

static struct streams {
	const struct load_options *options;
	struct request request;
	int epoll;
	struct stream *all;
	uint64_t opened, begun, ended;
	uint64_t received, broken;
	int broken_status; /* of the last broken stream; 0: it had no answer */
	uint64_t start_ns, first_begin_ns, steady_ns, end_ns;
	struct histogram late;
	char buffer[READ_BYTES];
} ls;

static void event_print(const char *name)
{
	printf("{\"event\":\"%s\"}\n", name);
	fflush(stdout);
}

/* Chunk stamps are counted once each; the usage event at the end repeats the last one's number. */
static void line_take(struct stream *s)
{
	static const char mark[] = "\"fp_";
	uint64_t now = now_ns();

	if (strstr(s->line, "\"usage\":{")) {
		s->usage_seen = true;
		return;
	}
	if (strcmp(s->line, "data: [DONE]") == 0) {
		s->done_seen = true;
		return;
	}
	const char *at = strstr(s->line, mark);
	if (!at || strlen(at) < sizeof(mark) - 1 + STAMP_DIGITS + SEQ_DIGITS)
		return;
	char stamp[STAMP_DIGITS + 1] = { 0 };
	char seq[SEQ_DIGITS + 1] = { 0 };
	memcpy(stamp, at + sizeof(mark) - 1, STAMP_DIGITS);
	memcpy(seq, at + sizeof(mark) - 1 + STAMP_DIGITS, SEQ_DIGITS);
	uint64_t due = strtoull(stamp, NULL, 16);
	if (strtoul(seq, NULL, 16) != s->chunks)
		s->out_of_order = true;
	if (s->chunks++ == 0) {
		ls.begun++;
		if (!ls.first_begin_ns)
			ls.first_begin_ns = now;
	}
	ls.received++;
	if (ls.steady_ns && due >= ls.steady_ns && (!ls.end_ns || due < ls.end_ns))
		histogram_add(&ls.late, now > due ? now - due : 0);
}

static void body_take(void *arg, const char *data, size_t len)
{
	struct stream *s = arg;

	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t eaten = end ? (size_t)(end - data) : len;
		size_t room = sizeof(s->line) - 1 - s->line_len;
		size_t kept = eaten < room ? eaten : room;
		memcpy(s->line + s->line_len, data, kept);
		s->line_len += kept;
		if (!end)
			return;
		s->line[s->line_len] = '\0';
		if (s->line_len)
			line_take(s);
		s->line_len = 0;
		data += eaten + 1;
		len -= eaten + 1;
	}
}

static void stream_end(struct stream *s)
{
	bool whole = s->response.state == RESPONSE_DONE && s->response.status == 200 &&
		     s->done_seen && s->usage_seen && !s->out_of_order &&
		     s->chunks == ls.options->chunks;

	if (!whole) {
		ls.broken++;
		ls.broken_status = s->response.status;
	}
	ls.ended++;
	close(s->fd);
	s->fd = -1;
}

static void stream_event(struct stream *s, uint32_t events)
{
	if (s->connecting) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
		s->connecting = false;
		if (events & (EPOLLERR | EPOLLHUP) || !request_send(s->fd, &ls.request)) {
			stream_end(s);
			return;
		}
		if (epoll_ctl(ls.epoll, EPOLL_CTL_MOD, s->fd, &event) < 0)
			die("epoll_ctl");
		return;
	}
	ssize_t n = recv(s->fd, ls.buffer, sizeof(ls.buffer), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || response_feed(&s->response, ls.buffer, (size_t)n, body_take, s) < 0 ||
	    s->response.state == RESPONSE_DONE)
		stream_end(s);
}

/* Opens as many as the rate allows by now, but keeps the number that have not begun below what any
 * listener's queue holds: a connect that is dropped there comes back a second later. */
static void streams_open(uint64_t now)
{
	uint64_t rate = ls.options->rate_per_s ? ls.options->rate_per_s : 1000;
	uint64_t target = (now - ls.start_ns) * rate / NS_PER_S + 1;

	if (target > ls.begun + ls.ended + BEGINNING_MAX)
		target = ls.begun + ls.ended + BEGINNING_MAX;
	if (target > ls.options->connections)
		target = ls.options->connections;
	for (; ls.opened < target; ls.opened++) {
		struct stream *s = &ls.all[ls.opened];
		s->fd = connect_to(&ls.options->target);
		s->connecting = true;
		epoll_add(ls.epoll, s->fd, EPOLLOUT, s);
	}
}

/* Steady begins when all have begun; it ends one interval before the first stream's last chunk. */
static void phase_advance(uint64_t now)
{
	uint64_t life_ns = (ls.options->chunks - 2) * ls.options->chunk_ms * NS_PER_MS;

	if (!ls.steady_ns && ls.begun == ls.options->connections && !ls.ended) {
		ls.steady_ns = now;
		event_print("steady");
	}
	if (ls.steady_ns && !ls.end_ns && (ls.ended || now >= ls.first_begin_ns + life_ns)) {
		ls.end_ns = now;
		event_print("end");
	}
}

static void report(void)
{
	uint64_t expected = ls.options->connections * ls.options->chunks;
	double steady_s = ls.end_ns ? (double)(ls.end_ns - ls.steady_ns) / 1e9 : 0;

	printf("{\"streams\":%llu,\"begun\":%llu,\"broken\":%llu,\"broken_status\":%d,\"expected\":"
	       "%llu,\"lost\":%lld,"
	       "\"steady_s\":%.6f,"
	       "\"steady_chunks\":%llu,",
	       (unsigned long long)ls.options->connections, (unsigned long long)ls.begun,
	       (unsigned long long)(ls.broken + ls.options->connections - ls.ended),
	       ls.broken_status, (unsigned long long)expected, (long long)(expected - ls.received),
	       steady_s, (unsigned long long)ls.late.count);
	histogram_print(&ls.late, "late");
	printf("}\n");
}

int load_streams(const struct load_options *options)
{
	struct epoll_event events[EVENTS];

	ls.options = options;
	ls.all = calloc(options->connections, sizeof(*ls.all));
	ls.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!ls.all || ls.epoll < 0)
		die("set-up");
	request_make(&ls.request, options, true);
	ls.start_ns = now_ns();
	uint64_t deadline = ls.start_ns + (60000 + options->chunks * options->chunk_ms) * NS_PER_MS;
	while (ls.ended < options->connections && now_ns() < deadline) {
		int n =
		    epoll_wait(ls.epoll, events, EVENTS, ls.opened < options->connections ? 1 : 20);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			stream_event(events[i].data.ptr, events[i].events);
		uint64_t now = now_ns();
		streams_open(now);
		phase_advance(now);
	}
	report();
	free(ls.all);
	return 0;
}
