"""ec-security show, of one process: text, JSON against /proc, colours, lines that fit the terminal."""

import ctypes
import os
import pty
import re
import subprocess

from cases import caps, case, done, expect, own, refused, run, same, usage
from command.shared import PYTHON, TOOL, json_of, names, put_away, sleeper, tool, widest


def expect_object(thread, pid):
    """One thread of `show --json` against /proc."""
    at = f"{pid}/task/{thread['tid']}"
    for key, field in (("uid", "Uid"), ("gid", "Gid")):
        ids = [thread[key][part] for part in ("real", "effective", "saved", "fs")]
        same(ids, [int(word) for word in own(field, at).split()], field)
    same(thread["groups"], [int(word) for word in own("Groups", at).split()])
    for key, field in (
        ("permitted", "CapPrm"),
        ("effective", "CapEff"),
        ("inheritable", "CapInh"),
        ("bounding", "CapBnd"),
        ("ambient", "CapAmb"),
    ):
        same(thread[key], names(caps(field, at)), field)
    same(thread["no_new_privs"], own("NoNewPrivs", at) == "1")
    with open(f"/proc/{at}/comm") as comm:
        same(thread["name"], comm.read()[:-1])


@case
def show_json_is_valid_and_says_what_proc_says():
    child = sleeper("plain", "nnp", "plain")
    try:
        out = done(tool("show", "--json", child.pid))
        checked = run(PYTHON, "-m", "json.tool", input=out)
        same(checked.status, 0, checked.err)
        shown = json_of(out)
        same((shown["pid"], shown["parent"]), (child.pid, os.getpid()))
        tids = sorted(int(tid) for tid in os.listdir(f"/proc/{child.pid}/task"))
        same(sorted(thread["tid"] for thread in shown["threads"]), tids)
        same(len(tids), 4)
        for thread in shown["threads"]:
            expect_object(thread, child.pid)
            same((thread["kind"], thread["securebits"]), ("thread", None))
        same([thread["alike"] for thread in shown["threads"]], [True, True, False, True])
    finally:
        put_away(child)


@case
def show_of_a_name_that_plays_tricks():
    child = sleeper("named")
    try:
        shown = json_of(done(tool("show", "-j", child.pid)))
        same(shown["threads"][1]["name"], 'a"\\\n\x1b\ufffd\u00e9')
        expect("\x1b" not in done(tool("show", "-l", child.pid)), "a control character in lines")
        same(len(done(tool("show", child.pid)).splitlines()), 12, "lines")
    finally:
        put_away(child)


@case
def show_has_a_block_for_those_that_differ():
    child = sleeper("plain", "nnp", "nnp")
    try:
        out = done(tool("show", child.pid))
        lines = out.split("\n")
        same(lines[0], f"process {child.pid}  {own('Name', child.pid)}  4 threads")
        same(lines[2], "2 threads that hold the same")
        at = lines.index("", 3)
        expect(lines[at + 1].startswith("threads that differ: "), out)
        same([line for line in lines if line.startswith("!")], ["! no_new_privs  on"])
        # Values stand in one column.
        for line in lines[3:at] + lines[at + 2 : -1]:
            expect(re.match(r"^(  |! )(\w+) +", line).end() == 16, line)
        lines = done(tool("show", "--lines", child.pid)).splitlines()
        same([line.split(":")[0].split(" ")[0] for line in lines], ["2", "thread", "thread"])
        expect(lines[0].startswith("2 threads: uid="), lines[0])
        expect(lines[1].endswith(" no_new_privs=on") and lines[0].endswith(" no_new_privs=off"), repr(lines))
    finally:
        put_away(child)


@case
def show_of_itself_has_securebits():
    shown = json_of(done(tool("show", "-j")))
    same(shown["threads"][0]["name"], "ec-security")
    same(shown["threads"][0]["securebits"], ctypes.CDLL(None).prctl(27, 0, 0, 0, 0))
    expect(re.search(r"^  securebits    \S+$", done(tool("show")), re.M), "securebits have a line")


@case
def show_of_what_is_not_there():
    with open("/proc/sys/kernel/pid_max") as pid_max:
        pid = int(pid_max.read()) + 1
    refused(tool("show", pid), 1, f"ec-security: process {pid}: ESRCH: no such process\n")


@case
def show_usage():
    for command in (["show"], ["watch"], ["diff"]):
        for word in ("", "0", "99999999999"):
            refused(tool(*command, word), *usage(command[0], f'"{word}" is not a process id, such as 4711'))
    refused(tool("show", "no-such-program"), 1, 'ec-security: no process is called "no-such-program"\n')
    refused(tool("show", "--all", "1"), *usage("show", "give --all or a process, not both"))
    refused(tool("show", "-C", "kill,nope"), *usage("show", '--capability: "nope" is not a capability, such as cap_net_raw'))
    refused(tool("show", "-u", "no-such-user"), *usage("show", 'user: no user "no-such-user" in the user database'))
    refused(tool("show", "-1"), *usage("show", "invalid option '-1'"))
    refused(tool("show", "--color=blue"), *usage("show", "--color: expected auto, always or never"))


def on_a_terminal(*arguments, env):
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [TOOL, *arguments], stdout=follower, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], **env}
    )
    os.close(follower)
    out = b""
    while True:
        try:
            more = os.read(leader, 4096)
        except OSError:
            more = b""
        if not more:
            break
        out += more
    os.close(leader)
    same(child.wait(), 0)
    return out.decode()


@case
def colours_on_a_terminal_only():
    for command in (["show"], ["explain", "all=ep"], ["check", "-o", "no_new_privs=on"]):
        plain = done(tool(*command))
        expect("\x1b" not in plain, "colours in a pipe")
        expect("\x1b[" in on_a_terminal(*command, env={"TERM": "xterm"}), "no colours on a terminal")
        expect("\x1b" not in on_a_terminal(*command, env={"TERM": "xterm", "NO_COLOR": "1"}), "NO_COLOR")
        expect("\x1b" not in on_a_terminal(*command, env={"TERM": "dumb"}), "TERM=dumb")
        expect("\x1b" not in on_a_terminal(*command, "--color=never", env={"TERM": "xterm"}), "never")
        forced = done(tool(*command, "--color=always", env={"NO_COLOR": "1"}))
        expect("\x1b[" in forced, "--color=always")
        if command[0] == "explain":
            same(re.sub(r"\x1b\[\d+m", "", forced), plain, "the same but for colours")


@case
def lines_fit_the_terminal():
    # Long names, so that the list of odd threads has to be broken as well.
    child = sleeper(*["plain", "nnp"] * 6)
    try:
        for columns in (80, 60):
            env = {"COLUMNS": str(columns)}
            for command in (
                ["show", child.pid],
                ["show", "-v", child.pid],
                ["show", "-a"],
                ["show", "-av"],
                ["show", "-c"],
                ["diff", child.pid, os.getpid()],
                ["explain", "all=ep"],
                ["explain", "-"],
                ["check", "-o", "no_new_privs=on"],
            ):
                result = tool(*command, env=env, input=open("/proc/self/status").read())
                expect(result.status in (0, 3), repr(result))
                # What stands in columns of fixed width has a part that cannot be narrower.
                limit = max(columns, 80 if command[0] == "show" and command[1] in ("-a", "-av", "-c") else 0)
                expect(widest(result.out) <= limit, f"{command} at {columns}: {result.out}")
        out = done(tool("show", child.pid, env={"COLUMNS": "60"}))
        odd = re.search(r"^threads that differ: [^!]*", out, re.M).group(0)
        same(len(re.findall(r"\d+\s+python3", odd)), 6, out)
        expect(odd.count("\n") > 2, odd)
    finally:
        put_away(child)
