/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that were imported: a file each, kept for ever, and `in-force`, which names one of them.
 * Whatever dies when, that file names a list that is whole. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "ledger/money.h"

enum {
	FOLDER_MODE = 0750,
	FILE_MODE = 0640,
	PATH_BYTES = 512,
	LISTS_MAX = 9999,
};

static const char pointer[] = "in-force", override_file[] = "override.json", suffix[] = ".json";

static void path_of(const char *folder, const char *name, const char *end, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s%s", folder, name, end);
}

void ledger_prices_override_path(const char *folder, char *ret_path, size_t size)
{
	path_of(folder, override_file, "", ret_path, size);
}

/* "0001-3f2a91c0d4e1" */
static bool is_name(const char *text)
{
	return strlen(text) == 4 + LEDGER_DIGEST_SIZE && strspn(text, "0123456789") == 4 &&
	       text[4] == '-' && strspn(text + 5, "0123456789abcdef") == LEDGER_DIGEST_SIZE - 1;
}

static int is_list(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);
	char name[LEDGER_LIST_NAME_SIZE] = "";

	if (len != 4 + LEDGER_DIGEST_SIZE + strlen(suffix) ||
	    strcmp(entry->d_name + len - strlen(suffix), suffix) != 0)
		return 0;
	memcpy(name, entry->d_name, len - strlen(suffix));
	return is_name(name);
}

static bool read_pointer(const char *folder, char ret[static LEDGER_LIST_NAME_SIZE])
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	char path[PATH_BYTES];

	path_of(folder, pointer, "", path, sizeof(path));
	if (file_read(path, LEDGER_LIST_NAME_SIZE, &text, NULL) < 0)
		return false;
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	return slice_copy(buffer_slice(&text), ret, LEDGER_LIST_NAME_SIZE) && is_name(ret);
}

int ledger_prices_in_force(const char *folder, char *ret_path, size_t size)
{
	char name[LEDGER_LIST_NAME_SIZE];

	if (!read_pointer(folder, name))
		return 0;
	path_of(folder, name, suffix, ret_path, size);
	return 1;
}

int ledger_prices_each(const char *folder,
		       void (*fn)(const char *name, uint64_t bytes, int64_t imported_s,
				  bool in_force, void *data),
		       void *data)
{
	char now[LEDGER_LIST_NAME_SIZE] = "", path[PATH_BYTES];
	struct dirent **entries;
	int count = scandir(folder, &entries, is_list, alphasort);

	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	read_pointer(folder, now);
	for (int i = 0; i < count; i++) {
		struct stat info;

		path_of(folder, entries[i]->d_name, "", path, sizeof(path));
		entries[i]->d_name[4 + LEDGER_DIGEST_SIZE] = '\0';
		if (stat(path, &info) == 0)
			fn(entries[i]->d_name, (uint64_t)info.st_size, info.st_mtime,
			   strcmp(now, entries[i]->d_name) == 0, data);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

struct search {
	const char *digest;
	char found[LEDGER_LIST_NAME_SIZE];
	int last;
};

static void search_list(const char *name, uint64_t bytes, int64_t imported_s, bool in_force,
			void *data)
{
	struct search *search = data;

	search->last = atoi(name);
	if (strcmp(name + 5, search->digest) == 0)
		slice_copy(slice_of(name), search->found, sizeof(search->found));
}

int ledger_prices_keep(const char *folder, const struct ledger_book *book, struct slice text,
		       char ret_name[static LEDGER_LIST_NAME_SIZE], struct error *error)
{
	struct ledger_book_facts facts;
	char path[PATH_BYTES];
	struct search search = { 0 };
	int r = file_make_folders(folder, FOLDER_MODE, error);

	if (r < 0)
		return r;
	ledger_book_facts(book, &facts);
	search.digest = facts.digest;
	r = ledger_prices_each(folder, search_list, &search);
	if (r < 0)
		return error_set_at(error, r, folder, 0, 0, "cannot be read: %s", strerror(-r));
	if (search.last == LISTS_MAX)
		return error_set_at(error, -ENOSPC, folder, 0, 0,
				    "holds %d lists; remove some that are not in force", LISTS_MAX);
	if (!search.found[0]) {
		snprintf(search.found, sizeof(search.found), "%04d-%.12s",
			 (search.last + 1) % 10000, facts.digest);
		path_of(folder, search.found, suffix, path, sizeof(path));
		r = file_write_atomic(path, text, FILE_MODE, error);
	}
	if (r == 0)
		memcpy(ret_name, search.found, sizeof(search.found));
	return r;
}

int ledger_prices_use(const char *folder, const char *name, struct error *error)
{
	char path[PATH_BYTES];

	if (name) {
		path_of(folder, name, suffix, path, sizeof(path));
		if (!is_name(name) || access(path, R_OK) < 0)
			return error_set(error, -ENOENT, "no list \"%s\" was imported", name);
	}
	path_of(folder, pointer, "", path, sizeof(path));
	if (name)
		return file_write_atomic(path, slice_of(name), FILE_MODE, error);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set_at(error, -errno, path, 0, 0, "cannot be removed: %s",
				    strerror(errno));
	return 0;
}
