/* SPDX-License-Identifier: Apache-2.0 */
/* Taking the usage-only chunk out: whatever way the stream is cut, the client gets all other bytes
 * and only these. */
#include "base/buffer.h"
#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

#define TEXT                                                                                     \
	"data: "                                                                                 \
	"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"choices\\\":[]\"}}],\"usage\":" \
	"null}"
#define USAGE "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3}}"

static const struct row {
	const char *name, *stream, *kept;
} rows[] = {
	{ "usage-chunk", TEXT "\n\n" USAGE "\n\ndata: [DONE]\n\n", TEXT "\n\ndata: [DONE]\n\n" },
	{ "usage-chunk-alone", USAGE "\n\n", "" },
	{ "spaces", TEXT "\n\ndata:{ \"usage\" : { } , \"choices\" : [ ] }\n\ndata: [DONE]\n\n",
	  TEXT "\n\ndata: [DONE]\n\n" },
	{ "comment-inside", TEXT "\n\n: c\n" USAGE "\n\n: d\n\n", TEXT "\n\n: d\n\n" },
	{ "usage-with-choices",
	  "data: {\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{\"prompt_tokens\":3}}\n\n",
	  "data: {\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{\"prompt_tokens\":3}}\n\n" },
	{ "filters-without-usage",
	  "data: {\"choices\":[],\"prompt_filter_results\":[{}],\"usage\":null}\n\n",
	  "data: {\"choices\":[],\"prompt_filter_results\":[{}],\"usage\":null}\n\n" },
	{ "broken-json", "data: {\"choices\":[],\"usage\":{}\n\n",
	  "data: {\"choices\":[],\"usage\":{}\n\n" },
	{ "no-blank-line-at-the-end", USAGE "\n\ndata: [DONE]", "data: [DONE]" },
	{ "empty-lines", "\n\n\n" TEXT "\n\n\n" USAGE "\n\n\n", "\n\n\n" TEXT "\n\n\n\n" },
};

static void collect(void *user, struct slice data)
{
	CHECK(data.len > 0);
	buffer_append_slice(user, data);
}

static void feed(struct wire_strip *strip, const char *bytes, size_t len, struct buffer *out)
{
	char *copy = malloc(len ? len : 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	CHECK_INT(wire_strip_feed(strip, (struct slice){ copy, len }, collect, out), 0);
	free(copy);
}

static void check(const struct row *row, struct slice stream, size_t cut, size_t step,
		  struct slice kept)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_strip strip;

	wire_strip_init(&strip);
	feed(&strip, stream.ptr, cut, &out);
	for (size_t at = cut; at < stream.len; at += step)
		feed(&strip, stream.ptr + at, stream.len - at < step ? stream.len - at : step,
		     &out);
	buffer_append_slice(&out, wire_strip_rest(&strip));
	wire_strip_fini(&strip);
	if (!slice_eq(buffer_slice(&out), kept))
		test_fail(__FILE__, __LINE__, "%s cut at %zu, then each %zu: \"%.*s\"", row->name,
			  cut, step, (int)out.len, out.data);
}

static void with_line_ends(const char *text, const char *line_end, struct buffer *out)
{
	buffer_clear(out);
	for (; *text; text++) {
		if (*text == '\n')
			buffer_append_str(out, line_end);
		else
			buffer_append_char(out, *text);
	}
}

static void every_cut(void)
{
	static const char *const ends[] = { "\n", "\r\n", "\r" };
	_cleanup_(buffer_fini) struct buffer stream = { 0 }, kept = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(ends); i++) {
		const struct row *row = &rows[i / ARRAY_SIZE(ends)];

		with_line_ends(row->stream, ends[i % ARRAY_SIZE(ends)], &stream);
		with_line_ends(row->kept, ends[i % ARRAY_SIZE(ends)], &kept);
		for (size_t cut = 0; cut <= stream.len; cut++)
			check(row, buffer_slice(&stream), cut, stream.len, buffer_slice(&kept));
		for (size_t step = 1; step < 9; step++)
			check(row, buffer_slice(&stream), 0, step, buffer_slice(&kept));
	}
}

/* Only what is not a whole event yet is held back. */
static void holds_one_event(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_strip strip;

	wire_strip_init(&strip);
	feed(&strip, TEXT "\n\nda", strlen(TEXT) + 4, &out);
	CHECK_SLICE(buffer_slice(&out), TEXT "\n\n");
	CHECK_SLICE(wire_strip_rest(&strip), "da");
	wire_strip_fini(&strip);
	CHECK_INT(wire_strip_rest(&strip).len, 0);
}

/* Too long an event is not held, and comes through whole; what follows is stripped as ever. */
static void event_over_the_bound(void)
{
	static const char after[] = "\n\n" USAGE "\n\n" TEXT "\n\n";
	_cleanup_(buffer_fini) struct buffer stream = { 0 }, out = { 0 };
	struct wire_strip strip;

	buffer_append_str(&stream, "data: {\"choices\":[],\"usage\":{},\"x\":\"");
	for (int i = 0; i < 100000; i++)
		buffer_append_char(&stream, 'x');
	buffer_append_str(&stream, "\"}");
	buffer_append_str(&stream, after);
	for (size_t step = 1; step < 2 * stream.len; step = step * 3 + 1) {
		wire_strip_init(&strip);
		buffer_clear(&out);
		for (size_t at = 0; at < stream.len; at += step) {
			size_t left = stream.len - at;

			feed(&strip, stream.data + at, left < step ? left : step, &out);
			CHECK(wire_strip_rest(&strip).len <= 65536);
			if (at + step > 65536 && at + step < 100000)
				CHECK_INT(wire_strip_rest(&strip).len, 0);
		}
		CHECK_INT(wire_strip_rest(&strip).len, 0);
		CHECK_INT(out.len, stream.len - strlen(USAGE) - 2);
		CHECK(memcmp(out.data, stream.data, stream.len - strlen(after) + 2) == 0);
		wire_strip_fini(&strip);
	}
}

int main(void)
{
	test_run("every-cut", every_cut);
	test_run("holds-one-event", holds_one_event);
	test_run("event-over-the-bound", event_over_the_bound);
	return 0;
}
