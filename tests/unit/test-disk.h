/* SPDX-License-Identifier: Apache-2.0 */
/* What a kill, or a loss of power, would leave of one folder just before each call that changes it.
 * The calls are caught by their names, SQLite's among them, which a program's own come before.
 *
 * Of a loss of power: what was synced is there. Of what was not, each sector is as it was or as it
 * became; names are as they were after some number of the changes since the folder was synced. */
#pragma once

#include <stdint.h>

/* How much of what was not synced is lost. */
enum disk_loss {
	DISK_KILL, /* nothing */
	DISK_DATA, /* all data; names are kept, as by a file system that has a journal of them */
	DISK_ALL,  /* and names */
	DISK_SOME, /* by chance */
	DISK_TYPES,
};

/* A call is one of "grow", which writes behind a file's end, "write", "truncate", "sync", "unlink"
 * and "rename". What is returned that is not 0 is the error with which the call fails, without
 * having been made.
 */
typedef int (*disk_step_fn)(const char *call, const char *name);

/* From here on `step` is called before each change of `folder`, in which all there is was synced.
 * `mapped` is a file elsewhere that the program writes by mmap. For programs of one thread that
 * does so. */
void disk_watch(const char *folder, const char *mapped, disk_step_fn step);
void disk_rest(void);
/* [step] What is left now, into `folder`, which is made, and of the mapped file to `mapped`. */
void disk_leave(enum disk_loss loss, const char *folder, const char *mapped);
/* Of the stops that a test may make it makes one in so many: all of them take long. */
uint32_t disk_stride(uint32_t by_default);
