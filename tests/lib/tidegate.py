# SPDX-License-Identifier: Apache-2.0
"""Starts and stops a private tidegated for a test.

Every instance has its own folder, ports, keys and state, so suites can run side by side; whatever
a test started is ended by its process id, and a daemon that does not end cleanly fails the test.

    with Tidegate(providers=[provider("alpha", upstream.url("/v1"))], keys=["acme-app"]) as gate:
        gate.api("GET", "/v1/models", key="acme-app").status
        gate.rows("request")
"""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import sqlite3
import string
import subprocess
import tempfile
import time
import urllib.parse

from clock import Clock

BASE62 = string.ascii_uppercase + string.ascii_lowercase + string.digits
SLOWER = 5 if os.environ.get("TIDEGATE_WRAPPER") else 1  # than a program on its own; valgrind is 5 to 50 times
START_S = 20 * SLOWER
STOP_S = 40 * SLOWER


def build_dir():
    """The build folder under test; None lets a suite skip with a reason."""
    path = os.environ.get("TIDEGATE_BUILD")
    return pathlib.Path(path) if path else None


def program(name):
    """Path of a built program (`tidegated`, `tidectl`), or None when it is not built."""
    folder = {"tidegated": "core/daemon", "tidectl": "core/cli"}[name]
    build = build_dir()
    path = build / folder / name if build else None
    return path if path and os.access(path, os.X_OK) else None


def wrapper():
    """The command under which programs are to run (TIDEGATE_WRAPPER), which execs them; or none."""
    return os.environ.get("TIDEGATE_WRAPPER", "").split()


def sanitized():
    """Whether memory says little: a sanitizer keeps what was freed for a while, and valgrind much more."""
    made = program("tidegated").read_bytes()
    return b"__asan_init" in made or b"__tsan_init" in made or wrapper() != []


def can_mount():
    """Whether this machine lets a test mount FUSE; a suite that needs it skips otherwise."""
    return os.access("/dev/fuse", os.R_OK | os.W_OK) and os.geteuid() == 0


def new_key():
    """A key text of the product's own shape."""
    return "tg-" + "".join(secrets.choice(BASE62) for _ in range(43))


def free_port():
    """A loopback port nobody listens on now. Below the ephemeral range, so that no outgoing
    connection of another test takes it before the daemon binds it."""
    for _ in range(200):
        port = 10000 + secrets.randbelow(20000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free loopback port")


def noon_zone():
    """A time zone where it is about noon: "today" does not end while a test adds up its costs."""
    ahead = 12 - datetime.datetime.now(datetime.UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


def wait_until(probe, timeout_s=10, every_s=0.01, what="condition"):
    """Polls `probe` until it returns something true, which is returned; TimeoutError when it
    never does."""
    end = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: still not so after {timeout_s} s")
        time.sleep(every_s)


# ---- configuration text ----


class Raw(str):
    """Text that goes into the configuration as it is."""


def conf_value(value, indent=0):
    """A Python value in libconfig's syntax: dict group, tuple list, list array, int, bool, str."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -(2**31) <= value < 2**31 else f"{value}L"
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    pad = "\t" * (indent + 1)
    if isinstance(value, dict):
        inner = "".join(f"{pad}{k} = {conf_value(v, indent + 1)};\n" for k, v in value.items())
        return "{\n" + inner + "\t" * indent + "}"
    if isinstance(value, tuple):
        return "( " + ", ".join(conf_value(v, indent + 1) for v in value) + " )"
    if isinstance(value, list):
        return "[ " + ", ".join(conf_value(v, indent) for v in value) + " ]"
    raise TypeError(f"no configuration syntax for {type(value).__name__}")


def conf_text(settings):
    """A whole configuration file from a dict of its top-level settings."""
    return "".join(f"{name} = {conf_value(value)};\n" for name, value in settings.items())


def provider(name, base_url, plugin="openai", **settings):
    """A provider on a loopback upstream. Its secret file is written by Tidegate (see
    `provider_secret`). It is not probed, unless `health_ms` says so: what an upstream is sent is a
    test's own doing."""
    named = {"name": name, "plugin": plugin, "base_url": base_url, "allow_private": True}
    return {**named, "health_ms": 0, **settings}


def simulator(name="sim", **settings):
    """The built-in provider: it has no address and no secret."""
    return {"name": name, "plugin": "simulator", **settings}


def price(input_usd="0", output_usd="0", cache_read_usd=None, **more):
    """A price group in dollars per million tokens, as strings."""
    group = {"input_usd_per_mtok": input_usd, "output_usd_per_mtok": output_usd}
    if cache_read_usd is not None:
        group["cache_read_usd_per_mtok"] = cache_read_usd
    return {**group, **more}


# ---- answers ----


class Answer:
    """A whole HTTP answer: `status`, `headers` (lower-case names), `body` (bytes)."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def exchange(connection, method, target, body=None, headers=None):
    """One request on `connection`, which is closed after it. A dict or list body goes out as
    JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
    with contextlib.closing(connection):
        connection.request(method, target, body=body, headers=headers)
        return Answer(connection.getresponse())


def parse_tsv(text):
    """A cost table as {first column: {column: text}}; names are percent-decoded."""
    lines = text.rstrip("\n").split("\n")
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    return {urllib.parse.unquote(row[names[0]]): row for row in rows}


def usd_to_nano(text):
    """`0.000123450` as integer nano-dollars. Refuses any other number of digits: the format is a
    contract."""
    sign, digits = (-1, text.strip()[1:]) if text.strip().startswith("-") else (1, text.strip())
    whole, dot, fraction = digits.partition(".")
    if not dot or len(fraction) != 9 or not (whole + fraction).isdigit():
        raise ValueError(f"not dollars with nine digits: {text!r}")
    return sign * (int(whole) * 10**9 + int(fraction))


# ---- the daemon ----


def _request(row):
    return {**row, "id": row["request_id"]}


def _attempt(row):
    written = row["cache_write"] + row["cache_write_1h"]
    tokens = {
        "tokens_in": row["input"] + row["cache_read"] + written,
        "tokens_cached": row["cache_read"],
        "tokens_out": row["output"],
    }
    return {**row, **tokens, "id": row["request_id"]}


class Tidegate:
    """One tidegated and its folder. A context manager: start on entry, clean stop on exit.

    providers, models, routes, tenants   lists of dicts, as in the configuration
    keys      names, or dicts with `name` and any of tenant, feature, disabled; each gets a new key
    settings  further top-level settings; a dict adds to the generated group of its name
    mount     True makes a private mount point, False (the default) runs without a mount
    args      further command-line arguments;  env: further environment
    clock     when the daemon's own clock starts (see clock.py); by default it is the machine's
    prefix    command before the daemon that execs it (`["taskset", "-c", "0"]`): the pid stays
    """

    def __init__(
        self,
        providers=(),
        models=(),
        routes=(),
        tenants=("acme",),
        keys=("app",),
        settings=None,
        mount=False,
        args=(),
        env=None,
        prefix=(),
        owners_key="files",
        clock=None,
    ):
        if not program("tidegated"):
            raise RuntimeError("tidegated is not built in TIDEGATE_BUILD")
        parent = os.environ.get("TIDEGATE_TMP")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gate-", dir=parent))
        self.state = self.dir / "state"
        self.socket = self.dir / "admin.sock"
        self.page_socket = self.state / "page.sock"
        self.config = self.dir / "tidegate.conf"
        self.log_path = self.dir / "tidegated.log"
        self.mount = self.dir / "mnt" if mount else None
        self.api_port, self.admin_port = free_port(), free_port()
        self.keys = {}
        self.providers, self.models, self.routes = list(providers), list(models), list(routes)
        self.tenants = [{"name": t} if isinstance(t, str) else dict(t) for t in tenants]
        self.key_specs = [{"name": k} if isinstance(k, str) else dict(k) for k in keys]
        self.settings, self.args = dict(settings or {}), list(args)
        self.env, self.prefix, self.owners_key = dict(env or {}), list(prefix) or wrapper(), owners_key
        self.clock = None
        self.process = None
        self.taken_over = []
        self.state.mkdir(mode=0o700)
        if self.mount:
            self.mount.mkdir()
        if clock:
            self.give_clock(clock)
        self.write_config()

    # Configuration

    def provider_secret(self, name):
        """The upstream secret of provider `name`: made once, kept in a 0600 file."""
        path = self.dir / "secrets" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text("sk-upstream-" + secrets.token_hex(16))
            path.chmod(0o600)
        return path.read_text()

    def config_settings(self):
        """The generated configuration as a dict, in file order."""
        conf = {
            "api": {"listen": [f"127.0.0.1:{self.api_port}"]},
            "admin": {"listen": [f"127.0.0.1:{self.admin_port}"], "socket": str(self.socket)},
            "state": str(self.state),
            "mount": str(self.mount) if self.mount else "none",
            "owners": {"key": self.owners_key},
            "prices": str(self.prices()),
            "plugins": {"folder": str(self.plugin_folder()), "load": self._plugins()},
            "limits": {"drain_ms": 5000},
            "providers": tuple(self._provider_group(p) for p in self.providers),
            "models": tuple(self.models),
            "routes": tuple(self.routes),
            "tenants": tuple(self.tenants),
        }
        if self.owners_key == "files":
            conf["keys"] = tuple(self._key_group(k) for k in self.key_specs)
        for name, value in self.settings.items():
            both = isinstance(value, dict) and isinstance(conf.get(name), dict)
            conf[name] = {**conf[name], **value} if both else value
        return conf

    @staticmethod
    def plugin_folder():
        return build_dir() / "plugins"

    def prices(self):
        """The fetched price book, or an empty one where none was fetched: models of tests name
        their prices."""
        source = pathlib.Path(
            os.environ.get("TIDEGATE_SRC") or pathlib.Path(__file__).resolve().parents[2]
        )
        fetched = source / "packaging" / "fetched" / "prices.json"
        if fetched.exists():
            return fetched
        empty = self.dir / "prices.json"
        empty.write_text('{"providers": []}\n')
        return empty

    def _plugins(self):
        kinds = dict.fromkeys(p["plugin"] for p in self.providers)
        return [f"provider-{kind}" for kind in kinds]

    def _provider_group(self, spec):
        if spec["plugin"] == "simulator" or "secret" in spec:
            return spec
        self.provider_secret(spec["name"])
        return {**spec, "secret": f"file:{self.dir / 'secrets' / spec['name']}"}

    def _key_group(self, spec):
        text = self.keys.setdefault(spec["name"], new_key())
        return {
            "tenant": self.tenants[0]["name"],
            **spec,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }

    def write_config(self, text=None):
        """Writes the main file: the generated configuration, or `text` in its place."""
        self.config.write_text(conf_text(self.config_settings()) if text is None else text)

    # Life

    def command(self, *more):
        binary = program("tidegated")
        return [*self.prefix, str(binary), "--config", str(self.config), *self.args, *more]

    def start(self, wait=True):
        """Starts the daemon; returns once /readyz says 200."""
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            self.command("--foreground"),
            stdin=subprocess.DEVNULL,
            cwd=self.dir,
            stdout=self.log_file,
            stderr=self.log_file,
            env={**os.environ, **self.env},
        )
        if wait:
            self.wait_ready()
        return self

    def take_over(self, *more, wait=True):
        """Starts a second daemon, which takes over from the one that runs; returns that one's
        process, to drain and to be waited for. With `wait`, once the new one serves."""
        old, served = self.process, self.log().count(" serves ")
        self.taken_over.append(old)
        self.process = subprocess.Popen(
            self.command("--foreground", *more),
            stdin=subprocess.DEVNULL,
            cwd=self.dir,
            stdout=self.log_file,
            stderr=self.log_file,
            env={**os.environ, **self.env},
        )
        new = self.process

        def serves():
            if new.poll() is not None:
                raise RuntimeError(f"tidegated ended with {new.returncode}\n{self.log()}")
            return self.log().count(" serves ") > served

        if wait:
            wait_until(serves, START_S, what="the new one serves")
        return old

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"tidegated ended with {self.process.returncode} at start\n{self.log()}"
                )
            try:
                return self.api("GET", "/readyz", timeout=2).status == 200
            except OSError:
                return False

        try:
            wait_until(ready, START_S, what="/readyz 200")
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def stop(self):
        """SIGTERM, then asserts a clean end: exit 0 and nothing left mounted."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._unmount()
            raise AssertionError(
                f"tidegated still ran {STOP_S} s after SIGTERM\n{self.log()}"
            ) from None
        finally:
            self.log_file.close()
        mounted = self.is_mounted()
        self._unmount()
        assert code == 0, f"tidegated ended with {code} on SIGTERM\n{self.log()}"
        assert not mounted, f"{self.mount} was left mounted\n{self.log()}"

    def kill(self):
        """kill -9, as a crash would. The mount it leaves behind is kept: taking it over is the
        daemon's job."""
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self.log_file.close()

    def restart(self):
        self.stop()
        return self.start()

    def is_mounted(self):
        if not self.mount:
            return False
        with open("/proc/self/mountinfo") as table:
            return any(line.split()[4] == str(self.mount) for line in table)

    def _unmount(self):
        if self.is_mounted():
            subprocess.run(["umount", "-l", str(self.mount)], check=False)

    def close(self):
        """Ends whatever still runs, without judging it, and removes the folder."""
        if self.process is not None:
            self.kill()
        for process in self.taken_over:
            process.kill()
            process.wait()
        self._unmount()
        if not os.environ.get("TIDEGATE_KEEP"):
            shutil.rmtree(self.dir)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self.stop()
        finally:
            self.close()

    def log(self):
        """All the daemon has logged so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def reload(self):
        """SIGHUP. It does not wait: the caller knows what shall become different."""
        self.process.send_signal(signal.SIGHUP)

    # Talking to it

    @property
    def api_url(self):
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def admin_url(self):
        return f"http://127.0.0.1:{self.admin_port}"

    def api(self, method, target, body=None, headers=None, key=None, timeout=30):
        """One request to the API listener; `key` names one of `keys`."""
        headers = dict(headers or {})
        if key is not None:
            headers["authorization"] = "Bearer " + self.keys[key]
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=timeout)
        return exchange(connection, method, target, body, headers)

    def admin(self, method, target, body=None, headers=None, timeout=30, source=None):
        """One request to the admin listener over TCP, without a session; `source` is the loopback
        address it comes from."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.admin_port, timeout, source and (source, 0)
        )
        return exchange(connection, method, target, body, headers)

    def admin_socket(self, method, target, body=None, headers=None, timeout=30):
        """One request over the Unix socket, which needs no log-in."""
        return exchange(UnixConnection(self.socket, timeout), method, target, body, headers)

    def create_key(self, name, tenant=None, feature=None):
        """Makes a key through REST, where `owners_key` is "live"; its text goes into `keys`."""
        body = {"name": name, "tenant": tenant or self.tenants[0]["name"]}
        if feature:
            body["feature"] = feature
        answer = self.admin_socket("POST", "/api/v1/keys", body)
        assert answer.status in (200, 201), f"{answer.status}: {answer.text}"
        self.keys[name] = answer.json()["key"]
        return self.keys[name]

    def status(self):
        """The status document, over the Unix socket."""
        return self.admin_socket("GET", "/api/v1/status").json()

    def tidectl(self, *args, **run):
        """Runs tidectl against this daemon's socket; returns CompletedProcess with text output."""
        command = [str(program("tidectl")), "--socket", str(self.socket), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **run)

    def console_secret(self):
        return (self.state / "console-secret").read_text().strip()

    def read(self, path):
        """The text of a file under the mount."""
        return (self.mount / path).read_text()

    # The ledger

    def give_clock(self, start=None):
        """From its next start on."""
        self.clock = Clock(self.dir, start)
        self.env.update(self.clock.env)
        return self.clock

    def now(self):
        """What its clock says."""
        return self.clock.now() if self.clock else datetime.datetime.now(datetime.UTC)

    @property
    def ledger_path(self):
        """The file of the rows that come now: today's, in UTC."""
        return self.state / "ledger" / f"rows-{self.now():%Y%m%d}.db"

    def query(self, sql, *values):
        """Rows of the ledger as dicts, read-only and with what the writer has committed so far. The
        views `request`, `attempt` and `rollup` are those of all days together."""
        files = sorted((self.state / "ledger").glob("rows-*.db"))
        with contextlib.closing(sqlite3.connect(":memory:", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            for n, path in enumerate(files):
                uri = "file:" + urllib.parse.quote(str(path)) + "?mode=ro"
                db.execute("ATTACH ? AS " + f"day{n}", (uri,))
            for view in ("request", "attempt", "rollup"):
                days = (f"SELECT * FROM day{n}.{view}" for n in range(len(files)))
                db.execute(f"CREATE TEMP VIEW {view} AS " + " UNION ALL ".join(days))
            return [dict(row) for row in db.execute(sql, values)]

    def rows(self, view):
        """All rows of the view `request`, `attempt` or `rollup` as they are, oldest first."""
        order = {"request": "id", "attempt": "id, n", "rollup": "start_s"}[view]
        return self.query(f"SELECT * FROM {view} ORDER BY {order}")

    def request_rows(self):
        """Rows of requests; `id` is what the client was told (16 hex digits)."""
        return [_request(row) for row in self.rows("request")]

    def attempt_rows(self):
        """Rows of attempts: `id` of the request as above, `n` within it, and sums of tokens named
        as in a request's row."""
        return [_attempt(row) for row in self.rows("attempt")]

    def attempts_of(self, request_id):
        rows = self.query("SELECT * FROM attempt WHERE id = ? ORDER BY n", int(request_id, 16))
        return [_attempt(row) for row in rows]

    def wait_request(self, request_id):
        """The row of a request, once the writer has committed it."""
        number = int(request_id, 16)
        found = wait_until(
            lambda: self.query("SELECT * FROM request WHERE id = ?", number),
            what=f"a row of request {request_id}",
        )
        return _request(found[0])

    def settled(self, timeout_s=20):
        """Waits until no request is in flight and every row is committed; returns that status.
        The document is rendered now and then: one from before the call proves nothing."""
        asked = self.now()

        def probe():
            status = self.status()
            fresh = datetime.datetime.fromisoformat(status["ts"]) > asked
            return fresh and status["inflight"] == 0 and status["rows_waiting"] == 0 and status

        return wait_until(probe, timeout_s, what="no request in flight")

    @staticmethod
    def wait_for(probe, timeout_s=10, what="condition"):
        return wait_until(probe, timeout_s, what=what)

    def wait_rows(self, count, view="request", timeout_s=10):
        """Waits for exactly `count` rows: the writer commits in batches, a moment after the
        answer."""
        wait_until(lambda: len(self.rows(view)) >= count, timeout_s, what=f"{count} rows of {view}")
        rows = self.rows(view)
        assert len(rows) == count, f"{len(rows)} rows of {view}, not {count}: {rows}"
        return rows

    # The process

    def memory_kb(self, field="RssAnon"):
        """A field of /proc/PID/status in kB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def cpu_s(self):
        """CPU seconds, user and system, the process has used."""
        fields = (
            pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
