/* SPDX-License-Identifier: Apache-2.0 */
/* How often a second a small file can be opened, read and closed: `reads FILE MILLISECONDS`. An
 * empty or failing read ends the run: speed without content is worth nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common.h"

enum { BATCH = 64 };

static void read_once(const char *path)
{
	char buffer[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("open %s", path);
	if (read(fd, buffer, sizeof(buffer)) <= 0)
		die("read %s", path);
	if (close(fd) < 0)
		die("close %s", path);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: reads FILE MILLISECONDS\n");
		return 2;
	}
	uint64_t span_ns = number_parse("MILLISECONDS", argv[2]) * NS_PER_MS;
	uint64_t start = now_ns();
	uint64_t count = 0;
	uint64_t now;

	do {
		for (int i = 0; i < BATCH; i++)
			read_once(argv[1]);
		count += BATCH;
		now = now_ns();
	} while (now - start < span_ns);
	printf("{\"reads\":%llu,\"per_s\":%.1f}\n", (unsigned long long)count,
	       (double)count * 1e9 / (double)(now - start));
	return 0;
}
