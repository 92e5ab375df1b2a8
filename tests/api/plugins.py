# SPDX-License-Identifier: Apache-2.0
"""Plugins on every surface: what REST, tidectl and the mount tell of them, and enabling one that is
off."""

import hashlib
import time

from tap import equal
from tidegate import parse_tsv, wait_until
from world import Rest, gate


class Checks:
    def __init__(self, appliance, contract):
        self.gate = appliance
        self.rest = Rest(appliance, contract, socket=True)

    def rows(self):
        return {row["name"]: row for row in self.rest.json("GET", "/api/v1/plugins")["plugins"]}

    def everywhere(self):
        row = self.rows()["simulator"]
        path = self.gate.plugin_folder() / "provider-simulator.so"
        equal(row["sha256"], hashlib.sha256(path.read_bytes()).hexdigest(), "sha256")
        equal((row["state"], row["kind"], row["objects"]), ("on", "provider", ["sim"]), "row")
        equal((row["crashes"], row["crashed"], row["stalls"]), (0, None, 0), "counts")
        cells = parse_tsv(self.gate.read("now/plugins.tsv"))["simulator"]
        told = {name: row[name] for name in ("state", "kind", "version", "abi", "sha256")}
        equal({name: cells[name] for name in told}, told, "the mount's")
        equal(cells["objects"], "sim", "the mount's objects")
        assert row["sha256"] in self.gate.tidectl("plugins").stdout, "tidectl's"

    def refused(self):
        self.rest.error("POST", "/api/v1/plugins/enable", {"name": "simulator"}, status=409)
        self.rest.error("POST", "/api/v1/plugins/enable", {"name": "absent"}, status=404)
        self.rest.error("POST", "/api/v1/plugins/enable", {"name": 1})
        self.rest.error("POST", "/api/v1/plugins/enable", {"name": "simulator", "now": True})

    def enabled(self):
        """One that crashed too often, as its records say."""
        digest = self.rows()["simulator"]["sha256"]
        record = f"{int(time.time())} 11 {digest} simulator sim start".ljust(511) + "\n"
        self.gate.stop()
        (self.gate.state / "plugin-crashes").write_text(record * 3)
        self.gate.start()
        row = self.rows()["simulator"]
        equal((row["state"], row["crashes"], row["version"]), ("off", 3, None), "off")
        equal(parse_tsv(self.gate.read("now/plugins.tsv"))["simulator"]["state"], "off", "the mount's")
        answer = self.rest.json("POST", "/api/v1/plugins/enable", {"name": "simulator"})
        equal(answer, {"name": "simulator", "state": "on"}, "answer")
        equal(self.rows()["simulator"]["state"], "on", "state")
        wait_until(
            lambda: parse_tsv(self.gate.read("now/plugins.tsv"))["simulator"]["state"] == "on",
            what="the mount's",
        )
        self.gate.restart()
        equal(self.rows()["simulator"]["crashes"], 0, "after another start")


def register(suite, contract):
    with gate(mount=True) as appliance:
        checks = Checks(appliance, contract)
        suite.check("plugins/everywhere", checks.everywhere)
        suite.check("plugins/refused", checks.refused)
        suite.check("plugins/enabled", checks.enabled)
