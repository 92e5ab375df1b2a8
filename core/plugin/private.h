/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "plugin/plugin.h"

enum {
	PLUGIN_NAME_MAX = 32,
	PLUGIN_OPTIONS_MAX = 64,
	PLUGIN_METRICS_MAX = 32, /* of an object */
	PLUGIN_ERROR_SIZE = 256,
	PLUGIN_STEM_SIZE = 224,
	PLUGIN_BY_FD_SIZE = 32,
};

#define PLUGIN_BY_FD "/proc/self/fd/%d"

/* An entry of plugins.load. */
struct plugin_want {
	char stem[PLUGIN_STEM_SIZE];
	char sha256[SHA256_HEX_SIZE]; /* lower case; "": not pinned */
};
int plugin_want_parse(const char *entry, struct plugin_want *ret, struct error *error);
int plugin_want_check(const struct plugin_want *want, const char *path, const char *sha256,
		      struct error *error);

/* The folder and file checks, before anything of the file is run; its descriptor. */
int plugin_file_open(const char *folder, const char *path, bool require_root, int *ret,
		     struct error *error);
int plugin_file_hash(int fd, const char *path, char ret[static SHA256_HEX_SIZE],
		     struct error *error);
/* dlopen and tide_plugin(); `path` is only for messages. On success `fd` is to be left open as long
 * as the process lives. */
int plugin_open(int fd, const char *path, const struct tide_plugin **ret, struct error *error);
/* Judges a descriptor: sizes, versions, names, option rows, operations. Pure. */
int plugin_check_descriptor(const char *path, const struct tide_plugin *plugin,
			    struct error *error);

struct plugin_object plugin_object_of_provider(const struct conf_provider *conf);
struct plugin_object plugin_object_of_policy(const struct conf_policy *conf);

struct plugin_module; /* one file of a set: module.h */
/* The one in use, or off. NULL: there is none of that name. [admin] */
struct plugin_module *plugin_set_module(const struct plugin_set *set, const char *name);
/* A set of that one file, which is opened at once. [main, of a child] */
int plugin_set_of_file(int fd, const char *path, struct plugin_set **ret, struct error *error);
/* The one in use, or off. NULL: there is none of that name. [admin] */
struct plugin_module *plugin_set_module(const struct plugin_set *set, const char *name);

/* Options of one object, checked against the rows. */
struct plugin_value {
	const struct tide_option *row;
	char *text;     /* NULL: not given and no default */
	int64_t number; /* integers and booleans */
};

/* A configured object, of whatever kind, as its plugin knows it. */
struct plugin_object {
	uint32_t kind; /* enum tide_kind */
	const char *name, *plugin, *secret;
	const struct conf_plugin_options *options;
	const struct conf_place *place;
	const char *digest; /* of its bytes; NULL: nobody knows */
};

/* `ret` has option_count entries, to be freed by plugin_values_free. */
int plugin_values_read(const struct tide_plugin *plugin, const struct plugin_object *object,
		       struct plugin_value **ret, struct error *error);
void plugin_values_free(struct plugin_value *values, size_t count);

/* What a plugin holds of an object: options, secret, the table of its host. */
struct tide_instance {
	struct plugin_module *module;
	const struct tide_plugin *plugin; /* NULL: it is off */
	const struct plugin_code *code;
	char *name, *secret;
	struct plugin_value *values;
	struct plugin_metrics *metrics; /* the set's */
	struct tide_metric *metric[PLUGIN_METRICS_MAX];
	size_t metric_count;
	struct plugin_work *work; /* NULL once it is closed */
	_Atomic(void *) owner;
	struct tide_host host;
};
struct plugin_pool *plugin_set_pool(struct plugin_set *set);
struct plugin_metrics *plugin_set_metrics(struct plugin_set *set);

/* Finds the object's plugin, checks its options, and fills in what it has of the operations of its
 * kind. -ENOENT, -EINVAL, with the object's place; PLUGIN_OFF: there is nothing to create. */
enum {
	PLUGIN_OFF = 1,
};
int plugin_instance_init(struct tide_instance *instance, const struct plugin_set *set,
			 const struct plugin_object *object, const struct plugin_services *services,
			 void *operations, size_t operations_size, struct error *error);
/* All kinds have the same. */
typedef int32_t (*plugin_create_fn)(const struct tide_host *host, struct tide_instance *instance,
				    void **ret_state, char *error, uint64_t error_size);
/* What it refuses is the object's error, with its words. It is tried in a child before. */
int plugin_instance_create(struct tide_instance *instance, const struct plugin_object *object,
			   plugin_create_fn create, void **ret_state, struct error *error);
/* The same without making one: in a child, or where there is none, here. */
int plugin_instance_check(const struct plugin_set *set, const struct plugin_object *object,
			  const struct plugin_services *services, bool *ret_done,
			  struct error *error);
/* Before destroy(): its work is done or dropped. False: some still runs, so it must not go. */
bool plugin_instance_close(struct tide_instance *instance);
void plugin_instance_fini(struct tide_instance *instance);
