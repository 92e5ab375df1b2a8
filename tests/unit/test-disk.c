/* SPDX-License-Identifier: Apache-2.0 */
/* Files are known by their inodes, what was synced of each is kept in memory, and names are listed
 * again wherever they may have changed. */
#include "test-disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"

enum {
	DISK_FILES = 64,
	DISK_NAMES = 24,
	DISK_CHANGES = 256,
	DISK_SECTOR = 512,
	DISK_PAGE = 4096,
	DISK_FILE_MAX = 64 << 20,
};

struct disk_file {
	ino_t inode;
	bool gone; /* its inode may be another's now */
	struct buffer synced;
	struct buffer last; /* of one that is gone: what it was */
};

struct disk_names {
	size_t count;
	struct {
		char name[64];
		int file;
	} of[DISK_NAMES];
};

static struct disk {
	char folder[320],
	    mapped[320]; /* the latter: one file elsewhere, which is written by mmap */
	disk_step_fn step;
	bool busy;
	struct disk_file files[DISK_FILES];
	size_t file_count;
	struct disk_names names[DISK_CHANGES]; /* the first as synced, the last as they are */
	size_t name_count;
	struct buffer mapped_synced;
	uint64_t random;
} disk;

static uint64_t disk_random(void)
{
	disk.random ^= disk.random << 13;
	disk.random ^= disk.random >> 7;
	disk.random ^= disk.random << 17;
	return disk.random;
}

static void disk_read(const char *path, struct buffer *out)
{
	struct error error = { 0 };

	if (file_read(path, DISK_FILE_MAX, out, &error) < 0)
		test_fail(__FILE__, __LINE__, "%s", error.message);
}

static const char *disk_path(const char *name)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", disk.folder, name);
	return path;
}

static int disk_find(ino_t inode)
{
	for (size_t i = 0; i < disk.file_count; i++)
		if (!disk.files[i].gone && disk.files[i].inode == inode)
			return (int)i;
	return -1;
}

static int disk_file_of(const char *name)
{
	struct stat info;
	int file;

	if (stat(disk_path(name), &info) < 0)
		return -1;
	file = disk_find(info.st_ino);
	if (file < 0) {
		CHECK(disk.file_count < DISK_FILES);
		file = (int)disk.file_count++;
		disk.files[file] = (struct disk_file){ .inode = info.st_ino };
	}
	return file;
}

static bool disk_counts(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && (len < 4 || strcmp(name + len - 4, "-shm") != 0);
}

static int disk_compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void disk_list(struct disk_names *names)
{
	DIR *folder = opendir(disk.folder);
	struct dirent *entry;

	CHECK(folder);
	memset(names, 0, sizeof(*names));
	while ((entry = readdir(folder))) {
		size_t at = names->count;

		if (!disk_counts(entry->d_name))
			continue;
		CHECK(at < DISK_NAMES && strlen(entry->d_name) < sizeof(names->of[at].name));
		strcpy(names->of[at].name, entry->d_name);
		names->of[at].file = disk_file_of(entry->d_name);
		names->count++;
	}
	closedir(folder);
	qsort(names->of, names->count, sizeof(names->of[0]), disk_compare_names);
}

/* Notes what was made, renamed or removed since the last look. */
static void disk_look(void)
{
	struct disk_names now;
	bool there[DISK_FILES] = { 0 };

	disk_list(&now);
	if (disk.name_count > 0 && memcmp(&disk.names[disk.name_count - 1], &now, sizeof(now)) == 0)
		return;
	CHECK(disk.name_count < DISK_CHANGES);
	disk.names[disk.name_count++] = now;
	for (size_t i = 0; i < now.count; i++)
		there[now.of[i].file] = true;
	for (size_t i = 0; i < disk.file_count; i++)
		disk.files[i].gone = !there[i];
}

/* A file is about to lose its name. */
static void disk_keep(const char *path)
{
	struct stat info;
	int file;

	if (stat(path, &info) < 0)
		return;
	file = disk_find(info.st_ino);
	if (file >= 0)
		disk_read(path, &disk.files[file].last);
}

/* ---- what is left ---- */

static void disk_put(const char *path, const char *data, size_t len)
{
	FILE *file = fopen(path, "we");

	CHECK(file);
	CHECK(len == 0 || fwrite(data, len, 1, file) == 1);
	CHECK_INT(fclose(file), 0);
}

/* The one or the other, sector by sector. */
static void disk_mix(const struct buffer *synced, const struct buffer *now, size_t unit,
		     enum disk_loss loss, struct buffer *out)
{
	const struct buffer *whole = loss == DISK_SOME && disk_random() % 2 ? now : synced;

	buffer_clear(out);
	for (size_t at = 0; at < whole->len; at += unit) {
		const struct buffer *from = loss == DISK_SOME && disk_random() % 2 ? now : synced;
		size_t len = whole->len - at < unit ? whole->len - at : unit;
		size_t there = at >= from->len ? 0 : from->len - at < len ? from->len - at : len;

		buffer_append(out, there > 0 ? from->data + at : "", there);
		while (there++ < len)
			buffer_append_char(out, '\0');
	}
	CHECK(!out->failed);
}

static const char *disk_name_now(int file)
{
	const struct disk_names *now = &disk.names[disk.name_count - 1];

	for (size_t i = 0; i < now->count; i++)
		if (now->of[i].file == file)
			return now->of[i].name;
	return NULL;
}

/* Content of a file as it is, or was last. */
static void disk_content(int file, struct buffer *out)
{
	const char *name = disk_name_now(file);

	buffer_clear(out);
	if (name)
		disk_read(disk_path(name), out);
	else
		buffer_append(out, disk.files[file].last.data, disk.files[file].last.len);
}

static void disk_leave_file(int file, enum disk_loss loss, const char *to)
{
	_cleanup_(buffer_fini) struct buffer now = { 0 }, mixed = { 0 };

	disk_content(file, &now);
	if (loss == DISK_KILL) {
		disk_put(to, now.data, now.len);
		return;
	}
	disk_mix(&disk.files[file].synced, &now, DISK_SECTOR, loss, &mixed);
	disk_put(to, mixed.data, mixed.len);
}

void disk_leave(enum disk_loss loss, const char *folder, const char *mapped)
{
	_cleanup_(buffer_fini) struct buffer now = { 0 }, mixed = { 0 };
	size_t moment = loss == DISK_ALL    ? 0
			: loss == DISK_SOME ? disk_random() % disk.name_count
					    : disk.name_count - 1;
	const struct disk_names *names = &disk.names[moment];
	char to[500];

	CHECK_INT(file_make_folders(folder, 0700, NULL), 0);
	for (size_t i = 0; i < names->count; i++) {
		snprintf(to, sizeof(to), "%s/%s", folder, names->of[i].name);
		disk_leave_file(names->of[i].file, loss, to);
	}
	if (access(disk.mapped, F_OK) < 0)
		return;
	disk_read(disk.mapped, &now);
	/* Nobody syncs it: the kernel writes its pages when it likes. */
	disk_mix(&disk.mapped_synced, &now, DISK_PAGE, loss == DISK_DATA ? DISK_ALL : loss, &mixed);
	disk_put(mapped, loss == DISK_KILL ? now.data : mixed.data,
		 loss == DISK_KILL ? now.len : mixed.len);
}

/* ---- the calls ---- */

#define DISK_REAL(name, ...)             \
	static int (*real)(__VA_ARGS__); \
	if (!real)                       \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

/* NULL for what lies elsewhere. */
static const char *disk_name_of(const char *path)
{
	size_t len = strlen(disk.folder);

	return len > 0 && strncmp(path, disk.folder, len) == 0 && path[len] == '/' &&
		       disk_counts(path + len + 1)
		   ? path + len + 1
		   : NULL;
}

/* 1 for a call that changes the folder; what is there before it was noted then. Negative for one
 * that is to fail: errno is set. */
static int disk_step(const char *call, const char *path)
{
	const char *name = disk.step && !disk.busy ? disk_name_of(path) : NULL;
	int failure;

	if (!name)
		return 0;
	disk.busy = true;
	disk_look();
	failure = disk.step(call, name);
	disk.busy = false;
	errno = failure != 0 ? failure : errno;
	return failure != 0 ? -1 : 1;
}

static int disk_step_at(const char *call, int fd)
{
	char link[64], path[400];
	ssize_t len;

	if (!disk.step || disk.busy)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return 0;
	path[len] = '\0';
	return disk_step(call, path);
}

static void disk_synced(int fd)
{
	struct stat info, folder;
	int file;

	if (!disk.step || disk.busy || fstat(fd, &info) < 0)
		return;
	disk.busy = true;
	if (S_ISDIR(info.st_mode) && stat(disk.folder, &folder) == 0 &&
	    folder.st_ino == info.st_ino) {
		disk_look();
		disk.names[0] = disk.names[disk.name_count - 1];
		disk.name_count = 1;
	} else if ((file = disk_find(info.st_ino)) >= 0) {
		disk_content(file, &disk.files[file].synced);
	}
	disk.busy = false;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);
	struct stat info;
	bool grows;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	grows = fstat(fd, &info) == 0 && info.st_size < at + (off64_t)len;
	return disk_step_at(grows ? "grow" : "write", fd) < 0 ? -1 : real(fd, data, len, at);
}

int ftruncate64(int fd, off64_t len)
{
	DISK_REAL(ftruncate64, int, off64_t);
	return disk_step_at("truncate", fd) < 0 ? -1 : real(fd, len);
}

/* What the test itself looks at need not wait for the disk. */
static int disk_sync(int fd)
{
	if (disk_step_at("sync", fd) < 0)
		return -1;
	disk_synced(fd);
	return 0;
}

int fdatasync(int fd)
{
	return disk_sync(fd);
}

int fsync(int fd)
{
	return disk_sync(fd);
}

static void disk_renamed(void)
{
	disk.busy = true;
	disk_look();
	disk.busy = false;
}

int unlink(const char *path)
{
	int counts = disk_step("unlink", path);
	DISK_REAL(unlink, const char *);
	int r;

	if (counts < 0)
		return -1;
	if (counts)
		disk_keep(path);
	r = real(path);
	if (counts)
		disk_renamed();
	return r;
}

int rename(const char *from, const char *to)
{
	int counts = disk_step("rename", to);
	DISK_REAL(rename, const char *, const char *);
	int r;

	if (counts < 0)
		return -1;
	if (counts)
		disk_keep(to);
	r = real(from, to);
	if (counts)
		disk_renamed();
	return r;
}

void disk_watch(const char *folder, const char *mapped, disk_step_fn step)
{
	for (size_t i = 0; i < disk.file_count; i++) {
		buffer_fini(&disk.files[i].synced);
		buffer_fini(&disk.files[i].last);
	}
	buffer_fini(&disk.mapped_synced);
	disk = (struct disk){ .random = UINT64_C(88172645463325252) };
	snprintf(disk.folder, sizeof(disk.folder), "%s", folder);
	snprintf(disk.mapped, sizeof(disk.mapped), "%s", mapped);
	if (access(folder, F_OK) == 0)
		disk_look();
	for (size_t i = 0; i < disk.file_count; i++)
		disk_content((int)i, &disk.files[i].synced);
	if (access(mapped, F_OK) == 0)
		disk_read(mapped, &disk.mapped_synced);
	disk.step = step;
}

void disk_rest(void)
{
	disk.step = NULL;
}

uint32_t disk_stride(uint32_t by_default)
{
	const char *every = getenv("TIDEGATE_FULL");

	if (getenv("TIDEGATE_WRAPPER"))
		return 5 * by_default;
	return every && strcmp(every, "1") == 0 ? 1 : by_default;
}
