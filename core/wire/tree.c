/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the text, the same steps as the scan's. It does not recurse: the open containers
 * are a stack of at most JSON_DEPTH_MAX. */
#include "wire/tree.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/json-scan.h"
#include "base/utf8.h"

struct building {
	struct json_scan scan;
	struct arena *arena;
	size_t depth, values;
	struct tree *open[JSON_DEPTH_MAX];
	struct tree **next[JSON_DEPTH_MAX]; /* where the next child of open[n] is hung */
};

static int out_of_memory(const struct building *building)
{
	return error_set(building->scan.error, -ENOMEM, "out of memory");
}

/* A node for the value at hand, hung where it belongs; its key first, in an object. */
static int begin_node(struct building *building, struct tree **at, bool member, struct tree **ret)
{
	struct tree *node;
	int r;

	if (building->values++ == TREE_VALUES_MAX)
		return json_scan_fail_at(&building->scan, building->scan.at, -E2BIG,
					 "too many values");
	node = arena_alloc(building->arena, sizeof(*node));
	if (!node)
		return out_of_memory(building);
	*node = (struct tree){ 0 };
	if (member) {
		r = json_scan_key(&building->scan, &node->key);
		if (r < 0)
			return r;
	}
	*at = node;
	*ret = node;
	return 0;
}

static int take_scalar(struct building *building, struct tree *node)
{
	const char *start = building->scan.at;
	int r = json_scan_scalar(&building->scan);

	if (r < 0)
		return r;
	node->type = json_scan_type(*start);
	node->text = slice_span(start, building->scan.at);
	if (node->type == JSON_SCAN_STRING)
		node->text = slice_span(start + 1, building->scan.at - 1);
	return 0;
}

static int open_container(struct building *building, struct tree *node)
{
	struct json_scan *scan = &building->scan;

	if (building->depth == JSON_DEPTH_MAX)
		return json_scan_fail_at(scan, scan->at, -E2BIG, "nested too deeply");
	node->type = *scan->at == '{' ? JSON_SCAN_OBJECT : JSON_SCAN_ARRAY;
	node->text.ptr = scan->at++;
	building->open[building->depth] = node;
	building->next[building->depth] = &node->child;
	building->depth++;
	return 0;
}

/* Behind a value, or a container's opening bracket: 1 when all is closed, 0 at the next value. */
static int close_or_go_on(struct building *building)
{
	struct json_scan *scan = &building->scan;

	while (building->depth > 0) {
		struct tree *node = building->open[building->depth - 1];
		bool object = node->type == JSON_SCAN_OBJECT;

		json_scan_space(scan);
		if (json_scan_at(scan, object ? '}' : ']')) {
			scan->at++;
			node->text = slice_span(node->text.ptr, scan->at);
			building->depth--;
			continue;
		}
		if (node->count == 0)
			return 0;
		if (!json_scan_at(scan, ','))
			return json_scan_expected(scan, object ? "a comma or a closing brace"
							       : "a comma or a closing bracket");
		scan->at++;
		json_scan_space(scan);
		return 0;
	}
	return 1;
}

static int build(struct building *building, struct tree **root)
{
	int r = 0;

	for (;;) {
		size_t top = building->depth - 1;
		struct tree *parent = building->depth > 0 ? building->open[top] : NULL;
		struct tree *node = NULL;

		r = begin_node(building, parent ? building->next[top] : root,
			       parent && parent->type == JSON_SCAN_OBJECT, &node);
		if (r < 0)
			return r;
		if (parent) {
			building->next[top] = &node->next;
			parent->count++;
		}
		r = json_scan_at(&building->scan, '{') || json_scan_at(&building->scan, '[')
			? open_container(building, node)
			: take_scalar(building, node);
		if (r == 0)
			r = close_or_go_on(building);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

int tree_parse(struct slice text, struct arena *arena, const struct tree **ret, struct error *error)
{
	struct building building;
	struct tree *root = NULL;
	int r;

	if (!text.ptr) /* an empty buffer's */
		text = SLICE("");
	building.scan = (struct json_scan){ text.ptr, text.ptr, text.ptr + text.len, error };
	building.arena = arena;
	building.depth = building.values = 0;
	json_scan_space(&building.scan);
	r = build(&building, &root);
	if (r < 0)
		return r;
	json_scan_space(&building.scan);
	if (building.scan.at < building.scan.end)
		return json_scan_fail_at(&building.scan, building.scan.at, -EINVAL,
					 "text behind the value");
	*ret = root;
	return 0;
}

/* A key is most often written without escapes; with some it is longer. */
static bool key_is(struct slice key, struct slice sought)
{
	const char *at = sought.ptr;

	if (key.len <= sought.len)
		return key.len == sought.len && (key.len == 0 || *key.ptr == *at) &&
		       slice_eq(key, sought);
	if ((*key.ptr != *at && *key.ptr != '\\') || !memchr(key.ptr, '\\', key.len))
		return false;
	for (;;) {
		int32_t point = json_next_point(&key);

		if (point < 0)
			return at == sought.ptr + sought.len;
		if (at == sought.ptr + sought.len || point != (unsigned char)*at)
			return false;
		at++;
	}
}

const struct tree *tree_find(const struct tree *object, struct slice key)
{
	const struct tree *found = NULL;

	if (!tree_is(object, JSON_SCAN_OBJECT))
		return NULL;
	for (const struct tree *node = object->child; node; node = node->next) {
		if (key_is(node->key, key))
			found = node;
	}
	return found;
}

struct slice tree_span(const struct tree *node)
{
	if (node->type != JSON_SCAN_STRING)
		return node->text;
	return (struct slice){ node->text.ptr - 1, node->text.len + 2 };
}

struct slice tree_unescape(struct slice text, struct arena *arena)
{
	const char *stop = text.len ? memchr(text.ptr, '\\', text.len) : NULL;
	char *out, *at;

	if (!stop)
		return text;
	out = arena_alloc(arena, text.len); /* no escape is shorter than what it stands for */
	if (!out)
		return (struct slice){ 0 };
	at = out;
	while (text.len > 0) {
		size_t plain = stop ? (size_t)(stop - text.ptr) : text.len;
		int32_t point;

		at = slice_put(at, (struct slice){ text.ptr, plain });
		text = slice_skip(text, plain);
		point = json_next_point(&text);
		if (point >= 0)
			at += utf8_encode((uint32_t)point, at);
		stop = text.len ? memchr(text.ptr, '\\', text.len) : NULL;
	}
	return slice_span(out, at);
}

struct slice tree_escape(struct slice text, struct arena *arena)
{
	_cleanup_(buffer_fini) struct buffer quoted = { 0 };

	buffer_append_json(&quoted, text);
	if (quoted.failed)
		return (struct slice){ 0 };
	return arena_dup(arena, (struct slice){ quoted.data + 1, quoted.len - 2 });
}

/* The steps from `root` down to `node` in `steps`; their count, or 0. */
static size_t find_steps(const struct tree *root, const struct tree *node,
			 const struct tree *steps[static JSON_DEPTH_MAX])
{
	size_t depth = 0;
	const struct tree *at = root->child;

	while (at) {
		steps[depth] = at;
		if (at == node)
			return depth + 1;
		if (at->child) {
			depth++;
			at = at->child;
			continue;
		}
		while (!steps[depth]->next && depth > 0)
			depth--;
		at = steps[depth]->next;
	}
	return 0;
}

static size_t index_in(const struct tree *container, const struct tree *node)
{
	size_t index = 0;

	for (const struct tree *at = container->child; at != node; at = at->next)
		index++;
	return index;
}

struct slice tree_path(const struct tree *root, const struct tree *node, struct arena *arena)
{
	_cleanup_(buffer_fini) struct buffer path = { 0 };
	const struct tree *steps[JSON_DEPTH_MAX];
	size_t count = root && node ? find_steps(root, node, steps) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct tree *parent = i > 0 ? steps[i - 1] : root;

		if (parent->type == JSON_SCAN_ARRAY) {
			buffer_printf(&path, "[%zu]", index_in(parent, steps[i]));
			continue;
		}
		if (i > 0)
			buffer_append_char(&path, '.');
		buffer_append_slice(&path, steps[i]->key);
	}
	return path.failed || count == 0 ? (struct slice){ 0 }
					 : arena_dup(arena, buffer_slice(&path));
}
