/* SPDX-License-Identifier: Apache-2.0 */
/* A load from start to end: main file, inline objects, conf.d, live folder, references. Errors are
 * gathered all the way, and any of them makes the whole load fail. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/zone.h"
#include "conf/gather.h"
#include "conf/resolve.h"
#include "conf/value.h"

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

static struct conf_place place_of(const struct document *document, const char *path)
{
	const config_setting_t *setting = config_lookup(&document->config, path);

	return setting ? document_value_place(document, setting)
		       : (struct conf_place){ .file = document->file };
}

struct listener {
	const char *option, *text;
	struct conf_place place; /* without a line: a default */
};

/* Of all listeners, those of the applications (so many) first. */
static struct listener listener_at(const struct document *document, const struct conf *conf,
				   size_t i, size_t api)
{
	const char *option = i < api ? "api.listen" : "admin.listen";
	const char **texts = i < api ? conf->api_listen : conf->admin_listen;
	const config_setting_t *list = config_lookup(&document->config, option), *element;
	struct listener out = { .option = option, .place.file = document->file };

	i -= i < api ? 0 : api;
	out.text = texts[i];
	element = list ? config_setting_get_elem(list, (unsigned int)i) : NULL;
	if (element)
		out.place = document_value_place(document, element);
	return out;
}

/* Sockets of ours share a port, so the kernel would take both, and each would have some of the
 * other's connections. */
static void check_pair(const struct listener *a, const struct listener *b, struct report *report)
{
	const struct listener *later = a->place.line > 0 ? a : b, *other = later == a ? b : a;
	char where[300] = "the default";

	if (!value_listen_overlap(slice_of(a->text), slice_of(b->text)))
		return;
	if (other->place.line > 0)
		snprintf(where, sizeof(where), "at %s:%u:%u", other->place.file, other->place.line,
			 other->place.column);
	report_at(report, &later->place,
		  "%s %s takes the same connections as %s %s, %s; give each a port of its own",
		  later->option, later->text, other->option, other->text, where);
}

static void check_listeners(const struct conf *conf, const struct document *document,
			    struct report *report)
{
	size_t api = 0, admin = 0;

	for (; conf->api_listen[api]; api++)
		;
	for (; conf->admin_listen[admin]; admin++)
		;
	for (size_t i = 1; i < api + admin; i++) {
		struct listener a = listener_at(document, conf, i, api);
		for (size_t k = 0; k < i; k++) {
			struct listener b = listener_at(document, conf, k, api);
			check_pair(&a, &b, report);
		}
	}
}

static void check_tls(struct conf_tls *tls, const char *name, const struct document *document,
		      struct report *report)
{
	const config_setting_t *group = config_lookup(&document->config, name);
	bool asks = tls->client && strcmp(tls->client, "none") != 0;
	struct conf_place *const places[] = { &tls->certificate_place, &tls->key_place,
					      &tls->client_ca_place };
	static const char *const options[] = { "certificate", "key", "client_ca" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s.%s", name, options[i]);
		*places[i] = place_of(document, path);
	}
	if (!group || config_setting_length(group) == 0)
		return;
	struct conf_place place = document_place(document, group);
	/* What was given and could not be read has been reported. */
	if (places[0]->line == 0 || places[1]->line == 0)
		report_at(report, &place, "%s needs both certificate and key", name);
	if (asks && places[2]->line == 0)
		report_at(report, &place,
			  "%s.client is \"%s\", so client_ca must say whose certificates are good",
			  name, tls->client);
}

/* What no single row can tell. */
static void check_main(struct conf *conf, const struct document *document, struct report *report)
{
	const config_setting_t *limits = config_lookup(&document->config, "limits");
	const config_setting_t *zone_setting = config_lookup(&document->config, "zone");
	struct sockaddr_un socket_address;
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
	check_listeners(conf, document, report);
	if (conf->api_proxy_protocol && (!conf->api_trusted || !conf->api_trusted[0])) {
		place = place_of(document, "api.proxy_protocol");
		report_at(report, &place,
			  "\"proxy_protocol\" is taken from those in api.trusted alone, and there "
			  "are none");
	}
	conf->everywhere_place = place_of(document, "policies_everywhere");
	conf->jwt.place = place_of(document, "jwt");
	if (conf->jwt.given && !conf->jwt.jwks_file && !conf->jwt.jwks_url)
		report_at(report, &conf->jwt.place,
			  "jwt needs \"jwks_file\", \"jwks_url\", or both");
	check_tls(&conf->api_tls, "api.tls", document, report);
	check_tls(&conf->admin_tls, "admin.tls", document, report);
	if (conf->admin_socket && strlen(conf->admin_socket) >= sizeof(socket_address.sun_path)) {
		place = place_of(document, "admin.socket");
		report_at(
		    report, &place,
		    "\"socket\": %s is longer than the %zu bytes that a socket's path may have",
		    conf->admin_socket, sizeof(socket_address.sun_path) - 1);
	}
	conf->prices_place = place_of(document, "prices");
	conf->override_place = place_of(document, "prices_override");
	conf->plugins_place = place_of(document, "plugins.load");
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

struct judge {
	conf_judge_fn fn; /* may be NULL */
	void *data;
};

static int load(const struct gather *gather, const char *main_file,
		const struct conf_overrides *overrides, const struct judge *judge)
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
	if (r == 0 && judge->fn)
		judge->fn(judge->data, &snapshot->conf, gather->report);
	return r;
}

static int load_snapshot(const char *main_file, const struct conf_overrides *overrides,
			 const struct judge *judge, struct conf **ret, struct report *report)
{
	_cleanup_(cleanup_snapshot_unref) struct snapshot *snapshot = snapshot_new();
	_cleanup_(objects_fini) struct objects objects = { 0 };
	struct gather gather = { snapshot, &objects, report };

	if (!snapshot)
		return report_no_memory(report);
	load(&gather, main_file, overrides, judge);
	if (report->code < 0)
		return report->code;
	*ret = &steal(snapshot)->conf;
	return 0;
}

/* Trees and texts of a large configuration are many times the snapshot's size, in small pieces
 * between its own: without the trim they would stay with the process. */
static int load_reported(const char *main_file, const struct conf_overrides *overrides,
			 const struct judge *judge, struct conf **ret, struct error *error,
			 struct buffer *errors)
{
	struct report report = { .first = error, .all = errors != NULL };
	int r = load_snapshot(main_file, overrides, judge, ret, &report);

	if (errors)
		report_write(&report, errors);
	report_fini(&report);
	malloc_trim(0);
	return r;
}

int conf_load(const char *main_file, const struct conf_overrides *overrides, struct conf **ret,
	      struct error *error, struct buffer *errors)
{
	struct judge judge = { 0 };

	return load_reported(main_file, overrides, &judge, ret, error, errors);
}

int conf_check(const char *main_file, const struct conf_overrides *overrides, conf_judge_fn fn,
	       void *data, struct conf **ret, struct buffer *errors)
{
	struct judge judge = { fn, data };

	return load_reported(main_file, overrides, &judge, ret, NULL, errors);
}

void conf_report(struct report *report, const struct error *error)
{
	report_error(report, -EINVAL, error);
}
