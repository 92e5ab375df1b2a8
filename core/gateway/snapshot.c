/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to what requests look up: keys by hash, routes with their targets and
 * prices, providers. A provider whose object did not change is the same instance as before. */
#include "gateway/exchange.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/policed.h"
#include "gateway/prices.h"
#include "gateway/tenants.h"
#include "gateway/users.h"

static void provider_free(struct gateway_provider *provider)
{
	plugin_provider_unref(provider->plugin);
	upstream_origin_unref(provider->origin);
	own_headers_fini(&provider->headers);
	hush_fini(&provider->hush);
	standing_free(provider->standing);
	free((char *)provider->name.ptr);
	free((char *)provider->key_name.ptr);
	free(provider);
}
CLEANUP_DEFINE(struct gateway_provider, provider_free);
CLEANUP_DEFINE(struct upstream_origin, upstream_origin_unref);

static void provider_destroy(struct registry_object *object)
{
	provider_free(container_of(object, struct gateway_provider, object));
}

static int origin_new(const struct conf_provider *conf, struct upstream_origin **ret,
		      struct error *error)
{
	struct upstream_origin_options options = {
		.base_url = conf->base_url,
		.allow_private = conf->allow_private,
		.ca_file = conf->ca_file,
		.cert_file = conf->cert_file,
		.key_file = conf->key_file,
		.proxy = conf->proxy,
		.http2 = conf->http2,
		.connect_ms = conf->connect_ms,
		.connections_max = conf->connections_max,
	};
	_cleanup_(cleanup_upstream_origin_unref) struct upstream_origin *origin = NULL;
	struct error cause = { 0 };
	int r;

	if (strcmp(conf->lane, "plain") == 0)
		options.lane = UPSTREAM_LANE_PLAIN;
	else if (strcmp(conf->lane, "curl") == 0)
		options.lane = UPSTREAM_LANE_CURL;
	r = upstream_origin_new(&options, &origin, &cause);
	if (r >= 0)
		r = upstream_origin_check_reach(origin, &cause);
	if (r < 0)
		return error_set_at(error, r, conf->place.file, conf->place.line,
				    conf->place.column, "provider %s: %s", conf->name,
				    cause.message);
	*ret = steal(origin);
	return 0;
}

static uint32_t quirks_of(const char *const *names)
{
	uint32_t quirks = 0;

	for (; names && *names; names++)
		quirks |= wire_quirk_find(slice_of(*names));
	return quirks;
}

/* "openai-2" of "file:secrets/openai-2" and of "credential:openai-2", unless it has a name. */
static int name_key(const struct conf_provider *conf, struct slice *ret)
{
	const char *secret = conf->secret, *name = secret ? strrchr(secret, '/') : NULL;

	if (!secret)
		return 0;
	if (!name)
		name = strchr(secret, ':');
	name = strdup(conf->secret_name ? conf->secret_name : name ? name + 1 : secret);
	if (!name)
		return -ENOMEM;
	*ret = slice_of(name);
	return 0;
}

static int provider_new(struct gateway *gateway, const struct conf_provider *conf,
			const char *stamp, struct gateway_provider **ret, struct error *error)
{
	_cleanup_(cleanup_provider_free) struct gateway_provider *provider =
	    calloc(1, sizeof(*provider));
	int r;

	if (!provider)
		return error_set(error, -ENOMEM, "out of memory");
	provider->name = (struct slice){ strdup(conf->name), strlen(conf->name) };
	provider->first_content_ns = conf->first_content_ms * NS_PER_MS;
	provider->answer_ns = conf->answer_ms * NS_PER_MS;
	provider->between_ns = conf->between_ms * NS_PER_MS;
	provider->total_ns = conf->total_ms * NS_PER_MS;
	provider->drains = strcmp(conf->on_client_disconnect, "drain") == 0;
	provider->drain_ns = conf->drain_max_ms * NS_PER_MS;
	provider->drain_bytes = conf->drain_max_bytes;
	provider->health_ms = conf->health_ms;
	provider->discovers = conf->discover;
	provider->standing = standing_new();
	provider->quirks = quirks_of(conf->quirks);
	if (!provider->name.ptr || !provider->standing ||
	    own_headers_init(&provider->headers, conf->headers) < 0 ||
	    hush_init(&provider->hush, conf) < 0 || name_key(conf, &provider->key_name) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (conf->base_url) {
		r = origin_new(conf, &provider->origin, error);
		if (r < 0)
			return r;
	}
	r = plugin_provider_new(gateway->options.plugins, conf, &gateway->plugin_services,
				&provider->plugin, error);
	if (r < 0)
		return r;
	if (provider->plugin->off)
		standing_found(provider->standing, GATEWAY_HEALTH_DOWN, 0,
			       "its plugin is off, since it crashed too often");
	if (registry_add(&gateway->registry, &provider->object, REGISTRY_PROVIDER, conf->name,
			 stamp, provider_destroy) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	*ret = steal(provider);
	return 0;
}

static int provider_check(const struct plugin_set *plugins, const struct conf_provider *conf,
			  struct error *error)
{
	_cleanup_(cleanup_upstream_origin_unref) struct upstream_origin *origin = NULL;
	struct tide_call_services calls;
	const struct plugin_services services = { &calls, services_alloc, &policed_services,
						  &outgoing_services };
	int r = conf->base_url ? origin_new(conf, &origin, error) : 0;

	if (r < 0 || !plugins)
		return r;
	services_init(&calls);
	return plugin_provider_check(plugins, conf, &services, error);
}

void gateway_try_plugin(void)
{
	struct tide_call_services calls;
	const struct plugin_services services = { &calls, services_alloc, &policed_services,
						  &outgoing_services };

	services_init(&calls);
	plugin_trial_run(&services);
}

void gateway_check(const struct plugin_set *plugins, const struct conf *conf, struct report *report)
{
	struct error error = { 0 };

	if (plugins)
		plugin_set_try(plugins, conf);
	prices_check(conf, report);
	policies_check(plugins, conf, report);
	certificates_check(conf, report);
	if (issuer_check(conf, &error) < 0)
		conf_report(report, &error);
	for (size_t i = 0; i < conf->provider_count; i++) {
		if (!conf->providers[i].broken &&
		    provider_check(plugins, &conf->providers[i], &error) < 0)
			conf_report(report, &error);
	}
}

/* The instance there is, or a new one. */
static int provider_get(struct gateway *gateway, const struct conf_provider *conf,
			struct gateway_provider **ret, struct error *error)
{
	struct registry_object *object;
	char stamp[GATEWAY_STAMP_SIZE];

	plugin_set_stamp(gateway->options.plugins, conf->plugin, conf->digest, stamp,
			 sizeof(stamp));
	object = registry_take(&gateway->registry, REGISTRY_PROVIDER, conf->name, stamp);
	if (!object)
		return provider_new(gateway, conf, stamp, ret, error);
	*ret = container_of(object, struct gateway_provider, object);
	return 0;
}

static int add_providers(struct gateway *gateway, struct gateway_snapshot *snapshot,
			 struct error *error)
{
	for (size_t i = 0; i < snapshot->conf->provider_count; i++) {
		const struct conf_provider *conf = &snapshot->conf->providers[i];
		struct gateway_provider *provider = NULL;
		int r = provider_get(gateway, conf, &provider, error);

		if (r < 0)
			return r;
		if (map_put(&snapshot->providers, slice_of(conf->name), provider, NULL) < 0) {
			registry_release(&provider->object);
			return error_set(error, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

void gateway_snapshot_tier_price(const struct gateway_snapshot *snapshot,
				 const struct conf_provider *provider, struct slice upstream_model,
				 struct slice service_tier, int64_t utc_s, struct ledger_price *ret)
{
	*ret = (struct ledger_price){ .until_s = INT64_MAX };
	if (provider)
		ledger_price_find(&snapshot->books,
				  &(struct ledger_wanted){
				      .provider = slice_of(provider->price_provider),
				      .model = upstream_model,
				      .service_tier = service_tier,
				      .utc_s = utc_s,
				  },
				  ret, NULL);
}

void gateway_snapshot_price(const struct gateway_snapshot *snapshot,
			    const struct conf_provider *provider, const struct conf_model *model,
			    struct slice upstream_model, struct ledger_price *ret)
{
	*ret = (struct ledger_price){ .known = false, .until_s = INT64_MAX };
	if (model && model->price.given)
		gateway_own_price(&model->price, ret);
	else
		gateway_snapshot_tier_price(snapshot, provider, upstream_model, SLICE(""),
					    (int64_t)(clock_real_ns() / NS_PER_S), ret);
}

static int add_route(struct gateway_snapshot *snapshot, const char *name, bool is_model,
		     const struct conf_target *targets, size_t count, const char *const *policies,
		     struct error *error)
{
	struct gateway_route *route = arena_zalloc(&snapshot->arena, sizeof(*route));
	struct gateway_target *out = arena_zalloc(&snapshot->arena, count * sizeof(*out));

	if (!route || !out)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		out[i].provider =
		    map_get(&snapshot->providers, slice_of(targets[i].provider->name));
		out[i].upstream_model = slice_of(targets[i].upstream_model);
		out[i].max_output = targets[i].model ? targets[i].model->max_output_tokens : 4096;
		out[i].own_price = targets[i].model && targets[i].model->price.given;
		gateway_snapshot_price(snapshot, targets[i].provider, targets[i].model,
				       out[i].upstream_model, &out[i].price);
	}
	*route = (struct gateway_route){ slice_of(name), out, count, is_model, { 0 } };
	if (policies_of_route(snapshot, policies, &route->policies) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (map_get(&snapshot->routes, route->name))
		return 0; /* a route of that name comes before a model */
	if (map_put(&snapshot->routes, route->name, route, NULL) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	snapshot->listed[snapshot->listed_count++] = route;
	return 0;
}

static int add_routes(struct gateway_snapshot *snapshot, struct error *error)
{
	const struct conf *conf = snapshot->conf;
	int r = 0;

	snapshot->listed =
	    arena_alloc(&snapshot->arena, (conf->route_count + conf->model_count + 1) *
					      sizeof(const struct gateway_route *));
	if (!snapshot->listed)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < conf->route_count && r >= 0; i++)
		r = add_route(snapshot, conf->routes[i].name, false, conf->routes[i].targets,
			      conf->routes[i].target_count, conf->routes[i].policies, error);
	for (size_t i = 0; i < conf->model_count && r >= 0; i++) {
		const struct conf_model *model = &conf->models[i];
		struct conf_target target = { model->provider, model->upstream_model, model };
		r = add_route(snapshot, model->name, true, &target, 1, NULL, error);
	}
	return r;
}

static int add_networks(struct gateway_snapshot *snapshot, const char **texts,
			const struct network **ret, size_t *ret_count, struct error *error)
{
	struct network *networks;
	size_t count = 0;

	while (texts && texts[count])
		count++;
	if (count == 0)
		return 0;
	networks = arena_alloc(&snapshot->arena, count * sizeof(*networks));
	if (!networks)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (network_parse(slice_of(texts[i]), &networks[i]) < 0)
			return error_set(error, -EINVAL, "%s is no network", texts[i]);
	*ret = networks;
	*ret_count = count;
	return 0;
}

static int fill_key(struct gateway_snapshot *snapshot, const struct conf_key *key,
		    struct keys_entry *entry, struct error *error)
{
	*entry = (struct keys_entry){
		.name = key->name,
		.tenant = key->tenant->name,
		.feature = key->feature,
		.identity = key->identity,
		.models = key->models,
		.routes = key->routes,
		.tenant_models = key->tenant->models,
		.data = map_get(&snapshot->tenants, slice_of(key->tenant->name)),
		.previous_until_s = key->previous_until_s,
		.expires_s = key->expires_s,
		.disabled = key->disabled,
	};
	if (key->user_from) {
		entry->users = users_new(&snapshot->arena, key);
		if (!entry->users)
			return error_set(error, -ENOMEM, "out of memory");
	}
	memcpy(entry->sha256, key->sha256, sizeof(entry->sha256));
	memcpy(entry->previous_sha256, key->previous_sha256, sizeof(entry->previous_sha256));
	return add_networks(snapshot, key->networks, &entry->networks, &entry->network_count,
			    error);
}

static int add_keys(struct gateway_snapshot *snapshot, struct error *error)
{
	const struct conf *conf = snapshot->conf;
	struct keys_entry *entries =
	    calloc(conf->key_count ? conf->key_count : 1, sizeof(*entries));

	if (!entries)
		return error_set(error, -ENOMEM, "out of memory");
	snapshot->key_entries = entries;
	for (size_t i = 0; i < conf->key_count; i++) {
		int r = fill_key(snapshot, &conf->keys[i], &entries[i], error);
		if (r < 0)
			return r;
	}
	return keys_table_new(entries, conf->key_count, &snapshot->keys, error);
}

static int add_texts(struct gateway_snapshot *snapshot, const char **texts,
		     const struct slice **ret, size_t *ret_count, struct error *error)
{
	struct slice *slices;
	size_t count = 0;

	while (texts && texts[count])
		count++;
	slices = arena_alloc(&snapshot->arena, (count + 1) * sizeof(*slices));
	if (!slices)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		slices[i] = slice_of(texts[i]);
	*ret = slices;
	*ret_count = count;
	return 0;
}

static int add_runs(struct gateway_snapshot *snapshot, struct error *error)
{
	struct run_sources *runs = &snapshot->runs;
	int r = add_texts(snapshot, snapshot->conf->run_headers, &runs->headers,
			  &runs->header_count, error);

	return r < 0 ? r
		     : add_texts(snapshot, snapshot->conf->run_baggage, &runs->baggage,
				 &runs->baggage_count, error);
}

void gateway_snapshot_destroy(struct gateway_snapshot *snapshot)
{
	if (!snapshot)
		return;
	map_foreach (entry, &snapshot->providers) {
		struct gateway_provider *provider = entry->value;
		registry_release(&provider->object);
	}
	tenants_release(snapshot);
	policies_release(snapshot);
	issuer_release(snapshot->issuer);
	map_fini(&snapshot->providers);
	map_fini(&snapshot->routes);
	keys_table_free(snapshot->keys);
	free(snapshot->key_entries);
	for (size_t i = 0; i < GATEWAY_LISTENERS; i++)
		http_tls_unref(snapshot->tls[i]);
	arena_fini(&snapshot->arena);
	prices_release(&snapshot->books);
	conf_unref(snapshot->conf);
	free(snapshot);
}
CLEANUP_DEFINE(struct gateway_snapshot, gateway_snapshot_destroy);

int gateway_snapshot_new(struct gateway *gateway, struct conf *conf,
			 const struct ledger_books *books, struct gateway_snapshot **ret,
			 struct error *error)
{
	_cleanup_(cleanup_gateway_snapshot_destroy) struct gateway_snapshot *snapshot =
	    calloc(1, sizeof(*snapshot));
	int r;

	if (!snapshot)
		return error_set(error, -ENOMEM, "out of memory");
	atomic_init(&snapshot->refs, 1);
	arena_init(&snapshot->arena, NULL);
	snapshot->conf = conf_ref(conf);
	snapshot->books.public = ledger_book_ref(books->public);
	snapshot->books.override = ledger_book_ref(books->override);
	plugin_set_try(gateway->options.plugins, conf);
	r = add_providers(gateway, snapshot, error);
	if (r < 0)
		return r;
	r = policies_add(gateway, snapshot, error);
	if (r < 0)
		return r;
	r = add_routes(snapshot, error);
	if (r < 0)
		return r;
	r = issuer_get(gateway, conf, &snapshot->issuer, error);
	if (r < 0)
		return r;
	r = tenants_add(gateway, snapshot, error);
	if (r < 0)
		return r;
	r = add_keys(snapshot, error);
	if (r < 0)
		return r;
	r = add_networks(snapshot, conf->api_trusted, &snapshot->trusted, &snapshot->trusted_count,
			 error);
	if (r < 0)
		return r;
	r = add_runs(snapshot, error);
	if (r < 0)
		return r;
	r = add_texts(snapshot, conf->drop_tools, &snapshot->drop_tools, &snapshot->drop_tool_count,
		      error);
	if (r < 0)
		return r;
	r = certificates_load(gateway, snapshot, error);
	if (r < 0)
		return r;
	*ret = steal(snapshot);
	return 0;
}

/* The last reference may go on a loop, but destroying calls plugins, which is the admin thread's
 * work. */
void gateway_snapshot_unref(struct gateway *gateway, struct gateway_snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) > 1)
		return;
	pthread_mutex_lock(&gateway->lock);
	snapshot->next = gateway->graveyard;
	gateway->graveyard = snapshot;
	pthread_mutex_unlock(&gateway->lock);
}

struct loop_snapshot *loop_snapshot_hold(struct gateway_loop *loop)
{
	loop->current->users++;
	return loop->current;
}

void loop_snapshot_drop(struct gateway_loop *loop, struct loop_snapshot *held)
{
	if (!held)
		return;
	if (held != loop->current)
		counter_add(&loop->counters.outdated, (uint64_t)-1);
	if (--held->users > 0)
		return;
	gateway_snapshot_unref(loop->gateway, held->snapshot);
	map_fini(&held->adhoc);
	arena_fini(&held->arena);
	free(held);
}
