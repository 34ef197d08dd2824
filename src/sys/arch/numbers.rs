//! System calls whose plain number is another call on some architectures, or none. On i386 and arm the plain numbers of those with ids take
//! and give 16 bits: they would cut an id in silence (kernel/uid16.c).

#[cfg(not(any(target_arch = "arm", target_arch = "x86")))]
mod ids {
    pub(crate) use libc::{
        SYS_getgroups, SYS_getresgid, SYS_getresuid, SYS_setfsgid, SYS_setfsuid, SYS_setgroups, SYS_setresgid,
        SYS_setresuid,
    };
}

#[cfg(any(target_arch = "arm", target_arch = "x86"))]
mod ids {
    pub(crate) use libc::{
        SYS_getgroups32 as SYS_getgroups, SYS_getresgid32 as SYS_getresgid, SYS_getresuid32 as SYS_getresuid,
        SYS_setfsgid32 as SYS_setfsgid, SYS_setfsuid32 as SYS_setfsuid, SYS_setgroups32 as SYS_setgroups,
        SYS_setresgid32 as SYS_setresgid, SYS_setresuid32 as SYS_setresuid,
    };
}

pub(crate) use ids::*;

/// Those whose struct stat has 64 bits for everything.
#[cfg(not(any(target_arch = "arm", target_arch = "loongarch64", target_arch = "x86")))]
pub(crate) use libc::{SYS_fstat, SYS_newfstatat};
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
pub(crate) use libc::{SYS_fstat64 as SYS_fstat, SYS_fstatat64 as SYS_newfstatat};

/// Arguments in registers; the last is an offset in bytes or in pages, and is 0 here. On s390x see `map_anonymous`.
#[cfg(not(any(target_arch = "arm", target_arch = "x86")))]
pub(super) use libc::SYS_mmap;
#[cfg(any(target_arch = "arm", target_arch = "x86"))]
pub(super) use libc::SYS_mmap2 as SYS_mmap;
