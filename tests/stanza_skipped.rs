//! What the reader skips outside of `Security` stanzas, and that it finds just the stanzas at the top level: texts, and what
//! each yields. Reads no file.

use ec_security::config::{Value, parse};

/// `user=mail group=mail`, or the message.
fn outcome(text: &[u8]) -> String {
    match parse(text) {
        Err(error) => error.to_string(),
        Ok(settings) => {
            let one = |setting: &ec_security::config::Setting| match &setting.value {
                Value::One(value) => format!("{}={}", setting.key.escape_ascii(), value.escape_ascii()),
                Value::List(items) => format!("{}=({})", setting.key.escape_ascii(), items.len()),
            };
            settings.iter().map(one).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Skipped as they stand: each is tried before and after a stanza, within a block, and twice.
const SKIPPED: [&str; 58] = [
    // options
    "a = b",
    "a = -1.5%",
    "a += ( b )",
    "a = b c d = e",
    "a = \"b\" 'c' = d",
    "a = = b",
    "\"a b\" = c",
    "a = [ ]",
    "a [ b ]",
    "a [ b = c d = [ e = f ] ]",
    "a [ \"b\" : \"c\", \"d\" : [ e ] ]",
    "a ( b ( c ) d )",
    "a ( b = { c } )",
    "a = { b = c }",
    "a = ( [ b = ( c ) ] { d } )",
    "a:b [ c = d ]",
    "a = security",
    "a = include b = include",
    "a = ( Security { user = wrong } )",
    "a = [ Security { user = wrong } ]",
    "a ( include \"nowhere\" )",
    "a = [ include nowhere ]",
    "a = \u{1}\u{7f}",
    // blocks
    "a { }",
    "a = { }",
    "a b { }",
    "a \"b\" \"c\" d { }",
    "a \"b\" = { }",
    "a ( b c ) { d }",
    "a { } { }",
    "{ a }",
    "{ Security { user = wrong } }",
    "a { Security { user = wrong } }",
    "a { b [ c ] = d }",
    "a { b }",
    "a { b = }",
    "a Security { user = wrong }",
    "a \"Security\" { user = wrong }",
    "\"Security\" { user = wrong }",
    "'Security' { user = wrong }",
    "a = \"Security\" { user = wrong }",
    "Insecurity { user = wrong }",
    "Security_Log { user = wrong }",
    "a { include \"http://example.net/x\" }",
    // quotes and comments
    "a = \"Security { user = wrong }\"",
    "a = 'Security { user = wrong }'",
    "a = '\"' b = \"'\" c = \"# /*\"",
    "# Security { user = wrong }",
    "# \" ' { ( [ /*",
    "/* Security { user = wrong } */",
    "/* \" ' { ( [ # */",
    "a = b# \"",
    "a = b/* \" */c = d",
    // patterns
    "a /^Security{user=wrong}$/ { }",
    "a /[^\"'(]\\/{2}\\)/i\n { b /}/ { } }",
    "a /b { c /d { } }",
    "a\u{a0}\"b\"\u{a0}{ c /x(y)/\u{a0}{ } }",
    "\u{feff}a = b",
];

#[test]
fn whatever_is_balanced_is_skipped() {
    const STANZA: &str = "Security { user = mail }";
    for skipped in SKIPPED {
        for text in [
            format!("{skipped}\n{STANZA}\n"),
            format!("{STANZA} {skipped}\n"),
            format!("x {{ {skipped}\n }} {STANZA}"),
            format!("x {{ y \"z\" {{ {skipped}\n }} v = [ w ] }} {STANZA}"),
            format!("{skipped}\n{skipped}\n{STANZA}\n{skipped}\n"),
        ] {
            assert_eq!(outcome(text.as_bytes()), "user=mail", "{text:?}");
        }
    }
}

/// What each yields by itself.
#[rustfmt::skip]
const YIELDS: [(&str, &str); 54] = [
    // stanzas
    ("Security { user = a } Security { group = b }", "user=a group=b"),
    ("Security{user=a}Security{group=b}", "user=a group=b"),
    ("SECURITY\n=\n{ user = a }", "user=a"),
    ("a = b Security { user = a }", "user=a"),
    ("a = \"b\" Security { user = a }", "user=a"),
    ("a { } Security { user = a }", "user=a"),
    ("a = ( ) Security { user = a }", "user=a"),
    ("a [ ] Security { user = a }", "user=a"),
    ("a = security Security { user = a }", "user=a"),
    ("a b c = d Security { user = a }", "user=a"),
    ("a { # }\n} Security { user = a }", "user=a"),
    ("a { b = \"}\" } Security { user = a }", "user=a"),
    ("a /}/ { } Security { user = a }", "user=a"),
    ("a /b/ { } Security { chroot = /c/d }", "chroot=/c/d"),
    ("a /b { } Security { chroot = /c }", "chroot=/c"),
    ("\u{feff}\u{feff}\u{a0}Security\u{a0}{ user = a }", "user=a"),
    // none
    ("", "(text): no Security stanza"),
    ("a \"{\" { } # Security { user = a }", "(text): no Security stanza"),
    ("\"Security\" { user = a }", "(text): no Security stanza (is \"Security\" at (text):1:1 meant to be one?)"),
    ("Securty = { user = a }", "(text): no Security stanza (is \"Securty\" at (text):1:1 meant to be one?)"),
    ("[Security]\nuser = a", "(text): no Security stanza (is \"Security\" at (text):1:2 meant to be one?)"),
    ("[Security a]", "(text): no Security stanza"),
    ("a { [Security] }", "(text): no Security stanza"),
    ("a { Security { user = a } }", "(text): no Security stanza at the top level (the one at (text):1:5 is inside another block)"),
    ("a /Security{user=b}/ { }", "(text): no Security stanza"),
    // one cannot tell
    ("a { Security { user = a }", "(text):1:3: \"{\": expected } before the end of the file"),
    ("a } Security { user = a }", "(text):1:3: \"}\": expected an option, a block, include or the end of the file"),
    ("a ( { ) } Security { user = a }", "(text):1:7: \")\": expected an option, a block, include or }; the block was opened at (text):1:5"),
    ("a [ ( ] ) Security { user = a }", "(text):1:7: \"]\": expected a word, a quoted string or ); the list was opened at (text):1:5"),
    ("a [ } Security { user = a }", "(text):1:5: \"}\": expected a key, a value or ]; the array was opened at (text):1:3"),
    ("a ( Security { user = a }", "(text):1:3: \"(\": expected ) before the end of the file"),
    ("a = \" Security { user = a }", "(text):1:5: \"\\\" Security { user = a }\": expected a closing \" before the end of the file"),
    ("a = ' Security { user = a }", "(text):1:5: \"' Security { user = a }\": expected a closing ' before the end of the file"),
    ("/* Security { user = a }", "(text):1:1: \"/*\": expected */ before the end of the file"),
    ("port 25 Security { user = a }", "(text):1:9: \"Security\": expected = and a value, or { and a block, before this"),
    ("a = Security { user = a }", "(text):1:5: \"Security\": expected a value before this (in quotes, if this is one)"),
    ("a =\nSecurity = { user = a }", "(text):2:1: \"Security\": expected a value before this (in quotes, if this is one)"),
    ("a { }; Security { user = a }", "(text):1:8: \"Security\": expected = and a value, or { and a block, before this"),
    ("/* /* */ */ Security { user = a }", "(text):1:13: \"Security\": expected = and a value, or { and a block, before this"),
    ("a = \"b\" 'c' Security { user = a }", "(text):1:13: \"Security\": expected = and a value, or { and a block, before this"),
    ("\"a\" Security { user = a }", "(text):1:5: \"Security\": expected = and a value, or { and a block, before this"),
    ("a include \"b\" Security { user = a }", "(text):1:3: \"include\": expected = and a value, or { and a block, before this"),
    ("Security \"a\" { user = a }", "(text):1:10: \"a\": expected { (the Security stanza has no name and no value)"),
    ("Security", "(text):1:9: end of file: expected { (the Security stanza has no name and no value)"),
    ("Security { user = a } b", "(text):1:24: end of file: expected = and a value, or { and a block"),
    ("Security { user = a } b =", "(text):1:26: end of file: expected a value"),
    ("a /b#c/ { } Security { user = a }", "(text):1:3: \"/b#c/\": expected quotes round this pattern: it holds what could be a comment, a stanza or an include"),
    ("a /b\\/*c/ { } Security { user = a }", "(text):1:3: \"/b\\\\/*c/\": expected quotes round this pattern: it holds what could be a comment, a stanza or an include"),
    ("a /b{}Security{user=c}d/{}", "(text):1:3: \"/b{}Security{user=c}d/\": expected quotes round this pattern: it holds what could be a comment, a stanza or an include"),
    ("a /b(c)include'd'/{} Security { user = a }", "(text):1:3: \"/b(c)include'd'/\": expected quotes round this pattern: it holds what could be a comment, a stanza or an include"),
    ("a /(b)security{2}$/ { } Security { user = a }", "(text):1:3: \"/(b)security{2}$/\": expected quotes round this pattern: it holds what could be a comment, a stanza or an include"),
    ("a /(b)?security\\.(c|d)$/ { } Security { user = a }", "user=a"),
    // as strict as ever inside
    ("Security { a [ b ] }", "(text):1:12: \"a\": expected = and a value after it (or, for a value of several words, quotes round them all); the Security stanza was opened at (text):1:10"),
    ("Security { user = a\u{1} }", "(text):1:20: \"\\x01\": expected a printable character, or quotes round it"),
];

#[test]
fn just_the_stanzas_at_the_top_level_are_found() {
    for (text, wanted) in YIELDS {
        assert_eq!(outcome(text.as_bytes()), wanted, "{text:?}");
    }
}
