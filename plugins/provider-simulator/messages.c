/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as Anthropic's Messages writes them (docs.anthropic.com/en/api/messages-streaming). */
#include "simulator.h"

#include <inttypes.h>
#include <string.h>

static const char *stop_reason(const struct run *run)
{
	if (run_was_cut(run))
		return "max_tokens";
	return run_calls_tool(run) ? "tool_use" : "end_turn";
}

static void add_message(struct run *run)
{
	text_printf(&run->out,
		    "{\"id\":\"msg_%016" PRIx64
		    "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
		    run->prompt.id);
	text_append(&run->out, run->model.data, run->model.len);
	text_add(&run->out, ",\"content\":[");
}

static void add_usage(struct run *run, uint64_t output)
{
	text_printf(&run->out,
		    ",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%" PRIu64
		    ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
		    "\"output_tokens\":%" PRIu64 ",\"service_tier\":\"standard\"}}",
		    run->prompt.tokens, output);
}

static void add_tool(struct run *run)
{
	text_printf(&run->out, "{\"type\":\"tool_use\",\"id\":\"toolu_%016" PRIx64 "\",\"name\":",
		    run->prompt.id);
	text_json(&run->out, run->prompt.tool, strlen(run->prompt.tool));
	text_add(&run->out, ",\"input\":");
}

static void head(struct run *run)
{
	text_add(&run->out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
	add_message(run);
	text_add(&run->out, "],\"stop_reason\":null");
	add_usage(run, 1);
	text_add(&run->out, "}\n\nevent: content_block_start\n"
			    "data: {\"type\":\"content_block_start\",\"index\":0,"
			    "\"content_block\":");
	if (run_calls_tool(run)) {
		add_tool(run);
		text_add(&run->out, "{}}");
	} else {
		text_add(&run->out, "{\"type\":\"text\",\"text\":\"\"}");
	}
	text_add(&run->out, "}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
}

static void piece(struct run *run)
{
	text_add(&run->out, "event: content_block_delta\n"
			    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":");
	text_add(&run->out, run_calls_tool(run) ? "{\"type\":\"input_json_delta\",\"partial_json\":"
						: "{\"type\":\"text_delta\",\"text\":");
	text_json(&run->out, run->word.data, run->word.len);
	text_add(&run->out, "}}\n\n");
}

static void tail(struct run *run)
{
	text_printf(&run->out,
		    "event: content_block_stop\n"
		    "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		    "event: message_delta\n"
		    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
		    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%" PRIu64 "}}\n\n"
		    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		    stop_reason(run), run->completion);
}

static void document(struct run *run)
{
	add_message(run);
	if (run_calls_tool(run)) {
		add_tool(run);
		/* Arguments cut by max_tokens are no object. */
		if (run_was_cut(run))
			text_add(&run->out, "{}");
		else
			text_append(&run->out, run->word.data, run->word.len);
		text_add(&run->out, "}");
	} else {
		text_add(&run->out, "{\"type\":\"text\",\"text\":");
		text_json(&run->out, run->word.data, run->word.len);
		text_add(&run->out, "}");
	}
	text_printf(&run->out, "],\"stop_reason\":\"%s\"", stop_reason(run));
	add_usage(run, run->completion);
}

static void error(struct run *run, uint32_t status, const char *message, const char *code,
		  const char *param)
{
	static const struct {
		uint32_t status;
		const char *type;
	} rows[] = {
		{ 401, "authentication_error" }, { 402, "billing_error" },
		{ 403, "permission_error" },     { 404, "not_found_error" },
		{ 413, "request_too_large" },    { 429, "rate_limit_error" },
		{ 504, "timeout_error" },        { 529, "overloaded_error" },
	};
	const char *type = status < 500 ? "invalid_request_error" : "api_error";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status == status)
			type = rows[i].type;
	}
	text_printf(&run->out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
	text_json(&run->out, message, strlen(message));
	text_printf(&run->out, "},\"request_id\":\"req_%016" PRIx64 "\"}", run->prompt.id);
}

static void error_event(struct run *run, const char *message)
{
	text_add(&run->out, "event: error\ndata: ");
	error(run, 529, message, NULL, NULL);
	text_add(&run->out, "\n\n");
}

static void count_document(struct run *run)
{
	text_printf(&run->out, "{\"input_tokens\":%" PRIu64 "}", run->prompt.tokens);
}

const struct dialect count_dialect = {
	.document = count_document,
	.error = error,
	.request_id_header = "request-id",
};

const struct dialect messages_dialect = {
	.head = head,
	.piece = piece,
	.tail = tail,
	.document = document,
	.error = error,
	.error_event = error_event,
	.request_id_header = "request-id",
};
