/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over committed inputs, so that what was found once is an ordinary test for
 * ever. Arguments are folders; a folder that is missing or all of them empty is a failure, not a
 * pass. */
#include <dirent.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "fuzz.h"

enum {
	INPUT_MAX = 1 << 24,
};

static size_t replay_folder(const char *folder)
{
	DIR *entries = opendir(folder);
	size_t count = 0;

	FUZZ_CHECK(entries);
	for (struct dirent *entry; (entry = readdir(entries));) {
		_cleanup_(buffer_fini) struct buffer input = { 0 };
		struct error error;
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (file_read(path, INPUT_MAX, &input, &error) < 0) {
			fprintf(stderr, "%s\n", error.message);
			exit(1);
		}
		/* A copy of exact size, so that a read beyond its end is seen. */
		uint8_t *bytes = malloc(input.len ? input.len : 1);
		FUZZ_CHECK(bytes);
		if (input.len > 0)
			memcpy(bytes, input.data, input.len);
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(bytes, input.len);
		free(bytes);
		count++;
	}
	closedir(entries);
	return count;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_folder(argv[i]);
	printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
