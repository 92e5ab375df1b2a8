/* SPDX-License-Identifier: Apache-2.0 */
/* Tools that are a provider's own and merely offered may be left out of a translated request, which
 * is told; whatever else cannot be said is refused. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/turn.h"

#define FUNCTION "{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}"
#define SEARCH "{\"type\":\"web_search\",\"external_web_access\":true}"
#define FIND "{\"type\":\"tool_search\"}"
#define USER "{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"}"
#define RESPONSES(tools, more) \
	"{\"model\":\"m\",\"input\":[" USER "],\"tools\":[" tools "]" more "}"
#define MORE_TOOLS(tools)                                                                      \
	"{\"model\":\"m\",\"input\":[{\"type\":\"additional_tools\",\"id\":\"at_1\",\"role\":" \
	"\"developer\",\"tools\":[" tools "]}," USER "]}"
#define HOSTED "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}"
#define MESSAGES(more)                                                                             \
	"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," \
	"\"tools\":[" HOSTED ",{\"name\":\"g\",\"input_schema\":{\"type\":\"object\"}}]" more "}"

static const struct slice tools[] = { SLICE("web_search"), SLICE("tool_search"),
				      SLICE("web_search_20250305") };

/* Of `tools`, the first `count` are left out. Either something is, or the request is refused. */
static const struct {
	const char *name;
	enum wire_dialect from;
	const char *body;
	size_t count;
	const char *dropped, *refused, *written; /* part of what goes upstream */
} rows[] = {
	{ "one", WIRE_OPENAI_RESPONSES, RESPONSES(FUNCTION "," SEARCH, ""), 2,
	  "tools[1].web_search", NULL, "\"name\":\"f\"" },
	{ "two", WIRE_OPENAI_RESPONSES,
	  RESPONSES(FIND "," FUNCTION "," SEARCH, ",\"tool_choice\":\"auto\""), 2,
	  "tools[0].tool_search,tools[2].web_search", NULL, "\"name\":\"f\"" },
	{ "all", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCH, ",\"tool_choice\":\"none\""), 2,
	  "tools[0].web_search", NULL, "\"hi\"" },
	{ "not that", WIRE_OPENAI_RESPONSES, RESPONSES(FUNCTION "," FIND, ""), 1, NULL,
	  "tools[1].type", NULL },
	{ "nothing", WIRE_OPENAI_RESPONSES, RESPONSES(SEARCH, ""), 0, NULL, "tools[0].type", NULL },
	{ "required", WIRE_OPENAI_RESPONSES,
	  RESPONSES(FUNCTION "," SEARCH, ",\"tool_choice\":\"required\""), 2, NULL, "tools[1].type",
	  NULL },
	{ "asked for", WIRE_OPENAI_RESPONSES,
	  RESPONSES(FUNCTION "," SEARCH, ",\"tool_choice\":{\"type\":\"web_search\"}"), 2, NULL,
	  "tools[1].type", NULL },
	{ "no need", WIRE_OPENAI_RESPONSES, RESPONSES(FUNCTION, ""), 2, "", NULL,
	  "\"name\":\"f\"" },
	{ "with the input", WIRE_OPENAI_RESPONSES, MORE_TOOLS(SEARCH "," FUNCTION), 2,
	  "input[0].tools[0].web_search", NULL, "\"name\":\"f\"" },
	{ "without tools", WIRE_OPENAI_RESPONSES,
	  "{\"model\":\"m\",\"input\":[{\"type\":\"additional_tools\"}," USER "]}", 2, NULL,
	  "input[0]", NULL },
	{ "messages", WIRE_ANTHROPIC_MESSAGES, MESSAGES(",\"tool_choice\":{\"type\":\"auto\"}"), 3,
	  "tools[0].web_search_20250305", NULL, "\"name\":\"g\"" },
	{ "messages: not that", WIRE_ANTHROPIC_MESSAGES, MESSAGES(""), 2, NULL, "tools[0].type",
	  NULL },
	{ "messages: any", WIRE_ANTHROPIC_MESSAGES, MESSAGES(",\"tool_choice\":{\"type\":\"any\"}"),
	  3, NULL, "tools[0].type", NULL },
};

static void check_row(size_t i)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	const struct turn_target target = { .dialect = WIRE_OPENAI_CHAT,
					    .model = SLICE("up"),
					    .drop_tools = tools,
					    .drop_tool_count = rows[i].count };
	struct wire_error error = { 0 };
	struct slice sent, dropped;
	struct turn *turn;
	int r = wire_translate_request(rows[i].from, slice_of(rows[i].body), &target, &arena, &out,
				       &turn, &error);

	if (r != (rows[i].refused ? -EINVAL : 0))
		test_fail(__FILE__, __LINE__, "%s: %d %s", rows[i].name, r, error.message);
	if (rows[i].refused) {
		CHECK_STR(error.param, rows[i].refused);
		return;
	}
	sent = buffer_slice(&out);
	dropped = wire_translation_dropped(turn);
	CHECK_SLICE(dropped, rows[i].dropped);
	if (!memmem(sent.ptr, sent.len, rows[i].written, strlen(rows[i].written)) ||
	    memmem(sent.ptr, sent.len, "search", strlen("search")))
		test_fail(__FILE__, __LINE__, "%s: sent %.*s", rows[i].name, SLICE_ARGS(sent));
}

static void drops(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(i);
}

int main(void)
{
	test_run("drops", drops);
	return 0;
}
