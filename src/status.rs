//! What each thread of a process holds now, from /proc/PID/task/TID/status.
//!
//! The text is part of the interface; ec_security_status(3) documents it. Threads that hold the same share one line:
//!
//! ```text
//! 11 threads: uid=998 gid=998 groups=none permitted=cap_net_bind_service effective=cap_net_bind_service …
//! thread 4711 "worker": uid=0 gid=0 groups=0,4 permitted=all effective=all inheritable=none bounding=all-cap_sys_boot …
//! thread 4712 "iou-sqp-4700": kernel worker, cannot be changed: uid=0 …
//! thread 4700 "server": exited
//! thread 4702 "server": securebits=noroot,noroot_locked
//! ```
//!
//! The kernel shows securebits only to the thread itself, so the text has those of the calling thread only.

use core::ffi::CStr;
use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use crate::alloc_util::try_push;
use crate::caps::{self, CapSets};
use crate::error::Error;
use crate::plan::SECUREBITS;
use crate::procfs::{Stat, Status};
use crate::text::{Errno, Excerpt};
use crate::{sys, task_dir};

/// What a thread holds, as far as /proc tells. credentials(7)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Real, effective, saved, file-system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved, file-system group id.
    pub gids: [u32; 4],
    /// Supplementary groups, in the kernel's order, which is ascending.
    pub groups: Vec<u32>,
    /// Effective, permitted, inheritable.
    pub caps: CapSets,
    /// The bounding set.
    pub bounding: u64,
    /// The ambient set; empty where the kernel has none (gVisor, Linux before 4.3).
    pub ambient: u64,
    /// Whether no_new_privs is set, where /proc tells: gVisor and Linux before 4.10 do not.
    pub no_new_privs: Option<bool>,
}

impl Credentials {
    /// The five sets, each with its name.
    pub fn sets(&self) -> [(&'static str, u64); 5] {
        let CapSets { effective, permitted, inheritable } = self.caps;
        [
            ("permitted", permitted),
            ("effective", effective),
            ("inheritable", inheritable),
            ("bounding", self.bounding),
            ("ambient", self.ambient),
        ]
    }
}

/// What kind of thread it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Runs code of the program.
    Ordinary,
    /// Has exited and runs nothing any more: a main thread whose process lives on, or a process nobody has waited for.
    Exited,
    /// A worker of the kernel. It takes each request's credentials (io_uring's `iou-wrk-`), or keeps those it was made
    /// with, and then no call changes it.
    KernelWorker {
        /// Which of the two.
        per_request_credentials: bool,
    },
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name (`comm`).
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: Kind,
    /// What it holds.
    pub credentials: Credentials,
}

/// A process, the leader first, then in order of id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// Its parent's process id, where /proc tells; 0 is a parent outside of this pid namespace, or none.
    pub parent: Option<i32>,
    /// Whether it is a thread of the kernel, which holds everything and runs no program.
    pub is_kernel_thread: bool,
    /// Its threads, never none.
    pub threads: Vec<Thread>,
    /// The calling thread and its securebits, if it is one of them.
    pub caller: Option<(i32, u32)>,
}

impl Process {
    /// The thread that others are compared with: the leader, or the first other one if the leader has exited.
    pub fn reference(&self) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.kind == Kind::Ordinary)
    }

    /// Whether a thread holds the same as the reference.
    pub fn is_same_as_reference(&self, thread: &Thread) -> bool {
        thread.kind == Kind::Ordinary && self.reference().is_some_and(|it| it.credentials == thread.credentials)
    }

    /// How many hold the same as the reference, itself included.
    pub fn count_same(&self) -> usize {
        self.threads.iter().filter(|thread| self.is_same_as_reference(thread)).count()
    }

    /// All others, kernel workers and exited leaders among them.
    pub fn different(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter().filter(|thread| !self.is_same_as_reference(thread))
    }
}

/// Writes what process `pid` (0: the caller's) holds: one line for all threads that hold the same, and one for each that differs.
pub fn describe(pid: i32, out: &mut dyn fmt::Write) -> Result<(), Error> {
    let process = read(pid)?;
    // A writer whose buffer is full keeps counting; there is nothing else to report.
    let _ = write!(out, "{process}");
    Ok(())
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reference) = self.reference() {
            let count = self.count_same();
            writeln!(f, "{count} thread{}: {}", if count == 1 { "" } else { "s" }, reference.credentials)?;
        }
        for thread in self.different() {
            write!(f, "thread {} {}: ", thread.tid, Excerpt::new(&thread.name))?;
            match thread.kind {
                Kind::Ordinary => writeln!(f, "{}", thread.credentials)?,
                Kind::Exited => writeln!(f, "exited")?,
                Kind::KernelWorker { per_request_credentials: true } => {
                    writeln!(f, "kernel worker, takes each request's credentials: {}", thread.credentials)?;
                }
                Kind::KernelWorker { per_request_credentials: false } => {
                    writeln!(f, "kernel worker, cannot be changed: {}", thread.credentials)?;
                }
            }
        }
        if let Some((tid, bits)) = self.caller {
            let name = self.threads.iter().find(|thread| thread.tid == tid).map_or(&b""[..], |thread| &thread.name);
            writeln!(f, "thread {tid} {}: securebits={}", Excerpt::new(name), SecurebitNames(bits))?;
        }
        Ok(())
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid={} gid={} groups=", Ids(&self.uids), Ids(&self.gids))?;
        if self.groups.is_empty() {
            f.write_str("none")?;
        }
        for (at, group) in self.groups.iter().enumerate() {
            write!(f, "{}{group}", if at > 0 { "," } else { "" })?;
        }
        for (name, set) in self.sets() {
            write!(f, " {name}={}", Set(set))?;
        }
        write!(f, " no_new_privs={}", on_or_off(self.no_new_privs))
    }
}

/// A flag that /proc may not tell.
pub fn on_or_off(flag: Option<bool>) -> &'static str {
    match flag {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    }
}

/// Four ids: one number where they are alike, else real/effective/saved/file-system.
pub struct Ids<'a>(pub &'a [u32; 4]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [real, effective, saved, file_system] = self.0;
        if [effective, saved, file_system] == [real; 3] {
            write!(f, "{real}")
        } else {
            write!(f, "{real}/{effective}/{saved}/{file_system}")
        }
    }
}

/// A set without spaces: `none`, `all`, names with commas between them, or `all-cap_x-cap_y` where less than half is
/// missing. A capability without a name is its number.
pub struct Set(pub u64);

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_set(f, self.0, caps::up_to(sys::last_cap()))
    }
}

fn write_set(f: &mut dyn fmt::Write, set: u64, all: u64) -> fmt::Result {
    if set == 0 {
        return f.write_str("none");
    }
    let missing = all & !set;
    let (mask, mut before) = if set & !all == 0 && missing.count_ones() < set.count_ones() {
        f.write_str("all")?;
        (missing, "-")
    } else {
        (set, "")
    };
    for cap in caps::each(mask) {
        f.write_str(before)?;
        match caps::name(cap) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{cap}")?,
        }
        before = if before == "-" { "-" } else { "," };
    }
    Ok(())
}

/// Securebits by name with commas between them, `none`, and the number of any bit without a name.
pub struct SecurebitNames(pub u32);

impl fmt::Display for SecurebitNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let mut rest = self.0;
        let mut before = "";
        for (name, bit) in SECUREBITS {
            if rest & bit != 0 {
                write!(f, "{before}{name}")?;
                before = ",";
                rest &= !bit;
            }
        }
        if rest != 0 { write!(f, "{before}{rest:#x}") } else { Ok(()) }
    }
}

/// Scans of the task directory until one finds nothing new, at most this often: threads may be made all the time.
const MAX_SCANS: usize = 16;

/// Reads what process `pid` (0: the caller's) holds. Threads that end meanwhile are left out; one that is made meanwhile
/// may be.
pub fn read(pid: i32) -> Result<Process, Error> {
    if pid < 0 {
        return Err(Error::NoProcess { pid, errno: Errno(libc::ESRCH) });
    }
    let own = pid == 0 || pid == sys::getpid();
    let mut path = String::new();
    let root = if pid == 0 {
        sys::openat(sys::CWD, c"/proc/self/task", libc::O_RDONLY | libc::O_DIRECTORY)
    } else {
        sys::openat(sys::CWD, c_path(&mut path, format_args!("/proc/{pid}/task"))?, libc::O_RDONLY | libc::O_DIRECTORY)
    };
    let root = root.map_err(|errno| no_process(pid, errno))?;
    let mut seen = Vec::new();
    let mut threads = Vec::new();
    let mut buf = Vec::new();
    let mut entries_buf = [0; 512];
    let mut of_process = ProcessInfo { pid, parent: None, is_kernel_thread: false };
    for _ in 0..MAX_SCANS {
        let before = seen.len();
        sys::rewind(root.raw()).map_err(|errno| no_process(pid, errno))?;
        loop {
            let entries = match sys::getdents(root.raw(), &mut entries_buf) {
                Ok(entries) if entries.is_empty() => break,
                Ok(entries) => entries,
                Err(errno) if is_gone(errno) => break,
                Err(errno) => return Err(no_process(pid, errno)),
            };
            for name in entries {
                let Some(tid) = task_dir::tid_of_entry(name) else { continue };
                let Err(at) = seen.binary_search(&tid) else { continue };
                try_push(&mut seen, tid)?;
                seen[at..].rotate_right(1);
                match thread(&root, tid, &mut path, &mut buf) {
                    Ok((thread, info)) => {
                        of_process = info;
                        try_push(&mut threads, thread)?;
                    }
                    Err(ReadError::Gone) => {}
                    Err(ReadError::OutOfMemory) => return Err(Error::OutOfMemory),
                    Err(ReadError::Io(errno)) => return Err(no_process(pid, errno)),
                    Err(ReadError::Field) => {
                        return Err(Error::NoProc {
                            problem: "a status file lacks what every kernel writes there; is it really /proc?",
                        });
                    }
                }
            }
        }
        if seen.len() == before {
            break;
        }
    }
    if threads.is_empty() {
        return Err(Error::NoProcess { pid, errno: Errno(libc::ESRCH) });
    }
    threads.sort_unstable_by_key(|thread| (thread.tid != of_process.pid, thread.tid));
    let tid = sys::gettid();
    let caller = if own && threads.iter().any(|thread| thread.tid == tid) {
        // a filter may deny it
        sys::securebits().ok().map(|bits| (tid, bits))
    } else {
        None
    };
    let ProcessInfo { pid, parent, is_kernel_thread } = of_process;
    Ok(Process { pid, parent, is_kernel_thread, threads, caller })
}

fn no_process(pid: i32, errno: Errno) -> Error {
    let no_proc = || sys::openat(sys::CWD, c"/proc/self", libc::O_PATH | libc::O_NOFOLLOW).is_err();
    if matches!(errno.0, libc::ENOMEM) {
        return Error::OutOfMemory;
    }
    if matches!(errno.0, libc::EMFILE | libc::ENFILE) {
        return Error::System { call: "opening a file of /proc", errno };
    }
    if pid == 0 || (errno.0 == libc::ENOENT && no_proc()) {
        return Error::NoProc {
            problem: "not mounted here, or it belongs to another pid namespace; mount proc on /proc",
        };
    }
    let errno = if errno.0 == libc::ENOENT { Errno(libc::ESRCH) } else { errno };
    Error::NoProcess { pid, errno }
}

enum ReadError {
    /// The thread has ended and been reaped.
    Gone,
    Io(Errno),
    Field,
    OutOfMemory,
}

/// What every thread's files tell of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessInfo {
    pid: i32,
    parent: Option<i32>,
    is_kernel_thread: bool,
}

/// A thread, and what its files tell of its process.
fn thread(root: &sys::Fd, tid: i32, path: &mut String, buf: &mut Vec<u8>) -> Result<(Thread, ProcessInfo), ReadError> {
    slurp(root, c_path(path, format_args!("{tid}/stat"))?, buf)?;
    let stat = Stat::parse(buf).ok_or(ReadError::Field)?;
    let is_kernel_thread = stat.is_kernel_thread();
    let worker = if stat.is_kernel_worker() {
        // Of another process it is for root to read; else the name has to do.
        let mut wchan = Vec::new();
        let _ = slurp(root, c_path(path, format_args!("{tid}/wchan"))?, &mut wchan);
        Some(Kind::KernelWorker { per_request_credentials: stat.takes_credentials_of_requests(&wchan) })
    } else {
        None
    };
    slurp(root, c_path(path, format_args!("{tid}/status"))?, buf)?;
    let (mut thread, mut of_process) = parse(tid, buf)?;
    of_process.is_kernel_thread = is_kernel_thread;
    if let (Kind::Ordinary, Some(worker)) = (thread.kind, worker) {
        thread.kind = worker;
    }
    Ok((thread, of_process))
}

fn parse(tid: i32, text: &[u8]) -> Result<(Thread, ProcessInfo), ReadError> {
    let mut groups = Vec::new();
    let mut out_of_memory = false;
    let status = Status::parse_with_groups(text, |group| match groups.try_reserve(1) {
        Ok(()) => groups.push(group),
        Err(_) => out_of_memory = true,
    });
    if out_of_memory {
        return Err(ReadError::OutOfMemory);
    }
    let mut name = Vec::new();
    if let Some(found) = &status.name {
        name.try_reserve_exact(found.as_bytes().len()).map_err(|_| ReadError::OutOfMemory)?;
        name.extend_from_slice(found.as_bytes());
    }
    let found = || {
        status.name.as_ref()?;
        status.groups?;
        let credentials = Credentials {
            uids: status.uids?,
            gids: status.gids?,
            groups,
            caps: status.caps()?,
            bounding: status.bounding?,
            ambient: status.ambient.unwrap_or(0),
            no_new_privs: status.no_new_privs,
        };
        let kind = if status.state?.has_ended() { Kind::Exited } else { Kind::Ordinary };
        let of_process = ProcessInfo { pid: status.tgid?, parent: status.ppid, is_kernel_thread: false };
        Some((Thread { tid, name, kind, credentials }, of_process))
    };
    found().ok_or(ReadError::Field)
}

fn is_gone(errno: Errno) -> bool {
    matches!(errno.0, libc::ENOENT | libc::ESRCH)
}

/// A path of /proc for the kernel, in `buf`, which is used again.
fn c_path<'a>(buf: &'a mut String, path: fmt::Arguments<'_>) -> Result<&'a CStr, ReadError> {
    use fmt::Write as _;
    // longer than "/proc/", two numbers and the names used
    buf.try_reserve(64).map_err(|_| ReadError::OutOfMemory)?;
    buf.clear();
    let _ = write!(buf, "{path}\0");
    CStr::from_bytes_with_nul(buf.as_bytes()).map_err(|_| ReadError::Field)
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::OutOfMemory => Error::OutOfMemory,
            ReadError::Gone => Error::Internal { what: "a path of /proc is gone before it is opened" },
            ReadError::Io(errno) => Error::System { call: "reading /proc", errno },
            ReadError::Field => Error::Internal { what: "a path of /proc with a NUL inside" },
        }
    }
}

/// Reads a whole file of /proc into `buf`, whose memory is used again.
fn slurp(root: &sys::Fd, path: &CStr, buf: &mut Vec<u8>) -> Result<(), ReadError> {
    let failed = |errno| if is_gone(errno) { ReadError::Gone } else { ReadError::Io(errno) };
    let file = sys::openat(root.raw(), path, libc::O_RDONLY).map_err(failed)?;
    buf.clear();
    let mut len = 0;
    loop {
        if buf.len() - len < 2048 {
            buf.try_reserve(8192).map_err(|_| ReadError::OutOfMemory)?;
            buf.resize(buf.capacity(), 0);
        }
        match sys::read(file.raw(), &mut buf[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    buf.truncate(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString as _};

    const STATUS: &str = "Name:\tser ver:\\n\\\\\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t700\nNgid:\t0\nPid:\t702\n\
        Uid:\t0\t998\t998\t998\nGid:\t998\t998\t998\t998\nFDSize:\t64\nGroups:\t4 24 \nCapInh:\t0000000000000000\n\
        CapPrm:\t0000000000000400\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t0\n";

    fn parsed(status: &str) -> Option<(Thread, ProcessInfo)> {
        parse(702, status.as_bytes()).ok()
    }

    #[test]
    fn a_status_file_becomes_one_line() {
        let (thread, of_process) = parsed(STATUS).expect("all fields are there");
        assert_eq!(of_process, ProcessInfo { pid: 700, parent: None, is_kernel_thread: false });
        assert_eq!((thread.tid, thread.kind), (702, Kind::Ordinary));
        assert_eq!(thread.name, b"ser ver:\n\\");
        assert_eq!(thread.credentials.groups, [4, 24]);
        assert_eq!(
            thread.credentials.to_string(),
            "uid=0/998/998/998 gid=998 groups=4,24 permitted=cap_net_bind_service effective=none inheritable=none \
             bounding=all-cap_sys_resource ambient=none no_new_privs=on"
        );
    }

    #[test]
    fn a_field_that_is_missing_or_garbled_is_an_error() {
        for field in ["Name", "State", "Tgid", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd"] {
            let without: String =
                STATUS.split_inclusive('\n').filter(|line| !line.starts_with(field)).collect::<Vec<_>>().concat();
            assert_ne!(without, STATUS);
            assert!(parsed(&without).is_none(), "{field}");
        }
        assert!(parsed(&STATUS.replace("998\t998\t998", "998\t998")).is_none());
        assert!(parsed(&STATUS.replace("4 24", "4 x")).is_none());
        assert!(parsed(&STATUS.replace("0000000000000400", "zz")).is_none());
    }

    #[test]
    fn what_gvisor_lacks_is_no_error() {
        let lacking = |line: &&str| !line.starts_with("CapAmb") && !line.starts_with("NoNewPrivs");
        let without: String = STATUS.split_inclusive('\n').filter(lacking).collect();
        let (thread, _) = parsed(&without).expect("the other fields are enough");
        assert_eq!((thread.credentials.ambient, thread.credentials.no_new_privs), (0, None));
        assert!(thread.credentials.to_string().ends_with(" ambient=none no_new_privs=unknown"));
    }

    #[test]
    fn sets_are_short() {
        let all = caps::up_to(40);
        let text = |set| {
            let mut out = String::new();
            write_set(&mut out, set, all).expect("a String takes everything");
            out
        };
        assert_eq!(text(0), "none");
        assert_eq!(text(all), "all");
        assert_eq!(text(0b11), "cap_chown,cap_dac_override");
        assert_eq!(text(all & !0b11), "all-cap_chown-cap_dac_override");
        assert_eq!(text(1 << 45), "45");
        assert_eq!(text(all | 1 << 45).split(',').count(), 42);
        assert_eq!(SecurebitNames(0).to_string(), "none");
        assert_eq!(SecurebitNames(0b11 | 1 << 12).to_string(), "noroot,noroot_locked,0x1000");
    }
}
