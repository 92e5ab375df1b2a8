/* SPDX-License-Identifier: Apache-2.0 */
/* Entries: what loops store in them and what is made of them after a crash. Stores that another
 * process may find are ordered by release, so that an attempt counts only once it is whole, and a
 * cost is final only once it is there. */
#include "ledger/entry.h"

enum {
	BYTES_PER_TOKEN = 4,
	CACHE_LINE = 64,
	FETCH_BYTES = offsetof(struct ledger_entry, near) + 2 * CACHE_LINE, /* the names' begin */
};

void entry_fetch(const struct ledger_entry *entry)
{
	for (size_t at = 0; at < FETCH_BYTES; at += CACHE_LINE)
		__builtin_prefetch((const char *)entry + at, 1);
}

uint16_t entry_add_text(struct ledger_entry *entry, struct slice name)
{
	size_t len = name.len;
	uint16_t at;
	char *out;

	if (len > LEDGER_NAME_MAX)
		for (len = LEDGER_NAME_MAX;
		     len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80; len--)
			;
	if (len == 0)
		return 0;
	if (entry->near_used + len + 1 <= sizeof(entry->near)) {
		at = entry->near_used;
		entry->near_used = (uint16_t)(at + len + 1);
		out = entry->near + at;
	} else if (entry->far_used + len + 1 <= sizeof(entry->far->text)) {
		at = (uint16_t)(LEDGER_NEAR_TEXT + entry->far_used);
		out = entry->far->text + entry->far_used;
		entry->far_used = (uint16_t)(entry->far_used + len + 1);
	} else {
		return 0;
	}
	slice_copy((struct slice){ name.ptr, len }, out, len + 1);
	return at;
}

/* A text that begins at `at` ends within what is used of its part. */
static bool text_valid(const struct ledger_entry *entry, uint16_t at)
{
	size_t end = at < LEDGER_NEAR_TEXT ? entry->near_used : LEDGER_NEAR_TEXT + entry->far_used;
	const char *text = ledger_text(entry, at);

	return at < end && strnlen(text, end - at) <= LEDGER_NAME_MAX &&
	       memchr(text, '\0', end - at);
}

/* No price is read beyond its numbers. */
static bool price_valid(const struct ledger_price *price)
{
	if (price->tier_count > LEDGER_TIERS_MAX ||
	    price->tier_count * price->rate_count > LEDGER_FEMTO_MAX)
		return false;
	for (int i = 0; i < LEDGER_RATES && price->tier_count > 0; i++)
		if (price->rate_of[i] != LEDGER_NO_RATE && price->rate_of[i] >= price->rate_count)
			return false;
	return true;
}

static bool attempt_valid(const struct ledger_entry *entry, const struct ledger_attempt *attempt)
{
	return text_valid(entry, attempt->provider) && text_valid(entry, attempt->model) &&
	       text_valid(entry, attempt->upstream_key) && text_valid(entry, attempt->served) &&
	       text_valid(entry, attempt->version) && attempt->spend < LEDGER_SPENDS &&
	       attempt->usage_source <= LEDGER_USAGE_ESTIMATED &&
	       attempt->outcome <= LEDGER_CRASHED && text_valid(entry, attempt->price_source) &&
	       price_valid(&attempt->price) && attempt->cost_nano >= 0 &&
	       memchr(attempt->provider_request_id, '\0', sizeof(attempt->provider_request_id));
}

bool entry_valid(const struct ledger_entry *entry)
{
	if (entry->id == 0 || entry->id > INT64_MAX || entry->outcome > LEDGER_CRASHED ||
	    entry->spend >= LEDGER_SPENDS || entry->saved_nano < 0 ||
	    entry->attempt_count > LEDGER_ATTEMPTS_MAX || entry->near_used == 0 ||
	    entry->near_used > sizeof(entry->near) || entry->near[0] != '\0' ||
	    entry->far_used > sizeof(entry->far->text) ||
	    entry->client.len > sizeof(entry->client.bytes))
		return false;
	if (!text_valid(entry, entry->tenant) || !text_valid(entry, entry->feature) ||
	    !text_valid(entry, entry->key) || !text_valid(entry, entry->route) ||
	    !text_valid(entry, entry->run) || !text_valid(entry, entry->user) ||
	    !text_valid(entry, entry->answer) || !text_valid(entry, entry->decisions))
		return false;
	for (int i = 0; i < entry->attempt_count; i++)
		if (!attempt_valid(entry, ledger_attempt_of(entry, i)))
			return false;
	return true;
}

static void fill_usage(const struct ledger_entry *entry, struct ledger_attempt *attempt)
{
	struct ledger_usage *usage = &attempt->usage;
	int64_t came = ((int64_t)attempt->content_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;

	if (attempt->usage_source == LEDGER_USAGE_ESTIMATED)
		*usage = (struct ledger_usage){ 0 };
	if (ledger_tokens_in(usage) == 0)
		usage->tokens[LEDGER_INPUT] = entry->input_estimate;
	if (ledger_tokens_out(usage) < came)
		usage->tokens[LEDGER_OUTPUT] += came - ledger_tokens_out(usage);
}

static int64_t cost_of(const struct ledger_attempt *attempt)
{
	if (attempt->usage_source == LEDGER_USAGE_NONE)
		return 0;
	if (attempt->stated_nano >= 0 && !attempt->price.own)
		return attempt->stated_nano;
	return ledger_cost_nano(&attempt->price, &attempt->usage);
}

void ledger_attempt_key(struct ledger_entry *entry, struct ledger_attempt *attempt,
			struct slice key)
{
	attempt->upstream_key = entry_add_text(entry, key);
}

void ledger_attempt_served(struct ledger_entry *entry, struct ledger_attempt *attempt,
			   struct slice model, struct slice version)
{
	if (!attempt->served)
		attempt->served = entry_add_text(entry, model);
	if (!attempt->version)
		attempt->version = entry_add_text(entry, version);
}

void ledger_price_attempt(struct ledger_entry *entry, struct ledger_attempt *attempt)
{
	if (attempt->usage_source == LEDGER_USAGE_PARTIAL ||
	    attempt->usage_source == LEDGER_USAGE_ESTIMATED)
		fill_usage(entry, attempt);
	for (int i = LEDGER_RARE; i < LEDGER_CLASSES; i++)
		attempt->rare |= attempt->usage.tokens[i] > 0;
	attempt->cost_nano = cost_of(attempt);
	__atomic_store_n(&attempt->priced, 1, __ATOMIC_RELEASE);
}

void entry_finish(struct ledger_entry *entry)
{
	for (int i = 0; i < entry->attempt_count; i++)
		if (!ledger_attempt_of(entry, i)->priced)
			ledger_price_attempt(entry, ledger_attempt_of(entry, i));
}

static bool has_usage(const struct ledger_usage *usage)
{
	return ledger_tokens_in(usage) > 0 || ledger_tokens_out(usage) > 0;
}

void entry_finish_crashed(struct ledger_entry *entry)
{
	for (int i = 0; i < entry->attempt_count; i++) {
		struct ledger_attempt *attempt = ledger_attempt_of(entry, i);

		if (attempt->priced)
			continue;
		attempt->outcome = LEDGER_CRASHED;
		if (attempt->usage_source != LEDGER_USAGE_PROVIDER)
			attempt->usage_source = has_usage(&attempt->usage) ? LEDGER_USAGE_PARTIAL
									   : LEDGER_USAGE_ESTIMATED;
		ledger_price_attempt(entry, attempt);
	}
}

uint32_t ledger_elapsed_us(const struct ledger_entry *entry, uint64_t now_ns)
{
	uint64_t us = (now_ns - entry->start_ns) / 1000;

	return us == 0 ? 1 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}
