#!/usr/bin/env python3
"""The man pages: clean, complete against the header and the sources, and every example tried.

tests/man.py [PART OF A NAME]
"""

import glob
import os
import re
import shutil
import tempfile

from cases import ROOT, UID, Skip, can_change_ids, case, expect, main, private_etc, run, same

MAN = os.path.join(ROOT, "man")


def read(*path):
    with open(os.path.join(ROOT, *path)) as file:
        return file.read()


PAGES = {os.path.basename(path): read(path) for path in sorted(glob.glob(MAN + "/*.[1-8]"))}
LINKS = {name: text for name, text in PAGES.items() if text.startswith(".so ")}
TEXTS = {name: text for name, text in PAGES.items() if name not in LINKS}
HEADER = read("include/ec_security.h")
CODE = re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER, flags=re.S)
FUNCTIONS = {
    name: (result.replace("EC_SECURITY_WARN_UNUSED_RESULT", ""), arguments)
    for result, name, arguments in re.findall(r"^((?:\w[\w \n]*[ *\n]+))(ec_security_\w+)\(([^)]*)\);", CODE, re.M)
}


def plain(declaration):
    """A declaration with its blanks in one way."""
    return re.sub(r"\s*([*,])\s*", r"\1", " ".join(declaration.split()))


def page_of(name):
    """The text of the page of that name, links followed."""
    file = name + ".3"
    expect(file in PAGES, f"no page {file}")
    if file in LINKS:
        file = LINKS[file].strip().removeprefix(".so man3/")
        expect(file in TEXTS, f"{name}: links to {file}")
    return TEXTS[file]


def options():
    found = re.search(r"pub const OPTIONS: \[&str; \d+\] = \[(.*?)\];", read("src/policy/options.rs"), re.S).group(1)
    return re.findall(r'"(\w+)"', found)


def displays(text):
    """The literal displays of a page, as a reader sees them."""
    for display in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S):
        yield display.replace("\\e", "\\").replace("\\&", "")


@case
def pages_are_there():
    expect(len(TEXTS) >= 8 and len(LINKS) >= 11 and len(FUNCTIONS) >= 16, f"{len(TEXTS)} {len(LINKS)} {len(FUNCTIONS)}")


@case
def mandoc_has_nothing_to_say():
    for name in TEXTS:
        result = run("mandoc", "-T", "lint", "-W", "warning", f"{MAN}/{name}")
        same((result.status, result.out, result.err), (0, "", ""), name)


@case
def man_has_nothing_to_say():
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        for name in PAGES:
            directory = f"{root}/man{name[-1]}"
            os.makedirs(directory, exist_ok=True)
            shutil.copy(f"{MAN}/{name}", directory)
        for name in PAGES:
            page, section = name[:-2], name[-1]
            result = run("man", "--warnings", "-M", root, "-P", "cat", section, page, env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
            same((result.status, result.err), (0, ""), name)
            text = re.sub(r".\x08", "", result.out)
            expect(page in text and "SEE ALSO" in text, f"{name}: {text[:200]!r}")
            longest = max(len(line) for line in text.splitlines())
            expect(longest <= 90, f"{name}: a line of {longest}")


@case
def every_function_has_its_page():
    for name, (result, arguments) in FUNCTIONS.items():
        text = page_of(name)
        expect(re.search(rf"^\.Nm {name}\b", text, re.M), f"{name} is not in NAME")
        synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", text, re.M | re.S).group(1)
        expect(".In ec_security.h" in synopsis, f"{name}: no header")
        found = re.search(rf'^\.Ft "?([^"\n]+)"?\n(?:\.Fn {name} (void)$|\.Fo {name}\n((?:\.Fa "[^"]+"\n)+)\.Fc)', synopsis, re.M)
        expect(found, f"{name} is not in SYNOPSIS")
        same(plain(found.group(1)), plain(result), name)
        listed = found.group(2) or ",".join(re.findall(r'"([^"]+)"', found.group(3)))
        same(plain(listed), plain(arguments), name)
    for name in LINKS:
        expect(name[:-2] in FUNCTIONS, f"{name} is no function's")


@case
def every_status_and_constant_is_documented():
    constants = re.findall(r"^#define (EC_SECURITY_\w+) (\d+)$", HEADER, re.M)
    expect(len(constants) >= 19, constants)
    text = TEXTS["ec_security_apply.3"]
    for name, number in constants:
        if name.startswith("EC_SECURITY_VERSION_"):
            expect(f".Dv {name}" in TEXTS["ec_security_strerror.3"], name)
        elif name == "EC_SECURITY_TEXT_MAX":
            expect(f".Dv {name}\n({number})" in text, name)
        else:
            expect(re.search(rf"^\.It Dv {name}\n{number}:", text, re.M), name)
    for page, text in TEXTS.items():
        for name in re.findall(r"EC_SECURITY_\w+", text):
            known = dict(constants).keys()
            expect(name in known or name.split("_", 2)[2] in "APPLY POLICY CAPS_FROM_TEXT RAISE STATUS STRERROR", f"{page}: {name}")


@case
def every_option_and_securebit_is_documented():
    for page in ("ec_security_policy.3", "ec_security.conf.5"):
        for option in options():
            expect(re.search(rf"^\.It Cm {option}$", TEXTS[page], re.M), f"{page}: {option}")
    bits = re.search(r"pub const SECUREBITS: .*?= \[(.*?)\];", read("src/plan/state.rs"), re.S).group(1)
    bits = re.findall(r'"(\w+)"', bits)
    expect(len(bits) >= 8, bits)
    for bit in bits:
        expect(re.search(rf"^\.Ql {bit}\b", TEXTS["ec_security.conf.5"], re.M), bit)


@case
def the_structure_is_that_of_the_header():
    fields = re.search(r"typedef struct ec_security_caps \{(.*?)\}", CODE, re.S).group(1)
    shown = re.search(r"typedef struct ec_security_caps \{(.*?)\}", TEXTS["ec_security_caps_from_text.3"], re.S).group(1)
    same(plain(re.sub(r"/\*.*?\*/", "", shown)), plain(fields))


@case
def the_command_is_documented_in_full():
    page = TEXTS["ec-security.8"].replace("\\-", "-")
    for command in ("check", "show", "diff", "watch", "exec", "explain", "convert"):
        expect(re.search(rf"^\.It Cm {command}\b", page, re.M), command)
        help = run(f"{ROOT}/build/ec-security", command, "--help").out
        found = re.findall(r"^ +(?:-(\w), )?--([a-z-]+)", help, re.M)
        expect(found, help)
        for short, long in found:
            expect(re.search(rf"^\.It Fl {short + ' , ' if short else ''}-{long}\b", page, re.M), f"{command} --{long}")


@case
def references_lead_somewhere():
    for page, text in TEXTS.items():
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", text, re.M):
            if name.startswith(("ec_security", "ec-security")):
                expect(f"{name}.{section}" in PAGES, f"{page}: {name}({section})")


@case
def examples_of_a_configuration_load():
    tried = 0
    with private_etc():
        for page, text in TEXTS.items():
            for display in displays(text):
                if not display.startswith("Security {"):
                    continue
                with open("/etc/ecelerity.conf", "w") as file:
                    file.write(display)
                os.chmod("/etc/ecelerity.conf", 0o644)
                result = run(f"{ROOT}/build/ec-security", "check", "-n", "/etc/ecelerity.conf")
                same((result.status, result.err), (0, ""), page)
                tried += 1
    same(tried, 4)


def c_examples():
    for page, text in TEXTS.items():
        for at, display in enumerate(displays(text)):
            if "int main(" in display:
                yield f"{page[:-2]}-{at}", display


def compile(directory, name, code):
    """Builds an example against the library as built; yields the program."""
    source, program = f"{directory}/{name}.c", f"{directory}/{name}"
    with open(source, "w") as file:
        file.write(code)
    flags = "-std=gnu99 -Wall -Wextra -Wpedantic -Werror -pthread".split()
    paths = [f"-I{ROOT}/include", f"-L{ROOT}/build", f"-Wl,-rpath,{ROOT}/build"]
    result = run("cc", *flags, *paths, "-o", program, source, "-lec_security")
    same((result.status, result.err), (0, ""), name)
    return program


@case
def examples_in_C_compile():
    with tempfile.TemporaryDirectory() as directory:
        same(len([compile(directory, name, code) for name, code in c_examples()]), 8)


@case
def examples_in_C_work():
    if not can_change_ids():
        raise Skip("this user namespace has no other id to become")
    with private_etc(), tempfile.TemporaryDirectory() as directory:
        with open("/etc/ecelerity.conf", "w") as file:
            file.write(next(d for d in displays(TEXTS["ec_security.conf.5"]) if d.startswith("Security {")))
        os.chmod("/etc/ecelerity.conf", 0o644)
        for name, code in c_examples():
            program = compile(directory, name, code)
            # A network of its own: every port is free, and loopback is as good as up for bind(2).
            result = run("unshare", "--net", program)
            same((result.status, result.err), (0, ""), name)
            comment = re.search(r'printf\("%s\\n", text\); /\* (.*) \*/', code)
            if comment:
                same(result.out, comment.group(1) + "\n", name)
        result = run(f"{directory}/ec_security_policy-0", "--check-config", "/nonexistent")
        same((result.status, result.err), (1, "server: /nonexistent: ENOENT: no such file or directory\n"))


@case
def examples_of_the_command_work():
    if not can_change_ids():
        raise Skip("this user namespace has no other id to become")
    tried = 0
    with private_etc():
        with open("/etc/ecelerity.conf", "w") as file:
            file.write(next(d for d in displays(TEXTS["ec_security.conf.5"]) if d.startswith("Security {")))
        os.chmod("/etc/ecelerity.conf", 0o644)
        for display in displays(TEXTS["ec-security.8"]):
            for line in re.sub(r"\\\n\s*", "", display).splitlines():
                expect(line.startswith("# "), line)
                result = run("bash", "-c", line[2:], env={"PATH": f"{ROOT}/build:{os.environ['PATH']}"})
                same((result.status, result.err), (0, ""), line)
                expect(result.out or line.endswith(" true"), f"{line} says nothing")
                if line.endswith("| wc -l"):
                    same(result.out.strip(), "1", line)
                if line.endswith("-- id"):
                    expect(result.out.startswith(f"uid={UID}(ecuser)"), result.out)
                tried += 1
    same(tried, 13)


if __name__ == "__main__":
    main()
