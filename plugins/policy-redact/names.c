/* SPDX-License-Identifier: Apache-2.0 */
/* Values are compared as people mean them: cards, accounts and telephones without what separates
 * their digits, addresses in lower case. */
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { SLOTS = 2 * NAMES_MAX, FIRST_BYTES = 4096 };

struct names_entry {
	size_t at, len;
	uint32_t class, number;
};

const char *const names_classes[FIND_CLASSES] = {
	[FIND_CARD] = "card",   [FIND_BANK] = "bank",     [FIND_EMAIL] = "email",
	[FIND_PHONE] = "phone", [FIND_SECRET] = "secret",
};

void names_fini(struct names *names)
{
	if (names->bytes)
		OPENSSL_cleanse(names->bytes, names->bytes_len);
	free(names->bytes);
	free(names->entries);
	free(names->slots);
	*names = (struct names){ 0 };
}

static size_t canonical(enum find_class class, const char *value, size_t len, char *ret)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		char c = value[i];

		if (class == FIND_EMAIL)
			ret[out++] = (char)tolower((unsigned char)c);
		else if (class == FIND_SECRET)
			ret[out++] = c;
		else if (find_digit(c) || find_letter(c) || c == '+')
			ret[out++] = (char)toupper((unsigned char)c);
	}
	return out;
}

/* Room for `len` bytes behind what is kept. */
static int make_room(struct names *names, size_t len)
{
	size_t size = names->bytes_size ? names->bytes_size : FIRST_BYTES;
	char *bytes;

	if (len > NAMES_BYTES_MAX - names->bytes_len)
		return -E2BIG;
	if (!names->entries)
		names->entries = calloc(NAMES_MAX, sizeof(*names->entries));
	if (!names->slots)
		names->slots = calloc(SLOTS, sizeof(*names->slots));
	if (!names->entries || !names->slots)
		return -ENOMEM;
	while (size - names->bytes_len < len || size < names->bytes_len)
		size *= 2;
	if (size == names->bytes_size)
		return 0;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	if (names->bytes) {
		memcpy(bytes, names->bytes, names->bytes_len);
		OPENSSL_cleanse(names->bytes, names->bytes_len);
		free(names->bytes);
	}
	names->bytes = bytes;
	names->bytes_size = size;
	return 0;
}

static uint64_t hash_of(const struct names *names, enum find_class class, const char *value,
			size_t len)
{
	uint64_t hash = names->seed ^ (class + 1);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)value[i]) * 0x9E3779B97F4A7C15u ^ (hash >> 29);
	return hash ^ hash >> 32;
}

int names_number(struct names *names, enum find_class class, const char *value, size_t len,
		 uint32_t *ret)
{
	int r = make_room(names, len);
	char *kept = names->bytes + names->bytes_len;
	uint32_t slot;

	if (r < 0)
		return r;
	len = canonical(class, value, len, kept);
	slot = (uint32_t)(hash_of(names, class, kept, len) % SLOTS);
	for (; names->slots[slot]; slot = (slot + 1) % SLOTS) {
		const struct names_entry *entry = &names->entries[names->slots[slot] - 1];

		if (entry->class == class && entry->len == len &&
		    memcmp(names->bytes + entry->at, kept, len) == 0) {
			*ret = entry->number;
			return 0;
		}
	}
	if (names->count == NAMES_MAX)
		return -E2BIG;
	*ret = ++names->counts[class];
	names->entries[names->count] =
	    (struct names_entry){ names->bytes_len, len, class, names->counts[class] };
	names->slots[slot] = ++names->count;
	names->bytes_len += len;
	return 0;
}

static size_t put_class(enum find_class class, char *ret)
{
	size_t len = 0;

	ret[len++] = '[';
	for (const char *c = names_classes[class]; *c; c++)
		ret[len++] = (char)toupper((unsigned char)*c);
	ret[len++] = '_';
	return len;
}

void names_placeholder(enum find_class class, uint32_t number,
		       char ret[static NAMES_PLACEHOLDER_BYTES])
{
	size_t len = put_class(class, ret);

	snprintf(ret + len, NAMES_PLACEHOLDER_BYTES - len, "%u]", number);
}

int names_pseudonym(const char *key, size_t key_len, const char *tenant, size_t tenant_len,
		    enum find_class class, const char *value, size_t len,
		    char ret[static NAMES_PLACEHOLDER_BYTES])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;
	uint64_t tenant_size = tenant_len;
	size_t at, head = sizeof(tenant_size) + tenant_len + 1;
	char *text = malloc(head + len);
	bool made;

	if (!text)
		return -ENOMEM;
	memcpy(text, &tenant_size, sizeof(tenant_size));
	memcpy(text + sizeof(tenant_size), tenant, tenant_len);
	text[head - 1] = (char)class;
	len = canonical(class, value, len, text + head);
	made = HMAC(EVP_sha256(), key, (int)key_len, (unsigned char *)text, head + len, digest,
		    &digest_len);
	OPENSSL_cleanse(text, head + len);
	free(text);
	if (!made || digest_len < 8)
		return -EIO;
	at = put_class(class, ret);
	for (size_t i = 0; i < 8; i++, at += 2)
		snprintf(ret + at, NAMES_PLACEHOLDER_BYTES - at, "%02x", digest[i]);
	snprintf(ret + at, NAMES_PLACEHOLDER_BYTES - at, "]");
	return 0;
}
