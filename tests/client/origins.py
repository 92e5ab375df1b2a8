# SPDX-License-Identifier: Apache-2.0
"""Where a provider's secret goes, on both lanes: to its own object's base_url and nowhere else,
whatever an upstream answers and whatever is reloaded meanwhile; and signed requests, which carry no
secret at all.

The upstream here is a server of one answer that remembers what came.
"""

import contextlib
import http.server
import json
import re
import subprocess
import threading
import time

import sigv4
from tap import Skip, equal
from tidegate import Tidegate, provider, wait_until
from wire import Connection, chat_text

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLE+token=="
PATH = "/openai/v1/model/x.y-v1%3A0/chat:now?b=2&a=%20&a=1&c"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "here"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
REDIRECTS = (301, 302, 303, 307, 308)


class Origin(http.server.ThreadingHTTPServer):
    """`requests` lists (method, target, fields, body); `answer` is (status, fields), to be changed
    at will; `hold` keeps answers back while it is cleared."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.answer = [], (200, {})
        self.hold = threading.Event()
        self.hold.set()
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path="/v1"):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def secrets(self):
        """What authorised the requests, in order."""
        return [fields.get("authorization") for _, _, fields, _ in self.requests]

    def handle_error(self, *_):
        """The daemon closes its connections when it stops; that is no error."""

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        fields = {}
        for name, value in self.headers.items():
            fields.setdefault(name.lower(), []).append(value)
        self.server.requests.append((self.command, self.path, fields, body))
        self.server.hold.wait()
        status, more = self.server.answer
        answer = json.dumps(ANSWER).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


def models(*providers):
    return [{"name": name, "provider": name, "upstream_model": "m"} for name in providers]


def ask(gate, model, content="hello"):
    with Connection(gate.api_port) as connection:
        body = {"model": model, "messages": [{"role": "user", "content": content}]}
        return connection.ask(gate.keys["app"], body)


def bearer(gate, name):
    return [f"Bearer {gate.provider_secret(name)}"]


# ---- one secret, one origin ----


def each_its_own(lane):
    """A second target of a route gets its own secret, and none of the first's."""
    with Origin() as first, Origin() as second:
        first.answer = (503, {})
        gate = Tidegate(
            providers=[
                provider("first", first.url(), lane=lane),
                provider("second", second.url(), lane=lane),
            ],
            models=models("first", "second"),
            routes=[{"name": "both", "targets": ["first", "second"]}],
        )
        with gate:
            equal(chat_text(ask(gate, "both")), "here", "answer")
            equal(first.secrets(), [bearer(gate, "first")], "what the first was sent")
            equal(second.secrets(), [bearer(gate, "second")], "what the second was sent")
            told = json.dumps([second.requests[0][2], second.requests[0][3].decode()])
            assert gate.provider_secret("first") not in told, "the first's secret went on"


def redirects(lane):
    """No answer sends the secret elsewhere: whoever is pointed at is not even connected to."""
    with Origin() as origin, Origin() as other:
        gate = Tidegate(
            providers=[provider("p", origin.url(), lane=lane)], models=models("p")
        )
        with gate:
            for status in REDIRECTS:
                origin.answer = (status, {"location": other.url("/v1/chat/completions")})
                equal(ask(gate, "p").status, 502, f"the answer to a {status}")
            equal(len(origin.requests), len(REDIRECTS), "requests to the origin")
            equal(other.requests, [], "requests to where it pointed")


def moves_with_its_object(lane):
    """The secret is the object's: a reload that changes base_url alone sends it to the new origin
    from then on and to the old one no more; a call that has begun stays where it was."""
    with Origin() as old, Origin() as new:
        gate = Tidegate(providers=[provider("p", old.url(), lane=lane)], models=models("p"))
        with gate:
            old.hold.clear()
            answers = []
            under_way = threading.Thread(target=lambda: answers.append(ask(gate, "p")))
            under_way.start()
            wait_until(lambda: old.requests, what="a call under way")
            gate.providers = [provider("p", new.url(), lane=lane)]
            gate.write_config()
            gate.tidectl("reload", check=True)  # returns when it is in force
            equal(chat_text(ask(gate, "p")), "here", "answer of the new origin")
            old.hold.set()
            under_way.join()
            equal(chat_text(answers[0]), "here", "answer of the old origin")
            equal(old.secrets(), [bearer(gate, "p")], "what the old origin was sent")
            equal(new.secrets(), [bearer(gate, "p")], "what the new origin was sent")


# ---- signed requests ----


def signing(gate, token):
    path = gate.dir / "secrets" / "aws"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(":".join([ACCESS_KEY, SECRET_KEY, *([token] if token else [])]))
    path.chmod(0o600)


def signed_gate(origin, lane, token, **options):
    options = {"aws_region": "eu-central-1", "path": PATH, **options}
    gate = Tidegate(
        providers=[
            provider("aws", origin.url("/base"), lane=lane, options=options, secret="file:secrets/aws")
        ],
        models=models("aws"),
    )
    signing(gate, token)
    return gate


def signed(lane, token, size):
    with Origin() as origin, signed_gate(origin, lane, token) as gate:
        answer = ask(gate, "aws", "x" * size)
        equal(answer.status, 200, f"status; {answer.body[:300]!r}")
        ((method, target, fields, body),) = origin.requests
        equal(target, "/base" + PATH, "target")
        who = sigv4.verify(method, target, fields, body, SECRET_KEY, time.time())
        equal(who[:3], (ACCESS_KEY, "eu-central-1", "bedrock"), "who signed for what")
        equal(fields.get("x-amz-security-token"), [token] if token else None, "token")
        assert len(body) > size, "the body was cut"
        told = json.dumps(fields) + gate.log()
        assert SECRET_KEY not in told, "the secret key went somewhere"


def wrong_secret(text):
    """A secret that is no pair of keys is an error at the start, and is not repeated."""
    with Origin() as origin, contextlib.closing(signed_gate(origin, "auto", "")) as gate:
        (gate.dir / "secrets" / "aws").write_text(text)
        done = subprocess.run(gate.command("--check"), capture_output=True, text=True, timeout=30)
        equal(done.returncode, 1, f"exit status; {done.stderr}")
        assert "ACCESS_KEY_ID:SECRET_ACCESS_KEY" in done.stderr, done.stderr
        assert text not in done.stderr, "the secret was repeated"


# ---- certificates ----


def make_certificates(folder):
    for name in ("one", "other"):
        try:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
                + ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
                + ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
                check=True,
                capture_output=True,
            )
        except FileNotFoundError:
            raise Skip("no openssl program") from None


def bad_certificate(told, **files):
    """A check and a start both end with the place of the object and the option that is wrong."""
    gate = Tidegate(providers=[provider("p", "https://api.example/v1", **files)], models=models("p"))
    with contextlib.closing(gate):
        make_certificates(gate.dir)
        for more in (("--check",), ("--foreground",)):
            done = subprocess.run(
                gate.command(*more), capture_output=True, text=True, timeout=30, cwd=gate.dir
            )
            equal(done.returncode, 1, f"exit status of {more}; {done.stderr}")
            place = re.escape(str(gate.config)) + r":\d+:\d+: "
            assert re.search(place, done.stderr), done.stderr
            assert told in done.stderr, done.stderr


def register(suite):
    for lane in ("plain", "curl"):
        name = f"origins/{lane}-lane"
        suite.check(f"{name}/each-its-own-secret", each_its_own, lane)
        suite.check(f"{name}/redirects-are-not-followed", redirects, lane)
        suite.check(f"{name}/secret-moves-with-its-object", moves_with_its_object, lane)
        suite.check(f"{name}/signed", signed, lane, "", 10)
        suite.check(f"{name}/signed-with-token", signed, lane, TOKEN, 10)
        suite.check(f"{name}/signed-large", signed, lane, TOKEN, 1 << 20)
    for text in ("onlyone", "AKID:", ":secret"):
        suite.check(f"origins/wrong-aws-secret-{text.count(':')}{len(text)}", wrong_secret, text)
    for told, files in (
        ("ca_file", {"ca_file": "gone.pem"}),
        ("ca_file", {"ca_file": "one.key"}),
        ("key_file", {"cert_file": "one.pem", "key_file": "gone.key"}),
        ("is not the key of cert_file", {"cert_file": "one.pem", "key_file": "other.key"}),
    ):
        name = "-".join(files.values())
        suite.check(f"origins/bad-certificate-{name}", bad_certificate, told, **files)
