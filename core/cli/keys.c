/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl keys: what it does with them is one table. */
#include "cli/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/print.h"

enum {
	IMPORT_BYTES_MAX = 1048576,
};

static void print_revoked(json_t *value)
{
	printf("%s is revoked\n", json_string_value(json_object_get(value, "name")));
}

/* Words with blanks between them, as an array; NULL for none. */
static json_t *words_of(const char *text)
{
	struct slice rest = slice_of(text);
	json_t *words = text ? json_array() : NULL;

	while (rest.len > 0) {
		struct slice word = slice_cut(rest, ' ', &rest);

		if (word.len > 0)
			json_array_append_new(words, json_stringn(word.ptr, word.len));
	}
	return words;
}

static json_t *end_user_of(const struct command *command)
{
	if (!command->end_user)
		return NULL;
	return json_pack("{s:o, s:b, s:b}", "from", words_of(command->end_user), "required",
			 command->require_user, "pseudonym", command->pseudonym);
}

static int create_key(const struct command *command)
{
	const char *name = command->argv[2];
	json_t *body;
	int r;

	if (!command->tenant)
		return wrong_usage(command->verb, "keys create needs --tenant TENANT");
	if ((command->require_user || command->pseudonym) && !command->end_user)
		return wrong_usage(command->verb,
				   "--require-user and --pseudonym go with --end-user");
	body = json_pack("{s:s, s:s, s:s*, s:o*, s:o*, s:o*, s:s*, s:o*}", "name", name, "tenant",
			 command->tenant, "feature", command->feature, "models",
			 words_of(command->models), "routes", words_of(command->routes), "networks",
			 words_of(command->networks), "expires", command->expires, "end_user",
			 end_user_of(command));
	if (!body)
		return wrong_usage(command->verb, "names must be valid UTF-8");
	r = call_show(command, "POST", "/api/v1/keys", body, print_key_made);
	json_decref(body);
	return r;
}

static int revoke_key(const struct command *command)
{
	const char *name = command->argv[2];
	_cleanup_(buffer_fini) struct buffer path = { 0 };

	buffer_append_str(&path, "/api/v1/keys/");
	file_name_encode(slice_of(name), &path);
	buffer_append_str(&path, command->now ? "?now=true" : "");
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED
			   : call_show(command, "DELETE", path.data, NULL, print_revoked);
}

/* "90s", "30m", "24h", "7d" in seconds; -1 for anything else. */
static json_int_t seconds_of(const char *text)
{
	static const struct {
		char unit;
		json_int_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (digits > 0 && digits <= 9 && text[digits] == units[i].unit && !text[digits + 1])
			return strtoll(text, NULL, 10) * units[i].seconds;
	}
	return -1;
}

static int rotate_key(const struct command *command)
{
	const char *name = command->argv[2];
	json_int_t overlap_s = command->overlap ? seconds_of(command->overlap) : 24 * 3600;
	json_t *body;
	int r;

	if (overlap_s < 0)
		return wrong_usage(command->verb, "--overlap takes 90s, 30m, 24h or 7d, not \"%s\"",
				   command->overlap);
	body = json_pack("{s:s, s:I}", "name", name, "overlap_s", overlap_s);
	if (!body)
		return wrong_usage(command->verb, "names must be valid UTF-8");
	r = call_show(command, "POST", "/api/v1/keys/rotate", body, print_key_made);
	json_decref(body);
	return r;
}

static void print_imported(json_t *value)
{
	printf("%lld imported, %lld there already\n",
	       (long long)json_integer_value(json_object_get(value, "imported")),
	       (long long)json_integer_value(json_object_get(value, "unchanged")));
}

static int read_input(struct buffer *out, struct error *error)
{
	char bytes[4096];
	size_t len;

	while ((len = fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
		if (out->len + len > IMPORT_BYTES_MAX)
			return error_set(error, -EFBIG, "the input is larger than %d bytes",
					 IMPORT_BYTES_MAX);
		buffer_append(out, bytes, len);
	}
	return ferror(stdin) || out->failed ? error_set(error, -EIO, "the input could not be read")
					    : 0;
}

static int import_keys(const struct command *command)
{
	const char *file = command->argv[2];
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct error error = { 0 };
	json_t *body;
	int r = strcmp(file, "-") == 0 ? read_input(&text, &error)
				       : file_read(file, IMPORT_BYTES_MAX, &text, &error);

	if (r < 0)
		return call_fail(&error, EXIT_REFUSED);
	body = json_pack("{s:s%}", "text", text.len > 0 ? text.data : "", text.len);
	if (!body)
		return wrong_usage(command->verb, "%s is no text in UTF-8", file);
	r = call_show(command, "POST", "/api/v1/keys/import", body, print_imported);
	json_decref(body);
	return r;
}

static int list_keys(const struct command *command)
{
	return call_show(command, "GET", "/api/v1/keys", NULL, print_keys);
}

static const struct command_action actions[] = {
	{ "list", 0, 0, "nothing", 0, list_keys },
	{ "create", 1, 1, "a NAME",
	  OPTION_TENANT | OPTION_FEATURE | OPTION_MODELS | OPTION_ROUTES | OPTION_NETWORKS |
	      OPTION_EXPIRES | OPTION_END_USER | OPTION_REQUIRE_USER | OPTION_PSEUDONYM,
	  create_key },
	{ "rotate", 1, 1, "a NAME", OPTION_OVERLAP, rotate_key },
	{ "revoke", 1, 1, "a NAME", OPTION_NOW, revoke_key },
	{ "import", 1, 1, "a FILE", 0, import_keys },
};

int keys_run(struct command *command)
{
	return command_act(command, command->argc > 1 ? command->argv[1] : "", actions,
			   ARRAY_SIZE(actions));
}
