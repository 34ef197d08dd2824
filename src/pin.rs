//! Keeps the object that holds this code mapped until the process ends.
//!
//! The kernel calls a signal handler by its address, and the C library a destructor of thread-specific data. The shared library is
//! linked with `-z nodelete`; a copy of the static library inside a plug-in may not be, and dlclose(3) would unmap that code.

use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::sys::elf::{self, Dynamic};
use crate::text::Errno;

/// Symbols that need not exist: a program without shared libraries has none of them, and before glibc 2.34 the last two are in
/// libdl, which whoever has loaded a plug-in has loaded.
#[repr(C)]
struct Weak {
    dynamic: *const Dynamic,
    dlopen: Option<unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>,
    dladdr: Option<unsafe extern "C" fn(*const c_void, *mut libc::Dl_info) -> c_int>,
}

// SAFETY: read only.
unsafe impl Sync for Weak {}

/// Linkers write it into programs only, for the debugger.
const DT_DEBUG: isize = 21;
const DT_FLAGS_1: isize = 0x6fff_fffb;
const DF_1_NODELETE: usize = 8;

// Stable Rust has no weak references but those of the assembler. `.dc.a` is a word as long as an address.
#[cfg(not(miri))]
core::arch::global_asm!(
    ".pushsection .data.rel.ro.ec_security_weak, \"aw\"",
    ".balign 8",
    ".weak _DYNAMIC",
    ".hidden _DYNAMIC",
    ".weak dlopen",
    ".weak dladdr",
    ".globl ec_security_weak",
    ".hidden ec_security_weak",
    "ec_security_weak:",
    ".dc.a _DYNAMIC",
    ".dc.a dlopen",
    ".dc.a dladdr",
    ".popsection",
);

#[cfg(not(miri))]
fn weak() -> &'static Weak {
    unsafe extern "C" {
        safe static ec_security_weak: Weak;
    }
    &ec_security_weak
}

#[cfg(miri)]
fn weak() -> &'static Weak {
    &Weak { dynamic: core::ptr::null(), dlopen: None, dladdr: None }
}

/// Whether this code is part of a program, or of a shared library that dlclose(3) leaves alone.
fn stays_by_itself(weak: &Weak) -> bool {
    if weak.dynamic.is_null() {
        return true;
    }
    // SAFETY: the dynamic section of this object; the loader has read it, and it is never unmapped while this code runs.
    let mut entries = unsafe { elf::entries(weak.dynamic) };
    entries.any(|(tag, value)| tag == DT_DEBUG || (tag == DT_FLAGS_1 && value & DF_1_NODELETE != 0))
}

/// Pins the object. To be called before a handler is installed or a destructor registered; every time but the first returns at
/// once. ENOENT: the loader does not know this object by its name. Takes the loader's lock in a copy inside a plug-in, so it is not
/// for signal handlers.
pub(crate) fn pin_object() -> Result<(), Errno> {
    static PINNED: AtomicBool = AtomicBool::new(false);
    if PINNED.load(Relaxed) {
        return Ok(());
    }
    let weak = weak();
    // musl's dlclose(3) unmaps nothing. Where the functions are not there, nobody calls dlclose(3) either.
    if !cfg!(target_env = "musl")
        && !stays_by_itself(weak)
        && let (Some(dlopen), Some(dladdr)) = (weak.dlopen, weak.dladdr)
    {
        pin_by_loader(dlopen, dladdr)?;
    }
    PINNED.store(true, Relaxed);
    Ok(())
}

fn pin_by_loader(
    dlopen: unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void,
    dladdr: unsafe extern "C" fn(*const c_void, *mut libc::Dl_info) -> c_int,
) -> Result<(), Errno> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let here = pin_object as fn() -> Result<(), Errno>;
    // SAFETY: any address will do, and there is memory for the answer.
    if unsafe { dladdr(here as *const c_void, info.as_mut_ptr()) } == 0 {
        return Err(Errno(libc::ENOENT));
    }
    // SAFETY: zeros are a Dl_info, and dladdr(3) has filled it in.
    let name = unsafe { info.assume_init() }.dli_fname;
    if name.is_null() {
        return Err(Errno(libc::ENOENT));
    }
    // SAFETY: the loader's own name of this object. RTLD_NOLOAD: nothing is loaded, so that no code of anybody's runs.
    let handle = unsafe { dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
    if handle.is_null() { Err(Errno(libc::ENOENT)) } else { Ok(()) }
}
