/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (by OpenSSL) for secrets and digests, a fast seeded hash for tables, hex and random text.
 * [any] */
#pragma once

#include "base/slice.h"

enum {
	SHA256_BYTES = 32,
	SHA256_HEX_SIZE = 65,
};

void hash_sha256(struct slice data, uint8_t out[static SHA256_BYTES]);
void hash_sha256_parts(const struct slice *parts, size_t count, uint8_t out[static SHA256_BYTES]);
/* RFC 2104, of SHA-256. `out` may be the key. */
void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[static SHA256_BYTES]);
uint64_t hash_fast(struct slice data); /* seeded once a process: not for files */
void hash_hex(const uint8_t *bytes, size_t len, char *out); /* 2 × len + NUL, lower case */
int hash_unhex(struct slice text, uint8_t *out,
	       size_t len); /* -EINVAL unless exactly 2 × len hex digits */
bool hash_equal(const void *a, const void *b, size_t len); /* constant time */
void random_bytes(void *out, size_t len);
/* `len` characters of [0-9A-Za-z], uniform, and a NUL. */
void random_text(char *out, size_t len);
