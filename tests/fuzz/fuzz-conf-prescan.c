/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-scan over any bytes. Beyond not crashing: what it accepts libconfig accepts, with the
 * same settings in the same order and the same integers as are written; an accepted object has no
 * prefix that is called invalid. */
#include <ctype.h>
#include <libconfig.h>
#include <string.h>

#include "conf/prescan.h"
#include "fuzz.h"

enum {
	PREFIXES_MAX = 512, /* each costs a scan */
};

/* By hand: strtoll knows other forms. */
static void check_integer(const config_setting_t *setting, struct slice written)
{
	bool negative = written.ptr[0] == '-',
	     hex = written.len > 2 && (written.ptr[1] | 0x20) == 'x';
	int64_t is = config_setting_type(setting) == CONFIG_TYPE_INT
			 ? config_setting_get_int(setting)
			 : config_setting_get_int64(setting);
	__int128 want = 0;

	for (size_t i = hex                                 ? 2
			: negative || written.ptr[0] == '+' ? 1
							    : 0;
	     i < written.len && written.ptr[i] != 'L'; i++) {
		char c = written.ptr[i];
		want = want * (hex ? 16 : 10) +
		       (isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	FUZZ_CHECK((negative ? -want : want) == is);
}

static void check_setting(const config_setting_t *setting, const struct prescan *prescan,
			  size_t *at)
{
	int type = config_setting_type(setting);

	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64)
		check_integer(setting, prescan->marks[*at - 1].value);
	if (!config_setting_is_aggregate(setting))
		return;
	for (int i = 0; i < config_setting_length(setting); i++) {
		const config_setting_t *child = config_setting_get_elem(setting, (unsigned int)i);
		const char *name = config_setting_name(child);

		FUZZ_CHECK(*at < prescan->count);
		FUZZ_CHECK(slice_eq_str(prescan->marks[*at].name, name ? name : ""));
		FUZZ_CHECK(config_setting_source_line(child) >= prescan->marks[*at].line);
		(*at)++;
		check_setting(child, prescan, at);
	}
}

static void check_against_libconfig(struct slice text, const struct prescan *prescan)
{
	char *copy = malloc(text.len + 2);
	size_t at = 0;
	config_t config;

	FUZZ_CHECK(copy);
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	memcpy(copy + text.len, "\n", 2);
	config_init(&config);
	FUZZ_CHECK(config_read_string(&config, copy));
	check_setting(config_root_setting(&config), prescan, &at);
	FUZZ_CHECK(at == prescan->count);
	config_destroy(&config);
	free(copy);
}

static void check_prefixes(struct slice text)
{
	for (size_t len = 0; len < text.len && text.len <= PREFIXES_MAX; len++) {
		struct prescan prescan = { 0 };
		struct error error;

		FUZZ_CHECK(prescan_object((struct slice){ text.ptr, len }, &prescan, &error) !=
			   PRESCAN_INVALID);
		prescan_fini(&prescan);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice text = { (const char *)bytes, size };
	struct prescan prescan = { 0 };
	struct error error = { 0 };
	enum prescan_verdict whole, object;

	whole = prescan_document(text, &prescan, &error);
	if (whole == PRESCAN_COMPLETE)
		check_against_libconfig(text, &prescan);
	else
		FUZZ_CHECK(error.line > 0 && error.column > 0 && error.message[0]);
	prescan_fini(&prescan);
	object = prescan_object(text, &prescan, &error);
	prescan_fini(&prescan);
	if (object == PRESCAN_COMPLETE) {
		FUZZ_CHECK(whole == PRESCAN_COMPLETE);
		check_prefixes(text);
	}
	return 0;
}
