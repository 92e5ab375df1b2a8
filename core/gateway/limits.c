/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a loop's front door: its share of the configuration's, and no more connections than
 * the process has descriptors for. Those of the console are set aside: whoever wants to see why
 * nothing goes must get in. */
#include "gateway/limits.h"

#include "base/log.h"

enum {
	/* Each connection of an application, with the one to its provider. */
	DESCRIPTORS_OF_CALL = 2,
	/* Each of the console: the loop's to the page server, and that one's end of it. */
	DESCRIPTORS_OF_CONSOLE = 3,
	CONSOLE_CONNECTIONS = 32,
	/* The ledger, logs, the mount, and what libraries open; and each loop's own. */
	DESCRIPTORS_OF_PROCESS = 64,
	DESCRIPTORS_OF_LOOP = 8,
};

static uint32_t share(uint32_t limit, uint32_t loops)
{
	return limit > loops ? limit / loops : 1;
}

/* What connections of applications never take. */
static uint32_t kept_back(const struct gateway *gateway)
{
	uint32_t kept = DESCRIPTORS_OF_PROCESS + gateway->options.loops * DESCRIPTORS_OF_LOOP +
			CONSOLE_CONNECTIONS * DESCRIPTORS_OF_CONSOLE;
	uint32_t most = gateway->options.descriptors / 4 * 3;

	return kept < most ? kept : most;
}

static uint32_t connections_possible(const struct gateway *gateway)
{
	uint32_t left = gateway->options.descriptors - kept_back(gateway);

	return gateway->options.descriptors == 0 ? UINT32_MAX : left / DESCRIPTORS_OF_CALL;
}

void limits_set(struct gateway_loop *loop, const struct conf_limits *conf)
{
	const uint32_t kept = CONSOLE_CONNECTIONS * DESCRIPTORS_OF_CONSOLE;
	const struct gateway *gateway = loop->gateway;
	uint32_t loops = gateway->options.loops, possible = connections_possible(gateway);
	struct http_limits limits = {
		.header_bytes = conf->header_bytes,
		.body_bytes = conf->body_bytes,
		.body_budget_bytes = conf->body_budget_bytes,
		.connections =
		    share(conf->connections < possible ? conf->connections : possible, loops),
		.reserved = share(CONSOLE_CONNECTIONS, loops),
		.header_ms = conf->header_ms,
		.body_ms = conf->body_ms,
		.idle_ms = conf->idle_ms,
		.write_ms = conf->write_ms,
		.output_bytes = conf->output_bytes,
	};

	/* Connections to providers that wait for their next call are not counted above. */
	if (gateway->options.descriptors > 2 * kept)
		limits.descriptors = gateway->options.descriptors - kept;
	else
		limits.descriptors = gateway->options.descriptors / 2;
	http_server_set_limits(loop->server, &limits);
}

void limits_tell(struct gateway *gateway, const struct conf_limits *conf)
{
	uint32_t possible = connections_possible(gateway);

	if (conf->connections == gateway->connections_told)
		return;
	gateway->connections_told = conf->connections;
	if (conf->connections <= possible)
		return;
	log_warning("limits.connections is %u, but the process may have %u descriptors open: at %u "
		    "a connection and %u kept for the rest, only %u connections are accepted; "
		    "raise LimitNOFILE (ulimit -n) to %llu, or lower limits.connections",
		    conf->connections, gateway->options.descriptors, DESCRIPTORS_OF_CALL,
		    kept_back(gateway), possible,
		    (unsigned long long)conf->connections * DESCRIPTORS_OF_CALL +
			kept_back(gateway));
}
