//! How much memory the reader of the stanza takes at most. A test program of its own, since it counts what all threads allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes taken at most beyond what was there before, by reading a text.
fn taken(text: &str) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let _ = ec_security::config::parse(text.as_bytes());
    let most = MOST.load(Relaxed) - before;
    assert_eq!(NOW.load(Relaxed), before, "something is not given back");
    most
}

#[test]
fn memory_is_bounded() {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    let fill = |piece: &str| piece.repeat(16 * MIB / piece.len());
    // What is stepped over takes next to nothing, however much of it there is.
    for piece in
        ["a { b = (c d e) } ", "a = 'x' ", "a=[b=c]", "# comment\n", "/* */", "{", "s {", "a=[b=", "'", "a=(b "]
    {
        let most = taken(&(fill(piece)));
        assert!(most < 64 * KIB, "{most} bytes for {piece:?}");
    }
    // One long word, and one long string, are there once more.
    for (start, end) in [("Security { user = ", " }"), ("Security { user = \"", "\" }")] {
        let most = taken(&(start.to_owned() + &"x".repeat(16 * MIB - 64) + end));
        assert!((16 * MIB - KIB..17 * MIB).contains(&most), "{most} bytes for one word");
    }
    // As many options, and as many items, as there may be.
    let most = taken(&("Security { ".to_owned() + &"option = 'twenty letters here.' ".repeat(500_000) + "}"));
    assert!((20 * MIB..128 * MIB).contains(&most), "{most} bytes for all options");
    let most = taken(&("Security { a = ( ".to_owned() + &"'twenty letters here.' ".repeat(700_000) + ") }"));
    assert!((20 * MIB..128 * MIB).contains(&most), "{most} bytes for all items");
}
