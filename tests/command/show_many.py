"""ec-security show --all and --children: many processes, their verdicts, other user namespaces."""

import json
import os
import re
import subprocess

from cases import GID, UID, Skip, case, done, expect, need_ids, own, refused, same
from command.shared import PYTHON, TOOL, U, done_with, harmless, json_of, program, put_away, sleeper, started, tool


def listed(out):
    """The rows of show --all: by process id, what stands behind it."""
    rows = {}
    for line in out.splitlines()[1:]:
        row = re.match(r"^ *(\d+) +(\d+) (.{10}) (.{15}) +(\d+) (...) (.*)$", line)
        if row:
            pid, count, user, name, threads, odd, rest = (part.strip() for part in row.groups())
            rows[int(pid)] = {"n": int(count), "user": user, "name": name, "threads": int(threads), "odd": odd, "rest": rest}
    return rows


@case
def show_all_finds_what_holds_something_and_what_is_odd():
    need_ids()
    odd, plain, none = sleeper("nnp"), sleeper(), harmless()
    holds = started(TOOL, "exec", *U, "-o", "ambient=cap_kill,cap_net_raw", "--")
    try:
        rows = listed(done(tool("show", "--all")))
        # Other checks may have processes that share its line.
        expect(any((row["name"], row["user"], row["threads"], row["odd"]) == ("python3", "root", 2, "1") for row in rows.values()), rows)
        name = own("Name", holds.pid)
        same(
            (rows[holds.pid]["user"], rows[holds.pid]["name"], rows[holds.pid]["n"], rows[holds.pid]["rest"]),
            ("ecuser", name, 1, "cap_kill,cap_net_raw"),
            rows[holds.pid],
        )
        expect(none.pid not in rows, "one that holds nothing")
        # Filters, by what /proc says of all processes.
        # Another check on this machine may have processes of this user id as well.
        shown = json.loads(done(tool("show", "--user", UID, "-j")))["processes"]
        pids = {process["pid"] for process in shown}
        expect(holds.pid in pids and odd.pid not in pids and none.pid not in pids, pids)
        for process in shown:
            expect(any(UID in thread["uid"].values() for thread in process["threads"]), process)
        pids = {process["pid"] for process in json.loads(done(tool("show", "-d", "-j")))["processes"]}
        expect(odd.pid in pids and plain.pid not in pids and holds.pid not in pids, pids)
        shown = json.loads(done(tool("show", "-j", "-C", "cap_sys_boot,NET_RAW,37")))["processes"]
        pids = {process["pid"] for process in shown}
        expect(holds.pid in pids and none.pid not in pids, pids)
        wanted = {"cap_sys_boot", "cap_net_raw", "cap_audit_read"}
        for process in shown:
            held = {name for thread in process["threads"] for field in ("permitted", "effective", "ambient") for name in thread[field]}
            expect(held & wanted, process)
        shown = {process["pid"] for process in json.loads(done(tool("show", "-a", "-j", "-C", "kill", "-u", "ecuser")))["processes"]}
        expect(holds.pid in shown and odd.pid not in shown, shown)
    finally:
        for child in (odd, plain, none, holds):
            put_away(child)


@case
def show_all_groups_by_name():
    path = program()
    name = os.path.basename(path)
    children = [subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for child in children:
            child.stdin.write("x\n")
            child.stdin.flush()
            same(child.stdout.readline(), "x\n")
        rows = {pid: row for pid, row in listed(done(tool("show", "-a"))).items() if row["name"] == name}
        same([(pid, row["n"]) for pid, row in rows.items()], [(min(child.pid for child in children), 3)])
        # By name, each of them has its table; by name and id, each still once.
        out = done(tool("show", name, children[0].pid))
        same(len(re.findall(rf"^process \d+  {name}  1 thread$", out, re.M)), 3, out)
        lines = done(tool("show", "--lines", name)).splitlines()
        same(sorted(int(line.split()[1].rstrip(":")) for line in lines), sorted(child.pid for child in children))
        refused(tool("watch", name), 1, f'ec-security: 3 processes are called "{name}": give a process id\n')
        result = tool("show", name, 99999999)
        same(result.status, 1)
        expect(result.out == "" or len(re.findall("^process ", result.out, re.M)) == 3, result.out)
        same(result.err, "ec-security: process 99999999: ESRCH: no such process\n")
    finally:
        for child in children:
            put_away(child)


@case
def show_children_finds_helpers_that_kept_more():
    need_ids()
    # A server that starts a helper, and drops in itself alone.
    code = """
import os, sys
if os.fork() == 0:
    os.setsid()
    sys.stdin.read()
    os._exit(0)
os.setresgid(%d, %d, %d)
os.setresuid(%d, %d, %d)
print("ready", flush=True)
sys.stdin.read()
os.wait()
""" % (GID, GID, GID, UID, UID, UID)
    child = subprocess.Popen([PYTHON, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        same(child.stdout.readline(), "ready\n")
        out = done(tool("show", "--children", child.pid))
        rows = out.splitlines()[1:]
        expect(f" {child.pid} python3 " in rows[0] and "root" in rows[0] and "user id 0, all" in " ".join(out.split()), out)
        shown = json_of(done(tool("show", "-c", "-j", child.pid)))
        same(shown["parent"], child.pid)
        pids = {process["pid"] for process in json.loads(done(tool("show", "-c", "-j")))["processes"]}
        expect(shown["pid"] in pids and child.pid not in pids, pids)
        refused(tool("show", "-c", 99999999), 1, "ec-security: process 99999999: ESRCH: no such process\n")
    finally:
        put_away(child)


@case
def show_verdict_says_why():
    need_ids()
    none = harmless()
    try:
        out = done(tool("show", "--verdict", none.pid))
        expect(f"process {none.pid}  {own('Name', none.pid)}  cannot become root again\n" in out, out)
        shown = json_of(done(tool("show", "-v", "-j", none.pid)))
        same(shown["verdict"]["root"], "cannot")
        expect(listed(done_with(tool("show", "-av"), 3))[none.pid]["rest"] == "no", "the list")
    finally:
        put_away(none)
    # Each way back, in a process that really goes it.
    rows = [
        (f"os.setresuid({UID}, {UID}, 0); drop_all()", "os.setresuid(-1, 0, -1)", "can_become", "the saved user id is 0"),
        (f"os.setresuid(0, {UID}, {UID}); drop_all()", "os.setresuid(-1, 0, -1)", "can_become", "the real user id is 0"),
        (f"libc.prctl(8, 1, 0, 0, 0); os.setresuid({UID}, {UID}, {UID})", "raise_all(); os.setresuid(0, 0, 0)", "is", "holds all"),
        (f"os.setresuid(-1, {UID}, -1); drop_all()", "os.seteuid(0)", "can_become", "the real and saved user ids are 0"),
    ]
    code = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
data = (ctypes.c_uint32 * 6)()
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
def raise_all():
    assert libc.capget(header, data) == 0
    data[0], data[3] = data[1], data[4]
    assert libc.capset(header, data) == 0
def drop_all():
    assert libc.capset(header, data) == 0
libc.prctl(38, 1, 0, 0, 0)
%s
print("ready", flush=True)
sys.stdin.readline()
%s
print(os.geteuid(), flush=True)
"""
    for drop, back, root, reason in rows:
        child = subprocess.Popen([PYTHON, "-I", "-c", code % (drop, back)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        same(child.stdout.readline(), "ready\n")
        shown = json_of(done_with(tool("show", "-v", "-j", child.pid), 3))
        out, _ = child.communicate("\n")
        same(out, "0\n", drop)
        same(shown["verdict"]["root"], root, drop)
        expect(shown["verdict"]["reasons"][0].startswith(reason), shown["verdict"])


@case
def show_tells_of_another_user_namespace():
    child = started("unshare", "--user", "--map-root-user", "--")
    if child is None:
        raise Skip("no user namespace to be had")
    try:
        expect("in another user namespace" in done(tool("show", child.pid)), "show")
        rest = " ".join(done(tool("show", "-a")).split())
        expect("in its user namespace" in rest, rest)
        notes = json_of(done_with(tool("show", "-v", "-j", child.pid), 3))["verdict"]["notes"]
        expect(notes[0].startswith("it is in another user namespace"), notes)
    finally:
        put_away(child)
