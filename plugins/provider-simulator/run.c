/* SPDX-License-Identifier: Apache-2.0 */
/* One call, from its start to its end: paced by timers, stopped by a full client, ended in the way
 * the model's name says. The host's functions may end the call before they return; a run is freed
 * when none of them is on the stack any more. */
#include "simulator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIECES_AT_ONCE = 256, /* then the loop gets its turn */
	LONG_PIECES_AT_ONCE = 8,
	TEXT_WORDS_LEAST = 12,
	TEXT_WORDS_MORE = 20,
};

static const struct tide_slice type_json = { "application/json", 16 },
			       type_events = { "text/event-stream; charset=utf-8", 32 };

static void advance(struct tide_call *call, void *data);

static const struct tide_call_services *services_of(const struct run *run)
{
	return run->host->call;
}

bool run_calls_tool(const struct run *run)
{
	return run->prompt.tool && run->script.kind == KIND_TOOLS;
}

bool run_was_cut(const struct run *run)
{
	return run->completion < run->source.count;
}

static void run_free(struct run *run)
{
	prompt_fini(&run->prompt);
	text_fini(&run->source.text);
	text_fini(&run->model);
	text_fini(&run->out);
	text_fini(&run->word);
	free(run);
}

/* ---- what is sent ---- */

/* Sends what was written; false when the call is over. */
static bool flush(struct run *run)
{
	struct tide_slice bytes = { run->out.data, run->out.len };

	if (run->out.failed) {
		run->over = true;
		services_of(run)->fail(run->call, TIDE_FAILURE_INTERNAL,
				       (struct tide_slice){ "out of memory", 13 });
		return false;
	}
	if (!services_of(run)->data(run->call, bytes))
		run->waiting = true;
	text_clear(&run->out);
	return !run->over;
}

static void finish(struct run *run)
{
	run->over = true;
	services_of(run)->end(run->call);
}

static void break_off(struct run *run)
{
	static const char why[] = "the simulator cut its answer, as the model's name asks";

	run->over = true;
	services_of(run)->fail(run->call, TIDE_FAILURE_INCOMPLETE,
			       (struct tide_slice){ why, sizeof(why) - 1 });
}

static bool respond(struct run *run, uint32_t status, struct tide_slice type)
{
	const char *name = run->dialect->request_id_header;
	char id[32];
	struct tide_header headers[2] = {
		{ { name, strlen(name) }, { id, 0 } },
		{ { "retry-after", 11 }, { "1", 1 } },
	};

	headers[0].value.len =
	    (uint64_t)snprintf(id, sizeof(id), "req_%016" PRIx64, run->prompt.id);
	services_of(run)->respond(run->call, status, type, headers, status == 429 ? 2 : 1);
	return !run->over;
}

static void refuse(struct run *run, uint32_t status, const char *message, const char *code,
		   const char *param)
{
	if (!respond(run, status, type_json))
		return;
	run->dialect->error(run, status, message, code, param);
	if (flush(run))
		finish(run);
}

/* Where a script that fails inside its answer stops. */
static uint64_t break_point(const struct run *run)
{
	return run->completion > 1 ? run->completion / 2 : run->completion;
}

static bool breaks_here(const struct run *run)
{
	return run->script.kind >= KIND_CUT && run->sent == break_point(run);
}

static void break_stream(struct run *run)
{
	if (run->script.kind == KIND_CUT) {
		break_off(run);
	} else if (run->script.kind == KIND_ERROR_IN_STREAM) {
		run->dialect->error_event(run, "the simulator fails inside its answer, as the "
					       "model's name asks");
		if (flush(run))
			finish(run);
	}
	/* A stalled call waits for the host to cancel it. */
}

static void write_document(struct run *run)
{
	text_clear(&run->word);
	while (run->sent < run->completion) {
		source_next(&run->source, &run->word);
		run->sent++;
	}
	run->out.failed = run->word.failed;
	run->dialect->document(run);
}

static void send_document(struct run *run)
{
	if (run->script.kind == KIND_ERROR_IN_STREAM) {
		refuse(run, 500, "the simulator fails, as the model's name asks", NULL, NULL);
		return;
	}
	if (!respond(run, 200, type_json))
		return;
	write_document(run);
	if (run->script.kind == KIND_CUT || run->script.kind == KIND_STALL)
		run->out.len /= 2;
	if (!flush(run) || run->script.kind == KIND_STALL)
		return;
	if (run->script.kind == KIND_CUT)
		break_off(run);
	else
		finish(run);
}

/* ---- a stream ---- */

static void write_piece(struct run *run)
{
	text_clear(&run->word);
	source_next(&run->source, &run->word);
	run->out.failed = run->word.failed;
	run->dialect->piece(run);
	run->sent++;
	if (run->sent == run->completion)
		run->phase = PHASE_TAIL;
}

/* One step: true to go on at once. */
static bool step(struct run *run)
{
	switch (run->phase) {
	case PHASE_HEAD:
		if (!respond(run, 200, run->dialect->in_pieces ? type_json : type_events))
			return false;
		run->dialect->head(run);
		run->phase = run->completion > 0 ? PHASE_PIECES : PHASE_TAIL;
		return flush(run);
	case PHASE_PIECES:
	case PHASE_TAIL:
		if (breaks_here(run)) {
			break_stream(run);
			return false;
		}
		if (run->phase == PHASE_PIECES) {
			write_piece(run);
			return flush(run);
		}
		run->dialect->tail(run);
		if (flush(run))
			finish(run);
		return false;
	}
	return false;
}

static void wait_ms(struct run *run, uint64_t delay_ms)
{
	services_of(run)->timer(run->call, delay_ms, advance, run);
}

static void stream(struct run *run)
{
	for (int i = 0; step(run); i++) {
		if (run->waiting)
			return;
		if (run->sent > 0 && run->script.between_ms > 0) {
			wait_ms(run, run->script.between_ms);
			return;
		}
		if (i == (run->dialect->in_pieces ? LONG_PIECES_AT_ONCE : PIECES_AT_ONCE)) {
			wait_ms(run, 0);
			return;
		}
	}
}

static void advance(struct tide_call *call, void *data)
{
	struct run *run = data;

	run->busy = true;
	if (run->script.kind == KIND_ERROR)
		refuse(run, run->script.status,
		       "the simulator answers with an error, as the "
		       "model's name asks",
		       NULL, NULL);
	else if (run->prompt.stream)
		stream(run);
	else
		send_document(run);
	run->busy = false;
	if (run->over)
		run_free(run);
}

void run_resume(struct run *run)
{
	if (!run->waiting)
		return;
	run->waiting = false;
	if (run->phase == PHASE_HEAD) /* of a document: all of it was handed over */
		return;
	wait_ms(run, run->script.between_ms);
}

void run_cancel(struct run *run)
{
	run->over = true;
	if (!run->busy)
		run_free(run);
}

/* ---- start ---- */

static void dump_into(struct text *out, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	if (text)
		text_add(out, text);
	else
		out->failed = true;
	free(text);
	json_decref(value);
}

/* "words" for tests that count: an object of a sentence. */
static json_t *any_object(struct run *run)
{
	struct source words = { .seed = run->prompt.seed };
	struct text sentence = { 0 };
	json_t *object;

	source_count(&words, run->script.words ? run->script.words : TEXT_WORDS_LEAST);
	while (words.index < words.count)
		source_next(&words, &sentence);
	object = json_pack("{s:s%, s:I}", "answer", sentence.data, sentence.len, "words",
			   (json_int_t)words.count);
	text_fini(&sentence);
	return object;
}

static void fill_source(struct run *run)
{
	struct source *source = &run->source;
	struct prompt *prompt = &run->prompt;
	uint64_t words = run->script.words;

	source->seed = prompt->seed;
	if (run_calls_tool(run)) {
		json_t *arguments = schema_instance(prompt->schema, prompt->seed);

		if (!json_is_object(arguments)) {
			json_decref(arguments);
			arguments = json_object();
		}
		dump_into(&source->text, arguments);
		words = 0;
	} else if (run->script.kind == KIND_JSON || prompt->wants_json) {
		dump_into(&source->text, prompt->schema
					     ? schema_instance(prompt->schema, prompt->seed)
					     : any_object(run));
		words = 0;
	} else if (run->script.kind == KIND_ECHO) {
		text_printf(&source->text, "echo %08" PRIx32 ": ", (uint32_t)prompt->seed);
		text_append(&source->text, prompt->last.data, prompt->last.len);
	} else if (words == 0) {
		words = TEXT_WORDS_LEAST + prompt->seed % TEXT_WORDS_MORE;
	}
	source_count(source, words);
	run->completion = source->count;
	if (prompt->max_tokens > 0 && prompt->max_tokens < run->completion)
		run->completion = prompt->max_tokens;
}

/* Once a document has begun, nothing in it can be an error. */
static void count_inputs(struct run *run)
{
	run->source.count = run->completion = json_array_size(run->prompt.inputs);
	if (run->script.kind != KIND_ERROR_IN_STREAM)
		return;
	run->script.kind = KIND_ERROR;
	run->script.status = 500;
}

/* The answer comes in the loop's next turn at the soonest: start() is short, and the host is not
 * called back while it starts us. */
static void schedule(struct run *run)
{
	uint64_t delay_ms = run->script.first_ms;

	if (!run->prompt.stream && run->script.kind != KIND_ERROR)
		delay_ms += run->script.between_ms * run->completion;
	wait_ms(run, delay_ms);
}

static void refuse_later(struct tide_call *call, void *data)
{
	struct run *run = data;

	run->busy = true;
	if (services_of(run)->info(call)->rest.len > 0)
		refuse(run, 404, "The simulator keeps no responses.", "response_not_found", NULL);
	else if (run->script.status == 404)
		refuse(run, 404, "The simulator has no such model; its names begin with sim-.",
		       "model_not_found", "model");
	else
		refuse(run, 400, run->word.data, NULL, NULL);
	run->busy = false;
	if (run->over)
		run_free(run);
}

static const struct dialect *const dialects[] = {
	[TIDE_DIALECT_OPENAI_CHAT] = &chat_dialect,
	[TIDE_DIALECT_ANTHROPIC_MESSAGES] = &messages_dialect,
	[TIDE_DIALECT_OPENAI_RESPONSES] = &responses_dialect,
	[TIDE_DIALECT_OPENAI_EMBEDDINGS] = &embeddings_dialect,
	[TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS] = &count_dialect,
};

int32_t run_start(const struct tide_host *host, struct tide_call *call, uint64_t slow_first_ms,
		  uint64_t slow_between_ms, struct run **ret)
{
	const struct tide_call_info *info = host->call->info(call);
	struct run *run = calloc(1, sizeof(*run));
	const char *wrong;

	if (!run)
		return -ENOMEM;
	run->host = host;
	run->call = call;
	run->dialect = dialects[info->dialect];
	text_json(&run->model, info->model.ptr, info->model.len);
	wrong = prompt_read(info, &run->prompt);
	*ret = run;
	if (!script_read(info->model, slow_first_ms, slow_between_ms, &run->script) ||
	    info->rest.len > 0) {
		run->script.status = 404;
		host->call->timer(call, 0, refuse_later, run);
		return 0;
	}
	if (wrong) {
		run->script.status = 400;
		text_append(&run->word, wrong, strlen(wrong) + 1);
		host->call->timer(call, 0, refuse_later, run);
		return 0;
	}
	if (run->dialect->in_pieces)
		count_inputs(run);
	else if (run->dialect->piece)
		fill_source(run);
	if (run->source.text.failed || run->model.failed) {
		*ret = NULL;
		run_free(run);
		return -ENOMEM;
	}
	schedule(run);
	return 0;
}
