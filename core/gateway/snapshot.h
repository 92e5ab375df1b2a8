/* SPDX-License-Identifier: Apache-2.0 */
/* What one configuration means to requests. Private to the gateway. */
#pragma once

#include <stdatomic.h>

#include "base/map.h"
#include "gateway/certificates.h"
#include "gateway/gateway.h"
#include "gateway/hush.h"
#include "gateway/issuer.h"
#include "gateway/own-headers.h"
#include "gateway/policies.h"
#include "gateway/probe.h"
#include "gateway/registry-objects.h"
#include "gateway/runs.h"
#include "gateway/standing.h"
#include "upstream/upstream.h"

/* ---- long-lived: one per provider object, kept by reloads that do not change the object ---- */

struct gateway_provider {
	struct registry_object object; /* first: it is kept in the registry */
	struct slice name;
	struct plugin_provider *plugin;
	struct upstream_origin *origin; /* NULL: answers in process */
	uint64_t first_content_ns, answer_ns, between_ns, total_ns;
	bool drains; /* answers whose client left, as far as the two limits let it */
	uint64_t drain_ns, drain_bytes;
	uint32_t quirks; /* enum wire_quirk */
	struct own_headers headers;
	struct hush hush;
	struct slice key_name; /* of its secret: which one, never what it is; empty for none */
	uint32_t health_ms;    /* 0: it is not probed */
	bool discovers;
	struct probe probe; /* of the first loop */
	struct standing *standing;
	struct trouble trouble;
};

/* ---- immutable: what one configuration means to requests ---- */

struct gateway_target {
	struct gateway_provider *provider;
	struct slice upstream_model;
	struct ledger_price price;
	bool own_price;     /* it is the model object's */
	int64_t max_output; /* assumed where the client names no cap */
};

struct gateway_route {
	struct slice name;
	struct gateway_target *targets;
	size_t target_count;
	bool is_model;               /* of that name, which no route has */
	struct policy_list policies; /* all that decide about its requests */
};

struct gateway_snapshot {
	_Atomic uint32_t refs;
	struct gateway_snapshot *next; /* in the graveyard */
	struct conf *conf;
	struct ledger_books books;
	struct keys_entry *key_entries;
	struct keys_table *keys;
	struct map providers; /* name → gateway_provider, held in the registry */
	struct map tenants;   /* name → gateway_tenant, likewise */
	struct map policies;  /* name → gateway_policy, likewise */
	struct policy_list everywhere;
	struct policy_list watchers; /* that are told of events */
	struct map routes;           /* a client's model → gateway_route: routes, then models */
	struct http_tls *tls[GATEWAY_LISTENERS]; /* NULL: plain HTTP */
	const struct network *trusted;           /* before the applications' listener */
	size_t trusted_count;
	struct run_sources runs;
	struct issuer *issuer; /* of tokens of end users, held in the registry; NULL: none */
	const struct slice *drop_tools; /* whose offer is left out in translation */
	size_t drop_tool_count;
	struct arena arena;
	const struct gateway_route **listed; /* the routes, then the models, each by name */
	size_t listed_count;
};

int gateway_snapshot_new(struct gateway *gateway, struct conf *conf,
			 const struct ledger_books *books, struct gateway_snapshot **ret,
			 struct error *error);
void gateway_snapshot_destroy(struct gateway_snapshot *snapshot);
/* Fills a target for a provider's model outside any route. */
void gateway_snapshot_price(const struct gateway_snapshot *snapshot,
			    const struct conf_provider *provider, const struct conf_model *model,
			    struct slice upstream_model, struct ledger_price *ret);
/* The books' price of a service tier, at a time. */
void gateway_snapshot_tier_price(const struct gateway_snapshot *snapshot,
				 const struct conf_provider *provider, struct slice upstream_model,
				 struct slice service_tier, int64_t utc_s,
				 struct ledger_price *ret);
