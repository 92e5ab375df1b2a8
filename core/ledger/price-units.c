/* SPDX-License-Identifier: Apache-2.0 */
/* One table each: units, classes, overlaps. They follow the registry of units in npm's
 * @pydantic/genai-prices, whose leaves our classes are. */
#include "ledger/price-units.h"

#include <stdio.h>

#include "base/cleanup.h"

enum {
	SHIFT_MTOK = 9,    /* dollars a million in femto-dollars each */
	SHIFT_KCOUNT = 12, /* a thousand */
	SHIFT_HOUR = 15,   /* one hour, kept as one */
	UNITS_OF_CLASS = 4,
};

static const struct {
	const char *key;
	int shift;
	int part_of, also_of; /* UNITS: of nothing */
} units[UNITS] = {
	[UNIT_INPUT] = { "input_mtok", SHIFT_MTOK, UNITS, UNITS },
	[UNIT_CACHE_READ] = { "cache_read_mtok", SHIFT_MTOK, UNIT_INPUT, UNITS },
	[UNIT_CACHE_WRITE] = { "cache_write_mtok", SHIFT_MTOK, UNIT_INPUT, UNITS },
	[UNIT_CACHE_WRITE_1H] = { "cache_write_1h_mtok", SHIFT_MTOK, UNIT_CACHE_WRITE, UNITS },
	[UNIT_INPUT_AUDIO] = { "input_audio_mtok", SHIFT_MTOK, UNIT_INPUT, UNITS },
	[UNIT_CACHE_AUDIO_READ] = { "cache_audio_read_mtok", SHIFT_MTOK, UNIT_CACHE_READ,
				    UNIT_INPUT_AUDIO },
	[UNIT_INPUT_IMAGE] = { "input_image_mtok", SHIFT_MTOK, UNIT_INPUT, UNITS },
	[UNIT_CACHE_IMAGE_READ] = { "cache_image_read_mtok", SHIFT_MTOK, UNIT_CACHE_READ,
				    UNIT_INPUT_IMAGE },
	[UNIT_INPUT_VIDEO] = { "input_video_mtok", SHIFT_MTOK, UNIT_INPUT, UNITS },
	[UNIT_OUTPUT] = { "output_mtok", SHIFT_MTOK, UNITS, UNITS },
	[UNIT_OUTPUT_AUDIO] = { "output_audio_mtok", SHIFT_MTOK, UNIT_OUTPUT, UNITS },
	[UNIT_OUTPUT_IMAGE] = { "output_image_mtok", SHIFT_MTOK, UNIT_OUTPUT, UNITS },
	[UNIT_OUTPUT_VIDEO] = { "output_video_mtok", SHIFT_MTOK, UNIT_OUTPUT, UNITS },
	[UNIT_OUTPUT_REASONING] = { "output_reasoning_mtok", SHIFT_MTOK, UNIT_OUTPUT, UNITS },
	[UNIT_OUTPUT_CITATION] = { "output_citation_mtok", SHIFT_MTOK, UNIT_OUTPUT, UNITS },
	[UNIT_REQUESTS] = { "requests_kcount", SHIFT_KCOUNT, UNITS, UNITS },
	[UNIT_WEB_SEARCHES] = { "web_searches_kcount", SHIFT_KCOUNT, UNITS, UNITS },
	[UNIT_STORAGE_SEARCHES] = { "storage_searches_kcount", SHIFT_KCOUNT, UNITS, UNITS },
	[UNIT_PAGES] = { "input_document_kpages", SHIFT_KCOUNT, UNITS, UNITS },
	[UNIT_ANNOTATED_PAGES] = { "input_annotated_document_kpages", SHIFT_KCOUNT, UNIT_PAGES,
				   UNITS },
	[UNIT_AUDIO_HOURS] = { "audio_hours", SHIFT_HOUR, UNITS, UNITS },
	[UNIT_INPUT_AUDIO_HOURS] = { "input_audio_hours", SHIFT_HOUR, UNIT_AUDIO_HOURS, UNITS },
	[UNIT_MESSAGES] = { "input_text_messages_kcount", SHIFT_KCOUNT, UNITS, UNITS },
};

/* From the most specific unit on. */
static const struct {
	const char *name;
	int8_t unit[UNITS_OF_CLASS]; /* up to -1 */
} rates[LEDGER_RATES] = {
	[LEDGER_INPUT] = { "input", { UNIT_INPUT, -1 } },
	[LEDGER_CACHE_READ] = { "cache_read", { UNIT_CACHE_READ, UNIT_INPUT, -1 } },
	[LEDGER_CACHE_WRITE] = { "cache_write", { UNIT_CACHE_WRITE, UNIT_INPUT, -1 } },
	[LEDGER_CACHE_WRITE_1H] = { "cache_write_1h",
				    { UNIT_CACHE_WRITE_1H, UNIT_CACHE_WRITE, UNIT_INPUT, -1 } },
	[LEDGER_OUTPUT] = { "output", { UNIT_OUTPUT, -1 } },
	[LEDGER_INPUT_AUDIO] = { "input_audio", { UNIT_INPUT_AUDIO, UNIT_INPUT, -1 } },
	[LEDGER_CACHE_READ_AUDIO] = { "cache_read_audio",
				      { UNIT_CACHE_AUDIO_READ, UNIT_CACHE_READ, UNIT_INPUT_AUDIO,
					UNIT_INPUT } },
	[LEDGER_INPUT_IMAGE] = { "input_image", { UNIT_INPUT_IMAGE, UNIT_INPUT, -1 } },
	[LEDGER_CACHE_READ_IMAGE] = { "cache_read_image",
				      { UNIT_CACHE_IMAGE_READ, UNIT_CACHE_READ, UNIT_INPUT_IMAGE,
					UNIT_INPUT } },
	[LEDGER_INPUT_VIDEO] = { "input_video", { UNIT_INPUT_VIDEO, UNIT_INPUT, -1 } },
	[LEDGER_OUTPUT_AUDIO] = { "output_audio", { UNIT_OUTPUT_AUDIO, UNIT_OUTPUT, -1 } },
	[LEDGER_OUTPUT_IMAGE] = { "output_image", { UNIT_OUTPUT_IMAGE, UNIT_OUTPUT, -1 } },
	[LEDGER_OUTPUT_VIDEO] = { "output_video", { UNIT_OUTPUT_VIDEO, UNIT_OUTPUT, -1 } },
	[LEDGER_OUTPUT_CITATION] = { "output_citation", { UNIT_OUTPUT_CITATION, UNIT_OUTPUT, -1 } },
	[LEDGER_WEB_SEARCHES] = { "web_searches", { UNIT_WEB_SEARCHES, -1 } },
	[LEDGER_FILE_SEARCHES] = { "storage_searches", { UNIT_STORAGE_SEARCHES, -1 } },
	[LEDGER_PAGES] = { "pages", { UNIT_PAGES, -1 } },
	[LEDGER_ANNOTATED_PAGES] = { "annotated_pages", { UNIT_ANNOTATED_PAGES, UNIT_PAGES, -1 } },
	[LEDGER_AUDIO_MS] = { "audio_ms", { UNIT_AUDIO_HOURS, -1 } },
	[LEDGER_INPUT_AUDIO_MS] = { "input_audio_ms",
				    { UNIT_INPUT_AUDIO_HOURS, UNIT_AUDIO_HOURS, -1 } },
	[LEDGER_MESSAGES] = { "messages", { UNIT_MESSAGES, -1 } },
	[LEDGER_REASONING] = { "reasoning", { UNIT_OUTPUT_REASONING, UNIT_OUTPUT, -1 } },
	[LEDGER_REQUEST] = { "requests", { UNIT_REQUESTS, -1 } },
};

/* What two units have in common has a unit of its own; those without a number here are beyond us.
 */
static const struct {
	uint8_t one, other;
	const char *both;
} overlaps[] = {
	{ UNIT_CACHE_READ, UNIT_INPUT_AUDIO, "cache_audio_read_mtok" },
	{ UNIT_CACHE_READ, UNIT_INPUT_IMAGE, "cache_image_read_mtok" },
	{ UNIT_CACHE_READ, UNIT_INPUT_VIDEO, "cache_video_read_mtok" },
	{ UNIT_CACHE_WRITE, UNIT_INPUT_AUDIO, "cache_audio_write_mtok" },
	{ UNIT_CACHE_WRITE, UNIT_INPUT_IMAGE, "cache_image_write_mtok" },
	{ UNIT_CACHE_WRITE, UNIT_INPUT_VIDEO, "cache_video_write_mtok" },
	{ UNIT_CACHE_WRITE_1H, UNIT_INPUT_AUDIO, "cache_audio_write_1h_mtok" },
	{ UNIT_CACHE_WRITE_1H, UNIT_INPUT_IMAGE, "cache_image_write_1h_mtok" },
	{ UNIT_CACHE_WRITE_1H, UNIT_INPUT_VIDEO, "cache_video_write_1h_mtok" },
	{ UNIT_OUTPUT_REASONING, UNIT_OUTPUT_AUDIO, "output_audio_reasoning_mtok" },
	{ UNIT_OUTPUT_REASONING, UNIT_OUTPUT_IMAGE, "output_image_reasoning_mtok" },
	{ UNIT_OUTPUT_REASONING, UNIT_OUTPUT_VIDEO, "output_video_reasoning_mtok" },
	{ UNIT_OUTPUT_CITATION, UNIT_OUTPUT_AUDIO, "output_audio_citation_mtok" },
	{ UNIT_OUTPUT_CITATION, UNIT_OUTPUT_IMAGE, "output_image_citation_mtok" },
	{ UNIT_OUTPUT_CITATION, UNIT_OUTPUT_VIDEO, "output_video_citation_mtok" },
};

int price_unit_find(struct slice key)
{
	for (int i = 0; i < UNITS; i++)
		if (slice_eq_str(key, units[i].key))
			return i;
	return -1;
}

int price_unit_shift(enum price_unit unit)
{
	return units[unit].shift;
}

int price_unit_of(enum ledger_class rate, uint32_t priced)
{
	for (int i = 0; i < UNITS_OF_CLASS && rates[rate].unit[i] >= 0; i++)
		if (priced & UINT32_C(1) << rates[rate].unit[i])
			return rates[rate].unit[i];
	return -1;
}

/* What a unit is a part of and is not priced, or UNITS. */
static int lacks_whole(int unit, uint32_t priced)
{
	if (units[unit].part_of != UNITS && !(priced & UINT32_C(1) << units[unit].part_of))
		return units[unit].part_of;
	if (units[unit].also_of != UNITS && !(priced & UINT32_C(1) << units[unit].also_of))
		return units[unit].also_of;
	return UNITS;
}

const char *price_units_complaint(uint32_t priced, bool (*has)(const char *key, void *data),
				  void *data, char *text, size_t size)
{
	for (int i = 0; i < UNITS; i++) {
		int whole = lacks_whole(i, priced);

		if (!(priced & UINT32_C(1) << i) || whole == UNITS)
			continue;
		snprintf(text, size, "%s needs %s beside it, whose part it is", units[i].key,
			 units[whole].key);
		return text;
	}
	for (size_t i = 0; i < ARRAY_SIZE(overlaps); i++) {
		if (!(priced & UINT32_C(1) << overlaps[i].one) ||
		    !(priced & UINT32_C(1) << overlaps[i].other) || has(overlaps[i].both, data))
			continue;
		snprintf(text, size, "%s and %s need %s beside them, for what is both",
			 units[overlaps[i].one].key, units[overlaps[i].other].key,
			 overlaps[i].both);
		return text;
	}
	return NULL;
}

const char *ledger_rate_name(enum ledger_class rate)
{
	return rates[rate].name;
}

const char *ledger_unit_key(struct slice name)
{
	for (int i = 0; i < UNITS; i++)
		if (slice_eq_str(name, units[i].key))
			return units[i].key;
	for (int i = 0; i < LEDGER_RATES; i++)
		if (slice_eq_str(name, rates[i].name))
			return units[rates[i].unit[0]].key;
	return NULL;
}
