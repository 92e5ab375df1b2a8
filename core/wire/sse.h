/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of server-sent events (WHATWG HTML, 9.2): CR, LF or CRLF ends one. */
#pragma once

#include "base/slice.h"

/* The first CR or LF, or `end`. */
static inline const char *sse_line_end(const char *at, const char *end)
{
	const char *feed = memchr(at, '\n', (size_t)(end - at));
	const char *stop = feed ? feed : end, *back;

	back = memchr(at, '\r', (size_t)(stop - at));
	return back ? back : stop;
}
