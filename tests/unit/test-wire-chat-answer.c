/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Chat Completions: what they tell, of all the servers that speak them each in its own
 * way, and what a client gets, as a stream and as a document. */
#include "test-wire-told.h"
#include "test-wire-written.h"

#define CHUNK(choice) "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0," choice "}]}"
#define DELTA(delta) CHUNK("\"delta\":{" delta "},\"finish_reason\":null")
#define FINISH(reason) CHUNK("\"delta\":{},\"finish_reason\":\"" reason "\"")
#define TOOLS(calls) DELTA("\"tool_calls\":[" calls "]")
#define FN(name, arguments) "\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}"
#define MORE(arguments) "\"function\":{\"arguments\":\"" arguments "\"}"
#define BEGUN "begin c1 m\n"
#define UNSAYABLE                                                                         \
	"error 502 : The upstream answered with what is no text, for which the client's " \
	"dialect has no words.\n"

/* ---- reading ---- */

static const struct {
	const char *name;
	const char *events[8];
	const char *told;
} streams[] = {
	{ "text",
	  { "{\"id\":\"\",\"model\":\"\",\"choices\":[],\"prompt_filter_results\":[]}",
	    DELTA("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"),
	    DELTA("\"content\":\"He\\\"\""), DELTA("\"content\":\"y\""), FINISH("stop"),
	    "{\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}" },
	  BEGUN "block 0 text  \n0+He\\\"\n0+y\nstop done\n" },
	{ "text-and-finish-in-one",
	  { CHUNK("\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"") },
	  BEGUN "block 0 text  \n0+a\nstop length\n" },
	{ "refusal",
	  { DELTA("\"refusal\":\"I\""), DELTA("\"refusal\":\" no\""), FINISH("stop") },
	  BEGUN "block 0 refusal  \n0+I\n0+ no\nstop done\n" },
	{ "content-as-array",
	  { DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
		  "\"text\":\"hm\"}]},\"a\",{\"type\":\"text\",\"text\":\"b\"}]") },
	  BEGUN "block 0 reasoning  \n0+hm\nblock 1 text  \n1+a\n1+b\n" },
	{ "nulls-and-others",
	  { "{\"choices\":null}", "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}",
	    CHUNK("\"delta\":null"),
	    DELTA("\"content\":null,\"tool_calls\":null,\"audio\":null,\"images\":[]"),
	    DELTA("\"tool_calls\":[{}]"), CHUNK("\"finish_reason\":\"\""), FINISH("null") },
	  BEGUN },
	{ "content-as-object",
	  { DELTA("\"content\":{\"text\":\"a\"}") },
	  BEGUN "block 0 text  \n0+a\n" },
	{ "references",
	  { DELTA("\"content\":[{\"type\":\"reference\",\"reference_ids\":[1]}]") },
	  BEGUN },
	{ "image",
	  { DELTA("\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]") },
	  BEGUN UNSAYABLE },
	{ "images",
	  { DELTA("\"content\":null,\"images\":[{\"image_url\":{}}]") },
	  BEGUN UNSAYABLE },
	{ "audio", { DELTA("\"audio\":{\"data\":\"\"},\"content\":\"a\"") }, BEGUN UNSAYABLE },
	{ "choices-twice",
	  { "{\"choices\":[],\"choices\":[{\"delta\":{\"content\":\"a\"}}]}" },
	  "begin  \nblock 0 text  \n0+a\n" },
	{ "message-for-delta",
	  { CHUNK("\"message\":{\"content\":\"a\"}") },
	  BEGUN "block 0 text  \n0+a\n" },
	{ "reasoning-content",
	  { DELTA("\"reasoning_content\":\"h\",\"content\":null"),
	    DELTA("\"reasoning_content\":\"m\",\"reasoning\":\"m\""),
	    DELTA("\"content\":\"a\",\"reasoning_content\":null"),
	    DELTA("\"reasoning_content\":\"x\""), FINISH("stop") },
	  BEGUN "block 0 reasoning  \n0+h\n0+m\nopaque 0 reasoning_content\nblock 1 text  \n1+a\n"
		"block 2 reasoning  \n2+x\nopaque 2 reasoning_content\nstop done\n" },
	{ "reasoning-before-call",
	  { DELTA("\"reasoning\":\"h\""), TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "{}") "}"),
	    FINISH("tool_calls") },
	  BEGUN "block 0 reasoning  \n0+h\nopaque 0 reasoning\nblock 1 call a f\n1+{}\n"
		"stop calls\n" },
	{ "reasoning-details",
	  { DELTA("\"reasoning\":\"h\",\"reasoning_details\":[{\"type\":\"reasoning.text\","
		  "\"text\":\"h\",\"format\":\"x-v1\",\"index\":0}]"),
	    DELTA("\"reasoning_details\":[{\"type\":\"reasoning.text\",\"signature\":\"s+/\","
		  "\"format\":\"x-v1\",\"index\":0}]"),
	    DELTA("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"d\","
		  "\"id\":\"i\"}]"),
	    DELTA("\"content\":\"a\"") },
	  BEGUN "block 0 reasoning  \n0+h\nopaque 0 {\\\"type\\\":\\\"reasoning.text\\\","
		"\\\"signature\\\":\\\"s+/\\\",\\\"format\\\":\\\"x-v1\\\",\\\"index\\\":0}\n"
		"end 0\nblock 1 reasoning redacted  \nopaque 1 {\\\"type\\\":"
		"\\\"reasoning.encrypted\\\",\\\"data\\\":\\\"d\\\",\\\"id\\\":\\\"i\\\"}\nend 1\n"
		"block 2 text  \n2+a\n" },
	{ "reasoning-details-unsigned",
	  { DELTA("\"reasoning\":\"h\",\"reasoning_details\":[{\"type\":\"reasoning.summary\","
		  "\"summary\":\"h\"}]"),
	    FINISH("stop") },
	  BEGUN "block 0 reasoning  \n0+h\nopaque 0 reasoning\nstop done\n" },
	{ "calls",
	  { TOOLS("{\"index\":0,\"id\":\"a\",\"type\":\"function\"," FN("f", "") "}"),
	    TOOLS("{\"index\":0," MORE("{\\\"x\\\":") "}"), TOOLS("{\"index\":0," MORE("1}") "}"),
	    TOOLS("{\"index\":1,\"id\":\"b\"," FN("g", "{}") "}"), FINISH("tool_calls") },
	  BEGUN "block 0 call a f\n0+{\\\"x\\\":\n0+1}\nblock 1 call b g\n1+{}\nstop calls\n" },
	{ "calls-from-one-interleaved",
	  { TOOLS("{\"index\":1,\"id\":\"a\"," FN("f", "{") "},{\"index\":2,\"id\":\"b\"," FN(
		"g", "{") "}"),
	    TOOLS("{\"index\":2," MORE("}") "},{\"index\":1," MORE("}") "}"), FINISH("stop") },
	  BEGUN "block 0 call a f\n0+{\nblock 1 call b g\n1+{\n1+}\n0+}\nstop calls\n" },
	{ "index-used-again",
	  { TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "{") "}"),
	    TOOLS("{\"index\":0," MORE("}") "}"),
	    TOOLS("{\"index\":0,\"id\":\"b\"," FN("g", "{") "}"),
	    TOOLS("{\"index\":0," MORE("}") "}") },
	  BEGUN "block 0 call a f\n0+{\n0+}\nblock 1 call b g\n1+{\n1+}\n" },
	{ "index-used-again-without-ids",
	  { TOOLS("{\"index\":0,\"id\":\"\"," FN("f", "{}") "}"),
	    TOOLS("{\"index\":0,\"id\":\"\"," FN("f", "{}") "}") },
	  BEGUN "block 0 call call_r7_0 f\n0+{}\nblock 1 call call_r7_1 f\n1+{}\n" },
	{ "index-absent",
	  { TOOLS("{\"id\":\"a\"," FN("f", "{") "}"), TOOLS("{" MORE("}") "}"),
	    TOOLS("{\"id\":\"b\"," FN("g", "{") "}"), TOOLS("{" MORE("}") "}") },
	  BEGUN "block 0 call a f\n0+{\n0+}\nblock 1 call b g\n1+{\n1+}\n" },
	{ "id-and-name-repeated",
	  { TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "{") "}"),
	    TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "}") "}"),
	    TOOLS("{\"index\":null,\"id\":\"a\",\"function\":{\"arguments\":null}}") },
	  BEGUN "block 0 call a f\n0+{\n0+}\n" },
	{ "id-new-each-time",
	  { TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "{") "}"),
	    TOOLS("{\"index\":0,\"id\":\"b\"," FN("", "}") "}") },
	  BEGUN "block 0 call a f\n0+{\n0+}\n" },
	{ "one-id-for-all",
	  { TOOLS("{\"index\":0,\"id\":\"a\"," FN("f", "{}") "},{\"index\":1,\"id\":\"a\"," FN(
	      "g", "{}") "}") },
	  BEGUN "block 0 call a f\n0+{}\nblock 1 call call_r7_1 g\n1+{}\n" },
	{ "name-later",
	  { TOOLS("{\"index\":0,\"id\":\"a\"}"), TOOLS("{\"index\":0," FN("f", "") "}"),
	    TOOLS("{\"index\":0," MORE("{}") "}") },
	  BEGUN "block 0 call call_r7_0 f\n0+{}\n" },
	{ "arguments-without-name",
	  { TOOLS("{\"index\":0,\"id\":\"a\"," MORE("{}") "}"), FINISH("stop") },
	  BEGUN "error 502 : The upstream's answer has arguments for a tool without a name.\n" },
	{ "arguments-as-object",
	  { DELTA("\"tool_calls\":{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":"
		  "{\"x\": \"\\n\"}}}") },
	  BEGUN "block 0 call a f\n0+{\\\"x\\\": \\\"\\\\n\\\"}\n" },
	{ "custom",
	  { TOOLS("{\"index\":0,\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"x\","
		  "\"input\":\"\"}}"),
	    TOOLS("{\"index\":0,\"custom\":{\"input\":\"no json\"}}") },
	  BEGUN "block 0 custom a x\n0+no json\n" },
	{ "function-call",
	  { DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}"),
	    DELTA("\"function_call\":{\"arguments\":\"{}\"}"), FINISH("function_call") },
	  BEGUN "block 0 call call_r7_0 f\n0+{}\nstop calls\n" },
	{ "stop-sequence",
	  { CHUNK("\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"") },
	  BEGUN "stop sequenceEND\n" },
	{ "stop-token",
	  { CHUNK("\"finish_reason\":\"stop\",\"stop_reason\":7,\"matched_stop\":\"E\"") },
	  BEGUN "stop sequenceE\n" },
	{ "filtered", { FINISH("content_filter") }, BEGUN "stop refused\n" },
	{ "eos", { FINISH("eos") }, BEGUN "stop done\n" },
	{ "finished-twice",
	  { FINISH("stop"), FINISH("length") },
	  BEGUN "stop done\nstop length\n" },
	{ "goes-on-behind-the-end",
	  { FINISH("stop"), DELTA("\"content\":\"a\""), DELTA("\"content\":\"b\"") },
	  BEGUN "stop done\nblock 0 text  \n0+a\n0+b\n" },
	{ "failed-finish",
	  { DELTA("\"content\":\"a\""),
	    CHUNK("\"finish_reason\":\"error\",\"error\":{\"code\":429,\"message\":\"slow\"}") },
	  BEGUN "block 0 text  \n0+a\nerror 429 : slow\n" },
	{ "interrupted",
	  { FINISH("insufficient_system_resource") },
	  BEGUN "error 502 : The upstream broke its answer off.\n" },
	{ "error",
	  { "{\"error\":{\"message\":\"no \\\"x\\\"\",\"type\":\"overloaded_error\",\"code\":"
	    "null}}",
	    DELTA("\"content\":\"a\"") },
	  "error 503 overloaded_error: no \"x\"\n" },
	{ "error-as-text", { "{\"error\":\"boom\"}" }, "error 502 : boom\n" },
	{ "error-of-vllm",
	  { "{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"code\":"
	    "400}" },
	  "error 400 BadRequestError: bad\n" },
};

static void check_stream(size_t row)
{
	struct told told;

	told_init(&told, WIRE_OPENAI_CHAT);
	for (size_t i = 0; i < ARRAY_SIZE(streams[row].events) && streams[row].events[i]; i++)
		told_read(&told, "", streams[row].events[i], false, chat_read_event,
			  chat_read_document);
	told_check(&told, streams[row].name, streams[row].told);
}

static void read_streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		check_stream(i);
}

static void read_error_event(void)
{
	struct told told;

	told_init(&told, WIRE_OPENAI_CHAT);
	told_read(&told, "error", "{\"message\":\"m\",\"type\":\"rate_limit_error\"}", false,
		  chat_read_event, chat_read_document);
	told_check(&told, "event: error", "error 429 rate_limit_error: m\n");
}

static void too_many_calls(void)
{
	struct told told;

	told_init(&told, WIRE_OPENAI_CHAT);
	for (int i = 0; i <= ANSWER_CALLS_MAX; i++) {
		buffer_fini(&told.lines);
		told_read(&told, "", TOOLS("{" FN("f", "") "}"), false, chat_read_event,
			  chat_read_document);
	}
	told_check(&told, "calls",
		   "error 502 : The upstream's answer calls more tools than are taken.\n");
}

static const struct {
	const char *name, *document, *told;
} documents[] = {
	{ "whole",
	  CHUNK("\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"xy\","
		"\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"x\",\"signature\":"
		"\"s\"},{\"type\":\"reasoning.text\",\"text\":\"y\",\"signature\":\"t\"}],"
		"\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\"," FN(
		    "f", "{}") "},{\"id\":\"b\",\"type\":\"custom\",\"custom\":{\"name\":\"x\","
			       "\"input\":\"i\"}}]},\"finish_reason\":\"tool_calls\""),
	  BEGUN "block 0 reasoning  \n0+x\nopaque 0 {\\\"type\\\":\\\"reasoning.text\\\","
		"\\\"signature\\\":\\\"s\\\"}\nend 0\nblock 1 reasoning  \n1+y\nopaque 1 "
		"{\\\"type\\\":\\\"reasoning.text\\\",\\\"signature\\\":\\\"t\\\"}\nend 1\n"
		"block 2 text  \n2+a\nblock 3 call a f\n3+{}\nblock 4 custom b x\n4+i\n"
		"stop calls\n" },
	{ "no-finish", CHUNK("\"message\":{\"content\":\"a\",\"reasoning_content\":\"r\"}"),
	  BEGUN "block 0 reasoning  \n0+r\nopaque 0 reasoning_content\nblock 1 text  \n1+a\n"
		"stop done\n" },
	{ "no-choices", "{\"id\":\"c1\",\"choices\":[]}",
	  "error 502 : The upstream's answer has no choices.\n" },
	{ "error", "{\"error\":{\"message\":\"m\",\"code\":\"insufficient_quota\"}}",
	  "error 402 : m\n" },
};

static void read_documents(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct told told;

		told_init(&told, WIRE_OPENAI_CHAT);
		told_read(&told, "", documents[i].document, true, chat_read_event,
			  chat_read_document);
		told_check(&told, documents[i].name, documents[i].told);
	}
}

static void read_errors(void)
{
	static const struct {
		const char *body, *read; /* message, param, code, type */
	} cases[] = {
		{ "{\"error\":{\"message\":\"m\\n\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}"
		  "}",
		  "m\n p c t" },
		{ "{\"error\":{\"message\":\"m\",\"type\":null,\"param\":null,\"code\":404}}",
		  "m - 404 -" },
		{ "{\"error\":\"text\"}", "text - - -" },
		{ "{\"message\":\"m\",\"code\":\"c\"}", "m - c -" },
		{ "{\"detail\":\"d\"}", "d - - -" },
		{ "{\"detail\":[{\"loc\":[\"body\",\"messages\"],\"msg\":\"field required\","
		  "\"type\":\"missing\"}]}",
		  "field required messages - missing" },
		{ "{\"detail\":{\"error\":\"e\"}}", "e - - -" },
		{ "{\"object\":\"error\",\"message\":\"m\",\"type\":\"t\",\"param\":null,"
		  "\"code\":400}",
		  "m - 400 t" },
		{ "[{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}]",
		  "m - 400 -" },
		{ "{\"errors\":[{\"message\":\"m\"}]}", "m - - -" },
		{ "{\"error\":{\"error\":{\"message\":\"deep\"}}}", "deep - - -" },
		{ "{\"message\":\"m\",\"error\":\"Not Found\"}", "m - - -" },
		{ "{\"error\":null}", "- - - -" },
		{ "[]", "- - - -" },
		{ "7", "7 - - -" },
		{ "{}", "- - - -" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena arena = { 0 };
		struct wire_error error = { 0 };
		struct slice type = SLICE("-");
		const struct tree *tree;
		char read[128];

		CHECK_INT(tree_parse(slice_of(cases[i].body), &arena, &tree, NULL), 0);
		chat_read_error(tree, &arena, &error, &type);
		snprintf(read, sizeof(read), "%s %s %s %.*s", error.message ? error.message : "-",
			 error.param ? error.param : "-", error.code ? error.code : "-",
			 SLICE_ARGS(type));
		CHECK_STR(read, cases[i].read);
		arena_fini(&arena);
	}
}

/* ---- writing ---- */

static void begin(struct written *written, bool stream)
{
	written_init(written, WIRE_OPENAI_CHAT, stream, chat_write_answer);
}

static void check_out(struct written *written, const char *name, const char *expected)
{
	written_check(written, name, buffer_slice(&written->out), expected);
}

#define HEAD(model)                                                                         \
	"data: {\"id\":\"chatcmpl-r7\",\"object\":\"chat.completion.chunk\",\"created\":9," \
	"\"model\":\"" model "\",\"choices\":["
#define SENT_BY(model, delta, finish) \
	HEAD(model)                   \
	"{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish "}]}\n\n"
#define SENT(delta) SENT_BY("asked", delta, "null")
#define ENDED(reason) SENT_BY("asked", "", "\"" reason "\"") "data: [DONE]\n\n"
#define ROLE(content) SENT("\"role\":\"assistant\",\"content\":" content)
#define CALLED(index, id)                                        \
	SENT("\"tool_calls\":[{\"index\":" index ",\"id\":\"" id \
	     "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]")
#define ARGUED(index, arguments)                                                             \
	SENT("\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" arguments \
	     "\"}}]")

static const struct {
	const char *name, *script, *written;
} written_streams[] = {
	{ "text", "Mm Bt P=He P=\\u0079 E S1 Z",
	  SENT_BY("m", "\"role\":\"assistant\",\"content\":\"\"", "null") SENT_BY(
	      "m", "\"content\":\"He\"", "null") SENT_BY("m", "\"content\":\"\\u0079\"", "null")
	      SENT_BY("m", "", "\"stop\"") "data: [DONE]\n\n" },
	{ "nothing", "M S1 Z", ROLE("null") ENDED("stop") },
	{ "refusal", "Bf P=no E S5 Z",
	  ROLE("null") SENT("\"refusal\":\"no\"") ENDED("content_filter") },
	{ "calls", "Bt P=a E Bca P={ P=} E Bcb E S1 Z",
	  ROLE("\"\"") SENT("\"content\":\"a\"") CALLED("0", "a") ARGUED("0", "{") ARGUED("0", "}")
	      CALLED("1", "b") ARGUED("1", "{}") ENDED("tool_calls") },
	{ "custom", "Bxa E S4 Z",
	  ROLE("null") SENT("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"custom\","
			    "\"custom\":{\"name\":\"f\",\"input\":\"\"}}]") ENDED("tool_calls") },
	{ "reasoning", "Br P=h P=m Q=s E Br! Q=d E Bca P={} E Br P=x E Br Q=t E S4 Z",
	  ROLE("null") SENT("\"reasoning_content\":\"h\"") SENT("\"reasoning_content\":\"m\"")
	      CALLED("0", "a") ARGUED("0", "{}") SENT("\"reasoning_content\":\"x\"") SENT(
		  "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\","
		  "\"signature\":\"tidegate1.messages..s\",\"index\":0},{\"type\":"
		  "\"reasoning.encrypted\",\"data\":\"tidegate1.messages..d\",\"id\":"
		  "\"a\",\"index\":1},{\"type\":\"reasoning.text\",\"text\":\"\","
		  "\"signature\":\"tidegate1.messages..t\",\"index\":2}]") ENDED("tool_calls") },
	{ "length", "Bt E S2 Z", ROLE("\"\"") ENDED("length") },
	{ "context", "Bt E S6 Z", ROLE("\"\"") ENDED("length") },
	{ "sequence", "Bt E S3 Z", ROLE("\"\"") ENDED("stop") },
	{ "paused", "Bt E S7 Z", ROLE("\"\"") ENDED("stop") },
	{ "error", "Bt P=a E !",
	  ROLE("\"\"") SENT("\"content\":\"a\"") "data: {\"error\":{\"type\":"
						 "\"service_unavailable\",\"message\":\"busy\","
						 "\"param\":null,\"code\":null}}\n\n" },
};

static void write_streams(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(written_streams); i++) {
		struct written written;

		begin(&written, true);
		written_tell_all(&written, written_streams[i].script);
		check_out(&written, written_streams[i].name, written_streams[i].written);
	}
}

static void write_function_call(void)
{
	struct written written;

	begin(&written, true);
	written.turn.functions = true;
	written_tell_all(&written, "Bca P={} E S4 Z");
	check_out(&written, "stream",
		  ROLE("null") SENT("\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}")
		      SENT("\"function_call\":{\"arguments\":\"{}\"}") ENDED("function_call"));
}

#define USAGE_TOLD                                                                     \
	"\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":7,\"total_tokens\":22," \
	"\"prompt_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":1},"    \
	"\"completion_tokens_details\":{\"reasoning_tokens\":3}}"

/* Only who asked for it gets the chunk of usage; what nobody knows is not said. */
static void write_usage(void)
{
	struct written written;

	begin(&written, true);
	written_use(&written);
	written_tell_all(&written, "S1 Z");
	check_out(&written, "unasked", ROLE("null") ENDED("stop"));
	begin(&written, true);
	written.writer.include_usage = true;
	written_use(&written);
	written_tell_all(&written, "S1 Z");
	check_out(
	    &written, "asked",
	    HEAD("asked") "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},"
			  "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n" HEAD(
			      "asked") "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_"
				       "reason\":"
				       "\"stop\"}],\"usage\":null}\n\n" HEAD(
					   "asked") "]," USAGE_TOLD "}\n\ndata: [DONE]\n\n");
	begin(&written, true);
	written.writer.include_usage = true;
	written_tell_all(&written, "S1 Z");
	written_check_part(&written, "prompt_tokens", false);
}

#define DOCUMENT(message, finish)                                                               \
	"{\"id\":\"chatcmpl-r7\",\"object\":\"chat.completion\",\"created\":9,\"model\":\"m\"," \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," message                \
	"},\"logprobs\":null,\"finish_reason\":\"" finish "\"}]"

static void write_documents(void)
{
	struct written written;

	begin(&written, false);
	written_use(&written);
	written_tell_all(&written, "Mm Bt P=a E Bt P=b E S1 Z");
	check_out(&written, "text",
		  DOCUMENT("\"content\":\"ab\",\"refusal\":null", "stop") "," USAGE_TOLD "}");
	begin(&written, false);
	written_tell_all(&written, "Mm Br P=h Q=s E Br! Q=d E Bca E Bxb P=i E Bf P=n E S4 Z");
	check_out(&written, "all",
		  DOCUMENT("\"content\":null,\"refusal\":\"n\",\"reasoning_content\":\"h\","
			   "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"h\","
			   "\"signature\":\"tidegate1.messages..s\",\"index\":0},{\"type\":"
			   "\"reasoning.encrypted\",\"data\":\"tidegate1.messages..d\",\"id\":"
			   "\"a\",\"index\":1}],\"tool_calls\":[{\"id\":\"a\",\"type\":"
			   "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
			   "{\"id\":\"b\",\"type\":\"custom\",\"custom\":{\"name\":\"f\","
			   "\"input\":\"i\"}}]",
			   "tool_calls") "}");
	begin(&written, false);
	written.turn.functions = true;
	written_tell_all(&written, "Mm Bca P={} E S4 Z");
	check_out(&written, "function",
		  DOCUMENT("\"content\":null,\"refusal\":null,\"function_call\":{"
			   "\"name\":\"f\",\"arguments\":\"{}\"}",
			   "function_call") "}");
}

int main(void)
{
	test_run("read-streams", read_streams);
	test_run("read-error-event", read_error_event);
	test_run("too-many-calls", too_many_calls);
	test_run("read-documents", read_documents);
	test_run("read-errors", read_errors);
	test_run("write-streams", write_streams);
	test_run("write-function-call", write_function_call);
	test_run("write-usage", write_usage);
	test_run("write-documents", write_documents);
	return 0;
}
