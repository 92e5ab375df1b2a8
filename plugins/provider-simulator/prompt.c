/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a request of any dialect as far as an answer depends on it. */
#include "simulator.h"

#include <stdlib.h>
#include <string.h>

enum {
	TOKENS_PER_MESSAGE = 4,
	BYTES_PER_TOKEN = 4,
};

static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

/* The text of a message's content: a string, or the text parts of an array. */
static void read_content(json_t *content, struct text *out)
{
	size_t index;
	json_t *part;

	if (json_is_string(content))
		text_append(out, json_string_value(content), json_string_length(content));
	json_array_foreach (content, index, part) {
		json_t *text = json_object_get(part, "text");

		if (json_is_string(text))
			text_append(out, json_string_value(text), json_string_length(text));
		else /* a tool's result holds a content of its own */
			read_content(json_object_get(part, "content"), out);
	}
}

static void take_message(struct prompt *prompt, json_t *content)
{
	text_clear(&prompt->last);
	read_content(content, &prompt->last);
	prompt->tokens += (prompt->last.len + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
	prompt->tokens += TOKENS_PER_MESSAGE;
	prompt->seed = hash_bytes(prompt->seed, prompt->last.data, prompt->last.len);
	prompt->seed = hash_mix(prompt->seed, prompt->last.len);
}

/* The turn after a tool's result is a text, or a client that runs tools would never end. */
static bool is_tool_result(json_t *message)
{
	const char *role = json_string_value(json_object_get(message, "role"));
	json_t *part = json_array_get(json_object_get(message, "content"), 0);
	const char *type = json_string_value(json_object_get(part, "type"));

	if (!type) /* of Responses */
		type = json_string_value(json_object_get(message, "type"));
	return (role && strcmp(role, "tool") == 0) ||
	       (type &&
		(strcmp(type, "tool_result") == 0 || strcmp(type, "function_call_output") == 0));
}

static void read_tool(struct prompt *prompt, json_t *tools)
{
	json_t *tool = json_array_get(tools, 0);
	json_t *function = json_object_get(tool, "function");
	json_t *holder = function ? function : tool;
	json_t *parameters = json_object_get(holder, "parameters");
	const char *name = json_string_value(json_object_get(holder, "name"));

	if (!name)
		return;
	prompt->tool = strdup(name);
	prompt->schema =
	    json_incref(parameters ? parameters : json_object_get(holder, "input_schema"));
}

static bool tools_are_off(json_t *choice)
{
	const char *word = json_string_value(choice);

	if (!word)
		word = json_string_value(json_object_get(choice, "type"));
	return word && strcmp(word, "none") == 0;
}

/* Of chat: response_format { type, json_schema { schema } }; of Messages: output_config { format {
 * type, schema } }; of Responses: text { format { type, schema } }. */
static void read_format(struct prompt *prompt, json_t *body)
{
	json_t *format = json_object_get(body, "response_format");
	const char *type;

	if (prompt->dialect == TIDE_DIALECT_ANTHROPIC_MESSAGES)
		format = json_object_get(json_object_get(body, "output_config"), "format");
	else if (prompt->dialect == TIDE_DIALECT_OPENAI_RESPONSES)
		format = json_object_get(json_object_get(body, "text"), "format");
	type = json_string_value(json_object_get(format, "type"));
	prompt->wants_json = type && strcmp(type, "text") != 0;
	if (!type || strcmp(type, "json_schema") != 0)
		return;
	if (prompt->dialect == TIDE_DIALECT_OPENAI_CHAT)
		format = json_object_get(format, "json_schema");
	prompt->schema = json_incref(json_object_get(format, "schema"));
}

static uint64_t read_max(json_t *body)
{
	static const char *const names[] = { "max_output_tokens", "max_completion_tokens",
					     "max_tokens" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *max = json_object_get(body, names[i]);

		if (json_is_integer(max))
			return json_integer_value(max) > 0 ? (uint64_t)json_integer_value(max) : 0;
	}
	return 0;
}

static bool is_messages(const struct prompt *prompt)
{
	return prompt->dialect == TIDE_DIALECT_ANTHROPIC_MESSAGES ||
	       prompt->dialect == TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS;
}

/* Items of Responses hold a content, or what a function put out. */
static void take_messages(struct prompt *prompt, json_t *messages)
{
	size_t index;
	json_t *message;

	json_array_foreach (messages, index, message) {
		json_t *content = json_object_get(message, "content");

		take_message(prompt, content ? content : json_object_get(message, "output"));
	}
}

/* The messages' array; NULL for a text, which is taken. */
static const char *read_messages(struct prompt *prompt, json_t *body, json_t **ret)
{
	bool responses = prompt->dialect == TIDE_DIALECT_OPENAI_RESPONSES;
	json_t *messages = json_object_get(body, responses ? "input" : "messages");
	json_t *first = json_object_get(body, responses ? "instructions" : "system");

	prompt->seed = hash_start;
	if (first && (responses || is_messages(prompt)))
		take_message(prompt, first);
	*ret = NULL;
	if (responses && json_is_string(messages)) {
		take_message(prompt, messages);
		return NULL;
	}
	if (!json_is_array(messages) || json_array_size(messages) == 0)
		return responses ? "input must be a text or an array of at least one item"
				 : "messages must be an array of at least one message";
	take_messages(prompt, messages);
	*ret = messages;
	return NULL;
}

static const char *read_body(struct prompt *prompt, json_t *body)
{
	json_t *messages, *message;
	json_t *choices = json_object_get(body, "n");
	const char *wrong;

	if (json_is_integer(choices) && json_integer_value(choices) != 1)
		return "the simulator answers with one choice: n must be 1";
	wrong = read_messages(prompt, body, &messages);
	if (wrong)
		return wrong;
	prompt->seed =
	    hash_mix(prompt->seed, (uint64_t)json_integer_value(json_object_get(body, "seed")));
	prompt->stream = json_is_true(json_object_get(body, "stream"));
	prompt->include_usage =
	    json_is_true(json_object_get(json_object_get(body, "stream_options"), "include_usage"));
	prompt->max_tokens = read_max(body);
	message = json_array_get(messages, json_array_size(messages) - 1);
	if (!is_tool_result(message) && !tools_are_off(json_object_get(body, "tool_choice")))
		read_tool(prompt, json_object_get(body, "tools"));
	if (!prompt->tool)
		read_format(prompt, body);
	return prompt->last.failed ? "out of memory" : NULL;
}

const char *prompt_read(const struct tide_call_info *info, struct prompt *ret)
{
	struct text bytes = { 0 };
	const char *wrong = "the body is not a JSON object";
	json_t *body = NULL;

	*ret = (struct prompt){ .dialect = info->dialect };
	for (uint64_t i = 0; i < info->body_count; i++)
		text_append(&bytes, info->body[i].ptr, info->body[i].len);
	if (!bytes.failed && bytes.len > 0)
		body = json_loadb(bytes.data, bytes.len, JSON_ALLOW_NUL, NULL);
	ret->id = hash_mix(hash_bytes(hash_start, bytes.data, bytes.len), bytes.len);
	if (json_is_object(body))
		wrong = info->dialect == TIDE_DIALECT_OPENAI_EMBEDDINGS ? embeddings_read(ret, body)
									: read_body(ret, body);
	json_decref(body);
	text_fini(&bytes);
	return wrong;
}

void prompt_fini(struct prompt *prompt)
{
	text_fini(&prompt->last);
	json_decref(prompt->schema);
	json_decref(prompt->inputs);
	free(prompt->tool);
}
