//! Hostile configuration texts.
#![no_main]

#[path = "../checks/stanza.rs"]
mod stanza;

libfuzzer_sys::fuzz_target!(init: stanza::set_up(), |text: &[u8]| stanza::check(text));
