/* SPDX-License-Identifier: Apache-2.0 */
/* Wiring: each part is made from plain options, started in order of need, and stopped in the
 * reverse. Requests are taken last and refused first. */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/zone.h"
#include "daemon/activation.h"
#include "daemon/private.h"

enum {
	BOOT_SECRET_LEN = 43,
};

static int say(const struct error *error, int r)
{
	char text[1024];

	log_error("%s", error_text(error, text, sizeof(text)));
	return r;
}

/* What is in memory is not to be on disk: not in a core file, nor in what a handler of cores, which
 * no limit keeps away, makes of it. */
static void let_dump(bool dump)
{
	prctl(PR_SET_DUMPABLE, dump, 0, 0, 0);
}

static void prepare_process(const struct daemon_options *options)
{
	struct rlimit files;

	log_set_journal(!options->foreground && !isatty(STDERR_FILENO));
	let_dump(false);
	signal(SIGPIPE, SIG_IGN);
	umask(0027);
	/* Few threads allocate, and none on the request path: more arenas would only hold memory.
	 */
	mallopt(M_ARENA_MAX, 2);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* 0: no limit. */
static uint32_t descriptors_max(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > UINT32_MAX)
		return 0;
	return (uint32_t)files.rlim_cur;
}

static unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* Everything is read anew: until the other one had said that it changes nothing any more, keys may
 * have been made or revoked. */
int daemon_load(struct daemon *daemon, struct error *error)
{
	struct conf *conf;
	enum log_level level;
	int r = conf_load(daemon->options->config, &daemon->options->overrides, &conf, error, NULL);

	if (r < 0)
		return r;
	if (daemon->conf && strcmp(daemon->conf->state, conf->state) != 0) {
		conf_unref(conf);
		return error_set(error, -EAGAIN, "`state` was changed just now; start again");
	}
	conf_unref(daemon->conf);
	daemon->conf = conf;
	let_dump(conf->core_dumps);
	if (log_level_parse(conf->log_level, &level) == 0)
		log_set_level(level);
	return 0;
}

/* Two daemons on one state would each overwrite what the other keeps, unless they agree. */
static int lock_state(struct daemon *daemon, struct error *error)
{
	char path[4096];
	int fd, r = file_make_folders(daemon->conf->state, 0750, error);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/lock", daemon->conf->state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		daemon->goods.lock_fd = fd;
		return 0;
	}
	close(fd);
	if (!daemon->options->no_takeover)
		return succession_begin(daemon, error);
	return error_set(error, -EBUSY,
			 "another tidegated runs on the state folder %s; stop it first, or use "
			 "--state",
			 daemon->conf->state);
}

static int open_ledger(struct daemon *daemon, unsigned loops, struct error *error)
{
	char folder[4096], inflight[4096], logs[4096];
	const struct conf *conf = daemon->conf;
	struct ledger_options options = {
		.folder = folder,
		.inflight_path = inflight,
		.log_folder = logs,
		.shares = daemon->before.fd >= 0,
		.zone = daemon->zone,
		.loops = loops,
		.entries = conf->limits.inflight,
		.commit_ms = conf->commit_ms,
		.features_max = conf->limits.features,
		.keep_days = conf->retain_days,
		.keep_rollup_days = conf->retain_sums_days,
		.keep_bytes = conf->retain_bytes,
		.answers_max = conf->limits.responses,
		.answers_keep_days = conf->limits.responses_days,
	};

	snprintf(folder, sizeof(folder), "%s/ledger", conf->state);
	snprintf(inflight, sizeof(inflight), "%s/inflight", conf->state);
	snprintf(logs, sizeof(logs), "%s/logs", conf->state);
	return ledger_new(&options, &daemon->ledger, error);
}

/* [loop] */
static void metrics(void *data, struct buffer *out)
{
	struct daemon *daemon = data;

	admin_metrics(daemon->admin, out);
}

static int make_gateway(struct daemon *daemon, unsigned loops, struct error *error)
{
	struct api_options api = { daemon->goods.secret, daemon->conf->state };
	struct gateway_options options = {
		.ledger = daemon->ledger,
		.plugins = daemon->plugins,
		.loops = loops,
		.descriptors = descriptors_max(),
		.console_secret = daemon->goods.secret,
		.metrics = metrics,
		.metrics_data = daemon,
	};
	char secret_path[4096];
	int r;

	snprintf(secret_path, sizeof(secret_path), "%s/console-secret", daemon->conf->state);
	r = keys_console_new(secret_path, &daemon->console, error);
	if (r < 0)
		return r;
	options.console = daemon->console;
	snprintf(secret_path, sizeof(secret_path), "%s/pseudonym-secret", daemon->conf->state);
	r = keys_pseudonyms_new(secret_path, &daemon->pseudonyms, error);
	if (r < 0)
		return r;
	options.pseudonyms = daemon->pseudonyms;
	/* The other one's page requests go on to us, once we have taken over. */
	if (!daemon->goods.secret[0])
		random_text(daemon->goods.secret, BOOT_SECRET_LEN);
	r = api_new(&api, &daemon->api, error);
	if (r < 0)
		return r;
	options.console_socket = api_socket(daemon->api);
	r = gateway_new(&options, &daemon->gateway, error);
	if (r < 0)
		return r;
	if (daemon->goods.has_tickets)
		http_tls_tickets_restore(gateway_tickets(daemon->gateway), daemon->goods.tickets);
	takeover_forget_tickets(&daemon->goods);
	return gateway_publish(daemon->gateway, daemon->conf, error);
}

/* Before anything is mounted: a second daemon by mistake ends here, and disturbs nobody. */
static int open_doors(struct daemon *daemon, struct error *error)
{
	struct buffer *sockets = &daemon->goods.sockets;
	int r = activation_sockets(daemon->conf, sockets, error);

	if (r < 0)
		return r;
	return gateway_listen(daemon->gateway, (struct gateway_socket *)sockets->data,
			      sockets->len / sizeof(struct gateway_socket), daemon->before.fd >= 0,
			      error);
}

/* [admin] */
static void keys_gone(void *data, const char *const *names, bool now)
{
	const struct daemon *daemon = data;

	draining_tell(daemon->conf->state, names, now);
}

static int make_admin(struct daemon *daemon, struct error *error)
{
	struct admin_options admin = {
		.main_file = daemon->options->config,
		.overrides = daemon->options->overrides,
		.gateway = daemon->gateway,
		.ledger = daemon->ledger,
		.plugins = daemon->plugins,
		.console = daemon->console,
		.zone = daemon->zone,
		.keys_gone = keys_gone,
		.keys_gone_data = daemon,
	};

	return admin_new(&admin, &daemon->admin, error);
}

int daemon_mount(struct daemon *daemon, struct error *error)
{
	char logs[4096];
	struct fs_options fs = { daemon->conf->mount, daemon->admin, logs };

	if (!daemon->conf->mount)
		return 0;
	snprintf(logs, sizeof(logs), "%s/logs", daemon->conf->state);
	return fs_new(&fs, &daemon->fs, error);
}

int daemon_open_surfaces(struct daemon *daemon, struct error *error)
{
	int r = api_listen(daemon->api, error);

	if (r < 0)
		return r;
	api_attach(daemon->api, daemon->admin);
	return takeover_listen(daemon->conf->state, &daemon->door, error);
}

/* A start without these is no mistake, but nobody gets an answer. */
static void say_what_is_missing(const struct conf *conf)
{
	const char *tenant = conf->tenant_count > 0 ? "" : "there is no tenant yet: add one, then ";
	bool live = conf->owners[CONF_KEY] == CONF_OWNER_LIVE;
	size_t usable = 0;

	if (conf->provider_count == 0)
		log_warning("nothing can be served yet: no provider is configured; add one to "
			    "`providers` in %s (tidegate.conf(5) has examples) and run tidectl "
			    "reload",
			    conf->main_file);
	for (size_t i = 0; i < conf->key_count; i++)
		usable += !conf->keys[i].disabled;
	if (usable > 0)
		return;
	if (conf->key_count > 0)
		log_warning("nothing can be served yet: no key is in use, all %zu are disabled",
			    conf->key_count);
	else if (live)
		log_warning("nothing can be served yet: there is no key; %smake one with tidectl "
			    "keys create NAME --tenant TENANT",
			    tenant);
	else
		log_warning("nothing can be served yet: there is no key; %sadd one to `keys` in %s "
			    "or as %s/key/NAME.conf, and run tidectl reload",
			    tenant, conf->main_file, conf->objects_folder);
}

/* A start with one is degraded, and says so in time. */
static void say_what_is_off(struct daemon *daemon)
{
	char text[256];

	if (plugin_set_tell_off(daemon->plugins, text, sizeof(text)))
		log_warning("%s", text);
}

int daemon_serve(struct daemon *daemon, struct error *error)
{
	int r;

	say_what_is_missing(daemon->conf);
	say_what_is_off(daemon);
	r = gateway_start(daemon->gateway, error);
	daemon->serving = r >= 0;
	return r;
}

static int start_fresh(struct daemon *daemon, struct error *error)
{
	int r = daemon_mount(daemon, error); /* it watches admin, before that starts */

	if (r >= 0)
		r = admin_start(daemon->admin, error);
	if (r >= 0)
		r = daemon_open_surfaces(daemon, error);
	return r < 0 ? r : daemon_serve(daemon, error);
}

static int load_plugins(struct daemon *daemon, struct error *error)
{
	const struct conf *conf = daemon->conf;
	char crashes[4096], program[DAEMON_PROGRAM_SIZE];
	const struct plugin_set_options options = {
		.folder = conf->plugin_folder,
		.entries = conf->plugin_load,
		.require_root = true,
		.crashes = crashes,
		.crashes_max = conf->plugin_crashes_max,
		.trial = program,
	};
	int r;

	daemon_program(program, sizeof(program));

	snprintf(crashes, sizeof(crashes), "%s/plugin-crashes", conf->state);
	r = plugin_crashes_watch(crashes, daemon->before.fd < 0, error);
	return r < 0 ? r : plugin_set_open(&options, &daemon->plugins, error);
}

static int prepare(struct daemon *daemon, unsigned loops, struct error *error)
{
	int r = daemon_load(daemon, error);

	if (r >= 0)
		r = lock_state(daemon, error);
	if (r < 0)
		return r;
	file_sweep_temporaries(daemon->conf->state);
	conf_live_sweep(daemon->conf);
	r = zone_new(daemon->conf->zone, &daemon->zone);
	if (r < 0)
		return error_set(
		    error, r, "zone \"%s\" is not in this machine's zone database (package tzdata)",
		    daemon->conf->zone);
	r = daemon->conf->plugin_load[0] ? plugin_check_main_file(daemon->conf->main_file, error)
					 : 0;
	if (r >= 0)
		r = load_plugins(daemon, error);
	if (r >= 0)
		r = open_ledger(daemon, loops, error);
	if (r >= 0)
		r = make_gateway(daemon, loops, error);
	if (r >= 0)
		r = open_doors(daemon, error);
	return r < 0 ? r : make_admin(daemon, error);
}

static int start(struct daemon *daemon, struct error *error)
{
	unsigned loops = daemon->options->loops ? daemon->options->loops : cpu_count();
	int r = prepare(daemon, loops, error);

	if (r >= 0)
		r = daemon->before.fd >= 0 ? succession_finish(daemon, error)
					   : start_fresh(daemon, error);
	if (r < 0)
		return r;
	succession_close_sockets(daemon);
	malloc_trim(0);
	log_info("tidegated %s serves %s with %u loops, state %s, mount %s", TIDEGATE_VERSION,
		 daemon->conf->api_listen[0] ? daemon->conf->api_listen[0] : "nothing", loops,
		 daemon->conf->state, daemon->fs ? daemon->conf->mount : "none");
	gateway_certificates_tell(daemon->gateway, true);
	activation_ready();
	return 0;
}

bool daemon_signalled(void)
{
	static const struct timespec at_once = { 0 };
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	number = sigtimedwait(&signals, NULL, &at_once);
	if (number >= 0)
		log_info("%s", strsignal(number));
	return number >= 0;
}

/* Whoever signals again does not want to wait. */
static bool signalled_again(void *data)
{
	if (!daemon_signalled())
		return false;
	log_info("again: open requests end now");
	return true;
}

uint32_t daemon_drain_limit_ms(const struct daemon *daemon, bool takeover)
{
	struct conf *conf = gateway_conf(daemon->gateway);
	uint32_t most_ms = takeover ? conf->limits.takeover_drain_ms : conf->limits.drain_ms;

	conf_unref(conf);
	return most_ms;
}

static void drain(struct daemon *daemon, const char *why)
{
	uint32_t most_ms = daemon_drain_limit_ms(daemon, false);
	struct gateway_counters counters;

	gateway_counters_read(daemon->gateway, &counters);
	log_info("%s: draining: %llu open requests may go on for %g s at most; a second "
		 "signal ends them at once",
		 why, (unsigned long long)counters.inflight, most_ms / 1000.0);
	gateway_stop(daemon->gateway, most_ms, signalled_again, NULL);
}

/* Says what is left to the next start; -EIO then, so that who stopped us knows. */
static int stop_ledger(struct daemon *daemon)
{
	uint64_t left = daemon->ledger ? ledger_stop(daemon->ledger) : 0;
	struct ledger_state state;

	if (left == 0)
		return 0;
	ledger_state_read(daemon->ledger, &state);
	log_error("stopped with %llu requests that are not in the ledger (%s); they stay in "
		  "%s/inflight* and are written at the next start: keep those files",
		  (unsigned long long)left,
		  state.degraded ? state.degraded_reason : "they had not ended",
		  daemon->conf->state);
	return -EIO;
}

static void stop_gateway(struct daemon *daemon, const char *why)
{
	if (daemon->replaced)
		succession_outlive(daemon);
	else if (daemon->serving)
		drain(daemon, why);
	else
		gateway_stop(daemon->gateway, 0, NULL, NULL);
}

static int stop(struct daemon *daemon, const char *why)
{
	int r;

	takeover_unlisten(daemon->conf ? daemon->conf->state : "", &daemon->door);
	if (daemon->gateway)
		stop_gateway(daemon, why);
	api_free(daemon->api);
	if (daemon->admin)
		admin_stop(daemon->admin);
	fs_free(daemon->fs);
	admin_free(daemon->admin);
	gateway_free(daemon->gateway);
	keys_console_free(daemon->console);
	keys_pseudonyms_free(daemon->pseudonyms);
	r = stop_ledger(daemon);
	ledger_free(daemon->ledger);
	plugin_set_free(daemon->plugins);
	zone_unref(daemon->zone);
	takeover_end(&daemon->before);
	succession_close_sockets(daemon);
	if (daemon->goods.lock_fd >= 0)
		close(daemon->goods.lock_fd);
	conf_unref(daemon->conf);
	return r;
}

/* The name of the signal that stops us, or NULL. */
static const char *read_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;

	if (read(daemon->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return NULL;
	if (info.ssi_signo != SIGHUP)
		return strsignal((int)info.ssi_signo);
	admin_reload_soon(daemon->admin);
	return NULL;
}

/* Why we stop: a signal's name, or that another has taken over. */
static const char *wait_for_end(struct daemon *daemon)
{
	const char *why = NULL;

	while (!why && !daemon->replaced) {
		bool asked = daemon->after.fd >= 0;
		struct pollfd wait[2] = {
			{ .fd = daemon->signal_fd, .events = POLLIN },
			{ .fd = asked ? daemon->after.fd : daemon->door.fd, .events = POLLIN },
		};
		int ready = poll(wait, 2, asked ? succession_patience_ms(daemon) : -1);
		if (ready < 0)
			continue;
		if (ready == 0)
			succession_send_away(daemon);
		else if (wait[0].revents)
			why = read_signal(daemon);
		else if (wait[1].revents && asked)
			succession_hear(daemon);
		else if (wait[1].revents)
			succession_offer(daemon);
	}
	if (daemon->after.fd >= 0)
		takeover_dismiss(&daemon->after, "stopping");
	return why;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = {
		.options = options,
		.goods = { .lock_fd = -1 },
		.before = { .fd = -1 },
		.after = { .fd = -1 },
		.door = { .fd = -1 },
		.draining = { .fd = -1 },
	};
	struct error error = { 0 };
	const char *why = "the start failed";
	sigset_t signals;
	int r, left;

	prepare_process(options);
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	/* Before any thread is made, so that none of them is interrupted. */
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	daemon.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	r = daemon.signal_fd < 0 ? error_set(&error, -errno, "no signalfd: %s", strerror(errno))
				 : start(&daemon, &error);
	if (r < 0)
		say(&error, r);
	else
		why = wait_for_end(&daemon);
	left = stop(&daemon, why);
	if (daemon.signal_fd >= 0)
		close(daemon.signal_fd);
	if (r >= 0 && left >= 0)
		log_info("stopped");
	return r < 0 ? r : left;
}
