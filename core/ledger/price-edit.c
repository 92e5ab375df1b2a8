/* SPDX-License-Identifier: Apache-2.0 */
/* One model's prices in an override, set or taken out. All else keeps its words: a number that went
 * through a float would be another. */
#include <errno.h>

#include "base/json.h"
#include "ledger/money.h"

struct edit {
	struct slice provider, model, units;
	struct buffer *out;
	bool found; /* the provider's group */
};

static void separate(struct buffer *out)
{
	char last = out->len > 0 ? out->data[out->len - 1] : '[';

	if (last != '[' && last != '{')
		buffer_append_char(out, ',');
}

static bool has_id(struct slice object, struct slice id)
{
	struct json_member member;
	char text[256];
	int len;

	if (!json_find(object, "id", &member) || member.type != JSON_SCAN_STRING)
		return false;
	len = json_to_text(member.value, text, sizeof(text));
	return len >= 0 && slice_eq((struct slice){ text, (size_t)len }, id);
}

/* The new entry comes first: the first model that matches is the one meant. */
static void write_models(struct edit *edit, struct slice models)
{
	struct buffer *out = edit->out;
	struct json_member one;

	buffer_append_str(out, "\"models\":[");
	if (edit->units.len > 0) {
		buffer_append_str(out, "{\"id\":");
		buffer_append_json(out, edit->model);
		buffer_append_str(out, ",\"match\":{\"equals\":");
		buffer_append_json(out, edit->model);
		buffer_append_str(out, "},\"prices\":");
		buffer_append_slice(out, edit->units);
		buffer_append_char(out, '}');
	}
	while (json_next(&models, &one)) {
		if (has_id(one.value, edit->model))
			continue;
		separate(out);
		buffer_append_slice(out, one.value);
	}
	buffer_append_char(out, ']');
}

static void write_provider(struct edit *edit, struct slice object)
{
	bool meant = !edit->found && has_id(object, edit->provider);
	struct json_member member;

	separate(edit->out);
	if (!meant) {
		buffer_append_slice(edit->out, object);
		return;
	}
	edit->found = true;
	buffer_append_char(edit->out, '{');
	while (json_next(&object, &member)) {
		separate(edit->out);
		if (slice_eq_str(member.key, "models")) {
			write_models(edit, member.value);
			continue;
		}
		buffer_append_char(edit->out, '"');
		buffer_append_slice(edit->out, member.key);
		buffer_append_str(edit->out, "\":");
		buffer_append_slice(edit->out, member.value);
	}
	buffer_append_char(edit->out, '}');
}

static void write_new_provider(struct edit *edit)
{
	if (edit->found || edit->units.len == 0)
		return;
	separate(edit->out);
	buffer_append_str(edit->out, "{\"id\":");
	buffer_append_json(edit->out, edit->provider);
	buffer_append_char(edit->out, ',');
	write_models(edit, SLICE(""));
	buffer_append_char(edit->out, '}');
}

int ledger_prices_edit(struct slice text, struct slice provider, struct slice model,
		       struct slice units, struct buffer *out)
{
	struct edit edit = { .provider = provider, .model = model, .units = units, .out = out };
	struct json_member providers = { .value = text }, one;

	while (text.len > 0 && (unsigned char)*text.ptr <= ' ')
		text = slice_skip(text, 1);
	if (text.len > 0 && *text.ptr == '{' && !json_find(text, "providers", &providers))
		return -EINVAL;
	buffer_append_str(out, "{\"providers\":[");
	while (json_next(&providers.value, &one))
		write_provider(&edit, one.value);
	write_new_provider(&edit);
	buffer_append_str(out, "]}\n");
	return out->failed ? -ENOMEM : 0;
}
