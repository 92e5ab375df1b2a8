/* SPDX-License-Identifier: Apache-2.0 */
/* Who tried wrong secrets of late. When the table is full, who was seen least recently is
 * forgotten, those who knew the secret last. */
#include "keys/throttle.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/slice.h"

static const uint64_t remembered_ns = 3600 * NS_PER_S;

static struct throttle_source source_v6(const struct in6_addr *address)
{
	struct throttle_source source = { .kind = THROTTLE_V6 };

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		source.kind = THROTTLE_V4;
		memcpy(&source.value, address->s6_addr + 12, 4);
	} else {
		memcpy(&source.value, address->s6_addr, 8);
	}
	return source;
}

struct throttle_source throttle_source_of(const char *peer)
{
	struct slice rest, host;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	host = slice_cut(slice_of(peer + (*peer == '[')), *peer == '[' ? ']' : ':', &rest);
	if (slice_copy(host, text, sizeof(text)) && inet_pton(AF_INET6, text, &v6) == 1)
		return source_v6(&v6);
	if (slice_copy(host, text, sizeof(text)) && inet_pton(AF_INET, text, &v4) == 1)
		return (struct throttle_source){ THROTTLE_V4, v4.s_addr };
	return (struct throttle_source){ THROTTLE_OTHER, hash_fast(slice_of(peer)) };
}

static bool forgotten(const struct throttle_entry *entry, uint64_t now_ns)
{
	return entry->used_ns == 0 || (!entry->trusted && now_ns > entry->used_ns + remembered_ns);
}

static const struct throttle_entry *find(const struct throttle *throttle,
					 struct throttle_source source, uint64_t now_ns)
{
	for (size_t i = 0; i < THROTTLE_SOURCES_MAX; i++) {
		const struct throttle_entry *entry = &throttle->entries[i];
		if (entry->source.kind == source.kind && entry->source.value == source.value &&
		    !forgotten(entry, now_ns))
			return entry;
	}
	return NULL;
}

static bool goes_first(const struct throttle_entry *entry, const struct throttle_entry *other)
{
	if (entry->trusted != other->trusted)
		return other->trusted;
	return entry->used_ns < other->used_ns;
}

static struct throttle_entry *find_or_add(struct throttle *throttle, struct throttle_source source,
					  uint64_t now_ns)
{
	struct throttle_entry *entry = (struct throttle_entry *)find(throttle, source, now_ns);

	if (!entry) {
		entry = &throttle->entries[0];
		for (size_t i = 0; i < THROTTLE_SOURCES_MAX; i++) {
			if (forgotten(&throttle->entries[i], now_ns)) {
				entry = &throttle->entries[i];
				break;
			}
			if (goes_first(&throttle->entries[i], entry))
				entry = &throttle->entries[i];
		}
		*entry = (struct throttle_entry){ .source = source };
	}
	entry->used_ns = now_ns > 0 ? now_ns : 1;
	return entry;
}

static uint32_t seconds_until(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns > now_ns ? (uint32_t)((then_ns - now_ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

uint32_t throttle_wait_s(const struct throttle *throttle, struct throttle_source source,
			 uint64_t now_ns)
{
	const struct throttle_entry *entry = find(throttle, source, now_ns);
	uint32_t wait_s = entry ? seconds_until(entry->closed_until_ns, now_ns) : 0;

	if (wait_s == 0 && !(entry && entry->trusted) &&
	    throttle->all_failures >= THROTTLE_ALL_FAILURES)
		wait_s = seconds_until(throttle->all_window_ns, now_ns);
	return wait_s;
}

void throttle_failed(struct throttle *throttle, struct throttle_source source, uint64_t now_ns)
{
	struct throttle_entry *entry = find_or_add(throttle, source, now_ns);
	uint32_t over, wait_s = THROTTLE_WAIT_S_MAX;

	if (now_ns >= throttle->all_window_ns) {
		throttle->all_failures = 0;
		throttle->all_window_ns = now_ns + THROTTLE_ALL_WINDOW_S * NS_PER_S;
	}
	throttle->all_failures++;
	entry->failures++;
	if (entry->failures < THROTTLE_FREE_FAILURES)
		return;
	over = entry->failures - THROTTLE_FREE_FAILURES;
	if (over < 6)
		wait_s = 1u << over;
	entry->closed_until_ns = now_ns + wait_s * NS_PER_S;
}

void throttle_succeeded(struct throttle *throttle, struct throttle_source source, uint64_t now_ns)
{
	struct throttle_entry *entry = find_or_add(throttle, source, now_ns);

	entry->failures = 0;
	entry->trusted = true;
}
