/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins tried before this process runs them: a child of no privileges opens the file, and makes
 * an instance of the object and destroys it. The child is a program of its own, as a process of
 * many threads cannot fork and go on: it reads what it is to try from descriptor 0, a file in
 * memory, has the plugin's file as 3, and answers on 1.
 *
 * The secret is the true one, for create() judges it; the plugin is to have it anyhow. It is in
 * that memory alone. */
#include "plugin/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "plugin/child.h"

enum {
	ASKED_BYTES_MAX = 16 << 20,
	TRIED_MAX = 4096,
	KEY_SIZE = 512,
	SECRETS_BYTES = 256 * 1024, /* at once: a buffer that grows leaves copies behind */
	FD_MIN = 10,                /* of descriptors that are to become 0, 1 and 3 */
	PLUGIN_FD = 3,
	NOT_ASKED = 125, /* exit status of the child */
};

static const uint64_t memory_bytes = UINT64_C(2) << 30; /* a model may be a part of create() */

/* ---- what is asked, as fields: 4 bytes of length, the bytes, and a NUL ---- */

static void put(struct buffer *out, const char *text)
{
	uint32_t len = text ? (uint32_t)strlen(text) : UINT32_MAX;

	buffer_append(out, (const char *)&len, sizeof(len));
	if (text)
		buffer_append(out, text, len + 1);
}

static bool take(struct slice *rest, const char **ret)
{
	uint32_t len;

	if (rest->len < sizeof(len))
		return false;
	memcpy(&len, rest->ptr, sizeof(len));
	*rest = slice_skip(*rest, sizeof(len));
	*ret = NULL;
	if (len == UINT32_MAX)
		return true;
	if (len >= rest->len || rest->ptr[len] != '\0')
		return false;
	*ret = rest->ptr;
	*rest = slice_skip(*rest, len + 1);
	return true;
}

static void put_number(struct buffer *out, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	put(out, text);
}

static bool take_number(struct slice *rest, uint64_t *ret)
{
	const char *text;

	return take(rest, &text) && text && slice_to_u64(slice_of(text), ret) >= 0;
}

static void put_object(struct buffer *out, const struct plugin_object *object)
{
	put_number(out, object->kind);
	put(out, object->name);
	put(out, object->plugin);
	put(out, object->secret);
	put_number(out, object->options->count);
	for (size_t i = 0; i < object->options->count; i++) {
		put(out, object->options->rows[i].name);
		put(out, object->options->rows[i].text);
		put_number(out, object->options->rows[i].type);
	}
}

struct asked {
	const char *name, *plugin, *secret;
	uint64_t kind;
	struct conf_plugin_options options;
};

static bool take_options(struct slice *rest, struct conf_plugin_options *ret)
{
	struct conf_plugin_option *rows;
	uint64_t count, type;

	if (!take_number(rest, &count) || count > PLUGIN_OPTIONS_MAX)
		return false;
	rows = calloc(count + 1, sizeof(*rows));
	if (!rows)
		return false;
	*ret = (struct conf_plugin_options){ rows, count };
	for (size_t i = 0; i < count; i++) {
		if (!take(rest, &rows[i].name) || !take(rest, &rows[i].text) ||
		    !take_number(rest, &type) || type > CONF_BOOLEAN)
			return false;
		rows[i].type = (__typeof__(rows[i].type))type;
	}
	return true;
}

static bool take_asked(struct slice *rest, struct asked *asked)
{
	return take_number(rest, &asked->kind) && take(rest, &asked->name) &&
	       take(rest, &asked->plugin) && take(rest, &asked->secret) &&
	       take_options(rest, &asked->options);
}

/* ---- the child ---- */

static int try_object(const struct plugin_set *set, const struct asked *asked,
		      const struct plugin_services *services, struct error *error)
{
	const struct conf_provider provider = { .name = asked->name,
						.plugin = asked->plugin,
						.secret_text = asked->secret,
						.options = asked->options };
	const struct conf_policy policy = { .name = asked->name,
					    .plugin = asked->plugin,
					    .secret_text = asked->secret,
					    .options = asked->options };
	struct plugin_provider *made_provider = NULL;
	struct plugin_policy *made_policy = NULL;
	int r;

	if (asked->kind == TIDE_KIND_POLICY)
		r = plugin_policy_new(set, &policy, services, &made_policy, error);
	else
		r = plugin_provider_new(set, &provider, services, &made_provider, error);
	plugin_policy_free(made_policy);
	plugin_provider_unref(made_provider);
	return r;
}

static bool read_all(int fd, struct buffer *out)
{
	for (;;) {
		ssize_t n;

		if (out->len > ASKED_BYTES_MAX || !buffer_reserve(out, 4096))
			return false;
		n = read(fd, out->data + out->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		out->len += (size_t)n;
	}
}

void plugin_trial_run(const struct plugin_services *services)
{
	struct plugin_set *set = NULL;
	struct error error = { 0 };
	struct buffer bytes = { 0 }, out = { 0 };
	struct asked asked = { 0 };
	struct slice rest;
	const char *path;
	int fd = dup(STDOUT_FILENO), r; /* the plugin may print */

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (fd < 0 || !read_all(STDIN_FILENO, &bytes))
		_exit(NOT_ASKED);
	rest = buffer_slice(&bytes);
	if (!take(&rest, &path) || !path)
		_exit(NOT_ASKED);
	plugin_child_drop(memory_bytes);
	signal(SIGXFSZ, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	clearenv();
	r = plugin_set_of_file(PLUGIN_FD, path, &set, &error);
	while (r >= 0 && rest.len > 0) {
		if (!take_asked(&rest, &asked))
			_exit(NOT_ASKED);
		r = try_object(set, &asked, services, &error);
	}
	buffer_printf(&out, "%d %s", r < 0 ? r : 0, r < 0 ? error.message : "");
	_exit(write(fd, out.data, out.len) == (ssize_t)out.len ? 0 : 1);
}

/* ---- the parent ---- */

struct child {
	pid_t pid;
	int answer_fd;
};

static int memory_file(const struct buffer *bytes)
{
	_cleanup_fd_ int fd = memfd_create("plugin-trial", MFD_CLOEXEC);
	int moved;

	if (fd < 0)
		return -errno;
	if (write(fd, bytes->data, bytes->len) != (ssize_t)bytes->len || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	return moved < 0 ? -errno : moved;
}

static int spawn(const char *program, int asked_fd, int answer_fd, int plugin_fd, pid_t *ret)
{
	char *const words[] = { (char *)"tidegated", (char *)PLUGIN_TRIAL_OPTION, NULL };
	char *const environment[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, asked_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, answer_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, plugin_fd, PLUGIN_FD);
	r = posix_spawn(ret, program, &files, &attributes, words, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

static int begin(const char *program, int plugin_fd, const struct buffer *asked, struct child *ret)
{
	_cleanup_fd_ int asked_fd = memory_file(asked), read_fd = -1, write_fd = -1;
	int ends[2], r;

	if (asked_fd < 0)
		return asked_fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_fd = ends[0];
	write_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, FD_MIN);
	close(ends[1]);
	if (write_fd < 0)
		return -errno;
	r = spawn(program, asked_fd, write_fd, plugin_fd, &ret->pid);
	if (r < 0)
		return r;
	ret->answer_fd = steal_fd(&read_fd);
	return 0;
}

/* `what`: "PATH" or "policy x: plugin limit". */
static int judge(const char *what, bool in_time, int status, struct buffer *answer,
		 struct error *error)
{
	static const char where[] = "; it was tried in a process of its own";
	char *words;
	long code;

	if (!in_time)
		return error_set(error, -ETIMEDOUT, "%s: did not return within %d s%s", what,
				 PLUGIN_CHILD_MS / 1000, where);
	if (WIFSIGNALED(status))
		return error_set(error, -ENOEXEC, "%s: crashed (%s)%s", what,
				 strsignal(WTERMSIG(status)), where);
	buffer_append_char(answer, '\0');
	if (answer->failed || answer->len < 3)
		return error_set(error, -ENOEXEC, "%s: ended the process (with status %d)%s", what,
				 WEXITSTATUS(status), where);
	code = strtol(answer->data, &words, 10);
	if (code >= 0)
		return 0;
	return error_set(error, (int)code, "%s", words + 1);
}

static int ask(const char *program, int plugin_fd, const struct buffer *asked, const char *what,
	       struct error *error)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	struct child child = { 0 };
	int status = 0, r = begin(program, plugin_fd, asked, &child);
	bool in_time;

	if (r < 0)
		return error_set(error, r, "%s: cannot be tried: %s", what, strerror(-r));
	in_time = plugin_child_collect(child.answer_fd, &answer);
	/* Who has closed its end by ending keeps its status. */
	kill(child.pid, SIGKILL);
	while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
		;
	close(child.answer_fd);
	return judge(what, in_time, status, &answer, error);
}

int plugin_trial_file(const struct plugin_trials *trials, int fd, const char *path,
		      struct error *error)
{
	_cleanup_(buffer_fini) struct buffer asked = { 0 };

	if (!trials->program)
		return 0;
	put(&asked, path);
	return ask(trials->program, fd, &asked, path, error);
}

/* ---- once for the same bytes ---- */

static bool tried(struct plugin_trials *trials, struct slice key)
{
	bool found;

	pthread_mutex_lock(&trials->lock);
	found = map_get(&trials->good, key) != NULL;
	pthread_mutex_unlock(&trials->lock);
	return found;
}

static void remember(struct plugin_trials *trials, struct slice key)
{
	pthread_mutex_lock(&trials->lock);
	if (trials->good.count >= TRIED_MAX)
		map_fini(&trials->good);
	map_put(&trials->good, key, trials, NULL); /* or it is tried again */
	pthread_mutex_unlock(&trials->lock);
}

static int try(struct plugin_trials *trials, int fd, const struct plugin_facts *facts,
	       const struct plugin_object *object, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer asked = { 0 };
	const struct conf_place *at = object->place;
	struct error cause = { 0 };
	char what[256];
	int r;

	buffer_reserve(&asked, SECRETS_BYTES);
	put(&asked, facts->file);
	put_object(&asked, object);
	if (asked.failed)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(what, sizeof(what), "%s %s: create() of plugin %s", plugin_kind_name(object->kind),
		 object->name, object->plugin);
	r = ask(trials->program, fd, &asked, what, &cause);
	explicit_bzero(asked.data, asked.len);
	/* What nobody may do is for the daemon to find out, which may do more. */
	if (r >= 0 || r == -EACCES || r == -EPERM)
		return 0;
	return error_set_at(error, r, at->file, at->line, at->column, "%s", cause.message);
}

/* False: what is made of it has no name that would do. */
static bool key_of(const struct plugin_facts *facts, const struct plugin_object *object,
		   char ret[static KEY_SIZE])
{
	int len = snprintf(ret, KEY_SIZE, "%s/%u/%s/%s", facts->sha256, object->kind,
			   object->digest ? object->digest : "", object->name);

	return object->digest && len > 0 && len < KEY_SIZE;
}

int plugin_trial_object(struct plugin_trials *trials, int fd, const struct plugin_facts *facts,
			const struct plugin_object *object, struct error *error)
{
	char key[KEY_SIZE];
	int r;

	if (!trials->program)
		return 0;
	if (!key_of(facts, object, key))
		return try(trials, fd, facts, object, error);
	if (tried(trials, slice_of(key)))
		return 0;
	r = try(trials, fd, facts, object, error);
	if (r >= 0)
		remember(trials, slice_of(key));
	return r;
}

void plugin_trial_together(struct plugin_trials *trials, int fd, const struct plugin_facts *facts,
			   const struct plugin_object *objects, size_t count)
{
	_cleanup_(buffer_fini) struct buffer asked = { 0 };
	struct error ignored;
	char key[KEY_SIZE];
	size_t fresh = 0;

	buffer_reserve(&asked, SECRETS_BYTES);
	put(&asked, facts->file);
	for (size_t i = 0; i < count; i++) {
		if (!key_of(facts, &objects[i], key) || tried(trials, slice_of(key)))
			continue;
		put_object(&asked, &objects[i]);
		fresh++;
	}
	if (fresh > 1 && !asked.failed &&
	    ask(trials->program, fd, &asked, facts->file, &ignored) >= 0)
		for (size_t i = 0; i < count; i++)
			if (key_of(facts, &objects[i], key))
				remember(trials, slice_of(key));
	explicit_bzero(asked.data, asked.len);
}
