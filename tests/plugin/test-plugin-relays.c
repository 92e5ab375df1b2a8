/* SPDX-License-Identifier: Apache-2.0 */
/* The providers that send: what goes upstream for which options and client headers. Argument: the
 * folder of the plugins. */
#include <errno.h>

#include "test-plugin-host.h"

static const char *folder;

static const char body[] = "{\"model\":\"m\"}";

static const char *sent_header(const struct tide_call *call, const char *name)
{
	static char value[128];

	for (uint64_t i = 0; i < call->request.header_count; i++) {
		const struct tide_header *header = &call->request.headers[i];
		if (!slice_eq_str((struct slice){ header->name.ptr, header->name.len }, name))
			continue;
		slice_copy((struct slice){ header->value.ptr, header->value.len }, value,
			   sizeof(value));
		return value;
	}
	return "(none)";
}

static void check_request(const struct tide_call *call, const char *path, uint64_t headers)
{
	CHECK(call->sent && call->status == 0 && !call->timer_set);
	CHECK(call->request.method.ptr == NULL && call->request.body == NULL);
	CHECK_SLICE(((struct slice){ call->request.path.ptr, call->request.path.len }), path);
	CHECK_INT(call->request.header_count, headers);
	CHECK_STR(sent_header(call, "content-type"), "application/json");
}

static void openai_defaults(void)
{
	struct conf_provider conf = { .name = "alpha", .plugin = "openai", .secret_text = "sk-1" };
	const struct tide_header client[] = {
		{ { "accept", 6 }, { "text/event-stream", 17 } },
		{ { "openai-organization", 19 }, { "org", 3 } },
		{ { "idempotency-key", 15 }, { "k", 1 } },
	};
	struct plugin_set *set = host_load(folder, "provider-openai");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	CHECK_INT(provider->dialects, 1u << TIDE_DIALECT_OPENAI_CHAT |
					  1u << TIDE_DIALECT_OPENAI_RESPONSES |
					  1u << TIDE_DIALECT_OPENAI_EMBEDDINGS);
	host_ready(&call, provider, TIDE_DIALECT_OPENAI_EMBEDDINGS, "m", body);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/embeddings", 2);
	host_done(&call);
	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", body);
	call.info.headers = client;
	call.info.header_count = 3;
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/chat/completions", 5);
	CHECK_STR(sent_header(&call, "authorization"), "Bearer sk-1");
	CHECK_STR(sent_header(&call, "accept"), "text/event-stream");
	CHECK_STR(sent_header(&call, "openai-organization"), "org");
	CHECK_STR(sent_header(&call, "idempotency-key"), "k");
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

static void openai_options(void)
{
	const struct conf_plugin_option options[] = {
		{ "path", "/openai/deployments/x/chat/completions?api-version=1", CONF_TEXT },
		{ "auth_header", "api-key", CONF_TEXT },
		{ "auth_scheme", "", CONF_TEXT },
	};
	struct conf_provider conf = { .name = "azure",
				      .plugin = "openai",
				      .secret_text = "sk-2",
				      .options = { options, 3 } };
	struct plugin_set *set = host_load(folder, "provider-openai");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", body);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, options[0].text, 2);
	CHECK_STR(sent_header(&call, "api-key"), "sk-2");
	CHECK_STR(sent_header(&call, "authorization"), "(none)");
	host_done(&call);
	plugin_provider_unref(provider);
	conf.secret_text = NULL; /* a local server needs none */
	provider = host_provider(set, &conf);
	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", body);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, options[0].text, 1);
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

/* The model as one segment, wherever the path wants it. */
static void openai_placeholder(void)
{
	static const struct {
		const char *path, *model, *query, *sent;
	} cases[] = {
		{ "/d/{model}/chat?v=1", "gpt-4o", NULL, "/d/gpt-4o/chat?v=1" },
		{ "/d/{model}/chat?v=1", "a b/c", "x=1", "/d/a%20b%2Fc/chat?v=1" },
		{ "/{model}", "m?n", "x=1", "/m%3Fn?x=1" },
		{ "/chat?m={model}", "m", NULL, "/chat?m=m" },
	};
	struct plugin_set *set = host_load(folder, "provider-openai");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct conf_plugin_option options[] = { { "path", cases[i].path,
								CONF_TEXT } };
		struct conf_provider conf = { .name = "x",
					      .plugin = "openai",
					      .options = { options, 1 } };
		struct plugin_provider *provider = host_provider(set, &conf);
		struct tide_call call;

		host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, cases[i].model, body);
		if (cases[i].query)
			call.info.query =
			    (struct tide_slice){ cases[i].query, strlen(cases[i].query) };
		CHECK_INT(host_start(&call), 0);
		CHECK_SLICE(((struct slice){ call.request.path.ptr, call.request.path.len }),
			    cases[i].sent);
		host_done(&call);
		plugin_provider_unref(provider);
	}
	plugin_set_free(set);
}

/* What each asks for to know whether its upstream is there; header: the one with the key. */
static void probes(void)
{
	static const struct {
		const char *stem, *plugin, *models_path, *sent, *header;
	} cases[] = {
		{ "provider-openai", "openai", NULL, "/models", "authorization" },
		{ "provider-openai", "openai", "/v1/m?a=1", "/v1/m?a=1", "authorization" },
		{ "provider-openai", "openai", "", NULL, NULL },
		{ "provider-anthropic", "anthropic", NULL, "/v1/models?limit=1000", "x-api-key" },
		{ "provider-anthropic", "anthropic", "", NULL, NULL },
		{ "provider-gemini", "gemini", NULL, "/v1beta/models?pageSize=1000",
		  "x-goog-api-key" },
		{ "provider-gemini", "gemini", "", NULL, NULL },
		{ "provider-bedrock", "bedrock", NULL, NULL, NULL },
		{ "provider-simulator", "simulator", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct conf_plugin_option options[] = { { "models_path", cases[i].models_path,
								CONF_TEXT } };
		struct conf_provider conf = { .name = "x",
					      .plugin = cases[i].plugin,
					      .secret_text = "k",
					      .options = { options,
							   cases[i].models_path ? 1 : 0 } };
		struct plugin_set *set = host_load(folder, cases[i].stem);
		struct plugin_provider *provider = host_provider(set, &conf);
		const struct tide_http_request *probe = &provider->probe;
		bool keyed = false;

		CHECK_INT(provider->probes, cases[i].sent != NULL);
		for (uint64_t j = 0; cases[i].sent && j < probe->header_count; j++) {
			const struct tide_header *header = &probe->headers[j];
			struct slice name = { header->name.ptr, header->name.len };
			keyed = keyed || slice_eq_str(name, cases[i].header);
			CHECK(!slice_eq_str(name, "content-type"));
		}
		if (cases[i].sent) {
			CHECK_SLICE(((struct slice){ probe->path.ptr, probe->path.len }),
				    cases[i].sent);
			CHECK(keyed && !probe->sigv4 && !probe->method.ptr);
		}
		plugin_provider_unref(provider);
		plugin_set_free(set);
	}
}

/* What is appended to a path, and where the query goes. */
static void openai_responses(void)
{
	static const struct {
		const char *path, *method, *rest, *query, *sent;
	} cases[] = {
		{ "/responses", NULL, NULL, NULL, "/responses" },
		{ "/responses", NULL, NULL, "a=1", "/responses?a=1" },
		{ "/r?v=1", NULL, NULL, "a=1", "/r?v=1" },
		{ "/responses", "GET", "/resp_1", NULL, "/responses/resp_1" },
		{ "/responses", "GET", "/resp_1/input_items", "limit=2",
		  "/responses/resp_1/input_items?limit=2" },
		{ "/r?v=1", "DELETE", "/resp_1", NULL, "/r/resp_1?v=1" },
		{ "/r?v=1", "GET", "/resp_1", "stream=true", "/r/resp_1?v=1&stream=true" },
	};
	struct plugin_set *set = host_load(folder, "provider-openai");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct conf_plugin_option options[] = {
			{ "responses_path", cases[i].path, CONF_TEXT },
			{ "dialects", " responses ", CONF_TEXT },
		};
		struct conf_provider conf = { .name = "x",
					      .plugin = "openai",
					      .options = { options, 2 } };
		struct plugin_provider *provider = host_provider(set, &conf);
		struct tide_call call;

		CHECK_INT(provider->dialects, 1u << TIDE_DIALECT_OPENAI_RESPONSES);
		host_ready(&call, provider, TIDE_DIALECT_OPENAI_RESPONSES, "m", body);
		if (cases[i].method)
			call.info.method =
			    (struct tide_slice){ cases[i].method, strlen(cases[i].method) };
		if (cases[i].rest)
			call.info.rest =
			    (struct tide_slice){ cases[i].rest, strlen(cases[i].rest) };
		if (cases[i].query)
			call.info.query =
			    (struct tide_slice){ cases[i].query, strlen(cases[i].query) };
		CHECK_INT(host_start(&call), 0);
		CHECK_SLICE(((struct slice){ call.request.path.ptr, call.request.path.len }),
			    cases[i].sent);
		CHECK_SLICE(((struct slice){ call.request.method.ptr, call.request.method.len }),
			    cases[i].method ? cases[i].method : "");
		host_done(&call);
		plugin_provider_unref(provider);
	}
	plugin_set_free(set);
}

static void check_bytes(struct tide_slice bytes, const char *text)
{
	CHECK_SLICE(((struct slice){ bytes.ptr, bytes.len }), text);
}

/* The secret is taken apart, and no header bears any of it. */
static void openai_signed(void)
{
	static const char *const secrets[] = { "AKID:key/+=", "AKID:key/+=:token==" };
	const struct conf_plugin_option options[] = { { "aws_region", "eu-central-1", CONF_TEXT } };
	struct plugin_set *set = host_load(folder, "provider-openai");

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		struct conf_provider conf = { .name = "aws",
					      .plugin = "openai",
					      .secret_text = secrets[i],
					      .options = { options, 1 } };
		struct plugin_provider *provider = host_provider(set, &conf);
		const struct tide_sigv4 *with;
		struct tide_call call;

		host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", body);
		CHECK_INT(host_start(&call), 0);
		check_request(&call, "/chat/completions", 1);
		with = call.request.sigv4;
		CHECK(with && with->size == sizeof(*with));
		check_bytes(with->region, "eu-central-1");
		check_bytes(with->service, "bedrock");
		check_bytes(with->access_key, "AKID");
		check_bytes(with->secret_key, "key/+=");
		check_bytes(with->session_token, i ? "token==" : "");
		host_done(&call);
		plugin_provider_unref(provider);
	}
	plugin_set_free(set);
}

static void check_refused(const char *stem, struct conf_provider *conf, const char *why)
{
	struct plugin_set *set = host_load(folder, stem);
	struct plugin_provider *provider;
	struct error error;
	char text[1024];

	CHECK(host_try(set, conf, &provider, &error) < 0);
	if (!strstr(error_text(&error, text, sizeof(text)), why))
		test_fail(__FILE__, __LINE__, "\"%s\" says nothing of \"%s\"", text, why);
	plugin_set_free(set);
}

static const struct {
	const char *stem, *plugin;
	struct conf_plugin_option option;
	const char *why;
} refused_options[] = {
	{ "provider-openai",
	  "openai",
	  { "path", "chat", CONF_TEXT },
	  "a.conf:7:3: provider x: plugin openai refused: the options path, "
	  "responses_path and embeddings_path must begin" },
	{ "provider-openai",
	  "openai",
	  { "path", "/d/{deployment}", CONF_TEXT },
	  "the only placeholder of paths is {model}, once" },
	{ "provider-openai",
	  "openai",
	  { "responses_path", "/{model}/{model}", CONF_TEXT },
	  "the only placeholder of paths is {model}, once" },
	{ "provider-openai",
	  "openai",
	  { "models_path", "models", CONF_TEXT },
	  "models_path must begin with a / or be empty" },
	{ "provider-anthropic",
	  "anthropic",
	  { "models_path", "models", CONF_TEXT },
	  "models_path must begin with a / or be empty" },
	{ "provider-gemini",
	  "gemini",
	  { "models_path", "models", CONF_TEXT },
	  "models_path must begin with a / or be empty" },
	{ "provider-openai",
	  "openai",
	  { "dialects", "chat,responses", CONF_TEXT },
	  "the option dialects must name some of: chat, responses, embeddings" },
	{ "provider-openai",
	  "openai",
	  { "dialects", " ", CONF_TEXT },
	  "the option dialects must name some of: chat, responses, embeddings" },
	{ "provider-openai",
	  "openai",
	  { "auth_header", "", CONF_TEXT },
	  "auth_header must not be empty" },
	{ "provider-openai",
	  "openai",
	  { "pth", "/", CONF_TEXT },
	  "a.conf:9:5: unknown option \"pth\" of plugin openai" },
	{ "provider-openai",
	  "openai",
	  { "path", "7", CONF_NUMBER },
	  "option path of plugin openai takes a string" },
	{ "provider-anthropic",
	  "anthropic",
	  { "path", "", CONF_TEXT },
	  "the option path must begin" },
	{ "provider-gemini",
	  "gemini",
	  { "path", "v1beta/models/", CONF_TEXT },
	  "the option path must begin" },
	{ "provider-gemini",
	  "gemini",
	  { "auth_header", "", CONF_TEXT },
	  "auth_header must not be empty" },
	{ "provider-bedrock", "bedrock", { "path", "", CONF_TEXT }, "the option path must begin" },
	{ "provider-bedrock",
	  "bedrock",
	  { "aws_region", "us-east-1", CONF_TEXT },
	  "the secret must be ACCESS_KEY_ID:SECRET_ACCESS_KEY" },
	{ "provider-simulator",
	  "simulator",
	  { "first_ms", "3600001", CONF_NUMBER },
	  "a.conf:9:5: option first_ms of plugin simulator takes 0 to 3600000, not "
	  "3600001" },
	{ "provider-simulator",
	  "simulator",
	  { "first_ms", "-1", CONF_NUMBER },
	  "takes 0 to 3600000, not -1" },
	{ "provider-simulator",
	  "simulator",
	  { "first_ms", "99999999999999999999", CONF_NUMBER },
	  "takes 0 to 3600000" },
	{ "provider-simulator",
	  "simulator",
	  { "first_ms", "true", CONF_BOOLEAN },
	  "takes a whole number" },
	{ "provider-openai",
	  "simulator",
	  { "first_ms", "1", CONF_NUMBER },
	  "no plugin named \"simulator\" is loaded" },
};

static void options_refused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused_options); i++) {
		struct conf_plugin_option option = refused_options[i].option;
		struct conf_provider conf = { .name = "x",
					      .plugin = refused_options[i].plugin,
					      .place = { "a.conf", 7, 3 },
					      .options = { &option, 1 } };

		option.place = (struct conf_place){ "a.conf", 9, 5 };
		check_refused(refused_options[i].stem, &conf, refused_options[i].why);
	}
}

/* Below the path, whatever query it has. */
static void anthropic_counts(void)
{
	static const struct {
		const char *path, *query, *sent;
	} rows[] = {
		{ "/v1/messages", "", "/v1/messages/count_tokens" },
		{ "/v1/messages", "beta=true", "/v1/messages/count_tokens?beta=true" },
		{ "/m?v=1", "beta=true", "/m/count_tokens?v=1" },
	};
	struct plugin_set *set = host_load(folder, "provider-anthropic");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct conf_plugin_option option = { "path", rows[i].path, CONF_TEXT };
		struct conf_provider conf = { .name = "beta",
					      .plugin = "anthropic",
					      .options = { &option, 1 } };
		struct plugin_provider *provider = host_provider(set, &conf);
		struct tide_call call;

		host_ready(&call, provider, TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS, "m", body);
		call.info.query = (struct tide_slice){ rows[i].query, strlen(rows[i].query) };
		CHECK_INT(host_start(&call), 0);
		check_request(&call, rows[i].sent, 2);
		host_done(&call);
		plugin_provider_unref(provider);
	}
	plugin_set_free(set);
}

static void anthropic(void)
{
	struct conf_provider conf = { .name = "beta", .plugin = "anthropic", .secret_text = "sk" };
	const struct tide_header client[] = {
		{ { "anthropic-beta", 14 }, { "x-2026", 6 } },
		{ { "Anthropic-Version", 17 }, { "2024-01-01", 10 } },
	};
	struct plugin_set *set = host_load(folder, "provider-anthropic");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	host_ready(&call, provider, TIDE_DIALECT_ANTHROPIC_MESSAGES, "m", body);
	call.info.headers = client;
	call.info.header_count = 1;
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/v1/messages", 4);
	CHECK_STR(sent_header(&call, "x-api-key"), "sk");
	CHECK_STR(sent_header(&call, "anthropic-version"), "2023-06-01");
	CHECK_STR(sent_header(&call, "anthropic-beta"), "x-2026");
	host_done(&call);
	host_ready(&call, provider, TIDE_DIALECT_ANTHROPIC_MESSAGES, "m", body);
	call.info.headers = client;
	call.info.header_count = 2;
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/v1/messages", 4);
	CHECK_STR(sent_header(&call, "Anthropic-Version"), "2024-01-01");
	CHECK_STR(sent_header(&call, "anthropic-version"), "(none)");
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

static const char streamed[] = "{\"stream\":true}";

/* The model is one segment of the path, and the key is never in it. */
static void gemini(void)
{
	const struct conf_plugin_option options[] = {
		{ "path", "/v1/projects/p/locations/l/publishers/google/models/", CONF_TEXT },
		{ "auth_header", "authorization", CONF_TEXT },
		{ "auth_scheme", "Bearer", CONF_TEXT },
	};
	struct conf_provider conf = { .name = "google", .plugin = "gemini", .secret_text = "AIza" };
	const struct tide_header client[] = {
		{ { "Accept", 6 }, { "text/event-stream", 17 } },
		{ { "x-goog-api-client", 17 }, { "sdk", 3 } },
	};
	struct plugin_set *set = host_load(folder, "provider-gemini");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	CHECK_INT(provider->operations->dialects,
		  1u << TIDE_DIALECT_GEMINI | 1u << TIDE_DIALECT_GEMINI_COUNT_TOKENS);
	host_ready(&call, provider, TIDE_DIALECT_GEMINI, "gemini-3-pro", body);
	call.info.headers = client;
	call.info.header_count = 2;
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/v1beta/models/gemini-3-pro:generateContent", 3);
	CHECK_STR(sent_header(&call, "x-goog-api-key"), "AIza");
	CHECK_STR(sent_header(&call, "x-goog-api-client"), "sdk");
	host_done(&call);
	host_ready(&call, provider, TIDE_DIALECT_GEMINI, "../a b?key=1", streamed);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/v1beta/models/..%2Fa%20b%3Fkey%3D1:streamGenerateContent?alt=sse",
		      2);
	host_done(&call);
	plugin_provider_unref(provider);
	conf.options = (struct conf_plugin_options){ options, 3 };
	provider = host_provider(set, &conf);
	host_ready(&call, provider, TIDE_DIALECT_GEMINI, "m", body);
	CHECK_INT(host_start(&call), 0);
	check_request(&call,
		      "/v1/projects/p/locations/l/publishers/google/models/m:generateContent", 2);
	CHECK_STR(sent_header(&call, "authorization"), "Bearer AIza");
	CHECK_STR(sent_header(&call, "x-goog-api-key"), "(none)");
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

/* The client's query goes along, but for what is ours to say. */
static void gemini_queries(void)
{
	static const struct {
		unsigned dialect;
		bool stream;
		const char *query, *sent;
	} rows[] = {
		{ TIDE_DIALECT_GEMINI, false, "", ":generateContent" },
		{ TIDE_DIALECT_GEMINI, false, "alt=json", ":generateContent" },
		{ TIDE_DIALECT_GEMINI, false, "a=1&&key=k&b", ":generateContent?a=1&b" },
		{ TIDE_DIALECT_GEMINI, true, "alt=sse", ":streamGenerateContent?alt=sse" },
		{ TIDE_DIALECT_GEMINI, true, "x=%20&$alt=sse&keys=2",
		  ":streamGenerateContent?alt=sse&x=%20&keys=2" },
		{ TIDE_DIALECT_GEMINI_COUNT_TOKENS, false, "", ":countTokens" },
		{ TIDE_DIALECT_GEMINI_COUNT_TOKENS, false, "access_token=t&a=1",
		  ":countTokens?a=1" },
	};
	struct conf_provider conf = { .name = "google", .plugin = "gemini", .secret_text = "AIza" };
	struct plugin_set *set = host_load(folder, "provider-gemini");
	struct plugin_provider *provider = host_provider(set, &conf);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tide_call call;
		char path[128];

		host_ready(&call, provider, rows[i].dialect, "m", rows[i].stream ? streamed : body);
		call.info.query = (struct tide_slice){ rows[i].query, strlen(rows[i].query) };
		CHECK_INT(host_start(&call), 0);
		snprintf(path, sizeof(path), "/v1beta/models/m%s", rows[i].sent);
		check_request(&call, path, 2);
		host_done(&call);
	}
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

static void bedrock(void)
{
	const struct conf_plugin_option options[] = { { "aws_region", "us-west-2", CONF_TEXT } };
	struct conf_provider conf = { .name = "aws", .plugin = "bedrock", .secret_text = "ABSK:k" };
	struct plugin_set *set = host_load(folder, "provider-bedrock");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	CHECK_INT(provider->operations->dialects, 1u << TIDE_DIALECT_BEDROCK_CONVERSE);
	host_ready(&call, provider, TIDE_DIALECT_BEDROCK_CONVERSE, "anthropic.claude-v1:0", body);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/model/anthropic.claude-v1%3A0/converse", 2);
	CHECK_STR(sent_header(&call, "authorization"), "Bearer ABSK:k");
	CHECK(!call.request.sigv4);
	host_done(&call);
	plugin_provider_unref(provider);
	conf.options = (struct conf_plugin_options){ options, 1 };
	provider = host_provider(set, &conf);
	host_ready(&call, provider, TIDE_DIALECT_BEDROCK_CONVERSE, "arn:aws:bedrock:x/y", streamed);
	CHECK_INT(host_start(&call), 0);
	check_request(&call, "/model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse-stream", 1);
	CHECK(call.request.sigv4 && call.request.sigv4->size == sizeof(*call.request.sigv4));
	check_bytes(call.request.sigv4->region, "us-west-2");
	check_bytes(call.request.sigv4->service, "bedrock");
	check_bytes(call.request.sigv4->access_key, "ABSK");
	check_bytes(call.request.sigv4->secret_key, "k");
	host_done(&call);
	plugin_provider_unref(provider);
	plugin_set_free(set);
}

/* The last reference destroys; one more keeps the instance whole. */
static void references(void)
{
	struct conf_provider conf = { .name = "alpha", .plugin = "openai", .secret_text = "sk-1" };
	struct plugin_set *set = host_load(folder, "provider-openai");
	struct plugin_provider *provider = host_provider(set, &conf);
	struct tide_call call;

	CHECK(plugin_provider_ref(provider) == provider);
	CHECK(plugin_provider_unref(provider) == NULL);
	host_ready(&call, provider, TIDE_DIALECT_OPENAI_CHAT, "m", body);
	CHECK_INT(host_start(&call), 0);
	CHECK_STR(sent_header(&call, "authorization"), "Bearer sk-1");
	host_done(&call);
	plugin_provider_unref(provider);
	CHECK(plugin_provider_unref(NULL) == NULL);
	plugin_set_free(set);
}

int main(int argc, char **argv)
{
	CHECK_INT(argc, 2);
	folder = argv[1];
	test_run("openai-placeholder", openai_placeholder);
	test_run("probes", probes);
	test_run("openai-defaults", openai_defaults);
	test_run("openai-options", openai_options);
	test_run("openai-responses", openai_responses);
	test_run("openai-signed", openai_signed);
	test_run("options-refused", options_refused);
	test_run("anthropic", anthropic);
	test_run("anthropic-counts", anthropic_counts);
	test_run("gemini", gemini);
	test_run("gemini-queries", gemini_queries);
	test_run("bedrock", bedrock);
	test_run("references", references);
	return 0;
}
