/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that providers keep: found by their tenant alone, over restarts and crashes, settled and
 * forgotten once, and never more of them than the limit says. */
#include <errno.h>

#include "base/cleanup.h"
#include "test-ledger.h"

static struct arena arena;

static uint64_t note(struct fixture *fixture, const char *tenant, const char *id, bool pending)
{
	struct ledger_entry *entry = fixture_begin(fixture, 0, tenant, "small", 10, 1);
	uint64_t request;

	CHECK(entry);
	request = entry->id;
	ledger_answer_note(fixture->ledger, entry, slice_of(id), pending);
	ledger_price_attempt(entry, &entry->first);
	entry->outcome = LEDGER_OK;
	ledger_close(fixture->ledger, 0, entry);
	return request;
}

static int find(struct fixture *fixture, const char *tenant, const char *id,
		struct ledger_answer *ret)
{
	return ledger_answer_find(fixture->ledger, slice_of(tenant), slice_of(id), &arena, ret);
}

static void reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

static void check_found(struct fixture *fixture, const char *tenant, const char *id,
			uint64_t request, bool pending)
{
	struct ledger_answer answer;

	CHECK_INT(find(fixture, tenant, id, &answer), 0);
	CHECK_SLICE(answer.provider, "alpha");
	CHECK_SLICE(answer.model, "small");
	CHECK_SLICE(answer.route, "route");
	CHECK_INT(answer.request, request);
	CHECK_INT(answer.pending, pending);
}

static void found_by_its_tenant(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	uint64_t first, second, other;

	fixture_prepare(&fixture, "tenant");
	fixture_open(&fixture);
	first = note(&fixture, "acme", "resp_1", false);
	second = note(&fixture, "acme", "resp_2", true);
	other = note(&fixture, "globex", "resp_1", false); /* another provider's, by chance */
	for (int i = 0; i < 3; i++) {
		check_found(&fixture, "acme", "resp_1", first, false);
		check_found(&fixture, "acme", "resp_2", second, true);
		check_found(&fixture, "globex", "resp_1", other, false);
		CHECK_INT(find(&fixture, "globex", "resp_2", &answer), -ENOENT);
		CHECK_INT(find(&fixture, "acme", "resp_3", &answer), -ENOENT);
		CHECK_INT(find(&fixture, "acme", "", &answer), -ENOENT);
		CHECK_INT(find(&fixture, "", "resp_1", &answer), -ENOENT);
		reopen(&fixture);
	}
	fixture_fini(&fixture);
}

/* The newer one is who is asked, when one tenant is given the same id twice. */
static void same_id_again(void)
{
	struct fixture fixture;
	uint64_t second;

	fixture_prepare(&fixture, "again");
	fixture_open(&fixture);
	note(&fixture, "acme", "resp_1", false);
	second = note(&fixture, "acme", "resp_1", false);
	check_found(&fixture, "acme", "resp_1", second, false);
	reopen(&fixture);
	check_found(&fixture, "acme", "resp_1", second, false);
	fixture_fini(&fixture);
}

static void survives_a_crash(void)
{
	struct fixture fixture;
	struct buffer content = { 0 };
	struct ledger_entry *entry;
	char saved[400];
	uint64_t request;

	fixture_prepare(&fixture, "crash");
	snprintf(saved, sizeof(saved), "%s/saved", fixture.folder);
	fixture_open(&fixture);
	entry = fixture_begin(&fixture, 0, "acme", "small", 10, 1);
	request = entry->id;
	ledger_answer_note(fixture.ledger, entry, SLICE("resp_open"), false);
	CHECK_INT(file_read(fixture.inflight, 1 << 30, &content, NULL), 0);
	fixture_close(&fixture);
	CHECK_INT(file_write_atomic(fixture.inflight, buffer_slice(&content), 0600, NULL), 0);
	buffer_fini(&content);
	fixture_open(&fixture);
	check_found(&fixture, "acme", "resp_open", request, false);
	fixture_fini(&fixture);
}

static struct ledger_entry *by_id(struct fixture *fixture)
{
	struct ledger_entry *entry = fixture_begin(fixture, 1, "acme", "small", 10, 1);

	CHECK(entry);
	entry->outcome = LEDGER_OK;
	return entry;
}

static void settled_once(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	struct ledger_entry *first, *second;
	uint64_t request;

	fixture_prepare(&fixture, "settled");
	fixture_open(&fixture);
	request = note(&fixture, "acme", "resp_1", true);
	reopen(&fixture);
	CHECK_INT(find(&fixture, "acme", "resp_1", &answer), 0);
	first = by_id(&fixture);
	second = by_id(&fixture);
	CHECK(ledger_answer_settle(fixture.ledger, first, &answer));
	CHECK(!ledger_answer_settle(fixture.ledger, second, &answer));
	ledger_close(fixture.ledger, 1, first);
	ledger_close(fixture.ledger, 1, second);
	check_found(&fixture, "acme", "resp_1", request, false);
	reopen(&fixture);
	check_found(&fixture, "acme", "resp_1", request, false);
	fixture_fini(&fixture);
}

static void known_after_all(void)
{
	struct fixture fixture;
	struct ledger_entry *entry;
	uint64_t request;

	fixture_prepare(&fixture, "known");
	fixture_open(&fixture);
	entry = by_id(&fixture);
	request = entry->id;
	ledger_answer_known(fixture.ledger, entry); /* of none */
	ledger_answer_note(fixture.ledger, entry, SLICE("resp_1"), true);
	check_found(&fixture, "acme", "resp_1", request, true);
	ledger_answer_known(fixture.ledger, entry);
	check_found(&fixture, "acme", "resp_1", request, false);
	ledger_close(fixture.ledger, 1, entry);
	reopen(&fixture);
	check_found(&fixture, "acme", "resp_1", request, false);
	fixture_fini(&fixture);
}

static void forgotten(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	struct ledger_entry *entry;

	fixture_prepare(&fixture, "forgotten");
	fixture_open(&fixture);
	note(&fixture, "acme", "resp_1", false);
	fixture_wait(&fixture, 0);
	CHECK_INT(find(&fixture, "acme", "resp_1", &answer), 0);
	entry = by_id(&fixture);
	ledger_answer_forget(fixture.ledger, entry, &answer);
	ledger_close(fixture.ledger, 1, entry);
	CHECK_INT(find(&fixture, "acme", "resp_1", &answer), -ENOENT);
	reopen(&fixture);
	CHECK_INT(find(&fixture, "acme", "resp_1", &answer), -ENOENT);
	fixture_fini(&fixture);
}

static void limited(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	char id[32];

	fixture_prepare(&fixture, "limited");
	fixture.options.answers_max = 10;
	fixture_open(&fixture);
	for (int i = 0; i < 1100; i++) {
		snprintf(id, sizeof(id), "resp_%d", i);
		note(&fixture, "acme", id, false);
		if (i % 100 == 99)
			fixture_wait(&fixture, 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_INT(find(&fixture, "acme", "resp_1089", &answer), -ENOENT);
		CHECK_INT(find(&fixture, "acme", "resp_1090", &answer), 0);
		CHECK_INT(find(&fixture, "acme", "resp_1099", &answer), 0);
		reopen(&fixture);
	}
	CHECK(fixture_ask_main(&fixture, "SELECT count(*) FROM answer_row") <= 10 + 100);
	/* The oldest goes, wherever it was read from. */
	note(&fixture, "acme", "resp_new", false);
	CHECK_INT(find(&fixture, "acme", "resp_1090", &answer), -ENOENT);
	CHECK_INT(find(&fixture, "acme", "resp_1091", &answer), 0);
	fixture_fini(&fixture);
}

static void expired(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	struct db_statement *statement;
	struct db *db;

	fixture_prepare(&fixture, "expired");
	fixture.options.answers_keep_days = 2;
	fixture_open(&fixture);
	note(&fixture, "acme", "resp_old", false);
	note(&fixture, "acme", "resp_new", false);
	fixture_close(&fixture);
	CHECK_INT(
	    db_open(fixture.main, false, schema_main_steps, schema_main_step_count, &db, NULL), 0);
	CHECK_INT(db_prepare(db,
			     "UPDATE answer_row SET made_s = made_s - 2 * 86400 - 5 WHERE text = "
			     "'resp_old'",
			     &statement),
		  0);
	CHECK_INT(db_run(statement), 0);
	db_statement_free(statement);
	db_close(db);
	fixture_open(&fixture);
	CHECK_INT(find(&fixture, "acme", "resp_old", &answer), -ENOENT);
	CHECK_INT(find(&fixture, "acme", "resp_new", &answer), 0);
	fixture_fini(&fixture);
}

static void id_too_long(void)
{
	struct fixture fixture;
	struct ledger_answer answer;
	char id[LEDGER_ANSWER_ID_MAX + 2];

	fixture_prepare(&fixture, "long");
	fixture_open(&fixture);
	memset(id, 'a', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	note(&fixture, "acme", id, false);
	CHECK_INT(find(&fixture, "acme", id, &answer), -ENOENT);
	id[LEDGER_ANSWER_ID_MAX] = '\0';
	note(&fixture, "acme", id, false);
	reopen(&fixture);
	CHECK_INT(find(&fixture, "acme", id, &answer), 0);
	fixture_fini(&fixture);
}

int main(void)
{
	arena_init(&arena, NULL);
	test_run("found-by-its-tenant", found_by_its_tenant);
	test_run("same-id-again", same_id_again);
	test_run("survives-a-crash", survives_a_crash);
	test_run("settled-once", settled_once);
	test_run("known-after-all", known_after_all);
	test_run("forgotten", forgotten);
	test_run("limited", limited);
	test_run("expired", expired);
	test_run("id-too-long", id_too_long);
	arena_fini(&arena);
	return 0;
}
