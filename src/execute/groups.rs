//! Compares the supplementary groups of a thread with the list that is wanted.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;
use crate::text::Errno;

/// How a list compares with the one wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupMatch {
    Same,
    /// Only the primary group is missing, of which the process is a member by its group id. Whether that will do is settled once, for
    /// the caller (`Input::context`): all threads are to have the same list.
    LacksPrimary,
    Different,
}

/// Compares a list, group by group. The kernel's lists are sorted by its own ids, so that what is there twice comes twice in a row.
#[derive(Clone, Copy)]
pub(super) struct GroupComparison<'a> {
    wanted: &'a [u32],
    primary: Option<u32>,
    overflow: Option<u32>,
    overflow_found: bool,
    last: Option<u32>,
    found: usize,
    primary_found: bool,
    others: bool,
}

impl<'a> GroupComparison<'a> {
    /// `wanted` is sorted, without duplicates.
    pub(super) fn new(wanted: &'a [u32], primary: Option<u32>, overflow: Option<u32>) -> GroupComparison<'a> {
        GroupComparison {
            wanted,
            primary,
            overflow,
            overflow_found: false,
            last: None,
            found: 0,
            primary_found: false,
            others: false,
        }
    }

    pub(super) fn take(&mut self, group: u32) {
        // Groups without an id here stand anywhere among the others, all shown as the overflow id.
        if self.last == Some(group) || (self.overflow_found && self.overflow == Some(group)) {
            return;
        }
        self.last = Some(group);
        self.primary_found |= self.primary == Some(group);
        self.overflow_found |= self.overflow == Some(group);
        if self.wanted.binary_search(&group).is_ok() {
            self.found += 1;
        } else {
            self.others = true;
        }
    }

    /// Whether each is what it is shown as.
    pub(super) fn all_known(&self) -> bool {
        !self.overflow_found
    }

    pub(super) fn outcome(&self) -> GroupMatch {
        let missing = self.wanted.len() - self.found.min(self.wanted.len());
        let wants_primary = self.primary.is_some_and(|primary| self.wanted.binary_search(&primary).is_ok());
        match missing {
            _ if self.others => GroupMatch::Different,
            0 => GroupMatch::Same,
            1 if wants_primary && !self.primary_found => GroupMatch::LacksPrimary,
            _ => GroupMatch::Different,
        }
    }
}

/// Lists up to this length are read to the stack.
const SHORT_LIST: usize = 32;

/// Compares the calling thread's supplementary groups by getgroups(2); and whether each is what it is shown as.
#[inline(never)]
pub(super) fn compare_own(
    comparison: GroupComparison<'_>,
    buffer: &SharedBuffer<'_>,
) -> Result<(GroupMatch, bool), Errno> {
    let compare = |list: &[u32]| {
        let mut comparison = comparison;
        list.iter().for_each(|&group| comparison.take(group));
        (comparison.outcome(), comparison.all_known())
    };
    // Most lists are short, and one call then tells both how many there are and which.
    let mut short = [0; SHORT_LIST];
    match sys::getgroups(&mut short) {
        Ok(count) => Ok(compare(&short[..count.min(SHORT_LIST)])),
        Err(Errno(libc::EINVAL)) => buffer.lock(|list| match sys::getgroups(list) {
            Ok(count) => Ok(compare(&list[..count.min(list.len())])),
            // The buffer holds more than are wanted.
            Err(Errno(libc::EINVAL)) => Ok((GroupMatch::Different, false)),
            Err(errno) => Err(errno),
        }),
        Err(errno) => Err(errno),
    }
}

/// One buffer for long group lists, used by one thread at a time. A thread in it has all its signals blocked.
pub(crate) struct SharedBuffer<'a> {
    /// 0 free, 1 in use, 2 in use and somebody may wait.
    state: AtomicU32,
    at: *mut u32,
    len: usize,
    borrowed: PhantomData<&'a [u32]>,
}

// SAFETY: the buffer is reached only by the thread that made `state` other than 0.
unsafe impl Sync for SharedBuffer<'_> {}

impl<'a> SharedBuffer<'a> {
    pub(crate) fn new(buffer: &'a mut [u32]) -> SharedBuffer<'a> {
        SharedBuffer { state: AtomicU32::new(0), at: buffer.as_mut_ptr(), len: buffer.len(), borrowed: PhantomData }
    }

    fn lock<R>(&self, body: impl FnOnce(&mut [u32]) -> R) -> R {
        if self.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            while self.state.swap(2, Ordering::Acquire) != 0 {
                sys::futex_wait(&self.state, 2, None);
            }
        }
        // SAFETY: `state` was 0 and is not any more: no other thread is in here, and the borrow lasts as long as `self`.
        let result = body(unsafe { core::slice::from_raw_parts_mut(self.at, self.len) });
        if self.state.swap(0, Ordering::Release) == 2 {
            sys::futex_wake(&self.state, 1);
        }
        result
    }
}
