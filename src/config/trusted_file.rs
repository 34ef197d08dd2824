//! Reads files, and the names of files in directories. A configuration decides which user this process becomes. So a file is accepted
//! only if nobody but root and the caller can change it, or put another file in its place ([`trusted_path`]).

#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::error::FileProblem;
use super::limits::{MAX_FILE, MAX_FILES};
use crate::alloc_util::{OutOfMemory, try_cstring, try_extend, try_push, try_to_vec, try_vec_of, try_with_capacity};
use crate::sys::{self, Fd};
use crate::text::Errno;
use crate::trusted_path::{self, PathError, PathProblem};

pub(super) enum Opened {
    File {
        text: Vec<u8>,
        /// Device and inode.
        id: (u64, u64),
    },
    /// Names of its files, in order.
    Directory(Vec<Vec<u8>>),
}

/// The path at fault, if it is another than the one to be opened, and what is wrong with it.
pub(super) struct Wrong(pub(super) Option<Vec<u8>>, pub(super) FileProblem);

impl<P: Into<FileProblem>> From<P> for Wrong {
    fn from(problem: P) -> Wrong {
        Wrong(None, problem.into())
    }
}

/// A name in a directory, as a path.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Result<Vec<u8>, OutOfMemory> {
    let slash: &[u8] = if directory.is_empty() || directory.ends_with(b"/") { b"" } else { b"/" };
    let mut path = try_with_capacity(directory.len() + slash.len() + name.len())?;
    for part in [directory, slash, name] {
        try_extend(&mut path, part)?;
    }
    Ok(path)
}

/// Opens a file and reads it, or a directory and lists it. Counts in `looked_at` what it has opened.
pub(super) fn open(path: &[u8], looked_at: &mut usize) -> Result<Opened, Wrong> {
    count(looked_at)?;
    let target = trusted_path::open(path).map_err(|PathError { component, problem }| {
        Wrong(if component.is_empty() { None } else { Some(component) }, problem.into())
    })?;
    if target.is_directory() {
        let directory = target.reopen(libc::O_RDONLY | libc::O_DIRECTORY)?;
        return Ok(Opened::Directory(list(path, &directory, looked_at)?));
    }
    // Not before it is known what it is, since opening a device may act on it.
    if target.stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(FileProblem::NotFile.into());
    }
    let file = target.reopen(libc::O_RDONLY)?;
    let stat = sys::fstat(file.raw()).map_err(system)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(FileProblem::NotFile.into());
    }
    trusted_path::check_file(&stat)?;
    let text = read(&file, usize::try_from(stat.st_size).unwrap_or(usize::MAX))?;
    Ok(Opened::File { text, id: (stat.st_dev, stat.st_ino) })
}

impl From<OutOfMemory> for FileProblem {
    fn from(error: OutOfMemory) -> FileProblem {
        PathProblem::from(error).into()
    }
}

fn system(errno: Errno) -> FileProblem {
    PathProblem::System(errno).into()
}

fn count(looked_at: &mut usize) -> Result<(), FileProblem> {
    *looked_at += 1;
    if *looked_at > MAX_FILES { Err(FileProblem::TooMany) } else { Ok(()) }
}

fn read(file: &Fd, size: usize) -> Result<Vec<u8>, FileProblem> {
    if size > MAX_FILE {
        return Err(FileProblem::TooBig);
    }
    // One byte more than it said: it may be growing, and files of /proc say 0.
    let mut text = try_vec_of(0, size + 1)?;
    let mut len = 0;
    loop {
        match sys::read(file.raw(), &mut text[len..]).map_err(system)? {
            0 => break,
            more => len += more,
        }
        if len > MAX_FILE {
            return Err(FileProblem::TooBig);
        }
        if len == text.len() {
            text.try_reserve(len).map_err(|_| OutOfMemory)?;
            text.resize(2 * len, 0);
        }
    }
    text.truncate(len);
    Ok(text)
}

/// The names of a directory's files in alphabetical order, byte by byte, without hidden ones and what is no file.
fn list(path: &[u8], directory: &Fd, looked_at: &mut usize) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut names = Vec::new();
    let mut buf = try_vec_of(0_u64, 1024)?;
    loop {
        let entries = sys::getdents(directory.raw(), &mut buf).map_err(system)?;
        if entries.is_empty() {
            break;
        }
        for name in entries {
            if name.starts_with(b".") || name.is_empty() {
                continue;
            }
            count(looked_at)?;
            match is_file(directory, name) {
                Ok(true) => try_push(&mut names, try_to_vec(name)?)?,
                Ok(false) => {}
                Err(problem) => return Err(Wrong(Some(joined(path, name)?), problem)),
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Links followed: a file whose link leads nowhere must not go unnoticed. Whether it is to be trusted is seen when it is
/// opened.
fn is_file(directory: &Fd, name: &[u8]) -> Result<bool, FileProblem> {
    let name = try_cstring(name)?.ok_or_else(|| system(Errno(libc::EINVAL)))?;
    let file = sys::openat(directory.raw(), &name, libc::O_PATH).map_err(system)?;
    Ok(sys::fstat(file.raw()).map_err(system)?.st_mode & libc::S_IFMT == libc::S_IFREG)
}
