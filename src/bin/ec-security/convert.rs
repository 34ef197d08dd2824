//! `ec-security convert`: writes the settings of a systemd unit as a `Security` stanza (systemd.exec(5), systemd.syntax(7)).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;

use ec_security::caps as cap_sets;
use ec_security::status::Set;
use ec_security::sys;
use ec_security::text::Excerpt;

use crate::failure::{Failure, REFUSED, complain, say};
use crate::help;
use crate::terminal::{clean, wrap};

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("convert", error);
    let mut file: Option<OsString> = None;
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::CONVERT),
            Value(word) if file.is_none() => file = Some(word),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let Some(file) = file else {
        return Err(Failure::usage("convert", "a unit file is missing, such as /lib/systemd/system/x.service"));
    };
    let (name, text) = if file == "-" {
        let mut text = Vec::new();
        ("standard input".into(), io::stdin().lock().take(1 << 20).read_to_end(&mut text).map(|_| text))
    } else {
        (clean(file.as_bytes()), fs::read(&file))
    };
    let text = text.map_err(|error| match error.raw_os_error() {
        Some(errno) if error.kind() == io::ErrorKind::NotFound && !name.contains('/') => {
            let errno = ec_security::text::Errno(errno);
            let text = format!("{name}: {errno} (of a unit's name: systemctl cat {name} | ec-security convert -)");
            Failure::new(REFUSED, text)
        }
        Some(errno) => Failure::new(REFUSED, format!("{name}: {}", ec_security::text::Errno(errno))),
        None => Failure::new(REFUSED, format!("{name}: {error}")),
    })?;
    let all = cap_sets::up_to(sys::last_cap());
    let unit = Unit::parse(&String::from_utf8_lossy(&text), all);
    if !unit.errors.is_empty() {
        let failures = unit.errors.iter().map(|error| Failure::new(REFUSED, format!("{name}:{error}"))).collect();
        return Err(complain(failures));
    }
    if !unit.has_service {
        return Err(Failure::new(REFUSED, format!("{name}: no [Service] section: is it the unit of a service?")));
    }
    say(&unit.stanza(&name, all))
}

/// What of a unit is about privileges.
#[derive(Debug, Default)]
struct Unit {
    has_service: bool,
    user: String,
    group: String,
    supplementary_groups: Vec<String>,
    /// `None`: not limited.
    bounding: Option<u64>,
    ambient: u64,
    no_new_privs: bool,
    /// The first setting that implies it for a user other than root.
    implies_no_new_privs: Option<String>,
    securebits: Vec<String>,
    root_directory: String,
    /// Line, setting, and why it is not converted.
    left: Vec<(usize, String, &'static str)>,
    errors: Vec<String>,
}

/// Settings of systemd.exec(5) that set no_new_privs for services that do not run as root.
const IMPLY_NO_NEW_PRIVS: [&str; 16] = [
    "DynamicUser",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "PrivateDevices",
    "ProtectClock",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "SystemCallLog",
];

/// Settings that are about privileges and that the stanza has no word for: the unit keeps them.
const NO_COUNTERPART: [&str; 26] = [
    "AppArmorProfile",
    "BindPaths",
    "BindReadOnlyPaths",
    "CacheDirectory",
    "ConfigurationDirectory",
    "DeviceAllow",
    "DevicePolicy",
    "ExecPaths",
    "InaccessiblePaths",
    "IPAddressAllow",
    "IPAddressDeny",
    "KeyringMode",
    "LogsDirectory",
    "NoExecPaths",
    "PAMName",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "RuntimeDirectory",
    "SELinuxContext",
    "SmackProcessLabel",
    "SocketBindAllow",
    "SocketBindDeny",
    "StateDirectory",
    "TemporaryFileSystem",
    "UMask",
];

const STAYS: &str = "no counterpart";

impl Unit {
    fn parse(text: &str, all: u64) -> Unit {
        let mut unit = Unit::default();
        let mut section = String::new();
        for (line, text) in logical_lines(text) {
            if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                unit.has_service |= section == "Service";
                continue;
            }
            if section != "Service" {
                continue;
            }
            match text.split_once('=') {
                Some((key, value)) => unit.set(line, key.trim(), value.trim(), all),
                None => unit.errors.push(format!("{line}: {}: expected KEY=VALUE", Excerpt::new(text.as_bytes()))),
            }
        }
        unit
    }

    fn set(&mut self, line: usize, key: &str, value: &str, all: u64) {
        let has_specifier = value.contains('%');
        let setting = || format!("{key}={value}");
        match key {
            "User" | "Group" | "SupplementaryGroups" | "RootDirectory" if has_specifier => {
                self.left.push((line, setting(), "has a specifier (%): write what it stands for"));
            }
            "User" => self.user = value.to_owned(),
            "Group" => self.group = value.to_owned(),
            "SupplementaryGroups" if value.is_empty() => self.supplementary_groups.clear(),
            "SupplementaryGroups" => {
                self.supplementary_groups.extend(value.split_ascii_whitespace().map(str::to_owned));
            }
            "CapabilityBoundingSet" => {
                self.bounding = self.capabilities(line, key, value, self.bounding, all);
            }
            "AmbientCapabilities" => {
                let before = (self.ambient != 0).then_some(self.ambient);
                self.ambient = self.capabilities(line, key, value, before, all).unwrap_or(0);
            }
            "NoNewPrivileges" => match boolean(value) {
                Some(on) => self.no_new_privs = on,
                None => {
                    let value = Excerpt::new(value.as_bytes());
                    self.errors.push(format!("{line}: {key}: {value}: expected a boolean, such as yes"));
                }
            },
            "SecureBits" if value.is_empty() => self.securebits.clear(),
            "SecureBits" => {
                for name in value.split_ascii_whitespace() {
                    match name {
                        "keep-caps" => self.left.push((line, name.into(), "always off after a drop")),
                        "keep-caps-locked"
                        | "no-setuid-fixup"
                        | "no-setuid-fixup-locked"
                        | "noroot"
                        | "noroot-locked" => self.securebits.push(name.replace('-', "_")),
                        _ => {
                            let name = Excerpt::new(name.as_bytes());
                            self.errors.push(format!("{line}: {key}: {name}: not a securebit, such as noroot"));
                        }
                    }
                }
            }
            "RootDirectory" => self.root_directory = value.trim_end_matches('/').to_owned(),
            "DynamicUser" => {
                if boolean(value) == Some(true) {
                    self.implies_no_new_privs.get_or_insert(key.into());
                    let why = "systemd makes such a user: for the stanza, add one, and name it in user";
                    self.left.push((line, setting(), why));
                }
            }
            key if key.starts_with("Exec") && value.starts_with(['+', '!']) => {
                self.left.push((line, setting(), "runs with full privileges, as the server would until its drop"));
            }
            key => {
                let is_sandbox =
                    ["Private", "Protect", "Restrict", "SystemCall", "RootImage", "Mount", "Lock", "Memory"];
                let is_sandbox = is_sandbox.iter().any(|word| key.starts_with(word)) && !is_accounting(key);
                let is_off = value.is_empty() || boolean(value) == Some(false);
                if (is_sandbox || NO_COUNTERPART.contains(&key)) && !is_off {
                    self.left.push((line, setting(), STAYS));
                }
                if IMPLY_NO_NEW_PRIVS.contains(&key) && !is_off {
                    self.implies_no_new_privs.get_or_insert(key.into());
                }
            }
        }
    }

    /// One more assignment to a list of capabilities: they add up, `~` takes away, and an empty one begins anew.
    fn capabilities(&mut self, line: usize, key: &str, value: &str, before: Option<u64>, all: u64) -> Option<u64> {
        let (negated, names) = match value.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, value),
        };
        let mut set = 0;
        for name in names.split_ascii_whitespace() {
            match cap_sets::by_name(name.to_ascii_lowercase().as_bytes()) {
                Some(cap) => set |= cap_sets::bit(cap),
                None => {
                    let name = Excerpt::new(name.as_bytes());
                    self.errors.push(format!("{line}: {key}: {name}: not a capability, such as CAP_NET_RAW"));
                }
            }
        }
        Some(match (negated, set) {
            (false, 0) => 0,
            (true, 0) => all,
            (false, set) => before.unwrap_or(0) | set,
            (true, set) => before.unwrap_or(all) & !set,
        })
    }

    fn stanza(&self, name: &str, all: u64) -> String {
        let mut out = String::new();
        let comment = |out: &mut String, indent: usize, text: &str| {
            for line in wrap(text, 0, 0, 76 - indent).lines() {
                let _ = writeln!(out, "{:indent$}# {line}", "");
            }
        };
        comment(&mut out, 0, &format!("From {name}, by ec-security convert."));
        comment(
            &mut out,
            0,
            "The server does by itself what these settings of the unit did, and has to be started as root for that: \
             take User=, Group=, SupplementaryGroups=, AmbientCapabilities=, CapabilityBoundingSet=, \
             NoNewPrivileges=, SecureBits= and RootDirectory= out of the unit.",
        );
        out.push_str("Security {\n");
        let is_root = matches!(self.user.as_str(), "" | "root" | "0");
        if !self.user.is_empty() {
            let _ = writeln!(out, "  user = {}", quoted(&self.user));
        }
        if !self.group.is_empty() {
            let _ = writeln!(out, "  group = {}", quoted(&self.group));
        }
        if !self.supplementary_groups.is_empty() {
            comment(
                &mut out,
                2,
                "The whole list, where the unit's adds to the memberships of the group database: add those.",
            );
            let groups: Vec<String> = self.supplementary_groups.iter().map(|group| quoted(group)).collect();
            let _ = writeln!(out, "  supplemental_groups = ( {} )", groups.join(" "));
        }
        let bounding = self.bounding.unwrap_or(all);
        let ambient = self.ambient & bounding;
        if is_root && bounding == all {
            comment(&mut out, 2, "The unit's service is root with every capability: name those that it needs.");
            out.push_str("  capabilities = keep\n");
        } else {
            let held = if is_root { bounding } else { ambient };
            if held != 0 {
                list(&mut out, "capabilities", held, "+ep");
            }
        }
        if ambient != 0 {
            comment(&mut out, 2, "What programs hold that the server executes. Delete it where they need nothing.");
            list(&mut out, "ambient", ambient, "");
        }
        let on = self.no_new_privs || (!is_root && self.implies_no_new_privs.is_some());
        if on {
            if let (false, Some(key)) = (self.no_new_privs, &self.implies_no_new_privs) {
                comment(&mut out, 2, &format!("By {key}= of the unit."));
            }
            out.push_str("  no_new_privs = on\n  bounding = trim\n");
        } else {
            comment(
                &mut out,
                2,
                "As in the unit. Where the server executes no set-user-ID program, delete both lines: safer.",
            );
            if !is_root && bounding != all {
                comment(&mut out, 2, &format!("The unit leaves them {} at most.", Set(bounding)));
            }
            out.push_str("  no_new_privs = off\n  bounding = keep\n");
        }
        if !self.securebits.is_empty() {
            let _ = writeln!(out, "  securebits = \"{}\"", self.securebits.join(" "));
        }
        if !self.root_directory.is_empty() {
            let _ = writeln!(out, "  chroot = {}", quoted(&self.root_directory));
        }
        out.push_str("}\n");
        if !self.left.is_empty() {
            comment(&mut out, 0, "Not converted; what has no counterpart stays in the unit:");
        }
        for (line, setting, why) in &self.left {
            let why = if *why == STAYS { String::new() } else { format!(" ({why})") };
            let text = wrap(&clean(format!("line {line}: {setting}{why}").as_bytes()), 4, 4, 80);
            for (at, part) in text.lines().enumerate() {
                let _ = writeln!(out, "#   {}", if at == 0 { part } else { part.trim_start() });
            }
        }
        out
    }
}

fn is_accounting(key: &str) -> bool {
    matches!(key, "MemoryAccounting" | "MemoryHigh" | "MemoryLow" | "MemoryMax" | "MemoryMin" | "MemorySwapMax")
}

/// Lines that end in a backslash go on in the next one, comments between them left out.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && !continues) {
            continue;
        }
        let (part, goes_on) = match trimmed.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (trimmed, false),
        };
        match lines.last_mut() {
            Some((_, text)) if continues => {
                text.push(' ');
                text.push_str(part);
            }
            _ => lines.push((at + 1, part.to_owned())),
        }
        continues = goes_on;
    }
    for (_, text) in &mut lines {
        *text = text.trim().to_owned();
    }
    lines
}

fn boolean(word: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    match () {
        () if is(["yes", "true", "on", "1", "y"]) || word.eq_ignore_ascii_case("t") => Some(true),
        () if is(["no", "false", "off", "0", "n"]) || word.eq_ignore_ascii_case("f") => Some(false),
        () => None,
    }
}

/// A value for the stanza, which has no escapes.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
    match value {
        value if !value.is_empty() && value.chars().all(is_plain) => value.to_owned(),
        value if value.contains('"') => format!("'{value}'"),
        value => format!("\"{value}\""),
    }
}

/// A set as one quoted string, or as a list of such where that would be too long a line.
fn list(out: &mut String, option: &str, set: u64, operator: &str) {
    let names: Vec<String> =
        cap_sets::each(set).map(|cap| cap_sets::name(cap).map_or_else(|| cap.to_string(), str::to_owned)).collect();
    let line = format!("  {option} = \"{}{operator}\"", names.join(","));
    if line.len() <= 80 {
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "  {option} = (");
    for names in names.chunks(2) {
        let _ = writeln!(out, "    \"{}{operator}\"", names.join(","));
    }
    out.push_str("  )\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = (1 << 41) - 1;

    #[test]
    fn assignments_to_capabilities_add_up() {
        let rows = [
            ("", None),
            ("CapabilityBoundingSet=CAP_KILL", Some(32)),
            ("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=CAP_CHOWN", Some(33)),
            ("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=", Some(0)),
            ("CapabilityBoundingSet=~CAP_KILL", Some(ALL & !32)),
            ("CapabilityBoundingSet=CAP_KILL CAP_CHOWN\nCapabilityBoundingSet=~CAP_KILL", Some(1)),
            ("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=~", Some(ALL)),
            ("CapabilityBoundingSet=CAP_KILL \\\n# why\n  cap_chown", Some(33)),
        ];
        for (text, bounding) in rows {
            let unit = Unit::parse(&format!("[Unit]\nUser=no\n[Service]\n{text}\n"), ALL);
            assert_eq!((unit.bounding, &unit.errors[..], &unit.user[..]), (bounding, &[][..], ""), "{text}");
        }
    }

    #[test]
    fn every_error_has_its_line() {
        let text = "[Service]\nUser=x\nAmbientCapabilities=CAP_NOPE CAP_KILL\nnonsense\nNoNewPrivileges=maybe\n\
                    SecureBits=noroot nope\n";
        let unit = Unit::parse(text, ALL);
        let lines: Vec<&str> = unit.errors.iter().filter_map(|error| error.split(':').next()).collect();
        assert_eq!(lines, ["3", "4", "5", "6"]);
    }
}
