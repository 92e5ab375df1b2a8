/* SPDX-License-Identifier: Apache-2.0 */
/* Session tickets: a session is kept by the client, sealed with a key of ours that no reload
 * changes and all loops share. A key makes tickets for half a day and opens them for another: who
 * takes the machine later cannot read what was said before (forward secrecy by time). */
#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "http/tls.h"

enum {
	TICKET_KEY_S = 12 * 3600,
};

struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};

static_assert(sizeof(struct ticket_key[2]) + sizeof(uint64_t) == HTTP_TLS_TICKETS_BYTES,
	      "all of them are saved");

struct http_tls_tickets {
	pthread_mutex_t lock;      /* guards keys, next_ns; held for a copy */
	struct ticket_key keys[2]; /* the one in use, and the one before */
	uint64_t next_ns;
};

int http_tls_tickets_new(struct http_tls_tickets **ret)
{
	struct http_tls_tickets *tickets = calloc(1, sizeof(*tickets));

	if (!tickets)
		return -ENOMEM;
	pthread_mutex_init(&tickets->lock, NULL);
	random_bytes(tickets->keys, sizeof(tickets->keys));
	tickets->next_ns = clock_now_ns() + TICKET_KEY_S * NS_PER_S;
	*ret = tickets;
	return 0;
}

struct http_tls_tickets *http_tls_tickets_free(struct http_tls_tickets *tickets)
{
	if (!tickets)
		return NULL;
	pthread_mutex_destroy(&tickets->lock);
	explicit_bzero(tickets->keys, sizeof(tickets->keys));
	free(tickets);
	return NULL;
}

/* Twice where none was asked for in all that time: then both are too old. */
static void rotate(struct http_tls_tickets *tickets)
{
	uint64_t now_ns = clock_now_ns();

	for (int i = 0; i < 2 && now_ns >= tickets->next_ns; i++) {
		tickets->keys[1] = tickets->keys[0];
		random_bytes(&tickets->keys[0], sizeof(tickets->keys[0]));
		tickets->next_ns += TICKET_KEY_S * NS_PER_S;
	}
	if (now_ns >= tickets->next_ns)
		tickets->next_ns = now_ns + TICKET_KEY_S * NS_PER_S;
}

void http_tls_tickets_save(struct http_tls_tickets *tickets,
			   uint8_t bytes[static HTTP_TLS_TICKETS_BYTES])
{
	pthread_mutex_lock(&tickets->lock);
	rotate(tickets);
	memcpy(bytes, tickets->keys, sizeof(tickets->keys));
	memcpy(bytes + sizeof(tickets->keys), &tickets->next_ns, sizeof(tickets->next_ns));
	pthread_mutex_unlock(&tickets->lock);
}

/* The clock is the machine's; no key is used for longer for it, whatever is said. */
void http_tls_tickets_restore(struct http_tls_tickets *tickets,
			      const uint8_t bytes[static HTTP_TLS_TICKETS_BYTES])
{
	uint64_t latest_ns = clock_now_ns() + TICKET_KEY_S * NS_PER_S;

	pthread_mutex_lock(&tickets->lock);
	memcpy(tickets->keys, bytes, sizeof(tickets->keys));
	memcpy(&tickets->next_ns, bytes + sizeof(tickets->keys), sizeof(tickets->next_ns));
	if (tickets->next_ns > latest_ns)
		tickets->next_ns = latest_ns;
	pthread_mutex_unlock(&tickets->lock);
}

/* The key that `name` names, or the newest where it is NULL: 0, 1 for an old one, or -1. */
static int key_get(struct http_tls_tickets *tickets, const unsigned char *name,
		   struct ticket_key *ret)
{
	int found = -1;

	pthread_mutex_lock(&tickets->lock);
	rotate(tickets);
	for (int i = 1; i >= 0; i--) {
		if (name ? memcmp(tickets->keys[i].name, name, sizeof(ret->name)) == 0 : i == 0)
			found = i;
	}
	if (found >= 0)
		*ret = tickets->keys[found];
	pthread_mutex_unlock(&tickets->lock);
	return found;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it: 1 done, 2 opened and to be renewed, 0 unknown.
 */
static int seal(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		EVP_MAC_CTX *mac, int sealing)
{
	struct http_tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	OSSL_PARAM params[3];
	int found = key_get(tickets, sealing ? NULL : name, &key), good;

	if (found < 0)
		return 0;
	if (sealing) {
		memcpy(name, key.name, sizeof(key.name));
		random_bytes(iv, EVP_MAX_IV_LENGTH);
	}
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0);
	params[2] = OSSL_PARAM_construct_end();
	good = EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, sealing) == 1;
	explicit_bzero(&key, sizeof(key));
	if (!good)
		return -1;
	return found > 0 ? 2 : 1;
}

/* Who was let in by a certificate is not let in again when its time is over: then the handshake is
 * a whole one, and says so. */
static SSL_TICKET_RETURN opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				size_t name_len, SSL_TICKET_STATUS status, void *data)
{
	const X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;

	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void tls_tickets_use(struct http_tls_tickets *tickets, struct ssl_ctx_st *context)
{
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, TICKET_KEY_S);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_app_data(context, tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, seal);
	SSL_CTX_set_session_ticket_cb(context, NULL, opened, NULL);
}
