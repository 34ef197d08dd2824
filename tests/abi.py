#!/usr/bin/env python3
"""Compares the library with its last release, which abi/ describes: tests/abi.py [--release]

abi/libec_security.abi is what abidw (Debian: abigail-tools) says of the functions and types; abi/statuses.txt and
abi/options.txt hold the status numbers and the option names. What a program linked or written against the release relies on
must still be there, and the same; what is new is listed and passes. --release writes the three files anew.

The library's own debug information describes Rust. A C library with the prototypes of include/ec_security.h and empty
bodies is compared in its place, and the exported symbols of the real one with it; that the header is what the Rust source
says is tests/header.rs's to check.
"""

import ctypes
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include/ec_security.h"
MAP = ROOT / "ec_security.map"
LIBRARY = ROOT / "build/libec_security.so.0"
SONAME = "libec_security.so.0"
DUMP = ROOT / "abi/libec_security.abi"
STATUSES = ROOT / "abi/statuses.txt"
OPTIONS = ROOT / "abi/options.txt"
CC = shlex.split(os.environ.get("CC") or "cc")
# Nothing of the machine, and nothing that moves with a comment of the header or with the compiler.
ABIDW = [
    "abidw",
    "--no-corpus-path",
    "--no-comp-dir-path",
    "--no-show-locs",
    "--no-architecture",
    "--no-elf-needed",
    "--no-write-default-sizes",
    "--no-parameter-names",
    "--type-id-style",
    "hash",
    "--drop-private-types",
]
# abidiff's exit status is a set of bits.
ABIDIFF_FAILED, ABIDIFF_CHANGE = 1 | 2, 4 | 8

PROTOTYPE = re.compile(r"^([a-z][a-z_ ]*[ *])(ec_security_\w+)(\([^;{]*\));", re.MULTILINE)
CONSTANT = re.compile(r"^#define (EC_SECURITY_(?!VERSION_)[A-Z_]+) (\d+)$", re.MULTILINE)


class Failure(Exception):
    """A comparison that could not be made."""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


# --- functions and types ------------------------------------------------------------------------------------------------


def model(header, work):
    """A C library with the header's functions, and its dump."""
    functions = PROTOTYPE.findall(re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL))
    if not functions:
        raise Failure("no function found in the header")
    (work / "ec_security.h").write_text(header, encoding="utf-8")
    bodies = (
        f"{result}{name}{arguments} {{ {'' if result.strip() == 'void' else 'return 0; '}}}\n" for result, name, arguments in functions
    )
    (work / "model.c").write_text('#include "ec_security.h"\n' + "".join(bodies), encoding="utf-8")
    # A file name without a directory, so that the dump has none either.
    run(
        [
            *CC,
            "-std=gnu99",
            "-g",
            "-gdwarf-4",
            "-O0",
            "-fPIC",
            "-shared",
            "-o",
            "model.so",
            "model.c",
            f"-Wl,--version-script={MAP}",
            f"-Wl,-soname,{SONAME}",
        ],
        cwd=work,
    )
    run([*ABIDW, "--out-file", "model.abi", "model.so"], cwd=work)
    return work / "model.so", work / "model.abi"


def compare_dumps(old, new):
    """What is wrong with the new dump, and what is new in it."""

    def abidiff(*options):
        # --harmless: a const taken away is harmless to the machine, and an error in C++.
        command = ["abidiff", "--harmless", "--no-show-locs", *options, str(old), str(new)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode & ABIDIFF_FAILED or done.returncode & ~(ABIDIFF_FAILED | ABIDIFF_CHANGE):
            raise Failure(f"abidiff ends with {done.returncode}: {done.stderr or done.stdout}")
        return done.returncode & ABIDIFF_CHANGE, done.stdout

    changed, report = abidiff("--no-added-syms")
    added = re.findall(r"^ *\[A\] '(?:function|variable) (.*?)'", abidiff()[1], re.MULTILINE)
    return [report] if changed else [], added


def exported(library):
    """Names with versions, without the version's own symbol; and the SONAME."""
    lines = run(["nm", "-D", "--defined-only", "--with-symbol-versions", library]).splitlines()
    names = {words[2] for words in map(str.split, lines) if len(words) == 3 and words[1] != "A"}
    soname = re.search(r"\(SONAME\).*\[(.*)\]", run(["readelf", "-dW", library]))
    return names, soname and soname[1]


def released_symbols(dump):
    """Those of the dump: written there as name and version."""
    symbols = re.findall(r"<elf-symbol name='(\w+)' version='(\w+)' is-default-version='yes'", dump)
    return {f"{name}@@{version}" for name, version in symbols}


def compare_exports(released, library):
    """What the real library lacks of the release, and what it has beyond it."""
    names, soname = exported(library)
    problems = [f"{name} is not exported any more" for name in sorted(released - names)]
    if soname != SONAME:
        problems.append(f"the SONAME is {soname}, not {SONAME}")
    return problems, sorted(names - released)


# --- statuses and options -----------------------------------------------------------------------------------------------


def listed_statuses(text):
    """NAME -> (number, fixed text), from lines "NUMBER NAME TEXT"."""
    return {
        name: (int(number), rest)
        for number, name, rest in (line.split(" ", 2) for line in text.splitlines() if line and not line.startswith("#"))
    }


def current_statuses(header, strerror):
    """The same of the header's constants, with what the library says of each number."""
    constants = {name: int(value) for name, value in CONSTANT.findall(header)}
    del constants["EC_SECURITY_TEXT_MAX"]  # the one that is no status
    return {name: (number, strerror(number)) for name, number in constants.items()}


def compare_statuses(old, new, strerror):
    problems, added = [], []
    for name, (number, text) in old.items():
        if name not in new:
            problems.append(f"{name} ({number}) was taken away")
        elif new[name][0] != number:
            problems.append(f"{name} was {number} and is {new[name][0]}")
        elif new[name][1] != text:
            # A better wording is welcome; the wording of another status shows that strerror has been renumbered.
            others = [other for other, (_, theirs) in old.items() if theirs == new[name][1]]
            if others:
                problems.append(f"ec_security_strerror({number}) is that of {others[0]}, not of {name}")
            else:
                added.append(f"wording of {name}: {new[name][1]}")
    numbers = {}
    unknown = strerror(-1)
    for name, (number, text) in new.items():
        if number in numbers:
            problems.append(f"{name} and {numbers[number]} are both {number}")
        numbers[number] = name
        if text == unknown:
            problems.append(f"ec_security_strerror({number}) does not know {name}")
        if name not in old:
            added.append(f"{name} {number}")
    for number in range(max(numbers) + 64):
        if number not in numbers and strerror(number) != unknown:
            problems.append(f"ec_security_strerror({number}) knows a status that the header lacks")
    return problems, added


def listed_options(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def current_options(source):
    found = re.search(r"pub const OPTIONS: \[&str; (\d+)\] = \[(.*?)\];", source, re.DOTALL)
    names = re.findall(r'"(\w+)"', found[2]) if found else []
    if not found or len(names) != int(found[1]):
        raise Failure("src/policy/options.rs has no OPTIONS to read")
    return names


def compare_options(old, new, takes):
    problems = [f"{name} was taken away" for name in old if name not in new]
    problems += [f"ec_security_policy_set() does not know {name}" for name in [*old, *new] if not takes(name)]
    if takes("no_such_option"):
        problems.append("ec_security_policy_set() takes any name")
    return problems, [name for name in new if name not in old]


class Library:
    """The built library, through its C interface."""

    def __init__(self):
        self.c = ctypes.CDLL(str(LIBRARY))
        self.c.ec_security_strerror.restype = ctypes.c_char_p
        self.c.ec_security_policy_new.restype = ctypes.c_void_p
        self.c.ec_security_policy_set.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
        self.policy = self.c.ec_security_policy_new()
        if not self.policy:
            raise Failure("ec_security_policy_new() gives NULL")

    def strerror(self, number):
        return self.c.ec_security_strerror(number).decode()

    def takes(self, option):
        """NULL, the default, is a value of every option."""
        return self.c.ec_security_policy_set(self.policy, option.encode(), None) == 0


# --- cases --------------------------------------------------------------------------------------------------------------

failed = False


def case(name, problems, added=()):
    global failed
    for line in added:
        print(f"new: {line}")
    if problems:
        failed = True
        print("\n".join(problems))
        print(f"FAIL {name}: see above")
    else:
        print(f"ok {name}")


def expect(name, problems, added, word=None, new=None):
    """A comparison with an altered copy: a problem that has `word` in it, or none and `new` among what was added."""
    wrong = []
    if word is None and problems:
        wrong.append(f"it is refused: {problems}")
    if word is not None and not any(word in problem for problem in problems):
        wrong.append(f"no problem with {word!r}: {problems}")
    if new is not None and not any(new in line for line in added):
        wrong.append(f"{new!r} is not listed: {added}")
    case(name, wrong)


def altered(text, old, new):
    if old not in text:
        raise Failure(f"nothing to alter: {old!r}")
    return text.replace(old, new, 1)


def cases_of_headers(header, work):
    """Copies of the header, each with one change, against the one that is here."""
    first = work / "as-is"
    first.mkdir()
    library, dump = model(header, first)
    released = released_symbols(dump.read_text(encoding="utf-8"))
    last = "const char *ec_security_version(void);"
    size = "int ec_security_status(pid_t pid,\n                       char *buf,\n                       size_t len);"
    fields = "uint64_t effective;", "uint64_t permitted;"
    exchanged = altered(header, fields[0], "@").replace(fields[1], fields[0], 1).replace("@", fields[1])

    def changed(old, new):
        return altered(header, old, new)

    # What the report must name if it is refused, and what must be listed if it passes.
    changes = [
        ("nothing changed", header, None, None),
        ("a function added", changed(last, last + "\nint ec_security_more(int more);"), None, "ec_security_more"),
        ("a status added", changed("_OK 0\n", "_OK 0\n#define EC_SECURITY_EMORE 99\n"), None, None),
        ("a function taken away", changed(last, ""), "ec_security_version", None),
        ("a parameter's type changed", changed(size, altered(size, "size_t", "int")), "ec_security_status", None),
        ("a parameter added", changed(size, altered(size, "len)", "len, int flags)")), "ec_security_status", None),
        ("a result's type changed", changed(last, altered(last, "const char *", "int ")), "ec_security_version", None),
        ("a const taken away", changed(last, altered(last, "const ", "")), "ec_security_version", None),
        ("a field of a struct added", changed("inheritable;", "inheritable;\n    uint64_t more;"), "more", None),
        ("two fields of a struct exchanged", exchanged, "effective", None),
    ]
    for number, (name, copy, word, listed) in enumerate(changes):
        directory = work / str(number)
        directory.mkdir()
        other, other_dump = model(copy, directory)
        expect(f"altered header: {name}", *compare_dumps(dump, other_dump), word, listed)
        if name == "a function taken away":
            expect("altered library: a symbol taken away", *compare_exports(released, other), "ec_security_version@@")
        if listed:
            expect("altered library: a symbol added", *compare_exports(released, other), None, listed)
    unversioned = work / "unversioned.so"
    run([*CC, "-shared", "-fPIC", "-o", unversioned, first / "model.c", f"-Wl,-soname,{SONAME}.1"])
    expect("altered library: symbols without a version", *compare_exports(released, unversioned), "ec_security_apply@@")
    expect("altered library: another SONAME", *compare_exports(released, unversioned), "SONAME")


def cases_of_lists(header, library, options):
    """The same for the statuses and options."""
    statuses = current_statuses(header, library.strerror)

    def against(text, strerror=library.strerror):
        return compare_statuses(statuses, current_statuses(text, strerror), strerror)

    busy, thread = "#define EC_SECURITY_EBUSY 11\n", "#define EC_SECURITY_ETHREAD 9\n"
    expect("altered statuses: one taken away", *against(altered(header, busy, "")), "EBUSY (11) was taken away")
    expect("altered statuses: one renumbered", *against(altered(header, busy, busy.replace("11", "99"))), "was 11 and is 99")
    expect("altered statuses: a number used twice", *against(altered(header, busy, busy + "#define EC_SECURITY_EMORE 11\n")), "are both 11")
    more = altered(header, thread, thread + "#define EC_SECURITY_EMORE 18\n")
    expect("altered statuses: one added that strerror does not know", *against(more), "does not know EC_SECURITY_EMORE")

    def knowing(number):
        return "more than that" if number == 18 else library.strerror(number)

    expect("altered statuses: one added", *against(more, knowing), None, "EC_SECURITY_EMORE 18")
    expect("altered statuses: one added that the header lacks", *against(header, knowing), "the header lacks")

    def swapped(number):
        return library.strerror({9: 10, 10: 9}.get(number, number))

    expect("altered statuses: two texts exchanged", *against(header, swapped), "ec_security_strerror(9)")

    def options_against(new, takes=library.takes):
        return compare_options(options, new, takes)

    expect("altered options: one taken away", *options_against(options[1:]), f"{options[0]} was taken away")
    expect("altered options: one added", *options_against([*options, "more"], lambda name: name != "no_such_option"), None, "more")
    expect(
        "altered options: one that the library does not take",
        *options_against(options, lambda name: name not in (options[2], "no_such_option")),
        f"not know {options[2]}",
    )


def write_release(header, dump, library, options):
    DUMP.parent.mkdir(exist_ok=True)
    DUMP.write_text(dump.read_text(encoding="utf-8"), encoding="utf-8")
    lines = [f"{number} {name} {text}" for name, (number, text) in current_statuses(header, library.strerror).items()]
    STATUSES.write_text(
        "# Of the last release: number, name, text. A number and its name stay for ever.\n" + "".join(line + "\n" for line in lines),
        encoding="utf-8",
    )
    OPTIONS.write_text("# Of the last release. A name stays for ever.\n" + "".join(name + "\n" for name in options), encoding="utf-8")


def main():
    header = HEADER.read_text(encoding="utf-8")
    library = Library()
    options = current_options((ROOT / "src/policy/options.rs").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        now = work / "now"
        now.mkdir()
        modelled, dump = model(header, now)
        if sys.argv[1:] == ["--release"]:
            write_release(header, dump, library, options)
            return
        released = released_symbols(DUMP.read_text(encoding="utf-8"))
        statuses = listed_statuses(STATUSES.read_text(encoding="utf-8"))
        listed = listed_options(OPTIONS.read_text(encoding="utf-8"))
        if not released or not statuses or not listed:
            raise Failure("abi/ holds no release to compare with")

        case("functions and types are those of the last release", *compare_dumps(DUMP, dump))
        case("symbols of the library are those of the last release", *compare_exports(released, LIBRARY))
        case(
            "symbols of the library are those of the header",
            [f"{name} is in one of them only" for name in sorted(exported(LIBRARY)[0] ^ exported(modelled)[0])],
        )
        case(
            "statuses are those of the last release",
            *compare_statuses(statuses, current_statuses(header, library.strerror), library.strerror),
        )
        case("options are those of the last release", *compare_options(listed, options, library.takes))
        # A guard that has never refused anything is none.
        cases_of_headers(header, work)
        cases_of_lists(header, library, options)


try:
    main()
except (Failure, OSError) as error:
    print(f"FAIL {error}")
    failed = True
sys.exit(failed)
