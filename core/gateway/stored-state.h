/* SPDX-License-Identifier: Apache-2.0 */
/* What a call of Responses has to do with answers that providers keep; see stored.h. */
#pragma once

#include "ledger/ledger.h"

struct gateway_provider;

struct stored_state {
	struct ledger_answer *answer;          /* that the call is about, or goes on from */
	struct slice rest;                     /* behind the dialect's path */
	const struct gateway_provider *pinned; /* the only one that can answer; NULL: any */
	bool noted; /* its own answer's id, or that there is none to keep */
	bool bills; /* the usage of an earlier request, which the answer tells */
};
