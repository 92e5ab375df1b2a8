/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that crashes when it is asked for the model "crash", for gateway_loading.py. */
#include <errno.h>
#include <string.h>

#include <tidegate/provider.h>

static const struct tide_host *host;

static int32_t create(const struct tide_host *given, struct tide_instance *instance,
		      void **ret_state, char *error, uint64_t error_size)
{
	host = given;
	*ret_state = instance;
	return 0;
}

static void destroy(void *state)
{
}

static int32_t start(void *state, struct tide_call *call, void **ret_call_state)
{
	static const char said[] =
	    "{\"id\":\"1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\","
	    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"alive\"},"
	    "\"finish_reason\":\"stop\"}]}";
	const struct tide_call_info *info = host->call->info(call);

	if (info->model.len == 5 && memcmp(info->model.ptr, "crash", 5) == 0)
		*(volatile int *)8 = 1;
	host->call->respond(call, 200, (struct tide_slice){ "application/json", 16 }, NULL, 0);
	host->call->data(call, (struct tide_slice){ said, sizeof(said) - 1 });
	host->call->end(call);
	return 0;
}

static const struct tide_provider_operations operations = {
	.size = sizeof(operations),
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT,
	.create = create,
	.destroy = destroy,
	.start = start,
};

static const struct tide_plugin plugin = {
	.size = sizeof(plugin),
	.abi_major = TIDE_ABI_MAJOR,
	.abi_minor = TIDE_ABI_MINOR,
	.kind = TIDE_KIND_PROVIDER,
	.option_size = sizeof(struct tide_option),
	.name = "fragile",
	.version = "1",
	.summary = "Crashes when it is asked to",
	.operations = &operations,
};

const struct tide_plugin *tide_plugin(void)
{
	return &plugin;
}
