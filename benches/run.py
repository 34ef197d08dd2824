#!/usr/bin/env python3
"""Measures this library beside what a user would pick instead: run.py [--runs N] [--only PART,...] [--beside N] [--out DIRECTORY]

Each measurement is a process of its own that reports its own CLOCK_MONOTONIC interval through a pipe. The variants of a
comparison take turns, A B C A B C, so that whatever else the machine does meets all alike; what is compared is the median of the
ratios within a turn. Every thread of every drop is looked at through /proc afterwards: a way that should reach the state asked
for and does not ends the run. Writes results.json and table.md to DIRECTORY (build/bench), where a part measured before stays
until it is measured again. Drops are measured twice: quiet, and with N busy loops beside them (two; 0 leaves that out). Needs
root, and the account of benches/etc: `make bench` has both.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import phases
from table import table

BUILD = pathlib.Path("build/bench")
PARTS = ["drop", "names", "filter", "phases", "busy", "pause", "rehearsal", "text", "stanza", "load", "start", "weight", "calls"]

# --- measuring ----------------------------------------------------------------------------------------------------------


def pairs(line):
    words = line.split()
    if not words or len(words) % 2:
        sys.exit(f"not pairs of name and number: {line!r}")
    return {name: float(number) for name, number in zip(words[::2], words[1::2])}


def run(command):
    """Runs a program that prints one line of pairs."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}")
    return pairs(done.stdout)


FIELDS = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"]


def wanted_state(names):
    """What benches/bench.h asks for; by names, what benches/etc has for them."""
    ports = f"{1 << 10:016x}"
    none = f"{0:016x}"
    uid, gid, groups = ("4721", "4722", "4722 4723 4724") if names else ("4711", "4712", "4712")
    return dict(zip(FIELDS, [" ".join([uid] * 4), " ".join([gid] * 4), groups, none, ports, ports, ports, none, "1"]))


def differing_fields(pid, threads, names):
    """The fields in which any thread is not as asked."""
    wanted = wanted_state(names)
    found = set()
    tids = os.listdir(f"/proc/{pid}/task")
    if len(tids) != threads + 1:
        sys.exit(f"{len(tids)} threads to look at, not {threads + 1}")
    for tid in tids:
        with open(f"/proc/{pid}/task/{tid}/status") as status:
            lines = dict(line.rstrip("\n").split(":", 1) for line in status)
        found |= {name for name in FIELDS if " ".join(lines[name].split()) != wanted[name]}
    return sorted(found)


def drop(way, kind, threads, names=False, again=False, under=()):
    """One drop, under a command if need be; its figures, and the fields in which a thread is not as asked."""
    command = [*under, BUILD / f"drop-{way}", kind, str(threads), *["names"] * names, *["again"] * again]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"{command} ended without a figure")
        differing = differing_fields(process.pid, threads, names)
        process.stdin.close()
    return pairs(line), differing


def summary(figures):
    quartiles = statistics.quantiles(figures, n=4, method="inclusive") if len(figures) > 1 else figures * 3
    return {
        "median": statistics.median(figures),
        "p25": quartiles[0],
        "p75": quartiles[2],
        "least": min(figures),
        "most": max(figures),
        "all": figures,
    }


def turns(runs, variants, note):
    """Measures variants (name: function that gives a dict of figures) in turns. Gives, for each figure, each variant's
    summary and the median of its ratios to the first variant."""
    all_figures = {}
    for turn in range(runs):
        print(f"\r{note}: {turn + 1}/{runs} ", end="", file=sys.stderr, flush=True)
        for name, measure in variants.items():
            for figure, value in measure().items():
                all_figures.setdefault(figure, {}).setdefault(name, []).append(value)
    print(file=sys.stderr)
    first = next(iter(variants))
    result = {}
    for figure, of in all_figures.items():
        result[figure] = {name: summary(values) for name, values in of.items()}
        for name, values in of.items():
            ratios = [value / base for value, base in zip(values, of[first]) if base > 0]
            if ratios and len(of[first]) == len(values):
                result[figure][name]["ratio"] = statistics.median(ratios)
                result[figure][name]["ratios"] = ratios
    return result


# --- the parts ----------------------------------------------------------------------------------------------------------

# Which ways must reach the state asked for: with no other thread, and with others.
COMPLETE_ALONE = {"ours", "floor", "psx", "libcap"}
COMPLETE = {"ours", "floor", "psx"}
ALONE_ONLY = {"libcap"}
WAYS = ["ours", "floor", "psx", "libcap", "libcap-ng", "libc"]
# The second call of a process.
AGAIN = "-again"
WAYS_BY_NAMES = ["ours", "floor", "psx", "libcap", f"ours{AGAIN}"]
# With more threads and loops beside them, a turn would take minutes.
MOST_BESIDE = 1000


@contextlib.contextmanager
def busy_loops(n):
    """n programs that compute, each in a session of its own and with no less of the processor than what is measured: as other
    services have it. They end with this program."""
    loops = []
    try:
        for _ in range(n):
            loop = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"]
            loops.append(subprocess.Popen(loop, start_new_session=True))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure_drop(runs, kind, threads, names=False, beside=0, under=()):
    differing = {}

    def one(way):
        def measure():
            figures, fields = drop(way.removesuffix(AGAIN), kind, threads, names, way.endswith(AGAIN), under)
            differing[way] = fields
            if fields and way.removesuffix(AGAIN) in (COMPLETE if threads else COMPLETE_ALONE):
                sys.exit(f"drop-{way} with {threads} threads: not as asked in {fields}")
            return {"drop": figures["drop"]}

        return measure

    ways = [way for way in (WAYS_BY_NAMES if names else WAYS) if threads == 0 or way not in ALONE_ONLY]
    note = f"drop{' by names' * names}, {threads} {kind} threads, {beside} loops beside{', under a filter' * bool(under)}"
    with busy_loops(beside):
        result = turns(runs, {way: one(way) for way in ways}, note)["drop"]
    for way in ways:
        result[way]["differs_in"] = differing[way]
    return result


# --- under a filter, and the second call of a process ---

# What comes with podman, and what a container's root has by default (containers/common, pkg/config/default.go).
PROFILE = "/usr/share/containers/seccomp.json"
OF_CONTAINERS = {
    f"CAP_{name}" for name in ("CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split())
}


def rules_of_profile():
    """The lines that benches/filtered.c takes."""
    with open(PROFILE) as file:
        profile = json.load(file)

    def number_or_allow(action, errno):
        return "allow" if action == "SCMP_ACT_ALLOW" else str(errno)

    def holds(conditions):
        arches = conditions.get("arches", ["amd64"])
        return "amd64" in arches and OF_CONTAINERS.issuperset(conditions.get("caps", []))

    lines = [f"{number_or_allow(profile['defaultAction'], profile['defaultErrnoRet'])} default"]
    for entry in profile["syscalls"]:
        excluded = entry.get("excludes") or {}
        if not holds(entry.get("includes") or {}) or (excluded and holds(excluded)):
            continue
        words = [number_or_allow(entry["action"], entry.get("errnoRet", 1))]
        if words[0] == lines[0].split()[0]:
            continue
        arguments = []
        for one in entry.get("args") or []:
            operation = one["op"].removeprefix("SCMP_CMP_")
            value, more = one["value"], one.get("valueTwo", 0)
            # With a mask, the value to be compared comes second.
            arguments += [str(one["index"]), operation, *([str(more), str(value)] if operation == "MASKED_EQ" else [str(value)])]
        lines += [" ".join([*words, name, *arguments]) for name in entry["names"]]
    return lines


def part_filter(runs):
    """By names, with no other thread: without a filter, under one that allows all, and under a container's."""
    result = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, rules in {"none": None, "all": ["allow default"], "container": rules_of_profile()}.items():
            under = []
            if rules:
                path = os.path.join(directory, name)
                with open(path, "w") as file:
                    file.write("\n".join(rules) + "\n")
                under = [BUILD / "filtered", path]
            result[name] = measure_drop(runs, "idle", 0, names=True, under=under)
    return result


def part_phases(runs):
    with phases.Trace(phases.mounted()) as trace:
        of = {way: phases.Phases(trace, [BUILD / f"drop-{way}", "idle", "0", "names"]) for way in ["ours", "libcap"]}
        result = turns(runs, {way: each.measure for way, each in of.items()}, "phases")
    for at, phase in enumerate(phases.NAMES):
        for way, each in of.items():
            result[phase][way]["calls"] = each.counts[at]
    return result


def part_busy(runs):
    return {"100": measure_drop(runs, "busy", 100)}


def part_pause(runs):
    def one(way):
        def measure():
            figures, fields = drop(way, "pause", 100)
            if fields and way in COMPLETE:
                sys.exit(f"drop-{way} with watchers: not as asked in {fields}")
            return figures

        return measure

    return turns(runs, {way: one(way) for way in ["ours", "floor", "psx"]}, "pause")


def part_rehearsal(runs):
    variants = {str(mib): (lambda mib=mib: run([BUILD / "rehearsal", str(mib)])) for mib in [10, 1024, 8192]}
    return turns(runs, variants, "rehearsal")


def part_text(runs):
    return turns(runs, {whose: (lambda whose=whose: run([BUILD / "text", whose])) for whose in ["ours", "libcap"]}, "text")


def part_stanza(_runs):
    """benches/stanza.rs repeats by itself; the smallest size of each file is enough here."""
    done = subprocess.run(["make", "--no-print-directory", "bench-stanza"], stdout=subprocess.PIPE, text=True, check=True)
    figures = re.findall(r"^(.*), x1 +([\d.]+) +([\d.]+) +([\d.]+) ", done.stdout, re.M)
    if not figures:
        sys.exit(f"no figures from make bench-stanza: {done.stdout}")
    return {name: {"mib": float(mib), "mib_per_second": float(speed)} for name, mib, _, speed in figures}


def library(name):
    """Where the loader finds a library, so that no variant has to search for it."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(rf"^\s*{re.escape(name)} .* => (.*)$", listed, re.M)
    if found is None:
        sys.exit(f"{name} is not installed")
    return os.path.realpath(found.group(1))


def libraries(stripped):
    caps = "cap_net_bind_service+ep"
    return {
        "ours": [stripped, "ec_security_caps_from_text", caps],
        "libcap": [library("libcap.so.2"), "cap_from_text", caps],
        "libcap-ng": [library("libcap-ng.so.0"), "capng_name_to_capability", "net_bind_service"],
    }


def stripped_copy(directory):
    stripped = os.path.join(directory, "libec_security.so.0")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, "build/libec_security.so.0"], check=True)
    # What is not on the disk yet would count as dirty in each process that maps it.
    with open(stripped, "rb") as file:
        os.fsync(file.fileno())
    return stripped


def part_load(runs):
    with tempfile.TemporaryDirectory() as directory:
        of = libraries(stripped_copy(directory))
        return turns(runs * 5, {name: (lambda words=words: run([BUILD / "load", *words])) for name, words in of.items()}, "load")


def part_start(runs):
    programs = ["ours", "ours-static", "psx", "psx-static", "libcap", "libcap-ng", "none"]
    return turns(runs * 5, {name: (lambda name=name: run([BUILD / "start", BUILD / f"linked-{name}"])) for name in programs}, "start")


def part_weight(_runs):
    result = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, (path, *_) in libraries(stripped_copy(directory)).items():
            listed = subprocess.run(["readelf", "-W", "-r", path], stdout=subprocess.PIPE, text=True, check=True).stdout
            needed = subprocess.run(["readelf", "-W", "-d", path], stdout=subprocess.PIPE, text=True, check=True).stdout
            result[name] = {
                "bytes": os.stat(path).st_size,
                "relocations": len(re.findall(r"^[0-9a-f]{8,} ", listed, re.M)),
                "relative_relocations": len(re.findall(r"R_\w+_RELATIVE", listed)),
                "needs": re.findall(r"\(NEEDED\).*\[(.*)\]", needed),
            }
    return result


def part_calls(_runs):
    """System calls of a drop, of all threads, by name."""
    result = {}
    for threads in [0, 10, 100]:
        for way in WAYS:
            if threads and way in ALONE_ONLY:
                continue
            calls = {}
            for call in phases.calls_by_strace([BUILD / f"drop-{way}", "idle", str(threads)]):
                name = call.split("(")[0]
                calls[name] = calls.get(name, 0) + 1
            result.setdefault(str(threads), {})[way] = dict(sorted(calls.items(), key=lambda item: -item[1]), all=sum(calls.values()))
    return result


# --- the run ----------------------------------------------------------------------------------------------------------


def machine():
    with open("/proc/meminfo") as meminfo:
        kib = int(re.search(r"MemTotal:\s+(\d+)", meminfo.read()).group(1))
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"^model name\s*: (.*)$", cpuinfo.read(), re.M)
    return {
        "cpus": os.cpu_count(),
        "model": model.group(1) if model else "",
        "memory_gib": round(kib / (1 << 20)),
        "linux": ".".join(os.uname().release.split(".")[:2]),
        "libc": " ".join(os.confstr("CS_GNU_LIBC_VERSION").split()),
    }


# Threads that never wait would keep all others from the processor at real-time priority.
ALL_WAIT = {"drop", "names", "filter", "phases", "rehearsal", "text", "stanza", "load", "start"}


def go_first(part):
    """What else the machine does matters little to programs at real-time priority or the first nice level."""
    if part in ALL_WAIT:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    else:
        be_nice(-20)


def be_nice(level):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, level)
    # Where sessions are scheduled as groups, nice levels count within a session only (sched(7), the autogroup feature).
    if os.path.exists("/proc/self/autogroup"):
        with open("/proc/self/autogroup", "w") as group:
            group.write(str(level))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--runs", type=int, default=15)
    arguments.add_argument("--only", default=",".join(PARTS))
    arguments.add_argument("--threads", default="0,1,10,100,1000,10000")
    arguments.add_argument("--beside", type=int, default=2)
    arguments.add_argument("--out", default=str(BUILD))
    chosen = arguments.parse_args()
    parts = chosen.only.split(",")
    if not set(parts) <= set(PARTS):
        sys.exit(f"parts are {', '.join(PARTS)}")
    # A session of its own, for the scheduler; the leader of a process group cannot have one.
    if os.getpid() == os.getpgrp():
        child = os.fork()
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.setsid()
    if os.geteuid() != 0:
        sys.exit("this needs root")
    os.makedirs(chosen.out, exist_ok=True)
    path = os.path.join(chosen.out, "results.json")
    results = {}
    if os.path.exists(path):
        with open(path) as file:
            results = json.load(file)
    results["machine"] = machine()

    def write():
        with open(path, "w") as file:
            json.dump(results, file, indent=1)
        with open(os.path.join(chosen.out, "table.md"), "w") as file:
            file.write(table(results))

    for part in parts:
        go_first(part)
        if part in ("drop", "names"):
            for n in chosen.threads.split(","):
                of = results.setdefault(part, {})
                go_first(part)
                of[n] = measure_drop(chosen.runs, "idle", int(n), part == "names")
                if chosen.beside and int(n) <= MOST_BESIDE:
                    be_nice(0)
                    of = results.setdefault(f"{part}_beside", {}).setdefault(str(chosen.beside), {})
                    of[n] = measure_drop(chosen.runs, "idle", int(n), part == "names", chosen.beside)
                write()
        else:
            results[part] = globals()[f"part_{part}"](chosen.runs)
            write()
    print(table(results))


main()
