"""The report as one self-contained HTML file: no network, no script."""

# ruff: noqa: E501 - a template's lines are as long as its tags

from __future__ import annotations

import math
from typing import Any

from parity_tests.comparer.findings import Findings, LayerLine, number

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ report.verdict() }}</title>
<style>
:root { --ink: #1c2330; --soft: #5b6575; --page: #fafbfc; --card: #fff; --line: #d9dee6; --good: #1a7f4b; --bad: #c0292b;
        --goodbg: #e3f5ea; --badbg: #fbe6e6; --left: #2563c9; --right: #b7791f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #9aa5b5; --page: #12151b; --card: #1b2029; --line: #323a47; --good: #53c98a; --bad: #ff7b78;
          --goodbg: #143021; --badbg: #3b1a1c; --left: #7fb0ff; --right: #f0b95a } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--page); color: var(--ink);
       font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 0 .5rem }
section, header { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; margin: 0 0 1rem }
header.good { background: var(--goodbg); border-color: var(--good) } header.bad { background: var(--badbg); border-color: var(--bad) }
header strong { font-size: .85rem; letter-spacing: .08em } .good > strong, .ok { color: var(--good) } .bad > strong, .diverges { color: var(--bad) }
p { margin: .4rem 0 } .soft { color: var(--soft); font-size: .875rem }
code, td, th { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .8125rem }
ol { list-style: none; margin: 0; padding: 0 }
ol li { border-left: .5rem solid; padding: .25rem .6rem; margin: 0 0 2px; background: var(--page); display: flex; flex-wrap: wrap;
        gap: 0 1rem; justify-content: space-between } li b { font-weight: 600 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .15rem .6rem .15rem 0; vertical-align: top } th { white-space: nowrap }
.columns { display: grid; gap: 0 1rem } @media (min-width: 50rem) { .columns { grid-template-columns: 1fr 1fr } }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--soft); font: 11px system-ui, sans-serif } @media (max-width: 40rem) { svg text { font-size: 16px } }
</style></head><body>
<header class="{{ 'good' if report.ok else 'bad' }}"><strong>{{ 'PARITY' if report.ok else 'DIVERGENCE' if report.comparable else 'COULD NOT COMPARE' }}</strong>
<h1>{{ headline }}</h1>
{% if report.cause %}<p><b>Likely cause:</b> {{ report.cause }}</p>{% for text in report.seen %}<p class="soft">{{ text }}</p>{% endfor %}{% endif %}
{% for text in report.uncompared %}<p><b>not compared:</b> {{ text }}</p>{% endfor %}
<p class="soft">left: {{ report.left }} · right, the reference: {{ report.right }}</p></header>
{% if first %}<section><h2>First divergence</h2><table>
<tr><th>where</th><td>{% if first.inside %}{{ first.inside_left ~ ' ↔ ' if first.inside_left }}{{ first.inside }} ({{ first.inside_kind }}), within {% endif %}{{ first.left ~ ' ↔ ' if first.left }}{{ first.where or 'the whole' }}{% if first.kind %} ({{ first.kind }}){% endif %}</td></tr>
<tr><th>what</th><td>{{ first.own or first.what }}{% if first.mode %}, {{ first.mode }} mode{% endif %}</td></tr>
<tr><th>error</th><td>{{ number(first.error) }} ulp, limit {{ number(first.limit) }}</td></tr>
{% if first.first %}<tr><th>first element</th><td>[{{ first.first.index | join(', ') }}]</td></tr>
<tr><th>left</th><td>{{ '%.9g' | format(first.first.left) }}</td></tr>
<tr><th>right</th><td>{{ '%.9g' | format(first.first.right) }}</td></tr>
<tr><th>difference</th><td>{{ number(first.first.ulp) }} ulp; {{ first.first.apart }} of {{ first.first.of }} elements diverge</td></tr>{% endif %}
{% if first.note %}<tr><th>note</th><td>{{ first.note }}</td></tr>{% endif %}
<tr><th>likely cause</th><td>{{ report.cause or 'no known convention explains it' }}</td></tr></table></section>{% endif %}
<div class="columns">
{% for mode, lines in modes.items() %}<section><h2>Layers, {{ mode }} mode</h2>
<p class="soft">Each layer's color shows its own error, in ulp of its largest value, against its limit.</p><ol> {% for
line in lines %}<li style="border-color: {{ color(line) }}"><b>{{ line.left ~ ' ↔ ' if line.left }}{{ line.name or 'the whole' }} <span class="soft">{{
line.kind }}</span></b> <span class="soft">forward {{ number(line.forward) }} / {{ number(line.limit) }} · backward {{
number(line.backward) }} / {{ number(line.backward_limit) }} · <span class="{{ 'ok' if line.ok else 'diverges' }}">{{
'ok' if line.ok else 'diverges' }}</span></span></li> {% endfor %}</ol></section>{% endfor %}
</div>
<div class="columns">{% for title, drawing in plots %}<section><h2>{{ title }}</h2>{{ drawing }}</section>{% endfor %}</div>
{% if pairs %}<section><h2>Parameters and buffers</h2>
<p class="soft">Each of the left's by its own name and shape, and the right's of which it is made; a map says it in the same words.</p>
<table><tr><th>left</th><th>shape</th><th>is</th><th>right</th><th>shape</th></tr>{% for pair in pairs %}<tr><td>{{ pair.left }}</td>
<td>{{ pair.left_shape | join(' × ') or 'one' }}</td><td>{{ pair.moves | join(', ') or 'the same' }}</td><td>{{ pair.right | join(', ') }}</td>
<td>{% for shape in pair.right_shapes %}{{ shape | join(' × ') or 'one' }}{{ ', ' if not loop.last }}{% endfor %}</td></tr>
{% endfor %}</table>{% if more_pairs %}<p class="soft">and {{ more_pairs }} more</p>{% endif %}</section>{% endif %}
{% if others %}<section><h2>All that diverges</h2><table>{% for m in others %}<tr><td>{{ m.place }}</td><td>{{ number(m.error) }} ulp</td></tr>
{% endfor %}</table>{% if more %}<p class="soft">and {{ more }} more</p>{% endif %}</section>{% endif %}
<section><h2>Environment</h2><table>{% for key, value in report.environment().items() %}<tr><th>{{ key }}</th><td>{{ value }}</td></tr>{% endfor %}
<tr><th>compared</th><td>{{ report.measurements | length }} numbers in {{ '%.1f' | format(report.seconds) }} s</td></tr></table>
{% for note in report.notes %}<p class="soft">{{ note }}</p>{% endfor %}</section>
</body></html>
"""

SHOWN = 40  # of what diverges
PAIRS = 400  # of parameters, shown where names or layouts differ


def page(report: Findings) -> str:
    """The whole document. All text goes through autoescape; the plots are drawn from numbers alone."""
    from jinja2 import Environment, StrictUndefined

    modes: dict[str, list[LayerLine]] = {}
    for line in report.layers:
        modes.setdefault(line.mode, []).append(line)
    first = report.first_divergence
    headline = (
        "Both sides agree" if report.ok else f"They diverge at {first.place}" if first else "Nothing was compared"
    )
    pairs = [] if all(pair.same for pair in report.pairs) else report.pairs
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(TEMPLATE).render(
        report=report, first=first, headline=headline, modes=modes, number=number, color=color, plots=_plots(report, modes),
        others=report.divergences[:SHOWN], more=max(0, len(report.divergences) - SHOWN),
        pairs=pairs[:PAIRS], more_pairs=max(0, len(pairs) - PAIRS),
    )  # fmt: skip


def color(line: LayerLine) -> str:
    """From green (no error) through yellow (at the limit) to red (a thousand times the limit)."""
    pairs = (line.forward, line.limit), (line.backward, line.backward_limit)
    ratio = max(error / limit if limit else (math.inf if error else 0.0) for error, limit in pairs)
    if not math.isfinite(ratio):
        return "hsl(0 75% 45%)"
    if ratio <= 1:
        return f"hsl({140 - 60 * ratio:.0f} 55% 45%)"
    return f"hsl({max(0.0, 40 - 13 * math.log10(ratio)):.0f} 75% 48%)"


def _plots(report: Findings, modes: dict[str, list[LayerLine]]) -> list[tuple[str, Any]]:
    plots = []
    layers = [line for line in next(iter(modes.values()), []) if "→" not in line.name]
    if len(layers) > 1:
        ahead = [
            ("accumulated", "--left", [x.accumulated for x in layers]),
            ("own", "--right", [x.forward for x in layers]),
        ]
        back = [("accumulated", "--left", [x.accumulated_backward for x in layers[::-1]]),
                ("own", "--right", [x.backward for x in layers[::-1]])]  # fmt: skip
        limits = [("limit", "--soft", [x.limit for x in layers])]
        back_limits = [("limit", "--soft", [x.backward_limit for x in layers[::-1]])]
        first = 1 if any(math.isnan(x.accumulated) for x in layers) else 0  # files tell each layer's own error alone
        plots.append(("Forward, ulp, from the first layer to the last", _plot(ahead[first:] + limits)))
        plots.append(("Backward, ulp, from the last layer to the first", _plot(back[first:] + back_limits)))
    if report.steps:
        errors = [
            ("error", "--left", [s.error for s in report.steps]),
            ("limit", "--soft", [s.limit for s in report.steps]),
        ]
        plots.append(("Optimizer steps, ulp", _plot(errors)))
        if all(s.loss_left is not None and s.loss_right is not None for s in report.steps):
            losses = [
                ("left", "--left", [s.loss_left for s in report.steps]),
                ("right", "--right", [s.loss_right for s in report.steps]),
            ]
            plots.append(("Losses of two free trainings", _plot(losses, logarithmic=False)))
    return plots


def _plot(series: list[tuple[str, str, list[Any]]], logarithmic: bool = True) -> Any:
    """Lines in one drawing of 480 by 220, log10 or plain."""
    from markupsafe import Markup

    def height(value: float) -> float:
        value = min(value, 1e12) if math.isfinite(value) else 1e12
        return math.log10(max(value, 0.01)) if logarithmic else value

    values = [[height(v) for v in line] for _, _, line in series]
    low, high = min(map(min, values)), max(map(max, values))
    if logarithmic:
        low, high = math.floor(low), math.ceil(max(high, low + 1))
    high = high if high > low else low + 1
    count = max(map(len, values))

    def point(i: int, v: float) -> str:
        return f"{46 + 424 * i / max(count - 1, 1):.1f},{190 - 165 * (v - low) / (high - low):.1f}"

    parts = ['<svg viewBox="0 0 480 220" role="img">']
    ticks = (
        range(int(low), int(high) + 1, max(1, (int(high) - int(low)) // 4))
        if logarithmic
        else (low, (low + high) / 2, high)
    )
    for tick in ticks:
        y = point(0, tick).split(",")[1]
        label = f"1e{tick}" if logarithmic else f"{tick:.3g}"
        parts.append(
            f'<line x1="46" x2="470" y1="{y}" y2="{y}" stroke="var(--line)"/><text x="2" y="{float(y) + 4}">{label}</text>'
        )
    for k, ((name, ink, _), line) in enumerate(zip(series, values, strict=True)):
        points = " ".join(point(i, v) for i, v in enumerate(line))
        dash = ' stroke-dasharray="4 3"' if name == "limit" else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="var({ink})" stroke-width="2"{dash}/>')
        if len(line) == 1:
            x, y = point(0, line[0]).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="var({ink})"/>')
        left = 46 + 130 * k
        parts.append(f'<line x1="{left}" x2="{left + 18}" y1="208" y2="208" stroke="var({ink})" stroke-width="2"{dash}/>'
                     f'<text x="{left + 24}" y="212">{name}</text>')  # fmt: skip
    return Markup("".join(parts) + "</svg>")
