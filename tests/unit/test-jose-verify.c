/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of the RFCs' own examples (7515, appendix A; 8037, appendix A.4), and what must not pass
 * for one: other algorithms, other keys, changed bytes, times, issuers. Tokens of other kinds are
 * made by the suite `keys`. */
#include "jose/jose.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

CLEANUP_DEFINE(struct jose_keys, jose_keys_unref);

#define EC_KEY                                                   \
	"{\"kty\":\"EC\",\"crv\":\"P-256\","                     \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define ED_KEY                                  \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"," \
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define CLAIMS                                                                     \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv" \
	"bS9pc19yb290Ijp0cnVlfQ"
#define EC_SIGNATURE                                  \
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmX" \
	"FCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define EC_HEADER "eyJhbGciOiJFUzI1NiJ9"
#define EC_TOKEN EC_HEADER "." CLAIMS "." EC_SIGNATURE
#define ED_TOKEN                                                                \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCj" \
	"P0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

enum {
	END_S = 1300819380,
};

static const struct jose_wants joe = { "joe", NULL, "iss", 0 };

static struct jose_keys *keys_of(const char *json)
{
	struct jose_keys *keys = NULL;
	struct error error = { 0 };

	if (jose_keys_read(slice_of(json), &keys, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", json, error.message);
	return keys;
}

static enum jose_verdict judge(const char *json, const char *token, const struct jose_wants *wants,
			       int64_t now_s)
{
	_cleanup_(cleanup_jose_keys_unref) struct jose_keys *keys = keys_of(json);
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct jose_person person = { 0 };
	enum jose_verdict verdict =
	    jose_verify(keys, slice_of(token), wants, now_s, &arena, &person);

	if (verdict == JOSE_GOOD) {
		CHECK_SLICE(person.user, "joe");
		CHECK_INT(person.until_s, END_S + wants->leeway_s);
	}
	return verdict;
}

static void examples(void)
{
	const struct jose_wants lenient = { "joe", NULL, "iss", 60 };
	const struct jose_wants other = { "jim", NULL, "iss", 0 },
				client = { "joe", "a", "iss", 0 };
	const struct jose_wants sub = { "joe", NULL, "sub", 0 };

	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &joe, END_S - 1), JOSE_GOOD);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "," ED_KEY "]}", EC_TOKEN, &joe, 0), JOSE_GOOD);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &joe, END_S), JOSE_EXPIRED);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &lenient, END_S + 59), JOSE_GOOD);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &lenient, END_S + 60), JOSE_EXPIRED);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &other, 0), JOSE_ISSUER);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &client, 0), JOSE_AUDIENCE);
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", EC_TOKEN, &sub, 0), JOSE_NO_USER);
	CHECK_INT(judge("{\"keys\":[" ED_KEY "]}", EC_TOKEN, &joe, 0), JOSE_UNKNOWN_KEY);
	/* Its signature is right, and what it says is no claims. */
	CHECK_INT(judge("{\"keys\":[" ED_KEY "]}", ED_TOKEN, &joe, 0), JOSE_MALFORMED);
}

static void wrong(void)
{
	static const struct {
		const char *token;
		enum jose_verdict verdict;
	} rows[] = {
		{ "", JOSE_MALFORMED },
		{ "..", JOSE_MALFORMED },
		{ EC_HEADER "." CLAIMS, JOSE_MALFORMED },
		{ EC_HEADER "." CLAIMS ".", JOSE_MALFORMED },
		{ EC_TOKEN ".x", JOSE_MALFORMED },
		{ EC_TOKEN "=", JOSE_MALFORMED },
		{ EC_TOKEN "AA", JOSE_SIGNATURE },
		{ EC_HEADER "." CLAIMS ".AAAA", JOSE_SIGNATURE },
		{ "eyJhbGciOiJub25lIn0." CLAIMS "." EC_SIGNATURE, JOSE_ALGORITHM }, /* none */
		{ "eyJhbGciOiJub25lIn0." CLAIMS ".", JOSE_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9." CLAIMS "." EC_SIGNATURE, JOSE_ALGORITHM },   /* HS256 */
		{ "eyJhbGciOiJSUzI1NiJ9." CLAIMS "." EC_SIGNATURE, JOSE_UNKNOWN_KEY }, /* RS256 */
		{ "eyJhbGciOjF9." CLAIMS "." EC_SIGNATURE, JOSE_MALFORMED },           /* 1 */
		{ "e30." CLAIMS "." EC_SIGNATURE, JOSE_MALFORMED },                    /* {} */
		/* {"alg":"ES256","crit":["b64"]} */
		{ "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il19." CLAIMS "." EC_SIGNATURE,
		  JOSE_MALFORMED },
		/* {"alg":"none","alg":"ES256"} */
		{ "eyJhbGciOiJub25lIiwiYWxnIjoiRVMyNTYifQ." CLAIMS "." EC_SIGNATURE,
		  JOSE_MALFORMED },
		/* {"alg":"ES256","kid":"x"} */
		{ "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ." CLAIMS "." EC_SIGNATURE, JOSE_UNKNOWN_KEY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum jose_verdict verdict =
		    judge("{\"keys\":[" EC_KEY "]}", rows[i].token, &joe, 0);
		if (verdict != rows[i].verdict)
			test_fail(__FILE__, __LINE__, "%s: %s", rows[i].token,
				  jose_verdict_text(verdict));
	}
}

/* Any one letter that is another is no signature, or no token. */
static void changed(void)
{
	char token[] = EC_TOKEN;

	for (size_t i = 0; i < sizeof(token) - 1; i++) {
		char was = token[i];
		if (was == '.')
			continue;
		token[i] = was == 'A' ? 'B' : 'A';
		CHECK(judge("{\"keys\":[" EC_KEY "]}", token, &joe, 0) != JOSE_GOOD);
		token[i] = was;
	}
}

/* Deeper than a parser on a small stack would bear. */
static void deep(void)
{
	char token[JOSE_TOKEN_MAX + 1];

	memset(token, 'W', sizeof(token) - 1); /* "[[[…" in Base64 is near to this */
	for (size_t i = 0; i + 4 < sizeof(token); i += 4)
		memcpy(token + i, "W1tb", 4);
	memcpy(token + 12000, "." CLAIMS ".AAAA", sizeof("." CLAIMS ".AAAA"));
	CHECK_INT(judge("{\"keys\":[" EC_KEY "]}", token, &joe, 0), JOSE_MALFORMED);
}

static void sets(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"keys\":{}}",
		"{\"keys\":[]}",
		"{\"keys\":[1,null,{}]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
	};
	struct jose_keys *keys = NULL;
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(jose_keys_read(slice_of(bad[i]), &keys, &error), -EINVAL);
	CHECK(!keys);
	/* Two of one kind, and the token does not say which. */
	CHECK_INT(judge("{\"keys\":[" EC_KEY "," EC_KEY "]}", EC_TOKEN, &joe, 0), JOSE_UNKNOWN_KEY);
	/* Not to sign with, and for another algorithm alone. */
	CHECK_INT(judge("{\"keys\":[" ED_KEY ",{\"use\":\"enc\"," /* EC_KEY, but for its brace */
			"\"kty\":\"EC\",\"crv\":\"P-256\","
			"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
			EC_TOKEN, &joe, 0),
		  JOSE_UNKNOWN_KEY);
	CHECK_INT(judge("{\"keys\":[" ED_KEY ",{\"alg\":\"ECDH-ES\","
			"\"kty\":\"EC\",\"crv\":\"P-256\","
			"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
			EC_TOKEN, &joe, 0),
		  JOSE_UNKNOWN_KEY);
}

int main(void)
{
	test_run("examples", examples);
	test_run("wrong", wrong);
	test_run("changed", changed);
	test_run("deep", deep);
	test_run("sets", sets);
	return 0;
}
