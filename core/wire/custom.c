/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a call is passed on as it comes: within the arguments' JSON it is a string's contents
 * as they are written, and so it is in the client's. Arguments of another form wait for their end.
 */
#include "wire/custom.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json-scan.h"
#include "base/utf8.h"

/* ---- requests ---- */

/* The contents of a string's span. */
static struct slice contents(struct slice span)
{
	return (struct slice){ span.ptr + 1, span.len - 2 };
}

static int wrap_tool(struct turn *turn, struct turn_tool *tool)
{
	struct json_member syntax, definition;
	struct slice form = { "", 0 };

	if (tool->format.ptr && *tool->format.ptr == '{' &&
	    json_find(tool->format, "definition", &definition) &&
	    json_find(tool->format, "syntax", &syntax) && definition.type == JSON_SCAN_STRING &&
	    syntax.type == JSON_SCAN_STRING)
		form = arena_printf(
		    turn->arena, ",\"description\":\"Text of this grammar (%.*s):\\n%.*s\"",
		    SLICE_ARGS(contents(syntax.value)), SLICE_ARGS(contents(definition.value)));
	tool->custom = false;
	tool->wrapped = true;
	tool->schema =
	    arena_printf(turn->arena,
			 "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\""
			 "%.*s}},\"required\":[\"input\"],\"additionalProperties\":false}",
			 SLICE_ARGS(form));
	return form.ptr && tool->schema.ptr ? 0 : -ENOMEM;
}

static int wrap_call(struct turn *turn, struct turn_part *call)
{
	struct slice json =
	    arena_printf(turn->arena, "{\"input\":\"%.*s\"}", SLICE_ARGS(call->arguments));

	call->custom = false;
	call->arguments = json.ptr ? tree_escape(json, turn->arena) : json;
	return call->arguments.ptr ? 0 : -ENOMEM;
}

int custom_wrap(struct turn *turn)
{
	int r = 0;

	for (struct turn_tool *tool = turn->tools; r == 0 && tool; tool = tool->next) {
		if (tool->custom)
			r = wrap_tool(turn, tool);
	}
	for (struct turn_message *message = turn->messages; message; message = message->next) {
		for (struct turn_part *part = message->parts; r == 0 && part; part = part->next) {
			if (part->kind == TURN_CALL && part->custom)
				r = wrap_call(turn, part);
		}
	}
	return r;
}

/* ---- the text in a call's arguments ---- */

static const char head[] = "{\"input\":\"";

enum {
	HEAD_KEY = 1,   /* before the key and before all that follows it there may be space */
	HEAD_COLON = 8, /* behind the key */
	ESCAPE_LEN = 6, /* of \u0000 */
};

static bool is_space(int32_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void take_head(struct custom *custom, int32_t c)
{
	if (is_space(c) && (custom->at <= HEAD_KEY || custom->at >= HEAD_COLON))
		return;
	if (c != head[custom->at]) {
		custom->state = CUSTOM_ODD;
		return;
	}
	custom->at++;
	if (custom->at == sizeof(head) - 1)
		custom->state = CUSTOM_TEXT;
}

static void put(struct custom *custom, int32_t c)
{
	char utf8[4];

	if (c < ' ') /* which models write although JSON has no such thing */
		buffer_printf(&custom->text, "\\u%04x", (unsigned)c);
	else
		buffer_append(&custom->text, utf8, (size_t)utf8_encode((uint32_t)c, utf8));
}

static bool is_hex(int32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

enum half { HALF_NONE, HALF_FIRST, HALF_SECOND };

/* \ud800 to \udbff and \udc00 to \udfff: one of each is a character. */
static enum half half_of(const char *escape)
{
	char digit = (char)(escape[3] | 0x20);

	if ((escape[2] | 0x20) != 'd' || escape[3] < '8')
		return HALF_NONE;
	return escape[3] <= '9' || digit <= 'b' ? HALF_FIRST : HALF_SECOND;
}

static void let_go(struct custom *custom)
{
	buffer_append(&custom->text, custom->held, custom->held_len);
	custom->held_len = 0;
}

/* Half a character alone is none. */
static void drop_half(struct custom *custom)
{
	buffer_append_slice(&custom->text, SLICE("\\ufffd"));
	custom->held_len -= ESCAPE_LEN;
	memmove(custom->held, custom->held + ESCAPE_LEN, custom->held_len);
}

/* An escape is whole, behind a first half, maybe. */
static void end_escape(struct custom *custom, bool behind_half)
{
	enum half half = half_of(custom->held + custom->held_len - ESCAPE_LEN);

	if (behind_half && half == HALF_SECOND) {
		let_go(custom);
		return;
	}
	if (behind_half)
		drop_half(custom);
	if (half == HALF_SECOND)
		drop_half(custom);
	else if (half == HALF_NONE)
		let_go(custom);
}

/* The next character of the escape that is held; false when it is none of it: what no string may
 * have behind a backslash is meant as it stands. */
static bool take_escaped(struct custom *custom, int32_t c)
{
	bool behind_half = custom->held_len >= ESCAPE_LEN;
	unsigned at = behind_half ? custom->held_len - ESCAPE_LEN : custom->held_len;
	bool fits = at == 0   ? c == '\\'
		    : at == 1 ? c > 0 && c < 0x80 && strchr("\"\\/bfnrtu", c)
			      : is_hex(c);

	if (behind_half && (!fits || (at == 1 && c != 'u')))
		drop_half(custom);
	if (!fits) {
		if (custom->held_len > 0)
			buffer_append_char(&custom->text, '\\');
		let_go(custom);
		return false;
	}
	custom->held[custom->held_len++] = (char)c;
	if (at == 1 && c != 'u')
		let_go(custom);
	else if (at == ESCAPE_LEN - 1)
		end_escape(custom, behind_half);
	return true;
}

static void take_text(struct custom *custom, int32_t c)
{
	if (custom->held_len > 0 && take_escaped(custom, c))
		return;
	if (c == '\\')
		custom->held[custom->held_len++] = '\\';
	else if (c == '"')
		custom->state = CUSTOM_OVER;
	else
		put(custom, c);
}

static void pass_text(struct custom *custom, const struct answer_event *event, struct slice text)
{
	struct answer_event piece = *event;

	piece.what = ANSWER_PIECE;
	piece.kind = ANSWER_CUSTOM_CALL;
	piece.text = text;
	if (text.len > 0)
		custom->sink(custom->user, &piece);
}

static void take_piece(struct custom *custom, const struct answer_event *event)
{
	struct slice rest = event->text;

	if (custom->state == CUSTOM_HEAD || custom->state == CUSTOM_ODD)
		buffer_append_slice(&custom->whole, rest);
	buffer_clear(&custom->text);
	while (rest.len > 0 && custom->state <= CUSTOM_TEXT) {
		int32_t c = json_next_point(&rest);

		if (custom->state == CUSTOM_HEAD)
			take_head(custom, c);
		else
			take_text(custom, c);
	}
	if (custom->whole.failed || custom->text.failed)
		custom->failed = -ENOMEM;
	else if (custom->whole.len > TRANSLATION_EVENT_BYTES)
		custom->failed = -E2BIG;
	pass_text(custom, event, buffer_slice(&custom->text));
}

/* Arguments that do not begin as they should have the text elsewhere, or are it. */
static void end_call(struct custom *custom, const struct answer_event *event)
{
	struct slice whole = buffer_slice(&custom->whole), json, text;
	const struct tree *tree = NULL;

	custom->open = false;
	if (custom->state != CUSTOM_HEAD && custom->state != CUSTOM_ODD)
		return;
	json = tree_unescape(whole, custom->arena);
	if (!json.ptr || tree_parse(json, custom->arena, &tree, NULL) < 0)
		tree = NULL;
	text = tree_get_text(tree, "input");
	pass_text(custom, event, text.ptr ? text : whole);
}

static bool is_wrapped(const struct custom *custom, struct slice name)
{
	for (const struct turn_tool *tool = custom->turn->tools; tool; tool = tool->next) {
		if (tool->wrapped && slice_eq(tool->name, name))
			return true;
	}
	return false;
}

static void begin_call(struct custom *custom)
{
	custom->open = true;
	custom->state = CUSTOM_HEAD;
	custom->at = 0;
	custom->held_len = 0;
	buffer_clear(&custom->whole);
}

void custom_take(void *data, const struct answer_event *event)
{
	struct custom *custom = data;
	struct answer_event told = *event;

	if (event->what == ANSWER_BLOCK && event->kind == ANSWER_CALL &&
	    is_wrapped(custom, event->name))
		begin_call(custom);
	if (custom->open && event->what == ANSWER_PIECE) {
		take_piece(custom, event);
		return;
	}
	if (custom->open && event->what <= ANSWER_BLOCK_END)
		told.kind = ANSWER_CUSTOM_CALL;
	if (custom->open && event->what == ANSWER_BLOCK_END)
		end_call(custom, event);
	custom->sink(custom->user, &told);
}

void custom_init(struct custom *custom, const struct turn *turn, struct arena *arena,
		 answer_sink_fn sink, void *user)
{
	*custom = (struct custom){ .turn = turn, .arena = arena, .sink = sink, .user = user };
}

void custom_fini(struct custom *custom)
{
	buffer_fini(&custom->whole);
	buffer_fini(&custom->text);
}
