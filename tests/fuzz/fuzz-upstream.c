/* SPDX-License-Identifier: Apache-2.0 */
/* The upstream response parser over any bytes: heads up to the final one, then its body. Beyond not
 * crashing: how the bytes are cut must not change what is read, and what is read must lie within
 * them. The first byte chooses the cuts, the second the request's method. */
#include <string.h>

#include "fuzz.h"
#include "upstream/response.h"

enum {
	BYTES_MAX = 1 << 17,
};

struct outcome {
	bool broken, head_done, done;
	int status;
	size_t count;
	enum response_framing framing;
	size_t head_bytes, body_len;
	char text[BYTES_MAX];
};

static struct response_head head;

static void check_within(struct slice part, struct slice whole)
{
	FUZZ_CHECK(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_head(struct slice bytes)
{
	FUZZ_CHECK(bytes.len <= RESPONSE_HEAD_BYTES_MAX && head.count <= RESPONSE_HEADERS_MAX);
	FUZZ_CHECK(head.status >= 100 && head.status <= 599);
	FUZZ_CHECK((head.framing == RESPONSE_LENGTH || head.framing == RESPONSE_NO_BODY) ==
		   (head.content_length >= 0));
	for (size_t i = 0; i < head.count; i++) {
		check_within(head.headers[i].name, bytes);
		check_within(head.headers[i].value, bytes);
		FUZZ_CHECK(head.headers[i].name.len > 0);
		FUZZ_CHECK(!memchr(head.headers[i].value.ptr, '\n', head.headers[i].value.len));
		FUZZ_CHECK(!memchr(head.headers[i].value.ptr, '\r', head.headers[i].value.len));
	}
}

/* Heads from `bytes`, of which `*seen` more are known each time. */
static void read_head(struct slice bytes, size_t step, unsigned flags, struct outcome *out)
{
	struct response_scan scan = { 0 };
	size_t begin = 0, seen = 0;
	const char *reason = NULL;

	while (seen < bytes.len) {
		ssize_t used;

		seen = step < bytes.len - seen ? seen + step : bytes.len;
		while ((used = response_head_scan(&scan,
						  (struct slice){ bytes.ptr + begin, seen - begin },
						  &reason)) > 0) {
			struct slice whole = { bytes.ptr + begin, (size_t)used };

			if (response_head_parse(whole, flags, &head, &reason) < 0)
				used = -1;
			else
				check_head(whole);
			if (used < 0)
				break;
			begin += whole.len;
			scan = (struct response_scan){ 0 };
			if (head.status >= 200) {
				out->head_done = true;
				out->head_bytes = begin;
				out->status = head.status;
				out->count = head.count;
				out->framing = head.framing;
				return;
			}
		}
		if (used < 0) {
			FUZZ_CHECK(reason && reason[0]);
			out->broken = true;
			return;
		}
	}
}

static void read_body(struct slice bytes, size_t step, struct outcome *out)
{
	struct response_body body;
	const char *reason = NULL;
	size_t at = 0;

	response_body_init(&body, &head);
	while (!out->done && !out->broken && at < bytes.len) {
		size_t take = step < bytes.len - at ? step : bytes.len - at, used = 0;
		char *copy = malloc(take);
		struct slice data;
		int r;

		FUZZ_CHECK(copy);
		memcpy(copy, bytes.ptr + at, take);
		r = response_body_decode(&body, copy, take, &data, &used, &reason);
		check_within(data, (struct slice){ copy, take });
		FUZZ_CHECK(r < 0 || (r == 0 ? used == take : used <= take));
		memcpy(out->text + out->body_len, data.ptr, data.len);
		out->body_len += data.len;
		out->done = r > 0;
		out->broken = r < 0;
		at += take;
		free(copy);
	}
}

static void read_all(struct slice bytes, size_t step, unsigned flags, struct outcome *out)
{
	memset(out, 0, offsetof(struct outcome, text));
	read_head(bytes, step, flags, out);
	if (out->head_done)
		read_body(slice_skip(bytes, out->head_bytes), step, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct outcome whole, cut;
	struct slice text;
	unsigned flags;

	if (size < 2 || size > BYTES_MAX)
		return 0;
	text = (struct slice){ (const char *)bytes + 2, size - 2 };
	flags = bytes[1] & (RESPONSE_TO_HEAD | RESPONSE_HTTP2);
	read_all(text, text.len ? text.len : 1, flags, &whole);
	read_all(text, (bytes[0] & 31) + 1, flags, &cut);
	FUZZ_CHECK(whole.broken == cut.broken && whole.done == cut.done);
	FUZZ_CHECK(whole.head_done == cut.head_done && whole.head_bytes == cut.head_bytes);
	FUZZ_CHECK(whole.status == cut.status && whole.count == cut.count &&
		   whole.framing == cut.framing);
	FUZZ_CHECK(whole.body_len == cut.body_len &&
		   memcmp(whole.text, cut.text, whole.body_len) == 0);
	return 0;
}
