//! What each capability permits, in a line.

use super::names::NAMES;

/// What a capability permits, in one line.
pub fn meaning(cap: u8) -> &'static str {
    match MEANINGS.get(usize::from(cap)) {
        Some(line) => line,
        None if cap < 64 => "newer than this library: see capabilities(7) of the running system",
        None => "no capability has this number",
    }
}

/// As [`NAMES`]; facts from capabilities(7).
const MEANINGS: [&str; NAMES.len()] = [
    "give any file to another user or group",
    "read, write and search any file or folder, and execute any that has an x bit, whatever its permissions say",
    "read any file and search any folder, whatever the permissions say",
    "act on any file as its owner could: chmod, set times, set ACLs, delete from sticky folders",
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
    "change the root folder, and enter mount and time namespaces",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_meaning() {
        for cap in 0..NAMES.len() as u8 {
            let line = meaning(cap);
            assert!(line.len() > 10 && line.len() < 120, "{line}");
            assert!((0..cap).all(|other| meaning(other) != line), "{line}");
        }
        assert!(meaning(41).contains("newer"));
        assert!(meaning(64).contains("no capability"));
    }
}
