/* SPDX-License-Identifier: Apache-2.0 */
/* Inspection: a file that is loaded elsewhere, so that neither crash nor hang is ours. Arguments:
 * folder of the plugins, folder of the broken ones. */
#include <errno.h>

#include "base/json.h"
#include "test-plugin-host.h"

static const char *folder, *broken;

static int inspect(const char *where, const char *stem, bool json, struct buffer *out,
		   struct error *error)
{
	char path[512];

	*error = (struct error){ 0 };
	snprintf(path, sizeof(path), "%s/%s.so", where, stem);
	return plugin_inspect(path, json, out, error);
}

static void hash_of(const char *where, const char *stem, char ret[static SHA256_HEX_SIZE])
{
	_cleanup_(buffer_fini) struct buffer bytes = { 0 };
	uint8_t digest[SHA256_BYTES];
	char path[512];
	struct error error;

	snprintf(path, sizeof(path), "%s/%s.so", where, stem);
	CHECK_INT(file_read(path, 64 << 20, &bytes, &error), 0);
	hash_sha256(buffer_slice(&bytes), digest);
	hash_hex(digest, sizeof(digest), ret);
}

static void text(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 }, expected = { 0 };
	char sha256[SHA256_HEX_SIZE];
	struct error error;

	if (inspect(folder, "provider-simulator", false, &out, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	hash_of(folder, "provider-simulator", sha256);
	buffer_printf(&expected,
		      "simulator 0.1.0: Deterministic answers in process\n"
		      "kind provider, ABI 0.9\n"
		      "sha256 %s\n"
		      "dialects: openai-chat anthropic-messages openai-responses openai-embeddings "
		      "anthropic-count-tokens\n"
		      "option first_ms (int, 0 to 3600000, default 1000): How long sim-slow waits "
		      "before its first word.\n"
		      "option between_ms (int, 0 to 3600000, default 100): How long sim-slow waits "
		      "between two words.\n",
		      sha256);
	buffer_append_char(&expected, '\0');
	CHECK_SLICE(buffer_slice(&out), expected.data);
}

static void json(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	char sha256[SHA256_HEX_SIZE];
	struct error error;
	json_t *object;

	if (inspect(folder, "provider-openai", true, &out, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
	object = json_loadb(out.data, out.len, 0, NULL);
	CHECK(object);
	CHECK_STR(json_string_value(json_object_get(object, "name")), "openai");
	hash_of(folder, "provider-openai", sha256);
	CHECK_STR(json_string_value(json_object_get(object, "sha256")), sha256);
	CHECK_STR(json_string_value(json_array_get(json_object_get(object, "dialects"), 0)),
		  "openai-chat");
	CHECK_INT(json_array_size(json_object_get(object, "options")), 9);
	CHECK_STR(json_string_value(json_object_get(
		      json_array_get(json_object_get(object, "options"), 0), "default")),
		  "/chat/completions");
	json_decref(object);
}

static void refusals(void)
{
	static const struct {
		const char *stem;
		int code;
		const char *why;
	} cases[] = {
		{ "broken-constructor-crashes", -ENOEXEC, "crashed while it was loaded (Segm" },
		{ "broken-constructor-exits", -ENOEXEC, "ended the process while it was loaded" },
		{ "broken-constructor-hangs", -ETIMEDOUT, "did not load within 5 s" },
		{ "broken-wrong-major", -ENOEXEC, "built for plugin ABI 1.9" },
		{ "broken-missing-symbol", -ENOEXEC, "exports no tide_plugin()" },
		{ "broken-undefined-symbol", -ENOEXEC, "tide_function_that_nobody_has" },
		{ "no-such-file", -ENOENT, "No such file" },
	};
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		int r = inspect(broken, cases[i].stem, false, &out, &error);

		if (r != cases[i].code || !strstr(error.message, cases[i].why) ||
		    !strstr(error.message, cases[i].stem) || strstr(error.message, "/proc/self"))
			test_fail(__FILE__, __LINE__, "%s: %d, \"%s\"", cases[i].stem, r,
				  error.message);
		CHECK_INT(out.len, 0);
	}
}

int main(int argc, char **argv)
{
	CHECK_INT(argc, 3);
	folder = argv[1];
	broken = argv[2];
#ifdef __SANITIZE_ADDRESS__
	test_skip("the child's bound on memory is below what the address sanitizer reserves");
#endif
	test_run("text", text);
	test_run("json", json);
	test_run("refusals", refusals);
	return 0;
}
