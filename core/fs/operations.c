/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel asks. Every snapshot of a value is an inode of its own with its exact size, so
 * that no read is ever torn; a lookup returns the newest. All handlers answer from memory, log
 * files apart, which are local files. */
#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum {
	READ_MAX = 1024 * 1024,
};

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- node ids of values ---- */

static fuse_ino_t value_ino(size_t node, uint64_t generation)
{
	return FS_VALUE_BASE + generation * FS_NODES_MAX + node;
}

static size_t value_node(fuse_ino_t ino)
{
	return (ino - FS_VALUE_BASE) % FS_NODES_MAX;
}

/* ---- attributes ---- */

static struct timespec time_of(uint64_t real_ns)
{
	return (struct timespec){ .tv_sec = (time_t)(real_ns / NS_PER_S),
				  .tv_nsec = (long)(real_ns % NS_PER_S) };
}

static void set_times(struct stat *attr, struct timespec time)
{
	attr->st_atim = attr->st_mtim = attr->st_ctim = time;
}

static void stat_dir(const struct fs_session *session, size_t dir, struct stat *ret)
{
	*ret =
	    (struct stat){ .st_ino = dir + FUSE_ROOT_ID, .st_mode = S_IFDIR | 0555, .st_nlink = 2 };
	set_times(ret, time_of(session->start_real_ns));
}

static void stat_value(const struct fs_inode *inode, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = value_ino(value_node(inode->ino), 0),
		.st_mode = S_IFREG | 0444,
		.st_nlink = 1,
		.st_size = (off_t)inode->value->len,
		.st_blocks = (blkcnt_t)(inode->value->len + 511) / 512,
		.st_blksize = 4096,
	};
	set_times(ret, time_of(inode->value->changed_real_ns));
}

/* ---- inodes ---- */

static struct fs_file *file_of(struct fs_session *session, fuse_ino_t ino)
{
	size_t node = value_node(ino);

	for (size_t i = 0; i < session->file_count; i++) {
		if (session->files[i].node == node)
			return &session->files[i];
	}
	return NULL;
}

static struct fs_inode *find_inode(struct fs_session *session, fuse_ino_t ino)
{
	struct fs_file *file =
	    ino >= FS_VALUE_BASE && ino < FS_COSTS_BASE ? file_of(session, ino) : NULL;

	if (!file)
		return NULL;
	for (struct list *at = file->inodes.prev; at != &file->inodes; at = at->prev) {
		struct fs_inode *inode = list_entry(at, struct fs_inode, node);
		if (inode->ino == ino)
			return inode;
	}
	return NULL;
}

static void free_inode(struct fs_file *file, struct fs_inode *inode)
{
	list_remove(&inode->node);
	file->inode_count--;
	admin_value_unref(inode->value);
	free(inode);
}

/* Takes the value over. */
static struct fs_inode *add_inode(struct fs_file *file, fuse_ino_t ino, struct admin_value *value)
{
	struct fs_inode *inode = malloc(sizeof(*inode));

	if (!inode) {
		admin_value_unref(value);
		return NULL;
	}
	*inode = (struct fs_inode){ .ino = ino, .value = value };
	list_append(&file->inodes, &inode->node);
	/* Clients that never close must not fill our memory: the oldest becomes stale. */
	if (++file->inode_count > FS_GENERATIONS_MAX)
		free_inode(file, list_entry(file->inodes.next, struct fs_inode, node));
	return inode;
}

/* The newest generation's inode, with one more lookup. */
static struct fs_inode *take_newest(struct fs_session *session, struct fs_file *file)
{
	struct admin_value *value;
	struct fs_inode *inode;
	fuse_ino_t ino;

	atomic_store(&file->leased, true);
	value = admin_value_get(session->fs->options.admin, file->node);
	ino = value_ino(file->node, value->generation);
	inode = find_inode(session, ino);
	if (inode)
		admin_value_unref(value);
	else
		inode = add_inode(file, ino, value);
	if (inode)
		inode->lookups++;
	return inode;
}

static void forget_one(struct fs_session *session, fuse_ino_t ino, uint64_t count)
{
	struct fs_inode *inode = find_inode(session, ino);

	if (costs_is_ours(ino))
		costs_forget(session, ino, count);
	if (!inode)
		return;
	inode->lookups = inode->lookups > count ? inode->lookups - count : 0;
	if (inode->lookups == 0)
		free_inode(file_of(session, ino), inode);
}

/* ---- operations ---- */

static void reply_dir(fuse_req_t req, struct fs_session *session, size_t dir)
{
	struct fuse_entry_param entry = { .ino = dir + FUSE_ROOT_ID, .attr_timeout = FS_FOREVER_S };

	/* The directory that now/ is mounted on must stay the same one. */
	entry.entry_timeout = FS_FOREVER_S;
	stat_dir(session, dir, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void reply_value(fuse_req_t req, struct fs_session *session, struct fs_file *file)
{
	struct fs_inode *inode = take_newest(session, file);
	struct fuse_entry_param entry = { .attr_timeout = FS_FOREVER_S,
					  .entry_timeout = FS_LEASE_S };

	if (!inode) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	entry.ino = inode->ino;
	stat_value(inode, &entry.attr);
	if (fuse_reply_entry(req, &entry) < 0)
		forget_one(session, entry.ino, 1);
	/* Again: the ticker may have used it up before the kernel had our answer. */
	atomic_store(&file->leased, true);
}

static void reply_log(fuse_req_t req, struct fs_session *session, const char *name)
{
	struct fuse_entry_param entry = { 0 };
	bool live;
	int r = logs_lookup(session->fs, name, &entry.attr, &live);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	entry.ino = entry.attr.st_ino;
	/* The live log's size and name move all the time. */
	if (!live)
		entry.attr_timeout = entry.entry_timeout = FS_LEASE_S;
	fuse_reply_entry(req, &entry);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs_session *session = fuse_req_userdata(req);
	size_t dir = parent - FUSE_ROOT_ID;

	for (size_t i = 1; i < session->dir_count; i++) {
		if (session->dirs[i].parent == dir && strcmp(session->dirs[i].name, name) == 0) {
			reply_dir(req, session, i);
			return;
		}
	}
	for (size_t i = 0; i < session->file_count; i++) {
		if (session->files[i].parent == dir && strcmp(session->files[i].name, name) == 0) {
			reply_value(req, session, &session->files[i]);
			return;
		}
	}
	if (session->costs.dir > 0 && costs_lookup(session, req, parent, name))
		return;
	if (session->has_logs && dir == session->logs_dir)
		reply_log(req, session, name);
	else
		fuse_reply_err(req, ENOENT);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	forget_one(fuse_req_userdata(req), ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget_one(fuse_req_userdata(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fs_session *session = fuse_req_userdata(req);
	struct fs_inode *inode;
	struct stat attr;
	int r;

	if (ino < FUSE_ROOT_ID + session->dir_count) {
		stat_dir(session, ino - FUSE_ROOT_ID, &attr);
		fuse_reply_attr(req, &attr, FS_FOREVER_S);
		return;
	}
	if (logs_is_log(ino) || costs_is_ours(ino)) {
		r = logs_is_log(ino) ? logs_stat(session->fs, ino, &attr)
				     : costs_stat(session, ino, &attr);
		if (r < 0)
			fuse_reply_err(req, -r);
		else
			fuse_reply_attr(req, &attr, 0);
		return;
	}
	inode = find_inode(session, ino);
	if (!inode) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	stat_value(inode, &attr);
	fuse_reply_attr(req, &attr, FS_FOREVER_S);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fs_session *session = fuse_req_userdata(req);
	struct fs_log *log = NULL;
	int r = 0;

	if (session->without_open) {
		/* From here on the kernel opens by itself and keeps its cache. */
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (logs_is_log(ino))
		r = logs_open(session->fs, ino, &log);
	else if (costs_is_ours(ino))
		r = costs_open(session, ino);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	info->fh = (uint64_t)(uintptr_t)log;
	info->keep_cache = !log;
	info->direct_io = log != NULL;
	if (fuse_reply_open(req, info) == 0)
		return;
	if (log)
		logs_close(log);
	else if (costs_is_ours(ino))
		costs_close(session, ino);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	if (logs_is_log(ino))
		logs_close((struct fs_log *)(uintptr_t)info->fh);
	else if (costs_is_ours(ino))
		costs_close(fuse_req_userdata(req), ino);
	fuse_reply_err(req, 0);
}

static void read_log(fuse_req_t req, size_t size, off_t offset, const struct fs_log *log)
{
	struct fuse_bufvec data = FUSE_BUFVEC_INIT(0);
	struct stat attr;
	int r = logs_stat_open(log->fd, &attr);

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	if (offset < attr.st_size)
		data.buf[0].size = min_size(size, min_size(READ_MAX, attr.st_size - offset));
	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = log->fd;
	data.buf[0].pos = offset;
	fuse_reply_data(req, &data, 0);
}

static int content_of(struct fs_session *session, fuse_ino_t ino, struct slice *ret)
{
	struct fs_inode *inode;

	if (costs_is_ours(ino))
		return costs_read(session, ino, ret);
	inode = find_inode(session, ino);
	if (!inode)
		return -ESTALE;
	*ret = (struct slice){ inode->value->data, inode->value->len };
	return 0;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	struct slice content;
	size_t left;
	int r;

	if (logs_is_log(ino)) {
		read_log(req, size, offset, (const struct fs_log *)(uintptr_t)info->fh);
		return;
	}
	r = content_of(fuse_req_userdata(req), ino, &content);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	left = (size_t)offset < content.len ? content.len - (size_t)offset : 0;
	fuse_reply_buf(req, content.ptr + (left ? offset : 0), min_size(left, size));
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const char *target = costs_readlink(ino);

	if (target)
		fuse_reply_readlink(req, target);
	else
		fuse_reply_err(req, EINVAL);
}

/* ---- directories ---- */

struct listing {
	fuse_req_t req;
	struct fs_session *session;
	struct buffer out;
	size_t size;
	off_t after; /* the place of the last entry the reader has */
	bool full;
};

static void add_entry(struct listing *listing, off_t place, const char *name, fuse_ino_t ino,
		      mode_t type)
{
	struct stat attr = { .st_ino = ino, .st_mode = type };
	size_t need;

	if (listing->full || place <= listing->after)
		return;
	need = fuse_add_direntry(listing->req, NULL, 0, name, NULL, 0);
	if (listing->out.len + need > listing->size || !buffer_reserve(&listing->out, need)) {
		listing->full = true;
		return;
	}
	fuse_add_direntry(listing->req, listing->out.data + listing->out.len, need, name, &attr,
			  place);
	listing->out.len += need;
}

static int add_logs(struct listing *listing)
{
	_cleanup_free_ struct fs_log_name *names = NULL;
	size_t count;
	int r = logs_list(listing->session->fs, listing->after, &names, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		add_entry(listing, names[i].place, names[i].text, names[i].ino, S_IFREG);
	return r;
}

static int list_dir(struct listing *listing, size_t dir)
{
	const struct fs_session *session = listing->session;
	off_t place = 1;

	add_entry(listing, place++, ".", dir + FUSE_ROOT_ID, S_IFDIR);
	add_entry(listing, place++, "..", session->dirs[dir].parent + FUSE_ROOT_ID, S_IFDIR);
	for (size_t i = 1; i < session->dir_count; i++) {
		if (session->dirs[i].parent == dir)
			add_entry(listing, place++, session->dirs[i].name, i + FUSE_ROOT_ID,
				  S_IFDIR);
	}
	for (size_t i = 0; i < session->file_count; i++) {
		const struct fs_file *file = &session->files[i];
		if (file->parent == dir)
			add_entry(listing, place++, file->name, value_ino(file->node, 0), S_IFREG);
	}
	if (session->has_logs && dir == session->logs_dir && !listing->full)
		return add_logs(listing);
	return 0;
}

static bool add_cost(void *data, off_t place, const char *name, fuse_ino_t ino, mode_t type)
{
	struct listing *listing = data;

	add_entry(listing, place, name, ino, type);
	return !listing->full;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	struct fs_session *session = fuse_req_userdata(req);
	struct listing listing = { .req = req, .session = session, .size = size, .after = offset };
	fuse_ino_t parent;
	int r = 0;

	if (costs_is_folder(session, ino, &parent)) {
		add_entry(&listing, 1, ".", ino, S_IFDIR);
		add_entry(&listing, 2, "..", parent, S_IFDIR);
	} else if (ino >= FUSE_ROOT_ID + session->dir_count) {
		fuse_reply_err(req, ENOTDIR);
		return;
	} else {
		r = list_dir(&listing, ino - FUSE_ROOT_ID);
	}
	costs_list(session, ino, offset, add_cost, &listing);
	if (r < 0 || listing.out.failed)
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, listing.out.data, listing.out.len);
	buffer_fini(&listing.out);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs status = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };

	fuse_reply_statfs(req, &status);
}

const struct fuse_lowlevel_ops fs_operations = {
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.open = op_open,
	.release = op_release,
	.read = op_read,
	.readlink = op_readlink,
	.readdir = op_readdir,
	.statfs = op_statfs,
};
