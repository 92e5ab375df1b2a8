/* SPDX-License-Identifier: Apache-2.0 */
/* The secret of AWS taken apart. */
#include "aws.h"

#include <errno.h>
#include <string.h>

/* Up to the next colon, which goes too. */
static struct tide_slice take_part(struct tide_slice *text)
{
	const char *colon = text->len ? memchr(text->ptr, ':', text->len) : NULL;
	struct tide_slice part = { text->ptr, colon ? (uint64_t)(colon - text->ptr) : text->len };
	uint64_t taken = part.len + (colon != NULL);

	*text = (struct tide_slice){ text->ptr + taken, text->len - taken };
	return part;
}

int32_t aws_signer(const struct tide_host *host, struct tide_instance *instance,
		   struct tide_sigv4 *ret)
{
	struct tide_slice secret = host->secret(instance);

	*ret = (struct tide_sigv4){
		.size = sizeof(*ret),
		.region = host->option_string(instance, "aws_region"),
		.service = host->option_string(instance, "aws_service"),
	};
	ret->access_key = take_part(&secret);
	ret->secret_key = take_part(&secret);
	ret->session_token = secret;
	return ret->access_key.len && ret->secret_key.len && ret->service.len ? 0 : -EINVAL;
}
