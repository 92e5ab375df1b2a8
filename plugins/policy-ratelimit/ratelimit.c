/* SPDX-License-Identifier: Apache-2.0 */
/* Policy: requests and tokens a period, and requests at a time, by tenant, feature, key, user,
 * model or client. Tokens are taken by what a request may use and given back by what it did not;
 * what is refused takes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tidegate/policy.h>

#include "table.h"

enum {
	NAME_BYTES = 2048, /* of all that a request is limited by */
	TEXT_BYTES = 256,
	WHO_BYTES = 64,
};

static const uint64_t second_ns = 1000000000;

enum part {
	PART_TENANT,
	PART_FEATURE,
	PART_KEY,
	PART_USER,
	PART_MODEL,
	PART_CLIENT,
	PARTS,
};

static const char *const part_names[PARTS] = {
	[PART_TENANT] = "tenant", [PART_FEATURE] = "feature", [PART_KEY] = "key",
	[PART_USER] = "user",     [PART_MODEL] = "model",     [PART_CLIENT] = "client",
};

struct limiter {
	const struct tide_host *host;
	struct table table;
	uint32_t in_flight_max; /* 0: no limit */
	uint32_t per_s;
	bool parts[PARTS];
	struct tide_metric *refused, *in_flight;
	char who[WHO_BYTES]; /* "tenant and model" */
};

/* What a request has taken. */
struct taken {
	struct table_place *place;
	uint64_t tokens;
};

static const struct tide_option options[] = {
	{ "by", TIDE_OPTION_STRING, 0, "tenant", 0, 0,
	  "whom a limit is for: tenant, feature, key, user, model, client, or several of them with "
	  "commas" },
	{ "requests", TIDE_OPTION_INT, 0, "0", 0, 1000000000, "requests a period; 0: no limit" },
	{ "request_burst", TIDE_OPTION_INT, 0, "0", 0, 1000000000,
	  "requests at once; 0: as many as a period has" },
	{ "tokens", TIDE_OPTION_INT, 0, "0", 0, 1000000000000,
	  "tokens a period, those of prompt and answer together; 0: no limit" },
	{ "token_burst", TIDE_OPTION_INT, 0, "0", 0, 1000000000000,
	  "tokens at once; 0: as many as a period has" },
	{ "per_s", TIDE_OPTION_INT, 0, "60", 1, 2678400, "the period, in seconds" },
	{ "in_flight", TIDE_OPTION_INT, 0, "0", 0, 1000000, "requests at a time; 0: no limit" },
	{ "names_max", TIDE_OPTION_INT, 0, "100000", 16, 100000000,
	  "names that are limited by themselves; those beyond share their limits" },
};

static struct tide_slice slice_of(const char *text)
{
	return (struct tide_slice){ text, strlen(text) };
}

/* ---- create ---- */

static int part_find(const char *name, size_t len)
{
	for (int i = 0; i < PARTS; i++)
		if (strlen(part_names[i]) == len && memcmp(part_names[i], name, len) == 0)
			return i;
	return -1;
}

static int read_parts(struct limiter *limiter, struct tide_slice by, char *error, size_t size)
{
	const char *at = by.ptr, *end = by.ptr + by.len;

	while (at <= end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		int part;

		while (at < stop && *at == ' ')
			at++;
		while (stop > at && stop[-1] == ' ')
			stop--;
		part = part_find(at, (size_t)(stop - at));
		if (part < 0) {
			snprintf(
			    error, size,
			    "by: \"%.*s\" is none of tenant, feature, key, user, model, client",
			    (int)(stop - at), at);
			return -EINVAL;
		}
		limiter->parts[part] = true;
		at = (comma ? comma : end) + 1;
	}
	return 0;
}

static void tell_who(struct limiter *limiter)
{
	size_t len = 0, left = 0;

	for (int i = 0; i < PARTS; i++)
		left += limiter->parts[i];
	for (int i = 0; i < PARTS; i++)
		if (limiter->parts[i])
			len += (size_t)snprintf(limiter->who + len, sizeof(limiter->who) - len,
						"%s%s", part_names[i],
						--left > 1  ? ", "
						: left == 1 ? " and "
							    : "");
}

static struct gcra read_limit(const struct tide_host *host, struct tide_instance *instance,
			      const char *limit, const char *burst)
{
	struct gcra gcra = {
		.limit = (uint64_t)host->option_int(instance, limit),
		.burst = (uint64_t)host->option_int(instance, burst),
		.period_ns = (uint64_t)host->option_int(instance, "per_s") * second_ns,
	};

	if (gcra.burst == 0)
		gcra.burst = gcra.limit;
	return gcra;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));
	int r;

	if (!limiter)
		return -ENOMEM;
	r = table_init(&limiter->table, (uint64_t)host->option_int(instance, "names_max"));
	if (r < 0) {
		free(limiter);
		return r;
	}
	limiter->host = host;
	limiter->per_s = (uint32_t)host->option_int(instance, "per_s");
	limiter->in_flight_max = (uint32_t)host->option_int(instance, "in_flight");
	limiter->table.requests = read_limit(host, instance, "requests", "request_burst");
	limiter->table.tokens = read_limit(host, instance, "tokens", "token_burst");
	r = read_parts(limiter, host->option_string(instance, "by"), error, error_size);
	if (r == 0 && !limiter->table.requests.limit && !limiter->table.tokens.limit &&
	    !limiter->in_flight_max) {
		snprintf(error, error_size, "it limits nothing: set requests, tokens or in_flight");
		r = -EINVAL;
	}
	if (r < 0) {
		table_fini(&limiter->table);
		free(limiter);
		return r;
	}
	tell_who(limiter);
	limiter->refused = host->counter(instance, "refused", "Requests that a limit refused.");
	limiter->in_flight = host->gauge(instance, "in_flight", "Requests under way.");
	*ret_state = limiter;
	return 0;
}

static void destroy(void *state)
{
	struct limiter *limiter = state;

	table_fini(&limiter->table);
	free(limiter);
}

/* ---- whose request it is ---- */

/* Each value behind its length, so that no two lists are the same name. 0: it has no room. */
static uint32_t name_of(const struct limiter *limiter, const struct tide_request_info *info,
			char name[static NAME_BYTES])
{
	const struct tide_slice values[PARTS] = {
		[PART_TENANT] = info->tenant, [PART_FEATURE] = info->feature,
		[PART_KEY] = info->key,       [PART_USER] = info->user,
		[PART_MODEL] = info->model,   [PART_CLIENT] = info->client,
	};
	uint32_t len = 0;

	for (int i = 0; i < PARTS; i++) {
		uint32_t size = (uint32_t)values[i].len;

		if (!limiter->parts[i])
			continue;
		if (values[i].len > NAME_BYTES - sizeof(size) - len)
			return 0;
		memcpy(name + len, &size, sizeof(size));
		if (size > 0)
			memcpy(name + len + sizeof(size), values[i].ptr, size);
		len += (uint32_t)sizeof(size) + size;
	}
	return len;
}

/* ---- what is told ---- */

struct refusal {
	uint32_t status;
	const char *code;
	const char *note;
	uint64_t wait_ns;
	char message[TEXT_BYTES];
};

static uint64_t seconds_up(uint64_t ns)
{
	return (ns + second_ns - 1) / second_ns;
}

static int32_t deny(const struct limiter *limiter, struct tide_request *request,
		    const struct refusal *refusal)
{
	struct tide_denial denial = {
		.size = sizeof(denial),
		.status = refusal->status,
		.code = slice_of(refusal->code),
		.message = slice_of(refusal->message),
		.retry_after_s = seconds_up(refusal->wait_ns),
	};

	limiter->host->metric_add(limiter->refused, 1);
	limiter->host->request->deny(request, &denial);
	limiter->host->request->note(request, slice_of(refusal->note));
	return TIDE_DENY;
}

static void put_header(const struct limiter *limiter, struct tide_request *request,
		       const char *name, const char *value)
{
	limiter->host->request->header(request, slice_of(name), slice_of(value));
}

/* As OpenAI writes it (platform.openai.com/docs/guides/rate-limits): "1m30s", "20ms". */
static void put_span(char *text, uint64_t ns)
{
	uint64_t s = seconds_up(ns);

	if (ns <= second_ns)
		snprintf(text, TEXT_BYTES, "%" PRIu64 "ms", (ns + 999999) / 1000000);
	else if (s < 60)
		snprintf(text, TEXT_BYTES, "%" PRIu64 "s", s);
	else
		snprintf(text, TEXT_BYTES, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
}

/* As Anthropic does (docs.anthropic.com/en/api/rate-limits): RFC 3339. */
static void put_moment(const struct limiter *limiter, char *text, uint64_t ns)
{
	time_t at = (time_t)seconds_up(limiter->host->clock_real_ns() + ns);
	struct tm parts;

	gmtime_r(&at, &parts);
	strftime(text, TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void tell_limit(const struct limiter *limiter, struct tide_request *request,
		       const struct gcra *gcra, const char *what, uint64_t left, uint64_t full_ns)
{
	bool anthropic =
	    limiter->host->request->info(request)->dialect == TIDE_DIALECT_ANTHROPIC_MESSAGES;
	const char *const kinds[] = { "limit", "remaining", "reset" };
	char name[WHO_BYTES], value[TEXT_BYTES];

	if (gcra->limit == 0)
		return;
	for (int i = 0; i < 3; i++) {
		if (anthropic)
			snprintf(name, sizeof(name), "anthropic-ratelimit-%s-%s", what, kinds[i]);
		else
			snprintf(name, sizeof(name), "x-ratelimit-%s-%s", kinds[i], what);
		if (i < 2)
			snprintf(value, sizeof(value), "%" PRIu64, i == 0 ? gcra->limit : left);
		else if (anthropic)
			put_moment(limiter, value, full_ns);
		else
			put_span(value, full_ns);
		put_header(limiter, request, name, value);
	}
}

/* ---- the decision ---- */

struct state {
	uint64_t requests_left, requests_full_ns, tokens_left, tokens_full_ns;
};

static void refuse_requests(const struct limiter *limiter, uint64_t wait_ns, struct refusal *ret)
{
	*ret = (struct refusal){ 429, "rate_limited", "requests", wait_ns, "" };
	snprintf(ret->message, sizeof(ret->message),
		 "This %s may make %" PRIu64 " requests in %" PRIu32
		 " s, and has; ask again in %" PRIu64 " s.",
		 limiter->who, limiter->table.requests.limit, limiter->per_s, seconds_up(wait_ns));
}

static void refuse_tokens(const struct limiter *limiter, uint64_t tokens, uint64_t wait_ns,
			  struct refusal *ret)
{
	const struct gcra *gcra = &limiter->table.tokens;

	if (tokens > gcra->burst) {
		*ret = (struct refusal){ 413, "request_over_token_limit", "tokens at once", 0, "" };
		snprintf(ret->message, sizeof(ret->message),
			 "The request may use %" PRIu64 " tokens, and this %s may use %" PRIu64
			 " at once; ask for less.",
			 tokens, limiter->who, gcra->burst);
		return;
	}
	*ret = (struct refusal){ 429, "rate_limited", "tokens", wait_ns, "" };
	snprintf(ret->message, sizeof(ret->message),
		 "This %s may use %" PRIu64 " tokens in %" PRIu32 " s, and %" PRIu64
		 " are asked for; ask again in %" PRIu64 " s.",
		 limiter->who, gcra->limit, limiter->per_s, tokens, seconds_up(wait_ns));
}

static void refuse_in_flight(const struct limiter *limiter, struct refusal *ret)
{
	*ret = (struct refusal){ 429, "too_many_in_flight", "in flight", second_ns, "" };
	snprintf(ret->message, sizeof(ret->message),
		 "This %s may have %" PRIu32
		 " requests at a time, and has; ask again when one is done.",
		 limiter->who, limiter->in_flight_max);
}

/* All or nothing. [the shard's lock] */
static bool take(struct limiter *limiter, struct table_place *place, uint64_t now_ns,
		 uint64_t tokens, struct refusal *ret)
{
	const struct table *table = &limiter->table;
	uint64_t wait_ns = gcra_wait_ns(&table->requests, place->requests, now_ns, 1);

	if (wait_ns > 0) {
		refuse_requests(limiter, wait_ns, ret);
		return false;
	}
	wait_ns = gcra_wait_ns(&table->tokens, place->tokens, now_ns, tokens);
	if (wait_ns > 0) {
		refuse_tokens(limiter, tokens, wait_ns, ret);
		return false;
	}
	if (limiter->in_flight_max > 0 && place->in_flight >= limiter->in_flight_max) {
		refuse_in_flight(limiter, ret);
		return false;
	}
	if (table->requests.limit > 0)
		gcra_take(&table->requests, &place->requests, now_ns, 1);
	if (table->tokens.limit > 0)
		gcra_take(&table->tokens, &place->tokens, now_ns, tokens);
	place->in_flight++;
	return true;
}

static struct state state_of(const struct table *table, const struct table_place *place,
			     uint64_t now_ns)
{
	struct state state = { 0 };

	if (table->requests.limit > 0) {
		state.requests_left = gcra_left(&table->requests, place->requests, now_ns);
		state.requests_full_ns = gcra_full_ns(&table->requests, place->requests, now_ns);
	}
	if (table->tokens.limit > 0) {
		state.tokens_left = gcra_left(&table->tokens, place->tokens, now_ns);
		state.tokens_full_ns = gcra_full_ns(&table->tokens, place->tokens, now_ns);
	}
	return state;
}

static uint64_t tokens_of(const struct tide_request_info *info)
{
	int64_t tokens = info->input_estimate + info->max_output;

	return tokens > 0 ? (uint64_t)tokens : 0;
}

static int32_t request(void *user, struct tide_request *request, void **ret_request_state)
{
	struct limiter *limiter = user;
	const struct tide_request_services *services = limiter->host->request;
	const struct tide_request_info *info = services->info(request);
	struct taken *taken = services->alloc(request, sizeof(*taken));
	uint64_t now_ns = limiter->host->clock_ns(), tokens = tokens_of(info);
	char name[NAME_BYTES];
	uint32_t len = name_of(limiter, info, name);
	struct table_shard *shard;
	struct table_place *place;
	struct refusal refusal;
	struct state state;
	bool allowed;

	if (!taken || len == 0)
		return taken ? -E2BIG : -ENOMEM;
	place = table_enter(&limiter->table, name, len, now_ns, &shard);
	allowed = take(limiter, place, now_ns, tokens, &refusal);
	state = state_of(&limiter->table, place, now_ns);
	table_leave(shard);
	tell_limit(limiter, request, &limiter->table.requests, "requests", state.requests_left,
		   state.requests_full_ns);
	tell_limit(limiter, request, &limiter->table.tokens, "tokens", state.tokens_left,
		   state.tokens_full_ns);
	if (!allowed)
		return deny(limiter, request, &refusal);
	*taken = (struct taken){ place, tokens };
	limiter->host->metric_add(limiter->in_flight, 1);
	*ret_request_state = taken;
	return TIDE_CONTINUE;
}

static void ended(void *user, struct tide_request *request, void *request_state,
		  const struct tide_request_end *end)
{
	struct limiter *limiter = user;
	const struct gcra *gcra = &limiter->table.tokens;
	struct taken *taken = request_state;
	struct table_shard *shard;
	uint64_t used;

	if (!taken)
		return;
	limiter->host->metric_add(limiter->in_flight, -1);
	used = (uint64_t)(end->tokens_in + end->tokens_out);
	shard = table_enter_at(&limiter->table, taken->place);
	taken->place->in_flight--;
	if (end->outcome == TIDE_REQUEST_REFUSED)
		gcra_give(&limiter->table.requests, &taken->place->requests, 1);
	if (gcra->limit > 0 && used > taken->tokens)
		gcra_take(gcra, &taken->place->tokens, limiter->host->clock_ns(),
			  used - taken->tokens);
	else if (gcra->limit > 0)
		gcra_give(gcra, &taken->place->tokens, taken->tokens - used);
	table_leave(shard);
}

static const struct tide_policy_operations operations = {
	.size = sizeof(operations),
	.create = create,
	.destroy = destroy,
	.request = request,
	.ended = ended,
};

const struct tide_plugin *tide_plugin(void)
{
	static const struct tide_plugin plugin = {
		.size = sizeof(plugin),
		.abi_major = TIDE_ABI_MAJOR,
		.abi_minor = TIDE_ABI_MINOR,
		.kind = TIDE_KIND_POLICY,
		.option_size = sizeof(struct tide_option),
		.name = "ratelimit",
		.version = "0.1.0",
		.summary = "Requests, tokens and requests at a time by tenant, key, user, model …",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.operations = &operations,
	};

	return &plugin;
}
