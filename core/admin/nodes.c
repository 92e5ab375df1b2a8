/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of nodes: what there is to read, what it means, in which unit. The mount's README
 * is written from it. */
#include "admin/private.h"

#include <errno.h>

#include "base/cleanup.h"

#define TABLE(group) group "\tcost_usd\trequests\terrors\ttokens_in\ttokens_out\tcorrected_usd"

const struct admin_row admin_rows[] = {
	{ { "README", ADMIN_TEXT, NULL, "This page: conventions, units and what each file means." },
	  render_readme },
	{ { "version", ADMIN_VALUE, NULL, "Version of the appliance that renders these files." },
	  render_version },
	{ { "now/cost/today_usd", ADMIN_VALUE, NULL, "Spend of all tenants today, dollars." },
	  render_sum,
	  LEDGER_TODAY },
	{ { "now/cost/month_usd", ADMIN_VALUE, NULL, "Spend of all tenants this month, dollars." },
	  render_sum,
	  LEDGER_MONTH },
	{ { "now/cost/total_usd", ADMIN_VALUE, NULL,
	    "Spend of all tenants since the ledger began, dollars." },
	  render_sum,
	  LEDGER_TOTAL },
	{ { "now/cost/zone", ADMIN_VALUE, NULL, "Time zone of \"today\" and \"month\"." },
	  render_zone },
	{ { "now/cost/by_tenant.tsv", ADMIN_TABLE, TABLE("tenant"), "Today by tenant." },
	  render_table,
	  LEDGER_BY_TENANT },
	{ { "now/cost/by_feature.tsv", ADMIN_TABLE, TABLE("feature"), "Today by feature." },
	  render_table,
	  LEDGER_BY_FEATURE },
	{ { "now/cost/by_key.tsv", ADMIN_TABLE, TABLE("key"), "Today by virtual key." },
	  render_table,
	  LEDGER_BY_KEY },
	{ { "now/cost/by_user.tsv", ADMIN_TABLE, TABLE("user"),
	    "Today by the people on whose behalf applications ask; what is on behalf of nobody is "
	    "in no line." },
	  render_table,
	  LEDGER_BY_USER },
	{ { "now/cost/by_route.tsv", ADMIN_TABLE, TABLE("route"),
	    "Today by what clients named as model." },
	  render_table,
	  LEDGER_BY_ROUTE },
	{ { "now/cost/by_model.tsv", ADMIN_TABLE, TABLE("model"),
	    "Today by the model that upstreams were asked for; requests are attempts." },
	  render_table,
	  LEDGER_BY_MODEL },
	{ { "now/cost/by_provider.tsv", ADMIN_TABLE, TABLE("provider"),
	    "Today by provider; requests are attempts." },
	  render_table,
	  LEDGER_BY_PROVIDER },
	{ { "now/providers.tsv", ADMIN_TABLE, ADMIN_PROVIDERS_COLUMNS,
	    "How providers are: as a request for their models finds them, and what attempts met; "
	    "times in UTC, texts percent-encoded, - for none." },
	  render_providers,
	  0,
	  true },
	{ { "now/prices.tsv", ADMIN_TABLE, ADMIN_PRICES_COLUMNS,
	    "The price lists in force, by the first digits of their SHA-256; partial are models "
	    "with "
	    "a unit that is not counted; texts percent-encoded, - for none." },
	  render_prices,
	  0,
	  true },
	{ { "now/plugins.tsv", ADMIN_TABLE, ADMIN_PLUGINS_COLUMNS,
	    "The plugins of plugins.load: on, off, or replaced by another file while requests go "
	    "on, and how often the bytes that are loaded "
	    "crashed "
	    "within a day, as of the start; texts percent-encoded, - for none." },
	  render_plugins,
	  0,
	  true },
	{ { "now/status.json", ADMIN_DOCUMENT, NULL, "Traffic, spend and health of one moment." },
	  render_status,
	  0,
	  true },
	{ { "now/metrics/tidegate.prom", ADMIN_TEXT, NULL,
	    "All counters in Prometheus' text format, as /metrics." },
	  render_metrics,
	  0,
	  true },
};

static const struct admin_node patterns[] = {
	{ "costs/day/YYYY-MM-DD/by_GROUP.tsv", ADMIN_TABLE, TABLE("GROUP"),
	  "A day by tenant, feature, key, route, model, provider or user, - for nobody; each day "
	  "from the first request's until today. A day after its end it changes no more." },
	{ "costs/month/YYYY-MM/by_GROUP.tsv", ADMIN_TABLE, TABLE("GROUP"), "The same of a month." },
	{ "costs/SPAN/PERIOD/corrections.tsv", ADMIN_TABLE, ADMIN_CORRECTIONS_COLUMNS,
	  "Corrections that were made in the day or month: their amounts are in its sums." },
};

size_t admin_pattern_count(void)
{
	return ARRAY_SIZE(patterns);
}

const struct admin_node *admin_pattern_at(size_t index)
{
	return &patterns[index];
}

size_t admin_node_count(void)
{
	return ARRAY_SIZE(admin_rows);
}

const struct admin_node *admin_node_at(size_t index)
{
	return &admin_rows[index].node;
}

int admin_node_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(admin_rows); i++) {
		if (strcmp(admin_rows[i].node.path, path) == 0)
			return (int)i;
	}
	return -ENOENT;
}
