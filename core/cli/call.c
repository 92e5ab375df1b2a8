/* SPDX-License-Identifier: Apache-2.0 */
/* One call of the REST API by a command: what it says on both outputs, and its exit code. */
#include "cli/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/print.h"

int call_fail(const struct error *error, int code)
{
	char text[1024];

	fprintf(stderr, "tidectl: %s\n", error_text(error, text, sizeof(text)));
	return code;
}

int call_appliance(const struct command *command, const char *method, const char *path,
		   json_t *body, json_t **ret)
{
	struct error error = { 0 };
	int status, r = client_call(command->socket, method, path, body, &status, ret, &error);

	if (r < 0)
		return call_fail(&error, EXIT_UNREACHABLE);
	if (status < 400)
		return 0;
	if (command->json)
		print_json(*ret);
	error_set(&error, -EIO, "%s",
		  json_string_value(json_object_get(json_object_get(*ret, "error"), "message"))
		      ?: "the appliance refused");
	json_decref(*ret);
	return call_fail(&error, EXIT_REFUSED);
}

int call_end_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "tidectl: the output could not be written: %s\n", strerror(errno));
	return EXIT_REFUSED;
}

int call_show(const struct command *command, const char *method, const char *path, json_t *body,
	      void (*print)(json_t *value))
{
	json_t *value;
	int r = call_appliance(command, method, path, body, &value);

	if (r)
		return r;
	if (command->json)
		print_json(value);
	else
		print(value);
	json_decref(value);
	return call_end_output();
}
