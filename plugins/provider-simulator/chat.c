/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as OpenAI's Chat Completions writes them
 * (platform.openai.com/docs/api-reference/chat-streaming). */
#include "simulator.h"

#include <inttypes.h>
#include <string.h>

enum {
	CREATED = 1767225600, /* the same at every run: 2026-01-01 */
};

static const char *finish_reason(const struct run *run)
{
	if (run_was_cut(run))
		return "length";
	return run_calls_tool(run) ? "tool_calls" : "stop";
}

static void add_top(struct run *run, const char *object)
{
	text_printf(&run->out,
		    "{\"id\":\"chatcmpl-%016" PRIx64 "\",\"object\":\"%s\",\"created\":%d,"
		    "\"model\":",
		    run->prompt.id, object, CREATED);
	text_append(&run->out, run->model.data, run->model.len);
	text_add(&run->out, ",\"system_fingerprint\":\"fp_simulator\",\"choices\":[");
}

static void begin_chunk(struct run *run)
{
	text_add(&run->out, "data: ");
	add_top(run, "chat.completion.chunk");
}

static void end_chunk(struct run *run)
{
	text_add(&run->out, run->prompt.include_usage ? "],\"usage\":null}\n\n" : "]}\n\n");
}

static void add_usage(struct run *run)
{
	text_printf(&run->out,
		    "\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64
		    ",\"total_tokens\":%" PRIu64
		    ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
		    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
		    "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
		    run->prompt.tokens, run->completion, run->prompt.tokens + run->completion);
}

/* A call with its name; what stands in `arguments` is a JSON string. */
static void add_call(struct run *run, const char *index, struct text *arguments)
{
	text_printf(&run->out,
		    "\"tool_calls\":[{%s\"id\":\"call_%016" PRIx64
		    "\",\"type\":\"function\",\"function\":{\"name\":",
		    index, run->prompt.id);
	text_json(&run->out, run->prompt.tool, strlen(run->prompt.tool));
	text_add(&run->out, ",\"arguments\":");
	text_json(&run->out, arguments->data, arguments->len);
	text_add(&run->out, "}}]");
}

static void head(struct run *run)
{
	struct text none = { 0 };

	begin_chunk(run);
	text_add(&run->out, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":");
	if (run_calls_tool(run)) {
		text_add(&run->out, "null,");
		add_call(run, "\"index\":0,", &none);
	} else {
		text_add(&run->out, "\"\",\"refusal\":null");
	}
	text_add(&run->out, "},\"logprobs\":null,\"finish_reason\":null}");
	end_chunk(run);
}

static void piece(struct run *run)
{
	bool tool = run_calls_tool(run);

	begin_chunk(run);
	text_add(&run->out, tool ? "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
				   "\"function\":{\"arguments\":"
				 : "{\"index\":0,\"delta\":{\"content\":");
	text_json(&run->out, run->word.data, run->word.len);
	text_add(&run->out, tool ? "}}]}" : "}");
	text_add(&run->out, ",\"logprobs\":null,\"finish_reason\":null}");
	end_chunk(run);
}

static void tail(struct run *run)
{
	begin_chunk(run);
	text_printf(&run->out,
		    "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}",
		    finish_reason(run));
	end_chunk(run);
	if (run->prompt.include_usage) {
		begin_chunk(run);
		text_add(&run->out, "],");
		add_usage(run);
		text_add(&run->out, "}\n\n");
	}
	text_add(&run->out, "data: [DONE]\n\n");
}

static void document(struct run *run)
{
	add_top(run, "chat.completion");
	text_add(&run->out, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
	if (run_calls_tool(run)) {
		text_add(&run->out, "null,");
		add_call(run, "", &run->word);
	} else {
		text_json(&run->out, run->word.data, run->word.len);
	}
	text_printf(&run->out,
		    ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
		    "\"finish_reason\":\"%s\"}],",
		    finish_reason(run));
	add_usage(run);
	text_add(&run->out, "}");
}

static void add_or_null(struct text *out, const char *string)
{
	if (string)
		text_json(out, string, strlen(string));
	else
		text_add(out, "null");
}

/* Types and codes as OpenAI sends them with each status. */
void chat_error(struct run *run, uint32_t status, const char *message, const char *code,
		const char *param)
{
	static const struct {
		uint32_t status;
		const char *type, *code;
	} rows[] = {
		{ 401, "invalid_request_error", "invalid_api_key" },
		{ 403, "invalid_request_error", "unsupported_country_region_territory" },
		{ 404, "invalid_request_error", "model_not_found" },
		{ 429, "requests", "rate_limit_exceeded" },
		{ 503, "service_unavailable_error", "service_unavailable" },
		{ 529, "server_error", "overloaded" },
	};
	const char *type = status < 500 ? "invalid_request_error" : "server_error";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status != status)
			continue;
		type = rows[i].type;
		code = code ? code : rows[i].code;
	}
	text_add(&run->out, "{\"error\":{\"message\":");
	add_or_null(&run->out, message);
	text_printf(&run->out, ",\"type\":\"%s\",\"param\":", type);
	add_or_null(&run->out, param);
	text_add(&run->out, ",\"code\":");
	add_or_null(&run->out, code);
	text_add(&run->out, "}}");
}

static void error_event(struct run *run, const char *message)
{
	text_add(&run->out, "data: ");
	chat_error(run, 500, message, NULL, NULL);
	text_add(&run->out, "\n\n");
}

const struct dialect chat_dialect = {
	.head = head,
	.piece = piece,
	.tail = tail,
	.document = document,
	.error = chat_error,
	.error_event = error_event,
	.request_id_header = "x-request-id",
};
