#!/usr/bin/env python3
"""The guide docs/migrating.md, and the code blocks of every guide in docs/.

Each idiom is a pair of programs, docs/migrating/NAME-before.c and NAME-after.c (SAME_AFTER: that of another idiom). Both are
started in each of the SITUATIONS, every thread of both is looked at from outside, and what differs must be just what the guide's
table says.

tests/migrating.py [PART OF A NAME]
tests/migrating.py --table      prints the tables as found
"""

import glob
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cases
from cases import EXTRA, GID, LOGS, NAMES, ROOT, UID, Skip, caps, case, expect, need_ids, same

GUIDE = os.path.join(ROOT, "docs/migrating.md")
PROGRAMS = os.path.join(ROOT, "docs/migrating")
FIELDS = ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs")
DEADLINE = 60

# What a pair is started with: arguments; the processes it has in the end; what a service manager gives it.
IDIOMS = {
    "plain": ([], ["main"], []),
    "chroot": (["JAIL"], ["main"], ["sys_chroot"]),
    "stages": (["JAIL"], ["main"], ["sys_chroot"]),
    "keepcaps": ([], ["main"], ["net_bind_service", "sys_time"]),
    "temporary": ([], ["main"], ["net_admin", "net_bind_service", "net_raw"]),
    "ondemand": ([], ["main"], ["net_raw"]),
    "libcap-ng": ([], ["main"], ["net_bind_service"]),
    "libcap-ng-no-flag": ([], ["main"], ["net_bind_service"]),
    "session": (["JAIL"], ["main", "session"], ["sys_chroot"]),
    "children": (["HELPER"], ["main", "helper"], ["net_bind_service"]),
    "pool": ([], ["main"], []),
    "pool-caps": ([], ["main"], ["net_bind_service"]),
    "optional": ([], ["main"], ["net_bind_service"]),
    "helpers": (["SETUID"], ["main", "helper"], []),
}
# Idioms that share another one's program of "after".
SAME_AFTER = {"libcap-ng-no-flag": "libcap-ng"}
# What a container has unless told otherwise: there is root, and some of root's powers are not.
CONTAINER = """chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write
    setfcap""".split()
SITUATIONS = ("root", "container", "service")

# --- starting and looking ------------------------------------------------------------------------------------------------


def place(*names):
    return os.path.join(cases.DIRECTORY, *names)


def prepare():
    """Programs and library where other users may execute them, an empty directory, and helpers."""
    if os.path.exists(place("build")):
        return
    os.makedirs(place("build/migrating"))
    os.mkdir(place("jail"))
    shutil.copy(os.path.join(ROOT, "build/libec_security.so.0"), place("build"))
    for path in glob.glob(os.path.join(ROOT, "build/migrating/*")):
        shutil.copy(path, place("build/migrating"))
    shutil.copy(os.path.join(ROOT, "build/ec-security"), place("build"))
    for name in ("setuid", "server"):
        shutil.copy(place("build/migrating/helper"), place("build", name))
    os.chmod(place("build/setuid"), 0o4755)


def need_set_uid():
    if os.statvfs(place("build")).f_flag & os.ST_NOSUID:
        raise Skip("set-uid programs have no effect in the directory for temporary files")


def listed(names):
    return "-all" + "".join(",+" + name for name in names)


def service(names):
    """What `User=ecuser`, `AmbientCapabilities=`, `CapabilityBoundingSet=` and `NoNewPrivileges=yes` come to."""
    return [
        "setpriv",
        "--reuid=ecuser",
        "--regid=ecuser",
        "--init-groups",
        "--inh-caps=" + listed(names),
        "--ambient-caps=" + listed(names),
        "--bounding-set=" + listed(names),
        "--no-new-privs",
        "--",
    ]


def starter(situation, names):
    if situation == "service":
        return service(names)
    # Root's group among the supplementary ones, as after a log-in.
    command = ["setpriv", "--groups=0"]
    if situation == "container":
        held = caps("CapBnd")
        command.append("--bounding-set=" + listed(name for name in CONTAINER if held >> NAMES.index(name) & 1))
    return [*command, "--"]


class Started:
    """A program with its processes, from the time all of them say that they serve, or that one has come to its end."""

    def __init__(self, command, roles, env=None):
        with tempfile.TemporaryFile() as said:
            # A network of its own: a raw socket needs one that belongs to this user namespace.
            self.process = subprocess.Popen(
                ["unshare", "--net", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd="/",
                start_new_session=True,
                env=env,
            )
            try:
                self.threads = self.look(roles)
            finally:
                # A set-uid helper is in the same process group.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self.process.stdout.close()
            said.seek(0)
            self.said = said.read().decode(errors="replace").strip()

    def look(self, roles):
        """{where: [state, ...]}, or None when the program has ended."""
        text, until = b"", time.monotonic() + DEADLINE
        while text.count(b"\n") < len(roles):
            expect(
                select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0],
                f"says nothing for {DEADLINE} s after {text!r}",
            )
            chunk = os.read(self.process.stdout.fileno(), 4096)
            if not chunk:
                return None
            text += chunk
        found = {}
        rows = [line.split() for line in text.decode().splitlines()]
        same(sorted(row[0] for row in rows), sorted(roles), "processes")
        for role, pid, keep_caps in rows:
            for tid in os.listdir(f"/proc/{pid}/task"):
                state = read_state(f"/proc/{pid}/task/{tid}")
                if tid == pid:
                    state["keep-caps"] = {"0": "off", "1": "on"}[keep_caps]
                found.setdefault(role if tid == pid else "pool", []).append(state)
        return found


def read_state(directory):
    state = {}
    with open(directory + "/status") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name in FIELDS:
                state[name] = value.split()
    same(sorted(state), sorted(FIELDS), directory)
    state["root directory"] = os.readlink(directory + "/root")
    state["working directory"] = os.readlink(directory + "/cwd")
    return state


def words(state, given):
    """A thread's state as the guide writes it; `given` is the bounding set it was started with."""
    users = {0: "root", UID: "ecuser"}
    groups = {0: "root", GID: "ecuser", EXTRA: "ecextra", LOGS: "eclogs"}
    masks = {name: int(state[name][0], 16) for name in FIELDS if name.startswith("Cap")}
    out = {}
    for name, value in state.items():
        if name in ("Uid", "Gid"):
            known = [(users if name == "Uid" else groups).get(int(word), word) for word in value]
            out[name] = known[0] if len(set(known)) == 1 else " ".join(known)
        elif name == "Groups":
            out[name] = ", ".join(groups.get(int(word), word) for word in value) or "none"
        elif name == "NoNewPrivs":
            out[name] = {"0": "off", "1": "on"}[value[0]]
        elif name == "CapBnd" and masks[name] == masks["CapPrm"] | masks["CapInh"] and masks[name] != given:
            out[name] = "trimmed"
        elif name in masks:
            short = [f"`cap_{NAMES[bit]}`" for bit in range(64) if masks[name] >> bit & 1 and bit < len(NAMES)]
            out[name] = "none" if not masks[name] else "all" if masks[name] == given and len(short) > 3 else ", ".join(short)
        elif name in ("root directory", "working directory"):
            out[name] = {"/": "/", place("jail"): "the directory"}.get(value, value)
        else:
            out[name] = value
    return out


def alike(started, given):
    """{where: state in words, with how many threads there are}; all threads of one place must be alike."""
    out = {}
    for where, states in started.threads.items():
        texts = [words(state, given) for state in states]
        expect(all(text == texts[0] for text in texts), f"{where}: threads differ: {texts}")
        out[where] = {**texts[0], "threads": str(len(texts))}
    return out


def programs(name):
    return name + "-before", SAME_AFTER.get(name, name) + "-after"


def differences(name, situation):
    """{(where, what, before, after)} of a pair in a situation, and the places where both are; or, where not both serve, the
    outcome."""
    arguments, roles, ambient = IDIOMS[name]
    known = {"JAIL": place("jail"), "HELPER": place("build/server"), "SETUID": place("build/setuid")}
    given = {"root": caps("CapBnd"), "container": caps("CapBnd") & mask(CONTAINER), "service": mask(ambient)}[situation]
    command = starter(situation, ambient)
    before, after = (
        Started([*command, place("build/migrating", program), *(known[word] for word in arguments)], roles) for program in programs(name)
    )
    if before.threads is None or after.threads is None:
        for started in (before, after):
            expect(started.threads is not None or started.said, f"{name} ends without a word")
        outcomes = ["serves" if started.threads is not None else "ends" for started in (before, after)]
        return {("all", "outcome", *outcomes)}, set()
    one, other = alike(before, given), alike(after, given)
    same(sorted(one), sorted(other), "processes and threads")
    return {
        (where, what, one[where][what], other[where][what])
        for where in one
        for what in one[where]
        if one[where][what] != other[where][what]
    }, set(one)


def mask(names):
    return sum(1 << NAMES.index(name) for name in names)


# --- the guide -----------------------------------------------------------------------------------------------------------

HEAD = ["started as", "where", "what", "before", "after", "why"]
SAME = "Nothing that can be seen differs."


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables():
    """{idiom: rows}; a section shows the files of its idiom, then says how they differ."""
    out, name, inside = {}, None, False
    with open(GUIDE) as guide:
        for line in guide:
            link = re.search(r"\(migrating/(.*)-before\.c\)", line)
            if link:
                name = link.group(1)
            elif line.startswith("|") and cells(line) == HEAD:
                inside = True
                expect(name not in out, f"two tables of {name}")
                out[name] = []
            elif inside and line.startswith("|"):
                if not line.startswith("| ---"):
                    row = cells(line)
                    same(len(row), len(HEAD), f"cells of {line.strip()}")
                    expect(row[5], f"no reason: {line.strip()}")
                    out[name].append(row)
            else:
                inside = False
                if line.strip() == SAME:
                    expect(name not in out, f"{name} differs, and does not")
                    out[name] = []
    return out


def stated(rows, situation, places):
    """What a table says of a situation. "always": wherever both serve; "all": each place there is."""
    out = set()
    for situations, where, what, before, after, _ in rows:
        if situation not in situations.split(", ") and not (situations == "always" and places):
            continue
        # Where one of them ends there is nothing to compare: a row of that situation is then as wrong as any other.
        wheres = places if where == "all" and what != "outcome" and places else where.split(", ")
        out |= {(one, what, before, after) for one in wheres}
    return out


def tell(found):
    return "; ".join(" | ".join(row) for row in sorted(found)) or "nothing"


def pair(name, situation):
    def body():
        need_ids()
        prepare()
        if IDIOMS[name][0] == ["SETUID"]:
            need_set_uid()
        rows = tables().get(name)
        expect(rows is not None, "the guide has no table of it")
        found, places = differences(name, situation)
        said = stated(rows, situation, places)
        expect(found == said, f"not in the guide: {tell(found - said)}; in the guide, and not so: {tell(said - found)}")

    body.__name__ = f"{name} as {situation}"
    case(body)


for idiom in IDIOMS:
    for one in SITUATIONS:
        pair(idiom, one)


@case
def every_pair_is_in_the_guide_and_here():
    files = {os.path.basename(path) for path in glob.glob(PROGRAMS + "/*.c")} - {"helper.c"}
    same(files, {program + ".c" for name in IDIOMS for program in programs(name)}, "files")
    with open(GUIDE) as guide:
        same(set(re.findall(r"\(migrating/([\w-]+\.c)\)", guide.read())), files, "files in the guide")
    same(set(tables()), set(IDIOMS), "tables")


@case
def every_row_is_of_a_situation():
    for name, rows in tables().items():
        for row in rows:
            expect(row[0] == "always" or set(row[0].split(", ")) <= set(SITUATIONS), f"{name}: {row}")
            expect(not (row[0] == "always" and row[2] == "outcome"), f"{name}: {row}")


# --- a service manager's part --------------------------------------------------------------------------------------------


def blocks(document, language):
    """[(the line before it, the block)] of a language."""
    with tempfile.TemporaryDirectory(dir=cases.DIRECTORY) as directory:
        subprocess.run([os.path.join(ROOT, "tests/blocks"), document, directory], check=True)
        out = []
        for path in sorted(glob.glob(f"{directory}/*.{language}")):
            with open(path) as block, open(path[: -len(language)] + "says") as says:
                out.append((says.read().strip(), block.read()))
        return out


def only_block(language):
    found = blocks(GUIDE, language)
    same(len(found), 1, f"blocks of {language}")
    return found[0][1]


def one_state(command, env=None):
    """What the one thread of a program is in the end."""
    started = Started(command, ["helper"], env)
    expect(started.threads is not None, f"{command}: {started.said}")
    same((started.said, [len(states) for states in started.threads.values()]), ("", [1]), "says, threads")
    return started.threads["helper"][0]


def as_unit():
    """How the unit of the guide starts its program, by setpriv(1)."""
    unit = dict(line.split("=", 1) for line in only_block("ini").splitlines() if "=" in line)
    same(sorted(unit), ["AmbientCapabilities", "CapabilityBoundingSet", "ExecStart", "NoNewPrivileges", "User"], "unit")
    same((unit["User"], unit["NoNewPrivileges"], unit["ExecStart"]), ("ecuser", "yes", "/usr/sbin/server"), "unit")
    same(unit["AmbientCapabilities"], unit["CapabilityBoundingSet"], "unit")
    return service([name.lower().removeprefix("cap_") for name in unit["AmbientCapabilities"].split()])


@case
def unit_and_command_and_stanza_come_to_the_same():
    need_ids()
    prepare()
    unit = one_state([*as_unit(), place("build/server")])
    same(words(unit, caps("CapBnd"))["CapAmb"], "`cap_net_bind_service`", "ambient set of the unit")
    commands = [line for line in only_block("sh").replace("\\\n", "").splitlines() if line]
    same(len(commands), 2, "commands")
    path = place("etc-server.conf")
    with open(path, "w") as file:
        file.write(only_block("conf"))
    os.chmod(path, 0o644)
    env = {**os.environ, "PATH": place("build") + ":" + os.environ["PATH"]}
    for command in commands:
        expect(command.endswith(" /usr/sbin/server"), command)
        command = command.removesuffix("/usr/sbin/server") + "server"
        same(one_state(["sh", "-c", "exec " + command.replace("/etc/server.conf", path)], env), unit, command)


@case
def started_by_a_service_manager_it_succeeds_and_gains_nothing():
    need_ids()
    prepare()
    before = one_state([*as_unit(), place("build/server")])
    after = Started([*as_unit(), place("build/migrating/libcap-ng-after")], ["main"])
    expect(after.threads is not None, after.said)
    same(sum(len(states) for states in after.threads.values()), 3, "threads")
    for states in after.threads.values():
        for state in states:
            for name in FIELDS:
                if name.startswith("Cap"):
                    expect(not int(state[name][0], 16) & ~int(before[name][0], 16), f"{name}: {state} after {before}")
                else:
                    same(state[name], before[name], name)
            same(words(state, 0)["CapPrm"], "`cap_net_bind_service`", "CapPrm")


@case
def what_it_does_not_have_already_it_is_refused():
    need_ids()
    prepare()
    for program, arguments, wanted in (
        ("keepcaps", [], r"^cannot retain cap_sys_time: "),
        ("temporary", [], r"^cannot retain cap_net_admin, cap_net_raw: "),
        ("chroot", [place("jail")], r"chroot"),
    ):
        after = Started([*as_unit(), place("build/migrating", program + "-after"), *arguments], ["main"])
        same(after.threads, None, program)
        expect(re.search(wanted, after.said), after.said)


@case
def without_no_new_privs_alone_a_set_uid_helper_has_no_capability():
    need_ids()
    prepare()
    need_set_uid()
    options = ["-o", "user=ecuser", "-o", "no_new_privs=off"]
    for more, wanted in (([], "none"), (["-o", "bounding=keep"], "all")):
        state = one_state([place("build/ec-security"), "exec", "-q", *options, *more, "--", place("build/setuid")])
        state = words(state, caps("CapBnd"))
        same((state["Uid"], state["CapPrm"], state["CapEff"]), ("ecuser root root root", wanted, wanted), more)


# --- code blocks of all guides -------------------------------------------------------------------------------------------


@case
def code_blocks_are_of_files_that_are_built():
    count = 0
    for document in sorted(glob.glob(os.path.join(ROOT, "docs/*.md"))):
        name = os.path.basename(document)
        for says, block in blocks(document, "c"):
            count += 1
            link = re.search(r"\]\((.+\.[ch])\):$", says)
            if link:
                path = os.path.normpath(os.path.join(ROOT, "docs", link.group(1)))
                with open(path) as file:
                    expect("\n" + block in file.read(), f"{name}: not in {link.group(1)}: {block}")
                built = re.sub(r"^.*/docs/(.*)\.c$", r"build/\1", path)
                expect(os.path.exists(os.path.join(ROOT, built)), f"{name}: {link.group(1)} is not built")
            else:
                expect("int main" in block, f"{name}: neither a program nor of a file that is named before it: {block}")
                result = cases.run(
                    os.environ.get("CC", "cc"),
                    "-std=gnu99",
                    "-Wall",
                    "-Wextra",
                    "-Wpedantic",
                    "-Werror",
                    "-pthread",
                    "-I" + ROOT + "/include",
                    "-fsyntax-only",
                    "-x",
                    "c",
                    "-",
                    input=block,
                )
                same((result.status, result.err), (0, ""), name)
        # A language that nothing here tries is a block that nobody tries.
        kinds = set()
        with open(document) as text:
            for number, line in enumerate(re.findall(r"^```(.*)$", text.read(), re.M)):
                if number % 2 == 0:
                    kinds.add(line)
        known = {"c", "text"} | ({"sh", "ini", "conf"} if document == GUIDE else set())
        # tests/administration.py runs the commands.
        known |= {"console"} if name == "administration.md" else set()
        # tests/architecture.rs compares the list with the code.
        known |= {"modules"} if name == "architecture.md" else set()
        expect(kinds <= known, f"{name}: nothing here tries its blocks of {kinds - known}")
    expect(count >= 2 * len(IDIOMS) - len(SAME_AFTER), f"only {count} blocks of C")


def print_tables():
    """What a section of the guide needs, but for the reasons."""
    need_ids()
    prepare()
    for name in IDIOMS:
        every = {situation: differences(name, situation) for situation in SITUATIONS}
        rows = {}
        for situation, (found, _) in every.items():
            for where, *rest in found:
                rows.setdefault(tuple(rest), {}).setdefault(situation, set()).add(where)
        both = {situation for situation, (_, places) in every.items() if places}
        print(f"\n== {name}\n\n| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
        for rest, found in rows.items():
            for wheres in {frozenset(found[situation]) for situation in found}:
                situations = [one for one in SITUATIONS if found.get(one) == wheres]
                which = "always" if set(situations) == both and rest[0] != "outcome" else ", ".join(situations)
                where = "all" if any(wheres == every[one][1] for one in situations) else ", ".join(sorted(wheres))
                print(f"| {which} | {where} | {' | '.join(rest)} | |")


if sys.argv[1:] == ["--table"]:
    cases.CASES[:] = [("--table", print_tables)]
cases.main()
