/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal dollars to femto-dollars, exactly. */
#pragma once

#include "base/slice.h"

/* `text` is a JSON number times 10^shift femto-dollars: "0.15" dollars per million tokens is
 * shift 9. Rounded half to even where it is no whole number of them. -EINVAL for no such number or
 * a negative one, -ERANGE over int64. */
int price_parse(struct slice text, int shift, int64_t *ret_femto);
