#!/usr/bin/env python3
"""The command ec-security from outside: every subcommand, its errors and exit statuses; what `exec` comes to against
setpriv(1) and capsh(1), as /proc and prctl show it in the program executed; JSON against /proc; completions.

tests/tool.py [PART OF A NAME]
"""

import ctypes
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys

from cases import (
    EXTRA, GID, LOGS, NAMES, ROOT, UID, Skip, can_change_ids, caps, case, done, expect, folder, main, need_ids, own, refused, run,
    same, usage, written,
)

# Executed by other users, so one that everybody may execute.
PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or sys.executable
TOOL = os.path.join(ROOT, "build/ec-security")


def tool(*arguments, **more):
    return run(TOOL, *arguments, **more)


FIELDS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
# What the program executed prints of itself: those fields, and its securebits, which nobody else can see.
TELL = f"""
import ctypes, json
state = {{}}
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in {FIELDS!r}:
        state[name] = " ".join(value.split())
state["Securebits"] = ctypes.CDLL(None).prctl(27, 0, 0, 0, 0)
print(json.dumps(state))
"""


def told(result):
    same(result.status, 0, repr(result))
    return json.loads(result.out)


def names(mask):
    return ["cap_" + NAMES[cap] if cap < len(NAMES) else str(cap) for cap in range(64) if mask >> cap & 1]


# --- check --------------------------------------------------------------------------------------------------------------


@case
def check_says_ok_and_changes_nothing():
    path = written('Listen ":25" {}\nSecurity { Capabilities = "cap_net_bind_service+ep" }\n')
    done(tool("check", path), f"{path}: ok, would be applied as it is\n")
    done(tool("check", "-f", path), f"{path}: ok, would be applied as it is\n")
    done(tool("check", "--quiet", path), "")
    done(tool("check", "-n", path), f"{path}: ok as far as reading goes; not rehearsed\n")
    done(tool("check", "-o", "no_new_privs = on"), "options: ok, would be applied as it is\n")


@case
def check_names_file_line_column_and_what_was_expected():
    path = written("Security {\n  capabilites = all\n}\n")
    refused(tool("check", path), 1, f'ec-security: {path}:2:3: unknown option "capabilites" (nearest: capabilities)\n')
    path = written("Security {\n  user = root\n  Capabilities = cap_net_bnd_service+ep\n}\n")
    text = f'{path}:3:18: capabilities: unknown name "cap_net_bnd_service" at column 1 (nearest: cap_net_bind_service)'
    refused(tool("check", path), 1, f"ec-security: {text}\n")
    path = written("Security {\n  user = root\n")
    text = f'{path}:1:10: "{{": expected }} before the end of the file'
    refused(tool("check", path), 1, f"ec-security: {text}\n")
    path = written("Other { }\n")
    refused(tool("check", path), 1, f"ec-security: {path}: no Security stanza\n")
    refused(tool("check", "/nonexistent-file"), 1, "ec-security: /nonexistent-file: ENOENT: no such file or directory\n")
    path = written("Security { }\n", 0o666)
    result = tool("check", path)
    same(result.status, 1)
    expect("others can write to it (mode 0666" in result.err and path in result.err, result.err)


@case
def check_refuses_what_the_rehearsal_refuses():
    # Root of a container, that lacks one.
    name = "cap_sys_boot"
    text = f"cannot retain {name}: not in this process's permitted set (container or service manager?)"
    refused(run("setpriv", "--bounding-set=-sys_boot", TOOL, "check", "-o", f"capabilities={name}+ep"), 1,
            f"ec-security: {text}\n")
    done(tool("check", "-n", "-o", f"capabilities={name}+ep"), "options: ok as far as reading goes; not rehearsed\n")


@case
def check_options_override_the_file():
    path = written("Security { user = root }\n")
    refused(tool("check", path, "-o", "user=no-such-user"), 1,
            'ec-security: user: no user "no-such-user" in the user database\n')
    path = written("Security { user = no-such-user }\n")
    same(tool("check", path, "-o", "user=root").status, 1, "a file that is wrong stays so")


@case
def check_usage():
    refused(tool("check"), *usage("check", "nothing to check: give a FILE, or options with -o"))
    refused(tool("check", "a", "b"), *usage("check", 'unexpected argument "b"'))
    refused(tool("check", "-x"), *usage("check", "invalid option '-x'"))
    refused(tool("check", "-o"), *usage("check", "missing argument for option '-o'"))
    refused(tool("check", "-o", "user"),
            *usage("check", '-o "user": expected option=value, such as user=ecuser'))
    refused(tool("check", "-o", "=x"), *usage("check", '-o "=x": expected option=value, such as user=ecuser'))


# --- show ---------------------------------------------------------------------------------------------------------------


def sleeper(*threads):
    """A process of which some threads hold another state, by raw system calls; stays until its standard input closes."""
    code = r"""
import ctypes, os, sys, threading
libc = ctypes.CDLL(None)
def thread(kind, ready):
    if kind == "nnp":
        assert libc.prctl(38, 1, 0, 0, 0) == 0
    if kind == "named":
        assert libc.prctl(15, b'a"\\\n\x1b\xff\xc3\xa9', 0, 0, 0) == 0
    ready.set()
    threading.Event().wait()
for kind in sys.argv[1:]:
    ready = threading.Event()
    threading.Thread(target=thread, args=(kind, ready), daemon=True).start()
    ready.wait()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"""
    child = subprocess.Popen([PYTHON, "-I", "-c", code, *threads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(child.stdout.readline(), "ready\n")
    return child


def put_away(child):
    child.communicate("")


def expect_object(thread, pid):
    """One thread of `show --json` against /proc."""
    at = f"{pid}/task/{thread['tid']}"
    for key, field in (("uid", "Uid"), ("gid", "Gid")):
        ids = [thread[key][part] for part in ("real", "effective", "saved", "fs")]
        same(ids, [int(word) for word in own(field, at).split()], field)
    same(thread["groups"], [int(word) for word in own("Groups", at).split()])
    for key, field in (("permitted", "CapPrm"), ("effective", "CapEff"), ("inheritable", "CapInh"),
                       ("bounding", "CapBnd"), ("ambient", "CapAmb")):
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
        shown = json.loads(out)
        same(shown["pid"], child.pid)
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
        shown = json.loads(done(tool("show", "-j", child.pid)))
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
    shown = json.loads(done(tool("show", "-j")))
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
    for word in ("abc", "0", "1x", "99999999999"):
        refused(tool("show", word), *usage("show", f'"{word}" is not a process id, such as 4711'))
    refused(tool("show", "1", "2"), *usage("show", 'unexpected argument "2"'))
    refused(tool("show", "-1"), *usage("show", "invalid option '-1'"))
    refused(tool("show", "--color=blue"), *usage("show", "--color: expected auto, always or never"))


def on_a_terminal(*arguments, env):
    leader, follower = pty.openpty()
    child = subprocess.Popen([TOOL, *arguments], stdout=follower, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             env={"PATH": os.environ["PATH"], **env})
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
    for command in (["show"], ["explain", "all=ep"]):
        plain = done(tool(*command))
        expect("\x1b" not in plain, "colours in a pipe")
        expect("\x1b[" in on_a_terminal(*command, env={"TERM": "xterm"}), "no colours on a terminal")
        expect("\x1b" not in on_a_terminal(*command, env={"TERM": "xterm", "NO_COLOR": "1"}), "NO_COLOR")
        expect("\x1b" not in on_a_terminal(*command, env={"TERM": "dumb"}), "TERM=dumb")
        expect("\x1b" not in on_a_terminal(*command, "--color=never", env={"TERM": "xterm"}), "never")
        forced = done(tool(*command, "--color=always", env={"NO_COLOR": "1"}))
        expect("\x1b[" in forced, "--color=always")
        if command != ["show"]:
            same(re.sub(r"\x1b\[\d+m", "", forced), plain, "the same but for colours")


@case
def lines_fit_the_terminal():
    child = sleeper()
    try:
        out = on_a_terminal("show", str(os.getpid()), env={"TERM": "dumb", "COLUMNS": "70"})
        expect(max(len(line) for line in out.splitlines()) <= 70, out)
    finally:
        put_away(child)


# --- explain ------------------------------------------------------------------------------------------------------------


@case
def explain_says_what_each_permits():
    out = done(tool("explain", "CAP_NET_BIND_SERVICE+ep", "13=p"))
    lines = out.splitlines()
    same(lines[0], "the same, as libcap prints it  cap_net_bind_service=ep cap_net_raw+p")
    same(lines[2:4], ["capability            sets  permits",
                      "cap_net_bind_service  ep-   bind sockets to TCP and UDP ports below 1024"])
    expect(lines[4].startswith("cap_net_raw           -p-   open raw and packet sockets"), out)
    expect("Permitted but not in force until raised" in out and lines[-1].endswith(": cap_net_raw."), out)
    same(tool("explain", "CAP_NET_BIND_SERVICE+ep 13=p").out, out, "one word or several")


@case
def explain_warns():
    expect("Nothing is retained" in done(tool("explain", "")), "nothing")
    expect("As good as root" in done(tool("explain", "cap_sys_admin=ep")), "cap_sys_admin")
    expect("Effective without being permitted" in done(tool("explain", "cap_kill=e")), "e without p")
    expect("Inheritable counts only" in done(tool("explain", "cap_kill=i")), "inheritable")
    expect("This kernel has no capability 63" in done(tool("explain", "63=ep")), "unknown to the kernel")
    out = done(run("setpriv", "--bounding-set=-sys_boot", TOOL, "explain", "cap_sys_boot=p"))
    expect("Not held here, so a server started from here cannot retain it: cap_sys_boot." in out, out)
    expect("Not held here" not in done(tool("explain", "cap_kill=p")), "cap_kill is held")


@case
def explain_knows_every_capability():
    out = done(tool("explain", "all=i"))
    with open("/proc/sys/kernel/cap_last_cap") as last:
        count = int(last.read()) + 1
    rows = re.findall(r"^(cap_\S+|\d+) +--i   (.+)$", out, re.M)
    same([name for name, _ in rows], names((1 << count) - 1))
    expect(len({meaning for _, meaning in rows}) >= min(count, 41), "each has its own meaning")


@case
def explain_usage():
    refused(tool("explain"), *usage("explain", "a capability text is missing, such as cap_net_bind_service+ep"))
    result = tool("explain", "cap_kill")
    same((result.status, result.out), (1, ""))
    expect(result.err.startswith("ec-security: capabilities: text ends early at column 9, expected "), result.err)
    refused(tool("explain", "-x"), *usage("explain", "invalid option '-x'"))


# --- help, and the rest -------------------------------------------------------------------------------------------------


@case
def help_of_everything():
    for command in ("check", "show", "exec", "explain"):
        text = done(tool(command, "--help"))
        same(done(tool("help", command)), text)
        same(done(tool(command, "-h")), text)
        expect(f"ec-security {command}" in text and "Exit status:" in text and "Examples:" in text, text)
        expect(max(len(line) for line in text.splitlines()) <= 88, f"{command}: lines too long")
    text = done(tool("--help"))
    same(done(tool("help")), text)
    for command in ("check", "show", "exec", "explain"):
        expect(f"\n  {command} " in text, command)
    with open(os.path.join(ROOT, "Cargo.toml")) as cargo:
        version = re.search(r'^version = "(.*)"', cargo.read(), re.M).group(1)
    done(tool("--version"), f"ec-security {version}\n")
    done(tool("-V"), f"ec-security {version}\n")


@case
def every_option_is_in_the_help_of_exec():
    with open(os.path.join(ROOT, "src/policy/options.rs")) as policy:
        options = re.search(r"pub const OPTIONS: \[&str; \d+\] = \[(.*?)\];", policy.read(), re.S).group(1)
    options = re.findall(r'"(\w+)"', options)
    expect(len(options) >= 12, options)
    text = done(tool("exec", "--help"))
    for option in options:
        # The Solaris key is for files that serve both systems.
        expect(option == "privileges" or re.search(rf"^  {option}=", text, re.M), option)


@case
def commands_that_are_none():
    refused(tool(), *usage("", "a command is missing: check, show, exec or explain"))
    refused(tool("chekc"), *usage("", 'unknown command "chekc" (nearest: check)'))
    refused(tool("ex"), *usage("", 'unknown command "ex" (nearest: exec)'))
    refused(tool("frobnicate"), *usage("", 'unknown command "frobnicate"'))
    refused(tool("help", "nope"), *usage("", 'unknown command "nope"'))
    refused(tool("--nope"), *usage("", "invalid option '--nope'"))


@case
def output_that_cannot_be_written():
    for command in (["show"], ["explain", "all=p"], ["--help"]):
        with open("/dev/full", "w") as full:
            child = subprocess.run([TOOL, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        same(child.returncode, 1)
        expect("standard output: " in child.stderr, child.stderr)
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run([TOOL, "explain", "all=p"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    same((child.returncode, child.stderr), (1, ""), "who reads no further needs no message")


# --- exec ---------------------------------------------------------------------------------------------------------------


@case
def exec_exit_statuses():
    keep = ["-o", "capabilities=keep"]
    same(tool("exec", *keep, "--", "sh", "-c", "exit 7").status, 7)
    same(tool("exec", *keep, "sh", "-c", "kill -9 $$").status, -signal.SIGKILL)
    refused(tool("exec", *keep, "/nonexistent-program"), 127,
            "ec-security: /nonexistent-program: ENOENT: no such file or directory\n")
    refused(tool("exec", *keep, "/etc/passwd"), 126, "ec-security: /etc/passwd: EACCES: permission denied\n")
    refused(tool("exec", *keep), *usage("exec", "a command to execute is missing", 125))
    refused(tool("exec", "--", "true"),
            *usage("exec", "nothing to become: give a file with -f, or options with -o", 125))
    refused(tool("exec", "-x", "true"), *usage("exec", "invalid option '-x'", 125))
    refused(tool("exec", "-o", "user", "true"),
            *usage("exec", '-o "user": expected option=value, such as user=ecuser', 125))
    refused(tool("exec", "-o", "user=no-such-user", "true"), 125,
            'ec-security: user: no user "no-such-user" in the user database\n')
    refused(tool("exec", "-f", "/nonexistent-file", "true"), 125,
            "ec-security: /nonexistent-file: ENOENT: no such file or directory\n")


@case
def exec_passes_arguments_and_surroundings_on():
    command = ["sh", "-c", 'printf "%s|" "$@"; echo "$EC"', "sh", "-o", "", "--", "a b", "--help"]
    done(tool("exec", "-o", "no_new_privs=on", *command, env={"EC": "x=y"}), "-o||--|a b|--help|x=y\n")
    out = done(tool("exec", "-o", "capabilities=keep", "sh", "-c", "ls /proc/self/fd; grep SigIgn /proc/self/status"))
    # ls has the folder open as the fourth; nothing else is handed down. What was ignored stays so (nohup, a job in the
    # background, the C library's own signals under make), but for those that Python gives back to what it starts.
    *descriptors, name, ignored = out.split()
    same(descriptors, ["0", "1", "2", "3"])
    with open("/proc/self/status", encoding="ascii") as status:
        own = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))
    given_back = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))
    internal = 3 << 31
    same((name, int(ignored, 16) & ~internal), ("SigIgn:", own & ~given_back & ~internal))


@case
def exec_takes_a_file_and_then_options():
    path = written('Security {\n  capabilities = "cap_net_raw,cap_kill+ep"\n  no_new_privs = off\n}\n')
    state = told(tool("exec", "-f", path, "--", PYTHON, "-I", "-c", TELL))
    same((state["CapPrm"], state["NoNewPrivs"]), (f"{1 << 13 | 1 << 5:016x}", "0"))
    state = told(tool("exec", "-f", path, "-o", "capabilities=cap_kill+ep", "--", PYTHON, "-I", "-c", TELL))
    same((state["CapPrm"], state["NoNewPrivs"]), (f"{1 << 5:016x}", "0"))


@case
def exec_warns_of_what_execution_takes():
    need_ids()
    become = ["exec", "-o", f"user={UID}", "-o", f"group={GID}", "-o", "capabilities=cap_net_raw,cap_kill+ep"]
    result = tool(*become, "-o", "ambient=cap_kill", "--", "true")
    text = "cap_net_raw will be lost on execution, not being ambient; name it in -o ambient=… as well (-q: no warning)"
    done(result, "", f"ec-security: warning: {text}\n")
    done(tool(*become, "-q", "--", "true"), "")
    done(tool(*become, "-o", "ambient=cap_kill,cap_net_raw", "--", "true"), "")


@case
def exec_warns_of_what_execution_gives_back_to_root():
    back = ["exec", "-o", "no_new_privs=off", "-o", "bounding=keep"]
    result = tool(*back, "--", PYTHON, "-I", "-c", TELL)
    same(told(result)["CapPrm"], f"{caps('CapBnd'):016x}")
    expect(re.fullmatch(r"ec-security: warning: user 0 gets \S+ back on execution; use -o bounding=trim, "
                        r"no_new_privs=on or securebits=noroot \(-q: no warning\)\n", result.err), result.err)
    done(tool(*back, "-q", "--", "true"), "")
    done(tool("exec", "-o", "no_new_privs=off", "--", "true"), "")
    result = tool(*back, "-o", "securebits=noroot", "--", PYTHON, "-I", "-c", TELL)
    same((told(result)["CapPrm"], result.err), ("0" * 16, ""))


@case
def exec_in_another_root():
    if not caps("CapEff") >> 18 & 1:
        raise Skip("cap_sys_chroot is not held")
    root = os.path.join(folder(), "root")
    os.makedirs(root + "/bin", exist_ok=True)
    os.chmod(root, 0o755)
    path = written("int main(void) { return 0; }\n", name="nothing.c")
    same(run("cc", "-static", "-o", root + "/bin/nothing", path).status, 0)
    # Without a /proc, too, it warns of what execution takes.
    become = ["-o", "chroot=" + root, "-o", "capabilities=cap_kill+ep"]
    done(tool("exec", *become, "/bin/nothing"), "")
    refused(tool("exec", *become, "/bin/sh"), 127, "ec-security: /bin/sh: ENOENT: no such file or directory\n")
    if can_change_ids():
        result = tool("exec", *become, "-o", f"user={UID}", "-o", f"group={GID}", "/bin/nothing")
        expect(result.status == 0 and "cap_kill will be lost" in result.err, repr(result))


# --- exec against setpriv and capsh --------------------------------------------------------------------------------------

U = ["-o", f"user={UID}", "-o", f"group={GID}"]
NNP_OFF = ["-o", "no_new_privs=off"]
BND_KEEP = ["-o", "bounding=keep"]
KEEP = ["-o", "capabilities=keep"]
NO_GROUPS = ["-o", "supplemental_groups="]
PLAIN = NNP_OFF + BND_KEEP
IDS = ["--reuid", str(UID), "--regid", str(GID)]
WEB = "cap_net_bind_service"


def trimmed(mask):
    """Bounding, once trimmed to what is asked for; all of it where CAP_SETPCAP is not held."""
    return f"{caps('CapBnd') & mask if caps('CapEff') >> 8 & 1 else caps('CapBnd'):016x}"


# What is asked for; whether it needs another id; the options of ec-security exec; those of the peer; and in which fields
# the end states differ by contract, as {field: (ours, theirs)}: setpriv and capsh do what they are told and no more, while
# ec-security drops all that it is not told to keep.
SETPRIV = [
    ("a user and group, no groups", True, U + NO_GROUPS + PLAIN, [*IDS, "--clear-groups"], {}),
    ("the same without new privileges", True, U + NO_GROUPS + BND_KEEP,
     [*IDS, "--clear-groups", "--no-new-privs"], {}),
    ("a list of groups", True, U + ["-o", f"supplemental_groups={EXTRA} {LOGS}"] + PLAIN,
     [*IDS, "--groups", f"{EXTRA},{LOGS}"], {}),
    ("the groups of the database", True, ["-o", "user=ecuser"] + PLAIN,
     ["--reuid", "ecuser", "--regid", "ecuser", "--init-groups"], {}),
    ("an empty bounding set", True, U + NO_GROUPS + NNP_OFF,
     [*IDS, "--clear-groups", "--bounding-set=-all"], {}),
    ("one ambient capability", True, U + NO_GROUPS + NNP_OFF + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}"],
     [*IDS, "--clear-groups", "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service",
      "--bounding-set=-all,+net_bind_service"], {}),
    ("two ambient capabilities, no new privileges", True,
     U + NO_GROUPS + BND_KEEP + ["-o", f"capabilities={WEB},cap_net_raw+ep", "-o", f"ambient={WEB},cap_net_raw"],
     [*IDS, "--clear-groups", "--inh-caps=-all,+net_bind_service,+net_raw",
      "--ambient-caps=-all,+net_bind_service,+net_raw", "--no-new-privs"], {}),
    ("one inheritable capability, not ambient", True, U + NO_GROUPS + PLAIN + ["-o", "capabilities=cap_net_raw+i"],
     [*IDS, "--clear-groups", "--inh-caps=-all,+net_raw"], {}),
    ("two capabilities for root", False, NNP_OFF + ["-o", "capabilities=cap_chown,cap_kill+ep"],
     ["--bounding-set=-all,+chown,+kill"], {}),
    ("no new privileges and nothing else", False, KEEP + BND_KEEP, ["--no-new-privs"], {}),
    ("securebits that take root's power away", False, KEEP + PLAIN + ["-o", "securebits=noroot,noroot_locked"],
     ["--securebits=+noroot,+noroot_locked"], {}),
    ("every lock, for a user", True,
     U + NO_GROUPS + PLAIN + ["-o", "securebits=noroot,noroot_locked,no_setuid_fixup,no_setuid_fixup_locked,keep_caps_locked"],
     [*IDS, "--clear-groups",
      "--securebits=+noroot,+noroot_locked,+no_setuid_fixup,+no_setuid_fixup_locked,+keep_caps_locked"],
     # no_setuid_fixup leaves capabilities with the user, and noroot leaves execve no reason to give any: all are gone.
     {}),
    ("a group alone", True, ["-o", f"group={GID}"] + KEEP + PLAIN, ["--regid", str(GID), "--keep-groups"], {}),
    ("all defaults of a user", True, ["-o", "user=ecuser"],
     ["--reuid", "ecuser", "--regid", "ecuser", "--init-groups"],
     {"NoNewPrivs": ("1", "0"), "CapBnd": (lambda: trimmed(0), lambda: own("CapBnd"))}),
]

# capsh --groups= sets group 0, so every row has a list.
LESS_ONE = names(caps("CapBnd") & ~(1 << 21))
CAPSH = [
    ("a user and group, no groups", True, U + ["-o", f"supplemental_groups={EXTRA}"] + PLAIN,
     [f"--gid={GID}", f"--groups={EXTRA}", f"--uid={UID}"], {}),
    ("the same without new privileges", True, U + ["-o", f"supplemental_groups={EXTRA}"] + BND_KEEP,
     ["--no-new-privs", f"--gid={GID}", f"--groups={EXTRA}", f"--uid={UID}"], {}),
    ("a list of groups", True, U + ["-o", f"supplemental_groups={LOGS},{EXTRA}"] + PLAIN,
     [f"--gid={GID}", f"--groups={EXTRA},{LOGS}", f"--uid={UID}"], {}),
    ("a user of the database with its groups", True, ["-o", "user=ecuser"] + PLAIN, ["--user=ecuser", "--caps="], {}),
    ("the bounding set less one", True, U + ["-o", f"supplemental_groups={EXTRA}"] + NNP_OFF +
     ["-o", "capabilities=" + ",".join(LESS_ONE) + "=i"],
     ["--drop=cap_sys_admin", "--inh=" + ",".join(LESS_ONE), f"--gid={GID}", f"--groups={EXTRA}",
      f"--uid={UID}"], {}),
    ("one ambient capability", True,
     ["-o", "user=ecuser"] + PLAIN + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}"],
     ["--user=ecuser", f"--caps={WEB}+eip", f"--addamb={WEB}"], {}),
    ("two ambient capabilities, no new privileges", True,
     ["-o", "user=ecuser"] + BND_KEEP + ["-o", f"capabilities={WEB},cap_net_raw+ep", "-o", f"ambient={WEB},cap_net_raw"],
     ["--user=ecuser", f"--caps={WEB},cap_net_raw+eip", f"--addamb={WEB},cap_net_raw", "--no-new-privs"], {}),
    ("one inheritable capability", True, ["-o", "user=ecuser"] + PLAIN + ["-o", f"capabilities={WEB}+i"],
     ["--user=ecuser", f"--caps={WEB}+i"], {}),
    ("no new privileges and nothing else", False, KEEP + BND_KEEP, ["--no-new-privs"], {}),
    ("securebits that take root's power away", False, KEEP + PLAIN + ["-o", "securebits=noroot,noroot_locked"],
     ["--secbits=3"], {}),
    ("capabilities for root by noroot and ambient", False,
     PLAIN + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}", "-o", "securebits=noroot"],
     ["--secbits=1", f"--caps={WEB}+eip", f"--addamb={WEB}"], {}),
    ("a group alone", True, ["-o", f"group={GID}"] + KEEP + PLAIN, [f"--gid={GID}"], {}),
    ("all defaults of a user", True, ["-o", "user=ecuser"], ["--user=ecuser", "--caps="],
     {"NoNewPrivs": ("1", "0"), "CapBnd": (lambda: trimmed(0), lambda: own("CapBnd"))}),
]


def against(peer, rows, command):
    for name, changes_ids, ours, theirs, contract in rows:
        def compare(changes_ids=changes_ids, ours=ours, theirs=theirs, contract=contract):
            if changes_ids:
                need_ids()
            got = told(tool("exec", "-q", *ours, "--", PYTHON, "-I", "-c", TELL))
            wanted = told(run(*command(theirs)))
            same(sorted(got), sorted((*FIELDS, "Securebits")))
            differs = {field: (got[field], wanted[field]) for field in got if got[field] != wanted[field]}
            stated = {field: tuple(v() if callable(v) else v for v in values) for field, values in contract.items()}
            same(differs, stated, "differs from the peer in")

        compare.__name__ = f"exec_as_{peer}_does:_{name.replace(' ', '_')}"
        case(compare)


against("setpriv", SETPRIV, lambda options: ["setpriv", *options, PYTHON, "-I", "-c", TELL])
against("capsh", CAPSH, lambda options: ["capsh", "--quiet", *options, f"--shell={PYTHON}", "--", "-I", "-c", TELL])


# --- completions --------------------------------------------------------------------------------------------------------

COMPLETIONS = os.path.join(ROOT, "completions")


def completed(*words, current=None):
    """What bash offers after these words; the last one is being typed. `=` counts as a word, as bash has it."""
    code = """
        . "$1"; shift
        PATH=$1:$PATH; shift
        compopt() { :; }
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _ec_security
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    result = run("bash", "--norc", "-c", code, "bash", COMPLETIONS + "/ec-security.bash", os.path.dirname(TOOL),
                 "ec-security", *words)
    same((result.status, result.err), (0, ""), repr(words))
    return [line for line in result.out.split("\n") if line]


@case
def completions_are_sound():
    for shell, file in (("bash", "ec-security.bash"), ("zsh", "_ec-security"), ("fish", "ec-security.fish")):
        done(run(shell, "-n", COMPLETIONS + "/" + file), "")


@case
def bash_completes():
    same(completed(""), "check show exec explain help -h --help -V --version".split())
    same(completed("e"), ["exec", "explain"])
    same(completed("exec", "-o", "ca"), ["capabilities="])
    same(completed("exec", "-o", "no_new_privs", "="), ["on", "off"])
    same(completed("exec", "-o", "bounding", "=", "t"), ["trim"])
    same(completed("exec", "-o", "user", "=", "roo"), ["root"])
    same(completed("check", "-o", "ambient", "=", "cap_net_b"), ["cap_net_bind_service", "cap_net_broadcast"])
    same(completed("check", "-o", "ambient", "=", "cap_kill,cap_net_ra"), ["cap_kill,cap_net_raw"])
    same(completed("exec", "-o", "capabilities", "=", "ke"), ["keep"])
    same(completed("show", "--j"), ["--json"])
    expect(str(os.getpid()) in completed("show", ""), "process ids")
    same(completed("explain", "cap_sys_ad"), ["cap_sys_admin"])
    same(completed("help", "sh"), ["show"])
    expect("/etc/passwd" in completed("check", "/etc/pass"), "files")
    expect("setpriv" in completed("exec", "-o", "user", "=", "root", "--", "setpri"), "commands")
    same(completed("exec", "--q"), ["--quiet"])


@case
def fish_completes():
    def offered(line):
        code = 'source $argv[1]; set -p PATH $argv[2]; complete -C "$argv[3]"'
        result = run("fish", "-N", "-c", code, COMPLETIONS + "/ec-security.fish", os.path.dirname(TOOL), line,
                     env={"HOME": folder()})
        same((result.status, result.err), (0, ""), line)
        return [offer.split("\t")[0] for offer in result.out.splitlines()]

    same(offered("ec-security e"), ["exec", "explain"])
    same(offered("ec-security exec -o bounding="), ["bounding=keep", "bounding=trim"])
    same(offered("ec-security exec -o capabilities=cap_kill,cap_net_r"), ["capabilities=cap_kill,cap_net_raw"])
    same(offered("ec-security explain cap_sys_ad"), ["cap_sys_admin"])
    same(offered("ec-security help sh"), ["show"])
    expect(str(os.getpid()) in offered("ec-security show "), "process ids")


@case
def every_securebit_is_completed():
    with open(os.path.join(ROOT, "src/plan.rs")) as plan:
        bits = re.search(r"pub const SECUREBITS: .*?= \[(.*?)\];", plan.read(), re.S).group(1)
    bits = sorted(bit for bit in re.findall(r'"(\w+)"', bits) if bit != "keep_caps")
    expect(len(bits) >= 7, bits)
    same(sorted(completed("exec", "-o", "securebits", "=")), bits)
    same(completed("exec", "-o", "securebits", "=", "noroot,noroot_"), ["noroot,noroot_locked"])
    for file in ("_ec-security", "ec-security.fish"):
        with open(os.path.join(COMPLETIONS, file)) as text:
            words = re.findall(r"\w+", text.read())
        same([bit for bit in bits if bit not in words], [], file)


@case
def every_option_is_completed():
    with open(os.path.join(ROOT, "src/policy/options.rs")) as policy:
        options = re.search(r"pub const OPTIONS: \[&str; \d+\] = \[(.*?)\];", policy.read(), re.S).group(1)
    options = sorted(option for option in re.findall(r'"(\w+)"', options) if option != "privileges")
    same(sorted(completed("exec", "-o", "")), [option + "=" for option in options])
    for file in ("_ec-security", "ec-security.fish"):
        with open(os.path.join(COMPLETIONS, file)) as text:
            text = text.read()
        for option in options:
            expect(re.search(rf"'{option}[:=]", text), f"{option} in {file}")


if __name__ == "__main__":
    main()
