/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl reconcile`: what a provider says was used, beside what the ledger says. */
#include "cli/reconcile.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/print.h"

enum {
	FILE_BYTES_MAX = 4194304,
};

/* One line a figure that differs; days and models that agree are counted. */
static void print_differences(json_t *row)
{
	json_t *delta = json_object_get(row, "delta"), *value;
	const char *name;

	json_object_foreach (delta, name, value) {
		char day[PRINT_CELL_MAX], model[PRINT_CELL_MAX], theirs[PRINT_CELL_MAX],
		    ours[PRINT_CELL_MAX], by[PRINT_CELL_MAX];

		print_field(row, "day", day);
		print_field(row, "model", model);
		print_field(json_object_get(row, "theirs"), name, theirs);
		print_field(json_object_get(row, "ours"), name, ours);
		print_field(delta, name, by);
		if (strspn(by, "0.") == strlen(by))
			continue;
		printf("%s  %s  %s: theirs %s, ours %s, delta %s\n", day, *model ? model : "-",
		       name, theirs, ours, by);
	}
}

static void print_reconciled(json_t *value)
{
	json_t *row, *rows = json_object_get(value, "rows");
	char kept[PRINT_CELL_MAX];
	size_t i;

	json_array_foreach (rows, i, row)
		print_differences(row);
	if (json_array_size(json_object_get(value, "providers")) > 1)
		printf("(of %zu providers together; --provider tells of one)\n",
		       json_array_size(json_object_get(value, "providers")));
	print_field(value, "rows_from", kept);
	if (json_object_get(value, "rows_from"))
		printf("(rows are there from %s on: what was before is not held against)\n", kept);
	printf("%lld of %zu days and models differ\n",
	       (long long)json_integer_value(json_object_get(value, "differing")),
	       json_array_size(rows));
}

int reconcile_run(struct command *command)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct error error = { 0 };
	json_t *body, *value;
	bool differs;
	int r;

	if (command->argc < 2)
		return wrong_usage(command->verb,
				   "reconcile needs the FILE that the provider exports");
	if (file_read(command->argv[1], FILE_BYTES_MAX, &text, &error) < 0)
		return call_fail(&error, EXIT_REFUSED);
	body = json_pack("{s:s%, s:s*, s:s*}", "text", text.len > 0 ? text.data : "", text.len,
			 "provider", command->provider, "tolerance_usd", command->tolerance);
	if (!body)
		return wrong_usage(command->verb, "%s is no text in UTF-8", command->argv[1]);
	r = call_appliance(command, "POST", "/api/v1/reconcile", body, &value);
	json_decref(body);
	if (r)
		return r;
	differs = json_integer_value(json_object_get(value, "differing")) > 0;
	if (command->json)
		print_json(value);
	else
		print_reconciled(value);
	json_decref(value);
	r = call_end_output();
	return r || !differs ? r : EXIT_REFUSED;
}
