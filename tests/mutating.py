"""What tests/mutants and tests/mutants-hand share: private copies of the tree, quick builds of them, and tests that are run until
one notices."""

import importlib.machinery
import importlib.util
import os
import selectors
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.abspath("build/mutants")

_loader = importlib.machinery.SourceFileLoader("run", "tests/run")
_run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", _loader))
_loader.exec_module(_run)


# Quick builds: the defects do not depend on optimization. Of the library a little, since some tests look at the stack it uses.
_QUICK = {"DEBUG": "0", "INCREMENTAL": "true", "CODEGEN_UNITS": "16", "LTO": "off"}
ENV = dict(os.environ)
for _profile, _level in (("DEV", "0"), ("TEST", "0"), ("C_LIBRARY", "2")):
    ENV |= {f"CARGO_PROFILE_{_profile}_{key}": value for key, value in dict(_QUICK, OPT_LEVEL=_level).items()}


class Workshop:
    """A copy of the tree under build/mutants/, with directories of its own for what is built from it."""

    def __init__(self, name):
        self.directory = os.path.join(HERE, name)
        self.tree = os.path.join(self.directory, "tree")
        self.target = os.path.join(self.directory, "cargo")
        shutil.rmtree(self.tree, ignore_errors=True)
        for file in subprocess.check_output(["git", "ls-files", "-z"], text=True).split("\0"):
            if file and os.path.isfile(file):
                os.makedirs(os.path.join(self.tree, os.path.dirname(file)), exist_ok=True)
                # With the time of now: what was built before may be of a mutant.
                shutil.copy(file, os.path.join(self.tree, file))
        # The programs look for the library in the directory above their own.
        self.programs = os.path.join(self.directory, "outside")
        shutil.rmtree(self.programs, ignore_errors=True)
        shutil.copytree("build/outside", self.programs, ignore=shutil.ignore_patterns("*.o"))
        # Of the kinds of library the tests in Rust need one.
        manifest = self.read("Cargo.toml")
        self.write("Cargo.toml", manifest.replace('crate-type = ["rlib", "staticlib", "cdylib"]', 'crate-type = ["rlib"]'))

    def read(self, file):
        with open(os.path.join(self.tree, file), encoding="utf-8") as source:
            return source.read()

    def write(self, file, content):
        with open(os.path.join(self.tree, file), "w", encoding="utf-8") as source:
            source.write(content)

    def build(self, *words):
        """None, or what a compiler says."""
        done = subprocess.run(
            words,
            cwd=self.tree,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=ENV,
        )
        return (done.stdout or f"exit status {done.returncode}") if done.returncode else None

    def build_tests(self, *words):
        """Builds tests in Rust. None, or why they do not build."""
        return self.build("cargo", "test", "--quiet", "--locked", "--no-run", "--target-dir", self.target, *words)

    def build_library(self):
        """Builds the shared library. None, or why it does not build."""
        library = os.path.join(self.target, "c-library", "libec_security.a")
        return self.build(
            "cargo",
            "rustc",
            "--quiet",
            "--locked",
            "--profile",
            "c-library",
            "--no-default-features",
            "--features",
            "capi",
            "--lib",
            "--crate-type",
            "staticlib",
            "--target-dir",
            self.target,
        ) or self.build(
            os.environ.get("CC", "cc"),
            "-shared",
            "-o",
            os.path.join(self.directory, "libec_security.so.0"),
            "-Wl,--whole-archive",
            library,
            "-Wl,--no-whole-archive",
            "-Wl,--version-script=ec_security.map",
            "-Wl,-soname,libec_security.so.0",
            "-Wl,--gc-sections",
            "-Wl,-z,nodelete,-z,now,-z,relro",
            "-static-libgcc",
            "-pthread",
        )

    def run_tests(self, *words):
        """Tests in Rust, once they are built. None, or the name of one that fails."""
        return watch(["cargo", "test", "--locked", "--target-dir", self.target, *words], 40, self.tree, ENV)

    def run_program(self, name, *words, limit):
        """A program of tests/outside. None, or the first line of one of its cases that fails. Words like NAME=VALUE at the
        beginning are for its environment."""
        setting = {}
        while "=" in name:
            key, _, value = name.partition("=")
            setting[key] = value
            name, *words = words
        return watch([os.path.join(self.programs, name), *words], limit, self.tree, dict(os.environ, **setting))


class TimeOut(str):
    """A failure that shows by not coming to an end."""


def watch(command, limit, directory, env):
    """Runs a test until the first of its cases fails. None, or what the failure is."""
    process = subprocess.Popen(
        command, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    ends = time.monotonic() + limit
    os.set_blocking(process.stdout.fileno(), False)
    failure, rest = None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while failure is None:
            left = ends - time.monotonic()
            if left <= 0:
                failure = TimeOut(f"not done within {limit} s")
                break
            # What a program leaves running may hold the pipe open.
            ended = process.poll() is not None
            if not selector.select(0 if ended else min(left, 0.2)):
                if ended:
                    break
                continue
            chunk = process.stdout.read()
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            failure = next(
                (line.decode(errors="replace") for line in lines if line.startswith(b"FAIL ") or line.endswith(b" ... FAILED")), None
            )
    if failure is None:
        try:
            status = process.wait(max(0.1, ends - time.monotonic()))
            failure = f"exit status {status}" if status else None
        except subprocess.TimeoutExpired:
            failure = TimeOut(f"not done within {limit} s")
    if process.poll() is None:
        process.kill()
    _run.end_session(process.pid)
    process.wait()
    process.stdout.close()
    return failure
