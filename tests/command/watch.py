"""ec-security diff and watch."""

import os
import re
import subprocess

from cases import UID, case, directory, done, expect, need_ids, refused, same, usage
from command.shared import PYTHON, TOOL, done_with, harmless, put_away, sleeper, tool


@case
def diff_says_what_differs():
    need_ids()
    one, other, odd = sleeper(), sleeper(), sleeper("nnp")
    none = harmless()
    try:
        out = done(tool("diff", one.pid, other.pid))
        same(out, f"{one.pid} python3  and  {other.pid} python3\nhold the same\n")
        out = done_with(tool("diff", one.pid, odd.pid), 3)
        same(out.splitlines()[1:], [f"  odd threads   {one.pid:<8}0", f"                {odd.pid:<8}1"])
        out = done_with(tool("diff", one.pid, none.pid), 3)
        expect(f"  user          {one.pid:<8}0 root\n                {none.pid:<8}{UID} ecuser\n" in out, out)
        expect(f"  no_new_privs  {one.pid:<8}off\n                {none.pid:<8}on\n" in out, out)
        expect("inheritable" not in out, "what is the same")
        refused(tool("diff", one.pid), *usage("diff", "two processes to compare are expected"))
        refused(tool("diff", 1, 2, 3), *usage("diff", 'unexpected argument "3"'))
        refused(tool("diff", 1, "no-such-program"), 1, 'ec-security: no process is called "no-such-program"\n')
    finally:
        for child in (one, other, odd, none):
            put_away(child)


@case
def watch_prints_each_change():
    need_ids()
    code = f"""
import ctypes, os, sys, threading, time
libc = ctypes.CDLL(None)
def thread():
    started.set()
    sys.stdin.readline()
    libc.prctl(38, 1, 0, 0, 0)
    print("thread", flush=True)
    threading.Event().wait()
started = threading.Event()
threading.Thread(target=thread, daemon=True).start()
started.wait()
print("ready", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os.setgroups([])
os.setresuid({UID}, {UID}, {UID})
print("all", flush=True)
while os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os._exit(0)
"""
    flag = os.path.join(directory(), "flag")
    child = subprocess.Popen([PYTHON, "-I", "-c", code, flag], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(child.stdout.readline(), "ready\n")
    watch = subprocess.Popen(
        ["timeout", "30", TOOL, "watch", "-i", "0.02", str(child.pid)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "400"},
    )

    def until(text):
        while True:
            line = watch.stdout.readline()
            expect(line, f"watch ends before it says {text!r}")
            if re.search(text, line):
                return line

    until(r"^  no_new_privs  off")
    child.stdin.write("go\n")
    child.stdin.flush()
    line = until("no_new_privs off -> on")
    expect(re.match(r"^ *\+\d+\.\ds thread \d+ python3: no_new_privs off -> on$", line), line)
    with open(flag, "w"):
        pass
    line = until(f"user 0 -> {UID}")
    expect(re.match(rf"^ *\+\d+\.\ds all 2 threads: .*user 0 -> {UID}; .*permitted all\S* -> none", line), line)
    os.unlink(flag)
    until(f"process {child.pid} has ended$")
    same(watch.wait(), 0)
    put_away(child)
    refused(tool("watch"), *usage("watch", "a process to watch is missing"))
    for word in ("0", "x", "-1", "nan", "1e9"):
        refused(tool("watch", f"--interval={word}", 1), *usage("watch", "--interval: expected seconds, from 0.01 to 86400"))
