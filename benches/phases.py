"""Where the time of one call goes. The kernel's own trace of system calls (tracefs, events/syscalls) has the times, to the
microsecond, and costs a fraction of what strace(1) does; strace has the paths, by which lookups are told from the rest. Both must
show the same calls."""

import os
import re
import subprocess
import sys
import tempfile

MARK = "close(-4711"
NAMES = [
    "up to the lookups",
    "the lookups",
    "looks at the process, plan",
    "ids and groups",
    "bounding set",
    "last sets, no_new_privs",
    "reads back, tidies up",
]


def between_marks(lines, mark):
    marks = [at for at, line in enumerate(lines) if mark in line]
    return lines[marks[0] + 1 : marks[-1]]


def calls_by_strace(command):
    """The system calls between the marks, of all threads, as strace writes them. A trace is slow, so waits that time out and are
    tried again may count more than once."""
    with tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(
            ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace.name, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        lines = between_marks(trace.read().split("\n"), MARK)
    return [line.split(maxsplit=1)[1] for line in lines if re.match(r"\d+ +\w+\(", line)]


def borders(calls):
    """At which call each phase begins."""

    def first(pattern, after=0):
        return next((at for at, call in enumerate(calls) if at >= after and re.match(pattern, call)), None)

    def last(pattern):
        return max((at for at, call in enumerate(calls) if re.match(pattern, call)), default=None)

    opened = last(r'openat\(.*"/etc/')
    found = [
        0,
        first(r"socket\("),
        opened and first(r"close\(", opened) + 1,
        first(r"setgroups\("),
        first(r"prctl\(PR_CAPBSET_(READ|DROP), CAP_CHOWN"),
        last(r"prctl\(PR_CAPBSET_DROP") + 1,
        first(r"prctl\(PR_SET_NO_NEW_PRIVS") + 1,
        len(calls),
    ]
    if None in found or found != sorted(found):
        sys.exit(f"phases begin at {found}, which is no order")
    return found


class Trace:
    """An instance of tracefs that follows one process; the clock is CLOCK_MONOTONIC."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "instances", f"bench-{os.getpid()}")

    def __enter__(self):
        os.mkdir(self.directory)
        self.write("trace_clock", "mono")
        self.write("set_event_pid", "0")
        self.write("events/syscalls/enable", "1")
        return self

    def __exit__(self, *_):
        self.write("events/syscalls/enable", "0")
        os.rmdir(self.directory)

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(text)

    def calls(self, command):
        """Names and times of the calls from the first mark to the second, both with them."""
        self.write("trace", "")
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            preexec_fn=lambda: self.write("set_event_pid", str(os.getpid())),
        )
        with open(os.path.join(self.directory, "trace")) as file:
            entered = re.findall(r" ([\d.]+): sys_(\w+)\((.*)\)$", file.read(), re.M)
        marks = [at for at, (_, name, words) in enumerate(entered) if name == "close" and words.endswith("ffffed99")]
        return [(name, float(time) * 1e9) for time, name, _ in entered[marks[0] : marks[-1] + 1]]


class Phases:
    """Measures a program that drops once, with no other thread."""

    def __init__(self, trace, command):
        self.trace, self.command = trace, command
        calls = calls_by_strace(command)
        self.names = [call.split("(")[0] for call in calls]
        self.borders = borders(calls)
        self.counts = [after - before for before, after in zip(self.borders, self.borders[1:])]

    def measure(self):
        calls = self.trace.calls(self.command)
        if [name for name, _ in calls] != ["close", *self.names, "close"]:
            sys.exit(f"{self.command}: not the calls that strace shows: {[name for name, _ in calls]}, {self.names}")
        # From where a call begins to where the next phase's first does. The first phase begins with the mark.
        times = [calls[border + (at > 0)][1] for at, border in enumerate(self.borders)]
        return dict(zip(NAMES, (after - before for before, after in zip(times, times[1:]))), all=times[-1] - times[0])


def mounted():
    """Where tracefs is; mounted here, in the mount namespace that `make bench` makes, if need be."""
    with open("/proc/self/mounts") as mounts:
        found = [line.split()[1] for line in mounts if line.split()[2] == "tracefs"]
    if found:
        return found[0]
    directory = tempfile.mkdtemp()
    subprocess.run(["mount", "-t", "tracefs", "tracefs", directory], check=True)
    return directory
