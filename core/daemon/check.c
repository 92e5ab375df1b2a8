/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no running appliance: --check and --inspect. */
#include "daemon/daemon.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "plugin/plugin.h"

CLEANUP_DEFINE(struct conf, conf_unref);
CLEANUP_DEFINE(struct plugin_set, plugin_set_free);

static int say(const struct error *error, int r)
{
	char text[1024];

	fprintf(stderr, "%s\n", error_text(error, text, sizeof(text)));
	return r;
}

int daemon_check(const struct daemon_options *options)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	_cleanup_(cleanup_plugin_set_free) struct plugin_set *plugins = NULL;
	_cleanup_(buffer_fini) struct buffer errors = { 0 };
	struct error error = { 0 };
	int r;

	r = conf_load(options->config, &options->overrides, &conf, &error, &errors);
	if (r < 0) {
		if (errors.len)
			fwrite(errors.data, 1, errors.len, stderr);
		else
			say(&error, r);
		return r;
	}
	r = plugin_set_load(conf->plugin_folder, conf->plugin_load, true, &plugins, &error);
	if (r < 0)
		return say(&error, r);
	for (size_t i = 0; i < conf->provider_count; i++) {
		int checked = plugin_provider_check(plugins, &conf->providers[i], &error);
		if (checked < 0)
			r = say(&error, checked);
	}
	if (r >= 0)
		printf("%s: valid: %zu providers, %zu models, %zu routes, %zu tenants, %zu keys\n",
		       options->config, conf->provider_count, conf->model_count, conf->route_count,
		       conf->tenant_count, conf->key_count);
	return r;
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
