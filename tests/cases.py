"""What the checks in Python share: cases, commands run, ids, a user database and an /etc of their own.

A check is a row of functions marked @case; main() runs those whose name contains the first argument, if there is one, and
prints one line each, as tests/run counts them. An exception fails a case; Skip skips it.
"""

import os
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The user and groups that the harness in C has as well (tests/outside/outside.h).
UID, GID, EXTRA, LOGS = 4711, 4712, 4713, 4714
# Capabilities by number, without "cap_".
NAMES = """chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
    net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
    sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
    mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore""".split()
# Whether there is a user database with them, and a directory for files, as long as main() runs.
PRIVATE = False
DIRECTORY = "/nonexistent"

# --- cases --------------------------------------------------------------------------------------------------------------


class Skip(Exception):
    pass


def expect(held, text):
    if not held:
        raise AssertionError(text)


def same(got, wanted, what=""):
    expect(got == wanted, f"{what}: {got!r}, not {wanted!r}" if what else f"{got!r}, not {wanted!r}")


CASES = []


def case(function):
    CASES.append((function.__name__.replace("_", " "), function))
    return function


def run_cases():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = ran = 0
    for name, body in CASES:
        if only not in name:
            continue
        ran += 1
        try:
            body()
        except Skip as why:
            print(f"SKIP {name}: {why}", flush=True)
        except Exception as why:
            failed += 1
            where = traceback.extract_tb(why.__traceback__)[1]
            text = str(why).replace("\n", "\\n") or type(why).__name__
            print(f"FAIL {name}: {os.path.basename(where.filename)}:{where.lineno}: {text}", flush=True)
        else:
            print(f"ok {name}", flush=True)
    return 1 if failed or not ran else 0


# --- running ------------------------------------------------------------------------------------------------------------


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}, out {self.out!r}, err {self.err!r}"


def run(*command, env=None, input=None, **more):
    env = {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}, **(env or {})}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        env=env,
        input=input,
        cwd="/",
        **more,
    )
    return Result(done)


def done(result, out=None, err=""):
    same(result.status, 0, repr(result))
    same(result.err, err, "standard error")
    if out is not None:
        same(result.out, out, "standard output")
    return result.out


def refused(result, status, err):
    same(result.status, status, repr(result))
    same(result.err, err, "standard error")
    same(result.out, "", "standard output")


def usage(command, text, status=2):
    return status, f"ec-security: {text}\nTry 'ec-security{' ' if command else ''}{command} --help'.\n"


def own(field, pid="self"):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return " ".join(line.split()[1:])
    raise KeyError(field)


def caps(field, pid="self"):
    return int(own(field, pid), 16)


def mapped(number):
    """Whether an id exists in this user namespace."""
    for kind in "ug":
        with open(f"/proc/self/{kind}id_map") as rows:
            ranges = [[int(word) for word in row.split()] for row in rows]
        if not any(inside <= number < inside + count for inside, _, count in ranges):
            return False
    return True


def can_change_ids():
    return caps("CapEff") >> 6 & 3 == 3 and mapped(UID) and mapped(LOGS)


def need_ids():
    if not can_change_ids():
        raise Skip("this user namespace has no other id to become")
    if not PRIVATE:
        raise Skip("no mount namespace to have a user database of its own in")


def directory():
    """A directory that others can read, gone when main() is done."""
    return DIRECTORY


def written(text, mode=0o644, name="server.conf"):
    path = os.path.join(DIRECTORY, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


# --- main ---------------------------------------------------------------------------------------------------------------


class private_etc:
    """For a while, an /etc of our own that may be written to, ecuser in it."""

    def __enter__(self):
        if os.environ["EC_TOOL_PRIVATE"] != "1":
            raise Skip("no mount namespace to have an /etc of its own in")
        same(own_etc(*users()).err, "", "private-etc")

    def __exit__(self, *unused):
        same(run("umount", "--lazy", "/etc").status, 0, "umount")


def own_etc(*files):
    """A directory of our own over /etc, in a mount namespace made before."""
    return run(f"{ROOT}/tests/private-etc", *files)


def users():
    """What own_etc() takes for a user database with ecuser."""
    passwd = written(f"ecuser:x:{UID}:{GID}::/nonexistent:/usr/sbin/nologin\n", name="passwd")
    group = written(f"ecuser:x:{GID}:\necextra:x:{EXTRA}:ecuser\neclogs:x:{LOGS}:ecuser\n", name="group")
    return "passwd+" + passwd, "group+" + group


def main():
    global DIRECTORY, PRIVATE
    if "EC_TOOL_PRIVATE" not in os.environ:
        private = run("unshare", "--mount", "true").status == 0
        os.environ["EC_TOOL_PRIVATE"] = "1" if private else "0"
        if private:
            os.execvp("unshare", ["unshare", "--mount", "--", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="ec-security-tool-") as DIRECTORY:
        os.chmod(DIRECTORY, 0o755)
        PRIVATE = os.environ["EC_TOOL_PRIVATE"] == "1" and own_etc(*users()).status == 0
        status = run_cases()
    sys.exit(status)
