/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol: each header cut at every byte, and what is refused; then over a socket, where
 * loopback is trusted or is not. */
#include "http/proxied.h"
#include "test-http.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ENDS "\xcb\0\x71\7\xc0\0\2\1\x12\x67\x01\xbb" /* 203.0.113.7:4711 to 192.0.2.1:443 */
#define V6_ENDS                                                                            \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12" \
	"\x67\x01\xbb"

#define HEADER_V4 SIGNATURE "\x21\x11\0\x0c" V4_ENDS
#define HEADER_V6 SIGNATURE "\x21\x21\0\x24" V6_ENDS
#define HEADER_TLV SIGNATURE "\x21\x11\0\x14" V4_ENDS "\4\0\5hello"
#define HEADER_LOCAL SIGNATURE "\x20\0\0\0"

/* What the parser says of `bytes` that come in pieces cut at `cut`, and how many it took. */
static enum proxied_step feed(struct slice bytes, size_t cut, struct sockaddr_in6 *ret,
			      size_t *took)
{
	struct proxied proxied = { 0 };
	enum proxied_step found = PROXIED_WAITS;

	while (found == PROXIED_WAITS && proxied.len < bytes.len) {
		size_t len = proxied_wants(&proxied), end = proxied.len < cut ? cut : bytes.len;

		CHECK(len > 0);
		if (len > end - proxied.len)
			len = end - proxied.len;
		for (size_t i = proxied.len; i < proxied.len + len && i < PROXIED_KEPT_BYTES; i++)
			proxied.bytes[i] = (uint8_t)bytes.ptr[i];
		proxied.len += len;
		found = proxied_parse(&proxied, ret);
	}
	*took = proxied.len;
	return found;
}

static void each_cut(struct slice header, enum proxied_step expected, const char *address,
		     int family)
{
	char bytes[512], text[INET6_ADDRSTRLEN];
	size_t took;

	memcpy(bytes, header.ptr, header.len);
	memcpy(bytes + header.len, "GET /", 5);
	for (size_t cut = 0; cut <= header.len; cut++) {
		struct sockaddr_in6 client = { 0 };
		const struct sockaddr_in *v4 = (const void *)&client;
		struct slice whole = { bytes, header.len + 5 }, part = { bytes, cut };

		CHECK_INT(feed(whole, cut, &client, &took), expected);
		CHECK_INT(took, header.len);
		CHECK_INT(client.sin6_family, family);
		if (family != 0) {
			CHECK(inet_ntop(family,
					family == AF_INET ? (const void *)&v4->sin_addr
							  : (const void *)&client.sin6_addr,
					text, sizeof(text)));
			CHECK_STR(text, address);
			CHECK_INT(ntohs(family == AF_INET ? v4->sin_port : client.sin6_port), 4711);
		}
		if (cut < header.len)
			CHECK_INT(feed(part, 0, &client, &took), PROXIED_WAITS);
	}
}

static void good(void)
{
	each_cut(SLICE(HEADER_V4), PROXIED_NAMED, "203.0.113.7", AF_INET);
	each_cut(SLICE(HEADER_V6), PROXIED_NAMED, "2001:db8::7", AF_INET6);
	each_cut(SLICE(HEADER_TLV), PROXIED_NAMED, "203.0.113.7", AF_INET);
	each_cut(SLICE(SIGNATURE "\x21\x21\0\x29" V6_ENDS "\4\0\2hi"), PROXIED_NAMED, "2001:db8::7",
		 AF_INET6);
	each_cut(SLICE(HEADER_LOCAL), PROXIED_LOCAL, NULL, 0);
	each_cut(SLICE(SIGNATURE "\x20\x11\0\x0c" V4_ENDS), PROXIED_LOCAL, NULL, 0);
	each_cut(SLICE(SIGNATURE "\x20\xff\0\3abc"), PROXIED_LOCAL, NULL, 0);
}

static void bad(void)
{
	static const struct {
		struct slice bytes;
		enum proxied_step found;
		size_t took; /* it is told by then, whatever comes */
	} cases[] = {
		{ { SIGNATURE "\x11\x11\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* version 1 */
		{ { SIGNATURE "\x31\x11\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 },
		{ { SIGNATURE "\x22\x11\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* command */
		{ { SIGNATURE "\x21\x00\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* no family */
		{ { SIGNATURE "\x21\x12\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* UDP */
		{ { SIGNATURE "\x21\x22\0\x24" V6_ENDS, 52 }, PROXIED_BAD, 16 },
		{ { SIGNATURE "\x21\x10\0\x0c" V4_ENDS, 28 }, PROXIED_BAD, 16 },
		{ { SIGNATURE "\x21\x31\0\x24" V6_ENDS, 52 }, PROXIED_BAD, 16 }, /* a Unix socket */
		{ { SIGNATURE "\x21\x11\0\x0b" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* too short */
		{ { SIGNATURE "\x21\x21\0\x23" V6_ENDS, 52 }, PROXIED_BAD, 16 },
		{ { SIGNATURE "\x21\x11\x0f\xf1" V4_ENDS, 28 }, PROXIED_BAD, 16 }, /* too long */
		{ { SIGNATURE "\x20\x00\xff\xff", 16 }, PROXIED_BAD, 16 },
		{ { "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n", 41 }, PROXIED_VERSION_1, 16 },
		{ { "POST / HTTP/1.1\r\n", 17 }, PROXIED_ABSENT, 16 },
		{ { "GET / HTTP/1.1\r\n\r\n", 18 }, PROXIED_ABSENT, 16 },
		{ { "\x16\3\1\2\0\1\0\1\xfc\3\3\0\0\0\0\0", 16 }, PROXIED_ABSENT, 16 },
		{ { "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c", 16 }, PROXIED_ABSENT, 16 },
	};
	struct sockaddr_in6 client = { 0 };
	size_t took;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum proxied_step found = feed(cases[i].bytes, 0, &client, &took);
		if (found != cases[i].found || took != cases[i].took)
			test_fail(__FILE__, __LINE__, "case %zu: %d after %zu", i, found, took);
		for (size_t cut = 1; cut < cases[i].took; cut++)
			CHECK_INT(feed(cases[i].bytes, cut, &client, &took), cases[i].found);
	}
	CHECK_INT(client.sin6_family, 0);
	CHECK_INT(feed(SLICE("PROXY"), 0, &client, &took), PROXIED_WAITS);
	CHECK_INT(feed(SLICE("PO"), 0, &client, &took), PROXIED_ABSENT);
}

static void longest(void)
{
	char bytes[PROXIED_BYTES_MAX + 5] = SIGNATURE "\x21\x11\x0f\xf0" V4_ENDS;
	struct sockaddr_in6 client = { 0 };
	size_t took;

	for (size_t cut = 0; cut <= PROXIED_BYTES_MAX; cut++) {
		CHECK_INT(feed((struct slice){ bytes, sizeof(bytes) }, cut, &client, &took),
			  PROXIED_NAMED);
		CHECK_INT(took, PROXIED_BYTES_MAX);
	}
}

/* ---- over a socket ---- */

static char told[256];
static int strangers;

static void on_request(struct http_exchange *exchange, void *data)
{
	http_reply(exchange, 200, NULL, 0, slice_of(http_exchange_peer(exchange)));
}

static void on_end(struct http_exchange *exchange, bool sent)
{
}

static void on_stranger(const char *peer, const char *why, void *data)
{
	pthread_mutex_lock(&fixture.lock);
	snprintf(told, sizeof(told), "%s", why);
	pthread_mutex_unlock(&fixture.lock);
	note(&strangers);
}

static const struct http_handler handler = { .on_request = on_request,
					     .on_end = on_end,
					     .on_stranger = on_stranger };

#define ASK "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
#define ASK_LAST "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"

static void answers(const char *name, struct slice bytes, const char *peer)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	client_ask(bytes, &answer);
	if (answer_status(&answer) != 200 || !slice_starts(answer_body(&answer), slice_of(peer)))
		test_fail(__FILE__, __LINE__, "%s: %.*s", name, (int)answer.len, answer.data);
}

/* Closed without a byte, by a reset too, and told of. */
static void closed(struct slice bytes, const char *why)
{
	int fd = client_open(0), before = count_of(&strangers);
	char byte;
	ssize_t len;

	client_send(fd, bytes);
	len = recv(fd, &byte, 1, 0);
	CHECK(len == 0 || (len < 0 && errno == ECONNRESET));
	close(fd);
	await(&strangers, before + 1);
	pthread_mutex_lock(&fixture.lock);
	if (!strstr(told, why))
		test_fail(__FILE__, __LINE__, "told \"%s\", not \"%s\"", told, why);
	pthread_mutex_unlock(&fixture.lock);
}

static void byte_by_byte(void)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };
	struct slice bytes = SLICE(HEADER_V6 ASK_LAST);
	int fd = client_open(0), one = 1;

	CHECK_INT(setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one)), 0);
	for (size_t i = 0; i < bytes.len; i++)
		client_send(fd, (struct slice){ bytes.ptr + i, 1 });
	client_read_until(fd, &answer, NULL);
	CHECK_SLICE(answer_body(&answer), "[2001:db8::7]:4711");
	close(fd);
}

static void keeps_alive(void)
{
	int fd = client_open(0);

	client_send(fd, SLICE(HEADER_V4));
	for (int i = 0; i < 2; i++) {
		_cleanup_(buffer_fini) struct buffer answer = { 0 };
		client_send(fd, SLICE(ASK));
		client_read_until(fd, &answer, "203.0.113.7:4711");
	}
	close(fd);
}

static void trusted(const struct network *loopback)
{
	const struct http_limits limits = { .header_ms = 300 };

	fixture_start(&limits, &handler);
	http_server_set_proxies(fixture.server, &handler, loopback, 1);
	answers("v4", SLICE(HEADER_V4 ASK_LAST), "203.0.113.7:4711");
	answers("v6", SLICE(HEADER_V6 ASK_LAST), "[2001:db8::7]:4711");
	answers("more", SLICE(HEADER_TLV ASK_LAST), "203.0.113.7:4711");
	answers("local", SLICE(HEADER_LOCAL ASK_LAST), "127.0.0.1:");
	byte_by_byte();
	keeps_alive();
	closed(SLICE(ASK), "sent no header");
	closed(SLICE("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n" ASK), "version 1");
	closed(SLICE(SIGNATURE "\x21\x12\0\x0c" V4_ENDS ASK), "not for TCP");
	closed(SLICE(SIGNATURE), "took too long");
	fixture_stop();
}

static void untrusted(const struct network *elsewhere)
{
	_cleanup_(buffer_fini) struct buffer answer = { 0 };

	fixture_start(NULL, &handler);
	http_server_set_proxies(fixture.server, &handler, elsewhere, 1);
	answers("plain", SLICE(ASK_LAST), "127.0.0.1:");
	client_ask(SLICE(HEADER_V4 ASK_LAST), &answer);
	CHECK_INT(answer_status(&answer), 400);
	fixture_stop();
}

int main(void)
{
	struct network loopback, elsewhere;

	CHECK_INT(network_parse(SLICE("127.0.0.0/8"), &loopback), 0);
	CHECK_INT(network_parse(SLICE("10.0.0.0/8"), &elsewhere), 0);
	good();
	bad();
	longest();
	trusted(&loopback);
	untrusted(&elsewhere);
	return 0;
}
