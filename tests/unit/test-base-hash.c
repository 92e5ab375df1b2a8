/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes against published vectors, hex both ways, and that random text is uniform. */
#include "base/hash.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static void test_sha256(void)
{
	/* FIPS 180-2, appendix B, and the empty message. */
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t digest[SHA256_BYTES], back[SHA256_BYTES];
		char hex[SHA256_HEX_SIZE];

		hash_sha256(slice_of(cases[i].text), digest);
		hash_hex(digest, sizeof(digest), hex);
		CHECK_STR(hex, cases[i].hex);
		CHECK_INT(hash_unhex(slice_of(hex), back, sizeof(back)), 0);
		CHECK(hash_equal(digest, back, sizeof(back)));
		back[31] ^= 1;
		CHECK(!hash_equal(digest, back, sizeof(back)));
	}
}

/* RFC 4231, case 2; and a digest of parts is that of the whole. */
static void test_hmac(void)
{
	struct slice parts[] = { SLICE("what do ya want "), { NULL, 0 }, SLICE("for nothing?") };
	struct slice whole = SLICE("what do ya want for nothing?");
	uint8_t key[SHA256_BYTES] = "Jefe", digest[SHA256_BYTES], other[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];

	hash_hmac_sha256((struct slice){ (const char *)key, 4 }, whole, key);
	hash_hex(key, sizeof(key), hex);
	CHECK_STR(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hash_sha256(whole, digest);
	hash_sha256_parts(parts, 3, other);
	CHECK(memcmp(digest, other, sizeof(digest)) == 0);
}

static void test_unhex_is_strict(void)
{
	uint8_t out[2] = { 9, 9 };

	CHECK_INT(hash_unhex(SLICE("aBf0"), out, 2), 0);
	CHECK(out[0] == 0xab && out[1] == 0xf0);
	CHECK_INT(hash_unhex(SLICE("abf"), out, 2), -EINVAL);
	CHECK_INT(hash_unhex(SLICE("abf00"), out, 2), -EINVAL);
	CHECK_INT(hash_unhex(SLICE("abf000"), out, 2), -EINVAL);
	CHECK_INT(hash_unhex(SLICE("0000"), out, SIZE_MAX / 2 + 3), -EINVAL);
	CHECK_INT(hash_unhex(SLICE("00g0"), out, 2), -EINVAL);
	CHECK(out[0] == 0xab && out[1] == 0xf0);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Every prefix of zeros, and every single bit set in texts of several lengths, must hash apart. */
static void test_fast_tells_similar_texts_apart(void)
{
	static uint64_t hashes[20000];
	char text[64] = { 0 };
	size_t count = 0;

	for (size_t len = 0; len <= sizeof(text); len++) {
		CHECK(hash_fast((struct slice){ text, len }) ==
		      hash_fast((struct slice){ text, len }));
		hashes[count++] = hash_fast((struct slice){ text, len });
		for (size_t bit = 0; bit < len * 8; bit++) {
			text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
			hashes[count++] = hash_fast((struct slice){ text, len });
			text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		}
	}
	qsort(hashes, count, sizeof(hashes[0]), compare_u64);
	for (size_t i = 1; i < count; i++)
		CHECK(hashes[i] != hashes[i - 1]);
}

static void test_fast_fills_low_bits(void)
{
	int buckets[64] = { 0 };

	for (uint32_t i = 0; i < 64000; i++)
		buckets[hash_fast((struct slice){ (const char *)&i, sizeof(i) }) % 64]++;
	for (int i = 0; i < 64; i++) /* 1000 ± 31; eight sigma */
		CHECK(buckets[i] > 750 && buckets[i] < 1250);
}

static void test_random_text(void)
{
	static char text[620001];
	int seen[256] = { 0 };

	random_text(text, 620000);
	CHECK_INT(strlen(text), 620000);
	for (size_t i = 0; i < 620000; i++)
		seen[(unsigned char)text[i]]++;
	for (int c = 0; c < 256; c++) {
		bool letter =
		    (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		/* 10000 ± 100; eight sigma */
		CHECK(letter ? seen[c] > 9200 && seen[c] < 10800 : seen[c] == 0);
	}
	random_text(text, 0);
	CHECK_STR(text, "");
}

static void test_random_bytes(void)
{
	uint8_t a[600] = { 0 }, b[600] = { 0 }, zero[8] = { 0 };

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(!hash_equal(a, b, sizeof(a)));
	CHECK(!hash_equal(a + sizeof(a) - 8, zero, 8));
}

int main(void)
{
	test_run("sha256", test_sha256);
	test_run("hmac", test_hmac);
	test_run("unhex_is_strict", test_unhex_is_strict);
	test_run("fast_tells_similar_texts_apart", test_fast_tells_similar_texts_apart);
	test_run("fast_fills_low_bits", test_fast_fills_low_bits);
	test_run("random_text", test_random_text);
	test_run("random_bytes", test_random_bytes);
	return 0;
}
