# SPDX-License-Identifier: Apache-2.0
"""Starts, pins, measures and stops what a benchmark needs. Invariant: the proxy under test has a core
of its own, everything else runs on another, and each process started here is ended here."""

import contextlib
import copy
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
PRICES = HERE.parents[1] / 'packaging/fetched/prices.json'
KEY = 'tg-' + 'Bench' * 8 + '000'
SMALL, CURL, LARGE = 'gpt-4o-mini', 'gpt-4o-mini-curl', 'gpt-4o-mini-100k'
HEADER_MS = 3000
TICKS_PER_S = os.sysconf('SC_CLK_TCK')
MB = 1e6


class Failure(Exception):
    """The benchmark cannot go on; the text says why."""


class Skip(Exception):
    """The benchmark cannot run here; the text says what is missing."""


def cores():
    """(core of the proxy, core of the load)."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise Skip('needs two CPUs: one for the proxy, one for the load')
    return available[-1], available[0]


def descriptors_raise():
    """Raises the soft descriptor limit, which children inherit, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_until(what, ready, seconds=20.0):
    """Polls an outside condition; a condition that never comes is a failure."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Failure(f'{what} did not happen within {seconds:g} s')
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def proc_children(pid):
    text = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text()
    return [int(child) for child in text.split()]


def proc_cpu_s(pid):
    """User and system time of all threads of a process, the ended ones included."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def proc_status_mb(pid, field):
    for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith(field + ':'):
            return int(line.split()[1]) * 1024 / MB
    raise Failure(f'/proc/{pid}/status has no {field}')


class Process:
    """A child on one core (None: on all), ended by SIGTERM and, if that is ignored, SIGKILL."""

    def __init__(self, argv, core, log=None, **options):
        def pin():
            if core is not None:
                os.sched_setaffinity(0, {core})
        self.argv = [str(word) for word in argv]
        sink = open(log, 'wb') if log else None
        self.child = subprocess.Popen(self.argv, preexec_fn=pin, stderr=sink, **options)
        if sink:
            sink.close()

    @property
    def pid(self):
        return self.child.pid

    def check_alive(self, log):
        if self.child.poll() is not None:
            raise Failure(f'{self.argv[0]} ended with {self.child.returncode}: {log.read_text()[-2000:].strip()}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()


class Load(Process):
    """The load generator; its lines are JSON documents, the last one its result."""

    def __init__(self, bench, mode, target, **options):
        argv = [bench.program('load'), mode, '--target', f'127.0.0.1:{target}', '--key', KEY]
        for name, value in options.items():
            argv += ['--' + name.replace('_', '-'), value]
        super().__init__(argv, bench.load_core, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self):
        line = self.child.stdout.readline()
        if not line:
            raise Failure(f'{" ".join(self.argv)} ended early with {self.child.wait()}')
        return json.loads(line)

    def expect(self, event):
        got = self.read()
        if got.get('event') != event:
            told = ', '.join(f'{key} {value}' for key, value in got.items() if not key.endswith('_us'))
            raise Failure(f'the load never came to its phase "{event}": {told}')

    def finish(self):
        self.child.stdin.close()
        result = self.read()
        self.child.wait()
        return result


class Proxy:
    """What stands between load and upstream; subclasses start it and set port, process and name."""

    name = port = process = None
    tls = False
    requests = 0

    def pids(self):
        return [self.process.pid] + proc_children(self.process.pid)

    def cpu_s(self):
        return sum(proc_cpu_s(pid) for pid in self.pids())

    def memory_mb(self, field='VmRSS'):
        return sum(proc_status_mb(pid, field) for pid in self.pids())

    def cpu_settled_s(self):
        """CPU once what the last requests left behind (commits, log lines) has been done."""
        before, quiet_since = self.cpu_s(), time.monotonic()
        end = quiet_since + 5
        while time.monotonic() < min(quiet_since + 0.3, end):
            time.sleep(0.05)
            now = self.cpu_s()
            if now - before > 0.011:
                before, quiet_since = now, time.monotonic()
        return self.cpu_s()

    def settled_check(self):
        """Raises Failure when requests that were answered were not accounted for."""


class Nginx(Proxy):
    """The reference, by tests/bench/nginx.conf."""

    def __init__(self, bench, name='nginx'):
        self.name = name
        self.port, self.tls_port = free_port(), free_port()
        folder = bench.folder(name)
        text = (HERE / 'nginx.conf').read_text()
        for mark, value in (('@LISTEN@', f'127.0.0.1:{self.port}'), ('@DIR@', str(folder)),
                            ('@TLS_LISTEN@', f'127.0.0.1:{self.tls_port}'), ('@TLS@', str(bench.certificate())),
                            ('@UPSTREAM@', f'127.0.0.1:{bench.upstream_port}')):
            text = text.replace(mark, value)
        if os.getuid() == 0:  # the scratch folder is closed to the account that root's workers take
            text = 'user root;\n' + text
        (folder / 'nginx.conf').write_text(text)
        binary = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin:/sbin')
        if not binary:
            raise Skip('nginx, the reference, is not installed (Debian: nginx-light)')
        self.process = Process([binary, '-p', folder, '-e', folder / 'error.log', '-c', folder / 'nginx.conf'],
                               bench.proxy_core, log=folder / 'stderr')
        bench.stack.enter_context(self.process)
        self.stderr = folder / 'stderr'
        wait_until('listening of nginx', self.ready)

    def over_tls(self):
        """The same process, at its port that speaks TLS."""
        other = copy.copy(self)
        other.port, other.tls = self.tls_port, True
        return other

    def ready(self):
        self.process.check_alive(self.stderr)
        return accepts(self.port)


TLS = 'tls: {{ certificate = "{folder}/certificate.pem"; key = "file:{folder}/key.pem"; }};'

TIDEGATE_CONF = '''
api: {{ listen = [ "127.0.0.1:{port}" ]; {tls} }};
admin: {{ listen = [ "127.0.0.1:{admin}" ]; socket = "{folder}/admin.sock"; }};
state = "{folder}/state";
prices = "{prices}";
mount = "{mount}";
log = "warn";
plugins: {{ folder = "{plugins}"; load = [ "provider-openai" ]; }};
owners: {{ key = "files"; }};
limits: {{ connections = 30000; header_ms = {header_ms}; idle_ms = 600000; }};
providers = (
  {{ name = "plain"; plugin = "openai"; base_url = "http://127.0.0.1:{upstream}/v1"; secret = "file:{folder}/secret";
     allow_private = true; lane = "auto"; price_provider = "openai"; }},
  {{ name = "curl"; plugin = "openai"; base_url = "http://127.0.0.1:{upstream}/v1"; secret = "file:{folder}/secret";
     allow_private = true; lane = "curl"; price_provider = "openai"; }} );
models = (
  {{ name = "{small}"; provider = "plain"; upstream_model = "gpt-4o-mini"; {price} }},
  {{ name = "{large}"; provider = "plain"; upstream_model = "gpt-4o-mini-100k"; {price} }},
  {{ name = "{curl}"; provider = "curl"; upstream_model = "gpt-4o-mini"; {price} }} );
tenants = ( {{ name = "bench"; }} );
keys = ( {{ name = "bench-app"; tenant = "bench"; feature = "chat"; sha256 = "{sha256}"; }} );
'''

PRICE = ('price: { input_usd_per_mtok = "0.15"; cache_read_usd_per_mtok = "0.075"; '
         'output_usd_per_mtok = "0.60"; };')


class Tidegate(Proxy):
    """tidegated with keys, prices, ledger and log on, pinned so that it runs one loop."""

    name = 'tidegate'

    def __init__(self, bench, pinned=True, mount=False, tls=False):
        self.port, self.tls = free_port(), tls
        self.folder = bench.folder('tidegate')
        self.mount = self.folder / 'mnt'
        self.mount.mkdir()
        (self.folder / 'state').mkdir(mode=0o700)
        (self.folder / 'secret').write_text('sk-upstream\n')
        (self.folder / 'secret').chmod(0o600)
        config = self.folder / 'tidegate.conf'
        config.write_text(TIDEGATE_CONF.format(
            port=self.port, tls=TLS.format(folder=bench.certificate()) if tls else '', admin=free_port(), folder=self.folder, mount=self.mount if mount else 'none',
            prices=PRICES, plugins=bench.build / 'plugins', header_ms=HEADER_MS, upstream=bench.upstream_port,
            small=SMALL, large=LARGE, curl=CURL, price=PRICE, sha256=hashlib.sha256(KEY.encode()).hexdigest()))
        self.trusting = ssl.create_default_context(cafile=bench.certificate() / 'certificate.pem')
        self.trusting.check_hostname = False
        binary = bench.build / 'core/daemon/tidegated'
        for needed, remedy in ((binary, 'build it'), (PRICES, 'run packaging/fetch')):
            if not needed.exists():
                raise Failure(f'{needed} is not there: {remedy}')
        self.process = Process([binary, '--config', config, '--foreground'],
                               bench.proxy_core if pinned else None, log=self.folder / 'stderr')
        bench.stack.enter_context(self.process)
        bench.stack.callback(self.unmount)
        wait_until('readiness of tidegated', self.ready)

    def ready(self):
        self.process.check_alive(self.folder / 'stderr')
        try:
            url = f'http{"s" if self.tls else ""}://127.0.0.1:{self.port}/readyz'
            with urllib.request.urlopen(url, timeout=5, context=self.trusting) as answer:
                return answer.status == 200
        except OSError:
            return False

    def unmount(self):
        """Ends the daemon, which unmounts; what a dead one left is detached."""
        self.process.__exit__()
        if os.path.ismount(self.mount):
            subprocess.run(['umount', '-l', self.mount], check=False)

    def writer_cpu_s(self):
        """CPU of the thread that writes the ledger."""
        for task in pathlib.Path(f'/proc/{self.process.pid}/task').iterdir():
            if (task / 'comm').read_text().strip() == 'writer':
                return int((task / 'schedstat').read_text().split()[0]) / 1e9
        raise Failure('tidegated has no thread named writer')

    def ledger_rows(self):
        """Of all days: a run may go past midnight."""
        count = 0
        for path in (self.folder / 'state/ledger').glob('rows-*.db'):
            with contextlib.closing(sqlite3.connect(f'file:{path}?mode=ro', uri=True)) as rows:
                count += rows.execute('SELECT count(*) FROM request_row').fetchone()[0]
        return count

    def settled_check(self):
        wait_until(f'{self.requests} rows in the ledger', lambda: self.ledger_rows() >= self.requests)


class Bench:
    """One run of a part: its scratch folder, upstream and everything it started, on an ExitStack."""

    def __init__(self, build, scratch, stack, chunk_ms=500, chunks=20):
        self.build, self.scratch, self.stack = build, scratch, stack
        self.proxy_core, self.load_core = cores()
        self.chunk_ms, self.chunks = chunk_ms, chunks
        self.upstream = stack.enter_context(
            Process([self.program('upstream'), '--chunk-ms', chunk_ms, '--chunks', chunks], self.load_core,
                    stdout=subprocess.PIPE))
        self.upstream_port = int(self.upstream.child.stdout.readline())

    def program(self, name):
        return self.build / 'tests/bench' / f'bench-{name}'

    def folder(self, name):
        number = 0
        while True:
            path = self.scratch / f'{name}-{number}'
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path
            number += 1

    def certificate(self):
        """The folder of a certificate and its key, as all contenders show them."""
        path = self.scratch / 'certificate'
        if not path.exists():
            path.mkdir(mode=0o700)
            subprocess.run('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 '
                           '-subj /CN=bench -keyout key.pem -out certificate.pem'.split(), cwd=path, check=True,
                           stderr=subprocess.DEVNULL)
        return path

    def direct_closed(self, **options):
        with Load(self, 'closed', self.upstream_port, **options) as load:
            return load.finish()

    def closed(self, proxy, **options):
        """A closed loop through the proxy; every answer must be a 200."""
        with Load(self, 'closed', proxy.port, tls=int(proxy.tls), **options) as load:
            result = load.finish()
        proxy.requests += result['requests']
        if result['errors']:
            raise Failure(f'{result["errors"]} of {result["requests"]} requests through {proxy.name} failed')
        return result

    def wire_us(self, what, rounds):
        """CPU of what is done with the bytes of a request and its answer, connections left out."""
        with Process([self.program('wire'), what, rounds], self.load_core, stdout=subprocess.PIPE) as worker:
            out = worker.child.stdout.read()
            if worker.child.wait() != 0:
                raise Failure(f'bench-wire {what} failed')
        return float(out)

    def ledger(self, *arguments):
        """What bench-ledger prints, in a folder of its own, which goes."""
        with tempfile.TemporaryDirectory(prefix='ledger-', dir=self.scratch) as folder:
            command = [self.program('ledger'), arguments[0], folder, *arguments[1:]]
            with Process(command, self.load_core, stdout=subprocess.PIPE) as worker:
                out = worker.child.stdout.read()
                if worker.child.wait() != 0:
                    raise Failure(f'bench-ledger {arguments[0]} failed')
        return json.loads(out)

    def reads_per_s(self, path, milliseconds):
        with Process([self.program('reads'), path, milliseconds], self.load_core, stdout=subprocess.PIPE) as reader:
            out = reader.child.stdout.read()
            if reader.child.wait() != 0:
                raise Failure(f'reading {path} failed')
        return json.loads(out)['per_s']
