//! The words of the library, in the help of the command and in what shells complete: a new one is not forgotten there.

use std::process::Command;

use ec_security::plan::SECUREBITS;
use ec_security::policy::OPTIONS;

const SHELLS: [&str; 3] = ["ec-security.bash", "_ec-security", "ec-security.fish"];

fn completion(file: &str) -> String {
    let path = format!("{}/completions/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect(&path)
}

/// The Solaris key is for files that serve both systems.
fn options() -> impl Iterator<Item = &'static str> {
    OPTIONS.into_iter().filter(|option| *option != "privileges")
}

#[test]
fn every_option_is_in_the_help_of_exec() {
    let help = Command::new(env!("CARGO_BIN_EXE_ec-security")).args(["exec", "--help"]).output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for option in options() {
        assert!(help.lines().any(|line| line.starts_with(&format!("  {option}="))), "{option}");
    }
}

#[test]
fn every_option_and_securebit_is_completed() {
    for file in SHELLS {
        let text = completion(file);
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for option in options() {
            assert!(words.contains(&option), "{option} in {file}");
        }
        // keep_caps is for the moment of a change of user.
        for (bit, _) in SECUREBITS.iter().filter(|(bit, _)| *bit != "keep_caps") {
            assert!(words.contains(bit), "{bit} in {file}");
        }
    }
}
