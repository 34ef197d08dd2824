//! `show --json`: writes everything that is known of the processes as JSON. docs/ec-security-show.schema.json is the schema of the
//! current version.

use std::fmt::Write as _;

use ec_security::caps as cap_sets;
use ec_security::status::{Kind, Process, Thread};

use crate::table::name_of;
use crate::verdict::Verdict;

/// Counts up when something is taken away or changes its meaning; not when something is added.
const VERSION: u32 = 1;

pub(crate) fn processes(processes: &[(Process, Option<Verdict>)]) -> String {
    let mut out = String::new();
    let _ = write!(out, "{{\n  \"version\": {VERSION},\n  \"processes\": [");
    for (at, (process, verdict)) in processes.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        one_process(&mut out, process, verdict.as_ref());
    }
    out.push_str(if processes.is_empty() { "]\n}\n" } else { "\n  ]\n}\n" });
    out
}

fn one_process(out: &mut String, process: &Process, verdict: Option<&Verdict>) {
    let parent = process.parent.map_or("null".into(), |parent| parent.to_string());
    let name = string(name_of(process).as_bytes());
    let _ = write!(out, "    {{\"pid\": {}, \"parent\": {parent}, \"name\": {name}", process.pid);
    if let Some(verdict) = verdict {
        let list = |texts: &[String]| texts.iter().map(|text| string(text.as_bytes())).collect::<Vec<_>>().join(", ");
        let _ = write!(
            out,
            ",\n     \"verdict\": {{\"root\": \"{}\", \"reasons\": [{}], \"notes\": [{}]}}",
            verdict.answer.word(),
            list(&verdict.reasons),
            list(&verdict.notes)
        );
    }
    out.push_str(",\n     \"threads\": [");
    for (at, thread) in process.threads.iter().enumerate() {
        out.push_str(if at == 0 { "\n      " } else { ",\n      " });
        one_thread(out, process, thread);
    }
    out.push_str("\n     ]}");
}

fn one_thread(out: &mut String, process: &Process, thread: &Thread) {
    let kind = match thread.kind {
        Kind::Ordinary => "thread",
        Kind::Exited => "exited",
        Kind::KernelWorker { per_request_credentials: true } => "worker",
        Kind::KernelWorker { per_request_credentials: false } => "fixed_worker",
    };
    let alike = process.is_same_as_reference(thread);
    let _ = write!(out, "{{\"tid\": {}, \"name\": {}", thread.tid, string(&thread.name));
    let _ = write!(out, ", \"kind\": \"{kind}\", \"alike\": {alike}");
    let held = &thread.credentials;
    for (name, [real, effective, saved, fs]) in [("uid", held.uids), ("gid", held.gids)] {
        let _ = write!(
            out,
            ", \"{name}\": {{\"real\": {real}, \"effective\": {effective}, \"saved\": {saved}, \"fs\": {fs}}}"
        );
    }
    let _ = write!(out, ", \"groups\": {:?}", held.groups);
    for (name, set) in held.sets() {
        let names: Vec<String> = cap_sets::each(set)
            .map(|cap| cap_sets::name(cap).map_or_else(|| format!("\"{cap}\""), |name| format!("\"{name}\"")))
            .collect();
        let _ = write!(out, ", \"{name}\": [{}]", names.join(", "));
    }
    let no_new_privs = held.no_new_privs.map_or("null".into(), |flag| flag.to_string());
    let securebits = match process.caller {
        Some((tid, bits)) if tid == thread.tid => bits.to_string(),
        _ => "null".into(),
    };
    let _ = write!(out, ", \"no_new_privs\": {no_new_privs}, \"securebits\": {securebits}}}");
}

/// What is not UTF-8 is U+FFFD.
fn string(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string(b"a\"b\\c\n\x1b\xff\x7f"), "\"a\\\"b\\\\c\\u000a\\u001b\u{fffd}\\u007f\"");
    }
}
