/* SPDX-License-Identifier: Apache-2.0 */
/* Counts allocations of loop threads, for LD_PRELOAD: the proof that relaying a chunk allocates
 * nothing. The counter lies in the file that ALLOC_COUNT_FILE names, so that a test reads it while
 * the daemon runs. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* glibc's own entry points: no dlsym, which would itself allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t *counter;
static __thread int is_loop __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void open_counter(void)
{
	const char *path = getenv("ALLOC_COUNT_FILE");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *page;

	if (fd < 0 || ftruncate(fd, sizeof(*counter)) < 0)
		abort();
	page = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		abort();
	counter = page;
}

/* A thread is asked for its name until it has a loop's: names come after the thread's first
 * allocations. */
static void count(void)
{
	char name[16] = "";

	if (!is_loop && prctl(PR_GET_NAME, name) == 0 && strncmp(name, "loop-", 5) == 0)
		is_loop = 1;
	if (is_loop && counter)
		atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t amount, size_t size)
{
	count();
	return __libc_calloc(amount, size);
}

void *realloc(void *old, size_t size)
{
	count();
	return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *made;

	count();
	made = __libc_memalign(alignment, size);
	if (!made)
		return 12; /* ENOMEM */
	*ret = made;
	return 0;
}
