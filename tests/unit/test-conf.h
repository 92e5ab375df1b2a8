/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations written into the test's own folder, and loaded. */
#pragma once

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "conf/conf.h"
#include "test.h"

CLEANUP_DEFINE(struct conf, conf_unref);

/* A path in the folder, in one of a few buffers that are used in turn. */
__attribute__((unused)) static const char *at(const char *name)
{
	static char paths[8][512];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", test_folder(), name);
	return path;
}

__attribute__((unused)) static void put_mode(const char *name, struct slice text, mode_t mode)
{
	const char *path = at(name);
	char folder[512];
	FILE *file;

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	CHECK_INT(file_make_folders(folder, 0755, NULL), 0);
	file = fopen(path, "w");
	CHECK(file);
	CHECK_INT(fwrite(text.ptr, 1, text.len, file), text.len);
	CHECK_INT(fclose(file), 0);
	CHECK_INT(chmod(path, mode), 0);
}

__attribute__((unused)) static void put(const char *name, const char *text)
{
	put_mode(name, slice_of(text), 0600);
}

/* Empties the folder. */
__attribute__((unused)) static void clear(void)
{
	test_folder();
	test_folder_remove();
	CHECK_INT(mkdir(test_folder_path, 0700), 0);
}

/* Loads main.conf with STATE in the folder. */
__attribute__((unused)) static int load(struct conf **ret, struct error *error,
					struct buffer *errors)
{
	struct conf_overrides overrides = { .state = at("state") };

	return conf_load(at("main.conf"), &overrides, ret, error, errors);
}

__attribute__((unused)) static struct conf *load_good(void)
{
	struct conf *conf = NULL;
	struct error error = { 0 };
	char text[1024];

	if (load(&conf, &error, NULL) < 0)
		test_fail(__FILE__, __LINE__, "%s", error_text(&error, text, sizeof(text)));
	return conf;
}
