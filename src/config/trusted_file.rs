//! Opening what a configuration is read from. What a policy is made of decides who this process becomes, so a file counts
//! only if nobody but root and the caller can change it: neither the file, nor which file has its name.
//!
//! All is asked of open descriptors. The directory is opened and looked at, then the name is opened in that very directory and
//! looked at, so nothing can be exchanged between the look and the use. A symbolic link is followed by hand, since the
//! directory it leads to matters as much as the one it is in.

#![forbid(unsafe_code)]

use alloc::ffi::CString;
use alloc::vec::Vec;

use super::error::FileProblem;
use super::limits::{MAX_FILE, MAX_FILES};
use crate::sys::{self, Fd};
use crate::text::Errno;

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

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
    let mut path = path.to_vec();
    for _ in 0..MAX_LINKS {
        count(looked_at).map_err(|problem| (path.clone(), problem))?;
        let (dir_path, name) = split(&path);
        let directory = at(dir_path, open_in(sys::CWD, dir_path, libc::O_PATH | libc::O_DIRECTORY))?;
        let in_sticky = at(dir_path, check(&directory))?.sticky;
        let Some(name) = name else {
            let directory = at(dir_path, open_in(sys::CWD, dir_path, libc::O_RDONLY | libc::O_DIRECTORY))?;
            at(dir_path, check(&directory))?;
            return Ok(Opened::Directory(list(dir_path, &directory, looked_at)?));
        };
        // First without opening it, since opening a device may act on it.
        let link = at(&path, open_in(directory.raw(), name, libc::O_PATH | libc::O_NOFOLLOW))?;
        match at(&path, kind(&link))? {
            libc::S_IFLNK => {
                // Where others may put names, whose link it is matters; elsewhere nobody else can have put it there.
                if in_sticky {
                    at(&path, check(&link))?;
                }
                let target = at(&path, read_link(&link))?;
                path = if target.starts_with(b"/") { target } else { joined(dir_path, &target) };
            }
            libc::S_IFREG | libc::S_IFDIR => {
                let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
                let fd = at(&path, open_in(directory.raw(), name, flags))?;
                let checked = at(&path, check(&fd))?;
                return match at(&path, kind(&fd))? {
                    libc::S_IFREG if path.ends_with(b"/") => Err((path, system(libc::ENOTDIR))),
                    libc::S_IFREG => Ok(Opened::File { text: at(&path, read(&fd))?, id: checked.id }),
                    libc::S_IFDIR => Ok(Opened::Directory(list(&path, &fd, looked_at)?)),
                    _ => Err((path, FileProblem::NotFile)),
                };
            }
            _ => return Err((path, FileProblem::NotFile)),
        }
    }
    Err((path, system(libc::ELOOP)))
}

fn system(errno: i32) -> FileProblem {
    FileProblem::System(Errno(errno))
}

fn at<T>(path: &[u8], result: Result<T, FileProblem>) -> Result<T, Wrong> {
    result.map_err(|problem| (path.to_vec(), problem))
}

fn count(looked_at: &mut usize) -> Result<(), FileProblem> {
    *looked_at += 1;
    if *looked_at > MAX_FILES { Err(FileProblem::TooMany) } else { Ok(()) }
}

/// The directory part of a path, and the name in it; no name where the path can only be a directory.
fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    let start = path[..end].iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    match &path[start..end] {
        // An empty path names nothing (path_resolution(7)): let the kernel say so.
        b"" | b"." | b".." => (path, None),
        name if start == 0 => (b".", Some(name)),
        name => (&path[..start], Some(name)),
    }
}

fn open_in(directory: i32, name: &[u8], flags: i32) -> Result<Fd, FileProblem> {
    let name = CString::new(name).map_err(|_| system(libc::EINVAL))?;
    sys::openat(directory, &name, flags).map_err(FileProblem::System)
}

fn kind(fd: &Fd) -> Result<libc::mode_t, FileProblem> {
    Ok(sys::fstat(fd.raw()).map_err(FileProblem::System)?.st_mode & libc::S_IFMT)
}

struct Checked {
    id: (u64, u64),
    /// A directory where others may put names, but not take other people's away.
    sticky: bool,
}

/// Whether only root and the caller can write. The group bits tell of access control lists too: there they are the mask,
/// the most any entry grants (acl(5)).
fn check(fd: &Fd) -> Result<Checked, FileProblem> {
    let stat = sys::fstat(fd.raw()).map_err(FileProblem::System)?;
    let [real, effective, _] = sys::getresuid().map_err(FileProblem::System)?;
    let (mode, owner, kind) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_mode & libc::S_IFMT);
    if owner != 0 && owner != real && owner != effective {
        return Err(FileProblem::Owner { mode, owner });
    }
    let others_write = mode & 0o022 != 0 && kind != libc::S_IFLNK;
    let sticky = others_write && kind == libc::S_IFDIR && mode & libc::S_ISVTX != 0;
    if others_write && !sticky {
        return Err(FileProblem::Writable { mode, owner });
    }
    Ok(Checked { id: (stat.st_dev, stat.st_ino), sticky })
}

fn read_link(link: &Fd) -> Result<Vec<u8>, FileProblem> {
    let mut buf = Vec::from([0; libc::PATH_MAX as usize]);
    let len = sys::readlinkat(link.raw(), c"", &mut buf).map_err(FileProblem::System)?;
    buf.truncate(len);
    Ok(buf)
}

fn read(fd: &Fd) -> Result<Vec<u8>, FileProblem> {
    let size = usize::try_from(sys::fstat(fd.raw()).map_err(FileProblem::System)?.st_size).unwrap_or(usize::MAX);
    if size > MAX_FILE {
        return Err(FileProblem::TooBig);
    }
    let mut text = Vec::new();
    text.try_reserve_exact(size + 1).map_err(|_| system(libc::ENOMEM))?;
    // One byte more than it said: it may be growing, and files of /proc say 0.
    text.resize(size + 1, 0);
    let mut len = 0;
    loop {
        match sys::read(fd.raw(), &mut text[len..]).map_err(FileProblem::System)? {
            0 => break,
            more => len += more,
        }
        if len > MAX_FILE {
            return Err(FileProblem::TooBig);
        }
        if len == text.len() {
            text.try_reserve(len).map_err(|_| system(libc::ENOMEM))?;
            text.resize(2 * len, 0);
        }
    }
    text.truncate(len);
    Ok(text)
}

/// The names of a directory's files in alphabetical order, byte by byte, hidden ones and all that is no file left out.
fn list(path: &[u8], directory: &Fd, looked_at: &mut usize) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut names = Vec::new();
    let mut buf = Vec::from([0_u64; 1024]);
    loop {
        let entries = at(path, sys::getdents(directory.raw(), &mut buf).map_err(FileProblem::System))?;
        if entries.is_empty() {
            break;
        }
        for name in entries {
            if name.starts_with(b".") || name.is_empty() {
                continue;
            }
            at(path, count(looked_at))?;
            // As the name would be opened, links followed: one that leads nowhere must not go unnoticed.
            let full = joined(path, name);
            let fd = at(&full, open_in(directory.raw(), name, libc::O_PATH))?;
            if at(&full, kind(&fd))? == libc::S_IFREG {
                names.push(name.to_vec());
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}
