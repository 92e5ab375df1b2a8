/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files, built into the program: nothing is read from a folder that a request could
 * leave. */
#include "api/private.h"

#include "base/cleanup.h"
#include "ui-stamp.h"

#define EMBED(symbol, file)                                                       \
	__asm__(".section .rodata\n"                                              \
		".balign 16\n" #symbol "_begin:\n"                                \
		".incbin \"" UI_FOLDER "/" file "\"\n" #symbol "_end:\n"          \
		".byte 0\n"                                                       \
		".previous\n");                                                   \
	extern const char symbol##_begin[] __attribute__((visibility("hidden"))); \
	extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(ui_index, "index.html");
EMBED(ui_script, "app.js");
EMBED(ui_style, "app.css");
EMBED(ui_icon, "icon.svg");

static const struct page_file {
	const char *path, *type, *begin, *end;
} files[] = {
	{ "/", "text/html; charset=utf-8", ui_index_begin, ui_index_end },
	{ "/app.js", "text/javascript; charset=utf-8", ui_script_begin, ui_script_end },
	{ "/app.css", "text/css; charset=utf-8", ui_style_begin, ui_style_end },
	{ "/icon.svg", "image/svg+xml", ui_icon_begin, ui_icon_end },
};

static const struct page_file *find_file(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	}
	return NULL;
}

bool page_has(const char *path)
{
	return find_file(path) != NULL;
}

bool page_serve(struct api_call *call, const char *path)
{
	const struct page_file *file = find_file(path);

	if (!file)
		return false;
	answer_bytes(call, 200, file->type, slice_span(file->begin, file->end),
		     "Cache-Control: no-cache\r\n");
	return true;
}
