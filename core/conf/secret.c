/* SPDX-License-Identifier: Apache-2.0 */
/* Reads secrets through a buffer that is wiped, checking the very file that is read. */
#include "conf/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int fail(struct error *error, int code, const struct conf_place *place, const char *path,
		const char *what)
{
	return error_set_at(error, code, place->file, place->line, place->column,
			    "the secret's file %s %s", path, what);
}

/* The file's bytes, or -errno; one more than may be is -EFBIG. */
static ssize_t read_bytes(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, out + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)len;
		len += (size_t)got;
	}
	return -EFBIG;
}

static const char *check_text(struct slice text, bool lines)
{
	if (text.len == 0)
		return "is empty; write the secret into it";
	if (lines)
		return memchr(text.ptr, '\0', text.len) ? "is no text" : NULL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return "holds more than one line or control characters; it must hold the "
			       "secret alone";
	}
	return NULL;
}

static int take(struct snapshot *snapshot, const char *path, int fd, char *bytes, bool lines,
		const struct conf_place *place, const char **ret, struct error *error)
{
	ssize_t len = read_bytes(fd, bytes, SECRET_BYTES_MAX + 2);
	struct slice text;
	const char *wrong;

	if (len == -EFBIG || len > SECRET_BYTES_MAX)
		return fail(error, -EINVAL, place, path, "is larger than 8192 bytes");
	if (len < 0)
		return fail(error, (int)len, place, path, strerror((int)-len));
	text = (struct slice){ bytes, (size_t)len };
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len > 0 && text.ptr[text.len - 1] == '\r')
		text.len--;
	wrong = check_text(text, lines);
	if (wrong)
		return fail(error, -EINVAL, place, path, wrong);
	*ret = snapshot_secret(snapshot, text);
	return *ret ? 0 : error_set(error, -ENOMEM, "out of memory");
}

static int read_file(struct snapshot *snapshot, const char *path, bool lines,
		     const struct conf_place *place, const char **ret, struct error *error)
{
	char bytes[SECRET_BYTES_MAX + 2];
	_cleanup_fd_ int fd = -1;
	struct stat info;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &info) < 0) {
		r = -errno;
		return error_set_at(error, r, place->file, place->line, place->column,
				    "cannot read the secret's file %s: %s", path, strerror(-r));
	}
	if (!S_ISREG(info.st_mode))
		return fail(error, -EINVAL, place, path, "is not a file");
	if (info.st_mode & (S_IWGRP | S_IWOTH))
		return fail(error, -EINVAL, place, path,
			    "can be written by group or others; chmod go-w it");
	r = take(snapshot, path, fd, bytes, lines, place, ret, error);
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

static int credential_path(struct snapshot *snapshot, struct slice name,
			   const struct conf_place *place, const char **ret, struct error *error)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (name.len == 0 || memchr(name.ptr, '/', name.len) || name.ptr[0] == '.')
		return error_set_at(error, -EINVAL, place->file, place->line, place->column,
				    "the name behind credential: must be a file name");
	if (!folder || !*folder)
		return error_set_at(error, -ENOENT, place->file, place->line, place->column,
				    "there are no credentials: $CREDENTIALS_DIRECTORY is not set; "
				    "add LoadCredential=%.*s:PATH to the unit",
				    SLICE_ARGS(name));
	*ret = snapshot_path(snapshot, folder, name);
	return *ret ? 0 : error_set(error, -ENOMEM, "out of memory");
}

static bool within(const char *path, const char *folder)
{
	struct slice rest = slice_of(path);
	static const struct slice secrets = { "/secrets/", 9 };

	if (!slice_starts(rest, slice_of(folder)))
		return false;
	rest = slice_skip(rest, strlen(folder));
	return slice_starts(rest, secrets) && !strstr(path, "/../");
}

static int check_place(const struct snapshot *snapshot, enum conf_owner owner, const char *path,
		       const struct conf_place *place, struct error *error)
{
	if (owner == CONF_OWNER_FILES || within(path, snapshot->folder) ||
	    within(path, snapshot->conf.state))
		return 0;
	return error_set_at(error, -EINVAL, place->file, place->line, place->column,
			    "a live object may name secrets in %s/secrets and %s/secrets alone",
			    snapshot->folder, snapshot->conf.state);
}

int secret_read(struct snapshot *snapshot, enum conf_owner owner, const char *text, bool lines,
		const struct conf_place *place, const char **ret, struct error *error)
{
	struct slice rest, scheme = slice_cut(slice_of(text), ':', &rest);
	const char *path = NULL;
	int r;

	if (slice_eq_str(scheme, "credential")) {
		r = credential_path(snapshot, rest, place, &path, error);
		return r < 0 ? r : read_file(snapshot, path, lines, place, ret, error);
	}
	if (!slice_eq_str(scheme, "file") || rest.len == 0)
		return error_set_at(
		    error, -EINVAL, place->file, place->line, place->column,
		    "a secret must not stand in the configuration; write it to a file "
		    "of mode 0600 and name that, secret = \"file:PATH\", or use "
		    "\"credential:NAME\"");
	path = snapshot_path(snapshot, snapshot->folder, rest);
	if (!path)
		return error_set(error, -ENOMEM, "out of memory");
	r = check_place(snapshot, owner, path, place, error);
	return r < 0 ? r : read_file(snapshot, path, lines, place, ret, error);
}
