/* SPDX-License-Identifier: Apache-2.0 */
/* Tidegate's plugin ABI, version 0.9. A plugin is one shared object that exports one function,
 * tide_plugin(), and links nothing of the host: everything it may do comes in as a table of
 * functions.
 *
 * Fixed-width integers, slices and pointers cross this border; nothing else does. Structs grow at
 * their end only; each table begins with its size, and whoever reads a table uses no more of it
 * than that size covers.
 *
 * Changes: 0.1 first version; providers. 0.2 tide_http_request.sigv4. 0.3 more
 * dialects, of which an instance may take some; tide_call_info.query, method, rest. 0.4
 * tide_provider_operations.probe. 0.5 policies (policy.h); tide_host.request.
 * 0.9 what members marked so say. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIDE_ABI_MAJOR 0 /* must be equal */
#define TIDE_ABI_MINOR 9 /* a plugin's may be at most the host's */

/* Borrowed bytes, not NUL-terminated. Each function says how long they live. */
struct tide_slice {
	const char *ptr;
	uint64_t len;
};

struct tide_header {
	struct tide_slice name, value;
};

/* A wire format; what a provider's upstream speaks and what it answers in. */
enum tide_dialect {
	TIDE_DIALECT_OPENAI_CHAT = 1,        /* platform.openai.com/docs/api-reference/chat */
	TIDE_DIALECT_ANTHROPIC_MESSAGES = 2, /* docs.anthropic.com/en/api/messages */
	/* Since 0.3: */
	TIDE_DIALECT_OPENAI_RESPONSES = 3,  /* platform.openai.com/docs/api-reference/responses */
	TIDE_DIALECT_OPENAI_EMBEDDINGS = 4, /* platform.openai.com/docs/api-reference/embeddings */
	TIDE_DIALECT_GEMINI = 5,            /* ai.google.dev/api/generate-content */
	TIDE_DIALECT_BEDROCK_CONVERSE = 6,  /* docs.aws.amazon.com: API_runtime_Converse */
	TIDE_DIALECT_ANTHROPIC_COUNT_TOKENS =
	    7,                                /* docs.anthropic.com/en/api/messages-count-tokens */
	TIDE_DIALECT_GEMINI_COUNT_TOKENS = 8, /* ai.google.dev/api/tokens */
};

enum tide_option_type {
	TIDE_OPTION_STRING,
	TIDE_OPTION_INT, /* min and max bound it */
	TIDE_OPTION_BOOL,
};

#define TIDE_OPTION_REQUIRED 1u

/* One row of `options: { … }` in the object's configuration: validates it, and is its
 * documentation. */
struct tide_option {
	const char *name;
	uint32_t type;            /* enum tide_option_type */
	uint32_t flags;           /* TIDE_OPTION_REQUIRED */
	const char *default_text; /* NULL: none. Integers decimal, booleans "true" or "false" */
	int64_t min, max;         /* integers only */
	const char *doc;          /* one sentence */
};

enum tide_kind {
	TIDE_KIND_PROVIDER = 1, /* provider.h */
	TIDE_KIND_POLICY = 2,   /* policy.h. Since 0.5 */
};

/* What tide_plugin() returns: constant, alive as long as the plugin is loaded. */
struct tide_plugin {
	uint32_t size; /* sizeof(struct tide_plugin) of the header it was built with */
	uint16_t abi_major, abi_minor;
	uint32_t kind;        /* enum tide_kind */
	uint32_t option_size; /* sizeof(struct tide_option) */
	const char *name;     /* what an object's `plugin` option says: [a-z0-9-]{1,32} */
	const char *version;
	const char *summary; /* one line */
	const struct tide_option *options;
	uint64_t option_count;
	const void *operations; /* by kind: struct tide_KIND_operations */
};

typedef const struct tide_plugin *(*tide_plugin_fn)(void);

#define TIDE_EXPORT __attribute__((visibility("default")))
/* The one symbol a plugin exports. */
TIDE_EXPORT const struct tide_plugin *tide_plugin(void);

enum tide_log_level {
	TIDE_LOG_ERROR,
	TIDE_LOG_WARNING,
	TIDE_LOG_INFO,
	TIDE_LOG_DEBUG,
};

struct tide_instance; /* the host's handle of one configured object */
struct tide_call;     /* one attempt at one upstream, see provider.h */
struct tide_timer;
struct tide_metric; /* a counter or gauge of the object; since 0.9 */

/* Services of the host. Thread rules: [any] any thread; [create] only inside create(); [call] only
 * on the thread that called start() for that call, between start() and the call's end. */
struct tide_host {
	uint32_t size;
	uint16_t abi_major, abi_minor;

	/* [any] Never write secrets, prompts or answers. The line is prefixed with the object's
	 * name. */
	void (*log)(struct tide_instance *instance, uint32_t level, struct tide_slice text);
	uint64_t (*clock_ns)(void);      /* [any] monotonic */
	uint64_t (*clock_real_ns)(void); /* [any] */

	/* [create] Options of the object, checked against the rows, defaults filled in. A string
	 * lives as long as the instance; {NULL, 0} when not given and without default. */
	struct tide_slice (*option_string)(struct tide_instance *instance, const char *name);
	int64_t (*option_int)(struct tide_instance *instance, const char *name);
	uint32_t (*option_bool)(struct tide_instance *instance, const char *name);
	/* [create] The object's secret (API key); {NULL, 0} when it has none. Lives as long as the
	 * instance. */
	struct tide_slice (*secret)(struct tide_instance *instance);

	/* [call] Zeroed memory that lives until the call has ended. NULL when out of memory. */
	void *(*call_alloc)(struct tide_call *call, uint64_t size);
	/* [call] Remaining services of a call are in provider.h's struct tide_call_services. */
	const struct tide_call_services *call;
	/* [request] Services of a policy's request: policy.h. Since 0.5. */
	const struct tide_request_services *request;

	/* [create] A number that monitoring sees as tidegate_plugin_PLUGIN_NAME_total, of a
	 * counter, or tidegate_plugin_PLUGIN_NAME, with the object as a label: `name` is
	 * [a-z][a-z0-9_]{0,47}, `help` one line. The same for the same name: an object that is made
	 * anew goes on where it was. NULL, and a warning in the log: no name, a gauge that is a
	 * counter elsewhere, or more than 32 of the object. Since 0.9, as what follows. */
	struct tide_metric *(*counter)(struct tide_instance *instance, const char *name,
				       const char *help);
	struct tide_metric *(*gauge)(struct tide_instance *instance, const char *name,
				     const char *help);
	/* [any] Without a lock. Of NULL nothing; a counter takes no less than 1 at a time. */
	void (*metric_add)(struct tide_metric *metric, int64_t value);
	/* [any] Gauges only. */
	void (*metric_set)(struct tide_metric *metric, int64_t value);
	/* [any] Runs work(data) on a thread that no request waits for, where it may block and take
	 * long; a request that waits for it is suspended, and work() says complete(). Each is run
	 * or dropped, once: dropped(data) comes instead (may be NULL; on the admin thread, which
	 * must not wait) when the instance ends first, whose destroy() waits for those that run. It
	 * may use no service of requests but complete(). -EAGAIN: 1024 of the object wait already;
	 * -ESHUTDOWN: the instance is ending; -ENOMEM, -EINVAL. Since 0.9. */
	int32_t (*offload)(struct tide_instance *instance, void (*work)(void *data),
			   void (*dropped)(void *data), void *data);
	/* [any] Requests that a policy makes itself: calls.h. */
	const struct tide_outgoing_services *outgoing;
};

#ifdef __cplusplus
}
#endif
