/* SPDX-License-Identifier: Apache-2.0 */
/* Our own errors in the dialects' shapes, so that an SDK throws what it would throw at the
 * provider's (platform.openai.com/docs/guides/error-codes, docs.anthropic.com/en/api/errors,
 * cloud.google.com/apis/design/errors). */
#include "wire/wire.h"

#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "wire/answer.h"

enum {
	ERROR_TEXT_BYTES = 1024,
	ERROR_MEMBERS_MAX = 32, /* of a document; none has more */
};

static const struct {
	int status;
	const char *chat, *messages, *gemini; /* google.rpc.Code */
} types[] = {
	{ 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT" },
	{ 401, "invalid_request_error", "authentication_error", "UNAUTHENTICATED" },
	{ 402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION" },
	{ 403, "permission_error", "permission_error", "PERMISSION_DENIED" },
	{ 404, "invalid_request_error", "not_found_error", "NOT_FOUND" },
	{ 405, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT" },
	{ 408, "timeout_error", "timeout_error", "DEADLINE_EXCEEDED" },
	{ 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT" },
	{ 422, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT" },
	{ 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED" },
	{ 503, "service_unavailable", "overloaded_error", "UNAVAILABLE" },
	{ 504, "timeout_error", "timeout_error", "DEADLINE_EXCEEDED" },
	{ 529, "service_unavailable", "overloaded_error", "UNAVAILABLE" },
};

static const char *type_of(enum wire_dialect dialect, int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].status != status)
			continue;
		if (wire_is_google(dialect))
			return types[i].gemini;
		return wire_is_anthropic(dialect) ? types[i].messages : types[i].chat;
	}
	if (wire_is_google(dialect))
		return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
	if (status < 500)
		return "invalid_request_error";
	return wire_is_anthropic(dialect) ? "api_error" : "server_error";
}

static void append_or_null(struct buffer *out, const char *text)
{
	if (text)
		buffer_append_json(out, slice_of(text));
	else
		buffer_append_str(out, "null");
}

static void append_head(const char *frame, enum wire_dialect dialect,
			const struct wire_error *error, struct buffer *out)
{
	buffer_append_str(out, frame);
	buffer_append_str(out, "\"type\":");
	append_or_null(out, error->type ? error->type : type_of(dialect, error->status));
	buffer_append_str(out, ",\"message\":");
	buffer_append_json(out, slice_of(error->message ? error->message : "unknown error"));
}

/* Google's SDKs throw what has a code that is a status. */
static void append_google(const struct wire_error *error, struct buffer *out)
{
	buffer_printf(out, "{\"error\":{\"code\":%d,\"message\":", error->status);
	buffer_append_json(out, slice_of(error->message ? error->message : "unknown error"));
	buffer_append_str(out, ",\"status\":");
	append_or_null(out, type_of(WIRE_GEMINI, error->status));
	if (error->param) {
		buffer_append_str(out, ",\"details\":[{\"@type\":"
				       "\"type.googleapis.com/google.rpc.BadRequest\","
				       "\"fieldViolations\":[{\"field\":");
		append_or_null(out, error->param);
		buffer_append_str(out, "}]}]");
	}
	buffer_append_str(out, "}}");
}

/* Of the codes, Anthropic's SDKs look for this one in the details. */
static void append_details(const struct wire_error *error, struct buffer *out)
{
	if (!error->code || strcmp(error->code, WIRE_THREAD_UNSUPPORTED) != 0)
		return;
	buffer_append_str(out, ",\"details\":{\"error_code\":\"" WIRE_THREAD_UNSUPPORTED
			       "\",\"unsupported\":[");
	append_or_null(out, error->param);
	buffer_append_str(out, "]}");
}

void wire_error_body(enum wire_dialect dialect, const struct wire_error *error, struct buffer *out)
{
	if (wire_is_google(dialect)) {
		append_google(error, out);
		return;
	}
	if (wire_is_anthropic(dialect)) {
		append_head("{\"type\":\"error\",\"error\":{", dialect, error, out);
		append_details(error, out);
		buffer_append_str(out, "}}");
		return;
	}
	append_head("{\"error\":{", dialect, error, out);
	buffer_append_str(out, ",\"param\":");
	append_or_null(out, error->param);
	buffer_append_str(out, ",\"code\":");
	append_or_null(out, error->code);
	buffer_append_str(out, "}}");
}

const char *wire_failed_code(const struct wire_error *error)
{
	if (error->code)
		return error->code;
	if (error->status == 429)
		return "rate_limit_exceeded";
	return error->status == 503 || error->status == 529 ? "server_is_overloaded"
							    : "server_error";
}

/* A response that failed, with all members that SDKs' types have; what is not known is null. */
static void append_failed(const struct wire_error *error, const char *id, int64_t sequence,
			  struct buffer *out)
{
	buffer_printf(out,
		      "event: response.failed\ndata: {\"type\":\"response.failed\","
		      "\"sequence_number\":%" PRId64 ",\"response\":{\"id\":",
		      sequence);
	buffer_append_json(out, slice_of(id[0] ? id : "resp_0"));
	buffer_append_str(out, ",\"object\":\"response\",\"created_at\":0,"
			       "\"status\":\"failed\",\"error\":{\"code\":");
	buffer_append_json(out, slice_of(wire_failed_code(error)));
	buffer_append_str(out, ",\"message\":");
	buffer_append_json(out, slice_of(error->message ? error->message : "unknown error"));
	buffer_append_str(out, "},\"incomplete_details\":null,\"instructions\":null,"
			       "\"max_output_tokens\":null,\"model\":\"\",\"output\":[],"
			       "\"parallel_tool_calls\":true,\"previous_response_id\":null,"
			       "\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],"
			       "\"top_p\":null,\"usage\":null,\"metadata\":{}}}\n\n");
}

static void append_event(enum wire_dialect dialect, const struct wire_error *error,
			 bool inside_event, const char *id, int64_t sequence, struct buffer *out)
{
	/* An SDK of Anthropic's passes over events whose names it does not know: so the torn one is
	 * renamed, and its data is never parsed. */
	if (inside_event)
		buffer_append_str(out, wire_is_anthropic(dialect) ? "\nevent: torn\n\n" : "\n\n");
	if (dialect == WIRE_OPENAI_RESPONSES) {
		append_failed(error, id, sequence, out);
		return;
	}
	if (wire_is_anthropic(dialect))
		buffer_append_str(out, "event: error\n");
	buffer_append_str(out, "data: ");
	wire_error_body(dialect, error, out);
	buffer_append_str(out, "\n\n");
}

void wire_error_event(enum wire_dialect dialect, const struct wire_error *error, bool inside_event,
		      struct buffer *out)
{
	append_event(dialect, error, inside_event, "", 0, out);
}

void wire_error_event_after(const struct wire_watch *watch, const struct wire_error *error,
			    bool inside_event, struct buffer *out)
{
	append_event(watch->dialect, error, inside_event, watch->id, watch->sequence + 1, out);
}

/* A string's text, or a number as it is written; NULL for what is neither. */
static const char *scalar_text(const struct json_member *member, struct arena *arena)
{
	size_t size = member->value.len + 1, len = ERROR_TEXT_BYTES;
	char *text;
	int r;

	if (member->type == JSON_SCAN_NUMBER)
		return arena_printf(arena, "%.*s", (int)(size < len ? size - 1 : len),
				    member->value.ptr)
		    .ptr;
	text = member->type == JSON_SCAN_STRING ? arena_alloc(arena, size) : NULL;
	r = text ? json_to_text(member->value, text, size) : -ENOMEM;
	if (r <= 0)
		return NULL;
	if ((size_t)r > len) {
		while ((text[len] & 0xc0) == 0x80)
			len--;
		text[len] = '\0';
	}
	return text;
}

static const char *text_in(struct slice object, const char *key, struct arena *arena)
{
	struct json_member member;

	return json_find(object, key, &member) ? scalar_text(&member, arena) : NULL;
}

void wire_error_read(struct slice document, struct arena *arena, struct wire_error *error)
{
	struct json_member members[ERROR_MEMBERS_MAX], inner;
	struct slice object = document;
	const char *message;

	if (json_scan_object(document, members, ARRAY_SIZE(members), NULL) < 0)
		return;
	if (!json_find(document, "error", &inner)) { /* some have no frame around it */
		message = text_in(object, "message", arena);
	} else if (inner.type == JSON_SCAN_OBJECT) {
		object = inner.value;
		message = text_in(object, "message", arena);
	} else {
		message = scalar_text(&inner, arena); /* some send a string */
	}
	if (!message)
		return;
	*error = (struct wire_error){ .status = error->status,
				      .code = text_in(object, "code", arena),
				      .param = text_in(object, "param", arena),
				      .message = message,
				      .type = text_in(object, "type", arena) };
}

struct slice wire_keepalive(enum wire_dialect dialect)
{
	/* Google's SDKs read a comment as the beginning of an error, or drop the event behind it;
	 * but for an empty line they have no meaning. */
	if (wire_is_google(dialect))
		return SLICE("\n");
	return wire_is_anthropic(dialect) ? SLICE("event: ping\ndata: {\"type\": \"ping\"}\n\n")
					  : SLICE(": ping\n");
}

bool wire_takes_comments(enum wire_dialect dialect)
{
	return !wire_is_google(dialect); /* as above: the end of the stream would be an error */
}
