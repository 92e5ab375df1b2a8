/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that have a model's name in them. */
#pragma once

#include <tidegate/provider.h>

/* Writes `text` as one segment of a path, whatever it has in it (RFC 3986, 2.1): up to three bytes
 * for each. Returns where it ends. */
char *path_put_encoded(char *at, struct tide_slice text);
