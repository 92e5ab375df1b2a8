/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the kernel which names have a new value. The kernel takes the directory's lock for it,
 * which it holds while somebody's look-up in it waits for a session thread: so neither that thread
 * may do this, nor the ticker, which everybody's figures come from. */
#include "fs/private.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *notify_main(void *data)
{
	struct fs *fs = data;
	eventfd_t count;

	pthread_setname_np(pthread_self(), "fs-notify");
	for (;;) {
		if (eventfd_read(fs->notify_fd, &count) < 0 && errno != EINTR)
			break;
		if (atomic_load(&fs->notify_stopping))
			break;
		tree_expire(&fs->tree);
		tree_expire(&fs->now);
	}
	return NULL;
}

void notify_changed(void *data, size_t node, uint64_t generation)
{
	struct fs *fs = data;

	tree_changed(&fs->tree, node);
	tree_changed(&fs->now, node);
	eventfd_write(fs->notify_fd, 1);
}

int notify_start(struct fs *fs, struct error *error)
{
	int r;

	fs->notify_fd = eventfd(0, EFD_CLOEXEC);
	if (fs->notify_fd < 0)
		return error_set(error, -errno, "no eventfd: %s", strerror(errno));
	r = pthread_create(&fs->notifier, NULL, notify_main, fs);
	if (r)
		return error_set(error, -r, "the thread fs-notify cannot start: %s", strerror(r));
	fs->notifying = true;
	return 0;
}

void notify_stop(struct fs *fs)
{
	if (fs->notifying) {
		atomic_store(&fs->notify_stopping, true);
		eventfd_write(fs->notify_fd, 1);
		pthread_join(fs->notifier, NULL);
	}
	if (fs->notify_fd >= 0)
		close(fs->notify_fd);
}
