/* SPDX-License-Identifier: Apache-2.0 */
/* Values by their row's type. Every refusal says what the value must be and stands at the value's
 * own column. */
#include "conf/read-value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "conf/secret.h"
#include "conf/value.h"

enum {
	TAKEN_FILE_BYTES_MAX = 1048576,
};

static const char *type_words(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return "a list";
	case CONFIG_TYPE_STRING:
		return "text";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_FLOAT:
		return "a number with a point";
	default:
		return "an integer";
	}
}

static int must_be(const struct reader *reader, const config_setting_t *setting,
		   const struct option *option, const char *found)
{
	struct conf_place place = document_value_place(reader->document, setting);
	_cleanup_(buffer_fini) struct buffer wanted = { 0 };

	option_describe(option, &wanted);
	return report_at(reader->report, &place, "\"%s\" must be %.*s; this is %s", option->name,
			 SLICE_ARGS(buffer_slice(&wanted)), found);
}

int read_wrong_type(const struct reader *reader, const config_setting_t *setting,
		    const struct option *option)
{
	return must_be(reader, setting, option, type_words(setting));
}

static int wrong(const struct reader *reader, const config_setting_t *setting,
		 const struct option *option, const char *what)
{
	struct conf_place place = document_value_place(reader->document, setting);

	return report_at(reader->report, &place, "\"%s\" %s", option->name, what);
}

static bool one_of(struct slice text, const char *values)
{
	struct slice rest = slice_of(values);

	while (rest.len > 0) {
		if (slice_eq(slice_cut(rest, '|', &rest), text))
			return true;
	}
	return false;
}

static int not_of_values(const struct reader *reader, const config_setting_t *setting,
			 const struct option *option, struct slice text)
{
	char found[64];

	snprintf(found, sizeof(found), "\"%.*s\"", text.len < 40 ? (int)text.len : 40, text.ptr);
	return must_be(reader, setting, option, found);
}

static const char *check(const struct option *option, struct slice text)
{
	if ((option->flags & OPTION_NO_FOLDER) && memchr(text.ptr, '/', text.len))
		return "must name files, without their folder";
	switch (option->type) {
	case OPTION_NAME:
		return value_check_name(text);
	case OPTION_FEATURE:
		return value_check_feature(text);
	case OPTION_URL:
		return value_check_url(text);
	case OPTION_IDENTITY:
		return value_check_identity(text);
	case OPTION_LISTEN:
		return value_check_listen(text);
	case OPTION_NETWORKS:
		return value_check_network(text);
	case OPTION_HEADERS:
		return value_check_header(text);
	case OPTION_SOURCES:
		return value_check_source(text);
	default:
		return value_check_text(text);
	}
}

static int store_text(const struct reader *reader, const struct option *option, void *base,
		      struct slice text)
{
	struct snapshot *snapshot = reader->snapshot;
	const char **out = option_field(option, base);

	if ((option->flags & OPTION_OR_NONE) && slice_eq(text, SLICE("none"))) {
		*out = NULL;
		return 0;
	}
	while (option->type == OPTION_URL && text.len > 0 && text.ptr[text.len - 1] == '/')
		text.len--;
	if (option->type == OPTION_PATH || option->type == OPTION_FILE)
		*out = snapshot_path(snapshot, snapshot->folder, text);
	else
		*out = snapshot_text(snapshot, text);
	return *out ? 0 : report_no_memory(reader->report);
}

static int check_file(const struct reader *reader, const config_setting_t *setting,
		      const struct option *option, const char *path)
{
	struct conf_place place = document_value_place(reader->document, setting);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return 0;
	return report_at(reader->report, &place, "\"%s\": cannot read %s: %s", option->name, path,
			 strerror(errno));
}

/* A file whose text belongs to the configuration: it comes into force with it, and not before. */
static int take_file(const struct reader *reader, const config_setting_t *setting,
		     const struct option *option, const char *path, const char **ret)
{
	struct conf_place place = document_value_place(reader->document, setting);
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	struct error error = { 0 };

	if (file_read(path, TAKEN_FILE_BYTES_MAX, &content, &error) < 0)
		return report_at(reader->report, &place, "\"%s\": %s: %s", option->name, path,
				 error.message);
	*ret = snapshot_text(reader->snapshot, buffer_slice(&content));
	return *ret ? 0 : report_no_memory(reader->report);
}

static int read_secret(const struct reader *reader, const config_setting_t *setting,
		       const struct option *option, void *base)
{
	struct conf_place place = document_value_place(reader->document, setting);
	bool lines = option->flags & OPTION_LINES;
	struct error error = { 0 };
	int r;

	r = secret_read(
	    reader->snapshot, lines ? CONF_OWNER_FILES : ((const struct object *)base)->owner,
	    config_setting_get_string(setting), lines, &place, option_extra(option, base), &error);
	if (r < 0)
		return report_error(reader->report, r, &error);
	return store_text(reader, option, base, slice_of(config_setting_get_string(setting)));
}

static int read_text(const struct reader *reader, const config_setting_t *setting,
		     const struct option *option, void *base)
{
	struct slice text = slice_of(config_setting_get_string(setting));
	const char *complaint;
	int r;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return read_wrong_type(reader, setting, option);
	complaint = check(option, text);
	if (complaint)
		return wrong(reader, setting, option, complaint);
	if (option->type == OPTION_SECRET)
		return read_secret(reader, setting, option, base);
	if (option->values && !one_of(text, option->values))
		return not_of_values(reader, setting, option, text);
	if (option->type == OPTION_NAME && option->extra)
		*(struct conf_place *)option_extra(option, base) =
		    document_value_place(reader->document, setting);
	r = store_text(reader, option, base, text);
	if (r < 0 || option->type != OPTION_FILE)
		return r;
	if (option->extra)
		return take_file(reader, setting, option,
				 *(const char **)option_field(option, base),
				 option_extra(option, base));
	return check_file(reader, setting, option, *(const char **)option_field(option, base));
}

static int read_owner(const struct reader *reader, const config_setting_t *setting,
		      const struct option *option, void *base)
{
	struct slice text = slice_of(config_setting_get_string(setting));
	const char *complaint;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return read_wrong_type(reader, setting, option);
	complaint = check(option, text);
	if (complaint)
		return wrong(reader, setting, option, complaint);
	if (!one_of(text, option->values))
		return not_of_values(reader, setting, option, text);
	*(enum conf_owner *)option_field(option, base) =
	    slice_eq_str(text, "live") ? CONF_OWNER_LIVE : CONF_OWNER_FILES;
	return 0;
}

static int read_texts(const struct reader *reader, const config_setting_t *setting,
		      const struct option *option, void *base)
{
	int count = config_setting_length(setting);
	struct conf_place *places;
	const char **texts;

	if (!config_setting_is_array(setting) && !config_setting_is_list(setting))
		return read_wrong_type(reader, setting, option);
	if (count == 0 && (option->type == OPTION_LISTEN || (option->flags & OPTION_REQUIRED)))
		return wrong(reader, setting, option, "must not be empty");
	texts = snapshot_zalloc(reader->snapshot, (size_t)count + 1, sizeof(*texts));
	places = snapshot_zalloc(reader->snapshot, (size_t)count + 1, sizeof(*places));
	if (!texts || !places)
		return report_no_memory(reader->report);
	for (int i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(setting, (unsigned int)i);
		struct slice text;
		const char *complaint;

		if (config_setting_type(element) != CONFIG_TYPE_STRING)
			return read_wrong_type(reader, element, option);
		text = slice_of(config_setting_get_string(element));
		complaint = check(option, text);
		if (complaint)
			return wrong(reader, element, option, complaint);
		if (option->values && !one_of(text, option->values))
			return not_of_values(reader, element, option, text);
		places[i] = document_value_place(reader->document, element);
		texts[i] = snapshot_text(reader->snapshot, text);
		if (!texts[i])
			return report_no_memory(reader->report);
	}
	*(const char ***)option_field(option, base) = texts;
	if (option->extra)
		*(struct conf_place **)option_extra(option, base) = places;
	return 0;
}

static void store_number(const struct option *option, void *base, uint64_t number)
{
	if (option->type == OPTION_BYTES)
		*(uint64_t *)option_field(option, base) = number;
	else
		*(uint32_t *)option_field(option, base) = (uint32_t)number;
}

static int64_t integer_of(const config_setting_t *setting)
{
	if (config_setting_type(setting) == CONFIG_TYPE_INT)
		return config_setting_get_int(setting);
	return config_setting_get_int64(setting);
}

static int read_number(const struct reader *reader, const config_setting_t *setting,
		       const struct option *option, void *base)
{
	int type = config_setting_type(setting);
	char found[32];
	int64_t number;

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		return read_wrong_type(reader, setting, option);
	number = integer_of(setting);
	if (number < 0 || (uint64_t)number < option->min || (uint64_t)number > option->max) {
		snprintf(found, sizeof(found), "%" PRId64, number);
		return must_be(reader, setting, option, found);
	}
	store_number(option, base, (uint64_t)number);
	return 0;
}

static int read_money(const struct reader *reader, const config_setting_t *setting,
		      const struct option *option, void *base)
{
	const char *complaint;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return read_wrong_type(reader, setting, option);
	complaint = value_parse_money(slice_of(config_setting_get_string(setting)),
				      option_field(option, base));
	return complaint ? wrong(reader, setting, option, complaint) : 0;
}

static int read_sha256(const struct reader *reader, const config_setting_t *setting,
		       const struct option *option, void *base)
{
	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return read_wrong_type(reader, setting, option);
	if (hash_unhex(slice_of(config_setting_get_string(setting)), option_field(option, base),
		       SHA256_BYTES) < 0)
		return wrong(reader, setting, option, "must be 64 hexadecimal digits");
	return 0;
}

static int read_time(const struct reader *reader, const config_setting_t *setting,
		     const struct option *option, void *base)
{
	struct slice text = slice_of(config_setting_get_string(setting));

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return read_wrong_type(reader, setting, option);
	if (clock_parse(text, option_field(option, base)) < 0)
		return not_of_values(reader, setting, option, text);
	return 0;
}

/* Numbers keep the text they are written in, so that a fraction goes through no float; integers
 * become decimal. */
static int read_plugin_option(const struct reader *reader, const config_setting_t *setting,
			      struct conf_plugin_option *out)
{
	struct conf_place place = document_value_place(reader->document, setting);
	struct snapshot *snapshot = reader->snapshot;
	int type = config_setting_type(setting);

	out->place = place;
	out->name = snapshot_text(snapshot, slice_of(config_setting_name(setting)));
	if (type == CONFIG_TYPE_STRING) {
		out->type = CONF_TEXT;
		out->text = snapshot_text(snapshot, slice_of(config_setting_get_string(setting)));
	} else if (type == CONFIG_TYPE_BOOL) {
		out->type = CONF_BOOLEAN;
		out->text = config_setting_get_bool(setting) ? "true" : "false";
	} else if (type == CONFIG_TYPE_FLOAT) {
		out->type = CONF_NUMBER;
		out->text = snapshot_text(snapshot, document_value_text(setting));
	} else if (config_setting_is_number(setting)) {
		out->type = CONF_NUMBER;
		out->text = arena_printf(&snapshot->arena, "%" PRId64, integer_of(setting)).ptr;
	} else {
		return report_at(reader->report, &place,
				 "\"%s\" must be text, a number, true or false; this is %s",
				 config_setting_name(setting), type_words(setting));
	}
	return out->name && out->text ? 0 : report_no_memory(reader->report);
}

static int read_plugin_options(const struct reader *reader, const config_setting_t *setting,
			       const struct option *option, void *base)
{
	int count = config_setting_length(setting), result = 0, r;
	struct conf_plugin_options *ret = option_field(option, base);
	struct conf_plugin_option *options;

	if (!config_setting_is_group(setting))
		return read_wrong_type(reader, setting, option);
	options = snapshot_zalloc(reader->snapshot, (size_t)count, sizeof(*options));
	if (!options)
		return report_no_memory(reader->report);
	for (int i = 0; i < count; i++) {
		r = read_plugin_option(reader, config_setting_get_elem(setting, (unsigned int)i),
				       &options[i]);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	*ret = (struct conf_plugin_options){ options, (size_t)count };
	return result;
}

int read_value(const struct reader *reader, const config_setting_t *setting,
	       const struct option *option, void *base)
{
	switch (option->type) {
	case OPTION_FLAG:
		if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
			return read_wrong_type(reader, setting, option);
		*(bool *)option_field(option, base) = config_setting_get_bool(setting);
		return 0;
	case OPTION_COUNT:
	case OPTION_MS:
	case OPTION_DAYS:
	case OPTION_BYTES32:
	case OPTION_BYTES:
		return read_number(reader, setting, option, base);
	case OPTION_MONEY:
		return read_money(reader, setting, option, base);
	case OPTION_SHA256:
		return read_sha256(reader, setting, option, base);
	case OPTION_TIME:
		return read_time(reader, setting, option, base);
	case OPTION_TEXTS:
	case OPTION_LISTEN:
	case OPTION_NETWORKS:
	case OPTION_SOURCES:
	case OPTION_HEADERS:
		return read_texts(reader, setting, option, base);
	case OPTION_OWNER:
		return read_owner(reader, setting, option, base);
	case OPTION_PLUGIN:
		return read_plugin_options(reader, setting, option, base);
	default:
		return read_text(reader, setting, option, base);
	}
}

static int fallback_texts(const struct reader *reader, const struct option *option, void *base)
{
	struct slice rest = slice_of(option->fallback);
	const char **texts;
	size_t count = 1;

	for (size_t i = 0; i < rest.len; i++)
		count += rest.ptr[i] == ' ';
	texts = snapshot_zalloc(reader->snapshot, count + 1, sizeof(*texts));
	if (!texts)
		return report_no_memory(reader->report);
	for (size_t i = 0; i < count; i++) {
		texts[i] = snapshot_text(reader->snapshot, slice_cut(rest, ' ', &rest));
		if (!texts[i])
			return report_no_memory(reader->report);
	}
	*(const char ***)option_field(option, base) = texts;
	return 0;
}

int read_fallback(const struct reader *reader, const struct option *option, void *base)
{
	struct slice text = slice_of(option->fallback);
	uint64_t number = 0;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)option_field(option, base) = slice_eq_str(text, "true");
		return 0;
	case OPTION_COUNT:
	case OPTION_MS:
	case OPTION_DAYS:
	case OPTION_BYTES32:
	case OPTION_BYTES:
		(void)slice_to_u64(text, &number);
		store_number(option, base, number);
		return 0;
	case OPTION_OWNER:
		*(enum conf_owner *)option_field(option, base) =
		    slice_eq_str(text, "live") ? CONF_OWNER_LIVE : CONF_OWNER_FILES;
		return 0;
	case OPTION_TEXTS:
	case OPTION_LISTEN:
		return fallback_texts(reader, option, base);
	default:
		return store_text(reader, option, base, text);
	}
}
