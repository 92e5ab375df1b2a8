/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, and the fields that matter here: event and data. */
#include "wire/events.h"

#include <errno.h>

#include "wire/sse.h"

void events_fini(struct events *events)
{
	buffer_fini(&events->line);
	buffer_fini(&events->data);
}

/* What points into the piece must outlive it. */
static int keep_whole(struct events *events)
{
	if (events->whole.ptr) {
		buffer_clear(&events->data);
		buffer_append_slice(&events->data, events->whole);
		events->whole = (struct slice){ 0 };
	}
	return events->data.failed ? -ENOMEM : 0;
}

/* `borrowed`: the value lies in the piece, and not in a buffer that is about to change. */
static int take_data(struct events *events, struct slice value, bool borrowed)
{
	int r;

	if (!events->has_data && borrowed) {
		events->whole = value;
		events->has_data = true;
		return 0;
	}
	r = keep_whole(events);
	if (r < 0)
		return r;
	if (!events->has_data)
		buffer_clear(&events->data);
	else
		buffer_append_char(&events->data, '\n');
	events->has_data = true;
	buffer_append_slice(&events->data, value);
	if (events->data.len > events->most)
		return -E2BIG;
	return events->data.failed ? -ENOMEM : 0;
}

static int dispatch(struct events *events, events_fn on, void *user)
{
	struct slice data = events->whole.ptr ? events->whole : buffer_slice(&events->data);
	struct slice name = { events->name, events->name_len };
	bool had = events->has_data;

	events->has_data = false;
	events->whole = (struct slice){ 0 };
	events->name_len = 0;
	return !had || on(user, name, data) ? 0 : -ECANCELED;
}

static int take_line(struct events *events, struct slice line, bool borrowed, events_fn on,
		     void *user)
{
	struct slice value, field;

	if (line.len == 0)
		return dispatch(events, on, user);
	field = slice_cut(line, ':', &value);
	if (value.len > 0 && *value.ptr == ' ')
		value = slice_skip(value, 1);
	if (slice_eq_str(field, "data"))
		return take_data(events, value, borrowed);
	if (slice_eq_str(field, "event")) {
		events->name_len =
		    value.len < sizeof(events->name) ? value.len : sizeof(events->name);
		slice_put(events->name, (struct slice){ value.ptr, events->name_len });
	}
	return 0;
}

/* A line, whose beginning may have come before. */
static int end_line(struct events *events, struct slice rest, events_fn on, void *user)
{
	int r;

	if (events->line.len == 0)
		return take_line(events, rest, true, on, user);
	buffer_append_slice(&events->line, rest);
	if (events->line.failed)
		return -ENOMEM;
	r = take_line(events, buffer_slice(&events->line), false, on, user);
	buffer_clear(&events->line);
	return r;
}

int events_feed(struct events *events, struct slice piece, events_fn on, void *user)
{
	const char *at = piece.ptr, *end = piece.ptr + piece.len;
	int r;

	while (at < end) {
		const char *stop;

		if (events->after_cr && *at == '\n')
			at++;
		events->after_cr = false;
		stop = at < end ? sse_line_end(at, end) : end;
		if (stop == end)
			break;
		r = end_line(events, slice_span(at, stop), on, user);
		if (r < 0)
			return r;
		events->after_cr = *stop == '\r';
		at = stop + 1;
	}
	if (at < end)
		buffer_append_slice(&events->line, slice_span(at, end));
	if (events->line.len > events->most)
		return -E2BIG;
	return events->line.failed ? -ENOMEM : keep_whole(events);
}

int events_end(struct events *events, events_fn on, void *user)
{
	int r = 0;

	if (events->line.len > 0)
		r = end_line(events, (struct slice){ 0 }, on, user);
	return r < 0 ? r : dispatch(events, on, user);
}
