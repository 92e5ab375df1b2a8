# SPDX-License-Identifier: Apache-2.0
"""Rows of figures and how they are shown: table, JSON, SVG. A ratio is always the median of per-round
ratios, never the ratio of medians."""

import json
import statistics
from html import escape


def quartiles(samples):
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method='inclusive')
    return low, high


def spread(samples):
    low, high = quartiles(samples)
    return {'min': min(samples), 'q1': low, 'q3': high, 'max': max(samples), 'iqr': high - low}


def row(figure, values, reference=None, reference_values=None, note=None):
    """One figure. `values` and `reference_values` are per round and paired; the bar is on what the
    figure's `bar_on` names: its ratio, or its value."""
    ratios = []
    if reference_values:
        ratios = [v / r for v, r in zip(values, reference_values) if r > 0]
    shown = {'value': statistics.median(values), 'ratio': statistics.median(ratios) if ratios else None}
    met = None
    if figure.bar is not None:
        judged = shown[figure.bar_on]
        met = judged is not None and judged <= figure.bar
    return {'name': figure.name, 'value': shown['value'], 'unit': figure.unit, 'reference': reference,
            'reference_value': statistics.median(reference_values) if reference_values else None,
            'ratio': shown['ratio'], 'spread': spread(ratios or values), 'bar': figure.bar,
            'bar_on': figure.bar_on if figure.bar is not None else None, 'met': met, 'rounds': len(values),
            'note': note, 'samples': {'value': values, 'reference': reference_values}}


def missing(figure, why):
    """A figure that could not be measured: its bar, if it has one, is not met."""
    return {'name': figure.name, 'value': None, 'unit': figure.unit, 'reference': None, 'reference_value': None,
            'ratio': None, 'spread': None, 'bar': figure.bar,
            'bar_on': figure.bar_on if figure.bar is not None else None,
            'met': None if figure.bar is None else False, 'rounds': 0, 'note': why, 'samples': None}


def number(value):
    if value is None:
        return '-'
    return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}' if abs(value) < 100 else f'{value:.1f}'


def table(rows):
    head = ['figure', 'value', 'unit', 'reference', 'its value', 'ratio', 'min..max', 'IQR', 'bar', 'met']
    lines = [head]
    for r in rows:
        s = r['spread']
        bar = '-' if r['bar'] is None else number(r['bar']) + (' x' if r['bar_on'] == 'ratio' else ' ' + r['unit'])
        lines.append([r['name'], number(r['value']), r['unit'], r['reference'] or '-', number(r['reference_value']),
                      number(r['ratio']), f'{number(s["min"])}..{number(s["max"])}' if s else '-',
                      number(s['iqr']) if s else '-', bar, {None: '-', True: 'yes', False: 'NO'}[r['met']]])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [''.join(cell.ljust(width + 2) for cell, width in zip(line, widths)).rstrip() for line in lines]
    notes = [f'{r["name"]}: {r["note"]}' for r in rows if r['note']]
    return '\n'.join(text + notes)


def write_json(path, rows):
    """A JSON array, one row a line."""
    with open(path, 'w', encoding='utf-8') as out:
        out.write('[\n' + ',\n'.join(json.dumps(r) for r in rows) + '\n]\n')


def write_svg(path, rows, title):
    """Ratios as bars with their quartiles and extremes; the bar to meet is a red mark."""
    shown = [r for r in rows if r['ratio'] is not None]
    top = min(4.0, max([1.5] + [r['spread']['max'] * 1.05 for r in shown]))
    left, width, step = 330, 560, 34
    height = 70 + step * len(shown)

    def x(ratio):
        return left + width * min(max(ratio, 0), top) / top

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{height}" '
           'font-family="sans-serif" font-size="13">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    for tick in [i * 0.5 for i in range(int(top / 0.5) + 1)]:
        out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="36" y2="{height - 24}" '
                   f'stroke="{"#444" if tick == 1 else "#ddd"}"/>'
                   f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    for i, r in enumerate(shown):
        y, s = 44 + i * step, r['spread']
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(r["name"])} / '
                   f'{escape(r["reference"])}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{x(r["ratio"]) - left:.1f}" height="20" fill="#7aa6d8"/>')
        out.append(f'<rect x="{x(s["q1"]):.1f}" y="{y + 5}" width="{x(s["q3"]) - x(s["q1"]):.1f}" height="10" '
                   'fill="none" stroke="#123"/>')
        out.append(f'<line x1="{x(s["min"]):.1f}" x2="{x(s["max"]):.1f}" y1="{y + 10}" y2="{y + 10}" stroke="#123"/>')
        if r['bar'] is not None and r['bar_on'] == 'ratio':
            out.append(f'<line x1="{x(r["bar"]):.1f}" x2="{x(r["bar"]):.1f}" y1="{y - 3}" y2="{y + 23}" '
                       'stroke="#c22" stroke-width="3"/>')
        out.append(f'<text x="{left + width + 10}" y="{y + 15}">{r["ratio"]:.2f}</text>')
    with open(path, 'w', encoding='utf-8') as svg:
        svg.write('\n'.join(out + ['</svg>', '']))
