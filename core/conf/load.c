/* SPDX-License-Identifier: Apache-2.0 */
/* A load from start to end: main file, inline objects, conf.d, live folder, references. Errors are
 * gathered all the way, and any of them makes the whole load fail. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>

#include "base/zone.h"
#include "conf/gather.h"
#include "conf/resolve.h"

enum {
	MAIN_FILE_BYTES_MAX = 16777216,
};

static int name_paths(struct snapshot *snapshot, const char *main_file)
{
	const char *slash = strrchr(main_file, '/');
	struct slice folder = slash ? slice_span(main_file, slash) : SLICE(".");

	if (slash == main_file)
		folder = SLICE("/");
	snapshot->conf.main_file = snapshot_text(snapshot, slice_of(main_file));
	snapshot->folder = snapshot_text(snapshot, folder);
	if (!snapshot->conf.main_file || !snapshot->folder)
		return -ENOMEM;
	snapshot->conf.objects_folder = snapshot_path(snapshot, snapshot->folder, SLICE("conf.d"));
	return snapshot->conf.objects_folder ? 0 : -ENOMEM;
}

static int override(struct snapshot *snapshot, const struct conf_overrides *overrides)
{
	if (overrides && overrides->state) {
		snapshot->conf.state = snapshot_text(snapshot, slice_of(overrides->state));
		if (!snapshot->conf.state)
			return -ENOMEM;
	}
	if (overrides && overrides->mount && strcmp(overrides->mount, "none") == 0) {
		snapshot->conf.mount = NULL;
	} else if (overrides && overrides->mount) {
		snapshot->conf.mount = snapshot_text(snapshot, slice_of(overrides->mount));
		if (!snapshot->conf.mount)
			return -ENOMEM;
	}
	return 0;
}

/* What no single row can tell. */
static void check_main(const struct conf *conf, const struct document *document,
		       struct report *report)
{
	const config_setting_t *limits = config_lookup(&document->config, "limits");
	const config_setting_t *zone_setting = config_lookup(&document->config, "zone");
	struct zone *zone = NULL;
	struct conf_place place;

	if (limits && conf->limits.body_budget_bytes < conf->limits.body_bytes) {
		place = document_place(document, limits);
		report_at(report, &place,
			  "body_budget_bytes (%" PRIu64 ") is less than body_bytes (%" PRIu64
			  "): no body of that size could be read; raise it",
			  conf->limits.body_budget_bytes, conf->limits.body_bytes);
	}
	if (zone_setting && conf->zone && zone_new(conf->zone, &zone) < 0) {
		place = document_value_place(document, zone_setting);
		report_at(
		    report, &place,
		    "\"zone\": the system knows no time zone \"%s\"; write an IANA name, as in "
		    "\"Europe/Berlin\"",
		    conf->zone);
	}
	zone_unref(zone);
}

/* The main file's own options and inline objects. */
static int read_main(const struct gather *gather, const struct conf_overrides *overrides)
{
	struct snapshot *snapshot = gather->snapshot;
	_cleanup_(document_fini) struct document document;
	struct reader reader = { snapshot, &document, gather->report };
	int r;

	r = document_read(&document, snapshot->conf.main_file, MAIN_FILE_BYTES_MAX, false,
			  gather->report);
	if (r < 0)
		return r;
	r = read_group(&reader, config_root_setting(&document.config), &options_main,
		       &snapshot->conf);
	if (r == -ENOMEM)
		return r;
	if (override(snapshot, overrides) < 0)
		return report_no_memory(gather->report);
	check_main(&snapshot->conf, &document, gather->report);
	return gather_inline(gather, &document);
}

static int load(const struct gather *gather, const char *main_file,
		const struct conf_overrides *overrides)
{
	struct snapshot *snapshot = gather->snapshot;
	const char *live;
	int r;

	if (name_paths(snapshot, main_file) < 0)
		return report_no_memory(gather->report);
	r = read_main(gather, overrides);
	if (r < 0)
		return r;
	live = snapshot_path(snapshot, snapshot->conf.state, SLICE("conf"));
	if (!live)
		return report_no_memory(gather->report);
	r = gather_folder(gather, snapshot->conf.objects_folder, CONF_OWNER_FILES);
	if (r == 0)
		r = gather_folder(gather, live, CONF_OWNER_LIVE);
	if (r == 0)
		r = resolve(snapshot, gather->objects, gather->report);
	return r;
}

static int load_snapshot(const char *main_file, const struct conf_overrides *overrides,
			 struct conf **ret, struct report *report)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = snapshot_new();
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct gather gather = { snapshot, &objects, report };

	if (!snapshot)
		return report_no_memory(report);
	load(&gather, main_file, overrides);
	if (report->code < 0)
		return report->code;
	*ret = &steal(snapshot)->conf;
	return 0;
}

/* Trees and texts of a large configuration are many times the snapshot's size, in small pieces
 * between its own: without the trim they would stay with the process. */
int conf_load(const char *main_file, const struct conf_overrides *overrides, struct conf **ret,
	      struct error *error, struct buffer *errors)
{
	struct report report = { .first = error, .lines = errors };
	int r = load_snapshot(main_file, overrides, ret, &report);

	malloc_trim(0);
	return r;
}
