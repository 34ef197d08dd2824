"""Surroundings on this machine's kernel: containers, service managers, sandboxes, namespaces, limits.

outcomes() yields (name, what the driver has printed, None), or (name, None, why it cannot be had)."""

import os
import shutil
import signal
import subprocess
import tempfile

import roots

DRIVE = ["/srv/drive"]
# The drop of T1 and T4, written by hand with libcap.
BY_LIBCAP = ["/srv/drive-libcap", "C1", "C4"]
TIMEOUT = 200
# RLIMIT_NOFILE of the container tools is higher than a root without CAP_SYS_RESOURCE may have.
ULIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
DOCKER = "--cap-add=AUDIT_WRITE,MKNOD,NET_RAW"


def run(command, **more):
    """What a command prints, to a file: a daemon that outlives it would keep a pipe open."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **more)
        late = ""
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            late = f"\nnot done within {TIMEOUT} s"
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        return out.read().decode("utf-8", "replace") + late


# --- podman -------------------------------------------------------------------------------------------------------------------


# crun has no hybrid hierarchy of cgroups.
PURE = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    'mount -t tmpfs tmpfs /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"',
    "podman",
]


def podman(*options, runtime="crun"):
    state = os.path.join(os.path.abspath(roots.HERE), "podman")
    # Debian's runc wants cgroups; crun does without, where the machine's hierarchy is hybrid.
    cgroups = ["--cgroups=disabled"] if runtime == "crun" else ["--cgroups=no-conmon", "--pids-limit=0"]
    return [
        *PURE,
        "podman",
        "--root",
        f"{state}/root",
        "--runroot",
        f"{state}/run",
        "--tmpdir",
        f"{state}/tmp",
        "--storage-driver=vfs",
        "--cgroup-manager=cgroupfs",
        "--events-backend=none",
        "--runtime",
        runtime,
        "run",
        "--rm",
        "--network=none",
        *cgroups,
        *ULIMITS,
        *options,
        "--rootfs",
        roots.MINI,
        *DRIVE,
    ]


def rootless(*options):
    home = f"{roots.HOME}/ecroot"
    if not os.path.exists(home):
        shutil.copytree(roots.MINI, f"{home}/mini", symlinks=True)
        os.makedirs(f"{home}/run")
        subprocess.run(["chown", "-R", "1600:1600", home], check=True)
    return [
        *PURE,
        "setpriv",
        "--reuid=1600",
        "--regid=1600",
        "--init-groups",
        "env",
        "-i",
        f"HOME={home}",
        f"XDG_RUNTIME_DIR={home}/run",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "podman",
        "--storage-driver=vfs",
        "--cgroup-manager=cgroupfs",
        "--events-backend=none",
        "--runtime=crun",
        "run",
        "--rm",
        "--network=none",
        "--cgroups=disabled",
        *ULIMITS,
        *options,
        "--rootfs",
        f"{home}/mini",
        *DRIVE,
    ]


def podman_all():
    yield "podman-crun", podman(DOCKER)
    yield "podman-runc", podman(DOCKER, runtime="runc")
    yield "podman-no-new-privileges", podman("--security-opt=no-new-privileges")
    yield "podman-read-only", podman("--read-only")
    yield "podman-hidepid", podman("--security-opt=proc-opts=hidepid=2")
    yield "podman-pid-host", podman("--pid=host", DOCKER, runtime="runc")
    yield "podman-unconfined", podman("--security-opt=seccomp=unconfined")
    yield "podman-privileged", podman("--privileged")
    yield "podman-few", podman("--cap-drop=ALL", "--cap-add=SETUID,SETGID,NET_BIND_SERVICE")
    yield "podman-none", podman("--cap-drop=ALL")
    yield "podman-user", podman("--user=ecuser", "--cap-add=NET_BIND_SERVICE")
    yield "podman-user-ids", podman("--user=1500:1500")
    yield "podman-user-other", podman("--user=1000")
    yield "podman-group-add", podman("--user=1500:1500", "--group-add=1700")
    yield "podman-uidmap", podman("--uidmap=0:100000:65536", "--gidmap=0:100000:65536")
    yield "podman-uidmap-one", podman("--uidmap=0:100000:1", "--gidmap=0:100000:1")
    yield "podman-uidmap-few", podman("--uidmap=0:100000:1001", "--gidmap=0:100000:1001")
    yield "podman-rootless", rootless()
    yield "podman-rootless-keep-id", rootless("--userns=keep-id")
    yield "podman-rootless-user", rootless("--user=1500:1500", "--cap-add=NET_BIND_SERVICE")


# --- sandboxes, emulators, namespaces -------------------------------------------------------------------------------------------


def in_debian(*command):
    return [
        "bwrap",
        "--bind",
        roots.DEBIAN,
        "/",
        "--bind",
        roots.SRV,
        "/srv",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--unshare-pid",
        "--chdir",
        "/",
        *command,
    ]


def with_pids(limit_of, *options):
    """A process more than the driver needs is one too many: the driver, its child, the child's threads."""
    where = roots.pids_controller()
    if not where:
        return None, "no pids controller of cgroups here"
    said = ""
    for threads in (0, 8):
        group = os.path.join(where, f"ec-surroundings-{os.getpid()}")
        os.makedirs(group)
        try:
            with open(os.path.join(group, "pids.max"), "w", encoding="utf-8") as out:
                out.write(str(limit_of(threads)))
            said += run(["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group, *DRIVE, "--threads", str(threads), *options])
        finally:
            os.rmdir(group)
    return said, None


# A user namespace with the ids 0 to 1999 in which setgroups(2) is denied, as one made without privileges has it. The maps are
# written from outside, once the namespace is there.
WITHOUT_SETGROUPS = """unshare --user --setgroups=deny sh -c 'until grep -q . /proc/self/gid_map; do sleep 0.05; done; exec "$@"' sh "$@" &
until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ] && grep -q deny /proc/$!/setgroups; do sleep 0.05; done
echo 0 0 2000 >/proc/$!/uid_map && echo 0 0 2000 >/proc/$!/gid_map
wait $!"""


GVISOR = ["runsc", "--platform=ptrace", "--network=none", "--ignore-cgroups", "do"]


def sandboxes():
    yield "machine", DRIVE
    yield "filter", [*DRIVE, "--filter"]
    yield "dropped", [*DRIVE, "--dropped"]
    yield "bwrap", ["bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", *DRIVE]
    yield (
        "bwrap-userns",
        ["bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--unshare-user", "--uid", "0", "--gid", "0", *DRIVE],
    )
    yield (
        "bwrap-no-proc",
        [
            "bwrap",
            "--bind",
            roots.MINI,
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/judge",
            "--unshare-pid",
            # Without /proc the loader does not find what is beside a program.
            "--setenv",
            "LD_LIBRARY_PATH",
            "/srv",
            *DRIVE,
            "--proc",
            "/judge",
        ],
    )
    yield "firejail", ["firejail", "--quiet", "--noprofile", *DRIVE]
    yield "firejail-seccomp", ["firejail", "--quiet", "--noprofile", "--seccomp", *DRIVE]
    yield "firejail-caps-drop", ["firejail", "--quiet", "--noprofile", "--caps.drop=all", *DRIVE]
    yield "gvisor", [*GVISOR, *DRIVE]
    yield "machine-libcap", BY_LIBCAP
    yield "gvisor-libcap", [*GVISOR, *BY_LIBCAP]
    # Four tests: each takes the whole deadline.
    yield "qemu-user", ["qemu-x86_64-static", *DRIVE, "T1", "T4", "T6", "T10"]
    yield "landlock", [*DRIVE, "--landlock"]
    yield (
        "hidepid",
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh", *DRIVE],
    )
    yield "userns", ["unshare", "--user", "--map-root-user", *DRIVE]
    yield "userns-setgroups", ["setpriv", "--clear-groups", "sh", "-c", WITHOUT_SETGROUPS, "sh", *DRIVE]
    yield "userns-setgroups-other", ["setpriv", "--groups=1700", "sh", "-c", WITHOUT_SETGROUPS, "sh", *DRIVE]
    yield "gosu", in_debian("/usr/sbin/gosu", "ecuser", *DRIVE)
    yield "setpriv-clear-groups", ["setpriv", "--reuid=1500", "--regid=1500", "--clear-groups", *DRIVE]
    yield (
        "setpriv-ambient",
        [
            "setpriv",
            "--reuid=1500",
            "--regid=1500",
            "--init-groups",
            "--inh-caps=-all,+net_bind_service",
            "--ambient-caps=-all,+net_bind_service",
            "--bounding-set=-all,+net_bind_service",
            *DRIVE,
        ],
    )


# --- systemd ------------------------------------------------------------------------------------------------------------------

AS_USER = ["User=ecuser", "NoNewPrivileges=yes"]
AMBIENT = [*AS_USER, "AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"]
SERVICE = ["SystemCallFilter=@system-service"]
UNPRIVILEGED = [*SERVICE, "SystemCallFilter=~@privileged @resources"]
EPERM = ["SystemCallErrorNumber=EPERM"]
HARDENED = [
    *SERVICE,
    "SystemCallArchitectures=native",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
]
UNITS = {
    "systemd": [],
    "systemd-no-new-privs": ["NoNewPrivileges=yes"],
    "systemd-user": AS_USER,
    "systemd-user-ambient": AMBIENT,
    "systemd-user-groups": [*AS_USER, "SupplementaryGroups=ecother"],
    "systemd-dynamic-user": ["DynamicUser=yes", "User=ecdynamic"],
    "systemd-service": SERVICE,
    "systemd-service-eperm": [*SERVICE, *EPERM],
    "systemd-unprivileged": UNPRIVILEGED,
    "systemd-unprivileged-eperm": [*UNPRIVILEGED, *EPERM],
    "systemd-user-unprivileged": [*AS_USER, *UNPRIVILEGED],
    "systemd-user-unprivileged-eperm": [*AS_USER, *UNPRIVILEGED, *EPERM],
    "systemd-ambient-unprivileged": [*AMBIENT, *UNPRIVILEGED],
    "systemd-ambient-unprivileged-eperm": [*AMBIENT, *UNPRIVILEGED, *EPERM],
    "systemd-hardened": HARDENED,
    "systemd-user-hardened": [*AMBIENT, *HARDENED, "SystemCallFilter=~@privileged @resources"],
    "systemd-bounding-empty": ["CapabilityBoundingSet="],
    "systemd-private-users": ["PrivateUsers=yes"],
    "systemd-user-private-users": [*AS_USER, "PrivateUsers=yes"],
    "systemd-root-directory": ["RootDirectory=/mini", "MountAPIVFS=yes"],
    "systemd-restrict-namespaces": ["RestrictNamespaces=yes"],
}

# The root is made this process's own by pivot_root(2), since units with a root or mounts of their own do not go with chroot(2).
START = """set -e
cd "$1"
mount --bind . .
cd "$1"
mount --bind "$2" srv
mount --bind "$3" mini
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
pivot_root . old
cd /
umount -l /old
exec env -i container=ec PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=ec.target --log-target=console --show-status=no
"""


def systemd(wanted):
    """Boots a systemd that is process 1 of namespaces of its own, with one unit a surrounding, and yields their outcomes."""
    if not roots.has_debian():
        yield from ((name, None, "no Debian root: see build/surroundings/debian.log") for name in wanted)
        return
    where = roots.cgroup2()
    if not where:
        yield from ((name, None, "no cgroup2 is mounted here") for name in wanted)
        return
    roots.sources("files systemd")
    units = os.path.join(roots.DEBIAN, "etc/systemd/system")
    roots.write(f"{units}/ec.target", "[Unit]\nDefaultDependencies=no\nWants=ec-off.service\n")
    last = ""
    for name in wanted:
        drive = "/srv/drive --user ecdynamic" if "dynamic" in name else "/srv/drive"
        lines = "\n".join(UNITS[name])
        roots.write(
            f"{units}/{name}.service",
            f"[Unit]\nDefaultDependencies=no\n{last}\n[Service]\nType=oneshot\nExecStart={drive}\n"
            f"TimeoutStartSec=120\nStandardOutput=truncate:/srv/out/{name}\nStandardError=inherit\n{lines}\n",
        )
        last = f"Wants={name}.service\nAfter={name}.service\n"
    roots.write(
        f"{units}/ec-off.service",
        f"[Unit]\nDefaultDependencies=no\n{last}SuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
        "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    )
    group = os.path.join(where, f"ec-surroundings-{os.getpid()}")
    os.makedirs(group)
    said = run(
        [
            "sh",
            "-c",
            'echo $$ >"$0/cgroup.procs" && exec "$@"',
            group,
            "unshare",
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--net",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
            "sh",
            "-c",
            START,
            "sh",
            roots.DEBIAN,
            roots.SRV,
            roots.MINI,
        ]
    )
    for path, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass
    for name in wanted:
        try:
            with open(os.path.join(roots.SRV, "out", name), encoding="utf-8", errors="replace") as out:
                yield name, out.read() or said[-500:], None
        except OSError:
            yield name, "the unit has not run: " + said[-500:], None


# --- all of them --------------------------------------------------------------------------------------------------------------


def outcomes(chosen):
    def is_chosen(name):
        return not chosen or name in chosen

    for source in (podman_all, sandboxes):
        for name, command in source():
            if not is_chosen(name):
                continue
            tool = "podman" if "podman" in command else command[0]
            if not shutil.which(tool):
                yield name, None, f"{tool} is not here"
            elif roots.DEBIAN in command and not roots.has_debian():
                yield name, None, "no Debian root: see build/surroundings/debian.log"
            else:
                if roots.DEBIAN in command:
                    roots.sources("files")
                yield name, run(command), None
    if is_chosen("pids-max"):
        yield ("pids-max", *with_pids(lambda threads: threads + 2))
    if is_chosen("pids-max-filter"):
        yield ("pids-max-filter", *with_pids(lambda threads: threads + 2, "--filter"))
    wanted = [name for name in UNITS if is_chosen(name)]
    if wanted:
        yield from systemd(wanted)
