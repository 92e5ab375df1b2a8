/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are networks, and what is in them, at both edges. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/cleanup.h"
#include "base/network.h"
#include "test.h"

static bool holds(const char *network, const char *address)
{
	struct network_address of;
	struct network in;

	if (network_parse(slice_of(network), &in) < 0)
		test_fail(__FILE__, __LINE__, "%s is no network", network);
	if (network_parse_address(slice_of(address), &of) < 0)
		test_fail(__FILE__, __LINE__, "%s is no address", address);
	return network_any_holds(&in, 1, &of);
}

static void edges(void)
{
	static const struct {
		const char *network, *first, *last, *before, *behind;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0" },
		{ "192.0.2.6/31", "192.0.2.6", "192.0.2.7", "192.0.2.5", "192.0.2.8" },
		{ "192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8" },
		{ "192.0.2.7/32", "192.0.2.7", "::ffff:192.0.2.7", "192.0.2.6", "192.0.2.8" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255", "9.255.255.255",
		  "11.0.0.0" },
		{ "fd00::/8", "fd00::", "fdff:ffff::1", "fcff::1", "fe00::" },
		{ "2001:db8::8/125", "2001:db8::8", "2001:db8::f", "2001:db8::7", "2001:db8::10" },
		{ "::1", "::1", "::1", "::", "::2" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "ffff::" },
		{ "::/0", "::", "ffff::", "0.0.0.0", "255.255.255.255" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(holds(cases[i].network, cases[i].first));
		CHECK(holds(cases[i].network, cases[i].last));
		CHECK(!holds(cases[i].network, cases[i].before));
		CHECK(!holds(cases[i].network, cases[i].behind));
	}
}

static void not_networks(void)
{
	static const char *const texts[] = {
		"",
		"localhost",
		"10",
		"10.0.0/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.1/8",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"10.0.0.0/ 8",
		"::/129",
		"::1/64",
		"[::1]",
		"fe80::1%lo",
		"::ffff:0.0.0.0/95",
		"/8",
		"192.0.2.7:80",
		"0x7f000001",
		"192.0.2.3/31",
	};
	struct network network;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (network_parse(slice_of(texts[i]), &network) != -EINVAL)
			test_fail(__FILE__, __LINE__, "\"%s\" is a network", texts[i]);
}

static void of_sockets(void)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct network_address address;

	CHECK_INT(inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr), 1);
	address = network_address_of((struct sockaddr *)&v4);
	CHECK_INT(address.len, 4);
	CHECK(memcmp(address.bytes, "\xc0\0\2\7", 4) == 0);
	CHECK_INT(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr), 1);
	address = network_address_of((struct sockaddr *)&v6);
	CHECK_INT(address.len, 4);
	CHECK(memcmp(address.bytes, "\xc0\0\2\7", 4) == 0);
	CHECK_INT(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
	address = network_address_of((struct sockaddr *)&v6);
	CHECK_INT(address.len, 16);
	CHECK(memcmp(address.bytes, &v6.sin6_addr, 16) == 0);
	CHECK_INT(network_address_of(&other).len, 0);
	address = network_address_of(&other);
	CHECK(!network_any_holds(&(struct network){ 0 }, 0, &address));
}

static void texts(void)
{
	static const char *const same[] = { "0.0.0.0",   "9.10.99.100", "255.1.200.254",
					    "127.0.0.1", "::1",         "2001:db8::7" };
	char longest[] = "2001:db8:1111:2222:3333:4444:5555:6666", text[NETWORK_TEXT_SIZE];
	struct network_address address = { 0 };

	CHECK_INT(network_address_text(&address, text), 0);
	CHECK_STR(text, "");
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		CHECK_INT(network_parse_address(slice_of(same[i]), &address), 0);
		CHECK_INT(network_address_text(&address, text), strlen(same[i]));
		CHECK_STR(text, same[i]);
	}
	CHECK_INT(network_parse_address(slice_of(longest), &address), 0);
	network_address_text(&address, text);
	CHECK_STR(text, longest);
	CHECK_INT(network_parse_address(SLICE("::ffff:192.0.2.7"), &address), 0);
	network_address_text(&address, text);
	CHECK_STR(text, "192.0.2.7");
}

int main(void)
{
	texts();
	edges();
	not_networks();
	of_sockets();
	return 0;
}
