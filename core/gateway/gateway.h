/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a request: admit, plan, attempt, relay, settle, one file per stage, one state
 * machine; and the registry of long-lived state that a reload does not touch.
 *
 * Each loop thread owns its exchanges and one reference to the snapshot in force; requests keep the
 * one they began with. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "conf/conf.h"
#include "http/http.h"
#include "keys/keys.h"
#include "ledger/ledger.h"
#include "plugin/plugin.h"

struct gateway;

enum {
	GATEWAY_HISTOGRAM_BUCKETS = 128, /* bucket i holds durations up to gateway_bucket_us(i) */
	GATEWAY_STATE_SIZE = LEDGER_REASON_SIZE + 16,
	GATEWAY_ADDRESS_SIZE = 128,
	GATEWAY_WHY_SIZE = 192,
	GATEWAY_CERTIFICATE_WARN_DAYS = 30, /* before its end: a warning a day */
	GATEWAY_CERTIFICATE_ERROR_DAYS = 7, /* an error a day, and the state is degraded */
};

enum gateway_listener {
	GATEWAY_API,
	GATEWAY_ADMIN,
	GATEWAY_LISTENERS,
};

const char *gateway_listener_name(enum gateway_listener listener); /* "api", "admin" */

/* Sums over all loops since start; a consistent moment per field only. */
struct gateway_counters {
	uint64_t requests_total; /* settled */
	uint64_t requests_by_outcome[LEDGER_CRASHED + 1];
	uint64_t refused_keys_total; /* 401: no row is written for them */
	uint64_t attempts_total, failovers_total;
	uint64_t streams_total;
	uint64_t inflight; /* admitted, not settled */
	uint64_t outdated; /* that began with a configuration before the one in force */
	uint64_t drains;   /* of these, answers that are read on after their client left */
	uint64_t tokens_in_total, tokens_out_total;
	uint64_t policy_failures_total;
	uint64_t usage_anomalies_total;              /* answers whose usage contradicts itself */
	uint64_t latency[GATEWAY_HISTOGRAM_BUCKETS]; /* request duration */
	uint64_t first_content[GATEWAY_HISTOGRAM_BUCKETS]; /* time to first content */
	uint64_t latency_us, first_content_us;             /* sums of what the two counted */
	/* front door and upstream side */
	uint64_t connections_open, connections_total, bad_requests_total, bytes_in_total,
	    bytes_out_total;
	uint64_t departures_total, body_bytes_held;
	uint64_t tls_handshakes_total, tls_resumed_total, tls_failures_total;
	uint64_t upstream_connections_open, upstream_connects_total, upstream_reuses_total;
	uint64_t upstream_failures_total, upstream_stale_retries_total;
};

/* Upper bound of a bucket: quarter powers of two from 16 µs. */
uint64_t gateway_bucket_us(size_t bucket);
/* The first one whose bound is not less, or the last one. */
size_t gateway_bucket_of(uint64_t us);
/* The value below which `ratio` (0…1 in 1/10000) of the counted durations lie; 0 when nothing was
 * counted. Never more than `max_us`, the longest of them, where that is not 0. */
uint64_t gateway_histogram_quantile_us(const uint64_t *buckets, uint32_t per_10000,
				       uint64_t max_us);

struct gateway_options {
	struct ledger *ledger;
	struct keys_console *console;
	const struct keys_pseudonyms *pseudonyms; /* of end users */
	struct plugin_set *plugins;
	uint32_t loops;
	uint32_t descriptors;       /* that the process may have open; 0: no limit */
	const char *console_socket; /* of the page and REST server; NULL: none */
	const char *console_secret; /* per-boot secret that its requests carry in x-tidegate-boot */
	/* The newest /metrics text, copied into `out`; [loop]. */
	void (*metrics)(void *data, struct buffer *out);
	void *metrics_data;
};

int gateway_new(const struct gateway_options *options, struct gateway **ret, struct error *error);
struct gateway *gateway_free(struct gateway *gateway);
/* Of the sessions of all listeners with TLS; the gateway's. [main] */
struct http_tls_tickets *gateway_tickets(struct gateway *gateway);

/* Makes a snapshot of `conf` (takes a reference) and publishes it to all loops: all of it or, with
 * an error, none. Providers whose object did not change keep their instance. [admin thread] */
int gateway_publish(struct gateway *gateway, struct conf *conf, struct error *error);
/* Ends what runs by that key with an error, streams with their dialect's event: when it returns,
 * all loops have. No configuration in force has the key any more. [admin thread] */
void gateway_end_key(struct gateway *gateway, const char *name);
/* Reports all for which gateway_publish would refuse `conf`, for conf_check; objects of plugins are
 * made and destroyed again, in a child where the set has one. `plugins` NULL: of providers only the
 * addresses are looked at. [any] */
void gateway_check(const struct plugin_set *plugins, const struct conf *conf,
		   struct report *report);
/* plugin_trial_run() with the services of a gateway. [main, of a child] */
_Noreturn void gateway_try_plugin(void);
/* The price books in force, as new references. [any] */
struct ledger_books gateway_books(struct gateway *gateway);
/* What a model's own object says, which is above all books. [any] */
void gateway_own_price(const struct conf_price *given, struct ledger_price *ret);
/* Where lists that were imported lie: STATE/prices. */
void gateway_prices_folder(const struct conf *conf, char *ret, size_t size);
/* The configuration in force, as a new reference. [any] */
struct conf *gateway_conf(struct gateway *gateway);

/* Destroys snapshots and provider instances that no request uses any more. [admin thread, now and
 * then] */
void gateway_reap(struct gateway *gateway);

enum gateway_door {
	GATEWAY_DOOR_API,
	GATEWAY_DOOR_ADMIN,
	GATEWAY_DOOR_SOCKET, /* the admin listener's Unix socket */
	GATEWAY_DOOR_COUNT,
};

/* A listening socket, and what it listens on as the configuration says it. */
struct gateway_socket {
	enum gateway_door door;
	int fd;    /* of those inherited -1 once it is taken */
	bool lent; /* a service manager keeps it: no daemon removes its file */
	char address[GATEWAY_ADDRESS_SIZE];
};

/* Opens all listeners of the published configuration for all loops; nobody is served yet. Takes
 * from `inherited` what another process opened for the same door and address; the rest is left
 * there. With `console_later` the doors of the console open in gateway_open_console. [main] */
int gateway_listen(struct gateway *gateway, struct gateway_socket *inherited, size_t count,
		   bool console_later, struct error *error);
/* Those doors, while the loops run: who comes while they are closed waits. [main] */
void gateway_open_console(struct gateway *gateway);
void gateway_close_console(struct gateway *gateway);
/* The sockets of all loops, to be handed to another process; valid until gateway_release or
 * gateway_stop. [main] */
const struct gateway_socket *gateway_sockets(const struct gateway *gateway, size_t *ret_count);
/* Another process accepts on all of them: closes ours, and returns when no loop accepts any more.
 * Connections live on, see http_server_release. [main] */
void gateway_release(struct gateway *gateway);
/* After that: waits until the last connection is gone: true, or for most_ms, or for `enough`.
 * [main] */
bool gateway_outlive(struct gateway *gateway, uint32_t most_ms, bool (*enough)(void *data),
		     void *data);
/* Starts the loop threads, named "loop-N". [main] */
int gateway_start(struct gateway *gateway, struct error *error);
/* Stops accepting and waits up to drain_ms for connections, or until `enough` (may be NULL; asked
 * often) says so; ends the rest with an error event and stops the threads. [main] */
void gateway_stop(struct gateway *gateway, uint32_t drain_ms, bool (*enough)(void *data),
		  void *data);
/* The end of the listener's certificate, Unix time; 0 where it speaks plain HTTP. [any] */
int64_t gateway_certificate_until_s(struct gateway *gateway, enum gateway_listener listener);
/* Logs which certificates end soon; not `all`: those that were last told of a day ago. [admin] */
void gateway_certificates_tell(struct gateway *gateway, bool all);

enum gateway_health {
	GATEWAY_HEALTH_UNKNOWN, /* nobody asks, or nothing is known yet */
	GATEWAY_HEALTH_UP,
	GATEWAY_HEALTH_DOWN,
	GATEWAY_HEALTH_KEY_REFUSED, /* it is there, and does not take our key */
};

const char *gateway_health_name(enum gateway_health health); /* "unknown", "up" … */

/* What is known of a provider since its object is as it is. Times are Unix time; 0 for never. */
struct gateway_standing {
	const char *name;
	enum gateway_health health;               /* as its probe found it; in process: up */
	uint64_t since_ns, probed_ns, latency_us; /* latency: from the probe to its answer's head */
	char why[GATEWAY_WHY_SIZE];               /* it is not up; else empty */
	uint64_t successes_total, failures_total, failures_in_a_row; /* of attempts */
	uint64_t last_success_ns, last_failure_ns;
	char last_error[GATEWAY_WHY_SIZE]; /* of an attempt */
	size_t models;                     /* discovered */
};

/* Of all providers, by name. [any] */
void gateway_standings_each(struct gateway *gateway,
			    void (*fn)(const struct gateway_standing *standing, void *data),
			    void *data);

void gateway_counters_read(struct gateway *gateway, struct gateway_counters *ret); /* [any] */
/* The longest durations since the last call, of what counters that were read before it hold.
 * [ticker] */
void gateway_maxima_take(struct gateway *gateway, uint64_t *ret_latency_us,
			 uint64_t *ret_first_content_us);
/* What readiness says: "ready", or "draining", or a reason that still serves: "degraded: …". [any]
 */
bool gateway_ready(struct gateway *gateway, char *out, size_t size);
