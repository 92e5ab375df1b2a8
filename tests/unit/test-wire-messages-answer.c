/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Anthropic's Messages: what is told of each event of an upstream's stream and of its
 * documents, and what a client gets of what is told. */
#include "base/cleanup.h"
#include "test.h"
#include "wire/answer.h"

/* ---- reading ---- */

static const char *const stop_names[] = {
	[ANSWER_STOP_UNSAID] = "unsaid",   [ANSWER_STOP_DONE] = "done",
	[ANSWER_STOP_LENGTH] = "length",   [ANSWER_STOP_SEQUENCE] = "sequence",
	[ANSWER_STOP_CALLS] = "calls",     [ANSWER_STOP_REFUSED] = "refused",
	[ANSWER_STOP_CONTEXT] = "context", [ANSWER_STOP_PAUSED] = "paused",
};

/* B0t begins block 0, a text; P0 its piece; Q0 what vouches for it; E0 its end. */
static void hear(void *user, const struct answer_event *event)
{
	static const char letters[] = "tfrcx";
	struct buffer *out = user;

	switch (event->what) {
	case ANSWER_BEGIN:
		buffer_printf(out, " begin(%.*s,%.*s)", SLICE_ARGS(event->id),
			      SLICE_ARGS(event->model));
		break;
	case ANSWER_BLOCK:
		buffer_printf(out, " B%u%c%s", event->block, letters[event->kind],
			      event->redacted ? "!" : "");
		if (event->kind == ANSWER_CALL)
			buffer_printf(out, "(%.*s,%.*s)", SLICE_ARGS(event->id),
				      SLICE_ARGS(event->name));
		break;
	case ANSWER_PIECE:
		buffer_printf(out, " P%u=%.*s", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_OPAQUE:
		buffer_printf(out, " Q%u=%.*s", event->block, SLICE_ARGS(event->text));
		break;
	case ANSWER_BLOCK_END:
		buffer_printf(out, " E%u", event->block);
		break;
	case ANSWER_STOP:
		buffer_printf(out, " stop(%s,%.*s)", stop_names[event->stop],
			      SLICE_ARGS(event->sequence));
		break;
	case ANSWER_ERROR:
		buffer_printf(out, " error(%d,%s,%.*s)", event->error->status,
			      event->error->message, SLICE_ARGS(event->error_type));
		break;
	case ANSWER_END:
		buffer_append_str(out, " end");
		break;
	}
}

static struct answer_reader reader_of(struct arena *scratch, struct buffer *heard)
{
	return (struct answer_reader){ .dialect = WIRE_ANTHROPIC_MESSAGES,
				       .sink = hear,
				       .user = heard,
				       .scratch = scratch,
				       .open = -1 };
}

static const struct tree *parse(struct slice text, struct arena *arena)
{
	const struct tree *tree = NULL;
	struct error error;

	if (tree_parse(text, arena, &tree, &error) < 0)
		test_fail(__FILE__, __LINE__, "%.*s: %s", SLICE_ARGS(text), error.message);
	return tree;
}

#define START                                                                                      \
	"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":" \
	"\"assistant\",\"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n"
#define BLOCK(index, block) \
	"{\"type\":\"content_block_start\",\"index\":" index ",\"content_block\":{" block "}}\n"
#define DELTA(index, delta) \
	"{\"type\":\"content_block_delta\",\"index\":" index ",\"delta\":{" delta "}}\n"
#define OVER(index) "{\"type\":\"content_block_stop\",\"index\":" index "}\n"
#define STOP(reason)                                                                               \
	"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":" \
	"null},\"usage\":{\"output_tokens\":2}}\n"
#define END "{\"type\":\"message_stop\"}"
#define TEXT(text) "\"type\":\"text_delta\",\"text\":\"" text "\""
#define JSON(text) "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\""
#define THINK(text) "\"type\":\"thinking_delta\",\"thinking\":\"" text "\""
#define CALL(id) "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"n\",\"input\":{}"

static const struct {
	const char *name, *events, *heard;
} streams[] = {
	{ "text",
	  START BLOCK("0", "\"type\":\"text\",\"text\":\"\"") "{\"type\":\"ping\"}\n" DELTA(
	      "0", TEXT("a\\n")) DELTA("0", TEXT("b")) OVER("0") STOP("end_turn") END,
	  " begin(msg_1,claude) B0t P0=a\\n P0=b E0 stop(done,) end" },
	{ "thinking",
	  START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"") DELTA(
	      "0", THINK("hm")) DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"sig\"")
	      OVER("0") BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":\"dark\"") OVER("1")
		  STOP("end_turn") END,
	  " begin(msg_1,claude) B0r P0=hm Q0=sig E0 B1r! Q1=dark E1 stop(done,) end" },
	{ "thinking-omitted",
	  START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
	      DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"sig\"") OVER("0")
		  STOP("end_turn") END,
	  " begin(msg_1,claude) B0r Q0=sig E0 stop(done,) end" },
	{ "calls",
	  START BLOCK("0", CALL("a")) DELTA("0", JSON("")) DELTA("0", JSON("{\\\"q\\\":"))
	      DELTA("0", JSON("1}")) OVER("0") BLOCK("1", CALL("b")) OVER("1") STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) P0={\\\"q\\\": P0=1} E0 B1c(b,n) E1 stop(calls,) end" },
	{ "calls-mixed",
	  START BLOCK("1", CALL("a")) BLOCK("2", CALL("b")) DELTA("1", JSON("x"))
	      DELTA("2", JSON("y")) OVER("1") DELTA("2", JSON("z")) OVER("2") STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) B1c(b,n) P0=x P1=y E0 P1=z E1 stop(calls,) end" },
	{ "index-reused",
	  START BLOCK("0", CALL("a")) DELTA("0", JSON("x")) BLOCK("0", CALL("b"))
	      DELTA("0", JSON("y")) STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) P0=x B1c(b,n) P1=y stop(calls,) end" },
	{ "index-reused-by-a-text",
	  START BLOCK("0", CALL("a")) OVER("0") BLOCK("0", "\"type\":\"text\"")
	      DELTA("0", TEXT("b")) OVER("0") STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) E0 B1t P1=b E1 stop(calls,) end" },
	{ "no-index",
	  START "{\"type\":\"content_block_start\",\"content_block\":{" CALL(
	      "a") "}}\n{\"type\":\"content_block_delta\",\"delta\":{" JSON("x") "}}\n"
										 "{\"type\":"
										 "\"content_block_"
										 "stop\"}\n" STOP(
										     "tool_use")
										     END,
	  " begin(msg_1,claude) B0c(a,n) P0=x E0 stop(calls,) end" },
	{ "input-at-once",
	  START BLOCK("0",
		      "\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"n\",\"input\":{\"q\":\"x\"}")
	      OVER("0") STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) P0={\\\"q\\\":\\\"x\\\"} E0 stop(calls,) end" },
	{ "call-without-name",
	  START BLOCK("0", "\"type\":\"tool_use\",\"id\":\"a\",\"name\":null") DELTA("0", JSON("x"))
	      OVER("0") STOP("end_turn") END,
	  " begin(msg_1,claude) stop(done,) end" },
	{ "server-tools",
	  START BLOCK("0", "\"type\":\"text\",\"text\":\"\"") DELTA("0", TEXT("a")) OVER("0") BLOCK(
	      "1", "\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}")
	      DELTA("1", JSON("{\\\"query\\\":1}")) OVER("1") BLOCK(
		  "2", "\"type\":\"web_search_tool_result\",\"tool_use_id\":\"s\",\"content\":[]")
		  OVER("2") BLOCK("3", "\"type\":\"text\",\"text\":\"\",\"citations\":[]")
		      DELTA("3", "\"type\":\"citations_delta\",\"citation\":{\"title\":\"t\"}")
			  DELTA("3", TEXT("b")) OVER("3") STOP("pause_turn") END,
	  " begin(msg_1,claude) B0t P0=a E0 B1t P1=b E1 stop(paused,) end" },
	{ "server-tool-behind-a-call-that-did-not-end",
	  START BLOCK("0", CALL("a")) DELTA("0", JSON("x"))
	      BLOCK("1", "\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"w\",\"input\":{}")
		  DELTA("1", JSON("y")) OVER("1") DELTA("0", JSON("z")) STOP("tool_use") END,
	  " begin(msg_1,claude) B0c(a,n) P0=x P0=z stop(calls,) end" },
	{ "compaction",
	  START BLOCK("0", "\"type\":\"compaction\",\"content\":null")
	      DELTA("0", "\"type\":\"compaction_delta\",\"content\":\"c\"") OVER("0")
		  STOP("compaction") END,
	  " begin(msg_1,claude) stop(unsaid,) end" },
	{ "untyped-deltas",
	  START
	  "{\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\n"
	  "{\"type\":\"content_block_delta\",\"delta\":{\"thinking\":\"b\"}}\n" STOP("refusal") END,
	  " begin(msg_1,claude) B0t P0=a B1r P1=b stop(refused,) end" },
	{ "text-at-once",
	  START BLOCK("0", "\"type\":\"text\",\"text\":\"a\"") OVER("0") STOP("max_tokens") END,
	  " begin(msg_1,claude) B0t P0=a E0 stop(length,) end" },
	{ "sequence",
	  START "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"stop_sequence\","
		"\"stop_sequence\":\"x\"}}\n" END,
	  " begin(msg_1,claude) stop(sequence,x) end" },
	{ "context", START STOP("model_context_window_exceeded") END,
	  " begin(msg_1,claude) stop(context,) end" },
	{ "two-deltas",
	  START
	  "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":null}\n" STOP(
	      "end_turn") STOP("max_tokens") END,
	  " begin(msg_1,claude) stop(done,) stop(length,) end" },
	{ "no-reason", START END, " begin(msg_1,claude) stop(unsaid,) end" },
	{ "no-start", DELTA("0", TEXT("a")) STOP("end_turn") END,
	  " begin(,) B0t P0=a stop(done,) end" },
	{ "nulls",
	  "{\"type\":\"message_start\",\"message\":null}\n" BLOCK("null",
								  "\"type\":\"text\",\"text\":null")
	      DELTA("null",
		    "\"text\":null") "{\"type\":\"content_block_start\",\"content_block\":null}\n"
				     "{\"type\":\"content_block_delta\",\"delta\":null}\n"
				     "{\"type\":\"message_delta\",\"delta\":null}\n{\"type\":null}"
				     "\n{}\n[]\n" END,
	  " begin(,) B0t stop(unsaid,) end" },
	{ "error",
	  START "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\"}"
		"}\n" DELTA("0", TEXT("late")) END,
	  " begin(msg_1,claude) error(529,full,overloaded_error)" },
	{ "error-untyped", "{\"error\":{\"message\":\"gone\"}}", " error(502,gone,)" },
	{ "error-text", "{\"error\":\"gone\"}", " error(502,gone,)" },
	{ "error-silent", "{\"type\":\"error\"}",
	  " error(502,The upstream's answer ended in an error.,)" },
};

static void reading_streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		_cleanup_(arena_fini) struct arena scratch = { 0 };
		_cleanup_(buffer_fini) struct buffer heard = { 0 };
		struct answer_reader reader = reader_of(&scratch, &heard);
		struct slice rest = slice_of(streams[i].events);

		test_name = streams[i].name;
		while (rest.len > 0) {
			struct slice event = slice_cut(rest, '\n', &rest);

			messages_read_event(&reader, (struct slice){ 0 }, parse(event, &scratch));
			arena_fini(&scratch);
		}
		CHECK_SLICE(buffer_slice(&heard), streams[i].heard);
	}
}

/* Some servers say what an event is in its line only. */
static void named_events(void)
{
	_cleanup_(arena_fini) struct arena scratch = { 0 };
	_cleanup_(buffer_fini) struct buffer heard = { 0 };
	struct answer_reader reader = reader_of(&scratch, &heard);

	messages_read_event(&reader, SLICE("content_block_delta"),
			    parse(SLICE("{\"delta\":{\"text\":\"a\"}}"), &scratch));
	messages_read_event(&reader, SLICE("ping"), parse(SLICE("{}"), &scratch));
	messages_read_event(&reader, SLICE("message_stop"), parse(SLICE("{}"), &scratch));
	CHECK_SLICE(buffer_slice(&heard), " begin(,) B0t P0=a stop(unsaid,) end");
}

static const struct {
	const char *name, *document, *heard;
} documents[] = {
	{ "all",
	  "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\","
	  "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"sig\"},"
	  "{\"type\":\"redacted_thinking\",\"data\":\"dark\"},"
	  "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}},"
	  "{\"type\":\"text\",\"text\":\"a\",\"citations\":null},{\"type\":\"text\",\"text\":\"b\"}"
	  ","
	  "{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\",\"input\":{\"q\":[1]}},"
	  "{\"type\":\"tool_use\",\"id\":\"j\",\"name\":\"n\",\"input\":{}}],"
	  "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":1}}",
	  " begin(msg_1,claude) B0r P0=hm Q0=sig E0 B1r! Q1=dark E1 B2t P2=a E2 B3t P3=b E3"
	  " B4c(i,n) P4={\\\"q\\\":[1]} E4 B5c(j,n) E5 stop(calls,) end" },
	{ "sequence", "{\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"x\"}",
	  " begin(,) stop(sequence,x) end" },
	{ "content-as-text", "{\"content\":\"a\",\"stop_reason\":null}",
	  " begin(,) B0t P0=a stop(unsaid,) end" },
	{ "no-message", "{\"detail\":\"x\"}", " begin(,)" },
	{ "error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a\\nb\"}}",
	  " error(500,a\nb,api_error)" },
};

static void reading_documents(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		_cleanup_(arena_fini) struct arena scratch = { 0 };
		_cleanup_(buffer_fini) struct buffer heard = { 0 };
		struct answer_reader reader = reader_of(&scratch, &heard);

		test_name = documents[i].name;
		messages_read_document(&reader, parse(slice_of(documents[i].document), &scratch));
		CHECK_SLICE(buffer_slice(&heard), documents[i].heard);
	}
}

/* More calls than are remembered still come in order. */
static void many_calls(void)
{
	_cleanup_(arena_fini) struct arena scratch = { 0 };
	_cleanup_(buffer_fini) struct buffer heard = { 0 };
	struct answer_reader reader = reader_of(&scratch, &heard);

	for (int i = 0; i < ANSWER_CALLS_MAX + 2; i++) {
		_cleanup_(buffer_fini) struct buffer event = { 0 };

		buffer_printf(&event,
			      "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{"
			      "\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"n\"}}",
			      i);
		messages_read_event(&reader, (struct slice){ 0 },
				    parse(buffer_slice(&event), &scratch));
		buffer_clear(&event);
		buffer_printf(&event,
			      "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{"
			      "\"partial_json\":\"{}\"}}",
			      i);
		messages_read_event(&reader, (struct slice){ 0 },
				    parse(buffer_slice(&event), &scratch));
	}
	CHECK_INT(reader.calls, ANSWER_CALLS_MAX);
	CHECK(memmem(heard.data, heard.len, " B129c(i,n) P129={}", 19));
}

static void reading_errors(void)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct wire_error error = { .status = 429, .message = "before" };
	struct slice type = { 0 };

	messages_read_error(parse(SLICE("{\"detail\":\"no\"}"), &arena), &arena, &error, &type);
	CHECK_STR(error.message, "before");
	CHECK(!type.ptr);
	messages_read_error(
	    parse(SLICE("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
			"\"message\":\"a \\\"b\\\"\"},\"request_id\":\"r\"}"),
		  &arena),
	    &arena, &error, &type);
	CHECK_STR(error.message, "a \"b\"");
	CHECK_INT(error.status, 429); /* of the head: it stays */
	CHECK_SLICE(type, "overloaded_error");
}

/* ---- writing ---- */

#define S(text) SLICE(text)
#define WHAT(what_, ...)                            \
	{                                           \
		.what = ANSWER_##what_, __VA_ARGS__ \
	}

static const struct answer_event told_text[] = {
	WHAT(BEGIN, .id = S("x"), .model = S("gpt")),
	WHAT(BLOCK, .kind = ANSWER_TEXT),
	WHAT(PIECE, .kind = ANSWER_TEXT, .text = S("a\\n")),
	WHAT(PIECE, .kind = ANSWER_TEXT, .text = S("b")),
	WHAT(BLOCK_END, .kind = ANSWER_TEXT),
	WHAT(STOP, .stop = ANSWER_STOP_DONE),
	WHAT(END),
};

static const struct answer_event told_reasoning[] = {
	WHAT(BEGIN),
	WHAT(BLOCK, .kind = ANSWER_REASONING),
	WHAT(PIECE, .kind = ANSWER_REASONING, .text = S("hm")),
	WHAT(OPAQUE, .text = S("sig"), .id = S("rs_1")),
	WHAT(BLOCK_END, .kind = ANSWER_REASONING),
	WHAT(BLOCK, .block = 1, .kind = ANSWER_REASONING, .redacted = true),
	WHAT(OPAQUE, .block = 1, .text = S("dark")),
	WHAT(BLOCK_END, .block = 1, .kind = ANSWER_REASONING),
	WHAT(BLOCK, .block = 2, .kind = ANSWER_REASONING), /* nothing of it can be told */
	WHAT(BLOCK_END, .block = 2, .kind = ANSWER_REASONING),
	WHAT(BLOCK, .block = 3, .kind = ANSWER_TEXT), /* nor of this */
	WHAT(BLOCK_END, .block = 3, .kind = ANSWER_TEXT),
	WHAT(BLOCK, .block = 4, .kind = ANSWER_REASONING),
	WHAT(OPAQUE, .block = 4, .text = S("alone")),
	WHAT(BLOCK_END, .block = 4, .kind = ANSWER_REASONING),
	WHAT(STOP, .stop = ANSWER_STOP_LENGTH),
	WHAT(END),
};

static const struct answer_event told_calls[] = {
	WHAT(BEGIN),
	WHAT(BLOCK, .kind = ANSWER_CALL, .id = S("call_1"), .name = S("n")),
	WHAT(PIECE, .kind = ANSWER_CALL, .text = S("{\\\"q\\\":")),
	WHAT(PIECE, .kind = ANSWER_CALL, .text = S("1}")),
	WHAT(BLOCK_END, .kind = ANSWER_CALL),
	WHAT(BLOCK, .block = 1, .kind = ANSWER_CALL, .name = S("n")),
	WHAT(BLOCK_END, .block = 1, .kind = ANSWER_CALL),
	WHAT(BLOCK, .block = 2, .kind = ANSWER_CALL, .id = S("functions.bash:0"), .name = S("m")),
	WHAT(PIECE, .block = 2, .kind = ANSWER_CALL, .text = S("{\\\"cut")),
	WHAT(BLOCK_END, .block = 2, .kind = ANSWER_CALL),
	WHAT(STOP, .stop = ANSWER_STOP_DONE),
	WHAT(END),
};

static const struct answer_event told_refusal[] = {
	WHAT(BEGIN),
	WHAT(BLOCK, .kind = ANSWER_REFUSAL),
	WHAT(PIECE, .kind = ANSWER_REFUSAL, .text = S("no")),
	WHAT(BLOCK_END, .kind = ANSWER_REFUSAL),
	WHAT(STOP, .stop = ANSWER_STOP_DONE),
	WHAT(END),
};

static const struct answer_event told_sequence[] = {
	WHAT(BEGIN),
	WHAT(STOP, .stop = ANSWER_STOP_SEQUENCE, .sequence = S("x")),
	WHAT(END),
};

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define W_START(model, usage)                                                         \
	EVENT("message_start",                                                        \
	      ",\"message\":{\"id\":\"msg_r1\",\"type\":\"message\",\"role\":"        \
	      "\"assistant\",\"model\":\"" model "\",\"container\":null,\"content\":" \
	      "[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null," \
	      "\"usage\":{" usage "}}")
#define W_BLOCK(index, block) \
	EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define W_DELTA(index, delta) \
	EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}")
#define W_OVER(index) EVENT("content_block_stop", ",\"index\":" index)
#define W_END(stop, sequence, usage)                                                 \
	EVENT("message_delta",                                                       \
	      ",\"delta\":{\"stop_reason\":\"" stop "\",\"stop_sequence\":" sequence \
	      ",\"stop_details\":null,\"container\":null},\"usage\":{" usage "}")    \
	EVENT("message_stop", "")
#define W_DOCUMENT(model, content, stop, sequence, usage)                                   \
	"{\"id\":\"msg_r1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" model \
	"\",\"container\":null,\"content\":[" content "],\"stop_reason\":\"" stop           \
	"\",\"stop_sequence\":" sequence ",\"stop_details\":null,\"usage\":{" usage "}}"
#define ZERO                                                    \
	"\"input_tokens\":0,\"cache_creation_input_tokens\":0," \
	"\"cache_read_input_tokens\":0,\"output_tokens\":0"
#define COUNTED                                                                               \
	"\"input_tokens\":7,\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":4," \
	"\"output_tokens\":9,\"cache_creation\":{\"ephemeral_5m_input_tokens\":2,"            \
	"\"ephemeral_1h_input_tokens\":3},\"output_tokens_details\":{\"thinking_tokens\":6}"

static const struct wire_usage unknown = { .input = -1,
					   .cache_read = -1,
					   .cache_write = -1,
					   .cache_write_1h = -1,
					   .output = -1,
					   .reasoning = -1 };
static const struct wire_usage counted = { .input = 7,
					   .cache_read = 4,
					   .cache_write = 2,
					   .cache_write_1h = 3,
					   .output = 9,
					   .reasoning = 6 };

static const struct {
	const char *name;
	const struct answer_event *told;
	size_t count;
	const struct wire_usage *usage;
	const char *stream, *document;
} written[] = {
	{ "text", told_text, ARRAY_SIZE(told_text), &counted,
	  W_START("gpt", COUNTED) W_BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
	      W_DELTA("0", "\"type\":\"text_delta\",\"text\":\"a\\n\"")
		  W_DELTA("0", "\"type\":\"text_delta\",\"text\":\"b\"") W_OVER("0")
		      W_END("end_turn", "null", COUNTED),
	  W_DOCUMENT("gpt", "{\"type\":\"text\",\"text\":\"a\\nb\"}", "end_turn", "null",
		     COUNTED) },
	{ "reasoning", told_reasoning, ARRAY_SIZE(told_reasoning), &unknown,
	  W_START("asked",
		  ZERO) W_BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
	      W_DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"hm\"")
		  W_DELTA("0", "\"type\":\"signature_delta\",\"signature\":"
			       "\"tidegate1.responses.rs_1.sig\"") W_OVER("0")
		      W_BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":"
				   "\"tidegate1.responses..dark\"") W_OVER("1")
			  W_BLOCK("2", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
			      W_DELTA("2", "\"type\":\"signature_delta\",\"signature\":"
					   "\"tidegate1.responses..alone\"") W_OVER("2")
				  W_END("max_tokens", "null", ZERO),
	  W_DOCUMENT("asked",
		     "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":"
		     "\"tidegate1.responses.rs_1.sig\"},"
		     "{\"type\":\"redacted_thinking\",\"data\":\"tidegate1.responses..dark\"},"
		     "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
		     "\"tidegate1.responses..alone\"}",
		     "max_tokens", "null", ZERO) },
	{ "calls", told_calls, ARRAY_SIZE(told_calls), &unknown,
	  W_START("asked", ZERO)
	      W_BLOCK("0", "\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"n\",\"input\":{}")
		  W_DELTA("0", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":\"")
		      W_DELTA("0", "\"type\":\"input_json_delta\",\"partial_json\":\"1}\"")
			  W_OVER("0") W_BLOCK("1", "\"type\":\"tool_use\",\"id\":\"toolu_r1_1\","
						   "\"name\":\"n\",\"input\":{}") W_OVER("1")
			      W_BLOCK("2", "\"type\":\"tool_use\",\"id\":"
					   "\"toolu_8497fe9cce69aff0aa7025efd9339081\",\"name\":"
					   "\"m\",\"input\":{}")
				  W_DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":"
					       "\"{\\\"cut\"") W_OVER("2")
				      W_END("tool_use", "null", ZERO),
	  W_DOCUMENT("asked",
		     "{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"n\",\"input\":{\"q\":1}},"
		     "{\"type\":\"tool_use\",\"id\":\"toolu_r1_1\",\"name\":\"n\",\"input\":{}},"
		     "{\"type\":\"tool_use\",\"id\":\"toolu_8497fe9cce69aff0aa7025efd9339081\","
		     "\"name\":\"m\",\"input\":{\"INVALID_JSON\":\"{\\\"cut\"}}",
		     "tool_use", "null", ZERO) },
	{ "refusal", told_refusal, ARRAY_SIZE(told_refusal), &unknown,
	  W_START("asked", ZERO) W_BLOCK("0", "\"type\":\"text\",\"text\":\"\"")
	      W_DELTA("0", "\"type\":\"text_delta\",\"text\":\"no\"") W_OVER("0")
		  W_END("refusal", "null", ZERO),
	  W_DOCUMENT("asked", "{\"type\":\"text\",\"text\":\"no\"}", "refusal", "null", ZERO) },
	{ "sequence", told_sequence, ARRAY_SIZE(told_sequence), &unknown,
	  W_START("asked", ZERO) W_END("stop_sequence", "\"x\"", ZERO),
	  W_DOCUMENT("asked", "", "stop_sequence", "\"x\"", ZERO) },
};

static void write_all(size_t row, bool stream, const char *expected)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	_cleanup_(answer_writer_fini) struct answer_writer writer = {
		.dialect = WIRE_ANTHROPIC_MESSAGES,
		.upstream = WIRE_OPENAI_RESPONSES,
		.stream = stream,
		.out = &out,
		.arena = &arena,
		.request_id = SLICE("r1"),
		.model = SLICE("asked"),
		.usage = written[row].usage,
	};

	for (size_t i = 0; i < written[row].count; i++) {
		if (!stream)
			CHECK(answer_keep(&writer, &written[row].told[i]));
		messages_write_answer(&writer, &written[row].told[i]);
	}
	CHECK_SLICE(buffer_slice(&out), expected);
	CHECK(writer.ended);
}

static void writing(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		test_name = written[i].name;
		write_all(i, true, written[i].stream);
		write_all(i, false, written[i].document);
	}
}

static void writing_errors(void)
{
	static const struct wire_error error = { .status = 529, .message = "full" };
	static const struct answer_event told = { .what = ANSWER_ERROR, .error = &error };
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct answer_writer writer = {
		.stream = true, .out = &out, .arena = &arena, .usage = &unknown
	};

	messages_write_answer(&writer, &told);
	CHECK_SLICE(buffer_slice(&out),
		    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
		    "\"overloaded_error\",\"message\":\"full\"}}\n\n");
}

int main(void)
{
	test_run("reading-streams", reading_streams);
	test_run("named-events", named_events);
	test_run("reading-documents", reading_documents);
	test_run("many-calls", many_calls);
	test_run("reading-errors", reading_errors);
	test_run("writing", writing);
	test_run("writing-errors", writing_errors);
	return 0;
}
