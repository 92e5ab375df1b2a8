/* SPDX-License-Identifier: Apache-2.0 */
/* What the nodes of the dialects' grammars have in common: by its role, what is told of a node is
 * dealt with here, or goes on to the dialect. */
#include "wire/watch.h"

enum {
	COUNT_DIGITS = 12, /* a million million tokens */
};

/* ---- counts ---- */

static bool all_digits(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	}
	return text.len > 0;
}

static bool number_like(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr("0123456789+-.eE", text.ptr[i], 15))
			return false;
	}
	return text.len > 0;
}

void watch_count(struct slice number, int64_t *ret)
{
	int64_t value = 0;

	if (number.len <= COUNT_DIGITS && all_digits(number)) {
		for (size_t i = 0; i < number.len; i++)
			value = value * 10 + (number.ptr[i] - '0');
		*ret = value;
		return;
	}
	if (number_like(number) && json_to_i64(number, &value) == 0 && value >= 0 &&
	    value < 1000000000000)
		*ret = value;
}

void watch_cut(struct wire_usage *usage, int64_t *count, int64_t most)
{
	if (*count <= most)
		return;
	*count = most;
	usage->odd = true;
}

int64_t watch_known(int64_t count)
{
	return count > 0 ? count : 0;
}

/* Some providers count reasoning beside the output and not inside it: then the total says so. */
static bool reasoning_beside(const int64_t *counts)
{
	return counts[WATCH_REASONING] > 0 && counts[WATCH_OUTPUT] >= 0 &&
	       counts[WATCH_TOTAL] - watch_known(counts[WATCH_INPUT]) - counts[WATCH_OUTPUT] >=
		   counts[WATCH_REASONING];
}

void watch_read_inclusive(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	struct wire_usage *usage = &watch->usage;

	usage->cache_read = counts[WATCH_CACHED];
	usage->cache_write = counts[WATCH_CACHE_WRITE];
	if (counts[WATCH_INPUT] >= 0) {
		watch_cut(usage, &usage->cache_read, counts[WATCH_INPUT]);
		usage->input = counts[WATCH_INPUT] - watch_known(usage->cache_read);
		watch_cut(usage, &usage->cache_write, usage->input);
		usage->input -= watch_known(usage->cache_write);
	}
	usage->reasoning = counts[WATCH_REASONING];
	usage->output = counts[WATCH_OUTPUT];
	if (reasoning_beside(counts))
		usage->output += usage->reasoning;
}

static void read_usage(struct wire_watch *watch)
{
	struct wire_usage *usage = &watch->usage;

	usage->odd = false;
	watch->grammar->read_usage(watch);
	usage->seen = usage->seen || usage->input >= 0 || usage->output >= 0;
}

/* ---- kinds of events ---- */

bool watch_event_named(const struct wire_watch *watch, const char *name)
{
	return slice_eq_str((struct slice){ watch->lines.name, watch->lines.name_len }, name);
}

void watch_take_kind(struct wire_watch *watch, const struct watch_kind *kinds, struct slice name)
{
	for (; kinds->name; kinds++) {
		if (slice_eq_str(name, kinds->name))
			watch->event.kind = kinds->kind;
	}
}

uint8_t watch_kind(const struct wire_watch *watch, const struct watch_kind *kinds)
{
	if (watch->event.kind != 0)
		return watch->event.kind;
	for (; kinds->name; kinds++) {
		if (watch_event_named(watch, kinds->name))
			return kinds->kind;
	}
	return 0;
}

/* ---- nodes ---- */

static void on_event(struct wire_watch *watch, enum walk_what what)
{
	if (what == WALK_OPEN)
		memset(&watch->event, 0, sizeof(watch->event));
	else
		watch->grammar->conclude(watch);
}

static void on_usage(struct wire_watch *watch, enum walk_what what)
{
	if (what == WALK_OPEN)
		watch->event.usage = true;
	else
		read_usage(watch);
}

static void take_class(struct slice text, uint8_t *ret)
{
	enum wire_error_class class = watch_error_class(text);

	if (class != WIRE_ERROR_NONE)
		*ret = (uint8_t) class;
}

/* A text that is too long is none that is known. */
static void take_told(struct slice text, char *ret)
{
	if (text.len < WIRE_TOLD_BYTES)
		slice_copy(text, ret, WIRE_TOLD_BYTES);
}

static void take_cost(struct wire_watch *watch, struct slice number, bool in_ticks)
{
	if (!number_like(number))
		return;
	take_told(number, watch->told.cost);
	watch->told.in_ticks = in_ticks;
}

/* What an answer says of its own price. Apart, so that what each chunk has costs no more for it. */
__attribute__((noinline)) static void on_told(struct wire_watch *watch,
					      const struct walk_node *node, enum walk_what what,
					      struct slice text)
{
	if (node->role == WALK_TIER && what == WALK_TEXT)
		take_told(text, watch->told.service_tier);
	if (what != WALK_SCALAR)
		return;
	if (node->role == WALK_KIND)
		watch_count(text, &watch->told.count[node->count]);
	else if (node->role == WALK_COST || node->role == WALK_COST_TICKS)
		take_cost(watch, text, node->role == WALK_COST_TICKS);
	else if (node->role == WALK_COST_UPSTREAM && number_like(text))
		take_told(text, watch->told.upstream_cost);
	else if (node->role == WALK_OWN_KEY)
		watch->told.own_key = slice_eq_str(text, "true");
}

static struct slice version_of(struct slice text)
{
	return (struct slice){ text.ptr,
			       text.len < WIRE_VERSION_BYTES ? text.len : WIRE_VERSION_BYTES };
}

void watch_node(struct wire_watch *watch, uint8_t number, enum walk_what what, struct slice text)
{
	const struct walk_node *node = &watch->grammar->nodes[number];

	switch ((enum walk_role)node->role) {
	case WALK_PLAIN:
		break;
	case WALK_EVENT:
		on_event(watch, what);
		break;
	case WALK_USAGE:
		on_usage(watch, what);
		break;
	case WALK_COUNT:
		if (what == WALK_SCALAR)
			watch_count(text, &watch->counts[node->count]);
		break;
	case WALK_ANSWER:
		watch->content = watch->content || !watch->stream;
		break;
	case WALK_BEGUN:
		watch->content = true;
		break;
	case WALK_CONTENT:
		watch->content = true;
		watch->content_bytes += text.len;
		break;
	case WALK_ERROR:
		watch->event.error = true;
		break;
	case WALK_ERROR_TYPE:
		take_class(text, &watch->event.error_type);
		break;
	case WALK_ERROR_CODE:
		take_class(text, &watch->event.error_code);
		break;
	case WALK_KIND:
	case WALK_TIER:
	case WALK_COST:
	case WALK_COST_TICKS:
	case WALK_COST_UPSTREAM:
	case WALK_OWN_KEY:
		on_told(watch, node, what, text);
		break;
	case WALK_MODEL:
		if (what == WALK_TEXT)
			watch_served(text, watch->told.model);
		break;
	case WALK_VERSION:
		if (what == WALK_TEXT)
			watch_served(version_of(text), watch->told.version);
		break;
	case WALK_OWN:
		watch->grammar->on(watch, number, what, text);
		break;
	}
}
