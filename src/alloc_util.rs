//! Allocations that return an error when memory has run out.

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

/// A copy of bytes as a C string; `None` where they hold a NUL.
pub(crate) fn try_cstring(bytes: &[u8]) -> Result<Option<CString>, OutOfMemory> {
    let mut copy = copy_with(bytes, 1)?;
    copy.push(0);
    Ok(CString::from_vec_with_nul(copy).ok())
}
