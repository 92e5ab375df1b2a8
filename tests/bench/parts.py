# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark. Each takes a Plan and returns rows; contenders take turns within a round
and the order turns around from round to round, so that drift of the machine hits all alike."""

import contextlib
import dataclasses
import pathlib
import typing

import harness
from harness import CURL, LARGE, SMALL, Bench, Failure, Load, Nginx, Tidegate
from report import missing, row

CONNECTIONS = 32
STREAMS = 9500
IDLE = 5000
SLOW = 500
SCALE = 10_000_000


# What a request of 2 KB and its answer cost, and the most that may be. A stream has 32 events.
WIRE = {'same': 6.0, 'same-stream': None, 'chat-messages': 25.0, 'messages-chat': 25.0, 'chat-messages-stream': None,
        'messages-chat-stream': None, 'responses-chat': 25.0, 'responses-messages': 25.0}


@dataclasses.dataclass(frozen=True)
class Figure:
    """What a figure is called, its unit, and the most that its ratio or value may be."""
    name: str
    unit: str
    bar: typing.Optional[float] = None
    bar_on: str = 'ratio'


FIGURES = {
    'proxy': [Figure('cpu_us_per_request_plain', 'us', 0.9), Figure('cpu_us_per_request_curl', 'us', 1.6),
              Figure('cpu_us_per_request_plain_100k', 'us', 0.9), Figure('cpu_us_per_request_tls', 'us', 1.1),
              Figure('added_p50_us', 'us')],
    'streams': [Figure(f'streams_{STREAMS}_cpu', '% of a core', 1.0), Figure(f'streams_{STREAMS}_rss_mb', 'MB', 80.0, 'value'),
                Figure(f'streams_{STREAMS}_late_p99_ms', 'ms'), Figure(f'streams_{STREAMS}_lost', 'chunks', 0.0, 'value')],
    'idle': [Figure('idle_anonymous_mb', 'MB', 8.0, 'value'), Figure(f'idle_{IDLE}_rss_mb', 'MB', 40.0, 'value'),
             Figure(f'idle_{IDLE}_requests_per_s', '1/s'), Figure(f'slow_{SLOW}_closed', 'clients')],
    'fs': [Figure('open_read_close_vs_proc', '1/s'), Figure('open_read_close_vs_proc_idle', '1/s')],
    'ledger': [Figure('ledger_us_per_request', 'us', 6.0, 'value')],
    'ledger-scale': [Figure('ledger_month_ms', 'ms', 100.0, 'value'), Figure('ledger_why_p99_ms', 'ms', 10.0, 'value'),
                     Figure('ledger_expiry_ms', 'ms', 1000.0, 'value'), Figure('ledger_stall_ms', 'ms', 1000.0, 'value'),
                     Figure('ledger_start_ms', 'ms'), Figure('ledger_page_p99_ms', 'ms'),
                     Figure('ledger_50000_per_s_waits', 'requests', 0.0, 'value'),
                     Figure('ledger_50000_per_s_writer_us', 'us', 6.0, 'value')],
    'wire': [Figure(f'wire_{name}_us'.replace('-', '_'), 'us', bar, 'value') for name, bar in WIRE.items()],
}


@dataclasses.dataclass
class Plan:
    build: pathlib.Path
    scratch: pathlib.Path
    rounds: int
    descriptors: int
    self_check: bool
    say: typing.Callable

    @contextlib.contextmanager
    def bench(self, **options):
        with contextlib.ExitStack() as stack:
            yield Bench(self.build, self.scratch, stack, **options)

    def subject(self, bench, **options):
        if not self.self_check:
            return Tidegate(bench, **options)
        nginx = Nginx(bench, 'nginx-self')
        return nginx.over_tls() if options.get('tls') else nginx

    def figures(self, part):
        """Bars are the appliance's; the self-check of the harness has none."""
        if self.self_check:
            return [dataclasses.replace(figure, bar=None) for figure in FIGURES[part]]
        return FIGURES[part]


class Rounds:
    """Measurements of contenders by round; a contender that fails once is out, and says why."""

    def __init__(self, plan, part, contenders):
        self.values = {name: [] for name, _ in contenders}
        self.failed = {}
        for number in range(plan.rounds):
            for name, measure in contenders if number % 2 == 0 else reversed(contenders):
                if name not in self.failed:
                    self._measure(plan, part, number, name, measure)

    def _measure(self, plan, part, number, name, measure):
        try:
            value = measure()
            self.values[name].append(value)
            plan.say(part, number, name, value)
        except Failure as why:
            self.failed[name] = f'{name}: {why}'
            plan.say(part, number, name, why)

    def row(self, figure, name, reference=None, reference_name=None, key=None, less=None, note=None):
        """A row of one contender beside another; `key` picks from measurements that are tables,
        `less` is a contender whose value is taken off both."""
        for needed in (name, reference, less):
            if needed in self.failed:
                return missing(figure, self.failed[needed])

        def pick(contender):
            values = self.values[contender]
            if key:
                return [value[key] for value in values]
            return [v - l for v, l in zip(values, self.values[less])] if less else values

        if not reference:
            return row(figure, pick(name), note=note)
        return row(figure, pick(name), reference_name or reference, pick(reference), note=note)


def cpu_us(bench, proxy_, requests, model):
    """CPU of the whole proxy per completed request, what it does afterwards included."""
    before = proxy_.cpu_settled_s()
    result = bench.closed(proxy_, requests=requests, model=model, connections=CONNECTIONS)
    return (proxy_.cpu_settled_s() - before) / result['requests'] * 1e6


def p50_us(bench, proxy_):
    """p50 at a rate well below what any contender can do; without a proxy, the upstream's own."""
    options = {'requests': 4000, 'rate': 2000, 'model': SMALL, 'connections': CONNECTIONS}
    result = bench.closed(proxy_, **options) if proxy_ else bench.direct_closed(**options)
    return result['latency_p50_us']


def proxy(plan):
    plain, curl, large, tls, added = plan.figures('proxy')
    with plan.bench() as bench:
        nginx, subject, secure = Nginx(bench), plan.subject(bench), plan.subject(bench, tls=True)

        def cpu(name, proxy_, requests, model):
            warm = []

            def measure():
                if not warm:
                    warm.append(bench.closed(proxy_, requests=5000, model=model, connections=CONNECTIONS))
                return cpu_us(bench, proxy_, requests, model)
            return name, measure

        rounds = Rounds(plan, 'proxy', [
            cpu('nginx', nginx, 60000, SMALL),
            cpu('plain', subject, 60000, SMALL),
            cpu('curl', subject, 60000, CURL),
            cpu('nginx_100k', nginx, 10000, LARGE),
            cpu('plain_100k', subject, 10000, LARGE),
            cpu('nginx_tls', nginx.over_tls(), 60000, SMALL),
            cpu('tls', secure, 60000, SMALL),
            ('p50_direct', lambda: p50_us(bench, None)),
            ('p50_nginx', lambda: p50_us(bench, nginx)),
            ('p50_plain', lambda: p50_us(bench, subject)),
        ])
        subject.settled_check()
        secure.settled_check()
    return [
        rounds.row(plain, 'plain', 'nginx'),
        rounds.row(curl, 'curl', 'nginx'),
        rounds.row(large, 'plain_100k', 'nginx_100k', 'nginx'),
        rounds.row(tls, 'tls', 'nginx_tls', 'nginx'),
        rounds.row(added, 'p50_plain', 'p50_nginx', 'nginx', less='p50_direct',
                   note='p50 through the proxy minus p50 straight to the upstream, 2,000 requests/s'),
    ]


def stream_run(bench, proxy_, count):
    """One load of `count` streams; CPU over the time when all of them run."""
    with Load(bench, 'streams', proxy_.port, connections=count, rate=3000, chunks=bench.chunks,
              chunk_ms=bench.chunk_ms) as load:
        load.expect('steady')
        cpu = proxy_.cpu_s()
        load.expect('end')
        cpu = proxy_.cpu_s() - cpu
        memory = proxy_.memory_mb()
        result = load.finish()
    proxy_.requests += count
    return {'cpu': cpu / result['steady_s'] * 100, 'rss': memory, 'late': result['late_p99_us'] / 1e3,
            'lost': result['lost'] + result['broken'], 'chunks_per_s': result['steady_chunks'] / result['steady_s']}


def streams(plan):
    count = min(STREAMS, (plan.descriptors - 500) // 2)
    note, figures = None, plan.figures('streams')
    if count < STREAMS:
        note = f'{STREAMS} streams need {2 * STREAMS + 500} descriptors, the limit is {plan.descriptors}'
        figures = [dataclasses.replace(f, name=f.name.replace(str(STREAMS), str(count))) for f in figures]

    def fresh(make):
        """Each run has its own upstream and proxy: connections that another proxy keeps to the same
        upstream would take most of the local ports."""
        with plan.bench(chunk_ms=500, chunks=44) as bench:
            proxy_ = make(bench)
            result = stream_run(bench, proxy_, count)
            proxy_.settled_check()
            return result

    rounds = Rounds(plan, 'streams', [('nginx', lambda: fresh(Nginx)), ('subject', lambda: fresh(plan.subject))])
    return [rounds.row(figure, 'subject', 'nginx', key=key, note=note)
            for figure, key in zip(figures, ('cpu', 'rss', 'late', 'lost'))]


def idle_round(bench, proxy_):
    """Requests a second alone and beside IDLE idle connections, and the memory with them."""
    options = {'requests': 40000, 'model': SMALL, 'connections': CONNECTIONS}
    alone = bench.closed(proxy_, **options)['per_s']
    with Load(bench, 'idle', proxy_.port, connections=IDLE) as load:
        load.expect('idle')
        load.expect('slow')
        memory = proxy_.memory_mb()
        beside = bench.closed(proxy_, **options)['per_s']
        result = load.finish()
    proxy_.requests += IDLE
    if result['idle'] != IDLE:
        raise Failure(f'{proxy_.name} kept {result["idle"]} of {IDLE} idle connections')
    return {'alone': alone, 'beside': beside, 'rss': memory}


def slow_row(plan, figure):
    if plan.self_check:
        return missing(figure, 'the reference has a deadline of 60 s for a request head')
    with plan.bench() as bench:
        subject = plan.subject(bench)
        with Load(bench, 'idle', subject.port, connections=1, slow=SLOW, slow_ms=harness.HEADER_MS * 2) as load:
            load.expect('idle')
            load.expect('slow')
            result = load.finish()
    return row(figure, [result['slow_closed']],
               note=f'of {SLOW} that send a byte of header every 250 ms; the last was closed after '
                    f'{result["slow_life_max_us"] / 1e6:.2f} s, the deadline is {harness.HEADER_MS / 1e3:g} s')


def fresh_mb(plan, make):
    """Anonymous memory of a freshly started, ready proxy."""
    with plan.bench() as bench:
        proxy_ = make(bench)
        proxy_.cpu_settled_s()
        return proxy_.memory_mb('RssAnon')


def idle(plan):
    anonymous, rss, rate, slow = plan.figures('idle')
    unpinned = {} if plan.self_check else {'pinned': False}
    fresh = Rounds(plan, 'idle fresh', [
        ('nginx', lambda: fresh_mb(plan, Nginx)),
        ('subject', lambda: fresh_mb(plan, lambda bench: plan.subject(bench, **unpinned))),
    ])
    with plan.bench() as bench:
        nginx, subject = Nginx(bench), plan.subject(bench)
        rounds = Rounds(plan, 'idle', [('nginx', lambda: idle_round(bench, nginx)),
                                       ('subject', lambda: idle_round(bench, subject))])
    if 'subject' in rounds.failed:
        rate_row = missing(rate, rounds.failed['subject'])
    else:
        beside, alone = ([value[key] for value in rounds.values['subject']] for key in ('beside', 'alone'))
        rate_row = row(rate, beside, 'without them', alone)
    return [fresh.row(anonymous, 'subject', 'nginx'), rounds.row(rss, 'subject', 'nginx', key='rss'), rate_row,
            slow_row(plan, slow)]


def fs(plan):
    busy, quiet = plan.figures('fs')
    with plan.bench() as bench:
        subject = plan.subject(bench, **({} if plan.self_check else {'mount': True}))
        path = '/proc/version' if plan.self_check else subject.mount / 'now/cost/today_usd'

        def under_load(file):
            with Load(bench, 'closed', subject.port, rate=1000, requests=1000000, model=SMALL):
                return bench.reads_per_s(file, 1500)

        rounds = Rounds(plan, 'fs', [
            ('proc', lambda: bench.reads_per_s('/proc/loadavg', 700)),
            ('mount', lambda: bench.reads_per_s(path, 700)),
            ('proc_busy', lambda: under_load('/proc/loadavg')),
            ('mount_busy', lambda: under_load(path)),
        ])
    return [rounds.row(busy, 'mount_busy', 'proc_busy', '/proc/loadavg', note='under 1,000 proxied requests/s'),
            rounds.row(quiet, 'mount', 'proc', '/proc/loadavg')]


def ledger_us(bench, subject, requests):
    """CPU of the writer thread per request, until the last row is committed."""
    subject.cpu_settled_s()
    before = subject.writer_cpu_s()
    bench.closed(subject, requests=requests, model=SMALL, connections=CONNECTIONS)
    subject.settled_check()
    subject.cpu_settled_s()
    return (subject.writer_cpu_s() - before) / requests * 1e6


def ledger(plan):
    figure, = plan.figures('ledger')
    if plan.self_check:
        return [missing(figure, 'the reference has no ledger')]
    with plan.bench() as bench:
        subject = plan.subject(bench)
        bench.closed(subject, requests=5000, model=SMALL, connections=CONNECTIONS)
        rounds = Rounds(plan, 'ledger', [('writer', lambda: ledger_us(bench, subject, 60000))])
    return [rounds.row(figure, 'writer')]


def ledger_scale(plan):
    """The ledger alone with 10 million rows of 30 days; and 50,000 requests a second into it on one core, none of
    which had to wait for a free entry."""
    figures = plan.figures('ledger-scale')
    if plan.self_check:
        return [missing(figure, 'the reference has no ledger') for figure in figures]
    with plan.bench() as bench:
        rounds = Rounds(dataclasses.replace(plan, rounds=1), 'ledger-scale', [
            ('scale', lambda: bench.ledger('scale', SCALE)), ('rate', lambda: bench.ledger('write', 500000, 50000))])
    keys = ('month_ms', 'why_p99_ms', 'expiry_ms', 'stall_ms', 'start_ms', 'page_p99_ms')
    return [rounds.row(figure, 'scale', key=key) for figure, key in zip(figures, keys)] + \
           [rounds.row(figure, 'rate', key=key) for figure, key in zip(figures[6:], ('waits', 'writer_us'))]


def wire(plan):
    figures = plan.figures('wire')
    if plan.self_check:
        return [missing(figure, 'the reference does not look at bodies') for figure in figures]
    with plan.bench() as bench:
        rounds = Rounds(plan, 'wire', [(name, lambda name=name: bench.wire_us(name, 20000)) for name in WIRE])
    return [rounds.row(figure, name) for figure, name in zip(figures, WIRE)]


PARTS = {'proxy': proxy, 'streams': streams, 'idle': idle, 'fs': fs, 'ledger': ledger, 'ledger-scale': ledger_scale, 'wire': wire}
# What is not measured unless it is named: it takes minutes, and 10 GB of disk.
LONG = {'ledger-scale'}
