/* SPDX-License-Identifier: Apache-2.0 */
/* One setting's value, or a row's default, into its struct. For read.c alone. */
#pragma once

#include "conf/read.h"

/* 0; -EINVAL with the error reported; -ENOMEM. */
int read_value(const struct reader *reader, const config_setting_t *setting,
	       const struct option *option, void *base);
int read_fallback(const struct reader *reader, const struct option *option, void *base);
/* Reports "NAME must be …; this is …". */
int read_wrong_type(const struct reader *reader, const config_setting_t *setting,
		    const struct option *option);
