/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says, in no dialect: the conversation so far and how the model is to go on. A
 * dialect's reader fills it from a client's body, another's writer makes the upstream's body of it.
 * What a dialect has no words for is refused with the client's own name of it, never dropped;
 * only hints, which change no answer's meaning, may be passed over.
 *
 * All slices are JSON strings' contents as they are written (escaped, without quotes), unless a
 * comment says `JSON`: then they are the text of a JSON value. ptr NULL: absent. Everything lives
 * in the turn's arena, or is borrowed from the client's body. [any] */
#pragma once

#include "wire/translate.h"
#include "wire/tree.h"
#include "wire/wire.h"
#include "wire/writer.h"

enum turn_role {
	TURN_SYSTEM,
	TURN_DEVELOPER, /* as system, where a dialect has no such role */
	TURN_USER,      /* and results of tools */
	TURN_ASSISTANT,
};

enum turn_part_kind {
	TURN_TEXT,
	TURN_REFUSAL, /* the assistant's: text */
	TURN_IMAGE,
	TURN_AUDIO, /* of the user */
	TURN_FILE,
	TURN_CALL,      /* the assistant calls a tool */
	TURN_RESULT,    /* what the tool answered */
	TURN_REASONING, /* the assistant's: text and what vouches for it */
};

struct turn_part {
	struct turn_part *next;
	enum turn_part_kind kind;
	const struct tree *where; /* in the client's body, to name it when it is refused */
	struct slice text;        /* text, refusal, reasoning; may be empty */
	struct slice cache;       /* JSON of Anthropic's cache_control: a hint */
	/* image, audio, file: data (base64) with its type, or an URL, or a provider's file id */
	struct slice data, media_type, url, file_id, name, detail;
	/* call, result. Of a call, `arguments` is the escaped text of a JSON object, as Chat has
	 * it; may be empty. A custom tool's takes text that is no JSON. */
	struct slice id, tool, arguments;
	bool custom;
	bool is_error;                             /* the result is one */
	struct turn_part *content, **last_content; /* of a result: text, image, file */
	/* reasoning: what only its origin can read, and must get back as it was */
	struct slice opaque, opaque_id;
	enum wire_dialect origin; /* of `opaque` */
	bool redacted;            /* its text is not shown */
};

struct turn_message {
	struct turn_message *next;
	enum turn_role role;
	const struct tree *where;
	struct slice name;
	struct turn_part *parts, **last;
};

struct turn_tool {
	struct turn_tool *next;
	const struct tree *where;
	struct slice name, description;
	struct slice schema; /* JSON of the parameters; NULL: takes none */
	struct slice strict; /* JSON true or false; NULL: the provider's default */
	struct slice cache;  /* JSON: a hint */
	bool custom;         /* takes text, by `format` (JSON), and no arguments */
	struct slice format; /* as Responses have it: {"type":"grammar","syntax":…} */
	bool wrapped;        /* it was custom: its text is the member `input` of its arguments */
	bool search; /* it finds tools: Responses have calls and results of their own for it */
	/* Responses: `name` is both of these together, where the client has it in a namespace */
	struct slice space, plain_name;
};

enum turn_choice { TURN_CHOICE_UNSAID, TURN_AUTO, TURN_NONE, TURN_REQUIRED, TURN_NAMED };

enum turn_format { TURN_FORMAT_UNSAID, TURN_FORMAT_TEXT, TURN_JSON_OBJECT, TURN_JSON_SCHEMA };

/* Single values, as JSON in the words that turn.c's table says. */
enum turn_field {
	TURN_MAX_OUTPUT,  /* tokens */
	TURN_TEMPERATURE, /* 0 to 2 */
	TURN_TOP_P,
	TURN_TOP_K,
	TURN_SEED,
	TURN_PRESENCE_PENALTY,
	TURN_FREQUENCY_PENALTY,
	TURN_STOP,     /* array of strings */
	TURN_CHOICES,  /* n, when it is not 1 */
	TURN_LOGPROBS, /* true */
	TURN_TOP_LOGPROBS,
	TURN_LOGIT_BIAS,
	TURN_EFFORT,          /* "none" "minimal" "low" "medium" "high" "xhigh" "max" */
	TURN_THINKING_BUDGET, /* tokens; 0: no thinking; -1: as the model sees fit */
	TURN_SUMMARY,         /* of reasoning: "auto" "concise" "detailed" "none"; a hint */
	TURN_VERBOSITY,       /* "low" "medium" "high"; a hint */
	TURN_PARALLEL,        /* calls: true, false */
	TURN_SERVICE_TIER,    /* as the client says it; a hint */
	TURN_END_USER,        /* the end user, a string; a hint */
	TURN_FIELDS,
};

struct turn_value {
	struct slice json;
	const struct tree *where;
};

struct turn {
	struct arena *arena;
	const struct tree *body; /* the client's */
	enum wire_dialect from;
	bool stream, include_usage;
	bool functions; /* chat: asked with `functions`, so its answer has a `function_call` */
	struct turn_message *messages, **last_message;
	struct turn_tool *tools, **last_tool;
	const struct turn_target *target; /* while it is read; NULL: nothing may be left out */
	struct slice dropped;             /* what was: its paths and types; ptr NULL for nothing */
	unsigned drop_count;
	enum turn_choice choice;
	struct slice choice_name;
	const struct tree *choice_where;
	enum turn_format format;
	struct slice format_name, format_description;
	const struct tree *format_where;
	struct slice format_schema; /* JSON */
	struct slice format_strict; /* JSON */
	struct turn_value fields[TURN_FIELDS];
	/* [private] of turn_find_call(): by id, once it was asked */
	const struct turn_part **calls;
	size_t call_count;
};

/* Why a request cannot be said. Texts are constant or in the arena. */
struct turn_refusal {
	const char *param; /* the client's name of what is to blame */
	const char *message;
	const char *code; /* NULL: not_translatable */
};

void turn_init(struct turn *turn, enum wire_dialect from, const struct tree *body,
	       struct arena *arena);
/* NULL when out of memory, as are the four below. `where` may be NULL. */
struct turn_message *turn_add_message(struct turn *turn, enum turn_role role,
				      const struct tree *where);
struct turn_part *turn_add_part(struct turn *turn, struct turn_message *message,
				enum turn_part_kind kind, const struct tree *where);
/* A part that belongs to a result. */
struct turn_part *turn_add_content(struct turn *turn, struct turn_part *result,
				   enum turn_part_kind kind, const struct tree *where);
/* Where parts go: into a message, or into a result in it. */
struct turn_place {
	struct turn_message *message;
	struct turn_part *result; /* NULL: the message */
};
struct turn_part *turn_add_to(struct turn *turn, struct turn_place place, enum turn_part_kind kind,
			      const struct tree *where);
struct turn_tool *turn_add_tool(struct turn *turn, const struct tree *where);
/* null and absent values are not set. A number or word in the table's terms needs no other json. */
void turn_set(struct turn *turn, enum turn_field field, const struct tree *value);
void turn_set_json(struct turn *turn, enum turn_field field, const struct tree *where,
		   struct slice json);
bool turn_has(const struct turn *turn, enum turn_field field);
/* -EINVAL, with `ret` filled: its param is the path of `where` in the client's body, as in
 * messages[3].content[0].type; NULL for none. */
int turn_refuse(const struct turn *turn, struct turn_refusal *ret, const struct tree *where,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Refuses the first field that is set, is no hint and is not in `known` (bit 1 << enum turn_field);
 * 0 otherwise. `dialect_name` is for the message: "Anthropic Messages". */
int turn_check_fields(const struct turn *turn, uint32_t known, const char *dialect_name,
		      struct turn_refusal *ret);
/* For readers: refuses members of `object` that are not in `keys` (up to NULL). Members that are
 * null are passed over. */
int turn_check_keys(const struct turn *turn, const struct tree *object, const char *const *keys,
		    struct turn_refusal *ret);
/* The same, of a member that a reader's own table does not have. */
int turn_refuse_unknown(const struct turn *turn, struct turn_refusal *ret,
			const struct tree *member);
/* For readers: whether a tool that no other dialect has is left out, which is noted: its type is
 * one of the target's drop_tools, and the client leaves it to the model whether it is called. */
bool turn_drop_tool(struct turn *turn, const struct tree *tool);
/* The call of that id, anywhere in the turn, which is whole by now, and the name of the tool that
 * it called; NULL if there is none, or when out of memory. */
const struct turn_part *turn_find_call(struct turn *turn, struct slice id);
struct slice turn_tool_of_call(struct turn *turn, struct slice id);
/* For writers whose dialect has a call's arguments as JSON: the object, {} where the client has
 * none, and {"INVALID_JSON":"…"} of what is none. 0, -ENOMEM, or -EINVAL with `ret` where it takes
 * text (custom). */
int turn_arguments(const struct turn *turn, const struct turn_part *call, struct slice *ret_json,
		   struct turn_refusal *ret);

/* For readers: `node` is data:TYPE;base64,DATA, or an URL. The second takes base64 alone too, as
 * files have it, whose type only their name tells. 0, -ENOMEM, or -EINVAL with `ret`. */
int turn_read_url(const struct turn *turn, struct turn_part *part, const struct tree *node,
		  struct turn_refusal *ret);
int turn_read_file_data(const struct turn *turn, struct turn_part *part, const struct tree *node,
			struct turn_refusal *ret);
/* For writers: a data: URL of the part's data; and the name of a file, of its type where it has
 * none. */
void turn_write_data_url(struct writer *writer, const char *key, const struct turn_part *part);
struct slice turn_filename(const struct turn_part *part);
/* The id of a call, or, of one that is longer than `most` bytes, a digest of it: the same in calls
 * and results. */
void turn_write_call_id(struct writer *writer, const char *key, struct slice id, size_t most);
/* A budget of tokens in the words of TURN_EFFORT; NULL where it says none. */
const char *turn_effort_of_budget(struct slice json);

/* What vouches for reasoning is only good at its origin; through a client of another dialect it
 * travels as "tidegate1.DIALECT.ID.OPAQUE". */
struct slice turn_opaque_for_client(struct arena *arena, enum wire_dialect client,
				    enum wire_dialect origin, struct slice opaque,
				    struct slice opaque_id);
/* The reverse: fills part->opaque, opaque_id and origin of what a client of `client` brought. */
void turn_opaque_from_client(enum wire_dialect client, struct slice told, struct turn_part *part);

/* ---- what each dialect has ---- */

typedef int (*turn_read_fn)(const struct tree *body, struct turn *turn, struct turn_refusal *ret);
typedef int (*turn_write_fn)(struct turn *turn, const struct turn_target *target,
			     struct writer *writer, struct turn_refusal *ret);

/* 0, -EINVAL with `ret`, or -ENOMEM. The body was scanned by wire_request_scan(). */
int chat_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret);
int messages_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret);
int responses_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret);
int gemini_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret);

/* Writes the whole body, an object, `stream` and `model` where the dialect has them in it. */
int chat_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
		    struct turn_refusal *ret);
int messages_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			struct turn_refusal *ret);
int responses_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			 struct turn_refusal *ret);
int gemini_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
		      struct turn_refusal *ret);
int converse_write_turn(struct turn *turn, const struct turn_target *target, struct writer *writer,
			struct turn_refusal *ret);
