//! The reader of the stanza, against a table of files and against what an attacker would write.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ec_security::stanza::{Place, Setting, StanzaError, Value, load};

/// A fresh folder that only its owner can write to, whatever the umask.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stanza-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    chmod(&path, 0o755);
    path
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
        let folder = case.parent().unwrap().as_os_str().as_bytes();
        let file = place.file.strip_prefix(folder).unwrap_or(&place.file);
        write!(text, "{}:", String::from_utf8_lossy(file).trim_start_matches('/')).unwrap();
    }
    write!(text, "{}:{}", place.line, place.column).unwrap();
    text
}

/// What a case yields, as the table has it.
fn outcome(case: &Path) -> String {
    let folder = format!("{}/", case.parent().unwrap().display());
    let mut text = String::new();
    match load_path(case) {
        Err(error) => {
            let message = error.to_string().replace(&folder, "");
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
    let copied = folder("table");
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
    // Every file is a case or belongs to one in its folder.
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let has_case = cases.iter().any(|case| case.starts_with(&format!("{name}/")));
                let within_case = cases.iter().any(|case| name.starts_with(&case.replace("main.conf", "")));
                assert!(has_case || within_case, "no case in {name}");
                if !within_case {
                    folders.push(path);
                }
            } else if name.ends_with(".conf") && folder.parent().unwrap().ends_with("stanza") {
                let main = cases.contains(&name) || folder.join("main.conf").exists();
                assert!(main || folder.ends_with("include-up"), "{name} is in no case");
            }
        }
    }
    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{wrong}");
    fs::remove_dir_all(copied).unwrap();
}
