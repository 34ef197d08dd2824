//! The allocator and the panic handler of the library for C, which is built without Rust's standard library: memory comes from
//! malloc(3), and a panic ends the process with one line.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::panic::PanicInfo;
use core::ptr;

struct Malloc;

/// The alignment of malloc(3): two words.
const ALIGNED: usize = 2 * size_of::<usize>();

// SAFETY: malloc(3) and the like give what the trait asks for up to their own alignment, posix_memalign(3) beyond it; all of
// their memory may be given to free(3).
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGNED {
            // SAFETY: takes a number.
            return unsafe { libc::malloc(layout.size()) }.cast();
        }
        let mut at: *mut c_void = ptr::null_mut();
        // SAFETY: room for a pointer; the alignment is a power of two and larger than that of a pointer.
        if unsafe { libc::posix_memalign(&raw mut at, layout.align(), layout.size()) } == 0 {
            at.cast()
        } else {
            ptr::null_mut()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGNED {
            // SAFETY: takes numbers.
            return unsafe { libc::calloc(1, layout.size()) }.cast();
        }
        // SAFETY: the caller's promise.
        let at = unsafe { self.alloc(layout) };
        if !at.is_null() {
            // SAFETY: so many bytes were given just now.
            unsafe { at.write_bytes(0, layout.size()) };
        }
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: the caller's promise: it came from `alloc` or `realloc`.
        unsafe { libc::free(at.cast()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGNED {
            // SAFETY: the caller's promise: it came from `alloc` or `realloc`.
            return unsafe { libc::realloc(at.cast(), size) }.cast();
        }
        // SAFETY: the caller's promise: alignment and size are those of a layout.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both have at least so many bytes, and one of them is new.
            unsafe { ptr::copy_nonoverlapping(at, new, layout.size().min(size)) };
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(at, layout) };
        }
        new
    }
}

#[global_allocator]
static MALLOC: Malloc = Malloc;

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    crate::sys::die(format_args!("defect: {info}"))
}

/// The precompiled `core` refers to it. Nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
