/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and key sets of any bytes. Beyond not crashing: no token is good but for what the keys'
 * owner signed, header and claims to the byte, and its user is the arena's; what is no key set is
 * refused with a reason. The first byte chooses which of the two it is. */
#include <string.h>

#include "fuzz.h"
#include "jose/jose.h"

/* RFC 7515, appendix A.3; RFC 8037, appendix A.2. */
static const char keys_text[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
				"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
				"{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
				"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const char signed_part[] =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ.";

static void check_token(struct slice token)
{
	static const struct jose_wants wants = { "joe", NULL, "iss", 0 };
	static struct jose_keys *keys;
	struct jose_person person = { 0 };
	struct arena arena;
	enum jose_verdict verdict;

	if (!keys)
		FUZZ_CHECK(jose_keys_read(slice_of(keys_text), &keys, NULL) == 0);
	arena_init(&arena, NULL);
	verdict = jose_verify(keys, token, &wants, 0, &arena, &person);
	FUZZ_CHECK(jose_verdict_text(verdict));
	if (verdict == JOSE_GOOD) {
		FUZZ_CHECK(slice_starts(token, slice_of(signed_part)));
		FUZZ_CHECK(slice_eq_str(person.user, "joe"));
	}
	arena_fini(&arena);
}

static void check_keys(struct slice text)
{
	struct error error = { 0 };
	struct jose_keys *keys = NULL;

	if (jose_keys_read(text, &keys, &error) < 0)
		FUZZ_CHECK(!keys && error.message[0]);
	else
		FUZZ_CHECK(keys);
	jose_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice text = { (const char *)bytes + 1, size - 1 };

	if (size < 1)
		return 0;
	if (bytes[0] & 1)
		check_keys(text);
	else
		check_token(text);
	return 0;
}
