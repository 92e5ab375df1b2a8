/* SPDX-License-Identifier: Apache-2.0 */
/* What an owner can ask of an exchange. */
#include "http/server.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/clock.h"

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
	return &exchange->request;
}

struct arena *http_exchange_arena(struct http_exchange *exchange)
{
	return &exchange->arena;
}

void *http_exchange_user(const struct http_exchange *exchange)
{
	return exchange->user;
}

void http_exchange_set_user(struct http_exchange *exchange, void *user)
{
	exchange->user = user;
}

void *http_exchange_data(const struct http_exchange *exchange)
{
	return connection_of(exchange)->data;
}

const char *http_exchange_peer(struct http_exchange *exchange)
{
	struct connection *connection = connection_of(exchange);
	const struct sockaddr_in6 *v6 = &connection->peer_address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)v6;
	char host[INET6_ADDRSTRLEN] = "";

	if (connection->peer[0])
		return connection->peer;
	if (connection->is_unix) {
		snprintf(connection->peer, sizeof(connection->peer), "unix:%u",
			 connection->peer_uid);
	} else if (v6->sin6_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(connection->peer, sizeof(connection->peer), "[%s]:%u", host,
			 ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(connection->peer, sizeof(connection->peer), "%s:%u", host,
			 ntohs(v4->sin_port));
	}
	return connection->peer;
}

struct network_address http_exchange_address(const struct http_exchange *exchange)
{
	const struct connection *connection = connection_of(exchange);

	return network_address_of((const struct sockaddr *)&connection->peer_address);
}

bool http_exchange_is_unix(const struct http_exchange *exchange, uint32_t *ret_uid)
{
	const struct connection *connection = connection_of(exchange);

	if (connection->is_unix && ret_uid)
		*ret_uid = connection->peer_uid;
	return connection->is_unix;
}

bool http_exchange_is_tls(const struct http_exchange *exchange)
{
	return connection_of(exchange)->tls != NULL;
}

const char *http_exchange_names(const struct http_exchange *exchange)
{
	const struct tls *tls = connection_of(exchange)->tls;

	if (!tls || !tls->names || tls->names_until_s < (int64_t)(clock_real_ns() / NS_PER_S))
		return NULL;
	return tls->names;
}

struct slice http_request_header(const struct http_request *request, struct slice name)
{
	const struct http_header *end = request->headers + request->header_count;

	for (const struct http_header *at = request->headers; at < end; at++)
		if (at->name.len == name.len && slice_case_eq(at->name, name))
			return at->value;
	return (struct slice){ NULL, 0 };
}

void http_exchange_set_share(struct http_exchange *exchange, struct http_share *share)
{
	exchange->share = share;
}

void http_want_body(struct http_exchange *exchange, uint64_t max_bytes)
{
	struct connection *connection = connection_of(exchange);
	const struct http_limits *limits = &connection->server->limits;

	if (exchange->body_wanted)
		return;
	exchange->body_wanted = true;
	exchange->body_max =
	    max_bytes > 0 && max_bytes < limits->body_bytes ? max_bytes : limits->body_bytes;
	exchange->body_deadline_ns =
	    loop_now_ns(connection->server->loop) + limits->body_ms * NS_PER_MS;
	connection_attend(connection);
}

bool http_responded(const struct http_exchange *exchange)
{
	return exchange->responded;
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 402, "Payment Required" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 424, "Failed Dependency" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 529, "Overloaded" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Unknown";
}
