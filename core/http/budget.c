/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for bodies, over all servers. Who wants more gets it while it then holds no more than is
 * left free: one share takes at most half, two take a third each, and there is always something
 * left for the next (Choudhury and Hahne, Dynamic queue length thresholds, 1998, with alpha 1). The
 * only body of a share may have all that is free, so that a large one needs no more than room.
 *
 * A slot draws more than it needs and keeps some of what is given back, so that few bodies touch
 * what loops share. What it keeps counts as held; a slot that holds no body keeps nothing. */
#include "http/budget.h"

#include <errno.h>
#include <stdlib.h>

enum {
	SLOT_BYTES = 64, /* of a cache line: loops do not slow each other */
	DRAW_BYTES = 16384,
};

struct slot {
	_Alignas(SLOT_BYTES) _Atomic uint64_t used; /* written by its loop alone */
	uint64_t spare;
};

struct http_share {
	struct http_budget *budget;
	_Atomic uint64_t held; /* used and spare of all slots */
	struct slot slots[];
};

struct http_budget {
	_Atomic uint64_t bytes, held; /* the limit; what all shares hold */
	uint32_t slots;
};

int http_budget_new(uint32_t slots, struct http_budget **ret)
{
	struct http_budget *budget = calloc(1, sizeof(*budget));

	if (!budget)
		return -ENOMEM;
	budget->slots = slots;
	*ret = budget;
	return 0;
}

struct http_budget *http_budget_free(struct http_budget *budget)
{
	free(budget);
	return NULL;
}

void budget_set(struct http_budget *budget, uint64_t bytes)
{
	atomic_store_explicit(&budget->bytes, bytes, memory_order_relaxed);
}

int http_share_new(struct http_budget *budget, struct http_share **ret)
{
	size_t size = sizeof(struct http_share) + budget->slots * sizeof(struct slot);
	struct http_share *share = aligned_alloc(SLOT_BYTES, size);

	if (!share)
		return -ENOMEM;
	memset(share, 0, size);
	share->budget = budget;
	*ret = share;
	return 0;
}

struct http_share *http_share_free(struct http_share *share)
{
	free(share);
	return NULL;
}

struct http_budget *share_budget(struct http_share *share)
{
	return share->budget;
}

static uint64_t used_of(const struct slot *slot)
{
	return atomic_load_explicit(&slot->used, memory_order_relaxed);
}

static void set_used(struct slot *slot, uint64_t bytes)
{
	atomic_store_explicit(&slot->used, bytes, memory_order_relaxed);
}

static bool is_alone(const struct http_share *share, uint64_t body_bytes)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < share->budget->slots; i++)
		used += used_of(&share->slots[i]);
	return used == body_bytes;
}

static void give_back(struct http_share *share, uint64_t bytes)
{
	atomic_fetch_sub_explicit(&share->held, bytes, memory_order_relaxed);
	atomic_fetch_sub_explicit(&share->budget->held, bytes, memory_order_relaxed);
}

/* Takes first and looks then: two loops at once may both be refused what one could have had, and
 * never have both what there is once. */
static bool draw(struct http_share *share, uint64_t bytes, uint64_t body_bytes)
{
	struct http_budget *budget = share->budget;
	uint64_t limit = atomic_load_explicit(&budget->bytes, memory_order_relaxed);
	uint64_t all =
	    atomic_fetch_add_explicit(&budget->held, bytes, memory_order_relaxed) + bytes;
	uint64_t own = atomic_fetch_add_explicit(&share->held, bytes, memory_order_relaxed) + bytes;

	if (all <= limit && (own <= limit - all || is_alone(share, body_bytes)))
		return true;
	give_back(share, bytes);
	return false;
}

bool share_take(struct http_share *share, uint32_t index, uint64_t bytes, uint64_t body_bytes)
{
	struct slot *slot = &share->slots[index];
	uint64_t spare = slot->spare, missing = bytes > spare ? bytes - spare : 0;

	if (missing > 0) {
		if (draw(share, missing + DRAW_BYTES, body_bytes))
			spare += missing + DRAW_BYTES;
		else if (draw(share, missing, body_bytes))
			spare += missing;
		else
			return false;
	}
	slot->spare = spare - bytes;
	set_used(slot, used_of(slot) + bytes);
	return true;
}

void share_give(struct http_share *share, uint32_t index, uint64_t bytes)
{
	struct slot *slot = &share->slots[index];
	uint64_t used = used_of(slot) - bytes, spare = slot->spare + bytes;
	uint64_t kept = used == 0 ? 0 : spare > 2 * DRAW_BYTES ? DRAW_BYTES : spare;

	set_used(slot, used);
	slot->spare = kept;
	if (spare > kept)
		give_back(share, spare - kept);
}
