//! What each capability permits, and which are as good as root.

use ec_security::caps as cap_sets;

/// What a capability permits, in one line.
pub(crate) fn meaning(cap: u8) -> &'static str {
    match MEANINGS.get(usize::from(cap)) {
        Some(line) => line,
        None if cap < 64 => "newer than this library: see capabilities(7) of the running system",
        None => "no capability has this number",
    }
}

/// By number; facts from capabilities(7).
const MEANINGS: [&str; 41] = [
    "give any file to another user or group",
    "read, write and search any file or directory, and execute any that has an x bit, whatever its permissions say",
    "read any file and search any directory, whatever the permissions say",
    "act on any file as its owner could: chmod, set times, set ACLs, delete from sticky directories",
    "keep the set-user-ID and set-group-ID bits when a file is changed, and set them for foreign groups",
    "send signals to processes of any user",
    "become any group, and choose the supplementary groups",
    "become any user",
    "remove capabilities from the bounding set, add to inheritable from it, and change securebits",
    "set and clear the append-only and immutable attributes of files",
    "bind sockets to TCP and UDP ports below 1024",
    "reserved for broadcasts and multicast listening; the kernel does not check it",
    "configure the network: interfaces, addresses, routes, firewall, promiscuous mode, transparent proxying",
    "open raw and packet sockets: read and forge any traffic of the network namespace",
    "lock memory beyond the limit (mlock, huge pages)",
    "act on any System V message queue, semaphore or shared memory, whatever its permissions say",
    "load and unload kernel modules: as much as full control of the machine",
    "raw access to ports, memory and disks (/dev/mem, ioperm, iopl): as much as full control of the machine",
    "change the root directory, and enter mount and time namespaces",
    "trace, inspect and change any process: as good as holding whatever that process holds",
    "switch process accounting on and off",
    "a great deal of administration, such as mounts, namespaces, quotas and swap: close to being root",
    "reboot the machine, and load another kernel to run",
    "raise priorities, choose real-time scheduling and CPU affinity, for any process",
    "go beyond resource limits, raise hard limits, use the space reserved for root on file systems",
    "set the system clock and the hardware clock",
    "hang up terminals and use privileged terminal controls",
    "make device nodes with mknod",
    "take leases on files of any owner",
    "write records to the kernel's audit log",
    "switch auditing on and off, and change its rules",
    "set any file capabilities: programs so marked start with those",
    "bypass the rules of a mandatory access control module (Smack)",
    "change the configuration or state of a mandatory access control module (Smack)",
    "read and clear the kernel log where that is restricted, and see kernel addresses in /proc",
    "set timers that wake the machine from suspend",
    "keep the machine from suspending",
    "read the audit log through a multicast netlink socket",
    "monitor performance with perf events, of kernel and all processes",
    "load BPF programs and make BPF maps beyond what any user may",
    "checkpoint and restore processes: choose pids, read map_files links of others",
];

/// Those by which a process can take any other: write any file or memory, load code into the kernel, become user 0.
pub(crate) fn as_good_as_root() -> u64 {
    const NAMES: [&str; 12] = [
        "cap_bpf",
        "cap_chown",
        "cap_dac_override",
        "cap_fowner",
        "cap_mac_admin",
        "cap_setfcap",
        "cap_setgid",
        "cap_setuid",
        "cap_sys_admin",
        "cap_sys_module",
        "cap_sys_ptrace",
        "cap_sys_rawio",
    ];
    NAMES.iter().filter_map(|name| cap_sets::by_name(name.as_bytes())).map(cap_sets::bit).sum()
}
