/* SPDX-License-Identifier: Apache-2.0 */
/* Names on each lane, with a resolver and a clock of the test's own: which addresses a name may
 * lead to, for how long an answer is kept, and what follows when it changes. Whichever address is
 * connected to, the server here has it; it is told apart by the address that was asked for. */
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "test-upstream-fixture.h"
#include "upstream/address.h"

#define NAME "upstream.test"

/* ---- the resolver and the clock, in place of the C library's for all of this process ---- */

static struct {
	pthread_mutex_t lock;
	const char *const *texts; /* what a lookup finds, NULL-terminated; empty: it fails */
	unsigned lookups;
	int64_t ahead_s; /* of the real clocks */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct addrinfo *fake_entry(const char *text, const char *service)
{
	struct {
		struct addrinfo info;
		struct address address;
	} *entry = calloc(1, sizeof(*entry));

	CHECK(entry && address_parse(text, &entry->address) == 0);
	address_set_port(&entry->address, (uint16_t)(service ? strtoul(service, NULL, 10) : 0));
	entry->info = (struct addrinfo){ .ai_family = entry->address.any.sa_family,
					 .ai_socktype = SOCK_STREAM,
					 .ai_protocol = IPPROTO_TCP,
					 .ai_addr = &entry->address.any,
					 .ai_addrlen = address_size(&entry->address) };
	return &entry->info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	struct addrinfo **at = ret;

	CHECK_STR(name, NAME);
	*ret = NULL;
	pthread_mutex_lock(&fake.lock);
	fake.lookups++;
	for (const char *const *text = fake.texts; *text; text++) {
		*at = fake_entry(*text, service);
		at = &(*at)->ai_next;
	}
	pthread_mutex_unlock(&fake.lock);
	return *ret ? 0 : EAI_AGAIN;
}

void freeaddrinfo(struct addrinfo *info)
{
	while (info) {
		struct addrinfo *next = info->ai_next;

		free(info);
		info = next;
	}
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock != CLOCK_REALTIME)
		ret->tv_sec += __atomic_load_n(&fake.ahead_s, __ATOMIC_RELAXED);
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	now.tv_sec += __atomic_load_n(&fake.ahead_s, __ATOMIC_RELAXED);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

static void answer(const char *const *texts)
{
	pthread_mutex_lock(&fake.lock);
	fake.texts = texts;
	fake.lookups = 0;
	pthread_mutex_unlock(&fake.lock);
}

static unsigned lookups(void)
{
	unsigned count;

	pthread_mutex_lock(&fake.lock);
	count = fake.lookups;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static void pass_seconds(int64_t seconds)
{
	__atomic_add_fetch(&fake.ahead_s, seconds, __ATOMIC_RELAXED);
}

/* ---- a server on all addresses ---- */

static char reached[8][ADDRESS_TEXT_SIZE]; /* what each connection had asked for */
static unsigned reached_count;
static unsigned answers_each; /* of a connection; then the server closes it */

/* The client still has the connection. */
static bool goes_on(int fd)
{
	char byte;

	server_poll(fd, POLLIN);
	return recv(fd, &byte, 1, MSG_PEEK) == 1;
}

static void serve_everywhere(struct server *server)
{
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct address address = { 0 };
		socklen_t size = sizeof(address);

		CHECK(getsockname(fd, &address.any, &size) == 0);
		address_text(&address, reached[reached_count++]);
		for (unsigned i = 1; i <= answers_each && goes_on(fd); i++) {
			server_read(server, fd);
			server_send(fd, i < answers_each ? HELLO
							 : OK_HEAD
					    "Connection: close\r\nContent-Length: 5\r\n\r\nhello");
		}
		close(fd);
	}
}

static void everywhere_start(struct server *server, unsigned answers)
{
	reached_count = 0;
	answers_each = answers;
	server_listen_at(server, INADDR_ANY, 64);
	server->script = serve_everywhere;
	CHECK(pthread_create(&server->thread, NULL, server_thread, server) == 0);
}

static void everywhere_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	server_stop(server);
}

static void init(struct client *client, const struct server *server, bool allow_private)
{
	char url[64];

	snprintf(url, sizeof(url), "http://" NAME ":%u", server->port);
	client_init_options(client,
			    (struct upstream_origin_options){ .base_url = url,
							      .lane = lane,
							      .allow_private = allow_private,
							      .connect_ms = 5000 });
}

static void call(struct client *client)
{
	struct told told = { 0 };

	client_call(client, &told, "POST", SLICE("{}"));
	if (told.failed)
		test_fail(__FILE__, __LINE__, "%s", told.message);
	CHECK_SLICE(buffer_slice(&told.body), "hello");
	told_fini(&told);
}

static void call_in_vain(struct client *client, enum upstream_failure failure)
{
	struct told told = { 0 };

	client_call(client, &told, "POST", SLICE("{}"));
	check_failure(&told, failure);
	told_fini(&told);
}

/* ---- the tests ---- */

/* Whatever form a private address has, a name does not lead to it. */
static void private_answers(void)
{
	static const char *const texts[] = { "127.0.0.1",
					     "127.1.2.3",
					     "0.0.0.0",
					     "10.0.0.1",
					     "172.16.0.1",
					     "192.168.0.1",
					     "100.100.100.200",
					     "169.254.169.254",
					     "192.0.0.192",
					     "224.0.0.1",
					     "255.255.255.255",
					     "::",
					     "::1",
					     "::127.0.0.1",
					     "::ffff:127.0.0.1",
					     "::ffff:169.254.169.254",
					     "64:ff9b::7f00:1",
					     "64:ff9b:1::1",
					     "2002:7f00:1::",
					     "2001:0:7f00:1::",
					     "fd00:ec2::254",
					     "fe80::1",
					     "fec0::1",
					     "ff02::1",
					     "64:ff9b::a9fe:a9fe" };
	static const char *const many[] = { "127.0.0.1", "169.254.169.254", "::1", NULL };
	struct server server;

	everywhere_start(&server, 1);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *const one[] = { texts[i], NULL };
		struct client client;

		answer(one);
		init(&client, &server, false);
		call_in_vain(&client, UPSTREAM_FAILED_REFUSED_ADDRESS);
		client_fini(&client);
	}
	answer(many);
	for (int i = 0; i < 2; i++) {
		struct client client;

		init(&client, &server, i == 1);
		if (i == 0)
			call_in_vain(&client, UPSTREAM_FAILED_REFUSED_ADDRESS);
		else
			call(&client);
		client_fini(&client);
	}
	everywhere_stop(&server);
	CHECK_INT(reached_count, 1); /* by the one that may */
	CHECK_STR(reached[0], "127.0.0.1");
}

/* An answer is kept for half a minute, and a changed one is followed after it. */
static void changed_answer(void)
{
	static const char *const before[] = { "127.0.0.1", NULL };
	static const char *const after[] = { "127.0.0.2", NULL };
	struct server server;
	struct client client;

	everywhere_start(&server, 1);
	init(&client, &server, true);
	answer(before);
	call(&client);
	call(&client);
	CHECK_INT(lookups(), 1);
	answer(after);
	pass_seconds(25);
	call(&client);
	CHECK_INT(lookups(), 0);
	pass_seconds(10);
	call(&client);
	CHECK_INT(lookups(), 1);
	client_fini(&client);
	everywhere_stop(&server);
	CHECK_INT(reached_count, 4);
	CHECK_STR(reached[2], "127.0.0.1");
	CHECK_STR(reached[3], "127.0.0.2");
}

/* A connection that is never idle does not hold on to an old answer for ever either. */
static void busy_connection(void)
{
	static const char *const before[] = { "127.0.0.1", NULL };
	static const char *const after[] = { "127.0.0.2", NULL };
	struct server server;
	struct client client;

	everywhere_start(&server, 1000);
	init(&client, &server, true);
	answer(before);
	call(&client);
	answer(after);
	for (int i = 0; i < 11; i++) {
		pass_seconds(50);
		call(&client);
	}
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connects_total), 1);
	pass_seconds(55);
	call(&client); /* the plain lane sees it as it puts the connection back, curl as it takes it
			*/
	call(&client);
	CHECK_INT(stat_of(&upstream_stats(client.upstream)->connects_total), 2);
	client_fini(&client);
	everywhere_stop(&server);
	CHECK_INT(reached_count, 2);
	CHECK_STR(reached[1], "127.0.0.2");
}

/* That a name did not resolve is not kept. */
static void failed_answer(void)
{
	static const char *const none[] = { NULL };
	static const char *const one[] = { "127.0.0.1", NULL };
	struct server server;
	struct client client;

	everywhere_start(&server, 1);
	init(&client, &server, true);
	answer(none);
	call_in_vain(&client, UPSTREAM_FAILED_RESOLVE);
	answer(one);
	call(&client);
	client_fini(&client);
	everywhere_stop(&server);
	CHECK_INT(reached_count, 1);
}

/* A network of this process alone, where a public address is this machine's too. */
static void own_network(const char *public)
{
	struct ifreq request = { .ifr_name = "lo" };
	struct address address;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		test_skip("no right to a network of one's own");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	request.ifr_flags = IFF_UP;
	CHECK(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
	CHECK_INT(address_parse(public, &address), 0);
	memcpy(request.ifr_name, "lo:1", 5);
	memcpy(&request.ifr_addr, &address.v4, sizeof(address.v4));
	CHECK(ioctl(fd, SIOCSIFADDR, &request) == 0);
	close(fd);
}

/* A name that is public when it is first looked at and private afterwards: what is connected to is
 * judged, each time. Of several addresses the private ones are passed over. */
static void rebinding(void)
{
	static const char public_address[] = "11.0.0.1";
	static const char *const good[] = { public_address, NULL };
	static const char *const bad[] = { "127.0.0.1", NULL };
	static const char *const mixed[] = { "127.0.0.1", public_address, NULL };
	struct server server;
	struct client client;

	own_network(public_address);
	everywhere_start(&server, 1);
	init(&client, &server, false);
	answer(good);
	call(&client);
	answer(bad);
	pass_seconds(35);
	call_in_vain(&client, UPSTREAM_FAILED_REFUSED_ADDRESS);
	answer(mixed);
	pass_seconds(35);
	call(&client);
	client_fini(&client);
	everywhere_stop(&server);
	CHECK_INT(reached_count, 2);
	CHECK_STR(reached[0], public_address);
	CHECK_STR(reached[1], public_address);
}

int main(int argc, char **argv)
{
	lane_choose(argc, argv);
	test_run("private answers", private_answers);
	test_run("changed answer", changed_answer);
	test_run("busy connection", busy_connection);
	test_run("failed answer", failed_answer);
	test_run("rebinding", rebinding);
	return 0;
}
