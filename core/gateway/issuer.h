/* SPDX-License-Identifier: Apache-2.0 */
/* The identity provider whose tokens name end users: its public keys, from a file, or asked for by
 * the first loop now and then. Those that it gave stay while it is away. Private to the gateway. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/loop.h"
#include "base/map.h"
#include "conf/conf.h"
#include "jose/jose.h"

struct gateway;
struct gateway_loop;
struct gateway_snapshot;
struct issuer;

/* The one of the configuration, kept over reloads that do not change it, or NULL in `ret`. [admin]
 */
int issuer_get(struct gateway *gateway, const struct conf *conf, struct issuer **ret,
	       struct error *error);
void issuer_release(struct issuer *issuer);
/* Errors of its keys, for a check. */
int issuer_check(const struct conf *conf, struct error *error);
/* As probe_follow(). [loop] */
void issuer_follow(struct gateway_loop *loop, const struct gateway_snapshot *before,
		   const struct gateway_snapshot *next);

enum issuer_verdict {
	ISSUER_GOOD,
	ISSUER_BAD,     /* and `why` says why */
	ISSUER_PENDING, /* its keys are being asked for: it may be good in a moment */
};
/* Whose token it is; texts are the arena's. Tokens that were good are remembered by their hash
 * until they end. [loop] */
enum issuer_verdict issuer_ask(struct gateway_loop *loop, struct issuer *issuer,
			       const struct conf_jwt *conf, struct slice token, struct arena *arena,
			       struct slice *ret, const char **ret_why);

/* What a loop remembers of tokens. */
struct issuer_memory {
	struct map tokens;   /* SHA-256 → struct token */
	uint64_t generation; /* of the keys by which they were good */
};
void issuer_forget(struct issuer_memory *memory);
