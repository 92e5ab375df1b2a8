/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the example that example.py has built, and reads its answer. Argument: the folder it is in.
 */
#include "test-plugin-host.h"
#include "wire/wire.h"

static struct plugin_provider *provider;

static void check_answer(const char *body, const char *answer)
{
	struct wire_watch watch;
	struct tide_call call;

	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "anything", body);
	host_run(&call);
	CHECK_INT(call.ending, ENDED);
	CHECK_INT(call.status, 200);
	CHECK_SLICE(buffer_slice(&call.answer), answer);
	wire_watch_init(&watch, WIRE_OPENAI_CHAT, call.info.stream);
	wire_watch_feed(&watch, buffer_slice(&call.answer));
	CHECK(watch.content && watch.terminal);
	host_done(&call);
}

static void answers(void)
{
	check_answer("{}",
		     "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"finish_reason\":"
		     "\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"Come back.\"}}]}");
	check_answer("{\"stream\":true}",
		     "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
		     "\"finish_reason\":\"stop\",\"delta\":{\"role\":\"assistant\",\"content\":"
		     "\"Come back.\"}}]}\n\ndata: [DONE]\n\n");
}

int main(int argc, char **argv)
{
	const struct conf_plugin_option option = { "answer", "Come back.", CONF_TEXT };
	struct conf_provider conf = { .name = "mine",
				      .plugin = "example",
				      .options = { &option, 1 } };
	struct plugin_set *set;

	CHECK_INT(argc, 2);
	set = host_load(argv[1], "provider-example");
	provider = host_provider(set, &conf);
	test_run("answers", answers);
	plugin_provider_unref(provider);
	plugin_set_free(set);
	return 0;
}
