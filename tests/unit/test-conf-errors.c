/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a configuration, word for word and with its place: these lines are what
 * `--check` is for. */
#include "test-conf.h"

#define QUIRKS                                                                                   \
	"\"max_tokens\" or \"no_developer\" or \"thinking_budget\" or \"no_stream_options\" or " \
	"\"text_content\" or \"no_effort\" or \"no_custom_tools\""

/* Main files with the lines they lead to, without the file's name. */
static const struct row {
	const char *text, *lines;
} rows[] = {
	{ "api: { lsten = [ \"127.0.0.1:1\" ]; };",
	  "1:8: unknown option \"lsten\" in api; did you mean \"listen\"?\n" },
	{ "\n\n  prvoiders = ( );",
	  "3:3: unknown option \"prvoiders\"; did you mean \"providers\"?\n" },
	{ "frobnicate = 1;", "1:1: unknown option \"frobnicate\"; remove it\n" },
	{ "api = 1;", "1:7: \"api\" must be a group, { … }; this is an integer\n" },
	{ "state = 5;", "1:9: \"state\" must be a path in quotes; this is an integer\n" },
	{ "zone = \"\";",
	  "1:8: \"zone\" must not be empty; remove the line to have the default\n" },
	{ "zone = \"a\\tb\";", "1:8: \"zone\" must not contain control characters\n" },
	{ "zone = \"Mars/Olympus\";", "1:8: \"zone\": the system knows no time zone "
				      "\"Mars/Olympus\"; write an IANA name, as in "
				      "\"Europe/Berlin\"\n" },
	{ "plugins: { load = [ \"a\", \"../b\" ]; };",
	  "1:26: \"load\" must name files, without their folder\n" },
	{ "log = \"loud\";", "1:7: \"log\" must be \"error\" or \"warn\" or \"info\" or \"debug\"; "
			     "this is \"loud\"\n" },
	{ "api: { listen = \"127.0.0.1:1\"; };",
	  "1:17: \"listen\" must be a list of addresses, [ \"127.0.0.1:8080\" ]; this is text\n" },
	{ "api: { listen = [ ]; };", "1:17: \"listen\" must not be empty\n" },
	{ "api: { listen = [ \"127.0.0.1:1\", \"x\" ]; };",
	  "1:34: \"listen\" must be HOST:PORT or [IPV6]:PORT\n" },
	{ "api: { listen = [ \"localhost:1\" ]; };",
	  "1:19: \"listen\" must begin with an address: for localhost write 127.0.0.1 or [::1]\n" },
	{ "api: { listen = [ \"127.0.0.1:1\", \"[::1]:1\" ]; };\n"
	  "admin: { listen = [ \"127.0.0.1:2\", \"0.0.0.0:1\" ]; };",
	  "2:36: admin.listen 0.0.0.0:1 takes the same connections as api.listen 127.0.0.1:1, at "
	  "FILE:1:19; give each a port of its own\n" },
	{ "api: { listen = [ \"127.0.0.1:8081\" ]; };",
	  "1:19: api.listen 127.0.0.1:8081 takes the same connections as admin.listen "
	  "127.0.0.1:8081, the default; give each a port of its own\n" },
	{ "admin: { listen = [ \"[::1]:1\", \"[::1]:1\" ]; };",
	  "1:32: admin.listen [::1]:1 takes the same connections as admin.listen [::1]:1, at "
	  "FILE:1:21; give each a port of its own\n" },
	{ "admin: { socket = "
	  "\"/0123456789012345678901234567890123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789\"; };",
	  "1:19: \"socket\": /012345678901234567890123456789012345678901234567890123456789012345678"
	  "90123456789012345678901234567890123456789 is longer than the 107 bytes that a socket's "
	  "path may have\n" },
	{ "api: { listen = [ 1 ]; };",
	  "1:19: \"listen\" must be a list of addresses, [ \"127.0.0.1:8080\" ]; this is an "
	  "integer\n" },
	{ "api: { proxy_protocol = true; };", "1:25: \"proxy_protocol\" is taken from those in "
					      "api.trusted alone, and there are none\n" },
	{ "api: { proxy_protocol = true; trusted = [ ]; };",
	  "1:25: \"proxy_protocol\" is taken from those in api.trusted alone, and there are "
	  "none\n" },
	{ "api: { trusted = \"10.0.0.0/8\"; };",
	  "1:18: \"trusted\" must be a list of addresses and networks, [ \"10.0.0.0/8\" ]; this is "
	  "text\n" },
	{ "api: { trusted = [ \"::1\", \"10.0.0.1/8\" ]; };",
	  "1:27: \"trusted\" must hold addresses, as in \"192.0.2.7\", and networks, as in "
	  "\"10.0.0.0/8\" or \"fd00::/8\", with no bits set behind the prefix\n" },
	{ "admin: { metrics_open = 1; };",
	  "1:25: \"metrics_open\" must be true or false; this is an integer\n" },
	{ "limits: { idle_ms = 0; };",
	  "1:21: \"idle_ms\" must be an integer (milliseconds) from 1 to 86400000; this is 0\n" },
	{ "limits: { idle_ms = -5; };",
	  "1:21: \"idle_ms\" must be an integer (milliseconds) from 1 to 86400000; this is -5\n" },
	{ "limits: { idle_ms = 5000000000L; };",
	  "1:21: \"idle_ms\" must be an integer (milliseconds) from 1 to 86400000; this is "
	  "5000000000\n" },
	{ "limits: { body_bytes = 5000000000; };",
	  "1:24: 5000000000 does not fit in 32 bits; write 5000000000L\n" },
	{ "limits: { body_bytes = 1.5; };",
	  "1:24: \"body_bytes\" must be an integer (bytes) from 1024 to 1099511627776; this is a "
	  "number with a point\n" },
	{ "limits: { body_bytes = 4096; body_budget_bytes = 2048; };",
	  "1:1: body_budget_bytes (2048) is less than body_bytes (4096): no body of that size "
	  "could "
	  "be read; raise it\n" },
	{ "owners: { key = \"both\"; };",
	  "1:17: \"key\" must be \"files\" or \"live\"; this is \"both\"\n" },
	/* What a message repeats cannot steer a terminal. */
	{ "owners: { key = \"\\x1b[31m\"; };",
	  "1:17: \"key\" must not contain control characters\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; secret = \"file:\\x1b[31m\"; } );",
	  "1:52: \"secret\" must not contain control characters\n" },
	{ "@include \"/etc/passwd\"",
	  "1:1: @include is not allowed; put objects into conf.d/KIND/NAME.conf\n" },
	{ "zone = \"UTC\"; zone = \"UTC\";",
	  "1:15: \"zone\" is given twice; the first is at line 1\n" },
	{ "providers = { };", "1:13: \"providers\" must be a list of groups, ( { … }, { … } )\n" },
	{ "providers = ( 1 );", "1:15: a provider is written as a group, { … }\n" },
	{ "providers = ( { plugin = \"x\"; } );",
	  "1:15: \"name\" is missing; it must be a name in quotes\n" },
	{ "providers = ( { name = \"a\"; } );",
	  "1:15: \"plugin\" is missing; it must be text in quotes\n" },
	{ "providers = ( { name = \" a\"; plugin = \"x\"; } );",
	  "1:24: \"name\" must not begin or end with a blank\n" },
	{ "providers = ( { name = \"a/b\"; plugin = \"x\"; } );",
	  "1:15: the name must not contain \"/\": it would make PROVIDER/UPSTREAM_MODEL "
	  "ambiguous\n" },
	{ "tenants = ( { name = \"a/b\"; } );", "1:13: the name must not contain \"/\"\n" },
	{ "tenants = ( { name = \"a\u202eb\"; } );",
	  "1:22: \"name\" must not contain control characters, or ones that turn the direction of "
	  "text\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; secret = \"sk-live-123\"; } );",
	  "1:52: a secret must not stand in the configuration; write it to a file of mode 0600 and "
	  "name that, secret = \"file:PATH\", or use \"credential:NAME\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; secret = \"credential:../x\"; } );",
	  "1:52: the name behind credential: must be a file name\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; secret = \"credential:x\"; } );",
	  "1:52: there are no credentials: $CREDENTIALS_DIRECTORY is not set; add "
	  "LoadCredential=x:PATH to the unit\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; base_url = \"host\"; } );",
	  "1:54: \"base_url\" must begin with http:// or https://\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; base_url = \"https://u:p@host\"; } );",
	  "1:54: \"base_url\" must not contain a user; secrets go into \"secret\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; lane = \"plain\"; base_url = "
	  "\"https://h\"; } "
	  ");",
	  "1:15: lane \"plain\" cannot reach an https:// address; use \"auto\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; lane = \"plain\"; proxy = \"http://h\"; } "
	  ");",
	  "1:15: lane \"plain\" knows no proxy; use \"auto\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\";\n quirks = [ \"max_tokens\", \"no_tools\" "
	  "]; } "
	  ");",
	  "2:27: \"quirks\" must be a list of " QUIRKS "; this is \"no_tools\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; quirks = \"max_tokens\"; } );",
	  "1:52: \"quirks\" must be a list of " QUIRKS "; this is text\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"x-a\" ]; } );",
	  "1:55: \"headers\" must be headers, as in \"x-team: platform\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"x a: b\" ]; } );",
	  "1:55: \"headers\" must be headers, as in \"x-team: platform\"\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"x-a: \" ]; } );",
	  "1:55: \"headers\" must not hold a header without a value\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"x-a: b\\r\\nc\" ]; } );",
	  "1:55: \"headers\" must not contain control characters\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"Content-Length: 1\" ]; } );",
	  "1:55: \"headers\" must not hold headers that the appliance writes itself, as this "
	  "one\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; headers = [ \"Authorization: k\" ]; } );",
	  "1:55: \"headers\" must not hold keys, which go into \"secret\"; the plugin's options "
	  "say "
	  "in which header\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; cert_file = \"/dev/null\"; } );",
	  "1:15: cert_file and key_file are given together or not at all\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; ca_file = \"/nonexistent/ca\"; } );",
	  "1:53: \"ca_file\": cannot read /nonexistent/ca: No such file or directory\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; options: { l = [ 1 ]; }; } );",
	  "1:58: \"l\" must be text, a number, true or false; this is a list\n" },
	{ "providers = ( { name = \"a\"; plugin = \"x\"; },\n{ name = \"a\"; plugin = \"y\"; } );",
	  "2:1: there is a provider \"a\" already, at FILE:1; remove or rename one\n" },
	{ "models = ( { name = \"m\"; provider = \"nobody\"; upstream_model = \"x\"; } );",
	  "1:37: there is no provider \"nobody\"\n" },
	/* A broken provider is no missing one. */
	{ "providers = ( { name = \"p\"; } );\n"
	  "models = ( { name = \"m\"; provider = \"p\"; upstream_model = \"x\"; } );",
	  "1:15: \"plugin\" is missing; it must be text in quotes\n" },
	{ "providers = ( { name = \"p\"; plugin = \"x\"; } );\n"
	  "models = ( { name = \"m\"; provider = \"p\"; upstream_model = \"x\";\n"
	  " price: { input_usd_per_mtok = 0.15; output_usd_per_mtok = \"0.1234567891\"; in = 1; }; "
	  "} );",
	  "3:32: \"input_usd_per_mtok\" must be dollars in quotes, \"0.15\"; this is a number with "
	  "a "
	  "point\n"
	  "3:60: \"output_usd_per_mtok\" must be dollars as digits with at most nine after the "
	  "point, as in \"0.15\"\n"
	  "3:76: unknown option \"in\" in price; remove it\n" },
	{ "routes = ( { name = \"r\"; } );",
	  "1:12: \"targets\" is missing; it must be a list of texts, [ \"a\", \"b\" ]\n" },
	{ "routes = ( { name = \"r\"; targets = [ ]; } );",
	  "1:36: \"targets\" must not be empty\n" },
	{ "routes = ( { name = \"r\"; targets = [ \"a\", \"b/c\", \"d/\" ]; } );",
	  "1:38: there is no model \"a\"; name a model, or PROVIDER/UPSTREAM_MODEL\n"
	  "1:43: there is no provider \"b\", and no model \"b/c\"\n"
	  "1:50: there is no model \"d/\"; name a model, or PROVIDER/UPSTREAM_MODEL\n" },
	{ "owners: { key = \"files\"; }; keys = ( { name = \"k\"; tenant = \"t\"; sha256 = \"12\"; "
	  "feature "
	  "= \"a b\"; } );",
	  "1:61: there is no tenant \"t\"\n"
	  "1:75: \"sha256\" must be 64 hexadecimal digits\n"
	  "1:91: \"feature\" must be 1 to 64 of A-Z a-z 0-9 . _ -\n" },
	{ "keys = ( { name = \"k\"; tenant = \"t\"; sha256 = "
	  "\"0000000000000000000000000000000000000000000000000000000000000001\"; } );\n"
	  "tenants = ( { name = \"t\"; } );",
	  "1:10: key objects are owned by \"live\" (STATE/conf/key), and this is a place of "
	  "\"files\"; move it there, or set owners.key = \"files\"\n" },
	{ "owners: { key = \"files\"; }; tenants = ( { name = \"t\"; } );\nkeys = (\n"
	  "{ name = \"a\"; tenant = \"t\"; sha256 = "
	  "\"0000000000000000000000000000000000000000000000000000000000000001\"; },\n"
	  "{ name = \"b\"; tenant = \"t\"; sha256 = "
	  "\"0000000000000000000000000000000000000000000000000000000000000001\"; } );",
	  "4:1: the sha256 is that of key \"a\", at FILE:3; each key is a secret of its own\n" },
	{ "owners: { key = \"files\"; }; tenants = ( { name = \"t\"; } );\nkeys = (\n"
	  "{ name = \"a\"; tenant = \"t\"; identity = \"CN:app\"; },\n"
	  "{ name = \"b\"; tenant = \"t\"; identity = \"CN:app\"; },\n"
	  "{ name = \"c\"; tenant = \"t\"; identity = \"CN:App\"; },\n"
	  "{ name = \"d\"; tenant = \"t\"; identity = \"app\"; },\n"
	  "{ name = \"e\"; tenant = \"t\"; identity = \"DNS:\"; },\n"
	  "{ name = \"f\"; tenant = \"t\"; } );",
	  "4:1: the identity is that of key \"a\", at FILE:3; one name is one key's\n"
	  "6:40: \"identity\" must be a name with its type before it, as in "
	  "\"URI:spiffe://acme/app\", \"DNS:app.acme.example\", \"email:app@acme.example\" or "
	  "\"CN:app\"\n"
	  "7:40: \"identity\" must be a name with its type before it, as in "
	  "\"URI:spiffe://acme/app\", \"DNS:app.acme.example\", \"email:app@acme.example\" or "
	  "\"CN:app\"\n"
	  "8:1: a key needs \"sha256\", \"identity\", or both\n" },
	{ "owners: { key = \"files\"; }; tenants = ( { name = \"t\"; } );\nkeys = (\n"
	  "{ name = \"a\"; tenant = \"t\"; identity = \"CN:a\"; expires = \"soon\"; },\n"
	  "{ name = \"b\"; tenant = \"t\"; identity = \"CN:b\"; expires = 2026; },\n"
	  "{ name = \"c\"; tenant = \"t\"; identity = \"CN:c\"; networks = [ \"10.1.0.0/8\" ]; },\n"
	  "{ name = \"d\"; tenant = \"t\"; identity = \"CN:d\"; previous_until = \"2026-12-31\"; "
	  "},\n"
	  "{ name = \"e\"; tenant = \"t\"; sha256 = "
	  "\"0000000000000000000000000000000000000000000000000000000000000001\"; },\n"
	  "{ name = \"f\"; tenant = \"t\"; identity = \"CN:f\"; previous_until = \"2026-12-31\";"
	  " previous_sha256 = "
	  "\"0000000000000000000000000000000000000000000000000000000000000001\"; } );",
	  "3:58: \"expires\" must be a date, \"2026-12-31\", or a moment, "
	  "\"2026-12-31T18:00:00Z\", in quotes; this is \"soon\"\n"
	  "4:58: \"expires\" must be a date, \"2026-12-31\", or a moment, "
	  "\"2026-12-31T18:00:00Z\", in quotes; this is an integer\n"
	  "5:61: \"networks\" must hold addresses, as in \"192.0.2.7\", and networks, as in "
	  "\"10.0.0.0/8\" or \"fd00::/8\", with no bits set behind the prefix\n"
	  "6:1: \"previous_sha256\" and \"previous_until\" are given together or not at all\n"
	  "8:1: the sha256 is that of key \"e\", at FILE:7; each key is a secret of its own\n" },
	{ "api: { tls: { client = \"optional\"; }; };\n"
	  "admin: { tls: { certificate = \"state/gone.pem\"; client = \"any\"; }; };",
	  "1:8: api.tls needs both certificate and key\n"
	  "1:8: api.tls.client is \"optional\", so client_ca must say whose certificates are "
	  "good\n"
	  "2:10: admin.tls needs both certificate and key\n"
	  "2:31: \"certificate\": STATE/gone.pem: cannot open it: No such file or directory\n"
	  "2:58: \"client\" must be \"none\" or \"optional\" or \"required\"; this is \"any\"\n" },
};

/* The lines with the main file's name taken off their heads, FILE and STATE put for the folder's
 * paths. */
static void shorten(const struct buffer *lines, struct buffer *out)
{
	struct slice rest = buffer_slice(lines), head = slice_of(at("main.conf"));
	struct slice state = slice_of(at("state"));
	bool start = true;

	while (rest.len > 0) {
		if (slice_starts(rest, head)) {
			rest = slice_skip(rest, head.len + (start ? 1 : 0));
			buffer_append_str(out, start ? "" : "FILE");
		} else if (slice_starts(rest, state)) {
			rest = slice_skip(rest, state.len);
			buffer_append_str(out, "STATE");
		}
		start = rest.ptr[0] == '\n';
		buffer_append_char(out, rest.ptr[0]);
		rest = slice_skip(rest, 1);
	}
}

static void test_main_files(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(buffer_fini) struct buffer lines = { 0 }, text = { 0 };
		struct conf *conf = NULL;
		struct error error = { 0 };
		char first[1024];

		put("main.conf", rows[i].text);
		CHECK(load(&conf, &error, &lines) < 0);
		CHECK(!conf);
		shorten(&lines, &text);
		CHECK_SLICE(buffer_slice(&text), rows[i].lines);
		error_text(&error, first, sizeof(first));
		CHECK(slice_starts(buffer_slice(&lines), slice_of(first)));
	}
}

static void check_first(const char *file, int code, uint32_t line, uint32_t column,
			const char *message)
{
	struct conf *conf = NULL;
	struct error error = { 0 };

	CHECK_INT(load(&conf, &error, NULL), code);
	CHECK(!conf);
	CHECK_STR(error.message, message);
	CHECK_STR(error.file, at(file));
	CHECK_INT(error.line, line);
	CHECK_INT(error.column, column);
}

static void test_missing_main_file(void)
{
	clear();
	check_first("main.conf", -ENOENT, 0, 0, "cannot open it: No such file or directory");
}

static void test_object_files(void)
{
	char message[1024];

	clear();
	put("main.conf", "");
	put("conf.d/tenant/a.conf", "tenant: { name = \"b\"; };");
	check_first("conf.d/tenant/a.conf", -EINVAL, 1, 1,
		    "the name \"b\" differs from the file's, \"a\"; remove the line");
	put("conf.d/tenant/a.conf", "\nmodel: { };");
	check_first("conf.d/tenant/a.conf", -EINVAL, 2, 1,
		    "this is a file of kind tenant: write tenant: { … }; instead of model");
	put("conf.d/tenant/a.conf", "tenant: {\n");
	check_first("conf.d/tenant/a.conf", -EINVAL, 2, 1,
		    "the text ends before the \"{\" of line 1 is closed");
	put("conf.d/tenant/a.conf", "tenant: { descripton = \"x\"; };");
	check_first("conf.d/tenant/a.conf", -EINVAL, 1, 11,
		    "unknown option \"descripton\" in tenant; did you mean \"description\"?");
	put("conf.d/tenant/a.conf", "tenant: { };");
	put("conf.d/tenant/b.txt", "");
	snprintf(message, sizeof(message),
		 "object files are named NAME.conf; rename it, or move it out of %s",
		 at("conf.d/tenant"));
	check_first("conf.d/tenant/b.txt", -EINVAL, 0, 0, message);
	CHECK_INT(unlink(at("conf.d/tenant/b.txt")), 0);
	put("conf.d/tenant/%zz.conf", "tenant: { };");
	check_first(
	    "conf.d/tenant/%zz.conf", -EINVAL, 0, 0,
	    "bad percent-encoding in the file's name; %XX, in upper case, stands for what is not "
	    "A-Z a-z 0-9 . _ @ : + -");
	CHECK_INT(unlink(at("conf.d/tenant/%zz.conf")), 0);
	put("conf.d/tenant/a b.conf", "tenant: { };");
	check_first("conf.d/tenant/a b.conf", -EINVAL, 0, 0,
		    "the file's name must be percent-encoded: a%20b.conf");
	CHECK_INT(unlink(at("conf.d/tenant/a b.conf")), 0);
	put("conf.d/tenants/x.conf", "");
	check_first("conf.d/tenants", -EINVAL, 0, 0,
		    "\"tenants\" is no kind of object; did you mean \"tenant\"?");
	clear();
	put("main.conf", "tenants = ( { name = \"a\"; } );");
	put("conf.d/tenant/a.conf", "tenant: { };");
	snprintf(message, sizeof(message),
		 "there is a tenant \"a\" already, at %s:1; remove or rename one",
		 at("conf.d/tenant/a.conf"));
	check_first("main.conf", -EINVAL, 1, 13, message);
}

static void test_live_place(void)
{
	char message[1024];

	clear();
	put("main.conf", "");
	put("state/conf/tenant/a.conf", "tenant: { };");
	snprintf(
	    message, sizeof(message),
	    "tenant objects are owned by \"files\" (%s/tenant and the main file), and this is a "
	    "place of \"live\"; move it there, or set owners.tenant = \"live\"",
	    at("conf.d"));
	check_first("state/conf/tenant/a.conf", -EINVAL, 1, 1, message);
}

static void check_secret(struct slice content, mode_t mode, const char *wrong)
{
	char message[1024];

	put_mode("secret", content, mode);
	snprintf(message, sizeof(message), "the secret's file %s %s", at("secret"), wrong);
	check_first("main.conf", -EINVAL, 1, 52, message);
}

static void test_secret_files(void)
{
	static char big[9000];

	clear();
	put("main.conf",
	    "providers = ( { name = \"a\"; plugin = \"x\"; secret = \"file:secret\"; } );");
	memset(big, 'x', sizeof(big));
	check_secret(SLICE("x"), 0620, "can be written by group or others; chmod go-w it");
	check_secret(SLICE("x"), 0602, "can be written by group or others; chmod go-w it");
	check_secret(SLICE(""), 0600, "is empty; write the secret into it");
	check_secret(SLICE("\n"), 0600, "is empty; write the secret into it");
	check_secret(
	    SLICE("a\nb\n"), 0600,
	    "holds more than one line or control characters; it must hold the secret alone");
	check_secret((struct slice){ big, 8193 }, 0600, "is larger than 8192 bytes");
	check_secret((struct slice){ big, sizeof(big) }, 0600, "is larger than 8192 bytes");
	CHECK_INT(unlink(at("secret")), 0);
	CHECK_INT(mkdir(at("secret"), 0700), 0);
	snprintf(big, sizeof(big), "the secret's file %s is not a file", at("secret"));
	check_first("main.conf", -EINVAL, 1, 52, big);
}

/* No more than a hundred lines, whatever is wrong. */
static void test_many(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 }, lines = { 0 };
	struct conf *conf = NULL;
	size_t count = 0;

	for (int i = 0; i < 300; i++)
		buffer_printf(&text, "nothing%d = 1;\n", i);
	put_mode("main.conf", buffer_slice(&text), 0600);
	CHECK_INT(load(&conf, NULL, &lines), -EINVAL);
	for (size_t i = 0; i < lines.len; i++)
		count += lines.data[i] == '\n';
	CHECK_INT(count, 100);
}

int main(void)
{
	test_run("main files", test_main_files);
	test_run("missing main file", test_missing_main_file);
	test_run("object files", test_object_files);
	test_run("live place", test_live_place);
	test_run("secret files", test_secret_files);
	test_run("many", test_many);
	return 0;
}
