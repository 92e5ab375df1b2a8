/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no running appliance: --check and --inspect. */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "gateway/gateway.h"
#include "plugin/plugin.h"

CLEANUP_DEFINE(struct conf, conf_unref);
CLEANUP_DEFINE(struct plugin_set, plugin_set_free);

static int say(const struct error *error, int r)
{
	char text[1024];

	fprintf(stderr, "%s\n", error_text(error, text, sizeof(text)));
	return r;
}

void daemon_program(char *ret, size_t size)
{
	enum {
		LEAST = 10, /* not one that a child is given as another */
	};
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int fd = -1, high;

	/* By the name first: under a debugger the other is the debugger's. */
	if (len > 0) {
		path[len] = '\0';
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LEAST);
	if (fd >= 0)
		close(fd);
	snprintf(ret, size, "/proc/self/fd/%d", high);
}

static int load(const struct conf *conf, const char *const *entries, const char *program,
		struct plugin_set **ret, struct error *error)
{
	const struct plugin_set_options options = {
		.folder = conf->plugin_folder,
		.entries = entries,
		.require_root = true,
		.trial = program,
	};

	return plugin_set_open(&options, ret, error);
}

/* Of the plugins to load all that are refused, each by itself. */
static void say_refused(const struct conf *conf, const char *program, const struct error *whole,
			struct report *report)
{
	const struct conf_place *at = &conf->plugins_place;
	struct error error = { 0 }, cause;
	bool said = false;

	for (size_t i = 0; conf->plugin_load[i]; i++) {
		_cleanup_(cleanup_plugin_set_free) struct plugin_set *set = NULL;
		const char *stem[] = { conf->plugin_load[i], NULL };
		if (load(conf, stem, program, &set, &cause) >= 0)
			continue;
		error_set_at(&error, -EINVAL, at->file, at->line, at->column, "%s", cause.message);
		conf_report(report, &error);
		said = true;
	}
	if (!said) /* they do not go together */
		error_set_at(&error, -EINVAL, at->file, at->line, at->column, "%s", whole->message);
	if (!said)
		conf_report(report, &error);
}

static void judge(void *data, const struct conf *conf, struct report *report)
{
	_cleanup_(cleanup_plugin_set_free) struct plugin_set *plugins = NULL;
	struct error error = { 0 };
	char program[DAEMON_PROGRAM_SIZE];

	daemon_program(program, sizeof(program));
	if (conf->plugin_load[0] && plugin_check_main_file(conf->main_file, &error) < 0)
		conf_report(report, &error);
	error = (struct error){ 0 };
	if (load(conf, conf->plugin_load, program, &plugins, &error) < 0)
		say_refused(conf, program, &error, report);
	gateway_check(plugins, conf, report);
}

int daemon_check(const struct daemon_options *options)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	_cleanup_(buffer_fini) struct buffer errors = { 0 };
	int r = conf_check(options->config, &options->overrides, judge, NULL, &conf, &errors);

	if (r < 0) {
		fwrite(errors.data, 1, errors.len, stderr);
		return r;
	}
	printf("%s: valid: %zu providers, %zu models, %zu routes, %zu tenants, %zu keys\n",
	       options->config, conf->provider_count, conf->model_count, conf->route_count,
	       conf->tenant_count, conf->key_count);
	return 0;
}

int daemon_inspect(const char *path)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct error error = { 0 };
	int r = plugin_inspect(path, false, &text, &error);

	if (r < 0)
		return say(&error, r);
	fwrite(text.data, 1, text.len, stdout);
	return 0;
}
