/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo blocks, for seconds when a name server is dead, so each lookup has a thread of its
 * own: no name waits for another, and an idle daemon has none. At most one lookup of a name is
 * under way; all who ask meanwhile wait for it.
 *
 * A thread touches nothing but its lookup and the shared part, which outlives the resolver while
 * threads remain. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "upstream/address.h"

enum {
	NAMES_MAX = 256, /* kept; the oldest idle one gives way */
	THREAD_STACK_BYTES = 256 * 1024,
};

/* What the resolver and its threads share. */
struct shared {
	pthread_mutex_t lock;
	unsigned refs;    /* under lock: the resolver and each running thread */
	struct list done; /* under lock: lookups whose answer the loop has not taken */
	bool abandoned;   /* under lock: no loop will take any */
	int event_fd;     /* written under lock while not abandoned */
};

/* One lookup: the thread's until it is on the done list, then the loop's. */
struct lookup {
	struct list node;
	struct shared *shared;
	struct name *name; /* the loop's; never touched by the thread */
	struct address_list list;
	int error;
	char host[];
};

/* A name that is kept or looked up. [loop] */
struct name {
	struct list node;
	struct list waits;
	bool pending;
	uint64_t until_ns;
	struct address_list list;
	char host[];
};

struct resolver {
	struct loop *loop;
	struct loop_io io;
	struct shared *shared;
	struct list names; /* oldest first */
	unsigned count;
};

/* Called with the lock held, which it releases. */
static void shared_unref(struct shared *shared)
{
	bool last = --shared->refs == 0;

	pthread_mutex_unlock(&shared->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&shared->lock);
	close(shared->event_fd);
	free(shared);
}

static void lookup_run(struct lookup *lookup)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct address_list *list = &lookup->list;

	lookup->error = getaddrinfo(lookup->host, NULL, &hints, &found);
	for (struct addrinfo *at = found; at && list->count < ADDRESS_MAX; at = at->ai_next)
		if (address_from_sockaddr(at->ai_addr, &list->at[list->count]))
			list->count++;
	if (lookup->error == 0 && list->count == 0)
		lookup->error = EAI_NONAME;
	if (found)
		freeaddrinfo(found);
}

static void *lookup_thread(void *data)
{
	struct lookup *lookup = data;
	struct shared *shared = lookup->shared;
	uint64_t one = 1;

	lookup_run(lookup);
	pthread_mutex_lock(&shared->lock);
	if (shared->abandoned) {
		free(lookup);
	} else {
		list_append(&shared->done, &lookup->node);
		if (write(shared->event_fd, &one, sizeof(one)) < 0)
			abort(); /* an eventfd far below its maximum takes every write */
	}
	shared_unref(shared);
	return NULL;
}

/* Signals belong to the main thread. */
static int thread_start(struct lookup *lookup)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return -r;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, lookup_thread, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static int lookup_start(struct resolver *resolver, struct name *name)
{
	size_t size = strlen(name->host) + 1;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + size);
	int r;

	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->host, name->host, size);
	lookup->name = name;
	lookup->shared = resolver->shared;
	pthread_mutex_lock(&resolver->shared->lock);
	resolver->shared->refs++;
	pthread_mutex_unlock(&resolver->shared->lock);
	r = thread_start(lookup);
	if (r < 0) {
		pthread_mutex_lock(&resolver->shared->lock);
		shared_unref(resolver->shared);
		free(lookup);
		return r;
	}
	name->pending = true;
	return 0;
}

/* Whoever is told may look the name up again at once, which is a new wait, or forget others that
 * wait. */
static void name_tell(struct name *name, const struct address_list *list, int error)
{
	struct list waits;

	list_take_all(&waits, &name->waits);
	while (!list_empty(&waits)) {
		struct resolver_wait *wait = list_entry(waits.next, struct resolver_wait, node);

		list_remove(&wait->node);
		wait->fn(wait, list, error);
	}
}

static void resolver_event(struct loop_io *io, uint32_t events)
{
	struct resolver *resolver = container_of(io, struct resolver, io);
	struct shared *shared = resolver->shared;
	uint64_t count;

	if (read(shared->event_fd, &count, sizeof(count)) < 0)
		return;
	for (;;) {
		_cleanup_free_ struct lookup *lookup = NULL;

		pthread_mutex_lock(&shared->lock);
		if (!list_empty(&shared->done)) {
			lookup = list_entry(shared->done.next, struct lookup, node);
			list_remove(&lookup->node);
		}
		pthread_mutex_unlock(&shared->lock);
		if (!lookup)
			return;
		lookup->name->pending = false;
		lookup->name->list = lookup->list;
		lookup->name->until_ns =
		    lookup->error == 0 ? clock_now_ns() + ADDRESS_KEEP_S * NS_PER_S : 0;
		name_tell(lookup->name, &lookup->list, lookup->error);
	}
}

static struct name *name_find(struct resolver *resolver, const char *host)
{
	list_foreach (node, &resolver->names) {
		struct name *name = list_entry(node, struct name, node);

		if (strcmp(name->host, host) == 0)
			return name;
	}
	return NULL;
}

static void name_free(struct resolver *resolver, struct name *name)
{
	list_remove(&name->node);
	resolver->count--;
	free(name);
}

static void make_room(struct resolver *resolver)
{
	list_foreach (node, &resolver->names) {
		struct name *name = list_entry(node, struct name, node);

		if (resolver->count < NAMES_MAX)
			return;
		if (!name->pending)
			name_free(resolver, name);
	}
}

static struct name *name_new(struct resolver *resolver, const char *host)
{
	size_t size = strlen(host) + 1;
	struct name *name = calloc(1, sizeof(*name) + size);

	if (!name)
		return NULL;
	make_room(resolver);
	memcpy(name->host, host, size);
	list_init(&name->waits);
	list_append(&resolver->names, &name->node);
	resolver->count++;
	return name;
}

int resolver_lookup(struct resolver *resolver, const char *host, struct resolver_wait *wait,
		    struct address_list *ret)
{
	struct name *name = name_find(resolver, host);
	int r;

	if (!name)
		name = name_new(resolver, host);
	if (!name)
		return -ENOMEM;
	if (!name->pending && clock_now_ns() < name->until_ns) {
		*ret = name->list;
		return 1;
	}
	if (!name->pending) {
		r = lookup_start(resolver, name);
		if (r < 0)
			return r;
	}
	list_append(&name->waits, &wait->node);
	return 0;
}

void resolver_forget(struct resolver_wait *wait)
{
	if (wait->node.next)
		list_remove(&wait->node);
}

int resolver_new(struct loop *loop, struct resolver **ret)
{
	_cleanup_free_ struct resolver *resolver = calloc(1, sizeof(*resolver));
	_cleanup_free_ struct shared *shared = calloc(1, sizeof(*shared));
	_cleanup_fd_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (!resolver || !shared)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	resolver->loop = loop;
	resolver->io = (struct loop_io){ .fd = fd, .fn = resolver_event };
	r = loop_add(loop, &resolver->io, EPOLLIN);
	if (r < 0)
		return r;
	pthread_mutex_init(&shared->lock, NULL);
	list_init(&shared->done);
	list_init(&resolver->names);
	shared->refs = 1;
	shared->event_fd = steal_fd(&fd);
	resolver->shared = steal(shared);
	*ret = steal(resolver);
	return 0;
}

struct resolver *resolver_free(struct resolver *resolver)
{
	struct shared *shared;

	if (!resolver)
		return NULL;
	shared = resolver->shared;
	loop_remove(resolver->loop, &resolver->io);
	list_foreach (node, &resolver->names)
		name_free(resolver, list_entry(node, struct name, node));
	pthread_mutex_lock(&shared->lock);
	shared->abandoned = true;
	list_foreach (node, &shared->done)
		free(list_entry(node, struct lookup, node));
	list_init(&shared->done);
	shared_unref(shared);
	free(resolver);
	return NULL;
}
