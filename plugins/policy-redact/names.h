/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a text for what was found: "[EMAIL_1]", the same for the same value of a request,
 * or of a tenant "[EMAIL_0123456789abcdef]", by a key that nobody else has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "find.h"

enum {
	NAMES_MAX = 4096,              /* distinct values of a request */
	NAMES_BYTES_MAX = 1024 * 1024, /* of all of them */
	NAMES_PLACEHOLDER_BYTES = 32,
};

/* Of one request. Begins zeroed; names_fini() forgets all values. */
struct names {
	char *bytes;
	size_t bytes_len, bytes_size;
	struct names_entry *entries;
	uint32_t *slots;
	uint32_t count, counts[FIND_CLASSES];
	uint64_t seed;
};

extern const char *const names_classes[FIND_CLASSES]; /* lower case, as options are called */

void names_fini(struct names *names);

/* The number of a value among those of its class, from 1. -ENOMEM; -E2BIG: too many. */
int names_number(struct names *names, enum find_class class, const char *value, size_t len,
		 uint32_t *ret);

/* "[CLASS_NUMBER]". */
void names_placeholder(enum find_class class, uint32_t number,
		       char ret[static NAMES_PLACEHOLDER_BYTES]);

/* By HMAC-SHA-256 of tenant, class and value: the first 64 bits. -ENOMEM, -EIO. */
int names_pseudonym(const char *key, size_t key_len, const char *tenant, size_t tenant_len,
		    enum find_class class, const char *value, size_t len,
		    char ret[static NAMES_PLACEHOLDER_BYTES]);
