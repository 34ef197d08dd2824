#!/usr/bin/env python3
"""Draws drop time against threads, log-log, as SVG: plot.py RESULTS.json OUT.svg. For light and dark pages."""

import json
import math
import os
import sys

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 78, 160, 64, 58

# Name in the results, label, style; the order is that of drawing, so ours comes last and is on top.
SERIES = [
    ("libc", "set*id of libc *", "peer c"),
    ("libcap-ng", "libcap-ng *", "peer d"),
    ("psx", "libcap + libpsx", "peer b"),
    ("libcap", "libcap by hand", "peer e"),
    ("floor", "floor", "floor"),
    ("ours", "libec_security", "ours"),
]

STYLE = """
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif; fill: #24292f }
    .title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #57606a }
    .page { fill: #ffffff } .grid { stroke: #d8dee4; stroke-width: 1 } .band { stroke: none; opacity: .16 }
    polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
    .ours { stroke: #0550ae; fill: #0550ae } polyline.ours { stroke-width: 3 } .floor { stroke: #57606a; fill: #57606a }
    polyline.floor { stroke-dasharray: 6 4 }
    .b { stroke: #cf222e; fill: #cf222e } .c { stroke: #8250df; fill: #8250df } .d { stroke: #9a6700; fill: #9a6700 }
    .e { stroke: #116329; fill: #116329 } polyline.peer, polyline.floor, polyline.ours { fill: none }
    text.ours, text.floor, text.peer { stroke: #ffffff; stroke-width: 4; paint-order: stroke } text.ours { font-weight: 600 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .small { fill: #9198a1 } .page { fill: #0d1117 } .grid { stroke: #30363d } .band { opacity: .24 }
      .ours { stroke: #79c0ff; fill: #79c0ff } .floor { stroke: #9198a1; fill: #9198a1 }
      .b { stroke: #ff7b72; fill: #ff7b72 } .c { stroke: #d2a8ff; fill: #d2a8ff } .d { stroke: #e3b341; fill: #e3b341 }
      .e { stroke: #7ee787; fill: #7ee787 } text.ours, text.floor, text.peer { stroke: #0d1117 }
    }
"""


def time(ns):
    for unit, size in [("s", 1e9), ("ms", 1e6), ("µs", 1e3)]:
        if ns >= size:
            return f"{ns / size:g} {unit}"
    return f"{ns:g} ns"


def spread_out(places, least):
    """Moves label heights apart, keeping their order."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    result = list(places)
    for _ in range(200):
        moved = False
        for above, below in zip(order, order[1:]):
            overlap = least - (result[below] - result[above])
            if overlap > 0.01:
                result[above] -= overlap / 2
                result[below] += overlap / 2
                moved = True
        if not moved:
            break
    return result


def draw(results):
    idle = results["drop"]
    threads = sorted(int(n) for n in idle)
    if len(threads) < 3:
        sys.exit("not enough to draw: make bench first")
    all_figures = [of[kind] for n in idle.values() for of in n.values() for kind in ("median", "p25", "p75")]
    low, high = math.floor(math.log10(min(all_figures))), math.ceil(math.log10(max(all_figures)))

    # 0 has no place on a logarithmic axis: it stands one step to the left of 1, apart.
    places = [-0.75 if n == 0 else math.log10(n) for n in threads]
    wide = WIDTH - LEFT - RIGHT
    first, last = places[0] - 0.12, places[-1] + 0.12

    def x(n):
        at = -0.75 if n == 0 else math.log10(n)
        return LEFT + (at - first) / (last - first) * wide

    def y(ns):
        return TOP + (high - math.log10(ns)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    machine = results["machine"]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
        ' aria-labelledby="title">',
        '<title id="title">Time of one full privilege drop against the number of idle threads, both logarithmic</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="26">One full privilege drop, by number of other threads</text>',
        f'<text class="small" x="{LEFT}" y="46">median and quartiles; {machine["cpus"]} virtual cores, Linux {machine["linux"]}; lower is'
        " better</text>",
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        out.append(f'<text class="small" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{time(10**power)}</text>')
    for n in threads:
        out.append(f'<line class="grid" x1="{x(n):.1f}" y1="{TOP}" x2="{x(n):.1f}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(f'<text class="small" x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{n:,}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text class="small" x="{middle:.0f}" y="{HEIGHT - BOTTOM + 38}" text-anchor="middle">idle threads beside the caller</text>'
    )
    out.append(f'<text class="small" x="{WIDTH - 12}" y="{HEIGHT - 12}" text-anchor="end">* does not reach the same state</text>')

    labels = []
    alone = []
    for name, label, style in SERIES:
        points = [(n, idle[str(n)][name]) for n in threads if name in idle[str(n)]]
        if len(points) > 1:
            upper = " ".join(f"{x(n):.1f},{y(of['p75']):.1f}" for n, of in points)
            lower = " ".join(f"{x(n):.1f},{y(of['p25']):.1f}" for n, of in reversed(points))
            out.append(f'<polygon class="{style} band" points="{upper} {lower}"/>')
            line = " ".join(f"{x(n):.1f},{y(of['median']):.1f}" for n, of in points)
            out.append(f'<polyline class="{style}" points="{line}"/>')
        # Where a series is one point, nothing drawn later may hide it.
        circles = out if len(points) > 1 else alone
        for n, of in points:
            circles.append(f'<circle class="{style}" cx="{x(n):.1f}" cy="{y(of["median"]):.1f}" r="3.2"/>')
        if points:
            n, of = points[-1]
            labels.append((label, style, x(n), y(of["median"]), len(points) > 1))
    out += alone
    at_end = [it for it in labels if it[4]]
    for (label, style, at, _, _), height in zip(at_end, spread_out([it[3] for it in at_end], 17)):
        out.append(f'<text class="{style}" x="{at + 12:.1f}" y="{height + 4:.1f}">{label}</text>')
    for label, style, at, height, _ in (it for it in labels if not it[4]):
        out.append(f'<text class="{style}" x="{at + 8:.1f}" y="{height + 20:.1f}">{label}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        results = json.load(file)
    os.makedirs(os.path.dirname(sys.argv[2]) or ".", exist_ok=True)
    with open(sys.argv[2], "w") as file:
        file.write(draw(results))


main()
