//! Reading files, and the names of files in directories. What a policy is made of decides who this process becomes, so a file
//! counts only if nobody but root and the caller can change it: neither the file, nor which file has its name
//! ([`trusted_path`]).

#![forbid(unsafe_code)]

use alloc::ffi::CString;
use alloc::vec::Vec;

use super::error::FileProblem;
use super::limits::{MAX_FILE, MAX_FILES};
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

/// The path at fault, and what is wrong with it.
type Wrong = (Vec<u8>, FileProblem);

/// A name in a directory, as a path.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Opens a file and reads it, or a directory and lists it. Counts in `looked_at` what it has opened.
pub(super) fn open(path: &[u8], looked_at: &mut usize) -> Result<Opened, Wrong> {
    let at = |problem: FileProblem| (path.to_vec(), problem);
    count(looked_at).map_err(at)?;
    let target = trusted_path::open(path).map_err(|PathError { component, problem }| {
        (if component.is_empty() { path.to_vec() } else { component }, problem.into())
    })?;
    if target.is_directory() {
        let directory = target.reopen(libc::O_RDONLY | libc::O_DIRECTORY).map_err(|problem| at(problem.into()))?;
        return Ok(Opened::Directory(list(path, &directory, looked_at)?));
    }
    // Not before it is known what it is, since opening a device may act on it.
    if target.stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(at(FileProblem::NotFile));
    }
    let file = target.reopen(libc::O_RDONLY).map_err(|problem| at(problem.into()))?;
    let stat = sys::fstat(file.raw()).map_err(|errno| at(system(errno)))?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(at(FileProblem::NotFile));
    }
    trusted_path::check_file(&stat).map_err(|problem| at(problem.into()))?;
    let text = read(&file, usize::try_from(stat.st_size).unwrap_or(usize::MAX)).map_err(at)?;
    Ok(Opened::File { text, id: (stat.st_dev, stat.st_ino) })
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
    let out_of_memory = |_| system(Errno(libc::ENOMEM));
    let mut text = Vec::new();
    text.try_reserve_exact(size + 1).map_err(out_of_memory)?;
    // One byte more than it said: it may be growing, and files of /proc say 0.
    text.resize(size + 1, 0);
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
            text.try_reserve(len).map_err(out_of_memory)?;
            text.resize(2 * len, 0);
        }
    }
    text.truncate(len);
    Ok(text)
}

/// The names of a directory's files in alphabetical order, byte by byte, without hidden ones and what is no file.
fn list(path: &[u8], directory: &Fd, looked_at: &mut usize) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut names = Vec::new();
    let mut buf = Vec::from([0_u64; 1024]);
    loop {
        let entries = sys::getdents(directory.raw(), &mut buf).map_err(|errno| (path.to_vec(), system(errno)))?;
        if entries.is_empty() {
            break;
        }
        for name in entries {
            if name.starts_with(b".") || name.is_empty() {
                continue;
            }
            count(looked_at).map_err(|problem| (path.to_vec(), problem))?;
            if is_file(directory, name).map_err(|errno| (joined(path, name), system(errno)))? {
                names.push(name.to_vec());
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Links followed: a file whose link leads nowhere must not go unnoticed. Whether it is to be trusted is seen when it is
/// opened.
fn is_file(directory: &Fd, name: &[u8]) -> Result<bool, Errno> {
    let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
    let file = sys::openat(directory.raw(), &name, libc::O_PATH)?;
    Ok(sys::fstat(file.raw())?.st_mode & libc::S_IFMT == libc::S_IFREG)
}
