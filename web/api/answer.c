/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: JSON, errors that say what to do, nodes with an ETag; the same safety headers on all of
 * them. */
#include "api/private.h"

#include <errno.h>
#include <stdio.h>

static const char safety[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

void answer_bytes(struct api_call *call, int status, const char *type, struct slice body,
		  const char *extra)
{
	mg_printf(call->connection, "HTTP/1.1 %d %s\r\n%s%s", status, reason_of(status), safety,
		  extra ? extra : "");
	if (status != 304 && status != 204)
		mg_printf(call->connection, "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
			  body.len);
	mg_printf(call->connection, "Connection: close\r\n\r\n");
	if (status != 304 && body.len)
		mg_write(call->connection, body.ptr, body.len);
}

void answer_json(struct api_call *call, int status, json_t *value, const char *extra)
{
	char headers[512];
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	snprintf(headers, sizeof(headers), "Cache-Control: no-store\r\n%s", extra ? extra : "");
	answer_bytes(call, text ? status : 500, "application/json", slice_of(text ? text : "{}"),
		     headers);
	free(text);
}

void answer_error(struct api_call *call, int status, const char *message)
{
	json_t *value = json_pack("{s:{s:i, s:s}}", "error", "status", status, "message", message);

	answer_json(call, status, value, call->extra);
	json_decref(value);
}

int status_of(int r)
{
	switch (r) {
	case -EINVAL:
	case -E2BIG:
	case -ENAMETOOLONG:
		return 400;
	case -EACCES:
		return 401;
	case -EPERM:
		return 403;
	case -ENOENT:
		return 404;
	case -EEXIST:
	case -EROFS:
	case -EBUSY:
		return 409;
	case -EAGAIN:
		return 429;
	case -ESHUTDOWN:
	case -ENOSPC:
		return 503;
	default:
		return 500;
	}
}

int answer_node(struct api_call *call, const char *path, const char *type)
{
	struct admin_value *value = admin_value_get(call->admin, (size_t)admin_node_find(path));
	const char *known = mg_get_header(call->connection, "If-None-Match");
	char tag[80], headers[160];

	snprintf(tag, sizeof(tag), "\"%llx-%llx\"", (unsigned long long)value->changed_real_ns,
		 (unsigned long long)value->generation);
	snprintf(headers, sizeof(headers), "ETag: %s\r\nCache-Control: no-cache\r\n", tag);
	if (known && strcmp(known, tag) == 0)
		answer_bytes(call, 304, type, SLICE(""), headers);
	else
		answer_bytes(call, 200, type, (struct slice){ value->data, value->len }, headers);
	admin_value_unref(value);
	return 0;
}
