/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd and its like hand to a service: listening sockets (sd_listen_fds(3)), and where to
 * tell of its state (sd_notify(3)); by their environment variables alone. [main] */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "conf/conf.h"

/* Appends a gateway_socket for each descriptor of LISTEN_FDS, by its name in LISTEN_FDNAMES: "api",
 * "admin" or "socket". -EINVAL for one that listens on no address of the configuration. Nothing
 * where they are another process's. */
int activation_sockets(const struct conf *conf, struct buffer *sockets, struct error *error);
/* This process serves now, and is the service's main one; nothing where nobody wants to know. */
void activation_ready(void);
