/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that are loaded, or stay off: a table for the mount, the verbs of plugins. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

CLEANUP_DEFINE(struct conf, conf_unref);

struct plugins {
	const struct conf *conf;
	struct buffer *out;
	json_t *rows;
	uint64_t draining; /* requests that began with a configuration before */
};

static const char *state_of(const struct plugin_facts *facts)
{
	return facts->replaced ? "replaced" : facts->plugin ? "on" : "off";
}

static const char *kind_of(const struct plugin_facts *facts)
{
	return facts->plugin ? plugin_kind_name(facts->plugin->kind) : "-";
}

/* Calls `fn` with the name of each object that is made by this plugin. */
static void each_object(const struct conf *conf, const char *plugin,
			void (*fn)(const char *name, void *data), void *data)
{
	for (size_t i = 0; i < conf->provider_count; i++)
		if (strcmp(conf->providers[i].plugin, plugin) == 0)
			fn(conf->providers[i].name, data);
	for (size_t i = 0; i < conf->policy_count; i++)
		if (strcmp(conf->policies[i].plugin, plugin) == 0)
			fn(conf->policies[i].name, data);
}

/* ---- the mount's ---- */

static void cell(struct buffer *out, const char *text)
{
	file_name_encode(slice_of(text), out);
	buffer_append_char(out, '\t');
}

static void add_object_cell(const char *name, void *data)
{
	struct buffer *out = data;

	if (out->data[out->len - 1] != '\t')
		buffer_append_char(out, ',');
	file_name_encode(slice_of(name), out);
}

static void add_cells(const struct plugin_facts *facts, void *data)
{
	struct plugins *plugins = data;
	struct buffer *out = plugins->out;

	cell(out, facts->name);
	cell(out, state_of(facts));
	cell(out, kind_of(facts));
	cell(out, facts->plugin ? facts->plugin->version : "-");
	if (facts->plugin)
		buffer_printf(out, "%u.%u\t", facts->plugin->abi_major, facts->plugin->abi_minor);
	else
		buffer_append_str(out, "-\t");
	cell(out, facts->file);
	buffer_printf(out, "%s\t%u\t", facts->sha256, facts->crashes);
	if (facts->crashed_s)
		buffer_append_time(out, (uint64_t)facts->crashed_s * NS_PER_S);
	else
		buffer_append_char(out, '-');
	buffer_append_char(out, '\t');
	each_object(plugins->conf, facts->name, add_object_cell, out);
	if (!out->failed && out->data[out->len - 1] == '\t')
		buffer_append_char(out, '-');
	buffer_printf(out, "\t%llu\t%llu\n", (unsigned long long)facts->stalls,
		      (unsigned long long)(facts->replaced ? plugins->draining : 0));
}

void render_plugins(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out)
{
	struct plugins plugins = { .conf = moment->conf,
				   .out = out,
				   .draining = moment->counters.outdated };

	buffer_append_str(out, ADMIN_PLUGINS_COLUMNS "\n");
	plugin_set_each(admin->options.plugins, add_cells, &plugins);
}

/* ---- verbs ---- */

static void add_object(const char *name, void *data)
{
	json_array_append_new(data, json_string(name));
}

static void add_row(const struct plugin_facts *facts, void *data)
{
	struct plugins *plugins = data;
	const struct tide_plugin *plugin = facts->plugin;
	json_t *objects = json_array();
	char abi[16] = "";

	each_object(plugins->conf, facts->name, add_object, objects);
	if (plugin)
		snprintf(abi, sizeof(abi), "%u.%u", plugin->abi_major, plugin->abi_minor);
	json_array_append_new(
	    plugins->rows,
	    json_pack("{s:s, s:s, s:I, s:s?, s:s?, s:s?, s:s?, s:s, s:s, s:i, s:o, s:I, s:I, s:o}",
		      "name", facts->name, "state", state_of(facts), "draining",
		      (json_int_t)(facts->replaced ? plugins->draining : 0), "kind",
		      plugin ? kind_of(facts) : NULL, "version", plugin ? plugin->version : NULL,
		      "summary", plugin ? plugin->summary : NULL, "abi", plugin ? abi : NULL,
		      "file", facts->file, "sha256", facts->sha256, "crashes", (int)facts->crashes,
		      "crashed", json_moment(facts->crashed_s), "stalls", (json_int_t)facts->stalls,
		      "stalled_ms", (json_int_t)(facts->stall_ns / NS_PER_MS), "objects", objects));
}

int verb_plugins_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	struct plugins plugins = { .conf = conf, .rows = json_array() };
	struct gateway_counters counters;

	gateway_counters_read(admin->options.gateway, &counters);
	plugins.draining = counters.outdated;
	plugin_set_each(admin->options.plugins, add_row, &plugins);
	*ret = json_pack("{s:o}", "plugins", plugins.rows);
	return 0;
}

/* ---- other files in their places ---- */

static void tell_new(const struct plugin_facts *facts, void *data)
{
	if (facts->plugin)
		log_info("plugin %s: version %s (%s, SHA-256 %.12s…) is in use from now on",
			 facts->name, facts->plugin->version, facts->file, facts->sha256);
	else
		log_warning("plugin %s: %s stays off, since it crashed too often", facts->name,
			    facts->file);
}

int plugins_renew(struct admin *admin, const struct conf *conf, const char *enable,
		  struct error *error)
{
	const struct conf_place *at = &conf->plugins_place;
	struct error cause = { 0 };
	int r = conf->plugin_load[0] ? plugin_check_main_file(conf->main_file, &cause) : 0;

	if (r >= 0)
		r = plugin_set_renew(admin->options.plugins, conf->plugin_load, enable, &cause);
	if (r < 0 && enable)
		return error_set(error, r, "%s", cause.message);
	if (r < 0)
		return error_set_at(error, r, at->file, at->line, at->column, "%s", cause.message);
	return 0;
}

int plugins_settle(struct admin *admin, bool keep, struct error *error)
{
	return plugin_set_settle(admin->options.plugins, keep, tell_new, NULL, error);
}

/* At once: its objects are made anew. Where one is refused it stays off. */
int verb_plugins_enable(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	const char *name;
	int r = argument_text(arguments, "name", true, &name, error), settled;

	if (r >= 0)
		r = plugins_renew(admin, conf, name, error);
	if (r < 0)
		return r == -ENOENT || r == -EEXIST || r == -ENOMEM ? r : -EINVAL;
	r = gateway_publish(admin->options.gateway, conf, error);
	settled = plugins_settle(admin, r >= 0, r >= 0 ? error : NULL);
	if (r < 0 || settled < 0)
		return -EINVAL;
	*ret = json_pack("{s:s, s:s}", "name", name, "state", "on");
	return 0;
}
