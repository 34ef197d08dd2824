"""What the checks in virtual machines share: Debian's packages without installing them, a file system in memory, a machine that is
nothing but a kernel of Debian's and that file system, in qemu, and what its programs print."""

import glob
import gzip
import os
import re
import stat
import subprocess
import threading
import time

CASE = re.compile(r"^(ok|FAIL|SKIP) (.*)$")


class Unreachable(OSError):
    """What is needed cannot be had here; the text says what, and why."""


def say(line):
    print(line, flush=True)


def output(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


# --- packages ---------------------------------------------------------------------------------------------------------------


def mirror():
    """Where this machine gets Debian's packages from."""
    for line in output(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]).splitlines():
        origin, label, uri = line.split("|")
        if origin == "Debian" and label == "Debian":
            return uri
    raise Unreachable("no suite of Debian's is set up in apt here; run apt-get update first")


class Suite:
    """A suite of Debian's for one architecture, with a state of apt's own. What was downloaded once is kept."""

    def __init__(self, directory, suite, architecture):
        self.state = os.path.abspath(directory)
        self.suite = suite
        self.architecture = architecture
        self.updated = False

    def options(self):
        state = self.state
        options = []
        for option in (
            f"Dir::Etc::sourcelist={state}/sources.list",
            f"Dir::Etc::sourceparts={state}/empty",
            f"Dir::State::lists={state}/lists",
            f"Dir::Cache={state}/cache",
            f"APT::Architecture={self.architecture}",
            f"APT::Architectures={self.architecture}",
            "APT::Sandbox::User=root",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        ):
            options += ["-o", option]
        return options

    def update(self):
        if self.updated:
            return
        for directory in ("lists/partial", "cache/archives/partial", "empty"):
            os.makedirs(os.path.join(self.state, directory), exist_ok=True)
        with open(os.path.join(self.state, "sources.list"), "w", encoding="utf-8") as sources:
            keys = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
            sources.write(f"deb [arch={self.architecture} {keys}] {mirror()} {self.suite} main\n")
        done = subprocess.run(
            ["apt-get", *self.options(), "update"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        if done.returncode or re.search(r"^(E|Err):?", done.stdout, re.M):
            raise Unreachable(f"apt-get update of {self.suite}: " + " ".join(re.findall(r"^[WE]: .*", done.stdout, re.M))[:300])
        self.updated = True

    def show(self, package):
        self.update()
        return output(["apt-cache", *self.options(), "show", package], stderr=subprocess.PIPE)

    def package(self, name, of_dependency=None):
        """The file of a package: of the one named, or of the one among its dependencies that the pattern fits."""
        kept = os.path.join(self.state, f"{name}.file")
        if os.path.exists(kept):
            with open(kept, encoding="utf-8") as file:
                path = file.read()
            if os.path.exists(path):
                return path
        self.update()
        wanted = name
        if of_dependency:
            found = re.search(rf"^Depends: .*?\b({of_dependency})", self.show(name), re.M)
            if not found:
                raise OSError(f"{name} of {self.suite} depends on no {of_dependency}")
            wanted = found.group(1)
        done = subprocess.run(
            ["apt-get", *self.options(), "download", wanted],
            cwd=self.state,
            timeout=300,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise Unreachable(f"{wanted} of {self.suite}: " + " ".join(done.stderr.split())[-300:])
        path = max(glob.glob(os.path.join(self.state, wanted + "_*.deb")), key=os.path.getmtime)
        with open(kept, "w", encoding="utf-8") as file:
            file.write(path)
        return path


def unpack(package, directory, *patterns):
    """Unpacks what of a package fits the patterns, and all of it without one."""
    mark = os.path.join(directory, "." + os.path.basename(package))
    if os.path.exists(mark):
        return directory
    os.makedirs(directory, exist_ok=True)
    source = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", directory, "--wildcards", *(patterns or ["*"])], stdin=source.stdout, check=True)
    source.stdout.close()
    source.wait()
    with open(mark, "w", encoding="utf-8"):
        pass
    return directory


def kernel_of(suite, meta, image, directory):
    """The image itself: the only thing that is needed of the package, since the drivers needed here are built in."""
    package = suite.package(meta, image)
    directory = unpack(package, os.path.join(directory, os.path.basename(package)), "./boot/vmlinu*")
    return glob.glob(os.path.join(directory, "boot", "vmlinu*-*"))[0]


def amd64_kernel(suite):
    """That of the cloud kernel's package for amd64, for a machine of AMD64."""
    here = "build/kernels"
    packages = Suite(os.path.join(here, "apt", suite), suite, "amd64")
    return kernel_of(packages, "linux-image-cloud-amd64", r"linux-image-[0-9]\S*-cloud-amd64", os.path.join(here, "boot"))


# --- the file system ----------------------------------------------------------------------------------------------------------


class Archive:
    """A cpio archive of the kind the kernel unpacks: Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self):
        self.parts = []
        self.names = set()

    def add(self, name, mode, content=b"", device=(0, 0)):
        # /lib and the like are links, on the machine the libraries come from.
        name = re.sub(r"^usr/lib", "lib", name.strip("/"))
        if name in self.names:
            return
        if "/" in name:
            self.add(os.path.dirname(name), stat.S_IFDIR | 0o755)
        self.names.add(name)
        fields = (len(self.names), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        for part in (head, content):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def file(self, name, path, mode=None):
        with open(path, "rb") as source:
            self.add(name, stat.S_IFREG | (mode or os.stat(path).st_mode & 0o777), source.read())

    def text(self, name, text):
        self.add(name, stat.S_IFREG | 0o644, text.encode())

    def write(self, path):
        self.add("TRAILER!!!", 0)
        with gzip.open(path, "wb", compresslevel=1) as out:
            out.write(b"".join(self.parts))


def bare_system(busybox, tests):
    """An archive with the first process, and its list of programs: (name, seconds, variables), each of which is
    /t/build/outside/NAME."""
    archive = Archive()
    # Named, since the kernel may give it the mode of a /tmp.
    archive.add(".", stat.S_IFDIR | 0o755)
    for directory in ("bin", "dev", "etc", "proc", "sys", "run", "root", "mnt", "usr", "var/empty"):
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("tmp", stat.S_IFDIR | 0o1777)
    # Before devtmpfs is mounted there is no other; the first process gets its three descriptors from it.
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    archive.file("bin/busybox", busybox, 0o755)
    archive.file("init", os.path.join(os.path.dirname(__file__), "init"), 0o755)
    archive.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
    archive.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    archive.text("etc/nsswitch.conf", "passwd: files\ngroup: files\n")
    archive.text("t/programs", "".join(f"{name} {seconds} {' '.join(variables)}\n" for name, seconds, variables in tests))
    return archive


# --- what its programs print --------------------------------------------------------------------------------------------------


class Reader:
    """Counts the lines of programs: `ok`, `FAIL` and `SKIP`, with a FAIL of its own for a program that dies, runs out of time or
    whose exit status does not go with its lines. A program that prints no case is judged by its exit status where that is
    `enough`, and has failed else."""

    def __init__(self, label, enough=False):
        self.label = label
        self.enough = enough
        self.counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
        self.running, self.own, self.failed, self.begun, self.last = None, 0, 0, 0, ""
        self.done = False

    def case(self, verdict, text):
        self.counts[verdict] += 1
        say(f"{verdict} {self.label}: {text}")

    def begin(self, name):
        self.running, self.own, self.failed, self.begun = name, 0, self.counts["FAIL"], time.monotonic()

    def end(self, status):
        running = self.running
        if status == 137:
            self.case("FAIL", f"{running}: killed, or not done in time")
        elif self.own == 0 and self.enough:
            self.case("FAIL" if status else "ok", f"{running}: exit status {status}")
        elif (status != 0) != (self.counts["FAIL"] > self.failed):
            self.case("FAIL", f"{running}: exit status {status}, with {self.counts['FAIL'] - self.failed} cases failed")
        elif self.own == 0:
            self.case("FAIL", f"{running}: printed no case")
        say(f"-- {self.label}: {running}: {self.own} cases, {time.monotonic() - self.begun:.0f} s")
        self.running = None

    def line(self, line):
        self.last = line or self.last
        found = CASE.match(line)
        if found and self.running:
            self.own += 1
            self.case(found.group(1), f"{self.running}: {found.group(2)}")
        elif line:
            say(f"   {self.label}: {line}")

    def close(self, started):
        counts = self.counts
        say(
            f"-- {self.label}: {counts['ok']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped, {time.monotonic() - started:.0f} s"
        )
        return counts


# Without KVM.
AMD64 = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]
AMD64_CONSOLE = "console=ttyS0 mitigations=off"


def lines(command, kernel, initramfs, parameters, limit):
    """Boots a machine, and yields what it prints, line by line; it is killed after `limit` seconds."""
    command = [
        *command,
        "-m",
        "1G",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-kernel",
        kernel,
        "-initrd",
        initramfs,
        "-append",
        f"quiet loglevel=1 panic=-1 random.trust_cpu=on {parameters}",
    ]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watch = threading.Timer(limit, machine.kill)
    watch.start()
    for line in machine.stdout:
        yield line.decode("utf-8", "replace").rstrip("\r\n")
    machine.wait()
    watch.cancel()


def boot(command, kernel, initramfs, parameters, limit, reader):
    """Runs the programs of a bare_system(), and has the reader count their lines."""
    release = re.sub(r"^vmlinu[xz]-", "", os.path.basename(kernel))
    started = time.monotonic()
    # qemu 7.2 sometimes has a kernel of i386 panic before its first process: cmpxchg8b, when an interrupt comes. No program has run then.
    up, attempts = False, 3
    while not up and attempts and time.monotonic() - started < limit:
        attempts -= 1
        for line in lines(command, kernel, initramfs, parameters, limit):
            mark = re.match(r"^.*== (kernel|begin|end|done) ?(\S*) ?(\d*)$", line)
            kind, name, status = mark.groups() if mark else (None, "", "")
            if kind == "kernel":
                up = True
                say(f"-- {name} runs after {time.monotonic() - started:.0f} s")
                # What was asked for must be what runs.
                if name != release:
                    reader.case("FAIL", f"another kernel runs: {name}")
            elif kind == "begin":
                reader.begin(name)
            elif kind == "end":
                reader.end(int(status))
            elif kind == "done":
                reader.done = True
            else:
                reader.line(line)
        if not up:
            say(f"-- {reader.label}: the kernel did not come up: {reader.last}")
    if not reader.done:
        reader.case("FAIL", f"the machine did not come to its end, in {reader.running or 'no program'}: {reader.last}")
    return reader.close(started)
