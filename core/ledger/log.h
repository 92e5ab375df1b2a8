/* SPDX-License-Identifier: Apache-2.0 */
/* The request log: one JSON line a request in requests.jsonl, renamed to
 * requests-YYYYMMDDTHHZ.jsonl once its UTC hour is over. Lines go out in one write a batch, after
 * the commit and before the entries are freed: after a crash, the lines of entries that are still
 * there are either all among the last ones of it or of the file sealed before, which the link
 * .newest names, or were not written. [writer] */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

struct request_log {
	char *path; /* of the live file */
	char *folder;
	int folder_fd; /* locked while the log is written: for a while a second daemon may too */
	int fd;
	int64_t hour;  /* since the epoch, of what the live file holds */
	uint64_t size; /* without what a failed append has left */
	bool torn;     /* it has, and that could not be taken away */
};

/* What a line says; names are JSON texts with their quotes. */
struct log_line {
	uint64_t id, start_real_ns;
	struct slice tenant, feature, key, route, user, model, provider, model_served, version;
	uint16_t status;
	bool stream, degraded, cached;
	uint8_t attempts;
	const char *outcome, *usage_source, *spend;
	struct slice client;        /* an address; may be empty */
	struct slice run, policies; /* as they are, not JSON; may be empty */
	int64_t tokens_in, tokens_cached, tokens_out, cost_nano, saved_nano;
	uint32_t end_us, first_content_us; /* 0: none */
};

int request_log_open(struct request_log *log, const char *folder, struct error *error);
void request_log_close(struct request_log *log);
void request_log_format(struct buffer *out, const struct log_line *line);
/* Of names of sealed files: by hour, then by number. Less than, equal to or greater than 0. */
int request_log_compare(const char *a, const char *b);
/* Marks those of the ascending `ids` that the last lines hold. */
int request_log_find(const struct request_log *log, const uint64_t *ids, size_t count, bool *found);
/* Seals the live file when its hour is over, without waiting for a line. */
int request_log_turn(struct request_log *log, int64_t now_s);
/* Whole or not at all; a negative errno when the disk refused. */
int request_log_append(struct request_log *log, struct slice lines, int64_t now_s);
