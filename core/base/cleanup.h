/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound release: `_cleanup_(buffer_fini) struct buffer b = { 0 };`, and steal() to hand over.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_file_ _cleanup_(cleanup_file)

/* Defines cleanup_NAME for a pointer to `type` released by `function`. */
#define CLEANUP_DEFINE(type, function)                       \
	static inline void cleanup_##function(type **object) \
	{                                                    \
		if (*object)                                 \
			function(*object);                   \
	}                                                    \
	struct cleanup_semicolon

#define steal(pointer)                                        \
	({                                                    \
		__typeof__(pointer) *steal_from = &(pointer); \
		__typeof__(pointer) stolen = *steal_from;     \
		*steal_from = NULL;                           \
		stolen;                                       \
	})

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline int steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}
