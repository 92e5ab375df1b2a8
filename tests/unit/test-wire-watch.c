/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch sees of recorded answers. Each is fed whole, cut in two at every byte, byte by byte,
 * and with each way to end a line: the sight must be the same. */
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"
#include "wire/wire.h"

enum {
	X = -1, /* unknown */
};

/* Usage as input, cache_read, cache_write, cache_write_1h, output, reasoning. */
static const struct row {
	const char *file;
	enum wire_dialect dialect;
	int64_t usage[6];
	bool seen, final, content, terminal;
	enum wire_error_class error;
	uint64_t content_bytes, events;
} rows[] = {
#define CHAT WIRE_OPENAI_CHAT
#define MESSAGES WIRE_ANTHROPIC_MESSAGES
#define RESPONSES WIRE_OPENAI_RESPONSES
#define EMBEDDINGS WIRE_OPENAI_EMBEDDINGS
#define COUNTS WIRE_ANTHROPIC_COUNT_TOKENS
	{ "embeddings-float.json", EMBEDDINGS, { 8, X, X, X, 0, X }, 1, 1, 1, 1, 0, 0, 0 },
	{ "embeddings-base64.json", EMBEDDINGS, { 12, X, X, X, 0, X }, 1, 1, 1, 1, 0, 0, 0 },
	{ "embeddings-no-usage.json", EMBEDDINGS, { X, X, X, X, X, X }, 0, 0, 1, 1, 0, 0, 0 },
	{ "embeddings-error.json",
	  EMBEDDINGS,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_QUOTA,
	  0,
	  0 },
	{ "count-tokens.json", COUNTS, { X, X, X, X, X, X }, 0, 0, 0, 1, 0, 0, 0 },
	{ "chat-text.sse", CHAT, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 66, 6 },
	{ "chat-text.json", CHAT, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 61, 0 },
	{ "chat-tools.sse", CHAT, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 23, 7 },
	{ "chat-tools.json", CHAT, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 21, 0 },
	{ "chat-usage-in-choices.sse", CHAT, { 239, 15872, X, X, 7, X }, 1, 1, 1, 1, 0, 2, 5 },
	{ "chat-usage-first.json", CHAT, { 239, 15872, X, X, 7, X }, 1, 1, 1, 1, 0, 300, 0 },
	{ "chat-continuous-usage.sse", CHAT, { 11, X, X, X, 3, X }, 1, 1, 1, 1, 0, 7, 5 },
	{ "chat-continuous-usage-cut.sse", CHAT, { 11, X, X, X, 1, X }, 1, 0, 1, 0, 0, 3, 3 },
	{ "chat-reasoning-beside.sse", CHAT, { 36, 0, X, X, 700, 690 }, 1, 1, 1, 1, 0, 14, 4 },
	{ "chat-odd-lines.sse", CHAT, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 3, 6 },
	{ "chat-no-usage.json", CHAT, { X, X, X, X, X, X }, 0, 0, 1, 1, 0, 0, 0 },
	{ "chat-error-first.sse",
	  CHAT,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_OVERLOADED,
	  0,
	  1 },
	{ "chat-error-role.sse",
	  CHAT,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  2 },
	{ "chat-error-number.sse",
	  CHAT,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  2 },
	{ "chat-error-named.sse",
	  CHAT,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  1 },
	{ "chat-error-text.sse",
	  CHAT,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  1 },
	{ "chat-error.json", CHAT, { X, X, X, X, X, X }, 0, 0, 0, 1, WIRE_ERROR_QUOTA, 0, 0 },
	{ "messages-text.sse", MESSAGES, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 47, 8 },
	{ "messages-text.json", MESSAGES, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 40, 0 },
	{ "messages-tools.sse", MESSAGES, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 21, 7 },
	{ "messages-tools.json", MESSAGES, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 17, 0 },
	{ "messages-thinking.sse", MESSAGES, { 51, X, X, X, 136, X }, 1, 1, 1, 1, 0, 5, 12 },
	{ "messages-server-tool.sse", MESSAGES, { 10682, 0, 0, X, 510, X }, 1, 1, 1, 1, 0, 17, 8 },
	{ "messages-usage-on-delta.sse",
	  MESSAGES,
	  { 4522, X, 4511, X, 5, X },
	  1,
	  1,
	  1,
	  1,
	  0,
	  2,
	  5 },
	{ "messages-nulls.sse", MESSAGES, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 2, 4 },
	{ "messages-untyped.sse", MESSAGES, { 25, X, X, X, 15, X }, 1, 1, 0, 1, 0, 0, 3 },
	{ "messages-error-first.sse",
	  MESSAGES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_OVERLOADED,
	  0,
	  1 },
	{ "messages-error-role.sse",
	  MESSAGES,
	  { 25, 30, 28, 12, 1, X },
	  1,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  3 },
	{ "messages-error-mid.sse",
	  MESSAGES,
	  { 25, 30, 28, 12, 1, X },
	  1,
	  0,
	  1,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  3,
	  4 },
	{ "messages-error.json",
	  MESSAGES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INVALID,
	  0,
	  0 },
	{ "responses-text.sse", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 16, 9 },
	{ "responses-text.json", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 16, 0 },
	{ "responses-untyped.sse", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 16, 9 },
	{ "responses-tools.sse", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 19, 7 },
	{ "responses-tools.json", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 19, 0 },
	{ "responses-reasoning.sse", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 7, 5 },
	{ "responses-incomplete.sse", RESPONSES, { 86, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 7, 6 },
	{ "responses-incomplete.json",
	  RESPONSES,
	  { 86, 1920, X, X, 300, 64 },
	  1,
	  1,
	  1,
	  1,
	  0,
	  7,
	  0 },
	{ "responses-failed-first.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  3 },
	{ "responses-failed-item.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_OVERLOADED,
	  0,
	  5 },
	{ "responses-failed-mid.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  1,
	  1,
	  WIRE_ERROR_INTERNAL,
	  3,
	  6 },
	{ "responses-failed-client.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INVALID,
	  0,
	  3 },
	{ "responses-error-quota.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_QUOTA,
	  0,
	  2 },
	{ "responses-error-nested.sse",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_QUOTA,
	  0,
	  2 },
	{ "responses-server-tool.sse",
	  RESPONSES,
	  { 86, 1920, X, X, 300, 64 },
	  1,
	  1,
	  1,
	  1,
	  0,
	  0,
	  5 },
	{ "responses-cut.sse", RESPONSES, { X, X, X, X, X, X }, 0, 0, 1, 0, 0, 16, 6 },
	{ "responses-error.json",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_QUOTA,
	  0,
	  0 },
	{ "responses-failed.json",
	  RESPONSES,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  1,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  0 },
	{ "responses-queued.json", RESPONSES, { X, X, X, X, X, X }, 0, 0, 1, 1, 0, 0, 0 },
	{ "responses-compaction.json",
	  RESPONSES,
	  { 86, 1920, X, X, 300, 64 },
	  1,
	  1,
	  1,
	  1,
	  0,
	  2,
	  0 },
#define GEMINI WIRE_GEMINI
#define CONVERSE WIRE_BEDROCK_CONVERSE
	{ "gemini-text.sse", GEMINI, { 96, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 32, 3 },
	{ "gemini-text.json", GEMINI, { 96, 1920, X, X, 300, 64 }, 1, 1, 1, 1, 0, 32, 0 },
	{ "gemini-tools.sse", GEMINI, { 50, X, X, X, 20, X }, 1, 1, 1, 1, 0, 33, 2 },
	{ "gemini-tools.json", GEMINI, { 50, X, X, X, 20, X }, 1, 1, 1, 1, 0, 33, 0 },
	{ "gemini-thoughts-inside.sse", GEMINI, { 10, X, X, X, 90, 80 }, 1, 1, 1, 1, 0, 2, 1 },
	{ "gemini-thoughts-only.json", GEMINI, { 10, X, X, X, 80, 80 }, 1, 1, 1, 1, 0, 0, 0 },
	{ "gemini-blocked.sse", GEMINI, { 10, X, X, X, 0, X }, 1, 1, 0, 1, 0, 0, 1 },
	{ "gemini-cut.sse", GEMINI, { 10, X, X, X, 1, X }, 1, 0, 1, 0, 0, 2, 1 },
	{ "gemini-error.sse",
	  GEMINI,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  1,
	  1,
	  WIRE_ERROR_OVERLOADED,
	  2,
	  2 },
	{ "gemini-error.json",
	  GEMINI,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  0 },
	{ "converse-text.sse", CONVERSE, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 32, 8 },
	{ "converse-text.json", CONVERSE, { 25, 30, 28, 12, 15, X }, 1, 1, 1, 1, 0, 32, 0 },
	{ "converse-tools.sse", CONVERSE, { 25, X, X, X, 15, X }, 1, 1, 1, 1, 0, 21, 8 },
	{ "converse-tools.json", CONVERSE, { 25, X, X, X, 15, X }, 1, 1, 1, 1, 0, 17, 0 },
	{ "converse-cut.sse", CONVERSE, { X, X, X, X, X, X }, 0, 0, 1, 0, 0, 2, 3 },
	{ "converse-exception.sse",
	  CONVERSE,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_OVERLOADED,
	  0,
	  2 },
	{ "converse-exception-other.sse",
	  CONVERSE,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  2 },
	{ "converse-exception-code.sse",
	  CONVERSE,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  1 },
	{ "converse-error.json",
	  CONVERSE,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_RATE_LIMIT,
	  0,
	  0 },
	{ "converse-error-untyped.json",
	  CONVERSE,
	  { X, X, X, X, X, X },
	  0,
	  0,
	  0,
	  1,
	  WIRE_ERROR_INTERNAL,
	  0,
	  0 },
};

static struct wire_watch started(const struct row *row)
{
	struct wire_watch watch;

	memset(&watch, 0xa5, sizeof(watch));
	wire_watch_init(&watch, row->dialect, strstr(row->file, ".sse") != NULL);
	return watch;
}

static void check_sight(const struct wire_watch *watch, const struct row *row, const char *how,
			size_t cut)
{
	const struct wire_usage *usage = &watch->usage;
	const int64_t seen[] = { usage->input,          usage->cache_read, usage->cache_write,
				 usage->cache_write_1h, usage->output,     usage->reasoning };
	bool same = usage->seen == row->seen && usage->final == row->final &&
		    watch->content == row->content && watch->terminal == row->terminal &&
		    watch->error == row->error && watch->content_bytes == row->content_bytes &&
		    watch->events == row->events && memcmp(seen, row->usage, sizeof(seen)) == 0;

	if (!same)
		test_fail(
		    __FILE__, __LINE__,
		    "%s, %s at %zu: usage %ld %ld %ld %ld %ld %ld, seen %d, final %d, content "
		    "%d, terminal %d, error %d, content bytes %lu, events %lu",
		    row->file, how, cut, (long)seen[0], (long)seen[1], (long)seen[2], (long)seen[3],
		    (long)seen[4], (long)seen[5], usage->seen, usage->final, watch->content,
		    watch->terminal, watch->error, (unsigned long)watch->content_bytes,
		    (unsigned long)watch->events);
}

/* Each piece is a block of its own, so that a read beyond it is seen. */
static void feed(struct wire_watch *watch, const char *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	wire_watch_feed(watch, (struct slice){ copy, len });
	free(copy);
}

static void check_cuts(const struct row *row, struct slice text, const char *how)
{
	struct wire_watch watch = started(row);

	feed(&watch, text.ptr, text.len);
	check_sight(&watch, row, how, 0);
	for (size_t cut = 0; cut <= text.len; cut++) {
		watch = started(row);
		feed(&watch, text.ptr, cut);
		feed(&watch, text.ptr + cut, text.len - cut);
		check_sight(&watch, row, how, cut);
	}
	for (size_t step = 1; step <= 7; step += 2) {
		watch = started(row);
		for (size_t at = 0; at < text.len; at += step)
			feed(&watch, text.ptr + at, text.len - at < step ? text.len - at : step);
		check_sight(&watch, row, how, step);
	}
}

static void with_line_ends(struct slice text, const char *line_end, struct buffer *out)
{
	buffer_clear(out);
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n')
			buffer_append_str(out, line_end);
		else
			buffer_append_char(out, text.ptr[i]);
	}
}

static void read_fixture(const char *name, struct buffer *out)
{
	const char *source = getenv("TIDEGATE_SRC");
	char path[512];
	struct error error;

	snprintf(path, sizeof(path), "%s/tests/unit/wire/%s", source ? source : ".", name);
	if (file_read(path, 1 << 20, out, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
}

static void recorded_answers(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 }, other = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		read_fixture(rows[i].file, &text);
		check_cuts(&rows[i], buffer_slice(&text), "line feeds");
		if (!strstr(rows[i].file, ".sse"))
			continue;
		with_line_ends(buffer_slice(&text), "\r\n", &other);
		check_cuts(&rows[i], buffer_slice(&other), "both");
		with_line_ends(buffer_slice(&text), "\r", &other);
		check_cuts(&rows[i], buffer_slice(&other), "carriage returns");
	}
}

static void watch_text(struct wire_watch *watch, const char *text)
{
	feed(watch, text, strlen(text));
}

static void boundaries(void)
{
	static const struct {
		const char *text;
		bool boundary;
	} cases[] = {
		{ "", true },
		{ "data: {}\n\n", true },
		{ "data: {}\r\n\r\n", true },
		{ "data: {}\n\n: comment\n", true },
		{ "data: {}\n\n: comm", false },
		{ "data: {}\n", false },
		{ "data: {}", false },
		{ "data: {}\n\nda", false },
		{ "event: ping\n", false },
		{ "id\n", false },
	};
	struct wire_watch watch;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wire_watch_init(&watch, WIRE_OPENAI_CHAT, true);
		watch_text(&watch, cases[i].text);
		if (wire_watch_at_boundary(&watch) != cases[i].boundary)
			test_fail(__FILE__, __LINE__, "\"%s\"", cases[i].text);
	}
}

/* Usage stands at the end of events; how long they are must not matter. */
static void long_event(void)
{
	struct wire_watch watch;
	struct buffer content = { 0 };

	for (int i = 0; i < 100000; i++)
		buffer_append_str(&content, "0123456\\\"9");
	wire_watch_init(&watch, WIRE_OPENAI_CHAT, true);
	watch_text(&watch, "data: {\"choices\":[{\"delta\":{\"content\":\"");
	feed(&watch, content.data, content.len);
	CHECK(watch.content && !watch.usage.seen);
	watch_text(&watch, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1e3,"
			   "\"completion_tokens\":7.0}}\n\n");
	CHECK_INT(watch.content_bytes, content.len);
	CHECK_INT(watch.usage.input, 1000);
	CHECK_INT(watch.usage.output, 7);
	CHECK(watch.usage.final);
	buffer_fini(&content);
}

static void nesting(void)
{
	struct wire_watch watch;

	wire_watch_init(&watch, WIRE_OPENAI_CHAT, false);
	watch_text(&watch, "{\"zz\":");
	for (int i = 0; i < 100000; i++)
		watch_text(&watch, i % 2 ? "[" : "{\"usage\":");
	for (int i = 0; i < 100000; i++)
		watch_text(&watch, i % 2 ? "}" : "]");
	CHECK(!watch.usage.seen && !watch.terminal);
	watch_text(&watch, ",\"usage\":{\"prompt_tokens\":3}}");
	CHECK(watch.terminal);
	CHECK_INT(watch.usage.input, 3);
}

/* Members that mean nothing, in front of one that does: whole, and byte by byte. */
static void meaningless(void)
{
	static const char *const members[] = {
		"\"id\":\"a\"",
		"\"id\": \"usage\"",
		"\"id\" :\t\"a\\\"b,}\"",
		"\"i\\\"d\":\"\\\\\"",
		"\"\":\"\"",
		"\"n\":null",
		"\"n\":  -1.5e3 ",
		"\"o\":{\"usage\":{\"prompt_tokens\":9}}",
		"\"o\": [{\"prompt_tokens\":9},\"]\",1]",
		"\"prompt_tokens\":9",
		"\"usagE\":{\"prompt_tokens\":9}",
		"\"a key that is longer than any key which a grammar knows of\":\"usage\"",
	};
	struct wire_watch watch;
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(members) * 2; i++) {
		int len = snprintf(text, sizeof(text), "{%s,\"usage\":{%s,\"prompt_tokens\":3}}",
				   members[i / 2], members[i / 2]);

		wire_watch_init(&watch, WIRE_OPENAI_CHAT, false);
		for (int at = 0, step = i % 2 ? 1 : len; at < len; at += step)
			feed(&watch, text + at, (size_t)step);
		if (watch.usage.input != 3 || !watch.terminal || !watch.usage.final)
			test_fail(__FILE__, __LINE__, "%s hides what follows", members[i / 2]);
	}
}

/* What no answer can have used is not believed, and the last word before it stays. */
static void odd_counts(void)
{
	static const char *const numbers[] = { "null", "true", "\"9\"",
					       "-3",   "1.5",  "[9]",
					       "{}",   "1e99", "99999999999999999999",
					       "1e12", "1e-1" };
	struct wire_watch watch;
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		wire_watch_init(&watch, WIRE_ANTHROPIC_MESSAGES, false);
		snprintf(text, sizeof(text),
			 "{\"usage\":{\"input_tokens\":5,\"input_tokens\":%s,\"output_tokens\":0}}",
			 numbers[i]);
		watch_text(&watch, text);
		if (watch.usage.input != 5 || watch.usage.output != 0)
			test_fail(__FILE__, __LINE__, "%s is read as %ld", numbers[i],
				  (long)watch.usage.input);
		CHECK(watch.usage.seen && watch.usage.final && watch.terminal);
	}
}

/* Nobody reads more from a cache, or writes more to it, than there was: the prompt is what is
 * billed, and the contradiction is told. */
static void more_cached_than_prompt(void)
{
	static const struct {
		enum wire_dialect dialect;
		const char *usage;
		int64_t input, cache_read, cache_write, cache_write_1h;
		bool odd;
	} cases[] = {
		{ CHAT, "\"prompt_tokens\":10,\"cached_tokens\":10", 0, 10, X, X, false },
		{ CHAT, "\"prompt_tokens\":10,\"cached_tokens\":11", 0, 10, X, X, true },
		{ CHAT, "\"cached_tokens\":500,\"prompt_tokens\":0", 0, 0, X, X, true },
		{ CHAT, "\"cached_tokens\":5", X, 5, X, X, false },
		{ CHAT,
		  "\"prompt_tokens\":10,\"prompt_tokens_details\":"
		  "{\"cached_tokens\":7,\"cache_write_tokens\":4}",
		  0, 7, 3, X, true },
		{ CHAT,
		  "\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cache_write_tokens\":11}", 0,
		  X, 10, X, true },
		{ MESSAGES,
		  "\"input_tokens\":1,\"cache_creation_input_tokens\":9,\"cache_creation\":"
		  "{\"ephemeral_1h_input_tokens\":9}",
		  1, X, 0, 9, false },
		{ MESSAGES,
		  "\"input_tokens\":1,\"cache_creation_input_tokens\":9,\"cache_creation\":"
		  "{\"ephemeral_1h_input_tokens\":10}",
		  1, X, 0, 9, true },
	};
	struct wire_watch watch;
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wire_watch_init(&watch, cases[i].dialect, false);
		snprintf(text, sizeof(text), "{\"usage\":{%s}}", cases[i].usage);
		watch_text(&watch, text);
		CHECK_INT(watch.usage.input, cases[i].input);
		CHECK_INT(watch.usage.cache_read, cases[i].cache_read);
		CHECK_INT(watch.usage.cache_write, cases[i].cache_write);
		CHECK_INT(watch.usage.cache_write_1h, cases[i].cache_write_1h);
		CHECK_INT(watch.usage.odd, cases[i].odd);
	}
}

/* What a later call, and an error event of ours, need of a response. */
static void response_told(void)
{
	static const char id[] = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b";
	static const struct {
		const char *file;
		enum wire_status status;
		int64_t sequence;
	} cases[] = {
		{ "responses-text.sse", WIRE_STATUS_COMPLETED, 8 },
		{ "responses-cut.sse", WIRE_STATUS_IN_PROGRESS, 5 },
		{ "responses-failed-first.sse", WIRE_STATUS_FAILED, 2 },
		{ "responses-text.json", WIRE_STATUS_COMPLETED, -1 },
		{ "responses-queued.json", WIRE_STATUS_QUEUED, -1 },
		{ "responses-incomplete.json", WIRE_STATUS_INCOMPLETE, -1 },
	};
	_cleanup_(buffer_fini) struct buffer text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct row row = { .file = cases[i].file, .dialect = RESPONSES };

		read_fixture(cases[i].file, &text);
		for (size_t cut = 0; cut <= text.len; cut++) {
			struct wire_watch watch = started(&row);

			feed(&watch, text.data, cut);
			feed(&watch, text.data + cut, text.len - cut);
			CHECK_STR(watch.id, id);
			CHECK_INT(watch.status, cases[i].status);
			CHECK_INT(watch.sequence, cases[i].sequence);
		}
	}
}

/* An id that is longer than there is room for is none, and not its beginning. */
static void response_id_too_long(void)
{
	struct wire_watch watch;
	char text[256];

	wire_watch_init(&watch, RESPONSES, false);
	snprintf(text, sizeof(text), "{\"id\":\"%0*d\",\"status\":\"completed\"}",
		 WIRE_ID_BYTES + 1, 7);
	watch_text(&watch, text);
	CHECK_STR(watch.id, "");
	CHECK_INT(watch.status, WIRE_STATUS_COMPLETED);
}

/* A stream that broke off inside an event is read again from the next one on. */
static void torn_event(void)
{
	struct wire_watch watch;

	wire_watch_init(&watch, WIRE_OPENAI_CHAT, true);
	watch_text(&watch, "data: {\"choices\":[{\"delta\":{\"content\":\"a\\\n\n"
			   "data: {\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1},"
			   "\"choices\":[]}\n\n");
	CHECK_INT(watch.usage.input, 2);
	CHECK(watch.usage.final && !watch.terminal);
}

/* A type or code may be a name or a status in each dialect, and one that says nothing takes nothing
 * back. */
static void errors_said_otherwise(void)
{
	static const struct {
		enum wire_dialect dialect;
		const char *text;
		enum wire_error_class error;
	} cases[] = {
		{ GEMINI, "{\"error\":{\"code\":\"429\"}}", WIRE_ERROR_RATE_LIMIT },
		{ CONVERSE, "{\"message\":\"m\",\"code\":503}", WIRE_ERROR_OVERLOADED },
		{ MESSAGES, "{\"error\":{\"type\":529}}", WIRE_ERROR_OVERLOADED },
		{ RESPONSES, "{\"error\":{\"code\":\"invalid_prompt\"},\"code\":null}",
		  WIRE_ERROR_INVALID },
		{ CHAT, "{\"error\":{\"type\":\"odd\",\"code\":\"odd\"}}", WIRE_ERROR_INTERNAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_watch watch;

		wire_watch_init(&watch, cases[i].dialect, false);
		watch_text(&watch, cases[i].text);
		CHECK_INT(watch.error, cases[i].error);
	}
}

int main(void)
{
	test_run("recorded-answers", recorded_answers);
	test_run("boundaries", boundaries);
	test_run("long-event", long_event);
	test_run("nesting", nesting);
	test_run("meaningless", meaningless);
	test_run("odd-counts", odd_counts);
	test_run("more-cached-than-prompt", more_cached_than_prompt);
	test_run("response-told", response_told);
	test_run("response-id-too-long", response_id_too_long);
	test_run("torn-event", torn_event);
	test_run("errors-said-otherwise", errors_said_otherwise);
	return 0;
}
