/* SPDX-License-Identifier: Apache-2.0 */
/* Wiring: each part is made from plain options, started in order of need, and stopped in the
 * reverse. Requests are taken last and refused first. */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "admin/admin.h"
#include "api/api.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/zone.h"
#include "fs/fs.h"
#include "gateway/gateway.h"

struct daemon {
	const struct daemon_options *options;
	struct conf *conf; /* of the start: what needs a restart never changes */
	int lock_fd;
	struct zone *zone;
	struct plugin_set *plugins;
	struct ledger *ledger;
	struct keys_console *console;
	struct api *api;
	struct gateway *gateway;
	struct admin *admin;
	struct fs *fs;
	char boot_secret[44];
};

static int say(const struct error *error, int r)
{
	char text[1024];

	log_error("%s", error_text(error, text, sizeof(text)));
	return r;
}

static void prepare_process(const struct daemon_options *options)
{
	struct rlimit files;

	log_set_journal(!options->foreground && !isatty(STDERR_FILENO));
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

/* Two daemons on one state would each overwrite what the other keeps. */
static int lock_state(struct daemon *daemon, struct error *error)
{
	char path[4096];
	int r = file_make_folders(daemon->conf->state, 0750, error);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/lock", daemon->conf->state);
	daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (daemon->lock_fd < 0)
		return error_set(error, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(
		    error, -EBUSY,
		    "another tidegated runs on the state folder %s; stop it first, or use "
		    "--state",
		    daemon->conf->state);
	return 0;
}

static int open_ledger(struct daemon *daemon, unsigned loops, struct error *error)
{
	char folder[4096], inflight[4096], logs[4096];
	const struct conf *conf = daemon->conf;
	struct ledger_options options = {
		.folder = folder,
		.inflight_path = inflight,
		.log_folder = logs,
		.zone = daemon->zone,
		.loops = loops,
		.entries = conf->limits.inflight,
		.commit_ms = conf->commit_ms,
		.features_max = conf->limits.features,
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
	struct api_options api = { daemon->boot_secret, daemon->conf->state };
	struct gateway_options options = {
		.ledger = daemon->ledger,
		.plugins = daemon->plugins,
		.loops = loops,
		.descriptors = descriptors_max(),
		.console_secret = daemon->boot_secret,
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
	random_text(daemon->boot_secret, sizeof(daemon->boot_secret) - 1);
	r = api_new(&api, &daemon->api, error);
	if (r < 0)
		return r;
	options.console_socket = api_socket(daemon->api);
	r = gateway_new(&options, &daemon->gateway, error);
	if (r < 0)
		return r;
	r = gateway_publish(daemon->gateway, daemon->conf, error);
	/* Before anything is mounted: a second daemon by mistake ends here, and disturbs nobody. */
	return r < 0 ? r : gateway_listen(daemon->gateway, error);
}

static int make_surfaces(struct daemon *daemon, struct error *error)
{
	struct admin_options admin = {
		.main_file = daemon->options->config,
		.overrides = daemon->options->overrides,
		.gateway = daemon->gateway,
		.ledger = daemon->ledger,
		.plugins = daemon->plugins,
		.console = daemon->console,
		.zone = daemon->zone,
	};
	char logs[4096];
	int r = admin_new(&admin, &daemon->admin, error);

	if (r < 0)
		return r;
	if (daemon->conf->mount) {
		struct fs_options fs = { daemon->conf->mount, daemon->admin, logs };
		snprintf(logs, sizeof(logs), "%s/logs", daemon->conf->state);
		r = fs_new(&fs, &daemon->fs, error);
		if (r < 0)
			return r;
	}
	r = admin_start(daemon->admin, error);
	if (r < 0)
		return r;
	api_attach(daemon->api, daemon->admin);
	return 0;
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

static int start(struct daemon *daemon, struct error *error)
{
	unsigned loops = daemon->options->loops ? daemon->options->loops : cpu_count();
	enum log_level level;
	int r;

	r = conf_load(daemon->options->config, &daemon->options->overrides, &daemon->conf, error,
		      NULL);
	if (r < 0)
		return r;
	if (log_level_parse(daemon->conf->log_level, &level) == 0)
		log_set_level(level);
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
	r = plugin_set_load(daemon->conf->plugin_folder, daemon->conf->plugin_load, true,
			    &daemon->plugins, error);
	if (r < 0)
		return r;
	r = open_ledger(daemon, loops, error);
	if (r < 0)
		return r;
	r = make_gateway(daemon, loops, error);
	if (r < 0)
		return r;
	r = make_surfaces(daemon, error);
	if (r < 0)
		return r;
	say_what_is_missing(daemon->conf);
	r = gateway_start(daemon->gateway, error);
	if (r < 0)
		return r;
	malloc_trim(0);
	log_info("tidegated %s serves %s with %u loops, state %s, mount %s", TIDEGATE_VERSION,
		 daemon->conf->api_listen[0] ? daemon->conf->api_listen[0] : "nothing", loops,
		 daemon->conf->state, daemon->conf->mount ? daemon->conf->mount : "none");
	gateway_certificates_tell(daemon->gateway, true);
	return 0;
}

/* Whoever signals again does not want to wait. */
static bool signalled_again(void *data)
{
	static const struct timespec at_once = { 0 };
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	number = sigtimedwait(&signals, NULL, &at_once);
	if (number < 0)
		return false;
	log_info("%s again: open requests end now", strsignal(number));
	return true;
}

static void drain(struct daemon *daemon, const char *why)
{
	struct conf *conf = gateway_conf(daemon->gateway);
	uint32_t most_ms = conf->limits.drain_ms;
	struct gateway_counters counters;

	conf_unref(conf);
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
		  "%s/inflight and are written at the next start: keep that file",
		  (unsigned long long)left,
		  state.degraded ? state.degraded_reason : "they had not ended",
		  daemon->conf->state);
	return -EIO;
}

/* Nothing was served yet where the start failed (`why` NULL), so nothing is waited for. */
static int stop(struct daemon *daemon, const char *why)
{
	int r;

	if (daemon->gateway && why)
		drain(daemon, why);
	else if (daemon->gateway)
		gateway_stop(daemon->gateway, 0, NULL, NULL);
	api_free(daemon->api);
	if (daemon->admin)
		admin_stop(daemon->admin);
	fs_free(daemon->fs);
	admin_free(daemon->admin);
	gateway_free(daemon->gateway);
	keys_console_free(daemon->console);
	r = stop_ledger(daemon);
	ledger_free(daemon->ledger);
	plugin_set_free(daemon->plugins);
	zone_unref(daemon->zone);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
	conf_unref(daemon->conf);
	return r;
}

/* The name of the one that stops us. */
static const char *wait_for_signals(struct daemon *daemon, const sigset_t *signals)
{
	for (;;) {
		int number;
		if (sigwait(signals, &number) != 0)
			continue;
		if (number != SIGHUP)
			return strsignal(number);
		admin_reload_soon(daemon->admin);
	}
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = { .options = options, .lock_fd = -1 };
	struct error error = { 0 };
	const char *why = NULL;
	sigset_t signals;
	int r, left;

	prepare_process(options);
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	/* Before any thread is made, so that none of them is interrupted. */
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	r = start(&daemon, &error);
	if (r < 0)
		say(&error, r);
	else
		why = wait_for_signals(&daemon, &signals);
	left = stop(&daemon, why);
	if (r >= 0 && left >= 0)
		log_info("stopped");
	return r < 0 ? r : left;
}
