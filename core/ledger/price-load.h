/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files that load a book share: price-book-load.c its structure and rules,
 * price-read.c the prices of one model. */
#pragma once

#include "base/buffer.h"
#include "base/json.h"
#include "ledger/price-book.h"

struct loader {
	const char *path;
	enum ledger_book_kind kind;
	char digest[LEDGER_DIGEST_SIZE];
	struct buffer part[PARTS];
	struct buffer notes;
	uint32_t note_count, partial;
	uint16_t minimum_ms;          /* likewise */
	bool model_partial;           /* of the model that is read */
	struct slice provider, model; /* whose lines are read, for messages; as they are written */
	struct error *error;
};

/* What is wrong with which words of the file. Returns -EINVAL. */
int loader_bad(struct loader *loader, struct slice where, const char *what);
/* An override is refused; a public book goes on and bears a note. `key` may be empty. */
int loader_note(struct loader *loader, struct slice key, const char *what);
static inline uint32_t loader_count(const struct loader *loader, enum part part, size_t row_bytes)
{
	return (uint32_t)(loader->part[part].len / row_bytes);
}
/* Where the next text begins; it ends with loader_end_text(). */
static inline uint32_t loader_text(const struct loader *loader)
{
	return (uint32_t)loader->part[PART_TEXT].len;
}
static inline void loader_end_text(struct loader *loader)
{
	buffer_append_char(&loader->part[PART_TEXT], '\0');
}
/* Lower case, as names are compared without case; expressions keep theirs. */
int loader_add_text(struct loader *loader, struct slice json, bool keep_case, uint32_t *ret_at,
		    uint32_t *ret_len);
/* All prices of a model, an object or a list. */
int price_read_model(struct loader *loader, struct slice json, enum json_type type);
