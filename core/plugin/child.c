/* SPDX-License-Identifier: Apache-2.0 */
/* A child process in which code that is not trusted yet runs: no privileges, few resources and a
 * deadline. */
#include "plugin/child.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/clock.h"

enum {
	OUTPUT_BYTES = 256 * 1024,
	NOBODY = 65534,
};

/* What a sanitizer sets aside is more than any bound. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool bounded = false;
#else
static const bool bounded = true;
#endif

void plugin_child_drop(uint64_t memory_bytes)
{
	const struct rlimit cpu = { 4, 4 }, memory = { memory_bytes, memory_bytes },
			    none = { 0, 0 };

	setrlimit(RLIMIT_CPU, &cpu);
	if (bounded)
		setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(126);
	/* Changing ids closed /proc/self to us, by which the plugin is opened. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

bool plugin_child_collect(int fd, struct buffer *out)
{
	uint64_t until = clock_now_ns() + PLUGIN_CHILD_MS * NS_PER_MS;

	for (;;) {
		uint64_t now = clock_now_ns();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;
		int ready;
		if (now >= until)
			return false;
		ready = poll(&wait, 1, (int)((until - now) / NS_PER_MS) + 1);
		if (ready == 0)
			return false;
		if (ready < 0 && errno == EINTR)
			continue;
		if (!buffer_reserve(out, 4096) || out->len > OUTPUT_BYTES)
			return true;
		n = read(fd, out->data + out->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		out->len += (size_t)n;
	}
}
