"""ec-security explain."""

import re

from cases import case, done, expect, own, refused, run, same, usage
from command.shared import TOOL, names, tool


@case
def explain_says_what_each_permits():
    out = done(tool("explain", "CAP_NET_BIND_SERVICE+ep", "13=p"))
    lines = out.splitlines()
    same(lines[0], "the same, as libcap prints it: cap_net_bind_service=ep cap_net_raw+p")
    same(lines[2:4], ["capability            sets   permits", "cap_net_bind_service  ep-    bind sockets to TCP and UDP ports below 1024"])
    expect(lines[4].startswith("cap_net_raw           -p-    open raw and packet sockets"), out)
    expect("Permitted but not in force until raised" in out and lines[-1].endswith(": cap_net_raw."), out)
    same(tool("explain", "CAP_NET_BIND_SERVICE+ep 13=p").out, out, "one word or several")


@case
def explain_warns():
    expect("Nothing is retained" in done(tool("explain", "")), "nothing")
    expect("As good as root" in done(tool("explain", "cap_sys_admin=ep")), "cap_sys_admin")
    expect("Effective without being permitted" in done(tool("explain", "cap_kill=e")), "e without p")
    expect("Inheritable counts only" in done(tool("explain", "cap_kill=i")), "inheritable")
    expect("This kernel has no capability 63" in done(tool("explain", "63=ep")), "unknown to the kernel")
    out = done(run("setpriv", "--bounding-set=-sys_boot", TOOL, "explain", "cap_sys_boot=p"))
    expect("Not held here, so a server started from here cannot retain it: cap_sys_boot." in out, out)
    expect("Not held here" not in done(tool("explain", "cap_kill=p")), "cap_kill is held")


@case
def explain_knows_every_capability():
    out = done(tool("explain", "all=i"))
    with open("/proc/sys/kernel/cap_last_cap") as last:
        count = int(last.read()) + 1
    found = re.findall(r"^(cap_\S+|\d+) +--i    (.+)$", out, re.M)
    same([name for name, _ in found], names((1 << count) - 1))
    expect(len({meaning for _, meaning in found}) >= min(count, 41), "each has its own meaning")


@case
def explain_takes_names_masks_and_lines():
    out = done(tool("explain", "NET_RAW,kill"))
    same(out.splitlines()[0], "capability   permits")
    same(re.findall(r"^cap_\w+", out, re.M), ["cap_kill", "cap_net_raw"])
    same(done(tool("explain", "cap_kill", "13")), out)
    mask = own("CapBnd")
    held = names(int(mask, 16))
    for text in (mask, "0x" + mask, "0X" + mask.lstrip("0")):
        out = done(tool("explain", text))
        expect(out.startswith(f"mask {mask}, {len(held)} capabilities: "), out)
        same(re.findall(r"^cap_\w+", out, re.M), held)
    same(done(tool("explain", "0x0")), "mask 0000000000000000, 0 capabilities: none\nNo capability.\n")
    out = done(tool("explain", "CapInh:\t0000000000003000", "CapBnd:", "0000000000002020"))
    same(re.findall(r"^(cap_\w+) +(\S+)", out, re.M), [("cap_kill", "-b"), ("cap_net_admin", "i-"), ("cap_net_raw", "ib")])
    with open("/proc/self/status") as status:
        out = done(tool("explain", "-", input=status.read()))
    same(re.findall(r"^Cap\w+", out, re.M), ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    same([name for name, sets in re.findall(r"^(cap_\w+) +([-epiba]{5}) ", out, re.M) if "b" in sets], held)
    expect(
        "As good as root" in done(tool("explain", "setuid")) and "As good as root" not in done(tool("explain", "kill")), "as good as root"
    )


@case
def explain_usage():
    refused(tool("explain"), *usage("explain", "capabilities are missing, such as cap_net_bind_service+ep"))
    for text, error in (
        ("cap_kill+ep x", 'unknown name "x" at column 13'),
        ("cap_kil", 'unknown name "cap_kil" at column 1'),
        ("cap_kill,nope", 'unknown name "nope" at column 10'),
    ):
        result = tool("explain", text)
        same((result.status, result.out), (1, ""))
        expect(result.err.startswith(f"ec-security: capabilities: {error}"), result.err)
    refused(tool("explain", "-x"), *usage("explain", "invalid option '-x'"))
