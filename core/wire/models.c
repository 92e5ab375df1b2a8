/* SPDX-License-Identifier: Apache-2.0 */
/* The list of models in the dialects' shapes. Nobody knows when a configured name was made, so that
 * the dates are the epoch, as Anthropic's reference has it for unknown ones. */
#include "wire/wire.h"

#include <inttypes.h>

#include "base/cleanup.h"

void wire_models_begin(enum wire_dialect dialect, struct buffer *out)
{
	if (wire_is_google(dialect)) {
		buffer_append_str(out, "{\"models\":[");
		return;
	}
	buffer_append_str(out, wire_is_anthropic(dialect) ? "{\"data\":["
							  : "{\"object\":\"list\",\"data\":[");
}

/* Names have their collection before them. */
static void add_google(struct slice id, struct buffer *out)
{
	_cleanup_(buffer_fini) struct buffer quoted = { 0 };

	buffer_append_json(&quoted, id);
	out->failed = out->failed || quoted.failed;
	if (out->failed)
		return;
	buffer_append_str(out, "{\"name\":\"models/");
	buffer_append_slice(out, slice_skip(buffer_slice(&quoted), 1));
	buffer_append_str(out, ",\"version\":\"1\",\"displayName\":");
	buffer_append_slice(out, buffer_slice(&quoted));
	buffer_append_str(out, ",\"supportedGenerationMethods\":[\"generateContent\","
			       "\"streamGenerateContent\",\"countTokens\"]}");
}

void wire_models_add(enum wire_dialect dialect, struct slice id, struct slice owner, bool first,
		     struct buffer *out)
{
	if (!first)
		buffer_append_char(out, ',');
	if (wire_is_google(dialect)) {
		add_google(id, out);
		return;
	}
	if (!wire_is_anthropic(dialect)) {
		buffer_append_str(out, "{\"id\":");
		buffer_append_json(out, id);
		buffer_append_str(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":");
		buffer_append_json(out, owner);
	} else {
		buffer_append_str(out, "{\"type\":\"model\",\"id\":");
		buffer_append_json(out, id);
		buffer_append_str(out, ",\"display_name\":");
		buffer_append_json(out, id);
		buffer_append_str(out, ",\"created_at\":\"1970-01-01T00:00:00Z\"");
	}
	buffer_append_char(out, '}');
}

void wire_count_body(enum wire_dialect dialect, int64_t tokens, struct buffer *out)
{
	buffer_printf(out, "{\"%s\":%" PRId64 "}",
		      wire_is_google(dialect) ? "totalTokens" : "input_tokens", tokens);
}

static void append_id(struct buffer *out, const char *key, struct slice id)
{
	buffer_append_str(out, key);
	if (id.ptr)
		buffer_append_json(out, id);
	else
		buffer_append_str(out, "null");
}

void wire_models_end(enum wire_dialect dialect, struct slice first_id, struct slice last_id,
		     bool more, struct buffer *out)
{
	buffer_append_char(out, ']');
	if (wire_is_anthropic(dialect)) {
		buffer_append_str(out, more ? ",\"has_more\":true" : ",\"has_more\":false");
		append_id(out, ",\"first_id\":", first_id);
		append_id(out, ",\"last_id\":", last_id);
	}
	if (wire_is_google(dialect) && more)
		append_id(out, ",\"nextPageToken\":", last_id);
	buffer_append_char(out, '}');
}
