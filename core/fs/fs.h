/* SPDX-License-Identifier: Apache-2.0 */
/* /mnt/ai: the nodes of admin and the request log as files, by two FUSE connections: the tree, and
 * now/ without OPEN requests. No handler blocks, takes a lock of the data plane, or touches the
 * mount. Only this folder knows libfuse. */
#pragma once

#include "admin/admin.h"

struct fs;

/* What fs_new would refuse of a mount point, but for a mount of Tidegate's upon it. */
int fs_check(const char *mount, struct error *error);

struct fs_options {
	const char *mount; /* made if missing, with parents of mode 0755; a stale mount there is
			      detached first. No link, and empty. */
	struct admin *admin;
	const char *log_folder; /* STATE/logs */
};

/* Call before admin_start (it watches nodes); mounts and starts its threads, named "fs" and
 * "fs-now", and "fs-notify", which tells the kernel of changes: only that one waits for users of
 * the mount. */
int fs_new(const struct fs_options *options, struct fs **ret, struct error *error);
/* Unmounts, so that another daemon can mount; open files are served on. */
void fs_detach(struct fs *fs);
/* After admin_stop. Unmounts and ends the threads. */
struct fs *fs_free(struct fs *fs);
