/* SPDX-License-Identifier: Apache-2.0 */
/* Servers quote in their errors what they were sent. A provider's secrets in what it says are
 * blotted out before a client, a row or a log has it. Private to the gateway. */
#pragma once

#include "base/slice.h"
#include "conf/conf.h"

/* Of one provider: its secret, the parts of it that colons part, and what its own headers say where
 * that is as long as a key. The texts are copies, wiped in the end. */
struct hush {
	char *texts;    /* each with a NUL behind it, an empty one last; NULL: none */
	size_t bytes;   /* of all of it */
	size_t longest; /* of one */
};

int hush_init(struct hush *hush, const struct conf_provider *conf); /* 0 or -ENOMEM */
void hush_fini(struct hush *hush);
bool hush_has(const struct hush *hush, struct slice text); /* [any] */
/* Stars in their places, so that nothing becomes longer or shorter. [any] */
void hush_mask(const struct hush *hush, char *text, size_t len);
