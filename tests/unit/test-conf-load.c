/* SPDX-License-Identifier: Apache-2.0 */
/* Good configurations: every option read, every default the table's, objects from all their places,
 * the examples. */
#include "base/hash.h"
#include "conf/options.h"
#include "test-conf.h"

static const char every_option[] =
    "api: { listen = [ \"127.0.0.1:1\", \"[::1]:2\" ]; tls: { certificate = \"chain\";"
    " key = \"file:secrets/tls\"; client_ca = \"clients\"; client = \"optional\";"
    " min_version = \"1.3\"; }; trusted = [ \"10.0.0.0/8\", \"::1\" ];"
    " proxy_protocol = true; };\n"
    "runs: { headers = [ \"x-run\" ]; baggage = [ \"a\", \"b\" ]; }; "
    "translation: { drop_tools = [ \"t\" ]; }; "
    "admin: { listen = ( \"127.0.0.1:3\" ); socket = \"run/sock\"; metrics_open = true;"
    " tls: { certificate = \"cert\"; key = \"file:secrets/tls\"; }; };\n"
    "state = \"/ignored\"; mount = \"none\"; zone = \"Europe/Berlin\"; prices = \"p.json\";"
    " prices_override = \"own.json\"; prices_key = \"prices.pub\";\n"
    "log = \"debug\"; core_dumps = true; commit_ms = 7; retain_days = 8;"
    "retain_sums_days = 9; retain_bytes = 5000000000L;\n"
    "plugins: { folder = \"/plug\"; load = [ ]; crashes_max = 6; };\n"
    "owners: { provider = \"files\"; model = \"files\"; route = \"files\"; tenant = \"files\";\n"
    "          key = \"files\"; policy = \"files\"; };\n"
    "limits: { connections = 11; inflight = 12; header_bytes = 1313; header_ms = 14;\n"
    "  body_bytes = 15015; body_budget_bytes = 5000000000L; body_ms = 17; idle_ms = 18;\n"
    "  write_ms = 19; output_bytes = 20020; drain_ms = 0; takeover_drain_ms = 21;\n"
    "  takeover_wait_ms = 29;"
    "  responses = 24; responses_days = 25; features = 22; keepalive_ms = 23; line_bytes = 70000; "
    "};\n"
    "providers = ( { name = \"p\"; plugin = \"openai\"; base_url = \"https://h:1/v1//\";\n"
    "  secret = \"file:secrets/p\"; lane = \"curl\"; allow_private = true; http2 = true;\n"
    "  price_provider = \"azure\"; secret_name = \"spare\"; ca_file = \"ca\"; cert_file = "
    "\"cert\"; key_file = \"key\";\n"
    "  proxy = \"http://proxy:3128\"; connect_ms = 23; first_content_ms = 24; between_ms = 25;\n"
    "  answer_ms = 2727; total_ms = 26; connections_max = 27;"
    "  on_client_disconnect = \"drain\"; drain_max_ms = 31; drain_max_bytes = 3232;\n"
    "  health_ms = 2929; discover = true; quirks = [ \"no_effort\", \"max_tokens\" ]; headers = [ "
    "\"x-a: b\" ];\n"
    "  options: { text = \"x\" \"y\"; hex = 0x10; big = -5000000000L; half = 0.50; on = TRUE; };\n"
    "} );\n"
    "models = ( { name = \"m\"; provider = \"p\"; upstream_model = \"u\"; max_output_tokens = 28;\n"
    "  price: { input_usd_per_mtok = \"0.15\"; output_usd_per_mtok = \"0.60\";\n"
    "    cache_read_usd_per_mtok = \"0.075\"; cache_write_usd_per_mtok = \"0\";\n"
    "    cache_write_1h_usd_per_mtok = \"0.000000001\"; }; } );\n"
    "routes = ( { name = \"r\"; targets = [ \"m\", \"p/a/b\" ]; policies = [ \"g\" ]; } );\n"
    "jwt: { issuer = \"https://i\"; audience = \"a\"; claim = \"email\"; jwks_file = \"cert\";\n"
    "  ca_file = \"ca\"; allow_private = true; leeway_s = 33; refresh_s = 34; }; # jwks_url\n"
    "tenants = ( { name = \"t\"; description = \"T \xc3\xa4\"; models = [ \"a*\" ]; } );\n"
    "keys = ( { name = \"k\"; tenant = \"t\"; feature = \"f\"; disabled = true;\n"
    "  end_user: { from = [ \"openwebui\", \"header:x-u\" ]; required = true; pseudonym = true; "
    "};\n"
    "  routes = [ \"r*\" ]; networks = [ \"10.0.0.0/8\" ]; expires = \"2026-12-31\";\n"
    "  previous_sha256 = \"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\";\n"
    "  previous_until = \"1970-01-01T01:00:07+01:00\";\n"
    "  models = [ \"b\", \"a/b\" ]; identity = \"URI:spiffe://t/k\";"
    "  sha256 = \"0102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F20\"; } );\n"
    "policies_everywhere = [ \"g\" ];\n"
    "policies = ( { name = \"g\"; plugin = \"limit\"; secret = \"file:secrets/p\"; on_error = "
    "\"skip\"; deadline_ms = 35; base_url = \"http://guard.example\"; allow_private = true; "
    "connect_ms = 36; proxy = \"http://p\"; options: { per = 2; }; } );\n";

static void check_main(const struct conf *conf)
{
	CHECK_STR(conf->api_listen[0], "127.0.0.1:1");
	CHECK_STR(conf->api_listen[1], "[::1]:2");
	CHECK(!conf->api_listen[2]);
	CHECK_STR(conf->api_trusted[0], "10.0.0.0/8");
	CHECK_STR(conf->api_trusted[1], "::1");
	CHECK(!conf->api_trusted[2]);
	CHECK(conf->api_proxy_protocol);
	CHECK_STR(conf->run_headers[0], "x-run");
	CHECK(!conf->run_headers[1]);
	CHECK_STR(conf->run_baggage[1], "b");
	CHECK(!conf->run_baggage[2]);
	CHECK_STR(conf->drop_tools[0], "t");
	CHECK(!conf->drop_tools[1]);
	CHECK_STR(conf->admin_listen[0], "127.0.0.1:3");
	CHECK(!conf->admin_listen[1]);
	CHECK_STR(conf->admin_socket, at("run/sock"));
	CHECK(conf->metrics_open);
	CHECK_STR(conf->state, at("state"));
	CHECK(!conf->mount);
	CHECK_STR(conf->zone, "Europe/Berlin");
	CHECK_STR(conf->prices_file, at("p.json"));
	CHECK_STR(conf->prices_override, at("own.json"));
	CHECK_STR(conf->prices_key, at("prices.pub"));
	CHECK_STR(conf->log_level, "debug");
	CHECK(conf->core_dumps);
	CHECK_INT(conf->commit_ms, 7);
	CHECK_INT(conf->retain_days, 8);
	CHECK_INT(conf->retain_sums_days, 9);
	CHECK_INT(conf->retain_bytes, 5000000000);
	CHECK_STR(conf->plugin_folder, "/plug");
	CHECK(!conf->plugin_load[0]);
	CHECK_INT(conf->plugin_crashes_max, 6);
	for (int kind = 0; kind < CONF_KINDS; kind++)
		CHECK_INT(conf->owners[kind], CONF_OWNER_FILES);
	CHECK_STR(conf->main_file, at("main.conf"));
	CHECK_STR(conf->objects_folder, at("conf.d"));
	CHECK_INT(conf->generation, 0);
}

static void check_tls(const struct conf *conf)
{
	const struct conf_tls *api = &conf->api_tls, *admin = &conf->admin_tls;

	CHECK_STR(api->certificate, at("chain"));
	CHECK_STR(api->certificate_pem, "chain\n...\n");
	CHECK_STR(api->key, "file:secrets/tls");
	CHECK_STR(api->key_pem, "line 1\nline 2");
	CHECK_STR(api->client_ca, at("clients"));
	CHECK_STR(api->client_ca_pem, "clients");
	CHECK_STR(api->client, "optional");
	CHECK_STR(api->min_version, "1.3");
	CHECK_STR(api->key_place.file, at("main.conf"));
	CHECK_INT(api->key_place.line, 1);
	CHECK_INT(api->key_place.column, 83);
	CHECK_STR(admin->certificate_pem, "cert");
	CHECK(!admin->client_ca && !admin->client_ca_pem && !admin->client);
	CHECK_STR(admin->min_version, "1.2");
}

static void check_limits(const struct conf_limits *limits)
{
	CHECK_INT(limits->connections, 11);
	CHECK_INT(limits->inflight, 12);
	CHECK_INT(limits->header_bytes, 1313);
	CHECK_INT(limits->header_ms, 14);
	CHECK_INT(limits->body_bytes, 15015);
	CHECK_INT(limits->body_budget_bytes, 5000000000);
	CHECK_INT(limits->body_ms, 17);
	CHECK_INT(limits->idle_ms, 18);
	CHECK_INT(limits->write_ms, 19);
	CHECK_INT(limits->output_bytes, 20020);
	CHECK_INT(limits->line_bytes, 70000);
	CHECK_INT(limits->drain_ms, 0);
	CHECK_INT(limits->takeover_drain_ms, 21);
	CHECK_INT(limits->takeover_wait_ms, 29);
	CHECK_INT(limits->keepalive_ms, 23);
	CHECK_INT(limits->features, 22);
	CHECK_INT(limits->responses, 24);
	CHECK_INT(limits->responses_days, 25);
}

static void check_plugin_options(const struct conf_provider *provider)
{
	static const struct {
		const char *name, *text;
		int type;
	} want[] = {
		{ "text", "xy", CONF_TEXT },           { "hex", "16", CONF_NUMBER },
		{ "big", "-5000000000", CONF_NUMBER }, { "half", "0.50", CONF_NUMBER },
		{ "on", "true", CONF_BOOLEAN },
	};

	CHECK_INT(provider->options.count, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_STR(provider->options.rows[i].name, want[i].name);
		CHECK_STR(provider->options.rows[i].text, want[i].text);
		CHECK_INT(provider->options.rows[i].type, want[i].type);
	}
	CHECK_STR(provider->options.rows[1].place.file, at("main.conf"));
	CHECK_INT(provider->options.rows[1].place.line, 18);
	CHECK_INT(provider->options.rows[1].place.column, 36);
}

static void check_provider(const struct conf_provider *provider)
{
	CHECK_STR(provider->name, "p");
	CHECK_STR(provider->plugin, "openai");
	CHECK_STR(provider->base_url, "https://h:1/v1");
	CHECK_STR(provider->secret, "file:secrets/p");
	CHECK_STR(provider->secret_text, "s3cret");
	CHECK_STR(provider->lane, "curl");
	CHECK(provider->allow_private && provider->http2);
	CHECK_STR(provider->price_provider, "azure");
	CHECK_STR(provider->secret_name, "spare");
	CHECK_STR(provider->ca_file, at("ca"));
	CHECK_STR(provider->cert_file, at("cert"));
	CHECK_STR(provider->key_file, at("key"));
	CHECK_STR(provider->proxy, "http://proxy:3128");
	CHECK_INT(provider->connect_ms, 23);
	CHECK_INT(provider->first_content_ms, 24);
	CHECK_INT(provider->answer_ms, 2727);
	CHECK_INT(provider->between_ms, 25);
	CHECK_INT(provider->total_ms, 26);
	CHECK_INT(provider->connections_max, 27);
	CHECK_STR(provider->on_client_disconnect, "drain");
	CHECK_INT(provider->drain_max_ms, 31);
	CHECK_INT(provider->drain_max_bytes, 3232);
	CHECK_INT(provider->health_ms, 2929);
	CHECK(provider->discover);
	CHECK_STR(provider->quirks[0], "no_effort");
	CHECK_STR(provider->quirks[1], "max_tokens");
	CHECK(!provider->quirks[2]);
	CHECK_STR(provider->headers[0], "x-a: b");
	CHECK(!provider->headers[1]);
	CHECK_INT(strlen(provider->digest), 64);
	CHECK_STR(provider->place.file, at("main.conf"));
	CHECK_INT(provider->place.line, 12);
	CHECK_INT(provider->place.column, 15);
	check_plugin_options(provider);
}

static void check_others(const struct conf *conf)
{
	const struct conf_model *model = conf_find_model(conf, SLICE("m"));
	const struct conf_route *route = conf_find_route(conf, SLICE("r"));
	const struct conf_tenant *tenant = conf_find_tenant(conf, SLICE("t"));
	const struct conf_key *key = conf_find_key(conf, SLICE("k"));
	const struct conf_policy *policy = conf_find_policy(conf, SLICE("g"));

	CHECK_STR(conf->policies_everywhere[0], "g");
	CHECK(!conf->policies_everywhere[1] && conf->policy_count == 1);
	CHECK_STR(policy->plugin, "limit");
	CHECK_STR(policy->secret_text, "s3cret");
	CHECK_STR(policy->on_error, "skip");
	CHECK_INT(policy->deadline_ms, 35);
	CHECK_STR(policy->base_url, "http://guard.example");
	CHECK_STR(policy->proxy, "http://p");
	CHECK(policy->allow_private && !policy->ca_file);
	CHECK_INT(policy->connect_ms, 36);
	CHECK_INT(policy->options.count, 1);
	CHECK_INT(strlen(policy->digest), 64);
	CHECK_STR(route->policies[0], "g");
	CHECK(!route->policies[1]);
	CHECK(model->provider == conf->providers);
	CHECK_STR(model->upstream_model, "u");
	CHECK_INT(model->max_output_tokens, 28);
	CHECK(model->price.given);
	CHECK_INT(model->price.input_femto, 150000000);
	CHECK_INT(model->price.output_femto, 600000000);
	CHECK_INT(model->price.cache_read_femto, 75000000);
	CHECK_INT(model->price.cache_write_femto, 0);
	CHECK_INT(model->price.cache_write_1h_femto, 1);
	CHECK_INT(route->target_count, 2);
	CHECK(route->targets[0].model == model && route->targets[0].provider == model->provider);
	CHECK_STR(route->targets[0].upstream_model, "u");
	CHECK(!route->targets[1].model && route->targets[1].provider == model->provider);
	CHECK_STR(route->targets[1].upstream_model, "a/b");
	CHECK_STR(tenant->models[0], "a*");
	CHECK(!tenant->models[1]);
	CHECK_STR(key->models[1], "a/b");
	CHECK(!key->models[2]);
	CHECK_STR(tenant->description, "T \xc3\xa4");
	CHECK(key->tenant == tenant && key->disabled);
	CHECK_STR(key->feature, "f");
	CHECK_STR(key->identity, "URI:spiffe://t/k");
	CHECK_STR(key->routes[0], "r*");
	CHECK_STR(key->user_from[1], "header:x-u");
	CHECK(!key->user_from[2] && key->user_required && key->user_pseudonym);
	CHECK_STR(key->networks[0], "10.0.0.0/8");
	CHECK_INT(key->expires_s, 1798761600);
	CHECK_INT(key->previous_until_s, 7);
	for (int i = 0; i < 32; i++) {
		CHECK_INT(key->sha256[i], i + 1);
		CHECK_INT(key->previous_sha256[i], 0x20 + i);
	}
}

static void check_jwt(const struct conf_jwt *jwt)
{
	CHECK(jwt->given && jwt->allow_private);
	CHECK_STR(jwt->issuer, "https://i");
	CHECK_STR(jwt->audience, "a");
	CHECK_STR(jwt->claim, "email");
	CHECK_STR(jwt->jwks_file, at("cert"));
	CHECK_STR(jwt->jwks_text, "cert");
	CHECK_STR(jwt->ca_file, at("ca"));
	CHECK_INT(jwt->leeway_s, 33);
	CHECK_INT(jwt->refresh_s, 34);
}

static void put_every_option(void)
{
	clear();
	put("secrets/p", "s3cret\r\n");
	put("ca", "ca");
	put("cert", "cert");
	put("key", "key");
	put("chain", "chain\n...\n");
	put("secrets/tls", "line 1\nline 2\n");
	put("clients", "clients");
	put("main.conf", every_option);
}

static void test_every_option(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;

	put_every_option();
	conf = load_good();
	check_main(conf);
	check_tls(conf);
	check_jwt(&conf->jwt);
	check_limits(&conf->limits);
	CHECK_INT(conf->provider_count, 1);
	check_provider(conf->providers);
	check_others(conf);
}

/* Each row of the table is written in that text: a new option must be added to it. */
static void check_rows_written(const struct option_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		if (!strstr(every_option, section->rows[i].name))
			test_fail(__FILE__, __LINE__, "\"%s\" is not tested",
				  section->rows[i].name);
		if (section->rows[i].section)
			check_rows_written(section->rows[i].section);
	}
}

static void test_no_option_forgotten(void)
{
	check_rows_written(&options_main);
	for (int kind = 0; kind < CONF_KINDS; kind++)
		check_rows_written(options_of_kind(kind));
}

/* The value a row's field has, as the table would write it. */
static void field_text(const struct option *option, const void *base, char *out, size_t size)
{
	const void *field = (const char *)base + option->offset;
	const char *const *texts;

	switch (option->type) {
	case OPTION_FLAG:
		snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
		return;
	case OPTION_BYTES:
		snprintf(out, size, "%" PRIu64, *(const uint64_t *)field);
		return;
	case OPTION_COUNT:
	case OPTION_MS:
	case OPTION_DAYS:
	case OPTION_BYTES32:
		snprintf(out, size, "%u", *(const uint32_t *)field);
		return;
	case OPTION_OWNER:
		snprintf(out, size, "%s", conf_owner_name(*(const enum conf_owner *)field));
		return;
	case OPTION_TEXTS:
	case OPTION_LISTEN:
	case OPTION_NETWORKS:
	case OPTION_SOURCES:
	case OPTION_HEADERS:
		*out = '\0';
		for (texts = *(const char *const *const *)field; *texts; texts++)
			snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? " " : "",
				 *texts);
		return;
	default:
		snprintf(out, size, "%s", *(const char *const *)field);
	}
}

static void check_defaults(const struct option_section *section, const void *base)
{
	char text[512];

	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		if (option->section)
			check_defaults(option->section, base);
		if (!option->fallback || strcmp(option->name, "state") == 0)
			continue;
		field_text(option, base, text, sizeof(text));
		CHECK_STR(text, option->fallback);
	}
}

static void test_defaults(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL, *plain = NULL;
	struct object object = { 0 };

	clear();
	put("main.conf",
	    "owners: { key = \"files\"; };\n"
	    "providers = ( { name = \"p\"; plugin = \"x\"; } );\n"
	    "policies = ( { name = \"g\"; plugin = \"x\"; } );\n"
	    "models = ( { name = \"m\"; provider = \"p\"; upstream_model = \"u\"; } );\n"
	    "tenants = ( { name = \"t\"; } );\n"
	    "keys = ( { name = \"k\"; tenant = \"t\"; sha256 = \"00000000000000000000000000"
	    "00000000000000000000000000000000000001\"; } );");
	conf = load_good();
	object.provider = conf->providers[0];
	check_defaults(options_of_kind(CONF_PROVIDER), &object);
	CHECK_STR(object.provider.price_provider, "x");
	CHECK(!object.provider.base_url && !object.provider.secret && !object.provider.secret_text);
	object.model = conf->models[0];
	check_defaults(options_of_kind(CONF_MODEL), &object);
	CHECK(!object.model.price.given);
	CHECK_INT(object.model.price.input_femto, -1);
	CHECK_INT(object.model.price.cache_write_1h_femto, -1);
	object.key = conf->keys[0];
	check_defaults(options_of_kind(CONF_KEY), &object);
	object.policy = conf->policies[0];
	check_defaults(options_of_kind(CONF_POLICY), &object);
	put("main.conf", "");
	plain = load_good();
	check_defaults(&options_main, plain);
	CHECK_INT(plain->provider_count + plain->model_count + plain->route_count, 0);
	CHECK_INT(plain->owners[CONF_KEY], CONF_OWNER_LIVE);
	CHECK(!conf_find_key(plain, SLICE("k")));
}

static void test_object_folders(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	static const char *const passed_over[] = { ".hidden", ".x.conf.swp", "x.conf~",
						   "x.swp",   "x.tmp",       ".new-AbCdEf" };
	char name[64];

	clear();
	put("main.conf", "tenants = ( { name = \"b\"; } );");
	put("conf.d/tenant/c.conf", "# c\ntenant: { description = \"C\"; };");
	put("conf.d/tenant/a%3Bb%20%C3%A4.conf", "tenant = { name = \"a;b \xc3\xa4\"; }");
	put("conf.d/tenant/%2Ehidden.conf", "tenant: { };");
	put("conf.d/.git/config", "");
	put("state/conf/key/k.conf",
	    "key: { tenant = \"c\"; sha256 = "
	    "\"0000000000000000000000000000000000000000000000000000000000000001\"; };");
	for (size_t i = 0; i < ARRAY_SIZE(passed_over); i++) {
		snprintf(name, sizeof(name), "conf.d/tenant/%s", passed_over[i]);
		put(name, "not configuration");
		snprintf(name, sizeof(name), "state/conf/key/%s", passed_over[i]);
		put(name, "not configuration");
	}
	conf = load_good();
	CHECK_INT(conf->tenant_count, 4);
	CHECK_STR(conf->tenants[0].name, ".hidden");
	CHECK_STR(conf->tenants[1].name, "a;b \xc3\xa4");
	CHECK_STR(conf->tenants[2].name, "b");
	CHECK_STR(conf->tenants[3].description, "C");
	CHECK_STR(conf->tenants[3].place.file, at("conf.d/tenant/c.conf"));
	CHECK_INT(conf->tenants[3].place.line, 2);
	CHECK_INT(conf->key_count, 1);
	CHECK(conf->keys[0].tenant == conf_find_tenant(conf, SLICE("c")));
	CHECK(!conf_find_tenant(conf, SLICE("bb")));
	CHECK(!conf_find_tenant(conf, SLICE("")));
	CHECK(!conf_find_tenant(conf, (struct slice){ 0 }));
}

static void test_many_objects(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	char name[32];

	clear();
	buffer_append_str(&text, "tenants = ( { name = \"t\"; }");
	for (int i = 0; i < 3000; i++)
		buffer_printf(&text, ",\n{ name = \"t%d\"; }", (i * 7919) % 3000);
	buffer_append_str(&text, " );");
	put_mode("main.conf", buffer_slice(&text), 0600);
	conf = load_good();
	CHECK_INT(conf->tenant_count, 3001);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_STR(conf_find_tenant(conf, slice_of(name))->name, name);
	}
}

static void test_secret_places(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;
	struct conf *none = NULL;
	struct error error = { 0 };
	char expected[1024], text[1024];

	clear();
	put("main.conf", "owners: { provider = \"live\"; };");
	put("credentials/c", "from systemd\n");
	put("secrets/s", "beside\n");
	put("state/secrets/s", "in state\n");
	put("other", "not for you\n");
	CHECK_INT(setenv("CREDENTIALS_DIRECTORY", at("credentials"), 1), 0);
	put("state/conf/provider/a.conf",
	    "provider: { plugin = \"x\"; secret = \"credential:c\"; };");
	put("state/conf/provider/b.conf",
	    "provider: { plugin = \"x\"; secret = \"file:secrets/s\"; };");
	snprintf(text, sizeof(text), "provider: { plugin = \"x\"; secret = \"file:%s\"; };",
		 at("state/secrets/s"));
	put("state/conf/provider/c.conf", text);
	conf = load_good();
	CHECK_STR(conf->providers[0].secret_text, "from systemd");
	CHECK_STR(conf->providers[1].secret_text, "beside");
	CHECK_STR(conf->providers[2].secret_text, "in state");
	snprintf(expected, sizeof(expected),
		 "a live object may name secrets in %s/secrets and %s/secrets alone", test_folder(),
		 at("state"));
	put("state/conf/provider/c.conf",
	    "provider: { plugin = \"x\"; secret = \"file:other\"; };");
	CHECK_INT(load(&none, &error, NULL), -EINVAL);
	CHECK_STR(error.message, expected);
	put("state/conf/provider/c.conf",
	    "provider: { plugin = \"x\"; secret = \"file:secrets/../other\"; };");
	CHECK_INT(load(&none, &error, NULL), -EINVAL);
	CHECK_STR(error.message, expected);
}

static const char *digest_now(char *out, size_t size)
{
	struct conf *conf = load_good();

	snprintf(out, size, "%s", conf->providers[0].digest);
	conf_unref(conf);
	return out;
}

/* An instance is kept while nothing of its object changes, and renewed when anything does. */
static void test_digest(void)
{
	char before[65], after[65];

	put_every_option();
	digest_now(before, sizeof(before));
	CHECK_STR(digest_now(after, sizeof(after)), before);
	put("secrets/p", "s3cret2");
	CHECK(strcmp(digest_now(after, sizeof(after)), before) != 0);
	put("secrets/p", "s3cret");
	CHECK_STR(digest_now(after, sizeof(after)), before);
	put("cert", "renewed");
	CHECK(strcmp(digest_now(after, sizeof(after)), before) != 0);
}

static void test_examples(void)
{
	static const char *const names[] = { "demo.conf", "two-upstreams.conf" };
	const char *source = getenv("TIDEGATE_SRC");
	struct conf_overrides overrides = { .state = at("state") };
	char path[512];

	clear();
	if (!source)
		test_fail(__FILE__, __LINE__, "TIDEGATE_SRC is not set");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(buffer_fini) struct buffer errors = { 0 };
		_cleanup_(cleanup_conf_unref) struct conf *conf = NULL;

		snprintf(path, sizeof(path), "%s/packaging/examples/%s", source, names[i]);
		conf_load(path, &overrides, &conf, NULL, &errors);
		CHECK_SLICE(buffer_slice(&errors), "");
		CHECK(conf->provider_count > 0 && conf->route_count > 0 && conf->tenant_count > 0);
	}
}

int main(void)
{
	test_run("every option", test_every_option);
	test_run("no option forgotten", test_no_option_forgotten);
	test_run("defaults", test_defaults);
	test_run("object folders", test_object_folders);
	test_run("many objects", test_many_objects);
	test_run("secret places", test_secret_places);
	test_run("digest", test_digest);
	test_run("examples", test_examples);
	return 0;
}
