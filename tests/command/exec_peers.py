"""What exec comes to against setpriv(1) and capsh(1), as /proc and prctl show it in the program executed."""

from cases import EXTRA, GID, LOGS, UID, caps, case, need_ids, own, run, same
from command.shared import FIELDS, KEEP, NO_GROUPS, PYTHON, TELL, U, names, told, tool

NNP_OFF = ["-o", "no_new_privs=off"]
BND_KEEP = ["-o", "bounding=keep"]
PLAIN = NNP_OFF + BND_KEEP
IDS = ["--reuid", str(UID), "--regid", str(GID)]
WEB = "cap_net_bind_service"


def trimmed(mask):
    """Bounding, once trimmed to what is asked for; all of it where CAP_SETPCAP is not held."""
    return f"{caps('CapBnd') & mask if caps('CapEff') >> 8 & 1 else caps('CapBnd'):016x}"


# What is asked for; whether it needs another id; the options of ec-security exec; those of the peer; and in which fields
# the end states differ by contract, as {field: (ours, theirs)}: setpriv and capsh do what they are told and no more, while
# ec-security drops all that it is not told to keep.
SETPRIV = [
    ("a user and group, no groups", True, U + NO_GROUPS + PLAIN, [*IDS, "--clear-groups"], {}),
    ("the same without new privileges", True, U + NO_GROUPS + BND_KEEP, [*IDS, "--clear-groups", "--no-new-privs"], {}),
    ("a list of groups", True, U + ["-o", f"supplemental_groups={EXTRA} {LOGS}"] + PLAIN, [*IDS, "--groups", f"{EXTRA},{LOGS}"], {}),
    ("the groups of the database", True, ["-o", "user=ecuser"] + PLAIN, ["--reuid", "ecuser", "--regid", "ecuser", "--init-groups"], {}),
    ("an empty bounding set", True, U + NO_GROUPS + NNP_OFF, [*IDS, "--clear-groups", "--bounding-set=-all"], {}),
    (
        "one ambient capability",
        True,
        U + NO_GROUPS + NNP_OFF + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}"],
        [
            *IDS,
            "--clear-groups",
            "--inh-caps=-all,+net_bind_service",
            "--ambient-caps=-all,+net_bind_service",
            "--bounding-set=-all,+net_bind_service",
        ],
        {},
    ),
    (
        "two ambient capabilities, no new privileges",
        True,
        U + NO_GROUPS + BND_KEEP + ["-o", f"capabilities={WEB},cap_net_raw+ep", "-o", f"ambient={WEB},cap_net_raw"],
        [
            *IDS,
            "--clear-groups",
            "--inh-caps=-all,+net_bind_service,+net_raw",
            "--ambient-caps=-all,+net_bind_service,+net_raw",
            "--no-new-privs",
        ],
        {},
    ),
    (
        "one inheritable capability, not ambient",
        True,
        U + NO_GROUPS + PLAIN + ["-o", "capabilities=cap_net_raw+i"],
        [*IDS, "--clear-groups", "--inh-caps=-all,+net_raw"],
        {},
    ),
    ("two capabilities for root", False, NNP_OFF + ["-o", "capabilities=cap_chown,cap_kill+ep"], ["--bounding-set=-all,+chown,+kill"], {}),
    ("no new privileges and nothing else", False, KEEP + BND_KEEP, ["--no-new-privs"], {}),
    (
        "securebits that take root's power away",
        False,
        KEEP + PLAIN + ["-o", "securebits=noroot,noroot_locked"],
        ["--securebits=+noroot,+noroot_locked"],
        {},
    ),
    (
        "every lock, for a user",
        True,
        U + NO_GROUPS + PLAIN + ["-o", "securebits=noroot,noroot_locked,no_setuid_fixup,no_setuid_fixup_locked,keep_caps_locked"],
        [*IDS, "--clear-groups", "--securebits=+noroot,+noroot_locked,+no_setuid_fixup,+no_setuid_fixup_locked,+keep_caps_locked"],
        # no_setuid_fixup leaves capabilities with the user, and noroot leaves execve no reason to give any: all are gone.
        {},
    ),
    ("a group alone", True, ["-o", f"group={GID}"] + KEEP + PLAIN, ["--regid", str(GID), "--keep-groups"], {}),
    (
        "all defaults of a user",
        True,
        ["-o", "user=ecuser"],
        ["--reuid", "ecuser", "--regid", "ecuser", "--init-groups"],
        {"NoNewPrivs": ("1", "0"), "CapBnd": (lambda: trimmed(0), lambda: own("CapBnd"))},
    ),
]

# capsh --groups= sets group 0, so every row has a list.
LESS_ONE = names(caps("CapBnd") & ~(1 << 21))
CAPSH = [
    (
        "a user and group, no groups",
        True,
        U + ["-o", f"supplemental_groups={EXTRA}"] + PLAIN,
        [f"--gid={GID}", f"--groups={EXTRA}", f"--uid={UID}"],
        {},
    ),
    (
        "the same without new privileges",
        True,
        U + ["-o", f"supplemental_groups={EXTRA}"] + BND_KEEP,
        ["--no-new-privs", f"--gid={GID}", f"--groups={EXTRA}", f"--uid={UID}"],
        {},
    ),
    (
        "a list of groups",
        True,
        U + ["-o", f"supplemental_groups={LOGS},{EXTRA}"] + PLAIN,
        [f"--gid={GID}", f"--groups={EXTRA},{LOGS}", f"--uid={UID}"],
        {},
    ),
    ("a user of the database with its groups", True, ["-o", "user=ecuser"] + PLAIN, ["--user=ecuser", "--caps="], {}),
    (
        "the bounding set less one",
        True,
        U + ["-o", f"supplemental_groups={EXTRA}"] + NNP_OFF + ["-o", "capabilities=" + ",".join(LESS_ONE) + "=i"],
        ["--drop=cap_sys_admin", "--inh=" + ",".join(LESS_ONE), f"--gid={GID}", f"--groups={EXTRA}", f"--uid={UID}"],
        {},
    ),
    (
        "one ambient capability",
        True,
        ["-o", "user=ecuser"] + PLAIN + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}"],
        ["--user=ecuser", f"--caps={WEB}+eip", f"--addamb={WEB}"],
        {},
    ),
    (
        "two ambient capabilities, no new privileges",
        True,
        ["-o", "user=ecuser"] + BND_KEEP + ["-o", f"capabilities={WEB},cap_net_raw+ep", "-o", f"ambient={WEB},cap_net_raw"],
        ["--user=ecuser", f"--caps={WEB},cap_net_raw+eip", f"--addamb={WEB},cap_net_raw", "--no-new-privs"],
        {},
    ),
    (
        "one inheritable capability",
        True,
        ["-o", "user=ecuser"] + PLAIN + ["-o", f"capabilities={WEB}+i"],
        ["--user=ecuser", f"--caps={WEB}+i"],
        {},
    ),
    ("no new privileges and nothing else", False, KEEP + BND_KEEP, ["--no-new-privs"], {}),
    ("securebits that take root's power away", False, KEEP + PLAIN + ["-o", "securebits=noroot,noroot_locked"], ["--secbits=3"], {}),
    (
        "capabilities for root by noroot and ambient",
        False,
        PLAIN + ["-o", f"capabilities={WEB}+ep", "-o", f"ambient={WEB}", "-o", "securebits=noroot"],
        ["--secbits=1", f"--caps={WEB}+eip", f"--addamb={WEB}"],
        {},
    ),
    ("a group alone", True, ["-o", f"group={GID}"] + KEEP + PLAIN, [f"--gid={GID}"], {}),
    (
        "all defaults of a user",
        True,
        ["-o", "user=ecuser"],
        ["--user=ecuser", "--caps="],
        {"NoNewPrivs": ("1", "0"), "CapBnd": (lambda: trimmed(0), lambda: own("CapBnd"))},
    ),
]


def against(peer, rows, command):
    for name, changes_ids, ours, theirs, contract in rows:

        def compare(changes_ids=changes_ids, ours=ours, theirs=theirs, contract=contract):
            if changes_ids:
                need_ids()
            got = told(tool("exec", "-q", *ours, "--", PYTHON, "-I", "-c", TELL))
            wanted = told(run(*command(theirs)))
            same(sorted(got), sorted((*FIELDS, "Securebits")))
            differs = {field: (got[field], wanted[field]) for field in got if got[field] != wanted[field]}
            stated = {field: tuple(v() if callable(v) else v for v in values) for field, values in contract.items()}
            same(differs, stated, "differs from the peer in")

        compare.__name__ = f"exec_as_{peer}_does:_{name.replace(' ', '_')}"
        case(compare)


against("setpriv", SETPRIV, lambda options: ["setpriv", *options, PYTHON, "-I", "-c", TELL])
against("capsh", CAPSH, lambda options: ["capsh", "--quiet", *options, f"--shell={PYTHON}", "--", "-I", "-c", TELL])
