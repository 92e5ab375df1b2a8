# SPDX-License-Identifier: Apache-2.0
"""Whose call it was: own prices, unknown prices, failing over, tenants and features."""

import account
import world
from account import Attempt
from tap import equal
from tidegate import parse_tsv, usd_to_nano
from world import Target


def own_prices(the):
    """A model's own price goes before the book's, whose price of the same name differs."""
    own = world.own_targets()
    plain = Target("openai/gpt-4o", "openai", "gpt-4o")
    for name, classes in (("own", (1001, 502, 0, 0, 77)), ("own-writes", (11, 502, 33, 44, 77))):
        for stream in (False, True):
            call = the.call(own[name], classes, stream)
            equal(the.gate.wait_request(call.id)["cost_nano"], call.sums["cost_nano"], name)
    book = the.call(plain, (1001, 502, 0, 0, 77)).sums["cost_nano"]
    mine = the.call(own["own"], (1001, 502, 0, 0, 77)).sums["cost_nano"]
    assert book != mine, "the two prices do not differ: the check proves nothing"


def free_is_known(the):
    """A price of 0 is a price."""
    the.gate.settled()
    before = account.metrics(the.gate)[("prices_unknown_total", "")]
    call = the.call(world.own_targets()["own-free"], (5000, 0, 0, 0, 5000))
    the.gate.settled()
    (attempt,) = the.gate.attempts_of(call.id)
    equal((attempt["price_known"], attempt["cost_nano"]), (1, 0), "known, cost")
    equal(account.metrics(the.gate)[("prices_unknown_total", "")], before, "unknown prices")


def unknown_price(the):
    """No price is told apart from the price 0: in the row, the status, the metrics."""
    status = the.gate.settled()
    before = status["prices_unknown_total"]
    names = [Target(f"openai/nobody-{n}", "openai", f"nobody-{n}") for n in range(3)]
    for target in names:
        call = the.call(target, (5000, 10, 0, 0, 5000), stream=target is names[0])
        equal(the.gate.wait_request(call.id)["cost_nano"], 0, "cost")
        (attempt,) = the.gate.attempts_of(call.id)
        equal((attempt["price_known"], attempt["tokens_in"]), (0, 5010), "known, tokens")
    equal(the.gate.settled()["prices_unknown_total"], before + 3, "prices_unknown_total")
    told = account.metrics(the.gate)[("prices_unknown_total", "")]
    equal(int(told), before + 3, "tidegate_prices_unknown_total")
    unpriced_is_named(the, names)


def unpriced_is_named(the, targets):
    """Once in the log, however often it is used, with what to do; in the status and in tidectl's."""
    for target in targets:
        told = [line for line in the.gate.log().splitlines() if f"{target.name} is unknown" in line]
        equal(len(told), 1, f"lines about {target.name}")
        assert " warn " in told[0] and "tidectl prices set" in told[0], told[0]
    listed = the.gate.status()["prices_unknown"]
    shown = the.gate.tidectl("status").stdout
    for target in targets:
        assert {"provider": "openai", "model": target.model} in listed, listed
        assert target.model in shown, shown


def fall(the, route, steps, last, stream, messages=False, lost=()):
    """A call whose first targets fail as `steps` say; the last one says it used `last`. `lost`
    are the attempts that failed, as far as they cost something."""
    targets = [Target(t, *t.split("/", 1)) for t in world.FALLS[route]]
    usage = (world.messages_usage if messages else world.chat_usage)(last)
    scripts = {t.model: step for t, step in zip(targets, steps, strict=False)}
    scripts[targets[-1].model] = {"usage": usage}
    response = the.ask(route, scripts, messages=messages, stream=stream)
    equal(response.status, 200, f"{route}: {response.body[:200]!r}")
    failed = [the.attempt(t, classes, "error") for t, classes in zip(targets, lost, strict=False)]
    failed += [
        Attempt(t.provider, t.model, (0,) * 5, 0, the.cost(t, (0,) * 5)[1], "error")
        for t in targets[len(failed) : -1]
    ]
    attempts = [*failed, the.attempt(targets[-1], last)]
    return the.record(response, route, stream, attempts)


def fail_over(the):
    """Each attempt is a row with its own model's price; the request is their sum."""
    down = {"scenario": "status-503"}
    made = []
    for stream in (False, True):
        made.append(fall(the, "fall", [down], (100, 7, 0, 0, 20), stream))
        made.append(fall(the, "fall-thrice", [down, down], (101, 0, 0, 0, 21), stream))
    the.gate.settled()
    account.check_attempt_rows(the.gate, made)
    account.check_request_rows(the.gate, made)


def fail_over_unknown(the):
    """A failed attempt at a model without a price cost nothing: it is not an unknown cost."""
    before = the.gate.settled()["prices_unknown_total"]
    call = fall(the, "fall-unknown", [{"scenario": "status-500"}], (50, 0, 0, 0, 5), False)
    equal(the.gate.settled()["prices_unknown_total"], before, "prices_unknown_total")
    account.check_attempt_rows(the.gate, [call])


def fail_over_billed(the):
    """An attempt that failed inside its stream is charged what it had said, at its own price."""
    step = {"scenario": "error-role", "usage": {"input_tokens": 40000, "output_tokens": 1}}
    call = fall(
        the, "fall-m", [step], (500, 0, 0, 0, 9), True, messages=True, lost=[(40000, 0, 0, 0, 1)]
    )
    the.gate.settled()
    account.check_attempt_rows(the.gate, [call])
    account.check_request_rows(the.gate, [call])
    costs = [attempt.cost_nano for attempt in call.attempts]
    assert costs[0] > costs[1] > 0, costs


def tenants_and_features(the):
    """The key says tenant and feature, the header another feature; where neither
    does it is "-"."""
    target = Target("openai/gpt-4o-mini", "openai", "gpt-4o-mini")
    made = [
        the.call(target, (10 + n, 0, 0, 0, 3), stream=bool(n % 2), key=key, feature=feature)
        for n, (key, feature) in enumerate(
            (k, f) for k in ("app", "plain", "other") for f in (None, "summarise", "A.b_c-9" * 9)
        )
    ]
    equal({c.tenant for c in made}, {"acme", "globex"}, "tenants")
    equal(len({(c.tenant, c.feature) for c in made}), 7, "pairs of tenant and feature")
    the.gate.settled()
    account.check_request_rows(the.gate, made)


def refused_feature(the):
    """A feature that is no name is refused, and nothing is asked or charged."""
    before = len(the.gate.attempt_rows())
    for feature in ("", "a b", "x" * 65, "né", "a/b"):
        response = the.ask("own", {"*": {}}, feature=feature)
        equal((response.status, response.source), (400, "gateway"), f"feature {feature!r}")
    the.gate.settled()
    equal(len(the.gate.attempt_rows()), before, "attempts")


def other_features(upstream, book):
    """Above limits.features, totals say "other", and lose nothing; rows keep the name."""
    limit, count = 4, 9
    target = Target("openai/gpt-4o", "openai", "gpt-4o")
    with world.gate(upstream, book, settings={"limits": {"features": limit}}) as gate:
        the = world.World(gate, book)
        for n in range(count):
            the.call(target, (100 * n + 1, 0, 0, 0, n), feature=f"feature-{n}", key="plain")
        gate.settled()
        account.check_request_rows(gate, the.calls)
        costs = [call.sums["cost_nano"] for call in the.calls]
        wanted = {f"feature-{n}": costs[n] for n in range(limit)}
        wanted["other"] = sum(costs[limit:])
        answer = gate.admin_socket("GET", "/api/v1/costs?by=feature&period=today").json()
        told = {row["name"]: usd_to_nano(row["cost_usd"]) for row in answer["rows"]}
        equal(told, wanted, "REST by feature")
        rollup = {name: 0 for name in wanted}
        for cell in gate.rows("rollup"):
            rollup[cell["feature"]] += cell["cost_nano"]
        equal(rollup, wanted, "rollup by feature")
        series = {
            label: usd_to_nano(value)
            for (name, label), value in account.metrics(gate).items()
            if name == "feature_cost_usd_total"
        }
        equal(series, wanted, "series by feature")
        if gate.mount:
            gate.wait_for(lambda: "other" in gate.read("now/cost/by_feature.tsv"))
            table = parse_tsv(gate.read("now/cost/by_feature.tsv"))
            equal(
                {n: usd_to_nano(r["cost_usd"]) for n, r in table.items()}, wanted, "by_feature.tsv"
            )


def surfaces(the):
    """After all that, the account, the rows and every surface agree."""
    account.check_account(the.gate, the.calls)
    account.check_surfaces(the.gate)


def register(suite, the):
    suite.check("attribution/own-price", own_prices, the)
    suite.check("attribution/price-0-is-a-price", free_is_known, the)
    suite.check("attribution/unknown-price", unknown_price, the)
    suite.check("attribution/fail-over", fail_over, the)
    suite.check("attribution/fail-over-from-unknown", fail_over_unknown, the)
    suite.check("attribution/fail-over-billed", fail_over_billed, the)
    suite.check("attribution/tenants-and-features", tenants_and_features, the)
    suite.check("attribution/refused-feature", refused_feature, the)
