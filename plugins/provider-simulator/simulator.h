/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulator's files share. An answer is a function of the request alone: the same prompt,
 * seed and model name give the same bytes, whatever was asked before. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include <tidegate/provider.h>

/* ---- text.c: bytes that grow, and words ---- */

struct text {
	char *data;
	size_t len, cap;
	bool failed; /* out of memory: nothing is appended any more */
};

void text_fini(struct text *text);
void text_clear(struct text *text);
void text_append(struct text *text, const char *data, size_t len);
void text_add(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Between quotes. */
void text_json(struct text *text, const char *data, size_t len);

uint64_t hash_bytes(uint64_t hash, const char *data, size_t len);
uint64_t hash_mix(uint64_t hash, uint64_t number);
const char *word_at(uint64_t seed, uint64_t index);

/* The content of an answer, word by word: from a text, or made up as it goes. */
struct source {
	struct text text; /* empty: words by seed */
	uint64_t seed;
	uint64_t count; /* of pieces in all */
	uint64_t index; /* of the next */
	size_t at;      /* in text */
};

/* Counts the words of source->text; `words` > 0 sets how many there shall be, from the text's
 * beginning again when it ends. */
void source_count(struct source *source, uint64_t words);
/* Appends the next piece to out, as it is written (not escaped). */
void source_next(struct source *source, struct text *out);

/* ---- script.c: what a model's name says ---- */

enum kind {
	KIND_ECHO,
	KIND_TEXT,
	KIND_JSON,
	KIND_TOOLS,
	KIND_ERROR,
	KIND_CUT,
	KIND_STALL,
	KIND_ERROR_IN_STREAM,
};

struct script {
	enum kind kind;
	uint32_t status; /* of KIND_ERROR */
	uint64_t first_ms, between_ms;
	uint64_t words; /* 0: as the prompt has it */
};

/* False when there is no such model. first_ms and between_ms are what sim-slow takes where the name
 * does not say. */
bool script_read(struct tide_slice model, uint64_t slow_first_ms, uint64_t slow_between_ms,
		 struct script *ret);

/* ---- prompt.c: what a request asks ---- */

struct prompt {
	uint32_t dialect;
	bool stream; /* piece by piece */
	bool include_usage;
	uint64_t tokens;
	uint64_t seed;       /* of the prompt's texts and the request's seed */
	uint64_t id;         /* of the whole body */
	uint64_t max_tokens; /* 0: no bound */
	struct text last;    /* the last message's text */
	char *tool;          /* name of the tool to call; NULL: none */
	json_t *schema;      /* of its arguments, or of the JSON asked for; NULL: any object */
	bool wants_json;
	json_t *inputs; /* of embeddings: an array of texts and lists of tokens */
	uint64_t dimensions;
	bool base64;
};

/* NULL, or what is wrong, for a 400. */
const char *prompt_read(const struct tide_call_info *info, struct prompt *ret);
void prompt_fini(struct prompt *prompt);

/* ---- embeddings.c ---- */

/* The same of a request for embeddings. */
const char *embeddings_read(struct prompt *prompt, json_t *body);

/* ---- schema.c ---- */

/* A small instance that a JSON schema accepts; new reference, or NULL when out of memory. */
json_t *schema_instance(json_t *schema, uint64_t seed);

/* ---- run.c: one call ---- */

struct run {
	const struct tide_host *host;
	struct tide_call *call;
	const struct dialect *dialect;
	struct script script;
	struct prompt prompt;
	struct source source;
	struct text model;     /* its name, as the answer spells it: JSON */
	struct text out, word; /* of the event that is written, and its piece */
	uint64_t completion;   /* pieces to be sent, at most max_tokens */
	uint64_t sent;
	uint64_t events; /* of Responses, which are numbered */
	enum { PHASE_HEAD, PHASE_PIECES, PHASE_TAIL } phase;
	bool waiting; /* for room */
	bool busy;    /* a call of the host is on the stack: what frees the run waits for it */
	bool over;    /* the call has ended */
};

/* How a dialect writes an answer: appends to run->out. */
struct dialect {
	void (*head)(struct run *run);  /* events before the first piece */
	void (*piece)(struct run *run); /* one event with run->word */
	void (*tail)(struct run *run);  /* events behind the last piece, to the terminal one */
	void (*document)(struct run *run);
	/* An error's body; code and param may be NULL. */
	void (*error)(struct run *run, uint32_t status, const char *message, const char *code,
		      const char *param);
	void (*error_event)(struct run *run, const char *message);
	const char *request_id_header;
	bool in_pieces; /* a document of long pieces, written like a stream */
};

extern const struct dialect chat_dialect;       /* chat.c */
extern const struct dialect messages_dialect;   /* messages.c */
extern const struct dialect responses_dialect;  /* responses.c */
extern const struct dialect count_dialect;      /* messages.c */
extern const struct dialect embeddings_dialect; /* embeddings.c */

/* chat.c: OpenAI's dialects have the same errors. */
void chat_error(struct run *run, uint32_t status, const char *message, const char *code,
		const char *param);
bool run_calls_tool(const struct run *run);
bool run_was_cut(const struct run *run); /* by max_tokens */
int32_t run_start(const struct tide_host *host, struct tide_call *call, uint64_t slow_first_ms,
		  uint64_t slow_between_ms, struct run **ret);
void run_cancel(struct run *run);
void run_resume(struct run *run);
