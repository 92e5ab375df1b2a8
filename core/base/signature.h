/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 signatures (RFC 8032), as `openssl pkeyutl -sign -rawin` makes them. [any] */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum {
	SIGNATURE_BYTES = 64,
};

/* Whether the public key, a PEM text, signed the message. -EINVAL where the text holds no Ed25519
 * key, or the signature is none; -EKEYREJECTED where it is of another key or message. */
int signature_check(struct slice public_pem, struct slice message, struct slice signature,
		    struct error *error);
