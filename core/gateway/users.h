/* SPDX-License-Identifier: Apache-2.0 */
/* On whose behalf an application asks. Private to the gateway. */
#pragma once

#include "gateway/exchange.h"

struct user_source {
	enum { USER_HEADER, USER_BODY, USER_CERTIFICATE, USER_TOKEN } kind;
	struct slice header;   /* its name; of a token too */
	enum wire_user member; /* of the body */
};

/* Of one key, in the order in which they are asked. Immutable, the snapshot's. */
struct user_sources {
	const struct user_source *items;
	size_t count;
	bool required, pseudonym;
};

/* `from` as a checked configuration has it; NULL for out of memory. */
const struct user_sources *users_new(struct arena *arena, const struct conf_key *key);
/* Fills exchange->user, empty where nobody vouches for one. False, with what to tell the client,
 * where its key wants one and there is none. [loop] */
bool users_find(struct exchange *exchange, struct wire_error *ret);
