"""Surroundings that need a kernel of their own, in a virtual machine, emulated: AppArmor, SELinux, Yama.

The kernel is Debian's of SURROUNDINGS_SUITE (bookworm); profiles and policy are compiled on the host. outcomes() as in places.py."""

import os
import re
import stat
import subprocess

import machine
import roots

SUITE = os.environ.get("SURROUNDINGS_SUITE", "bookworm")
PROFILES = "tests/surroundings/apparmor.profiles"
LIMIT = 900


def profile_names():
    with open(PROFILES, encoding="utf-8") as text:
        return re.findall(r"^profile (\S+)", text.read(), re.M)


def initramfs(target, places, files):
    archive = machine.Archive()
    archive.add(".", stat.S_IFDIR | 0o755)
    archive.add("dev", stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    for path, directories, names in os.walk(roots.MINI):
        inside = os.path.relpath(path, roots.MINI)
        for name in directories:
            archive.add(os.path.join(inside, name).removeprefix("./"), stat.S_IFDIR | 0o755)
        for name in names:
            if not os.path.islink(os.path.join(path, name)):
                archive.file(os.path.join(inside, name).removeprefix("./"), os.path.join(path, name))
    archive.file("init", "tests/surroundings/init", 0o755)
    archive.text("places", "".join(f"{name} {scope} {attr}\n" for name, scope, attr in places))
    for name, content in files.items():
        archive.add(name, stat.S_IFREG | 0o644, content)
    archive.write(target)


def boot(kernel, parameters, module, places, files):
    """One machine: yields (name, text, why not) of each place."""
    target = os.path.join(roots.HERE, f"initramfs-{module}.gz")
    initramfs(target, places, files)
    texts, running, other, modules = {}, None, [], ""
    for line in machine.lines(machine.AMD64, kernel, target, f"{machine.AMD64_CONSOLE} {parameters}", LIMIT):
        mark = re.match(r"^.*== (modules|begin|end|done) ?(.*)$", line)
        if mark and mark.group(1) == "modules":
            modules = mark.group(2)
        elif mark:
            running = mark.group(2) if mark.group(1) == "begin" else None
            texts.setdefault(mark.group(2), "")
        elif running:
            texts[running] += line + "\n"
        elif line:
            other.append(line)
    why = f"the machine says: {modules} {' '.join(other)[-500:]}"
    for name, _, _ in places:
        if module not in modules.split(","):
            yield name, None, f"this kernel has no {module}; {why}"
        else:
            yield name, texts.get(name, why), None


def fetch():
    try:
        machine.amd64_kernel(SUITE)
    except (OSError, subprocess.SubprocessError):
        pass  # outcomes() says why


def outcomes(chosen):
    names = [name for name in profile_names() if not chosen or name in chosen]
    apparmor = [(name, "-", f"changeprofile {name}") for name in names]
    apparmor += [(f"yama-{scope}", str(scope), "-") for scope in (2, 3) if not chosen or f"yama-{scope}" in chosen]
    selinux = [
        (name, "-", attr)
        for name, attr in (("selinux", "base_u:base_r:base_t"), ("selinux-no-setcap", "base_u:base_r:noset_t"))
        if not chosen or name in chosen
    ]
    if not apparmor and not selinux:
        return
    try:
        kernel = machine.amd64_kernel(SUITE)
    except (OSError, subprocess.SubprocessError) as why:
        yield from ((name, None, f"the kernel of {SUITE} cannot be had: {why}") for name, _, _ in apparmor + selinux)
        return
    if apparmor:
        # Without the kernel's features the parser leaves out rules for signals, since the host has no AppArmor.
        parser = ["apparmor_parser", "--stdout", "--skip-kernel-load", "--skip-cache", "--kernel-features", "/etc/apparmor.d/abi/3.0"]
        compiled = subprocess.run([*parser, PROFILES], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        yield from boot(kernel, "apparmor=1 security=apparmor", "apparmor", apparmor, {"profiles/all": compiled})
    if selinux:
        policy = os.path.join(roots.HERE, "selinux.policy")
        subprocess.run(
            ["checkpolicy", "-U", "allow", "-c", "31", "-o", policy, "tests/surroundings/selinux.conf"], check=True, stdout=subprocess.PIPE
        )
        with open(policy, "rb") as binary:
            yield from boot(kernel, "selinux=1 security=selinux", "selinux", selinux, {"selinux.policy": binary.read()})
