/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are public, at both edges of each range, and what counts as a literal. */
#include <arpa/inet.h>

#include "base/cleanup.h"
#include "test.h"
#include "upstream/address.h"

static bool is_public(const char *text)
{
	struct address address;

	if (address_parse(text, &address) < 0)
		test_fail(__FILE__, __LINE__, "%s does not parse", text);
	return address_is_public(&address);
}

static void public_addresses(void)
{
	static const char *const texts[] = {
		"1.1.1.1",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"126.255.255.255",
		"128.0.0.0",
		"169.253.255.255",
		"169.255.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"192.0.1.0",
		"192.167.255.255",
		"192.169.0.0",
		"198.17.255.255",
		"198.20.0.0",
		"223.255.255.255",
		"2606:4700::1111",
		"2001:4860:4860::8888",
		"2a00::1",
		"3fff:1000::1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!is_public(texts[i]))
			test_fail(__FILE__, __LINE__, "%s is not public", texts[i]);
}

static void other_addresses(void)
{
	static const char *const texts[] = {
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.0.0",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.192",
		"192.0.2.1",
		"192.168.0.0",
		"192.168.255.255",
		"198.18.0.0",
		"198.19.255.255",
		"198.51.100.7",
		"203.0.113.7",
		"224.0.0.1",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::ffff:8.8.8.8",
		"::ffff:127.0.0.1",
		"::127.0.0.1",
		"64:ff9b::7f00:1",
		"64:ff9b:1::1",
		"100::1",
		"2001::1",
		"2001:db8::1",
		"2002:7f00:1::",
		"3fff:fff::1",
		"fc00::1",
		"fd00:ec2::254",
		"fe80::1",
		"fec0::1",
		"ff02::1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (is_public(texts[i]))
			test_fail(__FILE__, __LINE__, "%s is public", texts[i]);
}

static void literals(void)
{
	static const char *const names[] = { "",           "localhost",  "127.1",      "0177.0.0.1",
					     "2130706433", "0x7f000001", "fe80::1%lo", "[::1]",
					     "1.2.3.4.",   "256.0.0.1" };
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (address_parse(names[i], &address) == 0)
			test_fail(__FILE__, __LINE__, "%s is a literal", names[i]);
	CHECK_INT(address_parse("2001:DB8:0::1", &address), 0);
	address_set_port(&address, 8443);
	CHECK_INT(ntohs(address.v6.sin6_port), 8443);
	CHECK_STR(address_text(&address, text), "2001:db8::1");
}

static bool has_prefix(const char *text, const char *prefix, uint64_t bits)
{
	struct address address, other;

	CHECK_INT(address_parse(text, &address), 0);
	CHECK_INT(address_parse(prefix, &other), 0);
	return address_has_prefix(&address, &other, bits);
}

static void prefixes(void)
{
	CHECK(has_prefix("10.1.2.3", "10.1.2.3", 32));
	CHECK(!has_prefix("10.1.2.3", "10.1.2.2", 32));
	CHECK(has_prefix("10.1.2.3", "10.1.2.2", 31));
	CHECK(has_prefix("10.1.2.3", "99.1.2.3", 0));
	CHECK(!has_prefix("10.1.2.3", "10.1.2.3", 33));
	CHECK(has_prefix("2001:db8::ff", "2001:db8::fe", 127));
	CHECK(!has_prefix("2001:db8::ff", "2001:db8::fe", 128));
	CHECK(!has_prefix("2001:db8::1", "2001:db8::1", 129));
	CHECK(!has_prefix("::ffff:10.1.2.3", "10.1.2.3", 32));
}

int main(void)
{
	test_run("public addresses", public_addresses);
	test_run("other addresses", other_addresses);
	test_run("literals", literals);
	test_run("prefixes", prefixes);
	return 0;
}
