/* SPDX-License-Identifier: Apache-2.0 */
/* A timer of the first loop looks twice a second whether keys are to be asked for: it is time
 * again, or a loop met a token whose key is unknown. The latter is heeded once in ASK_AGAIN_S,
 * whatever tokens come. */
#include "gateway/issuer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "gateway/exchange.h"

enum {
	LOOK_MS = 500,
	ASK_TIMEOUT_S = 10,
	ASK_AGAIN_S = 10, /* at the earliest, for a key that is unknown or after a failure */
	JWKS_MAX = 1 << 20,
	TOKENS_MAX = 4096, /* remembered by a loop */
};

struct issuer {
	struct registry_object object;
	struct gateway *gateway;
	struct upstream_origin *origin; /* NULL: its keys are those of a file */
	char *path;
	uint64_t refresh_ns;
	pthread_mutex_t lock;
	struct jose_keys *keys;      /* guarded by the lock; NULL: none yet */
	_Atomic uint64_t generation; /* another number for other keys */
	_Atomic bool wanted;
	_Atomic uint64_t asked_ns; /* when it was last asked to an end; 0: never */
	/* [the first loop] */
	struct gateway_loop *loop; /* NULL: nobody asks */
	struct loop_timer timer;
	struct upstream_call *call;
	uint64_t begun_ns, next_ns;
	struct buffer body;
	int status;
	bool failed; /* the last time, and it was told */
};

struct token {
	int64_t until_s;
	size_t len;
	char user[];
};

/* ---- keys ---- */

static void set_keys(struct issuer *issuer, struct jose_keys *keys)
{
	struct jose_keys *before;

	pthread_mutex_lock(&issuer->lock);
	before = issuer->keys;
	issuer->keys = keys;
	atomic_store(&issuer->generation, atomic_fetch_add(&issuer->gateway->key_sets, 1) + 1);
	pthread_mutex_unlock(&issuer->lock);
	jose_keys_unref(before);
}

static struct jose_keys *get_keys(struct issuer *issuer, uint64_t *ret_generation)
{
	struct jose_keys *keys;

	pthread_mutex_lock(&issuer->lock);
	keys = jose_keys_ref(issuer->keys);
	*ret_generation = atomic_load(&issuer->generation);
	pthread_mutex_unlock(&issuer->lock);
	return keys;
}

static void conclude(struct issuer *issuer, const char *why)
{
	uint64_t now_ns = clock_now_ns(), again_ns = ASK_AGAIN_S * NS_PER_S;

	issuer->call = NULL;
	buffer_fini(&issuer->body);
	atomic_store(&issuer->wanted, false);
	atomic_store(&issuer->asked_ns, now_ns);
	issuer->next_ns =
	    now_ns + (why && again_ns < issuer->refresh_ns ? again_ns : issuer->refresh_ns);
	if (why && !issuer->failed)
		log_warning("the keys of jwt.jwks_url could not be had: %s; those it gave before "
			    "hold on",
			    why);
	else if (!why && issuer->failed)
		log_info("the keys of jwt.jwks_url could be had again");
	issuer->failed = why;
}

static void on_head(void *user, int status, const struct upstream_header *headers, size_t count,
		    int64_t length)
{
	((struct issuer *)user)->status = status;
}

static void on_data(void *user, struct slice data)
{
	struct issuer *issuer = user;

	buffer_append_slice(&issuer->body, data);
	if (issuer->body.failed || issuer->body.len > JWKS_MAX) {
		upstream_cancel(issuer->call);
		conclude(issuer, "they are more than 1 MiB");
	}
}

static void on_end(void *user)
{
	struct issuer *issuer = user;
	struct jose_keys *keys = NULL;
	struct error error = { 0 };
	char why[64];

	if (issuer->status != 200) {
		snprintf(why, sizeof(why), "it answered with status %d", issuer->status);
		conclude(issuer, why);
	} else if (jose_keys_read(buffer_slice(&issuer->body), &keys, &error) < 0) {
		conclude(issuer, error.message);
	} else {
		set_keys(issuer, keys);
		conclude(issuer, NULL);
	}
}

static void on_failure(void *user, enum upstream_failure failure, const char *message)
{
	conclude(user, message);
}

static const struct upstream_callbacks callbacks = { on_head, on_data, on_end, on_failure };

static void begin(struct issuer *issuer)
{
	static const struct upstream_header accept = { SLICE("accept"), SLICE("application/json") };
	struct upstream_request request = {
		.method = SLICE("GET"),
		.path = slice_of(issuer->path),
		.headers = &accept,
		.header_count = 1,
	};
	int r;

	issuer->begun_ns = clock_now_ns();
	issuer->status = 0;
	r = upstream_start(issuer->loop->probes, issuer->origin, &request, &callbacks, issuer,
			   &issuer->call);
	if (r < 0)
		conclude(issuer, strerror(-r));
}

static void look(struct loop_timer *timer)
{
	struct issuer *issuer = container_of(timer, struct issuer, timer);
	uint64_t now_ns = clock_now_ns();
	bool wanted = atomic_load(&issuer->wanted);

	if (issuer->call && now_ns >= issuer->begun_ns + ASK_TIMEOUT_S * NS_PER_S) {
		upstream_cancel(issuer->call);
		conclude(issuer, "it did not answer within 10 s");
	} else if (!issuer->call && !atomic_load(&issuer->loop->drained) &&
		   (wanted || now_ns >= issuer->next_ns)) {
		begin(issuer);
	}
	if (loop_timer_set(issuer->loop->loop, timer, now_ns + LOOK_MS * NS_PER_MS) < 0)
		log_warning("out of memory: the keys of jwt.jwks_url are not asked for any more");
}

void issuer_follow(struct gateway_loop *loop, const struct gateway_snapshot *before,
		   const struct gateway_snapshot *next)
{
	struct issuer *last = before ? before->issuer : NULL, *now = next ? next->issuer : NULL;

	if (!loop->probes || last == now)
		return;
	if (last && last->loop) {
		loop_timer_cancel(loop->loop, &last->timer);
		if (last->call)
			upstream_cancel(last->call);
		last->call = NULL;
		buffer_fini(&last->body);
		last->loop = NULL;
	}
	if (now && now->origin) {
		now->loop = loop;
		now->timer.fn = look;
		loop_timer_set(loop->loop, &now->timer, clock_now_ns());
	}
}

/* ---- life ---- */

static void issuer_free(struct issuer *issuer)
{
	upstream_origin_unref(issuer->origin);
	jose_keys_unref(issuer->keys);
	pthread_mutex_destroy(&issuer->lock);
	free(issuer->path);
	free(issuer);
}
CLEANUP_DEFINE(struct issuer, issuer_free);

static void destroy(struct registry_object *object)
{
	issuer_free(container_of(object, struct issuer, object));
}

/* SCHEME://AUTHORITY, and the path behind it. */
static int take_url(struct issuer *issuer, const struct conf_jwt *conf, struct error *error)
{
	const char *authority = strstr(conf->jwks_url, "://") + 3;
	size_t len = (size_t)(authority - conf->jwks_url) + strcspn(authority, "/");
	_cleanup_free_ char *base = strndup(conf->jwks_url, len);
	struct upstream_origin_options options = {
		.base_url = base,
		.allow_private = conf->allow_private,
		.ca_file = conf->ca_file,
	};
	int r;

	issuer->path = strdup(conf->jwks_url[len] ? conf->jwks_url + len : "/");
	if (!base || !issuer->path)
		return error_set(error, -ENOMEM, "out of memory");
	r = upstream_origin_new(&options, &issuer->origin, error);
	return r < 0 ? r : upstream_origin_check_reach(issuer->origin, error);
}

static int fill(struct issuer *issuer, const struct conf_jwt *conf, struct error *error)
{
	issuer->refresh_ns = conf->refresh_s * NS_PER_S;
	if (conf->jwks_text) {
		int r = jose_keys_read(slice_of(conf->jwks_text), &issuer->keys, error);
		if (r < 0)
			return error_set_at(error, r, conf->jwks_file, 0, 0, "%s", error->message);
	}
	return conf->jwks_url ? take_url(issuer, conf, error) : 0;
}

static struct issuer *issuer_alloc(void)
{
	struct issuer *issuer = calloc(1, sizeof(*issuer));

	if (issuer)
		pthread_mutex_init(&issuer->lock, NULL);
	return issuer;
}

static int blame(const struct conf_jwt *conf, int r, const struct error *cause, struct error *error)
{
	char text[sizeof(cause->file) + sizeof(cause->message) + 32];

	return error_set_at(error, r, conf->place.file, conf->place.line, conf->place.column,
			    "jwt: %s", error_text(cause, text, sizeof(text)));
}

int issuer_check(const struct conf *conf, struct error *error)
{
	_cleanup_(cleanup_issuer_free) struct issuer *issuer = issuer_alloc();
	const struct conf_jwt *jwt = &conf->jwt;
	struct error cause = { 0 };
	int r;

	if (!jwt->given || (!jwt->jwks_url && !jwt->jwks_text))
		return 0;
	r = issuer ? fill(issuer, jwt, &cause) : -ENOMEM;
	return r < 0 ? blame(jwt, r, &cause, error) : 0;
}

/* What its keys depend on: the file's text, or where they are and by which authorities. */
static void digest_of(const struct conf_jwt *conf, char hex[static SHA256_HEX_SIZE])
{
	_cleanup_(buffer_fini) struct buffer text = { 0 }, authorities = { 0 };
	uint8_t sum[SHA256_BYTES];

	if (conf->ca_file)
		file_read(conf->ca_file, JWKS_MAX, &authorities, NULL);
	buffer_printf(&text, "%s\n%s\n%s\n%d %u\n", conf->jwks_url ? conf->jwks_url : "",
		      conf->jwks_text ? conf->jwks_text : "", conf->ca_file ? conf->ca_file : "",
		      conf->allow_private, conf->refresh_s);
	buffer_append_slice(&text, buffer_slice(&authorities));
	hash_sha256(buffer_slice(&text), sum);
	hash_hex(sum, sizeof(sum), hex);
}

int issuer_get(struct gateway *gateway, const struct conf *conf, struct issuer **ret,
	       struct error *error)
{
	const struct conf_jwt *jwt = &conf->jwt;
	_cleanup_(cleanup_issuer_free) struct issuer *issuer = NULL;
	struct registry_object *object;
	char hex[SHA256_HEX_SIZE];
	struct error cause = { 0 };
	int r;

	*ret = NULL;
	if (!jwt->given)
		return 0;
	digest_of(jwt, hex);
	object = registry_take(&gateway->registry, REGISTRY_ISSUER, "jwt", hex);
	if (object) {
		*ret = container_of(object, struct issuer, object);
		return 0;
	}
	issuer = issuer_alloc();
	r = issuer ? fill(issuer, jwt, &cause) : -ENOMEM;
	if (r < 0)
		return blame(jwt, r, &cause, error);
	issuer->gateway = gateway;
	atomic_store(&issuer->generation, atomic_fetch_add(&gateway->key_sets, 1) + 1);
	if (registry_add(&gateway->registry, &issuer->object, REGISTRY_ISSUER, "jwt", hex,
			 destroy) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	*ret = steal(issuer);
	return 0;
}

void issuer_release(struct issuer *issuer)
{
	if (issuer)
		registry_release(&issuer->object);
}

/* ---- tokens ---- */

void issuer_forget(struct issuer_memory *memory)
{
	map_foreach (entry, &memory->tokens)
		free(entry->value);
	map_fini(&memory->tokens);
	memory->tokens = (struct map){ 0 };
}

/* Without a place for it, it is checked again the next time. */
static void remember(struct issuer_memory *memory, struct slice sum,
		     const struct jose_person *person)
{
	struct token *token = malloc(sizeof(*token) + person->user.len);
	void *before = NULL;

	if (memory->tokens.count >= TOKENS_MAX)
		issuer_forget(memory);
	if (!token)
		return;
	token->until_s = person->until_s;
	token->len = person->user.len;
	memcpy(token->user, person->user.ptr, person->user.len);
	if (map_put(&memory->tokens, sum, token, &before) < 0)
		free(token);
	free(before);
}

/* A key that is unknown may be new. True where it is worth to wait for the issuer's word. */
static bool want_keys(struct issuer *issuer)
{
	uint64_t asked_ns = atomic_load(&issuer->asked_ns);

	if (!issuer->origin || (asked_ns && clock_now_ns() < asked_ns + ASK_AGAIN_S * NS_PER_S))
		return false;
	atomic_store(&issuer->wanted, true);
	return true;
}

enum issuer_verdict issuer_ask(struct gateway_loop *loop, struct issuer *issuer,
			       const struct conf_jwt *conf, struct slice token, struct arena *arena,
			       struct slice *ret, const char **ret_why)
{
	const struct jose_wants wants = { conf->issuer, conf->audience, conf->claim,
					  conf->leeway_s };
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_S);
	struct issuer_memory *memory = &loop->tokens;
	uint8_t bytes[SHA256_BYTES];
	struct slice sum = { (const char *)bytes, sizeof(bytes) };
	const struct slice parts[] = { token,
				       SLICE("\n"),
				       slice_of(conf->issuer),
				       SLICE("\n"),
				       slice_of(conf->audience),
				       SLICE("\n"),
				       slice_of(conf->claim) };
	struct jose_person person;
	struct jose_keys *keys;
	const struct token *known;
	enum jose_verdict verdict;
	uint64_t generation;

	hash_sha256_parts(parts, ARRAY_SIZE(parts), bytes);
	if (memory->generation != atomic_load(&issuer->generation))
		issuer_forget(memory);
	known = map_get(&memory->tokens, sum);
	if (known && now_s < known->until_s) {
		*ret = arena_dup(arena, (struct slice){ known->user, known->len });
		return ISSUER_GOOD;
	}
	keys = get_keys(issuer, &generation);
	memory->generation = generation;
	verdict = jose_verify(keys, token, &wants, now_s, arena, &person);
	jose_keys_unref(keys);
	*ret_why = jose_verdict_text(verdict);
	if (verdict == JOSE_UNKNOWN_KEY && want_keys(issuer))
		return ISSUER_PENDING;
	if (verdict != JOSE_GOOD)
		return ISSUER_BAD;
	remember(memory, sum, &person);
	*ret = person.user;
	return ISSUER_GOOD;
}
