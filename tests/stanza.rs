//! The reader of the stanza, against a table of files and against what an attacker would write.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ec_security::config::{Place, Setting, StanzaError, Value, load};
use ec_security::error::Error;

/// A fresh directory that only its owner can write to, whatever the umask. It is there until this is dropped.
struct Directory(PathBuf);

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn directory(name: &str) -> Directory {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stanza-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    chmod(&path, 0o755);
    Directory(path)
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
    chmod(path, 0o644);
}

/// Copied, since a checkout keeps neither owner nor mode.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    chmod(to, 0o755);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            write(&to, fs::read(entry.path()).unwrap());
        }
    }
}

fn load_path(path: &Path) -> Result<Vec<Setting>, StanzaError> {
    load(path.as_os_str().as_bytes())
}

// ---- the table ------------------------------------------------------------------------------------------------------

/// `line:column`, with the file before it where that is not the case's own.
fn short(place: &Place, case: &Path) -> String {
    let own = case.as_os_str().as_bytes();
    let mut text = String::new();
    if *place.file != *own {
        let directory = case.parent().unwrap().as_os_str().as_bytes();
        let file = place.file.strip_prefix(directory).unwrap_or(&place.file);
        write!(text, "{}:", String::from_utf8_lossy(file).trim_start_matches('/')).unwrap();
    }
    write!(text, "{}:{}", place.line, place.column).unwrap();
    text
}

/// What a case yields, as the table has it.
fn outcome(case: &Path) -> String {
    let directory = format!("{}/", case.parent().unwrap().display());
    let mut text = String::new();
    match load_path(case) {
        Err(error) => {
            let error = Error::from(error);
            let message = error.to_string().replace(&directory, "");
            writeln!(text, "{:?} {message}", error.status()).unwrap();
        }
        Ok(settings) => {
            for setting in settings {
                let key = setting.key.escape_ascii();
                write!(text, "{} {key} = ", short(&setting.key_place, case)).unwrap();
                write!(text, "{} ", short(&setting.value_place, case)).unwrap();
                match setting.value {
                    Value::One(value) => writeln!(text, "\"{}\"", value.escape_ascii()).unwrap(),
                    Value::List(items) => {
                        text.push('(');
                        for (item, place) in items {
                            write!(text, " {} \"{}\"", short(&place, case), item.escape_ascii()).unwrap();
                        }
                        text.push_str(" )\n");
                    }
                }
            }
        }
    }
    text
}

#[test]
fn table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stanza");
    let copied = directory("table");
    copy(&source, &copied);
    let table = fs::read_to_string(source.join("table.txt")).unwrap();
    let mut wrong = String::new();
    let mut cases = Vec::new();
    for case in table.split("\n== ").skip(1) {
        let (name, wanted) = case.split_once('\n').unwrap();
        let got = outcome(&copied.join(name));
        if got.trim_end() != wanted.trim_end() {
            write!(wrong, "\n== {name}\nwanted:\n{wanted}\ngot:\n{got}").unwrap();
        }
        cases.push(name.to_owned());
    }
    // Every file is a case or belongs to one in its directory.
    let mut directorys = vec![source.clone()];
    while let Some(directory) = directorys.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let has_case = cases.iter().any(|case| case.starts_with(&format!("{name}/")));
                let within_case = cases.iter().any(|case| name.starts_with(&case.replace("main.conf", "")));
                assert!(has_case || within_case, "no case in {name}");
                if !within_case {
                    directorys.push(path);
                }
            } else if name.ends_with(".conf") && directory.parent().unwrap().ends_with("stanza") {
                let main = cases.contains(&name) || directory.join("main.conf").exists();
                assert!(main || directory.ends_with("include-up"), "{name} is in no case");
            }
        }
    }
    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{wrong}");
}

// ---- who may write, and what is no file -----------------------------------------------------------------------------

const STANZA: &str = "Security { user = mail }\n";

/// The message, with the directory left out of it.
fn message(path: &Path, directory: &Path) -> String {
    match load_path(path) {
        Ok(settings) => format!("{} settings", settings.len()),
        Err(error) => error.to_string().replace(&format!("{}", directory.display()), "DIR"),
    }
}

#[test]
fn only_root_and_the_caller_may_write() {
    let dir = directory("modes");
    let file = dir.join("a.conf");
    write(&file, STANZA);
    for mode in [0o644, 0o600, 0o444, 0o640, 0o755, 0o4755] {
        chmod(&file, mode);
        assert_eq!(message(&file, &dir), "1 settings", "{mode:o}");
    }
    for mode in [0o666, 0o664, 0o622, 0o620, 0o602, 0o646] {
        chmod(&file, mode);
        let uid = owner(&file);
        assert_eq!(
            message(&file, &dir),
            format!("DIR/a.conf: others can write to it (mode {mode:04o}, owner {uid}): chmod go-w")
        );
        // Included, it is no better.
        write(&dir.join("main.conf"), "\n  include a.conf\n");
        assert_eq!(
            message(&dir.join("main.conf"), &dir),
            format!(
                "DIR/main.conf:2:11: include: DIR/a.conf: others can write to it (mode {mode:04o}, owner {uid}): chmod go-w"
            )
        );
    }
    chmod(&file, 0o644);
    // Who can write to the directory can put another file there; not so in a sticky one.
    for (mode, fine) in [(0o777, false), (0o775, false), (0o757, false), (0o1777, true), (0o700, true)] {
        chmod(&dir, mode);
        let got = message(&file, &dir);
        let uid = owner(&dir);
        let wanted = if fine {
            "1 settings".to_owned()
        } else {
            format!("DIR: others can write to it (mode {mode:04o}, owner {uid}): chmod go-w")
        };
        assert_eq!(got, wanted, "{mode:o}");
    }
    chmod(&dir, 0o755);
    // A directory that is included.
    let sub = dir.join("conf.d");
    fs::create_dir(&sub).unwrap();
    write(&sub.join("x"), STANZA);
    write(&dir.join("main.conf"), "include conf.d");
    chmod(&sub, 0o777);
    assert!(message(&dir.join("main.conf"), &dir).contains("include: DIR/conf.d: others can write to it (mode 0777"));
    chmod(&sub, 0o755);
    assert_eq!(message(&dir.join("main.conf"), &dir), "1 settings");
}

#[test]
fn links_are_followed_to_where_they_lead() {
    use std::os::unix::fs::symlink;
    let dir = directory("links");
    for name in ["real", "open", "near"] {
        fs::create_dir(dir.join(name)).unwrap();
        chmod(&dir.join(name), 0o755);
    }
    write(&dir.join("real/a.conf"), "include b.conf\n");
    write(&dir.join("real/b.conf"), STANZA);
    write(&dir.join("open/a.conf"), STANZA);
    symlink("../real/a.conf", dir.join("near/relative")).unwrap();
    symlink(dir.join("real/a.conf"), dir.join("near/absolute")).unwrap();
    symlink("relative", dir.join("near/twice")).unwrap();
    symlink("../open/a.conf", dir.join("near/to-open")).unwrap();
    symlink("nowhere", dir.join("near/dangling")).unwrap();
    symlink("loop", dir.join("near/loop")).unwrap();
    symlink("../real", dir.join("near/directory")).unwrap();
    write(&dir.join("near/b.conf"), STANZA);
    // What a linked file includes is looked for beside its name, which is what the administrator sees.
    for name in ["relative", "absolute", "twice", "directory/a.conf"] {
        assert_eq!(message(&dir.join("near").join(name), &dir), "1 settings", "{name}");
    }
    assert_eq!(message(&dir.join("near/to-open"), &dir), "1 settings");
    chmod(&dir.join("open"), 0o777);
    assert!(
        message(&dir.join("near/to-open"), &dir).starts_with("DIR/near/../open: others can write to it (mode 0777")
    );
    assert_eq!(message(&dir.join("near/dangling"), &dir), "DIR/near/nowhere: ENOENT: no such file or directory");
    assert_eq!(message(&dir.join("near/loop"), &dir), "DIR/near/loop: ELOOP: too many symbolic links");
    // So it is for what is included, two directories further down as well.
    fs::create_dir_all(dir.join("open/a/b")).unwrap();
    chmod(&dir.join("open/a"), 0o755);
    chmod(&dir.join("open/a/b"), 0o755);
    write(&dir.join("open/a/b/part.conf"), STANZA);
    symlink("../open/a/b", dir.join("near/deep")).unwrap();
    for (include, component) in [
        ("../open/a/b/part.conf", "near/../open"),
        ("deep/part.conf", "near/../open"),
        ("deep", "near/../open"),
        ("../near/../open/a/../../real/b.conf", "near/../near/../open"),
    ] {
        write(&dir.join("near/main.conf"), format!("include \"{include}\""));
        assert_eq!(
            message(&dir.join("near/main.conf"), &dir),
            format!(
                "DIR/near/main.conf:1:9: include: DIR/{component}: others can write to it (mode 0777, owner {}): chmod go-w",
                owner(&dir)
            ),
            "{include}"
        );
    }
    // A cycle by another name is a cycle.
    write(&dir.join("real/b.conf"), "include ../near/again");
    symlink("../real/b.conf", dir.join("near/again")).unwrap();
    assert_eq!(
        message(&dir.join("real/b.conf"), &dir),
        "DIR/real/b.conf:1:9: include: DIR/real/../near/again: includes itself: DIR/real/b.conf -> DIR/real/../near/again"
    );
}

#[test]
fn what_is_no_file_is_not_opened() {
    let dir = directory("kinds");
    let fifo = dir.join("fifo");
    // Nobody ever writes to it: a reader that opened it would hang.
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    fs::create_dir(dir.join("directory")).unwrap();
    chmod(&dir.join("directory"), 0o755);
    for (path, wanted) in [
        ("DIR/fifo", "DIR/fifo: is neither a file nor a directory"),
        ("DIR/socket", "DIR/socket: is neither a file nor a directory"),
        ("/dev/null", "/dev/null: is neither a file nor a directory"),
        ("/dev/tty", "/dev/tty: is neither a file nor a directory"),
        ("DIR/directory", "DIR/directory: is a directory: expected a file"),
        ("DIR/directory/", "DIR/directory/: is a directory: expected a file"),
        ("DIR/directory/.", "DIR/directory/.: is a directory: expected a file"),
        ("/", "/: is a directory: expected a file"),
        ("DIR/nothing", "DIR/nothing: ENOENT: no such file or directory"),
        ("DIR/fifo/x", "DIR/fifo: ENOTDIR: not a directory"),
        ("", "(text): ENOENT: no such file or directory"),
    ] {
        let real = path.replace("DIR", dir.to_str().unwrap());
        // In a user namespace the machine's own files may belong to nobody.
        let got = message(Path::new(&real), &dir);
        assert!(got == wanted || got.contains("belongs to another user"), "{path}: {got}");
        if !path.is_empty() && !path.contains("directory") && path != "/" {
            write(&dir.join("main.conf"), format!("include \"{real}\""));
            let got = message(&dir.join("main.conf"), &dir);
            let wanted = format!("DIR/main.conf:1:9: include: {wanted}");
            assert!(got == wanted || got.contains("belongs to another user"), "{path}: {got}");
        }
    }
    // In a directory that is included they are left out.
    write(&dir.join("stanza"), STANZA);
    fs::remove_file(dir.join("main.conf")).unwrap();
    let outside = directory("kinds-main");
    write(&outside.join("main.conf"), format!("include \"{}\"", dir.display()));
    assert_eq!(message(&outside.join("main.conf"), &dir), "1 settings");
}

// ---- bounds ---------------------------------------------------------------------------------------------------------

#[test]
fn includes_are_bounded() {
    let dir = directory("depth");
    // 1 includes 2, and so on: 16 are allowed.
    for at in 1..=20 {
        write(&dir.join(at.to_string()), format!("  include {}", at + 1));
    }
    write(&dir.join("16"), STANZA);
    assert_eq!(message(&dir.join("1"), &dir), "1 settings");
    write(&dir.join("16"), "\n\n include 17");
    write(&dir.join("17"), STANZA);
    assert_eq!(
        message(&dir.join("1"), &dir),
        "DIR/16:3:10: include: DIR/17: is included too deep: at most 16 files may include one another"
    );
    assert_eq!(message(&dir.join("2"), &dir), "1 settings");
    // A file that is included again and again, not within itself, is read again and again, up to a bound.
    write(&dir.join("17"), "# nothing\n");
    write(&dir.join("many"), "include 17\n".repeat(4095) + STANZA);
    assert_eq!(message(&dir.join("many"), &dir), "1 settings");
    write(&dir.join("many"), "include 17\n".repeat(4096) + STANZA);
    assert_eq!(
        message(&dir.join("many"), &dir),
        "DIR/many:4096:9: include: DIR/17: exceeds the limit: at most 4096 files, directories and entries of directories are read"
    );
    // So is a directory.
    let full = dir.join("full");
    fs::create_dir(&full).unwrap();
    chmod(&full, 0o755);
    for at in 0..2100 {
        write(&full.join(format!("{at:04}")), "");
    }
    write(&dir.join("main"), format!("{STANZA}\ninclude full\n"));
    assert!(message(&dir.join("main"), &dir).contains("exceeds the limit: at most 4096 files"));
}

#[test]
fn sizes_are_bounded() {
    const MIB: usize = 1 << 20;
    let dir = directory("sizes");
    let file = dir.join("a.conf");
    let padded = |len: usize| {
        let mut text = vec![b' '; len];
        text[..STANZA.len()].copy_from_slice(STANZA.as_bytes());
        text
    };
    write(&file, padded(16 * MIB));
    assert_eq!(message(&file, &dir), "1 settings");
    write(&file, padded(16 * MIB + 1));
    assert_eq!(message(&file, &dir), "DIR/a.conf: is larger than 16777216 bytes");
    // Nothing of a terabyte is read.
    fs::File::options().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(message(&file, &dir), "DIR/a.conf: is larger than 16777216 bytes");
    write(&file, padded(16 * MIB));
    write(&dir.join("main.conf"), "include a.conf\n".repeat(5));
    assert_eq!(
        message(&dir.join("main.conf"), &dir),
        "DIR/main.conf:4:9: include: DIR/a.conf: exceeds 67108864 bytes together with the files read before it"
    );
}

#[test]
fn nesting_and_options_are_bounded() {
    let message = |text: &str| match ec_security::config::parse(text.as_bytes()) {
        Ok(settings) => format!("{} settings", settings.len()),
        Err(error) => error.to_string(),
    };
    let nested = |n: usize| "s {".repeat(n) + &"}".repeat(n) + STANZA;
    assert_eq!(message(&nested(256)), "1 settings");
    assert_eq!(
        message(&nested(257)),
        "(text):1:771: \"{\": expected at most 256 blocks, lists and arrays within each other"
    );
    // A million braces are no deeper than the bound.
    assert_eq!(message(&nested(1_000_000)), message(&nested(257)));
    assert_eq!(
        message(&"{".repeat(1_000_000)),
        "(text):1:257: \"{\": expected at most 256 blocks, lists and arrays within each other"
    );
    let arrays = |n: usize| "a = ".to_owned() + &"[k=".repeat(n) + "v" + &"]".repeat(n) + "\n" + STANZA;
    assert_eq!(message(&arrays(256)), "1 settings");
    assert_eq!(
        message(&arrays(257)),
        "(text):1:773: \"[\": expected at most 256 blocks, lists and arrays within each other"
    );
    assert_eq!(message(&arrays(1_000_000)), message(&arrays(257)));
    let options = |n: usize| "Security {\n".to_owned() + &"a=b\n".repeat(n) + "}";
    assert_eq!(message(&options(262_144)), "262144 settings");
    assert_eq!(
        message(&options(262_145)),
        "(text):262146:1: \"a\": expected at most 262144 options and list items in Security stanzas"
    );
    let items = |n: usize| format!("Security {{ supplemental_groups = (\n{})}}", "x\n".repeat(n));
    assert_eq!(message(&items(262_143)), "1 settings");
    assert_eq!(
        message(&items(262_144)),
        "(text):262145:1: \"x\": expected at most 262144 options and list items in Security stanzas"
    );
    // Other blocks hold as many as they like.
    assert_eq!(message(&format!("x {{ {} }}\n{STANZA}", "a=(b c) ".repeat(400_000))), "1 settings");
}

/// Each of these made some parser somewhere slow or deep. That they end at all within the limit of the test is the point: a
/// reader that goes twice over a text for each of its signs would take hours.
#[test]
fn two_mebibytes_of_anything_end() {
    for piece in [
        "{",
        "}",
        "[",
        "(",
        "=",
        "\"",
        "'",
        "/*",
        "*/",
        "/",
        "#",
        "#\n",
        "a ",
        "a=b ",
        "a{",
        "a{}",
        "a=[",
        "a=(",
        "a=()",
        "\"a\"=",
        "\"a\" ",
        "include no/where ",
        "include\"\"",
        "security{}",
        "security{",
        "security=",
        "\n",
        "/**/",
        "/*/",
        "'\"",
        "\"'",
        "a=b\n",
        "\u{fffd}",
        "\x7f",
        "a='b'",
        "x y{}",
    ] {
        let text = piece.repeat((2 << 20) / piece.len());
        let result = ec_security::config::parse(text.as_bytes());
        let fine = matches!(piece, "security{}");
        assert_eq!(result.is_ok(), fine, "{piece:?}");
        if let Err(error) = result {
            let message = error.to_string();
            assert!(message.len() < 512 && message.starts_with("(text)"), "{piece:?}: {message}");
        }
    }
}
