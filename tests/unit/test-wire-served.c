/* SPDX-License-Identifier: Apache-2.0 */
/* Who answered: in each dialect, whole and streamed, cut in two at each byte and byte by byte. */
#include "test.h"
#include "wire/wire.h"

enum {
	CHAT = WIRE_OPENAI_CHAT,
	MESSAGES = WIRE_ANTHROPIC_MESSAGES,
	RESPONSES = WIRE_OPENAI_RESPONSES,
	GEMINI = WIRE_GEMINI,
	CONVERSE = WIRE_BEDROCK_CONVERSE,
	EMBEDDINGS = WIRE_OPENAI_EMBEDDINGS,
};

static const struct row {
	int dialect;
	bool stream;
	const char *text, *model, *version;
} rows[] = {
	{ CHAT, false,
	  "{\"id\":\"c\",\"model\":\"gpt-5-2026\",\"choices\":[{\"message\":{\"content\":\"a\","
	  "\"model\":\"no\"}}],\"system_fingerprint\":\"fp_1\"}",
	  "gpt-5-2026", "fp_1" },
	/* The first word that is one counts. */
	{ CHAT, true,
	  "data: {\"model\":\"\",\"system_fingerprint\":null,\"choices\":[]}\n\n"
	  "data: {\"model\": \"first\",\"system_fingerprint\":\"fp_1\",\"choices\":[]}\n\n"
	  "data: {\"model\":\"second\",\"system_fingerprint\":\"fp_2\",\"choices\":[]}\n\n"
	  "data: [DONE]\n\n",
	  "first", "fp_1" },
	{ CHAT, false, "{\"model\":null,\"choices\":[]}", "", "" },
	{ CHAT, false, "{\"model\":{\"model\":\"a\"},\"system_fingerprint\":[\"b\"]}", "", "" },
	{ MESSAGES, false, "{\"type\":\"message\",\"model\":\"claude-5\",\"content\":[]}",
	  "claude-5", "" },
	{ MESSAGES, true,
	  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":"
	  "\"claude-5\",\"content\":[]}}\n\nevent: message_stop\ndata: {\"type\":"
	  "\"message_stop\"}\n\n",
	  "claude-5", "" },
	{ RESPONSES, false, "{\"id\":\"r\",\"model\":\"gpt-5\",\"output\":[{\"model\":\"no\"}]}",
	  "gpt-5", "" },
	{ RESPONSES, true,
	  "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"gpt-5\"}}"
	  "\n\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-6\"}}\n\n",
	  "gpt-5", "" },
	{ GEMINI, false, "{\"candidates\":[],\"modelVersion\":\"gemini-3-001\"}", "gemini-3-001",
	  "" },
	{ GEMINI, true,
	  "data: {\"candidates\":[],\"modelVersion\":\"gemini-3\"}\r\n\r\n"
	  "data: {\"candidates\":[],\"modelVersion\":\"gemini-3-001\"}\r\n\r\n",
	  "gemini-3", "" },
	{ EMBEDDINGS, false, "{\"data\":[],\"model\":\"embed-3\"}", "embed-3", "" },
	{ CONVERSE, false, "{\"output\":{},\"model\":\"no\"}", "", "" },
	/* as it is meant, not as it is written */
	{ CHAT, false, "{\"model\":\"a\\/b \\u00e9 \\\"c\\\\\"}", "a/b \xc3\xa9 \"c\\", "" },
	{ CHAT, false, "{\"model\":\"\xe6\xa8\xa1\"}", "\xe6\xa8\xa1", "" },
	/* no text that a person can read */
	{ CHAT, false, "{\"model\":\"a\\nb\",\"system_fingerprint\":\"\\u0000\"}", "", "" },
	{ CHAT, false, "{\"model\":\"a\xff\",\"system_fingerprint\":\"\\ud800\"}", "", "" },
};

static void check_cut(const struct row *row, size_t first, size_t piece)
{
	struct wire_watch watch;
	size_t len = strlen(row->text);

	wire_watch_init(&watch, (enum wire_dialect)row->dialect, row->stream);
	wire_watch_feed(&watch, (struct slice){ row->text, first });
	for (size_t i = first; i < len; i += piece)
		wire_watch_feed(&watch,
				(struct slice){ row->text + i, len - i < piece ? len - i : piece });
	CHECK_STR(watch.told.model, row->model);
	CHECK_STR(watch.told.version, row->version);
}

static void check_cuts(const struct row *row)
{
	size_t len = strlen(row->text);

	for (size_t first = 0; first <= len; first++)
		check_cut(row, first, len);
	check_cut(row, 0, 1);
}

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_cuts(&rows[i]);
}

static void test_long(void)
{
	for (int len = WIRE_CAPTURE_BYTES - 1; len <= WIRE_CAPTURE_BYTES + 2; len++) {
		char text[256], model[WIRE_CAPTURE_BYTES + 8];
		struct row row = { CHAT, false, text, model, "v" };

		snprintf(model, sizeof(model), "%0*d", len, 7);
		snprintf(text, sizeof(text), "{\"model\":\"%s\",\"system_fingerprint\":\"v\"}",
			 model);
		if (len > WIRE_CAPTURE_BYTES)
			model[WIRE_CAPTURE_BYTES] = '\0';
		check_cuts(&row);
	}
}

int main(void)
{
	test_run("who answered", test_rows);
	test_run("names that are cut", test_long);
	return 0;
}
