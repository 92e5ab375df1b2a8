/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of JSON schemas, as small as their keywords allow. References are followed, recursive
 * schemas are cut at a depth where only what is required remains. */
#include "simulator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEPTH_MAX = 24,
	ITEMS_MAX = 64,
	LENGTH_MAX = 4096,
	VALUES_MAX = 2000, /* a schema that refers to itself often would never end */
};

struct making {
	json_t *root;
	uint64_t seed;
	uint64_t count; /* of strings made: each takes another word */
	int depth, values;
};

static json_t *make(struct making *making, json_t *schema);

static const char *text_of(json_t *schema, const char *key)
{
	return json_string_value(json_object_get(schema, key));
}

/* The integer of a keyword, from 0 to max. */
static size_t bounded(json_t *schema, const char *key, size_t missing, size_t max)
{
	json_t *value = json_object_get(schema, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return missing;
	return (size_t)json_integer_value(value) > max ? max : (size_t)json_integer_value(value);
}

/* "#", "#/$defs/name", … with ~0 and ~1. */
static json_t *follow(struct making *making, const char *pointer)
{
	json_t *at = making->root;
	char key[256];

	if (pointer[0] != '#')
		return NULL;
	for (pointer++; *pointer == '/' && at;) {
		size_t len = 0;

		for (pointer++; *pointer && *pointer != '/' && len + 1 < sizeof(key); pointer++) {
			if (pointer[0] == '~' && (pointer[1] == '0' || pointer[1] == '1'))
				key[len++] = *++pointer == '0' ? '~' : '/';
			else
				key[len++] = *pointer;
		}
		key[len] = '\0';
		at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10))
				       : json_object_get(at, key);
	}
	return at;
}

static json_t *make_string(struct making *making, json_t *schema)
{
	static const struct {
		const char *format, *text;
	} formats[] = {
		{ "date-time", "2026-01-01T00:00:00Z" },
		{ "date", "2026-01-01" },
		{ "time", "00:00:00Z" },
		{ "duration", "PT1M" },
		{ "email", "keeper@harbour.example" },
		{ "hostname", "harbour.example" },
		{ "ipv4", "192.0.2.1" },
		{ "ipv6", "2001:db8::1" },
		{ "uri", "https://harbour.example/" },
		{ "uuid", "00000000-0000-4000-8000-000000000000" },
	};
	const char *format = text_of(schema, "format");
	size_t least = bounded(schema, "minLength", 0, LENGTH_MAX);
	size_t most = bounded(schema, "maxLength", LENGTH_MAX, LENGTH_MAX);
	char text[LENGTH_MAX + 16] = "";
	size_t len = 0;

	for (size_t i = 0; format && i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(format, formats[i].format) == 0)
			return json_string(formats[i].text);
	}
	do {
		int more = snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
				    word_at(making->seed, making->count++));
		len += more > 0 ? (size_t)more : 0;
	} while (len < least);
	return json_stringn(text, len < most ? len : most);
}

static json_t *make_number(json_t *schema, bool integer)
{
	json_t *minimum = json_object_get(schema, "minimum"),
	       *above = json_object_get(schema, "exclusiveMinimum"),
	       *maximum = json_object_get(schema, "maximum"),
	       *below = json_object_get(schema, "exclusiveMaximum");
	double step = json_number_value(json_object_get(schema, "multipleOf"));
	double value = 1;

	step = step > 0 ? step : 1;
	if (json_is_number(minimum) && value < json_number_value(minimum))
		value = json_number_value(minimum);
	if (json_is_number(above) && value <= json_number_value(above))
		value = floor(json_number_value(above)) + 1;
	if (json_is_number(maximum) && value > json_number_value(maximum))
		value = json_number_value(maximum);
	if (json_is_number(below) && value >= json_number_value(below))
		value = ceil(json_number_value(below)) - 1;
	if (integer)
		value = ceil(value);
	if (json_object_get(schema, "multipleOf"))
		value = ceil(value / step) * step;
	return fabs(value) < 9e15 && value == floor(value) ? json_integer((json_int_t)value)
							   : json_real(value);
}

static json_t *make_array(struct making *making, json_t *schema)
{
	json_t *array = json_array(), *items = json_object_get(schema, "items");
	json_t *prefix = json_object_get(schema, "prefixItems");
	size_t count = bounded(schema, "minItems", 1, ITEMS_MAX);

	if (bounded(schema, "maxItems", ITEMS_MAX, ITEMS_MAX) < count)
		count = bounded(schema, "maxItems", ITEMS_MAX, ITEMS_MAX);
	if (making->depth > DEPTH_MAX / 2 && !json_object_get(schema, "minItems"))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_array_get(prefix, i);

		json_array_append_new(array, make(making, item ? item : items));
	}
	return array;
}

static bool is_required(json_t *required, const char *name)
{
	size_t index;
	json_t *one;

	json_array_foreach (required, index, one) {
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	}
	return false;
}

/* What is required; where nothing is said of that, everything that is named. */
static json_t *make_object(struct making *making, json_t *schema)
{
	json_t *object = json_object(), *properties = json_object_get(schema, "properties");
	json_t *required = json_object_get(schema, "required"), *one;
	const char *name;
	size_t index;

	json_object_foreach (properties, name, one) {
		if (required ? is_required(required, name) : making->depth <= DEPTH_MAX / 2)
			json_object_set_new(object, name, make(making, one));
	}
	json_array_foreach (required, index, one) {
		if (json_is_string(one) && !json_object_get(object, json_string_value(one)))
			json_object_set_new(object, json_string_value(one), make(making, NULL));
	}
	return object;
}

static const char *type_of(json_t *schema)
{
	json_t *type = json_object_get(schema, "type");

	if (json_is_array(type))
		type = json_array_get(type, 0);
	if (json_is_string(type))
		return json_string_value(type);
	if (json_object_get(schema, "properties") || json_object_get(schema, "required"))
		return "object";
	if (json_object_get(schema, "items"))
		return "array";
	return "string";
}

/* allOf: the objects of all branches as one. */
static json_t *make_all(struct making *making, json_t *schema, json_t *branches)
{
	json_t *object = make_object(making, schema), *branch, *part;
	size_t index;

	json_array_foreach (branches, index, branch) {
		part = make(making, branch);
		if (!json_is_object(part)) {
			json_decref(object);
			return part;
		}
		json_object_update_missing(object, part);
		json_decref(part);
	}
	return object;
}

static json_t *make_by_type(struct making *making, json_t *schema)
{
	const char *type = type_of(schema);

	if (strcmp(type, "object") == 0)
		return make_object(making, schema);
	if (strcmp(type, "array") == 0)
		return make_array(making, schema);
	if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
		return make_number(schema, strcmp(type, "integer") == 0);
	if (strcmp(type, "boolean") == 0)
		return json_true();
	if (strcmp(type, "null") == 0)
		return json_null();
	return make_string(making, schema);
}

static json_t *make_here(struct making *making, json_t *schema)
{
	static const char *const branches[] = { "anyOf", "oneOf" };
	const char *reference = text_of(schema, "$ref");
	json_t *known = json_object_get(schema, "const");

	if (reference)
		return make(making, follow(making, reference));
	if (!known)
		known = json_array_get(json_object_get(schema, "enum"), 0);
	if (known)
		return json_incref(known);
	for (size_t i = 0; i < 2; i++) {
		json_t *list = json_object_get(schema, branches[i]);

		/* Deep down the last branch: of recursive types it is mostly null. */
		if (json_array_size(list) > 0)
			return make(making, json_array_get(list, making->depth > DEPTH_MAX / 2
								     ? json_array_size(list) - 1
								     : 0));
	}
	if (json_array_size(json_object_get(schema, "allOf")) > 0)
		return make_all(making, schema, json_object_get(schema, "allOf"));
	return make_by_type(making, schema);
}

static json_t *make(struct making *making, json_t *schema)
{
	json_t *value;

	if (making->depth == DEPTH_MAX || making->values == VALUES_MAX)
		return json_null();
	making->values++;
	making->depth++;
	value = make_here(making, schema);
	making->depth--;
	return value;
}

json_t *schema_instance(json_t *schema, uint64_t seed)
{
	struct making making = { .root = schema, .seed = seed };

	return make(&making, schema);
}
