/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that end, in a daemon that drains: it forgets them by a snapshot without them, as the one
 * that serves has done. */
#include "daemon/draining.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/talk.h"

enum {
	WORDS_S = 1, /* between the words of one who asks */
	DONE_S = 2,  /* until it is done */
	NAME_LEN = 8,
};

static const char before_name[] = "draining-", behind_name[] = ".sock";

CLEANUP_DEFINE(struct conf, conf_unref);

/* ---- the old one ---- */

int draining_listen(const char *state, struct draining_door *door, struct error *error)
{
	char text[NAME_LEN + 1];
	int r;

	random_text(text, NAME_LEN);
	snprintf(door->name, sizeof(door->name), "%s%s%s", before_name, text, behind_name);
	r = talk_listen(state, door->name, &door->fd);
	if (r < 0)
		return error_set(error, r, "cannot listen at %s/%s: %s", state, door->name,
				 strerror(-r));
	return 0;
}

void draining_unlisten(const char *state, struct draining_door *door)
{
	_cleanup_fd_ int folder = -1;

	if (door->fd < 0)
		return;
	folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0)
		unlinkat(folder, door->name, 0);
	close(door->fd);
	door->fd = -1;
}

static int forget(struct gateway *gateway, struct slice names, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(gateway), *next = NULL;
	int r = conf_without_keys(now, names, &next, error);

	return r < 0 ? r : gateway_publish(gateway, next, error);
}

static void add(struct buffer *names, const char *name)
{
	buffer_append(names, name, strlen(name) + 1);
}

/* What is asked, as texts that end in NUL each; `ended` of `gone`. */
static int hear(int from, struct buffer *gone, struct buffer *ended)
{
	char text[TALK_PACKET_SIZE];
	int pid;

	talk_set_patience(from, WORDS_S);
	if (!talk_is_of_our_user(from, &pid))
		return -EPERM;
	for (;;) {
		_cleanup_fd_ int fd = -1;
		int r = talk_receive(from, text, &fd);
		const char *name = r < 0 ? NULL : talk_after(text, "gone");
		const char *end = r < 0 ? NULL : talk_after(text, "end");

		if (r < 0 || talk_after(text, "all"))
			return r;
		if (!name && !end)
			return -EPROTO;
		add(gone, name ? name : end);
		if (end)
			add(ended, end);
	}
}

static void attend(int from, struct gateway *gateway)
{
	_cleanup_(buffer_fini) struct buffer gone = { 0 }, ended = { 0 };
	struct error error = { 0 };
	char text[1024];
	int r = hear(from, &gone, &ended);

	if (r < 0) {
		log_warning("somebody at draining-*.sock is not understood: %s", strerror(-r));
		return;
	}
	r = gone.failed || ended.failed ? error_set(&error, -ENOMEM, "out of memory")
					: forget(gateway, buffer_slice(&gone), &error);
	if (r < 0)
		log_error("keys that ended work on while this one drains: %s",
			  error_text(&error, text, sizeof(text)));
	for (size_t at = 0; at < ended.len; at += strlen(ended.data + at) + 1)
		gateway_end_key(gateway, ended.data + at);
	talk_send(from, -1, r < 0 ? "failed" : "done");
}

void draining_attend(const struct draining_door *door, struct gateway *gateway)
{
	while (door->fd >= 0) {
		_cleanup_fd_ int from = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);

		if (from < 0)
			return;
		attend(from, gateway);
	}
}

/* ---- the one that serves ---- */

static int say(int to, const char *const *names, bool now)
{
	char text[TALK_PACKET_SIZE];
	int fd = -1, r = 0;

	for (size_t i = 0; names[i] && r == 0; i++) {
		snprintf(text, sizeof(text), "%s %s", now ? "end" : "gone", names[i]);
		r = talk_send(to, -1, text);
	}
	if (r == 0)
		r = talk_send(to, -1, "all");
	if (r == 0)
		r = talk_receive(to, text, &fd);
	if (fd >= 0)
		close(fd);
	return r == 0 && !talk_after(text, "done") ? -EIO : r;
}

/* One that has ended meanwhile has nothing left that runs. */
static void tell(int folder, const char *state, const char *name, const char *const *names,
		 bool now)
{
	_cleanup_fd_ int to = -1;
	int r = talk_dial(state, name, DONE_S, &to);

	if (r == -ECONNREFUSED) {
		unlinkat(folder, name, 0);
		return;
	}
	if (r == 0)
		r = say(to, names, now);
	if (r < 0 && r != -ENOENT && r != -ECONNRESET && r != -EPIPE)
		log_error("a tidegated that was taken over and drains (%s) has not said that keys "
			  "which ended are refused there: %s",
			  name, strerror(-r));
}

void draining_tell(const char *state, const char *const *names, bool now)
{
	DIR *entries = opendir(state);
	const struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		if (strncmp(entry->d_name, before_name, sizeof(before_name) - 1) == 0)
			tell(dirfd(entries), state, entry->d_name, names, now);
	}
	if (entries)
		closedir(entries);
}
