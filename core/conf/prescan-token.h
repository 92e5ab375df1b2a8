/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of configuration text, each with line and column, for the pre-scan alone. Functions
 * return 0, -EINVAL for what no further text can mend, or -EAGAIN for a fault that lies at the end
 * of the text. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum token_type {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_BOOLEAN,
	TOKEN_INTEGER,
	TOKEN_INTEGER64,
	TOKEN_FLOAT,
	TOKEN_STRING,
	TOKEN_ASSIGN,
	TOKEN_COMMA,
	TOKEN_SEMICOLON,
	TOKEN_GROUP,
	TOKEN_GROUP_END,
	TOKEN_ARRAY,
	TOKEN_ARRAY_END,
	TOKEN_LIST,
	TOKEN_LIST_END,
};

struct token {
	enum token_type type;
	struct slice text;
	uint32_t line, column;
	bool open; /* more text could still change it */
};

struct token_reader {
	const char *at, *end;
	const char *line_start;
	uint32_t line;
	struct token token; /* the current one */
	struct error *error;
};

void token_reader_init(struct token_reader *reader, struct slice text, struct error *error);
int token_next(struct token_reader *reader);
bool token_is_value(enum token_type type); /* may begin a value */
bool token_opens(enum token_type type);    /* group, array or list */

/* A fault at the current token, -EAGAIN where that is open. */
int token_fault(struct token_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int token_fault_at(struct token_reader *reader, uint32_t line, uint32_t column, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));
/* "expected WANTED, found …". */
int token_unexpected(struct token_reader *reader, const char *wanted);
