/* SPDX-License-Identifier: Apache-2.0 */
/* The time that a request's translation takes grows with its size, and not with its square: a
 * client may send any number of anything. */
#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/wire.h"

enum {
	FEW = 2000,
	MANY = 16 * FEW,
	MOST_TIMES = 80, /* as long as few of them; by the square it were 256 */
};

#define BEGIN \
	"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
#define ASSISTANT BEGIN "{\"role\":\"assistant\",\"content\":"
#define END "]},{\"role\":\"user\",\"content\":\"x\"}]}"
#define INPUT "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}"

/* `item` and `more` have their number in them; `more` come in a list of their own behind `middle`.
 */
static const struct {
	const char *name;
	enum wire_dialect from, to;
	const char *begin, *item, *middle, *more, *end;
	bool refused; /* when there are many */
} rows[] = {
	{ "texts of one summary", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT,
	  INPUT ",{\"type\":\"reasoning\",\"summary\":[",
	  "{\"type\":\"summary_text\",\"text\":\"%zu\"}", NULL, NULL,
	  "]},{\"role\":\"user\",\"content\":\"x\"}]}", false },
	{ "tools of a provider", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT, INPUT "],\"tools\":[",
	  "{\"type\":\"web_search\",\"a\":%zu}", NULL, NULL, "]}", true },
	{ "tools that are allowed", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT, INPUT "],\"tools\":[",
	  "{\"type\":\"function\",\"name\":\"a%zu\"}",
	  "],\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[",
	  "{\"type\":\"function\",\"name\":\"b%zu\"}", "]}}", true },
	{ "tools that are allowed in a chat", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
	  BEGIN "{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[",
	  "{\"type\":\"function\",\"function\":{\"name\":\"a%zu\"}}",
	  "],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\","
	  "\"tools\":[",
	  "{\"type\":\"function\",\"function\":{\"name\":\"b%zu\"}}", "]}}}", true },
	{ "tools that were found", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT,
	  INPUT ",{\"type\":\"tool_search_output\",\"execution\":\"client\",\"call_id\":\"c\","
		"\"tools\":[",
	  "{\"type\":\"function\",\"name\":\"a%zu\"}", "]}],\"tools\":[",
	  "{\"type\":\"function\",\"name\":\"a%zu\"}", "]}", false },
	{ "reasoning before calls", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES,
	  ASSISTANT "null,\"tool_calls\":[",
	  "{\"id\":\"c%zu\",\"type\":\"function\",\"function\":{\"name\":\"a\",\"arguments\":"
	  "\"{}\"}}",
	  "],\"reasoning_details\":[",
	  "{\"type\":\"reasoning.text\",\"text\":\"a\",\"signature\":\"s\",\"id\":\"c%zu\"}", END,
	  false },
	{ "reasoning alone", WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, ASSISTANT "[",
	  "{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":"
	  "\"tidegate1.responses.i.%zu\"}",
	  NULL, NULL, END, false },
	{ "reasoning before a text", WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, ASSISTANT "[",
	  "{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":"
	  "\"tidegate1.responses.i.%zu\"}",
	  NULL, NULL, ",{\"type\":\"text\",\"text\":\"a\"}" END, false },
	{ "calls of tools that take text", WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES,
	  ASSISTANT "null,\"tool_calls\":[",
	  "{\"id\":\"c%zu\",\"type\":\"custom\",\"custom\":{\"name\":\"a\",\"input\":\"\"}}", "]},",
	  "{\"role\":\"tool\",\"tool_call_id\":\"c%zu\",\"content\":\"x\"}", "]}", false },
};

static void append_all(struct buffer *body, const char *item, size_t count)
{
	for (size_t i = 0; item && i < count; i++) {
		char text[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), item, i);
#pragma GCC diagnostic pop
		buffer_append_str(body, i > 0 ? "," : "");
		buffer_append_str(body, text);
	}
}

/* What it takes of the processor, in seconds. */
static double translate(size_t row, size_t count)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer body = { 0 }, out = { 0 };
	const struct slice drop = SLICE("web_search");
	const struct turn_target target = { .dialect = rows[row].to,
					    .model = SLICE("up"),
					    .drop_tools = &drop,
					    .drop_tool_count = 1 };
	struct wire_error error = { 0 };
	struct turn *turn;
	clock_t began;
	int r;

	buffer_append_str(&body, rows[row].begin);
	append_all(&body, rows[row].item, count);
	buffer_append_str(&body, rows[row].middle ? rows[row].middle : "");
	append_all(&body, rows[row].more, count);
	buffer_append_str(&body, rows[row].end);
	began = clock();
	r = wire_translate_request(rows[row].from, buffer_slice(&body), &target, &arena, &out,
				   &turn, &error);
	began = clock() - began;
	if (r != (rows[row].refused ? -EINVAL : 0))
		test_fail(__FILE__, __LINE__, "%s: %d %s", rows[row].name, r, error.message);
	return (double)began / CLOCKS_PER_SEC;
}

static void grows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double few = translate(i, FEW), many = translate(i, MANY);

		if (many > MOST_TIMES * few + 0.1)
			test_fail(__FILE__, __LINE__, "%s: %d take %f s, and %d %f s", rows[i].name,
				  FEW, few, MANY, many);
	}
}

int main(void)
{
	test_run("grows", grows);
	return 0;
}
