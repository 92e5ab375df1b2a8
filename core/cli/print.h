/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as text for people. With --json the answer itself is printed instead. */
#pragma once

#include "base/json.h"

void print_json(json_t *value);
void print_status(json_t *value);
void print_costs(json_t *value);
void print_keys(json_t *value);
void print_key_made(json_t *value);
void print_log_row(json_t *row);
