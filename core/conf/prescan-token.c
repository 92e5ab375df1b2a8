/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens as libconfig 1.5 reads them, less what it would change silently: integers beyond their
 * type wrap there, unknown escapes stay literal, a NUL cuts a string. The bytes are checked as a
 * whole before the first token. */
#include "conf/prescan-token.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

static int fault(struct token_reader *reader, bool open, uint32_t line, uint32_t column,
		 const char *format, va_list args)
{
	char message[sizeof(reader->error->message)];

	vsnprintf(message, sizeof(message), format, args);
	return error_set_at(reader->error, open ? -EAGAIN : -EINVAL, NULL, line, column, "%s",
			    message);
}

int token_fault(struct token_reader *reader, const char *format, ...)
{
	const struct token *token = &reader->token;
	va_list args;
	int r;

	va_start(args, format);
	r = fault(reader, token->open, token->line, token->column, format, args);
	va_end(args);
	return r;
}

int token_fault_at(struct token_reader *reader, uint32_t line, uint32_t column, const char *format,
		   ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = fault(reader, false, line, column, format, args);
	va_end(args);
	return r;
}

int token_unexpected(struct token_reader *reader, const char *wanted)
{
	if (reader->token.type == TOKEN_END)
		return token_fault(reader, "expected %s, found the end of the text", wanted);
	if (reader->token.type == TOKEN_STRING)
		return token_fault(reader, "expected %s, found a string", wanted);
	return token_fault(reader, "expected %s, found \"%.*s\"", wanted,
			   SLICE_ARGS(reader->token.text));
}

bool token_opens(enum token_type type)
{
	return type == TOKEN_GROUP || type == TOKEN_ARRAY || type == TOKEN_LIST;
}

bool token_is_value(enum token_type type)
{
	return token_opens(type) || (type >= TOKEN_BOOLEAN && type <= TOKEN_STRING);
}

void token_reader_init(struct token_reader *reader, struct slice text, struct error *error)
{
	*reader = (struct token_reader){
		.at = text.ptr,
		.end = text.ptr + text.len,
		.line_start = text.ptr,
		.line = 1,
		.error = error,
	};
}

static uint32_t column_of(const struct token_reader *reader, const char *at)
{
	return (uint32_t)(at - reader->line_start) + 1;
}

/* A sequence the text ends in the middle of. */
static bool cut_sequence(const char *at, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)at;
	size_t need = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;

	if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || len >= need)
		return false;
	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* One character of text, wherever it stands. */
static int step(struct token_reader *reader)
{
	size_t left = (size_t)(reader->end - reader->at);
	uint32_t point;
	size_t len = utf8_decode(reader->at, left, &point);

	reader->token.text = (struct slice){ reader->at, len > 0 ? len : 1 };
	reader->token.line = reader->line;
	reader->token.column = column_of(reader, reader->at);
	reader->token.open = false;
	if (len == 0 && cut_sequence(reader->at, left)) {
		reader->token.open = true;
		return token_fault(reader, "the text ends within a character");
	}
	if (len == 0)
		return token_fault_at(reader, reader->line, reader->token.column,
				      "byte 0x%02x is not valid UTF-8; save the file as UTF-8",
				      (unsigned char)reader->at[0]);
	if ((point < 0x20 && point != '\t' && point != '\n' && point != '\r') || point == 0x7f)
		return token_fault_at(reader, reader->line, reader->token.column,
				      "control character 0x%02x is not allowed; remove it", point);
	if (point == 0xfeff && reader->line == 1 && reader->at == reader->line_start)
		return token_fault_at(reader, 1, 1,
				      "the file begins with a byte order mark; save it without");
	reader->at += len;
	if (point == '\n') {
		reader->line++;
		reader->line_start = reader->at;
	}
	return 0;
}

static int skip_line(struct token_reader *reader)
{
	int r = 0;

	while (r == 0 && reader->at < reader->end && *reader->at != '\n')
		r = step(reader);
	return r;
}

static int skip_comment(struct token_reader *reader)
{
	struct token_reader start = *reader;
	int r = 0;

	reader->at += 2;
	while (r == 0 && reader->end - reader->at >= 2) {
		if (reader->at[0] == '*' && reader->at[1] == '/') {
			reader->at += 2;
			return 0;
		}
		r = step(reader);
	}
	if (r == 0 && reader->at < reader->end)
		r = step(reader);
	if (r < 0)
		return r;
	reader->token = (struct token){ TOKEN_END, slice_span(reader->end, reader->end), start.line,
					column_of(&start, start.at), true };
	return token_fault(reader, "the comment is not closed; close it with */");
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

/* Blanks and comments. */
static int skip(struct token_reader *reader)
{
	int r = 0;

	while (r == 0 && reader->at < reader->end) {
		char next = reader->at + 1 < reader->end ? reader->at[1] : '\0';

		if (*reader->at == '#' || (*reader->at == '/' && next == '/'))
			r = skip_line(reader);
		else if (*reader->at == '/' && next == '*')
			r = skip_comment(reader);
		else if (strchr(" \t\r\n", *reader->at) && *reader->at)
			r = step(reader);
		else
			break;
	}
	return r;
}

static int read_escape(struct token_reader *reader)
{
	size_t left = (size_t)(reader->end - reader->at);
	const char *at = reader->at;
	uint32_t column = column_of(reader, at);

	if (left >= 2 && strchr("nrtf\\\"", at[1]) && at[1]) {
		reader->at += 2;
		return 0;
	}
	if (left >= 2 && at[1] != 'x')
		return token_fault_at(reader, reader->line, column,
				      "unknown escape in a string; write \\\\ for a backslash");
	if ((left >= 3 && !isxdigit((unsigned char)at[2])) ||
	    (left >= 4 && !isxdigit((unsigned char)at[3])))
		return token_fault_at(reader, reader->line, column,
				      "\\x needs two hexadecimal digits");
	if (left < 4) {
		reader->at = reader->end;
		return 0;
	}
	if (at[2] > '7' || (at[2] == '0' && at[3] == '0'))
		return token_fault_at(reader, reader->line, column,
				      "\\x is for 01 to 7f; write the character itself, in UTF-8");
	reader->at += 4;
	return 0;
}

static int read_string(struct token_reader *reader)
{
	const char *start = reader->at;
	uint32_t column = column_of(reader, start);
	int r = 0;

	reader->at++;
	while (r == 0 && reader->at < reader->end && *reader->at != '"') {
		if (*reader->at == '\n')
			return token_fault_at(
			    reader, reader->line, column,
			    "the string is not closed on its line; close it with \"");
		r = *reader->at == '\\' ? read_escape(reader) : step(reader);
	}
	if (r < 0)
		return r;
	reader->token = (struct token){ TOKEN_STRING, slice_span(start, reader->at), reader->line,
					column, reader->at == reader->end };
	if (reader->token.open)
		return token_fault(reader, "the string is not closed; close it with \"");
	reader->token.text.len++;
	reader->at++;
	return 0;
}

/* Moves over a run of digits and says whether there was one. */
static bool digits(const char **at, const char *end)
{
	const char *start = *at;

	while (*at < end && isdigit((unsigned char)**at))
		(*at)++;
	return *at > start;
}

/* [+-] (D+ [. D*] | . D+) [e [+-] D+] */
static bool is_float(struct slice text)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	bool whole, fraction = false;

	if (at < end && (*at == '+' || *at == '-'))
		at++;
	whole = digits(&at, end);
	if (at < end && *at == '.') {
		at++;
		fraction = digits(&at, end);
	}
	if (!whole && !fraction)
		return false;
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		if (!digits(&at, end))
			return false;
	}
	return at == end;
}

/* The digits of an integer without sign, 0x and L; empty if it is none. */
static struct slice integer_digits(struct slice text, bool *ret_hex, bool *ret_negative,
				   bool *ret_long)
{
	struct slice rest = text;

	*ret_hex = rest.len > 2 && rest.ptr[0] == '0' && (rest.ptr[1] == 'x' || rest.ptr[1] == 'X');
	*ret_negative = rest.len > 0 && rest.ptr[0] == '-';
	*ret_long = false;
	if (*ret_hex)
		rest = slice_skip(rest, 2);
	else if (rest.len > 0 && (rest.ptr[0] == '-' || rest.ptr[0] == '+'))
		rest = slice_skip(rest, 1);
	for (int i = 0; i < 2 && rest.len > 0 && rest.ptr[rest.len - 1] == 'L'; i++) {
		rest.len--;
		*ret_long = true;
	}
	for (size_t i = 0; i < rest.len; i++) {
		unsigned char c = (unsigned char)rest.ptr[i];
		if (*ret_hex ? !isxdigit(c) : !isdigit(c))
			return (struct slice){ 0 };
	}
	return rest;
}

static int check_integer(struct token_reader *reader, struct slice magnitude, bool hex,
			 bool negative, bool wide)
{
	const struct token *token = &reader->token;
	uint64_t most = wide ? INT64_MAX : INT32_MAX, value = 0;

	most += negative ? 1 : 0;
	for (size_t i = 0; i < magnitude.len; i++) {
		char c = magnitude.ptr[i];
		uint64_t digit = isdigit((unsigned char)c) ? (uint64_t)(c - '0')
							   : (uint64_t)((c | 0x20) - 'a' + 10);
		uint64_t base = hex ? 16 : 10;

		if (value > (most - digit) / base) {
			if (wide)
				return token_fault(reader, "%.*s does not fit in 64 bits",
						   SLICE_ARGS(token->text));
			return token_fault(reader, "%.*s does not fit in 32 bits; write %.*sL",
					   SLICE_ARGS(token->text), SLICE_ARGS(token->text));
		}
		value = value * base + digit;
	}
	return 0;
}

static int read_number(struct token_reader *reader)
{
	struct token *token = &reader->token;
	bool hex, negative, wide;
	struct slice magnitude;

	token->line = reader->line;
	token->column = column_of(reader, reader->at);
	token->text.ptr = reader->at;
	while (reader->at < reader->end &&
	       (is_name(*reader->at) || *reader->at == '+' || *reader->at == '.'))
		reader->at++;
	token->text.len = (size_t)(reader->at - token->text.ptr);
	token->open = reader->at == reader->end;
	magnitude = integer_digits(token->text, &hex, &negative, &wide);
	if (magnitude.len > 0) {
		token->type = wide ? TOKEN_INTEGER64 : TOKEN_INTEGER;
		return check_integer(reader, magnitude, hex, negative, wide);
	}
	if (!is_float(token->text))
		return token_fault(reader, "\"%.*s\" is not a number", SLICE_ARGS(token->text));
	token->type = TOKEN_FLOAT;
	return 0;
}

static void read_name(struct token_reader *reader)
{
	struct token *token = &reader->token;

	token->line = reader->line;
	token->column = column_of(reader, reader->at);
	token->text.ptr = reader->at;
	while (reader->at < reader->end && is_name(*reader->at))
		reader->at++;
	token->text.len = (size_t)(reader->at - token->text.ptr);
	token->open = reader->at == reader->end;
	token->type =
	    slice_case_eq(token->text, SLICE("true")) || slice_case_eq(token->text, SLICE("false"))
		? TOKEN_BOOLEAN
		: TOKEN_NAME;
}

static int read_mark(struct token_reader *reader)
{
	static const char marks[] = "=:,;{}[]()";
	static const enum token_type types[] = {
		TOKEN_ASSIGN,    TOKEN_ASSIGN, TOKEN_COMMA,     TOKEN_SEMICOLON, TOKEN_GROUP,
		TOKEN_GROUP_END, TOKEN_ARRAY,  TOKEN_ARRAY_END, TOKEN_LIST,      TOKEN_LIST_END,
	};
	const char *found = *reader->at ? strchr(marks, *reader->at) : NULL;
	struct token *token = &reader->token;
	int r;

	r = step(reader);
	if (r < 0)
		return r;
	if (found) {
		token->type = types[found - marks];
		return 0;
	}
	if (token->text.ptr[0] == '@')
		return token_fault_at(
		    reader, token->line, token->column,
		    "@include is not allowed; put objects into conf.d/KIND/NAME.conf");
	token->open = token->text.ptr[0] == '/' && reader->at == reader->end;
	if (token->text.ptr[0] != '/')
		return token_fault_at(reader, token->line, token->column,
				      "unexpected character \"%.*s\"", SLICE_ARGS(token->text));
	return token_fault(reader, "unexpected character \"/\"");
}

int token_next(struct token_reader *reader)
{
	char c;
	int r;

	r = skip(reader);
	if (r < 0)
		return r;
	if (reader->at == reader->end) {
		reader->token = (struct token){ TOKEN_END, slice_span(reader->end, reader->end),
						reader->line, column_of(reader, reader->at), true };
		return 0;
	}
	c = *reader->at;
	if (c == '"')
		return read_string(reader);
	if (isdigit((unsigned char)c) || (c && strchr("+-.", c)))
		return read_number(reader);
	if (isalpha((unsigned char)c) || c == '*') {
		read_name(reader);
		return 0;
	}
	return read_mark(reader);
}
