#!/usr/bin/env python3
"""The commands of docs/administration.md, run on a machine of their own: each says what the page says.

tests/administration.py            compares
tests/administration.py --write    writes the page anew
"""

import json
import os
import re
import shutil
import subprocess
import sys

import cases
from cases import ROOT, Skip, can_change_ids, case, expect, main, own_etc, same, users, written

PAGE = os.path.join(ROOT, "docs/administration.md")
# What belongs to other packages, and is compared where it is installed.
PEERS = ("capsh", "getpcaps", "pscap", "systemd-analyze")

SERVER = """
import ctypes, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
SETGROUPS, SETRESGID, SETRESUID = {"x86_64": (116, 119, 117)}.get(os.uname().machine, (159, 149, 147))
def next_is(number):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(number - 1))
def thread(name, drops):
    libc.prctl(15, name, 0, 0, 0)
    if drops:
        # By hand, of this thread alone.
        for call in ((SETGROUPS, 0, 0), (SETRESGID, 4712, 4712, 4712), (SETRESUID, 4711, 4711, 4711)):
            assert libc.syscall(*call) == 0
    done.release()
    threading.Event().wait()
done = threading.Semaphore(0)
libc.prctl(15, b"server", 0, 0, 0)
next_is(105)
reader, writer = os.pipe()
if os.fork() == 0:
    libc.prctl(15, b"helper", 0, 0, 0)
    os.write(writer, b"x")
    while True:
        signal.pause()
os.read(reader, 1)
for number, (name, drops) in enumerate([(b"poll", True), (b"log", True), (b"reload", False)], 102):
    next_is(number)
    threading.Thread(target=thread, args=(name, drops), daemon=True).start()
    done.acquire()
for call in ((SETGROUPS, 0, 0), (SETRESGID, 4712, 4712, 4712), (SETRESUID, 4711, 4711, 4711)):
    assert libc.syscall(*call) == 0
print("ready", flush=True)
while True:
    signal.pause()
"""

# One call, so that there is one change.
LATE = """
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"late", 0, 0, 0)
os.setgroups([])
print("ready", flush=True)
time.sleep(5)
os.setresuid(4711, 4711, 4711)
time.sleep(2)
"""

FILES = {
    "server.conf": 'Security {\n  user = ecuser\n  capabilities = "cap_net_bind_service+ep"\n}\n',
    "wrong.conf": "Security {\n  user = ecusr\n  capabilites = all\n  no_new_privs = maybe\n}\n",
    "web.service": "[Service]\nExecStart=/usr/sbin/web\nUser=ecuser\nSupplementaryGroups=eclogs\n"
    "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
    "SystemCallFilter=@system-service\nPrivateTmp=yes\nProtectSystem=strict\n",
}


# --- on the machine of its own: process 1 of a pid namespace ------------------------------------------------------------


def start(number, command):
    """Starts a process under a given id; returns once it says that it is ready."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
        last.write(str(number - 1))
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(child.pid, number)
    return child


def ready(child):
    same(child.stdout.readline(), "ready\n")


def machine(programs):
    import ctypes

    # Ends what is left when it ends itself, as process 1.
    ctypes.CDLL(None).prctl(15, b"init", 0, 0, 0)
    ready(start(101, [sys.executable, "-I", "-c", SERVER]))
    become = ["ec-security", "exec", "-o", "user=ecuser"]
    for number, name, ambient in (
        (110, "web", "cap_net_bind_service"),
        (111, "worker", "cap_kill"),
        (112, "worker", "cap_kill"),
        (113, "worker", "cap_kill"),
        (120, "cleaner", ""),
    ):
        child = start(number, [*become, "-o", f"ambient={ambient}", "--", f"{programs}/{name}"])
        child.stdin.write("ready\n")
        child.stdin.flush()
        ready(child)
    answers = []
    for command in json.load(sys.stdin):
        if command.endswith(" late"):
            ready(start(130, [sys.executable, "-I", "-c", LATE]))
        done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        answers.append(done.stdout)
        if command.endswith(" late"):
            os.waitpid(130, 0)
    print(json.dumps(answers))


def answers_to(commands):
    if not can_change_ids():
        raise Skip("this user namespace has no other id to become")
    if os.environ["EC_TOOL_PRIVATE"] != "1":
        raise Skip("no mount namespace to have an /etc of its own in")
    programs = os.path.join(cases.DIRECTORY, "programs")
    os.makedirs(programs, exist_ok=True)
    os.chmod(programs, 0o755)
    for name in ("web", "worker", "cleaner"):
        shutil.copy(shutil.which("cat", path="/bin:/usr/bin"), f"{programs}/{name}")
    files = [f"{name}={written(text, name=name)}" for name, text in FILES.items()]
    same(own_etc(*users(), *files).err, "", "private-etc")
    try:
        env = {"PATH": f"{ROOT}/build:{os.environ['PATH']}", "COLUMNS": "80", "LC_ALL": "C.UTF-8", "HOME": "/root", "SHELL": "/bin/sh"}
        done = subprocess.run(
            [
                "unshare",
                "--pid",
                "--mount-proc",
                "--fork",
                "setpriv",
                "--clear-groups",
                "--bounding-set=-sys_resource",
                sys.executable,
                "-B",
                __file__,
                "--machine",
                programs,
            ],
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            env=env,
            check=False,
            timeout=120,
            cwd="/",
        )
    finally:
        same(subprocess.run(["umount", "--lazy", "/etc"], check=False).returncode, 0, "umount")
    same((done.returncode, done.stderr), (0, ""), "the machine")
    return json.loads(done.stdout)


# --- the page -------------------------------------------------------------------------------------------------------------


def blocks(text):
    """The commands of the page, in order, each with its output: [(command, output), …]."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", part, re.S).groups()
            found.append((command, output))
    return found


def normal(output):
    """What differs from run to run: the time in `watch`, and the id of a process that shows itself."""
    output = re.sub(r"^ *\+\d+\.\d+s", "   +5.0s", output, flags=re.M)
    return re.sub(r'^(process|thread) \d+ ("ec-security"|  ?ec-security  )', r"\1 131 \2", output, flags=re.M)


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def joined(command):
    return re.sub(r"\\\n *", "", command).rstrip("\n")


@case
def every_command_says_what_the_page_says():
    wanted = blocks(page())
    expect(len(wanted) >= 20, f"{len(wanted)} commands")
    answers = answers_to([joined(command) for command, _ in wanted])
    same(len(answers), len(wanted))
    wrong = []
    for (command, output), answer in zip(wanted, answers):
        peer = next((name for name in PEERS if name in command), None)
        if peer and not shutil.which(peer, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            print(f"SKIP {joined(command)}: {peer} is not installed", flush=True)
        elif normal(answer) != output:
            wrong.append(f"{command}{normal(answer)}instead of\n{output}")
    same(wrong, [])


@case
def every_line_fits():
    for command, output in blocks(page()):
        # Lines for programs are as long as they are, and so are messages that do not go to a terminal.
        if "--lines" in command or any(peer in command for peer in PEERS):
            continue
        for line in (command + output).splitlines():
            expect(len(line) <= 80 or line.startswith("ec-security: "), line)


def write():
    text = page()
    found = blocks(text)
    answers = answers_to([joined(command) for command, _ in found])
    for (command, output), answer in zip(found, answers):
        text = text.replace(f"$ {command}{output}", f"$ {command}{normal(answer)}", 1)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--machine"]:
        machine(sys.argv[2])
    elif sys.argv[1:2] == ["--write"]:
        cases.CASES[:] = [("written", write)]
        sys.argv[1:] = [] if "EC_TOOL_PRIVATE" in os.environ else sys.argv[1:]
        main()
    else:
        main()
