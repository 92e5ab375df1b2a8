/* SPDX-License-Identifier: Apache-2.0 */
/* One easy handle: made for the origins of one text and never reset, so that a call sets only what
 * is its own. The response's head goes through the same strict parser as on the plain lane; framing
 * is curl's. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "upstream/curl-lane.h"

enum {
	WHOLE_BODY_MAX = 32 * 1024, /* others are read as they are sent */
	SCRATCH_KEEP_BYTES = 16 * 1024,
	SENDS_MAX = 2,
};

#define CA_KEEP_S 60L

static unsigned parser_flags(const struct curl_handle *handle)
{
	unsigned flags = RESPONSE_HTTP2;

	if (slice_eq(handle->call->request.method, SLICE("HEAD")))
		flags |= RESPONSE_TO_HEAD;
	return flags;
}

/* Ends the transfer from inside a callback of curl's. */
static size_t refuse(struct curl_handle *handle, const char *reason)
{
	handle->broken = true;
	handle->reason = reason;
	return 0;
}

/* One line of a head, of any response, or of trailers. */
static size_t on_header(char *data, size_t size, size_t count, void *user)
{
	struct curl_handle *handle = user;
	size_t len = size * count;
	struct response_head head;
	struct response_scan scan = { 0 };
	const char *reason = NULL;
	ssize_t whole;

	if (!handle->call)
		return 0;
	handle->got_bytes = true;
	if (handle->head_done)
		return len;
	buffer_append(&handle->head, data, len);
	if (handle->head.failed)
		return refuse(handle, "out of memory");
	if (len != 2 && handle->head.len <= RESPONSE_HEAD_BYTES_MAX)
		return len;
	whole = response_head_scan(&scan, buffer_slice(&handle->head), &reason);
	if (whole < 0)
		return refuse(handle, reason);
	if (whole == 0)
		return len;
	if (response_head_parse(buffer_slice(&handle->head), parser_flags(handle), &head, &reason) <
	    0)
		return refuse(handle, reason);
	if (head.status == 101)
		return refuse(handle, "an interim response that nobody asked for");
	if (head.status < 200) {
		buffer_clear(&handle->head);
		return len;
	}
	handle->head_done = true;
	return call_tell_head(handle->call, &head) ? len : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct curl_handle *handle = user;
	size_t len = size * count;

	if (!handle->call)
		return 0;
	if (len == 0)
		return 0;
	if (handle->call->paused) {
		handle->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	return call_tell_data(handle->call, (struct slice){ data, len }) ? len : 0;
}

/* Once the head has been told, the request's bytes are the caller's again. */
static size_t on_read(char *data, size_t size, size_t count, void *user)
{
	struct curl_handle *handle = user;
	size_t room = size * count, len = 0;
	const struct upstream_request *request;

	if (!handle->call || handle->head_done)
		return CURL_READFUNC_ABORT;
	request = &handle->call->request;
	while (len < room && handle->part < request->body_part_count) {
		struct slice part = slice_skip(request->body_parts[handle->part], handle->offset);
		size_t take = part.len < room - len ? part.len : room - len;

		if (take > 0)
			memcpy(data + len, part.ptr, take);
		len += take;
		handle->offset += take;
		if (take == part.len) {
			handle->part++;
			handle->offset = 0;
		}
	}
	return len;
}

/* curl only ever rewinds. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
	struct curl_handle *handle = user;

	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	handle->part = 0;
	handle->offset = 0;
	return CURL_SEEKFUNC_OK;
}

bool curl_origin_allows(const struct upstream_origin *origin, const struct curl_sockaddr *to)
{
	struct address address;

	return address_from_sockaddr(&to->addr, &address) &&
	       (origin->allow_private || origin->proxy || address_is_public(&address));
}

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct curl_handle *handle = user;

	if (!handle->call)
		return CURL_SOCKET_BAD;
	if (!curl_origin_allows(handle->call->origin, to)) {
		handle->refused = true;
		return CURL_SOCKET_BAD;
	}
	return curl_watch_open(handle->lane, to, false);
}

static int set_failed(CURLcode code)
{
	return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EOPNOTSUPP;
}

#define SET(easy, option, value)                                           \
	do {                                                               \
		CURLcode set_code = curl_easy_setopt(easy, option, value); \
		if (set_code != CURLE_OK)                                  \
			return set_failed(set_code);                       \
	} while (0)

/* All that curl learned after 7.76, the oldest version that will do. */
#if LIBCURL_VERSION_NUM >= 0x075000
/* curl sends again what a pooled connection did not answer, up to five times; here it is once. An
 * older libcurl goes on with its five, and they are not counted. */
static int on_send(void *user, char *remote, char *local, int remote_port, int local_port)
{
	struct curl_handle *handle = user;

	if (++handle->sends == SENDS_MAX)
		stat_add(&handle->lane->upstream->stats.stale_retries_total, 1);
	return handle->sends > SENDS_MAX ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

static int set_newer(struct curl_handle *handle)
{
#if LIBCURL_VERSION_NUM >= 0x075000
	SET(handle->easy, CURLOPT_PREREQFUNCTION, on_send);
	SET(handle->easy, CURLOPT_PREREQDATA, handle);
	SET(handle->easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
#endif
	return 0;
}

static int set_callbacks(struct curl_handle *handle)
{
	CURL *easy = handle->easy;

	SET(easy, CURLOPT_PRIVATE, &handle->done);
	SET(easy, CURLOPT_ERRORBUFFER, handle->error);
	SET(easy, CURLOPT_HEADERFUNCTION, on_header);
	SET(easy, CURLOPT_HEADERDATA, handle);
	SET(easy, CURLOPT_WRITEFUNCTION, on_body);
	SET(easy, CURLOPT_WRITEDATA, handle);
	SET(easy, CURLOPT_READFUNCTION, on_read);
	SET(easy, CURLOPT_READDATA, handle);
	SET(easy, CURLOPT_SEEKFUNCTION, on_seek);
	SET(easy, CURLOPT_SEEKDATA, handle);
	SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(easy, CURLOPT_OPENSOCKETDATA, handle);
	SET(easy, CURLOPT_CLOSESOCKETFUNCTION, curl_watch_close);
	SET(easy, CURLOPT_CLOSESOCKETDATA, handle->lane);
	return 0;
}

int curl_set_origin(CURL *easy, const struct upstream_origin *origin)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_KEEP_S);
#endif
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	SET(easy, CURLOPT_NOPROGRESS, 1L);
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	SET(easy, CURLOPT_PATH_AS_IS, 1L);
	SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)ADDRESS_KEEP_S);
	SET(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
	SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)origin->connect_ms);
	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(easy, CURLOPT_HTTP_VERSION,
	    (long)(origin->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	SET(easy, CURLOPT_PIPEWAIT, origin->http2 ? 1L : 0L);
	if (origin->ca_file)
		SET(easy, CURLOPT_CAINFO, origin->ca_file);
	if (origin->ca_file)
		SET(easy, CURLOPT_CAPATH, NULL); /* nobody else's word counts beside it */
	if (origin->cert_file)
		SET(easy, CURLOPT_SSLCERT, origin->cert_file);
	if (origin->key_file)
		SET(easy, CURLOPT_SSLKEY, origin->key_file);
	/* Decided already: curl asks the environment nothing. */
	SET(easy, CURLOPT_PROXY, origin->proxy ? origin->proxy : "");
	SET(easy, CURLOPT_NOPROXY, "");
	return 0;
}

int curl_handle_new(struct curl_lane *lane, struct curl_pool *pool,
		    const struct upstream_origin *origin, struct curl_handle **ret)
{
	struct curl_handle *handle = calloc(1, sizeof(*handle));
	int r;

	if (!handle)
		return -ENOMEM;
	list_init(&handle->node);
	list_init(&handle->work);
	handle->lane = lane;
	handle->pool = pool;
	handle->easy = curl_easy_init();
	handle->url = curl_url();
	r = handle->easy && handle->url ? set_callbacks(handle) : -ENOMEM;
	if (r >= 0)
		r = curl_set_origin(handle->easy, origin);
	if (r >= 0)
		r = set_newer(handle);
	if (r < 0) {
		curl_handle_free(handle);
		return r;
	}
	*ret = handle;
	return 0;
}

struct curl_handle *curl_handle_free(struct curl_handle *handle)
{
	curl_easy_cleanup(handle->easy);
	curl_url_cleanup(handle->url);
	buffer_fini(&handle->url_text);
	list_remove(&handle->node);
	list_remove(&handle->work);
	buffer_fini(&handle->head);
	buffer_fini(&handle->lines);
	buffer_fini(&handle->body);
	free(handle->nodes);
	free(handle);
	return NULL;
}

static void scratch_trim(struct buffer *buffer)
{
	if (buffer->cap > SCRATCH_KEEP_BYTES || buffer->failed) {
		buffer_fini(buffer);
		*buffer = (struct buffer){ 0 };
	}
	buffer_clear(buffer);
}

/* Options keep no pointer into the call that is over. */
void curl_handle_clear(struct curl_handle *handle)
{
	curl_easy_setopt(handle->easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, NULL);
	scratch_trim(&handle->head);
	scratch_trim(&handle->lines);
	scratch_trim(&handle->body);
	handle->call = NULL;
	handle->todo = CURL_NOTHING;
	handle->added = handle->head_done = handle->got_bytes = false;
	handle->refused = handle->broken = handle->paused = false;
	if (handle->fresh)
		curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT, 0L);
	handle->fresh = false;
	handle->sends = 0;
	handle->part = handle->offset = 0;
	handle->reason = NULL;
	handle->error[0] = 0;
}

bool curl_handle_freshen(struct curl_handle *handle)
{
	if (curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK)
		return false;
	handle->fresh = true;
	handle->part = handle->offset = 0;
	handle->error[0] = 0;
#if LIBCURL_VERSION_NUM < 0x075000
	stat_add(&handle->lane->upstream->stats.stale_retries_total, 1); /* on_send does it else */
#endif
	return true;
}

/* "name: value"; curl wants a semicolon where the value is empty, and drops its own header at a
 * bare colon. */
static void add_line(struct buffer *lines, struct slice name, struct slice value)
{
	buffer_append_slice(lines, name);
	if (value.len > 0)
		buffer_append_slice(lines, SLICE(": "));
	else
		buffer_append_char(lines, ';');
	buffer_append_slice(lines, value);
	buffer_append_char(lines, 0);
}

static int nodes_reserve(struct curl_handle *handle, size_t count)
{
	struct curl_slist *nodes;

	if (count <= handle->node_cap)
		return 0;
	nodes = reallocarray(handle->nodes, count, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	handle->nodes = nodes;
	handle->node_cap = count;
	return 0;
}

/* curl's list over the lines; the lines do not move any more. */
static int link_lines(struct curl_handle *handle, size_t count)
{
	char *line = handle->lines.data;

	if (handle->lines.failed || nodes_reserve(handle, count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		handle->nodes[i] =
		    (struct curl_slist){ line, i + 1 < count ? &handle->nodes[i + 1] : NULL };
		line += strlen(line) + 1;
	}
	return 0;
}

static size_t body_bytes(const struct upstream_request *request)
{
	size_t bytes = 0;

	for (size_t i = 0; i < request->body_part_count; i++)
		bytes += request->body_parts[i].len;
	return bytes;
}

/* curl looks through all lines for each name it knows: none is there without need. */
static int set_headers(struct curl_handle *handle, const struct upstream_request *request)
{
	static const char own[] = "accept-encoding: identity";
	struct buffer *lines = &handle->lines;
	bool has_accept = false, has_type = false, large = body_bytes(request) > WHOLE_BODY_MAX;
	size_t count = 1;

	buffer_append(lines, own, sizeof(own));
	for (size_t i = 0; i < request->header_count; i++) {
		struct slice name = request->headers[i].name;

		if (call_header_is_ours(name))
			continue;
		has_accept |= slice_case_eq(name, SLICE("accept"));
		has_type |= slice_case_eq(name, SLICE("content-type"));
		add_line(lines, name, slice_trim(request->headers[i].value));
		count++;
	}
	if (!has_accept)
		buffer_append(lines, "accept:", sizeof("accept:"));
	if (!has_type)
		buffer_append(lines, "content-type:", sizeof("content-type:"));
	if (large) /* curl asks for leave to send bodies from 1 MB on */
		buffer_append(lines, "expect:", sizeof("expect:"));
	count += !has_accept + !has_type + large;
	if (link_lines(handle, count) < 0)
		return -ENOMEM;
	SET(handle->easy, CURLOPT_HTTPHEADER, handle->nodes);
	return 0;
}

/* The body in one piece, if it is small: curl then sends it together with the head, in one call. */
static const char *whole_body(struct curl_handle *handle, const struct upstream_request *request,
			      size_t bytes)
{
	if (bytes == 0)
		return "";
	if (request->body_part_count == 1)
		return request->body_parts[0].ptr;
	for (size_t i = 0; i < request->body_part_count; i++)
		buffer_append_slice(&handle->body, request->body_parts[i]);
	return handle->body.data;
}

static int set_body(struct curl_handle *handle, const struct upstream_request *request)
{
	const char *whole = NULL;
	size_t bytes = body_bytes(request);

	if (bytes <= WHOLE_BODY_MAX)
		whole = whole_body(handle, request, bytes);
	if (handle->body.failed)
		return -ENOMEM;
	SET(handle->easy, CURLOPT_POST, 1L);
	SET(handle->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
	SET(handle->easy, CURLOPT_POSTFIELDS, whole);
	return 0;
}

static int set_method(struct curl_handle *handle, const struct upstream_request *request)
{
	struct slice method = request->method;
	bool post = slice_eq(method, SLICE("POST"));
	char name[32];

	if (!slice_copy(method, name, sizeof(name)))
		return -EINVAL;
	SET(handle->easy, CURLOPT_CUSTOMREQUEST, NULL);
	if (post || request->body_part_count > 0 || slice_eq(method, SLICE("PUT")) ||
	    slice_eq(method, SLICE("PATCH"))) {
		int r = set_body(handle, request);

		if (r < 0)
			return r;
		if (!post)
			SET(handle->easy, CURLOPT_CUSTOMREQUEST, name);
		return 0;
	}
	SET(handle->easy, CURLOPT_HTTPGET, 1L);
	if (slice_eq(method, SLICE("HEAD")))
		SET(handle->easy, CURLOPT_NOBODY, 1L);
	else if (!slice_eq(method, SLICE("GET")))
		SET(handle->easy, CURLOPT_CUSTOMREQUEST, name);
	return 0;
}

/* The calls of an origin mostly have one path: its URL is parsed once. What curl cannot parse it
 * is left to tell of itself. */
static int set_url(struct curl_handle *handle, const struct buffer *url)
{
	bool parsed;

	if (slice_eq(buffer_slice(&handle->url_text), buffer_slice(url)))
		return 0;
	buffer_clear(&handle->url_text);
	buffer_append_slice(&handle->url_text, buffer_slice(url));
	if (handle->url_text.failed)
		return -ENOMEM;
	SET(handle->easy, CURLOPT_URL, url->data);
	parsed = curl_url_set(handle->url, CURLUPART_URL, url->data, CURLU_PATH_AS_IS) == CURLUE_OK;
	SET(handle->easy, CURLOPT_CURLU, parsed ? handle->url : NULL);
	return 0;
}

int curl_handle_prepare(struct curl_handle *handle, struct upstream_call *call)
{
	struct buffer *url = &handle->lane->url;
	int r;

	handle->call = call;
	call->curl.handle = handle;
	buffer_clear(url);
	buffer_append_str(url, call->origin->url);
	buffer_append_slice(url, call->request.path);
	buffer_append_char(url, 0);
	if (url->failed)
		return -ENOMEM;
	r = set_url(handle, url);
	if (r >= 0)
		r = set_headers(handle, &call->request);
	return r < 0 ? r : set_method(handle, &call->request);
}
