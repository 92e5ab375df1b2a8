/* SPDX-License-Identifier: Apache-2.0 */
/* From a client's dialect into another that an upstream speaks, and the answer back. Part of
 * wire.h. Pure functions over bytes. [any; one answer: one thread] */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "wire/dialect.h"

struct wire_error;
struct wire_usage;

enum wire_quirk {
	WIRE_QUIRK_MAX_TOKENS = 1 << 0,   /* chat: max_tokens, not max_completion_tokens */
	WIRE_QUIRK_NO_DEVELOPER = 1 << 1, /* chat: developer messages are system messages */
	WIRE_QUIRK_THINKING_BUDGET = 1
				     << 2, /* messages, gemini: effort becomes a budget of tokens */
	WIRE_QUIRK_NO_STREAM_OPTIONS = 1 << 3, /* chat: include_usage is not known */
	WIRE_QUIRK_TEXT_CONTENT = 1 << 4, /* chat: texts of a message are joined into one string */
	WIRE_QUIRK_NO_EFFORT = 1 << 5,    /* chat: reasoning_effort is not known, and left out */
	WIRE_QUIRK_NO_CUSTOM_TOOLS = 1 << 6, /* chat, responses: all tools are functions */
	WIRE_QUIRKS_END,                     /* behind the last one */
};

/* By the name that configurations say; 0: there is none of it. A new one is named in quirks.c, and
 * for people in conf/options.c. */
uint32_t wire_quirk_find(struct slice name);

/* What there is to know of an upstream. */
struct turn_target {
	enum wire_dialect dialect;
	struct slice model; /* plain text */
	int64_t max_output; /* for dialects that ask for a cap where the client gave none */
	uint32_t quirks;    /* enum wire_quirk */
	/* Types of tools that are the client's provider's own, and whose mere offer is left out. */
	const struct slice *drop_tools;
	size_t drop_tool_count;
	bool stream; /* the client asks for one by its path: then its body does not say so */
};

struct turn;
struct wire_translation;

/* The upstream's body of a client's, whose scan was good. 0 and `ret_turn`, which the answer's
 * translation needs; -EINVAL with `error` (400, the client's name of what cannot be said); -ENOMEM.
 * The turn, of which the answer needs no messages, lives in the arena and borrows from `body`;
 * `ret_body` is the caller's to release. */
int wire_translate_request(enum wire_dialect from, struct slice body,
			   const struct turn_target *target, struct arena *arena,
			   struct buffer *ret_body, struct turn **ret_turn,
			   struct wire_error *error);
/* What of the client's request is not in the upstream's, as in "tools[7].web_search", with
 * commas between; ptr NULL for nothing. */
struct slice wire_translation_dropped(const struct turn *turn);
/* Whether there are words for it at all. */
bool wire_translates(enum wire_dialect from, enum wire_dialect to);

struct wire_translation_options {
	enum wire_dialect client, upstream;
	const struct turn *turn;
	bool upstream_streams; /* its answer is a stream of events, whatever was asked for */
	struct slice request_id, model; /* plain text */
	uint64_t created_s;
	const struct wire_usage *usage; /* of the watch over the same bytes; outlives it */
	struct arena *arena;            /* outlives it */
};

/* NULL when out of memory. */
struct wire_translation *wire_translation_new(const struct wire_translation_options *options);
struct wire_translation *wire_translation_free(struct wire_translation *translation);
/* The next bytes of a 200's body. What the client gets meanwhile is appended to `out`. -ENOMEM,
 * -E2BIG when an event or a document is larger than TRANSLATION_EVENT_BYTES, -EPROTO when it is no
 * JSON: nothing more can come then but wire_translation_fail(). */
int wire_translation_feed(struct wire_translation *translation, struct slice data,
			  struct buffer *out);
/* The upstream's answer has ended well: the rest of the client's. -EPROTO when it was not whole. */
int wire_translation_end(struct wire_translation *translation, struct buffer *out);
/* Whether the client has an error event: of the upstream's, or of what could not be told. */
bool wire_translation_told_error(const struct wire_translation *translation);
/* The error that the upstream told inside an answer that the client gets as one document, whose end
 * is -EPROTO then; its text is in the arena. NULL: none. */
const struct wire_error *wire_translation_error(const struct wire_translation *translation);
/* It has not: the client's error event, in a stream that has begun. */
void wire_translation_fail(struct wire_translation *translation, const struct wire_error *error,
			   struct buffer *out);

enum {
	TRANSLATION_EVENT_BYTES = 32 << 20,
	TRANSLATION_AHEAD_BYTES = 1 << 20, /* of blocks that came before their turn */
};
