/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of this folder share. */
#pragma once

#include <openssl/evp.h>
#include <stdatomic.h>

#include "base/json.h"
#include "jose/jose.h"

enum jose_kind {
	JOSE_RSA,
	JOSE_EC,
	JOSE_ED25519,
};

/* RFC 7518, section 3.1, and RFC 8037. */
struct jose_algorithm {
	const char *name;
	enum jose_kind kind;
	const char *digest; /* NULL: the algorithm's own */
	bool pss;
	const char *curve; /* of EC */
	size_t coordinate; /* bytes of one, and of each half of a signature */
};

struct jose_key {
	EVP_PKEY *key;
	enum jose_kind kind;
	const char *curve;                      /* of EC, the table's own */
	const struct jose_algorithm *algorithm; /* that it is for alone; NULL: all of its kind */
	char *kid;                              /* NULL: it has none */
};

struct jose_keys {
	atomic_uint refs;
	size_t count;
	struct jose_key items[];
};

const struct jose_algorithm *jose_algorithm_find(const char *name); /* NULL: unknown */
/* Base64url without padding, in the arena: -EINVAL, -ENOMEM. */
int jose_decode(struct slice text, struct arena *arena, struct slice *ret);
