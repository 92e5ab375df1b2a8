/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of each loop. Private to the gateway. [loop] */
#pragma once

#include "base/loop.h"

void ending_all(struct loop_task *task); /* its end_task */
void ending_key(struct loop_task *task); /* its end_key_task */
