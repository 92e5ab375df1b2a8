/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as OpenAI's Responses writes them (platform.openai.com/docs/api-reference/responses and
 * …/responses-streaming): one item, a message or a call of a function. Nothing is stored. */
#include "simulator.h"

#include <inttypes.h>
#include <string.h>

enum {
	CREATED = 1767225600, /* the same at every run: 2026-01-01 */
};

static const char *status_of(const struct run *run)
{
	return run_was_cut(run) ? "incomplete" : "completed";
}

static void add_item(struct run *run, const char *status, const struct text *content)
{
	if (run_calls_tool(run)) {
		text_printf(&run->out,
			    "{\"id\":\"fc_%016" PRIx64 "\",\"type\":\"function_call\",\"status\":"
			    "\"%s\",\"call_id\":\"call_%016" PRIx64 "\",\"name\":",
			    run->prompt.id, status, run->prompt.id);
		text_json(&run->out, run->prompt.tool, strlen(run->prompt.tool));
		text_add(&run->out, ",\"arguments\":");
		text_json(&run->out, content ? content->data : "", content ? content->len : 0);
		text_add(&run->out, "}");
		return;
	}
	text_printf(&run->out,
		    "{\"id\":\"msg_%016" PRIx64 "\",\"type\":\"message\",\"status\":\"%s\","
		    "\"role\":\"assistant\",\"content\":[",
		    run->prompt.id, status);
	if (content) {
		text_add(&run->out, "{\"type\":\"output_text\",\"text\":");
		text_json(&run->out, content->data, content->len);
		text_add(&run->out, ",\"annotations\":[],\"logprobs\":[]}");
	}
	text_add(&run->out, "]}");
}

static void begin_response(struct run *run, const char *status)
{
	text_printf(&run->out,
		    "{\"id\":\"resp_%016" PRIx64 "\",\"object\":\"response\",\"created_at\":%d,"
		    "\"status\":\"%s\",\"background\":false,\"instructions\":null,"
		    "\"max_output_tokens\":null,\"parallel_tool_calls\":true,"
		    "\"previous_response_id\":null,\"store\":false,\"temperature\":1.0,"
		    "\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\","
		    "\"tools\":[],\"top_p\":1.0,\"truncation\":\"disabled\",\"metadata\":{},"
		    "\"model\":",
		    run->prompt.id, CREATED, status);
	text_append(&run->out, run->model.data, run->model.len);
}

/* Without content it is only begun. */
static void add_response(struct run *run, const struct text *content)
{
	const char *status = content ? status_of(run) : "in_progress";

	begin_response(run, status);
	text_add(&run->out, ",\"error\":null,\"incomplete_details\":");
	text_add(&run->out,
		 content && run_was_cut(run) ? "{\"reason\":\"max_output_tokens\"}" : "null");
	text_add(&run->out, ",\"output\":[");
	if (content)
		add_item(run, status, content);
	text_add(&run->out, "],\"usage\":");
	if (content)
		text_printf(&run->out,
			    "{\"input_tokens\":%" PRIu64
			    ",\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":"
			    "%" PRIu64 ",\"output_tokens_details\":{\"reasoning_tokens\":0},"
			    "\"total_tokens\":%" PRIu64 "}}",
			    run->prompt.tokens, run->completion,
			    run->prompt.tokens + run->completion);
	else
		text_add(&run->out, "null}");
}

/* ---- events ---- */

static void begin_event(struct run *run, const char *type)
{
	text_printf(&run->out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%" PRIu64 ",",
		    type, type, run->events++);
}

static void end_event(struct run *run)
{
	text_add(&run->out, "}\n\n");
}

static void response_event(struct run *run, const char *type, const struct text *content)
{
	begin_event(run, type);
	text_add(&run->out, "\"response\":");
	add_response(run, content);
	end_event(run);
}

static void item_event(struct run *run, const char *type, const struct text *content)
{
	begin_event(run, type);
	text_add(&run->out, "\"output_index\":0,\"item\":");
	add_item(run, content ? status_of(run) : "in_progress", content);
	end_event(run);
}

/* Where a piece belongs. */
static void add_place(struct run *run)
{
	text_printf(&run->out,
		    run_calls_tool(run) ? "\"item_id\":\"fc_%016" PRIx64 "\",\"output_index\":0"
					: "\"item_id\":\"msg_%016" PRIx64
					  "\",\"output_index\":0,\"content_index\":0",
		    run->prompt.id);
}

static void part_event(struct run *run, const char *type, const struct text *content)
{
	begin_event(run, type);
	add_place(run);
	text_add(&run->out, ",\"part\":{\"type\":\"output_text\",\"text\":");
	text_json(&run->out, content ? content->data : "", content ? content->len : 0);
	text_add(&run->out, ",\"annotations\":[],\"logprobs\":[]}");
	end_event(run);
}

static void head(struct run *run)
{
	response_event(run, "response.created", NULL);
	response_event(run, "response.in_progress", NULL);
	item_event(run, "response.output_item.added", NULL);
	if (!run_calls_tool(run))
		part_event(run, "response.content_part.added", NULL);
}

static void piece(struct run *run)
{
	bool tool = run_calls_tool(run);

	begin_event(run,
		    tool ? "response.function_call_arguments.delta" : "response.output_text.delta");
	add_place(run);
	text_add(&run->out, ",\"delta\":");
	text_json(&run->out, run->word.data, run->word.len);
	if (!tool)
		text_add(&run->out, ",\"logprobs\":[]");
	end_event(run);
}

/* The whole of what was sent piece by piece. */
static struct text all_pieces(const struct run *run)
{
	struct source again = run->source;
	struct text content = { 0 };

	again.index = again.at = 0;
	for (uint64_t i = 0; i < run->completion; i++)
		source_next(&again, &content);
	return content;
}

static void tail(struct run *run)
{
	struct text content = all_pieces(run);
	bool tool = run_calls_tool(run);

	begin_event(run,
		    tool ? "response.function_call_arguments.done" : "response.output_text.done");
	add_place(run);
	text_add(&run->out, tool ? ",\"arguments\":" : ",\"text\":");
	text_json(&run->out, content.data, content.len);
	if (!tool)
		text_add(&run->out, ",\"logprobs\":[]");
	end_event(run);
	if (!tool)
		part_event(run, "response.content_part.done", &content);
	item_event(run, "response.output_item.done", &content);
	response_event(run, run_was_cut(run) ? "response.incomplete" : "response.completed",
		       &content);
	run->out.failed = run->out.failed || content.failed;
	text_fini(&content);
}

static void document(struct run *run)
{
	add_response(run, &run->word);
}

static void error_event(struct run *run, const char *message)
{
	begin_event(run, "response.failed");
	text_add(&run->out, "\"response\":");
	begin_response(run, "failed");
	text_add(&run->out, ",\"error\":{\"code\":\"server_error\",\"message\":");
	text_json(&run->out, message, strlen(message));
	text_add(&run->out, "},\"incomplete_details\":null,\"output\":[],\"usage\":null}");
	end_event(run);
}

const struct dialect responses_dialect = {
	.head = head,
	.piece = piece,
	.tail = tail,
	.document = document,
	.error = chat_error,
	.error_event = error_event,
	.request_id_header = "x-request-id",
};
