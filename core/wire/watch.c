/* SPDX-License-Identifier: Apache-2.0 */
/* The watch: lines of a stream, whose data go to the walk, or one document, which all does. */
#include "wire/watch.h"

#include "base/cleanup.h"
#include "wire/sse.h"

enum line_state {
	LINE_START,
	LINE_FIELD, /* in a field's name */
	LINE_DATA,
	LINE_NAME,  /* the event's */
	LINE_OTHER, /* a comment or a field that means nothing here */
};

enum {
	NOT_DONE = UINT8_MAX,
	COUNT_DIGITS = 12, /* a million million tokens */
};

static const struct slice data_field = { "data", 4 }, name_field = { "event", 5 },
			  done = { "[DONE]", 6 };

/* What has no grammar of its own is watched as chat, whose members it does not bear. */
static const struct walk_grammar *const grammars[WIRE_DIALECT_COUNT] = {
	[WIRE_OPENAI_CHAT] = &wire_chat_grammar,
	[WIRE_ANTHROPIC_MESSAGES] = &wire_messages_grammar,
	[WIRE_OPENAI_RESPONSES] = &wire_responses_grammar,
	[WIRE_OPENAI_EMBEDDINGS] = &wire_embeddings_grammar,
	[WIRE_ANTHROPIC_COUNT_TOKENS] = &wire_messages_grammar,
	[WIRE_GEMINI] = &wire_gemini_grammar,
	[WIRE_BEDROCK_CONVERSE] = &wire_converse_grammar,
};

void wire_watch_init(struct wire_watch *watch, enum wire_dialect dialect, bool stream)
{
	*watch = (struct wire_watch){
		.dialect = dialect,
		.stream = stream,
		.usage = { false, false, false, -1, -1, -1, -1, -1, -1 },
		.sequence = -1,
		.grammar = grammars[dialect] ? grammars[dialect] : &wire_chat_grammar,
	};
	for (size_t i = 0; i < ARRAY_SIZE(watch->counts); i++)
		watch->counts[i] = -1;
	walk_reset(&watch->walk);
}

static bool all_digits(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	}
	return text.len > 0;
}

static bool number_like(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr("0123456789+-.eE", text.ptr[i], 15))
			return false;
	}
	return text.len > 0;
}

void watch_count(struct slice number, int64_t *ret)
{
	int64_t value = 0;

	if (number.len <= COUNT_DIGITS && all_digits(number)) {
		for (size_t i = 0; i < number.len; i++)
			value = value * 10 + (number.ptr[i] - '0');
		*ret = value;
		return;
	}
	if (number_like(number) && json_to_i64(number, &value) == 0 && value >= 0 &&
	    value < 1000000000000)
		*ret = value;
}

void watch_cut(struct wire_usage *usage, int64_t *count, int64_t most)
{
	if (*count <= most)
		return;
	*count = most;
	usage->odd = true;
}

static int64_t known(int64_t count)
{
	return count > 0 ? count : 0;
}

/* Some providers count reasoning beside the output and not inside it: then the total says so. */
static bool reasoning_beside(const struct watch_inclusive *counts)
{
	return counts->reasoning > 0 && counts->output >= 0 &&
	       counts->total - known(counts->input) - counts->output >= counts->reasoning;
}

void watch_read_inclusive(struct wire_watch *watch, const struct watch_inclusive *counts)
{
	struct wire_usage *usage = &watch->usage;

	usage->cache_read = counts->cached;
	usage->cache_write = counts->cache_write;
	usage->odd = false;
	if (counts->input >= 0) {
		watch_cut(usage, &usage->cache_read, counts->input);
		usage->input = counts->input - known(usage->cache_read);
		watch_cut(usage, &usage->cache_write, usage->input);
		usage->input -= known(usage->cache_write);
	}
	usage->reasoning = counts->reasoning;
	usage->output = counts->output;
	if (reasoning_beside(counts))
		usage->output += usage->reasoning;
	usage->seen = usage->seen || usage->input >= 0 || usage->output >= 0;
}

enum wire_error_class watch_error_class(struct slice text)
{
	static const struct {
		const char *name;
		enum wire_error_class class;
	} rows[] = {
		/* OpenAI, Anthropic, and servers that speak their dialects */
		{ "overloaded_error", WIRE_ERROR_OVERLOADED },
		{ "overloaded", WIRE_ERROR_OVERLOADED },
		{ "engine_overloaded", WIRE_ERROR_OVERLOADED },
		{ "service_unavailable", WIRE_ERROR_OVERLOADED },
		{ "service_unavailable_error", WIRE_ERROR_OVERLOADED },
		{ "server_is_overloaded", WIRE_ERROR_OVERLOADED },
		{ "slow_down", WIRE_ERROR_OVERLOADED },
		{ "503", WIRE_ERROR_OVERLOADED },
		{ "529", WIRE_ERROR_OVERLOADED },
		{ "rate_limit_exceeded", WIRE_ERROR_RATE_LIMIT },
		{ "rate_limit_error", WIRE_ERROR_RATE_LIMIT },
		{ "tokens", WIRE_ERROR_RATE_LIMIT },
		{ "requests", WIRE_ERROR_RATE_LIMIT },
		{ "429", WIRE_ERROR_RATE_LIMIT },
		{ "insufficient_quota", WIRE_ERROR_QUOTA },
		{ "billing_error", WIRE_ERROR_QUOTA },
		{ "billing_hard_limit_reached", WIRE_ERROR_QUOTA },
		{ "402", WIRE_ERROR_QUOTA },
		{ "invalid_api_key", WIRE_ERROR_AUTHENTICATION },
		{ "authentication_error", WIRE_ERROR_AUTHENTICATION },
		{ "permission_error", WIRE_ERROR_AUTHENTICATION },
		{ "401", WIRE_ERROR_AUTHENTICATION },
		{ "403", WIRE_ERROR_AUTHENTICATION },
		{ "invalid_request_error", WIRE_ERROR_INVALID },
		{ "request_too_large", WIRE_ERROR_INVALID },
		{ "not_found_error", WIRE_ERROR_INVALID },
		{ "BadRequestError", WIRE_ERROR_INVALID },
		{ "context_length_exceeded", WIRE_ERROR_INVALID },
		{ "invalid_prompt", WIRE_ERROR_INVALID },
		{ "bio_policy", WIRE_ERROR_INVALID },
		{ "cyber_policy", WIRE_ERROR_INVALID },
		{ "invalid_image", WIRE_ERROR_INVALID },
		{ "invalid_image_format", WIRE_ERROR_INVALID },
		{ "invalid_base64_image", WIRE_ERROR_INVALID },
		{ "invalid_image_url", WIRE_ERROR_INVALID },
		{ "invalid_image_mode", WIRE_ERROR_INVALID },
		{ "image_too_large", WIRE_ERROR_INVALID },
		{ "image_too_small", WIRE_ERROR_INVALID },
		{ "image_parse_error", WIRE_ERROR_INVALID },
		{ "image_content_policy_violation", WIRE_ERROR_INVALID },
		{ "image_file_too_large", WIRE_ERROR_INVALID },
		{ "unsupported_image_media_type", WIRE_ERROR_INVALID },
		{ "empty_image_file", WIRE_ERROR_INVALID },
		{ "failed_to_download_image", WIRE_ERROR_INVALID },
		{ "image_file_not_found", WIRE_ERROR_INVALID },
		{ "400", WIRE_ERROR_INVALID },
		{ "404", WIRE_ERROR_INVALID },
		{ "413", WIRE_ERROR_INVALID },
		{ "422", WIRE_ERROR_INVALID },
		{ "server_error", WIRE_ERROR_INTERNAL },
		{ "internal_error", WIRE_ERROR_INTERNAL },
		{ "api_error", WIRE_ERROR_INTERNAL },
		{ "timeout_error", WIRE_ERROR_INTERNAL },
		{ "500", WIRE_ERROR_INTERNAL },
		{ "502", WIRE_ERROR_INTERNAL },
		{ "504", WIRE_ERROR_INTERNAL },
		/* Google (google.rpc.Code) */
		{ "UNAVAILABLE", WIRE_ERROR_OVERLOADED },
		{ "RESOURCE_EXHAUSTED", WIRE_ERROR_RATE_LIMIT },
		{ "UNAUTHENTICATED", WIRE_ERROR_AUTHENTICATION },
		{ "PERMISSION_DENIED", WIRE_ERROR_AUTHENTICATION },
		{ "INVALID_ARGUMENT", WIRE_ERROR_INVALID },
		{ "FAILED_PRECONDITION", WIRE_ERROR_INVALID },
		{ "NOT_FOUND", WIRE_ERROR_INVALID },
		/* Bedrock: events' names, and types of bodies */
		{ "serviceUnavailableException", WIRE_ERROR_OVERLOADED },
		{ "ServiceUnavailableException", WIRE_ERROR_OVERLOADED },
		{ "ModelNotReadyException", WIRE_ERROR_OVERLOADED },
		{ "throttlingException", WIRE_ERROR_RATE_LIMIT },
		{ "ThrottlingException", WIRE_ERROR_RATE_LIMIT },
		{ "ServiceQuotaExceededException", WIRE_ERROR_QUOTA },
		{ "AccessDeniedException", WIRE_ERROR_AUTHENTICATION },
		{ "UnrecognizedClientException", WIRE_ERROR_AUTHENTICATION },
		{ "validationException", WIRE_ERROR_INVALID },
		{ "ValidationException", WIRE_ERROR_INVALID },
		{ "ResourceNotFoundException", WIRE_ERROR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq_str(text, rows[i].name))
			return rows[i].class;
	}
	return WIRE_ERROR_NONE;
}

void watch_error(struct wire_watch *watch)
{
	uint8_t told = watch->event.error_code ? watch->event.error_code : watch->event.error_type;

	watch->error = told ? (enum wire_error_class)told : WIRE_ERROR_INTERNAL;
	watch->terminal = true;
}

bool watch_event_named(const struct wire_watch *watch, const char *name)
{
	return slice_eq_str((struct slice){ watch->lines.name, watch->lines.name_len }, name);
}

/* ---- lines ---- */

static void begin_data(struct wire_watch *watch)
{
	static const char line_feed[] = { '\n' };
	struct wire_lines *lines = &watch->lines;

	lines->state = LINE_DATA;
	lines->pending = true;
	lines->done_len = 0;
	if (lines->has_data) /* a second data line is parted from the first by a line feed */
		walk_feed(watch, line_feed, line_feed + 1);
	else
		watch->events++;
	lines->has_data = true;
}

static void begin_field(struct wire_watch *watch)
{
	struct wire_lines *lines = &watch->lines;
	struct slice field = { lines->field, lines->field_len };

	lines->pending = lines->pending || field.len > 0;
	if (slice_eq(field, data_field)) {
		begin_data(watch);
	} else if (slice_eq(field, name_field)) {
		lines->state = LINE_NAME;
		lines->name_len = 0;
	} else {
		lines->state = LINE_OTHER;
	}
}

/* The field's name up to its colon; returns where its value goes on. */
static const char *take_field(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	for (; at < stop; at++) {
		if (*at == ':') {
			begin_field(watch);
			return at + 1;
		}
		if (lines->field_len < sizeof(lines->field))
			lines->field[lines->field_len++] = *at;
	}
	return stop;
}

/* The end of a stream is told by data that is no JSON. */
static void match_done(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	for (; at < stop && lines->done_len != NOT_DONE; at++) {
		if (lines->done_len == 0 && *at == ' ')
			continue;
		if (*at != done.ptr[lines->done_len]) {
			lines->done_len = NOT_DONE;
		} else if (++lines->done_len == done.len) {
			watch->terminal = watch->terminal || watch->dialect == WIRE_OPENAI_CHAT;
			lines->done_len = NOT_DONE;
		}
	}
}

static void take_name(struct wire_lines *lines, const char *at, const char *stop)
{
	for (; at < stop; at++) {
		if (lines->name_len == 0 && *at == ' ')
			continue;
		if (lines->name_len < sizeof(lines->name))
			lines->name[lines->name_len++] = *at;
	}
}

static void take_line(struct wire_watch *watch, const char *at, const char *stop)
{
	struct wire_lines *lines = &watch->lines;

	if (at == stop)
		return;
	watch->line_bytes += (uint64_t)(stop - at);
	if (lines->state == LINE_START) {
		lines->state = LINE_FIELD;
		lines->field_len = 0;
		if (stop - at >= 5 && memcmp(at, "data:", 5) == 0) {
			begin_data(watch);
			at += 5;
		}
	}
	if (lines->state == LINE_FIELD)
		at = take_field(watch, at, stop);
	if (lines->state == LINE_DATA) {
		match_done(watch, at, stop);
		walk_feed(watch, at, stop);
	} else if (lines->state == LINE_NAME) {
		take_name(lines, at, stop);
	}
}

static void end_line(struct wire_watch *watch)
{
	struct wire_lines *lines = &watch->lines;

	if (lines->state == LINE_FIELD) /* no colon: a field without a value */
		begin_field(watch);
	else if (lines->state == LINE_START) { /* an empty line ends the event */
		lines->pending = lines->has_data = false;
		lines->name_len = 0;
		walk_reset(&watch->walk);
	}
	lines->state = LINE_START;
	watch->line_bytes = 0;
}

static void feed_lines(struct wire_watch *watch, const char *at, const char *end)
{
	struct wire_lines *lines = &watch->lines;

	while (at < end) {
		const char *stop;

		if (lines->after_cr) {
			lines->after_cr = false;
			if (*at == '\n') {
				at++;
				continue;
			}
		}
		stop = sse_line_end(at, end);
		take_line(watch, at, stop);
		if (stop == end)
			return;
		end_line(watch);
		lines->after_cr = *stop == '\r';
		at = stop + 1;
	}
}

void wire_watch_feed(struct wire_watch *watch, struct slice data)
{
	if (data.len == 0)
		return;
	if (watch->stream)
		feed_lines(watch, data.ptr, data.ptr + data.len);
	else
		walk_feed(watch, data.ptr, data.ptr + data.len);
}

bool wire_watch_at_boundary(const struct wire_watch *watch)
{
	return watch->lines.state == LINE_START && !watch->lines.pending;
}
