/* SPDX-License-Identifier: Apache-2.0 */
/* The listeners' certificates: into force with the snapshot, and told of before they end. One that
 * has ended is refused where it would come into force, and goes on where it is: clients decide. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/exchange.h"

enum {
	DAY_S = 86400,
};

const char *gateway_listener_name(enum gateway_listener listener)
{
	return listener == GATEWAY_API ? "api" : "admin";
}

static const struct conf_tls *conf_of(const struct conf *conf, enum gateway_listener listener)
{
	return listener == GATEWAY_API ? &conf->api_tls : &conf->admin_tls;
}

static enum http_tls_client client_of(const struct conf_tls *conf)
{
	if (!conf->client)
		return conf->client_ca_pem ? HTTP_TLS_CLIENT_REQUIRED : HTTP_TLS_CLIENT_NONE;
	if (strcmp(conf->client, "required") == 0)
		return HTTP_TLS_CLIENT_REQUIRED;
	return strcmp(conf->client, "optional") == 0 ? HTTP_TLS_CLIENT_OPTIONAL
						     : HTTP_TLS_CLIENT_NONE;
}

/* NULL in `ret` for plain HTTP. What is incomplete is conf/'s to refuse. */
static int load(const struct conf *conf, enum gateway_listener listener,
		struct http_tls_tickets *tickets, struct http_tls *before, struct http_tls **ret,
		struct error *error)
{
	const struct conf_tls *tls = conf_of(conf, listener);
	struct http_tls_options options = {
		.name = gateway_listener_name(listener),
		.certificate_pem = tls->certificate_pem,
		.key_pem = tls->key_pem,
		.client_ca_pem = tls->client_ca_pem,
		.client = client_of(tls),
		.only_1_3 = tls->min_version && strcmp(tls->min_version, "1.3") == 0,
		.tickets = tickets,
	};
	const struct {
		const char *option, *file;
		const struct conf_place *place;
	} parts[] = {
		[HTTP_TLS_CERTIFICATE] = { "certificate", tls->certificate,
					   &tls->certificate_place },
		[HTTP_TLS_KEY] = { "key", tls->key, &tls->key_place },
		[HTTP_TLS_CLIENT_CA] = { "client_ca", tls->client_ca, &tls->client_ca_place },
	};
	enum http_tls_part part;
	struct error cause = { 0 };
	int r;

	*ret = NULL;
	if (!tls->certificate_pem || !tls->key_pem ||
	    (options.client != HTTP_TLS_CLIENT_NONE && !tls->client_ca_pem))
		return 0;
	r = http_tls_new(&options, before, ret, &part, &cause);
	if (r < 0)
		return error_set_at(error, r, parts[part].place->file, parts[part].place->line,
				    parts[part].place->column, "\"%s\": %s: %s", parts[part].option,
				    parts[part].file, cause.message);
	return 0;
}

int certificates_load(struct gateway *gateway, struct gateway_snapshot *snapshot,
		      struct error *error)
{
	int r = 0;

	for (int i = 0; i < GATEWAY_LISTENERS && r >= 0; i++)
		r = load(snapshot->conf, (enum gateway_listener)i, gateway->certificates.tickets,
			 gateway->newest ? gateway->newest->tls[i] : NULL, &snapshot->tls[i],
			 error);
	return r;
}

void certificates_check(const struct conf *conf, struct report *report)
{
	struct http_tls_tickets *tickets = NULL;
	struct error error = { 0 };

	if (http_tls_tickets_new(&tickets) < 0)
		return;
	for (int i = 0; i < GATEWAY_LISTENERS; i++) {
		struct http_tls *tls = NULL;
		if (load(conf, (enum gateway_listener)i, tickets, NULL, &tls, &error) < 0)
			conf_report(report, &error);
		http_tls_unref(tls);
	}
	http_tls_tickets_free(tickets);
}

void certificates_note(struct gateway *gateway, const struct gateway_snapshot *snapshot)
{
	for (int i = 0; i < GATEWAY_LISTENERS; i++)
		atomic_store(&gateway->certificates.until_s[i],
			     snapshot->tls[i] ? http_tls_until_s(snapshot->tls[i]) : 0);
}

void certificates_serve(struct gateway_loop *loop)
{
	const struct gateway_snapshot *snapshot = loop->current->snapshot;

	http_server_set_tls(loop->server, &gateway_api_handler, snapshot->tls[GATEWAY_API]);
	http_server_set_tls(loop->server, &gateway_console_handler, snapshot->tls[GATEWAY_ADMIN]);
	http_server_set_proxies(loop->server, &gateway_api_handler, snapshot->trusted,
				snapshot->conf->api_proxy_protocol ? snapshot->trusted_count : 0);
}

int64_t gateway_certificate_until_s(struct gateway *gateway, enum gateway_listener listener)
{
	return atomic_load_explicit(&gateway->certificates.until_s[listener], memory_order_relaxed);
}

static int64_t left_s(int64_t until_s)
{
	return until_s - (int64_t)(clock_real_ns() / NS_PER_S);
}

static void describe(enum gateway_listener listener, int64_t until_s, char *out, size_t size)
{
	long long left = left_s(until_s), days = left / DAY_S;

	if (left <= 0)
		snprintf(out, size, "the certificate of %s.tls has expired",
			 gateway_listener_name(listener));
	else
		snprintf(out, size, "the certificate of %s.tls expires in %lld day%s",
			 gateway_listener_name(listener), days, days == 1 ? "" : "s");
}

bool certificates_near_end(const struct gateway *gateway, char *out, size_t size)
{
	enum gateway_listener first = GATEWAY_LISTENERS;
	int64_t first_s = INT64_MAX;

	for (int i = 0; i < GATEWAY_LISTENERS; i++) {
		int64_t until_s =
		    atomic_load_explicit(&gateway->certificates.until_s[i], memory_order_relaxed);
		if (until_s != 0 && until_s < first_s) {
			first = (enum gateway_listener)i;
			first_s = until_s;
		}
	}
	if (first == GATEWAY_LISTENERS ||
	    left_s(first_s) > (int64_t)GATEWAY_CERTIFICATE_ERROR_DAYS * DAY_S)
		return false;
	describe(first, first_s, out, size);
	return true;
}

void gateway_certificates_tell(struct gateway *gateway, bool all)
{
	uint64_t now_ns = clock_now_ns();
	char text[128];

	for (int i = 0; i < GATEWAY_LISTENERS; i++) {
		enum gateway_listener listener = (enum gateway_listener)i;
		int64_t until_s = gateway_certificate_until_s(gateway, listener);
		uint64_t *next_ns = &gateway->certificates.tell_again_ns[i];

		if (until_s == 0 ||
		    left_s(until_s) > (int64_t)GATEWAY_CERTIFICATE_WARN_DAYS * DAY_S ||
		    (!all && now_ns < *next_ns))
			continue;
		*next_ns = now_ns + DAY_S * NS_PER_S;
		describe(listener, until_s, text, sizeof(text));
		log_write(left_s(until_s) > (int64_t)GATEWAY_CERTIFICATE_ERROR_DAYS * DAY_S
			      ? LOG_LEVEL_WARNING
			      : LOG_LEVEL_ERROR,
			  "%s: renew it and run tidectl reload", text);
	}
}
