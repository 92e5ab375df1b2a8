/* SPDX-License-Identifier: Apache-2.0 */
/* The console's secret and sessions: first run, log-in, slowing down, expiry, and the bound on
 * sessions. */
#include "keys/keys.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "test.h"

static char path[400];
static char secret[64];
static uint64_t now_ns = 1000 * NS_PER_S;

static struct keys_console *open_console(const char *name)
{
	struct keys_console *console;
	struct buffer text = { 0 };
	struct slice rest, line;

	snprintf(path, sizeof(path), "%s/%s", test_folder(), name);
	CHECK_INT(keys_console_new(path, &console, NULL), 0);
	CHECK_INT(file_read(path, 100, &text, NULL), 0);
	line = slice_cut(buffer_slice(&text), '\n', &rest);
	CHECK_INT(rest.len, 0);
	CHECK(slice_copy(line, secret, sizeof(secret)));
	buffer_fini(&text);
	return console;
}

static int login_from(struct keys_console *console, const char *peer, const char *text)
{
	char session[KEYS_SESSION_SIZE];
	uint32_t wait_s;

	return keys_console_login(console, peer, slice_of(text), now_ns, session, &wait_s);
}

static int login(struct keys_console *console, const char *text,
		 char session[static KEYS_SESSION_SIZE], uint32_t *wait_s)
{
	return keys_console_login(console, "192.0.2.1:1000", slice_of(text), now_ns, session,
				  wait_s);
}

static void test_first_run(void)
{
	struct keys_console *console = open_console("first");
	char before[64], session[KEYS_SESSION_SIZE];
	struct stat info;
	uint32_t wait_s;

	CHECK_INT(strlen(secret), 32);
	CHECK_INT(stat(path, &info), 0);
	CHECK_INT(info.st_mode & 07777, 0600);
	CHECK_INT(login(console, secret, session, &wait_s), 0);
	CHECK_INT(strlen(session), 43);
	CHECK(keys_console_check(console, slice_of(session), now_ns));
	keys_console_free(console);
	memcpy(before, secret, sizeof(before));
	console = open_console("first");
	CHECK_STR(secret, before);
	CHECK(!keys_console_check(console, slice_of(session),
				  now_ns)); /* sessions end with the process */
	keys_console_free(console);
}

static void test_refused_files(void)
{
	struct keys_console *console = NULL;
	struct error error = { 0 };

	snprintf(path, sizeof(path), "%s/open", test_folder());
	CHECK_INT(file_write_atomic(path, SLICE("0123456789abcdef\n"), 0644, NULL), 0);
	CHECK_INT(keys_console_new(path, &console, &error), -EACCES);
	CHECK(strstr(error.message, "chmod 600"));
	CHECK(!strstr(error.message, "0123"));
	CHECK_INT(file_write_atomic(path, SLICE("short\n"), 0600, NULL), 0);
	CHECK_INT(keys_console_new(path, &console, &error), -EINVAL);
	CHECK(!strstr(error.message, "short\n"));
	CHECK_INT(file_write_atomic(path, SLICE("0123456789abcdef\r\nsecond line"), 0600, NULL), 0);
	CHECK_INT(keys_console_new(path, &console, &error), 0);
	keys_console_free(console);
}

static void test_throttle(void)
{
	static const uint32_t waits[] = { 1, 2, 4, 8, 16, 32, 64, 64, 64 };
	struct keys_console *console = open_console("throttle");
	char session[KEYS_SESSION_SIZE];
	uint32_t wait_s = 0;

	for (int i = 0; i < 4; i++)
		CHECK_INT(login(console, "wrong", session, &wait_s), -EACCES);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		CHECK_INT(login(console, "wrong", session, &wait_s), -EACCES);
		CHECK_INT(login(console, secret, session, &wait_s),
			  -EAGAIN); /* the right one waits too */
		CHECK_INT(wait_s, waits[i]);
		now_ns += waits[i] * NS_PER_S - 1;
		CHECK_INT(login(console, secret, session, &wait_s), -EAGAIN);
		CHECK_INT(wait_s, 1);
		now_ns += 1;
	}
	CHECK_INT(login(console, secret, session, &wait_s), 0);
	for (int i = 0; i < 4; i++) /* forgiven */
		CHECK_INT(login(console, "", session, &wait_s), -EACCES);
	CHECK_INT(login(console, secret, session, &wait_s), 0);
	keys_console_free(console);
}

/* Tries wrong secrets until they are no longer looked at. */
static void close_for(struct keys_console *console, const char *peer)
{
	for (int i = 0; i < 5; i++)
		CHECK_INT(login_from(console, peer, "wrong"), -EACCES);
	CHECK_INT(login_from(console, peer, secret), -EAGAIN);
}

static void test_by_address(void)
{
	static const struct {
		const char *closed, *as_well, *open;
	} cases[] = {
		{ "10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1" },
		{ "[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:9", "[2001:db8:0:2::1]:1" },
		{ "10.0.0.3:1", "[::ffff:10.0.0.3]:1", "[::ffff:10.0.0.4]:1" },
		{ "unix:1000", "unix:1000", "unix:1001" },
		{ "?", "?", "10.0.0.9:1" },
	};
	struct keys_console *console = open_console("address");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		close_for(console, cases[i].closed);
		CHECK_INT(login_from(console, cases[i].as_well, secret), -EAGAIN);
		CHECK_INT(login_from(console, cases[i].open, secret), 0);
		CHECK_INT(login_from(console, cases[i].closed, secret), -EAGAIN);
	}
	now_ns += 3601 * NS_PER_S; /* old failures are forgotten */
	for (int i = 0; i < 4; i++)
		CHECK_INT(login_from(console, "10.0.0.1:1", "wrong"), -EACCES);
	CHECK_INT(login_from(console, "10.0.0.1:1", secret), 0);
	keys_console_free(console);
}

/* Very many wrong secrets, each from an address of its own, close it but for who was in before. */
static void test_everywhere(void)
{
	struct keys_console *console = open_console("everywhere");
	char peer[32];
	int tried = 0;

	CHECK_INT(login_from(console, "10.1.0.1:1", secret), 0);
	for (int i = 0; i < 5000; i++) {
		snprintf(peer, sizeof(peer), "10.2.%d.%d:1", i / 250, i % 250);
		tried += login_from(console, peer, "wrong") == -EACCES;
		now_ns += NS_PER_MS;
	}
	CHECK_INT(tried, 600);
	CHECK_INT(login_from(console, "10.3.0.1:1", secret), -EAGAIN);
	CHECK_INT(login_from(console, "10.1.0.1:1", secret), 0);
	now_ns += 60 * NS_PER_S;
	CHECK_INT(login_from(console, "10.3.0.1:1", secret), 0);
	keys_console_free(console);
}

/* The table is bounded; who knew the secret is forgotten last. */
static void test_many_addresses(void)
{
	struct keys_console *console = open_console("many");
	char peer[32];

	CHECK_INT(login_from(console, "10.1.0.1:1", secret), 0);
	close_for(console, "10.4.0.1:1");
	for (int i = 0; i < 2000; i++) {
		now_ns += i % 500 == 0 ? 61 * NS_PER_S : 1;
		snprintf(peer, sizeof(peer), "10.2.%d.%d:1", i / 250, i % 250);
		CHECK_INT(login_from(console, peer, "wrong"), -EACCES);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(peer, sizeof(peer), "10.5.0.%d:1", i);
		CHECK_INT(login_from(console, peer, "wrong"), -EACCES);
	}
	CHECK_INT(login_from(console, "10.3.0.1:1", secret), -EAGAIN);
	CHECK_INT(login_from(console, "10.1.0.1:1", secret), 0);
	keys_console_free(console);
}

static void test_expiry(void)
{
	struct keys_console *console = open_console("expiry");
	char session[KEYS_SESSION_SIZE];
	uint32_t wait_s;

	CHECK_INT(login(console, secret, session, &wait_s), 0);
	for (int i = 0; i < 3; i++) { /* each use is a new beginning */
		now_ns += 12 * 3600 * NS_PER_S;
		CHECK(keys_console_check(console, slice_of(session), now_ns));
	}
	now_ns += 12 * 3600 * NS_PER_S + 1;
	CHECK(!keys_console_check(console, slice_of(session), now_ns));
	CHECK_INT(login(console, secret, session, &wait_s), 0);
	keys_console_logout(console, slice_of("not a session"));
	CHECK(keys_console_check(console, slice_of(session), now_ns));
	keys_console_logout(console, slice_of(session));
	CHECK(!keys_console_check(console, slice_of(session), now_ns));
	session[0] ^= 1;
	CHECK(!keys_console_check(console, slice_of(session), now_ns));
	CHECK(!keys_console_check(console, (struct slice){ NULL, 0 }, now_ns));
	keys_console_free(console);
}

static void test_bound(void)
{
	struct keys_console *console = open_console("bound");
	static char sessions[1025][KEYS_SESSION_SIZE];
	uint32_t wait_s;

	for (int i = 0; i < 1025; i++) {
		now_ns++;
		CHECK_INT(login(console, secret, sessions[i], &wait_s), 0);
		CHECK(i != 500 || keys_console_check(console, slice_of(sessions[0]), ++now_ns));
	}
	CHECK(keys_console_check(console, slice_of(sessions[0]), now_ns));  /* used since */
	CHECK(!keys_console_check(console, slice_of(sessions[1]), now_ns)); /* idle longest */
	for (int i = 2; i < 1025; i++)
		CHECK(keys_console_check(console, slice_of(sessions[i]), now_ns));
	keys_console_free(console);
}

static void *use_console(void *data)
{
	struct keys_console *console = data;
	char session[KEYS_SESSION_SIZE];
	uint32_t wait_s;

	for (int i = 0; i < 200; i++) {
		CHECK_INT(keys_console_login(console, "unix:0", slice_of(secret), NS_PER_S, session,
					     &wait_s),
			  0);
		CHECK(keys_console_check(console, slice_of(session), NS_PER_S));
		keys_console_logout(console, slice_of(session));
		CHECK(!keys_console_check(console, slice_of(session), NS_PER_S));
	}
	return NULL;
}

static void test_threads(void)
{
	struct keys_console *console = open_console("threads");
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, use_console, console), 0);
	for (int i = 0; i < 4; i++)
		CHECK_INT(pthread_join(threads[i], NULL), 0);
	keys_console_free(console);
}

/* Another process knows the sessions, unless the secret is another there; what had expired, or is
 * cut, is none. */
static void test_restore(void)
{
	struct keys_console *console = open_console("restore"), *same, *other;
	char old[KEYS_SESSION_SIZE], session[KEYS_SESSION_SIZE];
	struct buffer saved = { 0 };
	uint32_t wait_s;

	CHECK_INT(login(console, secret, old, &wait_s), 0);
	now_ns += 13 * 3600 * NS_PER_S;
	CHECK_INT(login(console, secret, session, &wait_s), 0);
	keys_console_save(console, now_ns, &saved);
	CHECK_INT(saved.len, KEYS_SAVED_BYTES);
	same = open_console("restore");
	CHECK(!keys_console_check(same, slice_of(session), now_ns));
	CHECK_INT(keys_console_restore(same, (struct slice){ saved.data, saved.len - 1 }, now_ns),
		  -EINVAL);
	CHECK(!keys_console_check(same, slice_of(session), now_ns));
	CHECK_INT(keys_console_restore(same, buffer_slice(&saved), now_ns), 0);
	CHECK(keys_console_check(same, slice_of(session), now_ns));
	CHECK(!keys_console_check(same, slice_of(old), now_ns));
	other = open_console("other");
	CHECK_INT(keys_console_restore(other, buffer_slice(&saved), now_ns), 0);
	CHECK(!keys_console_check(other, slice_of(session), now_ns));
	buffer_fini(&saved);
	keys_console_free(console);
	keys_console_free(same);
	keys_console_free(other);
}

int main(void)
{
	test_run("first run", test_first_run);
	test_run("refused files", test_refused_files);
	test_run("throttle", test_throttle);
	test_run("by address", test_by_address);
	test_run("everywhere", test_everywhere);
	test_run("many addresses", test_many_addresses);
	test_run("expiry", test_expiry);
	test_run("bound", test_bound);
	test_run("threads", test_threads);
	test_run("restore", test_restore);
	return 0;
}
