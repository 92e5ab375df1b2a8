/* SPDX-License-Identifier: Apache-2.0 */
/* How much the model may think, in the words of Anthropic's Messages
 * (docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking, …/extended-thinking,
 * …/effort). Its newer models think as they see fit, by `effort`; older ones and most other
 * servers by a budget of tokens (WIRE_QUIRK_THINKING_BUDGET). */
#include "wire/messages-turn.h"

#include "base/cleanup.h"

enum {
	BUDGET_LEAST = 1024, /* of the API */
};

/* Ascending. The budgets are those that Google's API for OpenAI's SDKs has for the same words, and
 * go on from there. */
static const struct effort {
	const char *said, *word;
	int64_t budget;
} efforts[] = {
	{ "\"minimal\"", "low", 1024 },   { "\"low\"", "low", 1024 },
	{ "\"medium\"", "medium", 8192 }, { "\"high\"", "high", 24576 },
	{ "\"xhigh\"", "xhigh", 32768 },  { "\"max\"", "max", 65536 },
};

enum mode { MODE_UNSAID, MODE_DISABLED, MODE_ADAPTIVE, MODE_ENABLED };

struct thinking {
	enum mode mode;
	int64_t budget;
	const char *effort;
};

static const struct effort *effort_of(struct slice said)
{
	for (size_t i = 0; i < ARRAY_SIZE(efforts); i++) {
		if (slice_eq_str(said, efforts[i].said))
			return &efforts[i];
	}
	return NULL;
}

/* The most effort that a budget is enough for. */
static const struct effort *effort_of_budget(int64_t budget)
{
	const struct effort *effort = &efforts[0];

	for (size_t i = 0; i < ARRAY_SIZE(efforts); i++) {
		if (efforts[i].budget <= budget)
			effort = &efforts[i];
	}
	return effort;
}

/* The last that the assistant said, where it ends in a call. With a budget, the API takes that only
 * with the thinking before it, which no client of another dialect may have brought back. */
static bool call_lacks_thinking(const struct turn *turn)
{
	bool call = false, thinking = false, over = true;

	for (const struct turn_message *message = turn->messages; message;
	     message = message->next) {
		if (message->role != TURN_ASSISTANT) {
			over = true;
			continue;
		}
		if (over)
			call = thinking = over = false;
		for (const struct turn_part *part = message->parts; part; part = part->next) {
			call = call || part->kind == TURN_CALL;
			thinking =
			    thinking || (part->kind == TURN_REASONING && messages_is_said(part));
		}
	}
	return call && !thinking;
}

/* The API takes no thinking where a tool must be called. */
static bool can_think(const struct turn *turn, bool by_budget)
{
	return turn->choice != TURN_REQUIRED && turn->choice != TURN_NAMED &&
	       !(by_budget && call_lacks_thinking(turn));
}

/* The budget ends below max_tokens, which counts thinking too. Where it was only an effort, a
 * quarter is left for the answer. */
static void fit_budget(struct thinking *thinking, int64_t budget, bool exact, int64_t max_tokens)
{
	int64_t most = exact ? max_tokens - 1 : max_tokens / 4 * 3;

	if (budget > most)
		budget = most;
	if (budget < BUDGET_LEAST)
		budget = BUDGET_LEAST;
	thinking->budget = budget;
	thinking->mode = budget < max_tokens ? MODE_ENABLED : MODE_UNSAID;
}

static int decide(struct turn *turn, bool by_budget, int64_t max_tokens, struct thinking *thinking,
		  struct turn_refusal *ret)
{
	const struct turn_value *effort_said = &turn->fields[TURN_EFFORT];
	const struct turn_value *budget_said = &turn->fields[TURN_THINKING_BUDGET];
	const struct effort *effort = effort_of(effort_said->json);
	bool none = slice_eq_str(effort_said->json, "\"none\"");
	int64_t budget = -1;

	if (effort_said->json.ptr && !effort && !none)
		return turn_refuse(turn, ret, effort_said->where,
				   "Anthropic Messages has no such effort.");
	if (budget_said->json.ptr && json_to_i64(budget_said->json, &budget) < 0)
		return turn_refuse(turn, ret, budget_said->where,
				   "The budget must be a whole number.");
	if (budget == 0 || none) {
		thinking->mode = MODE_DISABLED;
		return 0;
	}
	if (!effort_said->json.ptr && !budget_said->json.ptr)
		return 0;
	if (!effort && budget > 0)
		effort = effort_of_budget(budget);
	if (!by_budget)
		thinking->effort = effort ? effort->word : NULL;
	if (!can_think(turn, by_budget))
		return 0;
	if (by_budget)
		fit_budget(thinking, budget > 0 ? budget : (effort ? effort : &efforts[2])->budget,
			   budget > 0, max_tokens);
	else
		thinking->mode = MODE_ADAPTIVE;
	return 0;
}

static const char *const mode_words[] = {
	[MODE_DISABLED] = "disabled",
	[MODE_ADAPTIVE] = "adaptive",
	[MODE_ENABLED] = "enabled",
};

static void write_mode(const struct turn *turn, const struct thinking *thinking,
		       struct writer *writer)
{
	struct slice summary = turn->fields[TURN_SUMMARY].json;

	writer_key(writer, "thinking");
	writer_open(writer, '{');
	writer_key_word(writer, "type", mode_words[thinking->mode]);
	if (thinking->mode == MODE_ENABLED)
		writer_key_i64(writer, "budget_tokens", thinking->budget);
	if (thinking->mode == MODE_ADAPTIVE && summary.ptr)
		writer_key_word(writer, "display",
				slice_eq_str(summary, "\"none\"") ? "omitted" : "summarized");
	writer_close(writer, '}');
}

/* A format's name tells the model nothing; its description is the schema's own here. */
static void write_format(const struct turn *turn, struct writer *writer)
{
	writer_key(writer, "format");
	writer_open(writer, '{');
	writer_key_word(writer, "type", "json_schema");
	writer_key(writer, "schema");
	if (turn->format_description.len > 0)
		messages_write_schema(writer, turn->format_schema, "description",
				      turn->format_description);
	else
		writer_json(writer, turn->format_schema);
	writer_close(writer, '}');
}

static void write_output(const struct turn *turn, const struct thinking *thinking,
			 struct writer *writer)
{
	writer_key(writer, "output_config");
	writer_open(writer, '{');
	if (thinking->effort)
		writer_key_word(writer, "effort", thinking->effort);
	if (turn->format == TURN_JSON_SCHEMA)
		write_format(turn, writer);
	writer_close(writer, '}');
}

int messages_write_thinking(struct turn *turn, const struct turn_target *target, int64_t max_tokens,
			    struct writer *writer, struct turn_refusal *ret)
{
	struct thinking thinking = { 0 };
	int r =
	    decide(turn, target->quirks & WIRE_QUIRK_THINKING_BUDGET, max_tokens, &thinking, ret);

	if (r < 0)
		return r;
	if (thinking.mode != MODE_UNSAID)
		write_mode(turn, &thinking, writer);
	if (thinking.effort || turn->format == TURN_JSON_SCHEMA)
		write_output(turn, &thinking, writer);
	return 0;
}
