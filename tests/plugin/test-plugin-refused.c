/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that are broken on purpose, each refused for its own reason: a refusal alone could be a
 * crash taken for one. Argument: the folder of the broken plugins. */
#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>

#include "test-plugin-host.h"

static const char *folder;

static int try_load(const char *where, const char *stem, bool require_root, struct error *error)
{
	const char *const stems[] = { stem, NULL };
	struct plugin_set *set;
	int r;

	*error = (struct error){ 0 };
	r = plugin_set_load(where, stems, require_root, &set, error);
	if (r >= 0)
		plugin_set_free(set);
	return r;
}

static void check_refusal(const char *where, const char *stem, bool require_root, int code,
			  const char *why)
{
	struct error error;
	int r = try_load(where, stem, require_root, &error);

	if (r != code || !strstr(error.message, why) || !strstr(error.message, stem))
		test_fail(__FILE__, __LINE__, "%s: %d, \"%s\", not %d, \"%s\"", stem, r,
			  error.message, code, why);
}

static void sound(void)
{
	struct conf_provider conf = { .name = "x", .plugin = "broken" };
	struct plugin_set *set = host_load(folder, "broken-sound");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	CHECK_INT(plugin_set_count(set), 1);
	CHECK(plugin_set_at(set, 0)->plugin == provider->plugin);
	/* Operations that its table does not have are NULL. */
	CHECK(provider->operations->cancel == NULL && provider->operations->resume == NULL);
	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", "{}");
	CHECK_INT(host_start(&call), -EIO);
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

static void descriptors(void)
{
	static const struct {
		const char *stem;
		int code;
		const char *why;
	} cases[] = {
		{ "broken-policy-null-request", -EPROTO,
		  "create, destroy and request must not be null" },
		{ "broken-policy-short-operations", -EPROTO, "its operations table says 24 bytes" },
		{ "broken-wrong-major", -EPROTO,
		  "built for plugin ABI 1.9, but this appliance has 0.9" },
		{ "broken-newer-minor", -EPROTO,
		  "built for plugin ABI 0.10, but this appliance has 0.9" },
		{ "broken-short-descriptor", -EPROTO, "its descriptor says 16 bytes" },
		{ "broken-long-descriptor", -EPROTO, "its descriptor says 1048576 bytes" },
		{ "broken-unknown-kind", -EPROTO,
		  "of a kind (99) that this version does not know" },
		{ "broken-bad-name", -EPROTO, "its name must be 1 to 32 of [a-z0-9-]" },
		{ "broken-no-name", -EPROTO, "its name must be 1 to 32 of [a-z0-9-]" },
		{ "broken-no-version", -EPROTO, "has no version or no summary" },
		{ "broken-no-operations", -EPROTO, "has no operations" },
		{ "broken-short-operations", -EPROTO, "its operations table says 16 bytes" },
		{ "broken-null-start", -EPROTO, "create, destroy and start must not be null" },
		{ "broken-no-dialect", -EPROTO, "speaks no dialect" },
		{ "broken-null-options", -EPROTO, "its option rows" },
		{ "broken-other-option-size", -EPROTO, "its option rows have 8 bytes each" },
		{ "broken-nameless-option", -EPROTO, "option row 1 has no name" },
		{ "broken-missing-symbol", -ENOEXEC, "exports no tide_plugin()" },
		{ "broken-null-descriptor", -EPROTO, "tide_plugin() returned nothing" },
		{ "broken-undefined-symbol", -ENOEXEC,
		  "undefined symbol: tide_function_that_nobody_has" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_refusal(folder, cases[i].stem, false, cases[i].code, cases[i].why);
}

static void instances(void)
{
	static const struct {
		const char *stem;
		int code;
		const char *why;
	} cases[] = {
		{ "broken-create-fails", -EAGAIN,
		  "a.conf:7:3: provider x: plugin broken refused: the water is too low" },
		{ "broken-create-fails-silently", -EACCES,
		  "a.conf:7:3: provider x: plugin broken refused: Permission denied" },
		{ "broken-bad-default", -EPROTO,
		  "plugin broken: the default of its option depth is not valid" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_provider conf = { .name = "x",
					      .plugin = "broken",
					      .place = { "a.conf", 7, 3 } };
		struct plugin_set *set = host_load(folder, cases[i].stem);
		struct plugin_provider *provider;
		struct error error;
		char text[1024];

		CHECK_INT(host_try(set, &conf, &provider, &error), cases[i].code);
		CHECK_STR(error_text(&error, text, sizeof(text)), cases[i].why);
		plugin_set_free(set);
	}
}

static void twice_the_same_name(void)
{
	const char *const stems[] = { "broken-sound", "broken-create-fails", NULL };
	struct plugin_set *set;
	struct error error;

	CHECK_INT(plugin_set_load(folder, stems, false, &set, &error), -EEXIST);
	CHECK(strstr(error.message, "another loaded plugin is named broken already"));
}

static void stems(void)
{
	static const char *const bad[] = { "../broken-sound", "/etc/passwd", ".hidden", "" };
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(try_load(folder, bad[i], false, &error), -EINVAL);
		CHECK(strstr(error.message, "is not the stem of a file in the plugin folder"));
	}
	check_refusal(folder, "no-such-plugin", false, -ENOENT, "no such plugin");
	CHECK_INT(try_load("/no/such/folder", "x", false, &error), -ENOENT);
	CHECK(strstr(error.message, "/no/such/folder: the plugin folder cannot be read"));
}

/* ---- files ---- */

static void copy_sound(const char *where, const char *stem, mode_t mode)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	char path[512];
	struct error error;

	snprintf(path, sizeof(path), "%s/broken-sound.so", folder);
	CHECK_INT(file_read(path, 16 << 20, &content, &error), 0);
	snprintf(path, sizeof(path), "%s/%s.so", where, stem);
	CHECK_INT(file_write_atomic(path, buffer_slice(&content), mode, &error), 0);
	CHECK_INT(chmod(path, mode), 0);
}

static void make_folder(char *out, size_t size, const char *name, mode_t mode)
{
	snprintf(out, size, "%s/%s", test_folder(), name);
	CHECK_INT(mkdir(out, mode), 0);
	CHECK_INT(chmod(out, mode), 0);
}

static void links_and_folders(void)
{
	char where[300], path[512];

	make_folder(where, sizeof(where), "links", 0755);
	copy_sound(where, "real", 0644);
	snprintf(path, sizeof(path), "%s/link.so", where);
	CHECK_INT(symlink("real.so", path), 0);
	check_refusal(where, "link", false, -ELOOP, "is a symbolic link");
	snprintf(path, sizeof(path), "%s/folder.so", where);
	CHECK_INT(mkdir(path, 0755), 0);
	check_refusal(where, "folder", false, -EINVAL, "is not a regular file");
	snprintf(path, sizeof(path), "%s/text.so", where);
	CHECK_INT(file_write_atomic(path, SLICE("no ELF"), 0644, NULL), 0);
	check_refusal(where, "text", false, -ENOEXEC, "cannot be loaded");
}

/* Only root can own files as the appliance asks; others see that refusal first. */
static void rights(void)
{
	struct error error;
	char where[300], open_where[300], path[512];

	make_folder(where, sizeof(where), "rights", 0755);
	copy_sound(where, "writable", 0666);
	copy_sound(where, "good", 0644);
	if (geteuid() != 0) {
		CHECK_INT(try_load(where, "good", true, &error), -EPERM);
		CHECK(strstr(error.message, "not owned by root"));
		return;
	}
	check_refusal(where, "writable", true, -EPERM, "writable by others than its owner");
	CHECK_INT(try_load(where, "writable", false, &error), 0);
	CHECK_INT(try_load(where, "good", true, &error), 0);
	snprintf(path, sizeof(path), "%s/good.so", where);
	CHECK_INT(chown(path, 1, 0), 0);
	check_refusal(where, "good", true, -EPERM, "not owned by root");
	make_folder(open_where, sizeof(open_where), "open", 0777);
	copy_sound(open_where, "good", 0644);
	CHECK_INT(try_load(open_where, "good", true, &error), -EPERM);
	CHECK(strstr(error.message, "/open: writable by others than its owner"));
}

/* ---- pins ---- */

static int try_pinned(const char *where, const char *stem, const char *pin, struct error *error)
{
	char entry[256];

	snprintf(entry, sizeof(entry), "%s sha256=%s", stem, pin);
	return try_load(where, entry, false, error);
}

static void pins(void)
{
	static const char other[] = "00000000000000000000000000000000"
				    "0123456789abcdef0123456789abcdef";
	struct plugin_set *set = host_load(folder, "broken-sound");
	const struct plugin_facts *facts = plugin_set_at(set, 0);
	char upper[SHA256_HEX_SIZE], where[300], path[512];
	struct error error;
	FILE *file;

	CHECK(strstr(facts->file, "/broken-sound.so"));
	CHECK_INT(try_pinned(folder, "broken-sound", facts->sha256, &error), 0);
	for (size_t i = 0; i < sizeof(upper); i++)
		upper[i] = (char)toupper(facts->sha256[i]);
	CHECK_INT(try_pinned(folder, "broken-sound", upper, &error), 0);
	/* Nothing of it is run: it would end the process. */
	CHECK_INT(try_pinned(folder, "broken-constructor-exits", other, &error), -EBADMSG);
	CHECK(strstr(error.message, "/broken-constructor-exits.so: is not the file that"));
	CHECK(strstr(error.message, other));
	CHECK_INT(try_pinned(folder, "broken-sound", "0123", &error), -EINVAL);
	CHECK(strstr(error.message, "64 hexadecimal digits"));

	make_folder(where, sizeof(where), "pins", 0755);
	copy_sound(where, "grown", 0644);
	CHECK_INT(try_pinned(where, "grown", facts->sha256, &error), 0);
	snprintf(path, sizeof(path), "%s/grown.so", where);
	file = fopen(path, "a");
	CHECK(file && fputc('\n', file) == '\n' && fclose(file) == 0);
	CHECK_INT(try_pinned(where, "grown", facts->sha256, &error), -EBADMSG);
	CHECK(strstr(error.message, facts->sha256));
	plugin_set_free(set);
}

static void main_file(void)
{
	struct error error;
	char where[300], path[512];

	make_folder(where, sizeof(where), "main", 0755);
	snprintf(path, sizeof(path), "%s/t.conf", where);
	CHECK_INT(plugin_check_main_file(path, &error), -ENOENT);
	CHECK_INT(file_write_atomic(path, SLICE(""), 0644, &error), 0);
	if (geteuid() == 0) {
		CHECK_INT(plugin_check_main_file(path, &error), 0);
		CHECK_INT(chmod(path, 0664), 0);
		CHECK_INT(plugin_check_main_file(path, &error), -EPERM);
		CHECK(strstr(error.message, "t.conf: writable by others than its owner"));
		CHECK_INT(chmod(path, 0644), 0);
		CHECK_INT(chown(path, 1, 0), 0);
	}
	CHECK_INT(plugin_check_main_file(path, &error), -EPERM);
	CHECK(strstr(error.message, "t.conf: not owned by root; the file that names the plugins"));
}

int main(int argc, char **argv)
{
	CHECK_INT(argc, 2);
	folder = argv[1];
	test_run("sound", sound);
	test_run("descriptors", descriptors);
	test_run("instances", instances);
	test_run("twice-the-same-name", twice_the_same_name);
	test_run("stems", stems);
	test_run("links-and-folders", links_and_folders);
	test_run("rights", rights);
	test_run("pins", pins);
	test_run("main-file", main_file);
	return 0;
}
