#!/usr/bin/env python3
"""Draws docs/flow.svg, the picture of how one call runs: `python3 docs/flow.py > docs/flow.svg`."""

BOX_W, BOX_H, GAP = 250, 54, 34
# No CSS variables: not every renderer knows them.
LIGHT = {"ink": "#1d2733", "line": "#5b6b7d", "box": "#f3f6fa", "good": "#dff3e4", "bad": "#fbe3e1", "warn": "#fdf1d6"}
DARK = {"ink": "#e6edf3", "line": "#8b9bb0", "box": "#1f2a37", "good": "#173a26", "bad": "#47201f", "warn": "#423413"}


def colours(of):
    return (
        f"text {{ fill: {of['ink']} }} rect {{ fill: {of['box']}; stroke: {of['line']} }} path {{ stroke: {of['line']} }} "
        f".good {{ fill: {of['good']} }} .bad {{ fill: {of['bad']} }} .warn {{ fill: {of['warn']} }} "
        f".tip {{ fill: {of['line']}; stroke: none }}"
    )


STYLE = f"""
  text {{ font: 14px system-ui, sans-serif }} .small {{ font-size: 12px }} .name {{ font-weight: 600 }}
  path {{ fill: none; stroke-width: 1.5 }}
  {colours(LIGHT)}
  @media (prefers-color-scheme: dark) {{ {colours(DARK)} }}
"""

# What happens, in order: a name, what it does, and how it can end.
STEPS = [
    ("capi", "borrow the arguments, refuse bad ones", "EARGUMENT"),
    ("policy, caps, identity, config", "words into masks and ids; files, lookups", "ESYNTAX, EUSER, EFILE …"),
    ("plan", "target + credentials: ordered steps", "ECAPABILITY, EREFUSED"),
    ("threads: stop", "one signal each; each plans for itself", "ETHREAD"),
    ("a seccomp filter? rehearsal", "a child makes the steps", "EREFUSED"),
    ("commit", "the caller first, then all others", None),
    ("read back", "what each thread is now", None),
]


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def box(x, y, width, title, text, kind=""):
    css = f' class="{kind}"' if kind else ""
    return (
        f'<rect{css} x="{x}" y="{y}" width="{width}" height="{BOX_H}" rx="8"/>'
        f'<text class="name" x="{x + 12}" y="{y + 22}">{escape(title)}</text>'
        f'<text class="small" x="{x + 12}" y="{y + 41}">{escape(text)}</text>'
    )


def arrow(*points):
    return '<path marker-end="url(#tip)" d="M' + " L".join(f"{x} {y}" for x, y in points) + '"/>'


def main():
    left, top, right = 30, 66, 430
    parts = []
    for at, (title, text, error) in enumerate(STEPS):
        y = top + at * (BOX_H + GAP)
        parts.append(box(left, y, BOX_W + 60, title, text))
        middle = left + (BOX_W + 60) // 2
        if at:
            parts.append(arrow((middle, y - GAP), (middle, y - 4)))
        if error:
            parts.append(box(right, y, BOX_W, error, "returned; nothing has changed", "good"))
            parts.append(arrow((left + BOX_W + 60, y + BOX_H // 2), (right - 4, y + BOX_H // 2)))
    commit = top + 5 * (BOX_H + GAP)
    back = top + 6 * (BOX_H + GAP)
    parts.append(box(right, commit, BOX_W, "the caller is refused", "undone: EREFUSED; if that fails:", "warn"))
    parts.append(arrow((left + BOX_W + 60, commit + BOX_H // 2), (right - 4, commit + BOX_H // 2)))
    parts.append(box(right, back, BOX_W, "abort", "one line: step, thread, errno", "bad"))
    parts.append(arrow((left + BOX_W + 60, back + BOX_H // 2), (right - 4, back + BOX_H // 2)))
    parts.append(arrow((right + BOX_W // 2, commit + BOX_H), (right + BOX_W // 2, back - 4)))
    end = back + BOX_H + GAP
    middle = left + (BOX_W + 60) // 2
    parts.append(arrow((middle, end - GAP), (middle, end - 4)))
    parts.append(box(left, end, BOX_W + 60, "0", "every thread is exactly as asked", "good"))
    width, height = right + BOX_W + 30, end + BOX_H + 24
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-label="How one call runs, and the three ways it can end">'
    )
    print(f"<style>{STYLE}</style>")
    print(
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
    )
    print(f'<text class="name" x="{left}" y="34">one call</text>')
    print(f'<text class="name" x="{right}" y="34">how else it ends</text>')
    print("\n".join(parts))
    print("</svg>")


main()
