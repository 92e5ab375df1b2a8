/* SPDX-License-Identifier: Apache-2.0 */
/* Values and tables as text. Names that clients or operators chose are percent-encoded, so that no
 * name can break a line or a column. */
#include "admin/private.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include "base/file.h"

void render_version(struct admin *admin, const struct admin_moment *moment, int argument,
		    struct buffer *out)
{
	buffer_append_str(out, TIDEGATE_VERSION "\n");
}

void render_sum(struct admin *admin, const struct admin_moment *moment, int period,
		struct buffer *out)
{
	buffer_append_usd(out, moment->sums[period].cost_nano);
	buffer_append_char(out, '\n');
}

void render_zone(struct admin *admin, const struct admin_moment *moment, int argument,
		 struct buffer *out)
{
	buffer_append_str(out, zone_name(admin->options.zone));
	buffer_append_char(out, '\n');
}

/* Nobody is "-". */
static void add_name(const char *name, struct buffer *out)
{
	if (name[0] == '\0')
		buffer_append_char(out, '-');
	else
		file_name_encode(slice_of(name), out);
}

void render_costs(const struct ledger_total *total, struct buffer *out)
{
	add_name(total->name, out);
	buffer_append_char(out, '\t');
	buffer_append_usd(out, total->cost_nano);
	buffer_append_char(out, '\t');
	buffer_append_u64(out, total->requests);
	buffer_append_char(out, '\t');
	buffer_append_u64(out, total->errors);
	buffer_append_char(out, '\t');
	buffer_append_i64(out, total->tokens_in);
	buffer_append_char(out, '\t');
	buffer_append_i64(out, total->tokens_out);
	buffer_append_char(out, '\t');
	buffer_append_usd(out, total->corrected_nano);
	buffer_append_char(out, '\n');
}

void render_costs_header(enum ledger_group group, struct buffer *out)
{
	buffer_append_str(out, ledger_group_name(group));
	buffer_append_str(out,
			  "\tcost_usd\trequests\terrors\ttokens_in\ttokens_out\tcorrected_usd\n");
}

/* "-" for none. */
static void add_text(struct slice text, struct buffer *out)
{
	buffer_append_char(out, '\t');
	if (text.len > 0)
		file_name_encode(text, out);
	else
		buffer_append_char(out, '-');
}

void render_correction(const struct ledger_correction *correction, void *buffer)
{
	static const enum ledger_group groups[] = { LEDGER_BY_TENANT,  LEDGER_BY_FEATURE,
						    LEDGER_BY_KEY,     LEDGER_BY_USER,
						    LEDGER_BY_ROUTE,   LEDGER_BY_MODEL,
						    LEDGER_BY_PROVIDER };
	char made[CLOCK_TEXT_SIZE], request[LEDGER_ID_SIZE] = "";
	struct buffer *out = buffer;

	buffer_append_u64(out, correction->id);
	clock_format_s(correction->made_s, made);
	buffer_printf(out, "\t%s\t", made);
	buffer_append_usd(out, correction->amount_nano);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		add_text(correction->names[groups[i]], out);
	if (correction->request != 0)
		ledger_id_text(correction->request, request);
	add_text(slice_of(request), out);
	add_text(correction->period, out);
	add_text(correction->reference, out);
	add_text(correction->made_by, out);
	if (correction->undoes != 0)
		buffer_printf(out, "\t%llu", (unsigned long long)correction->undoes);
	else
		buffer_append_str(out, "\t-");
	add_text(correction->reason, out);
	buffer_append_char(out, '\n');
}

static void add_table_row(const struct ledger_total *total, void *data)
{
	render_costs(total, data);
}

void render_table(struct admin *admin, const struct admin_moment *moment, int group,
		  struct buffer *out)
{
	render_costs_header((enum ledger_group)group, out);
	ledger_totals_each(admin->options.ledger, (enum ledger_group)group, LEDGER_TODAY,
			   add_table_row, out);
}

static void explain(const struct admin_node *node, struct buffer *out)
{
	static const char *const shapes[] = { "value", "table", "document", "text" };

	buffer_printf(out, "%-28s %-9s %s\n", node->path, shapes[node->shape], node->doc);
	if (!node->columns)
		return;
	buffer_printf(out, "%-28s %-9s columns:", "", "");
	for (const char *at = node->columns; *at;) {
		size_t len = strcspn(at, "\t");
		buffer_printf(out, " %.*s", (int)len, at);
		at += len + (at[len] == '\t');
	}
	buffer_append_char(out, '\n');
}

void render_readme(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out)
{
	buffer_append_str(out, "Tidegate: live values of this appliance as files.\n"
			       "\n"
			       "A value is one line, decimal, its unit in its name. A table is TSV "
			       "with one header line; columns are only\n"
			       "ever added at the end. In names, bytes outside [A-Za-z0-9._@:+-] "
			       "are percent-encoded. Money is dollars with\n"
			       "nine digits after the point, exact to the nano-dollar. \"Today\" "
			       "and \"month\" are in the zone ");
	buffer_append_str(out, zone_name(admin->options.zone));
	buffer_append_str(out, ".\n\n");
	for (size_t i = 0; i < admin_node_count(); i++)
		explain(admin_node_at(i), out);
	for (size_t i = 0; i < admin_pattern_count(); i++)
		explain(admin_pattern_at(i), out);
	buffer_printf(out, "%-28s %-9s %s\n", "costs/now", "link", "To now/cost.");
	buffer_printf(out, "%-28s %-9s %s\n", "logs/requests.jsonl", "stream",
		      "One JSON line a settled request: ts id tenant feature key route model "
		      "provider status");
	buffer_printf(
	    out, "%-28s %-9s %s\n", "", "",
	    "outcome stream attempts tokens_in tokens_cached tokens_out cost_usd (a text, "
	    "to the nano-dollar) ms ttft_ms usage_source");
	buffer_printf(
	    out, "%-28s %-9s %s\n", "", "",
	    "client run user model_served version class degraded cached saved_usd policies.");
}

static void add_list(const char *name, const struct ledger_book *book, struct buffer *out)
{
	struct ledger_book_facts facts = { .digest = "-", .source = "", .version = "" };

	if (book)
		ledger_book_facts(book, &facts);
	buffer_printf(out, "%s\t%s\t", name, facts.digest);
	file_name_encode(slice_of(*facts.source ? facts.source : "-"), out);
	buffer_append_char(out, '\t');
	file_name_encode(slice_of(*facts.version ? facts.version : "-"), out);
	buffer_printf(out, "\t%u\t%u\t%u\n", facts.providers, facts.models, facts.partial);
}

void render_prices(struct admin *admin, const struct admin_moment *moment, int argument,
		   struct buffer *out)
{
	struct ledger_books books = gateway_books(admin->options.gateway);

	buffer_append_str(out, ADMIN_PRICES_COLUMNS "\n");
	add_list("book", books.public, out);
	add_list("override", books.override, out);
	ledger_book_unref(books.public);
	ledger_book_unref(books.override);
}
