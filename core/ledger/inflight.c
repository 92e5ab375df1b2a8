/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping, checking and sharing out the in-flight file. Each entry belongs to the loop `slot %
 * loops`, so that the number of loops may change between starts. Of one loop, the loop and the
 * writer each write their own counters: plain stores, no locked instructions. */
#include "ledger/inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ledger/entry.h"

enum {
	HEADER_BYTES = 4096,
	FORMAT_VERSION = 2,
	PAGE_BYTES = 4096,
	ID_MS_SHIFT = 20,
	ID_LOOP_SHIFT = 14,
	ID_TURN_SHIFT = 11,
};

static const char magic[8] = "TGINFLT";

struct inflight_header {
	char magic[8];
	uint32_t version, entry_size, far_size, entries;
	uint32_t layout; /* digest of where the fields lie */
	_Atomic uint32_t
	    used; /* entries from here on have not been touched since the file was last empty */
	_Atomic uint64_t last_id[INFLIGHT_LOOPS_MAX];
	_Atomic uint32_t turn;
};

_Static_assert(sizeof(struct inflight_header) <= HEADER_BYTES, "the header is one page");
_Static_assert(INFLIGHT_TURNS == 1 << (ID_LOOP_SHIFT - ID_TURN_SHIFT), "turns are part of ids");
_Static_assert(LEDGER_ATTEMPTS_MAX <= 1 << INFLIGHT_ATTEMPT_BITS, "attempts are numbered in ids");
_Static_assert(sizeof(struct ledger_entry) <= 1024, "entries are four to a page");
_Static_assert(sizeof(struct ledger_entry) + sizeof(struct ledger_far) <= 8192,
	       "tidegate.conf(5) and tidegated(8) tell it");

static const size_t entry_stride = (sizeof(struct ledger_entry) + 63) & ~(size_t)63;
static const size_t far_stride = (sizeof(struct ledger_far) + 63) & ~(size_t)63;

/* Where the far parts begin: behind all entries, so that those that are used lie together. */
static size_t far_offset(uint32_t entries)
{
	return (HEADER_BYTES + entries * entry_stride + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static size_t file_bytes(uint32_t entries)
{
	return far_offset(entries) + entries * far_stride;
}

static uint32_t layout_digest(void)
{
	const size_t facts[] = {
		sizeof(struct ledger_entry),
		offsetof(struct ledger_entry, id),
		offsetof(struct ledger_entry, tenant),
		offsetof(struct ledger_entry, outcome),
		offsetof(struct ledger_entry, client),
		offsetof(struct ledger_entry, user),
		offsetof(struct ledger_entry, first),
		offsetof(struct ledger_entry, near),
		sizeof(struct ledger_far),
		offsetof(struct ledger_far, text),
		sizeof(struct ledger_attempt),
		offsetof(struct ledger_attempt, served),
		offsetof(struct ledger_attempt, start_us),
		offsetof(struct ledger_attempt, usage),
		offsetof(struct ledger_attempt, price),
		offsetof(struct ledger_attempt, provider_request_id),
		sizeof(struct ledger_price),
		offsetof(struct ledger_price, femto),
		LEDGER_CLASSES,
		LEDGER_CRASHED,
		LEDGER_USAGE_ESTIMATED,
	};
	uint32_t digest = 2166136261u;

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		digest = (digest ^ (uint32_t)facts[i]) * 16777619u;
	return digest;
}

static void header_fill(struct inflight_header *header, uint32_t entries)
{
	memcpy(header->magic, magic, sizeof(magic));
	header->version = FORMAT_VERSION;
	header->entry_size = (uint32_t)entry_stride;
	header->far_size = (uint32_t)far_stride;
	header->entries = entries;
	header->layout = layout_digest();
}

static bool header_fits(const struct inflight_header *header, size_t file_size)
{
	return memcmp(header->magic, magic, sizeof(magic)) == 0 &&
	       header->version == FORMAT_VERSION && header->entry_size == entry_stride &&
	       header->far_size == far_stride && header->layout == layout_digest() &&
	       header->entries > 0 && file_size == file_bytes(header->entries);
}

struct ledger_entry *inflight_entry(const struct inflight *inflight, uint32_t slot)
{
	return (void *)((char *)inflight->header + HEADER_BYTES + slot * entry_stride);
}

/* Pointers of another process are in the file too. */
static void attach_far(const struct inflight *inflight, struct ledger_entry *entry, uint32_t slot)
{
	entry->far =
	    (void *)((char *)inflight->header + far_offset(inflight->entries) + slot * far_stride);
}

uint32_t inflight_slot(const struct inflight *inflight, const struct ledger_entry *entry)
{
	return (uint32_t)(((const char *)entry - (char *)inflight->header - HEADER_BYTES) /
			  entry_stride);
}

void inflight_count(const struct inflight *inflight, uint64_t *ret_entries,
		    int64_t *ret_reserved_nano)
{
	uint64_t entries = 0;
	int64_t reserved = 0;

	for (uint32_t i = 0; i < inflight->loops; i++) {
		const struct inflight_loop *loop = &inflight->loop[i];
		uint64_t released = atomic_load_explicit(&loop->released, memory_order_acquire);

		entries += atomic_load_explicit(&loop->opened, memory_order_relaxed) - released;
		reserved += atomic_load_explicit(&loop->reserved_nano, memory_order_relaxed);
	}
	*ret_entries = entries;
	*ret_reserved_nano = reserved;
}

static uint32_t used_count(const struct inflight *inflight)
{
	uint32_t used = atomic_load_explicit(&inflight->header->used, memory_order_acquire);

	return used < inflight->entries ? used : inflight->entries;
}

uint64_t inflight_oldest_ns(const struct inflight *inflight)
{
	uint64_t oldest = UINT64_MAX;

	for (uint32_t slot = 0; slot < used_count(inflight); slot++) {
		const struct ledger_entry *entry = inflight_entry(inflight, slot);

		if (atomic_load_explicit(&entry->state, memory_order_acquire) != INFLIGHT_FREE &&
		    entry->start_real_ns < oldest)
			oldest = entry->start_real_ns;
	}
	return oldest;
}

static void aside_name(const char *path, const char *why, char *out, size_t size)
{
	snprintf(out, size, "%s.%s-%llu", path, why, (unsigned long long)clock_real_ns());
}

/* Makes the file under another name and renames it, so that a file of this name is always whole. */
static int create(const char *path, uint32_t entries, struct error *error)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_fd_ int fd = -1;
	struct inflight_header header = { 0 };
	size_t size = file_bytes(entries);
	int r;

	if (asprintf(&temporary, "%s.new", path) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_at(error, -errno, temporary, 0, 0, "cannot create: %s",
				    strerror(errno));
	r = posix_fallocate(fd, 0, (off_t)size);
	header_fill(&header, entries);
	if (r == 0 && pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		r = errno;
	if (r == 0 && (fsync(fd) < 0 || rename(temporary, path) < 0))
		r = errno;
	if (r > 0) {
		unlink(temporary);
		return error_set_at(error, -r, path, 0, 0,
				    "cannot take %zu MB for requests in flight: %s", size >> 20,
				    strerror(r));
	}
	return 0;
}

static int map(struct inflight *inflight, const char *path, struct error *error)
{
	struct inflight_header header;
	struct stat info;

	inflight->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (inflight->fd < 0)
		return errno == ENOENT ? -ENOENT
				       : error_set_at(error, -errno, path, 0, 0, "cannot open: %s",
						      strerror(errno));
	if (flock(inflight->fd, LOCK_EX | LOCK_NB) < 0)
		return error_set_at(error, -EBUSY, path, 0, 0,
				    "is in use: another tidegated runs with this state folder");
	if (fstat(inflight->fd, &info) < 0)
		return error_set_at(error, -errno, path, 0, 0, "cannot read: %s", strerror(errno));
	if (pread(inflight->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    !header_fits(&header, (size_t)info.st_size))
		return -EUCLEAN;
	inflight->size = (size_t)info.st_size;
	inflight->entries = header.entries;
	inflight->header =
	    mmap(NULL, inflight->size, PROT_READ | PROT_WRITE, MAP_SHARED, inflight->fd, 0);
	if (inflight->header == MAP_FAILED) {
		inflight->header = NULL;
		return error_set_at(error, -errno, path, 0, 0, "cannot map: %s", strerror(errno));
	}
	return 0;
}

static void unmap(struct inflight *inflight)
{
	if (inflight->header)
		munmap(inflight->header, inflight->size);
	if (inflight->fd >= 0)
		close(inflight->fd);
	inflight->header = NULL;
	inflight->fd = -1;
}

static int keep_copy(struct inflight *inflight, const char *aside, struct error *error)
{
	struct slice content = { (const char *)inflight->header, inflight->size };

	return file_write_atomic(aside, content, 0600, error);
}

/* Every entry that is not free: finished if it was open, set aside if it makes no sense. */
static int find_left_over(struct inflight *inflight, const char *path, struct inflight_found *found,
			  struct error *error)
{
	found->slots = malloc(sizeof(found->slots[0]) * inflight->entries);
	if (!found->slots)
		return error_set(error, -ENOMEM, "out of memory");
	for (uint32_t slot = 0; slot < used_count(inflight); slot++) {
		struct ledger_entry *entry = inflight_entry(inflight, slot);
		uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);

		if (state == INFLIGHT_FREE)
			continue;
		attach_far(inflight, entry, slot);
		if ((state != INFLIGHT_OPEN && state != INFLIGHT_CLOSED) || !entry_valid(entry)) {
			if (found->damaged++ == 0) {
				int r;

				aside_name(path, "damaged", found->aside, sizeof(found->aside));
				r = keep_copy(inflight, found->aside, error);
				if (r < 0)
					return r;
			}
			atomic_store_explicit(&entry->state, INFLIGHT_FREE, memory_order_relaxed);
			continue;
		}
		entry->slot = slot;
		if (state == INFLIGHT_OPEN) {
			entry_finish_crashed(entry);
			atomic_store_explicit(&entry->state, INFLIGHT_CLOSED, memory_order_release);
			found->crashed++;
		}
		found->slots[found->count++] = slot;
	}
	if (found->count == 0)
		atomic_store_explicit(&inflight->header->used, 0, memory_order_release);
	return 0;
}

static int loop_init(struct inflight *inflight, uint32_t index)
{
	struct inflight_loop *loop = &inflight->loop[index];
	uint32_t share = inflight->entries / inflight->loops + 1, used = used_count(inflight);
	size_t cap = 1;

	while (cap < share)
		cap *= 2;
	loop->free = malloc(sizeof(loop->free[0]) * share);
	if (!loop->free || ring_init(&loop->closed, sizeof(uint32_t), cap) < 0 ||
	    ring_init(&loop->freed, sizeof(uint32_t), cap) < 0)
		return -ENOMEM;
	for (uint32_t slot = inflight->entries; slot-- > 0;) {
		struct ledger_entry *entry = inflight_entry(inflight, slot);

		if (slot % inflight->loops != index)
			continue;
		if (slot >= used ||
		    atomic_load_explicit(&entry->state, memory_order_relaxed) == INFLIGHT_FREE)
			loop->free[loop->free_count++] = slot;
		else
			loop->opened++;
	}
	loop->last_id =
	    atomic_load_explicit(&inflight->header->last_id[index], memory_order_relaxed);
	return 0;
}

static int share_out(struct inflight *inflight, struct error *error)
{
	uint64_t newest = 0;

	inflight->loop = aligned_alloc(64, sizeof(inflight->loop[0]) * inflight->loops);
	if (!inflight->loop)
		return error_set(error, -ENOMEM, "out of memory");
	memset(inflight->loop, 0, sizeof(inflight->loop[0]) * inflight->loops);
	for (uint32_t i = 0; i < inflight->loops; i++)
		if (loop_init(inflight, i) < 0)
			return error_set(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < INFLIGHT_LOOPS_MAX; i++) {
		uint64_t last =
		    atomic_load_explicit(&inflight->header->last_id[i], memory_order_relaxed);

		newest = last > newest ? last : newest;
	}
	inflight_raise_ids(inflight, newest);
	inflight->may_rest =
	    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
	return 0;
}

int inflight_open(struct inflight *inflight, const char *path, uint32_t entries, uint32_t loops,
		  struct inflight_found *ret_found, struct error *error)
{
	int r;

	*inflight = (struct inflight){ .fd = -1, .loops = loops };
	*ret_found = (struct inflight_found){ 0 };
	r = map(inflight, path, error);
	if (r == -EUCLEAN) {
		unmap(inflight);
		aside_name(path, "foreign", ret_found->aside, sizeof(ret_found->aside));
		if (rename(path, ret_found->aside) < 0)
			return error_set_at(error, -errno, path, 0, 0, "cannot be moved aside: %s",
					    strerror(errno));
		r = -ENOENT;
	}
	if (r == -ENOENT) {
		r = create(path, entries, error);
		if (r == 0)
			r = map(inflight, path, error);
	}
	if (r == 0)
		r = find_left_over(inflight, path, ret_found, error);
	if (r == 0 && inflight->entries != entries && ret_found->count == 0) {
		unmap(inflight);
		r = create(path, entries, error);
		if (r == 0)
			r = map(inflight, path, error);
	}
	if (r == 0)
		r = share_out(inflight, error);
	if (r < 0) {
		free(ret_found->slots);
		ret_found->slots = NULL;
		inflight_close(inflight);
	}
	return r;
}

int inflight_open_left(struct inflight *inflight, const char *path,
		       struct inflight_found *ret_found, struct error *error)
{
	int r;

	*inflight = (struct inflight){ .fd = -1 };
	*ret_found = (struct inflight_found){ 0 };
	r = map(inflight, path, error);
	if (r == 0)
		r = find_left_over(inflight, path, ret_found, error);
	if (r == -EUCLEAN) {
		aside_name(path, "foreign", ret_found->aside, sizeof(ret_found->aside));
		r = rename(path, ret_found->aside) < 0
			? error_set_at(error, -errno, path, 0, 0, "cannot be moved aside: %s",
				       strerror(errno))
			: -ESTALE;
	}
	if (r < 0) {
		free(ret_found->slots);
		ret_found->slots = NULL;
		inflight_close(inflight);
	}
	return r;
}

void inflight_forget(struct inflight *inflight, uint32_t slot)
{
	atomic_store_explicit(&inflight_entry(inflight, slot)->state, INFLIGHT_FREE,
			      memory_order_release);
}

bool inflight_is_held(const char *path, uint32_t *ret_turn)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct inflight_header header = { 0 };

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return false;
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		header.turn = 0;
	*ret_turn = header.turn % INFLIGHT_TURNS;
	return true;
}

void inflight_set_turn(struct inflight *inflight, uint32_t turn)
{
	inflight->turn = turn;
	atomic_store_explicit(&inflight->header->turn, turn, memory_order_relaxed);
}

void inflight_close(struct inflight *inflight)
{
	for (uint32_t i = 0; inflight->loop && i < inflight->loops; i++) {
		free(inflight->loop[i].free);
		ring_fini(&inflight->loop[i].closed);
		ring_fini(&inflight->loop[i].freed);
	}
	free(inflight->loop);
	inflight->loop = NULL;
	unmap(inflight);
}

void inflight_tell_found(const char *path, const struct inflight_found *found)
{
	if (found->aside[0] && found->damaged == 0)
		log_warning("%s was not written by this release or was cut short; it was kept as "
			    "%s: requests in it "
			    "are not in the ledger",
			    path, found->aside);
	if (found->damaged > 0)
		log_warning("%s held %u entries that make no sense, as after a loss of power; a "
			    "copy was kept as %s",
			    path, found->damaged, found->aside);
	if (found->count > 0)
		log_info(
		    "%zu requests of the last run are taken over from %s; %u of them had not ended",
		    found->count, path, found->crashed);
}

void inflight_raise_ids(struct inflight *inflight, uint64_t id)
{
	for (uint32_t i = 0; i < inflight->loops; i++)
		if (inflight->loop[i].last_id < id)
			inflight->loop[i].last_id = id;
}

/* The clock's, or behind the last one where the clock stands still or went back. */
uint64_t inflight_next_id(struct inflight *inflight, uint32_t loop, uint64_t real_ns)
{
	const uint64_t mask = (UINT64_C(1) << ID_TURN_SHIFT) - 1, step = UINT64_C(1)
									 << INFLIGHT_ATTEMPT_BITS;
	const uint64_t own = (uint64_t)loop << ID_LOOP_SHIFT | (uint64_t)inflight->turn
								   << ID_TURN_SHIFT;
	uint64_t id = real_ns / NS_PER_MS << ID_MS_SHIFT | own;
	uint64_t *last = &inflight->loop[loop].last_id;

	if (id <= *last) {
		uint64_t ms = *last >> ID_MS_SHIFT, sequence = (*last & mask) + step;

		id = ms << ID_MS_SHIFT | own;
		id |= id > *last ? 0 : sequence & mask;
		if (id <= *last) /* another loop's or turn's, or this millisecond's last */
			id = (ms + 1) << ID_MS_SHIFT | own;
	}
	*last = id;
	atomic_store_explicit(&inflight->header->last_id[loop], id, memory_order_relaxed);
	return id;
}

/* Raised before an entry is used for the first time, so that a start need not read, and so keep in
 * memory, the rest. */
static void mark_used(struct inflight *inflight, uint32_t slot)
{
	uint32_t used = atomic_load_explicit(&inflight->header->used, memory_order_relaxed);

	while (used <= slot &&
	       !atomic_compare_exchange_weak_explicit(&inflight->header->used, &used, slot + 1,
						      memory_order_release, memory_order_relaxed))
		;
}

struct ledger_entry *inflight_take(struct inflight *inflight, uint32_t loop)
{
	struct inflight_loop *own = &inflight->loop[loop];
	struct ledger_entry *entry;
	uint32_t *slot, taken;

	while ((slot = ring_peek(&own->freed))) {
		own->free[own->free_count++] = *slot;
		ring_pop(&own->freed);
	}
	if (own->free_count == 0)
		return NULL;
	taken = own->free[--own->free_count];
	mark_used(inflight, taken);
	entry = inflight_entry(inflight, taken);
	attach_far(inflight, entry, taken);
	if (own->free_count > 0)
		entry_fetch(inflight_entry(inflight, own->free[own->free_count - 1]));
	return entry;
}

static void add_own(_Atomic int64_t *counter, int64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static void count_own(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

void inflight_publish(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry)
{
	struct inflight_loop *own = &inflight->loop[loop];

	add_own(&own->reserved_nano, entry->reserved_nano);
	count_own(&own->opened);
	atomic_store_explicit(&entry->state, INFLIGHT_OPEN, memory_order_release);
}

void inflight_reserve(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry,
		      int64_t reserved_nano)
{
	add_own(&inflight->loop[loop].reserved_nano, reserved_nano - entry->reserved_nano);
	entry->reserved_nano = reserved_nano;
}

bool inflight_hand_over(struct inflight *inflight, uint32_t loop, struct ledger_entry *entry)
{
	struct inflight_loop *own = &inflight->loop[loop];
	uint32_t *record = ring_claim(&own->closed);

	add_own(&own->reserved_nano, -entry->reserved_nano);
	*record = entry->slot;
	atomic_store_explicit(&entry->state, INFLIGHT_CLOSED, memory_order_release);
	ring_push(&own->closed);
	/* The processor may turn the two round but for the writer's barrier, see inflight_rest().
	 */
	atomic_signal_fence(memory_order_seq_cst);
	return atomic_load_explicit(&inflight->resting, memory_order_relaxed) &&
	       inflight_end_rest(inflight);
}

/* A barrier for all threads at once, paid by the one that seldom needs it: after it a loop sees
 * that the writer rests, or what it has closed is seen here. */
bool inflight_rest(struct inflight *inflight)
{
	if (!inflight->may_rest)
		return false;
	atomic_store_explicit(&inflight->resting, true, memory_order_relaxed);
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	for (uint32_t i = 0; i < inflight->loops; i++) {
		if (!ring_peek(&inflight->loop[i].closed))
			continue;
		inflight_end_rest(inflight);
		return false;
	}
	return true;
}

bool inflight_end_rest(struct inflight *inflight)
{
	return atomic_exchange_explicit(&inflight->resting, false, memory_order_acq_rel);
}

size_t inflight_collect(struct inflight *inflight, uint32_t *out, size_t max)
{
	size_t count = 0;

	for (uint32_t i = 0; i < inflight->loops; i++) {
		uint32_t *slot;

		while (count < max && (slot = ring_peek(&inflight->loop[i].closed))) {
			out[count++] = *slot;
			ring_pop(&inflight->loop[i].closed);
		}
	}
	return count;
}

void inflight_release(struct inflight *inflight, uint32_t slot)
{
	struct inflight_loop *owner = &inflight->loop[slot % inflight->loops];
	struct ledger_entry *entry = inflight_entry(inflight, slot);
	uint32_t *record = ring_claim(&owner->freed);

	*record = slot;
	atomic_store_explicit(&entry->state, INFLIGHT_FREE, memory_order_release);
	count_own(&owner->released);
	ring_push(&owner->freed);
}
