/* SPDX-License-Identifier: Apache-2.0 */
/* From libconfig's tree into structs, by the option table. Includes libconfig: for this folder's
 * reading files alone. */
#pragma once

#include "conf/document.h"
#include "conf/options.h"
#include "conf/snapshot.h"

struct reader {
	struct snapshot *snapshot;
	const struct document *document; /* NULL while defaults are read */
	struct report *report;
};

/* Fills `base` with the section's defaults. 0 or -ENOMEM. */
int read_defaults(const struct reader *reader, const struct option_section *section, void *base);
/* Reads the members of `group` over the defaults; inline objects are skipped. Reports every error;
 * -EINVAL if there was one, -ENOMEM. */
int read_group(const struct reader *reader, const config_setting_t *group,
	       const struct option_section *section, void *base);
