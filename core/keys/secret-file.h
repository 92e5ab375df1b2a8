/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that the appliance makes for itself, each a line in a file of its own. Private to keys.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

/* Reads the file, or makes it (0600, random) where there is none; `what` begins the sentence of an
 * error. `ret` lies in `text`, which is to be forgotten whatever comes of it. */
int secret_file_read(const char *path, const char *what, struct buffer *text, struct slice *ret,
		     struct error *error);
void secret_file_forget(struct buffer *text);
