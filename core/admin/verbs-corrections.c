/* SPDX-License-Identifier: Apache-2.0 */
/* Corrections: what turns out later, as rows of their own. What was settled is never changed. */
#include "admin/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/period.h"

CLEANUP_DEFINE(struct conf, conf_unref);

enum {
	CORRECTION_TEXT_MAX = 256,       /* bytes of a reason, a reference, a period */
	CORRECTION_USD_MAX = 1000000000, /* either way */
	CORRECTIONS_MAX = 10000,         /* that are listed */
};

/* ---- as JSON ---- */

static void set_text(json_t *object, const char *name, struct slice text)
{
	if (text.len > 0)
		json_object_set_new(object, name, json_stringn(text.ptr, text.len));
}

static void set_id(json_t *object, const char *name, uint64_t id)
{
	if (id != 0)
		json_object_set_new(object, name, json_integer((json_int_t)id));
}

/* What it has none of is left out. */
static json_t *correction_json(const struct ledger_correction *correction)
{
	char request[LEDGER_ID_SIZE];
	json_t *object = json_object();

	set_id(object, "id", correction->id);
	json_object_set_new(object, "made", json_moment(correction->made_s));
	json_object_set_new(object, "amount_usd", json_usd(correction->amount_nano));
	ledger_id_text(correction->request, request);
	if (correction->request != 0)
		json_object_set_new(object, "request", json_string(request));
	for (int i = 0; i < LEDGER_GROUPS; i++)
		set_text(object, ledger_group_name((enum ledger_group)i), correction->names[i]);
	set_text(object, "period", correction->period);
	set_text(object, "reference", correction->reference);
	set_text(object, "reason", correction->reason);
	set_text(object, "made_by", correction->made_by);
	set_id(object, "undoes", correction->undoes);
	set_id(object, "undone_by", correction->undone_by);
	return object;
}

struct listing {
	json_t *rows;
	int64_t sum_nano;
	bool more;
};

static void list(const struct ledger_correction *correction, void *data)
{
	struct listing *listing = data;

	listing->sum_nano += correction->amount_nano;
	if (json_array_size(listing->rows) < CORRECTIONS_MAX)
		json_array_append_new(listing->rows, correction_json(correction));
	else
		listing->more = true;
}

static int read_failed(int r, struct error *error)
{
	return error_set(error, r, "the ledger could not be read: %s", strerror(-r));
}

int verb_corrections(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	struct listing listing = { 0 };
	struct period period;
	const char *text;
	int r = argument_text(arguments, "period", false, &text, error);

	if (r < 0)
		return r;
	text = text ? text : "total";
	r = period_parse(admin->options.zone, slice_of(text), now_s, &period, error);
	if (r < 0)
		return r;
	listing.rows = json_array();
	r = ledger_corrections_each(admin->options.ledger, period.from_s, period.until_s, 0, list,
				    &listing);
	if (r < 0) {
		json_decref(listing.rows);
		return read_failed(r, error);
	}
	*ret = json_pack("{s:s, s:o, s:b, s:o}", "period", text, "total_usd",
			 json_usd(listing.sum_nano), "more", listing.more, "rows", listing.rows);
	return 0;
}

int corrections_of_request(struct admin *admin, uint64_t id, json_t *request, struct error *error)
{
	struct listing listing = { .rows = json_array() };
	int r = ledger_corrections_each(admin->options.ledger, 0, INT64_MAX, id, list, &listing);

	json_object_set_new(request, "corrections", listing.rows);
	return r < 0 ? read_failed(r, error) : 0;
}

/* ---- a new one ---- */

struct correcting {
	struct ledger_correction correction;
	json_t *request; /* that it is about: texts point into it; NULL: none */
	json_t *undone;  /* likewise, what it undoes */
};

static int take_text(json_t *arguments, const char *name, bool required, struct slice *ret,
		     struct error *error)
{
	json_t *value = json_object_get(arguments, name);

	if (!value && !required)
		return 0;
	if (!json_is_string(value))
		return error_set(error, -EINVAL, "\"%s\" %s", name,
				 value ? "must be a text" : "is missing");
	*ret = slice_trim((struct slice){ json_string_value(value), json_string_length(value) });
	if (ret->len == 0 || ret->len > CORRECTION_TEXT_MAX || slice_has_control(*ret))
		return error_set(
		    error, -EINVAL,
		    "\"%s\" must be a text of 1 to %d bytes without control characters", name,
		    CORRECTION_TEXT_MAX);
	return 0;
}

static int take_names(json_t *arguments, struct ledger_correction *correction, struct error *error)
{
	for (int i = 0; i < LEDGER_GROUPS; i++) {
		const char *name = ledger_group_name((enum ledger_group)i);
		int r = take_text(arguments, name, false, &correction->names[i], error);

		if (r < 0)
			return r;
		if (correction->names[i].len > LEDGER_NAME_MAX)
			return error_set(error, -EINVAL, "\"%s\" has more than %d bytes", name,
					 LEDGER_NAME_MAX);
	}
	return 0;
}

struct known {
	struct slice name;
	bool found;
};

static void look(const struct ledger_total *total, void *data)
{
	struct known *known = data;

	known->found = known->found || slice_eq_str(known->name, total->name);
}

/* One that never was would have a line of its own for ever. */
static int check_tenant(struct admin *admin, struct slice tenant, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	struct known known = { tenant, conf_find_tenant(conf, tenant) };

	ledger_totals_each(admin->options.ledger, LEDGER_BY_TENANT, LEDGER_TOTAL, look, &known);
	return known.found
		   ? 0
		   : error_set(error, -ENOENT, "there is no tenant \"%.*s\", and no row of one",
			       SLICE_ARGS(tenant));
}

static struct slice text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return slice_of(text ? text : "");
}

/* The names of a request's row, and what it costs so far, its corrections included. */
static int take_request(struct admin *admin, const char *id, struct correcting *correcting,
			int64_t *ret_cost_nano, struct error *error)
{
	json_t *arguments = json_pack("{s:s}", "id", id), *row;
	int r = verb_requests_get(admin, arguments, NULL, &correcting->request, error);
	size_t i;

	json_decref(arguments);
	if (r < 0)
		return r;
	correcting->correction.request = strtoull(id, NULL, 16);
	for (int group = 0; group < LEDGER_GROUPS; group++)
		correcting->correction.names[group] =
		    text_of(correcting->request, ledger_group_name((enum ledger_group)group));
	(void)slice_to_usd(text_of(correcting->request, "cost_usd"), ret_cost_nano);
	json_array_foreach (json_object_get(correcting->request, "corrections"), i, row) {
		int64_t amount_nano = 0;

		(void)slice_to_usd(text_of(row, "amount_usd"), &amount_nano);
		*ret_cost_nano += amount_nano;
	}
	return 0;
}

static int take_usd(json_t *arguments, const char *name, int64_t *ret, bool *ret_given,
		    struct error *error)
{
	const int64_t most = (int64_t)CORRECTION_USD_MAX * 1000000000;
	const char *text;
	int r = argument_text(arguments, name, false, &text, error);

	*ret_given = r >= 0 && text;
	if (r < 0 || !text)
		return r;
	if (slice_to_usd(slice_of(text), ret) < 0 || *ret > most || *ret < -most)
		return error_set(error, -EINVAL,
				 "\"%s\" is dollars as a text with up to nine digits after the "
				 "point, as in \"-1.25\", up to %d either way",
				 name, CORRECTION_USD_MAX);
	return 0;
}

static int take_amount(json_t *arguments, int64_t cost_nano, struct correcting *correcting,
		       struct error *error)
{
	int64_t amount_nano = 0, to_nano = 0;
	bool amount, to;
	int r = take_usd(arguments, "amount_usd", &amount_nano, &amount, error);

	if (r >= 0)
		r = take_usd(arguments, "to_usd", &to_nano, &to, error);
	if (r < 0)
		return r;
	if (amount == to)
		return error_set(error, -EINVAL,
				 "either \"amount_usd\" says what is to be added to the cost, or "
				 "\"to_usd\" what a request is to cost");
	if (to && !correcting->request)
		return error_set(error, -EINVAL,
				 "\"to_usd\" is for the \"request\" that it is about; of others "
				 "say \"amount_usd\"");
	correcting->correction.amount_nano = amount ? amount_nano : to_nano - cost_nano;
	if (correcting->correction.amount_nano == 0)
		return error_set(error, -EINVAL, "nothing would change: the amount is 0");
	return 0;
}

static void take_undone(const struct ledger_correction *found, void *data)
{
	struct correcting *correcting = data;

	if (found->id == correcting->correction.undoes)
		correcting->undone = correction_json(found);
}

/* The same names and the opposite amount. */
static int take_undo(struct admin *admin, json_t *undo, struct correcting *correcting,
		     struct error *error)
{
	struct ledger_correction *correction = &correcting->correction;
	int r;

	if (!json_is_integer(undo) || json_integer_value(undo) <= 0)
		return error_set(error, -EINVAL, "\"undo\" is the number of a correction");
	correction->undoes = (uint64_t)json_integer_value(undo);
	r = ledger_corrections_each(admin->options.ledger, 0, INT64_MAX, 0, take_undone,
				    correcting);
	if (r < 0)
		return read_failed(r, error);
	if (!correcting->undone)
		return error_set(error, -ENOENT, "there is no correction %llu",
				 (unsigned long long)correction->undoes);
	for (int i = 0; i < LEDGER_GROUPS; i++)
		correction->names[i] =
		    text_of(correcting->undone, ledger_group_name((enum ledger_group)i));
	correction->period = text_of(correcting->undone, "period");
	correction->request = strtoull(text_of(correcting->undone, "request").ptr, NULL, 16);
	(void)slice_to_usd(text_of(correcting->undone, "amount_usd"), &correction->amount_nano);
	correction->amount_nano = -correction->amount_nano;
	return 0;
}

static bool has_any(json_t *arguments, const char *const *names)
{
	while (*names && !json_object_get(arguments, *names))
		names++;
	return *names;
}

static int read_arguments(struct admin *admin, json_t *arguments, struct correcting *correcting,
			  struct error *error)
{
	static const char *const of_new[] = { "request",  "amount_usd", "to_usd", "period",
					      "tenant",   "feature",    "key",    "route",
					      "provider", "model",      "user",   NULL };
	json_t *undo = json_object_get(arguments, "undo");
	struct ledger_correction *correction = &correcting->correction;
	int64_t cost_nano = 0;
	const char *id;
	int r;

	if (undo && has_any(arguments, of_new))
		return error_set(error, -EINVAL,
				 "\"undo\" takes a \"reason\" and a \"reference\" alone");
	if (undo)
		return take_undo(admin, undo, correcting, error);
	r = argument_text(arguments, "request", false, &id, error);
	if (r >= 0 && id && has_any(arguments, of_new + 4))
		return error_set(error, -EINVAL,
				 "a \"request\" has the names of its row; say no "
				 "others");
	if (r >= 0)
		r = id ? take_request(admin, id, correcting, &cost_nano, error)
		       : take_names(arguments, correction, error);
	if (r >= 0)
		r = take_amount(arguments, cost_nano, correcting, error);
	if (r >= 0)
		r = take_text(arguments, "period", false, &correction->period, error);
	if (r >= 0 && correction->names[LEDGER_BY_TENANT].len == 0)
		return error_set(error, -EINVAL,
				 "say what it is about: a \"request\", or a \"tenant\"");
	return r < 0 || id ? r : check_tenant(admin, correction->names[LEDGER_BY_TENANT], error);
}

int verb_correct(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		 json_t **ret, struct error *error)
{
	struct correcting correcting = { .correction.made_by = slice_of(caller->who) };
	struct ledger_correction *correction = &correcting.correction;
	int r = read_arguments(admin, arguments, &correcting, error);

	if (r >= 0)
		r = take_text(arguments, "reason", true, &correction->reason, error);
	if (r >= 0)
		r = take_text(arguments, "reference", false, &correction->reference, error);
	if (r >= 0)
		r = ledger_correct(admin->options.ledger, correction, error);
	if (r >= 0)
		*ret = correction_json(correction);
	json_decref(correcting.request);
	json_decref(correcting.undone);
	return r;
}
