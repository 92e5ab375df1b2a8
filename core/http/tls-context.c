/* SPDX-License-Identifier: Apache-2.0 */
/* What a listener's connections have in common: certificate, key, whose clients are known. Made
 * from texts that were read with the configuration, checked as a whole, never changed; connections
 * hold the one they began with. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "http/tls.h"

struct http_tls {
	_Atomic uint32_t refs;
	SSL_CTX *context;
	BIO_METHOD *socket;
	int64_t until_s;
	uint8_t digest[SHA256_BYTES]; /* of what it was made from */
};

CLEANUP_DEFINE(BIO, BIO_free);
CLEANUP_DEFINE(X509, X509_free);
CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free);
CLEANUP_DEFINE(struct http_tls, http_tls_unref);

struct http_tls *http_tls_ref(struct http_tls *tls)
{
	if (tls)
		atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
	return tls;
}

struct http_tls *http_tls_unref(struct http_tls *tls)
{
	if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
		return NULL;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->socket);
	free(tls);
	return NULL;
}

int64_t http_tls_until_s(const struct http_tls *tls)
{
	return tls->until_s;
}

/* ---- the socket, as OpenSSL sees it ---- */

static int socket_read(BIO *bio, char *out, int size)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t len;

	BIO_clear_retry_flags(bio);
	do
		len = recv(tls->fd, out, (size_t)size, 0);
	while (len < 0 && errno == EINTR);
	if (len < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	tls->drained = len < size;
	if (tls->first == 0 && len > 0) {
		tls->first = (unsigned char)out[0];
		/* Before OpenSSL has seen it, for it would answer. */
		if (tls->first >= 'A' && tls->first <= 'Z')
			return -1;
	}
	return (int)len;
}

static int socket_write(BIO *bio, const char *data, int size)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t len;

	BIO_clear_retry_flags(bio);
	do
		len = send(tls->fd, data, (size_t)size, MSG_NOSIGNAL);
	while (len < 0 && errno == EINTR);
	if (len < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)len;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tidegate");

	if (!method)
		return NULL;
	BIO_meth_set_read(method, socket_read);
	BIO_meth_set_write(method, socket_write);
	BIO_meth_set_ctrl(method, socket_control);
	return method;
}

struct ssl_st *tls_context_session(struct http_tls *context, struct tls *tls)
{
	SSL *ssl = SSL_new(context->context);
	BIO *bio = ssl ? BIO_new(context->socket) : NULL;

	if (!bio) {
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- certificate, key, authorities ---- */

/* OpenSSL's own word for what was wrong first. */
static int fail(struct error *error, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return error_set(error, -EINVAL, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static int refuse_passphrase(char *out, int size, int writing, void *data)
{
	return 0;
}

static int check_time(const X509 *certificate, struct error *error)
{
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
		return error_set(error, -EINVAL, "the certificate is not valid yet");
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		return error_set(error, -EINVAL, "the certificate has expired; renew it");
	return 0;
}

/* The end of the text is no error, though OpenSSL calls it one. */
static bool at_end(void)
{
	unsigned long code = ERR_peek_last_error();
	bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

static int use_certificate(struct http_tls *tls, const char *pem, struct error *error)
{
	_cleanup_(cleanup_BIO_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	_cleanup_(cleanup_X509_free) X509 *own =
	    bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	X509 *next;
	int r;

	if (!own)
		return fail(error, "the file does not begin with a certificate in PEM");
	r = check_time(own, error);
	if (r < 0)
		return r;
	if (SSL_CTX_use_certificate(tls->context, own) != 1)
		return fail(error, "the certificate cannot be used");
	tls->until_s = tls_until_s(own);
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (SSL_CTX_add0_chain_cert(tls->context, next) != 1) {
			X509_free(next);
			return fail(error, "a certificate of the chain cannot be used");
		}
	}
	return at_end() ? 0 : fail(error, "a certificate of the chain cannot be read");
}

static int use_key(struct http_tls *tls, const char *pem, struct error *error)
{
	_cleanup_(cleanup_BIO_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	_cleanup_(cleanup_EVP_PKEY_free) EVP_PKEY *key =
	    bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, NULL) : NULL;

	if (!key)
		return fail(error, "the file holds no private key in PEM that is not encrypted");
	if (X509_check_private_key(SSL_CTX_get0_certificate(tls->context), key) != 1)
		return fail(error, "the key is not that of the certificate");
	return SSL_CTX_use_PrivateKey(tls->context, key) == 1
		   ? 0
		   : fail(error, "the key cannot be used");
}

static int use_client_ca(struct http_tls *tls, const char *pem, struct error *error)
{
	_cleanup_(cleanup_BIO_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
	size_t count = 0;

	for (;; count++) {
		_cleanup_(cleanup_X509_free) X509 *authority =
		    bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
		if (!authority)
			break;
		if (X509_STORE_add_cert(store, authority) != 1 ||
		    SSL_CTX_add_client_CA(tls->context, authority) != 1)
			return fail(error, "an authority cannot be used");
	}
	if (!at_end())
		return fail(error, "an authority cannot be read");
	if (count == 0)
		return fail(error, "the file holds no certificate in PEM");
	/* An authority below another may be named without the one above it. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return 0;
}

/* ---- all of it ---- */

/* Who offers protocols and not ours is told so, and not served by accident. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
			   const unsigned char *offered, unsigned int offered_len, void *data)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, offered, offered_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void digest_add(struct buffer *sums, const char *text)
{
	uint8_t sum[SHA256_BYTES];

	hash_sha256(slice_of(text ? text : ""), sum);
	buffer_append(sums, sum, sizeof(sum));
}

/* Of everything, or of what a session's trust in its client rests on. */
static int digest(const struct http_tls_options *options, bool all,
		  uint8_t ret[static SHA256_BYTES])
{
	_cleanup_(buffer_fini) struct buffer sums = { 0 };

	digest_add(&sums, options->name);
	digest_add(&sums, options->client_ca_pem);
	buffer_append_u64(&sums, (uint64_t)options->client);
	buffer_append_u64(&sums, options->only_1_3);
	if (all) {
		digest_add(&sums, options->certificate_pem);
		digest_add(&sums, options->key_pem);
	}
	if (sums.failed)
		return -ENOMEM;
	hash_sha256(buffer_slice(&sums), ret);
	return 0;
}

static int set_rules(SSL_CTX *context, const struct http_tls_options *options)
{
	static const int verify[] = {
		[HTTP_TLS_CLIENT_NONE] = SSL_VERIFY_NONE,
		[HTTP_TLS_CLIENT_OPTIONAL] = SSL_VERIFY_PEER,
		[HTTP_TLS_CLIENT_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};
	uint8_t trust[SHA256_BYTES];

	if (digest(options, false, trust) < 0)
		return -ENOMEM;
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	/* Idle connections hold no buffers; what the socket did not take comes again from
	 * elsewhere; one receive takes what there is. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_verify(context, verify[options->client], NULL);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	tls_tickets_use(options->tickets, context);
	/* Another authority, or another rule: who was let in before is asked again. */
	return SSL_CTX_set_session_id_context(context, trust, sizeof(trust)) == 1 &&
		       SSL_CTX_set_min_proto_version(
			   context, options->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
		       SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
		   ? 0
		   : -EINVAL;
}

static int fill(struct http_tls *tls, const struct http_tls_options *options,
		enum http_tls_part *ret_part, struct error *error)
{
	int r;

	*ret_part = HTTP_TLS_CERTIFICATE;
	r = use_certificate(tls, options->certificate_pem, error);
	if (r < 0)
		return r;
	*ret_part = HTTP_TLS_KEY;
	r = use_key(tls, options->key_pem, error);
	if (r < 0 || options->client == HTTP_TLS_CLIENT_NONE)
		return r;
	*ret_part = HTTP_TLS_CLIENT_CA;
	return use_client_ca(tls, options->client_ca_pem, error);
}

int http_tls_new(const struct http_tls_options *options, struct http_tls *before,
		 struct http_tls **ret, enum http_tls_part *ret_part, struct error *error)
{
	_cleanup_(cleanup_http_tls_unref) struct http_tls *tls = calloc(1, sizeof(*tls));
	int r;

	*ret_part = HTTP_TLS_CERTIFICATE;
	if (!tls || digest(options, true, tls->digest) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (before && memcmp(before->digest, tls->digest, sizeof(tls->digest)) == 0) {
		*ret = http_tls_ref(before);
		return 0;
	}
	ERR_clear_error();
	atomic_init(&tls->refs, 1);
	tls->socket = socket_method();
	tls->context = SSL_CTX_new(TLS_server_method());
	if (!tls->socket || !tls->context || set_rules(tls->context, options) < 0)
		return fail(error, "TLS cannot be set up");
	r = fill(tls, options, ret_part, error);
	if (r < 0)
		return r;
	*ret = steal(tls);
	return 0;
}
