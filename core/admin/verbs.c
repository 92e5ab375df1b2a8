/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of verbs, and those that read or reload. All run on the admin thread. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"
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

/* ---- configuration ---- */

int admin_publish(struct admin *admin, struct conf *next, struct error *error)
{
	enum log_level level;
	int r;

	next->generation = admin->generation + 1;
	r = gateway_publish(admin->options.gateway, next, error);
	if (r < 0)
		return r;
	admin->generation++;
	if (log_level_parse(next->log_level, &level) == 0)
		log_set_level(level);
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
	int r;

	r = conf_load(admin->options.main_file, &admin->options.overrides, &next, error, NULL);
	if (r < 0)
		return not_valid(r);
	r = conf_check_reload(now, next, error);
	if (r < 0)
		return not_valid(r);
	r = admin_publish(admin, next, error);
	if (r < 0)
		return not_valid(r);
	gateway_certificates_tell(admin->options.gateway, true);
	*ret = json_pack("{s:I}", "generation", (json_int_t)admin->generation);
	return 0;
}

static void judge(void *data, const struct conf *conf, struct report *report)
{
	const struct admin *admin = data;

	gateway_check(admin->options.plugins, conf, report);
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

/* ---- reading ---- */

static void add_cost(const struct ledger_total *total, void *data)
{
	json_t *row = json_pack(
	    "{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "name", total->name, "cost_usd",
	    json_usd(total->cost_nano), "requests", (json_int_t)total->requests, "errors",
	    (json_int_t)total->errors, "tokens_in", (json_int_t)total->tokens_in, "tokens_cached",
	    (json_int_t)total->tokens_cached, "tokens_out", (json_int_t)total->tokens_out);

	json_array_append_new(data, row);
}

static int parse_period(const char *name, enum ledger_period *ret)
{
	static const char *const names[] = { "today", "month", "total" };

	for (int i = 0; i < LEDGER_PERIODS; i++) {
		if (!name || strcmp(names[i], name) == 0) {
			*ret = (enum ledger_period)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int verb_costs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error)
{
	enum ledger_group group = LEDGER_BY_TENANT;
	enum ledger_period period;
	const char *by, *period_name;
	json_t *rows;
	int r;

	r = argument_text(arguments, "by", false, &by, error);
	if (r >= 0)
		r = argument_text(arguments, "period", false, &period_name, error);
	if (r < 0)
		return r;
	if (by && ledger_group_parse(slice_of(by), &group) < 0)
		return error_set(error, -EINVAL,
				 "\"by\" is one of tenant, feature, key, route, model, provider, "
				 "not \"%s\"",
				 by);
	if (parse_period(period_name, &period) < 0)
		return error_set(error, -EINVAL,
				 "\"period\" is one of today, month, total, not \"%s\"",
				 period_name);
	rows = json_array();
	ledger_totals_each(admin->options.ledger, group, period, add_cost, rows);
	*ret = json_pack("{s:s, s:s, s:s, s:o, s:o}", "by", ledger_group_name(group), "period",
			 period_name ? period_name : "today", "zone",
			 zone_name(admin->options.zone), "total_usd",
			 json_usd(ledger_totals_sum(admin->options.ledger, period).cost_nano),
			 "rows", rows);
	return 0;
}

static int parse_id(const char *text, uint64_t *ret)
{
	*ret = 0;
	if (!text)
		return 0;
	if (strlen(text) > LEDGER_ID_SIZE - 1 || text[strspn(text, "0123456789abcdef")])
		return -EINVAL;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

/* The cursor is taken first: a row that is written in between comes twice, and none is missed. */
static int read_rows(struct admin *admin, json_t *arguments, uint32_t count, struct buffer *lines,
		     char cursor[static LEDGER_CURSOR_SIZE], struct error *error)
{
	struct ledger *ledger = admin->options.ledger;
	const char *after_text, *from;
	uint64_t after;
	int r = argument_text(arguments, "after", false, &after_text, error);

	if (r >= 0)
		r = argument_text(arguments, "cursor", false, &from, error);
	if (r < 0)
		return r;
	if (after_text && from)
		return error_set(error, -EINVAL, "take either \"after\" or \"cursor\"");
	if (parse_id(after_text, &after) < 0)
		return error_set(error, -EINVAL, "\"after\" is a request id: up to 16 hex digits");
	if (!after_text)
		r = ledger_log_follow(ledger, from ? from : "", from ? count : 0, lines, cursor);
	if (r == -EINVAL)
		return error_set(error, r, "\"cursor\" is what an answer before gave as such");
	if (r >= 0 && !from)
		r = ledger_read_rows(ledger, after, count, after_text == NULL, lines);
	if (r < 0)
		return error_set(error, r, "the ledger could not be read: %s", strerror(-r));
	return 0;
}

static int verb_logs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer lines = { 0 };
	json_t *limit = json_object_get(arguments, "limit"), *rows;
	json_int_t count = limit ? json_integer_value(limit) : 100;
	char cursor[LEDGER_CURSOR_SIZE] = "";
	int r;

	if ((limit && !json_is_integer(limit)) || count < 1 || count > ADMIN_ROWS_MAX)
		return error_set(error, -EINVAL, "\"limit\" is a number from 1 to %d",
				 ADMIN_ROWS_MAX);
	r = read_rows(admin, arguments, (uint32_t)count, &lines, cursor, error);
	if (r < 0)
		return r;
	rows = json_array();
	for (struct slice rest = buffer_slice(&lines); rest.len;) {
		struct slice line = slice_cut(rest, '\n', &rest);
		json_array_append_new(rows, json_loadb(line.ptr, line.len, 0, NULL));
	}
	*ret = json_pack("{s:o, s:s*}", "rows", rows, "cursor", *cursor ? cursor : NULL);
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
	{ { "costs", "by? period?", "Spend by tenant, feature, key, route, model or provider.",
	    false },
	  verb_costs },
	{ { "logs", "after? cursor? limit?",
	    "Rows of requests, oldest first: by id after one, by end from a cursor on, or the "
	    "newest.",
	    false },
	  verb_logs },
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
