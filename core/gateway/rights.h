/* SPDX-License-Identifier: Apache-2.0 */
/* What a key may ask for. Private to the gateway. [any] */
#pragma once

#include "keys/keys.h"

/* Whether a name that clients say, of a route or of a model, is one that key and tenant may use. */
bool rights_allow_model(const struct keys_entry *key, struct slice name, bool is_route);
/* Whether it may be used from there. */
bool rights_allow_client(const struct keys_entry *key, const struct network_address *client);
/* Whether there is any that it may not: then nobody is told by its errors which there are. */
bool rights_limited(const struct keys_entry *key);
/* A '*' stands for any bytes, and everything else for itself. */
bool rights_pattern_matches(struct slice pattern, struct slice text);
