/* SPDX-License-Identifier: Apache-2.0 */
/* Names and locks of in-flight files that lie beside the main one. */
#include "ledger/beside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

static const char next_word[] = ".next-";
static const char draining_word[] = ".draining-";

int beside_next_path(const char *path, char **ret)
{
	return asprintf(ret, "%s%s%d", path, next_word, (int)getpid()) < 0 ? -ENOMEM : 0;
}

int beside_give_place(const char *path)
{
	_cleanup_free_ char *aside = NULL;

	if (asprintf(&aside, "%s%s%llu", path, draining_word, (unsigned long long)clock_real_ns()) <
	    0) {
		aside = NULL;
		return -ENOMEM;
	}
	return rename(path, aside) < 0 && errno != ENOENT ? -errno : 0;
}

/* A daemon that died has not made room. */
int beside_take_place(const char *path, const char *next)
{
	int r = beside_give_place(path);

	return r < 0 ? r : rename(next, path) < 0 ? -errno : 0;
}

/* What is behind the word and the number of a name that has both, else NULL. */
static const char *behind(const char *name, const char *base)
{
	const char *rest = name + strlen(base), *number;

	if (strncmp(name, base, strlen(base)) != 0)
		return NULL;
	if (strncmp(rest, next_word, strlen(next_word)) == 0)
		number = rest + strlen(next_word);
	else if (strncmp(rest, draining_word, strlen(draining_word)) == 0)
		number = rest + strlen(draining_word);
	else
		return NULL;
	rest = number + strspn(number, "0123456789");
	return rest > number ? rest : NULL;
}

/* The next file beside the main one, as a path; NULL at the end. */
static char *read_next(DIR *folder, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	struct dirent *entry;
	char *found = NULL;

	while (!found && (entry = readdir(folder))) {
		const char *rest = behind(entry->d_name, base);
		if (rest && strcmp(rest, ".new") == 0) /* a kill while it was made */
			unlinkat(dirfd(folder), entry->d_name, 0);
		if (!rest || *rest)
			continue;
		if (asprintf(&found, "%.*s%s", (int)(base - path), path, entry->d_name) < 0)
			return NULL;
	}
	return found;
}

static DIR *open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;

	return opendir(folder ? folder : ".");
}

int beside_free_turn(const char *path, uint32_t *ret)
{
	DIR *folder = open_folder(path);
	uint32_t taken = 0, turn;
	char *found;

	if (!folder)
		return -errno;
	if (inflight_is_held(path, &turn))
		taken |= 1u << turn;
	while ((found = read_next(folder, path))) {
		if (inflight_is_held(found, &turn))
			taken |= 1u << turn;
		free(found);
	}
	closedir(folder);
	for (turn = 0; turn < INFLIGHT_TURNS; turn++) {
		if (taken & 1u << turn)
			continue;
		*ret = turn;
		return 0;
	}
	return -EBUSY;
}

/* 1: it is open now; 0: it is held, or gone, or was moved aside. */
static int open_left(const char *path, struct inflight *inflight, struct inflight_found *ret_found,
		     uint32_t *held)
{
	struct error error = { 0 };
	int r = inflight_open_left(inflight, path, ret_found, &error);

	if (r == -EBUSY)
		(*held)++;
	if (r == -ESTALE)
		log_warning("%s was not written by this release or was cut short; it was kept as "
			    "%s: requests in it are not in the ledger",
			    path, ret_found->aside);
	else if (r < 0 && r != -EBUSY && r != -ENOENT)
		log_error("%s", error.message);
	return r == 0;
}

int beside_find(const char *path, const char *own, struct inflight *inflight,
		struct inflight_found *ret_found, char **ret_path, uint32_t *ret_held)
{
	DIR *folder = open_folder(path);
	char *found;
	int r = 0;

	*ret_held = 0;
	if (!folder)
		return -errno;
	while (r == 0 && (found = read_next(folder, path))) {
		if (strcmp(found, own) != 0)
			r = open_left(found, inflight, ret_found, ret_held);
		if (r > 0)
			*ret_path = found;
		else
			free(found);
	}
	closedir(folder);
	return r;
}
