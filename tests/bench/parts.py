# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark. Each takes a Plan and returns rows; contenders take turns within a round
and the order turns around from round to round, so that drift of the machine hits all alike."""

import contextlib
import dataclasses
import pathlib

import harness
from harness import CURL, LARGE, SMALL, Bench, Load, Nginx, Tidegate
from report import missing, row

CONNECTIONS = 32
STREAMS = 9500
IDLE = 5000
SLOW = 500


@dataclasses.dataclass
class Plan:
    build: pathlib.Path
    scratch: pathlib.Path
    rounds: int
    descriptors: int
    self_check: bool
    say: object

    @contextlib.contextmanager
    def bench(self, **options):
        with contextlib.ExitStack() as stack:
            yield Bench(self.build, self.scratch, stack, **options)

    def subject(self, bench, **options):
        return Nginx(bench, 'nginx-self') if self.self_check else Tidegate(bench, **options)

    def bar(self, value):
        """Bars are the appliance's; the self-check of the harness has none."""
        return None if self.self_check else value


def turns(number, contenders):
    return contenders if number % 2 == 0 else list(reversed(contenders))


def cpu_us(bench, proxy, requests, model):
    """CPU of the whole proxy per completed request, what it does afterwards included."""
    before = proxy.cpu_settled_s()
    result = bench.closed(proxy, requests=requests, model=model, connections=CONNECTIONS)
    return (proxy.cpu_settled_s() - before) / result['requests'] * 1e6


def latency_p50_us(bench, proxy, model):
    """p50 at a fixed rate well below what any contender can do; None as proxy is the upstream itself."""
    options = {'requests': 4000, 'rate': 2000, 'model': model, 'connections': CONNECTIONS}
    result = bench.closed(proxy, **options) if proxy else bench.direct_closed(**options)
    return result['latency_p50_us']


def proxy(plan):
    with plan.bench() as bench:
        nginx, subject = Nginx(bench), plan.subject(bench)
        for contender, model in ((nginx, SMALL), (subject, SMALL), (subject, CURL), (nginx, LARGE), (subject, LARGE)):
            bench.closed(contender, requests=5000, model=model, connections=CONNECTIONS)
        contenders = [
            ('nginx', lambda: cpu_us(bench, nginx, 60000, SMALL)),
            ('plain', lambda: cpu_us(bench, subject, 60000, SMALL)),
            ('curl', lambda: cpu_us(bench, subject, 60000, CURL)),
            ('nginx_100k', lambda: cpu_us(bench, nginx, 10000, LARGE)),
            ('plain_100k', lambda: cpu_us(bench, subject, 10000, LARGE)),
            ('p50_direct', lambda: latency_p50_us(bench, None, SMALL)),
            ('p50_nginx', lambda: latency_p50_us(bench, nginx, SMALL)),
            ('p50_plain', lambda: latency_p50_us(bench, subject, SMALL)),
        ]
        got = {name: [] for name, _ in contenders}
        for number in range(plan.rounds):
            for name, measure in turns(number, contenders):
                got[name].append(measure())
            plan.say(number, 'proxy', ' '.join(f'{name}={got[name][-1]:.1f}' for name, _ in contenders))
        subject.settled_check()
    added = {who: [p - d for p, d in zip(got[f'p50_{who}'], got['p50_direct'])] for who in ('plain', 'nginx')}
    return [
        row('cpu_us_per_request_plain', 'us', got['plain'], 'nginx', got['nginx'], bar=plan.bar(1.0)),
        row('cpu_us_per_request_curl', 'us', got['curl'], 'nginx', got['nginx']),
        row('cpu_us_per_request_plain_100k', 'us', got['plain_100k'], 'nginx', got['nginx_100k']),
        row('added_p50_us', 'us', added['plain'], 'nginx', added['nginx'],
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
            'lost': result['lost'] + result['broken'], 'chunks': result['steady_chunks'] / result['steady_s']}


def streams(plan):
    count = min(STREAMS, (plan.descriptors - 500) // 2)
    note = None
    if count < STREAMS:
        note = f'{STREAMS} streams need {2 * STREAMS + 500} descriptors, the limit is {plan.descriptors}'
    with plan.bench(chunk_ms=500, chunks=26) as bench:
        contenders = [Nginx(bench), plan.subject(bench)]
        reference, subject = (c.name for c in contenders)
        got = {c.name: [] for c in contenders}
        for number in range(plan.rounds):
            for contender in turns(number, contenders):
                got[contender.name].append(stream_run(bench, contender, count))
            plan.say(number, 'streams', ' '.join(
                f'{name}: ' + ' '.join(f'{k}={v:.1f}' for k, v in runs[-1].items()) for name, runs in got.items()))
        contenders[1].settled_check()

    def pick(figure):
        return [run[figure] for run in got[subject]], reference, [run[figure] for run in got[reference]]

    return [
        row(f'streams_{count}_cpu', '% of a core', *pick('cpu'), note=note),
        row(f'streams_{count}_rss_mb', 'MB', *pick('rss')),
        row(f'streams_{count}_late_p99_ms', 'ms', *pick('late')),
        row(f'streams_{count}_lost', 'chunks', *pick('lost')),
    ]


def idle_fresh(plan, make):
    """Anonymous memory of a freshly started, ready proxy on all its cores."""
    values = []
    for _ in range(plan.rounds):
        with plan.bench() as bench:
            values.append(make(bench).memory_mb('RssAnon'))
    return values


def idle_round(bench, proxy_):
    """(requests/s alone, requests/s beside IDLE idle connections, memory with them)."""
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
        raise harness.Failure(f'{proxy_.name} kept {result["idle"]} of {IDLE} idle connections')
    return {'alone': alone, 'beside': beside, 'rss': memory}


def slow_row(plan):
    name, limit_ms = f'slow_{SLOW}_closed', harness.HEADER_MS * 1.2
    if plan.self_check:
        return missing(name, 'clients', 'the reference has a deadline of 60 s for a request head')
    with plan.bench() as bench:
        subject = plan.subject(bench)
        with Load(bench, 'idle', subject.port, connections=1, slow=SLOW, slow_ms=int(limit_ms) + 2000) as load:
            load.expect('idle')
            load.expect('slow')
            result = load.finish()
    return row(name, 'clients', [result['slow_closed']], bar=None,
               note=f'a byte of header every 250 ms; the last was closed after {result["slow_life_max_us"] / 1e6:.2f} s '
                    f'of a deadline of {harness.HEADER_MS / 1e3:g} s')


def idle(plan):
    fresh = idle_fresh(plan, lambda bench: plan.subject(bench, **({} if plan.self_check else {'pinned': False})))
    fresh_nginx = idle_fresh(plan, Nginx)
    with plan.bench() as bench:
        contenders = [Nginx(bench), plan.subject(bench)]
        reference, subject = (c.name for c in contenders)
        got = {c.name: [] for c in contenders}
        for number in range(plan.rounds):
            for contender in turns(number, contenders):
                got[contender.name].append(idle_round(bench, contender))
            plan.say(number, 'idle', ' '.join(
                f'{name}: ' + ' '.join(f'{k}={v:.1f}' for k, v in runs[-1].items()) for name, runs in got.items()))
    return [
        row('idle_anonymous_mb', 'MB', fresh, 'nginx', fresh_nginx, bar=plan.bar(8.0), bar_on='value'),
        row(f'idle_{IDLE}_rss_mb', 'MB', [r['rss'] for r in got[subject]], 'nginx', [r['rss'] for r in got[reference]]),
        row(f'idle_{IDLE}_requests_per_s', '1/s', [r['beside'] for r in got[subject]], 'same, no idle ones',
            [r['alone'] for r in got[subject]]),
        slow_row(plan),
    ]


def fs(plan):
    with plan.bench() as bench:
        subject = plan.subject(bench, **({} if plan.self_check else {'mount': True}))
        path = '/proc/version' if plan.self_check else subject.mount / 'now/cost/today_usd'
        contenders = [('proc', '/proc/loadavg'), ('mount', path)]
        got = {f'{name}_{state}': [] for name, _ in contenders for state in ('idle', 'busy')}
        for number in range(plan.rounds):
            for name, file in turns(number, contenders):
                got[f'{name}_idle'].append(bench.reads_per_s(file, 700))
            with Load(bench, 'closed', subject.port, rate=1000, requests=1000000, model=SMALL):
                for name, file in turns(number, contenders):
                    got[f'{name}_busy'].append(bench.reads_per_s(file, 1500))
            plan.say(number, 'fs', ' '.join(f'{name}={values[-1]:.0f}' for name, values in got.items()))
    return [
        row('open_read_close_vs_proc', '1/s', got['mount_busy'], '/proc/loadavg', got['proc_busy'],
            note='under 1,000 proxied requests/s'),
        row('open_read_close_vs_proc_idle', '1/s', got['mount_idle'], '/proc/loadavg', got['proc_idle']),
    ]


def ledger(plan):
    name = 'ledger_us_per_request'
    if plan.self_check:
        return [missing(name, 'us', 'the reference has no ledger')]
    requests, values = 60000, []
    with plan.bench() as bench:
        subject = plan.subject(bench)
        bench.closed(subject, requests=5000, model=SMALL, connections=CONNECTIONS)
        for number in range(plan.rounds):
            subject.settled_check()
            subject.cpu_settled_s()
            before = subject.writer_cpu_s()
            bench.closed(subject, requests=requests, model=SMALL, connections=CONNECTIONS)
            subject.settled_check()
            subject.cpu_settled_s()
            values.append((subject.writer_cpu_s() - before) / requests * 1e6)
            plan.say(number, 'ledger', f'{values[-1]:.2f} us')
    return [row(name, 'us', values, bar=6.0, bar_on='value')]


PARTS = {'proxy': proxy, 'streams': streams, 'idle': idle, 'fs': fs, 'ledger': ledger}
