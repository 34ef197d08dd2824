"""Directories of users as Debian has them: sssd, nslcd with slapd, winbind, systemd; up, down, and without their server.

Each runs in the Debian root with a pid namespace of its own, so that its daemons end with it. "Up" is believed only once a user
whom nobody else knows is found. outcomes() as in places.py."""

import places
import roots

MISSING = "L1 L2 L3 L5 L6"
DRIVE = f"/srv/drive {MISSING}"
# A user of the directory's own.
DIRECTORY = "/srv/drive --user ecdirectory T1"


def wait_for(command):
    return f"for i in $(seq 300); do {command} >/dev/null 2>&1 && break; sleep 0.1; done; {command} >/dev/null || exit 1; "


SSSD = """mkdir -p /etc/sssd
printf 'ecdirectory:x:1800:1800::/:/bin/false\\n' >/etc/ec-passwd
printf 'ecdirectory:x:1800:\\n' >/etc/ec-group
cat >/etc/sssd/sssd.conf <<EOF
[sssd]
services = nss
domains = ec
[domain/ec]
id_provider = files
passwd_files = /etc/ec-passwd
group_files = /etc/ec-group
EOF
chmod 600 /etc/sssd/sssd.conf
rm -rf /var/lib/sss/db/* /var/lib/sss/mc/* /var/lib/sss/pipes/nss
"""
NSLCD = """cat >/etc/nslcd.conf <<EOF
uid nslcd
gid nslcd
uri ldap://127.0.0.1/
base dc=ec
reconnect_retrytime 2
bind_timelimit 2
EOF
mkdir -p /run/nslcd && chown nslcd:nslcd /run/nslcd
"""
SLAPD = """mkdir -p /tmp/slapd
cat >/tmp/slapd.conf <<EOF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
database ldif
suffix dc=ec
directory /tmp/slapd
EOF
slapadd -f /tmp/slapd.conf <<EOF
dn: dc=ec
objectClass: dcObject
objectClass: organization
dc: ec
o: ec

dn: uid=ecdirectory,dc=ec
objectClass: account
objectClass: posixAccount
uid: ecdirectory
cn: ecdirectory
uidNumber: 1800
gidNumber: 1800
homeDirectory: /
EOF
slapd -f /tmp/slapd.conf -h ldap://127.0.0.1/
"""
WINBIND = """mkdir -p /run/samba /var/lib/samba/private /var/log/samba /etc/samba
printf '[global]\\nsecurity = user\\nworkgroup = EC\\nidmap config * : range = 3000-7999\\n' >/etc/samba/smb.conf
"""

# name: (sources of nsswitch.conf, script)
DIRECTORIES = {
    "sssd-down": ("files sss", f"{SSSD}{DRIVE}"),
    "sssd-up": ("files sss", f"{SSSD}sssd -i >/dev/null 2>&1 & {wait_for('getent passwd ecdirectory')}{DRIVE}; {DIRECTORY}"),
    "nslcd-down": ("files ldap", f"{NSLCD}{DRIVE}"),
    "nslcd-no-server": ("files ldap", f"{NSLCD}nslcd; {wait_for('test -S /run/nslcd/socket')}{DRIVE}"),
    "nslcd-up": ("files ldap", f"{NSLCD}{SLAPD}nslcd; {wait_for('getent passwd ecdirectory')}{DRIVE}; {DIRECTORY}"),
    "winbind-down": ("files winbind", f"{WINBIND}{DRIVE}"),
    "winbind-up": ("files winbind", f"{WINBIND}winbindd -D; {wait_for('wbinfo -p')}{DRIVE}"),
    "systemd-down": ("files systemd", DRIVE),
    "memberships-hang": ("files hang", "/srv/drive L1 L3 L5 L6"),
}


def outcomes(chosen):
    for name, (sources, script) in DIRECTORIES.items():
        if chosen and name not in chosen:
            continue
        if not roots.has_debian():
            yield name, None, "no Debian root: see build/surroundings/debian.log"
            continue
        roots.sources(sources)
        # What a script writes to /etc and /var stays in the root, and is written anew by the next. Its daemons would keep the namespace.
        yield (
            name,
            places.run(
                places.in_debian(
                    "--tmpfs",
                    "/run",
                    "--tmpfs",
                    "/tmp",
                    "--setenv",
                    "LD_LIBRARY_PATH",
                    "/srv",
                    "sh",
                    "-c",
                    f"{script}; kill -KILL -1 2>/dev/null",
                )
            ),
            None,
        )
