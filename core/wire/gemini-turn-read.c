/* SPDX-License-Identifier: Apache-2.0 */
/* The body of Gemini's generateContent as a turn (ai.google.dev/api/generate-content). Its path
 * says model and stream. Calls may have no ids: then results follow them in order, by name. */
#include <errno.h>

#include "base/cleanup.h"
#include "wire/gemini-json.h"
#include "wire/gemini-turn.h"

enum {
	OPEN_CALLS_MAX = 1024, /* without a response so far */
};

/* ---- members ---- */

/* What no model sees, or what asks for no more than other providers do anyway, is a hint. */
static const char *const body_keys[] = {
	"contents",    "systemInstruction", "tools",
	"toolConfig",  "generationConfig",  "safetySettings",
	"model",       /* the path's */
	"labels",      /* of Google's bill */
	"serviceTier", /* how soon */
	NULL,
};
static const char *const content_keys[] = { "role", "parts", NULL };
static const char *const part_keys[] = {
	"text",
	"thought",
	"inlineData",
	"fileData",
	"functionCall",
	"functionResponse",
	"thoughtSignature",
	"partMetadata", /* the client's own notes */
	NULL,
};
static const char *const blob_keys[] = { "mimeType", "data", "displayName", NULL };
static const char *const file_keys[] = { "mimeType", "fileUri", "displayName", NULL };
static const char *const call_keys[] = { "id", "name", "args", NULL };
static const char *const response_keys[] = { "id", "name", "response", "parts", NULL };
static const char *const response_part_keys[] = { "inlineData", "fileData", NULL };

static int check_keys(struct gemini_reading *reading, const struct tree *object,
		      const char *const *keys)
{
	for (const struct tree *member = object->child; member; member = member->next) {
		const char *const *key = keys;

		while (*key && !gemini_is_key(member->key, *key))
			key++;
		if (!*key && !tree_is_null(member))
			return turn_refuse(reading->turn, reading->ret, member,
					   "This member cannot be translated for an upstream of "
					   "another dialect; leave it out, or ask for a model "
					   "whose provider speaks this one.");
	}
	return 0;
}

int gemini_expect(struct gemini_reading *reading, const struct tree *value, enum json_type type,
		  const char *what)
{
	return tree_is(value, type)
		   ? 0
		   : turn_refuse(reading->turn, reading->ret, value, "This must be %s.", what);
}

/* An object with no other members than these. */
int gemini_expect_object(struct gemini_reading *reading, const struct tree *value,
			 const char *const *keys)
{
	int r = gemini_expect(reading, value, JSON_SCAN_OBJECT, "an object");

	return r < 0 ? r : check_keys(reading, value, keys);
}

struct slice gemini_text(const struct tree *object, const char *key)
{
	const struct tree *value = gemini_get(object, key);

	return tree_is(value, JSON_SCAN_STRING) ? value->text : (struct slice){ 0 };
}

/* ---- parts ---- */

static enum turn_part_kind kind_of(struct slice media_type)
{
	if (slice_starts(media_type, SLICE("image/")))
		return TURN_IMAGE;
	return slice_starts(media_type, SLICE("audio/")) ? TURN_AUDIO : TURN_FILE;
}

static int read_media(struct gemini_reading *reading, struct turn_place place,
		      const struct tree *media, const char *const *keys)
{
	int r = gemini_expect_object(reading, media, keys);
	struct slice media_type = gemini_text(media, "mimeType");
	struct turn_part *part;

	if (r < 0)
		return r;
	reading->growing = NULL;
	part = turn_add_to(reading->turn, place, kind_of(media_type), media);
	if (!part)
		return -ENOMEM;
	part->media_type = media_type;
	part->data = gemini_text(media, "data");
	part->url = gemini_text(media, "fileUri");
	if (part->data.len + part->url.len == 0)
		return turn_refuse(reading->turn, reading->ret, media,
				   "This must have data or a fileUri, as a string.");
	return 0;
}

/* What we told a client is within base64; Gemini's own is told as it is. */
static int read_signature(struct gemini_reading *reading, struct slice told, struct turn_part *part)
{
	struct slice inner =
	    gemini_from_base64(tree_unescape(told, reading->turn->arena), reading->turn->arena);
	struct turn_part probe = { .origin = WIRE_GEMINI };

	part->opaque = told;
	part->origin = WIRE_GEMINI;
	if (!inner.ptr)
		return 0;
	turn_opaque_from_client(WIRE_GEMINI, inner, &probe);
	if (probe.origin == WIRE_GEMINI)
		return 0;
	part->origin = probe.origin;
	part->opaque = tree_escape(probe.opaque, reading->turn->arena);
	part->redacted = slice_eq(probe.opaque_id, GEMINI_REDACTED_ID);
	if (probe.opaque_id.ptr && !part->redacted)
		part->opaque_id = tree_escape(probe.opaque_id, reading->turn->arena);
	return part->opaque.ptr ? 0 : -ENOMEM;
}

/* Room grows by doubling, since a client may send any number of pieces. */
static int append_text(struct gemini_reading *reading, struct slice text)
{
	struct turn_part *part = reading->growing;
	size_t len = part->text.len + text.len;

	if (part->text.len == 0) {
		part->text = text;
		reading->growing_room = 0; /* it is the body's */
		return 0;
	}
	if (len > reading->growing_room) {
		char *room = arena_alloc(reading->turn->arena, 2 * len);

		if (!room)
			return -ENOMEM;
		slice_put(room, part->text);
		part->text.ptr = room;
		reading->growing_room = 2 * len;
	}
	slice_put((char *)part->text.ptr + part->text.len, text);
	part->text.len = len;
	return 0;
}

/* The model's pieces in a row are one part, as they were before they came as a stream. */
static int read_piece(struct gemini_reading *reading, struct turn_message *message,
		      enum turn_part_kind kind, const struct tree *where, struct slice text)
{
	struct turn_part *part = reading->growing;

	if (!part || part->kind != kind || message->role != TURN_ASSISTANT)
		part = turn_add_part(reading->turn, message, kind, where);
	if (!part)
		return -ENOMEM;
	reading->growing = part;
	return append_text(reading, text);
}

/* What vouches for the thoughts before it, or for no thoughts that are told. */
static int read_vouched(struct gemini_reading *reading, struct turn_message *message,
			const struct tree *where, struct slice signature)
{
	int r;

	if (signature.len == 0)
		return 0;
	r = read_piece(reading, message, TURN_REASONING, where, (struct slice){ 0 });
	if (r == 0)
		r = read_signature(reading, signature, reading->growing);
	reading->growing = NULL;
	return r;
}

static int read_text(struct gemini_reading *reading, struct turn_message *message,
		     const struct tree *part, struct slice text)
{
	bool thought = tree_is(gemini_get(part, "thought"), JSON_SCAN_TRUE);
	int r = 0;

	if (text.len > 0)
		r = read_piece(reading, message, thought ? TURN_REASONING : TURN_TEXT, part, text);
	return r < 0 ? r
		     : read_vouched(reading, message, part, gemini_text(part, "thoughtSignature"));
}

/* ---- calls and results ---- */

static int remember_call(struct gemini_reading *reading, struct turn_part *part)
{
	struct open_call *call = arena_zalloc(reading->turn->arena, sizeof(*call));

	if (!call)
		return -ENOMEM;
	if (++reading->open_count > OPEN_CALLS_MAX)
		return turn_refuse(reading->turn, reading->ret, part->where,
				   "More than %d calls have no response.", OPEN_CALLS_MAX);
	call->call = part;
	*reading->last_call = call;
	reading->last_call = &call->next;
	if (part->id.len == 0)
		part->id = arena_printf(reading->turn->arena, "call_%u", reading->call_count);
	reading->call_count++;
	return part->id.ptr ? 0 : -ENOMEM;
}

static int read_call(struct gemini_reading *reading, struct turn_message *message,
		     const struct tree *part, const struct tree *call)
{
	struct slice signature = gemini_text(part, "thoughtSignature");
	const struct tree *args = gemini_get(call, "args");
	struct turn_part *added;
	int r = gemini_expect_object(reading, call, call_keys);

	if (r >= 0 && gemini_text(call, "name").len == 0)
		r = turn_refuse(reading->turn, reading->ret, call, "This must have a name.");
	if (r >= 0 && !tree_is_null(args))
		r = gemini_expect(reading, args, JSON_SCAN_OBJECT, "an object");
	if (r >= 0)
		r = read_vouched(reading, message, part, signature);
	if (r < 0)
		return r;
	reading->growing = NULL;
	added = turn_add_part(reading->turn, message, TURN_CALL, call);
	if (!added)
		return -ENOMEM;
	added->id = gemini_text(call, "id");
	added->tool = gemini_text(call, "name");
	if (!tree_is_null(args)) {
		added->arguments = tree_escape(args->text, reading->turn->arena);
		if (!added->arguments.ptr)
			return -ENOMEM;
	}
	return remember_call(reading, added);
}

/* By its id, or the first of its name that has no result yet; it has one from now on. */
static const struct turn_part *take_call(struct gemini_reading *reading, struct slice id,
					 struct slice name)
{
	for (struct open_call **at = &reading->calls; *at; at = &(*at)->next) {
		const struct turn_part *call = (*at)->call;

		if (id.len > 0 ? !slice_eq(call->id, id) : !slice_eq(call->tool, name))
			continue;
		if (!(*at)->next)
			reading->last_call = at;
		*at = (*at)->next;
		reading->open_count--;
		return call;
	}
	return NULL;
}

/* "output" and "error" alone have a meaning of their own (ai.google.dev/api/caching#
 * FunctionResponse); else all of it is the output. */
static int read_output(struct gemini_reading *reading, struct turn_part *result,
		       const struct tree *response)
{
	const struct tree *error = tree_get(response, "error"), *output = response;
	struct turn_part *text;

	if (response->count == 1 && error)
		output = error;
	else if (response->count == 1 && tree_get(response, "output"))
		output = tree_get(response, "output");
	result->is_error = output == error && error;
	text = turn_add_content(reading->turn, result, TURN_TEXT, response);
	if (!text)
		return -ENOMEM;
	text->text = tree_is(output, JSON_SCAN_STRING)
			 ? output->text
			 : tree_escape(output->text, reading->turn->arena);
	return text->text.ptr ? 0 : -ENOMEM;
}

static int read_response_parts(struct gemini_reading *reading, struct turn_part *result,
			       const struct tree *parts)
{
	struct turn_place place = { .result = result };
	int r =
	    tree_is_null(parts) ? 0 : gemini_expect(reading, parts, JSON_SCAN_ARRAY, "an array");

	if (r < 0 || tree_is_null(parts))
		return r;
	for (const struct tree *part = parts->child; part && r >= 0; part = part->next) {
		const struct tree *blob = gemini_get(part, "inlineData");
		const struct tree *file = gemini_get(part, "fileData");

		r = gemini_expect_object(reading, part, response_part_keys);
		if (r >= 0)
			r = blob ? read_media(reading, place, blob, blob_keys)
				 : read_media(reading, place, file ? file : part, file_keys);
	}
	return r;
}

static int read_response(struct gemini_reading *reading, struct turn_message *message,
			 const struct tree *response)
{
	struct slice id = gemini_text(response, "id"), name = gemini_text(response, "name");
	const struct tree *output = gemini_get(response, "response");
	const struct turn_part *call;
	struct turn_part *part;
	int r = gemini_expect_object(reading, response, response_keys);

	if (r >= 0)
		r = gemini_expect(reading, output ? output : response, JSON_SCAN_OBJECT,
				  "an object");
	if (r < 0)
		return r;
	call = take_call(reading, id, name);
	if (!call)
		return turn_refuse(reading->turn, reading->ret, response,
				   "No functionCall before has this id, or this name and no "
				   "response yet.");
	part = turn_add_part(reading->turn, message, TURN_RESULT, response);
	if (!part)
		return -ENOMEM;
	part->id = call->id;
	part->tool = call->tool;
	r = output ? read_output(reading, part, output) : 0;
	return r < 0 ? r : read_response_parts(reading, part, gemini_get(response, "parts"));
}

/* ---- contents ---- */

static int read_part(struct gemini_reading *reading, struct turn_message *message,
		     const struct tree *part)
{
	struct turn_place place = { .message = message };
	int r = gemini_expect_object(reading, part, part_keys);
	const struct tree *value;

	if (r < 0)
		return r;
	if (!tree_is_null(value = gemini_get(part, "functionCall")))
		return read_call(reading, message, part, value);
	if (!tree_is_null(value = gemini_get(part, "functionResponse")))
		return read_response(reading, message, value);
	if (!tree_is_null(value = gemini_get(part, "inlineData")))
		return read_media(reading, place, value, blob_keys);
	if (!tree_is_null(value = gemini_get(part, "fileData")))
		return read_media(reading, place, value, file_keys);
	value = gemini_get(part, "text");
	if (tree_is_null(value) && gemini_text(part, "thoughtSignature").len > 0)
		return read_text(reading, message, part, (struct slice){ 0 });
	r = gemini_expect(reading, value ? value : part, JSON_SCAN_STRING, "a text");
	return r < 0 ? r : read_text(reading, message, part, value->text);
}

static int read_parts(struct gemini_reading *reading, struct turn_message *message,
		      const struct tree *content)
{
	const struct tree *parts = gemini_get(content, "parts");
	int r = gemini_expect_object(reading, content, content_keys);

	if (r < 0 || tree_is_null(parts))
		return r;
	if (tree_is(parts, JSON_SCAN_OBJECT)) /* ProtoJSON takes one for a list */
		return read_part(reading, message, parts);
	r = gemini_expect(reading, parts, JSON_SCAN_ARRAY, "an array");
	for (const struct tree *part = parts->child; part && r >= 0; part = part->next)
		r = read_part(reading, message, part);
	return r;
}

/* The SDKs keep a streamed answer as one content an event: what one side says in a row is one
 * message, so that thoughts find their signature. */
static struct turn_message *message_of(struct gemini_reading *reading, enum turn_role role,
				       const struct tree *content)
{
	if (reading->message && reading->message->role == role)
		return reading->message;
	reading->growing = NULL;
	reading->message = turn_add_message(reading->turn, role, content);
	return reading->message;
}

static int read_content(struct gemini_reading *reading, const struct tree *content)
{
	const struct tree *role = gemini_get(content, "role");
	bool model = tree_is_word(role, "model");
	struct turn_message *message;

	if (!tree_is_null(role) && !model && !tree_is_word(role, "user") &&
	    !tree_is_word(role, "function"))
		return turn_refuse(reading->turn, reading->ret, role,
				   "A role is \"user\" or \"model\".");
	message = message_of(reading, model ? TURN_ASSISTANT : TURN_USER, content);
	return message ? read_parts(reading, message, content) : -ENOMEM;
}

static int read_contents(struct gemini_reading *reading, const struct tree *contents)
{
	int r = 0;

	if (tree_is(contents, JSON_SCAN_OBJECT))
		return read_content(reading, contents);
	if (!tree_is(contents, JSON_SCAN_ARRAY) || contents->count == 0)
		return turn_refuse(reading->turn, reading->ret, contents,
				   "contents must be an array that is not empty.");
	for (const struct tree *at = contents->child; at && r >= 0; at = at->next)
		r = read_content(reading, at);
	return r;
}

static int read_system(struct gemini_reading *reading, const struct tree *system)
{
	struct turn_message *message;
	int r;

	if (tree_is_null(system))
		return 0;
	message = turn_add_message(reading->turn, TURN_SYSTEM, system);
	r = message ? read_parts(reading, message, system) : -ENOMEM;
	if (r < 0)
		return r;
	for (const struct turn_part *part = message->parts; part; part = part->next) {
		if (part->kind != TURN_TEXT)
			return turn_refuse(reading->turn, reading->ret, part->where,
					   "Instructions are text.");
	}
	return 0;
}

int gemini_read_turn(const struct tree *body, struct turn *turn, struct turn_refusal *ret)
{
	struct gemini_reading reading = { .turn = turn, .ret = ret };
	int r;

	reading.last_call = &reading.calls;
	r = gemini_expect_object(&reading, body, body_keys);
	if (r >= 0)
		r = read_system(&reading, gemini_get(body, "systemInstruction"));
	if (r >= 0)
		r = read_contents(&reading, gemini_get(body, "contents"));
	return r < 0 ? r : gemini_read_config(&reading, body);
}
