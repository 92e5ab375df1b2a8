/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are named in the configuration and read from files; their text never is part of a
 * message. */
#pragma once

#include "conf/snapshot.h"

enum {
	SECRET_BYTES_MAX = 8192,
};

/* Reads what `text`, "file:PATH" or "credential:NAME", names. -EINVAL and the code of the file
 * otherwise, with a message about `place`. */
int secret_read(struct snapshot *snapshot, const char *text, const struct conf_place *place,
		const char **ret, struct error *error);
