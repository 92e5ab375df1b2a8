/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. A write goes to a hidden temporary file beside its target and is renamed over it,
 * with both the bytes and the folder entry on disk before success is told. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	READ_CHUNK_BYTES = 65536,
	TEMPORARY_RANDOM = 6, /* characters that mkostemp() replaces */
};

static const char temporary_name[] = ".new-XXXXXX";

static int fail(struct error *error, int code, const char *path, const char *what)
{
	return error_set_at(error, code, path, 0, 0, "cannot %s: %s", what, strerror(-code));
}

static int read_all(int fd, size_t max_bytes, struct buffer *out)
{
	for (;;) {
		ssize_t got;

		if (!buffer_reserve(out, READ_CHUNK_BYTES))
			return -ENOMEM;
		got = read(fd, out->data + out->len, READ_CHUNK_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		out->len += (size_t)got;
		if (out->len > max_bytes)
			return -EFBIG;
	}
}

int file_read(const char *path, size_t max_bytes, struct buffer *out, struct error *error)
{
	_cleanup_fd_ int fd = -1;
	struct stat status;
	int r;

	buffer_clear(out);
	/* A pipe would be waited for, by a thread on which others wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(error, -errno, path, "open it");
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return error_set_at(error, -EINVAL, path, 0, 0, "is not a regular file");
	r = read_all(fd, max_bytes, out);
	if (r == 0)
		return 0;
	buffer_clear(out);
	if (r == -EFBIG)
		return error_set_at(error, r, path, 0, 0, "larger than the limit of %zu bytes",
				    max_bytes);
	return fail(error, r, path, "read it");
}

static int write_all(int fd, struct slice content)
{
	while (content.len > 0) {
		ssize_t done = write(fd, content.ptr, content.len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		content = slice_skip(content, (size_t)done);
	}
	return 0;
}

/* The folder of `path`: "" where it has none, else with its closing slash. */
static struct slice folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slice_span(path, slash + 1) : slice_span(path, path);
}

static int sync_folder(struct slice folder)
{
	_cleanup_free_ char *name = folder.len > 0 ? slice_dup(folder) : strdup(".");
	_cleanup_fd_ int fd = -1;

	if (!name)
		return -ENOMEM;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill_temporary(int fd, struct slice content, mode_t mode)
{
	int r = write_all(fd, content);

	if (r < 0)
		return r;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* A temporary file beside `path`, and its name. */
static int open_temporary(const char *path, struct buffer *ret_name)
{
	int fd;

	buffer_append_slice(ret_name, folder_of(path));
	buffer_append(ret_name, temporary_name, sizeof(temporary_name));
	if (ret_name->failed)
		return -ENOMEM;
	fd = mkostemp(ret_name->data, O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int file_write_atomic(const char *path, struct slice content, mode_t mode, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer temporary = { 0 };
	_cleanup_fd_ int fd = open_temporary(path, &temporary);
	int r;

	if (fd < 0)
		return fail(error, fd, path, "make a temporary file beside it");
	r = fill_temporary(fd, content, mode);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(temporary.data, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary.data);
		return fail(error, r, path, "write it");
	}
	r = sync_folder(folder_of(path));
	return r < 0 ? fail(error, r, path, "sync its folder") : 0;
}

/* A file of a batch; its temporary one's name is the array's. */
static int write_temporary(const struct file_text *file, mode_t mode, char **ret_name)
{
	struct buffer name = { 0 };
	_cleanup_fd_ int fd = open_temporary(file->path, &name);

	if (fd < 0) {
		buffer_fini(&name);
		return fd;
	}
	*ret_name = name.data;
	return fill_temporary(fd, file->text, mode);
}

static int sync_disk_of(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || syncfs(fd) < 0 ? -errno : 0;
}

int file_write_new(const struct file_text *files, size_t count, mode_t mode, struct error *error)
{
	char **names = calloc(count + 1, sizeof(*names));
	size_t written = 0, renamed = 0;
	int r = names ? 0 : -ENOMEM;

	for (; r == 0 && written < count; written++)
		r = write_temporary(&files[written], mode, &names[written]);
	if (r == 0 && count > 0)
		r = sync_disk_of(names[0]);
	for (; r == 0 && renamed < count; renamed++)
		r = rename(names[renamed], files[renamed].path) < 0 ? -errno : 0;
	if (r == 0 && count > 0)
		r = sync_folder(folder_of(files[0].path));
	for (size_t i = 0; names && i < written; i++) {
		if (r < 0 && names[i])
			unlink(names[i]);
		if (r < 0 && i < renamed)
			unlink(files[i].path);
		free(names[i]);
	}
	free(names);
	return r < 0 && count > 0 ? fail(error, r, files[0].path, "write it and others") : r;
}

static bool is_temporary(const char *name)
{
	size_t before = sizeof(temporary_name) - 1 - TEMPORARY_RANDOM;

	return strlen(name) == sizeof(temporary_name) - 1 &&
	       strncmp(name, temporary_name, before) == 0;
}

void file_sweep_temporaries(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	while (entries && (entry = readdir(entries)))
		if (is_temporary(entry->d_name))
			unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries)
		closedir(entries);
}

static int make_folder(const char *path, mode_t mode)
{
	struct stat info;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? -errno : 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &info) < 0)
		return -errno;
	return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int file_make_folders(const char *path, mode_t mode, struct error *error)
{
	_cleanup_free_ char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return fail(error, -ENOMEM, path, "make the folder");
	for (char *at = copy + strspn(copy, "/"); r == 0 && *at;) {
		char *end = at + strcspn(at, "/");
		char was = *end;

		*end = '\0';
		r = make_folder(copy, mode);
		*end = was;
		at = end + strspn(end, "/");
	}
	return r < 0 ? fail(error, r, path, "make the folder") : 0;
}

static bool name_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._@:+-", c));
}

void file_name_encode(struct slice name, struct buffer *out)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		if (name_plain(c) && !(c == '.' && i == 0))
			buffer_append_char(out, (char)c);
		else
			buffer_printf(out, "%%%02X", c);
	}
}

static int upper_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int file_name_decode(struct slice text, struct buffer *out)
{
	for (size_t i = 0; i < text.len; i++) {
		bool leading_dot = i == 0 && text.ptr[0] == '.';
		int high, low, c;

		if (name_plain((unsigned char)text.ptr[i]) && !leading_dot) {
			buffer_append_char(out, text.ptr[i]);
			continue;
		}
		if (text.ptr[i] != '%' || text.len - i < 3)
			return -EINVAL;
		high = upper_hex(text.ptr[i + 1]);
		low = upper_hex(text.ptr[i + 2]);
		if (high < 0 || low < 0)
			return -EINVAL;
		c = high << 4 | low;
		if (c == 0 || (name_plain((unsigned char)c) && !(c == '.' && i == 0)))
			return -EINVAL;
		buffer_append_char(out, (char)c);
		i += 2;
	}
	return 0;
}
