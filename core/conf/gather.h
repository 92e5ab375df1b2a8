/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from where they are written: lists in the main file, folders of object files, one text.
 * Each is held against the owner of its kind. Broken objects are kept by name, so that what refers
 * to them is no second error. */
#pragma once

#include "conf/read.h"

enum {
	OBJECT_FILE_BYTES_MAX = 1048576,
};

struct gather {
	struct snapshot *snapshot; /* its main file has been read */
	struct objects *objects;
	struct report *report;
};

/* All return 0 where errors were reported, too; -ENOMEM. */
int gather_inline(const struct gather *gather, const struct document *document);
/* FOLDER/KIND/NAME.conf; none where the folder does not exist. */
int gather_folder(const struct gather *gather, const char *folder, enum conf_owner owner);
/* The text of the object `name` as if it stood in `file`; both must live as long as the snapshot.
 */
int gather_text(const struct gather *gather, enum conf_kind kind, const char *name,
		const char *file, struct slice text, enum conf_owner owner);

/* FOLDER/KIND/NAME.conf with the name percent-encoded; NULL when out of memory or too long for a
 * file name. */
const char *gather_path(struct snapshot *snapshot, const char *folder, enum conf_kind kind,
			struct slice name);
