/* SPDX-License-Identifier: Apache-2.0 */
/* The header is that of https://sqlite.org/fileformat.html, "The Database Header". */
#include "ledger/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/segment.h"

enum {
	HEADER_BYTES = 100,
	AT_PAGE_SIZE = 16,
	AT_PAGES = 28,
	DAMAGED = 1,
};

CLEANUP_DEFINE(struct db, db_close);

/* A log or a journal belongs to its file, and would be mixed into any other that lies there. */
void aside_move(const char *path, const char *word, char ret[static PATH_MAX])
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char from[PATH_MAX + 16], to[PATH_MAX + 16];

	snprintf(ret, PATH_MAX, "%s.%s-%llu", path, word, (unsigned long long)clock_real_ns());
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", ret, suffixes[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			log_error("%s cannot be moved aside: %s", from, strerror(errno));
	}
}

static bool is_beside(const char *path, const char *suffix)
{
	char name[PATH_MAX + 16];
	struct stat info;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &info) == 0 && info.st_size > 0;
}

/* With a log or a journal beside it, pages that the file lacks may be in that. */
static int check_header(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char header[HEADER_BYTES];
	uint64_t pages, page_size;
	struct stat info;
	ssize_t len;

	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	len = pread(fd, header, sizeof(header), 0);
	if (len < 0)
		return -errno;
	if (len < HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0)
		return DAMAGED;
	page_size = (uint64_t)header[AT_PAGE_SIZE] << 8 | header[AT_PAGE_SIZE + 1];
	page_size = page_size == 1 ? 65536 : page_size;
	pages = (uint64_t)header[AT_PAGES] << 24 | (uint64_t)header[AT_PAGES + 1] << 16 |
		(uint64_t)header[AT_PAGES + 2] << 8 | header[AT_PAGES + 3];
	return (uint64_t)info.st_size < pages * page_size && !is_beside(path, "-wal") &&
		       !is_beside(path, "-journal")
		   ? DAMAGED
		   : 0;
}

/* What sums need of it. Another database's lacks the tables, which is -EINVAL. */
static int check_sums(const char *folder, const char *name, struct error *error)
{
	_cleanup_(cleanup_db_close) struct db *db = NULL;
	int64_t count;
	int r = segment_open_reader(folder, name, &db, error);

	if (r == 0)
		r = segment_ask(db, "SELECT count(*) FROM rollup", &count);
	if (r == 0)
		r = segment_ask(db, "SELECT max(id) FROM request_row", &count);
	if (r == -EUCLEAN || r == -EINVAL)
		return DAMAGED;
	return r < 0 && db ? error_set(error, r, "cannot be read: %s", db_message(db)) : r;
}

static int is_closed(struct db *main, const char *name, bool *ret)
{
	struct db_statement *statement;
	int r = db_prepare(main, "SELECT 1 FROM closed_row WHERE name = ?1", &statement);

	if (r < 0)
		return r;
	db_bind_text(statement, 1, slice_of(name));
	r = db_step(statement);
	*ret = r == 1;
	db_statement_free(statement);
	return r < 0 ? r : 0;
}

static void put_aside(const char *path, bool closed)
{
	char kept[PATH_MAX];

	aside_move(path, "damaged", kept);
	log_error("%s is damaged: it is kept as %s; its requests are not in the ledger%s. Put a "
		  "sound copy in its place and start again",
		  path, kept, closed ? ", their sums are" : ", nor are their sums");
}

static int check(const char *folder, struct db *main, const char *name, struct error *error)
{
	char path[PATH_MAX];
	bool closed;
	int r = is_closed(main, name, &closed);

	if (r < 0)
		return error_set(error, r, "cannot use the ledger: %s", db_message(main));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	r = check_header(path);
	if (r == 0 && !closed)
		r = check_sums(folder, name, error);
	else if (r < 0)
		error_set(error, r, "cannot be read: %s", strerror(-r));
	if (r == DAMAGED)
		put_aside(path, closed);
	else if (r < 0 && closed)
		log_error("%s: %s; its requests cannot be shown", path, error->message);
	else if (r < 0 && r != -ENOENT)
		return error_set_at(error, r, path, 0, 0, "%s", strdupa(error->message));
	return 0;
}

int aside_damaged(const char *folder, struct db *main, struct error *error)
{
	_cleanup_free_ struct segment_file *files = NULL;
	size_t count;
	int r = segments_names(folder, &files, &count);

	if (r < 0)
		return error_set_at(error, r, folder, 0, 0, "cannot be read: %s", strerror(-r));
	for (size_t i = 0; r == 0 && i < count; i++)
		if (strcmp(files[i].name, SEGMENT_BEFORE) != 0)
			r = check(folder, main, files[i].name, error);
	return r;
}
