/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4: AWS's own published vectors (the Signature Version 4 test suite), and
 * what cannot be signed. Whole requests are checked by tests/client, against Python. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "upstream/sigv4.h"

#define NOW_S UINT64_C(1440938160) /* 20150830T123600Z */
#define TOKEN                                                                                 \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMi" \
	"cRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZamp" \
	"KsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD" \
	"0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLx" \
	"BA=="

static struct upstream_sigv4 signer(void)
{
	return (struct upstream_sigv4){
		.region = SLICE("us-east-1"),
		.service = SLICE("service"),
		.access_key = SLICE("AKIDEXAMPLE"),
		.secret_key = SLICE("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
	};
}

static int sign(const char *base_url, struct upstream_request request, struct sigv4 *ret)
{
	struct upstream_origin_options options = { .base_url = base_url };
	struct upstream_origin *origin = NULL;
	int r;

	CHECK_INT(upstream_origin_new(&options, &origin, NULL), 0);
	r = sigv4_sign(origin, &request, NOW_S, ret);
	upstream_origin_unref(origin);
	return r;
}

struct vector {
	const char *method, *path, *type, *body, *token, *fields, *signature;
};

static void vectors(void)
{
	static const struct vector cases[] = {
		{ "GET", "/", NULL, "", NULL, "host;x-amz-date",
		  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
		{ "GET", "", NULL, "", NULL, "host;x-amz-date",
		  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
		{ "GET", "/?Param2=value2&Param1=value1", NULL, "", NULL, "host;x-amz-date",
		  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
		{ "POST", "/", NULL, "", NULL, "host;x-amz-date",
		  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
		{ "POST", "/", "application/x-www-form-urlencoded", "Param1=value1", NULL,
		  "content-type;host;x-amz-date",
		  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
		/* Not of the suite: as botocore signs a model's id in a path. */
		{ "POST",
		  "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Ax%2Fanthropic.claude-v1%3A0/"
		  "converse-stream",
		  "application/json", "{\"messages\":[]}", NULL, "content-type;host;x-amz-date",
		  "a922b0def3a548e2f82c7eeaef6bb76cc45dd63d2c79af36fc30e071f75b6859" },
		{ "POST", "/", NULL, "", TOKEN, "host;x-amz-date;x-amz-security-token",
		  "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct upstream_sigv4 with = signer();
		struct upstream_header type = { SLICE("Content-Type"), slice_of(cases[i].type) };
		struct slice body = slice_of(cases[i].body);
		struct sigv4 signature;
		char wanted[512];

		with.session_token = slice_of(cases[i].token);
		CHECK_INT(sign("https://example.amazonaws.com",
			       (struct upstream_request){ .method = slice_of(cases[i].method),
							  .path = slice_of(cases[i].path),
							  .headers = &type,
							  .header_count = cases[i].type != NULL,
							  .body_parts = &body,
							  .body_part_count = 1,
							  .sigv4 = &with },
			       &signature),
			  0);
		snprintf(wanted, sizeof(wanted),
			 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
			 "aws4_request, SignedHeaders=%s, Signature=%s",
			 cases[i].fields, cases[i].signature);
		CHECK_STR(signature.authorization, wanted);
		CHECK_STR(signature.date, "20150830T123600Z");
		CHECK_INT(signature.count, cases[i].token ? 3 : 2);
		CHECK_SLICE(signature.fields[0].name, "x-amz-date");
		CHECK_SLICE(signature.fields[1].value, wanted);
		if (cases[i].token)
			CHECK_SLICE(signature.fields[2].value, TOKEN);
	}
}

/* Where the base URL ends and the request's path begins makes no difference, nor how the body is
 * cut. */
static void parts(void)
{
	struct upstream_sigv4 with = signer();
	struct slice whole = SLICE("Param1=value1");
	struct slice cut[] = { SLICE("Par"), { NULL, 0 }, SLICE("am1=value1") };
	struct sigv4 one, other;

	CHECK_INT(sign("https://a.example/v1/x",
		       (struct upstream_request){ .method = SLICE("POST"),
						  .path = SLICE("/y%2Fz:0?a=1&b"),
						  .body_parts = &whole,
						  .body_part_count = 1,
						  .sigv4 = &with },
		       &one),
		  0);
	CHECK_INT(sign("https://a.example",
		       (struct upstream_request){ .method = SLICE("POST"),
						  .path = SLICE("/v1/x/y%2Fz:0?b=&a=1"),
						  .body_parts = cut,
						  .body_part_count = 3,
						  .sigv4 = &with },
		       &other),
		  0);
	CHECK_STR(one.authorization, other.authorization);
}

static void check_unsigned(const char *path, struct upstream_sigv4 with)
{
	struct sigv4 signature;

	CHECK_INT(sign("https://a.example",
		       (struct upstream_request){
			   .method = SLICE("POST"), .path = slice_of(path), .sigv4 = &with },
		       &signature),
		  -EINVAL);
}

static void cannot_be_signed(void)
{
	static const char *const paths[] = { "//x", "/x//y", "/./x", "/x/..", "/x/../y" };
	char query[256] = "/?", text[2048];
	struct upstream_sigv4 with;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		check_unsigned(paths[i], signer());
	for (size_t i = 0; i < 33; i++)
		memcpy(query + 2 + 4 * i, "a=b&", 5);
	check_unsigned(query, signer());
	memset(text, 'x', sizeof(text));
	with = signer();
	with.access_key = (struct slice){ text, sizeof(text) };
	check_unsigned("/", with);
	with = signer();
	with.region.len = 0;
	check_unsigned("/", with);
	with = signer();
	with.secret_key.len = 0;
	check_unsigned("/", with);
}

/* A field of the request's own that is signed, and one that is given twice. */
static void own_fields(void)
{
	struct upstream_sigv4 with = signer();
	struct upstream_header headers[] = { { SLICE("X-Amz-Target"), SLICE(" a  b ") },
					     { SLICE("x-other"), SLICE("1") },
					     { SLICE("X-AMZ-DATE"), SLICE("never") },
					     { SLICE("x-amz-target"), SLICE("c") } };
	struct upstream_request request = {
		.method = SLICE("POST"), .headers = headers, .header_count = 3, .sigv4 = &with
	};
	struct sigv4 signature;

	CHECK_INT(sign("https://a.example", request, &signature), 0);
	CHECK(strstr(signature.authorization, "SignedHeaders=host;x-amz-date;x-amz-target, "));
	request.header_count = 4;
	CHECK_INT(sign("https://a.example", request, &signature), -EINVAL);
}

int main(void)
{
	test_run("vectors", vectors);
	test_run("parts", parts);
	test_run("cannot be signed", cannot_be_signed);
	test_run("own fields", own_fields);
	return 0;
}
