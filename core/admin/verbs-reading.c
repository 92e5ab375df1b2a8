/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that read the rows of requests. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"

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

int verb_logs(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
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

/* ---- one ---- */

/* As clients see it in x-tidegate-request-id. */
int verb_requests_get(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	const char *id_text;
	uint64_t id;
	int r = argument_text(arguments, "id", true, &id_text, error);

	if (r < 0)
		return r;
	if (parse_id(id_text, &id) < 0)
		return error_set(error, -EINVAL,
				 "\"%s\" is no request id, which is up to 16 hex digits: the "
				 "header x-tidegate-request-id of an answer has it",
				 id_text);
	r = ledger_read_request(admin->options.ledger, id, &text);
	if (r == -ENOENT)
		return error_set(error, r,
				 "there is no row of request %s: it is still in flight, or its row "
				 "has expired, or there never was one",
				 id_text);
	if (r < 0)
		return error_set(error, r, "the ledger could not be read: %s", strerror(-r));
	*ret = json_loadb(text.data, text.len, 0, NULL);
	if (!*ret)
		return error_set(error, -EIO, "the row of request %s is no JSON", id_text);
	r = corrections_of_request(admin, id, *ret, error);
	if (r < 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}
