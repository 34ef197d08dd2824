#!/usr/bin/env python3
"""Tests of ec_security.py. Each case runs in a forked child, and who asks what it holds is the parent, through /proc.

EC_SECURITY_LIB names the library; prints `ok NAME`, `FAIL NAME: why` or `SKIP NAME: why` for each case.
"""

import os
import re
import signal
import socket
import sys
import threading
import traceback

import ec_security

NET_BIND = 1 << 10
CHOWN = 1 << 0
HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
WAITING = 4


class Skip(Exception):
    pass


def held(pid):
    """What /proc says of each thread: {tid: {field: numbers}}."""
    threads = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8", errors="replace") as status:
            lines = dict(line.rstrip("\n").split(":", 1) for line in status)
        threads[int(tid)] = {
            name: [int(word, 16 if name.startswith("Cap") else 10) for word in lines[name].split()] for name in FIELDS
        }
    return threads


def has_id(kind, wanted):
    with open(f"/proc/self/{kind}_map", encoding="ascii") as ids:
        return any(int(a) <= wanted < int(a) + int(n) for a, _, n in map(str.split, ids))


class Child:
    """A forked process with threads of Python's own; steps() yields between its steps, and the parent looks meanwhile."""

    def __init__(self, steps):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.ours.close()
            try:
                for _ in range(WAITING):
                    threading.Thread(target=threading.Event().wait, daemon=True).start()
                theirs.send(b"ready")
                step = steps()
                while theirs.recv(1):
                    theirs.send(str(next(step)).encode())
            except BaseException:
                theirs.send(b"raised " + traceback.format_exc().replace("\n", " | ").encode()[-900:])
            os._exit(0)
        theirs.close()
        self.hear()

    def hear(self):
        said = self.ours.recv(1000).decode()
        if not said or said.startswith("raised "):
            raise AssertionError(f"the child {said or 'has ended'}")
        return said

    def go(self):
        self.ours.send(b"x")
        return self.hear()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.ours.close()


def refusal(call, *arguments, **options):
    """Calls, and yields the Error; anything else is none of what was promised."""
    try:
        call(*arguments, **options)
    except ec_security.Error as error:
        return error
    raise AssertionError("not refused")


def expect(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def of_header(pattern):
    with open(os.path.join(HERE, "../../include/ec_security.h"), encoding="utf-8") as header:
        return re.findall(pattern, header.read(), re.MULTILINE)


# --- cases ----------------------------------------------------------------------------------------------------------------


def drops_every_thread():
    if not (has_id("uid", 4711) and has_id("gid", 4712)):
        raise Skip("ids cannot be changed here")

    def steps():
        ec_security.apply(4711, "4712", "cap_net_bind_service+ep")
        yield "applied"

    child = Child(steps)
    try:
        before = held(child.pid)
        expect(WAITING + 1, len(before), "threads")
        child.go()
        after = held(child.pid)
        expect(set(before), set(after), "threads")
        for tid, has in after.items():
            bounding = before[tid]["CapBnd"][0]
            setpcap = before[tid]["CapEff"][0] >> 8 & 1
            wanted = {
                "Uid": [4711] * 4, "Gid": [4712] * 4, "Groups": [4712], "CapInh": [0], "CapPrm": [NET_BIND],
                "CapEff": [NET_BIND], "CapBnd": [bounding & NET_BIND if setpcap else bounding], "CapAmb": [0],
                "NoNewPrivs": [1],
            }  # fmt: skip
            expect(wanted, has, f"thread {tid}")
    finally:
        child.end()


def refused_changes_nothing():
    def steps():
        error = refusal(ec_security.apply, "no-such-user-here", None, "cap_net_bind_service+ep")
        yield f"{error.status.name} {error.kind}: {error}"
        error = refusal(ec_security.apply, None, None, "cap_net_bnd_service+ep")
        yield f"{error.status.name} {error.kind}: {error}"

    child = Child(steps)
    try:
        before = held(child.pid)
        said = child.go()
        expect(True, said.startswith("EUSER ") and "no-such-user-here" in said, f"the message is {said!r}; right")
        said = child.go()
        expect(True, said.startswith("ESYNTAX ") and "nearest: cap_net_bind_service" in said, f"the message is {said!r}; right")
        expect(before, held(child.pid), "what the threads hold")
    finally:
        child.end()


def retained_capability_works():
    def steps():
        ec_security.apply(4711, 4712, "cap_net_bind_service+ep")
        bound = 0
        for port in range(1, 1024):
            with socket.socket() as listener:
                try:
                    listener.bind(("", port))
                    bound = port
                    break
                except PermissionError:
                    raise
                except OSError:
                    continue
        yield bound
        try:
            os.setuid(0)
            yield "became root"
        except PermissionError:
            yield "no way back"

    if not (has_id("uid", 4711) and has_id("gid", 4712)):
        raise Skip("ids cannot be changed here")
    with socket.socket() as listener:
        try:
            listener.bind(("", 1023))
        except PermissionError:
            raise Skip("root of this user namespace cannot bind a low port of the machine's network") from None
        except OSError:
            pass
    child = Child(steps)
    try:
        expect(True, 0 < int(child.go()) < 1024, "a port below 1024 was bound")
        expect("no way back", child.go(), "setuid(0)")
    finally:
        child.end()


def policy_of_many_options():
    def steps():
        policy = ec_security.Policy(bounding="keep", no_new_privs="off")
        policy.parse('Other { a = b }\nSecurity { Capabilities = "cap_chown+p" }')
        yield "made"
        policy.check()
        yield "checked"
        policy.apply()
        yield "applied"
        with ec_security.raised("cap_chown+e"):
            yield "raised"
        yield "lowered"

    child = Child(steps)
    try:
        before = held(child.pid)
        child.go()
        child.go()
        expect(before, held(child.pid), "what the threads hold after check()")
        child.go()
        after = held(child.pid)
        for tid, has in after.items():
            wanted = before[tid] | {"CapPrm": [CHOWN], "CapEff": [0], "CapInh": [0], "CapAmb": [0]}
            expect(wanted, has, f"thread {tid}")
        child.go()
        raised = held(child.pid)
        expect([CHOWN], raised[child.pid]["CapEff"], "effective while raised")
        del raised[child.pid], after[child.pid]
        expect(after, raised, "the other threads")
        child.go()
        expect([0], held(child.pid)[child.pid]["CapEff"], "effective once lowered")
    finally:
        child.end()


def policy_errors():
    expect(ec_security.Status.EOPTION, refusal(ec_security.Policy, usr="root").status, "an unknown option")
    policy = ec_security.Policy()
    expect(ec_security.Status.ENOSTANZA, refusal(policy.parse, "Other { }").status, "no stanza")
    expect(ec_security.Status.EFILE, refusal(policy.load, "/nonexistent/file").status, "no file")
    policy.set("user", None)


def texts():
    expect(ec_security.Caps(NET_BIND, NET_BIND | CHOWN, 0), ec_security.caps_from_text("cap_net_bind_service+ep 0+p"), "masks")
    expect("cap_net_bind_service=ep cap_chown+p", ec_security.caps_to_text((NET_BIND, NET_BIND | CHOWN, 0)), "text")
    for mask in (0, 1, 0x5555555555, NET_BIND):
        caps = ec_security.Caps(mask, mask, mask >> 1)
        expect(caps, ec_security.caps_from_text(ec_security.caps_to_text(caps)), "there and back")
    # Longer than the first buffer that is tried
    expect(True, len(ec_security.caps_to_text((0x5555555555, 0x5555555555, 0x2AAAAAAAAA))) > 256, "a long text is whole")
    expect(ec_security.Status.ESYNTAX, refusal(ec_security.caps_from_text, "cap_x+q").status, "a text of no sense")
    expect(ec_security.Status.EARGUMENT, refusal(ec_security.caps_from_text, None).status, "no text")


def bytes_with_nul():
    try:
        ec_security.apply("root\0nobody")
    except ValueError:
        return expect(0, os.getuid(), "the user id")
    raise AssertionError("taken")


def bytes_not_utf8():
    error = refusal(ec_security.apply, b"\xff\xfe")
    expect(ec_security.Status.EUSER, error.status, "the status")


def status_of_processes():
    expect(True, "uid=0 gid=0" in ec_security.status(), f"own status is {ec_security.status()!r}; right")
    expect(ec_security.status(os.getpid()).split("\n")[0], ec_security.status().split("\n")[0], "status by pid")
    expect(ec_security.Status.ENOPROCESS, refusal(ec_security.status, -5).status, "the status")


def errors_belong_to_their_thread():
    """Two threads fail in turn; each must see its own message."""
    said = {}
    barrier = threading.Barrier(2)

    def fails(name):
        for _ in range(50):
            barrier.wait()
            said.setdefault(name, set()).add(str(refusal(ec_security.apply, name)))

    threads = [threading.Thread(target=fails, args=(name,)) for name in ("no-such-a", "no-such-b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("no-such-a", "no-such-b"):
        expect(1, len(said[name]), "different messages")
        expect(True, name in said[name].pop(), "names the user")


def names_as_in_the_header():
    numbers = dict(of_header(r"^#define EC_SECURITY_(E\w+) (\d+)$"))
    expect({name: int(value) for name, value in numbers.items()}, dict(ec_security.Status.__members__), "Status")
    functions = set(of_header(r"^[a-z][a-z_ ]*[ *]ec_security_(\w+)\("))
    with open(os.path.join(HERE, "ec_security.py"), encoding="utf-8") as module:
        declared = set(re.findall(r'^        \("(\w+)",', module.read(), re.MULTILINE))
    expect(functions, declared, "functions")
    with open(os.path.join(HERE, "../../Cargo.toml"), encoding="utf-8") as cargo:
        expect(re.search(r'^version = "(.*)"', cargo.read(), re.MULTILINE)[1], ec_security.version(), "version")


def main():
    cases = [
        drops_every_thread, refused_changes_nothing, retained_capability_works, policy_of_many_options, policy_errors, texts,
        bytes_with_nul, bytes_not_utf8, status_of_processes, errors_belong_to_their_thread, names_as_in_the_header,
    ]  # fmt: skip
    failed = False
    for case in cases:
        name = "python: " + case.__name__.replace("_", " ")
        signal.alarm(60)
        try:
            case()
            print(f"ok {name}", flush=True)
        except Skip as why:
            print(f"SKIP {name}: {why}", flush=True)
        except Exception as why:
            failed = True
            if not isinstance(why, AssertionError):
                traceback.print_exc()
            print(f"FAIL {name}: {type(why).__name__}: {str(why)!r}", flush=True)
        signal.alarm(0)
    return failed


sys.exit(main())
