/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as text for people. With --json the answer itself is printed instead. */
#pragma once

#include <stdbool.h>

#include "base/json.h"

enum {
	PRINT_CELL_MAX = 512,
};

struct print_column {
	const char *title, *field;
	bool number;
};

/* Any scalar as text that is safe to print; "-" for none. */
void print_field(json_t *object, const char *field, char out[static PRINT_CELL_MAX]);
/* The first column is cut where lines would be wider than `width_max`; 0: they may. */
void print_table(json_t *rows, const struct print_column *columns, size_t count, size_t width_max);
void print_costs_table(json_t *rows, size_t width_max);

void print_json(json_t *value);
void print_status(json_t *value);
void print_keys(json_t *value);
void print_key_made(json_t *value);
void print_log_row(json_t *row);
