/* SPDX-License-Identifier: Apache-2.0 */
/* policy-redact over any text: what is found is in order and inside of it, places lead to whole
 * characters of the raw text, and a walk takes what it takes twice alike. */
#include <string.h>

#include "../../plugins/policy-redact/find.h"
#include "../../plugins/policy-redact/plain.h"
#include "../../plugins/policy-redact/walk.h"
#include "fuzz.h"

static int show(struct walk *walk, size_t at, size_t len, bool number)
{
	FUZZ_CHECK(len <= walk->len && at <= walk->len - len);
	++*(size_t *)walk->user;
	return 0;
}

static void check_walk(const char *text, size_t len)
{
	size_t shown[2] = { 0, 0 };
	int r[2];

	for (size_t i = 0; i < 2; i++) {
		struct walk walk = {
			.ptr = text, .len = len, .open = true, .show = show, .user = &shown[i]
		};

		r[i] = walk_run(&walk);
	}
	FUZZ_CHECK(r[0] == r[1] && shown[0] == shown[1]);
}

static void check_finds(const char *raw, size_t len, char *plain)
{
	struct plain_map map = { .raw = raw, .len = len, .flags = PLAIN_FOLD };
	struct find_text text = { .ptr = plain, .wanted = 31 };
	size_t behind = 0, raw_behind = 0;
	struct find find;

	text.len = plain_write(raw, len, PLAIN_FOLD, plain);
	FUZZ_CHECK(text.len <= len);
	FUZZ_CHECK(!plain_already(raw, len) || memcmp(raw, plain, len) == 0);
	while (find_next(&text, &find)) {
		size_t begin, end;

		FUZZ_CHECK(find.at >= behind && find.len > 0 && find.len <= text.len - find.at);
		behind = find.at + find.len;
		begin = plain_begin(&map, find.at);
		end = plain_end(&map, behind);
		FUZZ_CHECK(begin >= raw_behind && end > begin && end <= len);
		raw_behind = end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *raw = malloc(size + 1), *plain = malloc(size + 1);

	FUZZ_CHECK(raw && plain);
	if (size > 0)
		memcpy(raw, bytes, size);
	check_walk(raw, size);
	check_finds(raw, size, plain);
	free(raw);
	free(plain);
	return 0;
}
