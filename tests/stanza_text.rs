//! A configuration text, cut off after every byte and with every byte replaced in turn: each is taken or refused with a
//! place, and nothing panics. Reads no file, so that Miri can watch it.

use ec_security::config::{self, Value};

const TEXT: &[u8] = b"# ours\nserver { port = 25 }\nSecurity {\n  user = \"ec user\"\n  group=eclogs; # both\n  \
    capabilities = cap_net_bind_service+ep\n  supplemental_groups = ( a, 0x10, \"b c\" )\n  no_new_privs = on\n}\n";

/// Under Miri each text takes a thousand times as long.
const STEP: usize = if cfg!(miri) { 5 } else { 1 };

#[test]
fn the_whole_text_has_its_settings() {
    let settings = config::parse(TEXT).expect("the text is right");
    let keys: Vec<&[u8]> = settings.iter().map(|setting| &*setting.key).collect();
    let wanted: [&[u8]; 5] = [b"user", b"group", b"capabilities", b"supplemental_groups", b"no_new_privs"];
    assert_eq!(keys, wanted);
    assert!(matches!(&settings[0].value, Value::One(value) if **value == *b"ec user"));
    assert!(matches!(&settings[3].value, Value::List(items) if items.len() == 3));
}

#[test]
fn every_beginning_ends() {
    let mut taken = 0;
    for end in (0..TEXT.len()).step_by(STEP) {
        match config::parse(&TEXT[..end]) {
            Ok(settings) => {
                assert!(settings.len() <= 5);
                taken += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(taken <= 1, "{taken} beginnings were taken for whole stanzas, where only the last blank is too much");
}

#[test]
fn every_byte_may_be_another() {
    let others: &[u8] = if cfg!(miri) { b"\xff{" } else { b"\0\xff\x80{}()\"\\=;,#\n \t@a" };
    let (mut taken, mut refused) = (0, 0);
    for at in (0..TEXT.len()).step_by(STEP) {
        for &other in others {
            let mut text = TEXT.to_vec();
            text[at] = other;
            match config::parse(&text) {
                Ok(_) => taken += 1,
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}
