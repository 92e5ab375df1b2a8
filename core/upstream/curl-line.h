/* SPDX-License-Identifier: Apache-2.0 */
/* A line: a connection that curl makes, for the plain lane to speak HTTP/1.1 over it. curl
 * resolves, asks a proxy for a tunnel, does TLS and checks the certificate (CURLOPT_CONNECT_ONLY);
 * requests and answers then cost what the plain lane's cost, and TLS. [loop] */
#pragma once

#include "upstream/plain.h"

struct curl_line;

/* For connection->call: ends in plain_dialed, with the descriptor in connection->io and in epoll,
 * or in plain_dial_failed, never before it returns. -ENOMEM. */
int curl_line_start(struct plain_connection *connection);
/* Closes the descriptor too, which is in epoll no more. */
void curl_line_close(struct curl_line *line);
/* What comes or goes over TLS, in place of the descriptor's own: bytes, 0 for the end, or a
 * negative errno; -EAGAIN until the descriptor is ready. What is sent again after that must be the
 * same bytes at the same place. */
ssize_t curl_line_receive(struct curl_line *line, char *data, size_t room);
ssize_t curl_line_send(struct curl_line *line, struct slice data);
/* Why the last of these failed. True where the peer's TLS refused us by an alert. */
bool curl_line_refused(const struct curl_line *line, const char **ret_reason);
