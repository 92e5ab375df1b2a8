/* SPDX-License-Identifier: Apache-2.0 */
/* The walk. Each step takes bytes while the state lasts, and goes on to the next one's where only
 * one can follow, so that the loop turns once a member and not once a byte. */
#include "wire/walk.h"

#include "base/bytes.h"
#include "wire/watch.h"

enum state {
	BETWEEN, /* before a root object */
	KEY_OR_END,
	KEY,
	VALUE,
	STRING,
	SCALAR,
	SKIP, /* inside a container that means nothing */
	SKIP_STRING,
};

void walk_reset(struct wire_walk *walk)
{
	walk->state = BETWEEN;
	walk->depth = 0;
}

/* From a backslash, or from the end. */
static const char *escaped_string_end(const char *at, const char *end, bool *escaped)
{
	while (at < end && *at != '"') {
		if (at + 1 == end) {
			*escaped = true;
			return end;
		}
		at = bytes_to_quote(at + 2, end);
	}
	return at;
}

/* The quote that ends the string which goes on at `at`, or `end`. */
static inline const char *string_end(const char *at, const char *end, bool *escaped)
{
	if (*escaped && at < end) {
		*escaped = false;
		at++;
	}
	at = bytes_to_quote(at, end);
	if (at < end && *at == '"')
		return at;
	return escaped_string_end(at, end, escaped);
}

/* Collects what may be split: true with the whole of it once it is complete and not too long. Of
 * what is too long the first bytes are in `capture`. */
static bool collect(struct wire_walk *walk, const char *at, const char *stop, bool complete,
		    struct slice *ret)
{
	size_t len = (size_t)(stop - at);

	if (walk->captured == WALK_TOO_LONG)
		return false;
	if (len > sizeof(walk->capture) - walk->captured) {
		memcpy(walk->capture + walk->captured, at, sizeof(walk->capture) - walk->captured);
		walk->captured = WALK_TOO_LONG;
		return false;
	}
	if (complete && walk->captured == 0) {
		*ret = slice_span(at, stop);
		return true;
	}
	memcpy(walk->capture + walk->captured, at, len);
	walk->captured = (uint8_t)(walk->captured + len);
	*ret = (struct slice){ walk->capture, walk->captured };
	return complete;
}

static void tell_piece(struct wire_watch *watch, const char *at, const char *stop)
{
	uint8_t node = watch->walk.node;

	if (at < stop && watch->grammar->nodes[node].flags & WALK_PIECES)
		watch_node(watch, node, WALK_PIECE, slice_span(at, stop));
}

static void value_done(struct wire_watch *watch)
{
	struct wire_walk *walk = &watch->walk;
	uint8_t top = walk->stack[walk->depth - 1];

	if (walk->arrays >> (walk->depth - 1) & 1) {
		walk->node = watch->grammar->nodes[top].element;
		walk->state = VALUE;
		return;
	}
	walk->state = KEY_OR_END;
}

static void open_container(struct wire_watch *watch, const char *bracket)
{
	bool array = *bracket == '[';
	struct wire_walk *walk = &watch->walk;
	const struct walk_node *node = &watch->grammar->nodes[walk->node];
	uint8_t opened = walk->node;

	if (walk->depth == WIRE_WALK_DEPTH || (array ? !node->element : !node->keys)) {
		walk->skip_depth = 1;
		walk->state = SKIP;
		tell_piece(watch, bracket, bracket + 1);
		return;
	}
	walk->stack[walk->depth] = opened;
	walk->arrays =
	    (uint16_t)((walk->arrays & ~(1u << walk->depth)) | (unsigned)array << walk->depth);
	walk->depth++;
	value_done(watch);
	watch_node(watch, opened, WALK_OPEN, (struct slice){ 0 });
}

static void close_container(struct wire_watch *watch)
{
	struct wire_walk *walk = &watch->walk;
	uint8_t closed = walk->stack[--walk->depth];

	if (walk->depth == 0)
		walk->state = BETWEEN;
	else
		value_done(watch);
	watch_node(watch, closed, WALK_CLOSE, (struct slice){ 0 });
}

static const char *step_between(struct wire_watch *watch, const char *at, const char *end)
{
	if (!watch->stream && watch->terminal) /* a document is one object */
		return end;
	at = memchr(at, '{', (size_t)(end - at));
	if (!at)
		return end;
	watch->walk.node = WALK_ROOT;
	open_container(watch, at);
	return at + 1;
}

static void tell_string(struct wire_watch *watch, const char *at, const char *stop, bool complete)
{
	struct wire_walk *walk = &watch->walk;
	struct slice text;

	if (collect(walk, at, stop, complete, &text))
		watch_node(watch, walk->node, WALK_TEXT, text);
	else if (complete && watch->grammar->nodes[walk->node].flags & WALK_CUT)
		watch_node(watch, walk->node, WALK_TEXT,
			   (struct slice){ walk->capture, sizeof(walk->capture) });
}

static const char *step_string(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_walk *walk = &watch->walk;
	uint8_t node = walk->node;
	const char *quote = string_end(at, end, &walk->escaped);

	tell_piece(watch, at, quote);
	if (watch->grammar->nodes[node].flags & WALK_CAPTURE)
		tell_string(watch, at, quote, quote < end);
	if (quote == end)
		return end;
	value_done(watch);
	return quote + 1;
}

static bool ends_scalar(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *scalar_end(const char *at, const char *end)
{
	while (at < end && !ends_scalar(*at))
		at++;
	return at;
}

static const char *step_scalar(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_walk *walk = &watch->walk;
	uint8_t node = walk->node;
	const char *stop = scalar_end(at, end);
	struct slice text;

	if (watch->grammar->nodes[node].flags & WALK_CAPTURE &&
	    collect(walk, at, stop, stop < end, &text))
		watch_node(watch, node, WALK_SCALAR, text);
	if (stop < end)
		value_done(watch);
	return stop;
}

static const char *step_value(struct wire_watch *watch, const char *at, const char *end)
{
	for (; at < end; at++) {
		switch (*at) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
		case ':':
		case ',':
			continue;
		case '"':
			watch->walk.state = STRING;
			watch->walk.captured = 0;
			watch->walk.escaped = false;
			return step_string(watch, at + 1, end);
		case '{':
		case '[':
			open_container(watch, at);
			return at + 1;
		case '}':
		case ']':
			close_container(watch);
			return at + 1;
		default:
			watch->walk.state = SCALAR;
			watch->walk.captured = 0;
			return step_scalar(watch, at, end);
		}
	}
	return end;
}

static uint8_t find_key(const struct walk_node *node, struct slice name)
{
	for (const struct walk_key *key = node->keys; key->len > 0; key++)
		if (key->len == name.len && key->name[0] == name.ptr[0] &&
		    memcmp(key->name, name.ptr, name.len) == 0)
			return key->node;
	return WALK_NONE;
}

static const char *step_key(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_walk *walk = &watch->walk;
	const char *quote = string_end(at, end, &walk->escaped);
	struct slice name;
	bool whole = collect(walk, at, quote, quote < end, &name);

	if (quote == end)
		return end;
	walk->node = WALK_NONE;
	if (whole)
		walk->node = find_key(&watch->grammar->nodes[walk->stack[walk->depth - 1]], name);
	walk->state = VALUE;
	return step_value(watch, quote + 1, end);
}

/* Behind the colon of a key that is whole and without escapes, whose name is told; else NULL. */
static inline const char *plain_key(const char *at, const char *end, struct slice *ret_name)
{
	const char *quote = bytes_to_quote(at, end);

	if (end - quote < 3 || quote[0] != '"' || quote[1] != ':')
		return NULL;
	*ret_name = slice_span(at, quote);
	return quote[2] == ' ' ? quote + 3 : quote + 2;
}

/* Behind a string or a scalar that is whole and without escapes; else NULL. */
static inline const char *plain_value(const char *at, const char *end)
{
	const char *stop = at;

	if (at == end || *at == '{' || *at == '[' || *at == ':') /* a second colon is passed over */
		return NULL;
	if (*at == '"') {
		stop = bytes_to_quote(at + 1, end);
		return stop < end && *stop == '"' ? stop + 1 : NULL;
	}
	stop = scalar_end(at, end);
	return stop > at && stop < end ? stop : NULL;
}

/* A member that means nothing, or says again who answered. */
static inline bool is_passed(const struct wire_watch *watch, uint8_t node)
{
	uint8_t role = watch->grammar->nodes[node].role;

	return node == WALK_NONE || (role == WALK_MODEL && watch->told.model[0]) ||
	       (role == WALK_VERSION && watch->told.version[0]);
}

/* Most members mean nothing and come whole: those are passed over here. */
static const char *step_key_or_end(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_walk *walk = &watch->walk;
	const struct walk_node *object = &watch->grammar->nodes[walk->stack[walk->depth - 1]];

	for (; at < end; at++) {
		const char *value, *stop = NULL;
		struct slice name;

		if (*at == '}' || *at == ']') {
			close_container(watch);
			return at + 1;
		}
		if (*at != '"')
			continue;
		value = plain_key(at + 1, end, &name);
		if (!value) {
			walk->state = KEY;
			walk->captured = 0;
			walk->escaped = false;
			return step_key(watch, at + 1, end);
		}
		walk->node = find_key(object, name);
		if (is_passed(watch, walk->node))
			stop = plain_value(value, end);
		if (!stop) {
			walk->state = VALUE;
			return step_value(watch, value, end);
		}
		at = stop - 1;
	}
	return end;
}

static const char *step_skip(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_walk *walk = &watch->walk;
	const char *start = at;

	while (at < end && walk->state == SKIP && walk->skip_depth > 0) {
		char c = *at++;

		if (c == '"') {
			walk->state = SKIP_STRING;
			walk->escaped = false;
		} else if (c == '{' || c == '[') {
			walk->skip_depth++;
		} else if (c == '}' || c == ']') {
			walk->skip_depth--;
		}
	}
	tell_piece(watch, start, at);
	if (walk->skip_depth == 0)
		value_done(watch);
	return at;
}

static const char *step_skip_string(struct wire_watch *watch, const char *at, const char *end)
{
	const char *quote = string_end(at, end, &watch->walk.escaped);
	const char *stop = quote == end ? end : quote + 1;

	tell_piece(watch, at, stop);
	if (quote < end)
		watch->walk.state = SKIP;
	return stop;
}

void walk_feed(struct wire_watch *watch, const char *at, const char *end)
{
	while (at < end) {
		switch ((enum state)watch->walk.state) {
		case BETWEEN:
			at = step_between(watch, at, end);
			break;
		case KEY_OR_END:
			at = step_key_or_end(watch, at, end);
			break;
		case KEY:
			at = step_key(watch, at, end);
			break;
		case VALUE:
			at = step_value(watch, at, end);
			break;
		case STRING:
			at = step_string(watch, at, end);
			break;
		case SCALAR:
			at = step_scalar(watch, at, end);
			break;
		case SKIP:
			at = step_skip(watch, at, end);
			break;
		case SKIP_STRING:
			at = step_skip_string(watch, at, end);
			break;
		}
	}
}
