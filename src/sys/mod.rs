//! One function per system call or libc call. Those a stopped thread or a rehearsal makes are
//! raw: libc's own set*id would broadcast to all threads by itself, and any libc call may touch errno.

pub(crate) mod arch;
mod call;
mod creds;
pub(crate) mod elf;
mod fatal;
mod fs;
mod futex;
mod memory;
mod process;
mod signal;
mod vdso;

pub(crate) use arch::{SignalMask, handler_entry, is_under_valgrind};
pub use call::Result;
pub(crate) use call::{INTERRUPTIONS, clone_call, retry_eintr, retry_restore};
pub(crate) use creds::{
    ambient_clear, ambient_has, ambient_lower, ambient_raise, bounding_drop, bounding_has, capget, capset, dumpable,
    getfsgid, getfsuid, getgroups, getresgid, has_no_filter, parent_death_signal, set_dumpable, set_keep_caps,
    set_no_new_privs, set_parent_death_signal, set_securebits, setfsgid, setfsuid, setgroups, setresgid, setresuid,
};
pub use creds::{geteuid, getresuid, last_cap, no_new_privs, securebits};
pub(crate) use fatal::die;
pub(crate) use fs::{
    CWD, Fd, FileId, KeptFd, Resource, Stat, chdir, chroot, cwd_id, duplicate, fchdir, file_id, fstat, getcwd,
    getdents, id_of, is_on_proc, may_be_path_only, openat, read, readlinkat, rewind, root_id, shares,
};
pub(crate) use futex::{futex_wait, futex_wait_for_child, futex_wake, now};
pub(crate) use memory::{map, unmap, wipe_on_fork};
pub(crate) use process::{
    Timer, disable_cancellation, exit, getpid, getppid, gettid, is_of_deadline_class, is_single_threaded_for_sure,
    kill, reap, restore_cancellation, sched_yield,
};
pub use process::{errno, set_errno};
pub(crate) use signal::{
    KernelSigaction, Payload, SIGNAL, SigInfo, block_all_but_sigsys, on_alternate_stack, queue_signal, set_signal_mask,
    sigaction, tgkill,
};
