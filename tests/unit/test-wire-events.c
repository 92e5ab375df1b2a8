/* SPDX-License-Identifier: Apache-2.0 */
/* The same events, whatever way the stream is cut. */
#include "wire/events.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static const struct row {
	const char *name, *stream, *heard; /* NAME|DATA; of each event */
} rows[] = {
	{ "plain", "data: a\n\ndata:b\n\n", "|a;|b;" },
	{ "names", "event: x\ndata: a\n\ndata: b\nevent:y\n\n", "x|a;y|b;" },
	{ "name-alone", "event: x\n\ndata: b\n\n", "|b;" },
	{ "lines", "data: a\ndata: b\ndata:\ndata: c\n\n", "|a\nb\n\nc;" },
	{ "empty-data", "data:\n\ndata\n\n", "|;|;" },
	{ "comments", ": c\ndata: a\n: d\nid: 7\nretry: 1\n\n:\n\n", "|a;" },
	{ "crlf", "data: a\r\n\r\nevent: x\r\ndata: b\r\ndata: c\r\n\r\n", "|a;x|b\nc;" },
	{ "cr", "data: a\r\rdata: b\rdata: c\r\r", "|a;|b\nc;" },
	{ "no-end", "data: a\n\ndata: b", "|a;|b;" },
	{ "no-empty-line", "data: a\n\ndata: b\n", "|a;|b;" },
	{ "one-space-only", "data:  a \n\n", "| a ;" },
};

static bool hear(void *user, struct slice name, struct slice data)
{
	buffer_printf(user, "%.*s|%.*s;", SLICE_ARGS(name), SLICE_ARGS(data));
	return true;
}

static void feed(struct events *events, const char *at, size_t len, struct buffer *heard)
{
	char *copy = malloc(len + 1);

	memcpy(copy, at, len);
	CHECK_INT(events_feed(events, (struct slice){ copy, len }, hear, heard), 0);
	free(copy);
}

static void check(const struct row *row, size_t cut, size_t step)
{
	_cleanup_(buffer_fini) struct buffer heard = { 0 };
	_cleanup_(events_fini) struct events events = { .most = 1000 };
	size_t len = strlen(row->stream);

	feed(&events, row->stream, cut, &heard);
	for (size_t at = cut; at < len; at += step)
		feed(&events, row->stream + at, len - at < step ? len - at : step, &heard);
	CHECK_INT(events_end(&events, hear, &heard), 0);
	CHECK_SLICE(buffer_slice(&heard), row->heard);
}

static void every_cut(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_name = rows[i].name;
		check(&rows[i], 0, 1);
		for (size_t cut = 0; cut <= strlen(rows[i].stream); cut++)
			check(&rows[i], cut, SIZE_MAX / 2);
	}
}

static bool stop(void *user, struct slice name, struct slice data)
{
	return false;
}

static void bounds(void)
{
	_cleanup_(events_fini) struct events line = { .most = 8 }, lines = { .most = 8 },
					     stopped = { .most = 8 };
	_cleanup_(buffer_fini) struct buffer heard = { 0 };

	CHECK_INT(events_feed(&line, slice_of("data: abc"), hear, &heard), -E2BIG);
	CHECK_INT(events_feed(&lines, slice_of("data: abcd\ndata: efgh\n"), hear, &heard), -E2BIG);
	CHECK_INT(events_feed(&stopped, slice_of("data: a\n\ndata: b\n\n"), stop, NULL),
		  -ECANCELED);
}

int main(void)
{
	test_run("every-cut", every_cut);
	test_run("bounds", bounds);
	return 0;
}
