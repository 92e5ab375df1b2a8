/* SPDX-License-Identifier: Apache-2.0 */
/* The plain lane's pools: shared by origins of equal options, so that a reload keeps warm
 * connections, and emptied when nothing has used them for a minute. Time is made to pass by ageing
 * what is idle. */
#include <sys/resource.h>

#include "base/map.h"
#include "test-upstream-fixture.h"
#include "upstream/plain.h"

static void serve_reload(struct server *server)
{
	int fd = server_accept(server);

	for (int i = 0; i < 2; i++) {
		server_read(server, fd);
		server_send(fd, HELLO);
	}
	server_expect_none(server);
	server_expect_close(server, fd);
	sem_post(&server->reached);
}

static void call(struct client *client)
{
	struct told told = { 0 };

	client_call(client, &told, "GET", (struct slice){ 0 });
	CHECK(told.ended);
	told_fini(&told);
}

static void reload(struct client *client, const struct server *server)
{
	upstream_origin_unref(client->origin);
	client->origin = origin_of(server);
}

static void age_idle(struct plain *plain)
{
	map_foreach (entry, &plain->pools) {
		struct plain_pool *pool = entry->value;

		list_foreach (node, &pool->idle)
			list_entry(node, struct plain_connection, node)->idle_since_ns -=
			    61 * NS_PER_S;
	}
}

static void sweep_now(struct client *client)
{
	CHECK_INT(loop_timer_set(client->loop, &client->upstream->plain->sweep_timer, 0), 0);
	client_settle(client);
}

static void reload_and_rest(void)
{
	struct server server;
	struct client client;
	const struct upstream_stats *stats;

	server_start(&server, serve_reload);
	client_init(&client, &server);
	stats = upstream_stats(client.upstream);
	call(&client);
	reload(&client, &server);
	call(&client);
	CHECK_INT(stat_of(&stats->reuses_total), 1);
	sweep_now(&client);
	CHECK_INT(stat_of(&stats->connections_open), 1);
	CHECK_INT(client.upstream->plain->pools.count, 1);
	age_idle(client.upstream->plain);
	sweep_now(&client);
	CHECK_INT(stat_of(&stats->connections_open), 0);
	CHECK_INT(client.upstream->plain->pools.count, 0);
	server_wait(&server.reached);
	client_fini(&client);
	server_stop(&server);
}

static void serve_one(struct server *server)
{
	int fd = server_accept(server);

	server_read(server, fd);
	server_send(fd, HELLO);
	server_expect_close(server, fd);
	sem_post(&server->reached);
}

static struct server *first; /* whose descriptor is the second's */

static void serve_second(struct server *server)
{
	server_wait(&first->reached);
	serve_one(server);
}

/* Without a free descriptor an idle connection, whoever's, makes room for the one needed. */
static void gives_up_idle(void)
{
	struct server servers[2];
	struct client client;
	struct rlimit old, low;
	const struct upstream_stats *stats;

	server_start(&servers[0], serve_one);
	first = &servers[0];
	server_start(&servers[1], serve_second);
	client_init(&client, &servers[0]);
	stats = upstream_stats(client.upstream);
	call(&client);
	reload(&client, &servers[1]);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)dup(0); /* the lowest that is free: none below it is */
	close((int)low.rlim_cur);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
	call(&client);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK_INT(stat_of(&stats->connections_open), 1);
	client_fini(&client);
	server_stop(&servers[0]);
	server_stop(&servers[1]);
}

int main(void)
{
	lane = UPSTREAM_LANE_PLAIN;
	test_run("reload and rest", reload_and_rest);
	test_run("gives up what is idle", gives_up_idle);
	lane = UPSTREAM_LANE_CURL;
	test_run("gives up what is idle: curl's", gives_up_idle);
	return 0;
}
