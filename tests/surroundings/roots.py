"""The roots that the driver is put into, and the private mounts of this program.

build/surroundings/srv     what is at /srv everywhere: the driver, the library, a directory for chroot
build/surroundings/mini    a root directory with nothing but that, its libraries, busybox and two databases
build/surroundings/debian  a Debian with systemd and the modules and daemons of directories
build/surroundings/etc     this machine's /etc with the users of the tests
"""

import glob
import os
import re
import shutil
import subprocess

import machine

HERE = "build/surroundings"
SRV, MINI, DEBIAN, ETC = (os.path.abspath(os.path.join(HERE, name)) for name in ("srv", "mini", "debian", "etc"))
DEBIAN_PACKAGES = [
    "systemd",
    "libnss-systemd",
    "gosu",
    "sssd-common",
    "libnss-sss",
    "nslcd",
    "libnss-ldapd",
    "winbind",
    "libnss-winbind",
    "slapd",
]
# A home directory to which the way does not lead through the source tree, which may be its owner's only.
HOME = "/srv/home"
PASSWD = "ecuser:x:1500:1500::/nonexistent:/bin/false\necroot:x:1600:1600::/srv/home/ecroot:/bin/sh\n"
GROUP = "ecuser:x:1500:\necroot:x:1600:\necother:x:1700:\n"


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)


def libraries(program):
    said = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [path for path in re.findall(r"(/\S+) \(0x", said) if "/build/" not in path]


def make_srv():
    shutil.rmtree(SRV, ignore_errors=True)
    os.makedirs(os.path.join(SRV, "ecroot"), 0o755)
    write(os.path.join(SRV, "ecroot/inside"), "")
    os.makedirs(os.path.join(SRV, "out"))
    os.makedirs(os.path.join(SRV, "home"))
    for path in (
        os.path.join(HERE, "drive"),
        os.path.join(HERE, "drive-libcap"),
        "build/libec_security.so.0",
        os.path.join(HERE, "libnss_hang.so.2"),
    ):
        shutil.copy(path, SRV)


def make_mini():
    shutil.rmtree(MINI, ignore_errors=True)
    for directory in ("bin", "dev", "proc", "sys", "run", "tmp", "root", "usr", "judge", "home", "var/tmp"):
        os.makedirs(os.path.join(MINI, directory))
    os.chmod(os.path.join(MINI, "tmp"), 0o1777)
    shutil.copytree(SRV, os.path.join(MINI, "srv"))
    shutil.copy("/bin/busybox", os.path.join(MINI, "bin"))
    os.symlink("busybox", os.path.join(MINI, "bin/sh"))
    # pthread_exit(3) loads libgcc_s by name.
    gcc = subprocess.run(["gcc", "-print-file-name=libgcc_s.so.1"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    for path in libraries(os.path.join(HERE, "drive")):
        os.makedirs(MINI + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, MINI + path)
        if path.endswith("libc.so.6"):
            shutil.copy(gcc, MINI + os.path.dirname(path))
    write(f"{MINI}/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n" + PASSWD + "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
    write(f"{MINI}/etc/group", "root:x:0:\n" + GROUP + "nogroup:x:65534:\n")
    write(f"{MINI}/etc/nsswitch.conf", "passwd: files\ngroup: files\n")
    # Container tools mount over these; where root of a user namespace cannot make them, they have to be there.
    for name in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"):
        write(os.path.join(MINI, name), "")


def make_etc():
    shutil.rmtree(ETC, ignore_errors=True)
    # A file may go while packages are installed.
    subprocess.run(["cp", "-a", "/etc", ETC], stderr=subprocess.DEVNULL, check=False)
    for name, more in (("passwd", PASSWD), ("group", GROUP)):
        with open(os.path.join(ETC, name), "a", encoding="utf-8") as out:
            out.write(more)
    # A machine's own directories of users are no part of these tests.
    write(f"{ETC}/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    for name in ("subuid", "subgid"):
        write(os.path.join(ETC, name), "ecroot:200000:65536\n")


def make_debian():
    """Packages take minutes, so that what is there stays; a root that is not whole is made anew."""
    mark = os.path.join(DEBIAN, "whole")
    if os.path.exists(mark) and open(mark, encoding="utf-8").read().split() == DEBIAN_PACKAGES:
        return
    shutil.rmtree(DEBIAN, ignore_errors=True)
    print("-- making a Debian with systemd, sssd, nslcd and winbind in build/surroundings/debian", flush=True)
    log = os.path.join(HERE, "debian.log")
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.call(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--include=" + ",".join(DEBIAN_PACKAGES),
                '--aptopt=APT::Install-Recommends "false"',
                "bookworm",
                DEBIAN,
                machine.mirror(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    if status:
        print(f"-- mmdebstrap failed, see {log}", flush=True)
        return
    for name, more in (("passwd", PASSWD), ("group", GROUP)):
        with open(os.path.join(DEBIAN, "etc", name), "a", encoding="utf-8") as out:
            out.write(more)
    for directory in ("mini", "old", "judge"):
        os.makedirs(os.path.join(DEBIAN, directory), exist_ok=True)
    write(mark, "\n".join(DEBIAN_PACKAGES))


def has_debian():
    return os.path.exists(os.path.join(DEBIAN, "whole"))


def sources(names):
    """Where the Debian root looks users and groups up: nsswitch.conf(5)."""
    write(os.path.join(DEBIAN, "etc/nsswitch.conf"), f"passwd: {names}\ngroup: {names}\nhosts: files\n")


def build():
    os.makedirs(HERE, exist_ok=True)
    make_srv()
    make_mini()
    make_etc()
    make_debian()


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def cgroup2():
    """Where cgroup2 is mounted on this machine, in a hybrid hierarchy too."""
    for line in open("/proc/self/mountinfo", encoding="utf-8"):
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return fields[4]
    return None


def pids_controller():
    """A directory of the pids controller, of whichever version; None where there is none."""
    for path in glob.glob("/sys/fs/cgroup/pids"):
        if os.path.exists(os.path.join(path, "cgroup.procs")):
            return path
    where = cgroup2()
    if where and "pids" in open(os.path.join(where, "cgroup.subtree_control"), encoding="utf-8").read().split():
        return where
    return None


def enter():
    """In a mount and a network namespace: /srv and /etc are the tests' own."""
    mount("--bind", SRV, "/srv")
    mount("--bind", ETC, "/etc")
    # Rootless podman's.
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", HOME)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
