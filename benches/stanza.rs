//! How long the reader of the stanza takes for files of three sizes: the time a byte must not grow. `make bench-stanza`.
//!
//! Each figure is the fastest of 25 runs, the sizes taken in turn, in processor time of this thread: what else the machine does
//! only adds to it.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ec_security::config::load;

const RUNS: usize = 25;
const MIB: f64 = (1 << 20) as f64;

const STANZA: &str = "Security {\n  user = ecuser\n  Capabilities = \"cap_net_bind_service+ep\"\n}\n";

/// Blocks up to 200 deep, one in the other, with an option or two each.
fn nested_blocks(bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        for depth in 0..200 {
            let _ = writeln!(text, "Scope_{depth} \"name {depth}\" {{\n  Option_{depth} = \"value # {depth}\" # why");
        }
        text.push_str(&"}\n".repeat(200));
    }
    text + STANZA
}

/// So many options in the stanza itself, each kept with its places.
fn stanza_of_options(count: usize) -> String {
    let mut text = String::from("Security {\n");
    for at in 0..count {
        let _ = writeln!(text, "  option_{at} = \"value {at}\"");
    }
    text + "}\n"
}

/// So many options in other blocks, ten each, with lists and arrays among them.
fn other_options(count: usize) -> String {
    let mut text = String::new();
    for at in (0..count).step_by(10) {
        let _ = writeln!(text, "Domain \"{at}.example.com\" {{");
        for option in 0..8 {
            let _ = writeln!(text, "  Max_Outbound_{option} = {at} /* a comment */");
        }
        let _ = writeln!(
            text,
            "  Relay_Hosts = ( 127.0.0.0/8 \"10.10.10.0/24\" )\n  logs = [ main = \"/var/log/{at}\" ]\n}}"
        );
    }
    text + STANZA
}

/// Seconds.
fn processor_time() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for one timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(result, 0);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn main() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-stanza-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the files");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("its mode");
    println!("{:<44} {:>10} {:>10} {:>9} {:>13}", "file", "MiB", "ms", "MiB/s", "ns/byte of x1");
    type Make = fn(usize) -> String;
    let files: [(&str, Make, usize); 3] = [
        ("nested blocks, 1 MiB", nested_blocks, 1 << 20),
        ("50,000 options in the stanza", stanza_of_options, 50_000),
        ("50,000 options in other blocks", other_options, 50_000),
    ];
    for (name, make, size) in files {
        let paths: Vec<_> = [1, 2, 4]
            .into_iter()
            .map(|times| {
                let path = directory.join(format!("{times}.conf"));
                let text = make(size * times);
                fs::write(&path, &text).expect("a file to read");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
                (times, path, text.len() as f64, Vec::with_capacity(RUNS))
            })
            .collect();
        let mut rows = paths;
        for _ in 0..RUNS {
            for (_, path, _, times) in &mut rows {
                let start = processor_time();
                let settings = black_box(load(path.as_os_str().as_bytes())).expect("a file without a fault");
                times.push(processor_time() - start);
                assert!(!settings.is_empty());
            }
        }
        let mut first = None;
        for (times, _, bytes, runs) in &mut rows {
            let fastest = runs.iter().copied().fold(f64::INFINITY, f64::min);
            let per_byte = fastest / *bytes;
            let first = *first.get_or_insert(per_byte);
            println!(
                "{:<44} {:>10.2} {:>10.2} {:>9.0} {:>13.2}",
                format!("{name}, x{times}"),
                *bytes / MIB,
                fastest * 1e3,
                *bytes / MIB / fastest,
                per_byte / first
            );
        }
    }
    fs::remove_dir_all(directory).expect("the files to go away");
}
