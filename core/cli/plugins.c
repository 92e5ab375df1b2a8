/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl plugins`: what is loaded, and letting one try again. */
#include "cli/plugins.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "cli/call.h"
#include "cli/print.h"

static const struct print_column columns[] = {
	{ "NAME", "name", false },       { "STATE", "state", false },
	{ "KIND", "kind", false },       { "VERSION", "version", false },
	{ "ABI", "abi", false },         { "CRASHES", "crashes", true },
	{ "CRASHED", "crashed", false }, { "STALLS", "stalls", true },
	{ "OBJECTS", "objects", false }, { "FILE", "file", false },
	{ "SHA256", "sha256", false },
};

static void tell_draining(json_t *row)
{
	char text[64];

	if (strcmp(json_string_value(json_object_get(row, "state")) ?: "", "replaced") != 0)
		return;
	snprintf(text, sizeof(text), "replaced, draining %lld requests",
		 (long long)json_integer_value(json_object_get(row, "draining")));
	json_object_set_new(row, "state", json_string(text));
}

/* A cell is a scalar. */
static void join_objects(json_t *row)
{
	_cleanup_(buffer_fini) struct buffer names = { 0 };
	json_t *name;
	size_t i;

	json_array_foreach (json_object_get(row, "objects"), i, name) {
		buffer_append_str(&names, i ? ", " : "");
		buffer_append_str(&names, json_string_value(name) ?: "");
	}
	json_object_set_new(row, "objects",
			    names.len ? json_stringn(names.data, names.len) : json_null());
}

static void print_list(json_t *value)
{
	json_t *rows = json_object_get(value, "plugins"), *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		tell_draining(row);
		join_objects(row);
	}
	print_table(rows, columns, ARRAY_SIZE(columns), 0);
}

static void print_enabled(json_t *value)
{
	char name[PRINT_CELL_MAX];

	print_field(value, "name", name);
	printf("plugin %s is loaded, and its objects are in use\n", name);
}

static int list(const struct command *command)
{
	return call_show(command, "GET", "/api/v1/plugins", NULL, print_list);
}

static int enable(const struct command *command)
{
	json_t *body = json_pack("{s:s}", "name", command->argv[2]);
	int r;

	if (!body)
		return wrong_usage(command->verb, "words must be valid UTF-8");
	r = call_show(command, "POST", "/api/v1/plugins/enable", body, print_enabled);
	json_decref(body);
	return r;
}

static const struct command_action actions[] = {
	{ "list", 0, 0, "nothing", 0, list },
	{ "enable", 1, 1, "a NAME", 0, enable },
};

int plugins_run(struct command *command)
{
	return command_act(command, command->argc > 1 ? command->argv[1] : "list", actions,
			   ARRAY_SIZE(actions));
}
