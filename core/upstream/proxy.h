/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy an origin is reached by. Decided when the origin is made, by our own rules: libcurl
 * learned ranges of addresses in NO_PROXY only with 7.86. [any] */
#pragma once

#include "base/error.h"
#include "base/slice.h"

/* By the names that curl asks for, in its order: lower case before upper case; http_proxy in lower
 * case only, for HTTP_PROXY is how a CGI server passes on a client's header; all_proxy, ALL_PROXY
 * last. NULL: none, or NO_PROXY excepts the host. The text may hold a password. */
const char *proxy_of_environment(bool https, const char *host, uint16_t port);
/* `list` as in NO_PROXY: entries parted by commas or blanks, each "*", a name that stands for
 * itself and all below it, an address, or a range like 10.0.0.0/8; all but ranges may end in
 * ":port". A host is compared as it is written, never by what it resolves to. */
bool proxy_excepts(const char *list, const char *host, uint16_t port);
/* -EINVAL unless curl can read it; the message does not repeat it. */
int proxy_check(const char *proxy, struct error *error);
