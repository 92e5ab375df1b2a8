/* SPDX-License-Identifier: Apache-2.0 */
/* The console's secret and its sessions. Both are kept as hashes alone. Sessions are bounded: the
 * one idle longest goes first. */
#include "keys/keys.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "keys/secret-file.h"
#include "keys/throttle.h"

enum {
	SESSIONS_MAX = 1024,
};

static const uint64_t idle_max_ns = 12 * 3600 * NS_PER_S;

struct session {
	uint8_t sha256[SHA256_BYTES];
	uint64_t used_ns; /* 0: free */
};

struct keys_console {
	pthread_mutex_t lock;
	uint8_t secret_sha256[SHA256_BYTES];
	struct throttle throttle;
	size_t session_count;
	struct session *sessions; /* grows up to SESSIONS_MAX */
};

int keys_console_new(const char *secret_path, struct keys_console **ret, struct error *error)
{
	struct buffer text = { 0 };
	struct keys_console *console = NULL;
	struct slice secret;
	int r = secret_file_read(secret_path, "the console's secret", &text, &secret, error);

	if (r == 0) {
		console = calloc(1, sizeof(*console));
		if (!console)
			r = error_set(error, -ENOMEM, "out of memory");
	}
	if (r == 0) {
		pthread_mutex_init(&console->lock, NULL);
		hash_sha256(secret, console->secret_sha256);
		*ret = console;
	}
	secret_file_forget(&text);
	return r;
}

struct keys_console *keys_console_free(struct keys_console *console)
{
	if (!console)
		return NULL;
	pthread_mutex_destroy(&console->lock);
	free(console->sessions);
	free(console);
	return NULL;
}

static bool expired(const struct session *session, uint64_t now_ns)
{
	return session->used_ns == 0 || now_ns > session->used_ns + idle_max_ns;
}

/* A free place, or the one idle longest when all are taken; NULL when out of memory. */
static struct session *session_place(struct keys_console *console, uint64_t now_ns)
{
	struct session *oldest = NULL, *grown;

	for (size_t i = 0; i < console->session_count; i++) {
		struct session *session = &console->sessions[i];

		if (expired(session, now_ns))
			return session;
		if (!oldest || session->used_ns < oldest->used_ns)
			oldest = session;
	}
	if (console->session_count == SESSIONS_MAX)
		return oldest;
	grown = realloc(console->sessions, (console->session_count + 1) * sizeof(grown[0]));
	if (!grown)
		return NULL;
	console->sessions = grown;
	return &grown[console->session_count++];
}

static int start_session(struct keys_console *console, uint64_t now_ns,
			 char text[static KEYS_SESSION_SIZE])
{
	struct session *session = session_place(console, now_ns);

	if (!session)
		return -ENOMEM;
	random_text(text, KEYS_SESSION_SIZE - 1);
	hash_sha256((struct slice){ text, KEYS_SESSION_SIZE - 1 }, session->sha256);
	session->used_ns = now_ns > 0 ? now_ns : 1;
	return 0;
}

int keys_console_login(struct keys_console *console, const char *peer, struct slice secret,
		       uint64_t now_ns, char session[static KEYS_SESSION_SIZE],
		       uint32_t *ret_wait_s)
{
	struct throttle_source source = throttle_source_of(peer);
	uint8_t sha256[SHA256_BYTES];
	uint32_t wait_s;
	int r;

	hash_sha256(secret, sha256);
	pthread_mutex_lock(&console->lock);
	wait_s = throttle_wait_s(&console->throttle, source, now_ns);
	if (wait_s > 0) {
		*ret_wait_s = wait_s;
		r = -EAGAIN;
	} else if (!hash_equal(sha256, console->secret_sha256, sizeof(sha256))) {
		throttle_failed(&console->throttle, source, now_ns);
		r = -EACCES;
	} else {
		throttle_succeeded(&console->throttle, source, now_ns);
		r = start_session(console, now_ns, session);
	}
	pthread_mutex_unlock(&console->lock);
	return r;
}

/* All are compared, whichever is right; the lock is held. */
static struct session *find_session(struct keys_console *console, struct slice text)
{
	struct session *found = NULL;
	uint8_t sha256[SHA256_BYTES];

	if (text.len != KEYS_SESSION_SIZE - 1)
		return NULL;
	hash_sha256(text, sha256);
	for (size_t i = 0; i < console->session_count; i++)
		if (hash_equal(console->sessions[i].sha256, sha256, sizeof(sha256)))
			found = &console->sessions[i];
	return found;
}

bool keys_console_check(struct keys_console *console, struct slice text, uint64_t now_ns)
{
	struct session *session;
	bool good;

	pthread_mutex_lock(&console->lock);
	session = find_session(console, text);
	good = session && !expired(session, now_ns);
	if (good)
		session->used_ns = now_ns;
	pthread_mutex_unlock(&console->lock);
	return good;
}

void keys_console_logout(struct keys_console *console, struct slice text)
{
	struct session *session;

	pthread_mutex_lock(&console->lock);
	session = find_session(console, text);
	if (session)
		*session = (struct session){ 0 };
	pthread_mutex_unlock(&console->lock);
}

/* ---- at another process ---- */

struct saved {
	uint8_t secret_sha256[SHA256_BYTES], sha256[SHA256_BYTES];
	uint64_t used_ns;
};

static_assert(sizeof(struct saved) == KEYS_SAVED_BYTES, "no padding");

void keys_console_save(struct keys_console *console, uint64_t now_ns, struct buffer *out)
{
	struct saved saved;

	pthread_mutex_lock(&console->lock);
	memcpy(saved.secret_sha256, console->secret_sha256, SHA256_BYTES);
	for (size_t i = 0; i < console->session_count; i++) {
		const struct session *session = &console->sessions[i];
		if (expired(session, now_ns))
			continue;
		memcpy(saved.sha256, session->sha256, SHA256_BYTES);
		saved.used_ns = session->used_ns;
		buffer_append(out, &saved, sizeof(saved));
	}
	pthread_mutex_unlock(&console->lock);
}

static void restore(struct keys_console *console, const struct saved *saved, uint64_t now_ns)
{
	struct session *session;

	if (!hash_equal(saved->secret_sha256, console->secret_sha256, SHA256_BYTES))
		return;
	session = session_place(console, now_ns);
	if (!session)
		return;
	memcpy(session->sha256, saved->sha256, SHA256_BYTES);
	session->used_ns = saved->used_ns < now_ns ? saved->used_ns : now_ns;
}

int keys_console_restore(struct keys_console *console, struct slice saved, uint64_t now_ns)
{
	struct saved one;

	if (saved.len % sizeof(one) != 0)
		return -EINVAL;
	pthread_mutex_lock(&console->lock);
	for (; saved.len > 0; saved = slice_skip(saved, sizeof(one))) {
		memcpy(&one, saved.ptr, sizeof(one));
		restore(console, &one, now_ns);
	}
	pthread_mutex_unlock(&console->lock);
	return 0;
}
