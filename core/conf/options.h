/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of options. Reading, defaults, the reload check, digests, manual page and sample
 * all walk these rows; an option that is not a row does not exist. */
#pragma once

#include "conf/object.h"

enum option_type {
	OPTION_TEXT,     /* const char * */
	OPTION_CHOICE,   /* const char *, one of `values` */
	OPTION_NAME,     /* const char *, the name of an object */
	OPTION_FEATURE,  /* const char *, [A-Za-z0-9._-]{1,64} */
	OPTION_URL,      /* const char *, http(s), without trailing slashes */
	OPTION_PATH,     /* const char *, absolute */
	OPTION_FILE,     /* const char *, absolute, readable now; `extra`: const char * of its text,
			    or 0 */
	OPTION_SECRET,   /* const char * as written; `extra`: const char * of what it names */
	OPTION_TEXTS,    /* const char **, NULL-terminated, each one of `values` if there are some;
			    `extra`: struct conf_place * of each, or 0 */
	OPTION_LISTEN,   /* the same, each HOST:PORT */
	OPTION_NETWORKS, /* the same, each ADDRESS or ADDRESS/BITS; NULL where not given */
	OPTION_SOURCES,  /* the same, each where an end user is said; NULL where not given */
	OPTION_HEADERS,  /* the same, each NAME: VALUE; NULL where not given */
	OPTION_OWNER,    /* enum conf_owner */
	OPTION_FLAG,     /* bool */
	OPTION_COUNT,    /* uint32_t */
	OPTION_MS,       /* uint32_t */
	OPTION_DAYS,     /* uint32_t */
	OPTION_BYTES32,  /* uint32_t */
	OPTION_BYTES,    /* uint64_t */
	OPTION_MONEY,    /* int64_t femto-dollars a token; -1 where not given */
	OPTION_SHA256,   /* uint8_t[32] */
	OPTION_TIME,     /* int64_t, Unix time; 0 where not given */
	OPTION_IDENTITY, /* const char *, a name in a client certificate */
	OPTION_GROUP,  /* rows of `section` in the same struct; `extra`: bool, whether it was given,
			  or 0 */
	OPTION_PLUGIN, /* a provider's lines for its plugin */
	OPTION_OBJECTS, /* inline objects of `kind` */
};

enum option_flags {
	OPTION_REQUIRED = 1 << 0,
	OPTION_RESTART = 1 << 1,   /* a reload may not change it */
	OPTION_OR_NONE = 1 << 2,   /* "none" stands for NULL */
	OPTION_NO_FOLDER = 1 << 3, /* texts are names of files, not paths */
	OPTION_LINES = 1 << 4,     /* of the main file: a secret of several lines */
};

struct option_section;

struct option {
	const char *name;
	enum option_type type;
	unsigned int flags;
	size_t offset, extra;
	uint64_t min, max;    /* of numbers */
	const char *fallback; /* the default as it would be written, lists with blanks between;
				 NULL: none */
	const char *values;   /* "a|b|c" */
	const struct option_section *section;
	enum conf_kind kind;
	const char *example; /* for the sample, where the default says too little */
	const char *doc;     /* sentences */
};

struct option_section {
	const char *name; /* "" for the top of the main file */
	const char *doc;
	const struct option *rows;
	size_t count;
};

extern const struct option_section options_main;
const struct option_section *options_of_kind(enum conf_kind kind);

const struct option *option_find(const struct option_section *section, struct slice name);
/* The row whose name looks most like `name`, or NULL if none is close. */
const struct option *option_suggest(const struct option_section *section, struct slice name);
/* What a value of this row must be: "an integer (milliseconds) from 1 to 3600000". */
void option_describe(const struct option *option, struct buffer *out);
/* The value in `base` as canonical text, the same for equal values; for digests and comparisons. */
void option_write_value(const struct option *option, const void *base, struct buffer *out);

/* A row's field, and where its second result goes. */
static inline void *option_field(const struct option *option, void *base)
{
	return (char *)base + option->offset;
}

static inline void *option_extra(const struct option *option, void *base)
{
	return (char *)base + option->extra;
}
