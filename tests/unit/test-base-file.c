/* SPDX-License-Identifier: Apache-2.0 */
/* Files: bounded reads, writes that replace as a whole and leave nothing behind, folders, and names
 * as file names. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "test.h"

static const char *path_of(const char *name)
{
	static char paths[4][512];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", test_folder(), name);
	return path;
}

static int count_entries(const char *path)
{
	DIR *folder = opendir(path);
	int count = -2; /* "." and ".." */

	CHECK(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void test_write_and_read(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	const char *path = path_of("a.conf");
	struct error error;
	struct stat info;

	CHECK_INT(file_write_atomic(path, SLICE("first\0text"), 0640, &error), 0);
	buffer_append_str(&content, "what was here before");
	CHECK_INT(file_read(path, 100, &content, &error), 0);
	CHECK(slice_eq(buffer_slice(&content), SLICE("first\0text")));
	CHECK_INT(file_write_atomic(path, SLICE("second"), 0600, &error), 0);
	CHECK_INT(file_read(path, 6, &content, &error), 0);
	CHECK_SLICE(buffer_slice(&content), "second");
	CHECK_INT(stat(path, &info), 0);
	CHECK_INT(info.st_mode & 07777, 0600);
	CHECK_INT(count_entries(test_folder()), 1);
	CHECK_INT(file_write_atomic(path, (struct slice){ NULL, 0 }, 0600, &error), 0);
	CHECK_INT(file_read(path, 0, &content, &error), 0);
	CHECK_INT(content.len, 0);
	unlink(path);
}

/* All of them, or none and no temporary file. */
static void test_write_new(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	const char *folder = path_of("many"), *other = path_of("many/a"),
		   *inside = path_of("many/b");
	struct error error;
	struct file_text files[] = { { other, SLICE("first") }, { inside, SLICE("second") } };

	CHECK_INT(file_make_folders(folder, 0700, &error), 0);
	CHECK_INT(file_write_new(files, 0, 0600, &error), 0);
	CHECK_INT(file_write_new(files, 2, 0600, &error), 0);
	CHECK_INT(count_entries(folder), 2);
	CHECK_INT(file_read(inside, 100, &content, &error), 0);
	CHECK_SLICE(buffer_slice(&content), "second");
	unlink(inside);
	unlink(other);
	CHECK_INT(mkdir(inside, 0700), 0); /* no file takes its place */
	CHECK(file_write_new(files, 2, 0600, &error) < 0);
	CHECK_INT(count_entries(folder), 1);
	rmdir(inside);
	rmdir(folder);
}

/* Nobody writes to it: an open that waits would never return. */
static void test_pipe(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	const char *path = path_of("pipe");
	struct error error;

	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK_INT(file_read(path, 100, &content, &error), -EINVAL);
	CHECK_STR(error.message, "is not a regular file");
	unlink(path);
}

static void test_write_of_a_large_file(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 }, back = { 0 };
	const char *path = path_of("large");
	struct error error;

	for (int i = 0; i < 300000; i++)
		buffer_append_u64(&content, (uint64_t)i);
	CHECK_INT(file_write_atomic(path, buffer_slice(&content), 0600, &error), 0);
	CHECK_INT(file_read(path, content.len, &back, &error), 0);
	CHECK(slice_eq(buffer_slice(&content), buffer_slice(&back)));
	CHECK_INT(file_read(path, content.len - 1, &back, &error), -EFBIG);
	CHECK_INT(back.len, 0);
	CHECK_STR(error.file, path);
	CHECK(strstr(error.message, "larger than the limit of"));
	unlink(path);
}

static void test_relative_path(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	_cleanup_free_ char *before = getcwd(NULL, 0);

	CHECK_INT(chdir(test_folder()), 0);
	CHECK_INT(file_write_atomic("here", SLICE("x"), 0600, NULL), 0);
	CHECK_INT(file_read("here", 1, &content, NULL), 0);
	CHECK_INT(unlink("here"), 0);
	CHECK_INT(chdir(before), 0);
}

static void test_failures_name_the_file(void)
{
	_cleanup_(buffer_fini) struct buffer content = { 0 };
	struct error error = { 0 };

	CHECK_INT(file_read(path_of("absent"), 10, &content, &error), -ENOENT);
	CHECK_STR(error.file, path_of("absent"));
	CHECK_STR(error.message, "cannot open it: No such file or directory");
	CHECK_INT(file_read(test_folder(), 10, &content, &error), -EISDIR);
	CHECK_INT(file_write_atomic(path_of("absent/a"), SLICE("x"), 0600, &error), -ENOENT);
	CHECK_STR(error.file, path_of("absent/a"));
	/* A folder cannot be replaced by a file, and the temporary file must not stay. */
	CHECK_INT(mkdir(path_of("folder"), 0700), 0);
	CHECK_INT(file_write_atomic(path_of("folder"), SLICE("x"), 0600, &error), -EISDIR);
	CHECK_INT(count_entries(test_folder()), 1);
	rmdir(path_of("folder"));
}

static void test_make_folders(void)
{
	struct error error;
	struct stat info;
	mode_t before;

	CHECK_INT(file_make_folders(path_of("a/b//c/"), 0700, &error), 0);
	CHECK_INT(file_make_folders(path_of("a/b/c"), 0700, &error), 0);
	CHECK(stat(path_of("a/b/c"), &info) == 0 && S_ISDIR(info.st_mode));
	CHECK_INT(file_make_folders("/", 0700, &error), 0);
	before = umask(0077);
	CHECK_INT(file_make_folders(path_of("open/to/all"), 0755, &error), 0);
	umask(before);
	CHECK(stat(path_of("open"), &info) == 0 && (info.st_mode & 0777) == 0755);
	CHECK(stat(path_of("open/to/all"), &info) == 0 && (info.st_mode & 0777) == 0755);
	CHECK_INT(file_write_atomic(path_of("a/file"), SLICE(""), 0600, &error), 0);
	CHECK_INT(file_make_folders(path_of("a/file/d"), 0700, &error), -ENOTDIR);
	CHECK_STR(error.file, path_of("a/file/d"));
	CHECK_INT(file_make_folders(path_of("a/file"), 0700, &error), -ENOTDIR);
}

static const struct {
	struct slice name;
	const char *text;
} names[] = {
	{ { "gpt-4o_mini.2:x@y+z", 19 }, "gpt-4o_mini.2:x@y+z" },
	{ { "org/model", 9 }, "org%2Fmodel" },
	{ { "100%", 4 }, "100%25" },
	{ { "a b\n", 4 }, "a%20b%0A" },
	{ { "gr\xc3\xbcn", 5 }, "gr%C3%BCn" },
	{ { ".", 1 }, "%2E" },
	{ { "..", 2 }, "%2E." },
	{ { ".hidden", 7 }, "%2Ehidden" },
	{ { "../../etc", 9 }, "%2E.%2F..%2Fetc" },
	{ { "a~", 2 }, "a%7E" },
	{ { "", 0 }, "" },
};

static void test_names_both_ways(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(buffer_fini) struct buffer text = { 0 }, back = { 0 };

		file_name_encode(names[i].name, &text);
		CHECK_SLICE(buffer_slice(&text), names[i].text);
		CHECK_INT(file_name_decode(buffer_slice(&text), &back), 0);
		CHECK(slice_eq(buffer_slice(&back), names[i].name));
	}
}

/* Of every short text: what decodes encodes to itself again, so that no two files bear one name. */
static void test_decoding_is_canonical(void)
{
	static const char *const bad[] = { "a/b", ".a",  ".",    "a b", "%",   "%2", "a%2",
					   "%2f", "%41", "a%2E", "%00", "%zz", "%%" };
	int decoded = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(buffer_fini) struct buffer back = { 0 };

		CHECK_INT(file_name_decode(slice_of(bad[i]), &back), -EINVAL);
	}
	for (int first = 0; first < 256; first++) {
		for (int second = 0; second < 256; second++) {
			_cleanup_(buffer_fini) struct buffer back = { 0 }, again = { 0 };
			char text[] = { '%', (char)first, (char)second };

			if (file_name_decode((struct slice){ text, 3 }, &back) < 0)
				continue;
			decoded++;
			file_name_encode(buffer_slice(&back), &again);
			CHECK(slice_eq(buffer_slice(&again), (struct slice){ text, 3 }));
		}
	}
	/* 256 less NUL and the 68 plain ones; the dot needs its escape at the start. */
	CHECK_INT(decoded, 256 - 1 - 68 + 1);
}

/* Only what such a write would have called so. */
static void test_sweep(void)
{
	static const char *const others[] = { ".new-",      ".new-abc",    ".new-abcdefg",
					      "new-abcdef", ".newsabcdef", "a.new-abcde" };
	char path[512], folder[300];

	snprintf(folder, sizeof(folder), "%s/sweep", test_folder());
	CHECK_INT(file_make_folders(folder, 0700, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, others[i]);
		CHECK_INT(file_write_atomic(path, SLICE("kept"), 0600, NULL), 0);
	}
	snprintf(path, sizeof(path), "%s/.new-a0Z9xY", folder);
	CHECK_INT(file_write_atomic(path, SLICE("left"), 0600, NULL), 0);
	file_sweep_temporaries(folder);
	CHECK(access(path, F_OK) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, others[i]);
		CHECK_INT(access(path, F_OK), 0);
	}
	file_sweep_temporaries("/nonexistent");
}

int main(void)
{
	test_run("write_and_read", test_write_and_read);
	test_run("write_new", test_write_new);
	test_run("a pipe", test_pipe);
	test_run("write_of_a_large_file", test_write_of_a_large_file);
	test_run("relative_path", test_relative_path);
	test_run("failures_name_the_file", test_failures_name_the_file);
	test_run("make_folders", test_make_folders);
	test_run("names_both_ways", test_names_both_ways);
	test_run("decoding_is_canonical", test_decoding_is_canonical);
	test_run("sweep", test_sweep);
	return 0;
}
