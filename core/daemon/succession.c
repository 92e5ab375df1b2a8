/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon follows another on the same state: what is done in which order by the new one, and by
 * the old one, so that somebody serves at any time. How they talk is in takeover.c. */
#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/private.h"

/* ---- the new one ---- */

int succession_begin(struct daemon *daemon, struct error *error)
{
	struct error why = { 0 };
	int r = takeover_begin(daemon->conf->state, &daemon->before, &daemon->goods, &why);

	if (r < 0)
		return error_set(
		    error, -EBUSY,
		    "another tidegated runs on the state folder %s, and this one cannot "
		    "take over from it (%s); stop it first, or use --state",
		    daemon->conf->state, why.message);
	log_info("taking over from the tidegated with pid %d", daemon->before.pid);
	return daemon_load(daemon, error);
}

/* What the old one said to a word of ours. */
static int heard(struct daemon *daemon, int said, struct error *error)
{
	if (said < 0)
		return error_set(error, said, "the tidegated that runs %s",
				 said == -ETIME
				     ? "has waited for limits.takeover_wait_ms, and goes on"
				     : "is being stopped");
	if (said > 0)
		log_warning("the tidegated with pid %d died while this one took over from it",
			    daemon->before.pid);
	return 0;
}

/* Until the old one is gone, it serves as well, and goes on if we fail. */
static int displace(struct daemon *daemon, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer sessions = { 0 };
	int said, r = daemon_serve(daemon, error);

	if (r < 0)
		return r;
	said = takeover_ready(&daemon->before, &sessions);
	keys_console_restore(daemon->console, buffer_slice(&sessions), clock_now_ns());
	r = heard(daemon, said, error);
	if (r >= 0)
		r = daemon_open_surfaces(daemon, error);
	if (r < 0 || said > 0)
		return r;
	return heard(daemon, takeover_serving(&daemon->before), error);
}

/* Once it is gone, nothing may hinder us but what would hinder any daemon. */
int succession_finish(struct daemon *daemon, struct error *error)
{
	struct error minor = { 0 };
	char text[1024];
	int r;

	if (daemon->conf->mount && (r = fs_check(daemon->conf->mount, error)) < 0)
		return r;
	r = displace(daemon, error);
	if (r < 0) {
		takeover_end(&daemon->before); /* it need not wait for our last request */
		return r;
	}
	if (daemon_mount(daemon, &minor) < 0)
		log_error("%s; it comes back with a restart",
			  error_text(&minor, text, sizeof(text)));
	if (ledger_take_place(daemon->ledger, &minor) < 0) /* a start finds it by its name too */
		log_error("%s", error_text(&minor, text, sizeof(text)));
	r = admin_start(daemon->admin, error);
	if (r < 0)
		return r;
	gateway_open_console(daemon->gateway);
	return 0;
}

/* What was handed to us and is not wanted: the configuration names another address now. */
void succession_close_sockets(struct daemon *daemon)
{
	struct gateway_socket *sockets = (struct gateway_socket *)daemon->goods.sockets.data;
	size_t count = daemon->goods.sockets.len / sizeof(*sockets);

	for (size_t i = 0; i < count; i++)
		if (sockets[i].fd >= 0)
			close(sockets[i].fd);
	buffer_fini(&daemon->goods.sockets);
}

/* ---- the old one ---- */

static uint32_t wait_limit_ms(const struct daemon *daemon)
{
	struct conf *conf = gateway_conf(daemon->gateway);
	uint32_t limit_ms = conf->limits.takeover_wait_ms;

	conf_unref(conf);
	return limit_ms;
}

static void start_patience(struct daemon *daemon)
{
	daemon->after_until_ns = clock_now_ns() + wait_limit_ms(daemon) * NS_PER_MS;
}

/* The page, and the door for the next one. */
static void reopen(struct daemon *daemon)
{
	struct error error = { 0 };
	char text[1024];

	daemon->released = false;
	takeover_unlisten(daemon->conf->state, &daemon->door);
	if (daemon_open_surfaces(daemon, &error) < 0)
		log_error("%s; it comes back with a restart",
			  error_text(&error, text, sizeof(text)));
	gateway_open_console(daemon->gateway);
}

/* Nobody is disturbed: it is as if it had not been tried. */
static void take_back(struct daemon *daemon)
{
	log_warning("the tidegated with pid %d did not take over; this one goes on",
		    daemon->after.pid);
	takeover_end(&daemon->after);
	ledger_look_beside(daemon->ledger, true);
	admin_set_gate(daemon->admin, ADMIN_OPEN);
	if (daemon->released)
		reopen(daemon);
}

/* What the other cannot have beside us, and what we can have again. */
static void release(struct daemon *daemon)
{
	_cleanup_(buffer_fini) struct buffer sessions = { 0 };

	gateway_close_console(daemon->gateway);
	admin_set_gate(daemon->admin, ADMIN_SHUT);
	api_leave(daemon->api);
	daemon->released = true;
	start_patience(daemon);
	keys_console_save(daemon->console, clock_now_ns(), &sessions);
	takeover_release(&daemon->after, buffer_slice(&sessions));
}

static void go(struct daemon *daemon)
{
	struct error error = { 0 };

	gateway_release(daemon->gateway);
	admin_stop(daemon->admin);
	if (daemon->fs)
		fs_detach(daemon->fs);
	ledger_give_place(daemon->ledger);
	if (draining_listen(daemon->conf->state, &daemon->draining, &error) < 0)
		log_error("keys that end work on while this one drains: %s", error.message);
	close(daemon->door.fd);
	close(daemon->goods.lock_fd);
	daemon->door.fd = daemon->goods.lock_fd = -1;
	takeover_say(&daemon->after, "gone");
	takeover_end(&daemon->after);
	daemon->replaced = true;
}

void succession_hear(struct daemon *daemon)
{
	if (!takeover_hears(&daemon->after, daemon->released ? "serving" : "ready"))
		take_back(daemon);
	else if (daemon->released)
		go(daemon);
	else
		release(daemon);
}

int succession_patience_ms(const struct daemon *daemon)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= daemon->after_until_ns)
		return 0;
	return (int)((daemon->after_until_ns - now_ns) / NS_PER_MS) + 1;
}

void succession_send_away(struct daemon *daemon)
{
	log_warning("the tidegated with pid %d is not ready after %g s (limits.takeover_wait_ms)",
		    daemon->after.pid, wait_limit_ms(daemon) / 1000.0);
	takeover_dismiss(&daemon->after, "late");
	take_back(daemon);
}

/* Nothing is changed by us from here on, for the other reads how things are. */
void succession_offer(struct daemon *daemon)
{
	struct takeover_goods goods = { .lock_fd = daemon->goods.lock_fd };
	size_t count;
	int r;
	const struct gateway_socket *sockets = gateway_sockets(daemon->gateway, &count);

	memcpy(goods.secret, daemon->goods.secret, sizeof(goods.secret));
	goods.sockets.data = (char *)sockets;
	goods.sockets.len = count * sizeof(*sockets);
	admin_set_gate(daemon->admin, ADMIN_HELD);
	ledger_look_beside(daemon->ledger, false);
	http_tls_tickets_save(gateway_tickets(daemon->gateway), goods.tickets);
	r = takeover_accept(daemon->door.fd, &goods, &daemon->after);
	takeover_forget_tickets(&goods);
	if (r == 0) {
		log_info("the tidegated with pid %d, version %s, begins to take over",
			 daemon->after.pid, daemon->after.version);
		start_patience(daemon);
		return;
	}
	ledger_look_beside(daemon->ledger, true);
	admin_set_gate(daemon->admin, ADMIN_OPEN);
}

struct patience {
	struct daemon *daemon;
	uint64_t until_ns; /* 0: as long as was said */
};

/* The first signal leaves what a stop has, the second one nothing. */
static bool outlived(void *data)
{
	struct patience *patience = data;

	draining_attend(&patience->daemon->draining, patience->daemon->gateway);
	if (daemon_signalled()) {
		if (patience->until_ns > 0)
			return true;
		patience->until_ns =
		    clock_now_ns() + daemon_drain_limit_ms(patience->daemon, false) * NS_PER_MS;
	}
	return patience->until_ns > 0 && clock_now_ns() >= patience->until_ns;
}

void succession_outlive(struct daemon *daemon)
{
	uint32_t most_ms = daemon_drain_limit_ms(daemon, true);
	struct patience patience = { .daemon = daemon };
	struct gateway_counters counters;

	gateway_counters_read(daemon->gateway, &counters);
	log_info("the tidegated with pid %d has taken over: %llu open requests and %llu "
		 "connections may go on for %g s at most",
		 daemon->after.pid, (unsigned long long)counters.inflight,
		 (unsigned long long)counters.connections_open, most_ms / 1000.0);
	gateway_outlive(daemon->gateway, most_ms, outlived, &patience);
	draining_unlisten(daemon->conf->state, &daemon->draining);
	gateway_stop(daemon->gateway, 0, NULL, NULL);
}
