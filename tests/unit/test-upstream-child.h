/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is another program, for the tests of TLS and HTTP/2: started in the test's folder
 * with a pipe on its output, from which the port it got is read, and ended by its process id. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "test-upstream-fixture.h"

struct child {
	pid_t pid;
	int output;
	unsigned port;
};

static inline void child_run(char *const *argv, int output, const char *folder)
{
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (chdir(folder) == 0)
		execvp(argv[0], argv);
	_exit(127);
}

/* Starts `argv` and waits until its output has `mark`, behind which the port stands. */
static inline void child_start(struct child *child, char *const *argv, const char *mark)
{
	const char *folder = test_folder(); /* made here, not in the child */
	char text[4096];
	size_t have = 0;
	int ends[2];

	CHECK(pipe(ends) == 0);
	child->pid = fork();
	CHECK(child->pid >= 0);
	if (child->pid == 0) {
		close(ends[0]);
		child_run(argv, ends[1], folder);
	}
	close(ends[1]);
	child->output = ends[0];
	for (child->port = 0; child->port == 0;) {
		const char *found;
		ssize_t n;

		server_poll(child->output, POLLIN);
		n = read(child->output, text + have, sizeof(text) - 1 - have);
		if (n <= 0)
			test_fail(__FILE__, __LINE__, "%s ended: %.*s", argv[0], (int)have, text);
		have += (size_t)n;
		text[have] = 0;
		found = strstr(text, mark);
		if (found && strchr(found, '\n'))
			child->port = (unsigned)strtoul(found + strlen(mark), NULL, 10);
	}
}

static inline void child_stop(struct child *child)
{
	kill(child->pid, SIGTERM);
	CHECK(waitpid(child->pid, NULL, 0) == child->pid);
	close(child->output);
}

/* Runs a command in the test's folder to its end; false when it could not or failed. */
static inline bool child_command(const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	const char *folder = test_folder();
	int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();

	CHECK(pid >= 0 && null >= 0);
	if (pid == 0)
		child_run(argv, null, folder);
	close(null);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
