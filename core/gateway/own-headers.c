/* SPDX-License-Identifier: Apache-2.0 */
/* They are the operator's word, and come before what a client or a plugin says. */
#include "gateway/own-headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One block: the headers, and behind them what they point at. */
int own_headers_init(struct own_headers *own, const char *const *texts)
{
	size_t bytes = 0, count = 0;
	char *at;

	for (; texts && texts[count]; count++)
		bytes += strlen(texts[count]);
	if (count == 0)
		return 0;
	own->items = malloc(count * sizeof(*own->items) + bytes);
	if (!own->items)
		return -ENOMEM;
	at = (char *)(own->items + count);
	for (size_t i = 0; i < count; i++) {
		struct slice value, text = { at, strlen(texts[i]) };
		memcpy(at, texts[i], text.len);
		at += text.len;
		own->items[i].name = slice_cut(text, ':', &value);
		own->items[i].value = slice_trim(value);
	}
	own->count = count;
	return 0;
}

void own_headers_fini(struct own_headers *own)
{
	free(own->items);
	*own = (struct own_headers){ 0 };
}

static bool has(const struct own_headers *own, struct slice name)
{
	for (size_t i = 0; i < own->count; i++) {
		if (slice_case_eq(own->items[i].name, name))
			return true;
	}
	return false;
}

size_t own_headers_merge(const struct own_headers *own, const struct upstream_header *headers,
			 size_t count, struct upstream_header *out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!has(own, headers[i].name))
			out[n++] = headers[i];
	}
	for (size_t i = 0; i < own->count; i++)
		out[n++] = own->items[i];
	return n;
}
