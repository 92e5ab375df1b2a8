/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 under a secret of the appliance: without it nobody can tell whose pseudonym one is,
 * nor try names. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "keys/keys.h"
#include "keys/secret-file.h"

struct keys_pseudonyms {
	uint8_t secret[SHA256_BYTES];
};

int keys_pseudonyms_new(const char *secret_path, struct keys_pseudonyms **ret, struct error *error)
{
	struct keys_pseudonyms *pseudonyms = calloc(1, sizeof(*pseudonyms));
	struct buffer text = { 0 };
	struct slice secret;
	int r = pseudonyms ? secret_file_read(secret_path, "the secret of pseudonyms", &text,
					      &secret, error)
			   : error_set(error, -ENOMEM, "out of memory");

	if (r == 0) {
		hash_sha256(secret, pseudonyms->secret);
		*ret = steal(pseudonyms);
	}
	secret_file_forget(&text);
	free(pseudonyms);
	return r;
}

struct keys_pseudonyms *keys_pseudonyms_free(struct keys_pseudonyms *pseudonyms)
{
	if (pseudonyms)
		explicit_bzero(pseudonyms, sizeof(*pseudonyms));
	free(pseudonyms);
	return NULL;
}

void keys_pseudonym(const struct keys_pseudonyms *pseudonyms, struct slice user,
		    char out[static KEYS_PSEUDONYM_SIZE])
{
	struct slice secret = { (const char *)pseudonyms->secret, sizeof(pseudonyms->secret) };
	uint8_t sum[SHA256_BYTES];

	hash_hmac_sha256(secret, user, sum);
	hash_hex(sum, KEYS_PSEUDONYM_SIZE / 2, out);
}
