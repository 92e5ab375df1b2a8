/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer says, in no dialect: events. A dialect's reader tells them from the events of an
 * upstream's stream, or from its whole document; another's writer says them to the client, as a
 * stream or as one document. Both sides of one answer live on its loop thread.
 *
 * An answer is blocks, numbered from 0 in order of first appearance; readers may tell of several
 * at a time, but what reaches a writer is put in order (order.c): BLOCK, its pieces, BLOCK_END,
 * then the next one. All text is JSON strings' contents as they are written (escaped, without
 * quotes). Slices live as long as the call that passes them. */
#pragma once

#include "wire/tree.h"
#include "wire/turn.h"
#include "wire/wire.h"
#include "wire/writer.h"

enum answer_what {
	ANSWER_BEGIN,     /* once, first: id, model */
	ANSWER_BLOCK,     /* block, kind; of a call: id, name */
	ANSWER_PIECE,     /* block; text: more of its text, or of a call's arguments */
	ANSWER_OPAQUE,    /* block (reasoning); text: what vouches for it, id, whole */
	ANSWER_BLOCK_END, /* block; readers of dialects that do not say it leave it out */
	ANSWER_STOP,  /* stop, sequence; of several the last word, and writers hear it at the end */
	ANSWER_ERROR, /* error; nothing follows */
	ANSWER_END,   /* once, last; usage is all known now */
};

enum answer_kind {
	ANSWER_TEXT,
	ANSWER_REFUSAL,
	ANSWER_REASONING,
	ANSWER_CALL,
	ANSWER_CUSTOM_CALL, /* its text is no JSON */
};

enum answer_stop {
	ANSWER_STOP_UNSAID,
	ANSWER_STOP_DONE,
	ANSWER_STOP_LENGTH,
	ANSWER_STOP_SEQUENCE,
	ANSWER_STOP_CALLS,
	ANSWER_STOP_REFUSED, /* by the model, or a filter */
	ANSWER_STOP_CONTEXT, /* the context's window is full */
	ANSWER_STOP_PAUSED,  /* pause_turn */
};

struct answer_event {
	enum answer_what what;
	uint32_t block;
	enum answer_kind kind;
	enum answer_stop stop;
	struct slice id, name, model, text, sequence;
	bool redacted; /* of a reasoning block: all of it is opaque */
	const struct wire_error *error;
	struct slice error_type; /* the upstream's own word, or NULL */
};

typedef void (*answer_sink_fn)(void *user, const struct answer_event *event);

/* ---- reading ---- */

enum {
	ANSWER_CALLS_MAX = 128, /* of one answer */
};
#define ANSWER_NO_BLOCK UINT32_MAX /* of a call of which nothing was told yet */

/* One upstream's answer. Readers use `state` as they need; it is zeroed. */
struct answer_reader {
	enum wire_dialect dialect;
	answer_sink_fn sink;
	void *user;
	struct arena *scratch; /* emptied after each event of the stream */
	bool begun, stopped, ended, failed;
	uint32_t blocks; /* that were told */
	int32_t open;    /* the block that pieces go to, where the dialect does not say; -1 */
	enum answer_kind open_kind;
	uint32_t state; /* the dialect's own */
	uint32_t calls; /* of the blocks */
	struct answer_call {
		int64_t index; /* the upstream's own */
		uint32_t block;
		uint64_t id_hash; /* 0: it said none yet */
		uint32_t state;   /* the dialect's own */
	} call[ANSWER_CALLS_MAX];
	struct slice request_id; /* ours, for dialects whose calls have no ids */
};

void answer_tell(struct answer_reader *reader, const struct answer_event *event);
/* Begins a block and makes it the open one; its number. */
uint32_t answer_tell_block(struct answer_reader *reader, enum answer_kind kind, struct slice id,
			   struct slice name);
/* A piece of text or reasoning of the open block; begins one where another kind is open. */
void answer_tell_piece(struct answer_reader *reader, enum answer_kind kind, struct slice text);
void answer_tell_stop(struct answer_reader *reader, enum answer_stop stop, struct slice sequence);
/* What vouches for the open block of reasoning, or for one of its own; nothing where it is empty.
 */
void answer_tell_opaque(struct answer_reader *reader, struct slice opaque);
/* A block of reasoning without a text, for which `opaque` vouches. */
void answer_tell_redacted(struct answer_reader *reader, struct slice opaque);
/* Ends an answer that cannot be told: `type` is the upstream's own word for it or NULL; message.ptr
 * is text of ours, NULL when out of memory. */
void answer_tell_failure(struct answer_reader *reader, struct slice type, struct slice message);
/* What an upstream numbers its calls by; -1 where it does not. */
int64_t answer_index(const struct tree *node);
/* The newest call of that index, where a server uses it again; NULL where there is none. */
struct answer_call *answer_find_call(struct answer_reader *reader, int64_t index);
/* Without a block; NULL when there are ANSWER_CALLS_MAX. */
struct answer_call *answer_add_call(struct answer_reader *reader, int64_t index);
/* Of an answer's call that came without one: the same each time. ptr NULL when out of memory. */
struct slice answer_call_id(struct answer_reader *reader, uint32_t number);
/* Of a call: a string, or the object itself, as some servers have it; empty otherwise. */
struct slice answer_arguments(struct answer_reader *reader, const struct tree *node);
/* The status of an error that came without one, by the upstream's words; code may be NULL. */
int answer_error_status(struct slice type, const char *code);

/* One event of the stream: `name` is its event: line, or empty; `data` its JSON. */
typedef void (*answer_read_event_fn)(struct answer_reader *reader, struct slice name,
				     const struct tree *data);
/* Of dialects whose events bear a type: what reads each, up to one without a type. */
struct answer_type {
	const char *type;
	void (*read)(struct answer_reader *reader, const struct tree *data);
};
/* By its own type, else as an error, or by its name; others are passed over. */
void answer_read_typed(struct answer_reader *reader, struct slice name, const struct tree *data,
		       const struct answer_type *types);
/* A whole answer of status 200. */
typedef void (*answer_read_document_fn)(struct answer_reader *reader, const struct tree *document);
/* What an error's body, or error event, says: message, param, code and the upstream's word for its
 * type, unescaped in the arena; what it does not say stays as it is. */
void chat_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
		     struct slice *ret_type);
void messages_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
			 struct slice *ret_type);
void gemini_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
		       struct slice *ret_type);
void converse_read_error(const struct tree *body, struct arena *arena, struct wire_error *ret,
			 struct slice *ret_type);
void chat_read_event(struct answer_reader *reader, struct slice name, const struct tree *data);
void chat_read_document(struct answer_reader *reader, const struct tree *document);
void messages_read_event(struct answer_reader *reader, struct slice name, const struct tree *data);
void messages_read_document(struct answer_reader *reader, const struct tree *document);
void responses_read_event(struct answer_reader *reader, struct slice name, const struct tree *data);
void responses_read_document(struct answer_reader *reader, const struct tree *document);
void gemini_read_event(struct answer_reader *reader, struct slice name, const struct tree *data);
void gemini_read_document(struct answer_reader *reader, const struct tree *document);
void converse_read_event(struct answer_reader *reader, struct slice name, const struct tree *data);
void converse_read_document(struct answer_reader *reader, const struct tree *document);

/* ---- writing ---- */

struct answer_block { /* of a document, kept until its end */
	enum answer_kind kind;
	bool redacted, ended;
	struct slice id, name; /* in the arena */
	struct buffer text;
	struct slice opaque, opaque_id;
};

/* What the client gets. Writers may use the flags and counters as they need. */
struct answer_writer {
	enum wire_dialect dialect, upstream;
	bool stream;
	bool include_usage; /* chat: the client asked for it */
	struct buffer *out; /* what goes to the client next */
	struct arena *arena;
	struct slice request_id;        /* plain text: ids of answers and items are made of it */
	struct slice model;             /* escaped: as the upstream says it, else as asked for */
	uint64_t created_s;             /* UNIX time */
	const struct wire_usage *usage; /* as known so far; -1 unknown */
	const struct turn *turn;        /* what was asked: custom tools, what Responses repeats */
	enum answer_stop stop;
	struct slice sequence;
	bool begun, ended, refused;      /* by a block of its own */
	bool block_open, block_redacted; /* of a stream's block that is being told */
	uint32_t calls;                  /* begun so far */
	uint64_t sequence_number;
	struct slice head; /* chat: what each event begins with; Responses: echoes */
	struct slice
	    item_head; /* Responses: what each delta says of the open item; empty: it has none */
	struct answer_block *blocks; /* all of them (Responses' stream and documents) */
	uint32_t block_count, block_room;
	size_t kept_bytes; /* of what answer_keep() has */
	int failed;        /* -ENOMEM or -E2BIG: nothing more is kept */
};

/* Keeps what the event says in writer->blocks, model, stop: for documents, whose writers have only
 * to write at ANSWER_END, and for streams that repeat it. False, and writer->failed, when out of
 * memory or when it is more than TRANSLATION_EVENT_BYTES. */
bool answer_keep(struct answer_writer *writer, const struct answer_event *event);
void answer_writer_fini(struct answer_writer *writer);
/* Usage with 0 for what is unknown. */
struct answer_usage {
	int64_t input; /* with what was read from or written to a cache, which is told again: */
	int64_t cached, written;
	int64_t output; /* with reasoning, which is told again: */
	int64_t reasoning;
};
struct answer_usage answer_usage(const struct wire_usage *usage);
/* What Responses call an error, which clients decide by whether to ask again (error.c). */
const char *wire_failed_code(const struct wire_error *error);

typedef void (*answer_write_fn)(struct answer_writer *writer, const struct answer_event *event);

/* Called with each event in order. In a document, answer_keep() was called before; it writes at
 * ANSWER_END only. A stream's ANSWER_ERROR writes the dialect's error event and ends the stream. */
void chat_write_answer(struct answer_writer *writer, const struct answer_event *event);
void messages_write_answer(struct answer_writer *writer, const struct answer_event *event);
void responses_write_answer(struct answer_writer *writer, const struct answer_event *event);
void gemini_write_answer(struct answer_writer *writer, const struct answer_event *event);
