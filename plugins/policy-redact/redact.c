/* SPDX-License-Identifier: Apache-2.0 */
/* Policy: personal data and secrets in a request are masked before a provider sees them, or refuse
 * it. What was found is counted, and neither kept nor written anywhere. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <tidegate/policy.h>

#include "names.h"
#include "plain.h"
#include "walk.h"

enum action {
	ACTION_OFF,
	ACTION_MASK,
	ACTION_HASH,
	ACTION_REFUSE,
	ACTIONS,
};

enum {
	BASE64_MIN = 256,
	NOTE_BYTES = 64,
	PATH_BYTES = 128,
	MESSAGE_BYTES = 384,
	HASH_KEY_MIN = 16,
};

static const char *const action_names[ACTIONS] = { "off", "mask", "hash", "refuse" };
static const char *const class_words[FIND_CLASSES] = {
	[FIND_CARD] = "a card number",       [FIND_BANK] = "a bank account's number",
	[FIND_EMAIL] = "an e-mail address",  [FIND_PHONE] = "a telephone number",
	[FIND_SECRET] = "a key or a secret",
};

struct redactor {
	const struct tide_host *host;
	enum action actions[FIND_CLASSES];
	uint32_t wanted; /* a bit for each class that is not off */
	struct tide_slice key;
	uint64_t seed;
	struct tide_metric *metrics[FIND_CLASSES];
};

/* One request's reading. */
struct reading {
	const struct redactor *redactor;
	struct tide_request *request;
	const struct walk *walk; /* of the body */
	struct names names;
	uint64_t counts[FIND_CLASSES];
	enum find_class refused;
};

/* A JSON text inside of a string of the body: places in it are found in the body by `outer`. */
struct inner {
	struct reading *reading;
	struct plain_map outer;
	size_t base;
};

/* What show() says to end the walk; no errno of the host's. */
enum { REFUSED = -4096 };

static const struct tide_option options[] = {
	{ "card", TIDE_OPTION_STRING, 0, "mask", 0, 0, "card numbers: off, mask, hash or refuse" },
	{ "bank", TIDE_OPTION_STRING, 0, "mask", 0, 0,
	  "IBANs, and US routing and account numbers that are called so: as card" },
	{ "email", TIDE_OPTION_STRING, 0, "mask", 0, 0, "e-mail addresses: as card" },
	{ "phone", TIDE_OPTION_STRING, 0, "mask", 0, 0, "telephone numbers: as card" },
	{ "secret", TIDE_OPTION_STRING, 0, "mask", 0, 0,
	  "API keys, tokens and private keys: as card" },
};

static struct tide_slice slice_of(const char *text)
{
	return (struct tide_slice){ text, strlen(text) };
}

/* ---- create ---- */

static int read_action(struct tide_slice text, enum action *ret)
{
	for (int i = 0; i < ACTIONS; i++)
		if (strlen(action_names[i]) == text.len &&
		    memcmp(action_names[i], text.ptr, text.len) == 0) {
			*ret = (enum action)i;
			return 0;
		}
	return -EINVAL;
}

static int read_actions(struct redactor *redactor, struct tide_instance *instance, char *error,
			size_t size)
{
	for (int i = 0; i < FIND_CLASSES; i++) {
		struct tide_slice text = redactor->host->option_string(instance, names_classes[i]);

		if (read_action(text, &redactor->actions[i]) < 0) {
			snprintf(error, size, "%s: \"%.*s\" is none of off, mask, hash, refuse",
				 names_classes[i], (int)text.len, text.ptr);
			return -EINVAL;
		}
		if (redactor->actions[i] == ACTION_HASH && redactor->key.len < HASH_KEY_MIN) {
			snprintf(error, size,
				 "%s: hash needs the object's `secret`, of %d bytes or more",
				 names_classes[i], HASH_KEY_MIN);
			return -EINVAL;
		}
		if (redactor->actions[i] != ACTION_OFF)
			redactor->wanted |= 1u << i;
	}
	if (redactor->wanted == 0) {
		snprintf(error, size, "it looks for nothing: all of its classes are off");
		return -EINVAL;
	}
	return 0;
}

static int32_t create(const struct tide_host *host, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	struct redactor *redactor = calloc(1, sizeof(*redactor));
	int r;

	if (!redactor)
		return -ENOMEM;
	redactor->host = host;
	redactor->key = host->secret(instance);
	r = read_actions(redactor, instance, error, error_size);
	if (r == 0 && getrandom(&redactor->seed, sizeof(redactor->seed), 0) < 0)
		r = -errno;
	if (r < 0) {
		free(redactor);
		return r;
	}
	for (int i = 0; i < FIND_CLASSES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "found_%s", names_classes[i]);
		redactor->metrics[i] =
		    host->counter(instance, name, "What was found in requests, of this class.");
	}
	*ret_state = redactor;
	return 0;
}

static void destroy(void *state)
{
	free(state);
}

/* ---- one string ---- */

static bool is_base64(const char *text, size_t len)
{
	const char *comma =
	    len > 5 && memcmp(text, "data:", 5) == 0 ? memchr(text, ',', len) : NULL;
	size_t at = comma ? (size_t)(comma + 1 - text) : 0;

	if (len < BASE64_MIN)
		return false;
	for (; at < len; at++)
		if (!find_word(text[at]) && text[at] != '+' && text[at] != '/' && text[at] != '=' &&
		    text[at] != '-' && text[at] != '\\')
			return false;
	return true;
}

static bool key_among(const char *key, size_t len, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], key, len) == 0)
			return true;
	return false;
}

#define AMONG(key, len, names) key_among(key, len, names, sizeof(names) / sizeof((names)[0]))

/* What the API gives a meaning that a change would break, and media. Never what is inside of a
 * client's own objects. */
static bool passes(const struct walk *walk, const char *text, size_t len)
{
	static const char *const fixed[] = {
		"model",       "role",
		"type",        "id",
		"call_id",     "tool_call_id",
		"tool_use_id", "item_id",
		"file_id",     "previous_response_id",
		"signature",   "encrypted_content",
		"media_type",  "mime_type",
		"status",
	};
	static const char *const media[] = { "data", "url", "image_url", "file_data", "bytes" };
	size_t key_len;
	const char *key = walk_key(walk, &key_len);

	if (!key || walk->levels[walk->depth - 1].open)
		return false;
	return AMONG(key, key_len, fixed) || (AMONG(key, key_len, media) && is_base64(text, len));
}

static int placeholder_of(struct reading *reading, const struct find *find, const char *text,
			  char ret[static NAMES_PLACEHOLDER_BYTES])
{
	const struct redactor *redactor = reading->redactor;
	struct tide_slice tenant = redactor->host->request->info(reading->request)->tenant;
	uint32_t number;
	int r;

	if (redactor->actions[find->class] == ACTION_HASH)
		return names_pseudonym(redactor->key.ptr, redactor->key.len, tenant.ptr, tenant.len,
				       find->class, text + find->at, find->len, ret);
	r = names_number(&reading->names, find->class, text + find->at, find->len, &number);
	if (r == 0)
		names_placeholder(find->class, number, ret);
	return r;
}

/* A number becomes a string, whose quotes are the outer string's content if it is in one. */
static int put(struct reading *reading, struct inner *inner, size_t begin, size_t end,
	       const char *placeholder, bool number)
{
	char text[NAMES_PLACEHOLDER_BYTES + 8];
	const char *quote = !number ? "" : inner ? "\\\"" : "\"";

	snprintf(text, sizeof(text), "%s%s%s", quote, placeholder, quote);
	if (inner) {
		begin = inner->base + plain_begin(&inner->outer, begin);
		end = inner->base + plain_end(&inner->outer, end);
	}
	return reading->redactor->host->request->splice(reading->request, begin, end - begin,
							slice_of(text));
}

/* All that is in one plain text, whose place is `map` behind `base`, of the body or of `inner`. */
static int redact(struct reading *reading, struct inner *inner, struct plain_map *map, size_t base,
		  struct find_text *text, bool number)
{
	struct find find;

	while (find_next(text, &find)) {
		char placeholder[NAMES_PLACEHOLDER_BYTES];
		size_t begin, end;
		int r;

		if (number && find.len != text->len)
			continue;
		reading->counts[find.class]++;
		if (reading->redactor->actions[find.class] == ACTION_REFUSE) {
			reading->refused = find.class;
			return REFUSED;
		}
		r = placeholder_of(reading, &find, text->ptr, placeholder);
		if (r < 0)
			return r;
		begin = base + plain_begin(map, find.at);
		end = base + plain_end(map, find.at + find.len);
		r = put(reading, inner, begin, end, placeholder, number);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_text(struct reading *reading, struct inner *inner, const char *raw, size_t base,
		     size_t len, bool number)
{
	struct plain_map map = { .raw = raw + base, .len = len, .flags = PLAIN_FOLD };
	struct find_text text = { .ptr = raw + base,
				  .len = len,
				  .wanted = reading->redactor->wanted };
	char *plain = NULL;
	int r;

	if (!plain_already(raw + base, len)) {
		plain = malloc(len);
		if (!plain)
			return -ENOMEM;
		text.ptr = plain;
		text.len = plain_write(raw + base, len, PLAIN_FOLD, plain);
	}
	r = redact(reading, inner, &map, base, &text, number);
	if (plain)
		explicit_bzero(plain, len);
	free(plain);
	return r;
}

static int show_inner(struct walk *walk, size_t at, size_t len, bool number)
{
	struct inner *inner = walk->user;

	return read_text(inner->reading, inner, walk->ptr, at, len, number);
}

/* 1: it is no JSON, but a text. */
static int read_inner(struct reading *reading, const char *raw, size_t base, size_t len)
{
	struct inner inner = { .reading = reading,
			       .outer = { .raw = raw + base, .len = len },
			       .base = base };
	struct walk *walk = calloc(1, sizeof(*walk));
	char *plain = malloc(len);
	int r = -ENOMEM;

	if (walk && plain) {
		walk->ptr = plain;
		walk->len = plain_write(raw + base, len, 0, plain);
		walk->open = true;
		r = walk_run(walk) < 0 ? 1 : 0;
		if (r == 0) {
			walk->show = show_inner;
			walk->user = &inner;
			r = walk_run(walk);
		}
	}
	if (plain)
		explicit_bzero(plain, len);
	free(plain);
	free(walk);
	return r;
}

static bool may_be_json(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && text[at] == ' ')
		at++;
	return at < len && (text[at] == '{' || text[at] == '[');
}

static int show(struct walk *walk, size_t at, size_t len, bool number)
{
	struct reading *reading = walk->user;

	if (len == 0 || (!number && passes(walk, walk->ptr + at, len)))
		return 0;
	if (!number && may_be_json(walk->ptr + at, len)) {
		int r = read_inner(reading, walk->ptr, at, len);

		if (r <= 0)
			return r;
	}
	/* As it stands in the text a number's quotes are outside of it. */
	return read_text(reading, NULL, walk->ptr, at, len, number);
}

/* ---- the decision ---- */

static void tell(struct reading *reading)
{
	const struct redactor *redactor = reading->redactor;
	char note[NOTE_BYTES];
	size_t len = 0;

	for (int i = 0; i < FIND_CLASSES; i++) {
		if (reading->counts[i] == 0)
			continue;
		redactor->host->metric_add(redactor->metrics[i], (int64_t)reading->counts[i]);
		if (len < sizeof(note))
			len += (size_t)snprintf(note + len, sizeof(note) - len, "%s%" PRIu64 " %s",
						len > 0 ? ", " : "", reading->counts[i],
						names_classes[i]);
	}
	if (len > 0)
		redactor->host->request->note(reading->request, slice_of(note));
}

static int32_t refuse(const struct reading *reading, const char *code, const char *message)
{
	struct tide_denial denial = { .size = sizeof(denial),
				      .status = 400,
				      .code = slice_of(code),
				      .message = slice_of(message) };

	reading->redactor->host->request->deny(reading->request, &denial);
	return TIDE_DENY;
}

static int32_t decide(const struct reading *reading, int r)
{
	char path[PATH_BYTES], message[MESSAGE_BYTES];

	switch (r) {
	case 0:
		return TIDE_CONTINUE;
	case REFUSED:
		walk_path(reading->walk, path, sizeof(path));
		snprintf(message, sizeof(message),
			 "The request has %s in %s, which may not leave this gateway; take it out.",
			 class_words[reading->refused], path[0] ? path : "its body");
		return refuse(reading, "personal_data", message);
	case -E2BIG:
		snprintf(
		    message, sizeof(message),
		    "The request has more than %d values, or %d bytes of them, that would have "
		    "to be masked; send less at a time.",
		    NAMES_MAX, NAMES_BYTES_MAX);
		return refuse(reading, "too_much_personal_data", message);
	default:
		return r;
	}
}

static int32_t request(void *state, struct tide_request *request, void **ret_request_state)
{
	const struct redactor *redactor = state;
	struct tide_slice body = redactor->host->request->body(request);
	struct reading reading = { .redactor = redactor,
				   .request = request,
				   .names.seed = redactor->seed };
	struct walk *walk;
	int32_t r;

	if (body.len == 0)
		return TIDE_CONTINUE;
	walk = calloc(1, sizeof(*walk));
	if (!walk)
		return -ENOMEM;
	walk->ptr = body.ptr;
	walk->len = body.len;
	walk->show = show;
	walk->user = &reading;
	reading.walk = walk;
	r = decide(&reading, walk_run(walk));
	tell(&reading);
	names_fini(&reading.names);
	free(walk);
	return r;
}

static const struct tide_policy_operations operations = {
	.size = sizeof(operations),
	.create = create,
	.destroy = destroy,
	.request = request,
};

const struct tide_plugin *tide_plugin(void)
{
	static const struct tide_plugin plugin = {
		.size = sizeof(plugin),
		.abi_major = TIDE_ABI_MAJOR,
		.abi_minor = TIDE_ABI_MINOR,
		.kind = TIDE_KIND_POLICY,
		.option_size = sizeof(struct tide_option),
		.name = "redact",
		.version = "0.1.0",
		.summary = "Masks or refuses personal data and secrets in requests.",
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.operations = &operations,
	};

	return &plugin;
}
