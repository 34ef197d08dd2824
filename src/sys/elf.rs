//! The dynamic section of a program, a library or the vDSO in memory (elf(5)).

/// An entry.
#[repr(C)]
pub(crate) struct Dynamic {
    tag: isize,
    value: usize,
}

const DT_NULL: isize = 0;

/// The tags and values of a section.
///
/// # Safety
/// The section stays mapped, and an entry of DT_NULL ends it.
pub(crate) unsafe fn entries(section: *const Dynamic) -> impl Iterator<Item = (isize, usize)> {
    let mut at = section;
    core::iter::from_fn(move || {
        // SAFETY: not behind the last one.
        let Dynamic { tag, value } = unsafe { at.read() };
        (tag != DT_NULL).then(|| {
            // SAFETY: another one follows.
            at = unsafe { at.add(1) };
            (tag, value)
        })
    })
}
