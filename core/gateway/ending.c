/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are ended by us: all that still run when the time of a stop is over, and those of a
 * key that was revoked with its streams. Each ends in an error that its client can read. */
#include "gateway/ending.h"

#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "gateway/exchange.h"

enum {
	ENDING_WAIT_S = 2,
};

static void end_exchange(struct exchange *exchange, const struct wire_error *error)
{
	exchange->deadline_ns = 0; /* no further target */
	if (exchange->call.active)
		attempt_break(&exchange->call, error);
	else if (policies_are_waiting(exchange))
		policies_refuse_waiting(exchange, error);
	else if (!exchange->committed) /* its body still comes */
		admit_refuse_unread(exchange, error);
}

void ending_all(struct loop_task *task)
{
	static const struct wire_error error = {
		503, "shutting_down", NULL,
		"The appliance is shutting down; send the request again."
	};
	struct gateway_loop *loop = container_of(task, struct gateway_loop, end_task);

	loop->ending = true;
	list_foreach (node, &loop->exchanges)
		end_exchange(list_entry(node, struct exchange, node), &error);
}

void ending_key(struct loop_task *task)
{
	static const struct wire_error error = { 401, "key_revoked", NULL,
						 "The key of this request was revoked, and what "
						 "ran by it was ended." };
	struct gateway_loop *loop = container_of(task, struct gateway_loop, end_key_task);
	struct gateway *gateway = loop->gateway;
	char name[LEDGER_NAME_MAX + 1];
	uint64_t turn;

	pthread_mutex_lock(&gateway->lock);
	memcpy(name, gateway->ending_key, sizeof(name));
	turn = gateway->endings;
	loop->end_key_posted = false;
	pthread_mutex_unlock(&gateway->lock);
	list_foreach (node, &loop->exchanges) {
		struct exchange *exchange = list_entry(node, struct exchange, node);
		/* One whose client has left is read on for its cost alone. */
		if (exchange->http && strcmp(exchange->key->name, name) == 0)
			end_exchange(exchange, &error);
	}
	pthread_mutex_lock(&gateway->lock);
	loop->ended = turn;
	pthread_cond_broadcast(&gateway->swapped);
	pthread_mutex_unlock(&gateway->lock);
}

void gateway_end_key(struct gateway *gateway, const char *name)
{
	struct timespec until;
	bool late = false;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ENDING_WAIT_S;
	pthread_mutex_lock(&gateway->lock);
	slice_copy(slice_of(name), gateway->ending_key, sizeof(gateway->ending_key));
	gateway->endings++;
	for (uint32_t i = 0; i < gateway->options.loops; i++) {
		struct gateway_loop *loop = &gateway->loops[i];
		if (loop->end_key_posted || !loop->started)
			continue;
		loop->end_key_posted = true;
		loop_post(loop->loop, &loop->end_key_task);
	}
	for (uint32_t i = 0; i < gateway->options.loops && !late; i++) {
		struct gateway_loop *loop = &gateway->loops[i];
		while (loop->started && loop->ended != gateway->endings && !late)
			late = pthread_cond_timedwait(&gateway->swapped, &gateway->lock, &until) ==
			       ETIMEDOUT;
	}
	pthread_mutex_unlock(&gateway->lock);
	if (late)
		log_warning("a loop has not ended the requests of key %s yet", name);
}
