/* SPDX-License-Identifier: Apache-2.0 */
/* curl's view of the loop. curl drops a descriptor each time a connection goes idle and asks for it
 * again at the next request; sockets that it will not close without telling us stay in epoll
 * meanwhile, which saves both system calls. Those are the ones opened here and connected: sockets
 * that still connect, and the resolver's, are closed without a word.
 *
 * Sending to a peer on this machine wakes it, which costs more than all else of the send, unless it
 * is awake for the one before. So what curl writes to such peers is held in their sockets, and
 * leaves together at the end of the loop's round. A socket is held while it is idle, and let go by
 * the request for whose answer curl asks for it again; the kernel would after 200 ms. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/curl-lane.h"

enum {
	WATCHES_MIN = 64,
};

static void watch_unregister(struct curl_watch *watch)
{
	if (watch->registered)
		loop_remove(watch->lane->loop, &watch->io);
	watch->registered = false;
}

static void on_event(struct loop_io *io, uint32_t events)
{
	struct curl_watch *watch = container_of(io, struct curl_watch, io);
	int mask = 0;

	if (!watch->wanted) {
		/* The peer of an idle connection speaks or leaves: curl finds out before it uses it
		 * again. */
		watch_unregister(watch);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	curl_lane_run(watch->lane, io->fd, mask);
}

static struct curl_watch *watch_get(struct curl_lane *lane, int fd)
{
	size_t cap = lane->watch_cap ? lane->watch_cap : WATCHES_MIN;
	struct curl_watch *watch;

	while (cap <= (size_t)fd)
		cap *= 2;
	if (cap > lane->watch_cap) {
		struct curl_watch **watches =
		    reallocarray(lane->watches, cap, sizeof(struct curl_watch *));

		if (!watches)
			return NULL;
		memset(watches + lane->watch_cap, 0,
		       (cap - lane->watch_cap) * sizeof(struct curl_watch *));
		lane->watches = watches;
		lane->watch_cap = cap;
	}
	if (lane->watches[fd])
		return lane->watches[fd];
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	list_init(&watch->released);
	watch->lane = lane;
	watch->io = (struct loop_io){ .fd = fd, .fn = on_event };
	lane->watches[fd] = watch;
	return watch;
}

static void watch_forget(struct curl_lane *lane, int fd)
{
	struct curl_watch *watch = (size_t)fd < lane->watch_cap ? lane->watches[fd] : NULL;

	if (!watch)
		return;
	watch_unregister(watch);
	list_remove(&watch->released);
	if (watch->connected)
		stat_add(&lane->upstream->stats.connections_open, (uint64_t)-1);
	free(watch);
	lane->watches[fd] = NULL;
}

static bool set_cork(const struct curl_watch *watch, int on)
{
	return setsockopt(watch->io.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)) == 0;
}

static void hold_sends(struct curl_watch *watch)
{
	if (watch->local && !watch->held)
		watch->held = set_cork(watch, 1);
}

static void send_held(struct loop_task *task)
{
	struct curl_lane *lane = container_of(task, struct curl_lane, send_task);

	lane->send_queued = false;
	while (!list_empty(&lane->released)) {
		struct curl_watch *watch =
		    list_entry(lane->released.next, struct curl_watch, released);

		list_remove(&watch->released);
		set_cork(watch, 0);
		watch->held = false;
	}
}

static void send_at_end(struct curl_watch *watch)
{
	struct curl_lane *lane = watch->lane;

	if (!watch->held || !list_empty(&watch->released))
		return;
	list_append(&lane->released, &watch->released);
	if (!lane->send_queued)
		loop_defer(lane->loop, &lane->send_task);
	lane->send_queued = true;
}

static bool is_local(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct curl_lane *lane = data;
	struct curl_watch *watch = watch_get(lane, fd);
	uint32_t events = 0;
	int r;

	if (!watch)
		return -1;
	watch->wanted = what != CURL_POLL_REMOVE;
	if (!watch->wanted) {
		if (!watch->ours)
			watch_forget(lane, fd);
		else if (!watch->connected || watch->lines)
			watch_unregister(watch);
		else
			hold_sends(watch);
		return 0;
	}
	send_at_end(watch);
	if ((what & CURL_POLL_IN) && watch->ours && !watch->connected && !watch->lines) {
		watch->connected = true;
		stat_add(&lane->upstream->stats.connections_open, 1);
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	r = watch->registered ? loop_modify(lane->loop, &watch->io, events)
			      : loop_add(lane->loop, &watch->io, events);
	watch->registered = r >= 0;
	return r < 0 ? -1 : 0;
}

static void on_timer(struct loop_timer *timer)
{
	curl_lane_run(container_of(timer, struct curl_lane, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct curl_lane *lane = data;

	if (timeout_ms < 0) {
		loop_timer_cancel(lane->loop, &lane->timer);
		return 0;
	}
	if (loop_timer_set(lane->loop, &lane->timer,
			   clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS) < 0)
		return -1;
	return 0;
}

curl_socket_t curl_watch_open(struct curl_lane *lane, const struct curl_sockaddr *address,
			      bool lines)
{
	_cleanup_fd_ int fd =
	    socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	struct curl_watch *watch;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	watch_forget(lane, fd); /* what had this number is closed */
	watch = watch_get(lane, fd);
	if (!watch)
		return CURL_SOCKET_BAD;
	watch->ours = true;
	watch->lines = lines;
	watch->local = is_local(&address->addr);
	return steal_fd(&fd);
}

void curl_watch_leave(struct curl_lane *lane, curl_socket_t fd)
{
	if ((size_t)fd < lane->watch_cap && lane->watches[fd])
		watch_unregister(lane->watches[fd]);
}

int curl_watch_close(void *data, curl_socket_t fd)
{
	watch_forget(data, fd);
	return close(fd);
}

int curl_watch_init(struct curl_lane *lane)
{
	lane->timer.fn = on_timer;
	lane->send_task.fn = send_held;
	list_init(&lane->released);
	if (curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_watch) != CURLM_OK ||
	    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane) != CURLM_OK ||
	    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_set_timer) != CURLM_OK ||
	    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane) != CURLM_OK)
		return -EINVAL;
	return 0;
}

/* After curl_multi_cleanup, which closes all connections. */
void curl_watch_fini(struct curl_lane *lane)
{
	loop_timer_cancel(lane->loop, &lane->timer);
	if (lane->send_queued)
		loop_undefer(lane->loop, &lane->send_task);
	for (size_t i = 0; i < lane->watch_cap; i++)
		watch_forget(lane, (int)i);
	free(lane->watches);
}
