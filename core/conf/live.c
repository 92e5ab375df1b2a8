/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of live objects: checked against all of the configuration in force, then on disk, then a
 * new snapshot. In any other order a crash could leave on disk what does not load. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "conf/gather.h"
#include "conf/resolve.h"
#include "conf/value.h"

/* What the objects of all kinds have in front. */
struct seen {
	const char *name;
	struct conf_place place;
};

static bool find(const struct conf *conf, enum conf_kind kind, struct slice name, struct seen *ret)
{
#define FIND(member)                                                                \
	{                                                                           \
		const struct conf_##member *found = conf_find_##member(conf, name); \
		if (!found)                                                         \
			return false;                                               \
		*ret = (struct seen){ found->name, found->place };                  \
		return true;                                                        \
	}
	switch (kind) {
	case CONF_PROVIDER:
		FIND(provider);
	case CONF_MODEL:
		FIND(model);
	case CONF_ROUTE:
		FIND(route);
	case CONF_TENANT:
		FIND(tenant);
	case CONF_KEY:
		FIND(key);
	case CONF_POLICY:
		FIND(policy);
	default:
		return false;
	}
#undef FIND
}

static int check_owned_live(const struct conf *now, enum conf_kind kind, struct slice name,
			    struct error *error)
{
	const char *word = conf_kind_name(kind);
	struct seen seen;

	if (now->owners[kind] == CONF_OWNER_LIVE)
		return 0;
	if (find(now, kind, name, &seen))
		return error_set_at(
		    error, -EROFS, seen.place.file, seen.place.line, seen.place.column,
		    "%s \"%s\" is owned by files; change it there and reload", word, seen.name);
	return error_set(error, -EROFS,
			 "%s objects are owned by files; write %s/%s/NAME.conf and reload, or set "
			 "owners.%s = \"live\"",
			 word, now->objects_folder, word, word);
}

static const char *live_path(struct snapshot *snapshot, enum conf_kind kind, struct slice name)
{
	const char *folder = snapshot_path(snapshot, snapshot->conf.state, SLICE("conf"));

	return folder ? gather_path(snapshot, folder, kind, name) : NULL;
}

static void drop(struct objects *objects, enum conf_kind kind, struct slice name)
{
	size_t kept = 0;

	for (size_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->items[i];
		if (object->kind != kind || !slice_eq_str(name, object->name))
			objects->items[kept++] = *object;
	}
	objects->count = kept;
}

static char *folder_of(const char *path)
{
	return strndup(path, (size_t)(strrchr(path, '/') - path));
}

static int sync_folder(const char *folder)
{
	_cleanup_fd_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* STATE/conf/KIND, whose own entries must be on disk before a file in it can be said to be. */
static int make_folder(const char *folder, const char *state, struct error *error)
{
	_cleanup_free_ char *parent = folder_of(folder);
	int r;

	if (!parent)
		return error_set(error, -ENOMEM, "out of memory");
	if (access(folder, F_OK) == 0)
		return 0;
	r = file_make_folders(folder, 0700, error);
	if (r < 0)
		return r;
	r = sync_folder(parent);
	if (r == 0)
		r = sync_folder(state);
	return r < 0 ? error_set_at(error, r, folder, 0, 0, "cannot sync it: %s", strerror(-r)) : 0;
}

static int write_file(const char *path, const char *state, struct slice text, struct error *error)
{
	_cleanup_free_ char *folder = folder_of(path);
	int r;

	if (!folder)
		return error_set(error, -ENOMEM, "out of memory");
	r = make_folder(folder, state, error);
	return r < 0 ? r : file_write_atomic(path, text, 0600, error);
}

/* Puts one text among the objects, in the place of what has its name. */
static int take_text(const struct gather *gather, const struct conf *now, enum conf_kind kind,
		     const struct conf_text *given, struct file_text *ret, struct error *error)
{
	const char *complaint = conf_check_name(kind, given->name), *path, *copy;
	struct seen seen;

	if (complaint)
		return error_set(error, -EINVAL, "the name %s", complaint);
	if (given->text.len > OBJECT_FILE_BYTES_MAX)
		return error_set(error, -EFBIG, "an object must not be larger than %d bytes",
				 OBJECT_FILE_BYTES_MAX);
	path = live_path(gather->snapshot, kind, given->name);
	copy = snapshot_text(gather->snapshot, given->name);
	if (!path || !copy)
		return error_set(error, -EINVAL, "the name is too long for a file");
	if (find(now, kind, given->name, &seen))
		drop(gather->objects, kind, given->name);
	*ret = (struct file_text){ path, given->text };
	return gather_text(gather, kind, copy, path, given->text, CONF_OWNER_LIVE);
}

static int write_files(const struct file_text *files, size_t count, const char *state,
		       struct error *error)
{
	_cleanup_free_ char *folder = NULL;
	int r;

	if (count == 1)
		return write_file(files[0].path, state, files[0].text, error);
	if (count == 0)
		return 0;
	folder = folder_of(files[0].path);
	if (!folder)
		return error_set(error, -ENOMEM, "out of memory");
	r = make_folder(folder, state, error);
	return r < 0 ? r : file_write_new(files, count, 0600, error);
}

int conf_live_write_all(const struct conf *now, enum conf_kind kind, const struct conf_text *texts,
			size_t count, struct conf **ret, struct error *error)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = NULL;
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct report report = { .first = error };
	struct gather gather = { .objects = &objects, .report = &report };
	struct file_text *files;
	int r;

	r = check_owned_live(now, kind, count > 0 ? texts[0].name : SLICE(""), error);
	if (r < 0)
		return r;
	r = snapshot_copy(now, &snapshot, &objects);
	if (r < 0)
		return error_set(error, r, "out of memory");
	gather.snapshot = snapshot;
	files = snapshot_zalloc(snapshot, count, sizeof(*files));
	if (!files)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count && r == 0; i++)
		r = take_text(&gather, now, kind, &texts[i], &files[i], error);
	if (r == 0 && report.code == 0)
		resolve(snapshot, &objects, &report);
	if (r < 0 || report.code < 0)
		return r < 0 ? r : report.code;
	r = write_files(files, count, now->state, error);
	if (r < 0)
		return r;
	*ret = &steal(snapshot)->conf;
	return 0;
}

int conf_live_write(const struct conf *now, enum conf_kind kind, struct slice name,
		    struct slice text, struct conf **ret, struct error *error)
{
	const struct conf_text one = { name, text };

	return conf_live_write_all(now, kind, &one, 1, ret, error);
}

static bool lists(const char *const *names, struct slice name)
{
	while (names && *names && !slice_eq_str(name, *names))
		names++;
	return names && *names;
}

/* One object that refers to `name` of `kind`: its kind and name, or false. */
static bool referred(const struct conf *conf, enum conf_kind kind, struct slice name,
		     enum conf_kind *ret_kind, const char **ret_name)
{
	for (size_t i = 0; kind == CONF_PROVIDER && i < conf->model_count; i++) {
		if (slice_eq_str(name, conf->models[i].provider->name)) {
			*ret_kind = CONF_MODEL;
			*ret_name = conf->models[i].name;
			return true;
		}
	}
	for (size_t i = 0; kind == CONF_TENANT && i < conf->key_count; i++) {
		if (slice_eq_str(name, conf->keys[i].tenant->name)) {
			*ret_kind = CONF_KEY;
			*ret_name = conf->keys[i].name;
			return true;
		}
	}
	for (size_t i = 0; i < conf->route_count; i++) {
		const struct conf_route *route = &conf->routes[i];
		if (kind == CONF_POLICY && lists(route->policies, name)) {
			*ret_kind = CONF_ROUTE;
			*ret_name = route->name;
			return true;
		}
		for (size_t t = 0; t < route->target_count; t++) {
			const struct conf_target *target = &route->targets[t];
			bool hit = kind == CONF_PROVIDER
				       ? slice_eq_str(name, target->provider->name)
				   : kind == CONF_MODEL
				       ? target->model && slice_eq_str(name, target->model->name)
				       : false;
			if (hit) {
				*ret_kind = CONF_ROUTE;
				*ret_name = route->name;
				return true;
			}
		}
	}
	return false;
}

static int remove_file(const char *path, struct error *error)
{
	_cleanup_free_ char *folder = folder_of(path);
	int r = 0;

	if (!folder)
		return error_set(error, -ENOMEM, "out of memory");
	if (unlink(path) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = sync_folder(folder);
	return r < 0 ? error_set_at(error, r, path, 0, 0, "cannot remove it: %s", strerror(-r)) : 0;
}

int conf_live_remove(const struct conf *now, enum conf_kind kind, struct slice name,
		     struct conf **ret, struct error *error)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = NULL;
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct report report = { .first = error };
	enum conf_kind by_kind;
	const char *by_name;
	struct seen seen;
	int r;

	r = check_owned_live(now, kind, name, error);
	if (r < 0)
		return r;
	if (!find(now, kind, name, &seen))
		return error_set(error, -ENOENT, "there is no %s \"%.*s\"", conf_kind_name(kind),
				 SLICE_ARGS(name));
	if (referred(now, kind, name, &by_kind, &by_name))
		return error_set(error, -EBUSY,
				 "%s \"%s\" refers to it; change or remove that first",
				 conf_kind_name(by_kind), by_name);
	r = snapshot_copy(now, &snapshot, &objects);
	if (r < 0)
		return error_set(error, r, "out of memory");
	drop(&objects, kind, name);
	resolve(snapshot, &objects, &report);
	if (report.code < 0)
		return report.code;
	r = remove_file(seen.place.file, error);
	if (r < 0)
		return r;
	*ret = &steal(snapshot)->conf;
	return 0;
}

int conf_without_keys(const struct conf *now, struct slice names, struct conf **ret,
		      struct error *error)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = NULL;
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct report report = { .first = error };
	int r = snapshot_copy(now, &snapshot, &objects);

	if (r < 0)
		return error_set(error, r, "out of memory");
	while (names.len > 0) {
		struct slice name = slice_of(names.ptr);

		drop(&objects, CONF_KEY, name);
		names = slice_skip(names, name.len + 1);
	}
	resolve(snapshot, &objects, &report);
	if (report.code < 0)
		return report.code;
	*ret = &steal(snapshot)->conf;
	return 0;
}

void conf_live_take_back(const struct conf *now, enum conf_kind kind, const struct conf_text *texts,
			 size_t count)
{
	struct seen seen;

	for (size_t i = 0; i < count; i++) {
		if (find(now, kind, texts[i].name, &seen))
			unlink(seen.place.file);
	}
}

void conf_live_sweep(const struct conf *conf)
{
	char folder[PATH_MAX];

	for (int kind = 0; kind < CONF_KINDS; kind++) {
		snprintf(folder, sizeof(folder), "%s/conf/%s", conf->state,
			 conf_kind_name((enum conf_kind)kind));
		file_sweep_temporaries(folder);
	}
}

enum conf_verdict conf_judge(struct slice text, struct error *error)
{
	struct prescan prescan = { 0 };
	enum prescan_verdict verdict = prescan_object(text, &prescan, error);

	prescan_fini(&prescan);
	switch (verdict) {
	case PRESCAN_COMPLETE:
		return CONF_COMPLETE;
	case PRESCAN_INCOMPLETE:
		return CONF_INCOMPLETE;
	default:
		return CONF_INVALID;
	}
}

void conf_append_string(struct buffer *out, struct slice text)
{
	static const char plain[] = "\n\r\t\f\\\"", escaped[] = "nrtf\\\"";

	buffer_append_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		const char *found = c ? strchr(plain, c) : NULL;

		if (found)
			buffer_printf(out, "\\%c", escaped[found - plain]);
		else if ((unsigned char)c < 0x20 || c == 0x7f)
			buffer_printf(out, "\\x%02x", (unsigned char)c);
		else
			buffer_append_char(out, c);
	}
	buffer_append_char(out, '"');
}
