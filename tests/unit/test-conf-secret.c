/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are wiped: every byte that held one, the buffer it is read through and its place in a
 * snapshot, before the memory goes back. This program's explicit_bzero stands in for the C
 * library's and keeps count. */
#include "test-conf.h"

static const char secret[] = "sk-to-be-wiped";
static int wiped;

void explicit_bzero(void *bytes, size_t size)
{
	const void *before = bytes; /* the C library declares that they are only written */

	__asm__ volatile("" : "+r"(before));
	if (memmem(before, size, secret, sizeof(secret) - 1))
		wiped++;
	memset(bytes, 0, size);
	__asm__ volatile("" ::"r"(bytes) : "memory");
}

static void test_wiped(void)
{
	struct conf *conf, *second = NULL;
	struct error error = { 0 };

	clear();
	put("s", secret);
	put("main.conf", "providers = ( { name = \"p\"; plugin = \"x\"; secret = \"file:s\"; } );\n"
			 "tenants = ( { name = \"t\"; } );");
	conf = load_good();
	CHECK_STR(conf->providers[0].secret_text, secret);
	CHECK_INT(wiped, 1);
	conf_ref(conf);
	conf_unref(conf);
	CHECK_INT(wiped, 1);
	CHECK_INT(conf_live_write(
		      conf, CONF_KEY, SLICE("k"),
		      SLICE("key: { tenant = \"t\"; sha256 = \"00000000000000000000000000000000"
			    "00000000000000000000000000000001\"; };"),
		      &second, &error),
		  0);
	CHECK_STR(second->providers[0].secret_text, secret);
	conf_unref(conf);
	CHECK_INT(wiped, 2);
	conf_unref(second);
	CHECK_INT(wiped, 3);
}

/* Nor does a load that fails keep what it has read, or tell it. */
static void test_wiped_on_failure(void)
{
	_cleanup_(buffer_fini) struct buffer errors = { 0 };
	struct conf *conf = NULL;

	clear();
	wiped = 0;
	put("s", secret);
	put("main.conf",
	    "providers = ( { name = \"p\"; plugin = \"x\"; secret = \"file:s\"; } );\nx = 1;");
	CHECK_INT(load(&conf, NULL, &errors), -EINVAL);
	CHECK_INT(wiped, 2);
	CHECK(!memmem(errors.data, errors.len, secret, sizeof(secret) - 1));
	put("s", "sk-to-be-wiped\nmore");
	CHECK_INT(load(&conf, NULL, &errors), -EINVAL);
	CHECK_INT(wiped, 3);
	CHECK(!memmem(errors.data, errors.len, secret, sizeof(secret) - 1));
}

int main(void)
{
	test_run("wiped", test_wiped);
	test_run("wiped on failure", test_wiped_on_failure);
	return 0;
}
