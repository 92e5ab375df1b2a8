/* SPDX-License-Identifier: Apache-2.0 */
/* What few answers count, and what they say of their own price: in each dialect, whole and
 * streamed, in one piece and byte by byte. */
#include "test.h"
#include "wire/wire.h"

enum {
	CHAT = WIRE_OPENAI_CHAT,
	MESSAGES = WIRE_ANTHROPIC_MESSAGES,
	RESPONSES = WIRE_OPENAI_RESPONSES,
	GEMINI = WIRE_GEMINI,
	CONVERSE = WIRE_BEDROCK_CONVERSE,
	X = -1,
};

struct row {
	int dialect;
	bool stream;
	const char *text;
	int64_t count[WIRE_KINDS];
	const char *tier, *cost, *upstream_cost;
	bool in_ticks, own_key;
	int64_t output; /* of its usage */
};

#define NOTHING                                 \
	{                                       \
		X, X, X, X, X, X, X, X, X, X, X \
	}

static const struct row rows[] = {
	{ CHAT,
	  false,
	  "{\"service_tier\":\"flex\",\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_"
	  "tokens\":9,\"prompt_tokens_details\":{\"audio_tokens\":20,\"image_tokens\":3},"
	  "\"completion_tokens_details\":{\"audio_tokens\":7,\"image_tokens\":1}}}",
	  { 20, X, 3, X, X, 7, 1, X, X, X, X },
	  "flex",
	  "",
	  "",
	  false,
	  false,
	  9 },
	{ CHAT, true,
	  "data: {\"service_tier\":\"default\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	  "data: {\"service_tier\":\"priority\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
	  "\"completion_tokens\":2,\"cost\":0.00014,\"is_byok\":true,\"cost_details\":{"
	  "\"upstream_inference_cost\":1.5e-3}}}\n\ndata: [DONE]\n\n",
	  NOTHING, "priority", "0.00014", "1.5e-3", false, true, 2 },
	{ CHAT, false,
	  "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"is_byok\":"
	  "false,"
	  "\"cost\":null,\"cost_in_usd_ticks\":37756000}}",
	  NOTHING, "", "37756000", "", true, false, 2 },
	{ CHAT,
	  false,
	  "{\"choices\":[],\"usage\":{\"prompt_tokens\":33,\"completion_tokens\":71,\"total_"
	  "tokens\":"
	  "104,\"citation_tokens\":20,\"num_search_queries\":18,\"reasoning_tokens\":73,\"cost\":{"
	  "\"input_tokens_cost\":0.1,\"total_cost\":0.816}}}",
	  { X, X, X, X, X, X, X, X, 20, 18, X },
	  "",
	  "0.816",
	  "",
	  false,
	  false,
	  71 + 73 },
	/* Of a server that tells its reasoning there, and is not Perplexity. */
	{ CHAT, false,
	  "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9,"
	  "\"reasoning_tokens\":4,\"cost\":\"much\"}}",
	  NOTHING, "", "", "", false, false, 9 },
	{ MESSAGES,
	  false,
	  "{\"type\":\"message\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":2,"
	  "\"server_tool_use\":{\"web_search_requests\":3,\"web_fetch_requests\":5},\"service_"
	  "tier\":"
	  "\"batch\"}}",
	  { X, X, X, X, X, X, X, X, X, 3, X },
	  "batch",
	  "",
	  "",
	  false,
	  false,
	  2 },
	{ MESSAGES,
	  true,
	  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{"
	  "\"input_tokens\":1,\"output_tokens\":1,\"service_tier\":\"priority\"}}}\n\n"
	  "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{"
	  "\"output_tokens\":5,\"server_tool_use\":{\"web_search_requests\":2}}}\n\n",
	  { X, X, X, X, X, X, X, X, X, 2, X },
	  "priority",
	  "",
	  "",
	  false,
	  false,
	  5 },
	{ RESPONSES,
	  false,
	  "{\"id\":\"r\",\"status\":\"completed\",\"service_tier\":\"flex\",\"output\":[{\"type\":"
	  "\"web_search_call\",\"action\":{\"type\":\"search\",\"query\":\"a\"}},{\"action\":{"
	  "\"type\":"
	  "\"open_page\"},\"type\":\"web_search_call\"},{\"type\":\"web_search_call\"},{\"type\":"
	  "\"file_search_call\"},{\"type\":\"message\",\"content\":[{\"text\":\"web_search_call\"}]"
	  "}],"
	  "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
	  { X, X, X, X, X, X, X, X, X, 2, 1 },
	  "flex",
	  "",
	  "",
	  false,
	  false,
	  2 },
	{ RESPONSES,
	  true,
	  "data: "
	  "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"web_search_call\"}}\n\n"
	  "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"web_search_call\","
	  "\"action\":{\"type\":\"search\"}}}\n\n"
	  "data: {\"item\":{\"action\":{\"type\":\"find_in_page\"},\"type\":\"web_search_call\"},"
	  "\"type\":\"response.output_item.done\"}\n\n"
	  "data: {\"type\":\"response.completed\",\"response\":{\"service_tier\":\"default\","
	  "\"output\":[{\"type\":\"web_search_call\"}],\"usage\":{\"input_tokens\":1,"
	  "\"output_tokens\":2,\"cost_in_usd_ticks\":7}}}\n\n",
	  { X, X, X, X, X, X, X, X, X, 1, X },
	  "default",
	  "7",
	  "",
	  true,
	  false,
	  2 },
	{ GEMINI,
	  false,
	  "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":"
	  "40,"
	  "\"cachedContentTokenCount\":12,\"candidatesTokenCount\":9,\"trafficType\":"
	  "\"ON_DEMAND_PRIORITY\",\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":4}"
	  ",{"
	  "\"tokenCount\":20,\"modality\":\"AUDIO\"},{\"modality\":\"IMAGE\",\"tokenCount\":5},{"
	  "\"modality\":\"DOCUMENT\",\"tokenCount\":6},{\"modality\":\"VIDEO\",\"tokenCount\":3}],"
	  "\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":8}],"
	  "\"candidatesTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\":7}]}}",
	  { 20, 8, 11, 0, 3, 0, 7, 0, X, X, X },
	  "PRIORITY",
	  "",
	  "",
	  false,
	  false,
	  9 },
	/* Each event tells all of it again. */
	{ GEMINI,
	  true,
	  "data: {\"usageMetadata\":{\"promptTokenCount\":9,\"promptTokensDetails\":[{\"modality\":"
	  "\"AUDIO\",\"tokenCount\":9}],\"trafficType\":\"ON_DEMAND\"}}\n\n"
	  "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{"
	  "\"promptTokenCount\":9,\"candidatesTokenCount\":2,\"promptTokensDetails\":[{"
	  "\"modality\":"
	  "\"AUDIO\",\"tokenCount\":9},{\"modality\":\"TEXT\"}]}}\n\n",
	  { 9, X, 0, X, 0, X, X, X, X, X, X },
	  "ON_DEMAND",
	  "",
	  "",
	  false,
	  false,
	  2 },
	{ CONVERSE, false,
	  "{\"output\":{\"message\":{\"content\":[]}},\"serviceTier\":{\"type\":\"flex\"},"
	  "\"usage\":{"
	  "\"inputTokens\":1,\"outputTokens\":2}}",
	  NOTHING, "flex", "", "", false, false, 2 },
};

static void check_row(const struct row *row, size_t piece)
{
	struct wire_watch watch;
	size_t len = strlen(row->text);

	wire_watch_init(&watch, (enum wire_dialect)row->dialect, row->stream);
	for (size_t i = 0; i < len; i += piece)
		wire_watch_feed(&watch,
				(struct slice){ row->text + i, len - i < piece ? len - i : piece });
	for (int i = 0; i < WIRE_KINDS; i++)
		if (watch.told.count[i] != row->count[i])
			test_fail(__FILE__, __LINE__, "kind %d is %ld in %s", i,
				  (long)watch.told.count[i], row->text);
	CHECK_STR(watch.told.service_tier, row->tier);
	CHECK_STR(watch.told.cost, row->cost);
	CHECK_STR(watch.told.upstream_cost, row->upstream_cost);
	CHECK_INT(watch.told.in_ticks, row->in_ticks);
	CHECK_INT(watch.told.own_key, row->own_key);
	CHECK_INT(watch.usage.output, row->output);
	CHECK(watch.usage.final);
}

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(&rows[i], SIZE_MAX / 2);
		for (size_t piece = 1; piece < 9; piece++)
			check_row(&rows[i], piece);
	}
}

int main(void)
{
	test_run("told of an answer's price", test_rows);
	return 0;
}
