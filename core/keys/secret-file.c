/* SPDX-License-Identifier: Apache-2.0 */
/* What others can read is no secret, and refused. */
#include "keys/secret-file.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"

enum {
	SECRET_LEN = 32,
	SECRET_LEN_MIN = 16,
	SECRET_FILE_MAX = 1024,
};

static int create(const char *path, struct buffer *out, struct error *error)
{
	char text[SECRET_LEN + 1];

	random_text(text, SECRET_LEN);
	buffer_clear(out);
	buffer_append(out, text, SECRET_LEN);
	buffer_append_char(out, '\n');
	explicit_bzero(text, sizeof(text));
	if (out->failed)
		return error_set(error, -ENOMEM, "out of memory");
	return file_write_atomic(path, buffer_slice(out), 0600, error);
}

static int read_or_create(const char *path, const char *what, struct buffer *out,
			  struct error *error)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return errno == ENOENT ? create(path, out, error)
				       : error_set_at(error, -errno, path, 0, 0, "cannot read: %s",
						      strerror(errno));
	if (info.st_mode & (S_IRWXG | S_IRWXO))
		return error_set_at(error, -EACCES, path, 0, 0,
				    "%s can be read by others; chmod 600 it and change it", what);
	return file_read(path, SECRET_FILE_MAX, out, error);
}

int secret_file_read(const char *path, const char *what, struct buffer *text, struct slice *ret,
		     struct error *error)
{
	int r = read_or_create(path, what, text, error);
	struct slice rest, line = slice_cut(buffer_slice(text), '\n', &rest);

	if (r < 0)
		return r;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len < SECRET_LEN_MIN)
		return error_set_at(error, -EINVAL, path, 1, 0,
				    "%s is shorter than %d characters; remove the file for a new "
				    "one",
				    what, SECRET_LEN_MIN);
	*ret = line;
	return 0;
}

void secret_file_forget(struct buffer *text)
{
	if (text->data)
		explicit_bzero(text->data, text->cap);
	buffer_fini(text);
}
