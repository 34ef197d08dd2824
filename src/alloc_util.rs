//! Allocations that return an error when memory has run out.

use core::alloc::Layout;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use alloc::alloc::alloc;
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;

/// Memory has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

/// Appends an item.
pub(crate) fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    list.try_reserve(1).map_err(|_| OutOfMemory)?;
    list.push(item);
    Ok(())
}

/// A copy of a slice, with memory for `more` items after it.
fn copy_with<T: Copy>(items: &[T], more: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(items.len() + more).map_err(|_| OutOfMemory)?;
    copy.extend_from_slice(items);
    Ok(copy)
}

/// A copy of a slice.
pub(crate) fn try_to_vec<T: Copy>(items: &[T]) -> Result<Vec<T>, OutOfMemory> {
    copy_with(items, 0)
}

/// No items, with memory for `count`.
pub(crate) fn try_with_capacity<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    Ok(list)
}

/// `count` items, each `item`.
pub(crate) fn try_vec_of<T: Copy>(item: T, count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut list = try_with_capacity(count)?;
    list.resize(count, item);
    Ok(list)
}

/// Appends copies of items.
pub(crate) fn try_extend<T: Copy>(list: &mut Vec<T>, items: &[T]) -> Result<(), OutOfMemory> {
    list.try_reserve(items.len()).map_err(|_| OutOfMemory)?;
    list.extend_from_slice(items);
    Ok(())
}

/// A value on the heap; the value itself when memory has run out.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is not 0.
    let at = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    if at.is_null() {
        return Err(value);
    }
    // SAFETY: memory for a `T` from the global allocator, as a box has it, and nobody else's.
    unsafe {
        at.write(value);
        Ok(Box::from_raw(at))
    }
}

/// A value with several owners, as in `alloc::sync::Arc`; making one can fail, where `Arc` would end the process.
pub struct TryArc<T>(NonNull<Counted<T>>);

struct Counted<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: the owners have references to the value, and the last one drops it, in whichever thread each is.
unsafe impl<T: Send + Sync> Send for TryArc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for TryArc<T> {}

impl<T> TryArc<T> {
    /// Puts a value on the heap.
    pub(crate) fn try_new(value: T) -> Result<TryArc<T>, OutOfMemory> {
        let counted = try_box(Counted { owners: AtomicUsize::new(1), value }).map_err(|_| OutOfMemory)?;
        Ok(TryArc(NonNull::from(Box::leak(counted))))
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: dropped with the last owner, and this is one.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for TryArc<T> {
    fn clone(&self) -> TryArc<T> {
        // Owners that are forgotten instead of dropped (core::mem::forget) must not make the number wrap.
        assert!(self.counted().owners.fetch_add(1, Ordering::Relaxed) < usize::MAX / 2);
        TryArc(self.0)
    }
}

impl<T> Drop for TryArc<T> {
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) == 1 {
            // What the other owners have done with the value comes before its end.
            fence(Ordering::Acquire);
            // SAFETY: from a box, and no owner is left.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl<T> Deref for TryArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T: PartialEq> PartialEq for TryArc<T> {
    fn eq(&self, other: &TryArc<T>) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for TryArc<T> {}

impl<T: fmt::Debug> fmt::Debug for TryArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A copy of bytes as a C string; `None` where they hold a NUL.
pub(crate) fn try_cstring(bytes: &[u8]) -> Result<Option<CString>, OutOfMemory> {
    let mut copy = copy_with(bytes, 1)?;
    copy.push(0);
    Ok(CString::from_vec_with_nul(copy).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_owner_drops_the_value() {
        struct Counts<'a>(&'a AtomicUsize);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = AtomicUsize::new(0);
        let first = TryArc::try_new(Counts(&dropped)).expect("there is memory");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let other = first.clone();
                scope.spawn(move || drop(other.clone()));
            }
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        let last = first.clone();
        drop(first);
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(last);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}
