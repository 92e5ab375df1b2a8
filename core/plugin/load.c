/* SPDX-License-Identifier: Apache-2.0 */
/* Judging and loading plugins. What is loaded stays loaded: code whose functions may be on a stack
 * is never unmapped. So does its descriptor stay open, for its number is the name by which the
 * dynamic linker knows the file: another one with that number would be taken for it. */
#include "plugin/private.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/cleanup.h"

static bool name_valid(const char *name)
{
	size_t len = name ? strnlen(name, PLUGIN_NAME_MAX + 1) : 0;

	return len > 0 && len <= PLUGIN_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int check_options(const char *path, const struct tide_plugin *plugin, struct error *error)
{
	if (plugin->option_count == 0)
		return 0;
	if (plugin->option_size != sizeof(struct tide_option) || !plugin->options)
		return error_set(error, -EPROTO,
				 "%s: its option rows have %u bytes each, but %zu are expected",
				 path, plugin->option_size, sizeof(struct tide_option));
	if (plugin->option_count > PLUGIN_OPTIONS_MAX)
		return error_set(error, -E2BIG, "%s: has more than %d options", path,
				 PLUGIN_OPTIONS_MAX);
	for (uint64_t i = 0; i < plugin->option_count; i++) {
		const struct tide_option *row = &plugin->options[i];
		if (!row->name || !*row->name || !row->doc || row->type > TIDE_OPTION_BOOL)
			return error_set(error, -EPROTO,
					 "%s: option row %llu has no name, no doc or no known type",
					 path, (unsigned long long)i + 1);
	}
	return 0;
}

static int check_size(const char *path, const struct tide_plugin *plugin, size_t least,
		      struct error *error)
{
	uint32_t size = 0;

	if (!plugin->operations)
		return error_set(error, -EPROTO, "%s: has no operations", path);
	memcpy(&size, plugin->operations, sizeof(size)); /* each table begins with it */
	if (size < least || size > 4096)
		return error_set(error, -EPROTO,
				 "%s: its operations table says %u bytes; %zu to 4096 are possible",
				 path, size, least);
	return 0;
}

static int check_provider(const char *path, const struct tide_plugin *plugin, struct error *error)
{
	const struct tide_provider_operations *operations = plugin->operations;
	int r = check_size(path, plugin, offsetof(struct tide_provider_operations, cancel), error);

	if (r < 0)
		return r;
	if (!operations->create || !operations->destroy || !operations->start)
		return error_set(error, -EPROTO, "%s: create, destroy and start must not be null",
				 path);
	if (!(operations->dialects &
	      (1u << TIDE_DIALECT_OPENAI_CHAT | 1u << TIDE_DIALECT_ANTHROPIC_MESSAGES |
	       1u << TIDE_DIALECT_OPENAI_RESPONSES | 1u << TIDE_DIALECT_OPENAI_EMBEDDINGS |
	       1u << TIDE_DIALECT_GEMINI | 1u << TIDE_DIALECT_BEDROCK_CONVERSE |
	       1u << TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS | 1u << TIDE_DIALECT_GEMINI_COUNT_TOKENS)))
		return error_set(error, -EPROTO, "%s: speaks no dialect that this version knows",
				 path);
	return 0;
}

static int check_policy(const char *path, const struct tide_plugin *plugin, struct error *error)
{
	const struct tide_policy_operations *operations = plugin->operations;
	int r = check_size(path, plugin, offsetof(struct tide_policy_operations, resumed), error);

	if (r < 0)
		return r;
	if (!operations->create || !operations->destroy || !operations->request)
		return error_set(error, -EPROTO, "%s: create, destroy and request must not be null",
				 path);
	return 0;
}

int plugin_check_descriptor(const char *path, const struct tide_plugin *plugin, struct error *error)
{
	int r;

	if (!plugin)
		return error_set(error, -EPROTO, "%s: tide_plugin() returned nothing", path);
	if (plugin->size < sizeof(struct tide_plugin) || plugin->size > 4096)
		return error_set(error, -EPROTO,
				 "%s: its descriptor says %u bytes; %zu to 4096 are possible", path,
				 plugin->size, sizeof(struct tide_plugin));
	if (plugin->abi_major != TIDE_ABI_MAJOR || plugin->abi_minor > TIDE_ABI_MINOR)
		return error_set(error, -EPROTO,
				 "%s: built for plugin ABI %u.%u, but this appliance has %d.%d; "
				 "rebuild it against "
				 "the installed headers",
				 path, plugin->abi_major, plugin->abi_minor, TIDE_ABI_MAJOR,
				 TIDE_ABI_MINOR);
	if (!plugin_kind_name(plugin->kind))
		return error_set(error, -EPROTO,
				 "%s: is of a kind (%u) that this version does not know", path,
				 plugin->kind);
	if (!name_valid(plugin->name))
		return error_set(error, -EPROTO, "%s: its name must be 1 to %d of [a-z0-9-]", path,
				 PLUGIN_NAME_MAX);
	if (!plugin->version || !plugin->summary)
		return error_set(error, -EPROTO, "%s: has no version or no summary", path);
	r = check_options(path, plugin, error);
	if (r < 0)
		return r;
	return plugin->kind == TIDE_KIND_POLICY ? check_policy(path, plugin, error)
						: check_provider(path, plugin, error);
}

/* dlerror() begins with the path mostly, and the message names the file itself. */
static const char *reason_of(const char *path)
{
	const char *reason = dlerror();
	size_t len = strlen(path);

	if (!reason)
		return "unknown reason";
	return strncmp(reason, path, len) == 0 && strncmp(reason + len, ": ", 2) == 0
		   ? reason + len + 2
		   : reason;
}

int plugin_open(int fd, const char *path, const struct tide_plugin **ret, struct error *error)
{
	char by_fd[PLUGIN_BY_FD_SIZE];
	const struct tide_plugin *plugin;
	void *handle;
	union {
		void *object;
		tide_plugin_fn function;
	} symbol;
	int r;

	snprintf(by_fd, sizeof(by_fd), PLUGIN_BY_FD, fd);
	handle = dlopen(by_fd, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return error_set(error, -ENOEXEC, "%s: cannot be loaded: %s", path,
				 reason_of(by_fd));
	symbol.object = dlsym(handle, "tide_plugin");
	if (!symbol.object) {
		dlclose(handle);
		return error_set(error, -ENOEXEC, "%s: exports no tide_plugin()", path);
	}
	plugin = symbol.function();
	r = plugin_check_descriptor(path, plugin, error);
	if (r < 0) {
		dlclose(handle);
		return r;
	}
	*ret = plugin;
	return 0;
}
