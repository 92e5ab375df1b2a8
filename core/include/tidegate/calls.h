/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a policy makes of its own, while the host goes on: since 0.9. They have a table of
 * their own, which belongs to the instance and not to a request, for one may be made where there is
 * no request: by a thread, or when the request it is about has ended.
 *
 * Each one that was begun ends by one call of `done`, on a loop's thread, never inside the function
 * that began it; done() must not block, and may call what any thread may: complete(), or the next
 * one. None comes after destroy(): what is under way then ends with -ECANCELED before. */
#pragma once

#include <tidegate/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tide_request;

/* Borrowed while fetch() runs. */
struct tide_fetch {
	uint32_t size;
	uint32_t deadline_ms;     /* of the whole, 600,000 at most; 0: the object's deadline_ms */
	struct tide_slice method; /* {NULL, 0}: GET, or POST where there is a body */
	/* Goes behind the path of the object's base_url: begins with a slash, query and all. */
	struct tide_slice path;
	/* Of framing, host and accept-encoding the host says its own. */
	const struct tide_header *headers; /* 32 at most */
	uint64_t header_count;
	struct tide_slice body;
	uint64_t reply_max; /* bytes of the reply's body, 4 MiB at most; 0: 128 KiB */
};

/* Lives while done() runs. */
struct tide_reply {
	uint32_t size;
	/* 0: there is a whole one, whatever its status. Else nothing of it: -ETIMEDOUT;
	 * -EHOSTUNREACH the name leads nowhere; -EACCES it leads to a private address;
	 * -ECONNREFUSED; -ECONNRESET; -EPROTO TLS or HTTP went wrong; -EMSGSIZE beyond reply_max;
	 * -EINVAL the request breaks its own head; -ENOMEM; -ECANCELED the request it is about
	 * ended, or the instance or the daemon does. */
	int32_t error;
	uint32_t status; /* a redirect is one like others: nobody follows it */
	uint32_t reserved;
	struct tide_slice content_type; /* {NULL, 0}: it had none */
	const struct tide_header *headers;
	uint64_t header_count;
	struct tide_slice body;
	struct tide_slice message; /* of an error: for people */
};

typedef void (*tide_done_fn)(void *data, const struct tide_reply *reply);

struct tide_outgoing_services {
	uint32_t size;
	uint32_t reserved;
	/* A request to the origin of the object's base_url, and nowhere else; so a secret in its
	 * headers goes there alone. About a request [request]: it ends with that, before ended().
	 * With NULL [any]: it goes on until the instance ends; a daemon that stops does not wait
	 * for it. Negative, and done() does not come: -EPERM the object has no base_url, it is no
	 * policy's, create() has not returned, or destroy() is next; -EAGAIN 64 of the object are
	 * under way, or their bodies and reply_max together would be over 16 MiB; -EINVAL;
	 * -ECANCELED the request, instance or daemon is at its end; -ENOMEM. */
	int32_t (*fetch)(struct tide_instance *instance, struct tide_request *request,
			 const struct tide_fetch *fetch, tide_done_fn done, void *data);
};

#ifdef __cplusplus
}
#endif
