/* SPDX-License-Identifier: Apache-2.0 */
/* What the dialects of a watch share. */
#pragma once

#include "wire/walk.h"

extern const struct walk_grammar wire_chat_grammar;       /* chat.c */
extern const struct walk_grammar wire_messages_grammar;   /* messages.c */
extern const struct walk_grammar wire_responses_grammar;  /* responses.c */
extern const struct walk_grammar wire_embeddings_grammar; /* embeddings.c */
extern const struct walk_grammar wire_gemini_grammar;     /* gemini.c */
extern const struct walk_grammar wire_converse_grammar;   /* converse.c */

/* A token count of the provider's. null, and what no answer can have used, leaves `ret` as it is:
 * the last word that says something wins. */
void watch_count(struct slice number, int64_t *ret);
/* A part of a whole is at most `most`; one that was said to be more is odd. */
void watch_cut(struct wire_usage *usage, int64_t *count, int64_t most);
/* 0 of one that is unknown. */
int64_t watch_known(int64_t count);
/* Counts as OpenAI's dialects say them, of wire_watch.counts: what was read from or written to a
 * cache is a part of the input, reasoning of the output. */
enum watch_inclusive {
	WATCH_INPUT,
	WATCH_OUTPUT,
	WATCH_TOTAL,
	WATCH_CACHED,
	WATCH_CACHE_WRITE,
	WATCH_REASONING,
};
/* Makes them the watch's usage, in disjoint classes. */
void watch_read_inclusive(struct wire_watch *watch);
/* The class of an error's type or code, a name or an HTTP status; WIRE_ERROR_NONE when unknown. */
enum wire_error_class watch_error_class(struct slice text);
/* [watch-served.c] Who answered, or its version, as it is written between its quotes; of
 * WIRE_CAPTURE_BYTES + 1. What is known already stays. */
void watch_served(struct slice text, char *ret);
/* At the end of an event or body that is an error. */
void watch_error(struct wire_watch *watch);
/* Whether the event bears this name on its `event:` line. */
bool watch_event_named(const struct wire_watch *watch, const char *name);
/* What events are called, up to one without a name; kind 0 is any other. */
struct watch_kind {
	const char *name;
	uint8_t kind;
};
/* From the event's own `type`; one that is not known changes nothing. */
void watch_take_kind(struct wire_watch *watch, const struct watch_kind *kinds, struct slice name);
/* What was taken, else what its `event:` line says. */
uint8_t watch_kind(const struct wire_watch *watch, const struct watch_kind *kinds);
/* [walk.c] Something of a node is told. */
void watch_node(struct wire_watch *watch, uint8_t number, enum walk_what what, struct slice text);
