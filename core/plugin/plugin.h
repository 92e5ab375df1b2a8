/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: find, check, load, inspect, and the instances made of them. Only this folder knows
 * dlopen. A plugin that is refused is refused with a reason and never half loaded. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "conf/conf.h"

#include <tidegate/policy.h>
#include <tidegate/provider.h>

struct plugin_set; /* the plugins of one process, loaded once at start, never unloaded while it runs
		    */

/* Loads folder/STEM.so for each entry of the NULL-terminated list, "STEM" or "STEM sha256=HEX".
 * `require_root` asks that file and folder are owned by root and writable by nobody else. */
int plugin_set_load(const char *folder, const char *const *entries, bool require_root,
		    struct plugin_set **ret, struct error *error);
struct plugin_set *plugin_set_free(struct plugin_set *set);
const struct tide_plugin *plugin_set_find(const struct plugin_set *set, const char *name);
size_t plugin_set_count(const struct plugin_set *set);
/* What there is to tell of one; the set's. */
struct plugin_facts {
	const struct tide_plugin *plugin;
	char *file;
	char sha256[SHA256_HEX_SIZE]; /* of the bytes that were loaded */
};
const struct plugin_facts *plugin_set_at(const struct plugin_set *set, size_t index);

/* The main file, which names what is to be loaded: root's, and writable by nobody else; or -EPERM.
 */
int plugin_check_main_file(const char *path, struct error *error);

/* Describes a plugin file without trusting it: it is loaded in a child process of no privileges.
 * Human text, or a JSON object with `json`. */
int plugin_inspect(const char *path, bool json, struct buffer *out, struct error *error);

/* One configured provider: refcounted [any]; the last unref calls destroy(). */
struct plugin_provider {
	const char *name;
	const struct tide_plugin *plugin;
	const struct tide_provider_operations
	    *operations; /* clamped by size: absent ones are NULL */
	void *state;
	uint32_t dialects; /* that this one takes: bit 1 << enum tide_dialect */
	bool probes;       /* there is a request that tells whether its upstream is there */
	struct tide_http_request probe;
};

/* What the gateway lets plugins do. */
struct plugin_services {
	const struct tide_call_services *calls;
	void *(*call_alloc)(struct tide_call *call, uint64_t size);
	const struct tide_request_services *requests;
};

/* Checks the object's options against the plugin's rows (errors have file, line and column) and
 * creates. */
int plugin_provider_new(const struct plugin_set *set, const struct conf_provider *conf,
			const struct plugin_services *services, struct plugin_provider **ret,
			struct error *error);
struct plugin_provider *plugin_provider_ref(struct plugin_provider *provider);
struct plugin_provider *plugin_provider_unref(struct plugin_provider *provider);

/* One configured policy, likewise. */
struct plugin_policy {
	const char *name;
	const struct tide_plugin *plugin;
	const struct tide_policy_operations *operations; /* clamped by size */
	void *state;
};

int plugin_policy_new(const struct plugin_set *set, const struct conf_policy *conf,
		      const struct plugin_services *services, struct plugin_policy **ret,
		      struct error *error);
struct plugin_policy *plugin_policy_free(struct plugin_policy *policy);
