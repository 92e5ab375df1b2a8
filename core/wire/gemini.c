/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of Gemini's generateContent says, whole or as events (ai.google.dev/api/
 * generate-content; usage: promptTokenCount includes cachedContentTokenCount, and the total is the
 * sum of promptTokenCount, toolUsePromptTokenCount, candidatesTokenCount and thoughtsTokenCount).
 */
#include "wire/watch.h"

#include "base/cleanup.h"

enum node {
	ROOT = WALK_ROOT,
	USAGE,
	PROMPT,
	CACHED,
	TOOL_PROMPT,
	CANDIDATES_COUNT,
	THOUGHTS,
	TOTAL,
	PROMPT_DETAILS,
	CACHE_DETAILS,
	ANSWER_DETAILS,
	DETAIL,
	MODALITY,
	DETAIL_TOKENS,
	TIER,
	TRAFFIC,
	MODEL,
	CANDIDATES,
	CANDIDATE,
	FINISH,
	CONTENT,
	PARTS,
	PART,
	TEXT,
	CALL,
	BLOB,
	FEEDBACK,
	BLOCKED,
	ERROR,
	ERROR_TYPE,
	ERROR_CODE,
};

/* Of wire_watch.counts. */
enum count {
	COUNT_PROMPT,
	COUNT_CACHED,
	COUNT_TOOL_PROMPT,
	COUNT_CANDIDATES,
	COUNT_THOUGHTS,
	COUNT_TOTAL,
	COUNT_DETAIL,
};

/* Of wire_watch.event.kind: what the list that is read tells of, and the detail's modality. */
enum {
	LIST_PROMPT = 1,
	LIST_CACHE,
	LIST_ANSWER,
	MODALITY_SHIFT = 2,
	LIST_MASK = 3,
};

enum modality {
	MODALITY_TEXT,
	MODALITY_AUDIO,
	MODALITY_IMAGE,
	MODALITY_VIDEO,
	MODALITIES,
};

static const struct walk_key root_keys[] = {
	WALK_KEY("candidates", CANDIDATES),
	WALK_KEY("usageMetadata", USAGE),
	WALK_KEY("promptFeedback", FEEDBACK),
	WALK_KEY("modelVersion", MODEL),
	WALK_KEY("error", ERROR),
	{ 0 },
};
static const struct walk_key usage_keys[] = {
	WALK_KEY("promptTokenCount", PROMPT),
	WALK_KEY("cachedContentTokenCount", CACHED),
	WALK_KEY("toolUsePromptTokenCount", TOOL_PROMPT),
	WALK_KEY("candidatesTokenCount", CANDIDATES_COUNT),
	WALK_KEY("thoughtsTokenCount", THOUGHTS),
	WALK_KEY("totalTokenCount", TOTAL),
	WALK_KEY("promptTokensDetails", PROMPT_DETAILS),
	WALK_KEY("cacheTokensDetails", CACHE_DETAILS),
	WALK_KEY("candidatesTokensDetails", ANSWER_DETAILS),
	WALK_KEY("serviceTier", TIER),
	WALK_KEY("trafficType", TRAFFIC), /* Vertex */
	{ 0 },
};
static const struct walk_key detail_keys[] = {
	WALK_KEY("modality", MODALITY),
	WALK_KEY("tokenCount", DETAIL_TOKENS),
	{ 0 },
};
static const struct walk_key candidate_keys[] = {
	WALK_KEY("content", CONTENT),
	WALK_KEY("finishReason", FINISH),
	{ 0 },
};
static const struct walk_key content_keys[] = {
	WALK_KEY("parts", PARTS),
	{ 0 },
};
static const struct walk_key part_keys[] = {
	WALK_KEY("text", TEXT),
	WALK_KEY("functionCall", CALL),
	WALK_KEY("inlineData", BLOB),
	WALK_KEY("executableCode", CALL),
	WALK_KEY("codeExecutionResult", CALL),
	{ 0 },
};
static const struct walk_key call_keys[] = {
	WALK_KEY("args", TEXT),
	WALK_KEY("code", TEXT),
	WALK_KEY("output", TEXT),
	{ 0 },
};
static const struct walk_key blob_keys[] = {
	WALK_KEY("data", TEXT),
	{ 0 },
};
static const struct walk_key feedback_keys[] = {
	WALK_KEY("blockReason", BLOCKED),
	{ 0 },
};
static const struct walk_key error_keys[] = {
	WALK_KEY("status", ERROR_TYPE),
	WALK_KEY("code", ERROR_CODE),
	{ 0 },
};

static const struct walk_node nodes[] = {
	[ROOT] = { .keys = root_keys, .role = WALK_EVENT },
	[USAGE] = { .keys = usage_keys, .role = WALK_USAGE },
	[PROMPT] = WALK_COUNT_NODE(COUNT_PROMPT),
	[CACHED] = WALK_COUNT_NODE(COUNT_CACHED),
	[TOOL_PROMPT] = WALK_COUNT_NODE(COUNT_TOOL_PROMPT),
	[CANDIDATES_COUNT] = WALK_COUNT_NODE(COUNT_CANDIDATES),
	[THOUGHTS] = WALK_COUNT_NODE(COUNT_THOUGHTS),
	[TOTAL] = WALK_COUNT_NODE(COUNT_TOTAL),
	[PROMPT_DETAILS] = { .element = DETAIL, .role = WALK_OWN },
	[CACHE_DETAILS] = { .element = DETAIL, .role = WALK_OWN },
	[ANSWER_DETAILS] = { .element = DETAIL, .role = WALK_OWN },
	[DETAIL] = { .keys = detail_keys, .role = WALK_OWN },
	[MODALITY] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[DETAIL_TOKENS] = WALK_COUNT_NODE(COUNT_DETAIL),
	[TIER] = WALK_TOLD_NODE(WALK_TIER),
	[TRAFFIC] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[MODEL] = WALK_SERVED_NODE(WALK_MODEL),
	[CANDIDATES] = { .element = CANDIDATE, .role = WALK_ANSWER },
	[CANDIDATE] = { .keys = candidate_keys },
	[FINISH] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[CONTENT] = { .keys = content_keys },
	[PARTS] = { .element = PART },
	[PART] = { .keys = part_keys },
	[TEXT] = { .flags = WALK_PIECES, .role = WALK_CONTENT },
	[CALL] = { .keys = call_keys, .role = WALK_BEGUN },
	[BLOB] = { .keys = blob_keys },
	[FEEDBACK] = { .keys = feedback_keys },
	[BLOCKED] = { .flags = WALK_CAPTURE, .role = WALK_OWN },
	[ERROR] = { .keys = error_keys, .flags = WALK_PIECES, .role = WALK_ERROR },
	[ERROR_TYPE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_TYPE },
	[ERROR_CODE] = { .flags = WALK_CAPTURE, .role = WALK_ERROR_CODE },
};

/* A server that counts thoughts inside the candidates has a total without them. */
static bool thoughts_inside(const int64_t *counts)
{
	int64_t others = watch_known(counts[COUNT_PROMPT]) +
			 watch_known(counts[COUNT_TOOL_PROMPT]) +
			 watch_known(counts[COUNT_CANDIDATES]);

	return counts[COUNT_TOTAL] >= others && counts[COUNT_CANDIDATES] >= 0 &&
	       counts[COUNT_TOTAL] < others + watch_known(counts[COUNT_THOUGHTS]);
}

static void read_usage(struct wire_watch *watch)
{
	const int64_t *counts = watch->counts;
	struct wire_usage *usage = &watch->usage;

	usage->cache_read = counts[COUNT_CACHED];
	if (counts[COUNT_PROMPT] >= 0) {
		watch_cut(usage, &usage->cache_read, counts[COUNT_PROMPT]);
		usage->input = counts[COUNT_PROMPT] - watch_known(usage->cache_read) +
			       watch_known(counts[COUNT_TOOL_PROMPT]);
	}
	usage->reasoning = counts[COUNT_THOUGHTS];
	usage->output = counts[COUNT_CANDIDATES];
	if (usage->reasoning > 0 && !thoughts_inside(counts))
		usage->output = watch_known(usage->output) + usage->reasoning;
}

static void conclude(struct wire_watch *watch)
{
	if (watch->event.error)
		watch_error(watch);
	if (!watch->stream || watch->finished)
		watch->terminal = true;
	if (!watch->event.usage || !watch->usage.seen || !watch->terminal)
		return;
	watch->usage.final = true;
	if (watch->usage.output < 0) /* ProtoJSON leaves zeros out */
		watch->usage.output = 0;
}

/* Which count a list's modality is; -1 for what has no price of its own. Those of text are not
 * needed: it is what is left. */
static const int8_t kind_of[LIST_MASK + 1][MODALITIES] = {
	[LIST_PROMPT] = { -1, WIRE_INPUT_AUDIO, WIRE_INPUT_IMAGE, WIRE_INPUT_VIDEO },
	[LIST_CACHE] = { -1, WIRE_CACHE_READ_AUDIO, WIRE_CACHE_READ_IMAGE, -1 },
	[LIST_ANSWER] = { -1, WIRE_OUTPUT_AUDIO, WIRE_OUTPUT_IMAGE, WIRE_OUTPUT_VIDEO },
};

/* A list says all of what it tells, again with each event. */
static void begin_list(struct wire_watch *watch, uint8_t list)
{
	watch->event.kind = list;
	for (int i = 0; i < MODALITIES; i++)
		if (kind_of[list][i] >= 0)
			watch->told.count[kind_of[list][i]] = 0;
}

static void begin_detail(struct wire_watch *watch)
{
	watch->event.kind &= LIST_MASK;
	watch->counts[COUNT_DETAIL] = 0;
}

static void end_detail(struct wire_watch *watch)
{
	int8_t kind = kind_of[watch->event.kind & LIST_MASK][watch->event.kind >> MODALITY_SHIFT];

	if (kind >= 0)
		watch->told.count[kind] += watch->counts[COUNT_DETAIL];
}

/* The pages of a document are pictures. */
static void take_modality(struct wire_watch *watch, struct slice name)
{
	static const struct {
		const char *name;
		uint8_t modality;
	} modalities[] = {
		{ "AUDIO", MODALITY_AUDIO },
		{ "IMAGE", MODALITY_IMAGE },
		{ "DOCUMENT", MODALITY_IMAGE },
		{ "VIDEO", MODALITY_VIDEO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modalities); i++)
		if (slice_eq_str(name, modalities[i].name))
			watch->event.kind |= (uint8_t)(modalities[i].modality << MODALITY_SHIFT);
}

/* "ON_DEMAND" is the standard tier, "ON_DEMAND_PRIORITY" another. */
static void take_traffic(struct wire_watch *watch, struct slice type)
{
	struct slice demand = SLICE("ON_DEMAND_");

	if (slice_starts(type, demand))
		type = slice_skip(type, demand.len);
	if (type.len < WIRE_TOLD_BYTES)
		slice_copy(type, watch->told.service_tier, WIRE_TOLD_BYTES);
}

static void on_detail(struct wire_watch *watch, uint8_t node, enum walk_what what)
{
	if (node == DETAIL && what == WALK_OPEN)
		begin_detail(watch);
	else if (node == DETAIL)
		end_detail(watch);
	else if (what == WALK_OPEN)
		begin_list(watch, (uint8_t)(node - PROMPT_DETAILS + LIST_PROMPT));
}

static void on(struct wire_watch *watch, uint8_t node, enum walk_what what, struct slice text)
{
	if (node >= PROMPT_DETAILS && node <= DETAIL) {
		on_detail(watch, node, what);
		return;
	}
	if (what != WALK_TEXT)
		return;
	if (node == MODALITY)
		take_modality(watch, text);
	else if (node == TRAFFIC)
		take_traffic(watch, text);
	else if (node == BLOCKED || !slice_eq_str(text, "FINISH_REASON_UNSPECIFIED"))
		watch->finished = true;
}

const struct walk_grammar wire_gemini_grammar = { nodes, read_usage, conclude, on };
