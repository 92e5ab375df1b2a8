/* SPDX-License-Identifier: Apache-2.0 */
/* What Bedrock's Converse, which upstreams speak and no client, has of random conversations of each
 * client's dialect. The seed is fixed; an argument sets another. */
#include <errno.h>

#include "test-wire-roundtrip.h"

enum {
	CALLS_MAX = 16,
};

static const uint32_t said_by_all = 1u << TURN_MAX_OUTPUT | 1u << TURN_TEMPERATURE |
				    1u << TURN_TOP_P | 1u << TURN_STOP | 1u << TURN_PARALLEL;

/* Where a model has what Converse itself does not. */
static const struct model {
	struct slice id;
	uint32_t fields;
	const char *top_k[4]; /* its path in the body, up to NULL */
	bool one_call;        /* that it is one call is said, and then the choice with it */
} models[] = {
	{ SLICE("eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
	  said_by_all | 1u << TURN_TOP_K,
	  { "additionalModelRequestFields", "top_k" },
	  true },
	{ SLICE("amazon.nova-pro-v1:0"),
	  said_by_all | 1u << TURN_TOP_K,
	  { "additionalModelRequestFields", "inferenceConfig", "topK" },
	  false },
	{ SLICE("meta.llama3-70b-instruct-v1:0"), said_by_all, { 0 }, false },
};

/* One spelling of a conversation, whoever told it; calls are numbered as they come. */
struct saying {
	struct buffer out;
	struct arena *arena;
	struct slice calls[CALLS_MAX];
	unsigned call_count;
	const struct model *model;
};

static void say_call(struct saying *saying, struct slice id, struct slice name, struct slice input)
{
	CHECK(saying->call_count < CALLS_MAX);
	saying->calls[saying->call_count++] = id;
	buffer_printf(&saying->out, " call %u", saying->call_count);
	say(&saying->out, "name", name, saying->arena);
	say_text_as_json(&saying->out, input.len > 0 ? input : SLICE("{}"), saying->arena);
	buffer_append_char(&saying->out, '\n');
}

static void say_result(struct saying *saying, struct slice id, bool is_error)
{
	unsigned number = 0;

	while (number < saying->call_count && !slice_eq(saying->calls[number], id))
		number++;
	if (number == saying->call_count)
		test_fail(__FILE__, __LINE__, "%s: no call has the id %.*s", pair, SLICE_ARGS(id));
	buffer_printf(&saying->out, " result of %u%s\n", number + 1, is_error ? " error" : "");
}

static void say_text(struct saying *saying, const char *what, struct slice text)
{
	say(&saying->out, what, text, saying->arena);
	buffer_append_char(&saying->out, '\n');
}

static void say_field(struct saying *saying, const char *name, struct slice json)
{
	if (!json.ptr)
		return;
	buffer_printf(&saying->out, "%s ", name);
	say_text_as_json(&saying->out, json, saying->arena);
	buffer_append_char(&saying->out, '\n');
}

/* ---- by the client ---- */

static void client_part(struct saying *saying, const struct turn_part *part)
{
	struct slice type = part->media_type;

	switch (part->kind) {
	case TURN_TEXT:
		say_text(saying, "text", part->text);
		break;
	case TURN_IMAGE:
		say_text(saying, "image", slice_skip(type, strlen("image/")));
		say_text(saying, "bytes", part->data);
		break;
	case TURN_CALL:
		say_call(saying, part->id, part->tool,
			 tree_unescape(part->arguments, saying->arena));
		break;
	case TURN_RESULT:
		say_result(saying, part->id, part->is_error);
		for (const struct turn_part *at = part->content; at; at = at->next)
			client_part(saying, at);
		break;
	case TURN_REASONING: /* Gemini's mark of calls that are not its own */
		CHECK_INT(part->text.len, 0);
		break;
	default:
		test_fail(__FILE__, __LINE__, "%s: a part of kind %d", pair, part->kind);
	}
}

static bool is_system(const struct turn_message *message)
{
	return message->role == TURN_SYSTEM || message->role == TURN_DEVELOPER;
}

/* What one side says in a row is one message. */
static void client_messages(struct saying *saying, const struct turn *turn)
{
	enum turn_role role = TURN_SYSTEM;

	for (const struct turn_message *at = turn->messages; at; at = at->next) {
		for (const struct turn_part *part = at->parts; part && is_system(at);
		     part = part->next)
			say_text(saying, "system", part->text);
	}
	for (const struct turn_message *at = turn->messages; at; at = at->next) {
		if (is_system(at))
			continue;
		if (at->role != role)
			buffer_printf(&saying->out, "\n%s\n",
				      at->role == TURN_USER ? "user" : "assistant");
		role = at->role;
		for (const struct turn_part *part = at->parts; part; part = part->next)
			client_part(saying, part);
	}
}

static void client_tools(struct saying *saying, const struct turn *turn)
{
	static const char *const choices[] = { [TURN_REQUIRED] = "any", [TURN_NAMED] = "tool" };

	/* Where none is to be called none is offered. */
	if (turn->choice == TURN_NONE)
		return;
	for (const struct turn_tool *tool = turn->tools; tool; tool = tool->next) {
		say_text(saying, "tool", tool->name);
		say_text(saying, "description", tool->description);
		say_text_as_json(&saying->out, tool->schema, saying->arena);
	}
	if (turn->tools && turn->choice >= TURN_REQUIRED)
		buffer_printf(&saying->out, "choice %s %.*s\n", choices[turn->choice],
			      SLICE_ARGS(turn->choice_name));
	if (turn->tools && saying->model->one_call)
		buffer_printf(&saying->out, "one call %d\n",
			      slice_eq_str(turn->fields[TURN_PARALLEL].json, "false"));
}

static void client_says(struct saying *saying, const struct turn *turn)
{
	client_messages(saying, turn);
	client_tools(saying, turn);
	say_field(saying, "max tokens", turn->fields[TURN_MAX_OUTPUT].json);
	say_field(saying, "temperature", turn->fields[TURN_TEMPERATURE].json);
	say_field(saying, "top p", turn->fields[TURN_TOP_P].json);
	say_field(saying, "stop", turn->fields[TURN_STOP].json);
	say_field(saying, "top k", turn->fields[TURN_TOP_K].json);
	say_field(saying, "schema", turn->format_schema);
}

/* ---- by the upstream's body ---- */

static const struct tree *find(const struct tree *from, const char *const *path)
{
	for (; *path; path++)
		from = tree_get(from, *path);
	return from;
}

#define FIND(from, ...) find(from, (const char *const[]){ __VA_ARGS__, NULL })

static struct slice span(const struct tree *node)
{
	return node ? tree_span(node) : (struct slice){ 0 };
}

static void upstream_block(struct saying *saying, const struct tree *block)
{
	const struct tree *image = tree_get(block, "image"), *call = tree_get(block, "toolUse"),
			  *result = tree_get(block, "toolResult");

	CHECK_INT(block->count, 1);
	if (tree_get(block, "text")) {
		say_text(saying, "text", tree_get_text(block, "text"));
	} else if (image) {
		say_text(saying, "image", tree_get_text(image, "format"));
		say_text(saying, "bytes", tree_get_text(tree_get(image, "source"), "bytes"));
	} else if (call) {
		say_call(saying, tree_get_text(call, "toolUseId"), tree_get_text(call, "name"),
			 span(tree_get(call, "input")));
	} else {
		say_result(saying, tree_get_text(result, "toolUseId"),
			   tree_is_word(tree_get(result, "status"), "error"));
		for (const struct tree *at = tree_get(result, "content")->child; at; at = at->next)
			upstream_block(saying, at);
	}
}

static void upstream_messages(struct saying *saying, const struct tree *body)
{
	const struct tree *system = tree_get(body, "system");

	for (const struct tree *at = system ? system->child : NULL; at; at = at->next)
		say_text(saying, "system", tree_get_text(at, "text"));
	for (const struct tree *at = tree_get(body, "messages")->child; at; at = at->next) {
		buffer_printf(&saying->out, "\n%.*s\n", SLICE_ARGS(tree_get_text(at, "role")));
		for (const struct tree *block = tree_get(at, "content")->child; block;
		     block = block->next)
			upstream_block(saying, block);
	}
}

/* {"tool":{"name":…}}, or in Anthropic's own words. */
static void upstream_choice(struct saying *saying, const struct tree *body)
{
	const struct tree *own = FIND(body, "additionalModelRequestFields", "tool_choice"),
			  *choice = FIND(body, "toolConfig", "toolChoice");
	struct slice word = { 0 }, name = { 0 };

	CHECK(!own || !choice);
	if (own) {
		word = tree_get_text(own, "type");
		name = tree_get_text(own, "name");
	} else if (choice) {
		word = choice->child->key;
		name = tree_get_text(choice->child, "name");
	}
	if (word.len > 0 && !slice_eq_str(word, "auto"))
		buffer_printf(&saying->out, "choice %.*s %.*s\n", SLICE_ARGS(word),
			      SLICE_ARGS(name));
	if (saying->model->one_call)
		buffer_printf(&saying->out, "one call %d\n",
			      tree_is(tree_get(own, "disable_parallel_tool_use"), JSON_SCAN_TRUE));
}

static void upstream_tools(struct saying *saying, const struct tree *body)
{
	const struct tree *tools = FIND(body, "toolConfig", "tools");

	for (const struct tree *at = tools ? tools->child : NULL; at; at = at->next) {
		const struct tree *tool = tree_get(at, "toolSpec");

		say_text(saying, "tool", tree_get_text(tool, "name"));
		say_text(saying, "description", tree_get_text(tool, "description"));
		say_text_as_json(&saying->out, span(FIND(tool, "inputSchema", "json")),
				 saying->arena);
	}
	if (tools)
		upstream_choice(saying, body);
}

static void upstream_hears(struct saying *saying, const struct tree *body)
{
	const struct tree *schema =
	    FIND(body, "outputConfig", "textFormat", "structure", "jsonSchema");
	const char *const *top_k = saying->model->top_k;

	upstream_messages(saying, body);
	upstream_tools(saying, body);
	say_field(saying, "max tokens", span(FIND(body, "inferenceConfig", "maxTokens")));
	say_field(saying, "temperature", span(FIND(body, "inferenceConfig", "temperature")));
	say_field(saying, "top p", span(FIND(body, "inferenceConfig", "topP")));
	say_field(saying, "stop", span(FIND(body, "inferenceConfig", "stopSequences")));
	if (top_k[0])
		say_field(saying, "top k", span(find(body, top_k)));
	if (schema)
		say_field(saying, "schema",
			  tree_unescape(tree_get_text(schema, "schema"), saying->arena));
}

/* ---- conversations ---- */

/* Results that are errors, and ids that are none for Bedrock. */
static void vary(struct turn *turn)
{
	bool odd_ids = below(3) == 0;

	for (struct turn_message *message = turn->messages; message; message = message->next) {
		for (struct turn_part *part = message->parts; part; part = part->next) {
			if (part->kind == TURN_RESULT)
				part->is_error = below(3) == 0;
			if (odd_ids && part->id.ptr)
				part->id =
				    arena_printf(turn->arena, "a.b:%.*s", SLICE_ARGS(part->id));
		}
	}
}

static const struct tree *parsed(struct slice text, struct arena *arena)
{
	const struct tree *tree;

	if (tree_parse(text, arena, &tree, NULL) < 0)
		test_fail(__FILE__, __LINE__, "%s: no JSON: %.*s", pair, SLICE_ARGS(text));
	return tree;
}

/* As a client of the dialect says it. */
static void say_as_client(struct turn *turn, enum wire_dialect dialect, struct turn *ret)
{
	const struct turn_target target = { .dialect = dialect, .model = SLICE("m") };
	struct buffer body = { 0 };
	struct writer writer = { &body, false };
	struct turn_refusal refusal = { 0 };
	const struct tree *tree;

	CHECK_INT(codec_of(dialect)->write_turn(turn, &target, &writer, &refusal), 0);
	tree = parsed(kept(turn->arena, &body), turn->arena);
	turn_init(ret, dialect, tree, turn->arena);
	CHECK_INT(codec_of(dialect)->read_turn(tree, ret, &refusal), 0);
}

static bool has_calls(const struct turn *turn)
{
	for (const struct turn_message *at = turn->messages; at; at = at->next) {
		for (const struct turn_part *part = at->parts; part; part = part->next) {
			if (part->kind == TURN_CALL)
				return true;
		}
	}
	return false;
}

/* Bedrock takes [a-zA-Z0-9_-]{1,64}. */
static bool is_id(struct slice id)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	for (size_t i = 0; i < id.len; i++) {
		if (!memchr(letters, id.ptr[i], sizeof(letters) - 1))
			return false;
	}
	return id.len >= 1 && id.len <= 64;
}

static void compare(const struct turn *read, const struct model *model, struct slice body)
{
	struct saying told = { .arena = read->arena, .model = model }, heard = told;
	struct slice a, b;

	client_says(&told, read);
	upstream_hears(&heard, parsed(body, read->arena));
	a = kept(read->arena, &told.out);
	b = kept(read->arena, &heard.out);
	if (!slice_eq(a, b))
		test_fail(__FILE__, __LINE__, "%s: told\n%s\nbut heard\n%s\nof %s", pair, a.ptr,
			  b.ptr, body.ptr);
	for (unsigned i = 0; i < told.call_count; i++) {
		CHECK(is_id(heard.calls[i]));
		CHECK(!is_id(told.calls[i]) || slice_eq(heard.calls[i], told.calls[i]));
	}
}

static void one_conversation(enum wire_dialect client, int round)
{
	const struct model *model = &models[below(ARRAY_SIZE(models))];
	const struct turn_target target = { .dialect = WIRE_BEDROCK_CONVERSE, .model = model->id };
	struct turn turn, read;
	struct turn_refusal refusal = { 0 };
	struct buffer body = { 0 };
	struct writer writer = { &body, false };
	struct arena arena;
	int r;

	arena_init(&arena, NULL);
	random_turn(&turn, &arena, fields_of[client] & model->fields);
	vary(&turn);
	say_as_client(&turn, client, &read);
	r = converse_write_turn(&read, &target, &writer, &refusal);
	if (read.choice == TURN_NONE && has_calls(&read))
		CHECK_INT(r, -EINVAL); /* it has no words for that */
	else if (r < 0)
		test_fail(__FILE__, __LINE__, "%s: %s: %s", pair, refusal.param, refusal.message);
	else
		compare(&read, model, arena_dup(&arena, buffer_slice(&body)));
	buffer_fini(&body);
	arena_fini(&arena);
}

static void conversations(void)
{
	for_each_client(one_conversation);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		state = strtoull(argv[1], NULL, 10);
	test_run("conversations", conversations);
	return 0;
}
