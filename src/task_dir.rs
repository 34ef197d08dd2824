//! The directory /proc/PID/task and the files of its threads. Uses raw system calls and does not allocate, because stopped threads
//! read there too.

use core::ffi::{CStr, c_int};
use core::fmt;

use crate::procfs::{Stat, Status, StatusParser, decimal};
use crate::sys;
use crate::text::{BoundedWriter, Errno, Excerpt};

/// No file of a thread is longer: 65,536 groups of eleven bytes, and the rest.
const MAX_PIECES: usize = 512;
const PIECE: usize = 2048;

/// A path to a file of a thread, without the heap.
pub(crate) struct TaskPath([u8; 64]);

impl TaskPath {
    /// In the directory /proc/PID/task.
    pub(crate) fn in_task_dir(tid: i32, file: &str) -> TaskPath {
        TaskPath::new(format_args!("{tid}/{file}"))
    }

    /// From the root directory.
    pub(crate) fn absolute(pid: i32, tid: i32, file: &str) -> TaskPath {
        TaskPath::new(format_args!("/proc/{pid}/task/{tid}/{file}"))
    }

    fn new(text: fmt::Arguments<'_>) -> TaskPath {
        let mut path = TaskPath([0; 64]);
        // The last byte stays 0.
        let _ = fmt::write(&mut BoundedWriter::new(&mut path.0[..63]), text);
        path
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// Opens a file of a thread to read it.
pub(crate) fn open(dir: c_int, path: &TaskPath) -> Result<sys::Fd, Errno> {
    sys::openat(dir, path.as_c_str(), libc::O_RDONLY)
}

/// Reads the beginning of a file of a thread: as much of it as `buf` holds.
pub(crate) fn read_start<'a>(dir: c_int, path: &TaskPath, buf: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let file = open(dir, path)?;
    let mut len = 0;
    while len < buf.len() {
        match sys::read(file.raw(), &mut buf[len..]) {
            Ok(0) => break,
            Ok(more) => len = buf.len().min(len + more),
            Err(errno) if len == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(&buf[..len])
}

/// What a short file of a thread says, for a message; nothing where it cannot be read.
pub(crate) fn short_text(dir: c_int, tid: i32, file: &str) -> Excerpt {
    let mut buf = [0; 128];
    let text = read_start(dir, &TaskPath::in_task_dir(tid, file), &mut buf).unwrap_or_default();
    Excerpt::new(text.strip_suffix(b"\n").unwrap_or(text))
}

/// Reads a status file from its beginning; `group` is told each supplementary group. EIO for what is no such file.
pub(crate) fn read_status(file: &sys::Fd, mut group: impl FnMut(u32)) -> Result<Status, Errno> {
    sys::rewind(file.raw())?;
    let mut parser = StatusParser::new();
    for _ in 0..MAX_PIECES {
        // A filter may say that something was read.
        let mut piece = [0; PIECE];
        let len = sys::read(file.raw(), &mut piece)?.min(PIECE);
        if len == 0 {
            break;
        }
        parser.feed(&piece[..len], &mut group);
        if parser.is_done() {
            break;
        }
    }
    let status = parser.status();
    if status.caps().is_none() { Err(Errno(libc::EIO)) } else { Ok(status) }
}

/// The thread of an entry of the directory; `None` for `.` and `..`.
pub(crate) fn tid_of_entry(name: &[u8]) -> Option<i32> {
    decimal(name).and_then(|tid| i32::try_from(tid).ok())
}

/// The number of threads, by the link count of the directory (fs/proc/base.c, proc_task_getattr).
pub(crate) fn thread_count(dir: &sys::KeptFd) -> Result<usize, Errno> {
    Ok((dir.stat()?.st_nlink as usize).saturating_sub(2))
}

/// Whether a thread has ended, be it only as a leader that stays as a zombie. `dir`, if there is one, may be another's descriptor in
/// this thread, and the root directory another's; then only what the kernel says of its number tells.
pub(crate) fn has_ended(dir: Option<c_int>, pid: i32, tid: i32) -> bool {
    let mut buf = [0; 512];
    let in_dir = dir.map(|dir| (dir, TaskPath::in_task_dir(tid, "stat")));
    for (dir, path) in in_dir.into_iter().chain([(sys::CWD, TaskPath::absolute(pid, tid, "stat"))]) {
        if let Ok(text) = read_start(dir, &path, &mut buf)
            && let Some(stat) = Stat::parse(text)
        {
            return stat.state.has_ended();
        }
    }
    sys::tgkill(pid, tid, 0) == Err(Errno(libc::ESRCH))
}
