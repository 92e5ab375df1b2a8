/* SPDX-License-Identifier: Apache-2.0 */
/* From a heap of objects to the arrays of a snapshot: each name once per kind, each reference to
 * something there. */
#pragma once

#include "conf/report.h"
#include "conf/snapshot.h"

/* Sorts `objects`, fills the snapshot's arrays. 0 where errors were reported, too; -ENOMEM. */
int resolve(struct snapshot *snapshot, struct objects *objects, struct report *report);
