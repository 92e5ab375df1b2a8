/* SPDX-License-Identifier: Apache-2.0 */
/* The scan of a top-level object against jansson's parser: both accept, or both refuse. They differ
 * where it is meant: jansson also refuses numbers that it cannot hold (integers over 64 bits, reals
 * beyond a double) and NUL in a name; the scan also refuses a name that is there twice at the top,
 * deep nesting, and too many members. Members handed out must be jansson's, in number, name and
 * type. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

static struct json_member members[JSON_MEMBERS_MAX];

static enum json_type type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return JSON_SCAN_OBJECT;
	case JSON_ARRAY:
		return JSON_SCAN_ARRAY;
	case JSON_STRING:
		return JSON_SCAN_STRING;
	case JSON_INTEGER:
	case JSON_REAL:
		return JSON_SCAN_NUMBER;
	case JSON_TRUE:
		return JSON_SCAN_TRUE;
	case JSON_FALSE:
		return JSON_SCAN_FALSE;
	case JSON_NULL:
		return JSON_SCAN_NULL;
	}
	abort();
}

/* A name as it is written, by jansson. */
static json_t *name_of(struct slice key)
{
	char *quoted = malloc(key.len + 2);
	json_t *name;

	FUZZ_CHECK(quoted);
	quoted[0] = quoted[key.len + 1] = '"';
	if (key.len > 0)
		memcpy(quoted + 1, key.ptr, key.len);
	name = json_loadb(quoted, key.len + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(name && json_is_string(name));
	free(quoted);
	return name;
}

static void check_members(struct slice text, json_t *tree, int count)
{
	struct json_member next;
	struct slice rest = text;

	FUZZ_CHECK((size_t)count == json_object_size(tree));
	for (int i = 0; i < count; i++) {
		json_t *name = name_of(members[i].key);
		json_t *value = json_object_get(tree, json_string_value(name));

		FUZZ_CHECK(value && type_of(value) == members[i].type);
		FUZZ_CHECK(members[i].value.ptr >= text.ptr &&
			   members[i].value.ptr + members[i].value.len <= text.ptr + text.len);
		FUZZ_CHECK(json_next(&rest, &next) == 1 && next.value.ptr == members[i].value.ptr &&
			   next.type == members[i].type);
		json_decref(name);
	}
	FUZZ_CHECK(json_next(&rest, &next) == 0);
}

static bool refused_by_jansson_alone(const json_error_t *error)
{
	return json_error_code(error) == json_error_numeric_overflow ||
	       json_error_code(error) == json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice text = { (const char *)bytes, size };
	struct error error = { 0 };
	json_error_t why;
	json_t *tree = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &why);
	int count = json_scan_object(text, members, JSON_MEMBERS_MAX, &error);

	FUZZ_CHECK(count >= 0 || (error.message[0] && error.column <= size + 1));
	if (count >= 0 && !tree)
		FUZZ_CHECK(refused_by_jansson_alone(&why));
	if (count >= 0 && tree) {
		FUZZ_CHECK(json_is_object(tree));
		check_members(text, tree, count);
	}
	/* Limits apart, the scan alone refuses a name that is there twice; and a NUL byte, which
	 * jansson 2.14 passes over behind a number. */
	if (count == -EINVAL && tree && json_is_object(tree) && !memchr(text.ptr, 0, text.len)) {
		json_decref(tree);
		tree =
		    json_loadb(text.ptr, text.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
		FUZZ_CHECK(!tree && json_error_code(&why) == json_error_duplicate_key);
	}
	json_decref(tree);
	return 0;
}
