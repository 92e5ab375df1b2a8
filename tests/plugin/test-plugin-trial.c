/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that crash, end the process, hang or hold up their thread: what is tried in a child, what
 * is told of a crash, and who stalls. Argument: folder of the broken ones. The program is its own
 * child. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "test-plugin-host.h"

static const char *folder;

static int open_set(const char *stem, const char *crashes, const char *trial,
		    struct plugin_set **ret, struct error *error)
{
	const char *const stems[] = { stem, NULL };
	const struct plugin_set_options options = { .folder = folder,
						    .entries = stems,
						    .crashes = crashes,
						    .crashes_max = 2,
						    .trial = trial };

	*error = (struct error){ 0 };
	return plugin_set_open(&options, ret, error);
}

static void files(void)
{
	static const struct {
		const char *stem;
		int code;
		const char *why;
	} cases[] = {
		{ "broken-constructor-crashes", -ENOEXEC,
		  ": crashed (Segmentation fault); it was" },
		{ "broken-constructor-exits", -ENOEXEC, ": ended the process (with status 0); it" },
		{ "broken-constructor-hangs", -ETIMEDOUT, ": did not return within 5 s; it was" },
		{ "broken-wrong-major", -EPROTO, "built for plugin ABI 1.9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plugin_set *set;
		struct error error;

		CHECK_INT(open_set(cases[i].stem, NULL, "/proc/self/exe", &set, &error),
			  cases[i].code);
		if (!strstr(error.message, cases[i].why) || !strstr(error.message, cases[i].stem))
			test_fail(__FILE__, __LINE__, "%s: %s", cases[i].stem, error.message);
	}
}

static void objects(void)
{
	static const struct {
		const char *stem;
		int code;
		const char *why;
	} cases[] = {
		{ "broken-sound", 0, "" },
		{ "broken-create-crashes", -ENOEXEC,
		  "a.conf:7:3: provider x: create() of plugin broken: crashed (Segmentation "
		  "fault); "
		  "it was tried in a process of its own" },
		{ "broken-create-exits", -ENOEXEC,
		  "a.conf:7:3: provider x: create() of plugin broken: ended the process (with "
		  "status "
		  "3); it was tried in a process of its own" },
		{ "broken-create-hangs", -ETIMEDOUT,
		  "a.conf:7:3: provider x: create() of plugin broken: did not return within 5 s; "
		  "it "
		  "was tried in a process of its own" },
		{ "broken-create-fails", -EAGAIN,
		  "a.conf:7:3: provider x: plugin broken refused: the water is too low" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		static const struct plugin_services services = { &host_services, host_alloc, NULL };
		struct conf_provider conf = { .name = "x",
					      .plugin = "broken",
					      .place = { "a.conf", 7, 3 } };
		struct plugin_provider *provider = NULL;
		struct plugin_set *set;
		struct error error;
		char text[1024];

		CHECK_INT(open_set(cases[i].stem, NULL, "/proc/self/exe", &set, &error), 0);
		CHECK_INT(plugin_provider_check(set, &conf, &services, &error), cases[i].code);
		CHECK_STR(error_text(&error, text, sizeof(text)), cases[i].why);
		if (cases[i].code != -ETIMEDOUT) { /* it would take as long again */
			CHECK_INT(host_try(set, &conf, &provider, &error), cases[i].code);
			CHECK_STR(error_text(&error, text, sizeof(text)), cases[i].why);
		}
		plugin_provider_unref(provider);
		plugin_set_free(set);
	}
}

/* ---- crashes ---- */

static void start(const struct plugin_provider *provider)
{
	void *state;

	plugin_enter_on_loop(provider->code, "start");
	provider->operations->start(provider->state, NULL, &state);
	plugin_leave();
}

static _Noreturn void crash(const char *crashes)
{
	struct conf_provider conf = { .name = "glass", .plugin = "broken" };
	struct plugin_set *set;
	struct error error;

	if (plugin_crashes_watch(crashes, true, &error) < 0 ||
	    open_set("broken-start-crashes", crashes, NULL, &set, &error) < 0)
		_exit(1);
	start(host_provider(set, &conf));
	_exit(0);
}

/* It ends by its signal, twice; then the file is not opened, and what is made of it is off. */
static void crashes(void)
{
	struct conf_provider conf = { .name = "glass", .plugin = "broken" };
	struct plugin_provider *provider;
	struct plugin_set *set;
	struct error error;
	char path[300];

	snprintf(path, sizeof(path), "%s/plugin-crashes", test_folder());
	for (uint32_t i = 0; i < 2; i++) {
		int status;
		pid_t pid;

		CHECK_INT(open_set("broken-start-crashes", path, NULL, &set, &error), 0);
		CHECK_INT(plugin_set_at(set, 0)->crashes, i);
		CHECK(plugin_set_find(set, "broken"));
		plugin_set_free(set);
		pid = fork();
		if (pid == 0)
			crash(path);
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	}
	CHECK_INT(open_set("broken-start-crashes", path, NULL, &set, &error), 0);
	CHECK_INT(plugin_set_at(set, 0)->crashes, 2);
	CHECK_STR(plugin_set_at(set, 0)->name, "broken");
	CHECK(!plugin_set_find(set, "broken"));
	provider = host_provider(set, &conf);
	CHECK(provider->off && !provider->plugin);
	plugin_provider_unref(provider);
	plugin_set_free(set);
	/* Other bytes have not crashed. */
	CHECK_INT(open_set("broken-sound", path, NULL, &set, &error), 0);
	CHECK_INT(plugin_set_at(set, 0)->crashes, 0);
	plugin_set_free(set);
}

/* ---- stalls ---- */

struct seen {
	int now, over;
	uint64_t ms;
};

static void see(const struct plugin_stall *stall, void *data)
{
	struct seen *seen = data;

	CHECK_STR(stall->code->plugin, "broken");
	CHECK_STR(stall->code->object, "slow");
	CHECK_STR(stall->operation, "start");
	CHECK(stall->ms >= PLUGIN_STALL_MS);
	seen->now += !stall->over;
	seen->over += stall->over;
	seen->ms = stall->ms;
}

static void *block(void *provider)
{
	start(provider);
	return NULL;
}

static void look_for(int ms, const struct seen *until, struct seen *seen)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (int i = 0; i < ms / 2 && (!until || seen->over < until->over); i++) {
		nanosleep(&pause, NULL);
		plugin_stalls_look(see, seen);
	}
}

/* An operation of 80 ms is counted once, and told once it is over; one that is short is not. */
static void stalls(void)
{
	struct plugin_set *slow = host_load(folder, "broken-start-blocks");
	struct plugin_set *quick = host_load(folder, "broken-sound");
	struct conf_provider conf = { .name = "slow", .plugin = "broken" };
	struct plugin_provider *blocks = host_provider(slow, &conf);
	struct plugin_provider *sound = host_provider(quick, &conf);
	const struct seen one = { .over = 1 };
	struct seen seen = { 0 };
	pthread_t thread;

	for (int i = 0; i < 1000; i++)
		start(sound);
	look_for(20, NULL, &seen);
	CHECK_INT(seen.now + seen.over, 0);
	CHECK(pthread_create(&thread, NULL, block, blocks) == 0);
	look_for(10000, &one, &seen);
	CHECK(pthread_join(thread, NULL) == 0);
	look_for(20, NULL, &seen);
	CHECK(seen.now <= 1);
	CHECK_INT(seen.over, 1);
	CHECK(seen.ms >= 60);
	CHECK_INT(atomic_load(&blocks->code->tally->stalls), 1);
	CHECK_INT(atomic_load(&sound->code->tally->stalls), 0);
	plugin_provider_unref(blocks);
	plugin_provider_unref(sound);
	plugin_set_free(slow);
	plugin_set_free(quick);
}

int main(int argc, char **argv)
{
	static const struct plugin_services services = { &host_services, host_alloc, NULL };

	CHECK_INT(argc, 2);
	if (strcmp(argv[1], PLUGIN_TRIAL_OPTION) == 0)
		plugin_trial_run(&services);
	folder = argv[1];
	test_run("stalls", stalls);
#ifdef __SANITIZE_ADDRESS__
	test_skip("the address sanitizer turns crashes into its own reports and exits");
#endif
	test_run("files", files);
	test_run("objects", objects);
	test_run("crashes", crashes);
	return 0;
}
