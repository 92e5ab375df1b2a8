/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: text in, an immutable, refcounted snapshot out, validated as a whole or not at
 * all. Only this folder knows libconfig. One table of options per kind (options.h) validates, gives
 * defaults, and writes man page and sample.
 *
 * Everything in a snapshot lives as long as the snapshot. [any thread may read; ref and unref are
 * atomic] */
#pragma once

#include "base/error.h"
#include "base/buffer.h"
#include "base/map.h"

enum conf_kind {
	CONF_PROVIDER,
	CONF_MODEL,
	CONF_ROUTE,
	CONF_TENANT,
	CONF_KEY,
	CONF_POLICY,
	CONF_KINDS,
};

enum conf_owner {
	CONF_OWNER_FILES, /* people and configuration management: conf.d beside the main file, or
			     inline in it */
	CONF_OWNER_LIVE,  /* page, REST, command line, mount: STATE/conf */
};

/* Where an object was written, for messages of later stages. */
struct conf_place {
	const char *file;
	uint32_t line, column;
};

/* One line of an object's `options: { … }`, for its plugin's own rows to judge. */
struct conf_plugin_option {
	const char *name, *text; /* canonical: numbers decimal, booleans true/false; no lists */
	enum { CONF_TEXT, CONF_NUMBER, CONF_BOOLEAN } type;
	struct conf_place place;
};

struct conf_plugin_options {
	const struct conf_plugin_option *rows;
	size_t count;
};

struct conf_provider {
	const char *name, *plugin;
	struct conf_place place;
	const char *base_url;             /* NULL where the plugin needs none */
	const char *secret, *secret_name; /* "file:PATH" as written; how rows call it; or NULL */
	const char *secret_text;    /* what it held, without a final newline; never to be shown */
	const char *lane;           /* auto plain curl */
	const char *price_provider; /* id in the price book; default: the plugin's name */
	const char *ca_file, *cert_file, *key_file, *proxy;
	bool allow_private, http2;
	uint32_t connect_ms, first_content_ms, answer_ms, between_ms, total_ms;
	uint32_t connections_max;
	const char *on_client_disconnect; /* cancel drain */
	uint32_t health_ms;               /* 0: never asked */
	bool discover;
	const char **quirks;  /* names of wire/translate.h, NULL-terminated; NULL: none */
	const char **headers; /* "name: value", likewise */
	uint32_t drain_max_ms;
	uint64_t drain_max_bytes;
	struct conf_plugin_options options;
	const char *digest; /* hex SHA-256 of the canonical object: its instance is by that */
	bool broken;        /* has errors: only seen by conf_check's judge */
};

/* Femto-dollars a token; -1: not given (then the price book's). Zero is a price. */
struct conf_price {
	bool given;
	int64_t input_femto, output_femto, cache_read_femto, cache_write_femto,
	    cache_write_1h_femto;
};

struct conf_model {
	const char *name;
	struct conf_place place;
	const struct conf_provider *provider;
	const char *upstream_model;
	uint32_t max_output_tokens; /* cap assumed when the client names none; default 4096 */
	struct conf_price price;
};

/* What decides about requests. */
struct conf_policy {
	const char *name, *plugin, *on_error; /* deny skip */
	struct conf_place place;
	uint32_t deadline_ms, connect_ms; /* deadline: of what it suspends a request for */
	/* As a provider's; base_url: where it may send requests of its own. */
	const char *secret, *secret_text, *base_url, *ca_file, *cert_file, *key_file, *proxy,
	    *digest;
	struct conf_plugin_options options;
	bool allow_private, broken;
};

struct conf_target {
	const struct conf_provider *provider;
	const char *upstream_model;
	const struct conf_model *model; /* NULL for a bare PROVIDER/UPSTREAM_MODEL */
};

struct conf_route {
	const char *name;
	struct conf_place place;
	const struct conf_target *targets;
	size_t target_count;   /* at least one */
	const char **policies; /* names, in order, NULL-terminated; NULL: none */
};

struct conf_tenant {
	const char *name;
	const char *description;
	const char **models; /* patterns, NULL-terminated; NULL: all */
	struct conf_place place;
};

struct conf_key {
	const char *name;
	struct conf_place place;
	const struct conf_tenant *tenant;
	const char *feature;  /* where the request names none; default "-" */
	uint8_t sha256[32];   /* all zero: no text is this key */
	const char *identity; /* "URI:…" and so on, of a client certificate; NULL: none is */
	uint8_t previous_sha256[32]; /* it is this too, before previous_until_s; all zero: none */
	int64_t previous_until_s, expires_s; /* Unix time; 0: not given */
	bool disabled;
	const char **models;    /* patterns, NULL-terminated; NULL: all that the tenant may */
	const char **routes;    /* likewise, of names of routes; NULL: as `models` says */
	const char **user_from; /* sources of its end users, in order, likewise; NULL: none */
	bool user_required, user_pseudonym;
	const char **networks; /* where it may come from, NULL-terminated; NULL: from anywhere */
};

struct conf_limits {
	uint32_t header_bytes, header_ms, body_ms, idle_ms, write_ms, output_bytes, connections,
	    drain_ms, takeover_drain_ms, takeover_wait_ms, keepalive_ms;
	uint64_t body_bytes, body_budget_bytes;
	uint32_t line_bytes; /* of a provider's stream */
	uint32_t features;   /* distinct feature names remembered; later ones count as "other" */
	uint32_t responses, responses_days; /* ids that are remembered. Needs a restart. */
	uint32_t inflight; /* requests in flight over all loops; 503 above. Needs a restart. */
};

/* TLS of one listener; certificate_pem NULL: it speaks plain HTTP. */
struct conf_tls {
	const char *certificate, *certificate_pem; /* as written, and what the file held */
	const char *key, *key_pem;                 /* never to be shown */
	const char *client_ca, *client_ca_pem;
	const char *client;      /* none optional required; NULL: as client_ca says */
	const char *min_version; /* 1.2 1.3 */
	struct conf_place certificate_place, key_place, client_ca_place;
};

/* Whose tokens name end users; jwks_file or jwks_url is given, or both. */
struct conf_jwt {
	bool given;
	const char *issuer, *audience, *claim; /* audience NULL: any */
	const char *jwks_file, *jwks_text;     /* as written, and what it held */
	const char *jwks_url, *ca_file;
	bool allow_private;
	uint32_t leeway_s, refresh_s;
	struct conf_place place;
};

struct conf {
	/* main file; fields marked R need a restart: a reload that changes them is refused with a
	 * message */
	const char *main_file, *objects_folder;
	const char **api_listen, **admin_listen; /* R; NULL-terminated */
	const char **api_trusted; /* addresses and networks, NULL-terminated; NULL: none */
	bool api_proxy_protocol;
	const char **drop_tools;                  /* types, NULL-terminated */
	const char **policies_everywhere;         /* names, in order, NULL-terminated; NULL: none */
	const char **run_headers, **run_baggage;  /* names, NULL-terminated */
	const char *admin_socket;                 /* R; NULL: none */
	const char *state, *mount;                /* R; mount NULL: none */
	const char *prices_override, *prices_key; /* NULL: none */
	const char *zone, *prices_file, *log_level; /* zone is R */
	const char *plugin_folder;                  /* R */
	const char **plugin_load;                   /* file stems, NULL-terminated */
	uint32_t plugin_crashes_max;                /* R; in a day, and one stays off; 0: never */
	struct conf_tls api_tls, admin_tls;
	struct conf_jwt jwt;
	bool metrics_open, core_dumps; /* core_dumps is R */
	uint32_t commit_ms;   /* ledger: rows wait at most this long for their commit; default 50 */
	uint32_t retain_days; /* R; logs and ledger segments; default 400 */
	uint32_t retain_sums_days; /* R; the ledger's sums; default 1100 */
	uint64_t retain_bytes;     /* R; of all of them; 0: no limit */
	enum conf_owner owners[CONF_KINDS];
	struct conf_limits limits;

	const struct conf_provider *providers;
	const struct conf_model *models;
	const struct conf_route *routes;
	const struct conf_tenant *tenants;
	const struct conf_key *keys;
	const struct conf_policy *policies;
	size_t provider_count, model_count, route_count, tenant_count, key_count, policy_count;
	uint64_t generation; /* set by the loader's caller; 0 before */
	/* Where they are given, or the main file alone. */
	struct conf_place prices_place, override_place, plugins_place;
	struct conf_place everywhere_place;
};

/* What the command line overrides; NULL where not given. */
struct conf_overrides {
	const char *state, *mount;
};

/* Reads the main file, conf.d and the live folder. 0, or -EINVAL / -ENOENT / -EACCES… with the
 * first error; with `errors` not NULL every error found, one line each "FILE:LINE:COLUMN: message",
 * up to 100. */
int conf_load(const char *main_file, const struct conf_overrides *overrides, struct conf **ret,
	      struct error *error, struct buffer *errors);

struct report; /* the errors of one check */
/* Told of a configuration what conf/ cannot know, by conf_report. The text may have errors: only
 * the main file's own options and unbroken providers are to be looked at. */
typedef void (*conf_judge_fn)(void *data, const struct conf *conf, struct report *report);
void conf_report(struct report *report, const struct error *error);
/* As conf_load, for every error: those of conf/ and of the judge, as lines in the order of their
 * places. */
int conf_check(const char *main_file, const struct conf_overrides *overrides, conf_judge_fn judge,
	       void *data, struct conf **ret, struct buffer *errors);

struct conf *conf_ref(struct conf *conf);
struct conf *conf_unref(struct conf *conf);

const struct conf_provider *conf_find_provider(const struct conf *conf, struct slice name);
const struct conf_model *conf_find_model(const struct conf *conf, struct slice name);
const struct conf_route *conf_find_route(const struct conf *conf, struct slice name);
const struct conf_tenant *conf_find_tenant(const struct conf *conf, struct slice name);
const struct conf_key *conf_find_key(const struct conf *conf, struct slice name);
const struct conf_policy *conf_find_policy(const struct conf *conf, struct slice name);

/* Fields marked R that differ, as an error naming the first; 0 when `next` may follow `now` without
 * a restart. */
int conf_check_reload(const struct conf *now, const struct conf *next, struct error *error);

/* What is wrong with the name of such an object, or with a feature, as the end of a sentence: "must
 * not contain …"; NULL if nothing is. Only names that clients ask for, those of models and routes,
 * may hold a slash, for the names that vendors give do. */
const char *conf_check_name(enum conf_kind kind, struct slice name);
const char *conf_check_feature(struct slice feature);
const char *conf_check_source(struct slice source); /* of end users; likewise */

const char *conf_kind_name(enum conf_kind kind); /* "provider" … */
int conf_kind_parse(struct slice name, enum conf_kind *ret);
const char *conf_owner_name(enum conf_owner owner);

/* Writes one live object, `text` being `KIND: { … };`: checks all that is in force with it, writes
 * durably, and returns the new snapshot, made from `now`: edits in files that were not reloaded are
 * neither read nor applied. -EROFS with a message naming the file when the kind is owned by files,
 * -EINVAL when anything is wrong, -EFBIG over 1 MiB; then nothing has changed. [admin thread] */
int conf_live_write(const struct conf *now, enum conf_kind kind, struct slice name,
		    struct slice text, struct conf **ret, struct error *error);
/* The same of several objects: all of them, or none. Of more than one, those alone that are new. */
struct conf_text {
	struct slice name, text;
};
int conf_live_write_all(const struct conf *now, enum conf_kind kind, const struct conf_text *texts,
			size_t count, struct conf **ret, struct error *error);
/* Removes the files of those that `now` has by them, and that did not come into force. */
void conf_live_take_back(const struct conf *now, enum conf_kind kind, const struct conf_text *texts,
			 size_t count);
/* -ENOENT, -EROFS, or -EBUSY where others refer to it, naming one. */
int conf_live_remove(const struct conf *now, enum conf_kind kind, struct slice name,
		     struct conf **ret, struct error *error);

/* The same without these keys, names that end in NUL each, as far as it has them; nothing on disk
 * changes. Where they are other daemons' to write. */
int conf_without_keys(const struct conf *now, struct slice names, struct conf **ret,
		      struct error *error);

/* Removes what a crash inside conf_live_write() has left in STATE/conf. [main, at start] */
void conf_live_sweep(const struct conf *conf);

/* The key as the text of an object for conf_live_write, without its name. */
void conf_write_key(const struct conf_key *key, struct buffer *out);

enum conf_verdict {
	CONF_COMPLETE,   /* may be written; conf_live_write still checks what it says */
	CONF_INCOMPLETE, /* more text could make it complete */
	CONF_INVALID,    /* no text behind it can */
};

/* Whether `text` is one object, `KIND: { … };`, by its form alone: the verdict for write(2) on an
 * object file. `error` has line, column and message unless it is complete. [any] */
enum conf_verdict conf_judge(struct slice text, struct error *error);
/* Appends `text` as a quoted string that reads back as the same bytes, for texts given to
 * conf_live_write. Text must be valid UTF-8 without NUL. */
void conf_append_string(struct buffer *out, struct slice text);

/* The option tables as the body of tidegate.conf(5) in man(7) format, and as a commented sample. */
void conf_write_manual(struct buffer *out);
void conf_write_sample(struct buffer *out);
