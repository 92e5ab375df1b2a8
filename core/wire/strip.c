/* SPDX-License-Identifier: Apache-2.0 */
/* Taking the one usage-only chunk out of a chat stream. Whole events that came at once go on
 * uncopied; only the beginning of an event is held, up to a bound that no usage-only chunk meets.
 */
#include "wire/wire.h"

#include <errno.h>

#include "base/cleanup.h"
#include "wire/sse.h"

enum {
	USAGE_CHUNK_BYTES = 64 << 10,
};

typedef void (*emit_fn)(void *user, struct slice data);

void wire_strip_init(struct wire_strip *strip)
{
	*strip = (struct wire_strip){ 0 };
}

void wire_strip_fini(struct wire_strip *strip)
{
	buffer_fini(&strip->held);
	*strip = (struct wire_strip){ 0 };
}

struct slice wire_strip_rest(const struct wire_strip *strip)
{
	return buffer_slice(&strip->held);
}

bool wire_strip_is_passing(const struct wire_strip *strip)
{
	return strip->passing;
}

/* Data of an event's first data line. */
static struct slice first_data(struct slice event)
{
	const char *at = event.ptr, *end = event.ptr + event.len;

	while (at < end) {
		const char *stop = sse_line_end(at, end);
		struct slice line = slice_span(at, stop);

		if (slice_starts(line, SLICE("data:")))
			return slice_skip(line, strlen("data:"));
		at = stop < end ? stop + 1 : end;
	}
	return (struct slice){ 0 };
}

static bool empty_array(struct slice value)
{
	for (size_t i = 1; i + 1 < value.len; i++) {
		if (!memchr(" \t", value.ptr[i], 2))
			return false;
	}
	return value.len >= 2 && value.ptr[0] == '[';
}

/* Cheap to say no: other chunks have choices. */
static bool maybe_usage_only(struct slice data)
{
	static const struct slice key = { "\"choices\"", 9 };
	const char *end, *at;

	if (data.len == 0)
		return false;
	end = data.ptr + data.len;
	at = memmem(data.ptr, data.len, key.ptr, key.len);
	if (!at)
		return false;
	at += key.len;
	while (at < end && memchr(": \t[", *at, 4))
		at++;
	return at < end && *at == ']';
}

static bool usage_only(struct slice event)
{
	struct slice data = first_data(event);
	struct json_member members[32];
	bool no_choices = false, usage = false;
	int count;

	if (event.len > USAGE_CHUNK_BYTES || !maybe_usage_only(data))
		return false;
	count = json_scan_object(data, members, ARRAY_SIZE(members), NULL);
	for (int i = 0; i < count; i++) {
		if (slice_eq_str(members[i].key, "choices"))
			no_choices = empty_array(members[i].value);
		else if (slice_eq_str(members[i].key, "usage"))
			usage = members[i].type == JSON_SCAN_OBJECT;
	}
	return no_choices && usage;
}

/* The end of the event that goes on at `at`, behind its empty line; NULL when it does not end here.
 */
static const char *event_end(struct wire_strip *strip, const char *at, const char *end)
{
	while (at < end) {
		const char *stop;
		bool empty;

		if (strip->after_cr && *at == '\n') {
			strip->after_cr = false;
			at++;
			continue;
		}
		strip->after_cr = false;
		stop = sse_line_end(at, end);
		empty = stop == at && !strip->line_begun;
		strip->line_begun = stop == end;
		if (stop == end)
			return NULL;
		at = stop + 1;
		if (*stop == '\r' && at < end && *at == '\n')
			at++;
		else
			strip->after_cr = *stop == '\r';
		if (empty)
			return at;
	}
	return NULL;
}

static void emit_some(const char *at, const char *stop, emit_fn emit, void *user)
{
	if (at < stop)
		emit(user, slice_span(at, stop));
}

static void release_held(struct wire_strip *strip, emit_fn emit, void *user)
{
	if (strip->held.len > 0)
		emit(user, buffer_slice(&strip->held));
	buffer_clear(&strip->held);
}

/* The held event is whole. */
static void judge_held(struct wire_strip *strip, emit_fn emit, void *user)
{
	strip->dropped = usage_only(buffer_slice(&strip->held));
	if (strip->dropped)
		buffer_clear(&strip->held);
	else
		release_held(strip, emit, user);
}

/* Where the next event begins: behind a line feed that belongs to the last event, which ended with
 * a carriage return. */
static const char *skip_line_feed(struct wire_strip *strip, const char *at, const char *end)
{
	if (strip->held.len > 0 || strip->passing || !strip->after_cr || at == end || *at != '\n')
		return at;
	strip->after_cr = false;
	return at + 1;
}

/* The event that goes on at `at` begins in what is held, or does not end at `stop`. Returns where
 * bytes that go on as they are begin; NULL when out of memory. */
static const char *hold(struct wire_strip *strip, const char *at, const char *stop, bool whole,
			emit_fn emit, void *user)
{
	size_t len = (size_t)(stop - at);

	if (strip->held.len + len > USAGE_CHUNK_BYTES) {
		release_held(strip, emit, user);
		strip->passing = !whole;
		strip->dropped = false;
		return at;
	}
	buffer_append(&strip->held, at, len);
	if (strip->held.failed)
		return NULL;
	if (whole)
		judge_held(strip, emit, user);
	return stop;
}

int wire_strip_feed(struct wire_strip *strip, struct slice data, emit_fn emit, void *user)
{
	const char *end = data.ptr + data.len;
	const char *at = skip_line_feed(strip, data.ptr, end);
	const char *kept = strip->dropped ? at : data.ptr; /* from here to `at` goes on as it is */

	while (at < end) {
		const char *stop = event_end(strip, at, end);
		bool whole = stop != NULL;

		stop = whole ? stop : end;
		if (strip->passing) {
			strip->passing = !whole;
		} else if (!whole || strip->held.len > 0) {
			emit_some(kept, at, emit, user);
			kept = hold(strip, at, stop, whole, emit, user);
			if (!kept) {
				release_held(strip, emit, user);
				emit_some(at, end, emit, user);
				return -ENOMEM;
			}
		} else {
			strip->dropped = usage_only(slice_span(at, stop));
			if (strip->dropped) {
				emit_some(kept, at, emit, user);
				kept = stop;
			}
		}
		at = stop;
	}
	emit_some(kept, at, emit, user);
	return 0;
}
