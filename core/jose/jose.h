/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that an identity provider signs for people (RFC 7519), checked against its public keys
 * (RFC 7517). Only asymmetric algorithms are known: a token that names another one, or none, is
 * refused before anything of it is believed. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum {
	JOSE_TOKEN_MAX = 16384, /* bytes */
	JOSE_KEYS_MAX = 64,
};

/* Public keys: immutable and counted. [any] */
struct jose_keys;
/* -EINVAL for what is no key set, or has no key that could sign; keys of other kinds and uses are
 * passed over. */
int jose_keys_read(struct slice json, struct jose_keys **ret, struct error *error);
struct jose_keys *jose_keys_ref(struct jose_keys *keys);
struct jose_keys *jose_keys_unref(struct jose_keys *keys);

enum jose_verdict {
	JOSE_GOOD,
	JOSE_MALFORMED,
	JOSE_ALGORITHM,   /* none that is known here, or not its key's */
	JOSE_UNKNOWN_KEY, /* another set of keys may have it */
	JOSE_SIGNATURE,
	JOSE_ISSUER,
	JOSE_AUDIENCE,
	JOSE_EXPIRED,
	JOSE_EARLY,
	JOSE_NO_USER, /* the claim is no text */
};

struct jose_wants {
	const char *issuer, *audience; /* audience NULL: any */
	const char *claim;             /* who it is */
	int64_t leeway_s;
};

struct jose_person {
	struct slice user; /* in the arena */
	int64_t until_s;   /* Unix time: the token's end, with the leeway */
};

/* Whose token it is at this time. The header names one key, by its kid, or the set has only one of
 * its kind. [any] */
enum jose_verdict jose_verify(const struct jose_keys *keys, struct slice token,
			      const struct jose_wants *wants, int64_t now_s, struct arena *arena,
			      struct jose_person *ret);
/* As the end of "The token …": "has expired". */
const char *jose_verdict_text(enum jose_verdict verdict);
