/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's TLS. Events tell of the socket, while input may wait in OpenSSL: `more` says that
 * it might, until a read that found nothing. */
#include "http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int tls_new(struct http_tls *context, int fd, struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls)
		tls->ssl = tls_context_session(context, tls);
	if (!tls || !tls->ssl) {
		ERR_clear_error();
		free(tls);
		return -ENOMEM;
	}
	tls->fd = fd;
	tls->context = http_tls_ref(context);
	*ret = tls;
	return 0;
}

void tls_shutdown(struct tls *tls)
{
	/* With a record half sent there is no place for another. */
	if (tls->broken || !SSL_is_init_finished(tls->ssl) || SSL_want_write(tls->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

struct tls *tls_free(struct tls *tls, bool clean)
{
	if (!tls)
		return NULL;
	if (clean && !(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
		tls_shutdown(tls);
	SSL_free(tls->ssl);
	http_tls_unref(tls->context);
	free(tls->names);
	free(tls);
	return NULL;
}

/* What a call's `result` <= 0 means: -EAGAIN with a flag set, 0 for the end, or broken. */
static int outcome(struct tls *tls, int result, bool *wants_other, int other)
{
	int wants = SSL_get_error(tls->ssl, result);

	*wants_other = wants == other;
	switch (wants) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		tls->broken = true;
		return -EPROTO;
	}
}

static void take_names(struct tls *tls)
{
	X509 *peer = SSL_get0_peer_certificate(tls->ssl);

	if (!peer || SSL_get_verify_result(tls->ssl) != X509_V_OK)
		return;
	tls->names = tls_names(peer);
	tls->names_until_s = tls_until_s(peer);
}

enum tls_step tls_handshake(struct tls *tls)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(tls->ssl);
	if (result == 1) {
		take_names(tls);
		tls->read_waits_out = false;
		tls->more = true;
		return TLS_DONE;
	}
	if (outcome(tls, result, &tls->read_waits_out, SSL_ERROR_WANT_WRITE) == -EAGAIN)
		return TLS_WAITS;
	tls->broken = true;
	if (tls->first >= 'A' && tls->first <= 'Z')
		return TLS_PLAIN;
	return ERR_peek_error() ? TLS_FAILED : TLS_LEFT;
}

bool tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl);
}

const char *tls_failure(const struct tls *tls)
{
	long verdict = SSL_get_verify_result(tls->ssl);
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict);
	return reason ? reason : "the client left";
}

/* Reads on until nothing is left inside and the socket gave less than was asked for: then the next
 * bytes come with an event of their own, and asking once more for them would be a wasted call. */
ssize_t tls_receive(struct tls *tls, char *out, size_t size)
{
	size_t total = 0;
	int r = 0;

	ERR_clear_error();
	tls->more = true;
	while (total < size) {
		size_t room = size - total, len = 0;

		r = tls->broken ? -EPROTO : SSL_read_ex(tls->ssl, out + total, room, &len);
		if (r == 0)
			r = outcome(tls, 0, &tls->read_waits_out, SSL_ERROR_WANT_WRITE);
		else if (r == 1)
			tls->read_waits_out = false;
		if (r != 1)
			break;
		total += len;
		if (tls->drained && !SSL_has_pending(tls->ssl)) {
			tls->more = false;
			break;
		}
	}
	if (r == -EAGAIN)
		tls->more = false;
	return total > 0 ? (ssize_t)total : r;
}

bool tls_ended(struct tls *tls)
{
	size_t len;
	char byte;
	int r;

	if (tls->broken)
		return true;
	ERR_clear_error();
	if (SSL_peek_ex(tls->ssl, &byte, 1, &len) == 1) {
		tls->more = true;
		return false;
	}
	r = outcome(tls, 0, &tls->read_waits_out, SSL_ERROR_WANT_WRITE);
	tls->more = r != -EAGAIN;
	return r != -EAGAIN;
}

/* Where reading goes on in the parts. */
struct cursor {
	const struct iovec *parts;
	size_t count, offset; /* of the first part */
};

static void advance(struct cursor *cursor, size_t len)
{
	while (cursor->count > 0) {
		size_t left = cursor->parts->iov_len - cursor->offset;

		if (len < left) {
			cursor->offset += len;
			return;
		}
		len -= left;
		cursor->parts++;
		cursor->count--;
		cursor->offset = 0;
	}
}

/* One record's worth: in place where a part has it all, else copied together into `room`. */
static struct slice gather(struct cursor cursor, char room[static TLS_RECORD_BYTES])
{
	size_t len = 0;

	while (cursor.count > 0 && len < TLS_RECORD_BYTES) {
		const char *at = (const char *)cursor.parts->iov_base + cursor.offset;
		size_t some = cursor.parts->iov_len - cursor.offset;

		if (len == 0 && (cursor.count == 1 || some >= TLS_RECORD_BYTES))
			return (struct slice){ at, some };
		if (some > TLS_RECORD_BYTES - len)
			some = TLS_RECORD_BYTES - len;
		memcpy(room + len, at, some);
		len += some;
		advance(&cursor, some);
	}
	return (struct slice){ room, len };
}

ssize_t tls_send(struct tls *tls, const struct iovec *parts, size_t count)
{
	struct cursor cursor = { parts, count, 0 };
	char room[TLS_RECORD_BYTES];
	size_t total = 0;
	int r = 0;

	ERR_clear_error();
	for (advance(&cursor, 0); cursor.count > 0;) {
		struct slice record = gather(cursor, room);
		size_t len = 0;

		if (tls->broken)
			r = -EPIPE;
		else if (SSL_write_ex(tls->ssl, record.ptr, record.len, &len) == 1)
			r = 1;
		else
			r = outcome(tls, 0, &tls->write_waits_in, SSL_ERROR_WANT_READ);
		if (r != 1)
			break;
		tls->write_waits_in = false;
		total += len;
		advance(&cursor, len);
	}
	if (total > 0 || r == 1)
		return (ssize_t)total;
	return r == 0 ? -EPIPE : r;
}
