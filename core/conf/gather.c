/* SPDX-License-Identifier: Apache-2.0 */
/* Finds objects. What people's editors leave in a folder is passed over; any other stray name is an
 * error, because a file that is silently not read is the typo that costs a night. */
#include "conf/gather.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "base/file.h"
#include "conf/value.h"

static void check_owner(const struct gather *gather, const struct object *object)
{
	const struct conf *conf = &gather->snapshot->conf;
	enum conf_owner owner = conf->owners[object->kind];
	const char *kind = conf_kind_name(object->kind);

	if (owner == object->owner)
		return;
	if (owner == CONF_OWNER_LIVE)
		report_at(gather->report, &object->place,
			  "%s objects are owned by \"live\" (%s/conf/%s), and this is a place of "
			  "\"files\"; move it there, or set owners.%s = \"files\"",
			  kind, conf->state, kind, kind);
	else
		report_at(
		    gather->report, &object->place,
		    "%s objects are owned by \"files\" (%s/%s and the main file), and this is "
		    "a place of \"live\"; move it there, or set owners.%s = \"live\"",
		    kind, conf->objects_folder, kind, kind);
}

/* Reads `group` into an object and keeps it if it has a name. */
static int take(const struct gather *gather, const struct document *document,
		const config_setting_t *group, struct object *object)
{
	struct reader reader = { gather->snapshot, document, gather->report };
	const char *given = object->name, *complaint;
	size_t errors = gather->report->count;
	int r;

	object->place = document_place(document, group);
	r = read_group(&reader, group, options_of_kind(object->kind), object);
	if (r == -ENOMEM)
		return r;
	if (given && strcmp(given, object->name) != 0) {
		report_at(gather->report, &object->place,
			  "the name \"%s\" differs from the file's, \"%s\"; remove the line",
			  object->name, given);
		object->name = given;
	}
	if (!object->name)
		return 0;
	complaint = conf_check_name(object->kind, slice_of(object->name));
	if (complaint)
		report_at(gather->report, &object->place, "the name %s", complaint);
	check_owner(gather, object);
	object->broken = gather->report->count > errors;
	if (objects_add(gather->objects, object) < 0)
		return report_no_memory(gather->report);
	return 0;
}

static int take_list(const struct gather *gather, const struct document *document,
		     const config_setting_t *list, enum conf_kind kind)
{
	struct conf_place place = document_value_place(document, list);
	int count = config_setting_length(list), r = 0;

	if (!config_setting_is_list(list) && !(config_setting_is_array(list) && count == 0)) {
		report_at(gather->report, &place,
			  "\"%s\" must be a list of groups, ( { … }, { … } )",
			  config_setting_name(list));
		return 0;
	}
	for (int i = 0; i < count && r == 0; i++) {
		const config_setting_t *group = config_setting_get_elem(list, (unsigned int)i);
		struct object object = { .kind = kind, .owner = CONF_OWNER_FILES };

		place = document_value_place(document, group);
		if (config_setting_is_group(group))
			r = take(gather, document, group, &object);
		else
			report_at(gather->report, &place, "a %s is written as a group, { … }",
				  conf_kind_name(kind));
	}
	return r;
}

int gather_inline(const struct gather *gather, const struct document *document)
{
	const config_setting_t *root = config_root_setting(&document->config);
	int r = 0;

	for (size_t i = 0; i < options_main.count && r == 0; i++) {
		const struct option *option = &options_main.rows[i];
		const config_setting_t *list;

		if (option->type != OPTION_OBJECTS)
			continue;
		list = config_setting_get_member(root, option->name);
		if (list)
			r = take_list(gather, document, list, option->kind);
	}
	return r;
}

static int take_document(const struct gather *gather, const struct document *document,
			 struct object *object)
{
	const config_setting_t *group =
	    config_setting_get_elem(config_root_setting(&document->config), 0);
	struct conf_place place = document_place(document, group);
	const char *kind = conf_kind_name(object->kind);

	if (strcmp(config_setting_name(group), kind) != 0) {
		report_at(gather->report, &place,
			  "this is a file of kind %s: write %s: { … }; instead of %.64s", kind,
			  kind, config_setting_name(group));
		return 0;
	}
	return take(gather, document, group, object);
}

/* Broken as a whole, and yet known by its name. */
static int keep_name(const struct gather *gather, struct object *object)
{
	object->broken = true;
	return objects_add(gather->objects, object) < 0 ? report_no_memory(gather->report) : 0;
}

int gather_text(const struct gather *gather, enum conf_kind kind, const char *name,
		const char *file, struct slice text, enum conf_owner owner)
{
	struct object object = { .kind = kind, .owner = owner, .name = name, .place.file = file };
	_cleanup_(document_fini) struct document document;
	int r;

	r = document_parse(&document, file, text, true, gather->report);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? keep_name(gather, &object) : take_document(gather, &document, &object);
}

static int take_file(const struct gather *gather, const char *file, struct object *object)
{
	_cleanup_(document_fini) struct document document;
	int r;

	object->place.file = file;
	r = document_read(&document, file, OBJECT_FILE_BYTES_MAX, true, gather->report);
	if (r == -ENOMEM)
		return r;
	return r < 0 ? keep_name(gather, object) : take_document(gather, &document, object);
}

static bool ends(struct slice text, struct slice end)
{
	return text.len >= end.len && slice_eq(slice_skip(text, text.len - end.len), end);
}

/* Left by editors and tools, or put there to be hidden. */
static bool passed_over(struct slice file)
{
	return file.ptr[0] == '.' || ends(file, SLICE("~")) || ends(file, SLICE(".swp")) ||
	       ends(file, SLICE(".tmp"));
}

/* Names and file names are one to one, so there is one right way to write each. */
static void bad_file_name(const struct gather *gather, const struct conf_place *place,
			  struct slice stem)
{
	_cleanup_(buffer_fini) struct buffer right = { 0 };

	if (memchr(stem.ptr, '%', stem.len)) {
		report_at(
		    gather->report, place,
		    "bad percent-encoding in the file's name; %%XX, in upper case, stands for "
		    "what is not A-Z a-z 0-9 . _ @ : + -");
		return;
	}
	file_name_encode(stem, &right);
	report_at(gather->report, place, "the file's name must be percent-encoded: %.*s.conf",
		  SLICE_ARGS(buffer_slice(&right)));
}

static int take_entry(const struct gather *gather, const char *folder, const char *entry,
		      struct object *object)
{
	const char *path = snapshot_path(gather->snapshot, folder, slice_of(entry));
	struct slice stem = slice_of(entry);
	_cleanup_(buffer_fini) struct buffer name = { 0 };
	struct conf_place place = { .file = path };
	const char *complaint;

	if (!path)
		return report_no_memory(gather->report);
	if (!ends(stem, SLICE(".conf"))) {
		report_at(gather->report, &place,
			  "object files are named NAME.conf; rename it, or move it out of %s",
			  folder);
		return 0;
	}
	stem.len -= sizeof(".conf") - 1;
	if (file_name_decode(stem, &name) < 0) {
		bad_file_name(gather, &place, stem);
		return 0;
	}
	complaint = conf_check_name(object->kind, buffer_slice(&name));
	if (complaint) {
		report_at(gather->report, &place, "the name %s", complaint);
		return 0;
	}
	object->name = snapshot_text(gather->snapshot, buffer_slice(&name));
	if (!object->name)
		return report_no_memory(gather->report);
	return take_file(gather, path, object);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_passed_over(const struct dirent *entry)
{
	return !passed_over(slice_of(entry->d_name));
}

/* Calls `each` for the entries that count, in the order of their names. */
static int walk(const struct gather *gather, const char *folder,
		int (*each)(const struct gather *gather, const char *folder, const char *entry,
			    struct object *object),
		struct object start)
{
	struct conf_place place = { .file = folder };
	struct dirent **entries;
	int count, r = 0;

	count = scandir(folder, &entries, not_passed_over, by_name);
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0) {
		report_at(gather->report, &place, "cannot read the folder: %s", strerror(errno));
		return 0;
	}
	for (int i = 0; i < count; i++) {
		struct object object = start;
		if (r == 0)
			r = each(gather, folder, entries[i]->d_name, &object);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int take_kind(const struct gather *gather, const char *folder, const char *entry,
		     struct object *object)
{
	const struct option_section *kinds = option_find(&options_main, SLICE("owners"))->section;
	const char *path = snapshot_path(gather->snapshot, folder, slice_of(entry));
	struct conf_place place = { .file = path };
	const struct option *close;

	if (!path)
		return report_no_memory(gather->report);
	if (conf_kind_parse(slice_of(entry), &object->kind) == 0)
		return walk(gather, path, take_entry, *object);
	close = option_suggest(kinds, slice_of(entry));
	if (close)
		report_at(gather->report, &place,
			  "\"%s\" is no kind of object; did you mean \"%s\"?", entry, close->name);
	else
		report_at(gather->report, &place,
			  "\"%s\" is no kind of object; objects stand in provider, model, route, "
			  "tenant and key",
			  entry);
	return 0;
}

int gather_folder(const struct gather *gather, const char *folder, enum conf_owner owner)
{
	return walk(gather, folder, take_kind, (struct object){ .owner = owner });
}

const char *gather_path(struct snapshot *snapshot, const char *folder, enum conf_kind kind,
			struct slice name)
{
	_cleanup_(buffer_fini) struct buffer file = { 0 };

	file_name_encode(name, &file);
	if (file.failed || file.len == 0 || file.len + sizeof(".conf") > NAME_MAX)
		return NULL;
	return arena_printf(&snapshot->arena, "%s/%s/%.*s.conf", folder, conf_kind_name(kind),
			    SLICE_ARGS(buffer_slice(&file)))
	    .ptr;
}
