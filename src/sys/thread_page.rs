//! A page a thread.

use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

use super::call::{Errno, call};
use super::memory::{map, unmap};
use super::process::{getpid, gettid};
use super::signal::tgkill;

/// Memory of one thread, kept from its first failure on. No destructor runs at thread exit, since that would need libc's
/// help and a lock: the page of a thread that has ended goes to the next thread that needs one.
#[repr(C)]
pub(crate) struct Page {
    /// Its process and its thread. The same memory may be that of another process: in the child of a fork, or of vfork(2).
    owner: AtomicU64,
    next: *mut Page,
    /// In which child of a fork; see [`generation`].
    generation: AtomicU32,
    text: Text,
}

#[repr(C, align(16))]
struct Text(UnsafeCell<[u8; PAGE_TEXT]>);

/// Bytes of text on a page.
pub(crate) const PAGE_TEXT: usize = 4096 - 32;
const _: () = assert!(size_of::<Page>() == 4096);

static PAGES: AtomicPtr<Page> = AtomicPtr::new(core::ptr::null_mut());

/// What [`Page::owner`] holds: process and thread, whose numbers are below 2^22 (PID_MAX_LIMIT, include/linux/threads.h), and how
/// often the page has changed hands, lest a thread that was long in between takes a new owner for the old one of that number.
#[derive(Clone, Copy)]
struct Owner(u64);

impl Owner {
    /// It is being cleared for its next owner, or is not to be had at all.
    const CLEARED: Owner = Owner(0);

    fn new(pid: u32, tid: u32) -> Owner {
        Owner(u64::from(pid) << 42 | u64::from(tid) << 20)
    }

    /// Instead of a thread: whoever of the process wants one may have it.
    fn nobody(pid: u32) -> Owner {
        Owner::new(pid, 0)
    }

    fn pid(self) -> u32 {
        (self.0 >> 42) as u32
    }

    fn tid(self) -> u32 {
        (self.0 >> 20) as u32 & 0x3f_ffff
    }

    fn is(self, other: Owner) -> bool {
        self.0 >> 20 == other.0 >> 20
    }

    fn next(self, new: Owner) -> Owner {
        Owner(new.0 >> 20 << 20 | self.0.wrapping_add(1) & 0xf_ffff)
    }

    /// Whether the thread has ended, as far as the calling one can tell: it must be of the same process.
    fn is_gone(self) -> bool {
        self.tid() == 0 || tgkill(self.pid() as i32, self.tid() as i32, 0) == Err(Errno(libc::ESRCH))
    }
}

impl Page {
    /// Where its text begins.
    pub(crate) fn text(&self) -> *mut u8 {
        self.text.0.get().cast()
    }

    fn owner(&self) -> Owner {
        Owner(self.owner.load(SeqCst))
    }

    /// Gives it to `new`, if it is `old`'s still.
    fn pass(&self, old: Owner, new: Owner) -> bool {
        self.owner.compare_exchange(old.0, old.next(new).0, SeqCst, SeqCst).is_ok()
    }

    fn is_of(&self, generation: u32) -> bool {
        self.generation.load(SeqCst) == generation
    }

    /// The page that a thread of this process has left, all zeros again. What seems to be the calling thread's is an ended one's of
    /// the same number, or a signal handler has come in and got it: `is_without` tells.
    fn left_behind(pid: u32, mine: Owner, generation: u32, is_without: impl Fn() -> bool) -> Option<&'static Page> {
        let mut at = PAGES.load(SeqCst);
        // SAFETY: NULL, or a page; pages are never unmapped, and `next` does not change once a page is in the list.
        while let Some(page) = unsafe { at.as_ref() } {
            let owner = page.owner();
            // Of another process nobody knows here which of its threads are still there.
            if page.is_of(generation)
                && owner.pid() == pid
                && (if owner.is(mine) { is_without() } else { owner.is_gone() })
                && page.pass(owner, Owner::CLEARED)
            {
                // SAFETY: nobody uses the page, and its text is so long. As a new one it begins with zeros.
                unsafe { page.text().write_bytes(0, PAGE_TEXT) };
                page.owner.store(owner.next(Owner::CLEARED).next(mine).0, SeqCst);
                return Some(page);
            }
            at = page.next;
        }
        None
    }

    fn new(owner: Owner, generation: u32) -> Option<&'static Page> {
        let new = map(size_of::<Page>(), false).ok()?.cast::<Page>();
        // SAFETY: a fresh page of zeros, which are a valid Page, reached by nobody else yet.
        let page = unsafe {
            (*new).owner.store(owner.0, SeqCst);
            (*new).generation.store(generation, SeqCst);
            &*new
        };
        let mut first = PAGES.load(SeqCst);
        loop {
            // SAFETY: not in the list yet, so nobody else reads it.
            unsafe { (*new).next = first };
            match PAGES.compare_exchange(first, new, SeqCst, SeqCst) {
                Ok(_) => return Some(page),
                Err(now) => first = now,
            }
        }
    }
}

/// Another number in the child of a fork than in its parent, even where both have the same process id: in pid namespaces of
/// their own, or one after the other. Always the same where the kernel cannot do that (before Linux 4.14).
fn generation() -> u32 {
    static ALWAYS: AtomicU32 = AtomicU32::new(1);
    static LAST: AtomicU32 = AtomicU32::new(0);
    /// Where the number is; the child of a fork finds zeros there (madvise(2), MADV_WIPEONFORK).
    static MARK: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
    let mut mark = MARK.load(SeqCst);
    if mark.is_null() {
        let wiped = map(size_of::<Page>(), false).ok().and_then(|page| {
            // SAFETY: a mapping of our own, which nobody uses yet.
            let done = unsafe { call!(libc::SYS_madvise, page, size_of::<Page>(), libc::MADV_WIPEONFORK) };
            if done.is_err() {
                // SAFETY: as above.
                unsafe { unmap(page, size_of::<Page>()) };
            }
            done.ok().map(|_| page.cast::<AtomicU32>())
        });
        let new = wiped.unwrap_or(core::ptr::from_ref(&ALWAYS).cast_mut());
        mark = match MARK.compare_exchange(mark, new, SeqCst, SeqCst) {
            Ok(_) => new,
            Err(now) => {
                if wiped.is_some() {
                    // SAFETY: nobody else has seen it.
                    unsafe { unmap(new.cast(), size_of::<Page>()) };
                }
                now
            }
        };
    }
    // SAFETY: one of the two, and neither is unmapped.
    let mark = unsafe { &*mark };
    match mark.load(SeqCst) {
        0 => {
            let new = LAST.fetch_add(1, SeqCst) + 1;
            mark.compare_exchange(0, new, SeqCst, SeqCst).map_or_else(|now| now, |_| new)
        }
        number => number,
    }
}

unsafe extern "C" {
    /// The address of the calling thread's pointer (thread_pointer.c).
    safe fn ec_security_thread_pointer() -> *mut *mut Page;
}

/// The calling thread's page; one is made, or found, where it has none. Safe in signal handlers, which may come in anywhere, and
/// may fork.
pub(crate) fn page_for_this_thread() -> Option<&'static Page> {
    // SAFETY: the pointer is the calling thread's own, and lives as long as the thread.
    let own = unsafe { AtomicPtr::from_ptr(ec_security_thread_pointer()) };
    loop {
        // Before the numbers: a handler that forks makes it the old one then, which fits no page of the child.
        let generation = generation();
        let (pid, tid) = (getpid() as u32, gettid() as u32);
        // A filter may forbid to ask for them. Such a thread's page is its own for ever.
        let numbered = pid != 0 && tid != 0;
        let mine = if numbered { Owner::new(pid, tid) } else { Owner::CLEARED };
        let before = own.load(SeqCst);
        // SAFETY: NULL, or a page; pages are never unmapped.
        if let Some(page) = unsafe { before.as_ref() } {
            let owner = page.owner();
            let here = page.is_of(generation);
            if !numbered || (here && owner.is(mine)) {
                return Some(page);
            }
            // In the child of a fork the page stays the thread's, which has another number now. A signal handler that has come in
            // may have said so already.
            if !owner.is(Owner::CLEARED) && (!here || owner.pid() != pid || owner.is_gone()) {
                if page.pass(owner, mine) || page.owner().is(mine) {
                    page.generation.store(generation, SeqCst);
                    return Some(page);
                }
                continue;
            }
        }
        let left_behind =
            if numbered { Page::left_behind(pid, mine, generation, || own.load(SeqCst) == before) } else { None };
        let page = left_behind.or_else(|| Page::new(mine, generation))?;
        return match own.compare_exchange(before, core::ptr::from_ref(page).cast_mut(), SeqCst, SeqCst) {
            Ok(_) => Some(page),
            // A signal handler has come in and has got one, and perhaps given away its address. It may be the same. Or another
            // handler has come into that one, so that the first has given this page away, and it is another thread's.
            Err(now) => {
                let owner = page.owner();
                if !core::ptr::eq(now, page) && owner.is(mine) {
                    page.pass(owner, Owner::nobody(pid));
                }
                // SAFETY: as above.
                unsafe { now.as_ref() }
            }
        };
    }
}
