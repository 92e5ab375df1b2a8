/* SPDX-License-Identifier: Apache-2.0 */
/* The line that Claude Code puts before its system prompt, for Anthropic's accounts. It differs
 * with each request, so that to others it is noise, and to a cache another prompt. */
#include "wire/wire.h"

#include <string.h>

bool wire_is_billing_line(struct slice text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
		text.len--;
	return slice_starts(text, SLICE("x-anthropic-billing-header:")) &&
	       !memchr(text.ptr, '\n', text.len) && !memchr(text.ptr, '\r', text.len);
}
