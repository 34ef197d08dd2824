#!/usr/bin/env python3
"""The command ec-security from outside: every subcommand, its errors and exit statuses; what `exec` comes to against
setpriv(1) and capsh(1), as /proc and prctl show it in the program executed; JSON against /proc; completions.

tests/tool.py [PART OF A NAME]
"""

import ctypes
import glob
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


BECOMES = "ok, would be applied as it is\n"


def rows(text):
    """The rows of a table, by name, continued lines joined."""
    found = {}
    name = None
    for line in text.splitlines():
        row = re.match(r"^[ !] ([a-z_]\S*(?: \S+)?) {2,}(.*)$", line)
        if row:
            name = row.group(1)
            found[name] = row.group(2)
        elif line.startswith(" " * 16) and name:
            found[name] += line[16:]
    return found


@case
def check_says_ok_and_what_the_process_would_be():
    path = written('Listen ":25" {}\nSecurity { Capabilities = "cap_net_bind_service+ep" }\n')
    for arguments in ([path], ["-f", path]):
        out = done(tool("check", *arguments))
        expect(out.startswith(f"{path}: {BECOMES}"), out)
        got = rows(out)
        same([got[name] for name in ("permitted", "effective", "inheritable", "ambient", "no_new_privs")],
             ["cap_net_bind_service", "cap_net_bind_service", "none", "none", "on"], out)
    done(tool("check", "--quiet", path), "")
    done(tool("check", "-n", path), f"{path}: ok: it was only read, and no system call was tested\n")
    expect(done(tool("check", "-o", "no_new_privs = on")).startswith(f"options: {BECOMES}"), "options alone")


@case
def check_shows_what_exec_comes_to():
    need_ids()
    become = ["-o", f"user={UID}:{GID}", "-o", "supplemental_groups=" + str(EXTRA), "-o", "capabilities=cap_kill+ep",
              "-o", "ambient=cap_kill", "-o", "securebits=noroot noroot_locked"]
    state = told(tool("exec", *become, "--", PYTHON, "-I", "-c", TELL))
    got = rows(done(tool("check", *become)))
    same(got["user"].split()[0], state["Uid"].split()[0])
    same(got["groups"].split()[0], state["Groups"])
    same((got["ambient"], state["CapAmb"]), ("cap_kill", f"{1 << 5:016x}"))
    same((got["securebits"], state["Securebits"]), ("noroot,noroot_locked", 3))
    same((got["no_new_privs"], state["NoNewPrivs"]), ("on", "1"))


@case
def check_shows_the_root_directory():
    if not caps("CapEff") >> 18 & 1:
        raise Skip("cap_sys_chroot is not held")
    same(rows(done(tool("check", "-o", "chroot=/usr")))["chroot"], "/usr")


@case
def check_names_file_line_column_and_what_was_expected():
    path = written("Security {\n  capabilites = all\n}\n")
    refused(tool("check", path), 1, f'ec-security: {path}:2:3: unknown option "capabilites" (nearest: capabilities)\n')
    path = written("Security {\n  user = root\n  Capabilities = cap_net_bnd_service+ep\n}\n")
    text = f'{path}:3:18: capabilities: unknown name "cap_net_bnd_service" at column 1 (nearest: cap_net_bind_service)'
    refused(tool("check", path), 1, f"ec-security: {text}\n")
    path = written("Security {\n  user = root\n")
    result = tool("check", path)
    same(result.status, 1)
    expect(result.err.startswith(f"ec-security: {path}:1:10: "), result.err)
    path = written("Other { }\n")
    refused(tool("check", path), 1, f"ec-security: {path}: no Security stanza\n")
    refused(tool("check", "/nonexistent-file"), 1, "ec-security: /nonexistent-file: ENOENT: no such file or directory\n")
    path = written("Security { }\n", 0o666)
    result = tool("check", path)
    same(result.status, 1)
    expect("others can write to it (mode 0666" in result.err and path in result.err, result.err)


@case
def check_names_every_error_of_every_file():
    good = written("Security { }\n", name="good.conf")
    wrong = written("""Security {
  user = no-such-user
  capabilites = all
  no_new_privs = perhaps
  ambient = ( cap_kill cap_kil cap_chwn )
  bounding = ( trim keep )
  bounding = trim
}
""", name="wrong.conf")
    worse = written("Security { deadline = never }\n", name="worse.conf")
    result = tool("check", "-n", wrong, good, worse, "-o", "group=no-such-group")
    same(result.status, 1)
    places = [line.split(": ")[1] for line in result.err.splitlines()]
    same(places, [f"{wrong}:2:10", f"{wrong}:3:3", f"{wrong}:4:18", f"{wrong}:5:24", f"{wrong}:5:32",
                  f"{wrong}:6:14", "group", "group", f"{worse}:1:23", "group"], result.err)
    same(result.out, "")
    result = tool("check", "-n", wrong, good, worse)
    same((result.status, result.out), (1, f"{good}: ok: it was only read, and no system call was tested\n"))
    same(len(result.err.splitlines()), 7, result.err)
    out = done(tool("check", good, good))
    same(out.count(BECOMES), 2, out)
    # What stands before an error of the grammar is looked at as well.
    wrong = written("Security {\n  user = no-such-user\n  bounding = x\n  chroot = (\n}\n", name="wrong.conf")
    result = tool("check", "-n", wrong)
    same((result.status, result.out), (1, ""))
    places = [line.split(": ")[1] for line in result.err.splitlines()]
    same(places[:2], [f"{wrong}:2:10", f"{wrong}:3:14"], result.err)
    same(len(places), 3, result.err)


@case
def check_refuses_what_the_rehearsal_refuses():
    # Root of a container, that lacks one.
    name = "cap_sys_boot"
    text = f"cannot retain {name}: not in this process's permitted set: {name} not in the bounding set (--cap-add of the container, CapabilityBoundingSet= of the unit)"
    refused(run("setpriv", "--bounding-set=-sys_boot", TOOL, "check", "-o", f"capabilities={name}+ep"), 1,
            f"ec-security: {text}\n")
    done(tool("check", "-n", "-o", f"capabilities={name}+ep"), "options: ok: it was only read, and no system call was tested\n")


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
    refused(tool("check", "-x"), *usage("check", "invalid option '-x'"))
    refused(tool("check", "-o"), *usage("check", "missing argument for option '-o'"))
    refused(tool("check", "-o", "user"),
            *usage("check", '-o "user": expected option=value, such as user=ecuser'))
    refused(tool("check", "-o", "=x"), *usage("check", '-o "=x": expected option=value, such as user=ecuser'))
    for word in ("user=:x", "user=x:", "user=:"):
        text = f'-o "{word}": expected user=USER, group=GROUP or user=USER:GROUP'
        refused(tool("check", "-o", word), *usage("check", text))


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


def valid(value, schema, at="$"):
    """As much of JSON Schema as docs/ec-security-show.schema.json uses; a word that it does not know is an error."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    known = {"type", "const", "enum", "required", "properties", "additionalProperties", "items", "description", "title",
             "$schema", "$id", "$defs"}
    same(set(schema) - known, set(), f"{at}: words that this check does not know")
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        expect(any(type(value) is types[name] for name in wanted), f"{at}: {value!r} is not {wanted}")
    expect("const" not in schema or value == schema["const"], f"{at}: {value!r}")
    expect("enum" not in schema or value in schema["enum"], f"{at}: {value!r}")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        expect(not missing, f"{at}: lacks {missing}")
        for name, part in value.items():
            expect(name in properties, f"{at}: {name} is not in the schema")
            valid(part, properties[name], f"{at}.{name}")
    for nth, part in enumerate(value if isinstance(value, list) else ()):
        valid(part, schema["items"], f"{at}[{nth}]")


with open(os.path.join(ROOT, "docs/ec-security-show.schema.json")) as file:
    SCHEMA = json.load(file)


def json_of(out, count=1):
    """What `show --json` says of its one process, or of `count`; checked against the schema."""
    shown = json.loads(out)
    valid(shown, SCHEMA)
    same(len(shown["processes"]), count)
    return shown["processes"][0] if count == 1 else shown["processes"]


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


def widest(text):
    return max(len(line) for line in text.splitlines())


@case
def lines_fit_the_terminal():
    # Long names, so that the list of odd threads has to be broken as well.
    child = sleeper(*["plain", "nnp"] * 6)
    try:
        for columns in (80, 60):
            env = {"COLUMNS": str(columns)}
            for command in (["show", child.pid], ["show", "-v", child.pid], ["show", "-a"], ["show", "-av"], ["show", "-c"],
                            ["diff", child.pid, os.getpid()], ["explain", "all=ep"], ["explain", "-"],
                            ["check", "-o", "no_new_privs=on"]):
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


# --- show: many processes -------------------------------------------------------------------------------------------------


def listed(out):
    """The rows of show --all: by process id, what stands behind it."""
    rows = {}
    for line in out.splitlines()[1:]:
        row = re.match(r"^ *(\d+) +(\d+) (.{10}) (.{15}) +(\d+) (...) (.*)$", line)
        if row:
            pid, count, user, name, threads, odd, rest = (part.strip() for part in row.groups())
            rows[int(pid)] = {"n": int(count), "user": user, "name": name, "threads": int(threads), "odd": odd, "rest": rest}
    return rows


def program():
    """A cat(1) under a name that no other process of the machine has, and so shares a line of a list with none."""
    path = os.path.join(folder(), f"ec{os.getpid()}-{len(os.listdir(folder()))}"[:15])
    shutil.copy(shutil.which("cat", path="/bin:/usr/bin"), path)
    os.chmod(path, 0o755)
    return path


def started(*command):
    """A cat(1) by way of a command, once it runs; nothing if it does not."""
    child = subprocess.Popen([*command, program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, cwd="/")
    try:
        child.stdin.write("ready\n")
        child.stdin.flush()
    except BrokenPipeError:
        pass
    if child.stdout.readline() == "ready\n":
        return child
    child.wait()
    return None


def harmless():
    """A process that holds nothing and cannot become root again."""
    return started(TOOL, "exec", "-q", *U, *NO_GROUPS, "--")


@case
def show_all_finds_what_holds_something_and_what_is_odd():
    need_ids()
    odd, plain, none = sleeper("nnp"), sleeper(), harmless()
    holds = started(TOOL, "exec", *U, "-o", "ambient=cap_kill,cap_net_raw", "--")
    try:
        rows = listed(done(tool("show", "--all")))
        # Other checks may have processes that share its line.
        expect(any((row["name"], row["user"], row["threads"], row["odd"]) == ("python3", "root", 2, "1") for row in rows.values()),
               rows)
        name = own("Name", holds.pid)
        same((rows[holds.pid]["user"], rows[holds.pid]["name"], rows[holds.pid]["n"], rows[holds.pid]["rest"]),
             ("ecuser", name, 1, "cap_kill,cap_net_raw"), rows[holds.pid])
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
        (f"libc.prctl(8, 1, 0, 0, 0); os.setresuid({UID}, {UID}, {UID})", "raise_all(); os.setresuid(0, 0, 0)", "is",
         "holds all"),
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
        child = subprocess.Popen([PYTHON, "-I", "-c", code % (drop, back)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True)
        same(child.stdout.readline(), "ready\n")
        shown = json_of(done_with(tool("show", "-v", "-j", child.pid), 3))
        out, _ = child.communicate("\n")
        same(out, "0\n", drop)
        same(shown["verdict"]["root"], root, drop)
        expect(shown["verdict"]["reasons"][0].startswith(reason), shown["verdict"])


def done_with(result, status):
    same((result.status, result.err), (status, ""), repr(result))
    return result.out


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


# --- diff and watch ---------------------------------------------------------------------------------------------------------


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
    flag = os.path.join(folder(), "flag")
    child = subprocess.Popen([PYTHON, "-I", "-c", code, flag], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(child.stdout.readline(), "ready\n")
    watch = subprocess.Popen(["timeout", "30", TOOL, "watch", "-i", "0.02", str(child.pid)], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "COLUMNS": "400"})

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
        refused(tool("watch", f"--interval={word}", 1),
                *usage("watch", "--interval: expected seconds, from 0.01 to 86400"))


# --- convert ----------------------------------------------------------------------------------------------------------------


def converted(unit, *arguments):
    path = written(unit, name="x.service")
    return done(tool("convert", *(arguments or [path])))


@case
def convert_writes_a_stanza_that_loads():
    need_ids()
    out = converted("""[Unit]
Description=x
[Service]
User=ecuser
SupplementaryGroups=eclogs
SupplementaryGroups=ecextra
ExecStartPre=+/bin/prepare
ExecStart=/bin/server \\
  --flag
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL
SystemCallFilter=@system-service
SecureBits=noroot noroot-locked keep-caps
PrivateTmp=yes
ProtectHome=no
MemoryMax=1G
[Install]
WantedBy=multi-user.target
""")
    expect(widest(out) <= 80, out)
    path = written(out, name="converted.conf")
    got = rows(done(tool("check", path)))
    same({name: got[name] for name in ("permitted", "ambient", "no_new_privs", "securebits")},
         {"permitted": "cap_net_bind_service", "ambient": "cap_net_bind_service", "no_new_privs": "on",
          "securebits": "noroot,noroot_locked"}, out)
    same((got["user"], got["groups"]), (f"{UID} ecuser", f"{EXTRA} ecextra, {LOGS} eclogs"))
    expect("# By SystemCallFilter= of the unit." in out, out)
    left = re.findall(r"^#   line (\d+): (\w+)", out, re.M)
    same(left, [("7", "ExecStartPre"), ("12", "SystemCallFilter"), ("13", "keep"), ("14", "PrivateTmp")], out)


@case
def convert_of_a_root_service():
    out = converted("[Service]\nExecStart=/bin/x\n")
    expect("  capabilities = keep\n" in out and "  no_new_privs = off\n  bounding = keep\n" in out, out)
    out = converted("[Service]\nCapabilityBoundingSet=CAP_KILL CAP_CHOWN\nNoNewPrivileges=true\n")
    expect('  capabilities = "cap_chown,cap_kill+ep"\n' in out and "  no_new_privs = on\n" in out, out)
    out = converted("[Service]\nCapabilityBoundingSet=~CAP_SYS_RESOURCE\nRootDirectory=/usr/\n")
    expect(widest(out) <= 80 and "  chroot = /usr\n" in out, out)
    got = rows(done(tool("check", written(out, name="converted.conf"))))
    same(got["permitted"], rows(done(run("setpriv", "--bounding-set=-sys_resource", TOOL, "show")))["permitted"])


@case
def convert_of_every_unit_of_the_machine():
    units = sorted(glob.glob("/lib/systemd/system/*.service"))
    converted = 0
    for unit in units:
        result = tool("convert", unit)
        if result.err == f"ec-security: {unit}: no [Service] section: is it the unit of a service?\n":
            continue
        out = done(result)
        expect(widest(out) <= 80, out)
        # Its user need not be there.
        checked = tool("check", "-n", written(out, name="converted.conf"))
        for line in checked.err.splitlines():
            expect(re.search(r': (user|group|supplemental_groups): no (user|group) "', line), f"{unit}: {line}")
        converted += 1
    if not converted:
        raise Skip("no units here")


@case
def convert_names_every_error():
    path = written("[Service]\nAmbientCapabilities=CAP_NOPE\nnonsense\nNoNewPrivileges=maybe\n", name="x.service")
    refused(tool("convert", path), 1, "".join(f"ec-security: {path}:{text}\n" for text in (
        '2: AmbientCapabilities: "CAP_NOPE": not a capability, such as CAP_NET_RAW',
        '3: "nonsense": expected KEY=VALUE',
        '4: NoNewPrivileges: "maybe": expected a boolean, such as yes')))
    path = written("[Socket]\nListenStream=80\n", name="x.socket")
    refused(tool("convert", path), 1, f"ec-security: {path}: no [Service] section: is it the unit of a service?\n")
    refused(tool("convert", "/nonexistent"), 1, "ec-security: /nonexistent: ENOENT: no such file or directory\n")
    refused(tool("convert", "no-such.service"), 1, "ec-security: no-such.service: ENOENT: no such file or directory "
            "(of a unit's name: systemctl cat no-such.service | ec-security convert -)\n")
    refused(tool("convert"), *usage("convert", "a unit file is missing, such as /lib/systemd/system/x.service"))
    out = done(tool("convert", "-", input="[Service]\nUser=%i\n"))
    expect("line 2: User=%i (has a specifier" in " ".join(out.split()) and "user =" not in out, out)


# --- explain ------------------------------------------------------------------------------------------------------------


@case
def explain_says_what_each_permits():
    out = done(tool("explain", "CAP_NET_BIND_SERVICE+ep", "13=p"))
    lines = out.splitlines()
    same(lines[0], "the same, as libcap prints it: cap_net_bind_service=ep cap_net_raw+p")
    same(lines[2:4], ["capability            sets   permits",
                      "cap_net_bind_service  ep-    bind sockets to TCP and UDP ports below 1024"])
    expect(lines[4].startswith("cap_net_raw           -p-    open raw and packet sockets"), out)
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
    found = re.findall(r"^(cap_\S+|\d+) +--i    (.+)$", out, re.M)
    same([name for name, _ in found], names((1 << count) - 1))
    expect(len({meaning for _, meaning in found}) >= min(count, 41), "each has its own meaning")


@case
def explain_takes_names_masks_and_lines():
    out = done(tool("explain", "NET_RAW,kill"))
    same(out.splitlines()[0], "capability   permits")
    same(re.findall(r"^cap_\w+", out, re.M), ["cap_kill", "cap_net_raw"])
    same(done(tool("explain", "cap_kill", "13")), out)
    mask = own("CapBnd")
    held = names(int(mask, 16))
    for text in (mask, "0x" + mask, "0X" + mask.lstrip("0")):
        out = done(tool("explain", text))
        expect(out.startswith(f"mask {mask}, {len(held)} capabilities: "), out)
        same(re.findall(r"^cap_\w+", out, re.M), held)
    same(done(tool("explain", "0x0")), "mask 0000000000000000, 0 capabilities: none\nNo capability.\n")
    out = done(tool("explain", "CapInh:\t0000000000003000", "CapBnd:", "0000000000002020"))
    same(re.findall(r"^(cap_\w+) +(\S+)", out, re.M), [("cap_kill", "-b"), ("cap_net_admin", "i-"), ("cap_net_raw", "ib")])
    with open("/proc/self/status") as status:
        out = done(tool("explain", "-", input=status.read()))
    same(re.findall(r"^Cap\w+", out, re.M), ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    same([name for name, sets in re.findall(r"^(cap_\w+) +([-epiba]{5}) ", out, re.M) if "b" in sets], held)
    expect("As good as root" in done(tool("explain", "setuid")) and "As good as root" not in done(tool("explain", "kill")),
           "as good as root")


@case
def explain_usage():
    refused(tool("explain"), *usage("explain", "capabilities are missing, such as cap_net_bind_service+ep"))
    for text, error in (("cap_kill+ep x", 'unknown name "x" at column 13'), ("cap_kil", 'unknown name "cap_kil" at column 1'),
                        ("cap_kill,nope", 'unknown name "nope" at column 10')):
        result = tool("explain", text)
        same((result.status, result.out), (1, ""))
        expect(result.err.startswith(f"ec-security: capabilities: {error}"), result.err)
    refused(tool("explain", "-x"), *usage("explain", "invalid option '-x'"))


# --- help, and the rest -------------------------------------------------------------------------------------------------


COMMANDS = ["check", "show", "diff", "watch", "exec", "explain", "convert"]


@case
def help_of_everything():
    for command in COMMANDS:
        text = done(tool(command, "--help"))
        same(done(tool("help", command)), text)
        same(done(tool(command, "-h")), text)
        expect(f"ec-security {command}" in text and "Exit status:" in text and "Examples:" in text, text)
        expect(widest(text) <= 80, f"{command}: lines too long")
    text = done(tool("--help"))
    same(done(tool("help")), text)
    for command in COMMANDS:
        expect(f"\n  {command} " in text, command)
    with open(os.path.join(ROOT, "Cargo.toml")) as cargo:
        version = re.search(r'^version = "(.*)"', cargo.read(), re.M).group(1)
    done(tool("--version"), f"ec-security {version}\n")
    done(tool("-V"), f"ec-security {version}\n")


@case
def commands_that_are_none():
    refused(tool(), *usage("", "a command is missing: check, show, diff, watch, exec, explain or convert"))
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
            *usage("exec", "nothing to apply: give a file with -f, or options with -o", 125))
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


LOGIN = ("HOME", "SHELL", "USER", "LOGNAME")


@case
def exec_sets_the_environment_on_request():
    need_ids()
    printed = "import os; print([os.environ.get(name) for name in %r])" % (LOGIN,)
    program = ["--", PYTHON, "-I", "-c", printed]
    before = dict.fromkeys(LOGIN, "before")
    same(done(tool("exec", *U, *program, env=before)), "['before', 'before', 'before', 'before']\n")
    for become in (["-o", "user=ecuser"], U):
        for option in ("-e", "--environment"):
            same(done(tool("exec", option, *become, *program, env=before)),
                 "['/nonexistent', '/usr/sbin/nologin', 'ecuser', 'ecuser']\n")
    # Without another user, for the one that it is; and before a change of the root directory.
    out = done(tool("exec", "-e", *KEEP, *program, env=before))
    expect("'root', 'root'" in out and "before" not in out, out)
    refused(tool("exec", "-e", "-o", "user=4799:4799", *program), 125,
            "ec-security: --environment: user id 4799 has no entry in the user database; set HOME by env(1)\n")


@case
def exec_takes_user_and_group_in_one():
    need_ids()
    for word in (f"{UID}:{LOGS}", "ecuser:eclogs", f"ecuser:{LOGS}"):
        state = told(tool("exec", "-o", f"user={word}", "--", PYTHON, "-I", "-c", TELL))
        same((state["Uid"].split()[0], state["Gid"].split()[0]), (str(UID), str(LOGS)), word)
    refused(tool("exec", "-o", "user=ecuser:", "--", "true"),
            *usage("exec", '-o "user=ecuser:": expected user=USER, group=GROUP or user=USER:GROUP', 125))


@case
def exec_retains_what_is_ambient():
    need_ids()
    kill = f"{1 << 5:016x}"
    for more in ([], ["-o", "capabilities=cap_net_raw+p", "-q"], ["-o", "optional_capabilities=cap_kill+ep"]):
        state = told(tool("exec", *U, *more, "-o", "ambient=cap_kill", "--", PYTHON, "-I", "-c", TELL))
        same([state[field] for field in ("CapPrm", "CapEff", "CapAmb")], [kill] * 3, more)
    # What may be missing is not asked for by being ambient.
    less = ["setpriv", "--bounding-set=-sys_boot", TOOL, "exec", *U]
    state = told(run(*less, "-o", "optional_capabilities=cap_sys_boot+ep", "-o", "ambient=cap_sys_boot", "--", PYTHON, "-I", "-c",
                     TELL))
    same(state["CapAmb"], "0" * 16)
    refused(run(*less, "-o", "ambient=cap_sys_boot", "--", "true"), 125,
            "ec-security: cannot retain cap_sys_boot: not in this process's permitted set: cap_sys_boot not in the bounding set (--cap-add of the container, CapabilityBoundingSet= of the unit)\n")


@case
def exec_names_every_error():
    path = written("Security {\n  user = no-such-user\n  bounding = x\n}\n")
    result = tool("exec", "-f", path, "-o", "securebits=x", "--", "true")
    same((result.status, len(result.err.splitlines()), result.out), (125, 3, ""), result.err)


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
    refused(tool("exec", *become, "/bin/sh"), 127,
            "ec-security: /bin/sh: ENOENT: no such file or directory (in the new root directory)\n")
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
    same(completed(""), [*COMMANDS, *"help -h --help -V --version".split()])
    same(completed("e"), ["exec", "explain"])
    same(completed("exec", "-o", "ca"), ["capabilities="])
    same(completed("exec", "-o", "no_new_privs", "="), ["on", "off"])
    same(completed("exec", "-o", "bounding", "=", "t"), ["trim"])
    same(completed("exec", "-o", "user", "=", "roo"), ["root"])
    same(completed("check", "-o", "ambient", "=", "cap_net_b"), ["cap_net_bind_service", "cap_net_broadcast"])
    same(completed("check", "-o", "ambient", "=", "cap_kill,cap_net_ra"), ["cap_kill,cap_net_raw"])
    same(completed("exec", "-o", "capabilities", "=", "ke"), ["keep"])
    same(completed("exec", "-o", "user", "=", "root", ":", "roo"), ["root"])
    expect("root" in completed("exec", "-o", "user", "=", "root", ":"), "groups")
    same(completed("show", "--j"), ["--json"])
    same(completed("show", "-u", "roo"), ["root"])
    same(completed("show", "-C", "cap_kill,cap_net_ra"), ["cap_kill,cap_net_raw"])
    expect("python3" in completed("watch", "pyth"), "names of processes")
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
    same(offered("ec-security exec -o user=root:roo"), ["user=root:root"])
    expect(str(os.getpid()) in offered("ec-security show "), "process ids")
    expect("python3" in offered("ec-security diff pyth"), "names of processes")


def options_of(command):
    """The options of a command by its own help, `-x` and `--long`."""
    text = done(tool(command, "--help"))
    return sorted({word for line in re.findall(r"^ +(-[^ ].*)$", text, re.M)
                   for word in re.findall(r"(?:^|, )(--?[a-zA-Z][a-z-]*)", line)})


@case
def completions_have_the_options_of_the_help():
    for command in COMMANDS:
        options = options_of(command)
        expect(len(options) >= 2, options)
        offered = {word.split("=")[0] for word in completed(command, "-") if word != "--"} if command != "convert" else {
            word for word in completed(command, "--")} | {"-h"}
        same(sorted(offered), options, f"bash, {command}")
        result = run("fish", "-N", "-c", 'source $argv[1]; complete -C "ec-security $argv[2] -"',
                     COMPLETIONS + "/ec-security.fish", command, env={"HOME": folder()})
        offered = {offer.split("\t")[0].rstrip("=") for offer in result.out.splitlines()}
        same(sorted(offered), options, f"fish, {command}")
        # zsh's functions need a terminal: what they are written with is looked at.
        with open(COMPLETIONS + "/_ec-security") as file:
            part = re.search(rf"^        {command}\)\n(.*?);;$", file.read(), re.M | re.S).group(1)
        offered = set()
        for word in re.findall(r"(?:\{([^}]+)\}|'(--[a-z-]+)[=\[])", part):
            offered.update(option.rstrip("+=") for option in (word[0] or word[1]).split(","))
        same(sorted(offered), options, f"zsh, {command}")


if __name__ == "__main__":
    main()
