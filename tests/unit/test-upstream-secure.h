/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted server behind TLS: like the plain one, with connections that a script ends as it
 * likes, which OpenSSL's own server program does not. */
#pragma once

#include <openssl/ssl.h>

#include "test-upstream-child.h"

static inline const char *secure_file(const char *name, char path[static 300])
{
	snprintf(path, 300, "%s/%s", test_folder(), name);
	return path;
}

/* server.pem and server.key, which is its own authority. False where that cannot be had. */
static inline bool secure_make_certificate(void)
{
	return child_command("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
			     "-nodes -keyout server.key -out server.pem -subj /CN=server -days 2 "
			     "-addext subjectAltName=IP:127.0.0.1,DNS:backend.example");
}

static inline SSL *secure_accept_on(int fd)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	char path[300];
	SSL *ssl;

	CHECK(context);
	CHECK_INT(SSL_CTX_use_certificate_file(context, secure_file("server.pem", path),
					       SSL_FILETYPE_PEM),
		  1);
	CHECK_INT(
	    SSL_CTX_use_PrivateKey_file(context, secure_file("server.key", path), SSL_FILETYPE_PEM),
	    1);
	ssl = SSL_new(context);
	SSL_CTX_free(context);
	CHECK(ssl && SSL_set_fd(ssl, fd) == 1);
	CHECK_INT(SSL_accept(ssl), 1);
	return ssl;
}

static inline SSL *secure_accept(struct server *server)
{
	return secure_accept_on(server_accept(server));
}

/* The head of a request into server->head, and its body. */
static inline void secure_read(struct server *server, SSL *ssl)
{
	size_t have = 0, want = 0;
	char *end = NULL, *length;

	while (!end || have < want) {
		int n = SSL_read(ssl, server->head + have, (int)(REQUEST_HEAD_MAX - 1 - have));

		if (n <= 0)
			test_fail(__FILE__, __LINE__, "the server read no whole request");
		have += (size_t)n;
		server->head[have] = 0;
		end = strstr(server->head, "\r\n\r\n");
		length = end ? strcasestr(server->head, "\r\ncontent-length: ") : NULL;
		want = end ? (size_t)(end + 4 - server->head) : 0;
		if (length && length < end)
			want += strtoull(length + 18, NULL, 10);
	}
}

static inline void secure_send(SSL *ssl, const char *text)
{
	CHECK_INT(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Ends the connection, of which TLS was told where `tells`. */
static inline void secure_end(SSL *ssl, bool tells)
{
	int fd = SSL_get_fd(ssl);

	if (tells)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

/* The client must end it. */
static inline void secure_expect_end(SSL *ssl)
{
	char data[4096];

	while (SSL_read(ssl, data, sizeof(data)) > 0)
		;
	secure_end(ssl, false);
}

static inline void secure_client(struct client *client, unsigned port, const char *proxy)
{
	char url[64], path[300];

	snprintf(url, sizeof(url), proxy ? "https://backend.example" : "https://127.0.0.1:%u",
		 port);
	client_init_options(
	    client, (struct upstream_origin_options){ .base_url = url,
						      .proxy = proxy,
						      .ca_file = secure_file("server.pem", path),
						      .allow_private = true,
						      .connect_ms = 5000 });
}
