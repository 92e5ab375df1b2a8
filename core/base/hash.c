/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and randomness. The fast hash folds 64 × 64 → 128-bit products under two secret words
 * drawn once a process; nothing that outlives the process may depend on it. */
#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

static uint64_t seeds[2];
static pthread_once_t seeds_once = PTHREAD_ONCE_INIT;

static void seeds_draw(void)
{
	random_bytes(seeds, sizeof(seeds));
}

/* A thread keeps its context: making one costs more than a short hash. */
static EVP_MD *sha256;
static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;

static void context_free(void *context)
{
	EVP_MD_CTX_free(context);
}

static void context_prepare(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256 || pthread_key_create(&context_key, context_free) != 0)
		abort(); /* nothing here can be checked without it */
}

static EVP_MD_CTX *thread_context(void)
{
	EVP_MD_CTX *context;

	pthread_once(&context_once, context_prepare);
	context = pthread_getspecific(context_key);
	if (context)
		return context;
	context = EVP_MD_CTX_new();
	if (!context || EVP_DigestInit_ex(context, sha256, NULL) != 1 ||
	    pthread_setspecific(context_key, context) != 0)
		abort(); /* out of memory, as everywhere in GLib */
	return context;
}

void hash_sha256_parts(const struct slice *parts, size_t count, uint8_t out[static SHA256_BYTES])
{
	EVP_MD_CTX *context = thread_context();
	bool done = EVP_DigestInit_ex(context, NULL, NULL) == 1;

	for (size_t i = 0; i < count && done; i++)
		done = EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
	if (!done || EVP_DigestFinal_ex(context, out, NULL) != 1)
		abort(); /* a wrong digest would let the wrong key in */
}

void hash_sha256(struct slice data, uint8_t out[static SHA256_BYTES])
{
	hash_sha256_parts(&data, 1, out);
}

void hash_hmac_sha256(struct slice key, struct slice data, uint8_t out[static SHA256_BYTES])
{
	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.ptr, key.len,
		       (const unsigned char *)data.ptr, data.len, out, SHA256_BYTES, NULL))
		abort(); /* out of memory, as everywhere in GLib */
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *at, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, at, len < sizeof(word) ? len : sizeof(word));
	return word;
}

uint64_t hash_fast(struct slice data)
{
	uint64_t state;
	size_t len = data.len;

	pthread_once(&seeds_once, seeds_draw);
	state = seeds[0];
	while (data.len > 16) {
		state = fold(load(data.ptr, 8) ^ seeds[1], load(data.ptr + 8, 8) ^ state);
		data = slice_skip(data, 16);
	}
	if (data.len > 8)
		state =
		    fold(load(data.ptr, 8) ^ seeds[1], load(data.ptr + 8, data.len - 8) ^ state);
	else if (data.len > 0)
		state = fold(load(data.ptr, data.len) ^ seeds[1], state);
	return fold(state ^ UINT64_C(0x9e3779b97f4a7c15), seeds[1] ^ len);
}

void hash_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

int hash_unhex(struct slice text, uint8_t *out, size_t len)
{
	if (text.len % 2 != 0 || text.len / 2 != len)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		if (!g_ascii_isxdigit(text.ptr[i]))
			return -EINVAL;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(g_ascii_xdigit_value(text.ptr[2 * i]) << 4 |
				   g_ascii_xdigit_value(text.ptr[2 * i + 1]));
	return 0;
}

bool hash_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void random_bytes(void *out, size_t len)
{
	char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			abort(); /* going on with predictable secrets would be worse */
		}
		at += got;
		len -= (size_t)got;
	}
}

void random_text(char *out, size_t len)
{
	static const char alphabet[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	enum { LETTERS = sizeof(alphabet) - 1, UNIFORM = 256 / LETTERS * LETTERS };
	uint8_t pool[64];
	size_t left = 0;

	for (size_t i = 0; i < len;) {
		if (left == 0) {
			random_bytes(pool, sizeof(pool));
			left = sizeof(pool);
		}
		left--;
		if (pool[left] < UNIFORM)
			out[i++] = alphabet[pool[left] % LETTERS];
	}
	out[len] = '\0';
	explicit_bzero(pool, sizeof(pool));
}
