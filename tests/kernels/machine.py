"""A virtual machine with a kernel of Debian's own packages and a file system in memory, in qemu without KVM.

Packages are taken from the mirror this machine's apt is set up for, with a state of apt's own under build/kernels, and not
installed."""

import glob
import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

HERE = "build/kernels"
META = "linux-image-cloud-amd64"


def output(command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


# --- packages ---------------------------------------------------------------------------------------------------------------


def mirror():
    """Where this machine gets Debian's packages from."""
    for line in output(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]).splitlines():
        origin, label, uri = line.split("|")
        if origin == "Debian" and label == "Debian":
            return uri
    sys.exit("no suite of Debian's is set up in apt here; run apt-get update first")


def package_of(suite):
    """The file of a suite's kernel package, downloaded unless it is there; None, and why, where it cannot be had."""
    state = os.path.abspath(os.path.join(HERE, "apt", suite))
    kept = os.path.join(state, "package")
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as name:
            path = name.read()
        if os.path.exists(path):
            return path, None
    for folder in ("lists/partial", "cache/archives/partial", "empty"):
        os.makedirs(os.path.join(state, folder), exist_ok=True)
    with open(os.path.join(state, "sources.list"), "w", encoding="utf-8") as sources:
        sources.write(f"deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} {suite} main\n")
    options = []
    for option in (
        f"Dir::Etc::sourcelist={state}/sources.list",
        f"Dir::Etc::sourceparts={state}/empty",
        f"Dir::State::lists={state}/lists",
        f"Dir::Cache={state}/cache",
        "APT::Architecture=amd64",
        "APT::Architectures=amd64",
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    ):
        options += ["-o", option]
    try:
        said = subprocess.run(["apt-get", *options, "update"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        wanted = re.search(rf"^Depends: .*?\b(linux-image-[0-9]\S*-cloud-amd64)", output(["apt-cache", *options, "show", META]), re.M)
        output(["apt-get", *options, "download", wanted.group(1)], cwd=state, stderr=subprocess.PIPE, timeout=300)
        path = sorted(glob.glob(os.path.join(state, wanted.group(1) + "_*.deb")))[-1]
    except (subprocess.SubprocessError, AttributeError, IndexError):
        return None, " ".join(said.stdout.split())[-300:] if "said" in locals() else "apt-get update takes too long"
    with open(kept, "w", encoding="utf-8") as name:
        name.write(path)
    return path, None


def kernel_of(package):
    """The image itself: the only thing that is needed of the package, since the drivers needed here are built in."""
    folder = os.path.join(HERE, "boot", os.path.basename(package))
    if not glob.glob(os.path.join(folder, "vmlinuz-*")):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", folder, "--strip-components=2", "--wildcards", "./boot/vmlinuz-*"], stdin=unpack.stdout, check=True)
        unpack.stdout.close()
        unpack.wait()
    return glob.glob(os.path.join(folder, "vmlinuz-*"))[0]


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


# --- the machine --------------------------------------------------------------------------------------------------------------


def lines(kernel, initramfs, limit, parameters=""):
    """Boots it, and yields what it prints, line by line; it is killed after `limit` seconds."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1G", "-nodefaults", "-no-user-config",
               "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", kernel, "-initrd", initramfs,
               "-append", f"console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off random.trust_cpu=on {parameters}"]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watch = threading.Timer(limit, machine.kill)
    watch.start()
    for line in machine.stdout:
        yield line.decode("utf-8", "replace").rstrip("\r\n")
    machine.wait()
    watch.cancel()
