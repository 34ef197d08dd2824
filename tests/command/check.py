"""ec-security check."""

from cases import EXTRA, GID, UID, Skip, caps, case, done, expect, need_ids, refused, run, same, usage, written
from command.shared import PYTHON, TELL, TOOL, rows, told, tool

BECOMES = "ok, would be applied as it is\n"


@case
def check_says_ok_and_what_the_process_would_be():
    path = written('Listen ":25" {}\nSecurity { Capabilities = "cap_net_bind_service+ep" }\n')
    for arguments in ([path], ["-f", path]):
        out = done(tool("check", *arguments))
        expect(out.startswith(f"{path}: {BECOMES}"), out)
        got = rows(out)
        same(
            [got[name] for name in ("permitted", "effective", "inheritable", "ambient", "no_new_privs")],
            ["cap_net_bind_service", "cap_net_bind_service", "none", "none", "on"],
            out,
        )
    done(tool("check", "--quiet", path), "")
    done(tool("check", "-n", path), f"{path}: ok: it was only read, and no system call was tested\n")
    expect(done(tool("check", "-o", "no_new_privs = on")).startswith(f"options: {BECOMES}"), "options alone")


@case
def check_shows_what_exec_comes_to():
    need_ids()
    become = [
        "-o",
        f"user={UID}:{GID}",
        "-o",
        "supplemental_groups=" + str(EXTRA),
        "-o",
        "capabilities=cap_kill+ep",
        "-o",
        "ambient=cap_kill",
        "-o",
        "securebits=noroot noroot_locked",
    ]
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
    wrong = written(
        """Security {
  user = no-such-user
  capabilites = all
  no_new_privs = perhaps
  ambient = ( cap_kill cap_kil cap_chwn )
  bounding = ( trim keep )
  bounding = trim
}
""",
        name="wrong.conf",
    )
    worse = written("Security { deadline = never }\n", name="worse.conf")
    result = tool("check", "-n", wrong, good, worse, "-o", "group=no-such-group")
    same(result.status, 1)
    places = [line.split(": ")[1] for line in result.err.splitlines()]
    same(
        places,
        [
            f"{wrong}:2:10",
            f"{wrong}:3:3",
            f"{wrong}:4:18",
            f"{wrong}:5:24",
            f"{wrong}:5:32",
            f"{wrong}:6:14",
            "group",
            "group",
            f"{worse}:1:23",
            "group",
        ],
        result.err,
    )
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
    refused(run("setpriv", "--bounding-set=-sys_boot", TOOL, "check", "-o", f"capabilities={name}+ep"), 1, f"ec-security: {text}\n")
    done(tool("check", "-n", "-o", f"capabilities={name}+ep"), "options: ok: it was only read, and no system call was tested\n")


@case
def check_options_override_the_file():
    path = written("Security { user = root }\n")
    refused(tool("check", path, "-o", "user=no-such-user"), 1, 'ec-security: user: no user "no-such-user" in the user database\n')
    path = written("Security { user = no-such-user }\n")
    same(tool("check", path, "-o", "user=root").status, 1, "a file that is wrong stays so")


@case
def check_usage():
    refused(tool("check"), *usage("check", "nothing to check: give a FILE, or options with -o"))
    refused(tool("check", "-x"), *usage("check", "invalid option '-x'"))
    refused(tool("check", "-o"), *usage("check", "missing argument for option '-o'"))
    refused(tool("check", "-o", "user"), *usage("check", '-o "user": expected option=value, such as user=ecuser'))
    refused(tool("check", "-o", "=x"), *usage("check", '-o "=x": expected option=value, such as user=ecuser'))
    for word in ("user=:x", "user=x:", "user=:"):
        text = f'-o "{word}": expected user=USER, group=GROUP or user=USER:GROUP'
        refused(tool("check", "-o", word), *usage("check", text))
