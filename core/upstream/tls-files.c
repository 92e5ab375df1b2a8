/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's verdict on files that libcurl will give it later: a context is made of them and thrown
 * away. */
#include "upstream/tls-files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/cleanup.h"

CLEANUP_DEFINE(SSL_CTX, SSL_CTX_free);

/* OpenSSL would ask at the terminal. */
static int refuse_passphrase(char *out, int size, int writing, void *data)
{
	return 0;
}

static int fail(struct error *error, const char *option, const char *path, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return error_set(error, -EINVAL, "%s: %s %s%s%s", option, path, what, reason ? ": " : "",
			 reason ? reason : "");
}

/* The system's word is clearer than OpenSSL's for what cannot be opened at all. */
static int check_readable(const char *option, const char *path, struct error *error)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0 || read(fd, &byte, 1) < 0)
		return error_set(error, -errno, "%s: %s: %s", option, path, strerror(errno));
	return 0;
}

static int check_authorities(SSL_CTX *context, const char *path, struct error *error)
{
	int r = check_readable("ca_file", path, error);

	if (r < 0)
		return r;
	if (SSL_CTX_load_verify_locations(context, path, NULL) != 1)
		return fail(error, "ca_file", path, "holds no certificate in PEM format");
	return 0;
}

static int check_identity(SSL_CTX *context, const char *cert_file, const char *key_file,
			  struct error *error)
{
	const char *option = key_file ? "key_file" : "cert_file";
	const char *path = key_file ? key_file : cert_file;
	int r = check_readable("cert_file", cert_file, error);

	if (r >= 0)
		r = check_readable(option, path, error);
	if (r < 0)
		return r;
	if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
		return fail(error, "cert_file", cert_file, "holds no certificate in PEM format");
	if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1)
		return 0;
	if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
		return fail(error, option, path, "is not the key of cert_file");
	return fail(error, option, path, "holds no key in PEM format without a password");
}

int tls_files_check(const char *ca_file, const char *cert_file, const char *key_file,
		    struct error *error)
{
	_cleanup_(cleanup_SSL_CTX_free) SSL_CTX *context = NULL;
	int r = 0;

	if (!ca_file && !cert_file)
		return 0;
	context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return error_set(error, -ENOMEM, "out of memory");
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
	if (ca_file)
		r = check_authorities(context, ca_file, error);
	if (r >= 0 && cert_file)
		r = check_identity(context, cert_file, key_file, error);
	return r;
}
