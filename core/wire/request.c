/* SPDX-License-Identifier: Apache-2.0 */
/* The one look at a request's body: one strict scan, no tree. What we read we check; what we do not
 * read is the provider's to judge. */
#include "wire/wire.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/utf8.h"

enum {
	MODEL_BYTES = 256,
	BYTES_PER_TOKEN = 4,
	MEDIA_BYTES = 1024, /* so many of base64, and a string is a picture or a file */
	MEDIA_TOKENS = 1600,
};

enum take {
	TAKE_MODEL,
	TAKE_STREAM,
	TAKE_STREAM_OPTIONS,
	TAKE_MESSAGES,
	TAKE_CONTENTS,
	TAKE_WHOLE, /* a request that is a member of this one */
	TAKE_GENERATION,
	TAKE_TEXTS,
	TAKE_INPUT, /* other members whose bytes the model reads */
	TAKE_MAX_OUTPUT,
	TAKE_CHOICES,
	TAKE_PREVIOUS,
	TAKE_STORE,
	TAKE_BACKGROUND,
	TAKE_CONVERSATION,
	TAKE_USER,
	TAKE_SAFETY_IDENTIFIER,
	TAKE_METADATA,
};

#define CHAT (1u << WIRE_OPENAI_CHAT)
#define MESSAGES (1u << WIRE_ANTHROPIC_MESSAGES)
#define COUNTS (1u << WIRE_ANTHROPIC_COUNT_TOKENS)
#define EMBEDDINGS (1u << WIRE_OPENAI_EMBEDDINGS)
#define RESPONSES (1u << WIRE_OPENAI_RESPONSES)
#define GEMINI_COUNTS (1u << WIRE_GEMINI_COUNT_TOKENS)
#define GEMINI (1u << WIRE_GEMINI | GEMINI_COUNTS)

/* The members that we read, by dialect. */
static const struct row {
	struct slice key;
	unsigned dialects; /* bit 1 << enum wire_dialect */
	enum take take;
} rows[] = {
	{ SLICE("model"), CHAT | MESSAGES | RESPONSES | COUNTS | EMBEDDINGS, TAKE_MODEL },
	{ SLICE("messages"), CHAT | MESSAGES | COUNTS, TAKE_MESSAGES },
	{ SLICE("stream"), CHAT | MESSAGES | RESPONSES, TAKE_STREAM },
	{ SLICE("max_tokens"), CHAT | MESSAGES, TAKE_MAX_OUTPUT },
	{ SLICE("tools"), CHAT | MESSAGES | RESPONSES | COUNTS | GEMINI, TAKE_INPUT },
	{ SLICE("system"), MESSAGES | COUNTS, TAKE_INPUT },
	{ SLICE("response_format"), CHAT, TAKE_INPUT },
	{ SLICE("stream_options"), CHAT, TAKE_STREAM_OPTIONS },
	{ SLICE("max_completion_tokens"), CHAT, TAKE_MAX_OUTPUT },
	{ SLICE("n"), CHAT, TAKE_CHOICES },
	{ SLICE("input"), EMBEDDINGS, TAKE_TEXTS },
	{ SLICE("input"), RESPONSES, TAKE_INPUT }, /* a prompt of the provider's may need none */
	{ SLICE("instructions"), RESPONSES, TAKE_INPUT },
	{ SLICE("text"), RESPONSES, TAKE_INPUT }, /* holds the schema of structured output */
	{ SLICE("max_output_tokens"), RESPONSES, TAKE_MAX_OUTPUT },
	{ SLICE("previous_response_id"), RESPONSES, TAKE_PREVIOUS },
	{ SLICE("store"), RESPONSES, TAKE_STORE },
	{ SLICE("background"), RESPONSES, TAKE_BACKGROUND },
	{ SLICE("conversation"), RESPONSES, TAKE_CONVERSATION },
	{ SLICE("user"), CHAT | RESPONSES | EMBEDDINGS, TAKE_USER },
	{ SLICE("safety_identifier"), CHAT | RESPONSES, TAKE_SAFETY_IDENTIFIER },
	{ SLICE("metadata"), MESSAGES | COUNTS, TAKE_METADATA },
	{ SLICE("contents"), GEMINI, TAKE_CONTENTS },
	{ SLICE("systemInstruction"), GEMINI, TAKE_INPUT },
	{ SLICE("system_instruction"), GEMINI, TAKE_INPUT }, /* ProtoJSON has both names */
	{ SLICE("generationConfig"), GEMINI, TAKE_GENERATION },
	{ SLICE("generation_config"), GEMINI, TAKE_GENERATION },
	{ SLICE("generateContentRequest"), GEMINI_COUNTS, TAKE_WHOLE },
	{ SLICE("generate_content_request"), GEMINI_COUNTS, TAKE_WHOLE },
};

struct reading {
	enum wire_dialect dialect;
	struct arena *arena;
	struct wire_request *request;
	struct error *error;
	size_t input_bytes;
	bool prompt; /* there is one */
};

/* The key unescaped, in `text` if it has to be; one that does not fit is none of ours. */
static struct slice key_text(const struct json_member *member, char *text, size_t size)
{
	struct slice key = member->key;
	int len;

	if (!memchr(key.ptr, '\\', key.len))
		return key;
	/* With its quotes around it, the key is a string. */
	len = json_to_text(slice_span(key.ptr - 1, key.ptr + key.len + 1), text, size);
	return (struct slice){ text, len > 0 ? (size_t)len : 0 };
}

static const struct row *find_row(enum wire_dialect dialect, const struct json_member *member)
{
	char text[32];
	struct slice key = key_text(member, text, sizeof(text));

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (slice_eq(key, rows[i].key) && rows[i].dialects & 1u << dialect)
			return &rows[i];
	}
	return NULL;
}

bool wire_is_model_name(struct slice name)
{
	uint32_t point;
	size_t len = name.len;

	if (len == 0 || len > MODEL_BYTES || slice_has_control(name))
		return false;
	for (; name.len > 0 && len > 0; name = slice_skip(name, len))
		len = utf8_decode(name.ptr, name.len, &point);
	return len > 0;
}

/* A name: unescaped, of a bounded length, without control characters. */
static int take_name(struct reading *reading, const struct json_member *member, const char *name,
		     struct slice *ret)
{
	struct slice text = { member->value.ptr + 1, member->value.len - 2 };
	char *copy;
	int len;

	if (member->type != JSON_SCAN_STRING)
		return error_set(reading->error, -EINVAL, "%s must be a string", name);
	if (memchr(text.ptr, '\\', text.len)) {
		copy = arena_alloc(reading->arena, text.len + 1);
		if (!copy)
			return error_set(reading->error, -ENOMEM, "out of memory");
		len = json_to_text(member->value, copy, text.len + 1);
		text = (struct slice){ copy, len > 0 ? (size_t)len : 0 };
	}
	if (text.len == 0 || text.len > MODEL_BYTES)
		return error_set(reading->error, -EINVAL, "%s must have 1 to %d bytes", name,
				 MODEL_BYTES);
	if (slice_has_control(text))
		return error_set(reading->error, -EINVAL, "%s must have no control characters",
				 name);
	*ret = text;
	return 0;
}

static int take_model(struct reading *reading, const struct json_member *member)
{
	int r = take_name(reading, member, "model", &reading->request->model);

	if (r == 0)
		reading->request->model_value = member->value;
	return r;
}

static int take_boolean(struct reading *reading, const struct json_member *member, const char *name,
			bool *ret)
{
	if (member->type != JSON_SCAN_TRUE && member->type != JSON_SCAN_FALSE &&
	    member->type != JSON_SCAN_NULL)
		return error_set(reading->error, -EINVAL, "%s must be true or false", name);
	*ret = member->type == JSON_SCAN_TRUE;
	return 0;
}

static int take_store(struct reading *reading, const struct json_member *member)
{
	bool store;
	int r = take_boolean(reading, member, "store", &store);

	if (r == 0)
		reading->request->unstored = member->type == JSON_SCAN_FALSE;
	return r;
}

static int take_count(struct reading *reading, const struct json_member *member, const char *name,
		      int64_t least, int64_t *ret)
{
	int64_t value;

	if (member->type == JSON_SCAN_NULL)
		return 0;
	if (member->type != JSON_SCAN_NUMBER || json_to_i64(member->value, &value) < 0 ||
	    value < least)
		return error_set(reading->error, -EINVAL, "%s must be a whole number from %d", name,
				 (int)least);
	*ret = value;
	return 0;
}

static int take_stream_options(struct reading *reading, const struct json_member *member)
{
	struct wire_request *request = reading->request;
	struct json_member usage;

	if (member->type != JSON_SCAN_OBJECT && member->type != JSON_SCAN_NULL)
		return error_set(reading->error, -EINVAL, "stream_options must be an object");
	request->stream_options = member->value;
	if (member->type == JSON_SCAN_OBJECT && json_find(member->value, "include_usage", &usage))
		return take_boolean(reading, &usage, "stream_options.include_usage",
				    &request->include_usage);
	return 0;
}

/* A string of this JSON text, from behind its first quote; `json` goes on behind its last. */
static struct slice next_string(struct slice *json)
{
	const char *end = json->ptr + json->len, *begin = memchr(json->ptr, '"', json->len);
	const char *at = begin ? begin + 1 : end;

	while (at < end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	*json = slice_span(at < end ? at + 1 : end, end);
	return begin && at < end ? slice_span(begin + 1, at) : (struct slice){ 0 };
}

static bool is_media(struct slice text)
{
	if (text.len < MEDIA_BYTES)
		return false;
	for (size_t i = 0; i < MEDIA_BYTES; i++) {
		char c = text.ptr[i], letter = c | 0x20;

		if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9') && c != '+' && c != '/')
			return false;
	}
	return true;
}

/* What the model reads of pictures and files is not their bytes in base64. */
static size_t input_bytes(struct slice value)
{
	size_t bytes = value.len;

	for (struct slice text = next_string(&value); text.ptr; text = next_string(&value)) {
		if (!is_media(text))
			continue;
		bytes -= text.len;
		bytes += MEDIA_TOKENS * BYTES_PER_TOKEN;
	}
	return bytes;
}

static void add_input(struct reading *reading, struct slice value)
{
	/* Only a count is worth the look: what is billed is what the provider says. */
	reading->input_bytes += wire_is_count(reading->dialect) ? input_bytes(value) : value.len;
}

static int take_messages(struct reading *reading, const struct json_member *member)
{
	struct slice at = { member->value.ptr + 1, member->value.len - 2 };

	if (member->type != JSON_SCAN_ARRAY)
		return error_set(reading->error, -EINVAL, "messages must be an array");
	while (at.len > 0 && memchr(" \t\r\n", at.ptr[0], 4))
		at = slice_skip(at, 1);
	if (at.len == 0)
		return error_set(reading->error, -EINVAL, "messages must not be empty");
	reading->prompt = true;
	add_input(reading, member->value);
	return 0;
}

/* One, or an array of them. */
static int take_contents(struct reading *reading, const struct json_member *member)
{
	struct slice at = member->value;
	struct json_member first;

	if (member->type != JSON_SCAN_OBJECT && member->type != JSON_SCAN_ARRAY)
		return error_set(reading->error, -EINVAL, "contents must be an array");
	if (!json_next(&at, &first))
		return error_set(reading->error, -EINVAL, "contents must not be empty");
	reading->prompt = true;
	add_input(reading, member->value);
	return 0;
}

static int take_whole(struct reading *reading, const struct json_member *member)
{
	if (member->type == JSON_SCAN_NULL)
		return 0;
	if (member->type != JSON_SCAN_OBJECT)
		return error_set(reading->error, -EINVAL,
				 "generateContentRequest must be an object");
	reading->prompt = true;
	add_input(reading, member->value);
	return 0;
}

/* The last of both names of a member; absent is as null. */
static int take_inner_count(struct reading *reading, struct slice object, const char *const *names,
			    int64_t *ret)
{
	struct json_member member;
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		if (json_find(object, names[i], &member))
			r = take_count(reading, &member, names[i], 1, ret);
	}
	return r;
}

static int take_generation(struct reading *reading, const struct json_member *member)
{
	static const char *const most[] = { "maxOutputTokens", "max_output_tokens" };
	static const char *const choices[] = { "candidateCount", "candidate_count" };
	int r;

	if (member->type == JSON_SCAN_NULL)
		return 0;
	if (member->type != JSON_SCAN_OBJECT)
		return error_set(reading->error, -EINVAL, "generationConfig must be an object");
	add_input(reading, member->value); /* holds the schema of structured output */
	r = take_inner_count(reading, member->value, most, &reading->request->max_output);
	return r < 0
		   ? r
		   : take_inner_count(reading, member->value, choices, &reading->request->choices);
}

/* A text, texts, tokens, or lists of tokens: these are numbers, and each is one. */
static int take_texts(struct reading *reading, const struct json_member *member)
{
	struct slice at = member->value;
	size_t tokens = 1;

	if (member->type != JSON_SCAN_STRING && member->type != JSON_SCAN_ARRAY)
		return error_set(reading->error, -EINVAL, "input must be a string or an array");
	reading->prompt = true;
	while (at.len > 0 && memchr("[ \t\r\n", at.ptr[0], 5))
		at = slice_skip(at, 1);
	if (at.len == 0 || at.ptr[0] < '0' || at.ptr[0] > '9') {
		reading->input_bytes += member->value.len;
		return 0;
	}
	for (size_t i = 0; i < at.len; i++)
		tokens += at.ptr[i] == ',';
	reading->input_bytes += tokens * BYTES_PER_TOKEN;
	return 0;
}

/* What is no string is the provider's to judge. */
static void take_user(struct reading *reading, const struct json_member *member,
		      enum wire_user which)
{
	if (member->type == JSON_SCAN_STRING)
		reading->request->users[which] = member->value;
}

static void take_metadata(struct reading *reading, const struct json_member *member)
{
	struct json_member id;

	if (member->type == JSON_SCAN_OBJECT && json_find(member->value, "user_id", &id))
		take_user(reading, &id, WIRE_METADATA_USER_ID);
}

static int take_member(struct reading *reading, const struct row *row,
		       const struct json_member *member)
{
	struct wire_request *request = reading->request;

	switch (row->take) {
	case TAKE_MODEL:
		return take_model(reading, member);
	case TAKE_STREAM:
		return take_boolean(reading, member, row->key.ptr, &request->stream);
	case TAKE_STREAM_OPTIONS:
		return take_stream_options(reading, member);
	case TAKE_MESSAGES:
		return take_messages(reading, member);
	case TAKE_CONTENTS:
		return take_contents(reading, member);
	case TAKE_WHOLE:
		return take_whole(reading, member);
	case TAKE_GENERATION:
		return take_generation(reading, member);
	case TAKE_TEXTS:
		return take_texts(reading, member);
	case TAKE_INPUT:
		add_input(reading, member->value);
		return 0;
	case TAKE_MAX_OUTPUT:
		return take_count(reading, member, row->key.ptr, 0, &request->max_output);
	case TAKE_CHOICES:
		return take_count(reading, member, row->key.ptr, 1, &request->choices);
	case TAKE_PREVIOUS:
		return member->type == JSON_SCAN_NULL
			   ? 0
			   : take_name(reading, member, row->key.ptr, &request->previous);
	case TAKE_STORE:
		return take_store(reading, member);
	case TAKE_BACKGROUND:
		return take_boolean(reading, member, row->key.ptr, &request->background);
	case TAKE_CONVERSATION:
		request->conversation = member->type != JSON_SCAN_NULL;
		return 0;
	case TAKE_USER:
		take_user(reading, member, WIRE_USER);
		return 0;
	case TAKE_SAFETY_IDENTIFIER:
		take_user(reading, member, WIRE_SAFETY_IDENTIFIER);
		return 0;
	case TAKE_METADATA:
		take_metadata(reading, member);
		return 0;
	}
	return 0;
}

/* What a request of this dialect must have, beside its model. */
static const char *const prompt_names[WIRE_DIALECT_COUNT] = {
	[WIRE_OPENAI_CHAT] = "messages",    [WIRE_ANTHROPIC_MESSAGES] = "messages",
	[WIRE_OPENAI_EMBEDDINGS] = "input", [WIRE_ANTHROPIC_COUNT_TOKENS] = "messages",
	[WIRE_GEMINI] = "contents",         [WIRE_GEMINI_COUNT_TOKENS] = "contents",
};

static struct slice closing_brace(struct slice body)
{
	const char *at = body.ptr + body.len - 1;

	while (*at != '}')
		at--;
	return (struct slice){ at, 0 };
}

int wire_request_scan(enum wire_dialect dialect, struct slice body, struct arena *arena,
		      struct wire_request *ret, struct error *error)
{
	struct json_member members[JSON_MEMBERS_MAX];
	struct wire_request request = { .choices = 1 };
	struct reading reading = { dialect, arena, &request, error, 0, false };
	struct error cause;
	int count = json_scan_object(body, members, ARRAY_SIZE(members), &cause);

	if (count < 0)
		return error_set(error, -EINVAL, "The body is not a JSON object as it must be: %s",
				 cause.message);
	for (int i = 0; i < count; i++) {
		const struct row *row = find_row(dialect, &members[i]);
		int r = row ? take_member(&reading, row, &members[i]) : 0;

		if (r < 0)
			return r;
	}
	if (!request.model.ptr && !wire_is_google(dialect))
		return error_set(error, -EINVAL, "model is missing");
	if (!reading.prompt && prompt_names[dialect])
		return error_set(error, -EINVAL, "%s is missing", prompt_names[dialect]);
	request.object_end = closing_brace(body);
	request.object_empty = count == 0;
	request.input_estimate = (int64_t)(reading.input_bytes / BYTES_PER_TOKEN);
	if (request.input_estimate == 0)
		request.input_estimate = 1;
	*ret = request;
	return 0;
}
