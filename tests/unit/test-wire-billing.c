/* SPDX-License-Identifier: Apache-2.0 */
/* Claude Code's line is told from a prompt, and a prompt that begins with it stays one. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

#define LINE "x-anthropic-billing-header: cc_version=2.1.77.a3f; cc_entrypoint=cli; cch=00000;"

static const struct {
	const char *text;
	bool is;
} rows[] = {
	{ LINE, true },
	{ LINE "\n", true },
	{ LINE "\r\n", true },
	{ "x-anthropic-billing-header:", true },
	{ LINE "\nYou are a helpful assistant.", false },
	{ LINE "\rYou are a helpful assistant.", false },
	{ "You say: " LINE, false },
	{ " " LINE, false },
	{ "x-anthropic-billing-header", false },
	{ "X-Anthropic-Billing-Header: cc_version=2.1.77;", false },
	{ "x-anthropic-billing-headers: a", false },
	{ "\n", false },
	{ "", false },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_INT(wire_is_billing_line(slice_of(rows[i].text)), rows[i].is);
	CHECK(!wire_is_billing_line((struct slice){ 0 }));
	return 0;
}
