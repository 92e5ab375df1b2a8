/* SPDX-License-Identifier: Apache-2.0 */
/* One FUSE connection: mounted, served by one thread, detached. The thread waits on the device and
 * on a stop signal, so that it ends even while somebody's working directory keeps the mount busy.
 */
#include "fs/private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	STALE_LAYERS_MAX = 8,
};

/* A mount whose daemon is gone answers ENOTCONN; whatever tree of ours lies on the folder is
 * detached, layer by layer. A foreign file system is left alone. */
void session_detach_stale(const char *mount)
{
	for (int i = 0; i < STALE_LAYERS_MAX; i++) {
		_cleanup_file_ FILE *mounts = fopen("/proc/self/mounts", "re");
		char line[8192], wanted[4200];
		bool ours = false;
		snprintf(wanted, sizeof(wanted), "tidegate %s fuse", mount);
		while (mounts && fgets(line, sizeof(line), mounts))
			ours = ours || strncmp(line, wanted, strlen(wanted)) == 0;
		if (!ours || umount2(mount, MNT_DETACH) < 0)
			return;
		log_info("%s: detached what an earlier daemon had left mounted", mount);
	}
}

static void *serve(void *data)
{
	struct fs_session *session = data;
	struct pollfd wait[2] = {
		{ .fd = fuse_session_fd(session->fuse), .events = POLLIN },
		{ .fd = session->stop_fd, .events = POLLIN },
	};
	struct fuse_buf buffer = { 0 };

	pthread_setname_np(pthread_self(), session->thread_name);
	for (;;) {
		int n;
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			break;
		if (wait[1].revents || wait[0].revents & (POLLERR | POLLNVAL))
			break;
		if (!(wait[0].revents & POLLIN))
			continue;
		n = fuse_session_receive_buf(session->fuse, &buffer);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		fuse_session_process_buf(session->fuse, &buffer);
	}
	free(buffer.mem);
	return NULL;
}

int session_start(struct fs_session *session, struct error *error)
{
	static char name[] = "tidegate", flag[] = "-o";
	static char options[] =
	    "allow_other,default_permissions,nosuid,nodev,noexec,fsname=tidegate,subtype=tidegate";
	char *argv[] = { name, flag, options };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int r;

	session->start_real_ns = clock_real_ns();
	session->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	session->fuse = fuse_session_new(&args, &fs_operations, sizeof(fs_operations), session);
	fuse_opt_free_args(&args);
	if (!session->fuse || session->stop_fd < 0)
		return error_set(error, -ENOMEM, "%s: no FUSE session: %s", session->mount,
				 strerror(errno));
	if (fuse_session_mount(session->fuse, session->mount) < 0)
		return error_set(error, -ENODEV,
				 "%s: cannot be mounted (is /dev/fuse there, and are we root?); "
				 "--mount none runs "
				 "without",
				 session->mount);
	session->mounted = true;
	r = pthread_create(&session->thread, NULL, serve, session);
	if (r)
		return error_set(error, -r, "%s: thread %s cannot start: %s", session->mount,
				 session->thread_name, strerror(r));
	session->running = true;
	return 0;
}

void session_stop(struct fs_session *session)
{
	if (session->mounted && umount2(session->mount, MNT_DETACH) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		log_warning("%s: cannot be unmounted: %s", session->mount, strerror(errno));
	if (session->running) {
		eventfd_write(session->stop_fd, 1);
		pthread_join(session->thread, NULL);
	}
	if (session->fuse) {
		/* Unmounted by us already; libfuse only closes the device, which ends what is still
		 * waiting. */
		fuse_session_unmount(session->fuse);
		fuse_session_destroy(session->fuse);
	}
	if (session->stop_fd >= 0)
		close(session->stop_fd);
	tree_fini(session);
}
