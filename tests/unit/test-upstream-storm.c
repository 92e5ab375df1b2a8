/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand calls to a server that answers, stalls, cuts and resets at random, by a client that
 * pauses and cancels at random: every call ends once or was cancelled, and nothing is left behind.
 */
#include <dirent.h>

#include "test-upstream-fixture.h"

enum {
	CALLS = 10000,
	SLOTS = 48,
	SERVER_FDS = 256,
	CONNECTIONS_MAX = 24,
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool answer(int fd, uint64_t *random)
{
	static const char *const answers[] = {
		HELLO,
		HELLO,
		HELLO,
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" HELLO,
		OK_HEAD "Content-Length: 500\r\n\r\nstalls",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"",
		"garbage\r\n\r\n",
	};
	const char *text = answers[next_random(random) % ARRAY_SIZE(answers)];
	uint64_t after = next_random(random) % 8;

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return false;
	if (after == 0)
		server_reset(fd);
	else if (after == 1)
		close(fd);
	return after > 1;
}

/* What comes is a request, or part of one: it is answered either way. */
static void serve_storm(struct server *server)
{
	static char data[65536];
	struct pollfd fds[SERVER_FDS] = { { .fd = server->listener, .events = POLLIN } };
	nfds_t count = 1;
	uint64_t random = 88172645463325252ULL;

	while (sem_trywait(&server->go) < 0) {
		poll(fds, count, 20);
		for (nfds_t i = count - 1; i >= 1; i--) {
			if (!fds[i].revents)
				continue;
			if (recv(fds[i].fd, data, sizeof(data), 0) <= 0)
				close(fds[i].fd);
			else if (answer(fds[i].fd, &random))
				continue;
			fds[i] = fds[--count];
		}
		if ((fds[0].revents & POLLIN) && count < SERVER_FDS)
			fds[count++] = (struct pollfd){ .fd = accept(server->listener, NULL, NULL),
							.events = POLLIN };
	}
	while (count > 1)
		close(fds[--count].fd);
}

struct slot {
	struct client *client;
	struct upstream_call *call; /* NULL: none under way */
	struct loop_timer timer;    /* acts on a call that has been quiet */
	bool paused;
};

static uint64_t client_random = 0x9E3779B97F4A7C15ULL;
static unsigned started, ended, failed, cancelled;

static void slot_start(struct slot *slot);

static void slot_done(struct slot *slot)
{
	slot->call = NULL;
	slot->paused = false;
	loop_timer_cancel(slot->client->loop, &slot->timer);
	if (ended + failed + cancelled == CALLS)
		loop_stop(slot->client->loop);
	else
		slot_start(slot);
}

static void slot_cancel(struct slot *slot)
{
	cancelled++;
	upstream_cancel(slot->call);
	slot_done(slot);
}

static void slot_timer(struct loop_timer *timer)
{
	struct slot *slot = container_of(timer, struct slot, timer);

	if (!slot->paused) {
		slot_cancel(slot);
		return;
	}
	slot->paused = false;
	upstream_resume(slot->call);
	CHECK_INT(loop_timer_set(slot->client->loop, timer, clock_now_ns() + 2 * NS_PER_MS), 0);
}

static void chance(struct slot *slot)
{
	uint64_t what = next_random(&client_random) % 16;

	if (what == 0) {
		slot_cancel(slot);
	} else if (what == 1) {
		slot->paused = true;
		upstream_pause(slot->call);
	}
}

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	CHECK_INT(status, 200);
	chance(user);
}

static void on_data(void *user, struct slice data)
{
	chance(user);
}

static void on_end(void *user)
{
	ended++;
	slot_done(user);
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	if (!message[0] || failure == UPSTREAM_FAILED_MEMORY)
		test_fail(__FILE__, __LINE__, "%s", message);
	failed++;
	slot_done(user);
}

static void slot_start(struct slot *slot)
{
	static const struct upstream_callbacks callbacks = { on_head, on_data, on_end, on_failure };
	static const struct slice parts[] = { SLICE("{\"a\":"), SLICE("1}") };
	struct upstream_request request = { .method = SLICE("POST"),
					    .path = SLICE("/x"),
					    .body_parts = parts,
					    .body_part_count = ARRAY_SIZE(parts) };

	uint64_t patience;

	if (started == CALLS)
		return;
	started++;
	CHECK_INT(upstream_start(slot->client->upstream, slot->client->origin, &request, &callbacks,
				 slot, &slot->call),
		  0);
	patience = next_random(&client_random) % 8 == 0 ? 0 : 30 * NS_PER_MS;
	CHECK_INT(loop_timer_set(slot->client->loop, &slot->timer, clock_now_ns() + patience), 0);
}

static unsigned count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	CHECK(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void storm(void)
{
	static struct slot slots[SLOTS];
	struct server server;
	struct client client;
	const struct upstream_stats *stats;
	char url[64];
	unsigned fds = count_fds();

	server_start(&server, serve_storm);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
	client_init_options(&client,
			    (struct upstream_origin_options){ .base_url = url,
							      .lane = lane,
							      .allow_private = true,
							      .connections_max = CONNECTIONS_MAX });
	stats = upstream_stats(client.upstream);
	for (size_t i = 0; i < SLOTS; i++) {
		slots[i] = (struct slot){ .client = &client, .timer.fn = slot_timer };
		slot_start(&slots[i]);
	}
	CHECK_INT(loop_timer_set(client.loop, &client.watchdog, clock_now_ns() + 100 * NS_PER_S),
		  0);
	CHECK_INT(loop_run(client.loop), 0);
	loop_timer_cancel(client.loop, &client.watchdog);
	CHECK_INT(ended + failed + cancelled, CALLS);
	CHECK(ended > 0 && failed > 0 && cancelled > 0);
	CHECK_INT(stat_of(&stats->calls_active), 0);
	CHECK_INT(stat_of(&stats->calls_total), CALLS);
	CHECK_INT(stat_of(&stats->failures_total), failed);
	CHECK(stat_of(&stats->connections_open) <= CONNECTIONS_MAX);
	printf("%u ended, %u failed, %u cancelled, %" PRIu64 " sent again\n", ended, failed,
	       cancelled, stat_of(&stats->stale_retries_total));
	client_fini(&client);
	sem_post(&server.go);
	server_stop(&server);
	CHECK_INT(count_fds(), fds);
}

int main(int argc, char **argv)
{
	lane_choose(argc, argv);
	test_run("storm", storm);
	return 0;
}
