/* SPDX-License-Identifier: Apache-2.0 */
/* The RFC's examples, and what is none. */
#include "base/base64.h"

#include <errno.h>

#include "base/cleanup.h"
#include "test.h"

static const struct {
	const char *text, *bytes; /* NULL: refused */
} rows[] = {
	{ "", "" },
	{ "Zg==", "f" },
	{ "Zg", "f" },
	{ "Zm8=", "fo" },
	{ "Zm8", "fo" },
	{ "Zm9v", "foo" },
	{ "Zm9vYg==", "foob" },
	{ "Zm9vYmE=", "fooba" },
	{ "Zm9vYmFy", "foobar" },
	{ "+/+/", "\xfb\xff\xbf" },
	{ "Z", NULL },
	{ "Zm9vY", NULL },
	{ "Zh==", NULL }, /* bits left over */
	{ "Zm9=", NULL },
	{ "Zg=", NULL },
	{ "Zg===", NULL },
	{ "=", NULL },
	{ "Zm9v=", NULL },
	{ "Zg==Zg==", NULL },
	{ "Zm 9v", NULL },
	{ "Zm9v\n", NULL },
	{ "-_-_", NULL },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(arena_fini) struct arena arena = { 0 };
		struct slice bytes = { 0 };
		int r = base64_decode(slice_of(rows[i].text), &arena, &bytes);

		test_name = rows[i].text;
		CHECK_INT(r, rows[i].bytes ? 0 : -EINVAL);
		if (r == 0)
			CHECK_SLICE(bytes, rows[i].bytes);
	}
	return 0;
}
