/* SPDX-License-Identifier: Apache-2.0 */
/* A whole load of any bytes as the main file. Beyond not crashing: it succeeds without a line of
 * errors, or fails with at least one; what was loaded holds together. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"
#include "fuzz.h"

static void check_loaded(const struct conf *conf)
{
	for (size_t i = 0; i < conf->provider_count; i++)
		FUZZ_CHECK(conf_find_provider(conf, slice_of(conf->providers[i].name)) ==
			   &conf->providers[i]);
	for (size_t i = 0; i < conf->model_count; i++)
		FUZZ_CHECK(conf->models[i].provider);
	for (size_t i = 0; i < conf->route_count; i++) {
		FUZZ_CHECK(conf->routes[i].target_count > 0);
		for (size_t t = 0; t < conf->routes[i].target_count; t++)
			FUZZ_CHECK(conf->routes[i].targets[t].provider);
	}
	for (size_t i = 0; i < conf->key_count; i++)
		FUZZ_CHECK(conf->keys[i].tenant);
	FUZZ_CHECK(conf_check_reload(conf, conf, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct conf_overrides overrides = { .state = "/nonexistent" };
	struct buffer errors = { 0 };
	struct error error = { 0 };
	struct conf *conf = NULL;
	char path[64];
	int fd, r;

	fd = memfd_create("main.conf", MFD_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = conf_load(path, &overrides, &conf, &error, &errors);
	FUZZ_CHECK((r == 0) == (errors.len == 0));
	FUZZ_CHECK((r == 0) == (conf != NULL));
	if (r == 0)
		check_loaded(conf);
	else
		FUZZ_CHECK(error.message[0] && memchr(errors.data, '\n', errors.len));
	conf_unref(conf);
	buffer_fini(&errors);
	close(fd);
	return 0;
}
