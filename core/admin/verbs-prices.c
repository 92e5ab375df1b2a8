/* SPDX-License-Identifier: Apache-2.0 */
/* The price book: what is in force, another one, and the operator's own prices. A change is
 * written, then put in force; what cannot be put in force is taken back. Rows that were written
 * stay as they are. */
#include "admin/prices.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/signature.h"

CLEANUP_DEFINE(struct conf, conf_unref);
CLEANUP_DEFINE(struct ledger_book, ledger_book_unref);

enum {
	PATH_BYTES = 512,
	KEY_BYTES_MAX = 4096,
	UNITS_MAX = 32,
};

void prices_books_release(struct ledger_books *books)
{
	ledger_book_unref(books->public);
	ledger_book_unref(books->override);
}

/* A text argument that may be long: 1; 0 where it is not given; -EINVAL. */
static int long_argument(json_t *arguments, const char *name, size_t max, struct slice *ret,
			 struct error *error)
{
	json_t *value = json_object_get(arguments, name);

	*ret = (struct slice){ NULL, 0 };
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    json_string_length(value) > max)
		return error_set(error, -EINVAL, "\"%s\" must be a text of 1 to %zu bytes", name,
				 max);
	*ret = (struct slice){ json_string_value(value), json_string_length(value) };
	return 1;
}

/* The configuration stays; the books are read anew. */
static int put_in_force(struct admin *admin, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	int r = gateway_publish(admin->options.gateway, conf, error);

	return r < 0 && r != -ENOMEM ? -EIO : r;
}

static void folder_of(struct admin *admin, char *ret, size_t size)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);

	gateway_prices_folder(conf, ret, size);
}

/* ---- what there is ---- */

json_t *prices_facts(const struct ledger_book *book)
{
	struct ledger_book_facts facts;
	json_t *notes = json_array();
	struct slice rest;

	if (!book) {
		json_decref(notes);
		return json_null();
	}
	ledger_book_facts(book, &facts);
	rest = slice_of(facts.notes);
	while (rest.len > 0) {
		struct slice line = slice_cut(rest, '\n', &rest);

		json_array_append_new(notes, json_stringn(line.ptr, line.len));
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:o}", "digest", facts.digest, "source",
			 facts.source, "version", facts.version, "providers", facts.providers,
			 "models", facts.models, "partial", facts.partial, "notes", notes);
}

static void add_list(const char *name, uint64_t bytes, int64_t imported_s, bool in_force,
		     void *data)
{
	json_array_append_new(data, json_pack("{s:s, s:I, s:o, s:b}", "name", name, "bytes",
					      (json_int_t)bytes, "imported",
					      json_moment(imported_s), "in_force", in_force));
}

int verb_prices_list(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	struct ledger_books books = gateway_books(admin->options.gateway);
	char folder[PATH_BYTES], list[PATH_BYTES], live[PATH_BYTES];
	json_t *imported = json_array();
	bool ours;

	gateway_prices_folder(conf, folder, sizeof(folder));
	ledger_prices_override_path(folder, live, sizeof(live));
	ours = ledger_prices_in_force(folder, list, sizeof(list)) == 1;
	ledger_prices_each(folder, add_list, imported);
	*ret = json_pack("{s:{s:s?, s:b, s:o}, s:{s:s, s:s, s:o}, s:o}", "book", "file",
			 ours ? list : conf->prices_file, "imported", ours, "facts",
			 prices_facts(books.public), "override", "file",
			 conf->prices_override ? conf->prices_override : live, "owner",
			 conf->prices_override ? "files" : "live", "facts",
			 prices_facts(books.override), "imported", imported);
	prices_books_release(&books);
	return 0;
}

/* ---- another book ---- */

static int check_hash(struct slice text, struct slice given, struct error *error)
{
	uint8_t sum[SHA256_BYTES], wanted[SHA256_BYTES];
	char hex[SHA256_HEX_SIZE];

	if (hash_unhex(given, wanted, sizeof(wanted)) < 0)
		return error_set(error, -EINVAL, "\"sha256\" must be 64 hex digits");
	hash_sha256(text, sum);
	if (memcmp(sum, wanted, sizeof(sum)) == 0)
		return 0;
	hash_hex(sum, sizeof(sum), hex);
	return error_set(error, -EINVAL,
			 "the list's SHA-256 is %s, not the one that was given: it was changed on "
			 "its way, or is another list",
			 hex);
}

static int check_signature(struct slice text, struct slice hex, struct slice key,
			   const char *key_file, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer pem = { 0 };
	uint8_t signature[SIGNATURE_BYTES];
	int r;

	if (hash_unhex(hex, signature, sizeof(signature)) < 0)
		return error_set(error, -EINVAL,
				 "\"signature\" must be %d bytes as hex: one of Ed25519",
				 SIGNATURE_BYTES);
	if (key_file) {
		r = file_read(key_file, KEY_BYTES_MAX, &pem, error);
		if (r < 0)
			return r == -ENOMEM ? r : -EIO;
		key = buffer_slice(&pem);
	}
	if (key.len == 0)
		return error_set(error, -EINVAL,
				 "a signature needs the public key it is checked with: give one, "
				 "or name it as prices_key in the configuration");
	r = signature_check(key, text, (struct slice){ (char *)signature, sizeof(signature) },
			    error);
	return r < 0 && r != -ENOMEM ? -EINVAL : r;
}

/* A list decides what people pay: nobody takes one that nothing vouches for. */
static int check_trust(const struct conf *conf, json_t *arguments, struct slice text,
		       struct error *error)
{
	struct slice sha256, signature, key;
	int r = long_argument(arguments, "sha256", SHA256_HEX_SIZE - 1, &sha256, error);

	if (r >= 0)
		r = long_argument(arguments, "signature", 2 * SIGNATURE_BYTES, &signature, error);
	if (r >= 0)
		r = long_argument(arguments, "key", KEY_BYTES_MAX, &key, error);
	if (r < 0)
		return r;
	if (conf->prices_key && key.len > 0)
		return error_set(error, -EINVAL,
				 "the key is the configuration's prices_key, %s, and no other",
				 conf->prices_key);
	if (conf->prices_key && signature.len == 0)
		return error_set(
		    error, -EINVAL,
		    "only lists with a signature by prices_key (%s) are imported: give "
		    "--signature FILE",
		    conf->prices_key);
	if (sha256.len == 0 && signature.len == 0)
		return error_set(error, -EINVAL,
				 "say what list it is: --sha256 HEX, from where the list came from "
				 "(sha256sum FILE tells that of a file), or --signature FILE with "
				 "--key FILE");
	r = sha256.len > 0 ? check_hash(text, sha256, error) : 0;
	if (r == 0 && signature.len > 0)
		r = check_signature(text, signature, key, conf->prices_key, error);
	return r;
}

static int read_list(json_t *arguments, enum ledger_book_kind kind, struct slice *ret_text,
		     struct ledger_book **ret, struct error *error)
{
	int r = long_argument(arguments, "text", LEDGER_PRICES_BYTES_MAX, ret_text, error);

	if (r == 0)
		return error_set(error, -EINVAL, "\"text\" is missing: the list itself");
	r = r < 0 ? r : ledger_book_read(*ret_text, "the list", kind, ret, error);
	return r < 0 && r != -ENOMEM ? -EINVAL : r;
}

static int use(struct admin *admin, const char *folder, const char *name, struct error *error)
{
	char before[PATH_BYTES] = "", text[LEDGER_LIST_NAME_SIZE] = "";
	struct error ignored = { 0 };
	int r;

	if (ledger_prices_in_force(folder, before, sizeof(before)))
		memcpy(text, before + strlen(folder) + 1, 4 + LEDGER_DIGEST_SIZE);
	r = ledger_prices_use(folder, name, error);
	if (r < 0)
		return r;
	r = put_in_force(admin, error);
	if (r < 0)
		ledger_prices_use(folder, *text ? text : NULL, &ignored);
	return r;
}

int verb_prices_import(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		       json_t **ret, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_ledger_book_unref) struct ledger_book *book = NULL;
	char folder[PATH_BYTES], name[LEDGER_LIST_NAME_SIZE];
	struct slice text;
	int r = read_list(arguments, LEDGER_BOOK_PUBLIC, &text, &book, error);

	if (r == 0)
		r = check_trust(conf, arguments, text, error);
	if (r < 0)
		return r;
	gateway_prices_folder(conf, folder, sizeof(folder));
	r = ledger_prices_keep(folder, book, text, name, error);
	if (r == 0)
		r = use(admin, folder, name, error);
	if (r == 0)
		*ret = json_pack("{s:s, s:o}", "name", name, "facts", prices_facts(book));
	return r;
}

int verb_prices_use(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		    json_t **ret, struct error *error)
{
	char folder[PATH_BYTES];
	const char *name;
	int r = argument_text(arguments, "name", true, &name, error);

	if (r < 0)
		return r;
	folder_of(admin, folder, sizeof(folder));
	r = use(admin, folder, strcmp(name, "configuration") == 0 ? NULL : name, error);
	if (r == 0)
		*ret = json_pack("{s:s}", "name", name);
	return r;
}

/* ---- the operator's own prices ---- */

static int write_override(struct admin *admin, struct slice text, struct error *error)
{
	char folder[PATH_BYTES], path[PATH_BYTES];
	_cleanup_(buffer_fini) struct buffer before = { 0 };
	struct error ignored = { 0 };
	int r, had;

	folder_of(admin, folder, sizeof(folder));
	ledger_prices_override_path(folder, path, sizeof(path));
	had = file_read(path, LEDGER_PRICES_BYTES_MAX, &before, NULL);
	r = file_make_folders(folder, 0750, error);
	if (r == 0)
		r = file_write_atomic(path, text, 0640, error);
	if (r < 0)
		return r;
	r = put_in_force(admin, error);
	if (r < 0 && had == 0)
		file_write_atomic(path, buffer_slice(&before), 0640, &ignored);
	return r;
}

static int check_owner(struct admin *admin, struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);

	if (!conf->prices_override)
		return 0;
	return error_set(error, -EROFS,
			 "your own prices are owned by files: write them into %s, then `tidectl "
			 "reload`",
			 conf->prices_override);
}

int verb_prices_override(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
			 json_t **ret, struct error *error)
{
	_cleanup_(cleanup_ledger_book_unref) struct ledger_book *book = NULL;
	struct slice text;
	int r = check_owner(admin, error);

	if (r == 0)
		r = read_list(arguments, LEDGER_BOOK_OVERRIDE, &text, &book, error);
	if (r == 0)
		r = write_override(admin, text, error);
	if (r == 0)
		*ret = json_pack("{s:o}", "facts", prices_facts(book));
	return r;
}

/* The id in the book of a provider, of which a provider object may bear another name. */
const char *prices_provider(const struct conf *conf, const char *name)
{
	const struct conf_provider *provider = conf_find_provider(conf, slice_of(name));

	return provider && provider->price_provider ? provider->price_provider : name;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789.") == strlen(text) && text[0] != '.' &&
	       text[strlen(text) - 1] != '.' && (text[0] != '0' || !text[1] || text[1] == '.');
}

/* {"input": "2.5"}, by the names of units or of classes, as an object of the public form. */
static int units_of(json_t *arguments, struct buffer *out, struct error *error)
{
	json_t *prices = json_object_get(arguments, "prices"), *value;
	const char *name;

	if (!json_is_object(prices) || json_object_size(prices) == 0 ||
	    json_object_size(prices) > UNITS_MAX)
		return error_set(error, -EINVAL,
				 "\"prices\" must be an object of 1 to %d prices, as {\"input\": "
				 "\"2.5\", \"output\": \"10\"}",
				 UNITS_MAX);
	buffer_append_char(out, '{');
	json_object_foreach (prices, name, value) {
		const char *unit = ledger_unit_key(slice_of(name));
		const char *text = json_string_value(value);

		if (!unit)
			return error_set(error, -EINVAL, "there is no price for \"%s\"", name);
		if (!text || !is_number(text))
			return error_set(error, -EINVAL,
					 "the price of \"%s\" must be dollars as text, as \"2.5\"",
					 name);
		buffer_append_str(out, out->len > 1 ? "," : "");
		buffer_append_json(out, slice_of(unit));
		buffer_append_char(out, ':');
		buffer_append_str(out, text);
	}
	buffer_append_char(out, '}');
	return out->failed ? -ENOMEM : 0;
}

/* Sets a model's prices, or without `units` takes them back. */
static int edit(struct admin *admin, json_t *arguments, struct slice units, json_t **ret,
		struct error *error)
{
	_cleanup_(cleanup_conf_unref) struct conf *conf = gateway_conf(admin->options.gateway);
	_cleanup_(cleanup_ledger_book_unref) struct ledger_book *book = NULL;
	_cleanup_(buffer_fini) struct buffer before = { 0 };
	_cleanup_(buffer_fini) struct buffer text = { 0 };
	char folder[PATH_BYTES], path[PATH_BYTES];
	const char *provider, *model;
	int r = argument_text(arguments, "provider", true, &provider, error);

	if (r >= 0)
		r = argument_text(arguments, "model", true, &model, error);
	if (r >= 0)
		r = check_owner(admin, error);
	if (r < 0)
		return r;
	provider = prices_provider(conf, provider);
	gateway_prices_folder(conf, folder, sizeof(folder));
	ledger_prices_override_path(folder, path, sizeof(path));
	r = file_read(path, LEDGER_PRICES_BYTES_MAX, &before, error);
	if (r < 0 && r != -ENOENT)
		return r;
	r = ledger_prices_edit(buffer_slice(&before), slice_of(provider), slice_of(model), units,
			       &text);
	if (r == 0)
		r = ledger_book_read(buffer_slice(&text), path, LEDGER_BOOK_OVERRIDE, &book, error);
	if (r == 0)
		r = write_override(admin, buffer_slice(&text), error);
	if (r == 0)
		*ret = json_pack("{s:s, s:s, s:b}", "provider", provider, "model", model, "set",
				 units.len > 0);
	return r;
}

int verb_prices_set(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		    json_t **ret, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer units = { 0 };
	int r = units_of(arguments, &units, error);

	return r < 0 ? r : edit(admin, arguments, buffer_slice(&units), ret, error);
}

int verb_prices_unset(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		      json_t **ret, struct error *error)
{
	return edit(admin, arguments, (struct slice){ NULL, 0 }, ret, error);
}

/* ---- what another book would change ---- */

struct comparison {
	json_t *old; /* key → units */
	json_t *rows;
	size_t unchanged;
};

static void note_old(const char *key, struct slice units, void *data)
{
	json_object_set_new(data, key, json_stringn(units.ptr, units.len));
}

static void compare(const char *key, struct slice units, void *data)
{
	struct comparison *comparison = data;
	json_t *old = json_object_get(comparison->old, key);

	if (old && slice_eq_str(units, json_string_value(old)))
		comparison->unchanged++;
	else
		json_array_append_new(comparison->rows,
				      json_pack("{s:s, s:s, s:s?, s:o}", "price", key, "change",
						old ? "changed" : "added", "old",
						json_string_value(old), "new",
						json_stringn(units.ptr, units.len)));
	json_object_del(comparison->old, key);
}

int verb_prices_diff(struct admin *admin, json_t *arguments, const struct admin_caller *caller,
		     json_t **ret, struct error *error)
{
	_cleanup_(cleanup_ledger_book_unref) struct ledger_book *book = NULL;
	struct comparison comparison = { json_object(), json_array(), 0 };
	struct ledger_books books = gateway_books(admin->options.gateway);
	struct slice text;
	const char *key;
	json_t *units;
	int r = read_list(arguments, LEDGER_BOOK_PUBLIC, &text, &book, error);

	if (r == 0 && books.public)
		ledger_book_each(books.public, note_old, comparison.old);
	if (r == 0)
		ledger_book_each(book, compare, &comparison);
	if (r == 0) {
		json_object_foreach (comparison.old, key, units)
			json_array_append_new(comparison.rows,
					      json_pack("{s:s, s:s, s:O, s:n}", "price", key,
							"change", "removed", "old", units, "new"));
		*ret = json_pack("{s:o, s:o, s:O, s:I}", "from", prices_facts(books.public), "to",
				 prices_facts(book), "rows", comparison.rows, "unchanged",
				 (json_int_t)comparison.unchanged);
	}
	json_decref(comparison.old);
	json_decref(comparison.rows);
	prices_books_release(&books);
	return r;
}
