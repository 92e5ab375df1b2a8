/* SPDX-License-Identifier: Apache-2.0 */
/* Origins: a base URL checked once, to the last byte, so that nothing a caller appends can change
 * where a call goes. */
#include "upstream/origin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"
#include "upstream/proxy.h"
#include "upstream/tls-files.h"

enum {
	URL_BYTES_MAX = 2048,
	HOST_BYTES_MAX = 253,
	CONNECT_MS_DEFAULT = 5000,
};

CLEANUP_DEFINE(struct upstream_origin, upstream_origin_unref);

/* A URL taken apart; slices of the text. */
struct url {
	bool https, bracketed;
	struct slice host, path;
	uint16_t port;
};

static bool is_host_char(char c, bool bracketed)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.')
		return true;
	return bracketed ? c == ':' : c == '-' || c == '_';
}

/* Unreserved, sub-delims, ":", "@", "%" and "/" of RFC 3986. */
static bool is_path_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}?#", c);
}

static int parse_authority(struct slice authority, struct url *url, struct error *error)
{
	struct slice port;
	uint64_t number = url->https ? 443 : 80;

	url->bracketed = authority.len > 0 && authority.ptr[0] == '[';
	if (url->bracketed) {
		url->host = slice_cut(slice_skip(authority, 1), ']', &port);
		if (url->host.len + 1 == authority.len || (port.len > 0 && port.ptr[0] != ':'))
			return error_set(error, -EINVAL,
					 "base_url: the address in brackets is malformed");
		port = port.len > 0 ? slice_skip(port, 1) : port;
	} else {
		url->host = slice_cut(authority, ':', &port);
	}
	if (url->host.len == 0 || url->host.len > HOST_BYTES_MAX)
		return error_set(error, -EINVAL, "base_url: the host is missing or too long");
	for (size_t i = 0; i < url->host.len; i++)
		if (!is_host_char(url->host.ptr[i], url->bracketed))
			return error_set(error, -EINVAL,
					 "base_url: the host has a character that is not allowed");
	if (port.len > 0 && (slice_to_u64(port, &number) < 0 || number == 0 || number > UINT16_MAX))
		return error_set(error, -EINVAL, "base_url: the port is not between 1 and 65535");
	if (port.len == 0 && authority.ptr[authority.len - 1] == ':')
		return error_set(error, -EINVAL, "base_url: the port is missing");
	url->port = (uint16_t)number;
	return 0;
}

static int parse_url(const char *text, struct url *ret, struct error *error)
{
	struct slice rest = slice_of(text), authority;
	struct url url = { 0 };
	size_t end = 0;
	int r;

	if (rest.len > URL_BYTES_MAX)
		return error_set(error, -EINVAL, "base_url: longer than %d bytes", URL_BYTES_MAX);
	url.https = rest.len >= 8 && strncasecmp(rest.ptr, "https://", 8) == 0;
	if (!url.https && (rest.len < 7 || strncasecmp(rest.ptr, "http://", 7) != 0))
		return error_set(error, -EINVAL, "base_url: must begin with http:// or https://");
	rest = slice_skip(rest, url.https ? 8 : 7);
	while (end < rest.len && rest.ptr[end] != '/')
		end++;
	authority = slice_span(rest.ptr, rest.ptr + end);
	url.path = slice_skip(rest, end);
	r = parse_authority(authority, &url, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < url.path.len; i++)
		if (!is_path_char(url.path.ptr[i]))
			return error_set(error, -EINVAL,
					 "base_url: the path has a query, a fragment or a "
					 "character not allowed");
	while (url.path.len > 0 && url.path.ptr[url.path.len - 1] == '/')
		url.path.len--;
	*ret = url;
	return 0;
}

static int copy_text(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int copy_options(struct upstream_origin *origin,
			const struct upstream_origin_options *options)
{
	origin->allow_private = options->allow_private;
	origin->http2 = options->http2;
	origin->connect_ms = options->connect_ms ? options->connect_ms : CONNECT_MS_DEFAULT;
	origin->connections_max = options->connections_max;
	if (copy_text(&origin->ca_file, options->ca_file) < 0 ||
	    copy_text(&origin->cert_file, options->cert_file) < 0 ||
	    copy_text(&origin->key_file, options->key_file) < 0)
		return -ENOMEM;
	return 0;
}

/* The texts that are made of the URL. The default port is left out of Host, as clients do. */
static int compose(struct upstream_origin *origin, const struct url *url)
{
	const char *open = url->bracketed ? "[" : "", *close = url->bracketed ? "]" : "";
	const char *scheme = url->https ? "https" : "http";
	char port[8] = "";
	int length;

	if (url->port != (url->https ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", url->port);
	origin->port = url->port;
	origin->host = slice_dup(url->host);
	if (!origin->host)
		return -ENOMEM;
	length = asprintf(&origin->url, "%s://%s%s%s%s%.*s", scheme, open, origin->host, close,
			  port, SLICE_ARGS(url->path));
	if (length < 0) {
		origin->url = NULL;
		return -ENOMEM;
	}
	origin->path = (struct slice){ origin->url + length - url->path.len, url->path.len };
	if (asprintf(&origin->fields, "host: %s%s%s%s\r\naccept-encoding: identity\r\n", open,
		     origin->host, close, port) < 0) {
		origin->fields = NULL;
		return -ENOMEM;
	}
	origin->literal = address_parse(origin->host, &origin->address) == 0;
	if (origin->literal)
		address_set_port(&origin->address, url->port);
	return 0;
}

/* The host is then a name in the request's head alone. */
static int use_socket(struct upstream_origin *origin, const char *path, struct error *error)
{
	if (!path)
		return 0;
	if (origin->curl)
		return error_set(error, -EINVAL, "socket_path: only the plain lane can use it");
	if (address_from_path(path, &origin->address) < 0)
		return error_set(error, -ENAMETOOLONG, "socket_path: %s is too long", path);
	origin->literal = true;
	return 0;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

/* All that decides how a connection comes about, so that a reload which changes none of it keeps
 * the warm ones. */
static int compose_pool(struct upstream_origin *origin, const struct url *url,
			const char *socket_path)
{
	int length = asprintf(
	    &origin->pool, "%d %d %s %u %d %d %u %u\n%s\n%s\n%s\n%s\n%s", origin->curl, url->https,
	    origin->host, url->port, origin->allow_private, origin->http2, origin->connect_ms,
	    origin->connections_max, or_none(origin->ca_file), or_none(origin->cert_file),
	    or_none(origin->key_file), or_none(origin->proxy), or_none(socket_path));

	if (length < 0)
		origin->pool = NULL;
	return length < 0 ? -ENOMEM : 0;
}

static int choose_lane(struct upstream_origin *origin,
		       const struct upstream_origin_options *options, const struct url *url,
		       struct error *error)
{
	origin->curl = options->lane == UPSTREAM_LANE_CURL ||
		       (options->lane == UPSTREAM_LANE_AUTO && (url->https || options->proxy));
	if (!origin->curl && url->https)
		return error_set(error, -EINVAL, "base_url: the plain lane cannot speak https");
	if (!origin->curl && options->proxy)
		return error_set(error, -EINVAL, "proxy: the plain lane cannot use a proxy");
	if (options->key_file && !options->cert_file)
		return error_set(error, -EINVAL, "key_file: given without cert_file");
	return 0;
}

/* The object's own proxy is used whatever the environment says. */
static int choose_proxy(struct upstream_origin *origin,
			const struct upstream_origin_options *options, const struct url *url,
			struct error *error)
{
	const char *proxy = options->proxy;

	if (!origin->curl)
		return 0;
	if (!proxy)
		proxy = proxy_of_environment(url->https, origin->host, origin->port);
	if (!proxy)
		return 0;
	if (copy_text(&origin->proxy, proxy) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	return proxy_check(proxy, error);
}

int upstream_origin_new(const struct upstream_origin_options *options, struct upstream_origin **ret,
			struct error *error)
{
	_cleanup_(cleanup_upstream_origin_unref) struct upstream_origin *origin =
	    calloc(1, sizeof(*origin));
	struct url url = { 0 };
	int r;

	if (!origin)
		return error_set(error, -ENOMEM, "out of memory");
	atomic_init(&origin->refs, 1);
	r = parse_url(options->base_url ? options->base_url : "", &url, error);
	if (r >= 0)
		r = choose_lane(origin, options, &url, error);
	if (r >= 0)
		r = tls_files_check(options->ca_file, options->cert_file, options->key_file, error);
	if (r < 0)
		return r;
	if (copy_options(origin, options) < 0 || compose(origin, &url) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	r = choose_proxy(origin, options, &url, error);
	if (r < 0)
		return r;
	origin->https = url.https;
	origin->whole = origin->curl && (url.https ? origin->http2 : origin->proxy != NULL);
	if (compose_pool(origin, &url, options->socket_path) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	r = use_socket(origin, options->socket_path, error);
	if (r < 0)
		return r;
	*ret = steal(origin);
	return 0;
}

/* "localhost" and all below it are loopback (RFC 6761); a proxy has a host of its own. */
static bool is_this_machine(const struct upstream_origin *origin)
{
	static const char name[] = "localhost";
	size_t len = strlen(origin->host), end = sizeof(name) - 1;

	return !origin->proxy && len >= end && strcasecmp(origin->host + len - end, name) == 0 &&
	       (len == end || origin->host[len - end - 1] == '.');
}

int upstream_origin_check_reach(const struct upstream_origin *origin, struct error *error)
{
	bool private =
	    origin->literal ? !address_is_public(&origin->address) : is_this_machine(origin);

	if (origin->allow_private || !private)
		return 0;
	return error_set(error, -EACCES,
			 "base_url: %s is no public address; set allow_private = true if it is "
			 "meant",
			 origin->host);
}

struct upstream_origin *upstream_origin_ref(struct upstream_origin *origin)
{
	atomic_fetch_add_explicit(&origin->refs, 1, memory_order_relaxed);
	return origin;
}

struct upstream_origin *upstream_origin_unref(struct upstream_origin *origin)
{
	if (!origin || atomic_fetch_sub_explicit(&origin->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	free(origin->host);
	free(origin->url);
	free(origin->fields);
	free(origin->pool);
	free(origin->ca_file);
	free(origin->cert_file);
	free(origin->key_file);
	free(origin->proxy);
	free(origin);
	return NULL;
}
