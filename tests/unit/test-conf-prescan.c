/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-scan: verdicts with their places, what no prefix of a good object may be called, and that
 * what it accepts means to libconfig what is written. */
#include <libconfig.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "conf/prescan.h"
#include "test.h"

struct row {
	const char *text;
	enum prescan_verdict verdict;
	uint32_t line, column;
	const char *message;
};

static void check_row(const struct row *row, bool single)
{
	struct prescan prescan = { 0 };
	struct error error = { 0 };
	enum prescan_verdict verdict;

	verdict = single ? prescan_object(slice_of(row->text), &prescan, &error)
			 : prescan_document(slice_of(row->text), &prescan, &error);
	prescan_fini(&prescan);
	if (verdict != row->verdict || error.line != row->line || error.column != row->column ||
	    strcmp(error.message, row->message) != 0)
		test_fail(__FILE__, __LINE__, "\"%s\": %d %u:%u: %s", row->text, (int)verdict,
			  error.line, error.column, error.message);
}

static void test_documents(void)
{
	static const struct row rows[] = {
		{ "", PRESCAN_COMPLETE, 0, 0, "" },
		{ "# only a comment", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = 1", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = 1; b: 2, c = { d = \"x\" 'e", PRESCAN_INVALID, 1, 28,
		  "unexpected character \"'\"" },
		{ "a = [];b=();c={};", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = \"x\" /* y */ \"z\"; // w\n# v\nb = tRuE", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = (1, \"x\", { b = [ 1L, 2L ]; }, ( ));", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = \"\\n\\r\\t\\f\\\\\\\"\\x41\";", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = -2147483648; b = 2147483647; c = 0x7fffffff; d = +1;", PRESCAN_COMPLETE, 0,
		  0, "" },
		{ "a = -9223372036854775808L; b = 0x7fffffffffffffffLL;", PRESCAN_COMPLETE, 0, 0,
		  "" },
		{ "a = 1.5; b = -.5e3; c = 1e-9; d = 1.;", PRESCAN_COMPLETE, 0, 0, "" },
		{ "a = 5000000000;", PRESCAN_INVALID, 1, 5,
		  "5000000000 does not fit in 32 bits; write 5000000000L" },
		{ "a = -2147483649;", PRESCAN_INVALID, 1, 5,
		  "-2147483649 does not fit in 32 bits; write -2147483649L" },
		{ "a = 0x80000000;", PRESCAN_INVALID, 1, 5,
		  "0x80000000 does not fit in 32 bits; write 0x80000000L" },
		{ "a = 9223372036854775808L;", PRESCAN_INVALID, 1, 5,
		  "9223372036854775808L does not fit in 64 bits" },
		{ "a = 0xffffffffffffffffL;", PRESCAN_INVALID, 1, 5,
		  "0xffffffffffffffffL does not fit in 64 bits" },
		{ "a = 12abc;", PRESCAN_INVALID, 1, 5, "\"12abc\" is not a number" },
		{ "a = 1-2;", PRESCAN_INVALID, 1, 5, "\"1-2\" is not a number" },
		{ "a = 1.2.3;", PRESCAN_INVALID, 1, 5, "\"1.2.3\" is not a number" },
		{ "a = 0x;", PRESCAN_INVALID, 1, 5, "\"0x\" is not a number" },
		{ "a = .;", PRESCAN_INVALID, 1, 5, "\".\" is not a number" },
		{ "a = 1e;", PRESCAN_INVALID, 1, 5, "\"1e\" is not a number" },
		{ "a = yes;", PRESCAN_INVALID, 1, 5,
		  "\"yes\" is not a value; text is written in quotes" },
		{ "true = 1;", PRESCAN_INVALID, 1, 1, "\"true\" cannot be the name of a setting" },
		{ "\n  @include \"/etc/shadow\"\n", PRESCAN_INVALID, 2, 3,
		  "@include is not allowed; put objects into conf.d/KIND/NAME.conf" },
		{ "a = 1; @include \"x\"", PRESCAN_INVALID, 1, 8,
		  "@include is not allowed; put objects into conf.d/KIND/NAME.conf" },
		{ "a = { b = 1;\n  b = 2; };", PRESCAN_INVALID, 2, 3,
		  "\"b\" is given twice; the first is at line 1" },
		{ "a = [ 1, 2, ];", PRESCAN_INVALID, 1, 13,
		  "no element follows the comma; remove the comma" },
		{ "a = [ 1, \"x\" ];", PRESCAN_INVALID, 1, 10,
		  "all elements of an array must have the same type" },
		{ "a = [ 1, 2L ];", PRESCAN_INVALID, 1, 10,
		  "all elements of an array must have the same type" },
		{ "a = [ { } ];", PRESCAN_INVALID, 1, 7,
		  "an array [ … ] holds plain values; write a list ( … )" },
		{ "a = ( 1 2 );", PRESCAN_INVALID, 1, 9, "expected ',' or ')', found \"2\"" },
		{ "a = { };;", PRESCAN_INVALID, 1, 9,
		  "expected the name of a setting, found \";\"" },
		{ "a = 1; }", PRESCAN_INVALID, 1, 8,
		  "expected the name of a setting, found \"}\"" },
		{ "a = { b = 1 ]", PRESCAN_INVALID, 1, 13,
		  "expected the name of a setting, found \"]\"" },
		{ "a 1;", PRESCAN_INVALID, 1, 3, "expected '=' or ':', found \"1\"" },
		{ "a = ;", PRESCAN_INVALID, 1, 5, "expected a value, found \";\"" },
		{ "\"a\" = 1;", PRESCAN_INVALID, 1, 1,
		  "expected the name of a setting, found a string" },
		{ "a = \"x\\q\";", PRESCAN_INVALID, 1, 7,
		  "unknown escape in a string; write \\\\ for a backslash" },
		{ "a = \"\\x4\";", PRESCAN_INVALID, 1, 6, "\\x needs two hexadecimal digits" },
		{ "a = \"\\x00\";", PRESCAN_INVALID, 1, 6,
		  "\\x is for 01 to 7f; write the character itself, in UTF-8" },
		{ "a = \"\\xff\";", PRESCAN_INVALID, 1, 6,
		  "\\x is for 01 to 7f; write the character itself, in UTF-8" },
		{ "a = \"x\ny\";", PRESCAN_INVALID, 1, 5,
		  "the string is not closed on its line; close it with \"" },
		{ "a = \"\xc3\x28\";", PRESCAN_INVALID, 1, 6,
		  "byte 0xc3 is not valid UTF-8; save the file as UTF-8" },
		{ "# \xff", PRESCAN_INVALID, 1, 3,
		  "byte 0xff is not valid UTF-8; save the file as UTF-8" },
		{ "/* \xed\xa0\x80 */", PRESCAN_INVALID, 1, 4,
		  "byte 0xed is not valid UTF-8; save the file as UTF-8" },
		{ "a = 1;\x01", PRESCAN_INVALID, 1, 7,
		  "control character 0x01 is not allowed; remove it" },
		{ "\xef\xbb\xbf"
		  "a = 1;",
		  PRESCAN_INVALID, 1, 1,
		  "the file begins with a byte order mark; save it without" },
		{ "a = { b = ( 1,\n", PRESCAN_INCOMPLETE, 2, 1,
		  "the text ends before the \"(\" of line 1 is closed" },
		{ "a = { b = ( 1 );\n", PRESCAN_INCOMPLETE, 2, 1,
		  "the text ends before the \"{\" of line 1 is closed" },
		{ "a = 1; /* b", PRESCAN_INCOMPLETE, 1, 8,
		  "the comment is not closed; close it with */" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i], false);
}

static void test_objects(void)
{
	static const struct row rows[] = {
		{ "tenant: { };", PRESCAN_COMPLETE, 0, 0, "" },
		{ "# x\ntenant = { }", PRESCAN_COMPLETE, 0, 0, "" },
		{ "tenant: { description = \"x\"; };\n# end\n", PRESCAN_COMPLETE, 0, 0, "" },
		{ "", PRESCAN_INCOMPLETE, 1, 1,
		  "expected an object, KIND: { … };, found the end of the text" },
		{ "ten", PRESCAN_INCOMPLETE, 1, 4,
		  "expected '=' or ':', found the end of the text" },
		{ "key: { sha256 = \"12", PRESCAN_INCOMPLETE, 1, 17,
		  "the string is not closed; close it with \"" },
		{ "key: { n = 5000000000", PRESCAN_INCOMPLETE, 1, 12,
		  "5000000000 does not fit in 32 bits; write 5000000000L" },
		{ "key: { a = 1; a", PRESCAN_INCOMPLETE, 1, 15,
		  "\"a\" is given twice; the first is at line 1" },
		{ "key: { a = 1; a ", PRESCAN_INVALID, 1, 15,
		  "\"a\" is given twice; the first is at line 1" },
		{ "key: { a = [ 1L, 2", PRESCAN_INCOMPLETE, 1, 18,
		  "all elements of an array must have the same type" },
		{ "key: { d = tru", PRESCAN_INCOMPLETE, 1, 12,
		  "\"tru\" is not a value; text is written in quotes" },
		{ "key: { d = \"\xe2\x82", PRESCAN_INCOMPLETE, 1, 13,
		  "the text ends within a character" },
		{ "key: { d = \"\\x4", PRESCAN_INCOMPLETE, 1, 12,
		  "the string is not closed; close it with \"" },
		{ "key: { } /", PRESCAN_INCOMPLETE, 1, 10, "unexpected character \"/\"" },
		{ "key: { };;", PRESCAN_INVALID, 1, 10,
		  "one file holds one object, KIND: { … }; nothing may follow it" },
		{ "key: { }; key2: { };", PRESCAN_INVALID, 1, 11,
		  "one file holds one object, KIND: { … }; nothing may follow it" },
		{ "{ name = \"x\"; }", PRESCAN_INVALID, 1, 1,
		  "expected the name of a setting, found \"{\"" },
		{ "key: ( );", PRESCAN_INVALID, 1, 6, "an object is a group: write key: { … };" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i], true);
}

static void test_nul(void)
{
	struct prescan prescan = { 0 };
	struct error error = { 0 };

	CHECK(prescan_document(SLICE("a = 1;\0b = 2;"), &prescan, &error) == PRESCAN_INVALID);
	CHECK_INT(error.column, 7);
	CHECK(prescan_document(SLICE("a = \"x\0y\";"), &prescan, &error) == PRESCAN_INVALID);
	CHECK_INT(error.column, 7);
}

/* write(2) by the byte: no prefix of a good object may be called invalid, and none before its
 * bracket complete. */
static void test_prefixes(void)
{
	static const char text[] =
	    "# \xc3\xa4\n/* c */ model: // d\n{ provider = \"a\\x41\\\"\" \"\xe2\x82\xac\";\n"
	    " max_output_tokens = 4294967296L; x = 0x7f; y = -1.5e-3; z = true;\n"
	    " price: { l = [ \"1\", \"2\" ]; m = ( 1, ( 2 ), { n = +3 } ); } /* e */ }; # f\n";
	size_t close = (size_t)(strstr(text, "/* e */ }") - text) + sizeof("/* e */ }") - 1;

	for (size_t len = 0; len < sizeof(text); len++) {
		struct error error = { 0 };
		enum conf_verdict verdict = conf_judge((struct slice){ text, len }, &error);

		if (len < close)
			CHECK_INT(verdict, CONF_INCOMPLETE);
		else
			CHECK_INT(verdict, CONF_COMPLETE);
	}
}

static void test_bounds(void)
{
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	struct prescan prescan = { 0 };
	struct error error = { 0 };

	for (int i = 0; i < PRESCAN_DEPTH_MAX; i++)
		buffer_append_str(&text, i == 0 ? "a = (" : "(");
	for (int i = 0; i < PRESCAN_DEPTH_MAX; i++)
		buffer_append_char(&text, ')');
	CHECK(prescan_document(buffer_slice(&text), &prescan, &error) == PRESCAN_COMPLETE);
	prescan_fini(&prescan);
	buffer_clear(&text);
	buffer_append_str(&text, "a = ");
	for (int i = 0; i < 1000000; i++)
		buffer_append_char(&text, '(');
	CHECK(prescan_document(buffer_slice(&text), &prescan, &error) == PRESCAN_INVALID);
	CHECK_STR(error.message, "nested more than 32 levels deep");
	CHECK_INT(error.column, 5 + PRESCAN_DEPTH_MAX);
	buffer_clear(&text);
	for (int i = 0; i <= PRESCAN_MEMBERS_MAX; i++)
		buffer_printf(&text, "a%d = 1;\n", i);
	CHECK(prescan_document(buffer_slice(&text), &prescan, &error) == PRESCAN_INVALID);
	CHECK_STR(error.message, "more than 1000 settings in one group");
	CHECK_INT(error.line, PRESCAN_MEMBERS_MAX + 1);
}

static void test_marks(void)
{
	static const char text[] = "a = 1;\n  bc: { d = \"x\" \"y\"; }; e = ( 5, [ ] );";
	static const struct {
		const char *name, *value;
		uint32_t line, column, value_line, value_column;
	} want[] = {
		{ "a", "1", 1, 1, 1, 5 },
		{ "bc", "{ d = \"x\" \"y\"; }", 2, 3, 2, 7 },
		{ "d", "\"x\" \"y\"", 2, 9, 2, 13 },
		{ "e", "( 5, [ ] )", 2, 25, 2, 29 },
		{ "", "5", 2, 31, 2, 31 },
		{ "", "[ ]", 2, 34, 2, 34 },
	};
	struct prescan prescan = { 0 };
	struct error error;

	CHECK(prescan_document(slice_of(text), &prescan, &error) == PRESCAN_COMPLETE);
	CHECK_INT(prescan.count, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK_SLICE(prescan.marks[i].name, want[i].name);
		CHECK_SLICE(prescan.marks[i].value, want[i].value);
		CHECK_INT(prescan.marks[i].line, want[i].line);
		CHECK_INT(prescan.marks[i].column, want[i].column);
		CHECK_INT(prescan.marks[i].value_line, want[i].value_line);
		CHECK_INT(prescan.marks[i].value_column, want[i].value_column);
	}
	prescan_fini(&prescan);
}

static uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

/* An integer of any length, in one of the forms the language has. */
static void random_integer(char *out, size_t size, __int128 *ret_value)
{
	uint64_t magnitude = random_u64() >> (random_u64() % 64);
	bool negative = random_u64() % 3 == 0, hex = !negative && random_u64() % 3 == 0;
	const char *suffix = random_u64() % 2 ? "L" : random_u64() % 8 ? "" : "LL";

	snprintf(out, size,
		 hex        ? "0x%" PRIX64 "%s"
		 : negative ? "-%" PRIu64 "%s"
			    : "%" PRIu64 "%s",
		 magnitude, suffix);
	*ret_value = negative ? -(__int128)magnitude : (__int128)magnitude;
}

/* What both accept means the same to both; what does not fit is refused by the pre-scan. */
static void test_integers_as_written(void)
{
	int accepted = 0, refused = 0;

	for (int i = 0; i < 20000; i++) {
		struct prescan prescan = { 0 };
		struct error error;
		char integer[64], text[80];
		__int128 value;
		config_t config;
		config_setting_t *setting;
		bool wide, fits;

		random_integer(integer, sizeof(integer), &value);
		wide = strchr(integer, 'L');
		fits = wide ? value >= INT64_MIN && value <= INT64_MAX
			    : value >= INT32_MIN && value <= INT32_MAX;
		snprintf(text, sizeof(text), "a = %s;\n", integer);
		if (prescan_document(slice_of(text), &prescan, &error) != PRESCAN_COMPLETE) {
			CHECK(!fits);
			refused++;
			continue;
		}
		CHECK(fits);
		accepted++;
		prescan_fini(&prescan);
		config_init(&config);
		CHECK(config_read_string(&config, text));
		setting = config_lookup(&config, "a");
		CHECK((wide ? config_setting_get_int64(setting)
			    : config_setting_get_int(setting)) == (int64_t)value);
		config_destroy(&config);
	}
	CHECK(accepted > 1000 && refused > 1000);
}

/* Bytes from an alphabet that reaches deep, and any bytes: no crash, and libconfig takes all that
 * is accepted. */
static void test_random_bytes(void)
{
	static const char alphabet[] = "ab=:;,{}()[]\"\\x41/*# \n\tLtrue0129.-+@\xc3\xa4";
	int accepted = 0;

	for (int i = 0; i < 200000; i++) {
		char text[48];
		size_t len = random_u64() % 40;
		struct prescan prescan = { 0 };
		struct error error;

		random_bytes(text, len);
		for (size_t j = 0; j < len && i % 4; j++)
			text[j] = alphabet[(unsigned char)text[j] % (sizeof(alphabet) - 1)];
		if (prescan_document((struct slice){ text, len }, &prescan, &error) !=
		    PRESCAN_COMPLETE)
			continue;
		prescan_fini(&prescan);
		accepted++;
		text[len] = '\n';
		text[len + 1] = '\0';
		config_t config;
		config_init(&config);
		if (!config_read_string(&config, text))
			test_fail(__FILE__, __LINE__, "libconfig refuses \"%s\": %s", text,
				  config_error_text(&config));
		config_destroy(&config);
	}
	CHECK(accepted > 100);
}

int main(void)
{
	test_run("documents", test_documents);
	test_run("objects", test_objects);
	test_run("nul", test_nul);
	test_run("prefixes", test_prefixes);
	test_run("bounds", test_bounds);
	test_run("marks", test_marks);
	test_run("integers as written", test_integers_as_written);
	test_run("random bytes", test_random_bytes);
	return 0;
}
