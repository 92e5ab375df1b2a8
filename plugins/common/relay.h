/* SPDX-License-Identifier: Apache-2.0 */
/* What providers share whose path names the model: headers of their own, and the path. */
#pragma once

#include <tidegate/provider.h>

struct relay {
	const struct tide_host *host;
	struct tide_slice path; /* before the model; the instance's */
	struct tide_header own[2];
	uint64_t own_count;
	char *auth_value;               /* scheme and key; NULL where there is none */
	const struct tide_sigv4 *sigv4; /* NULL, or who signs */
};

/* The option `path`, and the content's type. 0, or -EINVAL when it is no path. */
int32_t relay_init(struct relay *relay, const struct tide_host *host,
		   struct tide_instance *instance);
void relay_fini(struct relay *relay);
/* A header with the secret, if there is one, behind the scheme, if that is not empty. -ENOMEM. */
int32_t relay_authorize(struct relay *relay, struct tide_instance *instance,
			struct tide_slice header, struct tide_slice scheme);
/* Sends the call's body to the path, the model, percent-encoded, and `suffix`. Of the client's
 * headers all go along but accept, which is of its own dialect. As start() returns it. */
int32_t relay_send(const struct relay *relay, struct tide_call *call, const char *suffix);
