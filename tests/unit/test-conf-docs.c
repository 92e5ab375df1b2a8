/* SPDX-License-Identifier: Apache-2.0 */
/* Manual and sample hold every row of the table; the sample loads as it is, and with every option
 * put to use. */
#include "conf/options.h"
#include "test-conf.h"

static void check_manual(const struct option_section *section, const char *manual)
{
	char entry[128];

	for (size_t i = 0; i < section->count; i++) {
		const struct option *option = &section->rows[i];
		snprintf(entry, sizeof(entry), option->section ? ".SS %s\n" : ".TP\n.B %s\n",
			 option->name);
		if (!strstr(manual, entry))
			test_fail(__FILE__, __LINE__, "the manual has no \"%s\"", entry);
		if (option->section)
			check_manual(option->section, manual);
	}
}

static void test_manual(void)
{
	_cleanup_(buffer_fini) struct buffer manual = { 0 };

	conf_write_manual(&manual);
	buffer_append_char(&manual, '\0');
	CHECK(!manual.failed);
	check_manual(&options_main, manual.data);
	for (int kind = 0; kind < CONF_KINDS; kind++)
		check_manual(options_of_kind(kind), manual.data);
	CHECK(strstr(manual.data,
		     ".B idle_ms\nHow long a connection without a request is kept. Value: "
		     "an integer (milliseconds) from 1 to 86400000. Default: 75000.\n"));
	CHECK(strstr(manual.data, ".B log\nWhat is logged. Value: \"error\" or \"warn\" or "));
	/* What an option is for comes first, and objects are described once. */
	CHECK(!strstr(manual.data, "Must be "));
	CHECK(strstr(manual.data, "The same as files in conf.d/tenant.\n"));
	for (const char *at_line = manual.data; at_line; at_line = strchr(at_line + 1, '\n')) {
		const char *line = at_line == manual.data ? at_line : at_line + 1;
		if (line[0] == '.')
			CHECK(strncmp(line, ".SH ", 4) == 0 || strncmp(line, ".SS ", 4) == 0 ||
			      strncmp(line, ".B ", 3) == 0 || strncmp(line, ".TP\n", 4) == 0 ||
			      strncmp(line, ".IR ", 4) == 0);
	}
}

/* Takes the first '#' from the lines that are options; keys stand in this file, so it must own
 * them. */
static void put_to_use(struct slice sample, struct buffer *out)
{
	while (sample.len > 0) {
		struct slice line = slice_cut(sample, '\n', &sample);
		bool option = line.len > 1 && line.ptr[0] == '#' && line.ptr[1] != ' ';

		line = option ? slice_skip(line, 1) : line;
		if (slice_eq(line, SLICE("\tkey = \"live\";")))
			line = SLICE("\tkey = \"files\";");
		buffer_append_slice(out, line);
		buffer_append_char(out, '\n');
	}
}

static void test_sample(void)
{
	_cleanup_(cleanup_conf_unref) struct conf *plain = NULL, *full = NULL;
	_cleanup_(buffer_fini) struct buffer sample = { 0 }, used = { 0 };

	clear();
	conf_write_sample(&sample);
	CHECK(!sample.failed);
	put_mode("main.conf", buffer_slice(&sample), 0600);
	plain = load_good();
	CHECK_INT(plain->provider_count, 0);
	put_to_use(buffer_slice(&sample), &used);
	put_mode("main.conf", buffer_slice(&used), 0600);
	put("secrets/openai", "s3cret");
	put("ca.pem", "");
	put("jwks.json", "{}");
	put("client.pem", "");
	put("client.key", "");
	put("tls/chain.pem", "chain");
	put("tls/key.pem", "key");
	put("tls/clients.pem", "clients");
	full = load_good();
	CHECK_INT(full->provider_count, 1);
	CHECK_INT(full->model_count, 1);
	CHECK_INT(full->route_count, 1);
	CHECK_INT(full->tenant_count, 1);
	CHECK_INT(full->key_count, 1);
	CHECK_INT(conf_check_reload(plain, full, NULL), 0);
}

int main(void)
{
	test_run("manual", test_manual);
	test_run("sample", test_sample);
	return 0;
}
