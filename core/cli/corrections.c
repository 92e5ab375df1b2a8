/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl correct` and `tidectl corrections`: the words of a correction, and how it is shown. */
#include "cli/corrections.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/print.h"

static const struct print_column columns[] = {
	{ "ID", "id", true },          { "MADE", "made", false },
	{ "USD", "amount_usd", true }, { "TENANT", "tenant", false },
	{ "FOR", "period", false },    { "REQUEST", "request", false },
	{ "BY", "made_by", false },    { "REFERENCE", "reference", false },
	{ "REASON", "reason", false },
};

static void print_made(json_t *value)
{
	char id[PRINT_CELL_MAX], amount[PRINT_CELL_MAX], tenant[PRINT_CELL_MAX];

	print_field(value, "id", id);
	print_field(value, "amount_usd", amount);
	print_field(value, "tenant", tenant);
	printf("correction %s: %s USD to what tenant %s has spent, from now on\n", id, amount,
	       tenant);
}

static void print_list(json_t *value)
{
	char period[PRINT_CELL_MAX], total[PRINT_CELL_MAX];

	print_field(value, "period", period);
	print_field(value, "total_usd", total);
	print_table(json_object_get(value, "rows"), columns, ARRAY_SIZE(columns), 0);
	printf("\n%s: %s USD in all%s\n", period, total,
	       json_is_true(json_object_get(value, "more")) ? ", and more than are listed" : "");
}

static json_t *number_of(const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	return *end || end == text ? json_string(text) : json_integer(value);
}

int correct_run(struct command *command)
{
	json_t *body;
	int r;

	if (!command->reason)
		return wrong_usage(command->verb, "say why: --reason TEXT");
	body =
	    json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, "
		      "s:s*, s:o*}",
		      "request", command->argc > 1 ? command->argv[1] : NULL, "tenant",
		      command->tenant, "feature", command->feature, "key", command->key, "user",
		      command->user, "route", command->route, "model", command->model, "provider",
		      command->provider, "amount_usd", command->amount, "to_usd", command->to,
		      "period", command->mends, "reference", command->reference, "reason",
		      command->reason, "undo", command->undo ? number_of(command->undo) : NULL);
	if (!body)
		return wrong_usage(command->verb, "words must be valid UTF-8");
	r = call_show(command, "POST", "/api/v1/corrections", body, print_made);
	json_decref(body);
	return r;
}

int corrections_run(struct command *command)
{
	_cleanup_(buffer_fini) struct buffer path = { 0 };

	buffer_append_str(&path, "/api/v1/corrections?period=");
	file_name_encode(slice_of(command->period ? command->period : "total"), &path);
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED : call_show(command, "GET", path.data, NULL, print_list);
}
