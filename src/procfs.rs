//! The parser of /proc/PID/stat and /proc/PID/status. The files of a thread have the same form.
//!
//! It runs in signal handlers and while all other threads are stopped: no allocation, no lock, no system call, no panic. The caller
//! reads the file, and passes the bytes. proc_pid_stat(5) and proc_pid_status(5) describe the two files.
//!
//! The value of a line that is missing or malformed is `None`. Old kernels and gVisor lack some lines. The caller decides whether
//! that is an error.

use crate::caps::CapSets;

/// State of a task: the letter of proc_pid_stat(5), field 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u8);

impl State {
    /// Whether it runs nothing any more: a zombie, or dead.
    pub fn has_ended(self) -> bool {
        matches!(self.0, b'Z' | b'X' | b'x')
    }
}

/// `flags` of a task that the kernel made for io_uring (since 5.12). include/linux/sched.h
pub const PF_IO_WORKER: u32 = 0x10;
/// `flags` of a task that the kernel made for vhost (since 6.4). include/linux/sched.h
pub const PF_USER_WORKER: u32 = 0x4000;
/// `flags` of a thread of the kernel itself. include/linux/sched.h
pub const PF_KTHREAD: u32 = 0x20_0000;
/// How the names of io_uring's ordinary workers begin: each request carries its submitter's credentials.
pub const PER_REQUEST_WORKER: &[u8] = b"iou-wrk-";
/// Where a submission-polling thread of io_uring sleeps (io_uring/sqpoll.c).
const POLLING_WORKER: &[u8] = b"io_sq_thread";

/// What is needed of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Field 2 without its parentheses, as it is: `stat` escapes nothing.
    pub name: &'a [u8],
    /// Field 3.
    pub state: State,
    /// Field 9, `PF_` of include/linux/sched.h.
    pub flags: u32,
    /// Field 22, in clock ticks since boot: with the id, it tells a process from a later one. `None` where the text is cut
    /// before it.
    pub start_time: Option<u64>,
}

impl<'a> Stat<'a> {
    /// Takes the beginning of the file, at least up to field 9. A name may hold parentheses, spaces and line ends; no field after it does.
    pub fn parse(text: &'a [u8]) -> Option<Stat<'a>> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let mut fields = words(text.get(close + 1..)?);
        let state = State(*fields.next()?.first()?);
        // 4 ppid, 5 pgrp, 6 session, 7 tty_nr, 8 tpgid
        let flags = u32::try_from(decimal(fields.nth(5)?)?).ok()?;
        let start_time = fields.nth(12).and_then(decimal);
        Some(Stat { name: text.get(open + 1..close)?, state, flags, start_time })
    }

    /// Whether the kernel made it, for io_uring or vhost: it runs no code of the program and takes no signal.
    pub fn is_kernel_worker(&self) -> bool {
        self.flags & (PF_IO_WORKER | PF_USER_WORKER) != 0
    }

    /// Whether it is a thread of the kernel itself, which runs no program at all.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Whether it is a kernel worker that has no credentials of its own. The process can give a thread any name (proc_pid_comm(5)),
    /// so what else the kernel says counts too: its flags, and its `wchan`, which is empty or "0" while it runs.
    pub fn takes_credentials_of_requests(&self, wchan: &[u8]) -> bool {
        self.flags & PF_IO_WORKER != 0
            && self.name.starts_with(PER_REQUEST_WORKER)
            && !wchan.starts_with(POLLING_WORKER)
    }
}

/// A name as it is. A task's has at most 15 bytes, a kernel thread's 63 (fs/proc/array.c, proc_task_name).
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; 64],
    len: usize,
}

impl Name {
    /// From the form that `status` has it in, where line ends and backslashes are escaped.
    fn unescape(text: &[u8]) -> Name {
        let mut name = Name { bytes: [0; 64], len: 0 };
        let mut text = text.iter().copied();
        for place in &mut name.bytes {
            *place = match text.next() {
                None => break,
                Some(b'\\') => match text.next() {
                    Some(b'n') => b'\n',
                    Some(other) => other,
                    None => b'\\',
                },
                Some(byte) => byte,
            };
            name.len += 1;
        }
        name
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What is needed of /proc/PID/status. Field by field under the names of proc_pid_status(5).
#[derive(Clone, Copy, Default)]
pub struct Status {
    /// `Name`.
    pub name: Option<Name>,
    /// `State`.
    pub state: Option<State>,
    /// `Tgid`: the process.
    pub tgid: Option<i32>,
    /// `Pid`: the thread.
    pub pid: Option<i32>,
    /// `PPid`.
    pub ppid: Option<i32>,
    /// The last of `NSpid`: the thread, by the number that it has in its own pid namespace. Since Linux 4.1.
    pub own_tid: Option<i32>,
    /// `TracerPid`, 0 where none traces it.
    pub tracer: Option<i32>,
    /// `Uid`: real, effective, saved, file-system.
    pub uids: Option<[u32; 4]>,
    /// `Gid`: real, effective, saved, file-system.
    pub gids: Option<[u32; 4]>,
    /// `Groups`: how many.
    pub groups: Option<usize>,
    /// `Threads`.
    pub threads: Option<u32>,
    /// `SigQ`: queued for the real user id, and the limit.
    pub queued: Option<[u64; 2]>,
    /// `SigPnd`: pending for this thread. Signal N is bit N - 1, here and below.
    pub pending: Option<u64>,
    /// `ShdPnd`: pending for the process.
    pub shared_pending: Option<u64>,
    /// `SigBlk`.
    pub blocked: Option<u64>,
    /// `CapInh`.
    pub inheritable: Option<u64>,
    /// `CapPrm`.
    pub permitted: Option<u64>,
    /// `CapEff`.
    pub effective: Option<u64>,
    /// `CapBnd`.
    pub bounding: Option<u64>,
    /// `CapAmb`, since Linux 4.3.
    pub ambient: Option<u64>,
    /// `NoNewPrivs`, since Linux 4.10.
    pub no_new_privs: Option<bool>,
    /// `Seccomp`: 0 off, 1 strict, 2 filter.
    pub seccomp: Option<u32>,
}

impl Status {
    /// Takes a whole file at once.
    pub fn parse(text: &[u8]) -> Status {
        Status::parse_with_groups(text, |_| {})
    }

    /// The same, and calls `group` for each supplementary group, in the kernel's order, which is ascending.
    pub fn parse_with_groups(text: &[u8], group: impl FnMut(u32)) -> Status {
        let mut parser = StatusParser::new();
        parser.feed(text, group);
        parser.status()
    }

    /// Effective, permitted, inheritable.
    pub fn caps(&self) -> Option<CapSets> {
        Some(CapSets { effective: self.effective?, permitted: self.permitted?, inheritable: self.inheritable? })
    }

    /// One line without its end; not `Groups`.
    fn take_line(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (field, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        let mut words = words(value);
        match field {
            // A tab, then the name, which may begin and end with spaces.
            b"Name" => self.name = value.get(1..).map(Name::unescape),
            b"State" => self.state = words.next().and_then(|word| word.first().copied()).map(State),
            b"Tgid" => self.tgid = number(words),
            b"Pid" => self.pid = number(words),
            b"PPid" => self.ppid = number(words),
            b"NSpid" => self.own_tid = words.last().and_then(decimal).and_then(|tid| i32::try_from(tid).ok()),
            b"TracerPid" => self.tracer = number(words),
            b"Uid" => self.uids = four(words),
            b"Gid" => self.gids = four(words),
            b"Threads" => self.threads = number(words),
            b"SigQ" => {
                let mut halves = words.next().unwrap_or_default().splitn(2, |byte| *byte == b'/').map(decimal);
                self.queued = match (halves.next().flatten(), halves.next().flatten()) {
                    (Some(queued), Some(limit)) => Some([queued, limit]),
                    _ => None,
                };
            }
            b"SigPnd" => self.pending = mask(words),
            b"ShdPnd" => self.shared_pending = mask(words),
            b"SigBlk" => self.blocked = mask(words),
            b"CapInh" => self.inheritable = mask(words),
            b"CapPrm" => self.permitted = mask(words),
            b"CapEff" => self.effective = mask(words),
            b"CapBnd" => self.bounding = mask(words),
            b"CapAmb" => self.ambient = mask(words),
            b"NoNewPrivs" => self.no_new_privs = number::<u32>(words).map(|value| value != 0),
            b"Seccomp" => self.seccomp = number(words),
            _ => {}
        }
    }
}

/// Takes a status file piece by piece, whatever the size of the pieces: a list of groups may be 700 KiB long, and a
/// signal handler has a small stack. A line without its end is not taken: the file was not read to its end.
#[derive(Clone, Copy)]
pub struct StatusParser {
    status: Status,
    /// The line so far. Longer lines are of no interest (`Mems_allowed`), and are cut: a name, escaped, takes 132 bytes.
    line: [u8; 144],
    len: usize,
    group: Group,
}

/// Where the parser is in the line `Groups`, which need not fit into the buffer.
#[derive(Clone, Copy)]
enum Group {
    /// In another line.
    Elsewhere,
    /// Between two numbers.
    Between,
    /// In a number, of this value so far.
    Within(u32),
    /// In the rest of a line that is not what it should be.
    Malformed,
}

impl Default for StatusParser {
    fn default() -> StatusParser {
        StatusParser::new()
    }
}

impl StatusParser {
    /// At the beginning of a file.
    pub fn new() -> StatusParser {
        StatusParser { status: Status::default(), line: [0; 144], len: 0, group: Group::Elsewhere }
    }

    /// Takes the next piece, and calls `group` for each supplementary group that ends in it.
    pub fn feed(&mut self, mut piece: &[u8], mut group: impl FnMut(u32)) {
        while let Some((&byte, rest)) = piece.split_first() {
            let begins_line = self.len == 0 && matches!(self.group, Group::Elsewhere);
            if begins_line
                && !piece.starts_with(b"Groups:")
                && let Some(end) = piece.iter().position(|byte| *byte == b'\n')
            {
                self.status.take_line(piece.get(..end).unwrap_or_default());
                piece = piece.get(end + 1..).unwrap_or_default();
                continue;
            }
            match self.group {
                Group::Elsewhere => self.take_byte(byte),
                _ => self.take_byte_of_groups(byte, &mut group),
            }
            piece = rest;
        }
    }

    /// Whether the rest of the file is of no interest: what follows the line `Seccomp`.
    pub fn is_done(&self) -> bool {
        self.status.seccomp.is_some()
    }

    /// What was found so far.
    pub fn status(&self) -> Status {
        self.status
    }

    fn take_byte(&mut self, byte: u8) {
        if byte == b'\n' {
            self.status.take_line(self.line.get(..self.len).unwrap_or_default());
            self.len = 0;
            return;
        }
        if let Some(place) = self.line.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
        if byte == b':' && self.line.get(..self.len) == Some(b"Groups:") {
            self.status.groups = Some(0);
            self.group = Group::Between;
            self.len = 0;
        }
    }

    fn take_byte_of_groups(&mut self, byte: u8, group: &mut impl FnMut(u32)) {
        let digit = byte.wrapping_sub(b'0');
        self.group = match (self.group, byte) {
            (Group::Malformed, b'\n') => Group::Elsewhere,
            (Group::Malformed, _) => Group::Malformed,
            (Group::Within(value), b' ' | b'\t' | b'\n') => {
                group(value);
                self.status.groups = self.status.groups.map(|count| count + 1);
                if byte == b'\n' { Group::Elsewhere } else { Group::Between }
            }
            (_, b'\n') => Group::Elsewhere,
            (_, b' ' | b'\t') => Group::Between,
            (state, _) => {
                let before = if let Group::Within(value) = state { value } else { 0 };
                match append_digit(before.into(), 10, digit).and_then(|value| u32::try_from(value).ok()) {
                    Some(value) => Group::Within(value),
                    None => {
                        self.status.groups = None;
                        Group::Malformed
                    }
                }
            }
        };
    }
}

/// What stands between spaces and tabs.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t' | b'\n')).filter(|word| !word.is_empty())
}

/// A decimal number without sign, of at most 64 bits.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    parse_number(digits, 10, |byte| byte.wrapping_sub(b'0'))
}

/// A hexadecimal number without prefix, of at most 64 bits.
pub fn hexadecimal(digits: &[u8]) -> Option<u64> {
    parse_number(digits, 16, |byte| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => u8::MAX,
    })
}

fn parse_number(digits: &[u8], base: u8, digit: impl Fn(u8) -> u8) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |value, byte| append_digit(value, base, digit(*byte)))
}

fn append_digit(value: u64, base: u8, digit: u8) -> Option<u64> {
    if digit >= base {
        return None;
    }
    value.checked_mul(base.into())?.checked_add(digit.into())
}

fn number<'a, T: TryFrom<u64>>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<T> {
    T::try_from(decimal(words.next()?)?).ok()
}

fn mask<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    hexadecimal(words.next()?)
}

fn four<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<[u32; 4]> {
    let mut ids = words.map(|word| u32::try_from(decimal(word)?).ok());
    let mut next = || ids.next().flatten();
    Some([next()?, next()?, next()?, next()?])
}
