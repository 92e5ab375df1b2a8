/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon that another one has taken over from still has connections and streams, and keys as they
 * were. It listens at STATE/draining-TEXT.sock, and whoever serves by then tells it:
 *
 *	gone NAME, or end NAME (and what runs by it), …, all
 *	done, or failed
 *
 * Each is told by itself, so it does not matter who took over from whom, and who has died. */
#pragma once

#include "gateway/gateway.h"

struct draining_door {
	int fd; /* -1: none */
	char name[32];
};

/* The old one. Until it is opened all that changes keys must wait. [main] */
int draining_listen(const char *state, struct draining_door *door, struct error *error);
void draining_unlisten(const char *state, struct draining_door *door);
/* Does what is asked there, and returns when nobody asks. Nobody else publishes. [main] */
void draining_attend(const struct draining_door *door, struct gateway *gateway);

/* The one that serves. These keys, by their names, NULL at the end, are good no more; `now`: what
 * runs by them ends. When it returns they have done so, or it has said who did not. [admin] */
void draining_tell(const char *state, const char *const *names, bool now);
