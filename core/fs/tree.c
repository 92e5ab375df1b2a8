/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and files of one session, made once from admin's table; and the expiry of names whose
 * value changed. */
#include "fs/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

static size_t find_dir(const struct fs_session *session, size_t parent, struct slice name)
{
	for (size_t i = 1; i < session->dir_count; i++) {
		if (session->dirs[i].parent == parent && slice_eq_str(name, session->dirs[i].name))
			return i;
	}
	return 0;
}

size_t tree_add_dir(struct fs_session *session, size_t parent, const char *name)
{
	struct slice text = slice_of(name);
	size_t found = find_dir(session, parent, text);

	if (found || session->dir_count == FS_DIRS_MAX)
		return found;
	slice_copy(text, session->dirs[session->dir_count].name, FS_NAME_MAX);
	session->dirs[session->dir_count].parent = parent;
	return session->dir_count++;
}

static int add_file(struct fs_session *session, size_t node, const char *path)
{
	struct fs_file *file = &session->files[session->file_count];
	size_t parent = 0;

	for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
		char name[FS_NAME_MAX];
		if (!slice_copy(slice_span(path, slash), name, sizeof(name)))
			return -ENAMETOOLONG;
		parent = tree_add_dir(session, parent, name);
		if (parent == 0)
			return -ENOSPC;
	}
	file->node = node;
	file->parent = parent;
	file->name = path;
	list_init(&file->inodes);
	session->file_count++;
	return 0;
}

int tree_build(struct fs_session *session, const char *prefix)
{
	size_t len = strlen(prefix);

	assert(admin_node_count() <= FS_NODES_MAX);
	session->dir_count = 1; /* the root */
	session->files = calloc(admin_node_count(), sizeof(*session->files));
	if (!session->files)
		return -ENOMEM;
	for (size_t i = 0; i < admin_node_count(); i++) {
		const char *path = admin_node_at(i)->path;
		bool live = strncmp(path, "now/", 4) == 0;
		int r;
		if (live != (len > 0))
			continue;
		r = add_file(session, i, path + len);
		if (r < 0)
			return r;
	}
	return 0;
}

void tree_fini(struct fs_session *session)
{
	for (size_t i = 0; i < session->file_count; i++) {
		list_foreach (node, &session->files[i].inodes) {
			struct fs_inode *inode = list_entry(node, struct fs_inode, node);
			admin_value_unref(inode->value);
			free(inode);
		}
	}
	free(session->files);
	session->files = NULL;
	session->file_count = 0;
}

void tree_changed(struct fs_session *session, size_t node)
{
	for (size_t i = 0; i < session->file_count; i++) {
		if (session->files[i].node == node)
			atomic_store(&session->files[i].changed, true);
	}
}

/* A name is expired once a change; who looks it up again is told the next time. A lookup whose
 * answer is overtaken by this keeps the older value until the next change, or for the second that
 * its lease lasts. */
void tree_expire(struct fs_session *session)
{
	for (size_t i = 0; i < session->file_count; i++) {
		struct fs_file *file = &session->files[i];
		if (atomic_exchange(&file->changed, false) && atomic_exchange(&file->leased, false))
			fuse_lowlevel_notify_inval_entry(session->fuse, file->parent + FUSE_ROOT_ID,
							 file->name, strlen(file->name));
	}
}
