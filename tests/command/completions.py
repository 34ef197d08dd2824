"""What bash, zsh and fish complete, and that it is what the help says."""

import os
import re

from cases import ROOT, case, directory, done, expect, run, same
from command.shared import COMMANDS, TOOL, tool

COMPLETIONS = os.path.join(ROOT, "completions")


def completed(*words, current=None):
    """What bash offers after these words; the last one is being typed. `=` counts as a word, as bash has it."""
    code = """
        . "$1"; shift
        PATH=$1:$PATH; shift
        compopt() { :; }
        # The name of a process, which this shell has here, is not executed.
        printf %s '$(echo ecname)' >/proc/$$/comm
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _ec_security
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    result = run("bash", "--norc", "-c", code, "bash", COMPLETIONS + "/ec-security.bash", os.path.dirname(TOOL), "ec-security", *words)
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
    same(completed("show", "ecname"), [])
    same(completed("explain", "cap_sys_ad"), ["cap_sys_admin"])
    same(completed("help", "sh"), ["show"])
    expect("/etc/passwd" in completed("check", "/etc/pass"), "files")
    expect("setpriv" in completed("exec", "-o", "user", "=", "root", "--", "setpri"), "commands")
    same(completed("exec", "--q"), ["--quiet"])


@case
def fish_completes():
    def offered(line):
        code = 'source $argv[1]; set -p PATH $argv[2]; complete -C "$argv[3]"'
        result = run("fish", "-N", "-c", code, COMPLETIONS + "/ec-security.fish", os.path.dirname(TOOL), line, env={"HOME": directory()})
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
    return sorted({word for line in re.findall(r"^ +(-[^ ].*)$", text, re.M) for word in re.findall(r"(?:^|, )(--?[a-zA-Z][a-z-]*)", line)})


@case
def completions_have_the_options_of_the_help():
    for command in COMMANDS:
        options = options_of(command)
        expect(len(options) >= 2, options)
        offered = (
            {word.split("=")[0] for word in completed(command, "-") if word != "--"}
            if command != "convert"
            else {word for word in completed(command, "--")} | {"-h"}
        )
        same(sorted(offered), options, f"bash, {command}")
        result = run(
            "fish",
            "-N",
            "-c",
            'source $argv[1]; complete -C "ec-security $argv[2] -"',
            COMPLETIONS + "/ec-security.fish",
            command,
            env={"HOME": directory()},
        )
        offered = {offer.split("\t")[0].rstrip("=") for offer in result.out.splitlines()}
        same(sorted(offered), options, f"fish, {command}")
        # zsh's functions need a terminal: what they are written with is looked at.
        with open(COMPLETIONS + "/_ec-security") as file:
            part = re.search(rf"^        {command}\)\n(.*?);;$", file.read(), re.M | re.S).group(1)
        offered = set()
        for word in re.findall(r"(?:\{([^}]+)\}|'(--[a-z-]+)[=\[])", part):
            offered.update(option.rstrip("+=") for option in (word[0] or word[1]).split(","))
        same(sorted(offered), options, f"zsh, {command}")
