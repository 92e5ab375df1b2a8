/* SPDX-License-Identifier: Apache-2.0 */
/* One FUSE connection: mounted, and served by one thread. The thread waits on the device and on a
 * stop signal, so that it ends even while somebody's working directory keeps the mount busy. */
#include "fs/private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* 0 once we are to stop, or why the connection is no more. */
static int serve_all(struct fs_session *session, struct fuse_buf *buffer)
{
	struct pollfd wait[3] = {
		{ .fd = fuse_session_fd(session->fuse), .events = POLLIN },
		{ .fd = session->stop_fd, .events = POLLIN },
		{ .fd = session->costs.done_fd, .events = POLLIN },
	};

	for (;;) {
		int n;
		if (poll(wait, 3, costs_wait_ms(session)) < 0 && errno != EINTR)
			return -errno;
		if (wait[1].revents)
			return 0;
		costs_go_on(session);
		if (wait[0].revents & (POLLERR | POLLNVAL))
			return -ENODEV;
		if (!(wait[0].revents & POLLIN))
			continue;
		n = fuse_session_receive_buf(session->fuse, buffer);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n < 0 ? n : -ENODEV;
		fuse_session_process_buf(session->fuse, buffer);
	}
}

static void *serve(void *data)
{
	struct fs_session *session = data;
	struct fuse_buf buffer = { 0 };
	int r;

	pthread_setname_np(pthread_self(), session->thread_name);
	r = serve_all(session, &buffer);
	if (r == -ENODEV && !atomic_load(&session->fs->stopping))
		log_warning("%s: somebody unmounted it; it comes back with a restart",
			    session->mount);
	else if (r < 0 && r != -ENODEV)
		log_error("%s: no longer served: %s", session->mount, strerror(-r));
	free(buffer.mem);
	return NULL;
}

static int make_connection(struct fs_session *session, struct error *error)
{
	static char name[] = "tidegate";
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	char device[32];
	int r, fd;

	session->fuse = fuse_session_new(&args, &fs_operations, sizeof(fs_operations), session);
	fuse_opt_free_args(&args);
	if (!session->fuse)
		return error_set(error, -ENOMEM, "%s: no FUSE session", session->mount);
	r = mount_attach(session->mount, &fd, &session->mount_id, error);
	if (r < 0)
		return r;
	/* libfuse takes a device that is mounted already by this name. */
	snprintf(device, sizeof(device), "/dev/fd/%d", fd);
	if (fuse_session_mount(session->fuse, device) < 0) {
		close(fd);
		return error_set(error, -ENODEV, "%s: libfuse refused the device", session->mount);
	}
	return 0;
}

int session_start(struct fs_session *session, struct error *error)
{
	int r;

	session->start_real_ns = clock_real_ns();
	session->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->stop_fd < 0)
		return error_set(error, -errno, "%s: no eventfd: %s", session->mount,
				 strerror(errno));
	r = make_connection(session, error);
	if (r < 0)
		return r;
	r = pthread_create(&session->thread, NULL, serve, session);
	if (r)
		return error_set(error, -r, "%s: thread %s cannot start: %s", session->mount,
				 session->thread_name, strerror(r));
	session->running = true;
	return 0;
}

void session_stop(struct fs_session *session)
{
	if (session->running) {
		eventfd_write(session->stop_fd, 1);
		pthread_join(session->thread, NULL);
	}
	/* Closes the device, which ends whatever still waits for an answer. */
	if (session->fuse)
		fuse_session_destroy(session->fuse);
	if (session->stop_fd >= 0)
		close(session->stop_fd);
	costs_free(session);
	tree_fini(session);
}
