/* SPDX-License-Identifier: Apache-2.0 */
/* What policy-redact finds, and what it leaves alone: published test numbers of each issuer, the
 * IBAN registry's examples, keys by their prefixes, and what only looks like them. */
#include <stdlib.h>

#include "policy-redact/find.h"
#include "policy-redact/plain.h"
#include "policy-redact/walk.h"
#include "unit/test.h"

static const char letters[FIND_CLASSES] = { 'C', 'B', 'E', 'P', 'S' };

/* The text with <C:what was found> for each. */
static const char *marked(const char *raw)
{
	static char out[4096];
	char plain[2048];
	struct find_text text = { .ptr = plain, .wanted = 31 };
	size_t len = 0, from = 0;
	struct find find;

	text.len = plain_write(raw, strlen(raw), PLAIN_FOLD, plain);
	while (find_next(&text, &find)) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s<%c:%.*s>",
					(int)(find.at - from), plain + from, letters[find.class],
					(int)find.len, plain + find.at);
		from = find.at + find.len;
	}
	snprintf(out + len, sizeof(out) - len, "%.*s", (int)(text.len - from), plain + from);
	return out;
}

static void whole(char class, const char *value)
{
	char text[1024], expected[1024];

	snprintf(text, sizeof(text), "It is %s, they say.", value);
	snprintf(expected, sizeof(expected), "It is <%c:%s>, they say.", class, value);
	CHECK_STR(marked(text), expected);
	snprintf(expected, sizeof(expected), "<%c:%s>", class, value);
	CHECK_STR(marked(value), expected);
}

static void nothing(const char *text)
{
	CHECK_STR(marked(text), text);
}

static void cards(void)
{
	static const char *const numbers[] = {
		"4111111111111111",    "4012888888881881",    "4222222222222",
		"4242 4242 4242 4242", "5555555555554444",    "5105105105105100",
		"2223003122003222",    "5555-5555-5555-4444", "378282246310005",
		"371449635398431",     "3782 822463 10005",   "6011111111111117",
		"6011000990139424",    "30569309025904",      "3056 930902 5904",
		"38520000023237",      "36227206271667",      "3530111333300000",
		"3566002020360505",    "6205500000000000004", "6200000000000005",
		"6759649826438453",    "5019717010103742",    "6304000000000000",
		"2200000000000004",    "9792030000000000",    "4111.1111.1111.1111",
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		whole('C', numbers[i]);
	CHECK_STR(marked("no 12 4111 1111 1111 1111 12/27, 123"),
		  "no 12 <C:4111 1111 1111 1111> 12/27, 123");
	CHECK_STR(marked("4111\\u200b1111\xe2\x80\x8b"
			 "11111111"),
		  "<C:4111111111111111>");
	CHECK_STR(marked("\xef\xbc\x94"
			 "111\xc2\xa0"
			 "1111 1111 1111"),
		  "<C:4111 1111 1111 1111>");
	CHECK_STR(marked("card\\n4111111111111111\\n"), "card\n<C:4111111111111111>\n");
}

static void no_cards(void)
{
	nothing("4111111111111112");
	nothing("order 1234567890123456, 20261201123456789");
	nothing("0.4111111111111111 and 4111111111111111.5");
	nothing("x4111111111111111 4111111111111111x a_4111111111111111");
	nothing("550e8400-e29b-41d4-a716-446655440000");
	nothing("1764597600000 1764597600000000000 2026-12-01T14:00:00.123456789Z");
	nothing("d41d8cd98f00b204e9800998ecf8427e");
	nothing("41111111111111114111111111111111");
}

/* The registry's own, one a country. */
static const char *const iban_examples[] = {
	"AD1200012030200359100100",
	"AE070331234567890123456",
	"AL47212110090000000235698741",
	"AT611904300234573201",
	"AZ21NABZ00000000137010001944",
	"BA391290079401028494",
	"BE68539007547034",
	"BG80BNBG96611020345678",
	"BH67BMAG00001299123456",
	"BI4210000100010000332045181",
	"BR1800360305000010009795493C1",
	"BY13NBRB3600900000002Z00AB00",
	"CH9300762011623852957",
	"CR05015202001026284066",
	"CY17002001280000001200527600",
	"CZ6508000000192000145399",
	"DE89370400440532013000",
	"DJ2100010000000154000100186",
	"DK5000400440116243",
	"DO28BAGR00000001212453611324",
	"EE382200221020145685",
	"EG380019000500000000263180002",
	"ES9121000418450200051332",
	"FI2112345600000785",
	"FK88SC123456789012",
	"FO6264600001631634",
	"FR1420041010050500013M02606",
	"GB29NWBK60161331926819",
	"GE29NB0000000101904917",
	"GI75NWBK000000007099453",
	"GL8964710001000206",
	"GR1601101250000000012300695",
	"GT82TRAJ01020000001210029690",
	"HN88CABF00000000000250005469",
	"HR1210010051863000160",
	"HU42117730161111101800000000",
	"IE29AIBK93115212345678",
	"IL620108000000099999999",
	"IQ98NBIQ850123456789012",
	"IS140159260076545510730339",
	"IT60X0542811101000000123456",
	"JO94CBJO0010000000000131000302",
	"KW81CBKU0000000000001234560101",
	"KZ86125KZT5004100100",
	"LB62099900000001001901229114",
	"LC55HEMM000100010012001200023015",
	"LI21088100002324013AA",
	"LT121000011101001000",
	"LU280019400644750000",
	"LV80BANK0000435195001",
	"LY83002048000020100120361",
	"MC5811222000010123456789030",
	"MD24AG000225100013104168",
	"ME25505000012345678951",
	"MK07250120000058984",
	"MN121234123456789123",
	"MR1300020001010000123456753",
	"MT84MALT011000012345MTLCAST001S",
	"MU17BOMM0101101030300200000MUR",
	"NI45BAPR00000013000003558124",
	"NL91ABNA0417164300",
	"NO9386011117947",
	"OM810180000001299123456",
	"PK36SCBL0000001123456702",
	"PL61109010140000071219812874",
	"PS92PALS000000000400123456702",
	"PT50000201231234567890154",
	"QA58DOHB00001234567890ABCDEFG",
	"RO49AAAA1B31007593840000",
	"RS35260005601001611379",
	"RU0304452522540817810538091310419",
	"SA0380000000608010167519",
	"SC18SSCB11010000000000001497USD",
	"SD2129010501234001",
	"SE4550000000058398257466",
	"SI56263300012039086",
	"SK3112000000198742637541",
	"SM86U0322509800000000270100",
	"SO211000001001000100141",
	"ST23000100010051845310146",
	"SV62CENR00000000000000700025",
	"TL380080012345678910157",
	"TN5910006035183598478831",
	"TR330006100519786457841326",
	"UA213223130000026007233566001",
	"VA59001123000012345678",
	"VG96VPVG0000012345678901",
	"XK051212012345678906",
	"YE15CBYE0001018861234567891234",
};

static void ibans(void)
{
	for (size_t i = 0; i < sizeof(iban_examples) / sizeof(iban_examples[0]); i++)
		whole('B', iban_examples[i]);
	whole('B', "DE89 3704 0044 0532 0130 00");
	whole('B', "GB29-NWBK-6016-1331-9268-19");
	whole('B', "de89370400440532013000");
	nothing("DE89370400440532013001 DE8937040044053201300 XX89370400440532013000");
	nothing("DE893704004405320130001 ADE89370400440532013000");
	CHECK_STR(marked("Routing number 021000021, account no. 123456789"),
		  "Routing number <B:021000021>, account no. <B:123456789>");
	nothing("item 021000021, account no. 123456789, routing 021000022");
}

static void mails(void)
{
	whole('E', "ada@example.com");
	whole('E', "ada.l+tag-1@mail.example.co.uk");
	whole('E', "a_b%c@x-y.museum");
	whole('E', "m\xc3\xbcller@b\xc3\xbc"
		   "cher.example");
	CHECK_STR(marked("<mailto:Ada@Example.COM>."), "<mailto:<E:Ada@Example.COM>>.");
	CHECK_STR(marked("a\\u00adda\\u200b@example\xef\xbc\x8e"
			 "com"),
		  "<E:ada@example.com>");
	CHECK_STR(marked("one@x.de,two@y.fr"), "<E:one@x.de>,<E:two@y.fr>");
	nothing("@ada said a @ b.c, x@y, x@1.2.3, @types/node@18.1.0, a@b.c");
}

static void phones(void)
{
	whole('P', "+14155550100");
	whole('P', "+49 171 1234567");
	whole('P', "+44 (20) 7946 0958");
	whole('P', "(415) 555-0100");
	whole('P', "415-555-0100");
	whole('P', "415.555.0100");
	whole('P', "1-415-555-0100");
	whole('P', "01 42 68 53 00");
	whole('P', "0049 171 1234567");
	CHECK_STR(marked("Telefon: 030 1234567"), "Telefon: <P:030 1234567>");
	CHECK_STR(marked("phone 4155550100"), "phone <P:4155550100>");
	CHECK_STR(marked("415-555-0100 42 of 7"), "<P:415-555-0100> 42 of 7");
	nothing("4155550100 0301234567 2026-12-01 12:00:00+02:00 01-12-2026");
	nothing("1 + 2 +3.5e+10 192.168.100.2001 10.0.0.1 555-0100 v1.2.3-4567");
	nothing("telemetry 4155550100 and 123-456-7890-1234");
}

static void secrets(void)
{
	whole('S', "sk-ant-api03-aB3dE6gH9jK2mN5pQ8sT1vW4");
	whole('S', "sk-proj-aB3dE6gH9jK2_N5pQ8sT1-W4");
	whole('S', "sk-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9jK2mN5pQ8sT1");
	whole('S', "AKIAIOSFODNN7EXAMPLE");
	whole('S', "ASIAIOSFODNN7EXAMPLE");
	whole('S', "ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9");
	whole('S', "github_pat_11ABCDEFG0aB3dE6gH9jK2_mN5pQ8sT1");
	whole('S', "xoxb-123456789012-abcdefGHIJKL");
	whole('S', "AIzaSyA1234567890abcdefghijklmnopqrstuv");
	whole('S', "sk_live_aB3dE6gH9jK2mN5pQ8sT1vW4");
	whole('S', "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P");
	CHECK_STR(marked("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
		  "AWS_SECRET_ACCESS_KEY=<S:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY>");
	CHECK_STR(
	    marked("k: -----BEGIN RSA PRIVATE KEY-----\\nMIIB\\n-----END RSA PRIVATE KEY-----."),
	    "k: <S:-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----->.");
	CHECK_STR(marked("-----BEGIN PRIVATE KEY-----\\nMIIB"),
		  "<S:-----BEGIN PRIVATE KEY-----\nMIIB>");
	nothing("sk-learn sk-short task-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9 AKIA AKIAshort");
	nothing("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----");
	nothing("da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* Of each place that is found: the raw bytes there. */
static void places(void)
{
	static const char raw[] = "\\u00e9\\\\ \\u200bada\\u0040example.com\\ud83d\\ude00 "
				  "4111\xc2\xa0"
				  "1111\\u00a01111 1111";
	char plain[sizeof(raw)];
	struct plain_map map = { .raw = raw, .len = sizeof(raw) - 1, .flags = PLAIN_FOLD };
	struct find_text text = { .ptr = plain, .wanted = 31 };
	static const char *const expected[] = { "ada\\u0040example.com", "4111\xc2\xa0"
									 "1111\\u00a01111 1111" };
	struct find find;

	text.len = plain_write(raw, sizeof(raw) - 1, PLAIN_FOLD, plain);
	for (size_t i = 0; i < 2; i++) {
		size_t begin, end;

		CHECK(find_next(&text, &find));
		begin = plain_begin(&map, find.at);
		end = plain_end(&map, find.at + find.len);
		CHECK_SLICE(((struct slice){ raw + begin, end - begin }), expected[i]);
	}
	CHECK(!find_next(&text, &find));
}

static char shown[1024];

static int show(struct walk *walk, size_t at, size_t len, bool number)
{
	size_t used = strlen(shown);
	char path[64];

	walk_path(walk, path, sizeof(path));
	snprintf(shown + used, sizeof(shown) - used, "%s%s=%.*s;", path, number ? "#" : "",
		 (int)len, walk->ptr + at);
	return 0;
}

static int walked(const char *text, bool open)
{
	struct walk walk = { .ptr = text, .len = strlen(text), .open = open, .show = show };

	shown[0] = 0;
	return walk_run(&walk);
}

static void walks(void)
{
	CHECK_INT(walked("{\"a\":[\"x\",{\"b\":\"y\"},3,\"z\\\"\"],\"c\":{},\"A1\":\"w\"}", false),
		  0);
	CHECK_STR(shown, "a[0]=x;a[1].b=y;a[3]=z\\\";=w;");
	CHECK_INT(walked("{\"input\":{\"k\":{\"l\":[12]}},\"arguments\":\"s\"}", false), 0);
	CHECK_STR(shown, "input=k;input=l;input#=12;arguments=s;");
	CHECK_INT(walked(" [true,null,-1.5e+3,[],\"\"] ", true), 0);
	for (const char *const *bad =
		 (const char *const[]){ "", "{", "[1 2]", "{\"a\" 1}", "{a:1}", "[4111-1111]",
					"\"a", "\"a\\", "[1]x", "[01x]", "{\"a\":1,}", "nul", "[}",
					"-", "1.", "1e", NULL };
	     *bad; bad++)
		CHECK_INT(walked(*bad, true), -22);
}

static void deep(void)
{
	char text[2 * (WALK_DEPTH_MAX + 1) + 2];

	for (size_t depth = WALK_DEPTH_MAX; depth <= WALK_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		text[depth] = '1';
		memset(text + depth + 1, ']', depth);
		text[2 * depth + 1] = 0;
		CHECK_INT(walked(text, false), depth > WALK_DEPTH_MAX ? -22 : 0);
	}
}

int main(void)
{
	test_run("cards", cards);
	test_run("no-cards", no_cards);
	test_run("ibans", ibans);
	test_run("mails", mails);
	test_run("phones", phones);
	test_run("secrets", secrets);
	test_run("places", places);
	test_run("walks", walks);
	test_run("deep", deep);
	return 0;
}
