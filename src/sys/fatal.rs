//! The end of the process.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;

use super::call::call;
use super::fs::{wait_until_writable, write};
use super::futex::futex_wait;
use super::process::{Timer, getpid, gettid, interrupted_after, kill};
use super::signal::{KernelSigaction, set_signal_mask, sigaction, tgkill};
use crate::text::BoundedWriter;

/// Ends the process as abort(3) does, without libc: SIGABRT at its default, and exit_group(2) should that not do.
pub(crate) fn abort() -> ! {
    let _ = sigaction(libc::SIGABRT, Some(&KernelSigaction::DEFAULT));
    let _ = set_signal_mask(!(1 << (libc::SIGABRT - 1)));
    let _ = tgkill(getpid(), gettid(), libc::SIGABRT);
    loop {
        // A signal without a handler does not end process 1 (pid_namespaces(7)).
        // SAFETY: takes a number, and does not return.
        let _ = unsafe { call!(libc::SYS_exit_group, 134) };
        // A filter may not allow that either.
        let _ = kill(getpid(), libc::SIGKILL);
    }
}

/// The end of the process, with one line on standard error that says why. Neither memory nor locks are needed, so threads may
/// be stopped.
pub(crate) fn die(why: core::fmt::Arguments<'_>) -> ! {
    const NOBODY: u32 = 0;
    const ABOUT_TO_WRITE: u32 = 1;
    const WRITTEN: u32 = 2;
    static DYING: AtomicU32 = AtomicU32::new(NOBODY);
    const ABORT_TIMEOUT: Duration = Duration::from_secs(1);
    if DYING.compare_exchange(NOBODY, ABOUT_TO_WRITE, SeqCst, SeqCst).is_err() {
        // Another thread is about to end the process, and one line is enough; but its own filter may kill it before it has written one.
        futex_wait(&DYING, ABOUT_TO_WRITE, Some(ABORT_TIMEOUT * 3));
        if DYING.load(SeqCst) == WRITTEN {
            abort();
        }
    }
    let mut line = [0; 1024];
    let [text @ .., _] = &mut line;
    let mut out = BoundedWriter::new(text);
    let _ = core::fmt::write(&mut out, format_args!("libec_security: {why}"));
    let end = out.end();
    // One line, whatever the reason holds.
    line[..end].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    line[end] = b'\n';
    // A write that waits for a file system that does not answer (FUSE, NFS) is interrupted by SIGKILL alone. After the time another thread
    // waits for a line, and has for its own. Process 1 is not killed by a timer of its own (kernel/signal.c, sig_task_ignored).
    let timer = Timer::that_kills(ABORT_TIMEOUT * 5);
    // Nobody may read standard error, and a full pipe must not keep the process alive.
    interrupted_after(ABORT_TIMEOUT, || {
        if wait_until_writable(2, ABORT_TIMEOUT) {
            let _ = write(2, &line[..=end]);
        }
        DYING.store(WRITTEN, SeqCst);
    });
    // A core dump may take longer.
    drop(timer);
    abort()
}
