/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding, of all but what is unreserved. */
#include "path.h"

static int is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

char *path_put_encoded(char *at, struct tide_slice text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (uint64_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (is_unreserved(text.ptr[i])) {
			*at++ = text.ptr[i];
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	return at;
}
