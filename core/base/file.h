/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a bound, write so that a crash leaves the old or the new. [any] */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

/* Replaces out's content. -EFBIG over max_bytes; `error` says which file and why. */
int file_read(const char *path, size_t max_bytes, struct buffer *out, struct error *error);
/* Temporary file in the same folder, fsync, rename, fsync of the folder. */
int file_write_atomic(const char *path, struct slice content, mode_t mode, struct error *error);
/* The same of many new files of one folder, with one wait for the disk: all, or none. */
struct file_text {
	const char *path;
	struct slice text;
};
int file_write_new(const struct file_text *files, size_t count, mode_t mode, struct error *error);
/* Removes what crashes inside file_write_atomic() have left in a folder, into which nobody else may
 * write meanwhile. */
void file_sweep_temporaries(const char *folder);
/* mkdir -p; existing is fine. What is made has `mode`, whatever the umask. */
int file_make_folders(const char *path, mode_t mode, struct error *error);
/* Appends a name percent-encoded: bytes outside [A-Za-z0-9._@:+-] as %XX, and a leading dot too
 * (hidden files are temporary, and "." and ".." are no files). */
void file_name_encode(struct slice name, struct buffer *out);
/* Appends the name; -EINVAL unless `text` is just what encoding writes, so that no two files bear
 * one name, or where it hides a NUL. What was appended until then stays. */
int file_name_decode(struct slice text, struct buffer *out);
