/* SPDX-License-Identifier: Apache-2.0 */
/* The dialects: what gateway code must know of requests and answers, as pure functions over bytes.
 * Nothing here does input or output, and nothing allocates but through an arena or a buffer that is
 * passed in. [any] */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "wire/canonical.h"
#include "wire/dialect.h"
#include "wire/eventstream.h"
#include "wire/translate.h"

/* Whose shape errors and lists have: Anthropic's, Google's, else OpenAI's. */
static inline bool wire_is_anthropic(enum wire_dialect dialect)
{
	return dialect == WIRE_ANTHROPIC_MESSAGES || dialect == WIRE_ANTHROPIC_COUNT_TOKENS;
}

static inline bool wire_is_google(enum wire_dialect dialect)
{
	return dialect == WIRE_GEMINI || dialect == WIRE_GEMINI_COUNT_TOKENS;
}

/* What is asked for is the count of a prompt's tokens, and no answer to it. */
static inline bool wire_is_count(enum wire_dialect dialect)
{
	return dialect == WIRE_ANTHROPIC_COUNT_TOKENS || dialect == WIRE_GEMINI_COUNT_TOKENS;
}

/* Whether an answer has tokens that are billed as output. */
static inline bool wire_has_output(enum wire_dialect dialect)
{
	return dialect != WIRE_OPENAI_EMBEDDINGS && !wire_is_count(dialect);
}

/* Counting tokens costs nothing, whatever it says. */
static inline bool wire_is_billed(enum wire_dialect dialect)
{
	return !wire_is_count(dialect);
}

/* ---- requests ---- */

/* The members by which a request says on whose behalf it asks. */
enum wire_user {
	WIRE_USER,              /* user */
	WIRE_SAFETY_IDENTIFIER, /* safety_identifier */
	WIRE_METADATA_USER_ID,  /* metadata.user_id */
	WIRE_USERS,
};

/* Spans point into the body; ptr NULL when absent. */
struct wire_request {
	struct slice model_value;    /* with its quotes: what a stage replaces */
	struct slice model;          /* unescaped text, in the arena or the body */
	struct slice stream_options; /* the span of its value, an object or null */
	struct slice
	    object_end; /* empty span right before the closing brace: where members are inserted */
	bool object_empty;
	bool stream;
	bool include_usage;     /* the client itself asked for it (chat) */
	int64_t max_output;     /* the client's cap; 0 none */
	int64_t choices;        /* n, default 1 */
	int64_t input_estimate; /* tokens: bytes of what the model reads / 4, at least 1; of a
				   count's pictures and files a fixed number each */
	struct slice users[WIRE_USERS]; /* on whose behalf, by member: strings with their quotes */
	/* Responses: */
	struct slice previous; /* previous_response_id's text; ptr NULL for none */
	bool unstored;         /* store is false: the provider keeps no answer that has an id */
	bool background;       /* the answer is made after this call; others ask for it by its id */
	bool conversation;     /* it belongs to a conversation that the provider keeps */
};

/* Checks the body (JSON, UTF-8, duplicate keys, depth, types of the members we read) and finds the
 * spans. Gemini's body says neither model nor stream, which are its path's. -EINVAL with `error`
 * saying which member is wrong and why. */
int wire_request_scan(enum wire_dialect dialect, struct slice body, struct arena *arena,
		      struct wire_request *ret, struct error *error);
/* Whether it can be a model's name; of those that are no member of a body. */
bool wire_is_model_name(struct slice name);

enum {
	WIRE_PARTS_MAX = 8,
};

/* The body as parts with the model replaced and, for a streamed chat that did not ask for usage,
 * include_usage forced
 * (*ret_forced). Everything else is the client's bytes. Returns the count of parts; -ENOMEM. */
int wire_request_edit(enum wire_dialect dialect, struct slice body,
		      const struct wire_request *request, struct slice upstream_model,
		      struct arena *arena, struct slice parts[static WIRE_PARTS_MAX],
		      bool *ret_forced);

/* Whether the unescaped text of a system block is Claude Code's billing line alone, which differs
 * with each request and means something to Anthropic only: what is translated, or the key of a
 * cache, is better without it. A block that goes on behind the line is a prompt. */
bool wire_is_billing_line(struct slice text);

/* ---- answers ---- */

enum {
	WIRE_TOLD_BYTES = 32,
	WIRE_ID_BYTES = 96,
	WIRE_CAPTURE_BYTES = 128, /* of one key, number or short string that is looked at */
	WIRE_VERSION_BYTES = 64,  /* of what an answer says of its model's version */
	WIRE_WALK_DEPTH = 8,
	WIRE_EVENT_NAME_BYTES = 32,
};

struct wire_usage {
	bool seen,
	    final; /* any field; the last word (chat: the usage chunk; messages: message_delta) */
	bool odd;  /* of cached tokens it said more than there were, and they were cut */
	int64_t input, cache_read, cache_write, cache_write_1h, output,
	    reasoning; /* disjoint input classes; -1 unknown */
};

/* What few answers count, beside or within the usage. */
enum wire_kind {
	WIRE_INPUT_AUDIO,      /* a part of input and cache_read, as the next four */
	WIRE_CACHE_READ_AUDIO, /* a part of cache_read and of the one before; so is the image's */
	WIRE_INPUT_IMAGE,
	WIRE_CACHE_READ_IMAGE,
	WIRE_INPUT_VIDEO,
	WIRE_OUTPUT_AUDIO, /* a part of output, as the next two */
	WIRE_OUTPUT_IMAGE,
	WIRE_OUTPUT_VIDEO,
	WIRE_OUTPUT_CITATION, /* beside the output */
	WIRE_WEB_SEARCHES,    /* from here on no tokens */
	WIRE_FILE_SEARCHES,
	WIRE_KINDS,
};

/* What an answer says of its own price, and of who made it. */
struct wire_told {
	int64_t count[WIRE_KINDS];           /* -1 unknown */
	char service_tier[WIRE_TOLD_BYTES];  /* as it is written; "": it does not say */
	char cost[WIRE_TOLD_BYTES];          /* a number as it is written; "": it does not say */
	char upstream_cost[WIRE_TOLD_BYTES]; /* of the provider's own one, by the client's key */
	bool in_ticks; /* the cost, of which 10^10 are a dollar; else it is in dollars */
	bool own_key;  /* then the upstream's cost comes beside the cost */
	/* its first words, unescaped and cut; "": it says nothing that can be read */
	char model[WIRE_CAPTURE_BYTES + 1], version[WIRE_VERSION_BYTES + 1];
};

enum wire_error_class { /* how an error event or body reads, for the decision before content */
			WIRE_ERROR_NONE,
			WIRE_ERROR_OVERLOADED, /* as 529 or 503 */
			WIRE_ERROR_RATE_LIMIT, /* 429 */
			WIRE_ERROR_QUOTA,
			WIRE_ERROR_INVALID, /* 400 */
			WIRE_ERROR_AUTHENTICATION,
			WIRE_ERROR_INTERNAL,
};

enum wire_status { /* of a response (Responses), as it was last told */
		   WIRE_STATUS_UNKNOWN,
		   WIRE_STATUS_QUEUED,
		   WIRE_STATUS_IN_PROGRESS,
		   WIRE_STATUS_COMPLETED,
		   WIRE_STATUS_FAILED,
		   WIRE_STATUS_INCOMPLETE,
		   WIRE_STATUS_CANCELLED,
};

/* [private to walk.c] Where a JSON text that comes in pieces stands. */
struct wire_walk {
	uint8_t state;
	uint8_t node;     /* what the value that is read, or comes next, means */
	uint8_t depth;    /* of the containers in `stack` */
	uint8_t captured; /* bytes in `capture`, or WALK_TOO_LONG */
	uint16_t arrays;  /* bit n: stack[n] is an array */
	bool escaped;     /* the next byte of the string is */
	uint8_t stack[WIRE_WALK_DEPTH];
	uint64_t skip_depth; /* of a container that means nothing */
	char capture[WIRE_CAPTURE_BYTES];
};

/* [private to watch.c] Where a stream of server-sent events stands. */
struct wire_lines {
	uint8_t state;
	bool after_cr;
	bool pending;  /* the event has a field already */
	bool has_data; /* and one of them is data */
	uint8_t field_len, name_len;
	uint8_t done_len; /* bytes of "[DONE]" that the data begins with */
	char field[8];
	char name[WIRE_EVENT_NAME_BYTES]; /* of the event */
};

/* Watches an answer that passes through, in pieces of any size. It keeps no more of it than this
 * struct has room for, so that no event and no body is too long. */
struct wire_watch {
	enum wire_dialect dialect;
	bool stream;
	/* what was seen so far */
	struct wire_usage usage;
	struct wire_told told;
	bool content;  /* a content token or tool call has begun; a whole answer: its first byte */
	bool terminal; /* [DONE], message_stop, response.completed and its like, an error event, or
			  the end of the JSON object */
	enum wire_error_class error; /* an error event, or an error body */
	uint64_t content_bytes;      /* of text and arguments as they are written, for estimates */
	uint64_t events;
	uint64_t line_bytes; /* of the stream's line that is not over yet */
	/* Responses: its id, "" while it is not known or longer than this; its last event's number,
	 * -1 for none */
	char id[WIRE_ID_BYTES + 1];
	enum wire_status status;
	int64_t sequence;
	/* [private] */
	const struct walk_grammar *grammar;
	struct wire_walk walk;
	struct wire_lines lines;
	int64_t counts[8]; /* as the provider says them, by the dialect's own index; -1 unknown */
	bool finished;     /* a choice has told its finish_reason */
	struct {
		uint8_t kind;
		bool usage, choice, error, only_opened;
		uint8_t searched;
		uint8_t error_type, error_code; /* enum wire_error_class */
	} event;                                /* the object that is being read */
};

void wire_watch_init(struct wire_watch *watch, enum wire_dialect dialect, bool stream);
/* Looks at the next bytes. Never fails: what is not understood is passed over. */
void wire_watch_feed(struct wire_watch *watch, struct slice data);
/* The bytes fed so far end between events: a terminal error may be one of its own. */
bool wire_watch_at_boundary(const struct wire_watch *watch);
/* True when they end inside a document, which so is none. */
bool wire_watch_inside_document(const struct wire_watch *watch);

/* Takes the forced usage-only chunk of a chat stream out again. It holds the beginning of one
 * event, up to 64 KiB; longer ones are none, and pass. `emit` is called with what goes on, before
 * feed returns. */
struct wire_strip {
	struct buffer held;
	/* [private] of the line at the end of what was fed; whether its event is too long to be
	 * held; whether the event before was taken out */
	bool line_begun, after_cr, passing, dropped;
};
void wire_strip_init(struct wire_strip *strip);
void wire_strip_fini(struct wire_strip *strip);
/* -ENOMEM: all that was fed has then been emitted, and the strip is at its end. */
int wire_strip_feed(struct wire_strip *strip, struct slice data,
		    void (*emit)(void *user, struct slice data), void *user);
/* What is held at the end of the answer. */
struct slice wire_strip_rest(const struct wire_strip *strip);
/* The beginning of an event that is not over yet has been emitted. */
bool wire_strip_is_passing(const struct wire_strip *strip);

/* ---- errors of our own ---- */

/* Anthropic's SDKs know it: they ask again without `thread`, with the whole conversation. */
#define WIRE_THREAD_UNSUPPORTED "thread_unsupported_request"

struct wire_error {
	int status;
	const char *code;    /* model_not_found, invalid_api_key … or NULL */
	const char *param;   /* the member to blame, or NULL */
	const char *message; /* what, where, what to do */
	const char *type;    /* NULL: what the dialect has for the status */
};

/* The dialect's own error body for an HTTP status. */
void wire_error_body(enum wire_dialect dialect, const struct wire_error *error, struct buffer *out);
/* The dialect's own error as an event of a stream; with `inside_event`, first ends the half-written
 * one. */
void wire_error_event(enum wire_dialect dialect, const struct wire_error *error, bool inside_event,
		      struct buffer *out);

/* The same, at the end of what the watch saw: Responses' event goes on with its id and numbers. */
void wire_error_event_after(const struct wire_watch *watch, const struct wire_error *error,
			    bool inside_event, struct buffer *out);

/* What an upstream's error document says takes the place of ours: message, type, code and param,
 * each cut at 1 KiB, in `arena`. One without a message, or that cannot be read, changes nothing. */
void wire_error_read(struct slice document, struct arena *arena, struct wire_error *error);

/* What a stream may carry between two events while its upstream is silent: a comment without an
 * empty line, which some SDKs would take for an event, or the dialect's own ping. */
struct slice wire_keepalive(enum wire_dialect dialect);
/* Whether a stream may end in a comment. */
bool wire_takes_comments(enum wire_dialect dialect);

/* The answer to a count of tokens that is an estimate of ours. */
void wire_count_body(enum wire_dialect dialect, int64_t tokens, struct buffer *out);

/* ---- models ---- */

/* One entry of GET /v1/models in the dialect's shape; the list's frame is written by begin and end.
 * Google's next page is asked for by the last id of this one. */
void wire_models_begin(enum wire_dialect dialect, struct buffer *out);
void wire_models_add(enum wire_dialect dialect, struct slice id, struct slice owner, bool first,
		     struct buffer *out);
void wire_models_end(enum wire_dialect dialect, struct slice first_id, struct slice last_id,
		     bool more, struct buffer *out);
