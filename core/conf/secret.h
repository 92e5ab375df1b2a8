/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are named in the configuration and read from files; their text never is part of a
 * message. */
#pragma once

#include "conf/snapshot.h"

enum {
	SECRET_BYTES_MAX = 8192,
};

/* Reads what `text`, "file:PATH" or "credential:NAME", names: one line, or `lines` as in PEM. A
 * live object may name files in `secrets` beside the main file or in STATE alone: who may write one
 * from a browser must not be able to have the daemon send any file it can read to an address of
 * their choice. Errors are about `place`. */
int secret_read(struct snapshot *snapshot, enum conf_owner owner, const char *text, bool lines,
		const struct conf_place *place, const char **ret, struct error *error);
