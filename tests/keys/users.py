# SPDX-License-Identifier: Apache-2.0
"""On whose behalf an application asks: by what its key's object says and nothing else, in rows and log,
by name or by a pseudonym."""

import http.client
import json
import re
import ssl

from authority import Authority
from tidegate import Tidegate, exchange
from world import CHAT, GEMINI, MESSAGES, RESPONSES, SIMULATED, equal, post, refused, sha256

OPENWEBUI = {"X-OpenWebUI-User-Id": "3fa8-id", "X-OpenWebUI-User-Email": "ann@example.org"}
ACCOUNT = "5d0ad9f6-c3bf-41d2-8ad7-57b0ff30ad0a"
CLAUDE = f"user_{'a' * 64}_account_{ACCOUNT}_session_11111111-2222-3333-4444-555555555555"
CLAUDE_JSON = json.dumps({"device_id": "dev-7", "account_uuid": ACCOUNT, "session_id": "another"})
CLAUDE_DEVICE = json.dumps({"device_id": "dev-7", "account_uuid": "", "session_id": "another"})
ODD = 'Ünï "q" \\ 名'
KEYS = {
    "plain": None,
    "webui": {"from": ["openwebui", "body:user"]},
    "libre": {"from": ["librechat"]},
    "own": {"from": ["header:X-Who", "body:safety_identifier"], "required": True},
    "hidden": {"from": ["body:user", "openwebui"], "pseudonym": True},
}
CASES = (  # key, target, headers, members of the body, the row's user
    ("plain", CHAT, OPENWEBUI, {"user": "mallory", "safety_identifier": "x"}, ""),
    ("plain", MESSAGES, OPENWEBUI, {"metadata": {"user_id": "mallory"}}, ""),
    ("webui", CHAT, OPENWEBUI, {"user": "body"}, "3fa8-id"),
    ("webui", CHAT, {"x-openwebui-user-email": "ann@example.org"}, {}, "ann@example.org"),
    ("webui", CHAT, {}, {"user": "body"}, "body"),
    ("webui", CHAT, {}, {"user": ODD}, ODD),
    ("webui", CHAT, {}, {"user": "a\nb"}, ""),
    ("webui", CHAT, {}, {"user": ""}, ""),
    ("webui", CHAT, {}, {"user": None}, ""),
    ("webui", CHAT, {}, {"user": 7}, ""),
    ("webui", CHAT, {}, {}, ""),
    ("webui", RESPONSES, OPENWEBUI, {}, "3fa8-id"),
    ("webui", GEMINI, OPENWEBUI, {}, "3fa8-id"),
    ("webui", CHAT, {"x-openwebui-user-id": "u" * 128}, {}, "u" * 128),
    ("webui", CHAT, {"x-openwebui-user-id": "u" * 129}, {}, "sha256:" + sha256("u" * 129)[:32]),
    ("libre", CHAT, OPENWEBUI, {"user": "65f0c1"}, "65f0c1"),
    ("libre", CHAT, OPENWEBUI, {}, ""),
    ("libre", MESSAGES, {}, {"metadata": {"user_id": "65f0c1"}}, "65f0c1"),
    ("libre", MESSAGES, {}, {"metadata": {"user_id": CLAUDE}}, CLAUDE.partition("_session_")[0]),
    ("libre", MESSAGES, {}, {"metadata": {"user_id": CLAUDE_JSON}}, ACCOUNT),
    ("libre", MESSAGES, {}, {"metadata": {"user_id": CLAUDE_DEVICE}}, "dev-7"),
    ("libre", MESSAGES, {}, {"metadata": {"user_id": "{not json"}}, "{not json"),
    ("libre", MESSAGES, {}, {"metadata": {}, "user": "x"}, ""),
    ("own", CHAT, {"x-who": "bob"}, {"user": "x"}, "bob"),
    ("own", RESPONSES, {}, {"safety_identifier": "s-1"}, "s-1"),
)  # fmt: skip


def gate(**more):
    keys = [{"name": name} | ({"end_user": group} if group else {}) for name, group in KEYS.items()]
    return Tidegate(**SIMULATED, keys=keys, **more)


def row_of(appliance, answer):
    equal(answer.status, 200, f"status ({answer.body[:200]!r})")
    return appliance.wait_request(answer.headers["x-tidegate-request-id"])


def said(appliance, key, target, headers, members, wanted):
    row = row_of(appliance, post(appliance, appliance.keys[key], target, headers=headers, **members))
    equal((row["user"], row["key"]), (wanted, key), "user and key of the row")
    logged = next(r for r in appliance.admin_socket("GET", "/api/v1/logs?limit=20").json()["rows"] if r["id"] == row["id"])
    equal(logged["user"], wanted, "user of the log")


def required(appliance):
    for target in (CHAT, MESSAGES, RESPONSES, GEMINI):
        answer = post(appliance, appliance.keys["own"], target, headers=OPENWEBUI)
        refused(appliance, answer, 401, ["on behalf of users"], "own", target)
    equal(appliance.api("GET", "/v1/models", key="own").status, 200, "the list asks for nobody")


def pseudonyms():
    """One and the same for a user, whoever names it, over restarts; of another appliance another one; and
    what was said is nowhere."""
    names = {}
    for turn in ("one", "two"):
        with gate() as appliance:
            for who in ("ann.unique@example.org", "bob.unique@example.org"):
                rows = [row_of(appliance, post(appliance, appliance.keys["hidden"], headers=h, **m))
                        for h, m in (({}, {"user": who}), ({"x-openwebui-user-id": who}, {}))]  # fmt: skip
                assert re.fullmatch("[0-9a-f]{24}", rows[0]["user"]), rows[0]["user"]
                equal(rows[1]["user"], rows[0]["user"], "by header and by body")
                names[turn, who] = rows[0]["user"]
                appliance.restart()
                again = row_of(appliance, post(appliance, appliance.keys["hidden"], user=who))
                equal(again["user"], rows[0]["user"], "after a restart")
            secret = appliance.state / "pseudonym-secret"
            equal(secret.stat().st_mode & 0o777, 0o600, "mode of the secret")
            appliance.settled()
            files = [p for p in appliance.state.rglob("*") if p.is_file()] + [appliance.log_path]
            for path in files:
                assert b"unique@example" not in path.read_bytes(), f"{path} has a user's name"
    equal(len(set(names.values())), 4, "pseudonyms of two users on two appliances")


class SecureGate(Tidegate):
    """One whose API speaks TLS; its client may show a certificate."""

    context = None

    def api(self, method, target, body=None, headers=None, key=None, timeout=30):
        headers = {"authorization": "Bearer " + self.keys[key], **(headers or {})} if key else dict(headers or {})
        connection = http.client.HTTPSConnection("127.0.0.1", self.api_port, timeout=timeout, context=self.context)
        return exchange(connection, method, target, body, headers)


def by_certificate():
    """The client's own name, beside the key of its application."""
    authority = Authority("people")
    chain, key = authority.leaf("server", "IP:127.0.0.1")
    tls = {"certificate": chain, "key": f"file:{key}", "client_ca": authority.file, "client": "optional"}
    keys = [{"name": "web", "end_user": {"from": ["certificate"], "required": True}}]
    appliance = SecureGate(**SIMULATED, keys=keys, settings={"api": {"tls": tls}})
    appliance.context = ssl.create_default_context(cafile=authority.file)
    with appliance:
        refused(appliance, post(appliance, appliance.keys["web"]), 401, ["on behalf of users"], "web")
        appliance.context.load_cert_chain(*authority.leaf("ann", "URI:spiffe://acme/people/ann"))
        row = row_of(appliance, post(appliance, appliance.keys["web"]))
        equal(row["user"], "URI:spiffe://acme/people/ann", "the certificate's name")


def made_by_verb():
    with gate(owners_key="live") as appliance:
        done = appliance.tidectl("keys", "create", "made", "--tenant", "acme", "--end-user", "header:x-who body:user",
                                 "--require-user", "--pseudonym")  # fmt: skip
        appliance.keys["made"] = done.stdout.strip()
        wanted = {"from": ["header:x-who", "body:user"], "required": True, "pseudonym": True}
        rows = appliance.admin_socket("GET", "/api/v1/keys").json()["keys"]
        equal(rows[0]["end_user"], wanted, "what the list says")
        row = row_of(appliance, post(appliance, appliance.keys["made"], user="ann"))
        assert re.fullmatch("[0-9a-f]{24}", row["user"]), row
        appliance.tidectl("keys", "rotate", "made", check=True)
        equal(appliance.admin_socket("GET", "/api/v1/keys").json()["keys"][0]["end_user"], wanted, "after a rotation")
        for group, hint in (({"from": []}, "lists sources"), ({"from": ["cookie"]}, "a source"), ("x", "lists sources"),
                            ({"from": ["body:user"], "required": 1}, "true or false"), ({"fron": []}, '"fron"')):  # fmt: skip
            body = {"name": "x", "tenant": "acme", "end_user": group}
            answer = appliance.admin_socket("POST", "/api/v1/keys", body)
            equal(answer.status, 400, f"{group}")
            assert hint in answer.json()["error"]["message"], answer.body


def register(suite):
    with gate() as appliance:
        for number, case in enumerate(CASES):
            suite.check(f"users/said-{number}-{case[0]}", said, appliance, *case)
        suite.check("users/required", required, appliance)
    suite.check("users/pseudonyms", pseudonyms)
    suite.check("users/by-certificate", by_certificate)
    suite.check("users/made-by-verb", made_by_verb)
