/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin described from a distance: dlopen runs its constructors, so that happens in a child
 * process that has no privileges, few resources and a deadline. */
#include "plugin/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "plugin/child.h"

static const char *const type_names[] = { "string", "int", "bool" };

/* By enum tide_dialect. */
static const char *const dialect_names[] = {
	[TIDE_DIALECT_OPENAI_CHAT] = "openai-chat",
	[TIDE_DIALECT_ANTHROPIC_MESSAGES] = "anthropic-messages",
	[TIDE_DIALECT_OPENAI_RESPONSES] = "openai-responses",
	[TIDE_DIALECT_OPENAI_EMBEDDINGS] = "openai-embeddings",
	[TIDE_DIALECT_GEMINI] = "gemini",
	[TIDE_DIALECT_BEDROCK_CONVERSE] = "bedrock-converse",
	[TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS] = "anthropic-count-tokens",
	[TIDE_DIALECT_GEMINI_COUNT_TOKENS] = "gemini-count-tokens",
};

/* Of a provider; other kinds take requests of all. */
static uint32_t dialects_of(const struct tide_plugin *plugin)
{
	const struct tide_provider_operations *operations = plugin->operations;

	return plugin->kind == TIDE_KIND_PROVIDER ? operations->dialects : 0;
}

static void describe_text(const struct tide_plugin *plugin, const char *sha256, struct buffer *out)
{
	uint32_t dialects = dialects_of(plugin);

	buffer_printf(out, "%s %s: %s\nkind %s, ABI %u.%u\nsha256 %s\n", plugin->name,
		      plugin->version, plugin->summary, plugin_kind_name(plugin->kind),
		      plugin->abi_major, plugin->abi_minor, sha256);
	for (size_t i = 1; dialects && i < ARRAY_SIZE(dialect_names); i++) {
		if (dialects & 1u << i)
			buffer_printf(out, "%s%s", dialects & ((1u << i) - 1) ? " " : "dialects: ",
				      dialect_names[i]);
	}
	if (dialects)
		buffer_append_char(out, '\n');
	for (uint64_t i = 0; i < plugin->option_count; i++) {
		const struct tide_option *row = &plugin->options[i];
		buffer_printf(out, "option %s (%s%s", row->name, type_names[row->type],
			      row->flags & TIDE_OPTION_REQUIRED ? ", required" : "");
		if (row->type == TIDE_OPTION_INT)
			buffer_printf(out, ", %" PRId64 " to %" PRId64, row->min, row->max);
		if (row->default_text)
			buffer_printf(out, ", default %s", row->default_text);
		buffer_printf(out, "): %s\n", row->doc);
	}
}

static json_t *describe_option(const struct tide_option *row)
{
	json_t *object =
	    json_pack("{s:s, s:s, s:b, s:s?, s:s}", "name", row->name, "type",
		      type_names[row->type], "required", (row->flags & TIDE_OPTION_REQUIRED) != 0,
		      "default", row->default_text, "doc", row->doc);

	if (object && row->type == TIDE_OPTION_INT) {
		json_object_set_new(object, "min", json_integer(row->min));
		json_object_set_new(object, "max", json_integer(row->max));
	}
	return object;
}

static void describe_json(const struct tide_plugin *plugin, const char *sha256, struct buffer *out)
{
	uint32_t known = dialects_of(plugin);
	json_t *options = json_array(), *dialects = json_array(), *object;
	char *text;

	for (size_t i = 1; i < ARRAY_SIZE(dialect_names); i++) {
		if (known & 1u << i)
			json_array_append_new(dialects, json_string(dialect_names[i]));
	}
	for (uint64_t i = 0; i < plugin->option_count; i++)
		json_array_append_new(options, describe_option(&plugin->options[i]));
	object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:o, s:o}", "name", plugin->name,
			   "version", plugin->version, "summary", plugin->summary, "kind",
			   plugin_kind_name(plugin->kind), "abi_major", plugin->abi_major,
			   "abi_minor", plugin->abi_minor, "sha256", sha256, "dialects", dialects,
			   "options", options);
	text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
	json_decref(object);
	buffer_append_str(out, text ? text : "");
	buffer_append_char(out, '\n');
	free(text);
}

/* ---- the child ---- */

/* First byte of the answer: '+' a description follows, '-' a refusal follows. */
static _Noreturn void child(const char *path, const char *sha256, bool json, int plugin_fd,
			    int out_fd)
{
	const struct tide_plugin *plugin;
	struct buffer out = { 0 };
	struct error error = { 0 };

	plugin_child_drop(PLUGIN_CHILD_MEMORY_BYTES);
	clearenv();
	/* By descriptor: nobody may have no right to walk to the file. */
	if (plugin_open(plugin_fd, path, &plugin, &error) < 0) {
		buffer_append_char(&out, '-');
		buffer_append_str(&out, error.message);
	} else {
		buffer_append_char(&out, '+');
		if (json)
			describe_json(plugin, sha256, &out);
		else
			describe_text(plugin, sha256, &out);
	}
	_exit(write(out_fd, out.data, out.len) == (ssize_t)out.len ? 0 : 1);
}

/* ---- the parent ---- */

static int judge(const char *path, bool in_time, int status, struct buffer *answer,
		 struct buffer *out, struct error *error)
{
	if (!in_time)
		return error_set(error, -ETIMEDOUT,
				 "%s: did not load within %d s (a constructor that hangs?)", path,
				 PLUGIN_CHILD_MS / 1000);
	if (WIFSIGNALED(status))
		return error_set(error, -ENOEXEC, "%s: crashed while it was loaded (%s)", path,
				 strsignal(WTERMSIG(status)));
	if (answer->len == 0)
		return error_set(error, -ENOEXEC, "%s: ended the process while it was loaded",
				 path);
	if (answer->data[0] != '+')
		return error_set(error, -ENOEXEC, "%.*s", (int)answer->len - 1, answer->data + 1);
	buffer_append(out, answer->data + 1, answer->len - 1);
	return 0;
}

int plugin_inspect(const char *path, bool json, struct buffer *out, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	_cleanup_fd_ int plugin_fd = open(path, O_RDONLY | O_CLOEXEC), read_fd = -1, write_fd = -1;
	char sha256[SHA256_HEX_SIZE];
	int ends[2], status = 0, r;
	bool in_time;
	pid_t pid;

	if (plugin_fd < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	r = plugin_file_hash(plugin_fd, path, sha256, error);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(error, -errno, "%s: no pipe: %s", path, strerror(errno));
	read_fd = ends[0];
	write_fd = ends[1];
	pid = fork();
	if (pid < 0)
		return error_set(error, -errno, "%s: no process: %s", path, strerror(errno));
	if (pid == 0)
		child(path, sha256, json, plugin_fd, write_fd);
	close(steal_fd(&write_fd));
	in_time = plugin_child_collect(read_fd, &answer);
	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return judge(path, in_time, status, &answer, out, error);
}
