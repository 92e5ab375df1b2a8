/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins that are loaded, or stay off: a table for the mount, the verbs of plugins. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

CLEANUP_DEFINE(struct conf, conf_unref);

struct plugins {
	const struct conf *conf;
	struct buffer *out;
	json_t *rows;
};

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
	cell(out, facts->plugin ? "on" : "off");
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
	buffer_printf(out, "\t%llu\n", (unsigned long long)facts->stalls);
}

void render_plugins(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out)
{
	struct plugins plugins = { .conf = moment->conf, .out = out };

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
	    json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:s, s:i, s:o, s:I, s:I, s:o}",
		      "name", facts->name, "state", plugin ? "on" : "off", "kind",
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

	plugin_set_each(admin->options.plugins, add_row, &plugins);
	*ret = json_pack("{s:o}", "plugins", plugins.rows);
	return 0;
}

/* At once: its objects are made anew. Where one is refused it stays off. */
int verb_plugins_enable(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	struct plugin_set *plugins = admin->options.plugins;
	const char *name;
	int r = argument_text(arguments, "name", true, &name, error), settled;

	if (r >= 0)
		r = plugin_set_enable(plugins, name, error);
	if (r < 0)
		return r == -ENOENT || r == -EEXIST || r == -ENOMEM ? r : -EINVAL;
	conf = gateway_conf(admin->options.gateway);
	r = gateway_publish(admin->options.gateway, conf, error);
	settled = plugin_set_settle(plugins, r >= 0, r >= 0 ? error : NULL);
	if (r < 0 || settled < 0)
		return -EINVAL;
	*ret = json_pack("{s:s, s:s}", "name", name, "state", "on");
	return 0;
}
