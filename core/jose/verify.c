/* SPDX-License-Identifier: Apache-2.0 */
/* A token's way: its header, the key, the signature over the bytes as they came, and only then what
 * it says. Which algorithm is used is the header's word, and must be one of the key's own kind. */
#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "jose/private.h"

enum {
	MEMBERS_MAX = 128, /* of a header, and of claims */
};

const char *jose_verdict_text(enum jose_verdict verdict)
{
	static const char *const texts[] = {
		[JOSE_GOOD] = "is good",
		[JOSE_MALFORMED] = "is no signed JSON Web Token",
		[JOSE_ALGORITHM] = "is signed by an algorithm that is not taken, or is not its "
				   "key's",
		[JOSE_UNKNOWN_KEY] = "is signed by a key that the issuer does not publish",
		[JOSE_SIGNATURE] = "has a signature that is not its key's",
		[JOSE_ISSUER] = "is of another issuer",
		[JOSE_AUDIENCE] = "is for another audience",
		[JOSE_EXPIRED] = "has expired",
		[JOSE_EARLY] = "is not valid yet",
		[JOSE_NO_USER] = "does not say whose it is in the claim that is looked at",
	};

	return texts[verdict];
}

/* ---- the signature ---- */

/* r and s, side by side (RFC 7518, section 3.4), as OpenSSL wants them; 0 when it cannot be. */
static int ecdsa_der(struct slice signature, size_t coordinate, unsigned char **ret)
{
	ECDSA_SIG *both = ECDSA_SIG_new();
	const unsigned char *at = (const unsigned char *)signature.ptr;
	BIGNUM *r, *s;
	int len = 0;

	if (!both || signature.len != 2 * coordinate) {
		ECDSA_SIG_free(both);
		return 0;
	}
	r = BN_bin2bn(at, (int)coordinate, NULL);
	s = BN_bin2bn(at + coordinate, (int)coordinate, NULL);
	if (r && s && ECDSA_SIG_set0(both, r, s)) {
		len = i2d_ECDSA_SIG(both, ret);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(both);
	return len > 0 ? len : 0;
}

static bool verify_bytes(const struct jose_key *key, const struct jose_algorithm *algorithm,
			 struct slice text, const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding = NULL;
	bool good;

	good = context && EVP_DigestVerifyInit_ex(context, &padding, algorithm->digest, NULL, NULL,
						  key->key, NULL) > 0;
	if (good && algorithm->pss)
		good = EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) > 0;
	good = good && EVP_DigestVerify(context, signature, len, (const unsigned char *)text.ptr,
					text.len) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

static bool verify(const struct jose_key *key, const struct jose_algorithm *algorithm,
		   struct slice text, struct slice signature)
{
	unsigned char *der = NULL;
	bool good;
	int len;

	if (algorithm->kind != JOSE_EC)
		return verify_bytes(key, algorithm, text, (const unsigned char *)signature.ptr,
				    signature.len);
	len = ecdsa_der(signature, algorithm->coordinate, &der);
	good = len > 0 && verify_bytes(key, algorithm, text, der, (size_t)len);
	OPENSSL_free(der);
	return good;
}

/* ---- the header ---- */

static bool suits(const struct jose_key *key, const struct jose_algorithm *algorithm)
{
	return key->kind == algorithm->kind &&
	       (key->kind != JOSE_EC || strcmp(key->curve, algorithm->curve) == 0) &&
	       (!key->algorithm || key->algorithm == algorithm);
}

/* The key that is named; without a name the only one that suits. */
static enum jose_verdict find_key(const struct jose_keys *keys, json_t *header,
				  const struct jose_algorithm *algorithm,
				  const struct jose_key **ret)
{
	json_t *name = json_object_get(header, "kid");
	const char *kid = json_string_value(name);
	const struct jose_key *found = NULL;
	bool known = false;

	if (name && !kid)
		return JOSE_MALFORMED;
	for (size_t i = 0; keys && i < keys->count; i++) {
		const struct jose_key *key = &keys->items[i];
		if (kid && (!key->kid || strcmp(key->kid, kid) != 0))
			continue;
		known = known || kid;
		if (!suits(key, algorithm))
			continue;
		if (found)
			return JOSE_UNKNOWN_KEY; /* which of them is not said */
		found = key;
	}
	*ret = found;
	return found ? JOSE_GOOD : known ? JOSE_ALGORITHM : JOSE_UNKNOWN_KEY;
}

/* ---- what it says ---- */

static bool has_audience(json_t *value, const char *audience)
{
	json_t *one;
	size_t i;

	if (json_is_string(value))
		return strcmp(json_string_value(value), audience) == 0;
	json_array_foreach (value, i, one) {
		if (json_is_string(one) && strcmp(json_string_value(one), audience) == 0)
			return true;
	}
	return false;
}

/* NumericDate, which may have a fraction. False where it is none, or none that can be. */
static bool take_time(json_t *claims, const char *name, int64_t *ret)
{
	double value = json_number_value(json_object_get(claims, name));

	if (!json_is_number(json_object_get(claims, name)) || !(value >= 0 && value < 1e12))
		return false;
	*ret = (int64_t)value;
	return true;
}

static enum jose_verdict judge(json_t *claims, const struct jose_wants *wants, int64_t now_s,
			       struct arena *arena, struct jose_person *ret)
{
	const char *issuer = json_string_value(json_object_get(claims, "iss"));
	json_t *user = json_object_get(claims, wants->claim);
	int64_t until_s, from_s = 0;

	if (!issuer || strcmp(issuer, wants->issuer) != 0)
		return JOSE_ISSUER;
	if (wants->audience && !has_audience(json_object_get(claims, "aud"), wants->audience))
		return JOSE_AUDIENCE;
	if (!take_time(claims, "exp", &until_s))
		return JOSE_EXPIRED;
	if (json_object_get(claims, "nbf") && !take_time(claims, "nbf", &from_s))
		return JOSE_MALFORMED;
	if (now_s >= until_s + wants->leeway_s)
		return JOSE_EXPIRED;
	if (now_s < from_s - wants->leeway_s)
		return JOSE_EARLY;
	if (!json_is_string(user) || json_string_length(user) == 0)
		return JOSE_NO_USER;
	ret->user =
	    arena_dup(arena, (struct slice){ json_string_value(user), json_string_length(user) });
	ret->until_s = until_s + wants->leeway_s;
	return ret->user.ptr ? JOSE_GOOD : JOSE_NO_USER;
}

static json_t *read_object(struct slice text, struct arena *arena)
{
	struct json_member members[MEMBERS_MAX];
	struct slice bytes;
	json_t *value;

	if (text.len == 0 || jose_decode(text, arena, &bytes) < 0)
		return NULL;
	/* A parser that recurses has a small stack here. */
	if (json_scan_object(bytes, members, ARRAY_SIZE(members), NULL) < 0)
		return NULL;
	value = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

/* The header's word of what to check it by. */
static enum jose_verdict check_signature(const struct jose_keys *keys, json_t *header,
					 struct slice text, struct slice signature)
{
	json_t *alg = json_object_get(header, "alg");
	const struct jose_algorithm *algorithm = jose_algorithm_find(json_string_value(alg));
	const struct jose_key *key = NULL;
	enum jose_verdict verdict;

	if (!json_is_string(alg) || json_object_get(header, "crit"))
		return JOSE_MALFORMED; /* extensions that must be understood, and are not */
	if (!algorithm)
		return JOSE_ALGORITHM;
	verdict = find_key(keys, header, algorithm, &key);
	if (verdict != JOSE_GOOD)
		return verdict;
	return verify(key, algorithm, text, signature) ? JOSE_GOOD : JOSE_SIGNATURE;
}

enum jose_verdict jose_verify(const struct jose_keys *keys, struct slice token,
			      const struct jose_wants *wants, int64_t now_s, struct arena *arena,
			      struct jose_person *ret)
{
	struct slice rest, tail, header_text = slice_cut(token, '.', &rest);
	struct slice claims_text = slice_cut(rest, '.', &tail), signature;
	enum jose_verdict verdict;
	json_t *header, *claims;

	if (token.len > JOSE_TOKEN_MAX || header_text.len == 0 || claims_text.len == 0 ||
	    tail.len == 0 || jose_decode(tail, arena, &signature) < 0)
		return JOSE_MALFORMED;
	header = read_object(header_text, arena);
	if (!header)
		return JOSE_MALFORMED;
	verdict = check_signature(
	    keys, header, slice_span(token.ptr, claims_text.ptr + claims_text.len), signature);
	json_decref(header);
	if (verdict != JOSE_GOOD)
		return verdict;
	claims = read_object(claims_text, arena);
	verdict = claims ? judge(claims, wants, now_s, arena, ret) : JOSE_MALFORMED;
	json_decref(claims);
	return verdict;
}
