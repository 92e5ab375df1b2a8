/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of PROXY protocol headers over any bytes. Beyond not crashing: how the bytes are cut
 * must not change what is found, of a header not one byte more is taken than it has, and a client
 * is named by the header's own bytes alone. The first byte chooses the cuts. */
#include <string.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "fuzz.h"
#include "http/proxied.h"

struct outcome {
	enum proxied_step found;
	size_t took;
	struct sockaddr_in6 client;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* As a connection does: what is kept first, the rest thrown away. */
static void read_all(struct slice bytes, size_t step, struct outcome *out)
{
	struct proxied proxied = { 0 };

	memset(out, 0, sizeof(*out));
	while (out->found == PROXIED_WAITS && proxied.len < bytes.len) {
		size_t len = proxied_wants(&proxied);

		FUZZ_CHECK(len > 0 && proxied.len + len <= PROXIED_BYTES_MAX);
		len = least(least(len, step), bytes.len - proxied.len);
		if (proxied.len < PROXIED_KEPT_BYTES) {
			len = least(len, PROXIED_KEPT_BYTES - proxied.len);
			memcpy(proxied.bytes + proxied.len, bytes.ptr + proxied.len, len);
		}
		proxied.len += len;
		out->found = proxied_parse(&proxied, &out->client);
	}
	out->took = proxied.len;
}

static void check_client(const char *ends, const struct sockaddr_in6 *client)
{
	const struct sockaddr_in *v4 = (const void *)client;

	if (client->sin6_family == AF_INET) {
		FUZZ_CHECK(memcmp(&v4->sin_addr, ends, 4) == 0);
		FUZZ_CHECK(memcmp(&v4->sin_port, ends + 8, 2) == 0);
		return;
	}
	FUZZ_CHECK(client->sin6_family == AF_INET6);
	FUZZ_CHECK(memcmp(&client->sin6_addr, ends, 16) == 0);
	FUZZ_CHECK(memcmp(&client->sin6_port, ends + 32, 2) == 0);
}

static void check_header(struct slice bytes, const struct outcome *out)
{
	size_t announced = (size_t)(uint8_t)bytes.ptr[14] << 8 | (uint8_t)bytes.ptr[15];

	FUZZ_CHECK(out->took == PROXIED_HEAD_BYTES + announced);
	FUZZ_CHECK(memcmp(bytes.ptr, "\r\n\r\n\0\r\nQUIT\n", 12) == 0);
	if (out->found == PROXIED_NAMED)
		check_client(bytes.ptr + PROXIED_HEAD_BYTES, &out->client);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct sockaddr_in6 nobody = { 0 };
	struct outcome whole, cut;
	struct slice text;

	if (size < 1 || size > 2 * PROXIED_BYTES_MAX)
		return 0;
	text = (struct slice){ (const char *)bytes + 1, size - 1 };
	read_all(text, SIZE_MAX, &whole);
	read_all(text, (bytes[0] & 31) + 1, &cut);
	FUZZ_CHECK(whole.found == cut.found);
	FUZZ_CHECK(memcmp(&whole.client, &cut.client, sizeof(whole.client)) == 0);
	if (whole.found != PROXIED_NAMED)
		FUZZ_CHECK(memcmp(&whole.client, &nobody, sizeof(nobody)) == 0);
	if (whole.found == PROXIED_NAMED || whole.found == PROXIED_LOCAL) {
		FUZZ_CHECK(whole.took == cut.took);
		check_header(text, &whole);
	}
	return 0;
}
