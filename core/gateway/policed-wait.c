/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for a policy, and the tokens by which any thread ends the wait. A token names
 * loop, slot and the slot's turn: one that is late finds another turn, and does nothing. */
#include "gateway/policed.h"

#include <errno.h>

#include "base/cleanup.h"

enum {
	SLOTS_MAX = 1 << 24,
	SLOTS_FIRST = 64,
};

/* Tokens come without a word of whose they are. One gateway serves at a time; its loops stay while
 * a word is given. */
static struct gateway *serving;
static pthread_rwlock_t serving_lock = PTHREAD_RWLOCK_INITIALIZER;

static uint64_t token_of(uint32_t loop, uint32_t slot, uint32_t turn)
{
	return (uint64_t)(loop + 1) << 56 | (uint64_t)slot << 32 | turn;
}

static struct policy_wait *find(struct policy_waits *waits, uint64_t token)
{
	uint32_t slot = token >> 32 & (SLOTS_MAX - 1);
	struct policy_wait *wait = slot < waits->count ? &waits->slots[slot] : NULL;

	return wait && wait->request && wait->turn == (uint32_t)token ? wait : NULL;
}

static int grow(struct policy_waits *waits)
{
	uint32_t count = waits->count ? 2 * waits->count : SLOTS_FIRST;
	struct policy_wait *slots;

	if (count > SLOTS_MAX)
		return -ENOMEM;
	slots = realloc(waits->slots, count * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = waits->count; i < count; i++)
		slots[i] = (struct policy_wait){ NULL, 0, i + 1 < count ? i + 2 : waits->free };
	waits->free = waits->count + 1;
	waits->slots = slots;
	waits->count = count;
	return 0;
}

uint64_t policed_wait_begin(struct tide_request *request)
{
	struct gateway_loop *loop = request->exchange->loop;
	struct policy_waits *waits = &loop->waits;
	struct policy_wait *wait;
	uint32_t slot;

	if (waits->free == 0 && grow(waits) < 0)
		return 0;
	slot = waits->free - 1;
	wait = &waits->slots[slot];
	waits->free = wait->next_free;
	wait->request = request;
	wait->turn++;
	return token_of(loop->index, slot, wait->turn);
}

void policed_wait_end(struct tide_request *request)
{
	struct policy_waits *waits = &request->exchange->loop->waits;
	struct policy_wait *wait = request->token ? find(waits, request->token) : NULL;

	request->token = 0;
	if (!wait)
		return;
	wait->request = NULL;
	wait->next_free = waits->free;
	waits->free = (uint32_t)(wait - waits->slots) + 1;
}

/* What came, in order; a policy may say more while it is dealt with. */
static void deal(struct loop_task *task)
{
	struct policy_waits *waits = container_of(task, struct policy_waits, task);
	struct policy_word *words;
	size_t count;

	pthread_mutex_lock(&waits->lock);
	words = steal(waits->words);
	count = waits->word_count;
	waits->word_count = waits->word_room = 0;
	waits->posted = false;
	pthread_mutex_unlock(&waits->lock);
	for (size_t i = 0; i < count; i++) {
		struct policy_wait *wait = find(waits, words[i].token);

		if (wait)
			policies_resume(wait->request, words[i].verdict, words[i].data);
	}
	free(words);
}

static bool add_word(struct policy_waits *waits, const struct policy_word *word)
{
	if (waits->word_count == waits->word_room) {
		size_t room = waits->word_room ? 2 * waits->word_room : 16;
		struct policy_word *words = realloc(waits->words, room * sizeof(*words));

		if (!words)
			return false;
		waits->words = words;
		waits->word_room = room;
	}
	waits->words[waits->word_count++] = *word;
	return true;
}

static int32_t complete(struct gateway *gateway, uint64_t token, int32_t verdict, void *data)
{
	uint32_t index = (uint32_t)(token >> 56);
	struct gateway_loop *loop;
	struct policy_waits *waits;
	bool added, post;

	if (!gateway || index == 0 || index > gateway->options.loops)
		return -EINVAL;
	loop = &gateway->loops[index - 1];
	waits = &loop->waits;
	pthread_mutex_lock(&waits->lock);
	added = add_word(waits, &(struct policy_word){ token, verdict, data });
	post = added && !waits->posted;
	waits->posted = waits->posted || post;
	pthread_mutex_unlock(&waits->lock);
	if (post && pthread_equal(pthread_self(), loop->thread))
		loop_defer(loop->loop, &waits->task);
	else if (post)
		loop_post(loop->loop, &waits->task);
	return added ? 0 : -ENOMEM;
}

int32_t policed_complete(uint64_t token, int32_t verdict, void *data)
{
	int32_t r;

	pthread_rwlock_rdlock(&serving_lock);
	r = complete(serving, token, verdict, data);
	pthread_rwlock_unlock(&serving_lock);
	return r;
}

static void serve(struct gateway *gateway)
{
	pthread_rwlock_wrlock(&serving_lock);
	serving = gateway;
	pthread_rwlock_unlock(&serving_lock);
}

int policies_loop_init(struct gateway_loop *loop)
{
	loop->waits.task.fn = deal;
	serve(loop->gateway);
	return -pthread_mutex_init(&loop->waits.lock, NULL);
}

void policies_loop_fini(struct gateway_loop *loop)
{
	serve(NULL);
	free(loop->waits.slots);
	free(loop->waits.words);
	pthread_mutex_destroy(&loop->waits.lock);
}
