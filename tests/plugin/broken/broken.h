/* SPDX-License-Identifier: Apache-2.0 */
/* A sound provider, of which each file of this folder spoils one thing. */
#pragma once

#include <errno.h>

#include <tidegate/provider.h>

__attribute__((unused)) static int32_t create(const struct tide_host *host,
					      struct tide_instance *instance, void **ret_state,
					      char *error, uint64_t error_size)
{
	*ret_state = (void *)host;
	return 0;
}

__attribute__((unused)) static void destroy(void *state)
{
}

__attribute__((unused)) static int32_t start(void *state, struct tide_call *call,
					     void **ret_call_state)
{
	return -EIO;
}

#define SOUND_OPERATIONS                                                                  \
	.size = sizeof(struct tide_provider_operations),                                  \
	.dialects = 1u << TIDE_DIALECT_OPENAI_CHAT, .create = create, .destroy = destroy, \
	.start = start

#define SOUND_PLUGIN                                                                 \
	.size = sizeof(struct tide_plugin), .abi_major = TIDE_ABI_MAJOR,             \
	.abi_minor = TIDE_ABI_MINOR, .kind = TIDE_KIND_PROVIDER,                     \
	.option_size = sizeof(struct tide_option), .name = "broken", .version = "1", \
	.summary = "Spoilt on purpose", .operations = &operations

/* The arguments override members of the sound one. */
#define OPERATIONS(...) \
	static const struct tide_provider_operations operations = { SOUND_OPERATIONS, __VA_ARGS__ }
#define PLUGIN(...)                                                             \
	static const struct tide_plugin plugin = { SOUND_PLUGIN, __VA_ARGS__ }; \
	const struct tide_plugin *tide_plugin(void)                             \
	{                                                                       \
		return &plugin;                                                 \
	}                                                                       \
	struct broken_semicolon
