/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting and its undoing. The device is opened and mounted here, not by libfuse, whose unmounting
 * would take away a file system beneath ours once ours is detached. Only what lies on top and is
 * ours is ever detached. */
#include "fs/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/slice.h"

enum {
	STALE_LAYERS_MAX = 8,
	ANSWER_MS = 1000,
};

static const char type_name[] = "fuse.tidegate";

/* The kernel writes space, tab, newline and backslash in paths as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* The number of the topmost mount on `path` if it is one of Tidegate's, else 0. */
static unsigned long top_mount(const char *path)
{
	_cleanup_file_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[3 * PATH_MAX], point[PATH_MAX], type[64];
	unsigned long id, found = 0;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		const char *dash = strstr(line, " - ");
		if (!dash || sscanf(line, "%lu %*s %*s %*s %4095s", &id, point) != 2 ||
		    sscanf(dash, " - %63s", type) != 1)
			continue;
		unescape(point);
		if (strcmp(point, path) == 0)
			found = strcmp(type, type_name) == 0 ? id : 0;
	}
	return found;
}

/* In a child, for a mount whose daemon is stopped or hangs answers nothing. 0: its daemon is gone;
 * -EBUSY: somebody serves it; -ETIMEDOUT: somebody should. */
static int probe(const char *path)
{
	struct pollfd wait = { .events = POLLIN };
	struct statvfs status;
	int state, r = -ETIMEDOUT;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(statvfs(path, &status) < 0 && errno == ENOTCONN ? 0 : 1);
	wait.fd = (int)syscall(SYS_pidfd_open, child, 0);
	if (wait.fd < 0 || poll(&wait, 1, ANSWER_MS) != 0) {
		if (waitpid(child, &state, 0) == child)
			r = WIFEXITED(state) && WEXITSTATUS(state) == 0 ? 0 : -EBUSY;
	} else {
		kill(child, SIGKILL);
	}
	if (wait.fd >= 0)
		close(wait.fd);
	return r;
}

/* Whoever may change the link would decide what is covered. */
int mount_check_path(const char *path, struct error *error)
{
	struct slice last = slice_of(path);
	char name[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	/* "link/" and "link/." are the folder behind the link to the kernel. */
	while (last.len > 1 && (last.ptr[last.len - 1] == '/' ||
				(last.ptr[last.len - 1] == '.' && last.ptr[last.len - 2] == '/')))
		last.len--;
	if (!slice_copy(last, name, sizeof(name)))
		return error_set(error, -ENAMETOOLONG, "%s: the path of the mount is too long",
				 path);
	len = readlink(name, target, sizeof(target));
	if (len < 0)
		return 0;
	return error_set(error, -ELOOP,
			 "%s is a symbolic link, to %.*s; name the folder itself as the mount "
			 "point, or use --mount none",
			 name, (int)len, target);
}

int mount_check_empty(const char *path, struct error *error)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!folder)
		return error_set(error, -errno, "%s: cannot be read: %s", path, strerror(errno));
	while (r == 0 && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = error_set(error, -ENOTEMPTY,
				      "%s is not empty (there is \"%s\"), and a mount would hide "
				      "that; move its content away, or name another folder with "
				      "--mount",
				      path, entry->d_name);
	}
	closedir(folder);
	return r;
}

bool mount_is_ours(const char *path)
{
	return top_mount(path) != 0;
}

int mount_clear(const char *path, struct error *error)
{
	for (int i = 0; i < STALE_LAYERS_MAX && top_mount(path); i++) {
		int r = probe(path);
		if (r == -EBUSY || r == -ETIMEDOUT)
			return error_set(
			    error, -EBUSY,
			    "%s is mounted by another tidegated%s; stop it first, or use "
			    "--mount",
			    path, r == -EBUSY ? "" : ", which does not answer");
		if (r == 0 && umount2(path, MNT_DETACH) < 0)
			r = -errno;
		if (r < 0)
			return error_set(error, r,
					 "%s: what an earlier tidegated left mounted cannot be "
					 "detached: %s",
					 path, strerror(-r));
		log_info("%s: detached what an earlier tidegated had left mounted", path);
	}
	return 0;
}

int mount_attach(const char *path, int *ret_fd, unsigned long *ret_id, struct error *error)
{
	_cleanup_fd_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[160];

	if (fd < 0)
		return error_set(error, -errno,
				 "/dev/fuse cannot be opened: %s (is the module fuse loaded?); "
				 "--mount none runs without",
				 strerror(errno));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions", fd,
		 geteuid(), getegid());
	if (mount("tidegate", path, type_name, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  options) < 0)
		return error_set(
		    error, -errno,
		    "%s cannot be mounted: %s (mounting needs root); --mount none runs "
		    "without",
		    path, strerror(errno));
	*ret_id = top_mount(path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

void mount_detach(const char *path, unsigned long id)
{
	if (top_mount(path) != id)
		log_warning("%s: left as it is, for our mount is not on top there any more", path);
	else if (umount2(path, MNT_DETACH) < 0)
		log_warning("%s: cannot be unmounted: %s", path, strerror(errno));
}
