# SPDX-License-Identifier: Apache-2.0
"""The policy ratelimit: as many as the limit says and no more, whoever asks at once; what was refused or not used
is given back; and clients are told in their dialect's words."""

import calendar
import concurrent.futures
import os
import pathlib
import re
import threading
import time

from gateway import CHAT, PROMPT
from tap import equal
from tidegate import Tidegate, provider, simulator
from wire import Connection

MESSAGES = "/v1/messages"
SOURCE = pathlib.Path(os.environ.get("TIDEGATE_SRC") or pathlib.Path(__file__).resolve().parents[2])
AT_ONCE = 64
LONG_S = 86400  # a period in which nothing comes back during a test


class LimitGate(Tidegate):
    limits = {
        "twenty": {"requests": 20, "per_s": LONG_S},
        "fast": {"requests": 50, "request_burst": 1, "per_s": 5},
        "by-model": {"by": "tenant, model", "requests": 2, "per_s": LONG_S},
        "by-key": {"by": "key", "requests": 2, "per_s": LONG_S},
        "tokens": {"tokens": 1000, "per_s": LONG_S},
        "few": {"in_flight": 3},
        "told": {"requests": 100, "tokens": 100000, "per_s": 60, "request_burst": 10},
        "before": {"requests": 2, "per_s": LONG_S},
        "small": {"by": "user", "requests": 1, "per_s": LONG_S, "names_max": 16},
    }

    def _plugins(self):
        return [*super()._plugins(), "policy-ratelimit"]

    def config_settings(self):
        policies = [
            {"name": name, "plugin": "ratelimit", "options": options}
            for name, options in self.limits.items()
        ]
        routes = [
            {"name": name, "targets": [target], "policies": [name]}
            for name, target in (
                *((n, "quick") for n in self.limits if n not in ("few", "before", "by-model")),
                ("few", "slow"),
            )
        ]
        routes += [
            {"name": name, "targets": ["quick"], "policies": ["by-model"]} for name in ("one", "two")
        ]
        routes.append({"name": "upstream-told", "targets": ["many"], "policies": ["told"]})
        routes.append({"name": "stops", "targets": ["quick"], "policies": ["before", "none"]})
        routes.append({"name": "before", "targets": ["quick"], "policies": ["before"]})
        policies.append(
            {"name": "none", "plugin": "ratelimit", "options": {"tokens": 1, "per_s": LONG_S}}
        )
        return {**super().config_settings(), "policies": tuple(policies), "routes": tuple(routes)}


class Checks:
    def __init__(self, gate):
        self.gate = gate

    def ask(self, model, target=CHAT, key="app", stream=False, **more):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": PROMPT}], **more}
        if target == MESSAGES:
            body.setdefault("max_tokens", 5)
        with Connection(self.gate.api_port) as connection:
            return connection.ask(self.gate.keys[key], body, target=target)

    def no_more_than(self):
        """Many at once, on all loops: the limit's number is answered."""
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda n: self.ask("twenty", stream=n % 2 == 0), range(2 * AT_ONCE)))
        equal(sum(a.status == 200 for a in answers), 20, "answered")
        refused = [a for a in answers if a.status != 200]
        equal({a.status for a in refused}, {429}, "statuses of the others")
        error = refused[0].json()["error"]
        equal(error["code"], "rate_limited", "code")
        wait = int(refused[0].headers["retry-after"])
        assert 0 < wait <= LONG_S / 20, f"the next comes back within {LONG_S / 20} s, not {wait}"
        equal(
            error["message"],
            f"This tenant may make 20 requests in {LONG_S} s, and has; ask again in {wait} s.",
            "message",
        )
        equal(refused[0].headers["x-tidegate-policy"], "twenty", "who refused")

    def spaced(self):
        """Ten a second, one at once: who asks without a pause gets one each 100 ms."""
        begun, times = time.monotonic(), []
        while time.monotonic() - begun < 1.55:
            if self.ask("fast").status == 200:
                times.append(time.monotonic())
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert 10 <= len(times) <= 16, f"{len(times)} in 1.55 s at 10 a second"
        assert sum(gaps) / len(gaps) >= 0.099, gaps

    def apart(self, models, keys):
        """Who differs in what a limit is by has one of its own."""
        for model in models:
            for key in keys:
                statuses = [self.ask(model, key=key).status for _ in range(3)]
                equal(statuses, [200, 200, 429], f"statuses of {model} by {key}")

    def tokens_come_back(self):
        """What may be used is taken, and what was not is given back."""
        for _ in range(5):
            answer = self.ask("tokens", max_tokens=900)
            equal(answer.status, 200, f"status ({answer.body})")
            self.gate.settled()
        equal(self.ask("tokens", max_tokens=2000).status, 413, "more than at once")
        error = self.ask("tokens", max_tokens=2000).json()["error"]
        equal(error["code"], "request_over_token_limit", "code")
        used = 0
        while used < 100:
            answer = self.ask("tokens", max_tokens=900)
            if answer.status == 429:
                break
            self.gate.settled()
            used += 1
        assert 0 < used < 100, "what was used counts, and is used up some time"
        line = answer.json()["error"]
        assert "tokens in 86400 s, and 9" in line["message"], line

    def few_at_a_time(self):
        """Also when clients leave: a place is free again once its request has ended."""
        for _ in range(2):
            gone = threading.Barrier(4)

            def leave():
                with Connection(self.gate.api_port) as connection:
                    connection.chat(self.gate.keys["app"], {
                        "model": "few", "stream": True,
                        "messages": [{"role": "user", "content": PROMPT}],
                    })
                    connection._until(b"\r\n\r\n")
                    gone.wait(20)
                    gone.wait(20)

            threads = [threading.Thread(target=leave) for _ in range(3)]
            for thread in threads:
                thread.start()
            gone.wait(20)
            answer = self.ask("few")
            equal((answer.status, answer.json()["error"]["code"]), (429, "too_many_in_flight"), "a fourth")
            gone.wait(20)
            for thread in threads:
                thread.join()
            self.gate.settled()

    def told(self):
        """Both dialects' words for what is left."""
        chat = self.ask("told", max_tokens=50).headers
        equal(chat["x-ratelimit-limit-requests"], "100", "limit")
        assert int(chat["x-ratelimit-remaining-requests"]) <= 9, "of the burst one is used"
        assert re.fullmatch(r"\d+ms|\d+s|\d+m\d+s", chat["x-ratelimit-reset-requests"]), chat
        assert 99000 < int(chat["x-ratelimit-remaining-tokens"]) < 99960, chat
        said = self.ask("told", target=MESSAGES).headers
        equal(said["anthropic-ratelimit-requests-limit"], "100", "limit")
        assert int(said["anthropic-ratelimit-tokens-remaining"]) < 100000, "remaining"
        at = time.strptime(said["anthropic-ratelimit-requests-reset"], "%Y-%m-%dT%H:%M:%SZ")
        assert 0 <= calendar.timegm(at) - time.time() + 2 < 60, "within the period"

    def instead_of_the_providers(self):
        """A provider's limits are of our key with it, and say nothing to a client that has its own."""
        for stream in (False, True):
            answer = self.ask("upstream-told", stream=stream)
            equal(answer.headers["x-ratelimit-limit-requests"], "100", "limit")
            equal(answer.headers["x-ratelimit-limit-5"], "1000", "another of the provider's")

    def refused_uses_nothing(self):
        """A later policy refuses: the one before gives back what it took."""
        for _ in range(5):
            answer = self.ask("stops", max_tokens=10)
            equal((answer.status, answer.headers["x-tidegate-policy"]), (413, "none"), "refused by the second")
            self.gate.settled()
        equal([self.ask("before").status for _ in range(3)], [200, 200, 429], "statuses")

    def bounded(self):
        """With more names than places those without one share, and nobody is freed from a limit by them."""
        ask = lambda user: self.ask("small", key="vouched", user=user).status  # noqa: E731
        equal([ask("first"), ask("second"), ask("first")], [200, 200, 429], "each has its own")
        others = [ask(f"other-{n}") for n in range(200)]
        assert 14 <= others.count(200) <= 32, f"{others.count(200)} of 16 places and 16 shared ones"
        equal([ask("first"), ask("second")], [429, 429], "those that were there")

    def refuses(self, options, why):
        """Options that make no sense are told by name, and change nothing."""
        text = self.gate.config.read_text()
        self.gate.limits = {**self.gate.limits, "odd": options}
        self.gate.write_config()
        done = self.gate.tidectl("check")
        self.gate.config.write_text(text)
        del self.gate.limits["odd"]
        assert why in done.stdout + done.stderr, (done.stdout, done.stderr)

    def counted(self):
        """What monitoring sees goes on when the object is made anew."""
        refused = 'tidegate_plugin_ratelimit_refused_total{policy="twenty"}'

        def metrics():
            return dict(
                line.rsplit(" ", 1) for line in self.gate.admin_socket("GET", "/metrics").text.splitlines()
            )

        before = metrics()
        equal(before[refused], str(2 * AT_ONCE - 20), "refused")
        equal(before['tidegate_plugin_ratelimit_in_flight{policy="few"}'], "0", "in flight")
        self.gate.limits = {**self.gate.limits, "twenty": {"requests": 3, "per_s": LONG_S}}
        self.gate.write_config()
        equal(self.gate.tidectl("reload").returncode, 0, "reload")
        equal([self.ask("twenty").status for _ in range(4)], [200, 200, 200, 429], "the new limit")
        goes_on = lambda: metrics()[refused] == str(2 * AT_ONCE - 19)  # noqa: E731
        self.gate.wait_for(goes_on, what="one more that was refused")

    def example(self):
        """What packaging/ ships is an object that is taken."""
        folder = self.gate.dir / "conf.d" / "policy"
        folder.mkdir(parents=True)
        text = (SOURCE / "packaging/examples/policies/ratelimit.conf").read_text()
        example = folder / "example.conf"
        for content, why in ((text, None), (text.replace("60;", '"sixty";', 1), "example.conf:")):
            example.write_text(content)
            done = self.gate.tidectl("check")
            equal(done.returncode, 1 if why else 0, f"status ({done.stdout}{done.stderr})")
            assert not why or why in done.stdout + done.stderr, (done.stdout, done.stderr)
        example.unlink()


def register(suite, upstream):
    with LimitGate(
        providers=[simulator(), provider("alpha", upstream.url("/v1"))],
        models=[
            {"name": "quick", "provider": "sim", "upstream_model": "sim-text@words=3,between_ms=0"},
            {"name": "many", "provider": "alpha", "upstream_model": "odd-many-headers"},
            {"name": "slow", "provider": "sim", "upstream_model": "sim-text@words=200,between_ms=50"},
        ],
        keys=("app", "other", {"name": "vouched", "end_user": {"from": ["body:user"]}}),
        settings={"limits": {"inflight": 4096}},
        args=["--loops", "2"],
    ) as gate:
        checks = Checks(gate)
        suite.check("ratelimit/no-more-than", checks.no_more_than)
        suite.check("ratelimit/spaced", checks.spaced)
        suite.check("ratelimit/by-model", checks.apart, ("one", "two"), ("app",))
        suite.check("ratelimit/by-key", checks.apart, ("by-key",), ("app", "other"))
        suite.check("ratelimit/tokens", checks.tokens_come_back)
        suite.check("ratelimit/in-flight", checks.few_at_a_time)
        suite.check("ratelimit/told", checks.told)
        suite.check("ratelimit/instead-of-the-providers", checks.instead_of_the_providers)
        suite.check("ratelimit/refused-uses-nothing", checks.refused_uses_nothing)
        suite.check("ratelimit/bounded", checks.bounded)
        suite.check("ratelimit/counted", checks.counted)
        suite.check("ratelimit/example", checks.example)
        suite.check("ratelimit/no-limit", checks.refuses, {"by": "key"}, "it limits nothing")
        suite.check("ratelimit/by-nothing", checks.refuses, {"by": "key, moon", "requests": 1}, '"moon" is none of')
