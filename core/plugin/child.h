/* SPDX-License-Identifier: Apache-2.0 */
/* What a child that runs a plugin and its parent do. */
#pragma once

#include <stdbool.h>
#include <unistd.h>

#include "base/buffer.h"

enum {
	PLUGIN_CHILD_MS = 5000,
	PLUGIN_CHILD_MEMORY_BYTES = 512 << 20,
};

/* In the child: gives up what it may do. Ends the process where that fails. */
void plugin_child_drop(uint64_t memory_bytes);
/* In the parent: reads until the child closes its end; false when the deadline passed first. */
bool plugin_child_collect(int fd, struct buffer *out);
