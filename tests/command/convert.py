"""ec-security convert."""

import glob
import re

from cases import EXTRA, LOGS, UID, Skip, case, done, expect, need_ids, refused, run, same, usage, written
from command.shared import TOOL, rows, tool, widest


def converted(unit, *arguments):
    path = written(unit, name="x.service")
    return done(tool("convert", *(arguments or [path])))


@case
def convert_writes_a_stanza_that_loads():
    need_ids()
    out = converted("""[Unit]
Description=x
[Service]
User=ecuser
SupplementaryGroups=eclogs
SupplementaryGroups=ecextra
ExecStartPre=+/bin/prepare
ExecStart=/bin/server \\
  --flag
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL
SystemCallFilter=@system-service
SecureBits=noroot noroot-locked keep-caps
PrivateTmp=yes
ProtectHome=no
MemoryMax=1G
[Install]
WantedBy=multi-user.target
""")
    expect(widest(out) <= 80, out)
    path = written(out, name="converted.conf")
    got = rows(done(tool("check", path)))
    same(
        {name: got[name] for name in ("permitted", "ambient", "no_new_privs", "securebits")},
        {
            "permitted": "cap_net_bind_service",
            "ambient": "cap_net_bind_service",
            "no_new_privs": "on",
            "securebits": "noroot,noroot_locked",
        },
        out,
    )
    same((got["user"], got["groups"]), (f"{UID} ecuser", f"{EXTRA} ecextra, {LOGS} eclogs"))
    expect("# By SystemCallFilter= of the unit." in out, out)
    left = re.findall(r"^#   line (\d+): (\w+)", out, re.M)
    same(left, [("7", "ExecStartPre"), ("12", "SystemCallFilter"), ("13", "keep"), ("14", "PrivateTmp")], out)


@case
def convert_of_a_root_service():
    out = converted("[Service]\nExecStart=/bin/x\n")
    expect("  capabilities = keep\n" in out and "  no_new_privs = off\n  bounding = keep\n" in out, out)
    out = converted("[Service]\nCapabilityBoundingSet=CAP_KILL CAP_CHOWN\nNoNewPrivileges=true\n")
    expect('  capabilities = "cap_chown,cap_kill+ep"\n' in out and "  no_new_privs = on\n" in out, out)
    out = converted("[Service]\nCapabilityBoundingSet=~CAP_SYS_RESOURCE\nRootDirectory=/usr/\n")
    expect(widest(out) <= 80 and "  chroot = /usr\n" in out, out)
    got = rows(done(tool("check", written(out, name="converted.conf"))))
    same(got["permitted"], rows(done(run("setpriv", "--bounding-set=-sys_resource", TOOL, "show")))["permitted"])


@case
def convert_of_every_unit_of_the_machine():
    units = sorted(glob.glob("/lib/systemd/system/*.service"))
    converted = 0
    for unit in units:
        result = tool("convert", unit)
        if result.err == f"ec-security: {unit}: no [Service] section: is it the unit of a service?\n":
            continue
        out = done(result)
        expect(widest(out) <= 80, out)
        # Its user need not be there.
        checked = tool("check", "-n", written(out, name="converted.conf"))
        for line in checked.err.splitlines():
            expect(re.search(r': (user|group|supplemental_groups): no (user|group) "', line), f"{unit}: {line}")
        converted += 1
    if not converted:
        raise Skip("no units here")


@case
def convert_names_every_error():
    path = written("[Service]\nAmbientCapabilities=CAP_NOPE\nnonsense\nNoNewPrivileges=maybe\n", name="x.service")
    refused(
        tool("convert", path),
        1,
        "".join(
            f"ec-security: {path}:{text}\n"
            for text in (
                '2: AmbientCapabilities: "CAP_NOPE": not a capability, such as CAP_NET_RAW',
                '3: "nonsense": expected KEY=VALUE',
                '4: NoNewPrivileges: "maybe": expected a boolean, such as yes',
            )
        ),
    )
    path = written("[Socket]\nListenStream=80\n", name="x.socket")
    refused(tool("convert", path), 1, f"ec-security: {path}: no [Service] section: is it the unit of a service?\n")
    refused(tool("convert", "/nonexistent"), 1, "ec-security: /nonexistent: ENOENT: no such file or directory\n")
    refused(
        tool("convert", "no-such.service"),
        1,
        "ec-security: no-such.service: ENOENT: no such file or directory "
        "(of a unit's name: systemctl cat no-such.service | ec-security convert -)\n",
    )
    refused(tool("convert"), *usage("convert", "a unit file is missing, such as /lib/systemd/system/x.service"))
    out = done(tool("convert", "-", input="[Service]\nUser=%i\n"))
    expect("line 2: User=%i (has a specifier" in " ".join(out.split()) and "user =" not in out, out)
