/* SPDX-License-Identifier: Apache-2.0 */
/* Moves the time of day, for LD_PRELOAD: what clock.py puts into the file that CLOCK_AHEAD
 * names, in nanoseconds, is added to it from then on. Monotonic time stays what it is. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static _Atomic int64_t *ahead_ns;

/* Bare system calls: a sanitizer's own are not ready yet. */
__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("CLOCK_AHEAD");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
	long page =
	    fd < 0 ? -1 : syscall(SYS_mmap, NULL, sizeof(*ahead_ns), PROT_READ, MAP_SHARED, fd, 0L);

	if (page == -1)
		abort();
	syscall(SYS_close, fd);
	ahead_ns = (_Atomic int64_t *)page;
}

static int64_t read_real(clockid_t id)
{
	struct timespec now = { 0 };

	syscall(SYS_clock_gettime, id, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec + (ahead_ns ? atomic_load(ahead_ns) : 0);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int64_t now_ns;

	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ret);
	now_ns = read_real(id);
	*ret = (struct timespec){ now_ns / NS_PER_S, now_ns % NS_PER_S };
	return 0;
}

time_t time(time_t *ret)
{
	time_t now = read_real(CLOCK_REALTIME_COARSE) / NS_PER_S;

	if (ret)
		*ret = now;
	return now;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	int64_t now_ns = read_real(CLOCK_REALTIME);

	(void)zone;
	*ret = (struct timeval){ now_ns / NS_PER_S, now_ns % NS_PER_S / 1000 };
	return 0;
}
