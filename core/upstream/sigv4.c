/* SPDX-License-Identifier: Apache-2.0 */
/* The four steps of AWS's algorithm, in its order: canonical request, text to sign, key, signature.
 * Paths and queries come as they go out, so encoded once; AWS signs paths encoded once more. */
#include "upstream/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"

enum {
	SIGNED_MAX = 16, /* header fields */
	PARAMETERS_MAX = 32,
	NAME_BYTES_MAX = 64,
	DATE_BYTES = 8, /* of a time like 20150830T123600Z */
};

struct field {
	char name[NAME_BYTES_MAX]; /* lower case */
	struct slice value;
};

struct fields {
	struct field at[SIGNED_MAX];
	size_t count;
};

bool sigv4_is_ours(struct slice name)
{
	return slice_case_eq(name, SLICE("authorization")) ||
	       slice_case_eq(name, SLICE("x-amz-date")) ||
	       slice_case_eq(name, SLICE("x-amz-security-token"));
}

/* ---- canonical request ---- */

static int add_field(struct fields *fields, struct slice name, struct slice value)
{
	struct field *field = &fields->at[fields->count];

	if (fields->count == SIGNED_MAX || !slice_copy(name, field->name, sizeof(field->name)))
		return -EINVAL;
	for (char *c = field->name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	field->value = slice_trim(value);
	fields->count++;
	return 0;
}

static int compare_fields(const void *a, const void *b)
{
	return strcmp(((const struct field *)a)->name, ((const struct field *)b)->name);
}

static bool is_signed(struct slice name)
{
	if (sigv4_is_ours(name))
		return false;
	return slice_case_eq(name, SLICE("content-type")) ||
	       (name.len > 6 && slice_case_eq((struct slice){ name.ptr, 6 }, SLICE("x-amz-")));
}

static struct slice host_of(const struct upstream_origin *origin)
{
	struct slice rest;

	return slice_trim(slice_cut(slice_of(origin->fields + sizeof("host:") - 1), '\r', &rest));
}

static int collect_fields(const struct upstream_origin *origin,
			  const struct upstream_request *request, const char *date,
			  struct fields *fields)
{
	struct slice token = request->sigv4->session_token;
	int r = add_field(fields, SLICE("host"), host_of(origin));

	if (r >= 0)
		r = add_field(fields, SLICE("x-amz-date"), slice_of(date));
	if (r >= 0 && token.len > 0)
		r = add_field(fields, SLICE("x-amz-security-token"), token);
	for (size_t i = 0; i < request->header_count && r >= 0; i++)
		if (is_signed(request->headers[i].name))
			r = add_field(fields, request->headers[i].name, request->headers[i].value);
	qsort(fields->at, fields->count, sizeof(fields->at[0]), compare_fields);
	for (size_t i = 1; i < fields->count; i++)
		if (strcmp(fields->at[i - 1].name, fields->at[i].name) == 0)
			return -EINVAL;
	return r;
}

static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* Each segment with its slash. */
static int add_segments(struct buffer *out, struct slice path)
{
	while (path.len > 0) {
		const char *end = memchr(path.ptr + 1, '/', path.len - 1);
		struct slice segment = slice_span(path.ptr + 1, end ? end : path.ptr + path.len);

		path = slice_skip(path, segment.len + 1);
		if (slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")) ||
		    (segment.len == 0 && path.len > 0))
			return -EINVAL;
		buffer_append_char(out, '/');
		for (size_t i = 0; i < segment.len; i++)
			if (is_unreserved(segment.ptr[i]))
				buffer_append_char(out, segment.ptr[i]);
			else
				buffer_printf(out, "%%%02X", (unsigned char)segment.ptr[i]);
	}
	return 0;
}

static int compare_slices(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* By name, then by value. */
static int compare_parameters(const void *a, const void *b)
{
	const struct upstream_header *one = a, *other = b;
	int order = compare_slices(one->name, other->name);

	return order != 0 ? order : compare_slices(one->value, other->value);
}

static int add_query(struct buffer *out, struct slice query)
{
	struct upstream_header parameters[PARAMETERS_MAX];
	size_t count = 0;

	while (query.len > 0) {
		struct slice pair = slice_cut(query, '&', &query);

		if (pair.len == 0)
			continue;
		if (count == PARAMETERS_MAX)
			return -EINVAL;
		parameters[count].name = slice_cut(pair, '=', &parameters[count].value);
		count++;
	}
	qsort(parameters, count, sizeof(parameters[0]), compare_parameters);
	for (size_t i = 0; i < count; i++)
		buffer_printf(out, "%s%.*s=%.*s", i > 0 ? "&" : "", SLICE_ARGS(parameters[i].name),
			      SLICE_ARGS(parameters[i].value));
	return 0;
}

static int add_target(struct buffer *out, const struct upstream_origin *origin,
		      const struct upstream_request *request)
{
	struct slice query, path = slice_cut(request->path, '?', &query);
	int r;

	if (origin->path.len + path.len == 0)
		buffer_append_char(out, '/');
	r = add_segments(out, origin->path);
	if (r >= 0)
		r = add_segments(out, path);
	buffer_append_char(out, '\n');
	return r < 0 ? r : add_query(out, query);
}

/* Blanks inside a value count as one. */
static void add_value(struct buffer *out, struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
			buffer_append_char(out, value.ptr[i]);
}

static void add_names(struct buffer *out, const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ";" : "", fields->at[i].name);
}

static int canonical_request(const struct upstream_origin *origin,
			     const struct upstream_request *request, const struct fields *fields,
			     struct buffer *out)
{
	uint8_t sum[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];
	int r;

	buffer_append_slice(out, request->method);
	buffer_append_char(out, '\n');
	r = add_target(out, origin, request);
	if (r < 0)
		return r;
	buffer_append_char(out, '\n');
	for (size_t i = 0; i < fields->count; i++) {
		buffer_printf(out, "%s:", fields->at[i].name);
		add_value(out, fields->at[i].value);
		buffer_append_char(out, '\n');
	}
	buffer_append_char(out, '\n');
	add_names(out, fields);
	hash_sha256_parts(request->body_parts, request->body_part_count, sum);
	hash_hex(sum, sizeof(sum), hex);
	buffer_printf(out, "\n%s", hex);
	return out->failed ? -ENOMEM : 0;
}

/* ---- text to sign, key, signature ---- */

static struct slice bytes_of(const uint8_t sum[static SHA256_BYTES])
{
	return (struct slice){ (const char *)sum, SHA256_BYTES };
}

static int sign_text(const struct upstream_sigv4 *with, const char *date, struct slice text,
		     char hex[static SHA256_HEX_SIZE])
{
	_cleanup_(buffer_fini) struct buffer secret = { 0 };
	uint8_t key[SHA256_BYTES];

	buffer_append_str(&secret, "AWS4");
	buffer_append_slice(&secret, with->secret_key);
	if (secret.failed)
		return -ENOMEM;
	hash_hmac_sha256(buffer_slice(&secret), (struct slice){ date, DATE_BYTES }, key);
	explicit_bzero(secret.data, secret.len);
	hash_hmac_sha256(bytes_of(key), with->region, key);
	hash_hmac_sha256(bytes_of(key), with->service, key);
	hash_hmac_sha256(bytes_of(key), SLICE("aws4_request"), key);
	hash_hmac_sha256(bytes_of(key), text, key);
	hash_hex(key, sizeof(key), hex);
	explicit_bzero(key, sizeof(key));
	return 0;
}

static int write_authorization(const struct upstream_sigv4 *with, const struct fields *fields,
			       struct slice canonical, struct sigv4 *out)
{
	_cleanup_(buffer_fini) struct buffer scope = { 0 }, text = { 0 };
	uint8_t sum[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];
	int r;

	buffer_printf(&scope, "%.*s/%.*s/%.*s/aws4_request", DATE_BYTES, out->date,
		      SLICE_ARGS(with->region), SLICE_ARGS(with->service));
	hash_sha256(canonical, sum);
	hash_hex(sum, sizeof(sum), hex);
	buffer_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.*s\n%s", out->date, (int)scope.len,
		      scope.data, hex);
	if (scope.failed || text.failed)
		return -ENOMEM;
	r = sign_text(with, out->date, buffer_slice(&text), hex);
	if (r < 0)
		return r;
	buffer_clear(&text);
	buffer_printf(&text, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=",
		      SLICE_ARGS(with->access_key), (int)scope.len, scope.data);
	add_names(&text, fields);
	buffer_printf(&text, ", Signature=%s", hex);
	if (text.failed)
		return -ENOMEM;
	return slice_copy(buffer_slice(&text), out->authorization, sizeof(out->authorization))
		   ? 0
		   : -EINVAL;
}

static void list_fields(const struct upstream_sigv4 *with, struct sigv4 *out)
{
	struct upstream_header *field = out->fields;

	*field++ = (struct upstream_header){ SLICE("x-amz-date"), slice_of(out->date) };
	*field++ = (struct upstream_header){ SLICE("authorization"), slice_of(out->authorization) };
	if (with->session_token.len > 0)
		*field++ =
		    (struct upstream_header){ SLICE("x-amz-security-token"), with->session_token };
	out->count = (size_t)(field - out->fields);
}

int sigv4_sign(const struct upstream_origin *origin, const struct upstream_request *request,
	       uint64_t now_s, struct sigv4 *ret)
{
	_cleanup_(buffer_fini) struct buffer canonical = { 0 };
	const struct upstream_sigv4 *with = request->sigv4;
	struct fields fields = { .count = 0 };
	time_t now = (time_t)now_s;
	struct tm utc;
	int r;

	if (with->region.len == 0 || with->service.len == 0 || with->access_key.len == 0 ||
	    with->secret_key.len == 0)
		return -EINVAL;
	if (!gmtime_r(&now, &utc) ||
	    strftime(ret->date, sizeof(ret->date), "%Y%m%dT%H%M%SZ", &utc) == 0)
		return -EINVAL;
	r = collect_fields(origin, request, ret->date, &fields);
	if (r >= 0)
		r = canonical_request(origin, request, &fields, &canonical);
	if (r >= 0)
		r = write_authorization(with, &fields, buffer_slice(&canonical), ret);
	if (r < 0)
		return r;
	list_fields(with, ret);
	return 0;
}
