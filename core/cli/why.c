/* SPDX-License-Identifier: Apache-2.0 */
/* `tidectl why`: the story of one request, in the order in which it happened. */
#include "cli/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/call.h"
#include "cli/print.h"

static long long number(json_t *value, const char *field)
{
	return (long long)json_integer_value(json_object_get(value, field));
}

static bool is(json_t *value, const char *field, const char *text)
{
	const char *is = json_string_value(json_object_get(value, field));

	return is && strcmp(is, text) == 0;
}

/* "title name": nothing where there is no name. */
static void print_known(json_t *value, const char *title, const char *field)
{
	char text[PRINT_CELL_MAX];
	const char *is = json_string_value(json_object_get(value, field));

	if (!is || !*is)
		return;
	print_field(value, field, text);
	printf("%s%s", title, text);
}

static const struct {
	const char *outcome, *request, *attempt;
} outcomes[] = {
	{ "ok", "answered", "answered to its end" },
	{ "error", "answered with an error", "failed" },
	{ "incomplete", "broken off: the upstream died or failed inside its answer",
	  "died or failed inside its answer" },
	{ "departed", "left by its client before its answer's end", "its client left first" },
	{ "refused", "refused here; no answer of an upstream was used", "was not used" },
	{ "crashed", "cut by a crash of the appliance", "was cut by a crash of the appliance" },
};

static const char *outcome_words(json_t *value, bool attempt)
{
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (is(value, "outcome", outcomes[i].outcome))
			return attempt ? outcomes[i].attempt : outcomes[i].request;
	}
	return "ended in a way that this program is too old to know";
}

static const struct {
	const char *source, *words;
} sources[] = {
	{ "none", "nothing was billed" },
	{ "provider", "as the provider told them" },
	{ "partial", "the provider told a part, the rest is estimated from what came" },
	{ "estimated", "estimated from what came: the answer was cut before its usage" },
};

static const char *source_words(json_t *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (is(value, "usage_source", sources[i].source))
			return sources[i].words;
	}
	return "";
}

static void print_request(json_t *value)
{
	char id[PRINT_CELL_MAX], ts[PRINT_CELL_MAX], ms[PRINT_CELL_MAX], ttft[PRINT_CELL_MAX],
	    cost[PRINT_CELL_MAX], status[PRINT_CELL_MAX];
	bool stream = json_is_true(json_object_get(value, "stream"));

	print_field(value, "id", id);
	print_field(value, "ts", ts);
	print_field(value, "ms", ms);
	print_field(value, "ttft_ms", ttft);
	print_field(value, "cost_usd", cost);
	print_field(value, "status", status);
	printf("request   %s, %s\n", id, outcome_words(value, false));
	printf("when      %s, for %s ms", ts, ms);
	if (!json_is_null(json_object_get(value, "ttft_ms")))
		printf("; first content after %s ms", ttft);
	print_known(value, "\nwho       tenant ", "tenant");
	print_known(value, ", feature ", "feature");
	print_known(value, ", key ", "key");
	print_known(value, ", user ", "user");
	print_known(value, ", run ", "run");
	print_known(value, ", from ", "client");
	print_known(value, "\nasked     ", "route");
	printf("%s\n", stream ? ", for a stream" : "");
	printf("got       status %s%s%s\n", status,
	       json_is_true(json_object_get(value, "cached")) ? ", from the cache" : "",
	       json_is_true(json_object_get(value, "degraded")) ? ", degraded" : "");
	printf("cost      %s USD", cost);
	if (!is(value, "class", "live"))
		print_known(value, ", class ", "class");
	print_known(value, "\npolicies  ", "policies");
	printf("\nattempts  %lld\n", number(value, "attempts"));
}

static const struct {
	const char *field, *words;
} classes[] = {
	{ "input", "input" },
	{ "cache_read", "read from a cache" },
	{ "cache_write", "written to a cache" },
	{ "cache_write_1h", "written to a cache for an hour" },
	{ "output", "output" },
};

static void print_tokens(json_t *attempt)
{
	const char *before = "";

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		long long count = number(attempt, classes[i].field);
		if (count == 0)
			continue;
		printf("%s%lld %s", before, count, classes[i].words);
		before = ", ";
	}
	if (!*before)
		printf("none");
	if (number(attempt, "reasoning") > 0)
		printf(", of which %lld reasoning", number(attempt, "reasoning"));
}

static void print_price(json_t *attempt)
{
	if (json_is_true(json_object_get(attempt, "cost_stated")))
		printf(", as the provider told it");
	else if (!json_is_true(json_object_get(attempt, "price_known")) &&
		 !is(attempt, "usage_source", "none"))
		printf(", as the price is unknown");
	else
		print_known(attempt, ", by prices of ", "price_source");
	if (json_is_true(json_object_get(attempt, "price_partial")))
		printf(", which know a part of what was used");
}

static void print_attempt(json_t *attempt, bool last)
{
	char start[PRINT_CELL_MAX], first[PRINT_CELL_MAX], end[PRINT_CELL_MAX],
	    cost[PRINT_CELL_MAX];
	long long status = number(attempt, "status");

	print_field(attempt, "start_ms", start);
	print_field(attempt, "ttft_ms", first);
	print_field(attempt, "end_ms", end);
	print_field(attempt, "cost_usd", cost);
	printf("\n%lld. ", number(attempt, "n") + 1);
	print_known(attempt, "", "provider");
	print_known(attempt, ", asked for ", "model");
	print_known(attempt, ", with key ", "upstream_key");
	printf(": %s\n", outcome_words(attempt, true));
	if (status > 0)
		printf("   status   %lld\n", status);
	else
		printf("   status   none: no answer came\n");
	printf("   time     began at %s ms, first content at %s ms, ended at %s ms\n", start, first,
	       end);
	print_known(attempt, "   served   ", "model_served");
	print_known(attempt, ", version ", "version");
	printf("%s", is(attempt, "model_served", "") ? "" : "\n");
	printf("   tokens   ");
	print_tokens(attempt);
	printf(": %s\n   cost     %s USD", source_words(attempt), cost);
	print_price(attempt);
	print_known(attempt, "\n   their id ", "provider_request_id");
	printf("\n");
	if (!last)
		printf("   so the next target was asked\n");
}

static void print_correction(json_t *correction)
{
	char made[PRINT_CELL_MAX], amount[PRINT_CELL_MAX];

	print_field(correction, "made", made);
	print_field(correction, "amount_usd", amount);
	printf("\ncorrected %s, by %s USD", made, amount);
	print_known(correction, ", by ", "made_by");
	print_known(correction, ": ", "reason");
	printf("\n");
}

static void print_story(json_t *value)
{
	json_t *attempt, *correction, *tried = json_object_get(value, "tried");
	size_t i;

	print_request(value);
	json_array_foreach (tried, i, attempt)
		print_attempt(attempt, i + 1 == json_array_size(tried));
	json_array_foreach (json_object_get(value, "corrections"), i, correction)
		print_correction(correction);
}

int why_run(struct command *command)
{
	_cleanup_(buffer_fini) struct buffer path = { 0 };

	if (command->argc < 2)
		return wrong_usage(command->verb, "why needs the REQUEST's id, which the header "
						  "x-tidegate-request-id of its answer has");
	buffer_append_str(&path, "/api/v1/requests/");
	file_name_encode(slice_of(command->argv[1]), &path);
	buffer_append_char(&path, '\0');
	return path.failed ? EXIT_REFUSED : call_show(command, "GET", path.data, NULL, print_story);
}
