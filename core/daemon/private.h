/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share of the running daemon. [main] */
#pragma once

#include "admin/admin.h"
#include "api/api.h"
#include "daemon/daemon.h"
#include "daemon/draining.h"
#include "daemon/takeover.h"
#include "fs/fs.h"

struct daemon {
	const struct daemon_options *options;
	struct conf *conf;                  /* of the start: what needs a restart never changes */
	struct takeover_goods goods;        /* of a running daemon; the lock is ours in any case */
	struct takeover_peer before, after; /* whom we take over from, and who does so from us */
	uint64_t after_until_ns;            /* that one has time for its next word */
	struct takeover_door door;          /* where it asks */
	struct draining_door draining;      /* where it tells us, once it has taken over */
	int signal_fd;
	bool serving;  /* requests are accepted */
	bool released; /* the page is for `after` to take */
	bool replaced; /* another daemon has taken over */
	struct zone *zone;
	struct plugin_set *plugins;
	struct ledger *ledger;
	struct keys_console *console;
	struct keys_pseudonyms *pseudonyms;
	struct api *api;
	struct gateway *gateway;
	struct admin *admin;
	struct fs *fs;
};

/* daemon.c */
int daemon_load(struct daemon *daemon, struct error *error); /* the configuration, anew */
int daemon_mount(struct daemon *daemon, struct error *error);
int daemon_open_surfaces(struct daemon *daemon, struct error *error); /* for administrators */
int daemon_serve(struct daemon *daemon, struct error *error);
bool daemon_signalled(void); /* to end, since it was last asked */
uint32_t daemon_drain_limit_ms(const struct daemon *daemon, bool takeover);

/* succession.c, the new one: with the goods of the one that runs; and in its place. */
int succession_begin(struct daemon *daemon, struct error *error);
int succession_finish(struct daemon *daemon, struct error *error);
/* What was handed over and is not wanted: the configuration names another address now. */
void succession_close_sockets(struct daemon *daemon);
/* The old one: somebody asks; `after` has said something, or ended; what is open may go on. */
void succession_offer(struct daemon *daemon);
void succession_hear(struct daemon *daemon);
int succession_patience_ms(const struct daemon *daemon); /* what is left of it, for poll() */
void succession_send_away(struct daemon *daemon);        /* it is over */
void succession_outlive(struct daemon *daemon);
