/* SPDX-License-Identifier: Apache-2.0 */
/* The rows. Their order is the order of the manual and the sample. */
#include "conf/options.h"

#include <stdlib.h>

#include "base/cleanup.h"

enum {
	HOUR_MS = 3600000,
	DAY_MS = 86400000,
};

#define SECTION(variable, section_name, text)           \
	static const struct option_section variable = { \
		.name = section_name,                   \
		.doc = text,                            \
		.rows = variable##_rows,                \
		.count = ARRAY_SIZE(variable##_rows),   \
	}

#define MAIN(field) .offset = offsetof(struct conf, field)
#define OBJECT(field) .offset = offsetof(struct object, field)
#define EXTRA(field) .extra = offsetof(struct object, field)
#define MAIN_EXTRA(field) .extra = offsetof(struct conf, field)

#define GROUP(section_name, row_name)                                         \
	{                                                                     \
		row_name, OPTION_GROUP, .section = &(section_name), .doc = "" \
	}

/* The same for both listeners. */
#define TLS_CERTIFICATE(tls)                                                                       \
	{                                                                                          \
		"certificate", OPTION_FILE, 0, MAIN(tls.certificate),                              \
		    MAIN_EXTRA(tls.certificate_pem),                                               \
		    .example = "tls/chain.pem",                                                    \
		    .doc = "The listener's certificate in PEM, and behind it those that lead to "  \
			   "its authority. Without it the listener speaks plain HTTP. It is read " \
			   "at each load: who connects after a reload sees the new one."           \
	}
#define TLS_KEY(tls)                                                                         \
	{                                                                                    \
		"key", OPTION_SECRET, OPTION_LINES, MAIN(tls.key), MAIN_EXTRA(tls.key_pem),  \
		    .example = "file:tls/key.pem",                                           \
		    .doc = "The certificate's private key in PEM, not encrypted. Group and " \
			   "others may not write the file."                                  \
	}
#define TLS_CLIENT_CA(tls)                                                                       \
	{                                                                                        \
		"client_ca", OPTION_FILE, 0, MAIN(tls.client_ca), MAIN_EXTRA(tls.client_ca_pem), \
		    .example = "tls/clients.pem",                                                \
		    .doc = "Authorities in PEM: a client's certificate must be of one of them."  \
	}
#define TLS_CLIENT(tls)                                                                           \
	{                                                                                         \
		"client", OPTION_CHOICE, 0, MAIN(tls.client),                                     \
		    .values = "none|optional|required", .example = "required",                    \
		    .doc = "Whether clients show a certificate; one that is shown must be good. " \
			   "Without it: required where there is a client_ca, else none."          \
	}
#define TLS_MIN_VERSION(tls)                                            \
	{                                                               \
		"min_version", OPTION_CHOICE, 0, MAIN(tls.min_version), \
		    .values = "1.2|1.3", .fallback = "1.2",             \
		    .doc = "The oldest version of TLS that is spoken."  \
	}

static const struct option api_tls_rows[] = {
	TLS_CERTIFICATE(api_tls), TLS_KEY(api_tls),         TLS_CLIENT_CA(api_tls),
	TLS_CLIENT(api_tls),      TLS_MIN_VERSION(api_tls),
};
SECTION(api_tls, "api.tls",
	"TLS of the applications' listener. A client's certificate may stand for a key: see "
	"\"identity\" of keys.");

static const struct option admin_tls_rows[] = {
	TLS_CERTIFICATE(admin_tls), TLS_KEY(admin_tls),         TLS_CLIENT_CA(admin_tls),
	TLS_CLIENT(admin_tls),      TLS_MIN_VERSION(admin_tls),
};
SECTION(
    admin_tls, "admin.tls",
    "TLS of the operators' listener. A certificate is asked for besides the log-in, and does not "
    "stand for it.");

static const struct option api_rows[] = {
	{ "listen", OPTION_LISTEN, OPTION_RESTART, MAIN(api_listen), .fallback = "127.0.0.1:8080",
	  .doc = "Where applications connect: IPV4:PORT or [IPV6]:PORT. Port 0 takes a free one." },
	{ "trusted", OPTION_NETWORKS, 0, MAIN(api_trusted), .example = "10.0.0.0/8 fd00::/8",
	  .doc = "Addresses and networks of the balancers before the listener. Of a request that "
		 "comes from one of them the client is the right-most address in X-Forwarded-For "
		 "that is not theirs; of others it is who connects." },
	{ "proxy_protocol", OPTION_FLAG, 0, MAIN(api_proxy_protocol), .fallback = "false",
	  .doc = "Whether each connection of those trusted must begin with a header of the PROXY "
		 "protocol, version 2, before TLS too. From others none is taken." },
	GROUP(api_tls, "tls"),
};
SECTION(api, "api", "The listener of the applications.");

static const struct option admin_rows[] = {
	{ "listen", OPTION_LISTEN, OPTION_RESTART, MAIN(admin_listen), .fallback = "127.0.0.1:8081",
	  .doc = "Where page, REST API, health and metrics are served. No address of the "
		 "applications'." },
	{ "socket", OPTION_PATH, OPTION_RESTART | OPTION_OR_NONE, MAIN(admin_socket),
	  .fallback = "/run/tidegate/admin.sock",
	  .doc = "Unix socket of tidectl, or \"none\". It needs no log-in; it is for root and the "
		 "daemon's own user." },
	{ "metrics_open", OPTION_FLAG, 0, MAIN(metrics_open), .fallback = "false",
	  .doc = "Serve /metrics without a session." },
	GROUP(admin_tls, "tls"),
};
SECTION(admin, "admin", "The listener of the operators.");

static const struct option plugins_rows[] = {
	{ "folder", OPTION_PATH, OPTION_RESTART, MAIN(plugin_folder),
	  .fallback = TIDEGATE_PLUGIN_FOLDER, .doc = "Where plugins are loaded from." },
	{ "load", OPTION_TEXTS, OPTION_NO_FOLDER, MAIN(plugin_load),
	  .fallback = "provider-openai provider-anthropic provider-gemini provider-bedrock "
		      "provider-simulator",
	  .doc =
	      "The plugins to load, by file name without \".so\". Nothing else is loaded. "
	      "\" sha256=\" and a digest behind the name pin the file's bytes, as in "
	      "\"policy-x sha256=0123…\"; tidegated --inspect tells the digest. A reload "
	      "loads another file in the place of one that runs beside it, for what begins from "
	      "then "
	      "on. Where "
	      "there are any, the main file must be owned by root and writable by nobody else." },
	{ "crashes_max", OPTION_COUNT, OPTION_RESTART, MAIN(plugin_crashes_max), .min = 0,
	  .max = 1000, .fallback = "3",
	  .doc =
	      "A plugin inside whose code the daemon crashed as often within a day is not loaded "
	      "by "
	      "the next start: its providers count as unavailable, and its policies do as their "
	      "on_error says. Another file in its place, or tidectl plugins enable, ends that. 0: "
	      "it is always loaded." },
};
SECTION(plugins, "plugins", "What is loaded into the daemon.");

#define OWNER(kind_name, kind_value, text)                            \
	{                                                             \
		kind_name, OPTION_OWNER, 0, MAIN(owners[kind_value]), \
		    .fallback = text, .values = "files|live",         \
		    .doc = "Owner of " kind_name " objects."          \
	}

static const struct option owners_rows[] = {
	OWNER("provider", CONF_PROVIDER, "files"),
	OWNER("model", CONF_MODEL, "files"),
	OWNER("route", CONF_ROUTE, "files"),
	OWNER("tenant", CONF_TENANT, "files"),
	OWNER("key", CONF_KEY, "live"),
	OWNER("policy", CONF_POLICY, "files"),
};
SECTION(owners, "owners",
	"Each kind of object has one owner. \"files\": written by people and configuration "
	"management, in conf.d/KIND/NAME.conf beside the main file or in the main file itself. "
	"\"live\": written through page, REST API and tidectl, kept in STATE/conf/KIND/NAME.conf. "
	"An object found at the other owner's place is an error.");

static const struct option runs_rows[] = {
	{ "headers", OPTION_TEXTS, 0, MAIN(run_headers),
	  .fallback = "x-tidegate-run x-claude-code-session-id session-id session_id "
		      "x-opencode-session x-session-affinity x-session-id",
	  .doc = "Headers of a request that may name its run; the first of them that it has does. "
		 "Claude Code, Codex and OpenCode send theirs by themselves." },
	{ "baggage", OPTION_TEXTS, 0, MAIN(run_baggage), .fallback = "run session.id",
	  .doc = "Members of the header \"baggage\" (W3C) that may name it where no header does." },
};
SECTION(runs, "runs",
	"What a request is a part of, as the session of an agent: up to 128 bytes of printable "
	"ASCII, in the ledger's rows and the request log as \"run\". It gives no rights, and is "
	"not sent to providers.");

static const struct option jwt_rows[] = {
	{ "issuer", OPTION_TEXT, OPTION_REQUIRED, MAIN(jwt.issuer),
	  .example = "https://id.example/realms/staff",
	  .doc = "What a token must say in \"iss\", byte for byte." },
	{ "audience", OPTION_TEXT, 0, MAIN(jwt.audience), .example = "tidegate",
	  .doc = "What it must say in \"aud\", or among what it says there. Without it tokens "
		 "that the issuer made for other programs are taken too." },
	{ "claim", OPTION_TEXT, 0, MAIN(jwt.claim), .fallback = "sub",
	  .doc = "The claim that says who it is, as in sub, email or preferred_username." },
	{ "jwks_file", OPTION_FILE, 0, MAIN(jwt.jwks_file), MAIN_EXTRA(jwt.jwks_text),
	  .example = "jwks.json",
	  .doc = "The issuer's public keys, a JSON Web Key Set. It is read at each load. One of "
		 "jwks_file and jwks_url is needed; with both these keys hold until others came." },
	{ "jwks_url", OPTION_URL, 0, MAIN(jwt.jwks_url),
	  .example = "https://id.example/realms/staff/certs",
	  .doc =
	      "Where the issuer publishes them. They are asked for at the start, every refresh_s "
	      "seconds, and, once in 10 seconds, for a token whose key is unknown: its client is "
	      "told by status 503 to try again. While the issuer is away, those it gave hold." },
	{ "ca_file", OPTION_FILE, 0, MAIN(jwt.ca_file), .example = "ca.pem",
	  .doc = "Certificates to trust for jwks_url instead of the system's, in PEM." },
	{ "allow_private", OPTION_FLAG, 0, MAIN(jwt.allow_private), .fallback = "false",
	  .doc = "Allow loopback and private addresses for jwks_url." },
	{ "leeway_s", OPTION_COUNT, 0, MAIN(jwt.leeway_s), .min = 0, .max = 3600, .fallback = "60",
	  .doc = "How many seconds the clocks may differ, for \"exp\" and \"nbf\"." },
	{ "refresh_s", OPTION_COUNT, 0, MAIN(jwt.refresh_s), .min = 10, .max = 86400,
	  .fallback = "900", .doc = "After how many seconds the keys are asked for again." },
};
SECTION(jwt, "jwt",
	"The identity provider whose tokens (JSON Web Tokens) name end users, for keys whose "
	"end_user has the source jwt. They are signed by RS256, PS256, ES256, EdDSA, or the same "
	"with longer digests; others are refused, and so is a token without an end (\"exp\").");

static const struct option translation_rows[] = {
	{ "drop_tools", OPTION_TEXTS, 0, MAIN(drop_tools),
	  .fallback = "web_search tool_search tool_search_tool_regex tool_search_tool_bm25 "
		      "tool_search_tool_regex_20251119 tool_search_tool_bm25_20251119",
	  .doc = "Types of tools that are a provider's own, and that agents offer to a model with "
		 "every request: where the upstream speaks another dialect than the client they "
		 "are left out, unless the request has a tool_choice by which one may have to be "
		 "called. The answer's header x-tidegate-dropped names them. Others are refused. "
		 "Tools that a search would have loaded are offered from the beginning; a search "
		 "that the client does itself is none of these, but a tool like any other." },
};
SECTION(translation, "translation",
	"Requests in one dialect that an upstream of another answers. What cannot be said there is "
	"refused with status 400, by the client's name of it.");

#define LIMIT(field) .offset = offsetof(struct conf, limits.field)

static const struct option limits_rows[] = {
	{ "connections", OPTION_COUNT, 0, LIMIT(connections), .min = 1, .max = 1000000,
	  .fallback = "20000",
	  .doc = "Connections of clients at a time; accepting pauses above. Each takes two of the "
		 "process's descriptors (LimitNOFILE); the log tells where there are too few." },
	{ "inflight", OPTION_COUNT, OPTION_RESTART, LIMIT(inflight), .min = 1, .max = 1000000,
	  .fallback = "16384",
	  .doc =
	      "Requests at a time, over all loops; status 503 above. So many rows can also wait "
	      "while the ledger cannot be written. Each takes 8.0 KiB of disk in STATE/inflight, "
	      "128 MiB by default, and all of it from the start: a disk that fills up later does "
	      "not stop the appliance." },
	{ "header_bytes", OPTION_BYTES32, 0, LIMIT(header_bytes), .min = 1024, .max = 1048576,
	  .fallback = "32768", .doc = "Size of a request's head; status 431 above." },
	{ "header_ms", OPTION_MS, 0, LIMIT(header_ms), .min = 1, .max = HOUR_MS,
	  .fallback = "10000", .doc = "Time for a whole head; status 408 after it." },
	{ "body_bytes", OPTION_BYTES, 0, LIMIT(body_bytes), .min = 1024, .max = 1ull << 40,
	  .fallback = "33554432", .doc = "Size of a request's body; status 413 above." },
	{ "body_budget_bytes", OPTION_BYTES, 0, LIMIT(body_budget_bytes), .min = 1024,
	  .max = 1ull << 44, .fallback = "268435456",
	  .doc = "Memory for all bodies at a time; status 503 above. A tenant may take more while "
		 "it then "
		 "holds no more than is left for others, so that none keeps others out: one takes "
		 "half, "
		 "two a third each; a tenant's only body up to all that is free. Several times "
		 "body_bytes, and at least that: a body that is translated counts twice." },
	{ "body_ms", OPTION_MS, 0, LIMIT(body_ms), .min = 1, .max = DAY_MS, .fallback = "60000",
	  .doc = "Time for a whole body; status 408 after it." },
	{ "idle_ms", OPTION_MS, 0, LIMIT(idle_ms), .min = 1, .max = DAY_MS, .fallback = "75000",
	  .doc = "How long a connection without a request is kept." },
	{ "write_ms", OPTION_MS, 0, LIMIT(write_ms), .min = 1, .max = DAY_MS, .fallback = "60000",
	  .doc = "How long a client may take nothing of an answer that waits for it." },
	{ "output_bytes", OPTION_BYTES32, 0, LIMIT(output_bytes), .min = 4096, .max = 1u << 30,
	  .fallback = "65536",
	  .doc = "Unsent bytes of one answer above which reading from the provider pauses." },
	{ "keepalive_ms", OPTION_MS, 0, LIMIT(keepalive_ms), .min = 0, .max = HOUR_MS,
	  .fallback = "15000",
	  .doc =
	      "How long a stream may be silent before the client is sent a sign of life between "
	      "two events, which SDKs pass over and balancers see; 0 for never. It counts from the "
	      "request: where no provider has answered by then, the client is sent 200, and what "
	      "fails later is an error event in place of a status." },
	{ "line_bytes", OPTION_BYTES32, 0, LIMIT(line_bytes), .min = 65536, .max = 1u << 30,
	  .fallback = "16777216",
	  .doc = "The longest line of a provider's stream; the answer ends in an error above." },
	{ "drain_ms", OPTION_MS, 0, LIMIT(drain_ms), .min = 0, .max = DAY_MS, .fallback = "30000",
	  .doc = "How long open requests may go on after SIGTERM; a second one ends them." },
	{ "takeover_drain_ms", OPTION_MS, 0, LIMIT(takeover_drain_ms), .min = 0, .max = DAY_MS,
	  .fallback = "3600000",
	  .doc = "How long they may go on where another tidegated has taken over." },
	{ "takeover_wait_ms", OPTION_MS, 0, LIMIT(takeover_wait_ms), .min = 1, .max = DAY_MS,
	  .fallback = "60000",
	  .doc = "How long another tidegated may prepare to take over, while changes wait; then "
		 "it is sent away." },
	{ "responses", OPTION_COUNT, OPTION_RESTART, LIMIT(responses), .min = 1, .max = 10000000,
	  .fallback = "100000",
	  .doc =
	      "Ids of responses that providers keep, of which the appliance remembers whose they "
	      "are; the oldest are forgotten above, and answered with 404." },
	{ "responses_days", OPTION_DAYS, OPTION_RESTART, LIMIT(responses_days), .min = 1,
	  .max = 3650, .fallback = "30", .doc = "How long it remembers them." },
	{ "features", OPTION_COUNT, 0, LIMIT(features), .min = 1, .max = 1000000,
	  .fallback = "1000",
	  .doc = "Different feature names that are totalled; later ones count as \"other\"." },
};
SECTION(limits, "limits", "What clients can make grow, and for how long.");

#define OBJECTS(row_name, kind_value, kind_name)                                                   \
	{                                                                                          \
		row_name, OPTION_OBJECTS, .kind = kind_value,                                      \
					  .doc = "Objects of kind " kind_name                      \
						 ", as a list of groups, each with its name. The " \
						 "same as files in conf.d/" kind_name "."          \
	}

static const struct option main_rows[] = {
	GROUP(api, "api"),
	GROUP(admin, "admin"),
	{ "state", OPTION_PATH, OPTION_RESTART, MAIN(state), .fallback = "/var/lib/tidegate",
	  .doc = "Folder of ledger, logs and live objects. --state overrides it." },
	{ "mount", OPTION_PATH, OPTION_RESTART | OPTION_OR_NONE, MAIN(mount), .fallback = "/mnt/ai",
	  .doc = "Where the file system is mounted, or \"none\": an empty folder, made if missing, "
		 "and no symbolic link. --mount overrides it." },
	{ "zone", OPTION_TEXT, OPTION_RESTART, MAIN(zone), .fallback = "UTC",
	  .example = "Europe/Berlin", .doc = "IANA time zone of \"today\" and \"month\"." },
	{ "prices", OPTION_PATH, 0, MAIN(prices_file), .fallback = TIDEGATE_PRICES_FILE,
	  .doc = "The price book: a JSON file, read at each load." },
	{ "prices_override", OPTION_PATH, 0, MAIN(prices_override),
	  .example = "/etc/tidegate/prices.json",
	  .doc = "Prices of your own, above the price book: a JSON file of the same form, read at "
		 "each load. Without it they are set by tidectl prices set and kept in "
		 "STATE/prices." },
	{ "prices_key", OPTION_PATH, 0, MAIN(prices_key), .example = "/etc/tidegate/prices.pub",
	  .doc = "A public key of Ed25519, as PEM: only price books that it signed are imported." },
	{ "log", OPTION_CHOICE, 0, MAIN(log_level), .values = "error|warn|info|debug",
	  .fallback = "info", .doc = "What is logged." },
	{ "core_dumps", OPTION_FLAG, OPTION_RESTART, MAIN(core_dumps), .fallback = "false",
	  .doc = "Let the process be dumped when it crashes, and be read by debuggers of its own "
		 "user. Its memory holds keys, secrets and prompts; without it the kernel writes "
		 "none, whatever core_pattern and limits say." },
	{ "commit_ms", OPTION_MS, 0, MAIN(commit_ms), .min = 1, .max = 10000, .fallback = "50",
	  .doc = "How long rows of the ledger may wait to be committed together." },
	{ "retain_days", OPTION_DAYS, OPTION_RESTART, MAIN(retain_days), .min = 1, .max = 36500,
	  .fallback = "400",
	  .doc = "How long request logs and rows of the ledger are kept. Files of whole days go." },
	{ "retain_sums_days", OPTION_DAYS, OPTION_RESTART, MAIN(retain_sums_days), .min = 1,
	  .max = 36500, .fallback = "1100", .doc = "How long sums by quarters of an hour are." },
	{ "retain_bytes", OPTION_BYTES, OPTION_RESTART, MAIN(retain_bytes), .min = 0,
	  .max = 1ull << 50, .fallback = "0",
	  .doc = "How much disk request logs and the ledger may take together; above, the oldest "
		 "days go first, and today never. 0: no limit." },
	GROUP(plugins, "plugins"),
	GROUP(owners, "owners"),
	GROUP(runs, "runs"),
	{ "jwt", OPTION_GROUP, 0, MAIN_EXTRA(jwt.given), .section = &jwt, .doc = "" },
	GROUP(translation, "translation"),
	{ "policies_everywhere", OPTION_TEXTS, 0, MAIN(policies_everywhere), .example = "limit",
	  .doc =
	      "Policies that decide about every request, whatever it asks for, in this order and "
	      "before those of its route. Names of models and PROVIDER/MODEL have no others." },
	GROUP(limits, "limits"),
	OBJECTS("providers", CONF_PROVIDER, "provider"),
	OBJECTS("models", CONF_MODEL, "model"),
	OBJECTS("routes", CONF_ROUTE, "route"),
	OBJECTS("tenants", CONF_TENANT, "tenant"),
	OBJECTS("keys", CONF_KEY, "key"),
	OBJECTS("policies", CONF_POLICY, "policy"),
};
const struct option_section options_main = {
	.name = "",
	.doc = "The main file.",
	.rows = main_rows,
	.count = ARRAY_SIZE(main_rows),
};

#define OBJECT_NAME(text)                                                                        \
	{                                                                                        \
		"name", OPTION_NAME, OPTION_REQUIRED, OBJECT(name),                              \
		    .example = text,                                                             \
		    .doc = "The object's name, 1 to 128 bytes without control characters or "    \
			   "ones that turn the direction of text; only names of models and "     \
			   "routes may hold a slash. In a file of its own the file's name says " \
			   "it, percent-encoded."                                                \
	}

static const struct option provider_rows[] = {
	OBJECT_NAME("alpha"),
	{ "plugin", OPTION_TEXT, OPTION_REQUIRED, OBJECT(provider.plugin), .example = "openai",
	  .doc = "The provider plugin's own name, as in openai, anthropic or simulator." },
	{ "base_url", OPTION_URL, 0, OBJECT(provider.base_url),
	  .example = "https://api.openai.com/v1",
	  .doc = "Where the provider's API begins. Required by plugins that make calls." },
	{ "secret", OPTION_SECRET, 0, OBJECT(provider.secret), EXTRA(provider.secret_text),
	  .example = "file:secrets/openai",
	  .doc =
	      "The provider's API key: \"file:PATH\", or \"credential:NAME\" for a file in "
	      "$CREDENTIALS_DIRECTORY. It is read at each load; a final line break is "
	      "dropped. Group and others may not write the file. It is sent to this object's "
	      "base_url and nowhere else, no redirect is followed; when a reload changes "
	      "base_url, it goes there: who may write the object decides where its secret goes." },
	{ "secret_name", OPTION_TEXT, 0, OBJECT(provider.secret_name), .example = "openai-2",
	  .doc = "How rows, tidectl why and REST call the secret that a call was made with "
		 "(upstream_key), 128 bytes at most; if absent, the last part of PATH, or NAME. "
		 "Rows that are written keep what it was called then." },
	{ "lane", OPTION_CHOICE, 0, OBJECT(provider.lane), .values = "auto|plain|curl",
	  .fallback = "auto",
	  .doc =
	      "Who makes connections. auto: curl for https:// and with proxy, else plain, which "
	      "knows no proxies: a proxy that the environment names for http:// asks for curl. "
	      "What is said over them is the same, but for HTTP/2 and a proxy for http://, which "
	      "are curl's altogether." },
	{ "allow_private", OPTION_FLAG, 0, OBJECT(provider.allow_private), .fallback = "false",
	  .doc = "Allow loopback and private addresses; without it such a base_url is refused, and "
		 "so is a connection where a name leads to one. With a proxy the proxy connects." },
	{ "http2", OPTION_FLAG, 0, OBJECT(provider.http2), .fallback = "false",
	  .doc = "Use HTTP/2 where the provider offers it." },
	{ "price_provider", OPTION_TEXT, 0, OBJECT(provider.price_provider), .example = "openai",
	  .doc = "The provider's id in the price book; the plugin's name if absent." },
	{ "ca_file", OPTION_FILE, 0, OBJECT(provider.ca_file), .example = "ca.pem",
	  .doc = "Certificates to trust for this provider instead of the system's, in PEM. What "
		 "cannot be used of these three files refuses the configuration." },
	{ "cert_file", OPTION_FILE, 0, OBJECT(provider.cert_file), .example = "client.pem",
	  .doc = "Client certificate and what leads to its authority, in PEM; needs key_file." },
	{ "key_file", OPTION_FILE, 0, OBJECT(provider.key_file), .example = "client.key",
	  .doc = "Key of the client certificate, in PEM and not encrypted." },
	{ "proxy", OPTION_URL, 0, OBJECT(provider.proxy), .example = "http://proxy.example:3128",
	  .doc =
	      "HTTP proxy for this provider. It comes before the environment's, of which "
	      "https_proxy, HTTPS_PROXY, http_proxy, all_proxy and ALL_PROXY count for lane curl, "
	      "and excepts nothing. The environment's may name a user; no_proxy or NO_PROXY "
	      "lists what needs none, parted by commas or blanks: a name, for itself and all "
	      "below it; an address; a range, as in 10.0.0.0/8; each but a range with :PORT if "
	      "so wanted; * for all. Names are compared as base_url writes them." },
	{ "connect_ms", OPTION_MS, 0, OBJECT(provider.connect_ms), .min = 1, .max = HOUR_MS,
	  .fallback = "5000", .doc = "Time to connect, TLS included." },
	{ "first_content_ms", OPTION_MS, 0, OBJECT(provider.first_content_ms), .min = 1,
	  .max = DAY_MS, .fallback = "120000", .doc = "Time until the first content of a stream." },
	{ "answer_ms", OPTION_MS, 0, OBJECT(provider.answer_ms), .min = 1, .max = DAY_MS,
	  .fallback = "600000",
	  .doc = "Time until an answer that is not streamed comes; below total_ms, another target "
		 "may still be asked." },
	{ "between_ms", OPTION_MS, 0, OBJECT(provider.between_ms), .min = 1, .max = DAY_MS,
	  .fallback = "60000", .doc = "Time between two pieces of content." },
	{ "total_ms", OPTION_MS, 0, OBJECT(provider.total_ms), .min = 1, .max = DAY_MS,
	  .fallback = "600000", .doc = "Time for the whole call." },
	{ "connections_max", OPTION_COUNT, 0, OBJECT(provider.connections_max), .min = 1,
	  .max = 1000000, .fallback = "10000",
	  .doc = "Connections to this provider at a time, in each loop." },
	{ "on_client_disconnect", OPTION_CHOICE, 0, OBJECT(provider.on_client_disconnect),
	  .values = "cancel|drain", .fallback = "cancel",
	  .doc =
	      "What becomes of an answer whose client leaves. cancel: the call is closed at once, "
	      "and costs what was used until then. drain: the answer is read to its end all the "
	      "same, for providers that bill it whole, so that its cost is theirs." },
	{ "drain_max_ms", OPTION_MS, 0, OBJECT(provider.drain_max_ms), .min = 1, .max = DAY_MS,
	  .fallback = "60000",
	  .doc =
	      "How long such an answer is read on; then the call is closed. total_ms holds too." },
	{ "drain_max_bytes", OPTION_BYTES, 0, OBJECT(provider.drain_max_bytes), .min = 0,
	  .max = 1ull << 44, .fallback = "16777216",
	  .doc = "How many bytes of it are read before the call is closed." },
	{ "health_ms", OPTION_MS, 0, OBJECT(provider.health_ms), .min = 0, .max = DAY_MS,
	  .fallback = "30000",
	  .doc = "How often the provider is asked for its models, a tenth earlier or later, which "
		 "tells whether it is there and takes the key; 0 for never. It costs nothing, and "
		 "nothing is decided by it. Where they are listed is the plugin's option "
		 "models_path; AWS Bedrock's Converse is not asked." },
	{ "discover", OPTION_FLAG, 0, OBJECT(provider.discover), .fallback = "false",
	  .doc = "Offer the models that it lists then, up to 1000, to clients that ask for theirs, "
		 "as PROVIDER/MODEL; those that a key may not use are not shown. While it does not "
		 "answer, the last list stands." },
	{ "quirks", OPTION_TEXTS, 0, OBJECT(provider.quirks),
	  .values = "max_tokens|no_developer|thinking_budget|no_stream_options|text_content|"
		    "no_effort|no_custom_tools",
	  .example = "max_tokens no_developer",
	  .doc = "What the server does not know of its dialect, for requests that are translated "
		 "into it. max_tokens: it wants max_tokens, not max_completion_tokens. "
		 "no_developer: messages of the developer go as messages of the system. "
		 "thinking_budget: an effort of reasoning goes as a budget of tokens (Messages and "
		 "Gemini, for models that know no effort). no_stream_options: it refuses "
		 "stream_options; they are not added to what is not translated either, so that "
		 "the usage of streams is estimated. text_content: several texts of a message are "
		 "joined into one. no_effort: reasoning_effort is left out. "
		 "no_custom_tools: a tool that takes text is a function of one string." },
	{ "headers", OPTION_HEADERS, 0, OBJECT(provider.headers),
	  .example = "x-team:platform openai-organization:org-1",
	  .doc = "Headers that every request to the provider has, each \"NAME: VALUE\", in place "
		 "of others of their names. Keys are not for here: they go into \"secret\"." },
	{ "options", OPTION_PLUGIN, 0, OBJECT(provider.options),
	  .doc = "The plugin's own options; its manual names them." },
};
SECTION(provider, "provider", "A provider: where calls go, and with which secret.");

#define MONEY(row_name, field, text)                                                     \
	{                                                                                \
		row_name, OPTION_MONEY, 0, OBJECT(model.price.field), .example = "0.15", \
								      .doc = text        \
	}

static const struct option price_rows[] = {
	MONEY("input_usd_per_mtok", input_femto,
	      "Dollars for a million input tokens, as text: \"0.15\"."),
	MONEY("output_usd_per_mtok", output_femto, "The same for output tokens."),
	MONEY("cache_read_usd_per_mtok", cache_read_femto,
	      "The same for input tokens read from the provider's cache."),
	MONEY("cache_write_usd_per_mtok", cache_write_femto,
	      "The same for input tokens written to the provider's cache."),
	MONEY("cache_write_1h_usd_per_mtok", cache_write_1h_femto,
	      "The same for those written to be kept for an hour."),
};
SECTION(price, "price", "Own prices of a model; what is absent is the price book's.");

static const struct option model_rows[] = {
	OBJECT_NAME("small"),
	{ "provider", OPTION_NAME, OPTION_REQUIRED, OBJECT(refers), EXTRA(refers_place),
	  .example = "alpha", .doc = "The provider that serves it." },
	{ "upstream_model", OPTION_TEXT, OPTION_REQUIRED, OBJECT(model.upstream_model),
	  .example = "gpt-4o-mini", .doc = "The provider's own name of the model." },
	{ "max_output_tokens", OPTION_COUNT, 0, OBJECT(model.max_output_tokens), .min = 1,
	  .max = 100000000, .fallback = "4096",
	  .doc = "Output assumed and asked for where a client sets no maximum." },
	{ "price", OPTION_GROUP, 0, .extra = offsetof(struct object, model.price.given),
	  .section = &price, .doc = "" },
};
SECTION(model, "model", "A model under a name of its own.");

static const struct option route_rows[] = {
	OBJECT_NAME("gpt-4o-mini"),
	{ "targets", OPTION_TEXTS, OPTION_REQUIRED, OBJECT(targets), EXTRA(target_places),
	  .example = "alpha/gpt-4o-mini small",
	  .doc = "What to try, in order: names of models, or PROVIDER/UPSTREAM_MODEL." },
	{ "policies", OPTION_TEXTS, 0, OBJECT(route.policies), .example = "limit",
	  .doc = "Policies that decide about its requests, in this order, behind those of "
		 "policies_everywhere. One that stands in both decides once." },
};
SECTION(route, "route", "A name that clients ask for, and where it leads.");

static const struct option tenant_rows[] = {
	OBJECT_NAME("acme"),
	{ "description", OPTION_TEXT, 0, OBJECT(tenant.description), .example = "ACME Ltd.",
	  .doc = "For people." },
	{ "models", OPTION_TEXTS, 0, OBJECT(tenant.models), .example = "gpt-* fast",
	  .doc = "The models that its keys may use, by the names that clients say: of routes, "
		 "models, or PROVIDER/MODEL; a * stands for anything. Without it all. Others are "
		 "not listed, and answered as if they did not exist." },
};
SECTION(tenant, "tenant", "A tenant: whose keys, whose money.");

static const struct option end_user_rows[] = {
	{ "from", OPTION_SOURCES, OPTION_REQUIRED, OBJECT(key.user_from),
	  .example = "openwebui body:user",
	  .doc =
	      "Where a request says it; the first that says anything counts. header:NAME; "
	      "body:user and body:safety_identifier of OpenAI's dialects; body:metadata.user_id "
	      "of Messages, without the session that Claude Code writes behind it; certificate: "
	      "the first name of the client's. jwt:HEADER: a "
	      "token of the issuer of the main file's \"jwt\", with or without \"Bearer \" before "
	      "it; jwt is jwt:X-User-Token. A token that is no good ends the search: nobody is "
	      "named. openwebui is header:X-OpenWebUI-User-Id, then "
	      "header:X-OpenWebUI-User-Email, which Open WebUI sends with "
	      "ENABLE_FORWARD_USER_INFO_HEADERS; librechat is body:user, then "
	      "body:metadata.user_id." },
	{ "required", OPTION_FLAG, 0, OBJECT(key.user_required), .fallback = "false",
	  .doc = "Refuse requests that say none, with status 401; of a token that is no good "
		 "with its reason." },
	{ "pseudonym", OPTION_FLAG, 0, OBJECT(key.user_pseudonym), .fallback = "false",
	  .doc = "Keep a pseudonym in place of what was said: 24 hexadecimal digits, the same for "
		 "the same user while the file pseudonym-secret in the state folder is the same." },
};
SECTION(end_user, "end_user",
	"On whose behalf the application that bears the key asks: in the ledger's rows and the "
	"request log as \"user\", up to 128 bytes; a longer one by its SHA-256. Say it for "
	"applications alone that know their users: of keys without it these words count for "
	"nothing.");

static const struct option key_rows[] = {
	OBJECT_NAME("acme-app"),
	{ "tenant", OPTION_NAME, OPTION_REQUIRED, OBJECT(refers), EXTRA(refers_place),
	  .example = "acme", .doc = "The tenant it belongs to." },
	{ "sha256", OPTION_SHA256, 0, OBJECT(key.sha256),
	  .example = "60c6e3d1b3a4a1b0ff1ac1b9d4ff3a2d0bfb3b0b1d2f6a3a5c1e7f8091a2b3c4",
	  .doc = "SHA-256 of the whole text of the key, as 64 hexadecimal digits. A key has this, "
		 "an identity, or both." },
	{ "identity", OPTION_IDENTITY, 0, OBJECT(key.identity), .example = "URI:spiffe://acme/app",
	  .doc = "A name in a client certificate that api.tls.client_ca vouches for, byte for "
		 "byte: of its alternative names, or the common name of its subject. A request "
		 "without a key over such a connection is this key's. One name is one key's." },
	{ "feature", OPTION_FEATURE, 0, OBJECT(key.feature), .fallback = "-",
	  .doc = "The feature to count under where a request names none." },
	{ "models", OPTION_TEXTS, 0, OBJECT(key.models), .example = "gpt-* fast",
	  .doc = "The models that it may use, of those that its tenant may; in the same words." },
	{ "routes", OPTION_TEXTS, 0, OBJECT(key.routes), .example = "fast team-*",
	  .doc = "The routes that it may use, by patterns of their names, of those that its tenant "
		 "may. Where it is given, \"models\" is about names of models and PROVIDER/MODEL "
		 "alone, and without \"models\" the key may use routes only." },
	{ "networks", OPTION_NETWORKS, 0, OBJECT(key.networks), .example = "10.20.0.0/16",
	  .doc =
	      "The addresses and networks that it may be used from; without it any. It is held "
	      "against the client that api.trusted's balancers name. Elsewhere it is refused with "
	      "status 403." },
	{ "expires", OPTION_TIME, 0, OBJECT(key.expires_s), .example = "2026-12-31",
	  .doc = "When it ends: its next request is refused from then on, and answers under way go "
		 "on. A date is over when it ends in UTC." },
	GROUP(end_user, "end_user"),
	{ "previous_sha256", OPTION_SHA256, 0, OBJECT(key.previous_sha256),
	  .example = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
	  .doc = "SHA-256 of the text that it had before, and that is the same key until "
		 "previous_until: tidectl keys rotate writes both." },
	{ "previous_until", OPTION_TIME, 0, OBJECT(key.previous_until_s), .example = "2026-12-31",
	  .doc = "When the text before ends. It belongs to previous_sha256." },
	{ "disabled", OPTION_FLAG, 0, OBJECT(key.disabled), .fallback = "false",
	  .doc = "Refuse the key, and keep it." },
};
SECTION(key, "key", "A virtual key of an application. The key itself is kept nowhere.");

static const struct option policy_rows[] = {
	OBJECT_NAME("limit"),
	{ "plugin", OPTION_TEXT, OPTION_REQUIRED, OBJECT(policy.plugin), .example = "ratelimit",
	  .doc = "The policy plugin's own name." },
	{ "secret", OPTION_SECRET, 0, OBJECT(policy.secret), EXTRA(policy.secret_text),
	  .example = "file:secrets/openai",
	  .doc = "A secret for the plugin, in the same words as a provider's." },
	{ "on_error", OPTION_CHOICE, 0, OBJECT(policy.on_error), .values = "deny|skip",
	  .fallback = "deny",
	  .doc =
	      "What becomes of a request about which the policy cannot decide: its plugin failed, "
	      "or took longer than deadline_ms. deny: it is refused with status 503. skip: it "
	      "goes on as if the policy were not there. Row and log say so either way." },
	{ "deadline_ms", OPTION_MS, 0, OBJECT(policy.deadline_ms), .min = 1, .max = HOUR_MS,
	  .fallback = "1000",
	  .doc = "How long the policy may keep a request waiting, each time that it does." },
	{ "base_url", OPTION_URL, 0, OBJECT(policy.base_url), .example = "https://guard.example/v1",
	  .doc =
	      "Where the policy may send requests of its own; without it, nowhere. No redirect is "
	      "followed, and the environment's proxies count as for a provider." },
	{ "allow_private", OPTION_FLAG, 0, OBJECT(policy.allow_private), .fallback = "false",
	  .doc = "Allow loopback and private addresses, as for a provider." },
	{ "ca_file", OPTION_FILE, 0, OBJECT(policy.ca_file), .example = "ca.pem",
	  .doc =
	      "Certificates to trust for base_url instead of the system's, in PEM. What cannot be "
	      "used of these three files refuses the configuration." },
	{ "cert_file", OPTION_FILE, 0, OBJECT(policy.cert_file), .example = "client.pem",
	  .doc = "Client certificate and what leads to its authority, in PEM; needs key_file." },
	{ "key_file", OPTION_FILE, 0, OBJECT(policy.key_file), .example = "client.key",
	  .doc = "Key of the client certificate, in PEM and not encrypted." },
	{ "proxy", OPTION_URL, 0, OBJECT(policy.proxy), .example = "http://proxy.example:3128",
	  .doc = "HTTP proxy for base_url. It comes before the environment's." },
	{ "connect_ms", OPTION_MS, 0, OBJECT(policy.connect_ms), .min = 1, .max = HOUR_MS,
	  .fallback = "5000", .doc = "Time to connect, TLS included." },
	{ "options", OPTION_PLUGIN, 0, OBJECT(policy.options),
	  .doc = "The plugin's own options; its manual names them." },
};
SECTION(policy, "policy",
	"A policy: a plugin that decides about requests before a provider is asked. Routes name "
	"theirs, and the main file those of all requests.");

const struct option_section *options_of_kind(enum conf_kind kind)
{
	static const struct option_section *const sections[CONF_KINDS] = {
		[CONF_PROVIDER] = &provider, [CONF_MODEL] = &model, [CONF_ROUTE] = &route,
		[CONF_TENANT] = &tenant,     [CONF_KEY] = &key,     [CONF_POLICY] = &policy,
	};

	return sections[kind];
}
