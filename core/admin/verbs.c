/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of verbs, and those about the configuration as a whole. All run on the admin
 * thread. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

CLEANUP_DEFINE(struct conf, conf_unref);

int argument_text(json_t *arguments, const char *name, bool required, const char **ret,
		  struct error *error)
{
	json_t *value = json_object_get(arguments, name);

	*ret = NULL;
	if (!value || json_is_null(value)) {
		if (required)
			return error_set(error, -EINVAL, "\"%s\" is missing", name);
		return 0;
	}
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    json_string_length(value) > LEDGER_NAME_MAX ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return error_set(error, -EINVAL,
				 "\"%s\" must be a text of 1 to %d bytes, none of them NUL", name,
				 LEDGER_NAME_MAX);
	*ret = json_string_value(value);
	return 0;
}

json_t *json_usd(int64_t cost_nano)
{
	struct buffer text = { 0 };
	json_t *value;

	buffer_append_usd(&text, cost_nano);
	value = json_stringn(text.data, text.len);
	buffer_fini(&text);
	return value;
}

json_t *json_moment(int64_t utc_s)
{
	char text[CLOCK_TEXT_SIZE];

	if (utc_s <= 0 || utc_s == INT64_MAX)
		return json_null();
	clock_format_s(utc_s, text);
	return json_string(text);
}

/* ---- configuration ---- */

int admin_publish(struct admin *admin, struct conf *next, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *before = gateway_conf(admin->options.gateway);
	enum log_level level;
	int r;

	next->generation = admin->generation + 1;
	r = gateway_publish(admin->options.gateway, next, error);
	if (r < 0)
		return r;
	admin->generation++;
	if (log_level_parse(next->log_level, &level) == 0)
		log_set_level(level);
	keys_tell_gone(admin, before, next);
	return 0;
}

/* Whatever is wrong with the files is the same to who asked: the configuration is not valid. */
static int not_valid(int r)
{
	return r == -ENOMEM ? r : -EINVAL;
}

int verb_reload(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL;
	int r, settled;

	r = conf_load(admin->options.main_file, &admin->options.overrides, &next, error, NULL);
	if (r < 0)
		return not_valid(r);
	r = conf_check_reload(now, next, error);
	if (r < 0)
		return not_valid(r);
	r = plugins_renew(admin, next, NULL, error);
	if (r < 0)
		return not_valid(r);
	r = admin_publish(admin, next, error);
	settled = plugins_settle(admin, r >= 0, r >= 0 ? error : NULL);
	if (r < 0 || settled < 0)
		return not_valid(r < 0 ? r : settled);
	gateway_certificates_tell(admin->options.gateway, true);
	*ret = json_pack("{s:I}", "generation", (json_int_t)admin->generation);
	return 0;
}

static void judge(void *data, const struct conf *conf, struct report *report)
{
	struct admin *admin = data;
	struct error error = { 0 };
	int r = plugins_renew(admin, conf, NULL, &error);

	if (r < 0)
		conf_report(report, &error);
	gateway_check(admin->options.plugins, conf, report);
	if (r >= 0)
		plugins_settle(admin, false, NULL);
}

/* The files as they are now, without putting them in force: every error, not only the first. */
static int verb_check(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_conf_unref) struct conf *next = NULL;
	_cleanup_(buffer_fini) struct buffer lines = { 0 };
	struct error restart = { 0 };
	json_t *errors = json_array();
	char text[1024];
	int r;

	r = conf_check(admin->options.main_file, &admin->options.overrides, judge, admin, &next,
		       &lines);
	for (struct slice rest = buffer_slice(&lines); rest.len;) {
		struct slice line = slice_cut(rest, '\n', &rest);
		json_array_append_new(errors, json_stringn(line.ptr, line.len));
	}
	if (r >= 0 && conf_check_reload(now, next, &restart) < 0)
		json_array_append_new(errors,
				      json_string(error_text(&restart, text, sizeof(text))));
	if (r == -ENOMEM) {
		json_decref(errors);
		return error_set(error, r, "out of memory");
	}
	*ret = json_pack("{s:b, s:o}", "valid", json_array_size(errors) == 0, "errors", errors);
	return 0;
}

/* ---- the table ---- */

static const struct row {
	struct admin_verb verb;
	admin_verb_fn run;
} rows[] = {
	{ { "reload", "", "Puts the configuration files as they are now in force, all or nothing.",
	    true },
	  verb_reload },
	{ { "check", "",
	    "Validates the configuration files and lists every error; changes nothing.", false },
	  verb_check },
	{ { "costs", "by? period? tenant? feature? key? user? route? model? provider?",
	    "Spend by any groups, in any days.", false },
	  verb_costs },
	{ { "correct",
	    "request? tenant? feature? key? user? route? model? provider? amount_usd? to_usd? "
	    "period? reference? undo? reason",
	    "Adds a correction to what was spent, dated now; rows stay as they are.", true },
	  verb_correct },
	{ { "corrections", "period?", "Corrections, by when they were made.", false },
	  verb_corrections },
	{ { "reconcile", "text provider? tolerance_usd?",
	    "What a provider's export of usage says, beside what the rows do.", false, false,
	    true },
	  verb_reconcile },
	{ { "logs", "after? cursor? limit?",
	    "Rows of requests, oldest first: by id after one, by end from a cursor on, or the "
	    "newest.",
	    false },
	  verb_logs },
	{ { "requests.get", "id", "One request, with its attempts and what each cost.", false },
	  verb_requests_get },
	{ { "keys.list", "", "Virtual keys; never their texts.", false }, verb_keys_list },
	{ { "keys.create", "name tenant feature? models? routes? networks? expires? end_user?",
	    "Makes a virtual key; its text is in this answer only.", true },
	  verb_keys_create },
	{ { "keys.rotate", "name overlap_s?",
	    "Gives a virtual key a new text, in this answer only; the old one is good for a while.",
	    true },
	  verb_keys_rotate },
	{ { "keys.revoke", "name now?",
	    "Removes a virtual key; its next request is refused, and now ends what runs by it.",
	    true },
	  verb_keys_revoke },
	{ { "keys.import", "text",
	    "Makes virtual keys of hashes, from lines of CSV or JSON: all of them, or none.", true,
	    true },
	  verb_keys_import },
	{ { "plugins.list", "", "The plugins that are loaded, and those that stay off.", false },
	  verb_plugins_list },
	{ { "plugins.enable", "name",
	    "Loads a plugin that is off, since it crashed too often, at once.", true },
	  verb_plugins_enable },
	{ { "prices.list", "",
	    "The price book in force, those that were imported, and the override.", false },
	  verb_prices_list },
	{ { "prices.import", "text sha256? signature? key?",
	    "Puts a newer price list in force, from now on.", true },
	  verb_prices_import },
	{ { "prices.use", "name", "Puts a list that was imported in force again.", true },
	  verb_prices_use },
	{ { "prices.diff", "text", "What a price list would change.", false }, verb_prices_diff },
	{ { "prices.explain", "provider model at? service_tier? usage?",
	    "Where a price is from, and what a usage costs by it.", false },
	  verb_prices_explain },
	{ { "prices.set", "provider model prices", "Sets a model's prices, above the book's.",
	    true },
	  verb_prices_set },
	{ { "prices.unset", "provider model", "Takes a model's own prices back.", true },
	  verb_prices_unset },
	{ { "prices.override", "text", "Replaces all own prices by a list.", true },
	  verb_prices_override },
};

/* A word that the verb does not know is a slip of the pen, never ignored. */
static int check_words(const struct admin_verb *verb, json_t *arguments, struct error *error)
{
	const char *name;
	json_t *value;

	json_object_foreach (arguments, name, value) {
		size_t len = strlen(name);
		const char *at = verb->arguments;
		while (*at && (strcspn(at, "? ") != len || strncmp(at, name, len) != 0)) {
			at += strcspn(at, " ");
			at += strspn(at, " ");
		}
		if (!*at)
			return error_set(error, -EINVAL,
					 "\"%s\" is none of: %s (? may be left out)", name,
					 verb->arguments);
	}
	return 0;
}

bool verb_runs_anywhere(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].verb.name, name) == 0)
			return rows[i].verb.anywhere;
	return false;
}

int verb_run(struct admin *admin, const char *name, json_t *arguments,
	     const struct admin_caller *caller, json_t **ret, struct error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[1024];
		int r;
		if (strcmp(rows[i].verb.name, name) != 0)
			continue;
		r = check_words(&rows[i].verb, arguments, error);
		if (r >= 0)
			r = rows[i].run(admin, arguments, caller, ret, error);
		if (r < 0)
			log_warning("%s by %s from %s refused: %s", name, caller->who, caller->from,
				    rows[i].verb.quotes ? "what was given is not right"
							: error_text(error, text, sizeof(text)));
		else if (rows[i].verb.writes)
			log_info("%s by %s from %s: done", name, caller->who, caller->from);
		return r;
	}
	return error_set(error, -ENOENT, "there is no verb \"%s\"", name);
}
