"""ec-security exec: exit statuses, arguments, environment, warnings, errors."""

import os
import re
import signal

from cases import GID, LOGS, UID, Skip, can_change_ids, caps, case, directory, done, expect, need_ids, refused, run, same, usage, written
from command.shared import KEEP, PYTHON, TELL, TOOL, U, told, tool


@case
def exec_exit_statuses():
    keep = ["-o", "capabilities=keep"]
    same(tool("exec", *keep, "--", "sh", "-c", "exit 7").status, 7)
    same(tool("exec", *keep, "sh", "-c", "kill -9 $$").status, -signal.SIGKILL)
    refused(tool("exec", *keep, "/nonexistent-program"), 127, "ec-security: /nonexistent-program: ENOENT: no such file or directory\n")
    refused(tool("exec", *keep, "/etc/passwd"), 126, "ec-security: /etc/passwd: EACCES: permission denied\n")
    refused(tool("exec", *keep), *usage("exec", "a command to execute is missing", 125))
    refused(tool("exec", "--", "true"), *usage("exec", "nothing to apply: give a file with -f, or options with -o", 125))
    refused(tool("exec", "-x", "true"), *usage("exec", "invalid option '-x'", 125))
    refused(tool("exec", "-o", "user", "true"), *usage("exec", '-o "user": expected option=value, such as user=ecuser', 125))
    refused(tool("exec", "-o", "user=no-such-user", "true"), 125, 'ec-security: user: no user "no-such-user" in the user database\n')
    refused(tool("exec", "-f", "/nonexistent-file", "true"), 125, "ec-security: /nonexistent-file: ENOENT: no such file or directory\n")


@case
def exec_passes_arguments_and_surroundings_on():
    command = ["sh", "-c", 'printf "%s|" "$@"; echo "$EC"', "sh", "-o", "", "--", "a b", "--help"]
    done(tool("exec", "-o", "no_new_privs=on", *command, env={"EC": "x=y"}), "-o||--|a b|--help|x=y\n")
    out = done(tool("exec", "-o", "capabilities=keep", "sh", "-c", "ls /proc/self/fd; grep SigIgn /proc/self/status"))
    # ls has the directory open as the fourth; nothing else is handed down. What was ignored stays so (nohup, a job in the
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
    expect(
        re.fullmatch(
            r"ec-security: warning: user 0 gets \S+ back on execution; use -o bounding=trim, "
            r"no_new_privs=on or securebits=noroot \(-q: no warning\)\n",
            result.err,
        ),
        result.err,
    )
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
            same(done(tool("exec", option, *become, *program, env=before)), "['/nonexistent', '/usr/sbin/nologin', 'ecuser', 'ecuser']\n")
    # Without another user, for the one that it is; and before a change of the root directory.
    out = done(tool("exec", "-e", *KEEP, *program, env=before))
    expect("'root', 'root'" in out and "before" not in out, out)
    refused(
        tool("exec", "-e", "-o", "user=4799:4799", *program),
        125,
        "ec-security: --environment: user id 4799 has no entry in the user database; set HOME by env(1)\n",
    )


@case
def exec_takes_user_and_group_in_one():
    need_ids()
    for word in (f"{UID}:{LOGS}", "ecuser:eclogs", f"ecuser:{LOGS}"):
        state = told(tool("exec", "-o", f"user={word}", "--", PYTHON, "-I", "-c", TELL))
        same((state["Uid"].split()[0], state["Gid"].split()[0]), (str(UID), str(LOGS)), word)
    refused(
        tool("exec", "-o", "user=ecuser:", "--", "true"),
        *usage("exec", '-o "user=ecuser:": expected user=USER, group=GROUP or user=USER:GROUP', 125),
    )


@case
def exec_retains_what_is_ambient():
    need_ids()
    kill = f"{1 << 5:016x}"
    for more in ([], ["-o", "capabilities=cap_net_raw+p", "-q"], ["-o", "optional_capabilities=cap_kill+ep"]):
        state = told(tool("exec", *U, *more, "-o", "ambient=cap_kill", "--", PYTHON, "-I", "-c", TELL))
        same([state[field] for field in ("CapPrm", "CapEff", "CapAmb")], [kill] * 3, more)
    # What may be missing is not asked for by being ambient.
    less = ["setpriv", "--bounding-set=-sys_boot", TOOL, "exec", *U]
    state = told(run(*less, "-o", "optional_capabilities=cap_sys_boot+ep", "-o", "ambient=cap_sys_boot", "--", PYTHON, "-I", "-c", TELL))
    same(state["CapAmb"], "0" * 16)
    refused(
        run(*less, "-o", "ambient=cap_sys_boot", "--", "true"),
        125,
        "ec-security: cannot retain cap_sys_boot: not in this process's permitted set: cap_sys_boot not in the bounding set (--cap-add of the container, CapabilityBoundingSet= of the unit)\n",
    )


@case
def exec_names_every_error():
    path = written("Security {\n  user = no-such-user\n  bounding = x\n}\n")
    result = tool("exec", "-f", path, "-o", "securebits=x", "--", "true")
    same((result.status, len(result.err.splitlines()), result.out), (125, 3, ""), result.err)


@case
def exec_in_another_root():
    if not caps("CapEff") >> 18 & 1:
        raise Skip("cap_sys_chroot is not held")
    root = os.path.join(directory(), "root")
    os.makedirs(root + "/bin", exist_ok=True)
    os.chmod(root, 0o755)
    path = written("int main(void) { return 0; }\n", name="nothing.c")
    same(run("cc", "-static", "-o", root + "/bin/nothing", path).status, 0)
    # Without a /proc, too, it warns of what execution takes.
    become = ["-o", "chroot=" + root, "-o", "capabilities=cap_kill+ep"]
    done(tool("exec", *become, "/bin/nothing"), "")
    refused(tool("exec", *become, "/bin/sh"), 127, "ec-security: /bin/sh: ENOENT: no such file or directory (in the new root directory)\n")
    if can_change_ids():
        result = tool("exec", *become, "-o", f"user={UID}", "-o", f"group={GID}", "/bin/nothing")
        expect(result.status == 0 and "cap_kill will be lost" in result.err, repr(result))
