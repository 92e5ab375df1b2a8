/* SPDX-License-Identifier: Apache-2.0 */
/* An object's `options: { … }` against its plugin's rows: unknown names, wrong types and bounds are
 * errors with their place in the file. */
#include "plugin/private.h"

#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"

void plugin_values_free(struct plugin_value *values, size_t count)
{
	for (size_t i = 0; values && i < count; i++)
		free(values[i].text);
	free(values);
}

static const char *type_name(uint32_t type)
{
	static const char *const names[] = { "a string", "a whole number", "true or false" };

	return names[type];
}

static int parse_text(const struct tide_option *row, const char *text, struct plugin_value *value)
{
	char *end;

	value->row = row;
	value->text = strdup(text);
	if (!value->text)
		return -ENOMEM;
	if (row->type == TIDE_OPTION_BOOL)
		value->number = strcmp(text, "true") == 0;
	if (row->type != TIDE_OPTION_INT)
		return 0;
	errno = 0;
	value->number = strtoll(text, &end, 10);
	if (errno || *end || value->number < row->min || value->number > row->max)
		return -ERANGE;
	return 0;
}

static int read_one(const struct tide_plugin *plugin, const struct conf_plugin_option *given,
		    struct plugin_value *values, struct error *error)
{
	static const uint32_t types[] = { [CONF_TEXT] = TIDE_OPTION_STRING,
					  [CONF_NUMBER] = TIDE_OPTION_INT,
					  [CONF_BOOLEAN] = TIDE_OPTION_BOOL };
	const struct conf_place *at = &given->place;
	const struct tide_option *row;
	uint64_t i = 0;
	int r;

	while (i < plugin->option_count && strcmp(plugin->options[i].name, given->name) != 0)
		i++;
	if (i == plugin->option_count)
		return error_set_at(
		    error, -EINVAL, at->file, at->line, at->column,
		    "unknown option \"%s\" of plugin %s (tidegated --inspect lists them)",
		    given->name, plugin->name);
	row = &plugin->options[i];
	if (types[given->type] != row->type)
		return error_set_at(error, -EINVAL, at->file, at->line, at->column,
				    "option %s of plugin %s takes %s", given->name, plugin->name,
				    type_name(row->type));
	r = parse_text(row, given->text, &values[i]);
	if (r == -ERANGE)
		return error_set_at(error, -EINVAL, at->file, at->line, at->column,
				    "option %s of plugin %s takes %" PRId64 " to %" PRId64
				    ", not %s",
				    given->name, plugin->name, row->min, row->max, given->text);
	return r;
}

static int fill_defaults(const struct tide_plugin *plugin, const struct plugin_object *object,
			 struct plugin_value *values, struct error *error)
{
	for (uint64_t i = 0; i < plugin->option_count; i++) {
		const struct tide_option *row = &plugin->options[i];
		if (values[i].row)
			continue;
		if (row->flags & TIDE_OPTION_REQUIRED)
			return error_set_at(
			    error, -EINVAL, object->place->file, object->place->line,
			    object->place->column,
			    "%s %s: plugin %s needs the option %s in options: { … }",
			    plugin_kind_name(object->kind), object->name, plugin->name, row->name);
		if (!row->default_text)
			continue;
		if (parse_text(row, row->default_text, &values[i]) < 0)
			return error_set(error, -EPROTO,
					 "plugin %s: the default of its option %s is not valid",
					 plugin->name, row->name);
	}
	return 0;
}

int plugin_values_read(const struct tide_plugin *plugin, const struct plugin_object *object,
		       struct plugin_value **ret, struct error *error)
{
	struct plugin_value *values = calloc(plugin->option_count + 1, sizeof(*values));
	int r = 0;

	if (!values)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < object->options->count && r >= 0; i++)
		r = read_one(plugin, &object->options->rows[i], values, error);
	if (r >= 0)
		r = fill_defaults(plugin, object, values, error);
	if (r < 0) {
		plugin_values_free(values, plugin->option_count);
		return r;
	}
	*ret = values;
	return 0;
}
