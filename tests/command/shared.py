"""What the checks of the command ec-security share: the command itself, processes to be looked at, what `show --json` says."""

import json
import os
import re
import shutil
import subprocess
import sys

from cases import GID, NAMES, ROOT, UID, directory, expect, run, same

# Executed by other users, so one that everybody may execute.
PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or sys.executable
TOOL = os.path.join(ROOT, "build/ec-security")
# Options of exec, and the commands.
U = ["-o", f"user={UID}", "-o", f"group={GID}"]
KEEP = ["-o", "capabilities=keep"]
NO_GROUPS = ["-o", "supplemental_groups="]
COMMANDS = ["check", "show", "diff", "watch", "exec", "explain", "convert"]


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
    known = {
        "type",
        "const",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "description",
        "title",
        "$schema",
        "$id",
        "$defs",
    }
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


def program():
    """A cat(1) under a name that no other process of the machine has, and so shares a line of a list with none."""
    path = os.path.join(directory(), f"ec{os.getpid()}-{len(os.listdir(directory()))}"[:15])
    shutil.copy(shutil.which("cat", path="/bin:/usr/bin"), path)
    os.chmod(path, 0o755)
    return path


def started(*command):
    """A cat(1) by way of a command, once it runs; nothing if it does not."""
    child = subprocess.Popen(
        [*command, program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/"
    )
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


def done_with(result, status):
    same((result.status, result.err), (status, ""), repr(result))
    return result.out


def widest(text):
    return max(len(line) for line in text.splitlines())
