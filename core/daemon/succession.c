/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon follows another on the same state: what is done in which order by the new one, and by
 * the old one, so that somebody serves at any time. How they talk is in takeover.c. */
#include <errno.h>
#include <unistd.h>

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

/* From here on nothing may hinder us but what would hinder any daemon. */
int succession_finish(struct daemon *daemon, struct error *error)
{
	struct error mounting = { 0 };
	char text[1024];
	int r;

	if (daemon->conf->mount && (r = fs_check(daemon->conf->mount, error)) < 0)
		return r;
	r = daemon_serve(daemon, error);
	if (r < 0)
		return r;
	r = takeover_ready(&daemon->before);
	if (r < 0)
		return error_set(error, r, "the tidegated that runs %s",
				 r == -ETIME ? "has waited for limits.takeover_wait_ms, and goes on"
					     : "is being stopped");
	if (r > 0)
		log_warning("the tidegated with pid %d died while this one took over from it",
			    daemon->before.pid);
	if (daemon_mount(daemon, &mounting) < 0)
		log_error("%s; it comes back with a restart",
			  error_text(&mounting, text, sizeof(text)));
	r = daemon_open_surfaces(daemon, error);
	if (r < 0)
		return r;
	gateway_open_console(daemon->gateway);
	return ledger_take_place(daemon->ledger, error);
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

/* Nobody is disturbed: it is as if it had not been tried. */
static void take_back(struct daemon *daemon)
{
	log_warning("the tidegated with pid %d did not take over; this one goes on",
		    daemon->after.pid);
	takeover_end(&daemon->after);
	ledger_look_beside(daemon->ledger, true);
	admin_hold(daemon->admin, false);
}

/* A word of the one that starts, or of its end, which `after` is rid of then. */
void succession_hear(struct daemon *daemon)
{
	if (!takeover_is_ready(&daemon->after)) {
		take_back(daemon);
		return;
	}
	gateway_release(daemon->gateway);
	admin_stop(daemon->admin);
	api_leave(daemon->api);
	if (daemon->fs)
		fs_detach(daemon->fs);
	ledger_give_place(daemon->ledger);
	close(daemon->takeover_fd);
	close(daemon->goods.lock_fd);
	daemon->takeover_fd = daemon->goods.lock_fd = -1;
	takeover_say(&daemon->after, "released");
	takeover_end(&daemon->after);
	daemon->replaced = true;
}

int succession_patience_ms(const struct daemon *daemon)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= daemon->after_until_ns)
		return 0;
	return (int)((daemon->after_until_ns - now_ns) / NS_PER_MS) + 1;
}

static uint32_t wait_limit_ms(const struct daemon *daemon)
{
	struct conf *conf = gateway_conf(daemon->gateway);
	uint32_t limit_ms = conf->limits.takeover_wait_ms;

	conf_unref(conf);
	return limit_ms;
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
	const struct gateway_socket *sockets = gateway_sockets(daemon->gateway, &count);

	memcpy(goods.secret, daemon->goods.secret, sizeof(goods.secret));
	goods.sockets.data = (char *)sockets;
	goods.sockets.len = count * sizeof(*sockets);
	admin_hold(daemon->admin, true);
	ledger_look_beside(daemon->ledger, false);
	if (takeover_accept(daemon->takeover_fd, &goods, &daemon->after) == 0) {
		log_info("the tidegated with pid %d, version %s, begins to take over",
			 daemon->after.pid, daemon->after.version);
		daemon->after_until_ns = clock_now_ns() + wait_limit_ms(daemon) * NS_PER_MS;
		return;
	}
	ledger_look_beside(daemon->ledger, true);
	admin_hold(daemon->admin, false);
}

struct patience {
	struct daemon *daemon;
	uint64_t until_ns; /* 0: as long as was said */
};

/* The first signal leaves what a stop has, the second one nothing. */
static bool outlived(void *data)
{
	struct patience *patience = data;

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
	gateway_stop(daemon->gateway, 0, NULL, NULL);
}
