/* SPDX-License-Identifier: Apache-2.0 */
/* The mount as a whole: the tree first, then now/ upon the directory of that name in it. */
#include "fs/private.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

CLEANUP_DEFINE(struct fs, fs_free);

static int make_sessions(struct fs *fs, struct error *error)
{
	int r;

	fs->tree.thread_name = "fs";
	fs->tree.has_logs = true;
	fs->now.thread_name = "fs-now";
	fs->now.without_open = true;
	r = tree_build(&fs->tree, "");
	if (r >= 0)
		r = tree_build(&fs->now, "now/");
	if (r >= 0)
		r = costs_build(&fs->tree);
	if (r < 0)
		return error_set(error, r, "the file system's tree could not be made: %s",
				 strerror(-r));
	fs->tree.logs_dir = tree_add_dir(&fs->tree, 0, "logs");
	tree_add_dir(&fs->tree, 0, "now");
	assert(fs->tree.logs_dir > 0 && fs->tree.dir_count < FS_DIRS_MAX);
	return 0;
}

static int mount_all(struct fs *fs, struct error *error)
{
	int r = session_start(&fs->tree, error);

	if (r < 0)
		return r;
	r = session_start(&fs->now, error);
	if (r < 0)
		return r;
	r = notify_start(fs, error);
	if (r < 0)
		return r;
	if (admin_watch(fs->options.admin, notify_changed, fs) < 0)
		return error_set(error, -ENOSPC, "too many watchers of admin's nodes");
	return 0;
}

/* Absolute, without symbolic links: so the kernel's table of mounts names it. What a dead daemon
 * left is detached first: of a dead mount nothing can be asked but its path. */
static int find_place(struct fs *fs, const char *mount, struct error *error)
{
	char real[PATH_MAX];
	int r = mount_check_path(mount, error);

	if (r >= 0 && realpath(mount, real))
		r = mount_clear(real, error);
	if (r >= 0)
		r = file_make_folders(mount, 0755, error);
	if (r < 0)
		return r;
	if (!realpath(mount, real))
		return error_set(error, -errno, "%s: %s", mount, strerror(errno));
	if (strlen(real) + sizeof("/now") > sizeof(fs->now.mount))
		return error_set(error, -ENAMETOOLONG, "%s: the path of the mount is too long",
				 mount);
	strcpy(fs->tree.mount, real);
	strcpy(fs->now.mount, real);
	strcat(fs->now.mount, "/now");
	return mount_check_empty(real, error);
}

int fs_new(const struct fs_options *options, struct fs **ret, struct error *error)
{
	_cleanup_(cleanup_fs_free) struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return error_set(error, -ENOMEM, "out of memory");
	fs->options = *options;
	fs->tree.fs = fs->now.fs = fs;
	fs->tree.stop_fd = fs->now.stop_fd = fs->notify_fd = -1;
	fs->tree.costs.done_fd = fs->now.costs.done_fd = -1;
	list_init(&fs->logs);
	snprintf(fs->log_folder, sizeof(fs->log_folder), "%s", options->log_folder);
	r = find_place(fs, options->mount, error);
	if (r >= 0)
		r = make_sessions(fs, error);
	if (r >= 0)
		r = mount_all(fs, error);
	if (r < 0)
		return r;
	*ret = steal(fs);
	return 0;
}

int fs_check(const char *mount, struct error *error)
{
	char real[PATH_MAX];
	int r = mount_check_path(mount, error);

	if (r < 0 || !realpath(mount, real) || mount_is_ours(real))
		return r;
	return mount_check_empty(real, error);
}

void fs_detach(struct fs *fs)
{
	atomic_store(&fs->stopping, true);
	if (fs->tree.mount_id)
		mount_detach(fs->tree.mount, fs->tree.mount_id);
	fs->tree.mount_id = 0;
}

struct fs *fs_free(struct fs *fs)
{
	if (!fs)
		return NULL;
	notify_stop(fs);
	/* Takes now/ with it, while both threads still serve. */
	fs_detach(fs);
	session_stop(&fs->now);
	session_stop(&fs->tree);
	logs_close_all(fs);
	free(fs);
	return NULL;
}
