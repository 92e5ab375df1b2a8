/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's file, before anything of it is run: whose it is, and which bytes. All that follows is
 * done by the one descriptor that is opened here, so no other file can take its place. */
#include "plugin/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

enum {
	FILE_BYTES_MAX = 64 << 20,
};

static int check_rights(const char *path, const struct stat *status, const char *whose,
			struct error *error)
{
	if (status->st_uid != 0)
		return error_set(error, -EPERM, "%s: not owned by root; %s must be: chown root",
				 path, whose);
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EPERM,
				 "%s: writable by others than its owner; run chmod go-w on it",
				 path);
	return 0;
}

int plugin_check_main_file(const char *path, struct error *error)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	return check_rights(path, &status, "the file that names the plugins to load", error);
}

static int check_folder(const char *folder, bool require_root, struct error *error)
{
	struct stat status;

	if (stat(folder, &status) < 0)
		return error_set(error, -errno, "%s: the plugin folder cannot be read: %s", folder,
				 strerror(errno));
	return require_root ? check_rights(folder, &status, "plugins and their folder", error) : 0;
}

int plugin_file_open(const char *folder, const char *path, bool require_root, int *ret,
		     struct error *error)
{
	_cleanup_fd_ int fd = -1;
	struct stat status;
	int r = check_folder(folder, require_root, error);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ELOOP)
		return error_set(error, -ELOOP,
				 "%s: is a symbolic link; a plugin must be the file itself", path);
	if (fd < 0)
		return error_set(error, -errno, "%s: no such plugin (plugins.load names it): %s",
				 path, strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s: is not a regular file", path);
	r = require_root ? check_rights(path, &status, "plugins and their folder", error) : 0;
	if (r < 0)
		return r;
	*ret = steal_fd(&fd);
	return 0;
}

int plugin_file_hash(int fd, const char *path, char ret[static SHA256_HEX_SIZE],
		     struct error *error)
{
	_cleanup_(buffer_fini) struct buffer bytes = { 0 };
	struct error cause = { 0 };
	uint8_t digest[SHA256_BYTES];
	char by_fd[PLUGIN_BY_FD_SIZE];
	int r;

	snprintf(by_fd, sizeof(by_fd), PLUGIN_BY_FD, fd);
	r = file_read(by_fd, FILE_BYTES_MAX, &bytes, &cause);
	if (r < 0)
		return error_set(error, r, "%s: cannot be read: %s", path, strerror(-r));
	hash_sha256(buffer_slice(&bytes), digest);
	hash_hex(digest, sizeof(digest), ret);
	return 0;
}

static int refuse_entry(const char *entry, struct error *error)
{
	return error_set(error, -EINVAL,
			 "plugins.load: \"%s\" is not the stem of a file in the plugin folder, "
			 "with or without its \" sha256=\" and 64 hexadecimal digits",
			 entry);
}

int plugin_want_parse(const char *entry, struct plugin_want *ret, struct error *error)
{
	static const char sign[] = " sha256=";
	const char *pin = strstr(entry, sign);
	size_t len = pin ? (size_t)(pin - entry) : strlen(entry);
	uint8_t digest[SHA256_BYTES];
	struct plugin_want want = { .sha256 = "" };

	if (len == 0 || len >= sizeof(want.stem) || entry[0] == '.' || memchr(entry, '/', len))
		return refuse_entry(entry, error);
	memcpy(want.stem, entry, len);
	if (pin) {
		pin += sizeof(sign) - 1;
		if (hash_unhex((struct slice){ pin, strlen(pin) }, digest, sizeof(digest)) < 0)
			return refuse_entry(entry, error);
		hash_hex(digest, sizeof(digest), want.sha256);
	}
	*ret = want;
	return 0;
}

int plugin_want_check(const struct plugin_want *want, const char *path, const char *sha256,
		      struct error *error)
{
	if (!want->sha256[0] || strcmp(want->sha256, sha256) == 0)
		return 0;
	return error_set(error, -EBADMSG,
			 "%s: is not the file that plugins.load pins: its SHA-256 is %s, not %s",
			 path, sha256, want->sha256);
}
