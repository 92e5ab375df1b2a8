/* SPDX-License-Identifier: Apache-2.0 */
/* A public key of Ed25519 is 32 bytes behind a prefix that is always the same (RFC 8410), so that
 * no reader of PEM is needed. */
#include "base/signature.h"

#include <errno.h>

#include <openssl/evp.h>

#include "base/base64.h"

enum {
	KEY_BYTES = 32,
	PEM_MAX = 4096,
};

static const unsigned char prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

static bool cut_behind(struct slice *text, const char *mark)
{
	char *at = memmem(text->ptr, text->len, mark, strlen(mark));

	if (at)
		*text = slice_span(at + strlen(mark), text->ptr + text->len);
	return at != NULL;
}

/* 0, or -EINVAL. */
static int read_key(struct slice pem, struct arena *arena, struct slice *ret)
{
	char packed[PEM_MAX], *end;
	struct slice der;
	size_t len = 0;

	if (!cut_behind(&pem, "-----BEGIN PUBLIC KEY-----"))
		return -EINVAL;
	end = memmem(pem.ptr, pem.len, "-----END PUBLIC KEY-----",
		     strlen("-----END PUBLIC KEY-----"));
	for (const char *at = pem.ptr; end && at < end && len < sizeof(packed); at++)
		if ((unsigned char)*at > ' ')
			packed[len++] = *at;
	if (!end || len == sizeof(packed) ||
	    base64_decode((struct slice){ packed, len }, arena, &der) < 0 ||
	    der.len != sizeof(prefix) + KEY_BYTES || memcmp(der.ptr, prefix, sizeof(prefix)) != 0)
		return -EINVAL;
	*ret = slice_skip(der, sizeof(prefix));
	return 0;
}

/* 1 when it is the key's. */
static int verify(struct slice key, struct slice message, struct slice signature)
{
	EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
						       (const unsigned char *)key.ptr, key.len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int r = -1;

	if (public && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1)
		r = EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
				     (const unsigned char *)message.ptr, message.len);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	return r;
}

int signature_check(struct slice public_pem, struct slice message, struct slice signature,
		    struct error *error)
{
	struct arena arena;
	struct slice key;
	int r;

	if (signature.len != SIGNATURE_BYTES)
		return error_set(error, -EINVAL, "a signature is %d bytes, not %zu",
				 SIGNATURE_BYTES, signature.len);
	arena_init(&arena, NULL);
	r = read_key(public_pem, &arena, &key);
	if (r == 0)
		r = verify(key, message, signature) == 1 ? 0 : -EKEYREJECTED;
	arena_fini(&arena);
	if (r == -EINVAL)
		return error_set(error, r, "the key is no public key of Ed25519 in PEM");
	return r < 0 ? error_set(error, r, "the signature is not this key's of this file") : 0;
}
