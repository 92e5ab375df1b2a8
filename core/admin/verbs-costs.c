/* SPDX-License-Identifier: Apache-2.0 */
/* What was spent, by any groups together, in any stretch of days, of all or of some. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/period.h"

#define GROUP_WORDS "tenant, feature, key, user, route, model, provider"

struct asking {
	struct ledger_question question;
	enum ledger_group by[LEDGER_GROUPS]; /* in the order that was asked for */
	size_t by_count;
	json_t *rows;
	int64_t cost_nano, saved_nano, corrected_nano;
	bool failed;
};

/* ---- the question ---- */

static int parse_by(struct asking *asking, const char *text, struct error *error)
{
	struct slice rest = slice_of(text);
	bool more = true;

	while (more) {
		struct slice word = slice_cut(rest, ',', &rest);
		enum ledger_group group;

		more = word.ptr[word.len] == ',';
		word = slice_trim(word);
		if (ledger_group_parse(word, &group) < 0)
			return error_set(error, -EINVAL,
					 "\"by\" is one or more of " GROUP_WORDS
					 ", with commas between them, not \"%.*s\"",
					 SLICE_ARGS(word));
		if (asking->question.by & LEDGER_BIT(group))
			return error_set(error, -EINVAL, "\"by\" has %s twice",
					 ledger_group_name(group));
		asking->question.by |= LEDGER_BIT(group);
		asking->by[asking->by_count++] = group;
	}
	return 0;
}

static int parse_only(struct asking *asking, json_t *arguments, struct error *error)
{
	for (int i = 0; i < LEDGER_GROUPS; i++) {
		const char *name;
		int r = argument_text(arguments, ledger_group_name((enum ledger_group)i), false,
				      &name, error);

		if (r < 0)
			return r;
		if (name)
			asking->question.only[i] = slice_of(name);
	}
	return 0;
}

static int parse_question(struct admin *admin, json_t *arguments, struct asking *asking,
			  const char **ret_period, struct error *error)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	struct period period;
	const char *by;
	int r = argument_text(arguments, "by", false, &by, error);

	if (r >= 0)
		r = argument_text(arguments, "period", false, ret_period, error);
	if (r >= 0)
		r = parse_by(asking, by ? by : "tenant", error);
	if (r >= 0)
		r = parse_only(asking, arguments, error);
	if (r < 0)
		return r;
	*ret_period = *ret_period ? *ret_period : "today";
	r = period_parse(admin->options.zone, slice_of(*ret_period), now_s, &period, error);
	if (r < 0)
		return r;
	asking->question.from_s = period.from_s;
	asking->question.until_s = period.until_s;
	return 0;
}

/* ---- the answer ---- */

/* What a row is called: its names, as far as there are such. */
static json_t *title_of(const struct asking *asking, const struct ledger_sum *sum)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	for (size_t i = 0; i < asking->by_count; i++) {
		buffer_append_str(&text, i > 0 ? " / " : "");
		buffer_append_slice(&text, sum->names[asking->by[i]]);
	}
	return json_stringn(text.len > 0 ? text.data : "", text.len);
}

static void add_row(const struct ledger_sum *sum, void *data)
{
	struct asking *asking = data;
	json_t *row =
	    json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "name",
		      title_of(asking, sum), "cost_usd", json_usd(sum->cost_nano), "saved_usd",
		      json_usd(sum->saved_nano), "requests", (json_int_t)sum->requests, "errors",
		      (json_int_t)sum->errors, "tokens_in", (json_int_t)sum->tokens_in,
		      "tokens_cached", (json_int_t)sum->tokens_cached, "tokens_out",
		      (json_int_t)sum->tokens_out, "corrected_usd", json_usd(sum->corrected_nano));

	for (size_t i = 0; row && i < asking->by_count; i++) {
		struct slice name = sum->names[asking->by[i]];

		json_object_set_new(row, ledger_group_name(asking->by[i]),
				    json_stringn(name.len > 0 ? name.ptr : "", name.len));
	}
	if (json_array_append_new(asking->rows, row) < 0)
		asking->failed = true;
	asking->cost_nano += sum->cost_nano;
	asking->saved_nano += sum->saved_nano;
	asking->corrected_nano += sum->corrected_nano;
}

static json_t *by_text(const struct asking *asking)
{
	char text[128] = "";

	for (size_t i = 0; i < asking->by_count; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? "," : "",
			 ledger_group_name(asking->by[i]));
	}
	return json_string(text);
}

int verb_costs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
	       json_t **ret, struct error *error)
{
	struct asking asking = { 0 };
	const char *period;
	int r = parse_question(admin, arguments, &asking, &period, error);

	if (r < 0)
		return r;
	asking.rows = json_array();
	r = ledger_ask(admin->options.ledger, &asking.question, add_row, &asking);
	if (r < 0 || asking.failed) {
		json_decref(asking.rows);
		return error_set(error, r < 0 ? r : -ENOMEM, "the ledger could not be read: %s",
				 strerror(r < 0 ? -r : ENOMEM));
	}
	*ret = json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "by", by_text(&asking),
			 "period", period, "zone", zone_name(admin->options.zone), "from",
			 json_moment(asking.question.from_s), "until",
			 json_moment(asking.question.until_s), "total_usd",
			 json_usd(asking.cost_nano), "saved_usd", json_usd(asking.saved_nano),
			 "corrected_usd", json_usd(asking.corrected_nano), "rows", asking.rows);
	return 0;
}
