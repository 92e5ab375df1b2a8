/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of CSV. */
#include "base/csv.h"

#include <string.h>

/* A quoted field, unquoted in the arena; returns how much of the line it is, 0 where its end is
 * missing. */
static size_t take_quoted(struct arena *arena, struct slice line, struct slice *ret)
{
	size_t end = 1, len = 0;
	char *out;

	while (end < line.len &&
	       (line.ptr[end] != '"' || (end + 1 < line.len && line.ptr[end + 1] == '"')))
		end += line.ptr[end] == '"' ? 2 : 1;
	if (end >= line.len)
		return 0;
	out = arena_alloc(arena, end);
	if (!out)
		return 0;
	for (size_t i = 1; i < end; i++) {
		i += line.ptr[i] == '"';
		out[len++] = line.ptr[i];
	}
	*ret = (struct slice){ out, len };
	return end + 1;
}

bool csv_line(struct slice *rest, struct slice *ret)
{
	bool quoted = false;
	size_t len = 0;

	if (rest->len == 0)
		return false;
	while (len < rest->len && (quoted || rest->ptr[len] != '\n'))
		quoted ^= rest->ptr[len++] == '"';
	*ret = (struct slice){ rest->ptr, len };
	*rest = slice_skip(*rest, len < rest->len ? len + 1 : len);
	if (ret->len > 0 && ret->ptr[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

bool csv_next(struct arena *arena, struct slice *line, struct slice *ret, bool *ret_more)
{
	const char *comma = line->len > 0 ? memchr(line->ptr, ',', line->len) : NULL;
	size_t end = comma ? (size_t)(comma - line->ptr) : line->len;

	if (line->len > 0 && line->ptr[0] == '"') {
		end = take_quoted(arena, *line, ret);
		if (end == 0 || (end < line->len && line->ptr[end] != ','))
			return false;
	} else {
		*ret = slice_trim((struct slice){ line->ptr, end });
		if (ret->len > 0 && memchr(ret->ptr, '"', ret->len))
			return false;
	}
	*ret_more = end < line->len;
	*line = slice_skip(*line, end + *ret_more);
	return true;
}
