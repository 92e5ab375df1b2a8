/* SPDX-License-Identifier: Apache-2.0 */
/* Books are read again only where their files have changed. */
#include "gateway/prices.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/gateway.h"

enum {
	PATH_BYTES = 512,
};

void gateway_prices_folder(const struct conf *conf, char *ret, size_t size)
{
	snprintf(ret, size, "%s/prices", conf->state);
}

void gateway_own_price(const struct conf_price *given, struct ledger_price *ret)
{
	int64_t femto[LEDGER_RARE] = {
		[LEDGER_INPUT] = given->input_femto,
		[LEDGER_CACHE_READ] = given->cache_read_femto,
		[LEDGER_CACHE_WRITE] = given->cache_write_femto,
		[LEDGER_CACHE_WRITE_1H] = given->cache_write_1h_femto,
		[LEDGER_OUTPUT] = given->output_femto,
	};

	/* A class that is not given costs what it is a kind of. */
	for (int i = LEDGER_INPUT; i <= LEDGER_OUTPUT; i += LEDGER_OUTPUT)
		femto[i] = femto[i] < 0 ? 0 : femto[i];
	if (femto[LEDGER_CACHE_READ] < 0)
		femto[LEDGER_CACHE_READ] = femto[LEDGER_INPUT];
	if (femto[LEDGER_CACHE_WRITE] < 0)
		femto[LEDGER_CACHE_WRITE] = femto[LEDGER_INPUT];
	if (femto[LEDGER_CACHE_WRITE_1H] < 0)
		femto[LEDGER_CACHE_WRITE_1H] = femto[LEDGER_CACHE_WRITE];
	ledger_price_plain(femto, ret);
	ret->own = true;
	ret->source = "model object";
}

static void tell_notes(const char *path, const struct ledger_book *book)
{
	struct ledger_book_facts facts;
	struct slice rest;

	ledger_book_facts(book, &facts);
	rest = slice_of(facts.notes);
	while (rest.len > 0) {
		struct slice line = slice_cut(rest, '\n', &rest);

		log_warning("%s: %.*s; the price is known in part, or not at all", path,
			    SLICE_ARGS(line));
	}
}

static int load(const char *path, enum ledger_book_kind kind, struct ledger_book *before,
		struct ledger_book **ret, struct error *error)
{
	int r = ledger_book_load(path, kind, before, ret, error);

	if (r == 0 && *ret != before)
		tell_notes(path, *ret);
	return r;
}

static int load_public(const struct conf *conf, const char *folder, struct ledger_book *before,
		       struct ledger_book **ret, struct error *error)
{
	char path[PATH_BYTES], text[1024];
	struct error cause = { 0 };

	if (ledger_prices_in_force(folder, path, sizeof(path))) {
		if (load(path, LEDGER_BOOK_PUBLIC, before, ret, &cause) == 0)
			return 0;
		log_error("the price list that was imported is not in force, but %s: %s; import "
			  "one again, or `tidectl prices use configuration`",
			  conf->prices_file ? conf->prices_file : "none",
			  error_text(&cause, text, sizeof(text)));
	}
	return conf->prices_file ? load(conf->prices_file, LEDGER_BOOK_PUBLIC, before, ret, error)
				 : 0;
}

static int load_override(const struct conf *conf, const char *folder, struct ledger_book *before,
			 struct ledger_book **ret, struct error *error)
{
	char path[PATH_BYTES];

	if (conf->prices_override)
		return load(conf->prices_override, LEDGER_BOOK_OVERRIDE, before, ret, error);
	ledger_prices_override_path(folder, path, sizeof(path));
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return load(path, LEDGER_BOOK_OVERRIDE, before, ret, error);
}

int prices_load(const struct conf *conf, const struct ledger_books *before,
		struct ledger_books *ret, struct error *error)
{
	struct ledger_books books = { 0 };
	char folder[PATH_BYTES];
	int r;

	gateway_prices_folder(conf, folder, sizeof(folder));
	r = load_public(conf, folder, before ? before->public : NULL, &books.public, error);
	if (r == 0)
		r = load_override(conf, folder, before ? before->override : NULL, &books.override,
				  error);
	if (r < 0) {
		prices_release(&books);
		return r;
	}
	*ret = books;
	return 0;
}

void prices_release(struct ledger_books *books)
{
	books->public = ledger_book_unref(books->public);
	books->override = ledger_book_unref(books->override);
}

static void check(const char *path, enum ledger_book_kind kind, const char *option,
		  const struct conf_place *place, struct report *report)
{
	struct error error = { 0 }, cause = { 0 };
	char text[sizeof(cause.file) + sizeof(cause.message) + 32];
	struct ledger_book *book = NULL;

	if (path && ledger_book_load(path, kind, NULL, &book, &cause) < 0) {
		error_set_at(&error, -EINVAL, place->file, place->line, place->column, "\"%s\": %s",
			     option, error_text(&cause, text, sizeof(text)));
		conf_report(report, &error);
	}
	ledger_book_unref(book);
}

void prices_check(const struct conf *conf, struct report *report)
{
	check(conf->prices_file, LEDGER_BOOK_PUBLIC, "prices", &conf->prices_place, report);
	check(conf->prices_override, LEDGER_BOOK_OVERRIDE, "prices_override", &conf->override_place,
	      report);
}
