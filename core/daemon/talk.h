/* SPDX-License-Identifier: Apache-2.0 */
/* What daemons of one state folder say to each other: whole packets of text by a socket in it, with
 * a descriptor each where one is handed over. Private to the daemon. [any] */
#pragma once

#include <stdbool.h>

enum {
	TALK_PACKET_SIZE = 512,
};

/* Both by way of the folder's descriptor, as the path of a socket is 107 bytes at most. What is
 * listened on does not block, and its file is 0600; either side waits for patience_s. */
int talk_listen(const char *folder, const char *name, int *ret);
int talk_dial(const char *folder, const char *name, int patience_s, int *ret);
void talk_set_patience(int fd, int seconds);
bool talk_is_of_our_user(int fd, int *ret_pid);

/* `fd` goes with it unless it is -1. */
int talk_send(int to, int fd, const char *text);
/* -ECONNRESET when the other has ended; what came along is the caller's, -1 for nothing. */
int talk_receive(int from, char text[static TALK_PACKET_SIZE], int *ret_fd);
/* What follows the word and a blank; NULL when the text is another. */
const char *talk_after(const char *text, const char *word);
