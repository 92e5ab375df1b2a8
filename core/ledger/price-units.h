/* SPDX-License-Identifier: Apache-2.0 */
/* The units that a price book prices, and which of them prices which class of usage. */
#pragma once

#include "ledger/money.h"

/* The names of the public data, in which `PRICES` of packaging/fetch are written. */
enum price_unit {
	UNIT_INPUT,
	UNIT_CACHE_READ,
	UNIT_CACHE_WRITE,
	UNIT_CACHE_WRITE_1H,
	UNIT_INPUT_AUDIO,
	UNIT_CACHE_AUDIO_READ,
	UNIT_INPUT_IMAGE,
	UNIT_CACHE_IMAGE_READ,
	UNIT_INPUT_VIDEO,
	UNIT_OUTPUT,
	UNIT_OUTPUT_AUDIO,
	UNIT_OUTPUT_IMAGE,
	UNIT_OUTPUT_VIDEO,
	UNIT_OUTPUT_REASONING,
	UNIT_OUTPUT_CITATION,
	UNIT_REQUESTS,
	UNIT_WEB_SEARCHES,
	UNIT_STORAGE_SEARCHES,
	UNIT_PAGES,
	UNIT_ANNOTATED_PAGES,
	UNIT_AUDIO_HOURS,
	UNIT_INPUT_AUDIO_HOURS,
	UNIT_MESSAGES,
	UNITS,
};

/* -1: none that this release knows. */
int price_unit_find(struct slice key);
/* Its number in a file times 10^shift are femto-dollars a unit (an hour, of audio). */
int price_unit_shift(enum price_unit unit);
/* The most specific unit of `priced` (a bit each) that holds a class; -1: it costs nothing. */
int price_unit_of(enum ledger_class rate, uint32_t priced);
/* Why the public rules can price nothing by these units alone, or NULL: a unit is priced without
 * the one that it is a part of, or two overlap and nothing prices what they share. `has` tells
 * whether the prices have a key of any name. */
const char *price_units_complaint(uint32_t priced, bool (*has)(const char *key, void *data),
				  void *data, char *text, size_t size);
