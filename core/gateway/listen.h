/* SPDX-License-Identifier: Apache-2.0 */
/* The doors: where loops accept connections. Private to the gateway. */
#pragma once

#include "gateway/exchange.h"

int listen_doors(struct gateway *gateway, struct gateway_socket *inherited, size_t count,
		 bool console_later, struct error *error);
void listen_open_console(struct loop_task *task);  /* [loop] */
void listen_close_console(struct loop_task *task); /* [loop] */
void listen_release(struct loop_task *task);       /* [loop] */
