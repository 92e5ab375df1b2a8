/* SPDX-License-Identifier: Apache-2.0 */
/* Key sets. What could not sign a token of ours, as a key to encrypt with, is passed over; a weak
 * or broken one too, so that it is unknown rather than trusted. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "jose/private.h"

enum {
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 8192,
	ED25519_BYTES = 32,
};

static const struct jose_algorithm algorithms[] = {
	{ "RS256", JOSE_RSA, "SHA256", false, NULL, 0 },
	{ "RS384", JOSE_RSA, "SHA384", false, NULL, 0 },
	{ "RS512", JOSE_RSA, "SHA512", false, NULL, 0 },
	{ "PS256", JOSE_RSA, "SHA256", true, NULL, 0 },
	{ "PS384", JOSE_RSA, "SHA384", true, NULL, 0 },
	{ "PS512", JOSE_RSA, "SHA512", true, NULL, 0 },
	{ "ES256", JOSE_EC, "SHA256", false, "P-256", 32 },
	{ "ES384", JOSE_EC, "SHA384", false, "P-384", 48 },
	{ "ES512", JOSE_EC, "SHA512", false, "P-521", 66 },
	{ "EdDSA", JOSE_ED25519, NULL, false, NULL, 0 },
	{ "Ed25519", JOSE_ED25519, NULL, false, NULL, 0 }, /* RFC 9864 */
};

const struct jose_algorithm *jose_algorithm_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(algorithms); i++) {
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	}
	return NULL;
}

static const struct jose_algorithm *algorithm_of_curve(const char *curve)
{
	for (size_t i = 0; curve && i < ARRAY_SIZE(algorithms); i++) {
		if (algorithms[i].curve && strcmp(algorithms[i].curve, curve) == 0)
			return &algorithms[i];
	}
	return NULL;
}

int jose_decode(struct slice text, struct arena *arena, struct slice *ret)
{
	char *copy = arena_alloc(arena, text.len + 1);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '+' || c == '/' || c == '=')
			return -EINVAL;
		copy[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
	}
	return base64_decode((struct slice){ copy, text.len }, arena, ret);
}

static bool take_bytes(json_t *key, const char *name, struct arena *arena, struct slice *ret)
{
	const char *text = json_string_value(json_object_get(key, name));

	return text && jose_decode(slice_of(text), arena, ret) == 0 && ret->len > 0;
}

static EVP_PKEY *import(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *key = NULL;

	if (!context || !params || EVP_PKEY_fromdata_init(context) <= 0 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(context);
	return key;
}

static EVP_PKEY *read_rsa(json_t *jwk, struct arena *arena)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = NULL;
	struct slice modulus, exponent;
	EVP_PKEY *key = NULL;

	if (take_bytes(jwk, "n", arena, &modulus) && take_bytes(jwk, "e", arena, &exponent)) {
		n = BN_bin2bn((const unsigned char *)modulus.ptr, (int)modulus.len, NULL);
		e = BN_bin2bn((const unsigned char *)exponent.ptr, (int)exponent.len, NULL);
	}
	if (build && n && e && BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
		key = import("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return key;
}

/* An uncompressed point; that it lies on the curve is checked by the import. */
static EVP_PKEY *read_ec(json_t *jwk, const struct jose_algorithm *algorithm, struct arena *arena)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	unsigned char point[1 + 2 * 66] = { 4 };
	struct slice x, y;
	EVP_PKEY *key = NULL;

	if (build && take_bytes(jwk, "x", arena, &x) && take_bytes(jwk, "y", arena, &y) &&
	    x.len == algorithm->coordinate && y.len == algorithm->coordinate) {
		memcpy(point + 1, x.ptr, x.len);
		memcpy(point + 1 + x.len, y.ptr, y.len);
		if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
						    algorithm->curve, 0) &&
		    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
						     1 + 2 * x.len))
			key = import("EC", build);
	}
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *read_ed25519(json_t *jwk, struct arena *arena)
{
	struct slice x;

	if (!take_bytes(jwk, "x", arena, &x) || x.len != ED25519_BYTES)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.ptr,
					   x.len);
}

static bool is_to_sign(json_t *jwk)
{
	json_t *operations = json_object_get(jwk, "key_ops"), *one;
	const char *use = json_string_value(json_object_get(jwk, "use"));
	size_t i;

	if (use && strcmp(use, "sig") != 0)
		return false;
	if (!json_is_array(operations))
		return true;
	json_array_foreach (operations, i, one) {
		if (json_is_string(one) && strcmp(json_string_value(one), "verify") == 0)
			return true;
	}
	return false;
}

/* False for what is passed over. */
static bool read_key(json_t *jwk, struct arena *arena, struct jose_key *ret)
{
	const char *type = json_string_value(json_object_get(jwk, "kty"));
	const char *curve = json_string_value(json_object_get(jwk, "crv"));
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	json_t *alg = json_object_get(jwk, "alg");
	const struct jose_algorithm *of_curve = algorithm_of_curve(curve);

	*ret = (struct jose_key){ .algorithm = jose_algorithm_find(json_string_value(alg)) };
	if (!type || !is_to_sign(jwk) || (alg && !ret->algorithm))
		return false;
	if (strcmp(type, "RSA") == 0) {
		ret->kind = JOSE_RSA;
		ret->key = read_rsa(jwk, arena);
	} else if (strcmp(type, "EC") == 0 && of_curve) {
		ret->kind = JOSE_EC;
		ret->curve = of_curve->curve;
		ret->key = read_ec(jwk, of_curve, arena);
	} else if (strcmp(type, "OKP") == 0 && curve && strcmp(curve, "Ed25519") == 0) {
		ret->kind = JOSE_ED25519;
		ret->key = read_ed25519(jwk, arena);
	}
	ret->kid = kid && ret->key ? strdup(kid) : NULL;
	return ret->key;
}

int jose_keys_read(struct slice json, struct jose_keys **ret, struct error *error)
{
	struct json_member members[16];
	/* A parser that recurses has a small stack here. */
	json_t *document = json_scan_object(json, members, ARRAY_SIZE(members), NULL) < 0
			       ? NULL
			       : json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(document, "keys"), *jwk;
	struct jose_keys *keys = calloc(1, sizeof(*keys) + JOSE_KEYS_MAX * sizeof(keys->items[0]));
	struct arena arena = { 0 };
	int r = keys ? 0 : -ENOMEM;
	size_t i;

	if (r == 0 && !json_is_array(list))
		r = error_set(error, -EINVAL, "it is no set of keys: {\"keys\": [ … ]}");
	if (r == 0) {
		atomic_init(&keys->refs, 1);
		json_array_foreach (list, i, jwk) {
			if (keys->count < JOSE_KEYS_MAX &&
			    read_key(jwk, &arena, &keys->items[keys->count]))
				keys->count++;
		}
		if (keys->count == 0)
			r = error_set(error, -EINVAL,
				      "none of its keys can check a token: RSA from 2048 bits on, "
				      "P-256, P-384, P-521 and Ed25519 can");
	}
	arena_fini(&arena);
	json_decref(document);
	if (r < 0) {
		free(keys);
		return r;
	}
	*ret = keys;
	return 0;
}

struct jose_keys *jose_keys_ref(struct jose_keys *keys)
{
	if (keys)
		atomic_fetch_add(&keys->refs, 1);
	return keys;
}

struct jose_keys *jose_keys_unref(struct jose_keys *keys)
{
	if (!keys || atomic_fetch_sub(&keys->refs, 1) > 1)
		return NULL;
	for (size_t i = 0; i < keys->count; i++) {
		EVP_PKEY_free(keys->items[i].key);
		free(keys->items[i].kid);
	}
	free(keys);
	return NULL;
}
