/* SPDX-License-Identifier: Apache-2.0 */
/* tidectl prices: what it does with them is one table. */
#include "cli/prices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/call.h"
#include "cli/print.h"

enum {
	LIST_BYTES_MAX = 4 << 20,
	KEY_BYTES_MAX = 4096,
	SIGNATURE_BYTES_MAX = 64,
	PATH_ARGUMENT = 2, /* of argv, behind "prices VERB" */
	COUNT_DIGITS = 12,
};

static const char *text_of(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name)) ?: "-";
}

static long long number_of(json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

/* ---- what is printed ---- */

static void print_facts(const char *title, json_t *facts)
{
	json_t *note;
	size_t i;

	if (!json_is_object(facts)) {
		printf("%-10s none\n", title);
		return;
	}
	printf("%-10s %s %s %s, %lld providers, %lld models\n", title, text_of(facts, "digest"),
	       text_of(facts, "source"), text_of(facts, "version"), number_of(facts, "providers"),
	       number_of(facts, "models"));
	json_array_foreach (json_object_get(facts, "notes"), i, note)
		printf("           %s\n", json_string_value(note));
}

static void print_prices(json_t *value)
{
	static const struct print_column columns[] = {
		{ "IMPORTED LIST", "name", false },
		{ "IMPORTED", "imported", false },
		{ "BYTES", "bytes", true },
		{ "IN FORCE", "in_force", false },
	};
	json_t *book = json_object_get(value, "book"), *override;

	override = json_object_get(value, "override");
	print_facts("book", json_object_get(book, "facts"));
	printf("           %s\n", text_of(book, "file"));
	print_facts("override", json_object_get(override, "facts"));
	printf("           %s, owned by %s\n", text_of(override, "file"),
	       text_of(override, "owner"));
	if (json_array_size(json_object_get(value, "imported")) > 0)
		print_table(json_object_get(value, "imported"), columns, ARRAY_SIZE(columns), 0);
}

static void print_imported(json_t *value)
{
	printf("%s is in force\n", text_of(value, "name"));
	if (json_object_get(value, "facts"))
		print_facts("book", json_object_get(value, "facts"));
}

static void print_set(json_t *value)
{
	printf("the price of %s/%s is %s\n", text_of(value, "provider"), text_of(value, "model"),
	       json_is_true(json_object_get(value, "set")) ? "your own" : "the book's");
}

static void print_override(json_t *value)
{
	print_facts("override", json_object_get(value, "facts"));
}

static void print_diff(json_t *value)
{
	json_t *row;
	size_t i;

	print_facts("in force", json_object_get(value, "from"));
	print_facts("the list", json_object_get(value, "to"));
	json_array_foreach (json_object_get(value, "rows"), i, row) {
		const char *change = text_of(row, "change");

		printf("%s %s\n",
		       *change == 'a'   ? "+"
		       : *change == 'r' ? "-"
					: "~",
		       text_of(row, "price"));
		if (*change != 'a')
			printf("    was %s\n", text_of(row, "old"));
		if (*change != 'r')
			printf("    now %s\n", text_of(row, "new"));
	}
	printf("%zu prices differ, %lld do not\n", json_array_size(json_object_get(value, "rows")),
	       number_of(value, "unchanged"));
}

static void print_lines(json_t *value)
{
	json_t *lines = json_object_get(value, "lines"), *line, *rate;
	const char *name;
	size_t i;

	if (json_array_size(lines) == 0) {
		json_object_foreach (json_object_get(value, "usd_per_unit"), name, rate)
			printf("  %-18s %s\n", name, json_string_value(rate));
		return;
	}
	json_array_foreach (lines, i, line)
		printf("  %-18s %12lld x %s%s = %s%s\n", text_of(line, "name"),
		       number_of(line, "count"), text_of(line, "unit_usd"),
		       strcmp(text_of(line, "per"), "hour") == 0 ? " / 3600000" : "",
		       text_of(line, "usd"),
		       json_is_true(json_object_get(line, "exact")) ? "" : "...");
	printf("  %-18s %s\n", "total", text_of(value, "total_usd"));
}

static void print_explained(json_t *value)
{
	json_t *found = json_object_get(value, "found");
	bool known = json_is_true(json_object_get(value, "known"));

	if (json_object_get(value, "object")) {
		printf("%s/%s\n  source %s, the model \"%s\" of the configuration; dollars:\n",
		       text_of(value, "provider"), text_of(value, "model"),
		       text_of(value, "source"), text_of(value, "object"));
		print_lines(value);
		return;
	}
	if (!found) {
		printf(
		    "the price of %s/%s is unknown: no rule of the book or the override matches\n"
		    "  tidectl prices set '%s' '%s' input=USD output=USD\n",
		    text_of(value, "provider"), text_of(value, "model"), text_of(value, "provider"),
		    text_of(value, "model"));
		return;
	}
	printf("%s/%s at %s\n", text_of(value, "provider"), text_of(value, "model"),
	       text_of(value, "at"));
	printf("  found in %s as %s/%s by %s\n", text_of(found, "in"), text_of(found, "provider"),
	       text_of(found, "model"), text_of(found, "rule"));
	print_facts("  list", json_object_get(found, "facts"));
	printf("  since %s, until %s%s, service tier %s\n", text_of(found, "since"),
	       text_of(found, "until"),
	       json_is_true(json_object_get(found, "by_time_of_day")) ? ", by time of day" : "",
	       *text_of(found, "service_tier") ? text_of(found, "service_tier") : "standard");
	if (json_is_true(json_object_get(value, "partial")))
		printf("  it is known in part: a unit that is not counted, or no price for the "
		       "tier\n");
	if (!known) {
		printf("  unknown: the list names the model and no price\n");
		return;
	}
	printf("  source %s, above %lld input tokens; dollars:\n", text_of(value, "source"),
	       number_of(value, "above_input_tokens"));
	print_lines(value);
}

/* ---- what is sent ---- */

/* An option's file as text, or hex; NULL with the exit code where it cannot be read. */
static json_t *file_json(const char *path, size_t max, bool hex, int *ret_code)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	struct error error = { 0 };
	char text[2 * SIGNATURE_BYTES_MAX + 1];
	json_t *value;

	if (file_read(path, max, &content, &error) < 0) {
		*ret_code = call_fail(&error, EXIT_REFUSED);
		return NULL;
	}
	if (hex) {
		hash_hex((const uint8_t *)content.data, content.len, text);
		return json_string(text);
	}
	value = json_stringn(content.len > 0 ? content.data : "", content.len);
	if (!value) {
		error_set_at(&error, -EINVAL, path, 0, 0, "is no text in UTF-8");
		*ret_code = call_fail(&error, EXIT_REFUSED);
	}
	return value;
}

static int send_body(const struct command *command, const char *path, json_t *body,
		     void (*print)(json_t *value))
{
	int r = body ? call_show(command, "POST", path, body, print)
		     : wrong_usage(command->verb, "names must be valid UTF-8");

	json_decref(body);
	return r;
}

static int list_prices(const struct command *command)
{
	return call_show(command, "GET", "/api/v1/prices", NULL, print_prices);
}

/* The list named on the command line, and what vouches for it. */
static int send_list(const struct command *command, const char *path, void (*print)(json_t *value))
{
	json_t *body = json_object(), *text;
	int code = 0;

	text = file_json(command->argv[PATH_ARGUMENT], LIST_BYTES_MAX, false, &code);
	json_object_set_new(body, "text", text);
	if (code == 0 && command->sha256)
		json_object_set_new(body, "sha256", json_string(command->sha256));
	if (code == 0 && command->signature)
		json_object_set_new(
		    body, "signature",
		    file_json(command->signature, SIGNATURE_BYTES_MAX, true, &code));
	if (code == 0 && command->key)
		json_object_set_new(body, "key",
				    file_json(command->key, KEY_BYTES_MAX, false, &code));
	if (code == 0)
		return send_body(command, path, body, print);
	json_decref(body);
	return code;
}

static int import_list(const struct command *command)
{
	return send_list(command, "/api/v1/prices/import", print_imported);
}

static int diff_list(const struct command *command)
{
	return send_list(command, "/api/v1/prices/diff", print_diff);
}

static int override_list(const struct command *command)
{
	return send_list(command, "/api/v1/prices/override", print_override);
}

static int use_list(const struct command *command)
{
	return send_body(command, "/api/v1/prices/use",
			 json_pack("{s:s}", "name", command->argv[2]), print_imported);
}

/* The words behind the model, each NAME=VALUE; NULL after having said what is wrong. */
static json_t *pairs_of(const struct command *command, bool counts)
{
	json_t *pairs = json_object();

	for (int i = 4; i < command->argc; i++) {
		struct slice value, name = slice_cut(slice_of(command->argv[i]), '=', &value);
		bool digits = value.len > 0 && value.len <= COUNT_DIGITS &&
			      strspn(value.ptr, "0123456789") == value.len;

		if (name.len == 0 || value.len == 0 || (counts && !digits)) {
			wrong_usage(command->verb, "\"%s\" is not %s", command->argv[i],
				    counts ? "NAME=COUNT" : "NAME=USD");
			json_decref(pairs);
			return NULL;
		}
		json_object_setn_new(pairs, name.ptr, name.len,
				     counts ? json_integer(strtoll(value.ptr, NULL, 10))
					    : json_string(value.ptr));
	}
	return pairs;
}

static int explain_price(const struct command *command)
{
	json_t *usage = pairs_of(command, true);

	if (!usage)
		return EXIT_USAGE;
	return send_body(command, "/api/v1/prices/explain",
			 json_pack("{s:s, s:s, s:s*, s:s*, s:o}", "provider", command->argv[2],
				   "model", command->argv[3], "at", command->at, "service_tier",
				   command->tier, "usage", usage),
			 print_explained);
}

static int set_price(const struct command *command)
{
	json_t *prices = pairs_of(command, false);

	if (!prices)
		return EXIT_USAGE;
	return send_body(command, "/api/v1/prices/set",
			 json_pack("{s:s, s:s, s:o}", "provider", command->argv[2], "model",
				   command->argv[3], "prices", prices),
			 print_set);
}

static int unset_price(const struct command *command)
{
	return send_body(
	    command, "/api/v1/prices/unset",
	    json_pack("{s:s, s:s}", "provider", command->argv[2], "model", command->argv[3]),
	    print_set);
}

static const struct command_action actions[] = {
	{ "list", 0, 0, "nothing", 0, list_prices },
	{ "import", 1, 1, "a FILE", OPTION_SHA256 | OPTION_SIGNATURE | OPTION_KEY, import_list },
	{ "use", 1, 1, "the NAME of a list, or \"configuration\"", 0, use_list },
	{ "diff", 1, 1, "a FILE", 0, diff_list },
	{ "explain", 2, PRICES_WORDS_MAX, "PROVIDER MODEL [NAME=COUNT...]", OPTION_AT | OPTION_TIER,
	  explain_price },
	{ "set", 3, PRICES_WORDS_MAX, "PROVIDER MODEL NAME=USD...", 0, set_price },
	{ "unset", 2, 2, "PROVIDER MODEL", 0, unset_price },
	{ "override", 1, 1, "a FILE", 0, override_list },
};

int prices_run(struct command *command)
{
	return command_act(command, command->argc > 1 ? command->argv[1] : "list", actions,
			   ARRAY_SIZE(actions));
}
