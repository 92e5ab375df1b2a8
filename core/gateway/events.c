/* SPDX-License-Identifier: Apache-2.0 */
/* Events are told from the ledger's entry, so that who watches sees what the ledger keeps. No
 * service of a call or request is a watcher's: nothing that is settled can be changed. */
#include "gateway/events.h"

#include "gateway/exchange.h"

static struct tide_slice text_of(const struct ledger_entry *entry, uint16_t text)
{
	const char *string = ledger_text(entry, text);

	return (struct tide_slice){ string, strlen(string) };
}

static struct tide_event event_of(const struct exchange *exchange, enum tide_event_type type)
{
	const struct ledger_entry *entry = exchange->entry;

	return (struct tide_event){
		.size = sizeof(struct tide_event),
		.type = type,
		.request_id = { exchange->id, strlen(exchange->id) },
		.tenant = text_of(entry, entry->tenant),
		.feature = text_of(entry, entry->feature),
		.key = text_of(entry, entry->key),
		.user = text_of(entry, entry->user),
		.run = text_of(entry, entry->run),
		.route = text_of(entry, entry->route),
	};
}

static void add_attempt(struct tide_event *event, const struct ledger_entry *entry, int number)
{
	const struct ledger_attempt *attempt = ledger_attempt_of(entry, number);

	event->provider = text_of(entry, attempt->provider);
	event->model = text_of(entry, attempt->model);
	event->attempt = (uint32_t)number + 1;
	event->cost_nano += attempt->cost_nano;
	event->tokens_in += ledger_tokens_in(&attempt->usage);
	event->tokens_cached += ledger_tokens_cached(&attempt->usage);
	event->tokens_out += ledger_tokens_out(&attempt->usage);
}

static uint64_t span_ns(uint32_t from_us, uint32_t to_us)
{
	return to_us > from_us ? (to_us - from_us) * 1000ull : 0;
}

static void tell(const struct exchange *exchange, const struct tide_event *event)
{
	const struct policy_list *watchers = &exchange->held->snapshot->watchers;

	for (size_t i = 0; i < watchers->count; i++) {
		const struct plugin_policy *plugin = watchers->items[i]->plugin;

		if (!(plugin->operations->events >> event->type & 1))
			continue;
		plugin_enter_on_loop(plugin->code, "event");
		plugin->operations->event(plugin->state, event);
		plugin_leave();
	}
}

void events_settled(const struct exchange *exchange)
{
	const struct ledger_entry *entry = exchange->entry;
	struct tide_event whole;

	if (exchange->held->snapshot->watchers.count == 0)
		return;
	whole = event_of(exchange, TIDE_EVENT_REQUEST_SETTLED);
	for (int i = 0; i < entry->attempt_count; i++) {
		const struct ledger_attempt *attempt = ledger_attempt_of(entry, i);
		struct tide_event event = event_of(exchange, TIDE_EVENT_ATTEMPT_ENDED);

		add_attempt(&whole, entry, i);
		add_attempt(&event, entry, i);
		event.outcome = policies_outcome(attempt->outcome);
		event.status = attempt->status;
		event.first_content_ns = span_ns(attempt->start_us, attempt->first_content_us);
		event.duration_ns = span_ns(attempt->start_us, attempt->end_us);
		tell(exchange, &event);
	}
	whole.outcome = policies_outcome(entry->outcome);
	whole.status = entry->status;
	whole.first_content_ns = span_ns(0, entry->first_content_us);
	whole.duration_ns = span_ns(0, entry->end_us);
	tell(exchange, &whole);
}
