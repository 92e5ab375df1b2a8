/* SPDX-License-Identifier: Apache-2.0 */
/* One request a call, with its model in the path; nothing of it is kept. */
#include "relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "path.h"

int32_t relay_init(struct relay *relay, const struct tide_host *host,
		   struct tide_instance *instance)
{
	relay->host = host;
	relay->path = host->option_string(instance, "path");
	relay->own[relay->own_count++] = (struct tide_header){
		{ "content-type", 12 },
		{ "application/json", 16 },
	};
	return relay->path.len > 0 && relay->path.ptr[0] == '/' ? 0 : -EINVAL;
}

void relay_fini(struct relay *relay)
{
	if (relay->auth_value)
		explicit_bzero(relay->auth_value, strlen(relay->auth_value));
	free(relay->auth_value);
}

int32_t relay_authorize(struct relay *relay, struct tide_instance *instance,
			struct tide_slice header, struct tide_slice scheme)
{
	struct tide_slice secret = relay->host->secret(instance);
	size_t size = secret.len + scheme.len + 2;

	if (!secret.ptr)
		return 0;
	relay->auth_value = malloc(size);
	if (!relay->auth_value)
		return -ENOMEM;
	snprintf(relay->auth_value, size, "%.*s%s%.*s", (int)scheme.len, scheme.ptr,
		 scheme.len ? " " : "", (int)secret.len, secret.ptr);
	relay->own[relay->own_count++] =
	    (struct tide_header){ header, { relay->auth_value, strlen(relay->auth_value) } };
	return 0;
}

static int32_t make_path(const struct relay *relay, struct tide_call *call,
			 const struct tide_call_info *info, const char *suffix,
			 struct tide_slice *ret)
{
	uint64_t room = relay->path.len + 3 * info->model.len + strlen(suffix);
	char *text = relay->host->call_alloc(call, room), *end;

	if (!text)
		return -ENOMEM;
	end = mempcpy(text, relay->path.ptr, relay->path.len);
	end = path_put_encoded(end, info->model);
	end = mempcpy(end, suffix, strlen(suffix));
	*ret = (struct tide_slice){ text, (uint64_t)(end - text) };
	return 0;
}

static int is_accept(const struct tide_header *header)
{
	return header->name.len == 6 && strncasecmp(header->name.ptr, "accept", 6) == 0;
}

int32_t relay_send(const struct relay *relay, struct tide_call *call, const char *suffix)
{
	const struct tide_call_services *services = relay->host->call;
	const struct tide_call_info *info = services->info(call);
	uint64_t room = relay->own_count + info->header_count, count = relay->own_count;
	struct tide_slice path;
	struct {
		struct tide_http_request request;
		struct tide_header headers[];
	} *out = relay->host->call_alloc(call, sizeof(*out) + room * sizeof(out->headers[0]));

	if (!out || make_path(relay, call, info, suffix, &path) < 0)
		return -ENOMEM;
	memcpy(out->headers, relay->own, count * sizeof(out->headers[0]));
	for (uint64_t i = 0; i < info->header_count; i++) {
		if (!is_accept(&info->headers[i]))
			out->headers[count++] = info->headers[i];
	}
	out->request = (struct tide_http_request){
		.size = sizeof(out->request),
		.path = path,
		.headers = out->headers,
		.header_count = count,
		.sigv4 = relay->sigv4,
	};
	return services->send(call, &out->request);
}
