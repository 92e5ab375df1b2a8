/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking: the kernel's word for the Unix socket, an opaque cookie for the network. */
#include "api/private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static const char cookie_name[] = "tidegate_session";

/* The peer as the front door saw it: "unix:UID" or an address. It strips such a header of clients.
 */
static bool by_socket(struct api_call *call, const char *peer)
{
	char *end;
	unsigned long uid;

	if (strncmp(peer, "unix:", 5) != 0)
		return false;
	uid = strtoul(peer + 5, &end, 10);
	if (*end || end == peer + 5 || (uid != 0 && uid != geteuid()))
		return false;
	snprintf(call->caller.who, sizeof(call->caller.who), "uid %lu", uid);
	snprintf(call->caller.from, sizeof(call->caller.from), "socket");
	return true;
}

bool session_identify(struct api_call *call)
{
	const char *peer = mg_get_header(call->connection, "x-tidegate-peer");
	const char *cookie = mg_get_header(call->connection, "Cookie");

	call->session[0] = '\0';
	if (peer && by_socket(call, peer))
		return true;
	snprintf(call->caller.from, sizeof(call->caller.from), "%s", peer ? peer : "?");
	if (!cookie ||
	    mg_get_cookie(cookie, cookie_name, call->session, sizeof(call->session)) <= 0)
		return false;
	snprintf(call->caller.who, sizeof(call->caller.who), "console");
	return keys_console_check(admin_console(call->admin), slice_of(call->session),
				  clock_now_ns());
}

/* Over TLS the cookie stays with TLS. */
static const char *secure(const struct api_call *call)
{
	const char *scheme = mg_get_header(call->connection, "x-tidegate-scheme");

	return scheme && strcmp(scheme, "https") == 0 ? "; Secure" : "";
}

int session_login(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	json_t *secret = json_object_get(body, "secret"), *value;
	char session[KEYS_SESSION_SIZE], header[160];
	uint32_t wait_s = 0;
	int r;

	if (!json_is_string(secret))
		return error_set(error, -EINVAL,
				 "\"secret\" is missing; it is in the file console-secret of the "
				 "state folder");
	r = keys_console_login(
	    admin_console(call->admin), call->caller.from,
	    (struct slice){ json_string_value(secret), json_string_length(secret) }, clock_now_ns(),
	    session, &wait_s);
	if (r == -EAGAIN) {
		snprintf(call->extra, sizeof(call->extra), "Retry-After: %u\r\n", wait_s);
		return error_set(error, r, "too many wrong secrets; try again in %u second%s",
				 wait_s, wait_s == 1 ? "" : "s");
	}
	if (r < 0)
		return error_set(
		    error, r,
		    "the secret is wrong; it is in the file console-secret of the state folder");
	snprintf(header, sizeof(header),
		 "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict%s\r\n", cookie_name, session,
		 secure(call));
	value = json_pack("{s:b}", "ok", 1);
	answer_json(call, 200, value, header);
	json_decref(value);
	return 0;
}

int session_logout(struct api_call *call, json_t *body, json_t **ret, struct error *error)
{
	char header[128];
	json_t *value = json_pack("{s:b}", "ok", 1);

	if (call->session[0])
		keys_console_logout(admin_console(call->admin), slice_of(call->session));
	snprintf(header, sizeof(header),
		 "Set-Cookie: %s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict%s\r\n", cookie_name,
		 secure(call));
	answer_json(call, 200, value, header);
	json_decref(value);
	return 0;
}
