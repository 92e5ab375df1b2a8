/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling: virtual keys of applications, and the sessions of people at the console. A
 * presented key is hashed before any look-up and compared in constant time; its text is kept
 * nowhere. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/network.h"
#include "base/slice.h"

enum {
	KEYS_TEXT_SIZE = 47, /* "tg-" + 43 of [0-9A-Za-z] (256 bits) + NUL */
	KEYS_SESSION_SIZE = 44,
};

struct user_sources;

struct keys_entry {
	const char *name, *tenant, *feature; /* borrowed, as the entries: they outlive the table */
	const char *identity; /* of a client's certificate, "URI:…" and so on; NULL: none is it */
	/* Patterns, NULL-terminated; NULL: all, and of routes what `models` says. */
	const char *const *models, *const *routes, *const *tenant_models;
	const struct network *networks;      /* where it may come from */
	size_t network_count;                /* 0: from anywhere */
	void *data;                          /* the owner's own, as is the next */
	const struct user_sources *users;    /* of its end users; NULL: it has none */
	uint8_t sha256[32];                  /* all zero: no text is it */
	uint8_t previous_sha256[32];         /* likewise; it is this one too, until then */
	int64_t previous_until_s, expires_s; /* Unix time; expires_s 0: never */
	bool disabled;
};

enum keys_verdict {
	KEYS_GOOD,
	KEYS_UNKNOWN,
	KEYS_DISABLED,
	KEYS_EXPIRED,
	KEYS_ROTATED, /* the text that it had before, and its time is over */
};

struct keys_table; /* immutable [any] */

/* Borrows the entries. -EEXIST with the two names when two share a hash or an identity. */
int keys_table_new(const struct keys_entry *entries, size_t count, struct keys_table **ret,
		   struct error *error);
struct keys_table *keys_table_free(struct keys_table *table);
/* Whose text it is, and whether it may be used at this time; no key where it is unknown. */
enum keys_verdict keys_find(const struct keys_table *table, struct slice presented, int64_t now_s,
			    const struct keys_entry **ret);
/* The same of a key that was not found by its text. */
enum keys_verdict keys_judge(const struct keys_entry *key, int64_t now_s);
/* The key, disabled or not, that has this identity, byte for byte; NULL for none. */
const struct keys_entry *keys_find_identity(const struct keys_table *table, struct slice identity);

void keys_generate(char text[static KEYS_TEXT_SIZE], uint8_t sha256[static 32]);
/* The first eight hex digits of the hash: what logs may say about a key nobody knows. */
void keys_fingerprint(struct slice presented, char out[static 9]);

/* Names of end users, told by others that are the same each time. Immutable [any] */
struct keys_pseudonyms;
enum {
	KEYS_PSEUDONYM_SIZE = 25, /* 24 hexadecimal digits and a NUL */
};
/* Reads `secret_path`, or creates it (0600, random). */
int keys_pseudonyms_new(const char *secret_path, struct keys_pseudonyms **ret, struct error *error);
struct keys_pseudonyms *keys_pseudonyms_free(struct keys_pseudonyms *pseudonyms);
void keys_pseudonym(const struct keys_pseudonyms *pseudonyms, struct slice user,
		    char out[static KEYS_PSEUDONYM_SIZE]);

/* The console: one first-run secret, opaque sessions in memory. [any thread; it locks] */
struct keys_console;

/* Reads `secret_path`, or creates it (0600, random) on the first run. */
int keys_console_new(const char *secret_path, struct keys_console **ret, struct error *error);
struct keys_console *keys_console_free(struct keys_console *console);
/* A new session for the right secret. -EACCES wrong; -EAGAIN throttled, seconds to wait in
 * ret_wait_s. Wrong ones count against `peer` ("ADDRESS:PORT", "unix:UID"), see throttle.h. */
int keys_console_login(struct keys_console *console, const char *peer, struct slice secret,
		       uint64_t now_ns, char session[static KEYS_SESSION_SIZE],
		       uint32_t *ret_wait_s);
bool keys_console_check(struct keys_console *console, struct slice session, uint64_t now_ns);
void keys_console_logout(struct keys_console *console, struct slice session);
/* Its sessions, KEYS_SAVED_BYTES each, for another process of this machine; hashes alone. There
 * they are sessions too while the console's secret is the same. -EINVAL for what is none. */
enum {
	KEYS_SAVED_BYTES = 72,
};
void keys_console_save(struct keys_console *console, uint64_t now_ns, struct buffer *out);
int keys_console_restore(struct keys_console *console, struct slice saved, uint64_t now_ns);
