/* SPDX-License-Identifier: Apache-2.0 */
/* One configuration text as libconfig's tree, with the place of everything in it. The text has
 * passed the pre-scan, so that libconfig reads what is written. Includes libconfig: for this
 * folder's reading files alone. */
#pragma once

#include <libconfig.h>

#include "conf/prescan.h"
#include "conf/report.h"

struct document {
	const char *file; /* for places: outlives all that is read from the document */
	struct buffer text;
	struct prescan prescan;
	config_t config;
};

/* Reads a file, or takes a copy of `text` for it. `single` asks for exactly one KIND: { … };. A
 * failed document is still to be released with document_fini. */
int document_read(struct document *document, const char *file, size_t max_bytes, bool single,
		  struct report *report);
int document_parse(struct document *document, const char *file, struct slice text, bool single,
		   struct report *report);
void document_fini(struct document *document);

/* Where a setting's name stands (an element's value), and where its value does. */
struct conf_place document_place(const struct document *document, const config_setting_t *setting);
struct conf_place document_value_place(const struct document *document,
				       const config_setting_t *setting);
/* The value as written. */
struct slice document_value_text(const config_setting_t *setting);
