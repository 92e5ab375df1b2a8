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

struct plugin_set; /* the plugins of one process; what was loaded stays mapped while it runs */

/* Loads folder/STEM.so for each entry of the NULL-terminated list, "STEM" or "STEM sha256=HEX".
 * `require_root` asks that file and folder are owned by root and writable by nobody else. */
int plugin_set_load(const char *folder, const char *const *entries, bool require_root,
		    struct plugin_set **ret, struct error *error);
struct plugin_set_options {
	const char *folder;
	const char *const *entries;
	bool require_root;
	const char *crashes;  /* path of their records; NULL: nobody asks */
	uint32_t crashes_max; /* in PLUGIN_CRASHES_WITHIN_S, and it stays off; 0: never */
	/* A program that with PLUGIN_TRIAL_OPTION calls plugin_trial_run(), and nothing else: what
	 * is new is tried there before it runs here. NULL: nothing is. */
	const char *trial;
};
enum {
	PLUGIN_CRASHES_WITHIN_S = 86400,
};
/* The same, but files that crashed too often are not opened: what is made of them is off. */
int plugin_set_open(const struct plugin_set_options *options, struct plugin_set **ret,
		    struct error *error);
#define PLUGIN_TRIAL_OPTION "--try-plugin"
struct plugin_services;
/* [main, of a child] */
_Noreturn void plugin_trial_run(const struct plugin_services *services);
struct plugin_set *plugin_set_free(struct plugin_set *set);
/* NULL: there is none of that name, or it is off. */
const struct tide_plugin *plugin_set_find(const struct plugin_set *set, const char *name);
size_t plugin_set_count(const struct plugin_set *set);
const char *plugin_kind_name(uint32_t kind); /* "provider"; NULL: there is none such */
/* What there is to tell of one; the set's. */
struct plugin_facts {
	const struct tide_plugin *plugin; /* NULL: it is off */
	const char *name;                 /* of one that is off as when it crashed */
	char *file;
	char sha256[SHA256_HEX_SIZE]; /* of the bytes that were loaded */
	uint32_t turn;                /* another one each time that a file is loaded */
	uint32_t crashes;             /* of these bytes, as of the start */
	int64_t crashed_s;            /* the last one, Unix time; 0: never */
	/* As plugin_set_each tells them. */
	uint64_t stalls, stall_ns;
	bool replaced; /* another is in its place, and instances of it still have requests */
};
const struct plugin_facts *plugin_set_at(const struct plugin_set *set, size_t index);
/* Calls `fn` with each, those that are replaced last; they do not change meanwhile. [any] */
void plugin_set_each(struct plugin_set *set,
		     void (*fn)(const struct plugin_facts *facts, void *data), void *data);
/* What an object's instance is made from: the object's bytes and, of those its plugin has had,
 * which are in use. [admin] */
void plugin_set_stamp(const struct plugin_set *set, const char *plugin, const char *digest,
		      char *ret, size_t size);
enum {
	PLUGIN_METRIC_NAME_SIZE = 112, /* "tidegate_plugin_", 32, '_', 48, "_total" */
};
/* A counter or gauge of an object of a plugin. */
struct plugin_metric_facts {
	char *plugin, *object, *name, *help; /* name: as monitoring sees it */
	uint32_t kind;                       /* enum tide_kind of the object */
	bool gauge;
};
/* Those of living instances: a family's one after the other. [any] */
void plugin_set_metrics_each(struct plugin_set *set,
			     void (*fn)(const struct plugin_metric_facts *facts, int64_t value,
					void *data),
			     void *data);
/* A sentence of the first that is off; false where none is. [any] */
bool plugin_set_tell_off(struct plugin_set *set, char *ret, size_t size);
/* Looks at the files anew: another file in the place of one is loaded beside it, and what is made
 * from now on is made of it. `enable`: loads the one of that name, which is off. Refused, with
 * nothing changed: as plugin_set_open does; -ENOENT, -EEXIST for the name. Else plugin_set_settle()
 * must follow. [admin] */
int plugin_set_renew(struct plugin_set *set, const char *const *entries, const char *enable,
		     struct error *error);
/* Keeps what was loaded, and calls `fn` (may be NULL) with each; or goes back to what was before.
 * [admin] */
int plugin_set_settle(struct plugin_set *set, bool keep,
		      void (*fn)(const struct plugin_facts *facts, void *data), void *data,
		      struct error *error);

/* From here on a crash inside a plugin, or its exit(), is told by name in the log, and in the
 * records at `path`, which nobody else writes where `alone` says so. Once a process, before threads
 * start.
 */
int plugin_crashes_watch(const char *path, bool alone, struct error *error);

/* Of one loaded file. [any] */
struct plugin_tally {
	_Atomic uint64_t stalls, stall_ns;
};

/* Whose code: for reports that may come when the object is gone; as long as the set. */
struct plugin_code {
	const char *plugin, *object; /* "": of none */
	const char *sha256;
	struct plugin_tally *tally;
};

/* Around each operation, timer or other call of a plugin's code, on the thread that makes it; they
 * may lie within each other. `operation` is constant. [any] */
void plugin_enter(const struct plugin_code *code, const char *operation);
void plugin_leave(void);
/* The same, where a loop waits for it. */
void plugin_enter_on_loop(const struct plugin_code *code, const char *operation);

enum {
	PLUGIN_STALL_MS = 50,
};
/* An operation that a loop has waited for as long at least. */
struct plugin_stall {
	const struct plugin_code *code;
	const char *operation;
	uint64_t ms; /* until now, or in all; up to a tick of the kernel less than it was */
	bool over;   /* it has returned */
};
typedef void (*plugin_stall_fn)(const struct plugin_stall *stall, void *data);
/* What is new since the last look: each once while it stalls, and once when it is over. Of those
 * that end between two looks only the last of a loop. [one thread] */
void plugin_stalls_look(plugin_stall_fn fn, void *data);

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
	bool off; /* its plugin crashed too often, and `plugin` is NULL: it is not to be called */
	const struct plugin_code *code;
	bool probes; /* there is a request that tells whether its upstream is there */
	struct tide_http_request probe;
};

/* What the gateway lets plugins do. */
struct plugin_services {
	const struct tide_call_services *calls;
	void *(*call_alloc)(struct tide_call *call, uint64_t size);
	const struct tide_request_services *requests;
	const struct tide_outgoing_services *outgoing;
};

/* Checks the object's options against the plugin's rows (errors have file, line and column) and
 * creates. */
int plugin_provider_new(const struct plugin_set *set, const struct conf_provider *conf,
			const struct plugin_services *services, struct plugin_provider **ret,
			struct error *error);
/* Whether that would do, without making one that stays: all that create() does is done in a child,
 * where the set has a program for it. */
int plugin_provider_check(const struct plugin_set *set, const struct conf_provider *conf,
			  const struct plugin_services *services, struct error *error);
/* Tries all new objects of a configuration, those of a plugin in one child, so that each need not
 * be tried when it is made or checked; what does not do is found then. [admin] */
void plugin_set_try(const struct plugin_set *set, const struct conf *conf);
struct plugin_provider *plugin_provider_ref(struct plugin_provider *provider);
struct plugin_provider *plugin_provider_unref(struct plugin_provider *provider);

/* One configured policy, likewise. */
struct plugin_policy {
	const char *name;
	const struct tide_plugin *plugin;
	const struct tide_policy_operations *operations; /* clamped by size */
	void *state;
	bool off; /* as a provider */
	const struct plugin_code *code;
};

int plugin_policy_new(const struct plugin_set *set, const struct conf_policy *conf,
		      const struct plugin_services *services, struct plugin_policy **ret,
		      struct error *error);
int plugin_policy_check(const struct plugin_set *set, const struct conf_policy *conf,
			const struct plugin_services *services, struct error *error);
struct plugin_policy *plugin_policy_free(struct plugin_policy *policy);
/* Whose the instance is, for services that know it by its handle alone. NULL: nobody's yet. [any]
 */
void plugin_policy_own(struct plugin_policy *policy, void *owner);
void *plugin_instance_owner(struct tide_instance *instance);
