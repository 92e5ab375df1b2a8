/* SPDX-License-Identifier: Apache-2.0 */
/* A signature that `openssl pkeyutl -sign -rawin` made, and what is none. */
#include "base/signature.h"

#include <errno.h>

#include "base/hash.h"
#include "test.h"

static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MCowBQYDK2VwAyEAOQNTJB5Ots3wFjb3cm2x6cCvrMPpl/Ntx5pytDlNzPE=\n"
			  "-----END PUBLIC KEY-----\n";
static const char other_key[] = "-----BEGIN PUBLIC KEY-----\n"
				"MCowBQYDK2VwAyEAKl50AFgsQ/WN3aMQ6Osn8oa6terVqJ8/X57Jdsw4lQY=\n"
				"-----END PUBLIC KEY-----\n";
static const char signed_hex[] = "90ce488fac16372215ef0ae2529481f471d420aec76d51064ac5437144e09a8a"
				 "f7198c9ff57cd2ec7cdfad121295f5160bf0eb4e1843bc9cf2321d64295f6805";

static struct slice signature(uint8_t out[static SIGNATURE_BYTES])
{
	CHECK_INT(hash_unhex(slice_of(signed_hex), out, SIGNATURE_BYTES), 0);
	return (struct slice){ (char *)out, SIGNATURE_BYTES };
}

static void test_good(void)
{
	uint8_t bytes[SIGNATURE_BYTES];
	struct error error = { 0 };

	CHECK_INT(signature_check(slice_of(key), SLICE("prices\n"), signature(bytes), &error), 0);
}

static void test_bad(void)
{
	uint8_t bytes[SIGNATURE_BYTES];
	struct slice good = signature(bytes);
	struct error error = { 0 };

	CHECK_INT(signature_check(slice_of(key), SLICE("prices"), good, &error), -EKEYREJECTED);
	CHECK_INT(signature_check(slice_of(other_key), SLICE("prices\n"), good, &error),
		  -EKEYREJECTED);
	CHECK_INT(signature_check(SLICE(""), SLICE("prices\n"), good, &error), -EINVAL);
	CHECK_INT(signature_check(SLICE("-----BEGIN PUBLIC KEY-----\nAAAA\n"), SLICE("prices\n"),
				  good, &error),
		  -EINVAL);
	CHECK_INT(signature_check(slice_of(key), SLICE("prices\n"), slice_skip(good, 1), &error),
		  -EINVAL);
	bytes[3] ^= 1;
	CHECK_INT(signature_check(slice_of(key), SLICE("prices\n"), good, &error), -EKEYREJECTED);
	CHECK(error.message[0]);
}

int main(void)
{
	test_run("good signature", test_good);
	test_run("bad signatures", test_bad);
	return 0;
}
