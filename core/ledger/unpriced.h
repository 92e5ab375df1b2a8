/* SPDX-License-Identifier: Apache-2.0 */
/* Models that were used and have no known price, or one that is known in part, since the start:
 * each is named in the log once, and so many at most that names which clients invent cannot flood
 * it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	UNPRICED_MAX = 64,
};

struct unpriced {
	pthread_mutex_t lock;
	bool in_part;
	size_t count;
	struct unpriced_model {
		char *provider, *model;
	} models[UNPRICED_MAX];
};

void unpriced_init(struct unpriced *unpriced, bool in_part);
void unpriced_fini(struct unpriced *unpriced);
/* One more use. [writer] */
void unpriced_note(struct unpriced *unpriced, const char *provider, const char *model);
/* In the order of their first use. [any] */
void unpriced_each(struct unpriced *unpriced,
		   void (*fn)(const char *provider, const char *model, void *data), void *data);
