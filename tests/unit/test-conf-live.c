/* SPDX-License-Identifier: Apache-2.0 */
/* Live writes and removals: all of it or nothing, on disk before it is told; what a reload may
 * change; the count. */
#include <dirent.h>
#include <pthread.h>

#include "conf/options.h"
#include "test-conf.h"

#define SHA(digit) "00000000000000000000000000000000000000000000000000000000000000" #digit

static void put_start(void)
{
	clear();
	put("secrets/p", "s3cret");
	put("main.conf",
	    "owners: { model = \"live\"; };\n"
	    "providers = ( { name = \"p\"; plugin = \"openai\"; secret = \"file:secrets/p\";\n"
	    "                options: { a = 1; b = \"x\"; }; } );\n"
	    "tenants = ( { name = \"t\"; } );\n"
	    "routes = ( { name = \"r\"; targets = [ \"m\", \"p/a/b\" ]; } );\n");
	put("state/conf/model/m.conf", "model: { provider = \"p\"; upstream_model = \"u\";\n"
				       " price: { input_usd_per_mtok = \"0.15\"; }; };");
}

static int write_text(const struct conf *now, enum conf_kind kind, const char *name,
		      const char *text, struct conf **ret, struct error *error)
{
	return conf_live_write(now, kind, slice_of(name), slice_of(text), ret, error);
}

/* Entries but . and .. */
static int count_entries(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(entries[i]);
	if (count < 0)
		return count;
	free(entries);
	return count - 2;
}

static void check_same(const struct conf *a, const struct conf *b)
{
	CHECK_INT(a->provider_count, b->provider_count);
	CHECK_STR(a->providers[0].digest, b->providers[0].digest);
	CHECK_STR(a->providers[0].secret_text, b->providers[0].secret_text);
	CHECK_STR(a->providers[0].options.rows[1].text, b->providers[0].options.rows[1].text);
	CHECK_INT(a->model_count, b->model_count);
	for (size_t i = 0; i < a->model_count; i++) {
		CHECK_STR(a->models[i].name, b->models[i].name);
		CHECK_STR(a->models[i].place.file, b->models[i].place.file);
		CHECK_STR(a->models[i].provider->name, b->models[i].provider->name);
		CHECK_INT(a->models[i].price.input_femto, b->models[i].price.input_femto);
	}
	CHECK_INT(a->route_count, b->route_count);
	CHECK_INT(a->routes[0].target_count, b->routes[0].target_count);
	for (size_t i = 0; i < a->routes[0].target_count; i++) {
		CHECK_STR(a->routes[0].targets[i].upstream_model,
			  b->routes[0].targets[i].upstream_model);
		CHECK(!a->routes[0].targets[i].model == !b->routes[0].targets[i].model);
	}
	CHECK_INT(a->key_count, b->key_count);
	for (size_t i = 0; i < a->key_count; i++) {
		CHECK_STR(a->keys[i].name, b->keys[i].name);
		CHECK(memcmp(a->keys[i].sha256, b->keys[i].sha256, 32) == 0);
		CHECK_STR(a->keys[i].tenant->name, b->keys[i].tenant->name);
	}
	CHECK_STR(a->state, b->state);
	CHECK_STR(a->api_listen[0], b->api_listen[0]);
	CHECK_INT(memcmp(&a->limits, &b->limits, sizeof(a->limits)), 0);
}

/* What a write returns is what a start from the disk would find; and it stands without the snapshot
 * it came from. */
static void test_write(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL, *loaded = NULL;
	struct error error = { 0 };

	put_start();
	now = load_good();
	CHECK_INT(write_text(now, CONF_KEY, "a;b",
			     "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };\n", &next,
			     &error),
		  0);
	CHECK_INT(now->key_count, 0);
	now = conf_unref(now);
	CHECK_INT(next->key_count, 1);
	CHECK_STR(next->keys[0].name, "a;b");
	CHECK_STR(next->keys[0].place.file, at("state/conf/key/a%3Bb.conf"));
	loaded = load_good();
	check_same(next, loaded);
	now = steal(next);
	CHECK_INT(write_text(now, CONF_KEY, "a;b",
			     "key: { tenant = \"t\"; sha256 = \"" SHA(02) "\"; disabled = true; };",
			     &next, &error),
		  0);
	CHECK_INT(next->key_count, 1);
	CHECK(next->keys[0].disabled && !now->keys[0].disabled);
	CHECK_INT(count_entries(at("state/conf/key")), 1);
	conf_unref(loaded);
	loaded = load_good();
	check_same(next, loaded);
}

/* A key written from memory is the same key again, whatever its object says. */
static void test_key_again(void)
{
	static const char full[] = "key: { tenant = \"t\"; sha256 = \"" SHA(
	    01) "\"; feature = \"f\"; models = [ \"a\\\"*\", "
		"\"b\" ]; routes = [ ]; networks = [ \"10.0.0.0/8\" ]; expires = \"2026-12-31\"; "
		"previous_sha256 = \"" SHA(
		    02) "\"; previous_until = \"2026-12-01T10:00:00Z\"; "
			"identity = \"CN:x\"; disabled = true; "
			"end_user: { from = [ \"body:user\" ]; pseudonym = true; }; };";
	static const char least[] = "key: { tenant = \"t\"; sha256 = \"" SHA(03) "\"; };";
	static const char *const texts[] = { full, least };
	const struct option_section *section = options_of_kind(CONF_KEY);
	struct error error = { 0 };

	put_start();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(cleanup_conf_unref) struct conf *now = load_good(), *first = NULL,
							  *second = NULL;
		_cleanup_(buffer_fini) struct buffer text = { 0 };
		struct object a = { 0 }, b = { 0 };

		CHECK_INT(write_text(now, CONF_KEY, "k", texts[i], &first, &error), 0);
		conf_write_key(&first->keys[0], &text);
		CHECK_INT(conf_live_write(first, CONF_KEY, SLICE("k"), buffer_slice(&text), &second,
					  &error),
			  0);
		a.key = first->keys[0];
		b.key = second->keys[0];
		a.refers = b.refers = "t";
		for (size_t row = 0; row < section->count; row++) {
			_cleanup_(buffer_fini) struct buffer before = { 0 }, after = { 0 };
			option_write_value(&section->rows[row], &a, &before);
			option_write_value(&section->rows[row], &b, &after);
			CHECK(slice_eq(buffer_slice(&before), buffer_slice(&after)));
		}
	}
}

/* The bytes stay as they came. */
static void test_bytes(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	static const char written[] =
	    "# mine\nkey = { /* x */ tenant : \"t\", sha256 = \"" SHA(0a) "\" }\n\n";
	struct error error = { 0 };
	struct stat info;

	put_start();
	now = load_good();
	CHECK_INT(write_text(now, CONF_KEY, ".dot", written, &next, &error), 0);
	CHECK_INT(file_read(at("state/conf/key/%2Edot.conf"), 4096, &text, NULL), 0);
	CHECK_SLICE(buffer_slice(&text), written);
	CHECK_INT(stat(at("state/conf/key/%2Edot.conf"), &info), 0);
	CHECK_INT(info.st_mode & 0777, 0600);
	conf_unref(now);
	now = load_good();
	CHECK(conf_find_key(now, SLICE(".dot")));
}

static void refuse(const struct conf *now, enum conf_kind kind, const char *name, const char *text,
		   int code, const char *message)
{
	struct conf *next = NULL;
	struct error error = { 0 };

	CHECK_INT(write_text(now, kind, name, text, &next, &error), code);
	CHECK(!next);
	CHECK_STR(error.message, message);
	CHECK_INT(count_entries(at("state/conf")), 1);
	CHECK_INT(count_entries(at("state/conf/model")), 1);
}

static void test_refusals(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL;
	_cleanup_(buffer_fini) struct buffer big = { 0 };
	char longest[129], message[1024];

	put_start();
	now = load_good();
	refuse(now, CONF_KEY, "k", "key: { tenant = \"no\"; sha256 = \"" SHA(01) "\"; };", -EINVAL,
	       "there is no tenant \"no\"");
	refuse(now, CONF_KEY, "k", "key: { tenant = \"t\"; };", -EINVAL,
	       "a key needs \"sha256\", \"identity\", or both");
	refuse(now, CONF_KEY, "k", "key: { tenant = ", -EINVAL,
	       "the text ends before the \"{\" of line 1 is closed");
	refuse(now, CONF_KEY, "k", "tenant: { };", -EINVAL,
	       "this is a file of kind key: write key: { … }; instead of tenant");
	refuse(now, CONF_KEY, "", "key: { };", -EINVAL, "the name must have 1 to 128 bytes");
	refuse(now, CONF_MODEL, "m", "model: { provider = \"q\"; upstream_model = \"u\"; };",
	       -EINVAL, "there is no provider \"q\"");
	refuse(now, CONF_TENANT, "t", "tenant: { };", -EROFS,
	       "tenant \"t\" is owned by files; change it there and reload");
	snprintf(message, sizeof(message),
		 "tenant objects are owned by files; write %s/tenant/NAME.conf and reload, or set "
		 "owners.tenant = \"live\"",
		 at("conf.d"));
	refuse(now, CONF_TENANT, "u", "tenant: { };", -EROFS, message);
	memset(longest, ';', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refuse(now, CONF_KEY, longest, "key: { };", -EINVAL, "the name is too long for a file");
	for (int i = 0; i <= 1048576; i++)
		buffer_append_char(&big, ' ');
	buffer_append_char(&big, '\0');
	refuse(now, CONF_KEY, "k", big.data, -EFBIG,
	       "an object must not be larger than 1048576 bytes");
}

/* No half-done edit of another file gets in with a live write, nor keeps it from being done. */
static void test_apart_from_files(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	struct error error = { 0 };

	put_start();
	now = load_good();
	put("main.conf", "half an edit");
	put("secrets/p", "another");
	CHECK_INT(write_text(now, CONF_KEY, "k",
			     "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };", &next, &error),
		  0);
	CHECK_STR(next->providers[0].secret_text, "s3cret");
	CHECK_STR(next->providers[0].digest, now->providers[0].digest);
	CHECK(next->providers[0].secret_text != now->providers[0].secret_text);
}

/* Nothing is told done that could not be put on disk. */
static void test_no_disk(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL;
	struct conf *next = NULL;
	struct error error = { 0 };

	put_start();
	now = load_good();
	put("state/conf/key", "a file where the folder should be");
	CHECK(write_text(now, CONF_KEY, "k", "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };",
			 &next, &error) < 0);
	CHECK(!next);
}

static void test_remove(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL, *loaded = NULL;
	struct error error = { 0 };

	put_start();
	put("state/conf/key/k%20k.conf", "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };");
	now = load_good();
	CHECK_INT(conf_live_remove(now, CONF_KEY, SLICE("x"), &next, &error), -ENOENT);
	CHECK_STR(error.message, "there is no key \"x\"");
	CHECK_INT(conf_live_remove(now, CONF_MODEL, SLICE("m"), &next, &error), -EBUSY);
	CHECK_STR(error.message, "route \"r\" refers to it; change or remove that first");
	CHECK_INT(conf_live_remove(now, CONF_TENANT, SLICE("t"), &next, &error), -EROFS);
	CHECK(!next);
	CHECK_INT(conf_live_remove(now, CONF_KEY, SLICE("k k"), &next, &error), 0);
	CHECK_INT(next->key_count, 0);
	CHECK_INT(count_entries(at("state/conf/key")), 0);
	loaded = load_good();
	check_same(next, loaded);
}

static void test_without_keys(void)
{
	static const char names[] = "k k\0absent";
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	struct error error = { 0 };

	put_start();
	put("state/conf/key/k%20k.conf", "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };");
	put("state/conf/key/l.conf", "key: { tenant = \"t\"; sha256 = \"" SHA(02) "\"; };");
	now = load_good();
	CHECK_INT(conf_without_keys(now, (struct slice){ names, sizeof(names) }, &next, &error), 0);
	CHECK_INT(next->key_count, 1);
	CHECK_STR(next->keys[0].name, "l");
	CHECK_INT(next->provider_count, now->provider_count);
	CHECK_INT(now->key_count, 2);
	CHECK_INT(count_entries(at("state/conf/key")), 2);
}

static void test_remove_referred(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL;
	struct conf *next = NULL;
	struct error error = { 0 };

	clear();
	put("main.conf",
	    "owners: { provider = \"live\"; tenant = \"live\"; };\n"
	    "models = ( { name = \"m\"; provider = \"p\"; upstream_model = \"u\"; } );\n"
	    "routes = ( { name = \"r\"; targets = [ \"q/x\" ]; } );");
	put("state/conf/provider/p.conf", "provider: { plugin = \"x\"; };");
	put("state/conf/provider/q.conf", "provider: { plugin = \"x\"; };");
	put("state/conf/tenant/t.conf", "tenant: { };");
	put("state/conf/key/k.conf", "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };");
	now = load_good();
	CHECK_INT(conf_live_remove(now, CONF_PROVIDER, SLICE("p"), &next, &error), -EBUSY);
	CHECK_STR(error.message, "model \"m\" refers to it; change or remove that first");
	CHECK_INT(conf_live_remove(now, CONF_PROVIDER, SLICE("q"), &next, &error), -EBUSY);
	CHECK_STR(error.message, "route \"r\" refers to it; change or remove that first");
	CHECK_INT(conf_live_remove(now, CONF_TENANT, SLICE("t"), &next, &error), -EBUSY);
	CHECK_STR(error.message, "key \"k\" refers to it; change or remove that first");
	CHECK(!next);
}

/* What a crash leaves in a write's midst is the old object and a temporary file, which the next
 * load passes over. */
static void test_crash_leftovers(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	struct error error = { 0 };

	put_start();
	put("state/conf/key/k.conf", "key: { tenant = \"t\"; sha256 = \"" SHA(01) "\"; };");
	put("state/conf/key/.new-x7Fq2a", "key: { tenant = ");
	now = load_good();
	CHECK_INT(now->key_count, 1);
	CHECK_INT(write_text(now, CONF_KEY, "k",
			     "key: { tenant = \"t\"; sha256 = \"" SHA(02) "\"; };", &next, &error),
		  0);
	CHECK_INT(next->keys[0].sha256[31], 2);
	put("state/conf/key/.keep", "");
	CHECK_INT(count_entries(at("state/conf/key")), 3);
	conf_live_sweep(next);
	CHECK_INT(count_entries(at("state/conf/key")), 2);
}

static void check_reload(const char *text, const char *message)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	struct error error = { 0 };
	int r;

	clear();
	put("main.conf", "");
	now = load_good();
	put("main.conf", text);
	next = load_good();
	r = conf_check_reload(now, next, &error);
	CHECK_INT(r, *message ? -EINVAL : 0);
	CHECK_STR(error.message, message);
	CHECK_STR(error.file, *message ? at("main.conf") : "");
}

static void test_reload(void)
{
	check_reload("", "");
	check_reload(
	    "log = \"debug\"; limits: { idle_ms = 1; }; admin: { metrics_open = true; };"
	    "tenants = ( { name = \"t\"; } ); prices = \"/x\"; owners: { tenant = \"files\"; };",
	    "");
#define RESTART " cannot change while the daemon runs; restart it, or change it back"
	check_reload("api: { listen = [ \"127.0.0.1:8080\", \"[::1]:8080\" ]; };",
		     "api.listen" RESTART);
	check_reload("admin: { listen = [ \"127.0.0.1:1\" ]; };", "admin.listen" RESTART);
	check_reload("admin: { socket = \"none\"; };", "admin.socket" RESTART);
	check_reload("mount = \"none\";", "mount" RESTART);
	check_reload("zone = \"Asia/Tokyo\";", "zone" RESTART);
	check_reload("plugins: { folder = \"/x\"; };", "plugins.folder" RESTART);
	check_reload("plugins: { folder = \"/other\"; };", "plugins.folder" RESTART);
	check_reload("limits: { inflight = 1; };", "limits.inflight" RESTART);
}

static void test_reload_state(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	struct conf_overrides overrides = { .state = "/elsewhere", .mount = "/m" };
	struct error error = { 0 };

	clear();
	put("main.conf", "state = \"/ignored\"; mount = \"/ignored\";");
	now = load_good();
	CHECK_INT(conf_load(at("main.conf"), &overrides, &next, &error, NULL), 0);
	CHECK_STR(next->state, "/elsewhere");
	CHECK_STR(next->mount, "/m");
	CHECK_INT(conf_check_reload(now, next, &error), -EINVAL);
	CHECK_STR(error.message, "state" RESTART);
}

static void *count_up_and_down(void *data)
{
	struct conf *conf = data;

	for (int i = 0; i < 100000; i++) {
		struct conf *mine = conf_ref(conf);
		CHECK_STR(mine->tenants[0].name, "t");
		conf_unref(mine);
	}
	return conf_unref(conf);
}

/* The last thread to leave frees it: leaks and early frees are the sanitizer's to find. */
static void test_count(void)
{
	struct conf *conf;
	pthread_t threads[4];

	put_start();
	conf = load_good();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_INT(pthread_create(&threads[i], NULL, count_up_and_down, conf_ref(conf)), 0);
	conf_unref(conf);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_INT(pthread_join(threads[i], NULL), 0);
	CHECK(!conf_unref(NULL));
}

/* Any text comes back as it went in. */
static void test_append_string(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *now = NULL, *next = NULL;
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	static const char description[] = "a \"b\" \\ \xe2\x82\xac ' # // /* \\x41 @include";
	struct error error = { 0 };

	clear();
	put("main.conf", "owners: { tenant = \"live\"; };");
	now = load_good();
	buffer_append_str(&text, "tenant: { description = ");
	conf_append_string(&text, slice_of(description));
	buffer_append_str(&text, "; };\n");
	CHECK_INT(conf_live_write(now, CONF_TENANT, SLICE("t"), buffer_slice(&text), &next, &error),
		  0);
	CHECK_STR(next->tenants[0].description, description);
	buffer_clear(&text);
	conf_append_string(&text, SLICE("\n\r\t\f\x01\x7f"));
	CHECK_SLICE(buffer_slice(&text), "\"\\n\\r\\t\\f\\x01\\x7f\"");
}

int main(void)
{
	test_run("write", test_write);
	test_run("a key again", test_key_again);
	test_run("bytes", test_bytes);
	test_run("refusals", test_refusals);
	test_run("apart from files", test_apart_from_files);
	test_run("no disk", test_no_disk);
	test_run("remove", test_remove);
	test_run("without keys", test_without_keys);
	test_run("remove referred", test_remove_referred);
	test_run("crash leftovers", test_crash_leftovers);
	test_run("reload", test_reload);
	test_run("reload state", test_reload_state);
	test_run("count", test_count);
	test_run("append string", test_append_string);
	return 0;
}
