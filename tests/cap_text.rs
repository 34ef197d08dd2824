//! The rows of tests/data/cap_from_text.tsv: what libcap makes of a text, and what it prints for the result.

use ec_security::cap_sets::CapSets;
use ec_security::cap_text;

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
