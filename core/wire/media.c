/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenAI's two dialects share: pictures and files as data: URLs, ids of calls, efforts. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "wire/turn.h"

/* ---- reading ---- */

/* Some write a slash as \/: such a text is brought into the form without, ptr NULL when out of
 * memory. */
static struct slice plain(const struct turn *turn, struct slice text)
{
	if (text.len == 0 || !memchr(text.ptr, '\\', text.len))
		return text;
	text = tree_unescape(text, turn->arena);
	return text.ptr ? tree_escape(text, turn->arena) : text;
}

int turn_read_url(const struct turn *turn, struct turn_part *part, const struct tree *node,
		  struct turn_refusal *ret)
{
	const struct slice scheme = SLICE("data:"), base64 = SLICE(";base64");
	struct slice text = plain(turn, node->text), head, data;

	if (!text.ptr)
		return -ENOMEM;
	if (text.len < scheme.len ||
	    !slice_case_eq((struct slice){ text.ptr, scheme.len }, scheme)) {
		part->url = text;
		return 0;
	}
	head = slice_cut(slice_skip(text, scheme.len), ',', &data);
	if (head.len < base64.len ||
	    !slice_case_eq(slice_skip(head, head.len - base64.len), base64))
		return turn_refuse(turn, ret, node, "a data: URL must be of base64 here");
	part->data = data;
	head.len -= base64.len;
	part->media_type = slice_cut(head, ';', &head);
	return 0;
}

static bool ends_in_pdf(struct slice name)
{
	const struct slice end = SLICE(".pdf");

	return name.len >= end.len && slice_case_eq(slice_skip(name, name.len - end.len), end);
}

int turn_read_file_data(const struct turn *turn, struct turn_part *part, const struct tree *node,
			struct turn_refusal *ret)
{
	int r = turn_read_url(turn, part, node, ret);

	if (r < 0 || !part->url.ptr || memchr(part->url.ptr, ':', part->url.len))
		return r;
	part->data = part->url;
	part->url = (struct slice){ 0 };
	if (ends_in_pdf(part->name))
		part->media_type = SLICE("application/pdf");
	return 0;
}

/* ---- writing ---- */

void turn_write_data_url(struct writer *writer, const char *key, const struct turn_part *part)
{
	writer_key(writer, key);
	writer_begin_string(writer);
	buffer_append_str(writer->out, "data:");
	buffer_append_slice(writer->out, part->media_type.len > 0
					     ? part->media_type
					     : SLICE("application/octet-stream"));
	buffer_append_str(writer->out, ";base64,");
	buffer_append_slice(writer->out, part->data);
	writer_end_string(writer);
}

/* The reference asks for one. */
struct slice turn_filename(const struct turn_part *part)
{
	static const struct {
		struct slice media_type, name;
	} rows[] = {
		{ SLICE("application/pdf"), SLICE("file.pdf") },
		{ SLICE("text/plain"), SLICE("file.txt") },
		{ SLICE("text/csv"), SLICE("file.csv") },
	};

	for (size_t i = 0; part->name.len == 0 && i < ARRAY_SIZE(rows); i++) {
		if (slice_case_eq(part->media_type, rows[i].media_type))
			return rows[i].name;
	}
	return part->name.len > 0 ? part->name : SLICE("file");
}

void turn_write_call_id(struct writer *writer, const char *key, struct slice id, size_t most)
{
	const struct slice prefix = SLICE("call_");
	uint8_t digest[SHA256_BYTES];
	char text[SHA256_HEX_SIZE + 8];

	if (id.len > most) {
		hash_sha256(id, digest);
		hash_hex(digest, 16, slice_put(text, prefix));
		id = slice_of(text);
	}
	writer_key_escaped(writer, key, id);
}

const char *turn_effort_of_budget(struct slice json)
{
	int64_t budget = -1;

	if (json_to_i64(json, &budget) < 0 || budget < 0)
		return NULL;
	if (budget == 0)
		return "none";
	if (budget < 4096)
		return "low";
	return budget < 16384 ? "medium" : "high";
}
