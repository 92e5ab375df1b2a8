/* SPDX-License-Identifier: Apache-2.0 */
/* What a piece of text must look like to be a name, an address, an amount. The checks return NULL,
 * or what is wrong as the end of a sentence: "… must not contain a blank". Pure. */
#pragma once

#include "base/slice.h"

enum {
	VALUE_NAME_MAX = 128,
	VALUE_TEXT_MAX = 4096,
	VALUE_FEATURE_MAX = 64,
};

const char *value_check_text(struct slice text);
const char *value_check_name(struct slice text); /* of any kind; see conf_check_name */
const char *value_check_feature(struct slice text);
const char *value_check_url(struct slice text);
const char *value_check_identity(struct slice text);
const char *value_check_listen(struct slice text);
const char *value_check_network(struct slice text);
/* Where a request says its end user: "header:NAME", "body:user" and so on. */
const char *value_check_source(struct slice text);
/* NAME: VALUE, of a request to a provider: none that frames it, and none that carries a key. */
const char *value_check_header(struct slice text);
/* Whether two checked listeners would take each other's connections: the same port of one address,
 * or of an address and the wildcard of its family. Port 0 never does. */
bool value_listen_overlap(struct slice first, struct slice second);
/* Dollars for a million tokens as decimal text into femto-dollars a token, exactly (one is a
 * thousand million of the other): "0.15" is 150000000. */
const char *value_parse_money(struct slice text, int64_t *ret_femto);
