/* SPDX-License-Identifier: Apache-2.0 */
/* The models that a provider says it has, by the names that clients ask for: PROVIDER/MODEL.
 * Immutable and refcounted. Private to the gateway. [any] */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"

enum {
	MODEL_LIST_MAX = 1000, /* models of one provider; what is behind is left out */
};

struct model_list {
	_Atomic uint32_t refs;
	struct arena arena;
	struct slice *names; /* in the order of their bytes, each once */
	size_t count;
};

/* From a provider's answer: OpenAI's and Anthropic's `data`, Gemini's `models`, or an array alone.
 * Names that no client could ask for are left out. -EINVAL when it is none of these; -ENOMEM. */
int model_list_read(struct slice provider, struct slice text, struct model_list **ret);
struct model_list *model_list_ref(struct model_list *list);
struct model_list *model_list_unref(struct model_list *list);
bool model_list_has(const struct model_list *list, struct slice name);
