/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks in a request of Chat Completions, for upstreams that have no names. */
#include <errno.h>

#include "base/cleanup.h"
#include "test.h"
#include "wire/translate.h"
#include "wire/turn.h"
#include "wire/wire.h"

static struct arena arena;

#define IMAGE "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}"
#define BODY                                                                                  \
	"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"name\":\"Stage\",\"content\":" \
	"\"Night.\"},"                                                                        \
	"{\"role\":\"user\",\"name\":\"Ann\",\"content\":\"\\\"Hi\\\"\"},{\"role\":\"user\"," \
	"\"name\":\"Bo\","                                                                    \
	"\"content\":[" IMAGE                                                                 \
	"]},{\"role\":\"assistant\",\"name\":\"Cy\",\"content\":\"b\"},{\"role\":"            \
	"\"assistant\",\"content\":\"c\"},{\"role\":\"user\",\"content\":\"d\"}]}"

static int translate(const char *body, enum wire_dialect dialect, struct buffer *ret_out,
		     struct wire_error *error)
{
	struct turn_target target = { .dialect = dialect, .model = SLICE("up") };
	struct turn *made;

	return wire_translate_request(WIRE_OPENAI_CHAT, slice_of(body), &target, &arena, ret_out,
				      &made, error);
}

/* Users and what is said to the model begin with their name, of what kind they may be. */
static void told(void)
{
	static const struct {
		enum wire_dialect dialect;
		const char *parts[5];
	} rows[] = {
		{ WIRE_ANTHROPIC_MESSAGES,
		  { "\"text\":\"Stage: Night.\"", "\"text\":\"Ann: \\\"Hi\\\"\"",
		    "\"text\":\"Bo: \"},{\"type\":\"image\"", "\"text\":\"b\"",
		    "\"text\":\"d\"" } },
		{ WIRE_OPENAI_RESPONSES,
		  { "\"Stage: Night.\"", "\"Ann: \\\"Hi\\\"\"",
		    "\"text\":\"Bo: \"},{\"type\":\"input_image\"", "\"b\"", "\"d\"" } },
		{ WIRE_GEMINI,
		  { "\"text\":\"Stage: Night.\"", "\"text\":\"Ann: \\\"Hi\\\"\"",
		    "\"text\":\"Bo: \"},{\"inlineData\"", "\"text\":\"b\"", "\"text\":\"d\"" } },
		{ WIRE_BEDROCK_CONVERSE,
		  { "\"text\":\"Stage: Night.\"", "\"text\":\"Ann: \\\"Hi\\\"\"",
		    "\"text\":\"Bo: \"},{\"image\"", "\"text\":\"b\"", "\"text\":\"d\"" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buffer_fini) struct buffer out = { 0 };
		struct wire_error error = { 0 };

		if (translate(BODY, rows[i].dialect, &out, &error) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s", error.param, error.message);
		for (size_t k = 0; k < ARRAY_SIZE(rows[i].parts); k++) {
			const char *part = rows[i].parts[k];

			if (!memmem(out.data, out.len, part, strlen(part)))
				test_fail(__FILE__, __LINE__, "no %s in %.*s", part, (int)out.len,
					  out.data);
		}
		arena_fini(&arena);
	}
}

/* Where the dialect has names they are there. */
static void kept(void)
{
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_error error = { 0 };

	CHECK_INT(translate(BODY, WIRE_OPENAI_CHAT, &out, &error), 0);
	CHECK(memmem(out.data, out.len, "\"name\":\"Ann\"", 12));
	CHECK(!memmem(out.data, out.len, "Ann: ", 5));
	arena_fini(&arena);
}

static void several_assistants(void)
{
	static const char body[] =
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
	    "\"assistant\",\"name\":\"Cy\",\"content\":\"b\"},{\"role\":\"assistant\",\"name\":"
	    "\"Di\",\"content\":\"c\"}]}";
	_cleanup_(buffer_fini) struct buffer out = { 0 };
	struct wire_error error = { 0 };

	CHECK_INT(translate(body, WIRE_ANTHROPIC_MESSAGES, &out, &error), -EINVAL);
	CHECK_STR(error.param, "messages[2].name");
	arena_fini(&arena);
}

int main(void)
{
	arena_init(&arena, NULL);
	test_run("told", told);
	test_run("kept", kept);
	test_run("several-assistants", several_assistants);
	return 0;
}
