/* SPDX-License-Identifier: Apache-2.0 */
/* One easy handle a line, and one store of connections: curl looks for a line's connection in the
 * store at each call, by going through all of it. */
#include "upstream/curl-line.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "upstream/curl-lane.h"

struct curl_line {
	struct curl_done done; /* first: what curl knows of it */
	struct list work;      /* in the lane's: it is to be begun, or to go */
	struct curl_lane *lane;
	struct plain_connection *connection; /* NULL: given up */
	CURL *easy;
	CURLSH *store;
	bool added;
	bool refused; /* an address was not public */
	bool spared;  /* an idle connection was given up for its descriptor, */
	bool starved; /* which is not free yet */
	char error[CURL_ERROR_SIZE];
};

static void line_free(struct curl_line *line)
{
	list_remove(&line->work);
	/* Removing is what closes the connection: its store is still there then. */
	if (line->added)
		curl_multi_remove_handle(line->lane->multi, line->easy);
	curl_easy_cleanup(line->easy);
	curl_share_cleanup(line->store);
	free(line);
}

static void work_later(struct curl_line *line)
{
	list_remove(&line->work);
	list_append(&line->lane->line_work, &line->work);
	curl_lane_work(line->lane);
}

/* ---- how it comes about ---- */

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct curl_line *line = user;
	const struct upstream_origin *origin;
	curl_socket_t fd;

	if (!line->connection)
		return CURL_SOCKET_BAD;
	origin = line->connection->call->origin;
	if (!curl_origin_allows(origin, to)) {
		line->refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = curl_watch_open(line->lane, to, true);
	if (fd == CURL_SOCKET_BAD && (errno == EMFILE || errno == ENFILE) && !line->spared) {
		line->spared = plain_spare_descriptor(line->connection->plain);
		if (line->spared)
			fd = curl_watch_open(line->lane, to, true);
		line->starved = line->spared && fd == CURL_SOCKET_BAD;
	}
	return fd;
}

static void fail(struct curl_line *line, CURLcode code)
{
	struct plain_connection *connection = line->connection;
	enum upstream_failure failure = curl_failure_of(line->easy, code);
	const char *reason = line->error[0] ? line->error : curl_easy_strerror(code);

	if (failure == UPSTREAM_FAILED_CONNECT && line->refused) {
		failure = UPSTREAM_FAILED_REFUSED_ADDRESS;
		reason = "the address is not public; see allow_private";
	}
	connection->call->failure_detail = strdup(reason);
	plain_dial_failed(connection, failure, 0, "out of memory");
}

static void line_done(struct curl_done *done, CURLcode code)
{
	struct curl_line *line = container_of(done, struct curl_line, done);
	struct plain_connection *connection = line->connection;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (!connection)
		return; /* it is on the work list */
	if (code == CURLE_OK)
		curl_easy_getinfo(line->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD && line->starved) {
		/* What curl closes is closed once it has returned: then there is one. */
		line->starved = false;
		work_later(line);
		return;
	}
	if (fd == CURL_SOCKET_BAD) {
		fail(line, code == CURLE_OK ? CURLE_COULDNT_CONNECT : code);
		return;
	}
	curl_watch_leave(line->lane, fd);
	connection->io.fd = fd;
	if (loop_add(connection->plain->loop, &connection->io, PLAIN_EVENTS) < 0) {
		connection->io.fd = -1;
		fail(line, CURLE_OUT_OF_MEMORY);
		return;
	}
	line->error[0] = '\0';
	plain_dialed(connection);
}

static int set_up(struct curl_line *line, const struct upstream_origin *origin)
{
	CURL *easy = line->easy;

	if (!easy || !line->store)
		return -ENOMEM;
	if (curl_share_setopt(line->store, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK ||
	    curl_easy_setopt(easy, CURLOPT_SHARE, line->store) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_URL, origin->url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PRIVATE, &line->done) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, line->error) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, line) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, curl_watch_close) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, line->lane) != CURLE_OK)
		return -ENOMEM;
	return curl_set_origin(easy, origin);
}

int curl_line_start(struct plain_connection *connection)
{
	const struct upstream_origin *origin = connection->call->origin;
	struct curl_lane *lane = curl_lane_get(connection->plain->upstream, origin->allow_private);
	struct curl_line *line = lane ? calloc(1, sizeof(*line)) : NULL;

	if (!line)
		return -ENOMEM;
	line->done.fn = line_done;
	line->lane = lane;
	line->connection = connection;
	list_init(&line->work);
	line->easy = curl_easy_init();
	line->store = curl_share_init();
	if (set_up(line, origin) < 0) {
		line_free(line);
		return -ENOMEM;
	}
	connection->line = line;
	work_later(line);
	return 0;
}

void curl_line_work(struct list *work)
{
	struct curl_line *line = list_entry(work, struct curl_line, work);

	list_remove(&line->work);
	if (!line->connection) {
		line_free(line);
		return;
	}
	if (line->added)
		curl_multi_remove_handle(line->lane->multi, line->easy);
	line->added = curl_multi_add_handle(line->lane->multi, line->easy) == CURLM_OK;
	if (!line->added)
		fail(line, CURLE_OUT_OF_MEMORY);
}

void curl_line_close(struct curl_line *line)
{
	line->connection = NULL;
	if (line->lane->depth > 0)
		work_later(line);
	else
		line_free(line);
}

/* ---- what goes over it ---- */

ssize_t curl_line_receive(struct curl_line *line, char *data, size_t room)
{
	size_t len = 0;
	CURLcode code = curl_easy_recv(line->easy, data, room, &len);

	return code == CURLE_OK ? (ssize_t)len : code == CURLE_AGAIN ? -EAGAIN : -ECONNRESET;
}

ssize_t curl_line_send(struct curl_line *line, struct slice data)
{
	size_t len = 0;
	CURLcode code = curl_easy_send(line->easy, data.ptr, data.len, &len);

	if (code == CURLE_OK)
		return len > 0 || data.len == 0 ? (ssize_t)len : -EAGAIN;
	return code == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

bool curl_line_refused(const struct curl_line *line, const char **ret_reason)
{
	*ret_reason = line->error;
	return strstr(line->error, "SSL routines") && strstr(line->error, " alert ");
}
