"""The servers: where the drop is in the source of each, what takes its place, how it is built, started and asked."""

import os
import socket
import struct
import time

from swap import after, before_block, block, blocks, body, include, lines

NET_BIND = 1 << 10
# Half the time of a build, which is what takes long here.
QUICK = "CFLAGS=-O0"


class Server:
    """`keeps` is what a server still may do after the drop; `threads` how many it has then, at least. `groups_before` and
    `groups` are those it gets before and after, where not those of the group database. `says` is in its log once it has dropped,
    for those that serve before. `build` runs in the source's directory; the last command is run again after the edits. Commands and
    configurations may hold {work}."""

    def __init__(self, **fields):
        self.keeps = 0
        self.threads = 1
        self.configuration = ""
        self.says = None
        self.__dict__.update(fields)


# --- what clients send ------------------------------------------------------------------------------------------------------


def udp(address, message, seconds=5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        client.connect(address)
        client.send(message)
        return client.recv(4096)


def dns(address):
    """The address of ec.test, which only this server's configuration has."""
    query = struct.pack("!6H", 0x4711, 0x0100, 1, 0, 0, 0) + b"\x02ec\x04test\x00" + struct.pack("!2H", 1, 1)
    answer = udp((address, 53), query)
    if answer[:2] != query[:2] or not answer.endswith(socket.inet_aton("192.0.2.7")):
        raise AssertionError(f"the answer is {answer!r}")
    return "a name"


def ask_unbound(_work):
    # Each from another port: the kernel gives them to different threads (SO_REUSEPORT).
    for _ in range(64):
        dns("127.0.0.1")
    return "64 queries, each from another port"


def ask_dnsmasq(_work):
    """Also at an address that comes up now, whose port 53 the server binds with what it has kept."""
    import fcntl

    dns("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        new = struct.pack("16sH2s4s8x", b"lo:ec", socket.AF_INET, b"\0\0", socket.inet_aton("198.51.100.1"))
        fcntl.ioctl(any_socket, 0x8916, new)  # SIOCSIFADDR
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    dns("198.51.100.1")
                    return "a name, and again at an address that came up after the drop"
                except OSError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.1)
        finally:
            fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo:ec", 0))  # SIOCSIFFLAGS: not up, so gone


def ask_chrony(_work):
    """The time, by RFC 5905: a client's request, version 4, answered by a server's."""
    answer = udp(("127.0.0.1", 123), bytes([4 << 3 | 3]) + bytes(47))
    if len(answer) != 48 or answer[0] & 7 != 4 or answer[1] != 10:
        raise AssertionError(f"the answer is {answer!r}")
    return "the time, from port 123, which it has bound after the drop"


def ask_lighttpd(_work):
    with socket.create_connection(("127.0.0.1", 80), 5) as client:
        client.sendall(b"GET /page.txt HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
    if not answer.startswith(b"HTTP/1.0 200 ") or not answer.endswith(b"\r\n\r\nserved\n"):
        raise AssertionError(f"the answer is {answer!r}")
    return "a page, from port 80"


def ask_tcpdump(work):
    """Not a server, but it listens: a packet of a length that nobody else sends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(bytes(471), ("127.0.0.1", 4711))
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with open(os.path.join(work, "output"), encoding="utf-8", errors="replace") as output:
            if "127.0.0.1.4711: UDP, length 471" in output.read():
                return "a packet, captured"
        time.sleep(0.05)
    raise TimeoutError("the packet was not captured")


# --- dnsmasq ----------------------------------------------------------------------------------------------------------------

DNSMASQ = Server(
    source="dnsmasq",
    file="src/dnsmasq",
    build=[["make", "all", QUICK]],
    packages=[],
    command=["{file}", "-k", "--conf-file={work}/conf", "--pid-file", "--log-facility={work}/log"],
    configuration="""
user=ecuser
group=ecuser
no-resolv
no-hosts
bind-dynamic
address=/ec.test/192.0.2.7
""",
    ask=ask_dnsmasq,
    # With bind-dynamic and no DHCP.
    keeps=NET_BIND,
    groups_before=[],
    groups=[],
    edits={
        "src/dnsmasq.c": [
            include('"dnsmasq.h"', "ec_security.h"),
            lines("main", "cap_user_header_t", "cap_user_data_t", "  ec_security_policy *policy = NULL;\n"),
            # Here it can still say on the terminal what is missing. User 0 stays as it is.
            lines(
                "main",
                "capsize = 1",
                "data->permitted = data->effective",
                r"""
  int is_root = getuid() == 0, stays_root = is_root && (!ent_pw || ent_pw->pw_uid == 0);
  ec_security_caps keep = { 0, 0, 0 };
  char keep_text[1024];

  if (need_cap_net_admin)
    keep.permitted |= 1 << CAP_NET_ADMIN;
  if (need_cap_net_raw)
    keep.permitted |= 1 << CAP_NET_RAW;
  if (need_cap_net_bind_service)
    keep.permitted |= 1 << CAP_NET_BIND_SERVICE;
  keep.effective = keep.permitted;
  ec_security_caps_to_text(&keep, keep_text, sizeof(keep_text));

  if (!(policy = ec_security_policy_new()) ||
      ec_security_policy_set(policy, "capabilities", stays_root ? "keep" : keep_text) ||
      (is_root && !stays_root && ec_security_policy_set(policy, "user", ent_pw->pw_name)) ||
      (is_root && gp && (ec_security_policy_set(policy, "group", gp->gr_name) ||
                         ec_security_policy_set(policy, "supplemental_groups", ""))) ||
      ec_security_policy_check(policy))
    die("%s", (char *)ec_security_last_error(), EC_MISC);
""",
            ),
            block(
                "main",
                "bad_capabilities = 0",
                r"""
    {
      if (ec_security_policy_apply(policy) != EC_SECURITY_OK)
        {
          my_syslog(LOG_CRIT, "%s", ec_security_last_error());
          send_event(err_pipe[1], EVENT_CAP_ERR, EPERM, NULL);
          _exit(0);
        }
    }
""",
            ),
            lines("main", "free(hdr)", "free(data)", "  ec_security_policy_free(policy);\n"),
        ]
    },
)

# --- chrony -----------------------------------------------------------------------------------------------------------------

CHRONY = Server(
    source="chrony",
    file="chronyd",
    build=[
        # Without what it would need of other packages, and with nothing but the drop of its own.
        ["./configure", "--disable-readline", "--disable-nts", "--disable-sechash", "--without-seccomp"],
        ["make", "chronyd"],
    ],
    packages=["libcap-dev", "bison"],
    # -x: it never touches the clock, and wants no cap_sys_time.
    command=["{file}", "-d", "-x", "-u", "ecuser", "-f", "{work}/conf"],
    configuration="""
local stratum 10
allow 127.0.0.0/8
bindaddress 127.0.0.1
bindcmdaddress /
cmdport 0
pidfile {work}/pid
""",
    ask=ask_chrony,
    keeps=NET_BIND,
    groups_before=[],
    edits={
        "sys_linux.c": [
            include('"sys_linux.h"', "ec_security.h"),
            lines("SYS_Linux_DropRoot", "cap_t cap;", "UTI_DropRoot", "  char user[16], group[16];\n\n"),
            lines(
                "SYS_Linux_DropRoot",
                "cap_from_text(cap_text)",
                "cap_free",
                r"""
  snprintf(user, sizeof user, "%u", (unsigned)uid);
  snprintf(group, sizeof group, "%u", (unsigned)gid);
  if (ec_security_apply(user, group, cap_text) != EC_SECURITY_OK)
    LOG_FATAL("%s", ec_security_last_error());
""",
            ),
        ]
    },
)

# --- lighttpd ---------------------------------------------------------------------------------------------------------------

LIGHTTPD = Server(
    source="lighttpd",
    file="src/lighttpd",
    build=[
        ["./configure", "--quiet", "--without-pcre2", "--without-pcre", "--without-zlib", "--without-bzip2", QUICK],
        ["make", "-C", "src", "versionstamp"],
        ["make", "-C", "src", "lighttpd"],
    ],
    packages=[],
    command=["{file}", "-D", "-f", "{work}/conf"],
    configuration="""
server.document-root = "{work}"
server.bind = "127.0.0.1"
server.port = 80
server.username = "ecuser"
server.groupname = "ecuser"
server.modules = ()
""",
    ask=ask_lighttpd,
    edits={
        "src/server.c": [
            include('"first.h"', "ec_security.h"),
            blocks(
                "server_main_setup",
                "setgid(grp",
                "setuid(pwd",
                r"""
		if (srv->srvconf.username || srv->srvconf.groupname || srv->srvconf.changeroot) {
			ec_security_policy *policy = ec_security_policy_new();
			const char *user = srv->srvconf.username ? srv->srvconf.username->ptr : NULL;
			const char *directory = srv->srvconf.changeroot ? srv->srvconf.changeroot->ptr : NULL;

			tzset();
			if (!policy || ec_security_policy_set(policy, "user", user) ||
			    ec_security_policy_set(policy, "group", grp ? grp->gr_name : NULL) ||
			    (directory && ec_security_policy_set(policy, "chroot", directory)) ||
			    (!user && ec_security_policy_set(policy, "capabilities", "keep")) ||
			    (!user && grp && ec_security_policy_set(policy, "supplemental_groups", "")) ||
			    ec_security_policy_apply(policy)) {
				log_error(srv->errh, __FILE__, __LINE__, "%s", ec_security_last_error());
				return -1;
			}
			ec_security_policy_free(policy);
		}
""",
            ),
        ]
    },
)

# --- tcpdump ----------------------------------------------------------------------------------------------------------------

TCPDUMP = Server(
    source="tcpdump",
    file="tcpdump",
    build=[
        # As in Debian's package: no libcap-ng.
        ["./configure", "--quiet", "--without-crypto", "--without-cap-ng", QUICK],
        ["make", "tcpdump"],
    ],
    packages=["libpcap0.8-dev"],
    command=["{file}", "-i", "lo", "-n", "-l", "-Z", "ecuser", "udp", "port", "4711"],
    ask=ask_tcpdump,
    edits={
        "tcpdump.c": [
            include('"interface.h"', "ec_security.h"),
            body(
                "droproot",
                r"""
	ec_security_policy *policy = ec_security_policy_new();

	if (!username)
		error("-Z is needed where there is a chroot");
	if (!policy || ec_security_policy_set(policy, "user", username) ||
	    (chroot_dir && ec_security_policy_set(policy, "chroot", chroot_dir)) ||
	    ec_security_policy_apply(policy))
		error("%s", ec_security_last_error());
	ec_security_policy_free(policy);
""",
            ),
        ]
    },
)

# --- unbound ----------------------------------------------------------------------------------------------------------------

UNBOUND = Server(
    source="unbound",
    file="unbound",
    build=[["./configure", "--quiet", "--disable-shared", "--without-pyunbound", "--without-pythonmodule", QUICK], ["make", "unbound"]],
    packages=["libssl-dev", "libexpat1-dev", "bison", "flex"],
    command=["{file}", "-d", "-c", "{work}/conf"],
    configuration="""
server:
    num-threads: 4
    so-reuseport: yes
    interface: 127.0.0.1
    username: ecuser
    chroot: "{work}"
    directory: "{work}"
    pidfile: ""
    use-syslog: no
    logfile: ""
    do-daemonize: no
    module-config: "iterator"
    local-zone: "test." static
    local-data: "ec.test. A 192.0.2.7"
remote-control:
    control-enable: no
""",
    ask=ask_unbound,
    threads=4,
    # The group database is outside the chroot where initgroups(3) looks for it.
    groups_before=[4712],
    edits={
        "daemon/unbound.c": [
            include('"daemon/daemon.h"', "ec_security.h"),
            before_block(
                "perform_setup",
                "chdir(cfg->chrootdir)",
                r"""
	/* Made before the chroot: names are looked up, and /proc is opened, here. */
	ec_security_policy *policy = NULL;
	if(cfg->username && cfg->username[0] && (!(policy = ec_security_policy_new()) ||
		ec_security_policy_set(policy, "user", cfg->username)))
		fatal_exit("%s", ec_security_last_error());
""",
            ),
            lines(
                "perform_setup",
                "HAVE_INITGROUPS\n",
                "drop user",
                r"""
		if(ec_security_policy_apply(policy) != EC_SECURITY_OK)
			fatal_exit("%s", ec_security_last_error());
		ec_security_policy_free(policy);
""",
                until=True,
            ),
        ]
    },
)

# The same, but dropping when all threads run already, which a server that calls setresuid(2) there gets right only as long as
# it keeps no capability.
UNBOUND_LATE = Server(
    **{
        **UNBOUND.__dict__,
        "configuration": UNBOUND.configuration.replace('chroot: "{work}"', 'chroot: ""'),
        "groups_before": None,
        "says": "4 threads dropped",
        "edits": {
            "daemon/unbound.c": [
                include('"daemon/daemon.h"', "ec_security.h"),
                lines("perform_setup", "HAVE_INITGROUPS\n", "drop user", "", until=True),
            ],
            "daemon/daemon.c": [
                include('"daemon/daemon.h"', "ec_security.h", "dirent.h"),
                after(
                    "daemon_fork",
                    "signal_handling_playback",
                    r"""
	if(daemon->cfg->username && daemon->cfg->username[0]) {
		DIR *tasks = opendir("/proc/self/task");
		int count = -2; /* . and .. */
		while(tasks && readdir(tasks))
			count++;
		if(tasks)
			closedir(tasks);
		if(ec_security_apply(daemon->cfg->username, NULL, NULL) != EC_SECURITY_OK)
			fatal_exit("%s", ec_security_last_error());
		log_info("%d threads dropped", count);
	}
""",
                ),
            ],
        },
    }
)

SERVERS = {"dnsmasq": DNSMASQ, "chrony": CHRONY, "lighttpd": LIGHTTPD, "tcpdump": TCPDUMP, "unbound": UNBOUND, "unbound-late": UNBOUND_LATE}
