//! How much memory the reader of the stanza takes at most, and what it returns where there is none. A test program of its own, since it
//! counts what all threads allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{fs, process, ptr};

use ec_security::{Policy, Status};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// Of the tests, one at a time.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    /// How many more allocations of this thread are granted; all, if `None`.
    static GRANTED: Cell<Option<usize>> = const { Cell::new(None) };
    /// Whether one was not.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: hands everything to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match GRANTED.get() {
            None => {}
            Some(0) => {
                REFUSED.set(true);
                return ptr::null_mut();
            }
            Some(more) => GRANTED.set(Some(more - 1)),
        }
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
    let _alone = ALONE.lock().expect("no test fails with it");
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

/// With memory for so many allocations and no more, whatever is asked for after them.
fn with_memory_for<T>(allocations: usize, call: impl FnOnce() -> T) -> (T, bool) {
    REFUSED.set(false);
    GRANTED.set(Some(allocations));
    let result = call();
    GRANTED.set(None);
    (result, REFUSED.get())
}

#[test]
fn all_errors_or_out_of_memory() {
    let _alone = ALONE.lock().expect("no test fails with it");
    let directory = std::env::temp_dir().join(format!("ec-security-memory-{}", process::id()));
    fs::create_dir(&directory).expect("the directory for temporary files can be written to");
    let file = directory.join("all.conf");
    let text = "Security {\n usr = x\n capabilities = (cap_kil+p cap_kill+p cap_chwn+p)\n group = (+1 +2)\n chroot = /missing\n deadline = 3\n }\n}";
    fs::write(&file, text).expect("the directory is ours");
    let path = file.as_os_str().as_encoded_bytes();
    let shown = |errors: Vec<ec_security::Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = shown(Policy::new().expect("there is memory").load_with_all_errors(path).expect("there is memory"));
    let lines: Vec<_> =
        all.iter().map(|error| error.trim_start_matches(&format!("{}:", file.display()))[..1].to_owned()).collect();
    assert_eq!(lines, ["2", "3", "3", "4", "5", "8"], "{all:?}");
    let mut failed = 0;
    loop {
        let mut policy = Policy::new().expect("there is memory");
        let (result, refused) = with_memory_for(failed, || policy.load_with_all_errors(path));
        match result {
            Ok(errors) => {
                assert_eq!((shown(errors), refused), (all, false), "allocation {failed}");
                break;
            }
            Err(error) => assert_eq!((error.status(), refused), (Status::Resource, true), "allocation {failed}"),
        }
        failed += 1;
    }
    assert!(failed > 20, "{failed} allocations");
    fs::remove_dir_all(&directory).expect("the directory is ours");
}
