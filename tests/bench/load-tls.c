/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of TLS, for the closed loop. It trusts whoever answers: the certificate is the
 * benchmark's own. */
#include <errno.h>
#include <openssl/ssl.h>

#include "load.h"

static SSL_CTX *client_context(void)
{
	static SSL_CTX *context;

	if (!context)
		context = SSL_CTX_new(TLS_client_method());
	if (!context)
		die("TLS cannot be set up");
	return context;
}

struct ssl_st *secure_open(int fd)
{
	SSL *ssl = SSL_new(client_context());

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		die("a TLS connection cannot be made");
	SSL_set_connect_state(ssl);
	return ssl;
}

void secure_close(struct ssl_st *ssl)
{
	SSL_free(ssl);
}

static int waits(SSL *ssl, int result)
{
	int error = SSL_get_error(ssl, result);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int secure_handshake(struct ssl_st *ssl)
{
	int result = SSL_do_handshake(ssl);

	if (result == 1)
		return 1;
	return waits(ssl, result) ? 0 : -EPROTO;
}

ssize_t secure_receive(struct ssl_st *ssl, char *out, size_t size)
{
	size_t len;

	if (SSL_read_ex(ssl, out, size, &len) == 1)
		return (ssize_t)len;
	errno = waits(ssl, 0) ? EAGAIN : EPROTO;
	return -1;
}

bool secure_send(struct ssl_st *ssl, const struct request *request)
{
	size_t len;

	return SSL_write_ex(ssl, request->text, request->len, &len) == 1 && len == request->len;
}
