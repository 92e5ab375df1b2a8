/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts of a provider's object are secrets, and that stars take their places. */
#include "gateway/hush.h"

#include "base/cleanup.h"
#include "test.h"

static void check_masked(const struct hush *hush, const char *text, const char *wanted)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", text);
	CHECK_INT(hush_has(hush, slice_of(text)), strcmp(text, wanted) != 0);
	hush_mask(hush, copy, strlen(copy));
	CHECK_STR(copy, wanted);
}

static void masks(void)
{
	const char *headers[] = { "x-team: platform", "x-key: 0123456789abcdef",
				  "authorization: Bearer fedcba9876543210", NULL };
	const struct conf_provider conf = { .secret_text = "AKIA:sixteen-letters-x",
					    .headers = headers };
	struct hush hush = { 0 };

	CHECK_INT(hush_init(&hush, &conf), 0);
	check_masked(&hush, "", "");
	check_masked(&hush, "nothing of platform or AKIA", "nothing of platform or AKIA");
	check_masked(&hush, "AKIA:sixteen-letters-x", "**********************");
	check_masked(&hush, "<sixteen-letters-x>", "<*****************>");
	check_masked(&hush, "0123456789abcdef0123456789abcdef", "********************************");
	check_masked(&hush, "a fedcba9876543210", "a ****************");
	check_masked(&hush, "fedcba987654321", "fedcba987654321");
	/* It begins a second time while the first is still being compared. */
	check_masked(&hush, "0120123456789abcdef", "012****************");
	check_masked(&hush, "00123456789abcde", "00123456789abcde");
	CHECK_INT(hush.longest, 22);
	hush_fini(&hush);
	CHECK(!hush_has(&hush, SLICE("0123456789abcdef")));
}

static void none(void)
{
	const struct conf_provider bare = { 0 }, brief = { .secret_text = "short" };
	struct hush hush = { 0 };

	CHECK_INT(hush_init(&hush, &bare), 0);
	CHECK(!hush.texts);
	check_masked(&hush, "anything", "anything");
	hush_fini(&hush);
	CHECK_INT(hush_init(&hush, &brief), 0);
	check_masked(&hush, "short of words", "short of words");
	hush_fini(&hush);
}

int main(void)
{
	test_run("masks", masks);
	test_run("none", none);
	return 0;
}
