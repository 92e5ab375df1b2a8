/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds up a loop: a thread that looks, now and then, in which plugin's code the loops are. */
#include "gateway/stalls.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/plugin.h"

enum {
	LOOK_MS = 20,
	LINES_A_SECOND = 5,
};

static bool may_tell(struct stalls *stalls)
{
	uint64_t second = clock_now_ns() / NS_PER_S;

	if (second != stalls->second) {
		stalls->second = second;
		stalls->lines = 0;
	}
	if (stalls->lines < LINES_A_SECOND) {
		stalls->lines++;
		return true;
	}
	stalls->untold++;
	return false;
}

static void tell(const struct plugin_stall *stall, void *data)
{
	const struct plugin_code *code = stall->code;
	struct stalls *stalls = data;

	if (!may_tell(stalls))
		return;
	if (stalls->untold)
		log_warning("%llu more lines about plugins that hold up loops were not written",
			    (unsigned long long)stalls->untold);
	stalls->untold = 0;
	log_warning(stall->over
			? "plugin %s: object %s held up a loop for %llu ms in %s()"
			: "plugin %s: object %s has held up a loop for %llu ms now, in %s()",
		    code->plugin, code->object, (unsigned long long)stall->ms, stall->operation);
}

static void *stalls_main(void *data)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000 * 1000 };
	struct stalls *stalls = data;

	pthread_setname_np(pthread_self(), "stalls");
	while (!atomic_load(&stalls->stopping)) {
		nanosleep(&pause, NULL);
		plugin_stalls_look(tell, stalls);
	}
	return NULL;
}

int stalls_start(struct stalls *stalls, struct error *error)
{
	int r = pthread_create(&stalls->thread, NULL, stalls_main, stalls);

	if (r)
		return error_set(error, -r, "the thread stalls cannot start: %s", strerror(r));
	stalls->running = true;
	return 0;
}

void stalls_stop(struct stalls *stalls)
{
	if (!stalls->running)
		return;
	atomic_store(&stalls->stopping, true);
	pthread_join(stalls->thread, NULL);
	stalls->running = false;
}
