/* SPDX-License-Identifier: Apache-2.0 */
/* One spelling is one: what it is written as is JSON, comes out as it is when it is told again, and
 * what no parser takes is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer once = { 0 }, twice = { 0 };
	struct arena arena;
	int r;

	arena_init(&arena, NULL);
	r = wire_canonical((struct slice){ (const char *)data, size }, NULL, 0, &arena, &once,
			   NULL);
	if (r == 0) {
		if (wire_canonical(buffer_slice(&once), NULL, 0, &arena, &twice, NULL) != 0 ||
		    !slice_eq(buffer_slice(&once), buffer_slice(&twice)))
			abort();
	} else if (r != -EINVAL && r != -E2BIG) {
		abort();
	}
	buffer_fini(&once);
	buffer_fini(&twice);
	arena_fini(&arena);
	return 0;
}
