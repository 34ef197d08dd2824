#!/usr/bin/env python3
"""Turns results into tables in Markdown: table.py RESULTS.json DOCUMENT.md... puts them between each document's two markers;
into README.md the one that belongs to the plot."""

import json
import os
import re
import statistics
import sys

WAYS = ["ours", "floor", "psx", "libcap", "libcap-ng", "libc"]

TITLES = {
    "ours": "libec_security",
    "ours-again": "second call",
    "ours-static": "libec_security, static",
    "floor": "floor",
    "psx": "libcap + libpsx",
    "psx-static": "libcap + libpsx, static",
    "libcap": "libcap",
    "libcap-ng": "libcap-ng",
    "libc": "set*id of the C library",
    "none": "no library",
}


def time(ns):
    for unit, size in [("s", 1e9), ("ms", 1e6), ("µs", 1e3)]:
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns / size < 999.5 else f"{ns / size:.0f} {unit}"
    return f"{ns:.3g} ns"


def spread(of):
    return f"{time(of['median'])} ({time(of['p25'])} – {time(of['p75'])})"


def ratio(of, upside_down=False):
    """Of the median ratio to ours; upside down, of ours to it."""
    if "ratios" not in of:
        return "–"
    ratios = [1 / each for each in of["ratios"]] if upside_down else of["ratios"]
    return f"{statistics.median(ratios):.2f}"


def rows(head, body):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] + ["---:"] * (len(head) - 1)) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in body] + [""]


def machine(results):
    of = results["machine"]
    model = f" ({of['model']})" if of["model"] else ""
    return f"{of['cpus']} virtual cores{model}, {of['memory_gib']} GiB, Linux {of['linux']}, {of['libc']}"


def rows_of_drop(results, part):
    """Name and figures of each row: quiet, and with loops beside it."""
    found = []
    for n in sorted(results[part], key=int):
        found.append((f"{int(n):,}", results[part][n]))
        for loops, of in results.get(f"{part}_beside", {}).items():
            if n in of:
                found.append((f"{int(n):,}, {loops} loops beside", of[n]))
    return found


def by_names(results):
    return rows_by_names("threads", rows_of_drop(results, "names"))


def rows_by_names(title, found):
    ways = ["ours", "ours-again", "floor", "psx", "libcap"]
    head = [title] + [TITLES[way] for way in ways] + ["ours / libcap", "ours / floor", "libcap + libpsx / ours"]
    body = []
    for name, of in found:
        ratios = [ratio(of[way], True) if way in of else "–" for way in ("libcap", "floor")] + [ratio(of["psx"])]
        body.append([name] + [spread(of[way]) if way in of else "–" for way in ways] + ratios)
    return rows(head, body)


def brief(results):
    """What the plot shows, in figures; and by names."""
    ways = ["ours", "floor", "psx", "libcap"]
    body = []
    for n in sorted(results["drop"], key=int):
        of = results["drop"][n]
        body.append(
            [f"{int(n):,}"] + [time(of[way]["median"]) if way in of else "–" for way in ways] + [ratio(of["psx"]), ratio(of["floor"], True)]
        )
    head = ["other threads"] + [TITLES[way] for way in ways] + ["libcap + libpsx / ours", "ours / floor"]
    out = [f"One drop, medians of interleaved runs on {machine(results)}:", ""]
    out += rows(head, body)
    if "names" in results:
        out += ["By names, lookups included on all sides; quiet, and with busy loops beside it: median (quartiles), medians of ratios.", ""]
        out += by_names(results)
    return "\n".join(out)


def table(results):
    out = [machine(results) + ".", ""]

    if "drop" in results:
        out += ["One full drop: median (quartiles).", ""]
        head = ["threads"] + [TITLES[way] + (" *" if way in ("libcap-ng", "libc") else "") for way in WAYS]
        body = []
        kinds = rows_of_drop(results, "drop")
        kinds += [(f"{n} busy", of) for n, of in results.get("busy", {}).items()]
        for name, of in kinds:
            body.append([name] + [spread(of[way]) if way in of else "–" for way in WAYS])
        out += rows(head, body)
        out += [
            "\\* not the same state: "
            + "; ".join(f"{TITLES[way]}: {', '.join(kinds[-1][1][way]['differs_in'])}" for way in ("libcap-ng", "libc"))
            + ".",
            "",
        ]
        out += ["The same as ratios: the median of those within one turn.", ""]
        head = ["threads", "ours / floor", "libcap + libpsx / ours", "libcap / ours", "libcap-ng * / ours", "set*id * / ours"]
        body = []
        for name, of in kinds:
            peers = [ratio(of[way]) if way in of else "–" for way in ["psx", "libcap", "libcap-ng", "libc"]]
            body.append([name, ratio(of["floor"], True)] + peers)
        out += rows(head, body)

    if "names" in results:
        out += ["By names: median (quartiles), and medians of the ratios within one turn.", ""]
        out += by_names(results)

    if "filter" in results:
        out += ["The same with no other thread, under a seccomp filter: median (quartiles), and medians of the ratios within one turn.", ""]
        filters = {"none": "none", "all": "one that allows all", "container": "that of a container"}
        out += rows_by_names("filter", [(title, results["filter"][name]) for name, title in filters.items()])

    if "phases" in results:
        out += ["Where the time of one call by names goes, with no other thread: median (quartiles), and system calls.", ""]
        ways = ["ours", "libcap"]
        body = []
        for phase, of in results["phases"].items():
            cells = [spread(of[way]) if of[way].get("calls", 1) else "–" for way in ways]
            calls = [str(of[way].get("calls", sum(each[way].get("calls", 0) for each in results["phases"].values()))) for way in ways]
            body.append([phase] + [cell for pair in zip(cells, calls) for cell in pair])
        out += rows(["phase"] + [head for way in ways for head in (TITLES[way], "calls")], body)

    if "pause" in results:
        out += ["How long two other threads stand still while 100 idle ones drop with them.", ""]
        names = {
            "drop": "the drop itself",
            "spin_longest": "spinning thread, longest",
            "spin_total": "spinning thread, in total",
            "epoll_longest": "epoll thread, longest",
            "epoll_total": "epoll thread, in total",
        }
        body = []
        for figure, name in names.items():
            of = results["pause"][figure]
            body.append([name] + [spread(of[way]) for way in ("ours", "floor", "psx")] + [ratio(of["psx"])])
        out += rows(["", TITLES["ours"], "floor", TITLES["psx"], "libcap + libpsx / ours"], body)

    if "rehearsal" in results:
        out += ["A check (`ec_security_policy_check`, one thread), by resident memory.", ""]
        of = results["rehearsal"]
        body = [[f"{int(mib):,} MiB"] + [spread(of[figure][mib]) for figure in ("first", "again", "fork")] for mib in of["first"]]
        out += rows(["resident", "first", "again", "for comparison: fork, exit, wait"], body)

    if "text" in results:
        out += ["Reading a text of capabilities.", ""]
        body = [[name, spread(of["ours"]), spread(of["libcap"]), ratio(of["libcap"])] for name, of in results["text"].items()]
        out += rows(["text", "ec_security_caps_from_text", "cap_from_text", "libcap / ours"], body)

    if "stanza" in results:
        out += ["Reading configuration files (the stanza and what it stands among), fastest of 25.", ""]
        body = [[name, f"{of['mib']:.1f} MiB", f"{of['mib_per_second']:.0f} MiB/s"] for name, of in results["stanza"].items()]
        out += rows(["file", "size", "speed"], body)

    if "load" in results:
        out += ["dlopen by itself; dlopen, first call and dlclose; private dirty memory before dlclose.", ""]
        body = []
        for name in results["load"]["dlopen"]:
            of = {figure: results["load"][figure][name] for figure in ("dlopen", "all", "dirty")}
            body.append(
                [
                    TITLES[name],
                    spread(of["dlopen"]),
                    ratio(of["dlopen"], True),
                    spread(of["all"]),
                    ratio(of["all"], True),
                    f"{of['dirty']['median']:.0f} KiB",
                ]
            )
        out += rows(["library", "dlopen", "ours / it", "with first call and dlclose", "ours / it", "private dirty"], body)

    if "start" in results:
        out += ["Starting and ending a program that is linked with the library and does nothing.", ""]
        body = [[TITLES[name], spread(of), ratio(of, True)] for name, of in results["start"]["start"].items()]
        out += rows(["linked with", "time", "ours / it"], body)

    if "weight" in results:
        out += ["The shared libraries, stripped.", ""]
        body = [
            [TITLES[name], f"{of['bytes']:,}", str(of["relocations"]), str(of["relative_relocations"]), " ".join(of["needs"])]
            for name, of in results["weight"].items()
        ]
        out += rows(["library", "bytes", "relocations", "of these relative", "needs"], body)

    if "calls" in results:
        out += ["System calls of one drop, all threads together (strace).", ""]
        body = [[threads] + [f"{of[way]['all']:,}" if way in of else "–" for way in WAYS] for threads, of in results["calls"].items()]
        out += rows(["threads"] + [TITLES[way] for way in WAYS], body)

    return "\n".join(out)


BEGIN, END = "<!-- begin: make bench-plot -->", "<!-- end -->"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        results = json.load(file)
    place = re.escape(BEGIN) + ".*" + re.escape(END)
    for path in sys.argv[2:]:
        with open(path) as file:
            document = file.read()
        if not re.search(place, document, re.S):
            sys.exit(f"{path} lacks {BEGIN} and {END}")
        made = brief if os.path.basename(path) == "README.md" else table
        filled = f"{BEGIN}\n\n{made(results)}\n{END}"
        with open(path, "w") as file:
            file.write(re.sub(place, lambda _, filled=filled: filled, document, flags=re.S))


if __name__ == "__main__":
    main()
