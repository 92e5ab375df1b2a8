/* SPDX-License-Identifier: Apache-2.0 */
/* Load generator of the benchmarks: `load closed|streams|idle`, JSON on stdout. It never retries:
 * what does not come back as 200 is an error and counted. */
#include "load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char request_messages[] =
    "\"messages\":[{\"role\":\"system\",\"content\":\"You are the support assistant of a shop for "
    "outdoor "
    "equipment. Answer briefly and politely, in the language of the question. If you do not know "
    "the answer, "
    "say so and offer to open a ticket. Never promise a delivery date that is not in the order "
    "data.\"},"
    "{\"role\":\"user\",\"content\":\"Hi, I ordered a tent last week (order 48213) and have not "
    "heard anything "
    "since. Can you tell me where it is?\"},{\"role\":\"assistant\",\"content\":\"Thank you for "
    "asking. Order "
    "48213 was packed on Tuesday and handed to the carrier on Wednesday "
    "morning.\"},{\"role\":\"user\","
    "\"content\":\"And if I am not at home, will they leave it with a neighbour? Also, can I still "
    "change the "
    "colour from green to grey?\"}],\"temperature\":0.2,\"max_tokens\":256";

void request_make(struct request *request, const struct load_options *options, bool stream)
{
	char body[2048];
	char host[INET_ADDRSTRLEN];
	int body_len = snprintf(
	    body, sizeof(body), "{\"model\":\"%s\",%s%s}", options->model, request_messages,
	    stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" : "");

	inet_ntop(AF_INET, &options->target.sin_addr, host, sizeof(host));
	int len = snprintf(
	    request->text, sizeof(request->text),
	    "POST /v1/chat/completions HTTP/1.1\r\nHost: %s:%u\r\nAccept: application/json\r\n"
	    "Authorization: Bearer %s\r\nContent-Type: application/json\r\nUser-Agent: "
	    "tidegate-bench/1\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    host, ntohs(options->target.sin_port), options->key, body_len, body);
	if (body_len >= (int)sizeof(body) || len >= (int)sizeof(request->text))
		die("request too long");
	request->len = (size_t)len;
}

bool request_send(int fd, const struct request *request)
{
	return send(fd, request->text, request->len, MSG_NOSIGNAL) == (ssize_t)request->len;
}

void epoll_add(int epoll, int fd, uint32_t events, void *data)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

static const struct {
	const char *name;
	int (*run)(const struct load_options *options);
} modes[] = { { "closed", load_closed }, { "streams", load_streams }, { "idle", load_idle } };

static int usage(void)
{
	fprintf(stderr, "usage: load closed|streams|idle --target HOST:PORT [--key KEY] [--model "
			"NAME] [--connections N]\n"
			"  closed:  [--requests N] [--rate N] [--tls 0|1]\n"
			"  streams: [--rate N] [--chunks N] [--chunk-ms N]\n"
			"  idle:    [--rate N] [--slow N] [--slow-ms N]   ends when stdin does\n");
	return 2;
}

static bool option_apply(struct load_options *o, const char *name, const char *value)
{
	const struct {
		const char *name;
		uint64_t *number;
	} numbers[] = { { "--connections", &o->connections }, { "--requests", &o->requests },
			{ "--rate", &o->rate_per_s },         { "--chunks", &o->chunks },
			{ "--chunk-ms", &o->chunk_ms },       { "--slow", &o->slow },
			{ "--slow-ms", &o->slow_ms },         { "--tls", &o->tls } };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) == 0) {
			*numbers[i].number = number_parse(name, value);
			return true;
		}
	}
	if (strcmp(name, "--target") == 0)
		o->target = address_parse(value);
	else if (strcmp(name, "--key") == 0)
		o->key = value;
	else if (strcmp(name, "--model") == 0)
		o->model = value;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct load_options options = { .key = "none",
					.model = "gpt-4o-mini",
					.connections = 32,
					.requests = 10000,
					.chunks = 20,
					.chunk_ms = 500,
					.slow_ms = 30000 };

	if (argc < 2 || argc % 2 != 0)
		return usage();
	for (int i = 2; i < argc; i += 2)
		if (!option_apply(&options, argv[i], argv[i + 1]))
			return usage();
	if (!options.target.sin_port || !options.connections)
		return usage();
	uint64_t descriptors = descriptors_raise();
	if (options.connections + options.slow + 16 > descriptors)
		die("%llu descriptors are too few", (unsigned long long)descriptors);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(&options);
	return usage();
}
