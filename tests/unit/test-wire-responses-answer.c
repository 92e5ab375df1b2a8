/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Responses: what each event and each item tells, of servers that leave some out; and
 * what a client gets, as a stream and as a document. */
#include "test-wire-told.h"
#include "test-wire-written.h"

/* ---- reading ---- */

#define EV(type, rest) "{\"type\":\"response." type "\",\"sequence_number\":1," rest "}"
#define AT(index) "\"output_index\":" index ",\"item_id\":\"i\",\"content_index\":0"
#define CREATED \
	EV("created", "\"response\":{\"id\":\"r1\",\"model\":\"m\",\"status\":\"in_progress\"}")
#define ADDED(index, item) EV("output_item.added", AT(index) ",\"item\":{" item "}")
#define DONE(index, item) EV("output_item.done", AT(index) ",\"item\":{" item "}")
#define DELTA(kind, index, text) EV(kind ".delta", AT(index) ",\"delta\":\"" text "\"")
#define END_WITH(word, rest)                                                      \
	EV(word, "\"response\":{\"id\":\"r1\",\"model\":\"m\",\"status\":\"" word \
		 "\",\"error\":null" rest "}")
#define COMPLETED END_WITH("completed", ",\"output\":[]")
#define FC(rest) "\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c\",\"name\":\"f\"" rest
#define BEGUN "begin r1 m\n"
#define HEARD "stop done\nend\n"

static const struct {
	const char *name;
	const char *events[9];
	const char *told;
} streams[] = {
	{ "text",
	  { CREATED, EV("in_progress", "\"response\":{}"),
	    ADDED("0", "\"type\":\"message\",\"role\":\"assistant\",\"content\":[]"),
	    EV("content_part.added", AT("0") ",\"part\":{\"type\":\"output_text\",\"text\":\"\"}"),
	    DELTA("output_text", "0", "He\\\""), DELTA("output_text", "0", "y"),
	    EV("output_text.done", AT("0") ",\"text\":\"He\\\"y\""),
	    DONE("0", "\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
		      "\"text\":\"He\\\"y\"}]"),
	    END_WITH("completed", ",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
				  "\"output_text\",\"text\":\"He\\\"y\"}]}]") },
	  BEGUN "block 0 text  \n0+He\\\"\n0+y\nend 0\n" HEARD },
	{ "text-done-alone",
	  { CREATED, EV("output_text.done", AT("0") ",\"text\":\"a\""), COMPLETED },
	  BEGUN "block 0 text  \n0+a\nend 0\n" HEARD },
	{ "item-done-alone",
	  { CREATED,
	    DONE("0", "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"},"
		      "{\"type\":\"refusal\",\"refusal\":\"n\"}]"),
	    DONE("0", "\"type\":\"message\",\"content\":\"b\""), COMPLETED },
	  BEGUN "block 0 text  \n0+a\nblock 1 refusal  \n1+n\nend 1\nblock 2 text  \n2+b\nend "
		"2\n" HEARD },
	{ "completed-alone",
	  { END_WITH("completed",
		     ",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
		     "\"output_text\",\"text\":\"a\"}]},{" FC(",\"arguments\":\"{}\"") "}]") },
	  BEGUN "block 0 text  \n0+a\nend 0\nblock 1 call c f\n1+{}\nend 1\nstop calls\nend\n" },
	{ "two-parts",
	  { CREATED, DELTA("output_text", "0", "a"),
	    EV("output_text.done", AT("0") ",\"text\":\"a\""), DELTA("output_text", "0", "b"),
	    EV("output_text.done", AT("0") ",\"text\":\"b\"") },
	  BEGUN "block 0 text  \n0+a\nend 0\nblock 1 text  \n1+b\nend 1\n" },
	{ "mixed-items",
	  { CREATED, ADDED("0", "\"type\":\"message\""), ADDED("1", "\"type\":\"message\""),
	    DELTA("output_text", "0", "a"), DELTA("output_text", "1", "b"),
	    DELTA("output_text", "0", "c") },
	  BEGUN "block 0 text  \n0+a\nblock 1 text  \n1+b\nblock 2 text  \n2+c\n" },
	{ "refusal",
	  { CREATED, DELTA("refusal", "0", "I"), DELTA("refusal", "0", " no"),
	    EV("refusal.done", AT("0") ",\"refusal\":\"I no\""), COMPLETED },
	  BEGUN "block 0 refusal  \n0+I\n0+ no\nend 0\n" HEARD },
	{ "refusal-done-alone",
	  { CREATED, EV("refusal.done", AT("0") ",\"refusal\":\"no\""), COMPLETED },
	  BEGUN "block 0 refusal  \n0+no\nend 0\n" HEARD },
	{ "call",
	  { CREATED, ADDED("0", FC(",\"arguments\":\"\"")),
	    DELTA("function_call_arguments", "0", "{\\\"x\\\":"),
	    DELTA("function_call_arguments", "0", "1}"),
	    EV("function_call_arguments.done", AT("0") ",\"arguments\":\"{\\\"x\\\":1}\""),
	    DONE("0", FC(",\"arguments\":\"{\\\"x\\\":1}\"")), COMPLETED },
	  BEGUN "block 0 call c f\n0+{\\\"x\\\":\n0+1}\nend 0\nstop calls\nend\n" },
	{ "calls-mixed",
	  { CREATED, ADDED("0", FC("")),
	    ADDED("1", "\"type\":\"function_call\",\"call_id\":\"d\",\"name\":\"g\""),
	    DELTA("function_call_arguments", "1", "{}"),
	    DELTA("function_call_arguments", "0", "{}"), DONE("1", FC("")), DONE("0", FC("")) },
	  BEGUN "block 0 call c f\nblock 1 call d g\n1+{}\n0+{}\nend 1\nend 0\n" },
	{ "arguments-at-the-end",
	  { CREATED, ADDED("0", FC(",\"arguments\":\"{}\"")),
	    DONE("0", FC(",\"arguments\":\"{}\"")), COMPLETED },
	  BEGUN "block 0 call c f\n0+{}\nend 0\nstop calls\nend\n" },
	{ "name-at-the-end",
	  { CREATED, ADDED("0", "\"type\":\"function_call\",\"id\":\"fc\""),
	    DELTA("function_call_arguments", "0", "{}"), DONE("0", FC(",\"arguments\":\"{}\"")) },
	  BEGUN "block 0 call c f\n0+{}\nend 0\n" },
	{ "no-added",
	  { CREATED, DELTA("function_call_arguments", "0", "{}"),
	    DONE("0", FC(",\"arguments\":\"{}\"")) },
	  BEGUN "block 0 call c f\n0+{}\nend 0\n" },
	{ "no-name",
	  { CREATED, DONE("0", "\"type\":\"function_call\",\"call_id\":\"c\"") },
	  BEGUN "error 502 : The upstream's answer calls a tool without a name.\n" },
	{ "index-used-again",
	  { CREATED, ADDED("0", FC("")), DELTA("function_call_arguments", "0", "{}"),
	    DONE("0", FC("")),
	    ADDED("0", "\"type\":\"function_call\",\"call_id\":\"d\",\"name\":\"g\""),
	    DELTA("function_call_arguments", "0", "[]") },
	  BEGUN "block 0 call c f\n0+{}\nend 0\nblock 1 call d g\n1+[]\n" },
	{ "no-index-no-id",
	  { CREATED,
	    "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\","
	    "\"name\":\"f\"}}",
	    "{\"type\":\"response.function_call_arguments.delta\",\"delta\":{\"x\": 1}}" },
	  BEGUN "block 0 call call_r7_0 f\n0+{\\\"x\\\": 1}\n" },
	{ "no-index", /* and items that are open side by side */
	  { CREATED, EV("output_item.added", "\"item\":{\"type\":\"reasoning\",\"id\":\"r\"}"),
	    EV("reasoning_text.delta", "\"item_id\":\"r\",\"delta\":\"h\""),
	    EV("output_item.added", "\"item\":{\"type\":\"message\",\"id\":\"m\"}"),
	    EV("output_text.delta", "\"item_id\":\"m\",\"delta\":\"a\""),
	    EV("output_item.done",
	       "\"item\":{\"type\":\"reasoning\",\"id\":\"r\",\"content\":[{\"text\":\"h\"}]}"),
	    EV("output_text.done", "\"item_id\":\"m\",\"text\":\"a\""),
	    EV("output_item.done",
	       "\"item\":{\"type\":\"message\",\"id\":\"m\",\"content\":\"a\"}"),
	    COMPLETED },
	  BEGUN "block 0 reasoning  \n0+h\nblock 1 text  \n1+a\nend 0\nend 1\n" HEARD },
	{ "no-index-and-an-id-later",
	  { CREATED,
	    EV("output_item.added", "\"item\":{"
				    "\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\"}"),
	    EV("function_call_arguments.delta", "\"item_id\":\"fc\",\"delta\":\"{}\""),
	    EV("output_item.done", "\"item\":{" FC(",\"arguments\":\"{}\"") "}"), COMPLETED },
	  BEGUN "block 0 call c f\n0+{}\nend 0\nstop calls\nend\n" },
	{ "custom",
	  { CREATED,
	    ADDED("0", "\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"x\",\"input\":"
		       "\"\""),
	    DELTA("custom_tool_call_input", "0", "no "),
	    DELTA("custom_tool_call_input", "0", "json"),
	    EV("custom_tool_call_input.done", AT("0") ",\"input\":\"no json\""),
	    DONE("0", "\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"x\",\"input\":"
		      "\"no json\""),
	    COMPLETED },
	  BEGUN "block 0 custom c x\n0+no \n0+json\nend 0\nstop calls\nend\n" },
	{ "custom-at-the-end",
	  { CREATED,
	    DONE("0", "\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"x\",\"input\":"
		      "\"i\"") },
	  BEGUN "block 0 custom c x\n0+i\nend 0\n" },
	{ "summary",
	  { CREATED, ADDED("0", "\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[]"),
	    EV("reasoning_summary_part.added", AT("0") ",\"summary_index\":0"),
	    DELTA("reasoning_summary_text", "0", "h"),
	    EV("reasoning_summary_part.added", AT("0") ",\"summary_index\":1"),
	    DELTA("reasoning_summary_text", "0", "m"), DELTA("reasoning_text", "0", "raw"),
	    DONE("0", "\"type\":\"reasoning\",\"id\":\"rs\",\"encrypted_content\":\"gA.==\","
		      "\"summary\":[{\"type\":\"summary_text\",\"text\":\"h\"}]"),
	    DELTA("output_text", "1", "a") },
	  BEGUN "block 0 reasoning  \n0+h\n0+\\n\\n\n0+m\nopaque 0 gA.==\nend 0\nblock 1 text  \n"
		"1+a\n" },
	{ "reasoning-text",
	  { CREATED, DELTA("reasoning_text", "0", "raw"), DELTA("reasoning_summary_text", "0", "s"),
	    DONE("0", "\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[]") },
	  BEGUN "block 0 reasoning  \n0+raw\nend 0\n" },
	{ "reasoning-at-the-end",
	  { CREATED, DONE("0", "\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"text\":\"a\"},"
			       "{\"text\":\"b\"}],\"encrypted_content\":null") },
	  BEGUN "block 0 reasoning  \n0+a\n0+\\n\\n\n0+b\nend 0\n" },
	{ "reasoning-hidden",
	  { CREATED,
	    DONE("0", "\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[],\"encrypted_content\":"
		      "\"x\"") },
	  BEGUN "block 0 reasoning  \nopaque 0 x\nend 0\n" },
	{ "hosted-tools",
	  { EV("queued", "\"response\":{\"id\":\"r1\",\"model\":\"m\"}"),
	    ADDED("0", "\"type\":\"web_search_call\",\"id\":\"ws\",\"status\":\"in_progress\""),
	    EV("web_search_call.searching", AT("0")), EV("mcp_call_arguments.delta", AT("0")),
	    DONE("0", "\"type\":\"web_search_call\",\"id\":\"ws\",\"status\":\"completed\""),
	    DELTA("output_text", "1", "a"),
	    EV("output_text.annotation.added", AT("1") ",\"annotation\":{}"),
	    EV("content_part.done", AT("1") ",\"part\":{\"type\":\"output_text\"}"), COMPLETED },
	  BEGUN "block 0 text  \n0+a\n" HEARD },
	{ "cut",
	  { CREATED, DELTA("output_text", "0", "a"),
	    END_WITH("incomplete", ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}") },
	  BEGUN "block 0 text  \n0+a\nstop length\nend\n" },
	{ "cut-for-no-reason",
	  { CREATED, END_WITH("incomplete", ",\"incomplete_details\":null") },
	  BEGUN "stop length\nend\n" },
	{ "filtered",
	  { CREATED,
	    END_WITH("incomplete", ",\"incomplete_details\":{\"reason\":\"content_filter\"}") },
	  BEGUN "stop refused\nend\n" },
	{ "failed",
	  { CREATED, EV("failed", "\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
				  "\"rate_limit_exceeded\",\"message\":\"slow\"}}") },
	  BEGUN "error 429 : slow\n" },
	{ "failed-silently",
	  { CREATED, EV("failed", "\"response\":{\"status\":\"failed\",\"error\":null}") },
	  BEGUN "error 502 : The upstream's answer failed.\n" },
	{ "error",
	  { CREATED,
	    "{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null}" },
	  BEGUN "error 500 : m\n" },
	{ "error-inside",
	  { "{\"type\":\"error\",\"error\":{\"type\":\"insufficient_quota\",\"message\":\"m\"}}" },
	  "error 402 insufficient_quota: m\n" },
	{ "nulls-and-others",
	  { "{\"type\":null}", "{}", "7", EV("new.event", "\"x\":1"),
	    EV("output_text.delta", "\"delta\":null"), EV("output_item.done", "\"item\":null") },
	  "" },
};

static void read_streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		struct told told;

		told_init(&told, WIRE_OPENAI_RESPONSES);
		for (size_t at = 0; at < ARRAY_SIZE(streams[i].events) && streams[i].events[at];
		     at++)
			told_read(&told, "", streams[i].events[at], false, responses_read_event,
				  responses_read_document);
		told_check(&told, streams[i].name, streams[i].told);
	}
}

/* Some leave the type to the event's name. */
static void read_named(void)
{
	struct told told;

	told_init(&told, WIRE_OPENAI_RESPONSES);
	told_read(&told, "response.output_text.delta", "{\"delta\":\"a\"}", false,
		  responses_read_event, responses_read_document);
	told_read(&told, "", "{\"error\":{\"message\":\"m\"}}", false, responses_read_event,
		  responses_read_document);
	told_check(&told, "named", "begin  \nblock 0 text  \n0+a\nerror 502 : m\n");
}

static void too_many_items(void)
{
	struct told told;

	told_init(&told, WIRE_OPENAI_RESPONSES);
	for (int i = 0; i <= ANSWER_CALLS_MAX; i++)
		told_read(&told, "", ADDED("0", "\"type\":\"message\""), false,
			  responses_read_event, responses_read_document);
	told_check(&told, "many",
		   "error 502 : The upstream's answer has more items than are taken.\n");
}

static const struct {
	const char *name, *document, *told;
} documents[] = {
	{ "all",
	  "{\"id\":\"r1\",\"object\":\"response\",\"model\":\"m\",\"status\":\"completed\","
	  "\"error\":null,\"output\":[{\"type\":\"reasoning\",\"id\":\"rs\",\"content\":[{\"type\":"
	  "\"reasoning_text\",\"text\":\"h\"}],\"summary\":[],\"encrypted_content\":\"e\"},"
	  "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]},"
	  "{\"type\":\"file_search_call\"},{\"type\":\"custom_tool_call\",\"call_id\":\"c\","
	  "\"name\":\"x\",\"input\":\"i\"}]}",
	  BEGUN "block 0 reasoning  \n0+h\nopaque 0 e\nend 0\nblock 1 text  \n1+a\nend 1\n"
		"block 2 custom c x\n2+i\nend 2\nstop calls\nend\n" },
	{ "nothing", "{\"id\":\"r1\",\"model\":\"m\",\"output\":[]}", BEGUN HEARD },
	{ "cut",
	  "{\"id\":\"r1\",\"model\":\"m\",\"status\":\"incomplete\",\"incomplete_details\":{"
	  "\"reason\":\"max_output_tokens\"},\"output\":[]}",
	  BEGUN "stop length\nend\n" },
	{ "failed",
	  "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"},"
	  "\"output\":[]}",
	  "error 500 : m\n" },
	{ "cancelled", "{\"status\":\"cancelled\",\"output\":[]}",
	  "error 502 : The upstream's answer failed.\n" },
	{ "error", "{\"error\":\"text\"}", "error 502 : text\n" },
	{ "another", "{\"choices\":[]}", "error 502 : The upstream's answer has no output.\n" },
};

static void read_documents(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct told told;

		told_init(&told, WIRE_OPENAI_RESPONSES);
		told_read(&told, "", documents[i].document, true, responses_read_event,
			  responses_read_document);
		told_check(&told, documents[i].name, documents[i].told);
	}
}

/* ---- writing ---- */

static void begin(struct written *written, bool stream)
{
	written_init(written, WIRE_OPENAI_RESPONSES, stream, responses_write_answer);
	written->writer.head = SLICE(",\"echo\":1");
}

/* Each event: its name is its type, numbers go up by one. What is left of it is a line: the type
 * without "response.", and the rest. */
static void shorten(struct slice rest, struct buffer *lines)
{
	int number = 0;

	while (rest.len > 0) {
		struct slice name = slice_cut(rest, '\n', &rest),
			     data = slice_cut(rest, '\n', &rest);
		_cleanup_(buffer_fini) struct buffer head = { 0 };

		CHECK_SLICE(slice_cut(rest, '\n', &rest), "");
		CHECK(slice_starts(name, SLICE("event: response.")));
		name = slice_skip(name, 7);
		buffer_printf(&head, "data: {\"type\":\"%.*s\",\"sequence_number\":%d,",
			      SLICE_ARGS(name), number++);
		if (!slice_starts(data, buffer_slice(&head)))
			test_fail(__FILE__, __LINE__, "%.*s begins as\n%.*s", SLICE_ARGS(name),
				  SLICE_ARGS(data));
		name = slice_skip(name, 9);
		data = slice_skip(data, head.len);
		buffer_printf(lines, "%.*s %.*s\n", SLICE_ARGS(name), (int)data.len - 1, data.ptr);
	}
}

#define RESPONSE(status, error, reason, output, usage)                                      \
	"{\"id\":\"resp_r7\",\"object\":\"response\",\"created_at\":9,\"status\":\"" status \
	"\",\"error\":" error ",\"incomplete_details\":" reason                             \
	",\"model\":\"asked\",\"output\":[" output "],\"echo\":1,\"usage\":" usage "}"
#define STARTED                                                                         \
	"created \"response\":" RESPONSE("in_progress", "null", "null", "",             \
					 "null") "\n"                                   \
						 "in_progress \"response\":" RESPONSE(  \
						     "in_progress", "null", "null", "", \
						     "null") "\n"
#define FINISHED(output) \
	"completed \"response\":" RESPONSE("completed", "null", "null", output, "null") "\n"
#define CUT(reason, output)                                                                      \
	"incomplete \"response\":" RESPONSE("incomplete", "null", "{\"reason\":\"" reason "\"}", \
					    output, "null") "\n"
#define PART(text) \
	"{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define MSG(n, status, content)                                                             \
	"{\"type\":\"message\",\"id\":\"msg_r7_" n "\",\"status\":\"" status "\",\"role\":" \
	"\"assistant\",\"content\":[" content "]}"
#define IN(prefix, n, index) \
	"\"item_id\":\"" prefix "_r7_" n "\",\"output_index\":" n ",\"" index "_index\":0,"
#define ITEM(what, n, item) "output_item." what " \"output_index\":" n ",\"item\":" item "\n"
#define TEXT_BEGUN(n)                               \
	ITEM("added", n, MSG(n, "in_progress", "")) \
	"content_part.added " IN("msg", n, "content") "\"part\":" PART("") "\n"
#define TEXT_DELTA(n, text) \
	"output_text.delta " IN("msg", n, "content") "\"delta\":\"" text "\",\"logprobs\":[]\n"
#define TEXT_ENDED(n, status, text)                                                             \
	"output_text.done " IN(                                                                 \
	    "msg", n, "content") "\"text\":\"" text "\",\"logprobs\":[]\n"                      \
				 "content_part.done " IN("msg", n, "content") "\"part\":" PART( \
				     text) "\n" ITEM("done", n, MSG(n, status, PART(text)))
#define CALL(n, status, id, arguments)                                            \
	"{\"type\":\"function_call\",\"id\":\"fc_r7_" n "\",\"status\":\"" status \
	"\",\"call_id\":\"" id "\",\"name\":\"f\",\"arguments\":\"" arguments "\"}"
#define AT_CALL(prefix, n) "\"item_id\":\"" prefix "_r7_" n "\",\"output_index\":" n ","
#define CALLED(n, status, id, delta, arguments)                               \
	ITEM("added", n, CALL(n, "in_progress", id, ""))                      \
	"function_call_arguments.delta " AT_CALL(                             \
	    "fc", n) "\"delta\":\"" delta "\"\n"                              \
		     "function_call_arguments.done " AT_CALL(                 \
			 "fc", n) "\"name\":\"f\",\"arguments\":\"" arguments \
				  "\"\n" ITEM("done", n, CALL(n, status, id, arguments))
#define SUMMARY(text) "{\"type\":\"summary_text\",\"text\":\"" text "\"}"
#define RS(n, status, rest) \
	"{\"type\":\"reasoning\",\"id\":\"rs_r7_" n "\",\"status\":\"" status "\"," rest "}"
#define THOUGHT                                                     \
	RS("0", "completed",                                        \
	   "\"summary\":[" SUMMARY("hm") "],\"encrypted_content\":" \
					 "\"tidegate1.messages..s\"")
#define HIDDEN                                     \
	RS("1", "completed",                       \
	   "\"summary\":[],\"encrypted_content\":" \
	   "\"tidegate1.messages..d\"")
#define CUSTOM(n, status, input)                                                      \
	"{\"type\":\"custom_tool_call\",\"id\":\"ctc_r7_" n "\",\"status\":\"" status \
	"\",\"call_id\":\"x\",\"name\":\"f\",\"input\":\"" input "\"}"

static const struct {
	const char *name, *script, *written;
} written_streams[] = {
	{ "text", "M Bt P=He P=\\u0079 E S1 Z",
	  STARTED TEXT_BEGUN("0") TEXT_DELTA("0", "He") TEXT_DELTA("0", "\\u0079") TEXT_ENDED(
	      "0", "completed", "He\\u0079") FINISHED(MSG("0", "completed", PART("He\\u0079"))) },
	{ "nothing", "M Bt E Br E S1 Z", STARTED FINISHED("") },
	{ "cut", "M Bt P=a E S2 Z",
	  STARTED TEXT_BEGUN("0") TEXT_DELTA("0", "a") TEXT_ENDED("0", "incomplete", "a")
	      CUT("max_output_tokens", MSG("0", "incomplete", PART("a"))) },
	{ "context", "M S6 Z", STARTED CUT("max_output_tokens", "") },
	{ "filtered", "M S5 Z", STARTED CUT("content_filter", "") },
	{ "paused", "M S7 Z", STARTED FINISHED("") },
	{ "refusal", "M Bf P=no E S5 Z",
	  STARTED ITEM("added", "0", MSG("0", "in_progress", "")) "content_part.added " IN(
	      "msg", "0",
	      "content") "\"part\":{\"type\":\"refusal\","
			 "\"refusal\":\"\"}\n"
			 "refusal.delta " IN(
			     "msg", "0",
			     "content") "\"delta\":\"no\"\n"
					"refusal.done " IN(
					    "msg", "0",
					    "content") "\"refusal\":\"no\"\n"
						       "content_part.done " IN(
							   "msg", "0",
							   "content") "\"part\":{\"type\":"
								      "\"refusal\","
								      "\"refusal\":\"no\"}\n" ITEM(
									  "done", "0",
									  MSG("0", "completed",
									      "{\"type\":"
									      "\"refusal\","
									      "\"refusal\":"
									      "\"no\"}"))
									  FINISHED(
									      MSG("0", "completed",
										  "{\"type\":"
										  "\"refusal\","
										  "\"refusal\":"
										  "\"no\"}")) },
	{ "calls", "M Bt P=a E Bca P={} E Bcb E S1 Z",
	  STARTED TEXT_BEGUN("0") TEXT_DELTA("0", "a") TEXT_ENDED("0", "completed", "a")
	      CALLED("1", "completed", "a", "{}", "{}") CALLED("2", "completed", "b", "{}", "{}")
		  FINISHED(MSG("0", "completed", PART("a")) "," CALL(
		      "1", "completed", "a", "{}") "," CALL("2", "completed", "b", "{}")) },
	{ "call-cut", "M Bca P={ E S2 Z",
	  STARTED CALLED("0", "incomplete", "a", "{", "{")
	      CUT("max_output_tokens", CALL("0", "incomplete", "a", "{")) },
	{ "call-without-id", "M Bc P={} E S4 Z",
	  STARTED CALLED("0", "completed", "fc_r7_0", "{}", "{}")
	      FINISHED(CALL("0", "completed", "fc_r7_0", "{}")) },
	{ "custom", "M Bxx P=i E S4 Z",
	  STARTED ITEM(
	      "added",
	      "0",
	      CUSTOM("0", "in_progress",
		     "")) "custom_tool_call_input.delta " AT_CALL("ctc",
								  "0") "\"delta\":\"i\"\n"
								       "custom_tool_call_input."
								       "done " AT_CALL(
									   "ctc",
									   "0") "\"input\":"
										"\"i\"\n" ITEM(
										    "done", "0",
										    CUSTOM("0",
											   "co"
											   "mp"
											   "le"
											   "te"
											   "d",
											   "i"))
										    FINISHED(CUSTOM(
											"0",
											"completed",
											"i")) },
	{ "reasoning", "M Br P=h P=m Q=s E Br! Q=d E Bt P=a E S1 Z",
	  STARTED ITEM(
	      "added",
	      "0",
	      RS("0", "in_progress",
		 "\"summary\":[]")) "reasoning_summary_part."
				    "added " IN(
					"rs", "0",
					"summary") "\"p"
						   "art"
						   "\""
						   ":" SUMMARY(
						       "") "\n"
							   "reasoning_summary_text.delta " IN(
							       "rs", "0",
							       "summary") "\"delta\":\"h\"\n"
									  "reasoning_summary_text."
									  "delta " IN(
									      "rs", "0",
									      "summary") "\"delta\""
											 ":\"m\"\n"
											 "reasoning"
											 "_summary_"
											 "text."
											 "done " IN(
											     "rs",
											     "0",
											     "summa"
											     "ry") "\"text\":\"hm\"\n"
												   "reasoning_summary_part.done " IN("rs", "0", "summary") "\"part\":" SUMMARY(
												       "hm") "\n" ITEM("done",
														       "0",
														       THOUGHT)
												       ITEM(
													   "added",
													   "1",
													   RS("1",
													      "in_progress",
													      "\"summary\":[]"))
													   ITEM(
													       "done",
													       "1",
													       HIDDEN) TEXT_BEGUN("2")
													       TEXT_DELTA("2", "a") TEXT_ENDED(
														   "2",
														   "completed",
														   "a")
														   FINISHED(
														       THOUGHT
														       "," HIDDEN
														       "," MSG(
															   "2",
															   "completed",
															   PART(
															       "a"))) },
	{ "error", "M Bt P=a !",
	  STARTED TEXT_BEGUN("0") TEXT_DELTA("0", "a") "failed \"response\":" RESPONSE(
	      "failed", "{\"code\":\"server_is_overloaded\",\"message\":\"busy\"}", "null",
	      MSG("0", "incomplete", PART("a")), "null") "\n" },
	{ "error-at-once", "!",
	  STARTED "failed \"response\":" RESPONSE(
	      "failed", "{\"code\":\"server_is_overloaded\",\"message\":\"busy\"}", "null", "",
	      "null") "\n" },
};

static void write_streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(written_streams); i++) {
		_cleanup_(buffer_fini) struct buffer lines = { 0 };
		struct written written;

		begin(&written, true);
		written_tell_all(&written, written_streams[i].script);
		shorten(buffer_slice(&written.out), &lines);
		written_check(&written, written_streams[i].name, buffer_slice(&lines),
			      written_streams[i].written);
	}
}

/* By the names that the client has for it. */
static void write_namespace(void)
{
	struct written written;
	struct turn_tool *tool;

	begin(&written, false);
	tool = turn_add_tool(&written.turn, NULL);
	tool->name = SLICE("f");
	tool->space = SLICE("s");
	tool->plain_name = SLICE("p");
	written_tell_all(&written, "Mm Bca P={} E S4 Z");
	written_check_part(&written, "\"name\":\"p\",\"namespace\":\"s\",\"arguments\":\"{}\"",
			   true);
}

static void write_documents(void)
{
	struct written written;

	begin(&written, false);
	written_use(&written);
	written_tell_all(&written, "Br P=hm Q=s E Br! Q=d E Bt P=a E Bt E S3 Z");
	written_check(
	    &written, "all", buffer_slice(&written.out),
	    RESPONSE("completed", "null", "null",
		     THOUGHT "," HIDDEN "," MSG("2", "completed", PART("a")),
		     "{\"input_tokens\":15,\"input_tokens_details\":{\"cached_tokens\":4,"
		     "\"cache_write_tokens\":1},\"output_tokens\":7,"
		     "\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":"
		     "22}"));
	begin(&written, false);
	written_tell_all(&written, "Bt P=a E S2 Z");
	written_check(&written, "cut", buffer_slice(&written.out),
		      RESPONSE("incomplete", "null", "{\"reason\":\"max_output_tokens\"}",
			       MSG("0", "incomplete", PART("a")), "null"));
}

/* What was asked is said again, and what was not has its default. */
static void write_echoes(void)
{
	struct written written;
	const struct tree *tree;

	begin(&written, false);
	written.writer.head = (struct slice){ 0 };
	CHECK_INT(tree_parse(SLICE("{\"instructions\":\"be\",\"tools\":[{\"type\":\"function\"}],"
				   "\"temperature\":0.5,\"tool_choice\":\"none\",\"metadata\":{"
				   "\"a\":\"b\"},\"top_p\":null}"),
			     &written.arena, &tree, NULL),
		  0);
	written.turn.body = tree;
	written_tell_all(&written, "S1 Z");
	written_check_part(
	    &written,
	    "\"output\":[],\"background\":false,\"previous_response_id\":null,\"store\":"
	    "false,\"instructions\":\"be\",\"max_output_tokens\":null,\"max_tool_calls\":"
	    "null,\"metadata\":{\"a\":\"b\"},\"parallel_tool_calls\":true,"
	    "\"prompt_cache_key\":null,\"reasoning\":{\"effort\":null,\"summary\":null},"
	    "\"safety_identifier\":null,\"service_tier\":null,\"temperature\":0.5,"
	    "\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"none\","
	    "\"tools\":[{\"type\":\"function\"}],\"top_logprobs\":0,\"top_p\":1,"
	    "\"truncation\":\"disabled\",\"user\":null,\"usage\":null}",
	    true);
}

/* A body may be laid out over many lines, and an event's data is one. */
static void write_echoes_on_a_line(void)
{
	struct written written;
	const struct tree *tree;

	begin(&written, true);
	written.writer.head = (struct slice){ 0 };
	CHECK_INT(tree_parse(SLICE("{\"tools\": [\r\n  {\n\"type\":\"function\"}\n]}"),
			     &written.arena, &tree, NULL),
		  0);
	written.turn.body = tree;
	written_tell_all(&written, "Mm");
	written_check_part(&written, "\"tools\":[    { \"type\":\"function\"} ],", true);
}

int main(void)
{
	test_run("read-streams", read_streams);
	test_run("read-named", read_named);
	test_run("too-many-items", too_many_items);
	test_run("read-documents", read_documents);
	test_run("write-streams", write_streams);
	test_run("write-namespace", write_namespace);
	test_run("write-documents", write_documents);
	test_run("write-echoes", write_echoes);
	test_run("write-echoes-on-a-line", write_echoes_on_a_line);
	return 0;
}
