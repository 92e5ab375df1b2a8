/* SPDX-License-Identifier: Apache-2.0 */
/* An answer whose terminal event came is whole: an error behind it is none of the answer's. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

static const struct {
	enum wire_dialect dialect;
	const char *end, *error;
} rows[] = {
	{ WIRE_OPENAI_CHAT, "data: [DONE]\n\n",
	  "data: {\"error\":{\"message\":\"late\",\"type\":\"server_error\"}}\n\n" },
	{ WIRE_ANTHROPIC_MESSAGES, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	  "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n" },
	{ WIRE_OPENAI_RESPONSES,
	  "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{"
	  "\"status\":\"completed\"}}\n\n",
	  "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\"}\n\n" },
	{ WIRE_GEMINI,
	  "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{"
	  "\"promptTokenCount\":1,\"candidatesTokenCount\":1}}\n\n",
	  "data: {\"error\":{\"code\":500,\"status\":\"INTERNAL\"}}\n\n" },
	{ WIRE_BEDROCK_CONVERSE,
	  "event: messageStop\ndata: {\"stopReason\":\"end_turn\"}\n\nevent: metadata\ndata: {"
	  "\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}\n\n",
	  "event: internalServerException\ndata: {\"message\":\"late\"}\n\n" },
};

static bool is_error(size_t row, const char *first, const char *second)
{
	struct wire_watch watch;

	wire_watch_init(&watch, rows[row].dialect, true);
	wire_watch_feed(&watch, slice_of(first));
	wire_watch_feed(&watch, slice_of(second));
	CHECK(watch.terminal);
	return watch.error != WIRE_ERROR_NONE;
}

static void late(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (is_error(i, rows[i].end, rows[i].error))
			test_fail(__FILE__, __LINE__, "row %zu: the error behind the end counts",
				  i);
		if (!is_error(i, rows[i].error, rows[i].end))
			test_fail(__FILE__, __LINE__, "row %zu: the error before the end is lost",
				  i);
	}
}

int main(void)
{
	test_run("late", late);
	return 0;
}
