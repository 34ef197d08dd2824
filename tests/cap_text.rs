//! The rows of tests/data/cap_from_text.tsv: what libcap makes of a text, and what it prints for the result. And what we say
//! of texts that do not parse, word by word.

use ec_security::caps::text as cap_text;
use ec_security::caps::{self, CapSets};

const LAST_CAP: u8 = 40;
const ROWS: usize = 216;
const ACCEPTED: usize = 100;

/// A C string literal of the table, without its quotes, as bytes.
fn unescape(literal: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = literal.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, used) = match after {
            [b't', ..] => (b'\t', 1),
            [b'n', ..] => (b'\n', 1),
            [b'v', ..] => (0x0b, 1),
            [b'f', ..] => (0x0c, 1),
            [b'r', ..] => (b'\r', 1),
            [b'x', high, low, ..] => {
                let hex = [*high, *low];
                (u8::from_str_radix(str::from_utf8(&hex).unwrap(), 16).unwrap(), 3)
            }
            _ => panic!("unknown escape in {literal}"),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes
}

fn mask(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).unwrap_or_else(|_| panic!("no mask: {hex}"))
}

#[test]
fn every_row_of_the_table() {
    let table = include_str!("data/cap_from_text.tsv");
    let (mut rows, mut accepted, mut wrong) = (0, 0, Vec::new());
    for row in table.lines().filter(|line| !line.starts_with("# ")) {
        rows += 1;
        let columns: Vec<&str> = row.split('\t').collect();
        let input = columns[0];
        if input == "NULL" {
            // A Rust slice is never NULL; the C function is tested with it from C.
            assert_eq!(columns[1], "EINVAL");
            continue;
        }
        let quoted = input.strip_prefix('"').and_then(|input| input.strip_suffix('"'));
        let text = unescape(quoted.unwrap_or_else(|| panic!("not quoted: {input}")));
        let got = cap_text::parse(&text, LAST_CAP);
        if columns[1] == "EINVAL" {
            match got {
                Ok(caps) => wrong.push(format!("{input}: accepted as {caps:?}")),
                Err(error) if error.column == 0 || error.column > text.len() + 1 => {
                    wrong.push(format!("{input}: column {} is outside", error.column));
                }
                Err(_) => {}
            }
            continue;
        }
        accepted += 1;
        let want = CapSets { effective: mask(columns[1]), permitted: mask(columns[2]), inheritable: mask(columns[3]) };
        if got != Ok(want) {
            wrong.push(format!("{input}: {got:?} instead of {want:?}"));
        }
        let mut written = String::new();
        cap_text::write(&want, LAST_CAP, &mut written).expect("a String takes all");
        if written != columns[4] {
            wrong.push(format!("{input}: written as {written} instead of {}", columns[4]));
        }
    }
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((rows, accepted), (ROWS, ACCEPTED));
}

/// Each is to be read as its reader would: somebody whose server has just refused to start.
#[test]
fn what_is_said_of_bad_texts() {
    let clause = r#"a capability, "all" or ="#;
    let names = r#"capabilities or "all" before the operator"#;
    let comma = r#"a capability or "all" after the comma"#;
    let operator = "=, + or - and flags right after the capabilities, as in cap_chown+ep";
    let flag = "one or more of the flags e, i and p (lower case)";
    let flags = "flags e, i and p (lower case), then +, - or a blank before the next clause";
    let bare =
        "flags e, i and p (lower case), then a blank before the next clause (+ and - need capabilities before them)";
    let number = "a capability's number: decimal, octal (begins with 0) or hexadecimal (begins with 0x)";
    let unexpected = |found: &str, column: usize, expected: &str| {
        format!("unexpected {found} at column {column}, expected {expected}")
    };
    let ends = |column: usize, expected: &str| format!("text ends early at column {column}, expected {expected}");
    let malformed =
        |word: &str, column: usize| format!("malformed number {word} at column {column}, expected {number}");
    let large = |word: &str, column: usize| {
        format!("capability number {word} at column {column} is too large, expected 0 to 63")
    };
    let unknown = |word: &str, column: usize, nearest: &str| {
        let nearest = if nearest.is_empty() { String::new() } else { format!(" (nearest: {nearest})") };
        format!("unknown name {word} at column {column}{nearest}")
    };
    let long = "x".repeat(100);
    let rows: &[(&str, String)] = &[
        // names
        ("cap_net_bnd_service+ep", unknown(r#""cap_net_bnd_service""#, 1, "cap_net_bind_service")),
        ("\tcap_kill=p CAP_NET_BIND_SERVCIE=p", unknown(r#""CAP_NET_BIND_SERVCIE""#, 13, "cap_net_bind_service")),
        ("cap_kill,net_raw=p", unknown(r#""net_raw""#, 10, "cap_net_raw")),
        ("NET_ADMIN+ep", unknown(r#""NET_ADMIN""#, 1, "cap_net_admin")),
        ("netadmin+ep", unknown(r#""netadmin""#, 1, "cap_net_admin")),
        ("cap_netadmin+ep", unknown(r#""cap_netadmin""#, 1, "cap_net_admin")),
        ("cap_sysadmin+ep", unknown(r#""cap_sysadmin""#, 1, "cap_sys_admin")),
        ("cap_sys_tim+ep", unknown(r#""cap_sys_tim""#, 1, "cap_sys_time")),
        ("capnet_raw=p", unknown(r#""capnet_raw""#, 1, "cap_net_raw")),
        ("cap_setguid=p", unknown(r#""cap_setguid""#, 1, "cap_setgid")),
        ("Chown=p", unknown(r#""Chown""#, 1, "cap_chown")),
        ("chwon=p", unknown(r#""chwon""#, 1, "cap_chown")),
        ("all,cap_kil,cap_chown=p", unknown(r#""cap_kil""#, 5, "cap_kill")),
        ("none=p", unknown(r#""none""#, 1, "")),
        ("allx=p", unknown(r#""allx""#, 1, "")),
        ("_=p", unknown(r#""_""#, 1, "")),
        ("root", unknown(r#""root""#, 1, "")),
        ("cap_=p", unknown(r#""cap_""#, 1, "")),
        (&long, unknown(&format!("\"{}…\"", "x".repeat(64)), 1, "")),
        // numbers
        ("08=p", malformed(r#""08""#, 1)),
        ("0x=p", malformed(r#""0x""#, 1)),
        ("0b1=p", malformed(r#""0b1""#, 1)),
        ("0xfg=p", malformed(r#""0xfg""#, 1)),
        ("cap_kill,1e=p", malformed(r#""1e""#, 10)),
        ("7_=p", malformed(r#""7_""#, 1)),
        ("64=p", large(r#""64""#, 1)),
        ("  0100=p", large(r#""0100""#, 3)),
        ("0x40,1=p", large(r#""0x40""#, 1)),
        ("18446744073709551617=p", large(r#""18446744073709551617""#, 1)),
        ("1.0=p", unexpected(r#"".""#, 2, operator)),
        // the beginning of a clause
        (" #", unexpected(r##""#""##, 2, clause)),
        (",", unexpected(r#"",""#, 1, clause)),
        ("!cap_kill", unexpected(r#""!""#, 1, clause)),
        ("~CAP_KILL", unexpected(r#""~""#, 1, clause)),
        ("\"cap_kill=p\"", unexpected(r#""\"""#, 1, clause)),
        ("cap_kill=p \\", unexpected(r#""\\""#, 12, clause)),
        ("cap_kill=p # comment", unexpected(r##""#""##, 12, clause)),
        ("é=p", unexpected(r#""é" (not ASCII: bytes c3 a9)"#, 1, clause)),
        ("+ep", unexpected(r#""+""#, 1, names)),
        ("= -p", unexpected(r#""-""#, 3, names)),
        ("-1=p", unexpected(r#""-""#, 1, names)),
        // between names
        ("cap_kill,=p", unexpected(r#""=""#, 10, comma)),
        ("cap_kill, cap_chown=p", unexpected(r#"" ""#, 10, comma)),
        ("cap_kill,,cap_chown=p", unexpected(r#"",""#, 10, comma)),
        ("cap_kill,", ends(10, comma)),
        // the operator
        ("cap_kill", ends(9, operator)),
        ("all", ends(4, operator)),
        ("cap_kill =p", unexpected(r#"" ""#, 9, operator)),
        ("cap_kill cap_chown+ep", unexpected(r#"" ""#, 9, operator)),
        ("cap_kill\n", unexpected(r#""\n""#, 9, operator)),
        ("cap_kill:p", unexpected(r#"":""#, 9, operator)),
        ("cap_kill|cap_chown=p", unexpected(r#""|""#, 9, operator)),
        ("cap_kill\u{2013}p", unexpected("\"\u{2013}\" (not ASCII: bytes e2 80 93)", 9, operator)),
        ("cap_k\u{456}ll=p", unknown("\"cap_k\u{456}ll\" (not ASCII: bytes d1 96)", 1, "cap_kill")),
        ("cap_foo\u{a0}+p", unknown("\"cap_foo\u{a0}\" (not ASCII: bytes c2 a0)", 1, "")),
        // flags
        ("cap_kill+", ends(10, flag)),
        ("cap_kill=p- ", unexpected(r#"" ""#, 12, flag)),
        ("cap_kill=+", ends(11, flag)),
        ("cap_kill=-", ends(11, flag)),
        ("cap_kill+P", unexpected(r#""P""#, 10, flag)),
        ("cap_kill++p", unexpected(r#""+""#, 10, flag)),
        ("cap_kill=EP", unexpected(r#""EP""#, 10, flags)),
        ("cap_kill+epx", unexpected(r#""x""#, 12, flags)),
        ("cap_kill=p,cap_chown=p", unexpected(r#"",""#, 11, flags)),
        ("cap_kill=p;cap_chown=p", unexpected(r#"";""#, 11, flags)),
        ("cap_kill=pcap_chown=p", unexpected(r#""cap_chown""#, 11, flags)),
        ("cap_kill=p=e", unexpected(r#""=""#, 11, flags)),
        ("cap_kill=p\u{a0}cap_chown=p", unexpected("\"\u{a0}\" (not ASCII: bytes c2 a0)", 11, flags)),
        ("=ep+p", unexpected(r#""+""#, 4, bare)),
        ("==", unexpected(r#""=""#, 2, bare)),
        ("=all", unexpected(r#""all""#, 2, bare)),
        ("=+ep", unexpected(r#""+""#, 2, bare)),
    ];
    assert!(rows.len() >= 70);
    let message = |text: &[u8]| cap_text::parse(text, LAST_CAP).expect_err("does not parse").to_string();
    for (text, error) in rows {
        assert_eq!(message(text.as_bytes()), *error, "{text:?}");
    }
    // What is no UTF-8 at all, or cannot be printed.
    let not_utf8 = r#""\xa0" (not ASCII: bytes a0)"#;
    assert_eq!(message(b"cap_kill=p\xa0"), unexpected(not_utf8, 11, flags));
    assert_eq!(message(b"\xff\xfe"), unexpected(r#""\xff" (not ASCII: bytes ff)"#, 1, clause));
    assert_eq!(message(b"cap_kill=p\0"), unexpected(r#""\x00""#, 11, flags));
    assert_eq!(message(b"cap_kill=p\x1b[31m"), unexpected(r#""\x1b""#, 11, flags));
}

/// Knuth's MMIX generator: any will do, as long as a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn flags(&mut self, least: usize) -> String {
        (0..least + self.below(4)).map(|_| ['e', 'p', 'i'][self.below(3)]).collect()
    }
}

/// Three flags of each of 64 capabilities: the text format's rules, written down a second time and as plainly as possible.
struct Model {
    last: usize,
    held: [[bool; 3]; 64],
}

impl Model {
    fn put(&mut self, caps: &[usize], flags: &str, to: bool) {
        for cap in caps {
            for flag in flags.chars() {
                self.held[*cap]["epi".find(flag).unwrap()] = to;
            }
        }
    }

    fn sets(&self) -> CapSets {
        let mask = |set: usize| (0..64).filter(|cap| self.held[*cap][set]).map(|cap| 1u64 << cap).sum();
        CapSets { effective: mask(0), permitted: mask(1), inheritable: mask(2) }
    }
}

/// A clause, as text, after it has been applied to the model.
fn clause(random: &mut Random, model: &mut Model) -> String {
    let all: Vec<usize> = (0..=model.last).collect();
    if random.below(6) == 0 {
        let flags = random.flags(0);
        model.put(&all, "epi", false);
        model.put(&all, &flags, true);
        return format!("={flags}");
    }
    let (mut caps, mut names) = (Vec::new(), Vec::new());
    for _ in 0..=random.below(4) {
        let cap = random.below(64);
        names.push(match (random.below(6), caps::name(cap as u8)) {
            (0, _) => {
                caps = all.clone();
                ["all", "ALL", "aLl"][random.below(3)].to_owned()
            }
            (1, _) => format!("{cap}"),
            (2, _) => format!("0{cap:o}"),
            (3, Some(name)) => name.to_ascii_uppercase(),
            (_, Some(name)) => name.to_owned(),
            (_, None) => format!("0x{cap:X}"),
        });
        if !names.last().unwrap().eq_ignore_ascii_case("all") {
            caps.push(cap);
        }
    }
    let mut text = names.join(",");
    let first = ["=", "=+", "=-", "+", "-"][random.below(5)];
    let flags = random.flags(usize::from(first != "="));
    if first.starts_with('=') {
        model.put(&caps, "epi", false);
    }
    model.put(&caps, &flags, !first.ends_with('-'));
    text.push_str(first);
    text.push_str(&flags);
    for _ in 0..random.below(3) {
        let minus = random.below(2) == 1;
        let flags = random.flags(1);
        model.put(&caps, &flags, !minus);
        text.push(if minus { '-' } else { '+' });
        text.push_str(&flags);
    }
    text
}

#[test]
fn texts_mean_what_a_plain_model_makes_of_them() {
    let mut random = Random(20_260_214);
    for _ in 0..if cfg!(miri) { 20 } else { 5_000 } {
        let mut model = Model { last: [0, 31, 37, 40, 62, 63][random.below(6)], held: [[false; 3]; 64] };
        let last = model.last as u8;
        let mut text = String::new();
        for _ in 0..random.below(6) {
            text.push_str(&clause(&mut random, &mut model));
            text.push_str([" ", "\t", "\n ", "\r\x0b\x0c"][random.below(4)]);
        }
        let sets = model.sets();
        assert_eq!(cap_text::parse(text.as_bytes(), last), Ok(sets), "{text:?}, last capability {last}");
        // And the way back, by way of libcap's own spelling.
        let mut written = String::new();
        cap_text::write(&sets, last, &mut written).expect("a String takes all");
        assert_eq!(cap_text::parse(written.as_bytes(), last), Ok(sets), "{text:?} written as {written:?}");
        // Cut off anywhere it is either a text or an error within it; it is never read beyond its end.
        let cut = random.below(text.len() + 1);
        if let Err(error) = cap_text::parse(&text.as_bytes()[..cut], last) {
            assert!((1..=cut + 1).contains(&error.column), "{text:?} cut to {cut}: {error}");
        }
    }
}
